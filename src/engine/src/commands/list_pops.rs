//! Commands that take elements from lists, or from one list to another. Those that would wait in Redis answer at once.

use super::super::keyspace::{Change, Keyspace, Kind, List};
use super::super::reply::ReplyBuffer;
use super::arguments::{at_least, counted_keys, is};
use super::failure::{Failure, Outcome};
use super::lists::{End, TAKE_NS};
use super::long_double::LongDouble;

/// `LPOP key [count]`
pub(super) fn lpop(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    pop(keyspace, arguments, End::Left, "lpop", reply)
}

/// `RPOP key [count]`
pub(super) fn rpop(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    pop(keyspace, arguments, End::Right, "rpop", reply)
}

fn pop(
    keyspace: &mut Keyspace,
    arguments: &[&[u8]],
    end: End,
    command: &str,
    reply: &mut ReplyBuffer,
) -> Outcome {
    let count = match arguments {
        [_, _] => None,
        [_, _, count] => Some(at_least(count, 0, "ERR value is out of range, must be positive")?),
        _ => return Err(Failure::wrong_arity(command)),
    };
    allow_pops(keyspace, arguments[1], count.unwrap_or(1))?;
    let popped = keyspace.edit(arguments[1], |list: &mut Change<'_, List>| match count {
        Some(count) => pop_many(list, end, count, reply),
        None => end.pop(list).iter().for_each(|element| reply.bulk(element)),
    })?;
    if popped.is_none() {
        reply.nil();
    }
    Ok(())
}

/// Before so many elements are taken, or all that there are.
fn allow_pops(keyspace: &Keyspace, key: &[u8], count: usize) -> Outcome {
    let len = keyspace.read::<List>(key)?.map_or(0, |list| list.len());
    keyspace.allow_work(count.min(len), TAKE_NS)
}

fn pop_many(list: &mut Change<'_, List>, end: End, count: usize, reply: &mut ReplyBuffer) {
    let count = count.min(list.len());
    reply.array(count);
    for _ in 0..count {
        end.pop(list).iter().for_each(|element| reply.bulk(element));
    }
}

/// `LMOVE source destination LEFT | RIGHT LEFT | RIGHT`
pub(super) fn lmove(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (from, to) = (End::parse(arguments[3])?, End::parse(arguments[4])?);
    move_element(keyspace, arguments[1], arguments[2], from, to, reply)
}

/// `BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout`: never waits.
pub(super) fn blmove(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (from, to) = (End::parse(arguments[3])?, End::parse(arguments[4])?);
    check_timeout(arguments[5], keyspace.now_ms())?;
    move_element(keyspace, arguments[1], arguments[2], from, to, reply)
}

/// `RPOPLPUSH source destination`
pub(super) fn rpoplpush(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    move_element(keyspace, arguments[1], arguments[2], End::Right, End::Left, reply)
}

/// `BRPOPLPUSH source destination timeout`: never waits.
pub(super) fn brpoplpush(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    check_timeout(arguments[3], keyspace.now_ms())?;
    move_element(keyspace, arguments[1], arguments[2], End::Right, End::Left, reply)
}

fn move_element(
    keyspace: &mut Keyspace,
    source: &[u8],
    destination: &[u8],
    from: End,
    to: End,
    reply: &mut ReplyBuffer,
) -> Outcome {
    if keyspace.read::<List>(source)?.is_none() {
        reply.nil();
        return Ok(());
    }
    keyspace.read::<List>(destination)?;
    // A list that is turned in place must not vanish (and lose its end) between its pop and its push.
    let moved = if source == destination {
        keyspace.edit(source, |list: &mut Change<'_, List>| {
            let element = from.pop(list);
            element.iter().for_each(|element| to.push(list, element.clone()));
            element
        })?
    } else {
        keyspace.edit(source, |list: &mut Change<'_, List>| from.pop(list))?
    };
    let Some(element) = moved.flatten() else { return Ok(()) };
    reply.bulk(&element);
    if source != destination {
        to.push(&mut keyspace.write_or_create::<List>(destination)?, element);
    }
    Ok(())
}

/// `LMPOP numkeys key [key …] LEFT | RIGHT [COUNT count]`
pub(super) fn lmpop(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    pop_from_first(keyspace, &MultiPop::parse(arguments, 1)?, None, reply)
}

/// `BLMPOP timeout numkeys key [key …] LEFT | RIGHT [COUNT count]`: never waits.
pub(super) fn blmpop(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let pop = MultiPop::parse(arguments, 2)?;
    pop_from_first(keyspace, &pop, Some(arguments[1]), reply)
}

fn pop_from_first(
    keyspace: &mut Keyspace,
    pop: &MultiPop<'_, '_>,
    timeout: Option<&[u8]>,
    reply: &mut ReplyBuffer,
) -> Outcome {
    let end = End::parse(pop.from)?;
    let count = pop.count()?;
    timeout.map_or(Ok(()), |text| check_timeout(text, keyspace.now_ms()))?;
    match first_with::<List>(keyspace, pop.keys)? {
        Some(key) => {
            allow_pops(keyspace, key, count)?;
            reply.array(2);
            reply.bulk(key);
            keyspace.edit(key, |list: &mut Change<'_, List>| pop_many(list, end, count, reply))?;
        }
        None => reply.nil(),
    }
    Ok(())
}

/// The arguments of `LMPOP` and `ZMPOP`.
pub(super) struct MultiPop<'a, 'b> {
    pub keys: &'a [&'b [u8]],
    /// Which end; to be parsed before `count` is asked for.
    pub from: &'b [u8],
    options: &'a [&'b [u8]],
}

impl<'a, 'b> MultiPop<'a, 'b> {
    pub(crate) fn parse(arguments: &'a [&'b [u8]], numkeys_at: usize) -> Result<Self, Failure> {
        let text = "ERR numkeys should be greater than 0";
        let (keys, at) = counted_keys(arguments, numkeys_at, text)?;
        let from = arguments.get(at).ok_or(Failure::SYNTAX)?;
        Ok(Self { keys, from, options: &arguments[at + 1..] })
    }

    /// How many elements to pop.
    pub(super) fn count(&self) -> Result<usize, Failure> {
        match self.options {
            [] => Ok(1),
            [option, count, rest @ ..] if is(option, "count") => {
                let count = at_least(count, 1, "ERR count should be greater than 0")?;
                if rest.is_empty() { Ok(count) } else { Err(Failure::SYNTAX) }
            }
            _ => Err(Failure::SYNTAX),
        }
    }
}

/// The first of the keys that is there; it must be of kind `K`.
pub(super) fn first_with<'a, K: Kind>(
    keyspace: &Keyspace,
    keys: &[&'a [u8]],
) -> Result<Option<&'a [u8]>, Failure> {
    for key in keys {
        if keyspace.read::<K>(key)?.is_some() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// `BLPOP key [key …] timeout`: never waits.
pub(super) fn blpop(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    pop_one_of(keyspace, arguments, End::Left, reply)
}

/// `BRPOP key [key …] timeout`: never waits.
pub(super) fn brpop(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    pop_one_of(keyspace, arguments, End::Right, reply)
}

fn pop_one_of(keyspace: &mut Keyspace, arguments: &[&[u8]], end: End, reply: &mut ReplyBuffer) -> Outcome {
    let timeout = arguments.len() - 1;
    check_timeout(arguments[timeout], keyspace.now_ms())?;
    match first_with::<List>(keyspace, &arguments[1..timeout])? {
        Some(key) => {
            reply.array(2);
            reply.bulk(key);
            keyspace.edit(key, |list: &mut Change<'_, List>| {
                end.pop(list).iter().for_each(|element| reply.bulk(element));
            })?;
        }
        None => reply.nil(),
    }
    Ok(())
}

/// Checks a timeout, which is not waited for: its end must be a time, too.
pub(super) fn check_timeout(text: &[u8], now_ms: u64) -> Outcome {
    let invalid = Failure::fixed("ERR timeout is not a float or out of range");
    let ms = LongDouble::parse(text).ok_or(invalid)?.saturating_product_rounded_up(1000);
    if ms < 0 {
        Err(Failure::fixed("ERR timeout is negative"))
    } else if ms.checked_add_unsigned(now_ms).is_none() {
        Err(Failure::fixed("ERR timeout is out of range"))
    } else {
        Ok(())
    }
}
