//! Commands on strings, save those on single bits.

use super::super::keyspace::{Keyspace, Kind, Value};
use super::super::reply::ReplyBuffer;
use super::arguments::{integer, is};
use super::expiry::Expiration;
use super::failure::{Failure, Outcome};
use super::long_double::LongDouble;
use super::number::{format_integer, parse_integer};

/// Nanoseconds that a new zero byte takes: the kernel gives each page when it is touched first.
pub(super) const ZERO_NS: f64 = 1.5;
/// Longest string that a key holds, in bytes.
pub(super) const MAX_LEN: usize = 512 * 1024 * 1024;

/// `GET key`
pub(crate) fn get(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_string(keyspace, arguments[1], reply)
}

/// `SET key value [NX | XX | IFEQ comparison] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`
pub(super) fn set(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (key, value) = (arguments[1], arguments[2]);
    let options = SetOptions::parse(&arguments[3..])?;
    let expires_at_ms = match options.expiration {
        Some(expiration) => Some(expiration.at_ms(keyspace.now_ms(), "set")?),
        None if options.keep_ttl => keyspace.expiry(key).flatten(),
        None => None,
    };
    if options.get {
        reply_string(keyspace, key, reply)?;
    }
    let blocked = match options.condition {
        Some(Condition::Missing) => keyspace.exists(key),
        Some(Condition::Present) => !keyspace.exists(key),
        Some(Condition::Equals(comparison)) => {
            keyspace.read::<Vec<u8>>(key)?.is_none_or(|current| current != comparison)
        }
        None => false,
    };
    match (blocked, options.get) {
        (true, false) => reply.nil(),
        (true, true) => (),
        (false, get) => {
            keyspace.insert_value(key, Value::String(value.to_vec()), expires_at_ms);
            if !get {
                reply.status("OK");
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct SetOptions<'a> {
    condition: Option<Condition<'a>>,
    get: bool,
    keep_ttl: bool,
    expiration: Option<Expiration<'a>>,
}

enum Condition<'a> {
    Missing,
    Present,
    Equals(&'a [u8]),
}

impl<'a> SetOptions<'a> {
    fn parse(arguments: &[&'a [u8]]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(option) = rest.next() {
            if is(option, "nx") && matches!(options.condition, None | Some(Condition::Missing)) {
                options.condition = Some(Condition::Missing);
            } else if is(option, "xx") && matches!(options.condition, None | Some(Condition::Present)) {
                options.condition = Some(Condition::Present);
            } else if is(option, "ifeq") && options.condition.is_none() {
                options.condition = Some(Condition::Equals(rest.next().ok_or(Failure::SYNTAX)?));
            } else if is(option, "get") {
                options.get = true;
            } else if is(option, "keepttl") && options.expiration.is_none() {
                options.keep_ttl = true;
            } else if !options.keep_ttl {
                options.expiration = Some(Expiration::parse(option, rest.next(), options.expiration)?);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// `SETNX key value`
pub(super) fn setnx(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let is_free = !keyspace.exists(arguments[1]);
    if is_free {
        keyspace.replace(arguments[1], arguments[2].to_vec());
    }
    reply.integer(i64::from(is_free));
    Ok(())
}

/// `SETEX key seconds value`
pub(super) fn setex(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    set_for(keyspace, arguments, Expiration::InSeconds(arguments[2]), "setex", reply)
}

/// `PSETEX key milliseconds value`
pub(super) fn psetex(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    set_for(keyspace, arguments, Expiration::InMs(arguments[2]), "psetex", reply)
}

fn set_for(
    keyspace: &mut Keyspace,
    arguments: &[&[u8]],
    expiration: Expiration<'_>,
    command: &str,
    reply: &mut ReplyBuffer,
) -> Outcome {
    let expires_at_ms = expiration.at_ms(keyspace.now_ms(), command)?;
    keyspace.insert_value(arguments[1], Value::String(arguments[3].to_vec()), Some(expires_at_ms));
    reply.status("OK");
    Ok(())
}

/// `GETSET key value`
pub(super) fn getset(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_string(keyspace, arguments[1], reply)?;
    keyspace.replace(arguments[1], arguments[2].to_vec());
    Ok(())
}

/// `GETDEL key`
pub(super) fn getdel(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_string(keyspace, arguments[1], reply)?;
    keyspace.remove(arguments[1]);
    Ok(())
}

/// `DELIFEQ key value`: whether the key held the value, and is gone.
pub(super) fn delifeq(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let current = keyspace.read::<Vec<u8>>(arguments[1])?;
    let is_equal = current.is_some_and(|current| current == arguments[2]);
    if is_equal {
        keyspace.remove(arguments[1]);
    }
    reply.integer(i64::from(is_equal));
    Ok(())
}

/// `GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST]`
pub(super) fn getex(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let key = arguments[1];
    let mut persist = false;
    let mut expiration = None;
    let mut rest = arguments[2..].iter();
    while let Some(option) = rest.next() {
        if is(option, "persist") && expiration.is_none() {
            persist = true;
        } else if persist {
            return Err(Failure::SYNTAX);
        } else {
            expiration = Some(Expiration::parse(option, rest.next(), expiration)?);
        }
    }
    let expires_at_ms = expiration.map(|at| at.at_ms(keyspace.now_ms(), "getex")).transpose()?;
    let Some(value) = keyspace.read::<Vec<u8>>(key)? else {
        reply.nil();
        return Ok(());
    };
    reply.bulk(value);
    match expires_at_ms {
        Some(at_ms) if at_ms <= keyspace.now_ms() => {
            keyspace.remove(key);
        }
        Some(at_ms) => {
            keyspace.set_expiry(key, Some(at_ms));
        }
        None if persist => {
            keyspace.set_expiry(key, None);
        }
        None => (),
    }
    Ok(())
}

/// `MGET key [key …]`: nil for keys that hold no string.
pub(super) fn mget(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply.array(arguments.len() - 1);
    for key in &arguments[1..] {
        match keyspace.value(key).and_then(Vec::of) {
            Some(value) => reply.bulk(value),
            None => reply.nil(),
        }
    }
    Ok(())
}

/// `MSET key value [key value …]`
pub(super) fn mset(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (pairs, []) = arguments[1..].as_chunks::<2>() else { return Err(Failure::wrong_arity("mset")) };
    set_all(keyspace, pairs);
    reply.status("OK");
    Ok(())
}

/// `MSETNX key value [key value …]`: all or none.
pub(super) fn msetnx(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (pairs, []) = arguments[1..].as_chunks::<2>() else { return Err(Failure::wrong_arity("msetnx")) };
    let are_free = !pairs.iter().any(|[key, _]| keyspace.exists(key));
    if are_free {
        set_all(keyspace, pairs);
    }
    reply.integer(i64::from(are_free));
    Ok(())
}

/// `MSETEX numkeys key value [key value …] [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`: all or none.
pub(super) fn msetex(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let count = parse_integer(arguments[1]).and_then(|count| i32::try_from(count).ok());
    let count = count
        .filter(|count| *count > 0)
        .ok_or(Failure::fixed("ERR invalid numkeys value or out of range"))?;
    let end = 2 + count as usize * 2;
    let (pairs, _) = arguments.get(2..end).ok_or(Failure::SYNTAX)?.as_chunks::<2>();
    let options = SetOptions::parse(&arguments[end..])?;
    if options.get || matches!(options.condition, Some(Condition::Equals(_))) {
        return Err(Failure::SYNTAX);
    }
    let expiration = options.expiration;
    let expires_at_ms = expiration.map(|at| at.at_ms(keyspace.now_ms(), "msetex")).transpose()?;
    let is_blocked = match options.condition {
        Some(Condition::Missing) => pairs.iter().any(|[key, _]| keyspace.exists(key)),
        Some(Condition::Present) => !pairs.iter().all(|[key, _]| keyspace.exists(key)),
        _ => false,
    };
    if !is_blocked {
        for [key, value] in pairs {
            let kept = if options.keep_ttl { keyspace.expiry(key).flatten() } else { None };
            keyspace.insert_value(key, Value::String(value.to_vec()), expires_at_ms.or(kept));
        }
    }
    reply.integer(i64::from(!is_blocked));
    Ok(())
}

fn set_all(keyspace: &mut Keyspace, pairs: &[[&[u8]; 2]]) {
    for [key, value] in pairs {
        keyspace.replace(key, value.to_vec());
    }
}

/// `APPEND key value`
pub(super) fn append(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (key, more) = (arguments[1], arguments[2]);
    let len = keyspace.read::<Vec<u8>>(key)?.map_or(0, Vec::len);
    check_len(len, more.len())?;
    keyspace.write_or_create::<Vec<u8>>(key)?.append(more);
    reply.integer((len + more.len()) as i64);
    Ok(())
}

/// `STRLEN key`
pub(super) fn strlen(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply.integer(keyspace.read::<Vec<u8>>(arguments[1])?.map_or(0, Vec::len) as i64);
    Ok(())
}

/// `GETRANGE key start end`, once called `SUBSTR`
pub(super) fn getrange(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (start, end) = (integer(arguments[2])?, integer(arguments[3])?);
    let value = keyspace.read::<Vec<u8>>(arguments[1])?.map_or(&[][..], Vec::as_slice);
    let is_backwards = start < 0 && end < 0 && start > end;
    // Unlike in a list, an end before the start of the string still reaches its first byte.
    let from_end = |position: i64| {
        if position < 0 { position.saturating_add(value.len() as i64).max(0) } else { position }
    };
    let start = from_end(start) as usize;
    let stop = (from_end(end) as usize).saturating_add(1).min(value.len());
    let is_empty = is_backwards || start >= stop;
    reply.bulk(if is_empty { &[] } else { &value[start..stop] });
    Ok(())
}

/// `SETRANGE key offset value`: zero bytes fill a gap.
pub(super) fn setrange(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (key, patch) = (arguments[1], arguments[3]);
    let offset = integer(arguments[2])?;
    let offset = usize::try_from(offset).map_err(|_| Failure::fixed("ERR offset is out of range"))?;
    let len = keyspace.read::<Vec<u8>>(key)?.map_or(0, Vec::len);
    if patch.is_empty() {
        reply.integer(len as i64);
        return Ok(());
    }
    check_len(offset, patch.len())?;
    keyspace.need((offset + patch.len()).saturating_sub(len))?;
    keyspace.allow_work((offset + patch.len()).saturating_sub(len), ZERO_NS)?;
    let mut value = keyspace.write_or_create::<Vec<u8>>(key)?;
    value.bytes_mut(offset, patch.len()).copy_from_slice(patch);
    reply.integer(value.len() as i64);
    Ok(())
}

pub(super) fn check_len(len: usize, more: usize) -> Outcome {
    let fits = len.checked_add(more).is_some_and(|total| total <= MAX_LEN);
    if fits { Ok(()) } else { Err(Failure::TOO_LONG) }
}

/// `INCR key`
pub(super) fn incr(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    add(keyspace, arguments[1], 1, reply)
}

/// `DECR key`
pub(super) fn decr(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    add(keyspace, arguments[1], -1, reply)
}

/// `INCRBY key increment`
pub(super) fn incrby(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let increment = integer(arguments[2])?;
    add(keyspace, arguments[1], increment, reply)
}

/// `DECRBY key decrement`
pub(super) fn decrby(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let decrement = integer(arguments[2])?;
    let increment = decrement.checked_neg().ok_or(Failure::fixed("ERR decrement would overflow"))?;
    add(keyspace, arguments[1], increment, reply)
}

fn add(keyspace: &mut Keyspace, key: &[u8], increment: i64, reply: &mut ReplyBuffer) -> Outcome {
    let before = match keyspace.read::<Vec<u8>>(key)? {
        Some(text) => parse_integer(text).ok_or(Failure::NOT_AN_INTEGER)?,
        None => 0,
    };
    let sum = before.checked_add(increment).ok_or(Failure::OVERFLOW)?;
    let mut text = Vec::new();
    format_integer(sum, &mut text);
    keyspace.write_or_create::<Vec<u8>>(key)?.set(text);
    reply.integer(sum);
    Ok(())
}

/// `INCRBYFLOAT key increment`
pub(super) fn incrbyfloat(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let key = arguments[1];
    let before = keyspace.read::<Vec<u8>>(key)?.map_or(&b"0"[..], Vec::as_slice);
    let before = LongDouble::parse(before).ok_or(Failure::NOT_A_FLOAT)?;
    let increment = LongDouble::parse(arguments[2]).ok_or(Failure::NOT_A_FLOAT)?;
    let sum = before.checked_add(increment).ok_or(Failure::NAN_OR_INFINITY)?.to_text();
    reply.bulk(sum.as_bytes());
    keyspace.write_or_create::<Vec<u8>>(key)?.set(sum.into_bytes());
    Ok(())
}

fn reply_string(keyspace: &Keyspace, key: &[u8], reply: &mut ReplyBuffer) -> Outcome {
    match keyspace.read::<Vec<u8>>(key)? {
        Some(value) => reply.bulk(value),
        None => reply.nil(),
    }
    Ok(())
}
