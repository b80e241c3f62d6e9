//! Numbers as Redis reads and writes them.

use super::long_double::LongDouble;

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

/// Reads a floating-point number that fills the whole text: decimal, hexadecimal or infinity, in C's notation. What
/// overflows, or is lost as a zero, is not a number, and neither is NaN.
pub(super) fn parse_float(text: &[u8]) -> Option<f64> {
    let prefix = float_prefix(text)?;
    let is_whole = prefix.len == text.len() && !text.first().is_none_or(is_c_space);
    let is_lost = prefix.is_out_of_range && (prefix.value.is_infinite() || prefix.value == 0.0);
    (is_whole && !is_lost).then_some(prefix.value)
}

/// Reads a floating-point number as C's `strtod` does where only the text's end is checked: spaces may lead, nothing
/// at all is 0, overflow is infinity, and a zero byte ends the text. None for NaN and for anything behind the number.
pub(super) fn parse_loose_float(text: &[u8]) -> Option<LooseFloat> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    match float_prefix(text) {
        Some(prefix) if prefix.len == text.len() => {
            Some(LooseFloat { value: prefix.value, is_out_of_range: prefix.is_out_of_range })
        }
        None if text.is_empty() => Some(LooseFloat { value: 0.0, is_out_of_range: false }),
        _ => None,
    }
}

/// What [`parse_loose_float`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LooseFloat {
    /// Never NaN.
    pub value: f64,
    /// Whether the text's number is too large or too small for a float.
    pub is_out_of_range: bool,
}

/// Writes a float with 17 significant digits as C's `%.17g` does.
pub fn format_float(value: f64, out: &mut Vec<u8>) {
    use std::io::Write;
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
        return;
    }
    if value.fract() == 0.0 && value.abs() < 1e15 && (value != 0.0 || value.is_sign_positive()) {
        write!(out, "{}", value as i64).expect("writing to memory does not fail");
        return;
    }
    let text = format!("{value:.16e}");
    let (mantissa, exponent) = text.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.extend_from_slice(sign.as_bytes());
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let significant = digits.iter().rposition(|digit| *digit != b'0').map_or(1, |last| last + 1);
    let digits = &digits[..significant];
    if (-4..17).contains(&exponent) {
        plain_notation(digits, exponent, out);
    } else {
        scientific_notation(digits, exponent, out);
    }
}

/// Writes an integer.
pub fn format_integer(value: i64, out: &mut Vec<u8>) {
    use std::io::Write;
    write!(out, "{value}").expect("writing to memory does not fail");
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
    write!(out, "e{sign}{:02}", exponent.abs()).expect("writing to memory does not fail");
}

struct Prefix {
    value: f64,
    /// Bytes read, with leading spaces.
    len: usize,
    is_out_of_range: bool,
}

/// The longest number that the text begins with; none if there is none, or for NaN.
fn float_prefix(text: &[u8]) -> Option<Prefix> {
    let shape = Shape::of(text)?;
    let body = &text[shape.sign_at..shape.end];
    let (value, is_zero) = match shape.kind {
        ShapeKind::Infinity => {
            let value = if body[0] == b'-' { f64::NEG_INFINITY } else { f64::INFINITY };
            return Some(Prefix { value, len: shape.end, is_out_of_range: false });
        }
        ShapeKind::Decimal { is_zero } => (std::str::from_utf8(body).ok()?.parse().ok()?, is_zero),
        ShapeKind::Hexadecimal { is_zero } => (LongDouble::hexadecimal_as_f64(body), is_zero),
    };
    let is_out_of_range = value.is_infinite() || (!is_zero && value.abs() < f64::MIN_POSITIVE);
    Some(Prefix { value, len: shape.end, is_out_of_range })
}

/// Where a number stands in a text and how it is written.
pub(super) struct Shape {
    /// After leading spaces.
    pub sign_at: usize,
    pub end: usize,
    pub kind: ShapeKind,
}

pub(super) enum ShapeKind {
    Infinity,
    Decimal { is_zero: bool },
    Hexadecimal { is_zero: bool },
}

impl Shape {
    /// Finds the longest number that the text begins with, after spaces, in the notation of C's `strtod`.
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        let sign_at = text.iter().take_while(|byte| is_c_space(byte)).count();
        let signed = matches!(text.get(sign_at), Some(b'+' | b'-'));
        let start = sign_at + usize::from(signed);
        let body = &text[start..];
        let begins_with =
            |word: &[u8]| body.len() >= word.len() && body[..word.len()].eq_ignore_ascii_case(word);
        if begins_with(b"infinity") {
            return Some(Self { sign_at, end: start + 8, kind: ShapeKind::Infinity });
        }
        if begins_with(b"inf") {
            return Some(Self { sign_at, end: start + 3, kind: ShapeKind::Infinity });
        }
        if begins_with(b"0x")
            && let Some((len, is_zero)) = digits_and_exponent(&body[2..], u8::is_ascii_hexdigit, b'p')
        {
            return Some(Self { sign_at, end: start + 2 + len, kind: ShapeKind::Hexadecimal { is_zero } });
        }
        let (len, is_zero) = digits_and_exponent(body, u8::is_ascii_digit, b'e')?;
        Some(Self { sign_at, end: start + len, kind: ShapeKind::Decimal { is_zero } })
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

fn is_c_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
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
        check("0x10", Some(16.0));
        check("-0x1.8p1", Some(-3.0));
        check("0x.8", Some(0.5));
        check("0x1p-1074", Some(5e-324));
        check("5e-324", Some(5e-324));
        check("1e-400", None);
        check("0e-400", Some(0.0));
        for text in [
            "", " 1", "1 ", "nan", "1e", "e1", ".", "1e400", "-1e400", "0x", "0xg", "1_000", "1,5", "infin",
            "1\0",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn loose_floats() {
        let check = |text: &str, expected: Option<f64>| {
            assert_eq!(parse_loose_float(text.as_bytes()).map(|float| float.value), expected, "{text:?}");
        };
        check("", Some(0.0));
        check(" 1", Some(1.0));
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
        check(3.1, "3.1000000000000001");
        check(0.1, "0.10000000000000001");
        check(-2.5, "-2.5");
        check(1e15, "1000000000000000");
        check(1e16, "10000000000000000");
        check(1e17, "1e+17");
        check(123456789012345680.0, "1.2345678901234568e+17");
        check(1e-4, "0.0001");
        check(1e-5, "1.0000000000000001e-05");
        check(1e300, "1.0000000000000001e+300");
        check(5e-324, "4.9406564584124654e-324");
        check(1.0 / 3.0, "0.33333333333333331");
        check(2_f64.powi(50) + 1.25, "1125899906842625.2");
        check(2_f64.powi(50) + 1.75, "1125899906842625.8");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
    }
}
