//! Commands on ranges of sorted sets: by rank, by score and by name.

use std::ops::Range;

use super::super::keyspace::{Change, Keyspace, SortedSet};
use super::super::reply::ReplyBuffer;
use super::arguments::{integer, is, span};
use super::failure::{Failure, Outcome};
use super::limit::Limit;
use super::number::parse_loose_float;
use super::sorted_sets::{INSERT_NS, REMOVE_NS};

/// What a range is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Name,
}

/// A parsed range, ready to be applied to any set.
#[derive(Debug)]
enum Bounds<'a> {
    Rank { start: i64, stop: i64 },
    Score { min: ScoreBound, max: ScoreBound },
    Name { min: NameBound<'a>, max: NameBound<'a> },
}

#[derive(Clone, Copy, Debug)]
struct ScoreBound {
    score: f64,
    is_exclusive: bool,
}

#[derive(Clone, Copy, Debug)]
enum NameBound<'a> {
    Lowest,
    Including(&'a [u8]),
    Excluding(&'a [u8]),
    Highest,
}

impl<'a> Bounds<'a> {
    /// Reads the two ends; for scores and names, `reversed` says that the greater one comes first.
    fn parse(by: By, first: &'a [u8], second: &'a [u8], reversed: bool) -> Result<Self, Failure> {
        let (min, max) = if reversed { (second, first) } else { (first, second) };
        Ok(match by {
            By::Rank => Self::Rank { start: integer(first)?, stop: integer(second)? },
            By::Score => Self::Score { min: ScoreBound::parse(min)?, max: ScoreBound::parse(max)? },
            By::Name => Self::Name { min: NameBound::parse(min)?, max: NameBound::parse(max)? },
        })
    }

    /// The ascending ranks that the range covers; `reversed` counts given ranks from the greatest score.
    fn ranks(&self, set: &SortedSet, reversed: bool) -> Range<usize> {
        let range = match self {
            Self::Rank { start, stop } => {
                let range = span(*start, *stop, set.len()).unwrap_or(0..0);
                if reversed { set.len() - range.end..set.len() - range.start } else { range }
            }
            Self::Score { min, max } => {
                let start = set.partition_point(|_, score| !min.is_below(score));
                start..set.partition_point(|_, score| max.is_above(score))
            }
            Self::Name { min, max } => {
                let start = set.partition_point(|name, _| !min.is_below(name));
                start..set.partition_point(|name, _| max.is_above(name))
            }
        };
        if range.start < range.end { range } else { 0..0 }
    }
}

impl ScoreBound {
    fn parse(text: &[u8]) -> Result<Self, Failure> {
        let (number, is_exclusive) = match text.strip_prefix(b"(") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let number = parse_loose_float(number).ok_or(Failure::fixed("ERR min or max is not a float"))?;
        Ok(Self { score: number, is_exclusive })
    }

    /// As a lower bound.
    fn is_below(self, score: f64) -> bool {
        if self.is_exclusive { self.score < score } else { self.score <= score }
    }

    /// As an upper bound.
    fn is_above(self, score: f64) -> bool {
        if self.is_exclusive { score < self.score } else { score <= self.score }
    }
}

impl<'a> NameBound<'a> {
    fn parse(text: &'a [u8]) -> Result<Self, Failure> {
        match text {
            b"-" => Ok(Self::Lowest),
            b"+" => Ok(Self::Highest),
            [b'[', name @ ..] => Ok(Self::Including(name)),
            [b'(', name @ ..] => Ok(Self::Excluding(name)),
            _ => Err(Failure::fixed("ERR min or max not valid string range item")),
        }
    }

    /// As a lower bound.
    fn is_below(self, name: &[u8]) -> bool {
        match self {
            Self::Lowest => true,
            Self::Including(bound) => bound <= name,
            Self::Excluding(bound) => bound < name,
            Self::Highest => false,
        }
    }

    /// As an upper bound.
    fn is_above(self, name: &[u8]) -> bool {
        match self {
            Self::Lowest => false,
            Self::Including(bound) => name <= bound,
            Self::Excluding(bound) => name < bound,
            Self::Highest => true,
        }
    }
}

/// A whole query: which members, in which direction, how many of them.
struct Query<'a> {
    bounds: Bounds<'a>,
    reversed: bool,
    offset: i64,
    /// Negative: no limit.
    count: i64,
    with_scores: bool,
}

impl<'a> Query<'a> {
    /// Parses `start stop` and the options after them. `by` and `reversed` are given for the commands that have them
    /// in their name, and options for `ZRANGE` and `ZRANGESTORE`.
    fn parse(
        arguments: &[&'a [u8]],
        by: Option<By>,
        reversed: Option<bool>,
        is_store: bool,
    ) -> Result<Self, Failure> {
        let mut options = Options { by, reversed, ..Options::default() };
        options.parse(&arguments[2..], is_store)?;
        let by = options.by.unwrap_or(By::Rank);
        let reversed = options.reversed.unwrap_or(false);
        // A limit of -1 is none, and Redis lets it pass wherever it stands.
        let limit = options.limit.filter(|(_, count)| by != By::Rank || *count != -1);
        if limit.is_some() && by == By::Rank {
            return Err(Failure::fixed(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if options.with_scores && by == By::Name {
            return Err(Failure::fixed(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let bounds = Bounds::parse(by, arguments[0], arguments[1], reversed)?;
        let (offset, count) = limit.unwrap_or((0, -1));
        Ok(Self { bounds, reversed, offset, count, with_scores: options.with_scores })
    }

    /// The ascending ranks of the answer.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let range = self.bounds.ranks(set, self.reversed);
        let Ok(offset) = usize::try_from(self.offset) else { return 0..0 };
        let offset = offset.min(range.len());
        let count = usize::try_from(self.count).unwrap_or(usize::MAX).min(range.len() - offset);
        if self.reversed {
            range.end - offset - count..range.end - offset
        } else {
            range.start + offset..range.start + offset + count
        }
    }

    fn for_each<'s>(&self, set: &'s SortedSet, visit: impl FnMut((&'s [u8], f64))) {
        let ranks = self.ranks(set);
        let members = set.range(ranks.start, ranks.end);
        if self.reversed { members.rev().for_each(visit) } else { members.for_each(visit) }
    }
}

#[derive(Default)]
struct Options {
    by: Option<By>,
    reversed: Option<bool>,
    limit: Option<(i64, i64)>,
    with_scores: bool,
}

impl Options {
    fn parse(&mut self, arguments: &[&[u8]], is_store: bool) -> Outcome {
        let (fixed_by, fixed_direction) = (self.by.is_some(), self.reversed.is_some());
        let mut rest = arguments;
        while let Some((option, more)) = rest.split_first() {
            rest = more;
            if is(option, "withscores") && !is_store {
                self.with_scores = true;
            } else if is(option, "limit")
                && let [offset, count, more @ ..] = rest
            {
                self.limit = Some((integer(offset)?, integer(count)?));
                rest = more;
            } else if is(option, "rev") && !fixed_direction {
                self.reversed = Some(true);
            } else if is(option, "byscore") && !fixed_by {
                self.by = Some(By::Score);
            } else if is(option, "bylex") && !fixed_by {
                self.by = Some(By::Name);
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(())
    }
}

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub(super) fn zrange(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    answer(keyspace, arguments, None, None, reply)
}

/// `ZREVRANGE key start stop [WITHSCORES]`
pub(super) fn zrevrange(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    answer(keyspace, arguments, Some(By::Rank), Some(true), reply)
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub(super) fn zrangebyscore(
    keyspace: &mut Keyspace,
    arguments: &[&[u8]],
    reply: &mut ReplyBuffer,
) -> Outcome {
    answer(keyspace, arguments, Some(By::Score), Some(false), reply)
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub(super) fn zrevrangebyscore(
    keyspace: &mut Keyspace,
    arguments: &[&[u8]],
    reply: &mut ReplyBuffer,
) -> Outcome {
    answer(keyspace, arguments, Some(By::Score), Some(true), reply)
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub(super) fn zrangebylex(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    answer(keyspace, arguments, Some(By::Name), Some(false), reply)
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub(super) fn zrevrangebylex(
    keyspace: &mut Keyspace,
    arguments: &[&[u8]],
    reply: &mut ReplyBuffer,
) -> Outcome {
    answer(keyspace, arguments, Some(By::Name), Some(true), reply)
}

fn answer(
    keyspace: &Keyspace,
    arguments: &[&[u8]],
    by: Option<By>,
    reversed: Option<bool>,
    reply: &mut ReplyBuffer,
) -> Outcome {
    let query = Query::parse(&arguments[2..], by, reversed, false)?;
    let Some(set) = keyspace.read::<SortedSet>(arguments[1])? else {
        reply.array(0);
        return Ok(());
    };
    reply.array(query.ranks(set).len() * (1 + usize::from(query.with_scores)));
    if reply.is_too_large() {
        return Ok(());
    }
    query.for_each(set, |(member, score)| {
        reply.bulk(member);
        if query.with_scores {
            reply.float(score);
        }
    });
    Ok(())
}

/// `ZRANGESTORE destination source min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub(super) fn zrangestore(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let query = Query::parse(&arguments[3..], None, None, true)?;
    let mut result = keyspace.empty::<SortedSet>();
    let limit = Limit::of_store(keyspace);
    let mut outcome = Ok(());
    if let Some(set) = keyspace.read::<SortedSet>(arguments[2])? {
        keyspace.allow_work(query.ranks(set).len(), INSERT_NS)?;
        query.for_each(set, |(member, score)| {
            if outcome.is_ok() {
                result.insert(member, score);
                outcome = limit.check(result.allocated_bytes());
            }
        });
    }
    outcome?;
    reply.integer(result.len() as i64);
    keyspace.replace(arguments[1], result);
    Ok(())
}

/// `ZCOUNT key min max`
pub(super) fn zcount(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    count(keyspace, arguments, By::Score, reply)
}

/// `ZLEXCOUNT key min max`
pub(super) fn zlexcount(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    count(keyspace, arguments, By::Name, reply)
}

fn count(keyspace: &Keyspace, arguments: &[&[u8]], by: By, reply: &mut ReplyBuffer) -> Outcome {
    let bounds = Bounds::parse(by, arguments[2], arguments[3], false)?;
    let set = keyspace.read::<SortedSet>(arguments[1])?;
    reply.integer(set.map_or(0, |set| bounds.ranks(set, false).len()) as i64);
    Ok(())
}

/// `ZREMRANGEBYRANK key start stop`
pub(super) fn zremrangebyrank(
    keyspace: &mut Keyspace,
    arguments: &[&[u8]],
    reply: &mut ReplyBuffer,
) -> Outcome {
    remove_range(keyspace, arguments, By::Rank, reply)
}

/// `ZREMRANGEBYSCORE key min max`
pub(super) fn zremrangebyscore(
    keyspace: &mut Keyspace,
    arguments: &[&[u8]],
    reply: &mut ReplyBuffer,
) -> Outcome {
    remove_range(keyspace, arguments, By::Score, reply)
}

/// `ZREMRANGEBYLEX key min max`
pub(super) fn zremrangebylex(
    keyspace: &mut Keyspace,
    arguments: &[&[u8]],
    reply: &mut ReplyBuffer,
) -> Outcome {
    remove_range(keyspace, arguments, By::Name, reply)
}

fn remove_range(keyspace: &mut Keyspace, arguments: &[&[u8]], by: By, reply: &mut ReplyBuffer) -> Outcome {
    let bounds = Bounds::parse(by, arguments[2], arguments[3], false)?;
    let set = keyspace.read::<SortedSet>(arguments[1])?;
    keyspace.allow_work(set.map_or(0, |set| bounds.ranks(set, false).len()), REMOVE_NS)?;
    let removed = keyspace.edit(arguments[1], |set: &mut Change<'_, SortedSet>| {
        let ranks = bounds.ranks(set, false);
        let members: Vec<Vec<u8>> =
            set.range(ranks.start, ranks.end).map(|(name, _)| name.to_vec()).collect();
        members.iter().for_each(|member| {
            set.remove(member);
        });
        members.len()
    })?;
    reply.integer(removed.unwrap_or(0) as i64);
    Ok(())
}
