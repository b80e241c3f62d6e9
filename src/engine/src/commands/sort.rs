//! `SORT` and `SORT_RO`.

use std::cmp::Ordering;

use super::super::keyspace::{Hash, Keyspace, Kind, List, SmallBytes, Value};
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
        const SORT_NS: f64 = 50.0;
        let len = match keyspace.value(key) {
            Some(Value::List(list)) => list.len(),
            Some(Value::Set(set)) => set.len(),
            Some(Value::SortedSet(set)) => set.len(),
            _ => 0,
        };
        keyspace.allow_work(len, SORT_NS)?;
        let (mut elements, order) = self.elements(keyspace, key)?;
        match order {
            Order::AsIs => (),
            Order::Alphabetic { by } => self.sort_alphabetically(keyspace, &mut elements, by),
            Order::Numeric { by } => self.sort_numerically(keyspace, &mut elements, by)?,
        }
        let range = self.range(elements.len());
        let chosen = elements.drain(range);
        if self.gets.is_empty() {
            return Ok(chosen.map(Some).collect());
        }
        let (mut results, mut bytes) = (Vec::new(), 0);
        for element in chosen {
            for pattern in &self.gets {
                let found = look_up(keyspace, pattern, &element);
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

    fn sort_alphabetically(&self, keyspace: &Keyspace, elements: &mut [SmallBytes], by: Option<&[u8]>) {
        match by {
            None => elements.sort_by(|a, b| self.directed(a.cmp(b))),
            // A missing weight comes before all others.
            Some(pattern) => elements.sort_by_cached_key(|element| {
                let weight = look_up(keyspace, pattern, element);
                if self.descending { Err(std::cmp::Reverse(weight)) } else { Ok(weight) }
            }),
        }
    }

    fn sort_numerically(
        &self,
        keyspace: &Keyspace,
        elements: &mut Vec<SmallBytes>,
        by: Option<&[u8]>,
    ) -> Outcome {
        let mut weighted = Vec::with_capacity(elements.len());
        for element in elements.drain(..) {
            let weight = match by {
                Some(pattern) => look_up(keyspace, pattern, &element),
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

/// What a pattern names for an element: the element itself (`#`), a string, or a field of a hash (`key_*->field`).
fn look_up(keyspace: &Keyspace, pattern: &[u8], element: &[u8]) -> Option<SmallBytes> {
    if pattern == b"#" {
        return Some(SmallBytes::new(element));
    }
    let star = pattern.iter().position(|byte| *byte == b'*')?;
    let (prefix, suffix) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = suffix.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < suffix.len());
    let (suffix, field) = match arrow {
        Some(at) => (&suffix[..at], Some(&suffix[at + 2..])),
        None => (suffix, None),
    };
    let value = keyspace.value(&[prefix, element, suffix].concat())?;
    match field {
        Some(field) => Hash::of(value)?.get(field).cloned(),
        None => Vec::of(value).map(|text| SmallBytes::new(text)),
    }
}
