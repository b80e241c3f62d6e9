//! A JSON text read in one pass, checked and not built.

use std::borrow::Cow;

/// Not JSON, or not the JSON that was expected: the reason, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub reason: &'static str,
    pub at: usize,
}

const MAX_DEPTH: usize = 64;

/// A place in a JSON text. White space before a value is passed by [`peek`](Self::peek).
pub(super) struct Scanner<'a> {
    pub text: &'a str,
    /// The same; nothing is read beyond its end.
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Scanner<'a> {
    /// Calls `member` for each key; it has to pass the key's value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.expect(b'{', "not an object")?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.peek()?;
            let key = self.string()?;
            self.expect(b':', "a key without a value")?;
            self.peek()?;
            member(self, &key)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(self.wrong("no comma between members")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Calls `item` for each item; it has to pass it.
    pub(super) fn array(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.expect(b'[', "not an array")?;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.peek()?;
            item(self)?;
            match self.peek()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(self.wrong("no comma between items")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Any value, checked and passed over.
    pub(super) fn skip(&mut self, depth: usize) -> Result<(), Malformed> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("nested too deep"));
        }
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => self.object(|scanner, _| scanner.skip(depth + 1)),
            b'[' => self.array(|scanner| scanner.skip(depth + 1)),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.number().map(drop),
        }
    }

    /// `true`, `false` or `null`.
    pub(super) fn literal(&mut self, literal: &'static str) -> Result<(), Malformed> {
        if !self.bytes[self.at..].starts_with(literal.as_bytes()) {
            return Err(self.wrong("not a JSON value"));
        }
        self.at += literal.len();
        Ok(())
    }

    /// The text between the quotes; only a text with escapes is copied.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(self.wrong("not a text"));
        }
        let start = self.at + 1;
        let mut escaped = false;
        let mut at = start;
        loop {
            match self.bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(0..=0x1f) | None => return Err(self.wrong("a text that does not end well")),
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        if !escaped {
            return Ok(Cow::Borrowed(&self.text[start..at]));
        }
        serde_json::from_str(&self.text[start - 1..=at])
            .map(Cow::Owned)
            .map_err(|_| self.wrong("a text with a bad escape"))
    }

    pub(super) fn count(&mut self) -> Result<u64, Malformed> {
        let number = self.number()?;
        let whole = number >= 0.0 && number.fract() == 0.0 && number <= (1u64 << 53) as f64;
        if whole { Ok(number as u64) } else { Err(self.wrong("not a whole number")) }
    }

    pub(super) fn number(&mut self) -> Result<f64, Malformed> {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let text = &self.text[self.at..self.at + length];
        if !is_json_number(text.as_bytes()) {
            return Err(self.wrong("not a JSON value"));
        }
        self.at += length;
        text.parse().map_err(|_| self.wrong("not a number"))
    }

    /// The next byte that is not white space has to be this one.
    pub(super) fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), Malformed> {
        if self.peek()? != byte {
            return Err(self.wrong(reason));
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is not white space; it becomes the current one.
    pub(super) fn peek(&mut self) -> Result<u8, Malformed> {
        while let Some(byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Ok(*byte);
            }
            self.at += 1;
        }
        Err(self.wrong("ends too early"))
    }

    /// Nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        if self.peek().is_ok() { Err(self.wrong("more after its end")) } else { Ok(()) }
    }

    /// What is wrong with the current byte.
    pub(super) fn wrong(&self, reason: &'static str) -> Malformed {
        Malformed { reason, at: self.at }
    }
}

/// The grammar of RFC 8259, section 6, which is narrower than what Rust parses.
fn is_json_number(text: &[u8]) -> bool {
    fn digits(text: &[u8]) -> usize {
        text.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or(rest.strip_prefix(b"E")) {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let length = digits(exponent);
        return length > 0 && length == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_json_grammar() {
        let check = |text: &str, expected| assert_eq!(is_json_number(text.as_bytes()), expected, "{text}");
        for good in ["0", "-0", "10", "1.5", "-1.25e10", "1E+2", "0.1e-3"] {
            check(good, true);
        }
        for bad in ["", "-", "01", "1.", ".5", "+1", "1e", "1e+", "1.5.1", "--1"] {
            check(bad, false);
        }
    }
}
