//! All or nothing: whatever commands a call has run when it fails, the keyspace is as before, to the order of every entry.

use std::collections::BTreeSet;

use godra_engine::commands;
use godra_engine::keyspace::{Context, Keyspace, Value};
use godra_engine::reply::ReplyBuffer;
use godra_engine::{SplitMix, commands::flags};

use super::from_environment;
use super::generator::Generator;
use super::stores::{Call, Way, shown};

const START_MS: u64 = 1_700_000_000_000;

struct Store {
    keyspace: Keyspace,
    now_ms: u64,
    reply: ReplyBuffer,
}

impl Store {
    fn new(seed: u64) -> Self {
        let mut keyspace = Keyspace::new(seed);
        keyspace.track_changes(true);
        Self { keyspace, now_ms: START_MS, reply: ReplyBuffer::default() }
    }

    fn run(&mut self, call: &Call) -> String {
        let arguments: Vec<&[u8]> = call.arguments.iter().map(Vec::as_slice).collect();
        let context = Context { now_ms: self.now_ms, from_script: call.way == Way::Script };
        self.keyspace.execute(&arguments, &context, &mut self.reply);
        format!("{:?}", self.reply)
    }

    /// Everything that there is to see, in the order in which it stands.
    fn snapshot(&self) -> Vec<String> {
        let shown = |(key, value, end): (&[u8], &Value, Option<u64>)| {
            format!("{} until {end:?}: {}", key.escape_ascii(), self.shown(key, value))
        };
        self.keyspace.iterate().map(shown).collect()
    }

    /// A value, with a look at whether each part of it is found where it is.
    fn shown(&self, key: &[u8], value: &Value) -> String {
        let (found, _) = self.keyspace.get(key).expect("a key is found by its name");
        assert!(std::ptr::eq(found, value), "{} is somewhere else", key.escape_ascii());
        match value {
            Value::Hash(hash) => {
                assert!((0..hash.len()).all(|index| hash.find(&hash.at(index).key) == Some(index)));
                format!("{:?}", hash.entries())
            }
            Value::Set(set) => {
                assert!((0..set.len()).all(|index| set.find(&set.at(index).key) == Some(index)));
                format!("{:?}", set.entries())
            }
            Value::SortedSet(set) => {
                let ranked: Vec<_> = set.range(0, set.len()).collect();
                assert!(ranked.iter().enumerate().all(|(rank, (member, score))| {
                    set.rank(member) == Some(rank) && set.score(member) == Some(*score)
                }));
                format!("{:?} {ranked:?}", set.members().entries())
            }
            other => format!("{other:?}"),
        }
    }

    fn changed_keys(&mut self) -> Vec<String> {
        let changes = self.keyspace.take_changes();
        let shown = changes.keys.iter().map(|key| format!("{key:?}")).collect();
        self.keyspace.return_changes(changes);
        shown
    }
}

/// Runs the calls as one that fails.
#[track_caller]
fn check_undo(store: &mut Store, calls: &[Call], place: &str) {
    let (before, changes) = (store.snapshot(), store.changed_keys());
    store.keyspace.begin();
    calls.iter().for_each(|call| drop(store.run(call)));
    store.keyspace.undo();
    let lines = || calls.iter().map(Call::to_string).collect::<Vec<_>>().join("\n");
    assert_eq!(store.snapshot(), before, "{place}\n{}", lines());
    assert_eq!(store.changed_keys(), changes, "{place}\n{}", lines());
    assert_eq!(store.keyspace.undo_bytes(), 0);
}

fn check_round(seed: u64) {
    let (mut generator, mut random) = (Generator::new(seed), SplitMix(seed));
    let mut store = Store::new(seed);
    for call_number in 0..60 {
        // Some keys end between two calls, and nobody has taken them away.
        store.now_ms += random.below(40_000) as u64;
        let mut calls: Vec<Call> = (0..random.below(12)).map(|_| generator.call()).collect();
        if random.below(20) == 0 {
            calls.insert(random.below(calls.len() + 1), flush());
        }
        check_undo(&mut store, &calls, &format!("seed {seed}, call {call_number}"));
        if random.below(10) == 0 {
            store.keyspace.take_changes();
        }
        store.keyspace.begin();
        calls.iter().take(random.below(calls.len() + 1)).for_each(|call| drop(store.run(call)));
        store.keyspace.commit();
    }
    store.keyspace.expire_step(u64::MAX, usize::MAX);
    assert!(store.keyspace.iterate().all(|(_, _, end)| end.is_none()), "seed {seed}: miscounted ends");
}

fn flush() -> Call {
    Call { arguments: vec![b"flushall".to_vec()], way: Way::Script }
}

#[test]
fn a_failing_call_changes_nothing() {
    let first_seed = from_environment("GODRA_DIFFERENTIAL_SEED", 1);
    let rounds = from_environment("GODRA_DIFFERENTIAL_CALLS", 100_000) / 500;
    for seed in first_seed..first_seed + rounds {
        check_round(seed);
    }
}

/// A call that works leaves the same as commands that nobody could undo.
#[test]
fn a_call_that_works_changes_the_same() {
    for seed in 1..100 {
        let mut generator = Generator::new(seed);
        let (mut plain, mut atomic) = (Store::new(seed), Store::new(seed));
        for _ in 0..40 {
            atomic.keyspace.begin();
            for call in (0..8).map(|_| generator.call()) {
                assert_eq!(plain.run(&call), atomic.run(&call), "seed {seed}: {call}");
            }
            atomic.keyspace.commit();
            assert_eq!(plain.snapshot(), atomic.snapshot(), "seed {seed}");
            assert_eq!(plain.changed_keys(), atomic.changed_keys(), "seed {seed}");
        }
    }
}

/// Alone, each command that writes is undone after it has changed something.
#[test]
fn every_command_that_writes_is_undone() {
    let mut undone: BTreeSet<&str> = BTreeSet::new();
    for seed in 1..30 {
        let mut generator = Generator::new(seed);
        let mut store = Store::new(seed);
        for call in (0..400).map(|_| generator.call()).chain([flush()]) {
            let before = store.snapshot();
            store.keyspace.begin();
            store.run(&call);
            if store.snapshot() != before {
                undone.extend(commands::find(&call.arguments[0]).map(|command| command.name));
            }
            store.keyspace.undo();
            assert_eq!(store.snapshot(), before, "seed {seed}: {}", shown(&call.arguments));
            store.run(&call);
        }
    }
    let missing: Vec<&str> = commands::names()
        .filter(|name| {
            commands::find(name.as_bytes()).is_some_and(|command| command.flags & flags::WRITE != 0)
        })
        .filter(|name| !undone.contains(name) && *name != "flushdb")
        .collect();
    assert!(missing.is_empty(), "never seen to change anything: {missing:?}");
}

#[test]
fn undoing_costs_no_more_than_what_was_changed() {
    let mut store = Store::new(1);
    let call = |text: &str| Call {
        arguments: text.split(' ').map(|argument| argument.as_bytes().to_vec()).collect(),
        way: Way::Script,
    };
    for number in 0..10_000 {
        store.run(&call(&format!("hset h f{number} a-value-that-is-longer-than-22-bytes")));
        store.run(&call(&format!("zadd z {number} m{number}")));
        store.run(&call(&format!("rpush l e{number}")));
    }
    store.run(&call(&format!("set s {}", "x".repeat(1_000_000))));
    for text in [
        "hset h f1 x",
        "zadd z 7 m1",
        "lset l 5000 x",
        "linsert l before e5000 x",
        "setbit s 1000 1",
        "append s more",
        "ltrim l 0 9998",
        "set s other",
        "del h",
        "rename z s",
        "flushall",
    ] {
        store.keyspace.begin();
        store.run(&call(text));
        assert!(store.keyspace.undo_bytes() < 1000, "{text}: {} bytes", store.keyspace.undo_bytes());
        store.keyspace.undo();
    }
    // What the call itself has made need not be kept.
    store.keyspace.begin();
    for _ in 0..100 {
        store.run(&call(&format!("set new {}", "x".repeat(100_000))));
        store.run(&call(&format!("append new {}", "x".repeat(100_000))));
        store.run(&call("rename new newer"));
        store.run(&call("del newer"));
    }
    assert!(store.keyspace.undo_bytes() < 100_000, "{} bytes", store.keyspace.undo_bytes());
    store.keyspace.undo();
    assert_eq!(store.snapshot().len(), 4);
}
