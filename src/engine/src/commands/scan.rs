//! `SCAN` and its relatives on collections.

use super::super::keyspace::{Entry, Hash, IndexMap, Keyspace, Set, SortedSet};
use super::super::reply::ReplyBuffer;
use super::arguments::{integer, is};
use super::failure::{Failure, Outcome, as_c_string};
use super::pattern;

/// Collections up to this size are given in one step, as Redis does with its compact encodings: scripts rely on it.
const ONE_STEP_LEN: usize = 128;

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(crate) fn scan(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let cursor = parse_cursor(arguments[1])?;
    let options = Options::parse(&arguments[2..], true)?;
    let (next, entries) = keyspace.scan(cursor, options.count);
    reply.array(2);
    reply.bulk_integer(next as i64);
    let opened = reply.begin_array();
    let mut len = 0;
    for (key, value) in entries {
        if options.type_name.is_none_or(|name| is(name, value.type_name())) && options.matches(key) {
            reply.bulk(key);
            len += 1;
        }
    }
    reply.end_array(opened, len);
    Ok(())
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn hscan(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let cursor = parse_cursor(arguments[2])?;
    let hash = keyspace.read::<Hash>(arguments[1])?;
    scan_collection(hash, cursor, &arguments[3..], 2, reply, |reply, entry| {
        reply.bulk(&entry.key);
        reply.bulk(&entry.value);
    })
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn sscan(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let cursor = parse_cursor(arguments[2])?;
    let set = keyspace.read::<Set>(arguments[1])?;
    scan_collection(set, cursor, &arguments[3..], 1, reply, |reply, entry| reply.bulk(&entry.key))
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn zscan(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let cursor = parse_cursor(arguments[2])?;
    let members = keyspace.read::<SortedSet>(arguments[1])?.map(SortedSet::members);
    scan_collection(members, cursor, &arguments[3..], 2, reply, |reply, entry| {
        reply.bulk(&entry.key);
        reply.float(entry.value);
    })
}

fn scan_collection<V>(
    collection: Option<&IndexMap<V>>,
    cursor: u64,
    arguments: &[&[u8]],
    values_per_entry: usize,
    reply: &mut ReplyBuffer,
    write: impl Fn(&mut ReplyBuffer, &Entry<V>),
) -> Outcome {
    let Some(collection) = collection else {
        reply.array(2);
        reply.bulk(b"0");
        reply.array(0);
        return Ok(());
    };
    let options = Options::parse(arguments, false)?;
    let count = if collection.len() <= ONE_STEP_LEN { ONE_STEP_LEN } else { options.count };
    let (next, entries) = collection.scan(cursor, count);
    reply.array(2);
    reply.bulk_integer(next as i64);
    let opened = reply.begin_array();
    let mut len = 0;
    for entry in entries.iter().filter(|entry| options.matches(&entry.key)) {
        write(reply, entry);
        len += values_per_entry;
    }
    reply.end_array(opened, len);
    Ok(())
}

struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    type_name: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(arguments: &[&'a [u8]], allow_type: bool) -> Result<Self, Failure> {
        let mut options = Self { pattern: None, count: 10, type_name: None };
        let (pairs, rest) = arguments.as_chunks::<2>();
        for [option, value] in pairs {
            if is(option, "count") {
                options.count = usize::try_from(integer(value)?).map_err(|_| Failure::SYNTAX)?;
                if options.count == 0 {
                    return Err(Failure::SYNTAX);
                }
            } else if is(option, "match") {
                options.pattern = Some(value);
            } else if is(option, "type") && allow_type {
                options.type_name = Some(value);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        if rest.is_empty() { Ok(options) } else { Err(Failure::SYNTAX) }
    }

    fn matches(&self, text: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| pattern::matches(pattern, text))
    }
}

/// Reads a cursor as C's `strtoul` does: a sign is allowed, and nothing at all is 0.
fn parse_cursor(text: &[u8]) -> Result<u64, Failure> {
    let invalid = || Failure::fixed("ERR invalid cursor");
    let text = as_c_string(text, text.len());
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return if text.is_empty() { Ok(0) } else { Err(invalid()) };
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(invalid());
    }
    let magnitude = digits
        .iter()
        .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    let magnitude = magnitude.ok_or_else(invalid)?;
    Ok(if negative { magnitude.wrapping_neg() } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors() {
        let check =
            |text: &str, expected| assert_eq!(parse_cursor(text.as_bytes()).ok(), expected, "{text:?}");
        check("0", Some(0));
        check("", Some(0));
        check("+7", Some(7));
        check("-1", Some(u64::MAX));
        check("18446744073709551615", Some(u64::MAX));
        check("18446744073709551616", None);
        check("-", None);
        check("1\0x", Some(1));
        check("1x", None);
        check(" 1", None);
    }
}
