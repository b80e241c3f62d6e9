//! `redis`: commands on the store, and the helpers that Valkey 9.1 gives to scripts, which call it `server` as well.

use std::cell::RefMut;

use crate::commands::{self, Failure};
use crate::keyspace::Context;
use crate::reply::{ReplyBuffer, Value};

use super::extension::Extension;
use super::number::write_argument;
use super::stack::{Entry, Kind, Outcome, Raised, Stack, native};

/// Calls with more arguments than this allocate.
const FEW_ARGUMENTS: usize = 16;
/// Nanoseconds that a command takes at least, and for each of its arguments and of its answer's values, about.
pub(super) const COMMAND_COST: usize = 100;
const ARGUMENT_COST: usize = 10;
const VALUE_COST: usize = 30;
/// Of its arguments, as they are hashed or copied.
const BYTES_A_NANOSECOND: usize = 2;
/// What is kept of a line for the log.
const MAX_LOGGED_BYTES: usize = 1024;
/// What it takes to be able to undo a call may be so many times what Lua may use.
const UNDO_SHARE: usize = 4;

/// Pushes the library.
pub(crate) fn push_library(stack: Stack<'_>) {
    let functions: [Entry; 12] = [
        (c"call", native(call)),
        (c"pcall", native(pcall)),
        (c"error_reply", native(error_reply)),
        (c"status_reply", native(status_reply)),
        (c"log", native(log)),
        (c"sha1hex", native(sha1hex)),
        (c"setresp", native(setresp)),
        (c"set_repl", native(ignore)),
        (c"replicate_commands", native(replicate_commands)),
        (c"breakpoint", native(breakpoint)),
        (c"debug", native(ignore)),
        (c"acl_check_cmd", native(acl_check_cmd)),
    ];
    stack.push_library(&functions);
    let constants = [
        (c"LOG_DEBUG", 0),
        (c"LOG_VERBOSE", 1),
        (c"LOG_NOTICE", 2),
        (c"LOG_WARNING", 3),
        (c"REPL_NONE", 0),
        (c"REPL_AOF", 1),
        (c"REPL_SLAVE", 2),
        (c"REPL_REPLICA", 2),
        (c"REPL_ALL", 3),
        (c"REDIS_VERSION_NUM", 0x0007_0204),
        (c"VALKEY_VERSION_NUM", 0x0009_0102),
    ];
    for (name, value) in constants {
        stack.push_integer(value);
        stack.set_field(-2, name);
    }
    for (name, text) in
        [(c"REDIS_VERSION", "7.2.4"), (c"VALKEY_VERSION", "9.1.2"), (c"SERVER_NAME", "valkey")]
    {
        stack.push_bytes(text.as_bytes());
        stack.set_field(-2, name);
    }
}

fn call(stack: Stack<'_>) -> Outcome {
    let reply = run(stack);
    if reply.is_error() {
        push_reply(stack, reply)?;
        return Err(stack.raise_top());
    }
    push_reply(stack, reply)
}

fn pcall(stack: Stack<'_>) -> Outcome {
    let reply = run(stack);
    push_reply(stack, reply)
}

/// Runs the command that the arguments are.
fn run(stack: Stack<'_>) -> RefMut<'_, ReplyBuffer> {
    let host = stack.host();
    let mut reply = host.reply.borrow_mut();
    reply.clear();
    let count = stack.top() as usize;
    if count == 0 {
        reply.error("ERR Please specify at least one argument for this call");
        return reply;
    }
    let mut numbers = host.scratch.borrow_mut();
    numbers.clear();
    if !write_numbers(stack, &mut numbers) {
        reply.error("ERR Command arguments must be strings or integers");
        return reply;
    }
    let mut few: [&[u8]; FEW_ARGUMENTS] = [b""; FEW_ARGUMENTS];
    let mut many = Vec::new();
    let arguments = if count <= FEW_ARGUMENTS {
        &mut few[..count]
    } else {
        many.resize(count, &b""[..]);
        &mut many[..]
    };
    read_arguments(stack, &numbers, arguments);
    match reserved(host.reserved_prefix, arguments) {
        Some(prefix) => {
            let prefix = String::from_utf8_lossy(prefix);
            reply.error(&format!("ERR keys that begin with {prefix} are the server's"));
        }
        None => match refused(&*host.extension, arguments) {
            Some(reason) => reply.error(&format!("ERR {reason}")),
            None => execute(stack, arguments, &mut reply),
        },
    }
    reply
}

/// Why a script may not run a command, where the extension guards keys.
fn refused(extension: &dyn Extension, arguments: &[&[u8]]) -> Option<String> {
    if !extension.guards_keys() {
        return None;
    }
    let command = commands::find(arguments[0])?;
    if command.works_on_all_keys() {
        return Some(format!("{} works on the keys of all games", command.name));
    }
    // Those of SORT are the only keys that are put together by the store.
    let patterns = if command.name.starts_with("sort") { &arguments[1..] } else { &[] };
    let patterns = patterns.iter().filter(|text| text.contains(&b'*'));
    let keys = command.keys_of(arguments);
    keys.iter().chain(patterns).find_map(|key| extension.refuse_key(key))
}

/// The prefix of keys that scripts cannot touch, if one of the command's keys begins with it.
fn reserved(prefix: Option<&'static [u8]>, arguments: &[&[u8]]) -> Option<&'static [u8]> {
    let prefix = prefix?;
    let is_reserved = |text: &&[u8]| text.starts_with(prefix);
    if !arguments[1..].iter().any(is_reserved) {
        return None;
    }
    let command = commands::find(arguments[0])?;
    command.keys_of(arguments).iter().any(is_reserved).then_some(prefix)
}

/// Writes each number among the arguments behind one byte for its length. False if an argument is neither a number
/// nor a string.
fn write_numbers(stack: Stack<'_>, out: &mut Vec<u8>) -> bool {
    for index in 1..=stack.top() {
        match stack.kind(index) {
            Kind::String => {}
            Kind::Number => {
                let start = out.len();
                out.push(0);
                write_argument(stack.number(index).unwrap_or(0.0), out);
                out[start] = (out.len() - start - 1) as u8;
            }
            _ => return false,
        }
    }
    true
}

fn read_arguments<'a>(stack: Stack<'a>, numbers: &'a [u8], arguments: &mut [&'a [u8]]) {
    let mut numbers = numbers;
    for (index, argument) in arguments.iter_mut().enumerate() {
        let index = index as i32 + 1;
        *argument = match numbers.split_first() {
            Some((&len, rest)) if stack.kind(index) == Kind::Number => {
                let (number, rest) = rest.split_at(usize::from(len));
                numbers = rest;
                number
            }
            _ => stack.bytes(index).unwrap_or_default(),
        };
    }
}

pub(super) fn execute(stack: Stack<'_>, arguments: &[&[u8]], reply: &mut ReplyBuffer) {
    let host = stack.host();
    let name = arguments[0];
    if name.len() == 7 && name.eq_ignore_ascii_case(b"publish") && arguments.len() == 3 {
        return publish(stack, arguments[1], arguments[2], reply);
    }
    let context = Context { now_ms: host.now_ms.get(), from_script: true };
    let Some(command) = commands::find(name) else {
        return host.keyspace.borrow_mut().execute(arguments, &context, reply);
    };
    let mut keyspace = host.keyspace.borrow_mut();
    keyspace.call(command, arguments, &context, reply);
    let undo_bytes = keyspace.undo_bytes();
    drop(keyspace);
    // Even of a quick command: it can be given one long text thousands of times.
    let given_bytes: usize = arguments.iter().map(|argument| argument.len()).sum();
    host.budget.spend(arguments.len() * ARGUMENT_COST + given_bytes / BYTES_A_NANOSECOND);
    if reply.is_too_large() {
        // It would not fit beside what Lua holds.
        host.budget.check_room(usize::MAX);
    }
    if reply.is_failure(&Failure::TOO_SLOW) {
        host.budget.exceed_time();
    }
    let is_full =
        undo_bytes / UNDO_SHARE > COMMAND_COST && host.budget.check_room(undo_bytes / UNDO_SHARE).is_some();
    if is_full || reply.is_too_large() || !is_quick(command.name) {
        // Its work may depend on how much the store holds, so the clock is read right after it.
        host.budget.spend(usize::MAX);
    }
    if matches!(command.name, "flushall" | "flushdb") && !reply.is_error() {
        host.extension.flushed();
    }
}

/// Whether a command's time depends on nothing but the size of its arguments and of its reply.
fn is_quick(name: &str) -> bool {
    matches!(
        name,
        "decr"
            | "decrby"
            | "exists"
            | "expire"
            | "get"
            | "hdel"
            | "hexists"
            | "hget"
            | "hincrby"
            | "hlen"
            | "hmget"
            | "hmset"
            | "hset"
            | "hsetnx"
            | "incr"
            | "incrby"
            | "llen"
            | "lpush"
            | "mget"
            | "mset"
            | "pexpire"
            | "pttl"
            | "rpush"
            | "sadd"
            | "scard"
            | "set"
            | "setex"
            | "setnx"
            | "sismember"
            | "srem"
            | "time"
            | "ttl"
            | "type"
            | "zadd"
            | "zcard"
            | "zincrby"
            | "zrem"
            | "zscore"
    )
}

/// Whom messages reach is not the store's to know.
fn publish(stack: Stack<'_>, channel: &[u8], message: &[u8], reply: &mut ReplyBuffer) {
    match stack.host().extension.publish(channel, message) {
        Ok(receivers) => reply.integer(receivers),
        Err(text) => reply.error(&format!("ERR {text}")),
    }
}

fn push_reply(stack: Stack<'_>, reply: RefMut<'_, ReplyBuffer>) -> Outcome {
    stack.spend(COMMAND_COST)?;
    let mut values = reply.values();
    while let Some(value) = values.next() {
        push_value(stack, value, &mut values)?;
    }
    Ok(1)
}

/// Pushes one value; an array takes its elements from `rest`.
fn push_value<'a>(
    stack: Stack<'_>,
    value: Value<'a>,
    rest: &mut impl Iterator<Item = Value<'a>>,
) -> Result<(), Raised> {
    match value {
        Value::Nil => stack.push_boolean(false),
        Value::Integer(value) => stack.push_integer(value),
        Value::Bulk(bytes) => stack.push_bytes(bytes),
        Value::Status(text) => push_single(stack, c"ok", text),
        Value::Error(text) => push_single(stack, c"err", text),
        Value::Array(len) => {
            if !stack.reserve(4) {
                return Err(stack.error(format_args!("reached lua stack limit")));
            }
            stack.push_table(len, 0);
            for index in 1..=len {
                stack.spend(VALUE_COST)?;
                if let Some(element) = rest.next() {
                    push_value(stack, element, rest)?;
                    stack.raw_set_index(-2, index as i32);
                }
            }
        }
    }
    Ok(())
}

fn push_single(stack: Stack<'_>, name: &'static std::ffi::CStr, text: &[u8]) {
    stack.push_table(0, 1);
    stack.push_bytes(text);
    stack.set_field(-2, name);
}

/// The table that an error reply is.
fn error_table(stack: Stack<'_>, text: &str) {
    push_single(stack, c"err", text.as_bytes());
}

fn error_reply(stack: Stack<'_>) -> Outcome {
    let Some(text) = single_string(stack) else { return Ok(1) };
    let text = text.strip_prefix(b"-").unwrap_or(text).trim_ascii_end();
    if text.contains(&b' ') {
        push_single(stack, c"err", text);
    } else {
        push_single(stack, c"err", &[b"ERR ", text].concat());
    }
    Ok(1)
}

fn status_reply(stack: Stack<'_>) -> Outcome {
    let Some(text) = single_string(stack) else { return Ok(1) };
    push_single(stack, c"ok", text);
    Ok(1)
}

/// The only argument; otherwise pushes the error that is the answer.
fn single_string<'h>(stack: Stack<'h>) -> Option<&'h [u8]> {
    if stack.top() == 1 && stack.kind(1) == Kind::String {
        return stack.bytes(1);
    }
    error_table(stack, "ERR wrong number or type of arguments");
    None
}

fn sha1hex(stack: Stack<'_>) -> Outcome {
    if stack.top() != 1 {
        error_table(stack, "ERR wrong number of arguments");
        return Err(stack.raise_top());
    }
    let text = stack.bytes(1).unwrap_or_default();
    stack.spend(text.len() * 2)?;
    let digest = sha1_smol::Sha1::from(text).digest().to_string();
    stack.push_bytes(digest.as_bytes());
    Ok(1)
}

fn log(stack: Stack<'_>) -> Outcome {
    let refuse = |text: &str| {
        error_table(stack, text);
        Err(stack.raise_top())
    };
    if stack.top() < 2 {
        return refuse("ERR server.log() requires two arguments or more.");
    }
    if stack.kind(1) != Kind::Number {
        return refuse("ERR First argument must be a number (log level).");
    }
    let level = match stack.integer(1) {
        Some(0) => log::Level::Debug,
        Some(1) => log::Level::Debug,
        Some(2) => log::Level::Info,
        Some(3) => log::Level::Warn,
        _ => return refuse("ERR Invalid log level."),
    };
    let place = stack.place(1).unwrap_or_default();
    stack.host().extension.log(level, &place, &logged_line(stack));
    Ok(0)
}

/// What is to be logged, with spaces between; of a long line its beginning.
fn logged_line(stack: Stack<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    for part in (2..=stack.top()).filter_map(|index| stack.bytes(index)) {
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(&part[..part.len().min(MAX_LOGGED_BYTES)]);
        if line.len() >= MAX_LOGGED_BYTES {
            break;
        }
    }
    line.truncate(MAX_LOGGED_BYTES);
    line
}

fn setresp(stack: Stack<'_>) -> Outcome {
    if stack.top() != 1 {
        error_table(stack, "ERR server.setresp() requires one argument.");
        return Err(stack.raise_top());
    }
    match stack.number(1) {
        Some(2.0) => Ok(0),
        Some(3.0) => Err(stack.error(format_args!("RESP3 replies are not available to game scripts"))),
        _ => {
            error_table(stack, "ERR RESP version must be 2 or 3.");
            Err(stack.raise_top())
        }
    }
}

fn replicate_commands(stack: Stack<'_>) -> Outcome {
    stack.push_boolean(true);
    Ok(1)
}

fn breakpoint(stack: Stack<'_>) -> Outcome {
    stack.push_boolean(false);
    Ok(1)
}

/// There are no users here to refuse anything to.
fn acl_check_cmd(stack: Stack<'_>) -> Outcome {
    if stack.top() == 0 {
        error_table(stack, "ERR Please specify at least one argument for this call");
        return Err(stack.raise_top());
    }
    stack.push_boolean(true);
    Ok(1)
}

fn ignore(_: Stack<'_>) -> Outcome {
    Ok(0)
}
