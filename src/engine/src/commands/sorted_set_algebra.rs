//! Unions, intersections and differences of sorted sets (and of sets, whose members all count 1).

use super::super::keyspace::{IndexMap, Keyspace, Set, SortedSet, Value};
use super::super::reply::ReplyBuffer;
use super::arguments::{at_least, integer, is};
use super::failure::{Failure, Outcome};
use super::limit::Limit;
use super::number::parse_float;
use super::sets::{STEP_NS, look_up_steps};
use super::sorted_sets::INSERT_NS;

/// What it takes to put a member in order.
const INSERT_STEPS: usize = (INSERT_NS / STEP_NS) as usize;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
    /// Only the size of the intersection.
    Cardinality,
}

#[derive(Clone, Copy)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn combine(self, a: f64, b: f64) -> f64 {
        match self {
            // Opposite infinities cancel out.
            Self::Sum => zero_for_nan(a + b),
            Self::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Self::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

fn zero_for_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// `ZUNION numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(super) fn zunion(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    answer(keyspace, arguments, Operation::Union, "zunion", reply)
}

/// `ZINTER numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(super) fn zinter(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    answer(keyspace, arguments, Operation::Intersection, "zinter", reply)
}

/// `ZDIFF numkeys key [key …] [WITHSCORES]`
pub(super) fn zdiff(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    answer(keyspace, arguments, Operation::Difference, "zdiff", reply)
}

/// `ZUNIONSTORE destination numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`
pub(super) fn zunionstore(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    store(keyspace, arguments, Operation::Union, "zunionstore", reply)
}

/// `ZINTERSTORE destination numkeys key [key …] [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`
pub(super) fn zinterstore(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    store(keyspace, arguments, Operation::Intersection, "zinterstore", reply)
}

/// `ZDIFFSTORE destination numkeys key [key …]`
pub(super) fn zdiffstore(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    store(keyspace, arguments, Operation::Difference, "zdiffstore", reply)
}

/// `ZINTERCARD numkeys key [key …] [LIMIT limit]`
pub(super) fn zintercard(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let query = Query::parse(keyspace, &arguments[1..], Operation::Cardinality, false, "zintercard")?;
    let operands = query.by_size();
    let Some((smallest, others)) = operands.split_first() else { return Ok(()) };
    let is_common = |member: &[u8]| others.iter().all(|other| other.source.score(member).is_some());
    let common = smallest.source.members().filter(|(member, _)| is_common(member));
    reply.integer(common.take(query.limit).count() as i64);
    Ok(())
}

fn answer(
    keyspace: &Keyspace,
    arguments: &[&[u8]],
    operation: Operation,
    command: &str,
    reply: &mut ReplyBuffer,
) -> Outcome {
    let query = Query::parse(keyspace, &arguments[1..], operation, true, command)?;
    let result = query.run(keyspace, &Limit::of_answer(reply))?;
    reply.array(result.len() * (1 + usize::from(query.with_scores)));
    for (member, score) in result.range(0, result.len()) {
        reply.bulk(member);
        if query.with_scores {
            reply.float(score);
        }
    }
    Ok(())
}

fn store(
    keyspace: &mut Keyspace,
    arguments: &[&[u8]],
    operation: Operation,
    command: &str,
    reply: &mut ReplyBuffer,
) -> Outcome {
    let query = Query::parse(keyspace, &arguments[2..], operation, false, command)?;
    let result = query.run(keyspace, &Limit::of_store(keyspace))?;
    reply.integer(result.len() as i64);
    keyspace.replace(arguments[1], result);
    Ok(())
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Missing,
    Set(&'a Set),
    SortedSet(&'a IndexMap<f64>),
}

impl<'a> Source<'a> {
    fn read(keyspace: &'a Keyspace, key: &[u8]) -> Result<Self, Failure> {
        match keyspace.value(key) {
            None => Ok(Self::Missing),
            Some(Value::Set(set)) => Ok(Self::Set(set)),
            Some(Value::SortedSet(set)) => Ok(Self::SortedSet(set.members())),
            Some(_) => Err(Failure::WRONG_TYPE),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Set(set) => set.len(),
            Self::SortedSet(members) => members.len(),
        }
    }

    fn look_up_steps(&self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Set(set) => look_up_steps(set),
            Self::SortedSet(members) => look_up_steps(members),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Missing => None,
            Self::Set(set) => set.contains(member).then_some(1.0),
            Self::SortedSet(members) => members.get(member).copied(),
        }
    }

    fn members(self) -> impl Iterator<Item = (&'a [u8], f64)> {
        let (set, sorted) = match self {
            Self::Missing => (&[][..], &[][..]),
            Self::Set(set) => (set.entries(), &[][..]),
            Self::SortedSet(members) => (&[][..], members.entries()),
        };
        let plain = set.iter().map(|entry| (&*entry.key, 1.0));
        plain.chain(sorted.iter().map(|entry| (&*entry.key, entry.value)))
    }
}

struct Operand<'a> {
    source: Source<'a>,
    weight: f64,
}

impl Operand<'_> {
    fn weighted(&self, score: f64) -> f64 {
        zero_for_nan(self.weight * score)
    }
}

struct Query<'a> {
    operation: Operation,
    operands: Vec<Operand<'a>>,
    aggregate: Aggregate,
    with_scores: bool,
    limit: usize,
}

impl<'a> Query<'a> {
    /// Parses `numkeys key … [options]`.
    fn parse(
        keyspace: &'a Keyspace,
        arguments: &[&[u8]],
        operation: Operation,
        allow_scores: bool,
        command: &str,
    ) -> Result<Self, Failure> {
        let count = integer(arguments[0])?;
        if count < 1 {
            return Err(Failure::new(format!("ERR at least 1 input key is needed for '{command}' command")));
        }
        let count = usize::try_from(count).ok().filter(|count| *count < arguments.len());
        let (keys, options) = arguments[1..].split_at(count.ok_or(Failure::SYNTAX)?);
        let operands =
            keys.iter().map(|key| Ok(Operand { source: Source::read(keyspace, key)?, weight: 1.0 }));
        let operands = operands.collect::<Result<Vec<_>, Failure>>()?;
        let mut query =
            Self { operation, operands, aggregate: Aggregate::Sum, with_scores: false, limit: usize::MAX };
        query.parse_options(options, allow_scores)?;
        keyspace.allow_work(query.steps(), STEP_NS)?;
        Ok(query)
    }

    /// What it takes to look all members up, and to put what comes of it in order.
    fn steps(&self) -> usize {
        let each = self.operands.iter().map(|operand| operand.source.look_up_steps());
        let smallest = self.by_size().first().map_or(0, |operand| operand.source.look_up_steps());
        let others = self.operands.len().saturating_sub(1).max(1);
        let (look_ups, results) = match self.operation {
            Operation::Union => (each.sum(), self.operands.iter().map(|operand| operand.source.len()).sum()),
            Operation::Cardinality => (smallest.saturating_mul(others), 0),
            Operation::Intersection => (smallest.saturating_mul(others), self.by_size()[0].source.len()),
            Operation::Difference => {
                let first = &self.operands[0].source;
                (first.look_up_steps().saturating_mul(others), first.len())
            }
        };
        look_ups.saturating_add(INSERT_STEPS * results)
    }

    fn parse_options(&mut self, options: &[&[u8]], allow_scores: bool) -> Outcome {
        let allow_weights = matches!(self.operation, Operation::Union | Operation::Intersection);
        let allow_limit = self.operation == Operation::Cardinality;
        let mut rest = options;
        while let Some((option, more)) = rest.split_first() {
            rest = more;
            if is(option, "weights") && allow_weights && rest.len() >= self.operands.len() {
                let (weights, more) = rest.split_at(self.operands.len());
                rest = more;
                for (operand, weight) in self.operands.iter_mut().zip(weights) {
                    let invalid = Failure::fixed("ERR weight value is not a float");
                    operand.weight = parse_float(weight).ok_or(invalid)?;
                }
            } else if is(option, "aggregate")
                && allow_weights
                && let [name, more @ ..] = rest
            {
                rest = more;
                let named = [("sum", Aggregate::Sum), ("min", Aggregate::Min), ("max", Aggregate::Max)];
                let chosen = named.into_iter().find(|(candidate, _)| is(name, candidate));
                self.aggregate = chosen.ok_or(Failure::SYNTAX)?.1;
            } else if is(option, "withscores") && allow_scores {
                self.with_scores = true;
            } else if is(option, "limit")
                && allow_limit
                && let [limit, more @ ..] = rest
            {
                rest = more;
                let limit = at_least(limit, 0, "ERR LIMIT can't be negative")?;
                self.limit = if limit == 0 { usize::MAX } else { limit };
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(())
    }

    fn run(&self, keyspace: &Keyspace, limit: &Limit) -> Result<SortedSet, Failure> {
        let mut result = keyspace.empty::<SortedSet>();
        let scores = match self.operation {
            Operation::Union => self.union(keyspace, limit)?,
            Operation::Intersection | Operation::Cardinality => self.intersection(keyspace, limit)?,
            Operation::Difference => self.difference(keyspace, limit)?,
        };
        for entry in scores.entries() {
            result.insert(&entry.key, entry.value);
            limit.check(result.allocated_bytes())?;
        }
        Ok(result)
    }

    fn union(&self, keyspace: &Keyspace, limit: &Limit) -> Result<IndexMap<f64>, Failure> {
        let mut scores = keyspace.empty_map();
        for operand in self.by_size() {
            for (member, score) in operand.source.members() {
                let score = operand.weighted(score);
                match scores.get_mut(member) {
                    Some(total) => *total = self.aggregate.combine(*total, score),
                    None => {
                        scores.push_new(member.into(), score);
                        limit.check(scores.allocated_bytes())?;
                    }
                }
            }
        }
        Ok(scores)
    }

    fn intersection(&self, keyspace: &Keyspace, limit: &Limit) -> Result<IndexMap<f64>, Failure> {
        let mut scores = keyspace.empty_map();
        let operands = self.by_size();
        let Some((smallest, others)) = operands.split_first() else { return Ok(scores) };
        for (member, score) in smallest.source.members() {
            let total = others.iter().try_fold(smallest.weighted(score), |total, other| {
                // Unlike the first one, a product that is no number makes the sum none, too, which then is 0.
                let score = other.weight * other.source.score(member)?;
                Some(self.aggregate.combine(total, score))
            });
            if let Some(total) = total {
                scores.push_new(member.into(), total);
                limit.check(scores.allocated_bytes())?;
            }
        }
        Ok(scores)
    }

    fn difference(&self, keyspace: &Keyspace, limit: &Limit) -> Result<IndexMap<f64>, Failure> {
        let mut scores = keyspace.empty_map();
        let Some((first, others)) = self.operands.split_first() else { return Ok(scores) };
        for (member, score) in first.source.members() {
            if others.iter().all(|other| other.source.score(member).is_none()) {
                scores.push_new(member.into(), score);
                limit.check(scores.allocated_bytes())?;
            }
        }
        Ok(scores)
    }

    /// The operands in the order in which sums are made: it shows in the last digits.
    fn by_size(&self) -> Vec<&Operand<'a>> {
        let mut operands: Vec<&Operand<'a>> = self.operands.iter().collect();
        operands.sort_by_key(|operand| operand.source.len());
        operands
    }
}
