//! The base library where Lua's own would let a script out of its budgets or into the engine.

use std::ffi::c_int;

use super::protect::{check_writable, is_protected, unveil};
use super::stack::{Entry, Kind, Outcome, Stack, Status, native};

/// What replaces Lua's own.
pub fn functions() -> [Entry; 10] {
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
    ]
}

/// Pushes `pairs`, which takes the replaced `next` with it.
pub fn push_pairs(stack: Stack<'_>) {
    stack.push_native(native(next), 0);
    stack.push_native(native(pairs), 1);
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
            stack.push_value(1);
            stack.bytes(-1);
        }
        Kind::String => stack.push_value(1),
        Kind::Boolean => stack.push_bytes(if stack.boolean(1) { b"true" } else { b"false" }),
        Kind::Nil | Kind::None => stack.push_bytes(b"nil"),
        kind => {
            let address = stack.address(1);
            let text = if address.is_null() {
                format!("{}: (nil)", kind.name())
            } else {
                format!("{}: {address:p}", kind.name())
            };
            stack.push_bytes(text.as_bytes());
        }
    }
    Ok(1)
}
