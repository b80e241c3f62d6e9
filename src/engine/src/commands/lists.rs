//! Commands on lists, save those that pop.

use super::super::keyspace::{Change, Keyspace, List, SmallBytes};
use super::super::reply::ReplyBuffer;
use super::arguments::{at_least, integer, is, signed_count, span};
use super::failure::{Failure, Outcome};

/// Nanoseconds for each element that is taken out.
pub(super) const TAKE_NS: f64 = 150.0;
/// The same where they are cut off together.
const CUT_NS: f64 = 40.0;

/// One end of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Left,
    Right,
}

impl End {
    pub(crate) fn parse(word: &[u8]) -> Result<Self, Failure> {
        if is(word, "left") {
            Ok(Self::Left)
        } else if is(word, "right") {
            Ok(Self::Right)
        } else {
            Err(Failure::SYNTAX)
        }
    }

    pub(super) fn push(self, list: &mut Change<'_, List>, element: SmallBytes) {
        match self {
            Self::Left => list.push_front(element),
            Self::Right => list.push_back(element),
        }
    }

    pub(super) fn pop(self, list: &mut Change<'_, List>) -> Option<SmallBytes> {
        match self {
            Self::Left => list.pop_front(),
            Self::Right => list.pop_back(),
        }
    }
}

/// `LPUSH key element [element …]`
pub(super) fn lpush(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    push(keyspace, arguments, End::Left, false, reply)
}

/// `RPUSH key element [element …]`
pub(super) fn rpush(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    push(keyspace, arguments, End::Right, false, reply)
}

/// `LPUSHX key element [element …]`
pub(super) fn lpushx(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    push(keyspace, arguments, End::Left, true, reply)
}

/// `RPUSHX key element [element …]`
pub(super) fn rpushx(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    push(keyspace, arguments, End::Right, true, reply)
}

fn push(
    keyspace: &mut Keyspace,
    arguments: &[&[u8]],
    end: End,
    only_existing: bool,
    reply: &mut ReplyBuffer,
) -> Outcome {
    let key = arguments[1];
    if only_existing && keyspace.read::<List>(key)?.is_none() {
        reply.integer(0);
        return Ok(());
    }
    let mut list = keyspace.write_or_create::<List>(key)?;
    for element in &arguments[2..] {
        end.push(&mut list, SmallBytes::new(element));
    }
    reply.integer(list.len() as i64);
    Ok(())
}

/// `LLEN key`
pub(super) fn llen(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    reply.integer(keyspace.read::<List>(arguments[1])?.map_or(0, |list| list.len()) as i64);
    Ok(())
}

/// `LRANGE key start stop`
pub(super) fn lrange(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (start, stop) = (integer(arguments[2])?, integer(arguments[3])?);
    let list = keyspace.read::<List>(arguments[1])?;
    match list.and_then(|list| span(start, stop, list.len()).map(|span| list.range(span))) {
        Some(elements) => {
            reply.array(elements.len());
            elements.for_each(|element| reply.bulk(element));
        }
        None => reply.array(0),
    }
    Ok(())
}

/// `LTRIM key start stop`
pub(super) fn ltrim(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (start, stop) = (integer(arguments[2])?, integer(arguments[3])?);
    let len = keyspace.read::<List>(arguments[1])?.map_or(0, |list| list.len());
    keyspace.allow_work(len - span(start, stop, len).map_or(0, |kept| kept.len()), CUT_NS)?;
    keyspace.edit(arguments[1], |list: &mut Change<'_, List>| {
        let kept = span(start, stop, list.len()).unwrap_or(0..0);
        list.trim(kept);
    })?;
    reply.status("OK");
    Ok(())
}

/// `LINDEX key index`
pub(super) fn lindex(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let Some(list) = keyspace.read::<List>(arguments[1])? else {
        reply.nil();
        return Ok(());
    };
    match place(integer(arguments[2])?, list.len()) {
        Some(index) => reply.bulk(&list[index]),
        None => reply.nil(),
    }
    Ok(())
}

/// `LSET key index element`
pub(super) fn lset(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let len = keyspace.read::<List>(arguments[1])?.ok_or(Failure::NO_SUCH_KEY)?.len();
    let index = place(integer(arguments[2])?, len).ok_or(Failure::fixed("ERR index out of range"))?;
    keyspace.edit(arguments[1], |list: &mut Change<'_, List>| {
        list.replace(index, SmallBytes::new(arguments[3]));
    })?;
    reply.status("OK");
    Ok(())
}

/// The element that a position names; negative ones count from the end.
fn place(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(len as i64)? } else { index };
    usize::try_from(index).ok().filter(|index| *index < len)
}

/// `LINSERT key BEFORE | AFTER pivot element`
pub(super) fn linsert(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let (pivot, element) = (arguments[3], arguments[4]);
    let offset = if is(arguments[2], "after") {
        1
    } else if is(arguments[2], "before") {
        0
    } else {
        return Err(Failure::SYNTAX);
    };
    allow_walk(keyspace, arguments[1], pivot, usize::MAX)?;
    let len = keyspace.edit(arguments[1], |list: &mut Change<'_, List>| {
        let Some(index) = list.iter().position(|candidate| **candidate == *pivot) else { return -1 };
        list.insert(index + offset, SmallBytes::new(element));
        list.len() as i64
    })?;
    reply.integer(len.unwrap_or(0));
    Ok(())
}

/// Before elements are compared with one, all of them or `most`. Those that are as long may be the same up to their last byte.
fn allow_walk(keyspace: &Keyspace, key: &[u8], element: &[u8], most: usize) -> Outcome {
    const COMPARISON_NS: f64 = 5.0;
    const BYTES_A_STEP: usize = 100;
    let len = keyspace.read::<List>(key)?.map_or(0, |list| list.len());
    keyspace.allow_work(len.min(most).saturating_mul(1 + element.len() / BYTES_A_STEP), COMPARISON_NS)
}

/// `LREM key count element`: a negative count removes from the tail, 0 removes all.
pub(super) fn lrem(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let count = integer(arguments[2])?;
    let element = arguments[3];
    allow_walk(keyspace, arguments[1], element, usize::MAX)?;
    let removed = keyspace.edit(arguments[1], |list: &mut Change<'_, List>| {
        let matching = list.iter().filter(|candidate| ***candidate == *element).count();
        let limit = if count == 0 { u64::MAX } else { count.unsigned_abs() };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(matching);
        let mut spared = if count < 0 { matching - limit } else { 0 };
        let mut left = limit;
        list.remove_where(|candidate| {
            if **candidate != *element || left == 0 {
                return false;
            }
            if spared > 0 {
                spared -= 1;
                return false;
            }
            left -= 1;
            true
        })
    })?;
    reply.integer(removed.unwrap_or(0) as i64);
    Ok(())
}

/// `LPOS key element [RANK rank] [COUNT count] [MAXLEN len]`
pub(super) fn lpos(keyspace: &mut Keyspace, arguments: &[&[u8]], reply: &mut ReplyBuffer) -> Outcome {
    let element = arguments[2];
    let options = Search::parse(&arguments[3..])?;
    let most = if options.max_len == 0 { usize::MAX } else { options.max_len };
    allow_walk(keyspace, arguments[1], element, most)?;
    let found = match keyspace.read::<List>(arguments[1])? {
        Some(list) => options.find(list, element),
        None => Vec::new(),
    };
    if options.count.is_some() {
        reply.array(found.len());
        found.iter().for_each(|index| reply.integer(*index as i64));
    } else {
        match found.first() {
            Some(index) => reply.integer(*index as i64),
            None => reply.nil(),
        }
    }
    Ok(())
}

struct Search {
    rank: i64,
    count: Option<usize>,
    max_len: usize,
}

impl Search {
    fn parse(arguments: &[&[u8]]) -> Result<Self, Failure> {
        let mut search = Self { rank: 1, count: None, max_len: 0 };
        let (pairs, rest) = arguments.as_chunks::<2>();
        for [option, value] in pairs {
            if is(option, "rank") {
                search.rank = signed_count(value)?;
                if search.rank == 0 {
                    return Err(Failure::fixed(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                         negative to start from the end of the list",
                    ));
                }
            } else if is(option, "count") {
                search.count = Some(at_least(value, 0, "ERR COUNT can't be negative")?);
            } else if is(option, "maxlen") {
                search.max_len = at_least(value, 0, "ERR MAXLEN can't be negative")?;
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        if rest.is_empty() { Ok(search) } else { Err(Failure::SYNTAX) }
    }

    fn find(&self, list: &List, element: &[u8]) -> Vec<usize> {
        let unlimited = |limit: usize| if limit == 0 { usize::MAX } else { limit };
        let skipped = self.rank.unsigned_abs() as usize - 1;
        let compared = unlimited(self.max_len);
        let wanted = self.count.map_or(1, unlimited);
        let is_match = |(_, candidate): &(usize, &SmallBytes)| ***candidate == *element;
        let elements = list.iter().enumerate();
        if self.rank > 0 {
            let matching = elements.take(compared).filter(is_match).skip(skipped);
            matching.take(wanted).map(|(index, _)| index).collect()
        } else {
            let matching = elements.rev().take(compared).filter(is_match).skip(skipped);
            matching.take(wanted).map(|(index, _)| index).collect()
        }
    }
}
