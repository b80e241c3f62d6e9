//! How two answers to one call are compared: Redis leaves some orders open, and some answers to chance.

use super::server::Reply;

/// What "alike" means for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Exact,
    /// The same elements, `width` values each, in any order.
    AnyOrder {
        width: usize,
    },
    /// Numbers that are the clock's, and may differ by as much.
    Within(i64),
    /// Random members: as many, and each from the pool that Redis has.
    Pick {
        distinct: bool,
    },
    /// As `Pick`, and they are gone.
    Pop,
    /// A cursor, to be followed to the end.
    Scan {
        cursor_at: usize,
    },
    /// The number of keys, after those past their time are gone.
    Count,
}

/// The comparison for a call.
pub fn of(name: &[u8], arguments: &[Vec<u8>]) -> Comparison {
    let has = |word: &[u8]| arguments.iter().skip(2).any(|argument| argument.eq_ignore_ascii_case(word));
    match name {
        b"smembers" | b"sinter" | b"sunion" | b"sdiff" | b"keys" | b"hkeys" | b"hvals" => {
            Comparison::AnyOrder { width: 1 }
        }
        b"hgetall" => Comparison::AnyOrder { width: 2 },
        // Ties in alphabetic weights, and sets as they come, have no order of their own.
        b"sort" | b"sort_ro" if has(b"alpha") && has(b"by") => Comparison::AnyOrder { width: 1 },
        b"sort" | b"sort_ro" if is_unsorted(arguments) && !has(b"store") && !has(b"limit") => {
            Comparison::AnyOrder { width: 1 }
        }
        b"ttl" | b"expiretime" => Comparison::Within(1),
        b"pttl" | b"pexpiretime" => Comparison::Within(1_000),
        b"srandmember" | b"hrandfield" | b"zrandmember" | b"randomkey" => {
            let is_repeating = arguments.get(2).is_some_and(|count| count.starts_with(b"-"));
            Comparison::Pick { distinct: !is_repeating }
        }
        b"spop" => Comparison::Pop,
        b"scan" => Comparison::Scan { cursor_at: 1 },
        b"hscan" | b"sscan" | b"zscan" => Comparison::Scan { cursor_at: 2 },
        b"dbsize" => Comparison::Count,
        _ => Comparison::Exact,
    }
}

/// Whether the command waits when it is called from outside a script or transaction.
pub fn would_block(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(
        name.as_slice(),
        b"blpop" | b"brpop" | b"blmove" | b"blmpop" | b"brpoplpush" | b"bzpopmin" | b"bzpopmax" | b"bzmpop"
    )
}

/// Where the stores compute with too few bits: they saturate the least number of all to the greatest of a field, and `LSET`
/// takes an index without its upper half.
pub fn is_faulty_in_stores(arguments: &[Vec<u8>]) -> bool {
    let is = |name: &[u8]| arguments[0].eq_ignore_ascii_case(name);
    let is_large = |argument: &Vec<u8>| {
        let number = std::str::from_utf8(argument).ok().and_then(|text| text.parse::<i64>().ok());
        number.is_some_and(|number| i32::try_from(number).is_err())
    };
    is(b"bitfield") && arguments.iter().any(|argument| argument == b"-9223372036854775808")
        || is(b"lset") && arguments.get(2).is_some_and(is_large)
}

/// The key of a range by score or name whose `LIMIT` begins before it: nothing is there, but in large sets stores count from
/// the other end.
pub fn offset_below_zero(arguments: &[Vec<u8>]) -> Option<&[u8]> {
    let name = arguments[0].to_ascii_lowercase();
    let limit = arguments.iter().position(|argument| argument.eq_ignore_ascii_case(b"limit"))?;
    let is_range = name.starts_with(b"zrange") || name.starts_with(b"zrevrange");
    let at = if name == b"zrangestore" { 2 } else { 1 };
    let is_negative = arguments.get(limit + 1).is_some_and(|offset| offset.starts_with(b"-"));
    arguments.get(at).filter(|_| is_range && is_negative).map(Vec::as_slice)
}

/// Whether `SORT` has a pattern that names no key.
pub fn is_unsorted(arguments: &[Vec<u8>]) -> bool {
    let is_sort = arguments[0].to_ascii_lowercase().starts_with(b"sort");
    let by = arguments.windows(2).find(|pair| pair[0].eq_ignore_ascii_case(b"by"));
    is_sort && by.is_some_and(|pair| !pair[1].contains(&b'*'))
}

/// The key that `SORT` takes a range of without sorting it and without storing it.
pub fn cut_unsorted(arguments: &[Vec<u8>]) -> Option<&[u8]> {
    let has = |word: &[u8]| arguments.iter().skip(2).any(|argument| argument.eq_ignore_ascii_case(word));
    let is_cut = is_unsorted(arguments) && has(b"limit") && !has(b"store");
    arguments.get(1).filter(|_| is_cut).map(Vec::as_slice)
}

/// The key of a range by name.
pub fn ranged_by_name(arguments: &[Vec<u8>]) -> Option<&[u8]> {
    let by_name = arguments.iter().any(|argument| argument.eq_ignore_ascii_case(b"bylex"));
    let at = match arguments[0].to_ascii_lowercase().as_slice() {
        b"zrangebylex" | b"zrevrangebylex" | b"zlexcount" | b"zremrangebylex" => 1,
        b"zrange" if by_name => 1,
        b"zrangestore" if by_name => 2,
        _ => return None,
    };
    arguments.get(at).map(Vec::as_slice)
}

/// In sorted sets, Redis keeps the sign of a zero or not, as it happens to store them.
fn without_signed_zeros(reply: &Reply) -> Reply {
    match reply {
        Reply::Bulk(text) if text == b"-0" => Reply::Bulk(b"0".to_vec()),
        Reply::Array(elements) => Reply::Array(elements.iter().map(without_signed_zeros).collect()),
        other => other.clone(),
    }
}

impl Comparison {
    /// What to ask Redis for the members that a random pick may give.
    pub fn pool_query(self, arguments: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
        let Self::Pick { .. } = self else { return None };
        let key = || arguments.get(1).cloned().unwrap_or_default();
        let query: Vec<Vec<u8>> = match arguments[0].to_ascii_lowercase().as_slice() {
            b"srandmember" => vec![b"smembers".into(), key()],
            b"hrandfield" => vec![b"hgetall".into(), key()],
            b"zrandmember" => vec![b"zrange".into(), key(), b"0".into(), b"-1".into(), b"withscores".into()],
            _ => vec![b"keys".into(), b"*".into()],
        };
        Some(query)
    }
}

/// Compares two answers; `pool` is what Redis says to [`Comparison::pool_query`].
pub fn compare(
    comparison: &Comparison,
    ours: &Reply,
    theirs: &Reply,
    pool: Option<&Reply>,
    arguments: &[Vec<u8>],
) -> Result<(), String> {
    let name = arguments[0].to_ascii_lowercase();
    let is_sorted_set = name.starts_with(b"z") || name.starts_with(b"bz");
    let pool = &pool.map(|pool| if is_sorted_set { without_signed_zeros(pool) } else { pool.clone() });
    let pool = pool.as_ref();
    let ours = &if is_sorted_set { without_signed_zeros(ours) } else { ours.clone() };
    let theirs = &if is_sorted_set { without_signed_zeros(theirs) } else { theirs.clone() };
    let is_alike = match (comparison, ours, theirs) {
        (Comparison::AnyOrder { width }, Reply::Array(a), Reply::Array(b)) => {
            sorted(a, *width) == sorted(b, *width)
        }
        (Comparison::Within(tolerance), Reply::Integer(a), Reply::Integer(b)) => {
            a == b || (*a > 0 && *b > 0 && a.abs_diff(*b) <= tolerance.unsigned_abs())
        }
        (Comparison::Pick { .. }, Reply::Bulk(picked), Reply::Bulk(_)) => pool.is_some_and(|pool| {
            pool_of(pool, arguments).iter().any(|entry| entry[0] == Reply::Bulk(picked.clone()))
        }),
        (Comparison::Pick { distinct }, Reply::Array(a), Reply::Array(b)) => {
            let with_values = arguments.len() > 3;
            a.len() == b.len()
                && pool.is_some_and(|pool| is_valid_pick(a, pool, *distinct, with_values, arguments))
        }
        _ => ours == theirs,
    };
    if is_alike { Ok(()) } else { Err(format!("\n   ours {ours:?}\n  Redis {theirs:?}\n   pool {pool:?}")) }
}

fn sorted(replies: &[Reply], width: usize) -> Vec<&[Reply]> {
    let mut elements: Vec<&[Reply]> = replies.chunks(width).collect();
    elements.sort();
    elements
}

/// The pool's entries: a member, and its value where there are values.
fn pool_of<'a>(pool: &'a Reply, arguments: &[Vec<u8>]) -> Vec<&'a [Reply]> {
    let has_values = matches!(arguments[0].to_ascii_lowercase().as_slice(), b"hrandfield" | b"zrandmember");
    let Reply::Array(entries) = pool else { return Vec::new() };
    entries.chunks(if has_values { 2 } else { 1 }).collect()
}

fn is_valid_pick(
    picked: &[Reply],
    pool: &Reply,
    distinct: bool,
    with_values: bool,
    arguments: &[Vec<u8>],
) -> bool {
    let pool = pool_of(pool, arguments);
    let width = if with_values { 2 } else { 1 };
    let mut entries: Vec<&[Reply]> = picked.chunks(width).collect();
    let all_known = entries.iter().all(|entry| pool.iter().any(|known| &known[..width] == *entry));
    entries.sort();
    let count = entries.len();
    entries.dedup();
    all_known && (!distinct || entries.len() == count)
}
