//! A script's return value as JSON text, by way of what Redis would make of it as a reply.

use crate::commands::format_integer;
use crate::json_text::{mend_utf8, write_json_string};

use super::number::write_argument;
use super::stack::{Kind, Raised, Stack};

/// How many levels of arrays a result may have. Those that readers of JSON and of RESP take are 64 and more, and a result comes
/// inside of others.
pub const MAX_RESULT_DEPTH: usize = 48;
/// How large a result may be, as text.
pub const MAX_RESULT_BYTES: usize = 16 << 20;

/// What a script returned.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Returned {
    /// A value; its JSON text was appended.
    Value,
    /// An error reply with this text.
    Error(String),
}

/// Appends the value on top, and leaves it there.
///
/// Redis cuts numbers to integers, takes `true` for 1 and `false` for nil, and arrays up to their first nil.
pub(super) fn write_result(stack: Stack<'_>, out: &mut Vec<u8>) -> Result<Returned, Raised> {
    if let Some(text) = read_refusal(stack) {
        return Ok(Returned::Error(text));
    }
    let start = out.len();
    write_value(stack, MAX_RESULT_DEPTH, out)?;
    mend_utf8(out, start);
    Ok(Returned::Value)
}

/// The text of the error reply that is on top, if it is one.
pub(super) fn read_refusal(stack: Stack<'_>) -> Option<String> {
    if stack.kind(-1) != Kind::Table || !push_string_field(stack, b"err") {
        return None;
    }
    let text = String::from_utf8_lossy(stack.bytes(-1).unwrap_or_default()).into_owned();
    stack.pop(1);
    Some(text)
}

/// With so many further levels.
fn write_value(stack: Stack<'_>, levels: usize, out: &mut Vec<u8>) -> Result<(), Raised> {
    stack.spend(30)?;
    if out.len() > 65536 {
        stack.check_room(out.len())?;
    }
    match stack.kind(-1) {
        Kind::String => write_text(stack, stack.bytes(-1).unwrap_or_default(), out)?,
        Kind::Number => format_integer(stack.integer(-1).unwrap_or(0), out),
        Kind::Boolean if stack.boolean(-1) => out.push(b'1'),
        Kind::Table => return write_table(stack, levels, out),
        _ => out.extend_from_slice(b"null"),
    }
    Ok(())
}

fn write_text(stack: Stack<'_>, text: &[u8], out: &mut Vec<u8>) -> Result<(), Raised> {
    if out.len() + text.len() > MAX_RESULT_BYTES {
        return Err(stack.error(format_args!("a result has at most {MAX_RESULT_BYTES} bytes")));
    }
    write_json_string(text, out);
    Ok(())
}

fn write_table(stack: Stack<'_>, levels: usize, out: &mut Vec<u8>) -> Result<(), Raised> {
    let Some(levels) = levels.checked_sub(1) else {
        return Err(stack.error(format_args!("a result has at most {MAX_RESULT_DEPTH} levels of arrays")));
    };
    if !stack.reserve(4) {
        return Err(stack.error(format_args!("reached lua stack limit")));
    }
    if push_string_field(stack, b"err") || push_string_field(stack, b"ok") {
        write_text(stack, stack.bytes(-1).unwrap_or_default(), out)?;
        stack.pop(1);
        return Ok(());
    }
    if push_field(stack, b"double", Kind::Number) {
        let mut text = Vec::new();
        write_argument(stack.number(-1).unwrap_or(0.0), &mut text);
        write_json_string(&text, out);
        stack.pop(1);
        return Ok(());
    }
    out.push(b'[');
    if push_field(stack, b"map", Kind::Table) {
        write_pairs(stack, levels, true, out)?;
    } else if push_field(stack, b"set", Kind::Table) {
        write_pairs(stack, levels, false, out)?;
    } else {
        return write_array(stack, levels, out);
    }
    stack.pop(1);
    out.push(b']');
    Ok(())
}

fn write_array(stack: Stack<'_>, levels: usize, out: &mut Vec<u8>) -> Result<(), Raised> {
    for index in 1.. {
        stack.raw_get_index(-1, index);
        if stack.kind(-1) == Kind::Nil {
            stack.pop(1);
            break;
        }
        if index > 1 {
            out.push(b',');
        }
        write_value(stack, levels, out)?;
        stack.pop(1);
    }
    out.push(b']');
    Ok(())
}

/// Writes the keys of the table on top, and its values if wanted, as RESP2 flattens maps and sets.
fn write_pairs(stack: Stack<'_>, levels: usize, with_values: bool, out: &mut Vec<u8>) -> Result<(), Raised> {
    let start = out.len();
    stack.push_nil();
    while stack.next(-2) {
        if out.len() > start {
            out.push(b',');
        }
        stack.push_value(-2);
        write_value(stack, levels, out)?;
        stack.pop(1);
        if with_values {
            out.push(b',');
            write_value(stack, levels, out)?;
        }
        stack.pop(1);
    }
    Ok(())
}

/// Pushes a field of the table on top if it is a string, which a number is not.
fn push_string_field(stack: Stack<'_>, name: &[u8]) -> bool {
    push_field(stack, name, Kind::String)
}

fn push_field(stack: Stack<'_>, name: &[u8], kind: Kind) -> bool {
    stack.raw_get_field(-1, name);
    let is_there = stack.kind(-1) == kind;
    if !is_there {
        stack.pop(1);
    }
    is_there
}
