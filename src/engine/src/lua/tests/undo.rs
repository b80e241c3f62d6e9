//! All or nothing: what a failing call leaves behind.

use std::time::Duration;

use super::super::{Call, Extension, Function, Library};
use super::*;

const SET_UP: &str = r#"
    redis.call("SET", "text", "before", "PX", 5000)
    redis.call("HSET", "hash", "a", 1, "b", 2)
    redis.call("RPUSH", "list", 1, 2, 3)
    return redis.call("ZADD", "ranks", 1, "x", 2, "y")
"#;

const WRITES: &str = r#"
    redis.call("SET", "text", "after")
    redis.call("PERSIST", "text")
    redis.call("HSET", "hash", "b", 3, "c", 4)
    redis.call("HDEL", "hash", "a")
    redis.call("LPUSH", "list", 0)
    redis.call("DEL", "ranks")
    redis.call("SADD", "new", "member")
"#;

const LOOK: &str = r#"
    return {redis.call("GET", "text"), redis.call("PTTL", "text"), redis.call("HGETALL", "hash"),
        redis.call("LRANGE", "list", 0, -1), redis.call("ZRANGE", "ranks", 0, -1, "WITHSCORES"), redis.call("KEYS", "*")}
"#;

/// The call writes and then ends like this: nothing has changed.
#[track_caller]
fn check_undone(world: &mut World, ending: &str) {
    let before = world.ok(LOOK);
    world.fails(&format!("{WRITES}\n{ending}"));
    assert_eq!(world.ok(LOOK), before, "{ending}");
}

#[test]
fn every_failure_undoes_what_was_written() {
    let mut world = World::with_budgets(Duration::from_millis(100), 4 << 20);
    world.ok(SET_UP);
    for ending in [
        "error('no')",
        "error({code = 'no'})",
        "redis.call('INCR', 'text')",
        "redis.call('NOSUCH')",
        "return redis.error_reply('no')",
        "return {err = 'no'}",
        "local t = nil; return t.x",
        "local t = {}; for i = 1, 100 do t = {t} end; for i = 1, 20 do t[2] = t; end; return t",
        "while true do end",
        "while true do pcall(error) end",
        "local t = {}; for i = 1, 1e9 do t[i] = {} end",
        "for i = 1, 1e9 do redis.call('HSET', 'hash', i, i) end",
        "for i = 1, 1e9 do redis.call('SET', 'new', i); redis.call('DEL', 'new') end",
    ] {
        check_undone(&mut world, ending);
    }
}

#[test]
fn an_error_that_is_caught_is_no_failure() {
    let mut world = World::new();
    world.ok(SET_UP);
    world.ok(&format!(
        "{WRITES}\nredis.pcall('INCR', 'text')\npcall(error, 'no')\npcall(redis.call, 'INCR', 'text')"
    ));
    let after = world.ok(LOOK);
    assert!(after.starts_with(r#"["after",-1,["#), "{after}");
}

#[test]
fn without_it_what_is_written_stays() {
    let mut world = World::new();
    world.ok(SET_UP);
    world.is_atomic = false;
    world.fails(&format!("{WRITES}\nerror('no')"));
    assert!(world.ok(LOOK).starts_with(r#"["after",-1,["#));
}

/// What it takes to undo a call is memory that the call uses.
#[test]
fn a_call_that_changes_too_much_to_be_undone_fails() {
    let mut world = World::with_budgets(Duration::from_secs(20), 1 << 20);
    world.ok(SET_UP);
    let before = world.ok(LOOK);
    let text = "local long = string.rep('x', 1e5); for i = 1, 1000 do redis.pcall('HSET', 'hash', 'a', long .. i) end";
    let error = world.fails(text);
    assert!(error.contains("more than 1024 KiB of memory"), "{error}");
    assert_eq!(world.ok(LOOK), before);
    world.is_atomic = false;
    world.ok(text);
}

struct Broken;

impl Extension for Broken {
    fn library(&self) -> Option<Library> {
        let panics = |_: &Self, _: &Call<'_>| panic!("as the test wants it");
        Some(Library {
            name: c"broken",
            functions: vec![Function::new(c"panic", panics)],
            kept_fields: vec![],
            text: None,
        })
    }
}

#[test]
fn a_panic_undoes_what_was_written() {
    let mut world = World::with_extension(Rc::new(Broken));
    world.ok(SET_UP);
    let before = world.ok(LOOK);
    let text = format!("{WRITES}\nbroken.panic()");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run(&text)));
    assert!(panicked.is_err());
    world.interpreter.rebuild();
    assert_eq!(world.ok(LOOK), before);
}
