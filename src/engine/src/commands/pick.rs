//! Random members: `SPOP`, `SRANDMEMBER`, `HRANDFIELD`, `ZRANDMEMBER`.

use super::super::keyspace::{Change, Entry, Hash, IndexMap, Keyspace, Set, SortedSet};
use super::super::reply::ReplyBuffer;
use super::arguments::{is, positive, signed_count};
use super::failure::{Failure, Outcome};
use crate::SplitMix;

/// Most members that one call gives with repetitions: the count is the caller's word alone, no set has to be as large.
const MAX_REPEATED: u64 = 1 << 24;

/// `SRANDMEMBER key [count]`
pub(super) fn srandmember(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let wanted = match arguments {
        [_, _] => Wanted::One,
        [_, _, count] => Wanted::Some { count: signed_count(count)?, with_values: false },
        _ => return Err(Failure::SYNTAX),
    };
    let mut random = fork(keyspace);
    let set = keyspace.read::<Set>(arguments[1])?;
    pick(set, wanted, &mut random, reply, |_, _| ())
}

/// `HRANDFIELD key [count [WITHVALUES]]`
pub(super) fn hrandfield(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let wanted = Wanted::parse(arguments, "withvalues")?;
    let mut random = fork(keyspace);
    let hash = keyspace.read::<Hash>(arguments[1])?;
    pick(hash, wanted, &mut random, reply, |reply, entry| reply.bulk(&entry.value))
}

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub(super) fn zrandmember(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let wanted = Wanted::parse(arguments, "withscores")?;
    let mut random = fork(keyspace);
    let members = keyspace.read::<SortedSet>(arguments[1])?.map(SortedSet::members);
    pick(members, wanted, &mut random, reply, |reply, entry| reply.float(entry.value))
}

/// `SPOP key [count]`
pub(super) fn spop(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let count = match arguments {
        [_, _] => None,
        [_, _, count] => Some(positive(count)?),
        _ => return Err(Failure::SYNTAX),
    };
    let mut random = fork(keyspace);
    let popped = keyspace.edit(arguments[1], |set: &mut Change<'_, Set>| {
        let len = count.unwrap_or(1).min(set.len());
        if count.is_some() {
            reply.array(len);
        }
        for _ in 0..len {
            let index = random.below(set.len());
            reply.bulk(&set.at(index).key);
            set.remove_at(index);
        }
    })?;
    match (popped, count) {
        (Some(()), _) => (),
        (None, Some(_)) => reply.array(0),
        (None, None) => reply.nil(),
    }
    Ok(())
}

/// A generator of its own for one call, so that the keyspace can be read meanwhile.
fn fork(keyspace: &mut Keyspace) -> SplitMix {
    SplitMix(keyspace.random().others.next_u64())
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

fn pick<V>(
    map: Option<&IndexMap<V>>,
    wanted: Wanted,
    random: &mut SplitMix,
    reply: &mut ReplyBuffer,
    write_value: impl Fn(&mut ReplyBuffer, &Entry<V>),
) -> Outcome {
    let (count, with_values) = match (wanted, map) {
        (Wanted::One, Some(map)) => {
            reply.bulk(&map.at(random.below(map.len())).key);
            return Ok(());
        }
        (Wanted::One, None) => {
            reply.nil();
            return Ok(());
        }
        (Wanted::Some { count, with_values }, _) => (count, with_values),
    };
    let Some(map) = map else {
        reply.array(0);
        return Ok(());
    };
    let values_per_entry = 1 + usize::from(with_values);
    let write = |reply: &mut ReplyBuffer, index: usize| {
        reply.bulk(&map.at(index).key);
        if with_values {
            write_value(reply, map.at(index));
        }
    };
    if count >= 0 {
        let count = (count as usize).min(map.len());
        reply.array(count * values_per_entry);
        random.distinct_below(map.len(), count).into_iter().for_each(|index| write(reply, index));
    } else {
        if count.unsigned_abs() > MAX_REPEATED {
            return Err(Failure::OUT_OF_RANGE);
        }
        let count = count.unsigned_abs() as usize;
        reply.array(count * values_per_entry);
        (0..count).for_each(|_| write(reply, random.below(map.len())));
    }
    Ok(())
}
