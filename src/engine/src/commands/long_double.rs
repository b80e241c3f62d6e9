//! The 80-bit floating-point arithmetic of `INCRBYFLOAT` and `HINCRBYFLOAT`.
//!
//! Redis computes these in C's `long double`, which on x86-64 has a mantissa of 64 bits. Plain floats would give other
//! digits (0.1 + 0.2 must be 0.3), so reading, adding and writing are done here exactly, on whole numbers of any
//! length, and rounded once, to the nearest and in ties to the even number. (LLVM's APFloat in Rust reads and adds the same
//! numbers, but writes them by significant digits with an exponent, where Redis wants 17 digits behind the point of numbers of
//! any size: the exact arithmetic would have to stay beside it.)

use super::natural::Natural;
use super::number::{Shape, ShapeKind};

/// A finite number, `mantissa × 2^exponent`, or an infinity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LongDouble {
    is_negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Magnitude {
    Finite { mantissa: u64, exponent: i32 },
    Infinite,
}

/// Exponent of the lowest bit of the smallest number.
const MIN_EXPONENT: i32 = -16_445;
/// Exponent of the lowest bit of the largest number.
const MAX_EXPONENT: i32 = 16_320;
/// Longest text that Redis reads, exclusive.
const MAX_TEXT_LEN: usize = 5 * 1024;

impl LongDouble {
    /// Reads a number that fills the whole text; what overflows or is lost as a zero is refused, and so is NaN.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let shape = Shape::of(text)?;
        if text.len() >= MAX_TEXT_LEN || shape.end != text.len() {
            return None;
        }
        let is_negative = text[0] == b'-';
        let (number, is_zero) = match shape.kind {
            ShapeKind::Infinity => return Some(Self { is_negative, magnitude: Magnitude::Infinite }),
            ShapeKind::Decimal { is_zero } => (Self::decimal(is_negative, text), is_zero),
            ShapeKind::Hexadecimal { is_zero } => (Self::hexadecimal(is_negative, text), is_zero),
        };
        match number.magnitude {
            Magnitude::Infinite => None,
            Magnitude::Finite { mantissa: 0, .. } if !is_zero => None,
            _ => Some(number),
        }
    }

    /// The sum, unless it is infinite or not a number.
    pub(super) fn checked_add(self, other: Self) -> Option<Self> {
        let (Magnitude::Finite { mantissa: a, exponent: i }, Magnitude::Finite { mantissa: b, exponent: j }) =
            (self.magnitude, other.magnitude)
        else {
            return None;
        };
        let exponent = i.min(j);
        let a = Natural::from(u128::from(a)).shifted_left((i - exponent) as usize);
        let b = Natural::from(u128::from(b)).shifted_left((j - exponent) as usize);
        let (is_negative, sum) = if self.is_negative == other.is_negative {
            (self.is_negative, a.plus(&b))
        } else if a.is_less_than(&b) {
            (other.is_negative, b.minus(&a))
        } else {
            (self.is_negative, a.minus(&b))
        };
        let sum = Self::rounded(is_negative, &sum, exponent, false);
        (sum.magnitude != Magnitude::Infinite).then_some(sum)
    }

    /// Whether the number is an infinity.
    pub(super) fn is_infinite(self) -> bool {
        self.magnitude == Magnitude::Infinite
    }

    /// The product with `factor`, rounded up to a whole number; what does not fit is the nearest that does.
    pub(super) fn saturating_product_rounded_up(self, factor: u32) -> i64 {
        let limit = if self.is_negative { i64::MIN } else { i64::MAX };
        let Magnitude::Finite { mantissa, exponent } = self.magnitude else { return limit };
        let product = u128::from(mantissa) * u128::from(factor);
        let whole = match u32::try_from(exponent) {
            Ok(_) if product == 0 => Some(0),
            Ok(shift) => product.checked_shl(shift).filter(|shifted| shifted >> shift == product),
            Err(_) => {
                let below = product.checked_shr(exponent.unsigned_abs()).unwrap_or(0);
                let is_exact = product.trailing_zeros() >= exponent.unsigned_abs() || product == 0;
                Some(below + u128::from(!is_exact && !self.is_negative))
            }
        };
        let magnitude = whole.and_then(|whole| i64::try_from(whole).ok());
        magnitude.map_or(limit, |magnitude| if self.is_negative { -magnitude } else { magnitude })
    }

    /// The digits with up to 17 places after the point and no zeros at the end.
    pub(super) fn to_text(self) -> String {
        let sign = if self.is_negative { "-" } else { "" };
        let Magnitude::Finite { mantissa, exponent } = self.magnitude else { return format!("{sign}inf") };
        if exponent >= 0 {
            let whole = Natural::from(u128::from(mantissa)).shifted_left(exponent as usize).to_text();
            return if whole == "0" { whole } else { format!("{sign}{whole}") };
        }
        const SCALE: u128 = 10_u128.pow(17);
        let scaled = shift_right_rounding(u128::from(mantissa) * SCALE, exponent.unsigned_abs());
        let whole = scaled / SCALE;
        let fraction = format!("{:017}", scaled % SCALE);
        match (whole, fraction.trim_end_matches('0')) {
            (0, "") => "0".to_owned(),
            (_, "") => format!("{sign}{whole}"),
            (_, fraction) => format!("{sign}{whole}.{fraction}"),
        }
    }

    fn decimal(is_negative: bool, text: &[u8]) -> Self {
        let (digits, exponent) = digits_and_scale(text, b'e', 10);
        let significand = Natural::from_digits(&digits, 10);
        // Far outside the range no digit counts, and the power of ten would only cost time.
        let is_lost = exponent < -5_000 - digits.len() as i64;
        if significand.is_zero() || is_lost {
            return Self { is_negative, magnitude: Magnitude::Finite { mantissa: 0, exponent: 0 } };
        }
        if exponent > 5_000 {
            return Self { is_negative, magnitude: Magnitude::Infinite };
        }
        let exponent = exponent as i32;
        let power = Natural::power_of_ten(exponent.unsigned_abs());
        if exponent >= 0 {
            return Self::rounded(is_negative, &significand.times(&power), 0, false);
        }
        // As many bits of the quotient as the mantissa has, and two more to round by.
        let shift = (power.bit_len() + 66).saturating_sub(significand.bit_len());
        let (quotient, has_rest) = significand.shifted_left(shift).divided_by(&power);
        Self::rounded(is_negative, &quotient, -(shift as i32), has_rest)
    }

    fn hexadecimal(is_negative: bool, text: &[u8]) -> Self {
        let (significand, exponent) = hexadecimal_parts(text);
        Self::rounded(is_negative, &significand, exponent, false)
    }

    /// The number nearest to `significand × 2^exponent`, to which `has_rest` adds a little less than one unit.
    fn rounded(is_negative: bool, significand: &Natural, exponent: i32, has_rest: bool) -> Self {
        let (mut mantissa, mut exponent) = round_to(significand, exponent, has_rest, 64, MIN_EXPONENT);
        if mantissa == 1 << 64 {
            (mantissa, exponent) = (1 << 63, exponent + 1);
        }
        let is_infinite = mantissa != 0 && exponent > MAX_EXPONENT;
        let magnitude = if is_infinite {
            Magnitude::Infinite
        } else {
            Magnitude::Finite { mantissa: mantissa as u64, exponent }
        };
        Self { is_negative, magnitude }
    }
}

/// Rounds to at most `bits` bits, none of them below `min_exponent`; the mantissa may come out as exactly `2^bits`.
fn round_to(value: &Natural, exponent: i32, has_rest: bool, bits: usize, min_exponent: i32) -> (u128, i32) {
    let excess = value.bit_len() as i32 - bits as i32;
    let dropped = excess.max(min_exponent - exponent);
    if dropped <= 0 {
        // Exactly representable; moved up, so that the exponent says how large the number is.
        let room = (-excess).min(exponent - min_exponent).max(0);
        let room = if value.is_zero() { 0 } else { room };
        return (value.shifted_left(room as usize).low_u128(), exponent - room);
    }
    let dropped = dropped as usize;
    let kept = value.shifted_right(dropped).low_u128();
    let half = value.bit(dropped - 1);
    let below_half = has_rest || value.has_bits_below(dropped - 1);
    let round_up = half && (below_half || kept & 1 == 1);
    (kept + u128::from(round_up), exponent + dropped as i32)
}

fn hexadecimal_parts(text: &[u8]) -> (Natural, i32) {
    let (digits, exponent) = digits_and_scale(text, b'p', 16);
    (Natural::from_digits(&digits, 16), exponent.clamp(-40_000, 40_000) as i32)
}

/// The digits' values without sign, prefix and point, and the power (of ten, or of two for base 16) that they are
/// multiplied with.
fn digits_and_scale(text: &[u8], exponent_mark: u8, base: u32) -> (Vec<u8>, i64) {
    let body = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let body = if base == 16 { &body[2..] } else { body };
    let mark = body.iter().position(|byte| byte.to_ascii_lowercase() == exponent_mark);
    let (number, exponent) = match mark {
        Some(at) => (&body[..at], saturating_exponent(&body[at + 1..])),
        None => (body, 0),
    };
    let point = number.iter().position(|byte| *byte == b'.').unwrap_or(number.len());
    let places = number.len().saturating_sub(point + 1) as i64;
    let digits =
        number.iter().filter_map(|byte| char::from(*byte).to_digit(base)).map(|digit| digit as u8).collect();
    let bits_per_place = if base == 16 { 4 } else { 1 };
    (digits, exponent - places * bits_per_place)
}

fn saturating_exponent(text: &[u8]) -> i64 {
    let digits = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let magnitude =
        digits.iter().fold(0_i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1_000_000));
    if text[0] == b'-' { -magnitude } else { magnitude }
}

fn shift_right_rounding(value: u128, shift: u32) -> u128 {
    if shift >= 128 {
        // At least 2^-1 below any half: the value has 121 bits at most.
        return 0;
    }
    let kept = value >> shift;
    let rest = value & ((1 << shift) - 1);
    let half = 1 << (shift - 1);
    kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: &str) -> Option<String> {
        LongDouble::parse(number.as_bytes()).map(LongDouble::to_text)
    }

    #[test]
    fn reads_and_writes() {
        let check =
            |number: &str, expected: Option<&str>| assert_eq!(text(number).as_deref(), expected, "{number}");
        check("0", Some("0"));
        check("-0", Some("0"));
        check("3.0e3", Some("3000"));
        check("0.1", Some("0.1"));
        check("-10.50", Some("-10.5"));
        check("123456789.123456789", Some("123456789.12345678899873747"));
        check("0x10p-1", Some("8"));
        check("1e-18", Some("0"));
        check("-1e-18", Some("0"));
        check("1e20", Some("100000000000000000000"));
        check("18446744073709551616", Some("18446744073709551616"));
        check("inf", Some("inf"));
        check("-inf", Some("-inf"));
        check("1e4932", Some(&text("1e4932").unwrap()));
        for wrong in ["", " 1", "1 ", "nan", "1e5000", "1e-5000", "abc", "1e", "--1"] {
            check(wrong, None);
        }
        assert_eq!(text("1e4932").unwrap().len(), 4933);
    }

    #[test]
    fn adds() {
        let check = |a: &str, b: &str, expected: Option<&str>| {
            let [a, b] = [a, b].map(|number| LongDouble::parse(number.as_bytes()).unwrap());
            assert_eq!(a.checked_add(b).map(LongDouble::to_text).as_deref(), expected);
        };
        check("0.1", "0.2", Some("0.3"));
        check("10.5", "0.1", Some("10.6"));
        check("5.0e3", "2.0e2", Some("5200"));
        check("1", "-1", Some("0"));
        check("1", "-3.25", Some("-2.25"));
        check("1e4932", "1e4932", None);
        check("inf", "1", None);
        check("inf", "-inf", None);
        check("1e30", "1", Some("1000000000000000000024696061952"));
        check("18446744073709551615", "1", Some("18446744073709551616"));
        check("1e4000", "-1e4000", Some("0"));
    }
}
