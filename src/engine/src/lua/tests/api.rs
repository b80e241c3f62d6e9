//! What scripts get: keys, arguments, conversions.

use std::sync::Arc;

use std::time::Duration;

use super::super::{Keys, ScriptError};
use super::World;

#[test]
fn keys_and_arguments() {
    let mut world = World::new();
    assert_eq!(world.ok("return {KEYS, ARGV, #KEYS, #ARGV}"), r#"[["k1","k2"],["42","a1","a2"],2,3]"#);
}

#[test]
fn shared_keys() {
    let mut world = World::new();
    let script = world.interpreter.compile("test", "return KEYS").unwrap();
    let mut check = |keys: &Arc<[Box<str>]>, expected: &str| {
        for _ in 0..2 {
            assert_eq!(world.call(&script, Keys::Shared(keys), &[]).unwrap(), expected);
        }
    };
    let three: Arc<[Box<str>]> = ["a".into(), "b".into(), "c".into()].into();
    let one: Arc<[Box<str>]> = ["d".into()].into();
    check(&three, r#"["a","b","c"]"#);
    check(&one, r#"["d"]"#);
    check(&three, r#"["a","b","c"]"#);
    check(&[].into(), "[]");
}

#[test]
fn what_a_script_does_to_its_keys_ends_with_the_call() {
    let mut world = World::new();
    let script = world.interpreter.compile("test", "KEYS[1] = KEYS[1] .. 'x' return KEYS[1]").unwrap();
    let keys: Arc<[Box<str>]> = ["a".into()].into();
    for _ in 0..3 {
        assert_eq!(world.call(&script, Keys::Shared(&keys), &[]).unwrap(), r#""ax""#);
    }
}

#[test]
fn without_a_wish_for_its_result_a_script_gives_null_or_its_error() {
    let mut world = World::new();
    let mut run = |text: &str| {
        let script = world.interpreter.compile("test", text).unwrap();
        world.run_for_nothing(&script)
    };
    assert_eq!(run("return {1, 2}").unwrap(), "null");
    assert_eq!(run("return 'x'").unwrap(), "null");
    assert_eq!(run("return {err = 'Full'}"), Err(ScriptError::Refusal("Full".into())));
}

#[test]
fn forgotten_scripts_give_their_memory_back() {
    let mut world = World::new();
    world.ok("return 0");
    world.interpreter.rest();
    let resting = world.interpreter.used_bytes();
    for version in 0..100 {
        world.ok(&format!("return {version}"));
    }
    world.interpreter.rest();
    assert!(world.interpreter.used_bytes() < resting + 1024);
}

#[test]
fn nobody_hears_a_message() {
    assert_eq!(World::new().ok("return redis.call('PUBLISH', 'channel', 'x')"), "0");
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
fn results_have_a_depth_and_a_size() {
    let mut world = World::with_budgets(Duration::from_secs(5), 64 << 20);
    let nested = |levels: usize| {
        format!("local value = 1 for _ = 1, {levels} do value = {{ value }} end return value")
    };
    assert_eq!(world.ok(&nested(48)), format!("{}1{}", "[".repeat(48), "]".repeat(48)));
    let mut fails = |script: &str, expected: &str| {
        let Err(ScriptError::Fault(message)) = world.run(script) else { panic!("{script}") };
        assert!(message.ends_with(expected), "{script}: {message}");
    };
    fails(&nested(49), "a result has at most 48 levels of arrays");
    fails("local value = {} value[1] = value return value", "a result has at most 48 levels of arrays");
    let large = |count: usize| format!("return {{ ('x'):rep(8388600), ('x'):rep({count}) }}");
    fails(&large(8_388_620), "a result has at most 16777216 bytes");
    assert_eq!(world.ok(&large(8_388_600)).len(), 2 * 8_388_602 + 3);
}

#[test]
fn errors() {
    let mut world = World::new();
    let mut check = |script: &str, expected: ScriptError| {
        assert_eq!(world.run(script), Err(expected), "{script}");
    };
    let refusal = |text: &str| ScriptError::Refusal(text.into());
    check("return {err = 'Lobby is full'}", refusal("Lobby is full"));
    check("return redis.error_reply('Lobby is full')", refusal("Lobby is full"));
    check("return redis.error_reply('Full')", refusal("ERR Full"));
    let fault = |text: &str| ScriptError::Fault(text.into());
    check("\n\nerror('x')", fault("test.lua:3: x"));
    check("error('x', 0)", fault("test.lua:1: x"));
    check("error()", fault("test.lua:1: (error object is a nil value)"));
    check("error({})", fault("test.lua:1: (error object is a table value)"));
    check("error({err = 'x'})", fault("test.lua:1: x"));
    check(
        "local t = nil\nlocal function f() return t.x end\nreturn f()",
        fault("test.lua:2: attempt to index upvalue 't' (a nil value)"),
    );
    check(
        "redis.call('SET', 'k', 'v')\nredis.call('LPUSH', 'k', 'v')",
        fault("test.lua:2: WRONGTYPE Operation against a key holding the wrong kind of value"),
    );
    check("x = = 1", fault("test.lua:1: unexpected symbol near '='"));
}

#[test]
fn commands() {
    let mut world = World::new();
    let mut check = |script: &str, expected: &str| assert_eq!(world.ok(script), expected, "{script}");
    check("return redis.call('SET', KEYS[1], 0.1)", r#""OK""#);
    check("return redis.call('get', KEYS[1])", r#""0.1""#);
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
    check("return {pcall(redis.call, 'nope')}", "[null,\"ERR Unknown command called from script\"]");
    check("return {pcall(redis.call)}", "[null,\"ERR Please specify at least one argument for this call\"]");
    check(
        "return {pcall(redis.call, 'SET', {}, 1)}",
        "[null,\"ERR Command arguments must be strings or integers\"]",
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

/// Picks of every kind, and a random number behind them.
const PICKS: &str = "local c, s = redis.call, {}
    for _, n in ipairs({1, 3, -4, 600, -600}) do
        s[#s + 1] = table.concat(c('SRANDMEMBER', 's', n), ' ')
        s[#s + 1] = table.concat(c('HRANDFIELD', 'h', n, 'WITHVALUES'), ' ')
        s[#s + 1] = table.concat(c('ZRANDMEMBER', 'z', n, 'WITHSCORES'), ' ')
    end
    s[#s + 1] = c('SRANDMEMBER', 's') .. c('HRANDFIELD', 'h') .. c('ZRANDMEMBER', 'z') .. c('SPOP', 's') .. c('RANDOMKEY')
    s[#s + 1] = table.concat(c('SPOP', 's', 5), ' ') .. math.random(1000000)
    return table.concat(s, ',')";

fn filled(world: &mut World, from: i32, to: i32, step: i32) {
    world.ok(&format!(
        "for i = {from}, {to}, {step} do redis.call('SADD', 's', i) redis.call('HSET', 'h', i, 'v' .. i)
            redis.call('ZADD', 'z', i % 7, i) end"
    ));
}

#[test]
fn picks_follow_the_seed_of_the_call() {
    for members in [40, 1000] {
        let (mut one, mut other) = (World::new(), World::new());
        filled(&mut one, 1, members, 1);
        filled(&mut other, 1, members, 1);
        let picked = one.ok(PICKS);
        assert_eq!(other.ok(PICKS), picked, "of {members}");
        filled(&mut one, 1, members, 1);
        one.seed = 2;
        assert_ne!(one.ok(PICKS), picked, "of {members}");
    }
}

#[test]
fn picks_of_few_members_hang_on_nothing_but_members_and_seed() {
    let (mut up, mut down) = (World::new(), World::new());
    filled(&mut up, 1, 40, 1);
    filled(&mut down, 40, 1, -1);
    let pick = "local c = redis.call return {c('SRANDMEMBER', 's', 9), c('HRANDFIELD', 'h', -9), c('ZRANDMEMBER', 'z', 9),
        c('SPOP', 's', 9), c('SPOP', 's'), math.random(100000)}";
    assert_eq!(up.ok(pick), down.ok(pick));
}

#[test]
fn picks_are_different_ones_and_reach_every_member() {
    let mut world = World::new();
    world.ok("for i = 1, 512 do redis.call('SADD', 's', i) end");
    let distinct = "local seen, n = {}, 0
        for _, member in ipairs(redis.call('SRANDMEMBER', 's', 512)) do
            if not seen[member] then n = n + 1 end
            seen[member] = true
        end
        return n";
    assert_eq!(world.ok(distinct), "512");
    assert_eq!(world.ok("return #redis.call('SPOP', 's', 600)"), "512");
    assert_eq!(world.ok("return redis.call('EXISTS', 's')"), "0");
}
