//! `SCAN` and its relatives on collections.

use super::super::keyspace::{Entry, Hash, IndexMap, Keyspace, Set, SortedSet, WorkLeft};
use super::super::reply::ReplyBuffer;
use super::arguments::{integer, is};
use super::failure::{Failure, Outcome, as_c_string, quoted};
use super::number::parse_integer;
use super::pattern;

/// Collections up to this size are given in one step, as Redis does with its compact encodings: scripts rely on it.
const ONE_STEP_LEN: usize = 128;
/// Nanoseconds for each entry that is looked at.
pub(super) const ENTRY_NS: f64 = 5.0;

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(crate) fn scan(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let cursor = parse_cursor(arguments[1])?;
    let options = Options::parse(&arguments[2..], Extra::Type)?;
    keyspace.allow_work(options.count.min(keyspace.len()), ENTRY_NS)?;
    let mut work = keyspace.work_left(pattern::STEP_NS);
    let (next, entries) = keyspace.scan(cursor, options.count);
    reply.array(2);
    reply.bulk_integer(next as i64);
    let opened = reply.begin_array();
    let mut len = 0;
    for (key, value) in entries {
        let is_of_type = options.type_name.is_none_or(|name| is(name, value.type_name()));
        if is_of_type && options.matches(key, &mut work)? {
            reply.bulk(key);
            len += 1;
        }
    }
    reply.end_array(opened, len);
    Ok(())
}

/// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`
pub(super) fn hscan(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let cursor = parse_cursor(arguments[2])?;
    let Some(hash) = keyspace.read::<Hash>(arguments[1])? else { return nothing_found(reply) };
    let options = Options::parse(&arguments[3..], Extra::NoValues)?;
    let width = if options.no_values { 1 } else { 2 };
    scan_collection(keyspace, hash, cursor, &options, width, reply, |reply, entry| {
        reply.bulk(&entry.key);
        if !options.no_values {
            reply.bulk(&entry.value);
        }
    })
}

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn sscan(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let cursor = parse_cursor(arguments[2])?;
    let Some(set) = keyspace.read::<Set>(arguments[1])? else { return nothing_found(reply) };
    let options = Options::parse(&arguments[3..], Extra::None)?;
    scan_collection(keyspace, set, cursor, &options, 1, reply, |reply, entry| reply.bulk(&entry.key))
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub(super) fn zscan(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let cursor = parse_cursor(arguments[2])?;
    let Some(set) = keyspace.read::<SortedSet>(arguments[1])? else { return nothing_found(reply) };
    let options = Options::parse(&arguments[3..], Extra::None)?;
    scan_collection(keyspace, set.members(), cursor, &options, 2, reply, |reply, entry| {
        reply.bulk(&entry.key);
        reply.float(entry.value);
    })
}

/// The answer for a key that is not there, whose options nobody reads.
fn nothing_found(reply: &mut ReplyBuffer) -> Outcome {
    reply.array(2);
    reply.bulk(b"0");
    reply.array(0);
    Ok(())
}

fn scan_collection<V>(
    keyspace: &Keyspace,
    collection: &IndexMap<V>,
    cursor: u64,
    options: &Options<'_>,
    values_per_entry: usize,
    reply: &mut ReplyBuffer,
    write: impl Fn(&mut ReplyBuffer, &Entry<V>),
) -> Outcome {
    let count = if collection.len() <= ONE_STEP_LEN { ONE_STEP_LEN } else { options.count };
    keyspace.allow_work(count.min(collection.len()), ENTRY_NS)?;
    let mut work = keyspace.work_left(pattern::STEP_NS);
    let (next, entries) = collection.scan(cursor, count);
    reply.array(2);
    reply.bulk_integer(next as i64);
    let opened = reply.begin_array();
    let mut len = 0;
    for entry in entries {
        if options.matches(&entry.key, &mut work)? {
            write(reply, entry);
            len += values_per_entry;
        }
    }
    reply.end_array(opened, len);
    Ok(())
}

/// The option that one of the commands has and the others have not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extra {
    None,
    Type,
    NoValues,
}

struct Options<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    type_name: Option<&'a [u8]>,
    no_values: bool,
}

const TYPE_NAMES: [&str; 6] = ["string", "list", "set", "zset", "hash", "stream"];

impl<'a> Options<'a> {
    fn parse(arguments: &[&'a [u8]], extra: Extra) -> Result<Self, Failure> {
        let mut options = Self { pattern: None, count: 10, type_name: None, no_values: false };
        let mut rest = arguments;
        while let Some((option, more)) = rest.split_first() {
            rest = more;
            if is(option, "novalues") && extra == Extra::NoValues {
                options.no_values = true;
                continue;
            }
            let (value, more) = rest.split_first().ok_or(Failure::SYNTAX)?;
            rest = more;
            if is(option, "count") {
                options.count = usize::try_from(integer(value)?).map_err(|_| Failure::SYNTAX)?;
                if options.count == 0 {
                    return Err(Failure::SYNTAX);
                }
            } else if is(option, "match") {
                options.pattern = Some(value);
            } else if is(option, "type") && extra == Extra::Type {
                options.type_name = Some(known_type(value)?);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(options)
    }

    fn matches(&self, text: &[u8], work: &mut WorkLeft) -> Result<bool, Failure> {
        self.pattern.map_or(Ok(true), |pattern| pattern::matches(pattern, text, work))
    }
}

fn known_type(name: &[u8]) -> Result<&[u8], Failure> {
    let is_known = TYPE_NAMES.iter().any(|known| is(name, known));
    let unknown = || Failure::new(format!("ERR unknown type name '{}'", quoted(name, name.len())));
    if is_known { Ok(name) } else { Err(unknown()) }
}

/// Reads a cursor: a number of its one spelling must not be negative, and any other text is read as C's `strtoull` does, with
/// spaces and a sign in front.
fn parse_cursor(text: &[u8]) -> Result<u64, Failure> {
    let invalid = || Failure::fixed("ERR invalid cursor");
    if let Some(number) = parse_integer(text) {
        return u64::try_from(number).map_err(|_| invalid());
    }
    let text = as_c_string(text, text.len());
    let spaces = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let text = &text[spaces..];
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
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
        check("", None);
        check("+7", Some(7));
        check("-1", None);
        check("-01", Some(u64::MAX));
        check("18446744073709551615", Some(u64::MAX));
        check("18446744073709551616", None);
        check("-", None);
        check("1\0x", Some(1));
        check("1x", None);
        check("1 ", None);
        check(" 1", Some(1));
    }
}
