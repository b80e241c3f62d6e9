//! A command's reply as a flat, reusable buffer: no allocation per value, and nothing in it needs dropping.

use super::commands::{Failure, format_float, format_integer};

/// One command's reply, written by the command and read by the Lua side.
///
/// Values are appended depth first: an array's header says how many values follow as its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyBuffer {
    tokens: Vec<Token>,
    bytes: Vec<u8>,
    /// What it may take: beyond that nothing is written any more.
    max_bytes: usize,
    is_too_large: bool,
}

impl Default for ReplyBuffer {
    fn default() -> Self {
        Self::of_at_most(usize::MAX)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Nil,
    Integer(i64),
    Bulk { end: usize },
    Status { end: usize },
    Error { end: usize },
    Array { len: usize },
}

/// One value of a reply, in the order in which it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// RESP2's nil bulk or nil array.
    Nil,
    /// An integer reply.
    Integer(i64),
    /// A bulk string, any bytes.
    Bulk(&'a [u8]),
    /// A status reply, such as `OK`.
    Status(&'a [u8]),
    /// An error reply with its code, such as `WRONGTYPE Operation …`, without the `-`.
    Error(&'a [u8]),
    /// An array: its elements are the next `len` values (each with its own elements).
    Array(usize),
}

impl ReplyBuffer {
    /// An empty one for answers that take so much at most.
    pub fn of_at_most(max_bytes: usize) -> Self {
        Self { tokens: Vec::new(), bytes: Vec::new(), max_bytes, is_too_large: false }
    }

    /// What an answer may take.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Whether the answer was larger than it may be: then what is here is not it.
    pub fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.bytes.clear();
        self.is_too_large = false;
    }

    /// Whether so many bytes more may be written.
    fn takes(&mut self, more: usize) -> bool {
        let bytes = (self.tokens.len() + 1) * size_of::<Token>() + self.bytes.len();
        self.is_too_large |= bytes.saturating_add(more) > self.max_bytes;
        !self.is_too_large
    }

    fn push(&mut self, token: Token) {
        if self.takes(0) {
            self.tokens.push(token);
        }
    }

    /// Writes a nil.
    pub fn nil(&mut self) {
        self.push(Token::Nil);
    }

    /// Writes an integer.
    pub fn integer(&mut self, value: i64) {
        self.push(Token::Integer(value));
    }

    /// Writes a bulk string.
    pub fn bulk(&mut self, value: &[u8]) {
        if self.takes(value.len()) {
            self.bytes.extend_from_slice(value);
            self.tokens.push(Token::Bulk { end: self.bytes.len() });
        }
    }

    /// Writes an integer as a bulk string.
    pub fn bulk_integer(&mut self, value: i64) {
        if self.is_too_large {
            return;
        }
        format_integer(value, &mut self.bytes);
        self.push(Token::Bulk { end: self.bytes.len() });
    }

    /// Writes a float as a bulk string, with its shortest digits.
    pub fn float(&mut self, value: f64) {
        if self.is_too_large {
            return;
        }
        format_float(value, &mut self.bytes);
        self.push(Token::Bulk { end: self.bytes.len() });
    }

    /// Writes a status.
    pub fn status(&mut self, value: &str) {
        self.bytes.extend_from_slice(value.as_bytes());
        self.push(Token::Status { end: self.bytes.len() });
    }

    /// Writes why a command failed.
    pub fn fail(&mut self, failure: &Failure) {
        self.error(failure.text());
        self.is_too_large = *failure == Failure::TOO_LARGE;
    }

    /// Writes an error; replaces whatever was written before, as a command either answers or fails.
    pub fn error(&mut self, text: &str) {
        self.clear();
        self.bytes.extend_from_slice(text.as_bytes());
        self.tokens.push(Token::Error { end: self.bytes.len() });
    }

    /// Opens an array of exactly `len` elements, which follow: if they cannot fit, the answer is too large already.
    pub fn array(&mut self, len: usize) {
        if self.takes(len.saturating_mul(size_of::<Token>())) {
            self.tokens.push(Token::Array { len });
        }
    }

    /// Opens an array whose length is not known yet; close it with [`ReplyBuffer::end_array`].
    pub fn begin_array(&mut self) -> usize {
        self.push(Token::Array { len: 0 });
        self.tokens.len().saturating_sub(1)
    }

    /// Sets the length of an array opened by [`ReplyBuffer::begin_array`].
    pub fn end_array(&mut self, opened: usize, len: usize) {
        if !self.is_too_large {
            self.tokens[opened] = Token::Array { len };
        }
    }

    /// Whether the reply is an error.
    pub fn is_error(&self) -> bool {
        matches!(self.tokens.first(), Some(Token::Error { .. }))
    }

    /// Whether the reply is this error.
    pub fn is_failure(&self, failure: &Failure) -> bool {
        self.is_error() && self.bytes == failure.text().as_bytes()
    }

    /// The values in the order in which they were written.
    pub fn values(&self) -> impl Iterator<Item = Value<'_>> {
        let mut start = 0;
        self.tokens.iter().map(move |token| {
            let mut take = |end: usize| {
                let slice = &self.bytes[start..end];
                start = end;
                slice
            };
            match *token {
                Token::Nil => Value::Nil,
                Token::Integer(value) => Value::Integer(value),
                Token::Bulk { end } => Value::Bulk(take(end)),
                Token::Status { end } => Value::Status(take(end)),
                Token::Error { end } => Value::Error(take(end)),
                Token::Array { len } => Value::Array(len),
            }
        })
    }
}
