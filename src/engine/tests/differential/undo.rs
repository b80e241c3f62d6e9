//! All or nothing: whatever commands a call has run when it fails, the keyspace is as before, to the order of every entry.

use std::collections::BTreeSet;

use godra_engine::commands::{self, MAX_ORDERED};
use godra_engine::keyspace::{Context, Keyspace, Value};
use godra_engine::reply::ReplyBuffer;
use godra_engine::{SplitMix, commands::flags};

use super::from_environment;
use super::generator::Generator;
use super::server::{Client, Product, Reply, StoreServer};
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
        assert_eq!(self.keyspace.used_bytes(), self.keyspace.recount(), "{call}");
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
    let used_before = store.keyspace.used_bytes();
    store.keyspace.begin();
    calls.iter().for_each(|call| drop(store.run(call)));
    store.keyspace.undo();
    let lines = || calls.iter().map(Call::to_string).collect::<Vec<_>>().join("\n");
    assert_eq!(store.snapshot(), before, "{place}\n{}", lines());
    assert_eq!(store.changed_keys(), changes, "{place}\n{}", lines());
    assert_eq!(store.keyspace.undo_bytes(), 0);
    let used = store.keyspace.used_bytes();
    assert_eq!(used, store.keyspace.recount(), "{place}\n{}", lines());
    // Tables that the call has made larger may keep some room.
    assert!(used <= used_before * 2 + 8192, "{place}: {used_before}, then {used}\n{}", lines());
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
    assert_eq!(store.keyspace.used_bytes(), store.keyspace.recount(), "seed {seed}");
    assert!(store.keyspace.iterate().all(|(_, _, end)| end.is_none()), "seed {seed}: miscounted ends");
    let left: Vec<Vec<u8>> = store.keyspace.iterate().map(|(key, _, _)| key.to_vec()).collect();
    for key in left {
        store.run(&Call { arguments: vec![b"del".to_vec(), key], way: Way::Script });
    }
    let empty = store.keyspace.used_bytes();
    assert!(empty <= 8192, "seed {seed}: {empty} bytes for nothing but the keys' table");
    store.run(&flush());
    assert_eq!(store.keyspace.used_bytes(), 0, "seed {seed}");
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

/// What undoes a call in Redis, and one call of it: `ARGV` is the ending, and behind the seed, which is the fifth, for each
/// command the number of its arguments and these. Gives its commands' replies where the ending is `show`.
pub fn program() -> String {
    let reads: Vec<&str> = commands::names()
        .filter(|name| commands::find(name.as_bytes()).is_some_and(|command| !command.is_write()))
        .collect();
    let parts = [
        include_str!("../../../state/redis/random.lua"),
        include_str!("../../../state/redis/picks.lua"),
        include_str!("../../../state/redis/undo.lua"),
    ];
    let run = r#"
        number = 1
        local at, is_undone, replies = 6, ARGV[1] == "undo", {}
        while at <= #ARGV do
            local last = at + ARGV[at]
            local ok, problem = pcall(atomic_commands.pcall, unpack(ARGV, at + 1, last))
            if not ok and not problem.err then return problem end
            replies[#replies + 1] = problem
            at = last + 1
        end
        if is_undone then undo_changes() else keep_changes() end
        return ARGV[1] == "show" and replies or "OK"
    "#;
    let constants = format!(
        "local OWN_KEYS, READS, MAX_ORDERED = 'godra:', {:?}, {MAX_ORDERED}",
        format!(" {} ", reads.join(" "))
    );
    format!("{constants}\n{}\n{run}", parts.concat())
}

/// A real Redis, with calls that run as in the server.
struct RealStore {
    client: Client,
    program: Vec<u8>,
}

impl RealStore {
    fn new(server: &StoreServer) -> Self {
        let mut store = Self { client: server.connect(), program: program().into_bytes() };
        store.ask(&[b"FLUSHALL"]);
        store
    }

    fn ask(&mut self, arguments: &[&[u8]]) -> Reply {
        self.client.call(&arguments.iter().map(|argument| argument.to_vec()).collect::<Vec<_>>())
    }

    fn call(&mut self, calls: &[Call], ending: &str) {
        let mut eval = vec![b"EVAL".to_vec(), self.program.clone(), b"0".to_vec(), ending.into()];
        eval.extend(["", "", "", "1"].map(Into::into));
        for call in calls {
            eval.push(call.arguments.len().to_string().into());
            eval.extend_from_slice(&call.arguments);
        }
        let reply = self.client.call(&eval);
        assert_eq!(reply, Reply::Bulk(b"OK".to_vec()), "{calls:?}");
    }

    /// Everything that a script can rely on: values, ends, and the order where there is one.
    fn snapshot(&mut self) -> Vec<String> {
        let Reply::Array(mut keys) = self.ask(&[b"KEYS", b"*"]) else { panic!("KEYS gave no list") };
        keys.sort();
        let shown = |key: Reply| {
            let Reply::Bulk(key) = key else { panic!("KEYS gave {key:?}") };
            format!("{}: {}", key.escape_ascii(), self.shown(&key))
        };
        keys.into_iter().map(shown).collect()
    }

    fn shown(&mut self, key: &[u8]) -> String {
        let end = match self.ask(&[b"PEXPIRETIME", key]) {
            // Lua's numbers are not fine enough for it.
            Reply::Integer(end) if end > 1 << 53 => Reply::Status("far away".to_owned()),
            end => end,
        };
        let Reply::Status(kind) = self.ask(&[b"TYPE", key]) else { panic!("TYPE of {key:?}") };
        let (value, width) = match kind.as_str() {
            "string" => (self.ask(&[b"GET", key]), 0),
            "hash" => (self.ask(&[b"HGETALL", key]), 2),
            "set" => (self.ask(&[b"SMEMBERS", key]), 1),
            "zset" => (self.ask(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]), 0),
            "list" => (self.ask(&[b"LRANGE", key, b"0", b"-1"]), 0),
            _ => panic!("{key:?} is a {kind}"),
        };
        let value = match value {
            Reply::Array(elements) if width > 0 => {
                let mut entries: Vec<&[Reply]> = elements.chunks(width).collect();
                entries.sort();
                format!("{entries:?}")
            }
            // Redis keeps the sign of a zero or not, as it happens to store a sorted set.
            Reply::Array(elements) if kind == "zset" => {
                let zero = Reply::Bulk(b"-0".to_vec());
                let unsigned = |element| if element == zero { Reply::Bulk(b"0".to_vec()) } else { element };
                format!("{:?}", elements.into_iter().map(unsigned).collect::<Vec<_>>())
            }
            other => format!("{other:?}"),
        };
        format!("{kind} until {end:?}: {value}")
    }
}

#[test]
fn a_failing_call_changes_nothing_in_valkey_9() {
    let undone = undo_in(Product::Valkey9, 100_000);
    let missing: Vec<&str> = commands::names()
        .filter(|name| commands::find(name.as_bytes()).is_some_and(commands::Command::is_write))
        .filter(|name| !undone.contains(name) && !name.starts_with("flush"))
        .collect();
    let is_whole = std::env::var_os("GODRA_DIFFERENTIAL_CALLS").is_none();
    assert!(!is_whole || missing.is_empty(), "never seen to change anything: {missing:?}");
}

#[test]
fn a_failing_call_changes_nothing_in_redis_7() {
    undo_in(Product::Redis7, 40_000);
}

/// Has calls fail, and work; the commands that were alone in one that changed something.
fn undo_in(product: Product, default_calls: u64) -> BTreeSet<&'static str> {
    let server = StoreServer::start(product);
    let mut undone: BTreeSet<&str> = BTreeSet::new();
    let first_seed = from_environment("GODRA_DIFFERENTIAL_SEED", 1);
    let rounds = from_environment("GODRA_DIFFERENTIAL_CALLS", default_calls) / 1000;
    for seed in first_seed..first_seed + rounds {
        let (mut generator, mut random) = (Generator::new(seed), SplitMix(seed));
        let mut store = RealStore::new(&server);
        for number in 0..100 {
            let count = if number % 2 == 0 { 1 } else { random.below(10) };
            let calls: Vec<Call> = (0..count).map(|_| generator.call()).collect();
            let before = store.snapshot();
            store.call(&calls, "undo");
            let lines = || calls.iter().map(Call::to_string).collect::<Vec<_>>().join("\n");
            let after = store.snapshot();
            let changed: Vec<_> = before.iter().filter(|key| !after.contains(key)).collect();
            assert!(after == before, "seed {seed}, call {number}\n{}\n{changed:?}", lines());
            store.call(&calls, "keep");
            let after = store.snapshot();
            assert!(
                !after.iter().any(|key| key.starts_with("godra:")),
                "seed {seed}, call {number}: {after:?}"
            );
            if let ([call], true) = (&calls[..], after != before) {
                undone.extend(commands::find(&call.arguments[0]).map(|command| command.name));
            }
        }
    }
    undone
}

/// A field that was just read is not read again before it is written: only if nothing came in between.
#[test]
fn a_field_read_before_is_put_back_in_valkey_9() {
    let server = StoreServer::start(Product::Valkey9);
    let check = |calls: &[&str]| {
        let mut store = RealStore::new(&server);
        store.ask(&[b"HSET", b"h", b"f", b"1", b"g", b"2"]);
        store.ask(&[b"HSET", b"i", b"f", b"3"]);
        let before = store.snapshot();
        let call = |text: &&str| Call {
            arguments: text.split(' ').map(|argument| argument.as_bytes().to_vec()).collect(),
            way: Way::Script,
        };
        store.call(&calls.iter().map(call).collect::<Vec<_>>(), "undo");
        assert_eq!(store.snapshot(), before, "{calls:?}");
    };
    check(&["hget h f", "hset h f 9"]);
    check(&["hget h new", "hset h new 9"]);
    check(&["hget new f", "hset new f 9"]);
    check(&["hget h f", "hset h f 9", "hset h f 10"]);
    check(&["hset h f 9", "hget h f", "hset h f 10"]);
    check(&["hget h f", "hset i f 9"]);
    check(&["hget h f", "hset h g 9"]);
    check(&["hget h f", "del h", "hset h f 9"]);
    check(&["hget h f", "rename i h", "hset h f 9"]);
    check(&["hget h f", "hincrby h f 5", "hset h f 9"]);
    check(&["hget h", "hset h f 9"]);
    check(&["hget h f x", "hset h f 9"]);
}
