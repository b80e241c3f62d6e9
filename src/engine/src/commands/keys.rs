//! Commands on keys of whatever kind.

use super::super::keyspace::{Keyspace, Value};
use super::super::reply::ReplyBuffer;
use super::arguments::is;
use super::failure::{Failure, Outcome};
use super::pattern;
use super::scan::ENTRY_NS;
use super::server::check_database;

/// `DEL key [key …]` and `UNLINK`
pub(super) fn del(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let removed = arguments[1..].iter().filter(|key| keyspace.remove(key)).count();
    reply.integer(removed as i64);
    Ok(())
}

/// `EXISTS key [key …]` and `TOUCH`: a key that is named twice counts twice.
pub(super) fn exists(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let found = arguments[1..].iter().filter(|key| keyspace.exists(key)).count();
    reply.integer(found as i64);
    Ok(())
}

/// `TYPE key`
pub(super) fn type_of(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply.status(keyspace.value(arguments[1]).map_or("none", |value| value.type_name()));
    Ok(())
}

/// `KEYS pattern`
pub(super) fn keys(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    keyspace.allow_work(keyspace.len(), ENTRY_NS)?;
    let opened = reply.begin_array();
    let mut len = 0;
    let mut work = keyspace.work_left(pattern::STEP_NS);
    for (key, _) in keyspace.live_entries() {
        if pattern::matches(arguments[1], key, &mut work)? {
            reply.bulk(key);
            len += 1;
        }
    }
    reply.end_array(opened, len);
    Ok(())
}

/// `RANDOMKEY`
pub(super) fn randomkey(keyspace: &mut Keyspace, _: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    match keyspace.random_key() {
        Some(key) => reply.bulk(&key),
        None => reply.nil(),
    }
    Ok(())
}

/// `RENAME key newkey`: with its value goes its end.
pub(super) fn rename(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    if !keyspace.rename(arguments[1], arguments[2]) {
        return Err(Failure::NO_SUCH_KEY);
    }
    reply.status("OK");
    Ok(())
}

/// `RENAMENX key newkey`
pub(super) fn renamenx(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    if !keyspace.exists(arguments[1]) {
        return Err(Failure::NO_SUCH_KEY);
    }
    let is_free = !keyspace.exists(arguments[2]);
    if is_free {
        keyspace.rename(arguments[1], arguments[2]);
    }
    reply.integer(i64::from(is_free));
    Ok(())
}

/// `COPY source destination [DB 0] [REPLACE]`
pub(super) fn copy(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (source, destination) = (arguments[1], arguments[2]);
    let mut replace = false;
    let mut rest = arguments[3..].iter();
    while let Some(option) = rest.next() {
        if is(option, "replace") {
            replace = true;
        } else if is(option, "db")
            && let Some(index) = rest.next()
        {
            check_database(index)?;
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    if source == destination {
        return Err(Failure::fixed("ERR source and destination objects are the same"));
    }
    let is_free = replace || !keyspace.exists(destination);
    let copied = keyspace.value(source).filter(|_| is_free);
    reply.integer(i64::from(copied.is_some()));
    if let Some(bytes) = copied.map(Value::allocated_bytes) {
        const COPY_NS: f64 = 1.0;
        keyspace.need(bytes)?;
        keyspace.allow_work(bytes, COPY_NS)?;
        if let Some(value) = keyspace.value(source).cloned() {
            keyspace.insert_value(destination, value, keyspace.expiry(source).flatten());
        }
    }
    Ok(())
}
