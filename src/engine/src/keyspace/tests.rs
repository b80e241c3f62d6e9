//! Expiry, change notes and the lists' model, through commands as a script makes them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::reply::{ReplyBuffer, Value as Answer};
use super::*;
use crate::SplitMix;

const NOW_MS: u64 = 1_000_000;

struct Store {
    keyspace: Keyspace,
    reply: ReplyBuffer,
    now_ms: u64,
}

impl Store {
    fn new(seed: u64) -> Self {
        Self { keyspace: Keyspace::new(seed), reply: ReplyBuffer::default(), now_ms: NOW_MS }
    }

    /// Runs a call written with spaces between its arguments, and gives its answer's values joined by spaces.
    fn run(&mut self, call: &str) -> String {
        let arguments: Vec<&[u8]> = call.split(' ').map(str::as_bytes).collect();
        let context = Context { now_ms: self.now_ms, from_script: true };
        self.keyspace.execute(&arguments, &context, &mut self.reply);
        let shown = |value: Answer<'_>| match value {
            Answer::Nil => "nil".to_owned(),
            Answer::Integer(number) => number.to_string(),
            Answer::Bulk(text) | Answer::Status(text) | Answer::Error(text) => {
                String::from_utf8_lossy(text).into_owned()
            }
            Answer::Array(len) => format!("[{len}]"),
        };
        self.reply.values().map(shown).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check(&mut self, call: &str, expected: &str) {
        assert_eq!(self.run(call), expected, "{call}");
    }

    fn changes(&mut self) -> (bool, BTreeSet<String>) {
        let changes = self.keyspace.take_changes();
        let name = |key: &SmallBytes| String::from_utf8_lossy(key).into_owned();
        (changes.cleared, changes.keys.iter().map(name).collect())
    }

    #[track_caller]
    fn check_changes(&mut self, expected: &[&str]) {
        let expected = expected.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(self.changes(), (false, expected));
    }
}

#[test]
fn a_key_lives_through_its_last_millisecond() {
    let mut store = Store::new(1);
    store.check("set a 1 px 100", "OK");
    store.check("pttl a", "100");
    store.now_ms += 100;
    store.check("get a", "1");
    store.check("pttl a", "0");
    store.now_ms += 1;
    for (call, expected) in [
        ("get a", "nil"),
        ("ttl a", "-2"),
        ("exists a", "0"),
        ("type a", "none"),
        ("keys *", "[0]"),
        ("scan 0", "[2] 0 [0]"),
        ("dbsize", "1"),
        ("del a", "0"),
        ("dbsize", "0"),
    ] {
        store.check(call, expected);
    }
}

#[test]
fn writers_find_nothing_left_of_an_expired_key() {
    let mut store = Store::new(1);
    for (before, call, expected) in [
        ("set a 5", "incr a", "1"),
        ("set a 5", "append a x", "1"),
        ("rpush a 5", "sadd a x", "1"),
        ("sadd a 5", "srem a 5", "0"),
        ("zadd a 1 x", "zadd a 2 y", "1"),
        ("hset a f 1", "hincrby a f 1", "1"),
        ("set a 5", "setnx a x", "1"),
        ("set a 5", "persist a", "0"),
        ("set a 5", "randomkey", "nil"),
        ("set a 5", "rename a b", "ERR no such key"),
    ] {
        store.run("flushall");
        store.run(before);
        store.check("pexpire a 10", "1");
        store.now_ms += 11;
        store.check(call, expected);
        let end = if store.run("exists a") == "1" { "-1" } else { "-2" };
        store.check("pttl a", end);
    }
}

#[test]
fn what_is_moved_onto_itself_keeps_its_end() {
    let mut store = Store::new(1);
    for (before, call, expected) in [
        ("sadd a x", "smove a a x", "1"),
        ("rpush a x", "lmove a a left right", "x"),
        ("set a x", "rename a a", "OK"),
        ("set a x", "renamenx a a", "0"),
    ] {
        store.run("del a");
        store.run(before);
        store.run("pexpire a 10");
        store.check(call, expected);
        store.check("pttl a", "10");
    }
}

#[test]
fn an_expiry_step_takes_no_more_than_its_budget_and_misses_none() {
    let mut store = Store::new(3);
    for i in 0..1_000 {
        store.run(&format!("set key{i} v"));
        if i % 3 == 0 {
            store.run(&format!("pexpire key{i} {}", 1 + i));
        }
    }
    assert_eq!(store.keyspace.expire_step(NOW_MS, 10_000), 0);
    let mut removed = 0;
    for _ in 0..=100 {
        let step = store.keyspace.expire_step(NOW_MS + 500, 10);
        assert!(step <= 10);
        removed += step;
    }
    assert_eq!(removed, (0..1_000).filter(|i| i % 3 == 0 && 1 + i < 500).count());
    while store.keyspace.expire_step(NOW_MS + 2_000, 64) > 0 {}
    store.keyspace.expire_step(NOW_MS + 2_000, usize::MAX);
    assert_eq!(store.keyspace.len(), (0..1_000).filter(|i| i % 3 != 0).count());
    assert_eq!(store.keyspace.expiring, 0);
}

#[test]
fn every_way_to_write_is_noted() {
    let mut store = Store::new(1);
    store.run("set unnoted 1");
    store.keyspace.track_changes(true);
    store.check_changes(&[]);
    store.run("set a 1");
    store.run("set a 2");
    store.run("hset h f v");
    store.run("get a");
    store.run("exists unnoted");
    store.check_changes(&["a", "h"]);
    store.check_changes(&[]);
    store.run("hset h f w");
    store.run("expire a 10");
    store.check_changes(&["a", "h"]);
    store.run("hdel h f");
    store.run("rename a b");
    store.check_changes(&["a", "b", "h"]);
    store.run("sadd s1 x");
    store.run("smove s1 s2 x");
    store.run("sunionstore s3 s2");
    store.check_changes(&["s1", "s2", "s3"]);
    store.run("persist b");
    store.check_changes(&["b"]);
    store.run("pexpire b 5");
    store.run("pexpire unnoted 5");
    store.changes();
    store.now_ms += 6;
    store.run("incr b");
    store.keyspace.expire_step(store.now_ms, 100);
    store.check_changes(&["b", "unnoted"]);
    store.keyspace.insert_value(b"loaded", Value::String(b"x".to_vec()), Some(store.now_ms + 5));
    store.check_changes(&["loaded"]);
    store.run("flushall");
    store.run("set late 1");
    assert_eq!(store.changes(), (true, BTreeSet::from(["late".to_owned()])));
    store.keyspace.track_changes(false);
    store.run("set a 3");
    store.check_changes(&[]);
}

/// Whoever replays the noted keys on a copy ends up with the same keys, values and expiry.
#[test]
fn a_copy_can_follow_the_changes() {
    let calls = [
        "set K 1",
        "append K x",
        "del K",
        "hset K f v",
        "hdel K f",
        "rpush K a b",
        "lpop K",
        "sadd K m",
        "spop K",
        "zadd K 1 m",
        "zrem K m",
        "pexpire K 20",
        "persist K",
        "rename K K2",
        "copy K K2 replace",
        "flushall",
        "setbit K 3 1",
        "lmove K K2 left right",
        "zunionstore K2 1 K",
        "bitop or K2 K",
        "sort K alpha store K2",
    ];
    for seed in 0..20 {
        let mut random = SplitMix(seed);
        let mut store = Store::new(seed);
        store.keyspace.track_changes(true);
        let mut copy: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        for step in 0..2_000 {
            let template = calls[random.below(calls.len())];
            if template == "flushall" && random.below(20) != 0 {
                continue;
            }
            let [one, two] = [random.below(6), random.below(6)];
            store.run(&template.replace("K2", &format!("k{two}")).replace('K', &format!("k{one}")));
            store.now_ms += random.below(3) as u64;
            store.keyspace.expire_step(store.now_ms, 2);
            if random.below(10) != 0 {
                continue;
            }
            let ending = store.keyspace.iterate().filter(|(_, _, end)| end.is_some()).count();
            assert_eq!(store.keyspace.expiring, ending, "seed {seed} step {step}");
            let changes = store.keyspace.take_changes();
            if changes.cleared {
                copy.clear();
            }
            for key in changes.keys {
                match store.keyspace.get(&key) {
                    Some(found) => copy.insert(key.to_vec(), format!("{found:?}")),
                    None => copy.remove(&*key),
                };
            }
            let content = store.keyspace.iterate();
            let content = content.map(|(key, value, end)| (key.to_vec(), format!("{:?}", (value, end))));
            assert_eq!(copy, content.collect(), "seed {seed} step {step}");
        }
    }
}

/// The plainest list there is.
fn model_of(list: &mut VecDeque<String>, random: &mut SplitMix) -> (String, String) {
    let element = format!("e{}", random.below(5));
    let [start, stop] = [0, 0].map(|_: i64| random.below(24) as i64 - 12);
    let len = list.len() as i64;
    let from_end = |index: i64| if index < 0 { index + len } else { index };
    let within = |index: usize| (from_end(start).max(0)..=from_end(stop)).contains(&(index as i64));
    let joined = |elements: Vec<&String>| {
        let texts = elements.iter().map(|element| format!(" {element}"));
        format!("[{}]{}", elements.len(), texts.collect::<String>())
    };
    match random.below(8) {
        0 => {
            list.push_front(element.clone());
            (format!("lpush list {element}"), list.len().to_string())
        }
        1 | 2 => {
            list.push_back(element.clone());
            (format!("rpush list {element}"), list.len().to_string())
        }
        3 => ("lpop list".to_owned(), list.pop_front().unwrap_or("nil".to_owned())),
        4 => {
            let range =
                list.iter().enumerate().filter(|(index, _)| within(*index)).map(|(_, element)| element);
            (format!("lrange list {start} {stop}"), joined(range.collect()))
        }
        5 if random.below(4) == 0 => {
            let kept = list
                .iter()
                .enumerate()
                .filter(|(index, _)| within(*index))
                .map(|(_, element)| element.clone());
            *list = kept.collect();
            (format!("ltrim list {start} {stop}"), "OK".to_owned())
        }
        6 => {
            let count = random.below(5) as i64 - 2;
            let matching: Vec<usize> = (0..list.len()).filter(|index| list[*index] == element).collect();
            let limit =
                if count == 0 { matching.len() } else { matching.len().min(count.unsigned_abs() as usize) };
            let removed = if count < 0 { &matching[matching.len() - limit..] } else { &matching[..limit] };
            removed.iter().rev().for_each(|index| {
                list.remove(*index);
            });
            (format!("lrem list {count} {element}"), limit.to_string())
        }
        _ => {
            let at = list.iter().position(|candidate| *candidate == element);
            let expected = match at {
                _ if list.is_empty() => "0".to_owned(),
                Some(at) => {
                    list.insert(at, "new".to_owned());
                    list.len().to_string()
                }
                None => "-1".to_owned(),
            };
            (format!("linsert list before {element} new"), expected)
        }
    }
}

#[test]
fn lists_behave_like_their_model() {
    for seed in 0..30 {
        let mut random = SplitMix(seed);
        let mut store = Store::new(seed);
        let mut list = VecDeque::new();
        for step in 0..3_000 {
            let (call, expected) = model_of(&mut list, &mut random);
            assert_eq!(store.run(&call), expected, "seed {seed} step {step}: {call}");
            assert_eq!(store.keyspace.len(), usize::from(!list.is_empty()), "an empty list is no key");
        }
    }
}

#[test]
fn picks_are_even() {
    let mut store = Store::new(11);
    for i in 0..10 {
        store.run(&format!("sadd s {i}"));
        store.run(&format!("set key{i} 1"));
    }
    for call in ["srandmember s", "randomkey"] {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        (0..11_000).for_each(|_| *counts.entry(store.run(call)).or_default() += 1);
        assert!(
            counts.len() >= 10 && counts.values().all(|n| (750..1_250).contains(n)),
            "{call}: {counts:?}"
        );
    }
}

#[test]
fn texts_that_scripts_see() {
    let mut store = Store::new(1);
    store.run("set s x");
    for (call, expected) in [
        ("nosuch a", "ERR Unknown command called from script"),
        ("get", "ERR Wrong number of args calling command from script"),
        ("get a b", "ERR Wrong number of args calling command from script"),
        ("auth a", "ERR This Valkey command is not allowed from script"),
        ("SUBSCRIBE a", "ERR This Valkey command is not allowed from script"),
        ("config get x", "ERR This Valkey command is not allowed from script"),
        ("GEOADD a 1 1 x", "ERR The embedded store does not have this command of Valkey"),
        ("lpush s x", "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("mset a b c", "ERR wrong number of arguments for 'mset' command"),
        ("incr s", "ERR value is not an integer or out of range"),
        ("set a b ex 0", "ERR invalid expire time in 'set' command"),
        ("setrange a 536870912 x", "ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("srandmember s -99999999", "WRONGTYPE Operation against a key holding the wrong kind of value"),
    ] {
        store.check(call, expected);
    }
    store.keyspace.execute(&[], &Context { now_ms: 0, from_script: true }, &mut store.reply);
    let text = b"ERR Please specify at least one argument for this call";
    assert!(store.reply.values().eq([Answer::Error(text)]));
}

#[test]
fn a_small_set_cannot_be_asked_for_endless_picks() {
    let mut store = Store::new(1);
    store.run("sadd s a");
    store.check("srandmember s -3", "[3] a a a");
    store.check("srandmember s -9223372036854775807", "ERR value is out of range");
}

#[test]
fn time_is_the_callers() {
    let mut store = Store::new(1);
    store.now_ms = 1_700_000_000_123;
    store.check("time", "[2] 1700000000 123000");
}
