//! Numbers as Redis reads and writes them.

use super::shortest::Digits;

/// Reads a signed 64-bit number written the one way that [`i64`]'s `Display` writes it: no plus sign, no leading
/// zeros, no spaces, no `-0`.
pub(super) fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, text),
    };
    match digits.split_first()? {
        (b'0', []) if !negative => return Some(0),
        (b'1'..=b'9', _) if digits.len() <= 19 => (),
        _ => return None,
    }
    let mut magnitude = 0_u64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // 19 digits stay below 2^64.
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Reads a floating-point number that fills the whole text: decimal or infinity, in C's notation. What overflows, or is lost
/// as a zero, is not a number, and neither is NaN.
pub(super) fn parse_float(text: &[u8]) -> Option<f64> {
    let shape = Shape::of(text).filter(|shape| shape.end == text.len())?;
    let value = shape.as_f64(text)?;
    let is_lost = match shape.kind {
        ShapeKind::Decimal { is_zero } => value.is_infinite() || (value == 0.0 && !is_zero),
        _ => false,
    };
    (!is_lost).then_some(value)
}

/// Reads a floating-point number as the bounds of a range are given: nothing at all is 0, overflow is infinity, and a zero
/// byte ends the text.
pub(super) fn parse_loose_float(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    Shape::of(text).filter(|shape| shape.end == text.len())?.as_f64(text)
}

/// Writes a float with its shortest digits; numbers that are far larger than their digits, and far below one, with an exponent.
pub fn format_float(value: f64, out: &mut Vec<u8>) {
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
        return;
    }
    let is_integer = value.abs() <= LARGEST_WHOLE && value.fract() == 0.0;
    if is_integer && (value != 0.0 || value.is_sign_positive()) {
        return format_integer(value as i64, out);
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    if value == 0.0 {
        return out.push(b'0');
    }
    let shortest = Digits::of(value.abs());
    let digits = shortest.as_bytes();
    let exponent = shortest.exponent + digits.len() as i32 - 1;
    let is_plain = match shortest.exponent {
        0.. => exponent < digits.len() as i32 + 7,
        -6..0 => true,
        _ => exponent.abs() < 4,
    };
    if is_plain { plain_notation(digits, exponent, out) } else { scientific_notation(digits, exponent, out) }
}

/// Whole numbers up to here are written with all their digits, as integers are.
const LARGEST_WHOLE: f64 = (1_u64 << 62) as f64;

/// Writes an integer.
pub fn format_integer(value: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}

fn plain_notation(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend_from_slice(digits);
        return;
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

fn scientific_notation(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    use std::io::Write;
    out.push(digits[0]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits[1..]);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    write!(out, "e{sign}{}", exponent.abs()).expect("writing to memory does not fail");
}

/// How a number is written, and where it ends.
pub(super) struct Shape {
    pub end: usize,
    pub kind: ShapeKind,
}

pub(super) enum ShapeKind {
    Infinity,
    Decimal { is_zero: bool },
    Hexadecimal { is_zero: bool },
}

impl Shape {
    /// Finds the longest number that the text begins with, in the notation of C's `strtod`; none for NaN.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        let start = usize::from(matches!(text.first(), Some(b'+' | b'-')));
        let body = &text[start..];
        let begins_with =
            |word: &[u8]| body.len() >= word.len() && body[..word.len()].eq_ignore_ascii_case(word);
        if begins_with(b"infinity") {
            return Some(Self { end: start + 8, kind: ShapeKind::Infinity });
        }
        if begins_with(b"inf") {
            return Some(Self { end: start + 3, kind: ShapeKind::Infinity });
        }
        if begins_with(b"0x")
            && let Some((len, is_zero)) = digits_and_exponent(&body[2..], u8::is_ascii_hexdigit, b'p')
        {
            return Some(Self { end: start + 2 + len, kind: ShapeKind::Hexadecimal { is_zero } });
        }
        let (len, is_zero) = digits_and_exponent(body, u8::is_ascii_digit, b'e')?;
        Some(Self { end: start + len, kind: ShapeKind::Decimal { is_zero } })
    }

    /// The number, which fills the text; none if it is hexadecimal.
    fn as_f64(&self, text: &[u8]) -> Option<f64> {
        match self.kind {
            ShapeKind::Infinity if text[0] == b'-' => Some(f64::NEG_INFINITY),
            ShapeKind::Infinity => Some(f64::INFINITY),
            ShapeKind::Decimal { .. } => std::str::from_utf8(text).ok()?.parse().ok(),
            ShapeKind::Hexadecimal { .. } => None,
        }
    }
}

/// Length of `digits[.digits][e[sign]digits]`, and whether all digits are zeros; none without a digit.
fn digits_and_exponent(text: &[u8], is_digit: fn(&u8) -> bool, exponent_mark: u8) -> Option<(usize, bool)> {
    let whole = text.iter().take_while(|byte| is_digit(byte)).count();
    let mut end = whole;
    let mut digits = whole;
    if text.get(end) == Some(&b'.') {
        let fraction = text[end + 1..].iter().take_while(|byte| is_digit(byte)).count();
        digits += fraction;
        end += 1 + fraction;
    }
    if digits == 0 {
        return None;
    }
    let is_zero = text[..end].iter().all(|byte| matches!(byte, b'0' | b'.'));
    if text.get(end).is_some_and(|byte| byte.to_ascii_lowercase() == exponent_mark) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = text[end + 1 + sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    Some((end, is_zero))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        let check = |text: &str, expected| assert_eq!(parse_integer(text.as_bytes()), expected, "{text:?}");
        check("0", Some(0));
        check("-1", Some(-1));
        check("9223372036854775807", Some(i64::MAX));
        check("-9223372036854775808", Some(i64::MIN));
        check("9223372036854775808", None);
        check("-9223372036854775809", None);
        check("10000000000000000000", None);
        check("99999999999999999999", None);
        for text in ["", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1.0", "0x1", "1e3", "1\0", "a"] {
            check(text, None);
        }
    }

    #[test]
    fn floats() {
        let check = |text: &str, expected| assert_eq!(parse_float(text.as_bytes()), expected, "{text:?}");
        check("0", Some(0.0));
        check("-1.5", Some(-1.5));
        check("+2", Some(2.0));
        check(".5", Some(0.5));
        check("5.", Some(5.0));
        check("1e3", Some(1000.0));
        check("1E-2", Some(0.01));
        check("inf", Some(f64::INFINITY));
        check("-Infinity", Some(f64::NEG_INFINITY));
        check("5e-324", Some(5e-324));
        check("1e-400", None);
        check("0e-400", Some(0.0));
        for text in [
            "", " 1", "1 ", "nan", "1e", "e1", ".", "1e400", "-1e400", "0x", "0xg", "0x10", "1_000", "1,5",
            "infin", "1\0",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn loose_floats() {
        let check = |text: &str, expected: Option<f64>| {
            assert_eq!(parse_loose_float(text.as_bytes()), expected, "{text:?}");
        };
        check("", Some(0.0));
        check(" 1", None);
        check("0x1p3", None);
        check("1e400", Some(f64::INFINITY));
        check("1\0x", Some(1.0));
        check("1 ", None);
        check("nan", None);
        check("0x", None);
        check(" ", None);
    }

    #[test]
    fn float_texts() {
        let check = |value: f64, expected: &str| {
            let mut out = Vec::new();
            format_float(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(0.0, "0");
        check(-0.0, "-0");
        check(3.0, "3");
        check(3.1, "3.1");
        check(-2.5, "-2.5");
        check(0.00001, "0.00001");
        check(0.0000001, "1e-7");
        check(0.000001, "0.000001");
        check(0.0000015, "1.5e-6");
        check(1e23, "99999999999999990000000");
        check(0.00052738, "5.2738e-4");
        check(123.456789, "123.456789");
        check(1234.5678912345, "1234.5678912345");
        check(12345.678912345, "1.2345678912345e+4");
        check(92650.6623785866, "9.26506623785866e+4");
        check(1e17, "100000000000000000");
        check(-123456789012345680.0, "-123456789012345680");
        check(4611686018427387904.0, "4611686018427387904");
        check(4611686018427389000.0, "4611686018427389000");
        check(1e21, "1e+21");
        check(1e300, "1e+300");
        check(5e-324, "5e-324");
        check(1.0 / 3.0, "0.3333333333333333");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
    }
}
