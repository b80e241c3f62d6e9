//! Percent-encoding (RFC 3986, section 2.1), undone.

/// What the text stands for; none where a `%` has no two hexadecimal digits behind it, or the result is not UTF-8.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2).filter(|(digits, _)| digits.is_ascii())?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding() {
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(decode(text).as_deref(), expected, "{text}");
        check("", Some(""));
        check("plain", Some("plain"));
        check("a%20b%40", Some("a b@"));
        check("%C3%A4ä", Some("ää"));
        for wrong in ["%", "%4", "%zz", "%+4", "%ä", "%FF"] {
            check(wrong, None);
        }
    }
}
