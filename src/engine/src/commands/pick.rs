//! Random members: `SPOP`, `SRANDMEMBER`, `HRANDFIELD`, `ZRANDMEMBER`.
//!
//! A call's picks follow from its seed. What is picked from few members is picked as scripts in Redis do it, where Lua has the
//! same random numbers: by places in the order of the members' bytes (in a sorted set, of their ranks), each drawn for its own.

use super::super::keyspace::{Change, Entry, Hash, IndexMap, Keyspace, Set, SmallBytes, SortedSet};
use super::super::reply::ReplyBuffer;
use super::arguments::{is, positive, signed_count};
use super::failure::{Failure, Outcome};
use super::sorted_sets::REMOVE_NS;
use crate::CallRandom;

/// Most members that one call gives with repetitions: the count is the caller's word alone, no set has to be as large.
const MAX_REPEATED: u64 = 1 << 24;
/// Nanoseconds for each member that is picked.
const PICK_NS: f64 = 150.0;
/// How many members a set may have, and how many may be asked for, so that the same ones are picked in Redis.
pub const MAX_ORDERED: usize = 512;

/// `SRANDMEMBER key [count]`
pub(super) fn srandmember(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let wanted = match arguments {
        [_, _] => Wanted::One,
        [_, _, count] => Wanted::Some { count: signed_count(count)?, with_values: false },
        _ => return Err(Failure::SYNTAX),
    };
    with_random(keyspace, |keyspace, random| {
        let set = keyspace.read::<Set>(arguments[1])?;
        pick(keyspace, set.map(|set| (set, by_name(set))), wanted, random, reply, |_, _| ())
    })
}

/// `HRANDFIELD key [count [WITHVALUES]]`
pub(super) fn hrandfield(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let wanted = Wanted::parse(arguments, "withvalues")?;
    with_random(keyspace, |keyspace, random| {
        let hash = keyspace.read::<Hash>(arguments[1])?;
        let write_value = |reply: &mut ReplyBuffer, entry: &Entry<SmallBytes>| reply.bulk(&entry.value);
        pick(keyspace, hash.map(|hash| (hash, by_name(hash))), wanted, random, reply, write_value)
    })
}

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub(super) fn zrandmember(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let wanted = Wanted::parse(arguments, "withscores")?;
    with_random(keyspace, |keyspace, random| {
        let set = keyspace.read::<SortedSet>(arguments[1])?;
        let ordered = set.map(|set| (set.members(), move || set.ranked_indexes().collect()));
        pick(keyspace, ordered, wanted, random, reply, |reply, entry| reply.float(entry.value))
    })
}

/// `SPOP key [count]`
pub(super) fn spop(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let count = match arguments {
        [_, _] => None,
        [_, _, count] => Some(positive(count)?),
        _ => return Err(Failure::SYNTAX),
    };
    with_random(keyspace, |keyspace, random| {
        let len = keyspace.read::<Set>(arguments[1])?.map_or(0, Set::len);
        keyspace.allow_work(count.unwrap_or(1).min(len), REMOVE_NS)?;
        let popped = keyspace.edit(arguments[1], |set: &mut Change<'_, Set>| {
            let len = count.unwrap_or(1).min(set.len());
            if count.is_some() {
                reply.array(len);
            }
            pop(set, len, count.unwrap_or(1), random, reply);
        })?;
        match (popped, count) {
            (Some(()), _) => (),
            (None, Some(_)) => reply.array(0),
            (None, None) => reply.nil(),
        }
        Ok(())
    })
}

/// Takes `len` members out of a set; `asked` says how many were wanted.
fn pop(
    set: &mut Change<'_, Set>,
    len: usize,
    asked: usize,
    random: &mut CallRandom,
    reply: &mut ReplyBuffer,
) {
    if set.len() > MAX_ORDERED || asked > MAX_ORDERED {
        for _ in 0..len {
            let index = random.others.below(set.len());
            reply.bulk(&set.at(index).key);
            set.remove_at(index);
        }
        return;
    }
    let order = by_name(set)();
    let places = distinct_places(order.len(), len, random);
    let members: Vec<SmallBytes> = places.map(|place| set.at(order[place]).key.clone()).collect();
    for member in members {
        reply.bulk(&member);
        set.remove(&member);
    }
}

/// Reads the keyspace while numbers are drawn.
fn with_random(
    keyspace: &mut Keyspace,
    act: impl FnOnce(&mut Keyspace, &mut CallRandom) -> Outcome,
) -> Outcome {
    let mut random = keyspace.random().clone();
    let outcome = act(keyspace, &mut random);
    *keyspace.random() = random;
    outcome
}

/// The indexes of a map in the order of its keys' bytes.
fn by_name<V>(map: &IndexMap<V>) -> impl FnOnce() -> Vec<usize> {
    || {
        let mut indexes: Vec<usize> = (0..map.len()).collect();
        indexes.sort_unstable_by_key(|index| map.at(*index).key.as_slice());
        indexes
    }
}

/// So many different places of `len`, in the order in which they are drawn.
fn distinct_places(len: usize, count: usize, random: &mut CallRandom) -> impl Iterator<Item = usize> {
    let mut places: Vec<usize> = (0..len).collect();
    (0..count).map(move |nth| {
        places.swap(nth, nth + random.below(len - nth));
        places[nth]
    })
}

#[derive(Clone, Copy)]
enum Wanted {
    /// A bulk, or nil.
    One,
    /// An array; a negative count allows repetitions.
    Some { count: i64, with_values: bool },
}

impl Wanted {
    fn parse(arguments: &[&[u8]], with_keyword: &str) -> Result<Self, Failure> {
        let Some(count) = arguments.get(2) else { return Ok(Self::One) };
        let count = signed_count(count)?;
        let with_values = match &arguments[3..] {
            [] => false,
            [keyword] if is(keyword, with_keyword) => true,
            _ => return Err(Failure::SYNTAX),
        };
        if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
            return Err(Failure::OUT_OF_RANGE);
        }
        Ok(Self::Some { count, with_values })
    }
}

/// Answers with members of a map; with it comes what tells their order.
fn pick<V>(
    keyspace: &Keyspace,
    map: Option<(&IndexMap<V>, impl FnOnce() -> Vec<usize>)>,
    wanted: Wanted,
    random: &mut CallRandom,
    reply: &mut ReplyBuffer,
    write_value: impl Fn(&mut ReplyBuffer, &Entry<V>),
) -> Outcome {
    let Some((map, order)) = map else {
        match wanted {
            Wanted::One => reply.nil(),
            Wanted::Some { .. } => reply.array(0),
        }
        return Ok(());
    };
    let (count, with_values) = match wanted {
        Wanted::One => (1, false),
        Wanted::Some { count, with_values } => (count, with_values),
    };
    if count < 0 && count.unsigned_abs() > MAX_REPEATED {
        return Err(Failure::OUT_OF_RANGE);
    }
    let len = if count < 0 { count.unsigned_abs() as usize } else { (count as usize).min(map.len()) };
    keyspace.allow_work(len, PICK_NS)?;
    if let Wanted::Some { .. } = wanted {
        reply.array(len * (1 + usize::from(with_values)));
    }
    if reply.is_too_large() {
        return Ok(());
    }
    let write = |index: usize| {
        reply.bulk(&map.at(index).key);
        if with_values {
            write_value(reply, map.at(index));
        }
    };
    if map.len() > MAX_ORDERED || count.unsigned_abs() > MAX_ORDERED as u64 {
        draw_beyond(map.len(), count, random, write);
    } else {
        draw(&order(), count, random, write);
    }
    Ok(())
}

/// Draws as Redis's scripts do: one out of an order for each that is wanted; with a negative count again and again the same.
fn draw(order: &[usize], count: i64, random: &mut CallRandom, mut take: impl FnMut(usize)) {
    if count < 0 {
        (0..count.unsigned_abs()).for_each(|_| take(order[random.below(order.len())]));
    } else {
        let count = (count as usize).min(order.len());
        distinct_places(order.len(), count, random).for_each(|place| take(order[place]));
    }
}

/// Draws where Redis's scripts leave it to the store.
fn draw_beyond(len: usize, count: i64, random: &mut CallRandom, mut take: impl FnMut(usize)) {
    let random = &mut random.others;
    match count {
        1 => take(random.below(len)),
        ..=0 => (0..count.unsigned_abs()).for_each(|_| take(random.below(len))),
        _ => random.distinct_below(len, (count as usize).min(len)).into_iter().for_each(take),
    }
}
