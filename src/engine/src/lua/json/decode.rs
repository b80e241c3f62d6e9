//! JSON text as Lua values.

use super::super::number::read_prefix;
use super::super::stack::{Outcome, Raised, Stack};
use super::Options;

/// What a token costs, about, in nanoseconds.
const TOKEN_COST: usize = 30;

/// Pushes the value that the whole text stands for. The text must be a Lua string that stays reachable.
pub(super) fn decode(stack: Stack<'_>, options: Options, text: &[u8]) -> Outcome {
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(stack.error(format_args!("JSON parser does not support UTF-16 or UTF-32")));
    }
    let mut parser = Parser { stack, options, text, at: 0, depth: 0 };
    let first = parser.next_token()?;
    parser.value(first)?;
    let last = parser.next_token()?;
    if last.kind != TokenKind::End {
        return Err(parser.unexpected("the end", last));
    }
    Ok(1)
}

struct Parser<'h, 'a> {
    stack: Stack<'h>,
    options: Options,
    text: &'a [u8],
    at: usize,
    depth: i32,
}

#[derive(Clone, Copy)]
struct Token<'a> {
    kind: TokenKind<'a>,
    /// Where it begins, or where it broke.
    at: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum TokenKind<'a> {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Comma,
    Colon,
    /// Between the quotes, without escapes.
    Plain(&'a [u8]),
    /// Between the quotes, with valid escapes.
    Escaped(&'a [u8]),
    Number(f64),
    Boolean(bool),
    Null,
    End,
    Broken(&'static str),
}

impl TokenKind<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::Comma => "T_COMMA",
            Self::Colon => "T_COLON",
            Self::Plain(_) | Self::Escaped(_) => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::End => "T_END",
            Self::Broken(reason) => reason,
        }
    }
}

impl<'a> Parser<'_, 'a> {
    fn value(&mut self, token: Token<'a>) -> Result<(), Raised> {
        match token.kind {
            TokenKind::Plain(bytes) => self.stack.push_bytes(bytes),
            TokenKind::Escaped(bytes) => self.push_unescaped(bytes),
            TokenKind::Number(number) => self.stack.push_number(number),
            TokenKind::Boolean(value) => self.stack.push_boolean(value),
            TokenKind::Null => self.stack.push_light_userdata(std::ptr::null_mut()),
            TokenKind::ObjectBegin => return self.object(),
            TokenKind::ArrayBegin => return self.array(),
            _ => return Err(self.unexpected("value", token)),
        }
        Ok(())
    }

    fn object(&mut self) -> Result<(), Raised> {
        self.descend(3)?;
        self.stack.push_table(0, 0);
        let mut token = self.next_token()?;
        if token.kind == TokenKind::ObjectEnd {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            match token.kind {
                TokenKind::Plain(bytes) => self.stack.push_bytes(bytes),
                TokenKind::Escaped(bytes) => self.push_unescaped(bytes),
                _ => return Err(self.unexpected("object key string", token)),
            }
            token = self.next_token()?;
            if token.kind != TokenKind::Colon {
                return Err(self.unexpected("colon", token));
            }
            token = self.next_token()?;
            self.value(token)?;
            self.stack.raw_set(-3);
            token = self.next_token()?;
            match token.kind {
                TokenKind::ObjectEnd => {
                    self.depth -= 1;
                    return Ok(());
                }
                TokenKind::Comma => token = self.next_token()?,
                _ => return Err(self.unexpected("comma or object end", token)),
            }
        }
    }

    fn array(&mut self) -> Result<(), Raised> {
        self.descend(2)?;
        self.stack.push_table(0, 0);
        let mut token = self.next_token()?;
        if token.kind == TokenKind::ArrayEnd {
            self.depth -= 1;
            return Ok(());
        }
        let mut index = 1;
        loop {
            self.value(token)?;
            self.stack.raw_set_index(-2, index);
            index += 1;
            token = self.next_token()?;
            match token.kind {
                TokenKind::ArrayEnd => {
                    self.depth -= 1;
                    return Ok(());
                }
                TokenKind::Comma => token = self.next_token()?,
                _ => return Err(self.unexpected("comma or array end", token)),
            }
        }
    }

    fn descend(&mut self, slots: i32) -> Result<(), Raised> {
        self.depth += 1;
        if self.depth > self.options.decode_max_depth || !self.stack.reserve(slots) {
            let (depth, at) = (self.depth, self.at);
            return Err(self
                .stack
                .error(format_args!("Found too many nested data structures ({depth}) at character {at}")));
        }
        Ok(())
    }

    fn unexpected(&self, expected: &str, token: Token<'_>) -> Raised {
        let (found, character) = (token.kind.name(), token.at + 1);
        self.stack.error(format_args!("Expected {expected} but found {found} at character {character}"))
    }

    /// The byte at an index; past the end a nul, which no token contains.
    fn byte(&self, index: usize) -> u8 {
        self.text.get(index).copied().unwrap_or(0)
    }

    fn next_token(&mut self) -> Result<Token<'a>, Raised> {
        self.stack.spend(TOKEN_COST)?;
        let start = self.at;
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.stack.spend(self.at - start)?;
        let at = self.at;
        let single = match self.byte(at) {
            b'{' => TokenKind::ObjectBegin,
            b'}' => TokenKind::ObjectEnd,
            b'[' => TokenKind::ArrayBegin,
            b']' => TokenKind::ArrayEnd,
            b',' => TokenKind::Comma,
            b':' => TokenKind::Colon,
            0 => return Ok(Token { kind: TokenKind::End, at }),
            b'"' => return Ok(self.string()),
            b'-' | b'0'..=b'9' => {
                let is_refused = !self.options.decode_invalid_numbers && self.is_invalid_number();
                return Ok(if is_refused { self.broken("invalid number") } else { self.number() });
            }
            b't' | b'f' | b'n' | b'i' | b'I' | b'N' | b'+' => return Ok(self.word()),
            _ => return Ok(self.broken("invalid token")),
        };
        self.at += 1;
        Ok(Token { kind: single, at })
    }

    fn word(&mut self) -> Token<'a> {
        let at = self.at;
        let words = [
            (&b"true"[..], TokenKind::Boolean(true)),
            (b"false", TokenKind::Boolean(false)),
            (b"null", TokenKind::Null),
        ];
        for (word, kind) in words {
            if self.text[at..].starts_with(word) {
                self.at += word.len();
                return Token { kind, at };
            }
        }
        if self.options.decode_invalid_numbers && self.is_invalid_number() {
            return self.number();
        }
        self.broken("invalid token")
    }

    fn broken(&self, reason: &'static str) -> Token<'a> {
        Token { kind: TokenKind::Broken(reason), at: self.at }
    }

    fn number(&mut self) -> Token<'a> {
        let at = self.at;
        let (number, len) = read_prefix(&self.text[at..]);
        if len == 0 {
            return self.broken("invalid number");
        }
        self.at += len;
        Token { kind: TokenKind::Number(number), at }
    }

    /// Whether what comes is a number for C but not for JSON.
    fn is_invalid_number(&self) -> bool {
        let mut at = self.at;
        if self.byte(at) == b'+' {
            return true;
        }
        at += usize::from(self.byte(at) == b'-');
        if self.byte(at) == b'0' {
            return matches!(self.byte(at + 1), b'x' | b'X' | b'0'..=b'9');
        }
        let rest = &self.text[at.min(self.text.len())..];
        let begins = |word: &[u8]| rest.get(..3).is_some_and(|front| front.eq_ignore_ascii_case(word));
        begins(b"inf") || begins(b"nan")
    }

    fn string(&mut self) -> Token<'a> {
        let at = self.at;
        let start = at + 1;
        let mut has_escapes = false;
        self.at = start;
        loop {
            match self.byte(self.at) {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    match self.escape_len() {
                        Ok(len) => self.at += len,
                        Err(reason) => return self.broken(reason),
                    }
                }
                0 => return self.broken("unexpected end of string"),
                _ => self.at += 1,
            }
        }
        let content = &self.text[start..self.at];
        self.at += 1;
        let kind = if has_escapes { TokenKind::Escaped(content) } else { TokenKind::Plain(content) };
        Token { kind, at }
    }

    /// Length of the escape sequence that comes.
    fn escape_len(&self) -> Result<usize, &'static str> {
        match self.byte(self.at + 1) {
            b'"' | b'\\' | b'/' | b'b' | b't' | b'n' | b'f' | b'r' => Ok(2),
            b'u' => match read_unicode(&self.text[self.at..]) {
                Some((_, len)) => Ok(len),
                None => Err("invalid unicode escape code"),
            },
            _ => Err("invalid escape code"),
        }
    }

    fn push_unescaped(&self, content: &[u8]) {
        let mut out = self.stack.host().scratch.borrow_mut();
        out.clear();
        let mut rest = content;
        while let Some(mark) = rest.iter().position(|&byte| byte == b'\\') {
            out.extend_from_slice(&rest[..mark]);
            rest = &rest[mark..];
            let escaped = match rest[1] {
                b'b' => 0x08,
                b't' => b'\t',
                b'n' => b'\n',
                b'f' => 0x0c,
                b'r' => b'\r',
                b'u' => {
                    if let Some((code, len)) = read_unicode(rest) {
                        write_utf8(code, &mut out);
                        rest = &rest[len..];
                    }
                    continue;
                }
                other => other,
            };
            out.push(escaped);
            rest = &rest[2..];
        }
        out.extend_from_slice(rest);
        self.stack.push_bytes(&out);
    }
}

/// Reads `\uXXXX`, or two of them that make a surrogate pair. Gives the code point and the length.
fn read_unicode(text: &[u8]) -> Option<(u32, usize)> {
    let unit = read_hex(text.get(2..6)?)?;
    match unit {
        0xd800..=0xdbff => {
            if text.get(6..8)? != b"\\u" {
                return None;
            }
            let low = read_hex(text.get(8..12)?)?;
            (0xdc00..=0xdfff).contains(&low).then(|| (0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff), 12))
        }
        0xdc00..=0xdfff => None,
        _ => Some((unit, 6)),
    }
}

fn read_hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?))
}

fn write_utf8(code: u32, out: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
}
