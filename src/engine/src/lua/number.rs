//! Numbers as text, exactly as C's `printf` and `strtod` have them, which Lua, cjson and Redis use.

use std::ffi::CStr;
use std::io::Write;

use crate::commands::{format_float, format_integer};

/// Appends `%.14g` of a number: how Lua and cjson show numbers.
pub fn write_general(value: f64, out: &mut Vec<u8>) {
    if !write_short_integer(value, 1e14, out)
        && !write_short_decimal(value, out)
        && !write_shortest(value, out)
    {
        write_printf(c"%.14g", value, out);
    }
}

/// Appends a number with another count of significant digits, 1 to 17.
pub fn write_with_precision(value: f64, digits: u8, out: &mut Vec<u8>) {
    if digits == SHORT_DIGITS as u8 {
        return write_general(value, out);
    }
    let format = format!("%.{digits}g\0");
    let format = CStr::from_bytes_with_nul(format.as_bytes()).expect("ends in its only nul");
    write_printf(format, value, out);
}

/// Appends a number as a command gets it from a script: with its shortest digits.
pub fn write_argument(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        // Its sign shows, too.
        write_printf(c"%g", value, out);
    } else {
        // A zero loses its sign.
        format_float(value + 0.0, out);
    }
}

/// Reads as much of the front of `text` as C's `strtod` does: the number and how many bytes it took, 0 if none.
pub fn read_prefix(text: &[u8]) -> (f64, usize) {
    read_short_decimal(text).unwrap_or_else(|| read_strtod(text))
}

const SHORT_DIGITS: usize = 14;

/// Integers below a limit that still shows them without an exponent. Negative zero is not one of them.
fn write_short_integer(value: f64, limit: f64, out: &mut Vec<u8>) -> bool {
    let is_short =
        value.abs() < limit && value.trunc() == value && (value != 0.0 || value.is_sign_positive());
    if is_short {
        format_integer(value as i64, out);
    }
    is_short
}

/// Numbers with up to three decimal places, as positions in a game mostly are: those that are the double nearest to a
/// decimal of at most 14 digits. Gives up on all others.
fn write_short_decimal(value: f64, out: &mut Vec<u8>) -> bool {
    let size = value.abs();
    if !(0.001..1e10).contains(&size) {
        return false;
    }
    let thousandths = (size * 1000.0).round();
    if thousandths / 1000.0 != size {
        return false;
    }
    let thousandths = thousandths as u64;
    if value.is_sign_negative() {
        out.push(b'-');
    }
    format_integer((thousandths / 1000) as i64, out);
    let places = (thousandths % 1000) as u16;
    if places > 0 {
        let digits =
            [b'0' + (places / 100) as u8, b'0' + (places / 10 % 10) as u8, b'0' + (places % 10) as u8];
        let len = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
        out.push(b'.');
        out.extend_from_slice(&digits[..len]);
    }
    true
}

/// Numbers whose shortest exact decimal has at most 14 digits: rounding to 14 digits only adds zeros to it, and `%g`
/// drops those. Gives up on all others, and on subnormal ones, which are not that precise.
fn write_shortest(value: f64, out: &mut Vec<u8>) -> bool {
    if !value.is_normal() {
        return false;
    }
    let mut buffer = [0_u8; 32];
    let mut rest = &mut buffer[..];
    if write!(rest, "{:e}", value.abs()).is_err() {
        return false;
    }
    let unused = rest.len();
    let text = &buffer[..buffer.len() - unused];
    let Some(mark) = text.iter().position(|&b| b == b'e') else { return false };
    let exponent: i32 = match std::str::from_utf8(&text[mark + 1..]).map(str::parse) {
        Ok(Ok(exponent)) => exponent,
        _ => return false,
    };
    let mut digits = [0_u8; 20];
    let mut count = 0;
    for &digit in text[..mark].iter().filter(|b| b.is_ascii_digit()) {
        digits[count] = digit;
        count += 1;
    }
    if count > SHORT_DIGITS {
        return false;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    lay_out(&digits[..count], exponent, out);
    true
}

/// Writes `d.ddd × 10^exponent` as `%.14g` does.
fn lay_out(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    if exponent < -4 || exponent >= SHORT_DIGITS as i32 {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        let exponent = exponent.unsigned_abs();
        if exponent < 10 {
            out.push(b'0');
        }
        format_integer(i64::from(exponent), out);
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-exponent - 1) as usize));
        out.extend_from_slice(digits);
    } else {
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
}

fn write_printf(format: &CStr, value: f64, out: &mut Vec<u8>) {
    let mut buffer = [0_u8; 64];
    // SAFETY: the format takes one double, and the buffer's size is told.
    let len = unsafe { libc::snprintf(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), value) };
    let len = usize::try_from(len).unwrap_or(0).min(buffer.len() - 1);
    out.extend_from_slice(&buffer[..len]);
}

/// Decimals of up to 15 digits with up to 22 places: both parts are exact doubles, so one division rounds correctly.
fn read_short_decimal(text: &[u8]) -> Option<(f64, usize)> {
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
        1e18, 1e19, 1e20, 1e21, 1e22,
    ];
    let is_negative = text.first() == Some(&b'-');
    let start = usize::from(is_negative);
    let mut at = start;
    let mut mantissa = 0_u64;
    let mut digits = 0;
    let mut places = 0;
    let mut has_point = false;
    loop {
        match text.get(at) {
            Some(digit @ b'0'..=b'9') => {
                mantissa = mantissa * 10 + u64::from(digit - b'0');
                digits += 1;
                places += usize::from(has_point);
            }
            Some(b'.') if !has_point => has_point = true,
            Some(b'e' | b'E' | b'x' | b'X') => return None,
            _ => break,
        }
        if digits > 15 {
            return None;
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    let value = mantissa as f64 / POWERS[places];
    Some((if is_negative { -value } else { value }, at))
}

fn read_strtod(text: &[u8]) -> (f64, usize) {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || b"+-.()_".contains(b);
    let len = text.iter().position(|b| !is_part(b)).unwrap_or(text.len());
    let mut copy = Vec::with_capacity(len + 1);
    copy.extend_from_slice(&text[..len]);
    copy.push(0);
    let mut end = std::ptr::null_mut();
    // SAFETY: the copy ends in a nul, and `end` points into it afterwards.
    let (value, end) = unsafe { (libc::strtod(copy.as_ptr().cast(), &mut end), end) };
    (value, end as usize - copy.as_ptr() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn general(value: f64) -> String {
        let mut out = Vec::new();
        write_general(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn shows_numbers_as_lua_does() {
        let check = |value: f64, expected: &str| assert_eq!(general(value), expected);
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.0, "1");
        check(-12.5, "-12.5");
        check(1_700_000_000.125, "1700000000.125");
        check(0.001, "0.001");
        check(0.030, "0.03");
        check(-999.99, "-999.99");
        check(0.000_5, "0.0005");
        check(0.1, "0.1");
        check(1.0 / 3.0, "0.33333333333333");
        check(1e14, "1e+14");
        check(99_999_999_999_999.0, "99999999999999");
        check(123_456_789_012_345_678.0, "1.2345678901235e+17");
        check(1e-5, "1e-05");
        check(0.0001, "0.0001");
        check(0.000_123, "0.000123");
        check(1.5e300, "1.5e+300");
        check(5e-324, "4.9406564584125e-324");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
        check(12_345_678_901_234.5, "12345678901234");
    }

    #[test]
    fn agrees_with_printf_on_random_numbers() {
        let mut state = 0x1234_5678_9abc_def0_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..200_000 {
            let bits = next();
            let values = [
                f64::from_bits(bits),
                (bits % 1_000_000_007) as f64 / 1000.0,
                (bits >> 20) as f64 / 64.0,
                (bits >> 44) as f64 / 1e9,
                (bits % 20_000_000) as f64 / 1000.0 - 10_000.0,
                (bits % 20_000_000) as f64 / 1024.0,
            ];
            for value in values.into_iter().filter(|value| !value.is_nan()) {
                let mut expected = Vec::new();
                write_printf(c"%.14g", value, &mut expected);
                assert_eq!(general(value).as_bytes(), expected, "{value:e}");
            }
        }
    }

    #[test]
    fn arguments_of_commands() {
        let check = |value: f64, expected: &str| {
            let mut out = Vec::new();
            write_argument(value, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(0.1, "0.1");
        check(1e20, "1e+20");
        check(f64::NAN.copysign(-1.0), "-nan");
        check(100.0, "100");
        check(-0.0, "0");
        check(f64::INFINITY, "inf");
        check(-9_007_199_254_740_993.0, "-9007199254740992");
    }

    #[test]
    fn reads_what_strtod_reads() {
        let check = |text: &str, expected: f64, len: usize| {
            assert_eq!(read_prefix(text.as_bytes()), (expected, len), "{text:?}");
        };
        check("12", 12.0, 2);
        check("12.5,", 12.5, 4);
        check("-0.1]", -0.1, 4);
        check("1.", 1.0, 2);
        check("1e", 1.0, 1);
        check("1e3x", 1000.0, 3);
        check("1e400", f64::INFINITY, 5);
        check("0x10", 16.0, 4);
        check("Infinity", f64::INFINITY, 8);
        check("-inf", f64::NEG_INFINITY, 4);
        check("-", 0.0, 0);
        check("", 0.0, 0);
        check("123456789012345678901234567890", 123_456_789_012_345_678_901_234_567_890.0, 30);
        check("0.30000000000000004", 0.300_000_000_000_000_04, 19);
        check("179769313486231580793e288", f64::MAX, 25);
        assert!(read_prefix(b"nan").0.is_nan());
    }
}
