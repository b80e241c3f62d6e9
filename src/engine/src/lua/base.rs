//! The base library where Lua's own would let a script out of its budgets or into the engine.

use std::ffi::c_int;

use super::number::{read_prefix, write_general};
use super::protect::{check_writable, is_protected, unveil};
use super::stack::{Entry, Kind, Outcome, Stack, Status, native};

/// What replaces Lua's own.
pub(super) fn functions() -> [Entry; 11] {
    [
        (c"pcall", native(pcall)),
        (c"xpcall", native(xpcall)),
        (c"next", native(next)),
        (c"rawget", native(rawget)),
        (c"rawset", native(rawset)),
        (c"setmetatable", native(setmetatable)),
        (c"getmetatable", native(getmetatable)),
        (c"unpack", native(unpack)),
        (c"ipairs", native(ipairs)),
        (c"tostring", native(tostring)),
        (c"tonumber", native(tonumber)),
    ]
}

/// Pushes `pairs`, which takes the replaced `next` with it.
pub(super) fn push_pairs(stack: Stack<'_>) {
    stack.push_native(native(next), 0);
    stack.push_native(native(pairs), 1);
}

/// Pushes `type`, which takes the names of the types with it rather than making them anew at each call.
pub(super) fn push_type(stack: Stack<'_>) {
    const KINDS: [Kind; 8] = [
        Kind::Nil,
        Kind::Boolean,
        Kind::LightUserdata,
        Kind::Number,
        Kind::String,
        Kind::Table,
        Kind::Function,
        Kind::Thread,
    ];
    for kind in KINDS {
        stack.push_bytes(kind.name().as_bytes());
    }
    stack.push_native(native(type_name), KINDS.len() as c_int);
}

fn type_name(stack: Stack<'_>) -> Outcome {
    let upvalue = match stack.kind(1) {
        Kind::None => return Err(stack.argument_error(1, format_args!("value expected"))),
        Kind::Nil => 1,
        Kind::Boolean => 2,
        Kind::LightUserdata | Kind::Userdata => 3,
        Kind::Number => 4,
        Kind::String => 5,
        Kind::Table => 6,
        Kind::Function => 7,
        Kind::Thread => 8,
    };
    stack.push_value(Stack::upvalue(upvalue));
    Ok(1)
}

fn pcall(stack: Stack<'_>) -> Outcome {
    stack.check_any(1)?;
    let status = stack.protected_call(stack.top() - 1, -1, 0);
    if let Some(exceeded) = stack.host().budget.exceeded() {
        return Err(stack.exceeded(exceeded));
    }
    if status == Status::Failed {
        unwrap_redis_error(stack);
    }
    if !stack.reserve(1) {
        return Err(stack.error(format_args!("stack overflow")));
    }
    stack.push_boolean(status == Status::Done);
    stack.insert(1);
    Ok(stack.top())
}

/// Redis raises tables and lets `pcall` see their text, as scripts from before expect it.
fn unwrap_redis_error(stack: Stack<'_>) {
    if stack.kind(-1) == Kind::Table {
        stack.raw_get_field(-1, b"err");
        if matches!(stack.kind(-1), Kind::String | Kind::Number) {
            stack.remove(-2);
        } else {
            stack.pop(1);
        }
    }
}

fn xpcall(stack: Stack<'_>) -> Outcome {
    stack.check_any(2)?;
    stack.set_top(2);
    stack.push_native(native(handle_error), 1);
    stack.insert(1);
    let status = stack.protected_call(0, -1, 1);
    if let Some(exceeded) = stack.host().budget.exceeded() {
        return Err(stack.exceeded(exceeded));
    }
    stack.push_boolean(status == Status::Done);
    stack.replace(1);
    Ok(stack.top())
}

/// Runs the script's error handler, unless a budget is spent: the error may come from the hook, and the hook does
/// not run in a handler that it caused, so nothing could stop that.
fn handle_error(stack: Stack<'_>) -> Outcome {
    stack.set_top(1);
    if stack.host().budget.exceeded().is_none() {
        stack.push_value(Stack::upvalue(1));
        stack.insert(1);
        stack.call(1, 1)?;
    }
    Ok(1)
}

fn next(stack: Stack<'_>) -> Outcome {
    stack.check_kind(1, Kind::Table)?;
    stack.set_top(2);
    unveil(stack, 1);
    // A table that was emptied is walked through from its start at every call.
    stack.spend(20 + stack.host().budget.grown() / 4096)?;
    if stack.next_checked(1)? {
        return Ok(2);
    }
    stack.push_nil();
    Ok(1)
}

fn pairs(stack: Stack<'_>) -> Outcome {
    stack.check_kind(1, Kind::Table)?;
    stack.push_value(Stack::upvalue(1));
    stack.push_value(1);
    stack.push_nil();
    Ok(3)
}

fn ipairs(stack: Stack<'_>) -> Outcome {
    stack.check_kind(1, Kind::Table)?;
    stack.push_native(native(next_index), 0);
    stack.push_value(1);
    stack.push_number(0.0);
    Ok(3)
}

fn next_index(stack: Stack<'_>) -> Outcome {
    let index = stack.check_int(2)?.wrapping_add(1);
    stack.check_kind(1, Kind::Table)?;
    stack.push_number(f64::from(index));
    stack.raw_get_index(1, index);
    Ok(if stack.kind(-1) == Kind::Nil { 0 } else { 2 })
}

fn rawget(stack: Stack<'_>) -> Outcome {
    stack.check_kind(1, Kind::Table)?;
    stack.check_any(2)?;
    stack.set_top(2);
    unveil(stack, 1);
    stack.raw_get(1);
    Ok(1)
}

fn rawset(stack: Stack<'_>) -> Outcome {
    stack.check_kind(1, Kind::Table)?;
    stack.check_any(2)?;
    stack.check_any(3)?;
    stack.set_top(3);
    check_writable(stack, 1)?;
    match stack.kind(2) {
        Kind::Nil => Err(stack.error(format_args!("table index is nil"))),
        Kind::Number if stack.number(2).is_some_and(f64::is_nan) => {
            Err(stack.error(format_args!("table index is NaN")))
        }
        _ => {
            stack.raw_set(1);
            Ok(1)
        }
    }
}

fn setmetatable(stack: Stack<'_>) -> Outcome {
    stack.check_kind(1, Kind::Table)?;
    if !matches!(stack.kind(2), Kind::Nil | Kind::Table) {
        return Err(stack.argument_error(2, format_args!("nil or table expected")));
    }
    check_writable(stack, 1)?;
    if stack.push_metafield(1, b"__metatable") {
        return Err(stack.error(format_args!("cannot change a protected metatable")));
    }
    stack.set_top(2);
    stack.set_metatable(1);
    Ok(1)
}

fn getmetatable(stack: Stack<'_>) -> Outcome {
    stack.check_any(1)?;
    // Strings share one metatable among all scripts, so it is not to be had either.
    if stack.kind(1) == Kind::String || is_protected(stack, 1) || !stack.push_metatable(1) {
        stack.push_nil();
        return Ok(1);
    }
    stack.push_metafield(1, b"__metatable");
    Ok(1)
}

fn unpack(stack: Stack<'_>) -> Outcome {
    stack.check_kind(1, Kind::Table)?;
    let first = i64::from(stack.optional_int(2, 1)?);
    let last = match stack.kind(3) {
        Kind::None | Kind::Nil => stack.length(1) as i64,
        _ => i64::from(stack.check_int(3)?),
    };
    if first > last {
        return Ok(0);
    }
    let count = c_int::try_from(last - first + 1).unwrap_or(c_int::MAX);
    if count == c_int::MAX || !stack.reserve(count) {
        return Err(stack.error(format_args!("too many results to unpack")));
    }
    for index in first..=last {
        stack.raw_get_index(1, index as i32);
    }
    Ok(count)
}

fn tostring(stack: Stack<'_>) -> Outcome {
    stack.check_any(1)?;
    if stack.push_metafield(1, b"__tostring") {
        stack.push_value(1);
        stack.call(1, 1)?;
        return Ok(1);
    }
    match stack.kind(1) {
        Kind::Number => {
            let mut text = stack.host().scratch.borrow_mut();
            text.clear();
            write_general(stack.number(1).unwrap_or(0.0), &mut text);
            stack.push_bytes(&text);
        }
        Kind::String => stack.push_value(1),
        Kind::Boolean => stack.push_bytes(if stack.boolean(1) { b"true" } else { b"false" }),
        Kind::Nil | Kind::None => stack.push_bytes(b"nil"),
        // Where something lies in memory would differ from run to run, and is nobody's business.
        kind => stack.push_bytes(kind.name().as_bytes()),
    }
    Ok(1)
}

fn tonumber(stack: Stack<'_>) -> Outcome {
    let base = stack.optional_int(2, 10)?;
    if base != 10 {
        let text = stack.check_bytes(1)?;
        if !(2..=36).contains(&base) {
            return Err(stack.argument_error(2, format_args!("base out of range")));
        }
        stack.spend(text.len() * 2)?;
        match read_in_base(text, base as u32) {
            Some(number) => stack.push_number(number),
            None => stack.push_nil(),
        }
        return Ok(1);
    }
    let number = match stack.kind(1) {
        Kind::None => return Err(stack.argument_error(1, format_args!("value expected"))),
        Kind::String => {
            let text = stack.bytes(1).unwrap_or_default();
            stack.spend(text.len() * 4)?;
            match read_prefix(text) {
                (number, len) if len > 0 && len == text.len() => Some(number),
                // White space around it, or no number: Lua's own business.
                _ => stack.number(1),
            }
        }
        _ => stack.number(1),
    };
    match number {
        Some(number) => stack.push_number(number),
        None => stack.push_nil(),
    }
    Ok(1)
}

/// As C's `strtoul` with white space allowed behind, which a nul ends: a sign wraps around, too much is the maximum.
fn read_in_base(text: &[u8], base: u32) -> Option<f64> {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    let is_space = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b;
    let skip = |text: &[u8]| text.iter().take_while(|&&byte| is_space(byte)).count();
    let mut rest = &text[..end];
    rest = &rest[skip(rest)..];
    let is_negative = rest.first() == Some(&b'-');
    if matches!(rest.first(), Some(b'-' | b'+')) {
        rest = &rest[1..];
    }
    let digit = |byte: u8| char::from(byte).to_digit(base);
    let has_hex_prefix = base == 16
        && rest.first() == Some(&b'0')
        && matches!(rest.get(1), Some(b'x' | b'X'))
        && rest.get(2).is_some_and(|&byte| digit(byte).is_some());
    if has_hex_prefix {
        rest = &rest[2..];
    }
    let count = rest.iter().take_while(|&&byte| digit(byte).is_some()).count();
    if count == 0 || skip(&rest[count..]) != rest.len() - count {
        return None;
    }
    let mut value = Some(0_u64);
    for digit in rest[..count].iter().filter_map(|&byte| digit(byte)) {
        let shifted = value.and_then(|value| value.checked_mul(u64::from(base)));
        value = shifted.and_then(|value| value.checked_add(u64::from(digit)));
    }
    Some(match value {
        None => u64::MAX as f64,
        Some(value) if is_negative => value.wrapping_neg() as f64,
        Some(value) => value as f64,
    })
}
