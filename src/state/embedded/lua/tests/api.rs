//! What scripts get: keys, arguments, conversions, events.

use super::{World, call, script};
use crate::script::{KeyPattern, Placeholder, Script, ScriptSet};
use crate::state::{Arguments, CallKeys, CallResult};
use std::sync::Arc;

#[test]
fn keys_and_arguments() {
    let mut world = World::new();
    assert_eq!(world.ok("return {KEYS, ARGV, #KEYS, #ARGV}"), r#"[["k1","k2"],["42","a1","a2"],2,3]"#);
}

#[test]
fn keys_of_the_room_and_a_payload() {
    let mut world = World::new();
    let pattern = |prefix: &str, placeholder, suffix: &str| KeyPattern {
        prefix: prefix.into(),
        placeholder,
        suffix: suffix.into(),
    };
    let mut call = call("return {KEYS, ARGV}", CallKeys::FromRoom, &[]);
    call.arguments = Arguments::Payload(b"{\"x\":1}".as_slice().into());
    let script: &mut Script = Arc::get_mut(&mut call.script).unwrap();
    script.header.keys = vec![
        pattern("game:", Some(Placeholder::Room), ""),
        pattern("game:", Some(Placeholder::New), ":players"),
        pattern("all", None, ""),
    ];
    let CallResult::Ok(json) = world.call(&call) else { panic!() };
    assert_eq!(json, r#"[["game:r1","game:r1:players","all"],["42","{\"x\":1}"]]"#);
    world.room = None;
    let CallResult::Err(error) = world.call(&call) else { panic!() };
    assert_eq!(&*error.message, "the script's keys need a room, and this call is in none");
}

#[test]
fn results_as_redis_would_answer() {
    let mut world = World::new();
    let mut check = |script: &str, expected: &str| assert_eq!(world.ok(script), expected, "{script}");
    check("return 3.99", "3");
    check("return -3.99", "-3");
    check("return 'a\"b'", r#""a\"b""#);
    check("return true", "1");
    check("return false", "null");
    check("return nil", "null");
    check("return", "null");
    check("return {}", "[]");
    check("return {1, 'x', {2}, true, false, nil, 5}", r#"[1,"x",[2],1,null]"#);
    check("return {1, 2, x = 3}", "[1,2]");
    check("return {ok = 'FINE'}", r#""FINE""#);
    check("return redis.status_reply('FINE')", r#""FINE""#);
    check("return {1, {err = 'bad'}}", r#"[1,"bad"]"#);
    check("return {double = 3.5}", r#""3.5""#);
    check("return '\\255'", "\"\u{fffd}\"");
    check("return 0/0", "-9223372036854775808");
    check("return tostring", "null");
}

#[test]
fn errors_on_purpose() {
    let mut world = World::new();
    let mut check = |script: &str, code: &str, message: &str, details: Option<&str>, is_fault: bool| {
        let error = world.run(script).unwrap_err();
        assert_eq!((&*error.code, &*error.message), (code, message), "{script}");
        assert_eq!((error.details.as_deref(), error.is_fault), (details, is_fault), "{script}");
    };
    check("return {err = 'Lobby is full'}", "script_error", "Lobby is full", None, false);
    check("return redis.error_reply('Lobby is full')", "script_error", "Lobby is full", None, false);
    check("return redis.error_reply('Full')", "script_error", "ERR Full", None, false);
    check("godra.error('too_fast', 'Slow down')", "too_fast", "Slow down", None, false);
    let script = "godra.error('too_fast', 'Slow down', {x = 1})";
    check(script, "too_fast", "Slow down", Some(r#"{"x":1}"#), false);
    check("\n\nerror('x')", "script_error", "test.lua:3: x", None, true);
    check("error('x', 0)", "script_error", "test.lua:1: x", None, true);
    check("error()", "script_error", "test.lua:1: (error object is a nil value)", None, true);
    check("error({})", "script_error", "test.lua:1: (error object is a table value)", None, true);
    check("error({err = 'x'})", "script_error", "test.lua:1: x", None, true);
    check(
        "local t = nil\nlocal function f() return t.x end\nreturn f()",
        "script_error",
        "test.lua:2: attempt to index upvalue 't' (a nil value)",
        None,
        true,
    );
    check(
        "redis.call('SET', 'k', 'v')\nredis.call('LPUSH', 'k', 'v')",
        "script_error",
        "test.lua:2: WRONGTYPE Operation against a key holding the wrong kind of value",
        None,
        true,
    );
    check("x = = 1", "script_error", "test.lua:1: unexpected symbol near '='", None, true);
}

#[test]
fn a_coded_error_can_be_caught() {
    let mut world = World::new();
    let script = "local ok, e = pcall(godra.error, 'c', 'm', 5) return {ok, e.code, e.message, e.details}";
    assert_eq!(world.ok(script), r#"[null,"c","m",5]"#);
}

#[test]
fn commands() {
    let mut world = World::new();
    let mut check = |script: &str, expected: &str| assert_eq!(world.ok(script), expected, "{script}");
    check("return redis.call('SET', KEYS[1], 0.1)", r#""OK""#);
    check("return redis.call('get', KEYS[1])", r#""0.10000000000000001""#);
    check("return redis.call('GET', 'none') == false", "1");
    check("return redis.call('SET', 'n', 1e3).ok", r#""OK""#);
    check("return redis.call('INCR', 'n') + 1", "1002");
    check(
        "redis.call('HSET', 'h', 'a', 1, 'b', 2) return redis.call('HMGET', 'h', 'a', 'x', 'b')",
        r#"["1",null,"2"]"#,
    );
    check(
        "return redis.pcall('LPUSH', 'n', 1).err",
        r#""WRONGTYPE Operation against a key holding the wrong kind of value""#,
    );
    check("return {pcall(redis.call, 'nope')}", "[null,\"ERR Unknown Redis command called from script\"]");
    check(
        "return {pcall(redis.call)}",
        "[null,\"ERR Please specify at least one argument for this redis lib call\"]",
    );
    check(
        "return {pcall(redis.call, 'SET', {}, 1)}",
        "[null,\"ERR Lua redis lib command arguments must be strings or integers\"]",
    );
    check(
        "return redis.call('RPUSH', 'l', unpack({1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20}))",
        "20",
    );
    check("return redis.call('LRANGE', 'l', -2, -1)", r#"["19","20"]"#);
    check("return redis.call('TIME')", r#"["1700000000","123000"]"#);
    check("return redis.sha1hex('')", r#""da39a3ee5e6b4b0d3255bfef95601890afd80709""#);
}

#[test]
fn circumstances() {
    let mut world = World::new();
    let script = "return {godra.user.id, godra.user.name, godra.user.role, godra.room, tostring(godra.now)}";
    assert_eq!(world.ok(script), r#"["42","Ann","player","r1","1700000000123"]"#);
    assert_eq!(world.ok("godra.user.id = 'x' return godra.user.id"), r#""x""#);
    assert_eq!(world.ok("return godra.user.id"), r#""42""#);
    assert_eq!(world.ok("return godra.nothing == nil"), "1");
    world.room = None;
    assert_eq!(world.ok("return godra.room == nil"), "1");
}

#[test]
fn events() {
    let mut world = World::new();
    world.ok("godra.publish('moved', {x = 1}) godra.publish('quiet')");
    assert_eq!(
        world.published(),
        r#"{"type":"moved","payload":{"x":1},"seq":1},{"type":"quiet","payload":null,"seq":2}"#
    );
    let script = r#"return redis.call('PUBLISH', 'game_updates:game:r1', '{"type":"t","payload":1}')"#;
    assert_eq!(world.ok(script), "1");
    assert_eq!(world.published(), r#"{"type":"t","payload":1,"seq":3}"#);
    assert_eq!(world.ok("return redis.call('publish', 'elsewhere', 'x')"), "0");
    assert_eq!(
        world.fails("redis.call('PUBLISH', 'game_updates:game:r1', 'x')"),
        "test.lua:1: ERR an event must be a JSON object"
    );
    world.ok("redis.call('PUBLISH', 'game_updates:game:other', '{\"type\":\"t\"}')");
    let events = world.events();
    assert_eq!((events[0].room.as_str(), events[0].first_seq), ("other", 1));
    world.ok("godra.send('7', 'hint', 'left')");
    let events = world.events();
    assert_eq!(&*events[0].direct[0].0, "7");
    assert_eq!(events[0].direct[0].1, r#"{"type":"hint","payload":"left"}"#);
    assert!(events[0].ends.is_empty());
}

#[test]
fn what_a_failed_call_published_and_wrote_stays() {
    let mut world = World::new();
    world.fails("redis.call('SET', 'k', 'v') godra.publish('a') error('x')");
    assert_eq!(world.published(), r#"{"type":"a","payload":null,"seq":1}"#);
    assert_eq!(world.ok("return redis.call('GET', 'k')"), r#""v""#);
}

#[test]
fn the_types_of_the_servers_own_messages_are_refused() {
    let mut world = World::new();
    let refused = "welcome, reply, error, batch and snapshot are the server's own types";
    assert_eq!(world.fails("godra.publish('welcome')"), format!("test.lua:1: {refused}"));
    assert_eq!(world.fails("godra.send('7', 'error')"), format!("test.lua:1: {refused}"));
    let ready = "redis.call('PUBLISH', 'game_updates:game:r1', '{\"type\":\"batch\"}')";
    assert_eq!(world.fails(ready), format!("test.lua:1: ERR {refused}"));
    assert!(world.events().is_empty());
}

#[test]
fn publishing_needs_a_room() {
    let mut world = World::new();
    world.room = None;
    let expected = "test.lua:1: godra.publish needs a room, and this call is in none";
    assert_eq!(world.fails("godra.publish('x')"), expected);
}

#[test]
fn a_flush_begins_a_new_history() {
    let mut world = World::new();
    world.ok("godra.publish('a') redis.call('FLUSHALL') godra.publish('b')");
    let events = world.events();
    assert_eq!(events.len(), 2);
    assert_ne!(events[0].epoch, events[1].epoch);
}

#[test]
fn random_numbers_follow_the_seed_of_the_call() {
    let mut world = World::new();
    let script = "return {math.random(1000000), math.random(1000000)}";
    let first = world.ok(script);
    assert_eq!(world.ok(script), first);
    world.seed = 2;
    assert_ne!(world.ok(script), first);
    assert_eq!(
        world.ok("math.randomseed(5) local a = math.random() math.randomseed(5) return a == math.random()"),
        "1"
    );
}

#[test]
fn old_versions_of_scripts_are_forgotten() {
    let mut world = World::new();
    let set = |script: &Arc<Script>| ScriptSet {
        scripts: [(script.name.clone(), script.clone())].into(),
        generation: 1,
    };
    let waiting = call("return 'waiting'", CallKeys::Resolved(Vec::new()), &[]);
    world.interpreter.prepare(&set(&waiting.script));
    let mut resting = 0;
    for version in 0..100 {
        world.interpreter.prepare(&set(&script(&format!("return {version}"))));
        assert_eq!(world.interpreter.compiled(), 2, "the newest, and the one that a call holds");
        if version == 10 {
            resting = world.interpreter.used_bytes();
        }
    }
    assert!(world.interpreter.used_bytes() < resting + 1024);
    let CallResult::Ok(json) = world.call(&waiting) else { panic!() };
    assert_eq!(json, r#""waiting""#);
    drop(waiting);
    world.interpreter.prepare(&set(&script("return 100")));
    assert_eq!(world.interpreter.compiled(), 1);
}
