//! Where older stores answer otherwise than the engine, which answers as Valkey 9.1 does: each difference with the version that
//! made it. What is not named here must be alike.

use super::comparison::would_block;
use super::server::{Product, Reply};
use super::stores::{Call, Way};

pub struct Difference {
    /// What is new, and since which version.
    pub name: &'static str,
    /// The stores that are as it was before.
    stores: &'static [Product],
    effect: Effect,
}

enum Effect {
    /// Neither gets calls like this, which the store does not know.
    Unknown(fn(&Call) -> bool),
    /// The engine refuses such a call with an error that begins like this; the store, which would not, does not get it.
    Refused(fn(&Call) -> bool, &'static [&'static str]),
    /// The store's answer to such a call, where the engine answers this.
    Reworded(fn(&Call, &Reply) -> Option<Reply>),
}

const REDIS: &[Product] = &[Product::Redis7, Product::Redis8];
const REDIS_7: &[Product] = &[Product::Redis7];
const REDIS_8: &[Product] = &[Product::Redis8];

const NO_INTEGER: &str = "ERR value is not an integer or out of range";
const SYNTAX: &str = "ERR syntax error";

#[rustfmt::skip]
static DIFFERENCES: &[Difference] = &[
    Difference { name: "Redis 7.2: scores have their shortest digits", stores: REDIS_7, effect: Effect::Reworded(with_17_digits) },
    Difference { name: "Redis 7.2: scripts may call what would block", stores: REDIS_7,
        effect: Effect::Unknown(|call| call.way == Way::Script && would_block(&call.arguments[0]) && !is(call, &["blmpop", "bzmpop"])) },
    Difference { name: "Redis 7.2: the end of a timeout is a time", stores: REDIS_7,
        effect: Effect::Refused(|call| would_block(&call.arguments[0]), &["ERR timeout is out of range"]) },
    Difference { name: "Redis 7.2: ZRANK and ZREVRANK WITHSCORE", stores: REDIS_7,
        effect: Effect::Unknown(|call| is(call, &["zrank", "zrevrank"]) && call.arguments.len() > 3) },
    Difference { name: "Redis 7.2: LPOS refuses the least of all ranks", stores: REDIS_7,
        effect: Effect::Refused(|call| is(call, &["lpos"]), &["ERR value is out of range, value must between -9223372036854775807"]) },
    Difference { name: "Redis 7.2: BITCOUNT and BITPOS read their arguments without a value, too", stores: REDIS_7,
        effect: Effect::Refused(|call| is(call, &["bitcount", "bitpos"]), &[SYNTAX, NO_INTEGER]) },
    Difference { name: "Redis 7.4: HSCAN NOVALUES", stores: REDIS_7,
        effect: Effect::Unknown(|call| is(call, &["hscan"]) && has(call, "novalues")) },
    Difference { name: "Redis 7.4: a cursor is a number, and blanks may stand in front", stores: REDIS_7, effect: Effect::Unknown(has_odd_cursor) },
    Difference { name: "Redis 8.0: HGETDEL", stores: REDIS_7, effect: Effect::Unknown(|call| is(call, &["hgetdel"])) },
    Difference { name: "Redis 8.0: no blanks and no hexadecimal numbers in bounds", stores: REDIS_7,
        effect: Effect::Refused(|call| has_odd_number(call, &[b"0x", b" "]), &["ERR min or max is not a float"]) },
    Difference { name: "Valkey 8.0: errors of scripts do not name the product", stores: REDIS, effect: Effect::Reworded(naming_redis) },
    Difference { name: "Valkey 8.0: BITCOUNT with a start alone", stores: REDIS,
        effect: Effect::Unknown(|call| is(call, &["bitcount"]) && call.arguments.len() == 3) },
    Difference { name: "Valkey 8.0: SCAN knows the names of types", stores: REDIS,
        effect: Effect::Refused(|call| is(call, &["scan"]), &["ERR unknown type name"]) },
    Difference { name: "Valkey 8.1: SET IFEQ", stores: REDIS, effect: Effect::Unknown(|call| is(call, &["set"]) && has(call, "ifeq")) },
    Difference { name: "Valkey 9.0: DELIFEQ", stores: REDIS, effect: Effect::Unknown(|call| is(call, &["delifeq"])) },
    Difference { name: "Valkey 9.1: no hexadecimal numbers in scores and weights", stores: REDIS,
        effect: Effect::Refused(|call| has_odd_number(call, &[b"0x"]), &["ERR value is not a valid float", "ERR weight value is not a float"]) },
    Difference { name: "Valkey 9.1: SORT refuses weights that are no numbers, or none that a float holds", stores: REDIS,
        effect: Effect::Refused(|call| is(call, &["sort", "sort_ro"]), &["ERR One or more scores can't be converted into double"]) },
    Difference { name: "Valkey 9.1: MSETEX", stores: REDIS, effect: Effect::Unknown(|call| is(call, &["msetex"])) },
    Difference { name: "Valkey 9.1: HGETDEL has its own words", stores: REDIS_8,
        effect: Effect::Refused(|call| is(call, &["hgetdel"]), &[SYNTAX, NO_INTEGER, "ERR numfields should be"]) },
    Difference { name: "Valkey 9.1: GETEX reads its time without a value, too", stores: REDIS,
        effect: Effect::Refused(|call| is(call, &["getex"]), &["ERR invalid expire time in 'getex' command", NO_INTEGER]) },
];

/// The difference because of which neither store gets the call.
pub fn unknown_call(product: Product, call: &Call) -> Option<&'static str> {
    let is_it =
        |difference: &&Difference| matches!(difference.effect, Effect::Unknown(is_like) if is_like(call));
    DIFFERENCES
        .iter()
        .filter(|difference| difference.stores.contains(&product))
        .find(is_it)
        .map(|found| found.name)
}

/// The difference because of which the engine alone refuses the call.
pub fn refusal(product: Product, call: &Call, ours: &Reply) -> Option<&'static str> {
    let Reply::Error(text) = ours else { return None };
    let is_it = |difference: &&Difference| match difference.effect {
        Effect::Refused(is_like, texts) => texts.iter().any(|start| text.starts_with(start)) && is_like(call),
        _ => false,
    };
    DIFFERENCES
        .iter()
        .filter(|difference| difference.stores.contains(&product))
        .find(is_it)
        .map(|found| found.name)
}

/// Our answer in the store's words, and the difference because of which they are others.
pub fn reworded(product: Product, call: &Call, ours: Reply) -> (Reply, Option<&'static str>) {
    let reword = |difference: &Difference| match difference.effect {
        Effect::Reworded(reword) => Some((reword(call, &ours)?, Some(difference.name))),
        _ => None,
    };
    let mut own = DIFFERENCES.iter().filter(|difference| difference.stores.contains(&product));
    own.find_map(reword).unwrap_or((ours, None))
}

/// The names of a store's differences.
pub fn names(product: Product) -> impl Iterator<Item = &'static str> {
    let own = DIFFERENCES.iter().filter(move |difference| difference.stores.contains(&product));
    own.map(|difference| difference.name)
}

fn is(call: &Call, names: &[&str]) -> bool {
    names.iter().any(|name| call.arguments[0].eq_ignore_ascii_case(name.as_bytes()))
}

fn has(call: &Call, word: &str) -> bool {
    call.arguments.iter().skip(2).any(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether a sorted set's command has an argument that begins so behind its sign and bracket.
fn has_odd_number(call: &Call, starts: &[&[u8]]) -> bool {
    let is_odd = |argument: &Vec<u8>| {
        let number = argument.strip_prefix(b"(").unwrap_or(argument);
        let number = number.strip_prefix(b"-").unwrap_or(number);
        starts.iter().any(|start| number.starts_with(start))
    };
    call.arguments[0].to_ascii_lowercase().starts_with(b"z") && call.arguments.iter().skip(1).any(is_odd)
}

fn has_odd_cursor(call: &Call) -> bool {
    let at = if is(call, &["scan"]) { 1 } else { 2 };
    let cursor = call.arguments.get(at).map_or(&b"0"[..], Vec::as_slice);
    is(call, &["scan", "hscan", "sscan", "zscan"])
        && (cursor.is_empty() || !cursor.iter().all(|byte| byte.is_ascii_digit()))
}

fn naming_redis(_: &Call, ours: &Reply) -> Option<Reply> {
    let Reply::Error(text) = ours else { return None };
    let theirs = match text.as_str() {
        "ERR Wrong number of args calling command from script" => {
            "ERR Wrong number of args calling Redis command from script"
        }
        "ERR Unknown command called from script" => "ERR Unknown Redis command called from script",
        _ => return None,
    };
    Some(Reply::Error(theirs.to_owned()))
}

/// Scores as C's `%.17g` writes them.
fn with_17_digits(call: &Call, ours: &Reply) -> Option<Reply> {
    let theirs = if is(call, &["zscore", "zincrby", "zadd", "zmscore"]) {
        scores_rewritten(ours, |_| true)
    } else if is(call, &["bzpopmin", "bzpopmax"]) {
        scores_rewritten(ours, |index| index == 2)
    } else if is(call, &["zpopmin", "zpopmax", "zmpop", "bzmpop"]) || gives_scores(call) {
        scores_rewritten(ours, |index| index % 2 == 1)
    } else {
        return None;
    };
    Some(theirs).filter(|theirs| theirs != ours)
}

/// Whether `WITHSCORES` is among the options: behind the bounds, or behind the counted keys.
fn gives_scores(call: &Call) -> bool {
    let counted =
        call.arguments.get(1).and_then(|count| std::str::from_utf8(count).ok()?.parse::<usize>().ok());
    let options_at = if is(call, &["zunion", "zinter", "zdiff"]) {
        counted.map_or(usize::MAX, |count| count.saturating_add(2))
    } else if is(call, &["zrandmember"]) {
        3
    } else {
        4
    };
    let is_with = |argument: &Vec<u8>| argument.eq_ignore_ascii_case(b"withscores");
    call.arguments[0].to_ascii_lowercase().starts_with(b"z")
        && call.arguments.iter().skip(options_at).any(is_with)
}

fn scores_rewritten(reply: &Reply, is_score: fn(usize) -> bool) -> Reply {
    match reply {
        Reply::Bulk(text) => Reply::Bulk(text_with_17_digits(text)),
        Reply::Array(elements) => {
            let rewritten = elements.iter().enumerate().map(|(index, element)| match element {
                Reply::Bulk(_) if !is_score(index) => element.clone(),
                element => scores_rewritten(element, is_score),
            });
            Reply::Array(rewritten.collect())
        }
        other => other.clone(),
    }
}

fn text_with_17_digits(text: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(text).expect("a score is text");
    let score: f64 = text.parse().expect("a score is a number");
    if score.is_infinite() {
        return text.as_bytes().to_vec();
    }
    let scientific = format!("{score:.16e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let plain = if (-4..17).contains(&exponent) {
        format!("{score:.*}", (16 - exponent) as usize)
    } else {
        mantissa.to_owned()
    };
    let shown = if plain.contains('.') { plain.trim_end_matches('0').trim_end_matches('.') } else { &plain };
    if (-4..17).contains(&exponent) {
        return shown.as_bytes().to_vec();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{shown}e{sign}{:02}", exponent.abs()).into_bytes()
}

#[test]
fn texts_with_17_digits() {
    let check = |text: &str, expected: &str| {
        assert_eq!(String::from_utf8(text_with_17_digits(text.as_bytes())).expect("text"), expected);
    };
    check("0", "0");
    check("0.1", "0.10000000000000001");
    check("100000000000000000", "1e+17");
    check("10000000000000000", "10000000000000000");
    check("0.0001", "0.0001");
    check("0.00001", "1.0000000000000001e-05");
    check("-2.5", "-2.5");
    check("inf", "inf");
}
