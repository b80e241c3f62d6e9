//! Commands on hashes.

use super::super::keyspace::{Change, Hash, Keyspace, SmallBytes};
use super::super::reply::ReplyBuffer;
use super::arguments::{integer, is};
use super::failure::{Failure, Outcome};
use super::long_double::LongDouble;
use super::number::{format_integer, parse_integer};

/// `HSET key field value [field value …]`: how many fields are new.
pub(super) fn hset(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let added = set_fields(keyspace, arguments, "hset")?;
    reply.integer(added);
    Ok(())
}

/// `HMSET key field value [field value …]`
pub(super) fn hmset(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    set_fields(keyspace, arguments, "hmset")?;
    reply.status("OK");
    Ok(())
}

fn set_fields(keyspace: &mut Keyspace, arguments: &[&[u8]], command: &str) -> Result<i64, Failure> {
    let (pairs, []) = arguments[2..].as_chunks::<2>() else { return Err(Failure::wrong_arity(command)) };
    let mut hash = keyspace.write_or_create::<Hash>(arguments[1])?;
    let added = pairs.iter().filter(|[field, value]| hash.insert(field, SmallBytes::new(value))).count();
    Ok(added as i64)
}

/// `HSETNX key field value`
pub(super) fn hsetnx(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (field, value) = (arguments[2], arguments[3]);
    let mut hash = keyspace.write_or_create::<Hash>(arguments[1])?;
    let is_free = !hash.contains(field);
    if is_free {
        hash.push_new(field.into(), value.into());
    }
    reply.integer(i64::from(is_free));
    Ok(())
}

/// `HGET key field`
pub(super) fn hget(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let hash = keyspace.read::<Hash>(arguments[1])?;
    reply_field(hash, arguments[2], reply);
    Ok(())
}

/// `HMGET key field [field …]`
pub(super) fn hmget(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let hash = keyspace.read::<Hash>(arguments[1])?;
    reply.array(arguments.len() - 2);
    arguments[2..].iter().for_each(|field| reply_field(hash, field, reply));
    Ok(())
}

fn reply_field(hash: Option<&Hash>, field: &[u8], reply: &mut ReplyBuffer) {
    match hash.and_then(|hash| hash.get(field)) {
        Some(value) => reply.bulk(value),
        None => reply.nil(),
    }
}

/// `HDEL key field [field …]`
pub(super) fn hdel(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let removed = keyspace.edit(arguments[1], |hash: &mut Change<'_, Hash>| {
        arguments[2..].iter().filter(|field| hash.remove(field)).count()
    })?;
    reply.integer(removed.unwrap_or(0) as i64);
    Ok(())
}

/// `HGETDEL key FIELDS numfields field [field …]`
pub(super) fn hgetdel(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    if !is(arguments[2], "fields") {
        return Err(Failure::SYNTAX);
    }
    let fields = &arguments[4..];
    if integer(arguments[3])? != fields.len() as i64 {
        return Err(Failure::fixed(
            "ERR numfields should be greater than 0 and match the provided number of fields",
        ));
    }
    reply.array(fields.len());
    let taken = keyspace.edit(arguments[1], |hash: &mut Change<'_, Hash>| {
        for field in fields {
            reply_field(Some(hash), field, reply);
            hash.remove(field);
        }
    })?;
    if taken.is_none() {
        fields.iter().for_each(|_| reply.nil());
    }
    Ok(())
}

/// `HLEN key`
pub(super) fn hlen(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply.integer(keyspace.read::<Hash>(arguments[1])?.map_or(0, Hash::len) as i64);
    Ok(())
}

/// `HSTRLEN key field`
pub(super) fn hstrlen(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let value = keyspace.read::<Hash>(arguments[1])?.and_then(|hash| hash.get(arguments[2]));
    reply.integer(value.map_or(0, |value| value.len()) as i64);
    Ok(())
}

/// `HEXISTS key field`
pub(super) fn hexists(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let hash = keyspace.read::<Hash>(arguments[1])?;
    reply.integer(i64::from(hash.is_some_and(|hash| hash.contains(arguments[2]))));
    Ok(())
}

/// `HKEYS key`
pub(super) fn hkeys(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_entries(keyspace, arguments[1], true, false, reply)
}

/// `HVALS key`
pub(super) fn hvals(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_entries(keyspace, arguments[1], false, true, reply)
}

/// `HGETALL key`
pub(super) fn hgetall(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_entries(keyspace, arguments[1], true, true, reply)
}

fn reply_entries(
    keyspace: &Keyspace,
    key: &[u8],
    with_fields: bool,
    with_values: bool,
    reply: &mut ReplyBuffer,
) -> Outcome {
    let entries = keyspace.read::<Hash>(key)?.map_or(&[][..], Hash::entries);
    reply.array(entries.len() * (usize::from(with_fields) + usize::from(with_values)));
    for entry in entries {
        if with_fields {
            reply.bulk(&entry.key);
        }
        if with_values {
            reply.bulk(&entry.value);
        }
    }
    Ok(())
}

/// `HINCRBY key field increment`
pub(super) fn hincrby(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (key, field) = (arguments[1], arguments[2]);
    let increment = integer(arguments[3])?;
    let before = match keyspace.read::<Hash>(key)?.and_then(|hash| hash.get(field)) {
        Some(text) => parse_integer(text).ok_or(Failure::fixed("ERR hash value is not an integer"))?,
        None => 0,
    };
    let sum = before.checked_add(increment).ok_or(Failure::OVERFLOW)?;
    let mut text = Vec::new();
    format_integer(sum, &mut text);
    keyspace.write_or_create::<Hash>(key)?.insert(field, text.into());
    reply.integer(sum);
    Ok(())
}

/// `HINCRBYFLOAT key field increment`
pub(super) fn hincrbyfloat(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (key, field) = (arguments[1], arguments[2]);
    let increment = LongDouble::parse(arguments[3]).ok_or(Failure::NOT_A_FLOAT)?;
    if increment.is_infinite() {
        return Err(Failure::fixed("ERR value is NaN or Infinity"));
    }
    let before = keyspace.read::<Hash>(key)?.and_then(|hash| hash.get(field));
    let before = LongDouble::parse(before.map_or(&b"0"[..], |text| text));
    let before = before.ok_or(Failure::fixed("ERR hash value is not a float"))?;
    let sum = before.checked_add(increment).ok_or(Failure::NAN_OR_INFINITY)?.to_text();
    keyspace.write_or_create::<Hash>(key)?.insert(field, sum.as_bytes().into());
    reply.bulk(sum.as_bytes());
    Ok(())
}
