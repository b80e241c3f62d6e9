//! Commands on sets, save those that pick at random.

use super::super::keyspace::{Change, HeapSize, IndexMap, Keyspace, Set};
use super::super::reply::ReplyBuffer;
use super::arguments::{at_least, is};
use super::failure::{Failure, Outcome};
use super::limit::Limit;

/// `SADD key member [member …]`
pub(super) fn sadd(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let mut set = keyspace.write_or_create::<Set>(arguments[1])?;
    let added = arguments[2..].iter().filter(|member| set.insert(member, ())).count();
    reply.integer(added as i64);
    Ok(())
}

/// `SREM key member [member …]`
pub(super) fn srem(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let removed = keyspace.edit(arguments[1], |set: &mut Change<'_, Set>| {
        arguments[2..].iter().filter(|member| set.remove(member)).count()
    })?;
    reply.integer(removed.unwrap_or(0) as i64);
    Ok(())
}

/// `SCARD key`
pub(super) fn scard(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply.integer(keyspace.read::<Set>(arguments[1])?.map_or(0, Set::len) as i64);
    Ok(())
}

/// `SISMEMBER key member`
pub(super) fn sismember(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let set = keyspace.read::<Set>(arguments[1])?;
    reply.integer(i64::from(set.is_some_and(|set| set.contains(arguments[2]))));
    Ok(())
}

/// `SMISMEMBER key member [member …]`
pub(super) fn smismember(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let set = keyspace.read::<Set>(arguments[1])?;
    reply.array(arguments.len() - 2);
    for member in &arguments[2..] {
        reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

/// `SMEMBERS key`
pub(super) fn smembers(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let entries = keyspace.read::<Set>(arguments[1])?.map_or(&[][..], Set::entries);
    reply.array(entries.len());
    entries.iter().for_each(|entry| reply.bulk(&entry.key));
    Ok(())
}

/// `SMOVE source destination member`
pub(super) fn smove(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (source, destination, member) = (arguments[1], arguments[2], arguments[3]);
    let Some(set) = keyspace.read::<Set>(source)? else {
        reply.integer(0);
        return Ok(());
    };
    let is_member = set.contains(member);
    let is_there = keyspace.read::<Set>(destination)?.is_some_and(|set| set.contains(member));
    if is_member && source != destination {
        // In Redis it is not refused; but here a set for each member of one takes many times what that took.
        keyspace.need(if is_there { 0 } else { destination.len() + member.len() })?;
        keyspace.edit(source, |set: &mut Change<'_, Set>| set.remove(member))?;
        keyspace.write_or_create::<Set>(destination)?.insert(member, ());
    }
    reply.integer(i64::from(is_member));
    Ok(())
}

/// `SINTER key [key …]`
pub(super) fn sinter(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    answer(&intersection(keyspace, &arguments[1..], &Limit::of_answer(reply))?, reply)
}

/// `SUNION key [key …]`
pub(super) fn sunion(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    answer(&union(keyspace, &arguments[1..], &Limit::of_answer(reply))?, reply)
}

/// `SDIFF key [key …]`
pub(super) fn sdiff(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    answer(&difference(keyspace, &arguments[1..], &Limit::of_answer(reply))?, reply)
}

/// `SINTERSTORE destination key [key …]`
pub(super) fn sinterstore(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let result = intersection(keyspace, &arguments[2..], &Limit::of_store(keyspace))?;
    store(keyspace, arguments[1], result, reply)
}

/// `SUNIONSTORE destination key [key …]`
pub(super) fn sunionstore(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let result = union(keyspace, &arguments[2..], &Limit::of_store(keyspace))?;
    store(keyspace, arguments[1], result, reply)
}

/// `SDIFFSTORE destination key [key …]`
pub(super) fn sdiffstore(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let result = difference(keyspace, &arguments[2..], &Limit::of_store(keyspace))?;
    store(keyspace, arguments[1], result, reply)
}

/// `SINTERCARD numkeys key [key …] [LIMIT limit]`
pub(super) fn sintercard(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (keys, limit) = intercard_arguments(arguments)?;
    let sets = read_all(keyspace, keys)?;
    let Some(mut sets) = sets.into_iter().collect::<Option<Vec<&Set>>>() else {
        reply.integer(0);
        return Ok(());
    };
    sets.sort_by_key(|set| set.len());
    allow_look_ups(keyspace, sets[0], sets.len() - 1)?;
    let common =
        sets[0].entries().iter().filter(|entry| sets[1..].iter().all(|set| set.contains(&entry.key)));
    reply.integer(common.take(limit).count() as i64);
    Ok(())
}

/// The keys and the limit of `SINTERCARD`.
fn intercard_arguments<'a, 'b>(arguments: &'a [&'b [u8]]) -> Result<(&'a [&'b [u8]], usize), Failure> {
    let count = at_least(arguments[1], 1, "ERR numkeys should be greater than 0")?;
    if count > arguments.len() - 2 {
        return Err(Failure::fixed("ERR Number of keys can't be greater than number of args"));
    }
    let (keys, options) = arguments[2..].split_at(count);
    let mut limit = 0;
    let (pairs, rest) = options.as_chunks::<2>();
    for [option, value] in pairs {
        if !is(option, "limit") {
            return Err(Failure::SYNTAX);
        }
        limit = at_least(value, 0, "ERR LIMIT can't be negative")?;
    }
    if !rest.is_empty() {
        return Err(Failure::SYNTAX);
    }
    Ok((keys, if limit == 0 { usize::MAX } else { limit }))
}

/// What a member takes that is looked up in another set, or put into one: so many steps, and one for each byte that it has in memory.
const LOOK_UP_STEPS: usize = 150;
/// Nanoseconds of such a step.
pub(super) const STEP_NS: f64 = 1.0;

/// Before each member of a set is looked up in so many others. One and the same set can be named thousands of times.
fn allow_look_ups(keyspace: &Keyspace, set: &Set, others: usize) -> Outcome {
    keyspace.allow_work(look_up_steps(set).saturating_mul(others.max(1)), STEP_NS)
}

pub(super) fn look_up_steps<V: HeapSize>(map: &IndexMap<V>) -> usize {
    map.len() * LOOK_UP_STEPS + map.allocated_bytes()
}

/// Every key's set, none for missing keys; all keys' types are checked.
fn read_all<'a>(keyspace: &'a Keyspace, keys: &[&[u8]]) -> Result<Vec<Option<&'a Set>>, Failure> {
    keys.iter().map(|key| keyspace.read::<Set>(key)).collect()
}

fn intersection(keyspace: &Keyspace, keys: &[&[u8]], limit: &Limit) -> Result<Set, Failure> {
    let sets = read_all(keyspace, keys)?;
    let mut result = keyspace.empty::<Set>();
    let Some(mut sets) = sets.into_iter().collect::<Option<Vec<&Set>>>() else { return Ok(result) };
    sets.sort_by_key(|set| set.len());
    allow_look_ups(keyspace, sets[0], sets.len() - 1)?;
    let Some((smallest, others)) = sets.split_first() else { return Ok(result) };
    for entry in smallest.entries() {
        if others.iter().all(|other| other.contains(&entry.key)) {
            result.push_new(entry.key.clone(), ());
            limit.check(result.allocated_bytes())?;
        }
    }
    Ok(result)
}

fn union(keyspace: &Keyspace, keys: &[&[u8]], limit: &Limit) -> Result<Set, Failure> {
    let sets = read_all(keyspace, keys)?;
    let mut result = keyspace.empty::<Set>();
    keyspace.allow_work(sets.iter().flatten().map(|set| look_up_steps(set)).sum(), STEP_NS)?;
    for entry in sets.into_iter().flatten().flat_map(Set::entries) {
        result.insert(&entry.key, ());
        limit.check(result.allocated_bytes())?;
    }
    Ok(result)
}

fn difference(keyspace: &Keyspace, keys: &[&[u8]], limit: &Limit) -> Result<Set, Failure> {
    let sets = read_all(keyspace, keys)?;
    let mut result = keyspace.empty::<Set>();
    let Some((Some(first), others)) = sets.split_first() else { return Ok(result) };
    allow_look_ups(keyspace, first, others.iter().flatten().count())?;
    for entry in first.entries() {
        if !others.iter().flatten().any(|other| other.contains(&entry.key)) {
            result.push_new(entry.key.clone(), ());
            limit.check(result.allocated_bytes())?;
        }
    }
    Ok(result)
}

fn answer(set: &Set, reply: &mut ReplyBuffer) -> Outcome {
    reply.array(set.len());
    set.entries().iter().for_each(|entry| reply.bulk(&entry.key));
    Ok(())
}

fn store(keyspace: &mut Keyspace, destination: &[u8], result: Set, reply: &mut ReplyBuffer) -> Outcome {
    reply.integer(result.len() as i64);
    keyspace.replace(destination, result);
    Ok(())
}
