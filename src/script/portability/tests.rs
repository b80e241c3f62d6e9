use super::*;

fn commands(name: &str, arguments: usize) -> Command {
    match name {
        "GET" | "HSET" | "INCR" => Command::Known(vec![1]),
        "DEL" => Command::Known((1..arguments).collect()),
        "PUBLISH" => Command::Known(Vec::new()),
        "KEYS" => Command::LooksAtAllKeys,
        "SUBSCRIBE" => Command::NotForScripts,
        _ => Command::Unknown,
    }
}

/// `expected`: line and a part of the message of each finding.
#[track_caller]
fn check(text: &str, expected: &[(usize, &str)]) {
    let found = findings(text, commands);
    let fits = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(found, expected)| found.0 == expected.0 && found.1.contains(expected.1));
    assert!(fits, "{text:?}: {found:?}, not {expected:?}");
}

#[test]
fn commands_that_scripts_cannot_call() {
    check("redis.call('GET', KEYS[1])", &[]);
    check("redis.call('NOPE', KEYS[1])", &[(1, "no command NOPE")]);
    check("\nredis.pcall(\"SUBSCRIBE\", 'a')", &[(2, "may not call SUBSCRIBE")]);
    check("redis.call('KEYS', '*')", &[(1, "the keys of all rooms")]);
    check("-- redis.call('NOPE')\nlocal text = \"redis.call('NOPE')\"", &[]);
    check("local name = 'NOPE' redis.call(name)", &[]);
    check("redis.call('NO' .. 'PE')", &[]);
    check("redis.call()", &[]);
    check("local c = redis.call", &[]);
    check("redis.call(unpack or table.unpack)", &[]);
}

#[test]
fn keys_that_are_not_declared() {
    let message = "not one of KEYS";
    check("redis.call('GET', 'mine')", &[(1, message)]);
    check("redis.call('GET',\n  'mine:' .. ARGV[1])", &[(2, message)]);
    check("redis.call('GET', KEYS[1] .. ':more')", &[(1, message)]);
    check("redis.call('DEL', KEYS[1], 'b', KEYS[2])", &[(1, message)]);
    check("local key = 'a:' .. ARGV[1]\nredis.call('GET', key)", &[(2, message)]);
    check("local key = KEYS[1]\nredis.call('GET', key)", &[]);
    check("local key = 'a' key = KEYS[1]\nredis.call('GET', key)", &[]);
    check("local key = ARGV[1] == 'x' and KEYS[1] or KEYS[2]\nredis.call('GET', key)", &[]);
    check("redis.call('HSET', KEYS[1], 'field', 'value:' .. 1)", &[]);
    check("redis.call('PUBLISH', 'game_updates:' .. KEYS[1], 'x')", &[]);
    check("for i = 1, 6 do redis.call('DEL', KEYS[i]) end", &[]);
    check("redis.call('GET', f('a' .. 'b'))", &[]);
    check("t.key = 'a'\nlocal key = t.key redis.call('GET', key)", &[]);
}

#[test]
fn two_kinds_of_lua() {
    check("return unpack(t)", &[(1, "table.unpack in Lua 5.4")]);
    check("local unpack = unpack or table.unpack\nreturn unpack(t)", &[]);
    check("local unpack = table.unpack or unpack\nreturn unpack(t)", &[]);
    check("struct.unpack('<d', x)\ncmsgpack.unpack(x)", &[]);
    check("loadstring('x')\nsetfenv(1, {})", &[(1, "loadstring"), (2, "setfenv")]);
    check("table.getn(t)\nmath.pow(1, 2)\nx.table.getn = 1", &[(1, "use #"), (2, "use ^")]);
    check("os.clock()\nos.time()", &[(1, "godra.now"), (2, "godra.now")]);
    check("redis.call('HSET', KEYS[1], 'a', x / 2)", &[(1, "2.0 by Lua 5.4")]);
    check("redis.call('HSET', KEYS[1], 'a', math.floor(x / 2))\nlocal y = x / 2", &[]);
    check("redis.call('HSET', KEYS[1], 'a', struct.pack('<d', x / 2))", &[]);
}

#[test]
fn loops_without_an_end() {
    let message = "no end";
    check("while true do f() end", &[(1, message)]);
    check("\nwhile 1 do\n  if x then y() end\nend", &[(2, message)]);
    check("repeat f() until false", &[(1, message)]);
    check("repeat f() until nil", &[(1, message)]);
    check("while true do if x then break end end", &[]);
    check("while true do if x then return end end", &[]);
    check("while true do if x then godra.error('a', 'b') end end", &[]);
    check("while true do if x then error('a') end end", &[]);
    check("repeat if x then break end until false", &[]);
    check("repeat f() until x", &[]);
    check("repeat f() until false or x", &[]);
    check("while x do f() end", &[]);
    check("while true and x do f() end", &[]);
    check("while true do for i = 1, 2 do break end end", &[(1, message)]);
    check("while true do local f = function() return 1 end end", &[(1, message)]);
    check("local f = function() while true do f() end end", &[(1, message)]);
    check("do while true do do break end end end", &[]);
    check("while true do t.error = 1 end", &[(1, message)]);
}
