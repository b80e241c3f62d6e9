//! Commands on single members of sorted sets, and those that pop from an end.

use super::super::keyspace::{Change, Keyspace, SortedSet};
use super::super::reply::ReplyBuffer;
use super::arguments::{at_least, float, is};
use super::failure::{Failure, Outcome};
use super::list_pops::{MultiPop, check_timeout, first_with};

const NOT_A_NUMBER: Failure = Failure::fixed("ERR resulting score is not a number (NaN)");

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member …]`
pub(super) fn zadd(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (options, at) = AddOptions::parse(arguments)?;
    let (pairs, _) = arguments[at..].as_chunks::<2>();
    let members = pairs.iter().map(|[score, member]| Ok((float(score)?, *member)));
    let members = members.collect::<Result<Vec<(f64, &[u8])>, Failure>>()?;
    add(keyspace, arguments[1], &options, &members, reply)
}

/// `ZINCRBY key increment member`
pub(super) fn zincrby(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let options = AddOptions { increment: true, ..AddOptions::default() };
    let members = [(float(arguments[2])?, arguments[3])];
    add(keyspace, arguments[1], &options, &members, reply)
}

#[derive(Default)]
struct AddOptions {
    only_new: bool,
    only_existing: bool,
    only_greater: bool,
    only_less: bool,
    count_changed: bool,
    increment: bool,
}

impl AddOptions {
    /// The options, and where the scores and members after them begin.
    fn parse(arguments: &[&[u8]]) -> Result<(Self, usize), Failure> {
        let mut options = Self::default();
        let mut at = 2;
        while let Some(option) = arguments.get(at) {
            let named = [
                ("nx", &mut options.only_new),
                ("xx", &mut options.only_existing),
                ("gt", &mut options.only_greater),
                ("lt", &mut options.only_less),
                ("ch", &mut options.count_changed),
                ("incr", &mut options.increment),
            ];
            let Some((_, flag)) = named.into_iter().find(|(name, _)| is(option, name)) else { break };
            *flag = true;
            at += 1;
        }
        let rest = arguments.len() - at;
        if rest == 0 || !rest.is_multiple_of(2) {
            return Err(Failure::SYNTAX);
        }
        options.check(rest / 2)?;
        Ok((options, at))
    }

    fn check(&self, pairs: usize) -> Outcome {
        if self.only_new && self.only_existing {
            return Err(Failure::fixed("ERR XX and NX options at the same time are not compatible"));
        }
        let conditions = [self.only_new, self.only_greater, self.only_less];
        if conditions.into_iter().filter(|set| *set).count() > 1 {
            return Err(Failure::fixed("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if self.increment && pairs > 1 {
            return Err(Failure::fixed("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The member's new score; none if the options leave the member as it is.
    fn new_score(&self, before: Option<f64>, argument: f64) -> Result<Option<f64>, Failure> {
        let Some(before) = before else { return Ok((!self.only_existing).then_some(argument)) };
        if self.only_new {
            return Ok(None);
        }
        let score = if self.increment { before + argument } else { argument };
        if score.is_nan() {
            return Err(NOT_A_NUMBER);
        }
        let is_blocked = (self.only_greater && score <= before) || (self.only_less && score >= before);
        Ok((!is_blocked).then_some(score))
    }
}

fn add(
    keyspace: &mut Keyspace,
    key: &[u8],
    options: &AddOptions,
    members: &[(f64, &[u8])],
    reply: &mut ReplyBuffer,
) -> Outcome {
    let mut added = 0;
    let mut changed = 0;
    let mut last_score = None;
    if keyspace.read::<SortedSet>(key)?.is_some() || !options.only_existing {
        let mut set = keyspace.write_or_create::<SortedSet>(key)?;
        for (argument, member) in members {
            let before = set.score(member);
            last_score = options.new_score(before, *argument)?;
            let Some(score) = last_score else { continue };
            set.insert(member, score);
            added += i64::from(before.is_none());
            changed += i64::from(before.is_some_and(|before| before != score));
        }
    }
    match (options.increment, last_score) {
        (true, Some(score)) => reply.float(score),
        (true, None) => reply.nil(),
        (false, _) => reply.integer(added + if options.count_changed { changed } else { 0 }),
    }
    Ok(())
}

/// `ZREM key member [member …]`
pub(super) fn zrem(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let removed = keyspace.edit(arguments[1], |set: &mut Change<'_, SortedSet>| {
        arguments[2..].iter().filter(|member| set.remove(member)).count()
    })?;
    reply.integer(removed.unwrap_or(0) as i64);
    Ok(())
}

/// `ZCARD key`
pub(super) fn zcard(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply.integer(keyspace.read::<SortedSet>(arguments[1])?.map_or(0, SortedSet::len) as i64);
    Ok(())
}

/// `ZSCORE key member`
pub(super) fn zscore(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let set = keyspace.read::<SortedSet>(arguments[1])?;
    reply_score(set, arguments[2], reply);
    Ok(())
}

/// `ZMSCORE key member [member …]`
pub(super) fn zmscore(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let set = keyspace.read::<SortedSet>(arguments[1])?;
    reply.array(arguments.len() - 2);
    arguments[2..].iter().for_each(|member| reply_score(set, member, reply));
    Ok(())
}

fn reply_score(set: Option<&SortedSet>, member: &[u8], reply: &mut ReplyBuffer) {
    match set.and_then(|set| set.score(member)) {
        Some(score) => reply.float(score),
        None => reply.nil(),
    }
}

/// `ZRANK key member [WITHSCORE]`
pub(super) fn zrank(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_rank(keyspace, arguments, "zrank", |rank, _| rank, reply)
}

/// `ZREVRANK key member [WITHSCORE]`
pub(super) fn zrevrank(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply_rank(keyspace, arguments, "zrevrank", |rank, len| len - 1 - rank, reply)
}

fn reply_rank(
    keyspace: &Keyspace,
    arguments: &[&[u8]],
    command: &str,
    counted: impl Fn(usize, usize) -> usize,
    reply: &mut ReplyBuffer,
) -> Outcome {
    let with_score = match &arguments[3..] {
        [] => false,
        [option] if is(option, "withscore") => true,
        [_] => return Err(Failure::SYNTAX),
        _ => return Err(Failure::wrong_arity(command)),
    };
    let member = arguments[2];
    let found = keyspace.read::<SortedSet>(arguments[1])?.and_then(|set| Some((set, set.rank(member)?)));
    let Some((set, rank)) = found else {
        reply.nil();
        return Ok(());
    };
    if with_score {
        reply.array(2);
    }
    reply.integer(counted(rank, set.len()) as i64);
    if with_score {
        reply_score(Some(set), member, reply);
    }
    Ok(())
}

/// Nanoseconds for each member that is put in.
pub(super) const INSERT_NS: f64 = 600.0;
/// Nanoseconds for each member that is removed.
pub(super) const REMOVE_NS: f64 = 600.0;

/// Before so many members are popped, or all that there are.
fn allow_pops(keyspace: &Keyspace, key: &[u8], count: usize) -> Outcome {
    let len = keyspace.read::<SortedSet>(key)?.map_or(0, SortedSet::len);
    keyspace.allow_work(count.min(len), REMOVE_NS)
}

/// One end of a sorted set.
#[derive(Clone, Copy)]
enum End {
    Min,
    Max,
}

impl End {
    fn parse(word: &[u8]) -> Result<Self, Failure> {
        if is(word, "min") {
            Ok(Self::Min)
        } else if is(word, "max") {
            Ok(Self::Max)
        } else {
            Err(Failure::SYNTAX)
        }
    }

    /// Removes up to `count` members from this end, in the order in which they are answered.
    fn pop(self, set: &mut Change<'_, SortedSet>, count: usize) -> Vec<(Vec<u8>, f64)> {
        let len = set.len();
        let count = count.min(len);
        let owned = |(member, score): (&[u8], f64)| (member.to_vec(), score);
        let popped: Vec<_> = match self {
            Self::Min => set.range(0, count).map(owned).collect(),
            Self::Max => set.range(len - count, len).rev().map(owned).collect(),
        };
        for (member, _) in &popped {
            set.remove(member);
        }
        popped
    }
}

/// `ZPOPMIN key [count]`
pub(super) fn zpopmin(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    pop(keyspace, arguments, End::Min, reply)
}

/// `ZPOPMAX key [count]`
pub(super) fn zpopmax(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    pop(keyspace, arguments, End::Max, reply)
}

fn pop(keyspace: &mut Keyspace, arguments: &[&[u8]], end: End, reply: &mut ReplyBuffer) -> Outcome {
    let count = match arguments {
        [_, _] => 1,
        [_, _, count] => at_least(count, 0, "ERR value is out of range, must be positive")?,
        _ => return Err(Failure::SYNTAX),
    };
    allow_pops(keyspace, arguments[1], count)?;
    let popped = keyspace.edit(arguments[1], |set| end.pop(set, count))?.unwrap_or_default();
    reply.array(popped.len() * 2);
    for (member, score) in popped {
        reply.bulk(&member);
        reply.float(score);
    }
    Ok(())
}

/// `ZMPOP numkeys key [key …] MIN | MAX [COUNT count]`
pub(super) fn zmpop(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    pop_from_first(keyspace, &MultiPop::parse(arguments, 1)?, None, reply)
}

/// `BZMPOP timeout numkeys key [key …] MIN | MAX [COUNT count]`: never waits.
pub(super) fn bzmpop(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
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
    let Some(key) = first_with::<SortedSet>(keyspace, pop.keys)? else {
        reply.nil();
        return Ok(());
    };
    allow_pops(keyspace, key, count)?;
    let popped = keyspace.edit(key, |set| end.pop(set, count))?.unwrap_or_default();
    reply.array(2);
    reply.bulk(key);
    reply.array(popped.len());
    for (member, score) in popped {
        reply.array(2);
        reply.bulk(&member);
        reply.float(score);
    }
    Ok(())
}

/// `BZPOPMIN key [key …] timeout`: never waits.
pub(super) fn bzpopmin(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    pop_one_of(keyspace, arguments, End::Min, reply)
}

/// `BZPOPMAX key [key …] timeout`: never waits.
pub(super) fn bzpopmax(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    pop_one_of(keyspace, arguments, End::Max, reply)
}

fn pop_one_of(keyspace: &mut Keyspace, arguments: &[&[u8]], end: End, reply: &mut ReplyBuffer) -> Outcome {
    let timeout = arguments.len() - 1;
    check_timeout(arguments[timeout], keyspace.now_ms())?;
    let Some(key) = first_with::<SortedSet>(keyspace, &arguments[1..timeout])? else {
        reply.nil();
        return Ok(());
    };
    let popped = keyspace.edit(key, |set| end.pop(set, 1))?.unwrap_or_default();
    reply.array(3);
    reply.bulk(key);
    for (member, score) in popped {
        reply.bulk(&member);
        reply.float(score);
    }
    Ok(())
}
