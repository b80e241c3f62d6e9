//! `SORT` and `SORT_RO`.

use std::cmp::Ordering;

use super::super::keyspace::{Hash, Keyspace, Kind, List, SmallBytes, Value, WorkLeft};
use super::super::reply::ReplyBuffer;
use super::arguments::{integer, is};
use super::failure::{Failure, Outcome, as_c_string};
use super::limit::Limit;
use super::number::parse_float;

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination]`
pub(super) fn sort(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let query = Query::parse(&arguments[2..], true)?;
    let limit = if query.store.is_some() { Limit::of_store(keyspace) } else { Limit::of_answer(reply) };
    let results = query.run(keyspace, arguments[1], &limit)?;
    match query.store {
        None => answer(&results, reply),
        Some(destination) => {
            let list: List = results.into_iter().map(Option::unwrap_or_default).collect();
            limit.check(list.allocated_bytes())?;
            reply.integer(list.len() as i64);
            keyspace.replace(destination, list);
        }
    }
    Ok(())
}

/// `SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA]`
pub(super) fn sort_ro(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let query = Query::parse(&arguments[2..], false)?;
    answer(&query.run(keyspace, arguments[1], &Limit::of_answer(reply))?, reply);
    Ok(())
}

/// The keys that `SORT`'s arguments name.
pub(super) fn keys_of<'a>(arguments: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let source = arguments.get(1).copied();
    let query = Query::parse(arguments.get(2..).unwrap_or_default(), true).ok();
    source.into_iter().chain(query.and_then(|query| query.store)).collect()
}

fn answer(results: &[Option<SmallBytes>], reply: &mut ReplyBuffer) {
    reply.array(results.len());
    for result in results {
        match result {
            Some(value) => reply.bulk(value),
            None => reply.nil(),
        }
    }
}

#[derive(Default)]
struct Query<'a> {
    by: Option<&'a [u8]>,
    gets: Vec<&'a [u8]>,
    limit: Option<(i64, i64)>,
    descending: bool,
    alpha: bool,
    store: Option<&'a [u8]>,
}

impl<'a> Query<'a> {
    fn parse(arguments: &[&'a [u8]], allow_store: bool) -> Result<Self, Failure> {
        let mut query = Self::default();
        let mut rest = arguments;
        while let Some((option, more)) = rest.split_first() {
            rest = match more {
                _ if is(option, "asc") => {
                    query.descending = false;
                    more
                }
                _ if is(option, "desc") => {
                    query.descending = true;
                    more
                }
                _ if is(option, "alpha") => {
                    query.alpha = true;
                    more
                }
                [offset, count, more @ ..] if is(option, "limit") => {
                    query.limit = Some((integer(offset)?, integer(count)?));
                    more
                }
                [destination, more @ ..] if is(option, "store") && allow_store => {
                    query.store = Some(destination);
                    more
                }
                [pattern, more @ ..] if is(option, "by") => {
                    query.by = Some(pattern);
                    more
                }
                [pattern, more @ ..] if is(option, "get") => {
                    query.gets.push(pattern);
                    more
                }
                _ => return Err(Failure::SYNTAX),
            };
        }
        Ok(query)
    }

    fn run(
        &self,
        keyspace: &Keyspace,
        key: &[u8],
        limit: &Limit,
    ) -> Result<Vec<Option<SmallBytes>>, Failure> {
        const SORT_NS: f64 = 80.0;
        const COMPARE_NS: f64 = 0.05;
        const COPY_STEPS: usize = 5;
        let len = match keyspace.value(key) {
            Some(Value::List(list)) => list.len(),
            Some(Value::Set(set)) => set.len(),
            Some(Value::SortedSet(set)) => set.len(),
            _ => 0,
        };
        keyspace.allow_work(len, SORT_NS)?;
        let bytes = keyspace.value(key).map_or(0, Value::allocated_bytes);
        keyspace.allow_work(bytes.saturating_mul(COPY_STEPS + len.max(1).ilog2() as usize), COMPARE_NS)?;
        let mut work = keyspace.work_left(LOOK_UP_NS);
        let (mut elements, order) = self.elements(keyspace, key)?;
        match order {
            Order::AsIs => (),
            Order::Alphabetic { by: None } => elements.sort_by(|a, b| self.directed(a.cmp(b))),
            Order::Alphabetic { by: Some(by) } => {
                self.sort_alphabetically(keyspace, &mut elements, by, &mut work)?;
            }
            Order::Numeric { by } => self.sort_numerically(keyspace, &mut elements, by, &mut work)?,
        }
        let range = self.range(elements.len());
        let chosen = elements.drain(range);
        if self.gets.is_empty() {
            return Ok(chosen.map(Some).collect());
        }
        let gets: Vec<Place> = self.gets.iter().map(|pattern| Place::parse(pattern)).collect();
        let (mut results, mut bytes) = (Vec::new(), 0);
        for element in chosen {
            for place in &gets {
                let found = place.look_up(keyspace, &element, &mut work)?;
                bytes += size_of::<SmallBytes>() + found.as_ref().map_or(0, SmallBytes::heap_len);
                limit.check(bytes)?;
                results.push(found);
            }
        }
        Ok(results)
    }

    /// The elements in the order that they have by themselves, and how they are to be sorted.
    fn elements(&self, keyspace: &Keyspace, key: &[u8]) -> Result<(Vec<SmallBytes>, Order<'a>), Failure> {
        // A pattern that names no key cannot tell elements apart: it means "do not sort".
        let is_unsorted = self.by.is_some_and(|pattern| !pattern.contains(&b'*'));
        let order = match self.by {
            _ if is_unsorted => Order::AsIs,
            by if self.alpha => Order::Alphabetic { by },
            by => Order::Numeric { by },
        };
        let is_reversed = is_unsorted && self.descending;
        match keyspace.value(key) {
            None => Ok((Vec::new(), order)),
            Some(Value::List(list)) if is_reversed => Ok((list.iter().rev().cloned().collect(), order)),
            Some(Value::List(list)) => Ok((list.iter().cloned().collect(), order)),
            Some(Value::Set(set)) => {
                let elements = set.entries().iter().map(|entry| entry.key.clone()).collect();
                // What a set yields unsorted would differ from store to store, so scripts get it sorted anyway.
                let must_sort = is_unsorted && (self.store.is_some() || keyspace.is_from_script());
                Ok((elements, if must_sort { Order::Alphabetic { by: None } } else { order }))
            }
            Some(Value::SortedSet(set)) => {
                let members = set.range(0, set.len()).map(|(member, _)| SmallBytes::new(member));
                Ok((if is_reversed { members.rev().collect() } else { members.collect() }, order))
            }
            Some(_) => Err(Failure::WRONG_TYPE),
        }
    }

    fn sort_alphabetically(
        &self,
        keyspace: &Keyspace,
        elements: &mut Vec<SmallBytes>,
        by: &[u8],
        work: &mut WorkLeft,
    ) -> Outcome {
        let place = Place::parse(by);
        let mut weighted = Vec::with_capacity(elements.len());
        for element in elements.drain(..) {
            weighted.push((place.look_up(keyspace, &element, work)?, element));
        }
        // A missing weight comes before all others.
        weighted.sort_by(|a, b| self.directed(a.0.cmp(&b.0)));
        elements.extend(weighted.into_iter().map(|(_, element)| element));
        Ok(())
    }

    fn sort_numerically(
        &self,
        keyspace: &Keyspace,
        elements: &mut Vec<SmallBytes>,
        by: Option<&[u8]>,
        work: &mut WorkLeft,
    ) -> Outcome {
        let place = by.map(Place::parse);
        let mut weighted = Vec::with_capacity(elements.len());
        for element in elements.drain(..) {
            let weight = match &place {
                Some(place) => place.look_up(keyspace, &element, work)?,
                None => Some(element.clone()),
            };
            let weight = weight.map_or(Some(0.0), |text| parse_float(as_c_string(&text, text.len())));
            let invalid = Failure::fixed("ERR One or more scores can't be converted into double");
            weighted.push((weight.ok_or(invalid)?, element));
        }
        weighted.sort_by(|a, b| {
            let by_weight = a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal);
            self.directed(by_weight.then_with(|| a.1.cmp(&b.1)))
        });
        elements.extend(weighted.into_iter().map(|(_, element)| element));
        Ok(())
    }

    fn directed(&self, ordering: Ordering) -> Ordering {
        if self.descending { ordering.reverse() } else { ordering }
    }

    fn range(&self, len: usize) -> std::ops::Range<usize> {
        let Some((offset, count)) = self.limit else { return 0..len };
        let start = usize::try_from(offset).unwrap_or(0).min(len);
        let count = usize::try_from(count).unwrap_or(len).min(len - start);
        start..start + count
    }
}

enum Order<'a> {
    AsIs,
    Alphabetic { by: Option<&'a [u8]> },
    Numeric { by: Option<&'a [u8]> },
}

/// Nanoseconds for each byte of a key that is put together and looked up, and of what is found.
const LOOK_UP_NS: f64 = 1.0;
/// What a look-up takes beside that, in as many steps.
const LOOK_UP_STEPS: usize = 100;

/// What a pattern names for an element.
enum Place<'a> {
    /// Nothing: it has no star.
    Nowhere,
    /// The element itself (`#`).
    Element,
    /// A string, or a field of a hash (`key_*->field`).
    Key { prefix: &'a [u8], suffix: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Place<'a> {
    fn parse(pattern: &'a [u8]) -> Self {
        if pattern == b"#" {
            return Self::Element;
        }
        let Some(star) = pattern.iter().position(|byte| *byte == b'*') else { return Self::Nowhere };
        let (prefix, suffix) = (&pattern[..star], &pattern[star + 1..]);
        let arrow = suffix.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < suffix.len());
        match arrow {
            Some(at) => Self::Key { prefix, suffix: &suffix[..at], field: Some(&suffix[at + 2..]) },
            None => Self::Key { prefix, suffix, field: None },
        }
    }

    fn look_up(
        &self,
        keyspace: &Keyspace,
        element: &[u8],
        work: &mut WorkLeft,
    ) -> Result<Option<SmallBytes>, Failure> {
        let (prefix, suffix, field) = match self {
            Self::Nowhere => return Ok(None),
            Self::Element => {
                work.spend(element.len())?;
                return Ok(Some(SmallBytes::new(element)));
            }
            Self::Key { prefix, suffix, field } => (*prefix, *suffix, *field),
        };
        let named = prefix.len() + element.len() + suffix.len() + field.map_or(0, <[u8]>::len);
        work.spend(LOOK_UP_STEPS + named)?;
        let Some(value) = keyspace.value(&[prefix, element, suffix].concat()) else { return Ok(None) };
        let found = match field {
            Some(field) => Hash::of(value).and_then(|hash| hash.get(field)).map(SmallBytes::as_slice),
            None => Vec::of(value).map(Vec::as_slice),
        };
        work.spend(found.map_or(0, <[u8]>::len))?;
        Ok(found.map(SmallBytes::new))
    }
}
