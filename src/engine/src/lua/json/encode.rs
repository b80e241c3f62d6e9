//! Lua values as JSON text.

use super::super::number::{write_general, write_with_precision};
use super::super::stack::{Kind, Raised, Stack};
use super::arrays::is_marked;
use super::{InvalidNumbers, Options};

/// What an element costs, about, in nanoseconds.
const ELEMENT_COST: usize = 30;

/// Appends the value on top of the stack as JSON, and leaves it there.
pub(crate) fn encode(stack: Stack<'_>, options: Options, out: &mut Vec<u8>) -> Result<(), Raised> {
    Encoder { stack, options, depth: 0 }.value(out)
}

struct Encoder<'h> {
    stack: Stack<'h>,
    options: Options,
    depth: i32,
}

impl Encoder<'_> {
    fn value(&mut self, out: &mut Vec<u8>) -> Result<(), Raised> {
        let stack = self.stack;
        match stack.kind(-1) {
            Kind::String => {
                let text = stack.bytes(-1).unwrap_or_default();
                stack.spend(text.len())?;
                // Six bytes for each is the worst that escaping does.
                if text.len() > 4096 {
                    stack.check_room(out.len() + text.len() * 6)?;
                }
                write_string(text, out);
            }
            Kind::Number => self.number(-1, out)?,
            Kind::Boolean if stack.boolean(-1) => out.extend_from_slice(b"true"),
            Kind::Boolean => out.extend_from_slice(b"false"),
            Kind::Table => return self.table(out),
            Kind::Nil => out.extend_from_slice(b"null"),
            Kind::LightUserdata if stack.light_userdata(-1).is_null() => out.extend_from_slice(b"null"),
            _ => return Err(self.refuse(-1, "type not supported")),
        }
        Ok(())
    }

    fn table(&mut self, out: &mut Vec<u8>) -> Result<(), Raised> {
        // In this order, as cjson fails on a sparse array before it fails on its depth.
        let elements = self.array_length()?;
        self.depth += 1;
        if self.depth > self.options.encode_max_depth || !self.stack.reserve(4) {
            let depth = self.depth;
            return Err(self.stack.error(format_args!("Cannot serialise, excessive nesting ({depth})")));
        }
        match elements {
            Some(elements) => self.array(elements, out)?,
            None => self.object(out)?,
        }
        self.depth -= 1;
        Ok(())
    }

    /// The highest index, if all keys are positive integers with few enough holes, and there is one.
    fn array_length(&mut self) -> Result<Option<i32>, Raised> {
        let stack = self.stack;
        if !stack.reserve(3) {
            let depth = self.depth + 1;
            return Err(stack.error(format_args!("Cannot serialise, excessive nesting ({depth})")));
        }
        let (mut max, mut count) = (0_i32, 0_i32);
        stack.push_nil();
        while stack.next(-2) {
            let key = if stack.kind(-2) == Kind::Number { stack.number(-2).unwrap_or(0.0) } else { 0.0 };
            if key < 1.0 || key.floor() != key {
                stack.pop(2);
                return Ok(None);
            }
            stack.spend(ELEMENT_COST)?;
            max = max.max(key as i32);
            count += 1;
            stack.pop(1);
        }
        if count == 0 {
            return Ok(is_marked(stack).then_some(0));
        }
        let Options { sparse_ratio, sparse_safe, sparse_convert, .. } = self.options;
        let is_sparse = sparse_ratio > 0
            && i64::from(max) > i64::from(count) * i64::from(sparse_ratio)
            && max > sparse_safe;
        if is_sparse && !sparse_convert {
            return Err(self.refuse(-1, "excessively sparse array"));
        }
        Ok((max > 0 && !is_sparse).then_some(max))
    }

    fn array(&mut self, elements: i32, out: &mut Vec<u8>) -> Result<(), Raised> {
        let stack = self.stack;
        out.push(b'[');
        for index in 1..=elements {
            if index > 1 {
                out.push(b',');
            }
            self.pay(out)?;
            stack.raw_get_index(-1, index);
            self.value(out)?;
            stack.pop(1);
        }
        out.push(b']');
        Ok(())
    }

    fn object(&mut self, out: &mut Vec<u8>) -> Result<(), Raised> {
        let stack = self.stack;
        out.push(b'{');
        let start = out.len();
        stack.push_nil();
        while stack.next(-2) {
            if out.len() > start {
                out.push(b',');
            }
            self.pay(out)?;
            match stack.kind(-2) {
                Kind::Number => {
                    out.push(b'"');
                    self.number(-2, out)?;
                    out.extend_from_slice(b"\":");
                }
                Kind::String => {
                    let key = stack.bytes(-2).unwrap_or_default();
                    stack.spend(key.len())?;
                    write_string(key, out);
                    out.push(b':');
                }
                _ => return Err(self.refuse(-2, "table key must be a number or string")),
            }
            self.value(out)?;
            stack.pop(1);
        }
        out.push(b'}');
        Ok(())
    }

    fn number(&self, index: i32, out: &mut Vec<u8>) -> Result<(), Raised> {
        let number = self.stack.number(index).unwrap_or(0.0);
        if number.is_finite() {
            write_with_precision(number, self.options.precision, out);
            return Ok(());
        }
        match self.options.encode_invalid_numbers {
            InvalidNumbers::Refuse => return Err(self.refuse(index, "must not be NaN or Inf")),
            InvalidNumbers::Null => out.extend_from_slice(b"null"),
            InvalidNumbers::Print if number.is_nan() => out.extend_from_slice(b"nan"),
            InvalidNumbers::Print => write_general(number, out),
        }
        Ok(())
    }

    /// An array element can be a long run of nulls that Lua stores nowhere, so the text itself is bounded.
    fn pay(&self, out: &[u8]) -> Result<(), Raised> {
        self.stack.spend(ELEMENT_COST)?;
        if out.len() > 65536 { self.stack.check_room(out.len()) } else { Ok(()) }
    }

    fn refuse(&self, index: i32, reason: &str) -> Raised {
        let kind = self.stack.kind(index).name();
        self.stack.error(format_args!("Cannot serialise {kind}: {reason}"))
    }
}

/// What each byte is written as: 0 for itself, `u` for `\u00xx`, else the letter after the backslash.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 32 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x7f] = b'u';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[b'/' as usize] = b'/';
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table
};

fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut copied = 0;
    for (index, &byte) in text.iter().enumerate() {
        let escape = ESCAPES[usize::from(byte)];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&text[copied..index]);
        copied = index + 1;
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let digits = [b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(&digits);
        }
    }
    out.extend_from_slice(&text[copied..]);
    out.push(b'"');
}
