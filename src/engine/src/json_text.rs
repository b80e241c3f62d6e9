//! JSON text that is written by hand: strings, and what is not UTF-8.

/// Appends a JSON string.
pub fn write_json_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut copied = 0;
    for (index, &byte) in text.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[copied..index]);
        copied = index + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let hex = |digit: u8| char::from_digit(u32::from(digit), 16).unwrap_or('0') as u8;
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&text[copied..]);
    out.push(b'"');
}

/// Replaces what is not UTF-8 from `start` on.
pub fn mend_utf8(text: &mut Vec<u8>, start: usize) {
    if std::str::from_utf8(&text[start..]).is_err() {
        let mended = String::from_utf8_lossy(&text[start..]).into_owned();
        text.truncate(start);
        text.extend_from_slice(mended.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_strings() {
        let check = |text: &[u8], expected: &str| {
            let mut out = Vec::new();
            write_json_string(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(b"abc", r#""abc""#);
        check(b"a\"b\\c\n\r\t\x01\x1f", r#""a\"b\\c\n\r\t\u0001\u001f""#);
    }
}
