//! A command's reply as a flat, reusable buffer: no allocation per value, and nothing in it needs dropping.

use super::commands::{format_float, format_integer};

/// One command's reply, written by the command and read by the Lua side.
///
/// Values are appended depth first: an array's header says how many values follow as its elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyBuffer {
    tokens: Vec<Token>,
    bytes: Vec<u8>,
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
    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.bytes.clear();
    }

    /// Writes a nil.
    pub fn nil(&mut self) {
        self.tokens.push(Token::Nil);
    }

    /// Writes an integer.
    pub fn integer(&mut self, value: i64) {
        self.tokens.push(Token::Integer(value));
    }

    /// Writes a bulk string.
    pub fn bulk(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.tokens.push(Token::Bulk { end: self.bytes.len() });
    }

    /// Writes an integer as a bulk string.
    pub fn bulk_integer(&mut self, value: i64) {
        format_integer(value, &mut self.bytes);
        self.tokens.push(Token::Bulk { end: self.bytes.len() });
    }

    /// Writes a float as a bulk string, with its shortest digits.
    pub fn float(&mut self, value: f64) {
        format_float(value, &mut self.bytes);
        self.tokens.push(Token::Bulk { end: self.bytes.len() });
    }

    /// Writes a status.
    pub fn status(&mut self, value: &str) {
        self.bytes.extend_from_slice(value.as_bytes());
        self.tokens.push(Token::Status { end: self.bytes.len() });
    }

    /// Writes an error; replaces whatever was written before, as a command either answers or fails.
    pub fn error(&mut self, text: &str) {
        self.clear();
        self.bytes.extend_from_slice(text.as_bytes());
        self.tokens.push(Token::Error { end: self.bytes.len() });
    }

    /// Opens an array of exactly `len` elements, which follow.
    pub fn array(&mut self, len: usize) {
        self.tokens.push(Token::Array { len });
    }

    /// Opens an array whose length is not known yet; close it with [`ReplyBuffer::end_array`].
    pub fn begin_array(&mut self) -> usize {
        self.tokens.push(Token::Array { len: 0 });
        self.tokens.len() - 1
    }

    /// Sets the length of an array opened by [`ReplyBuffer::begin_array`].
    pub fn end_array(&mut self, opened: usize, len: usize) {
        self.tokens[opened] = Token::Array { len };
    }

    /// Whether the reply is an error.
    pub fn is_error(&self) -> bool {
        matches!(self.tokens.first(), Some(Token::Error { .. }))
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
