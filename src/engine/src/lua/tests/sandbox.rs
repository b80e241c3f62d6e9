//! What scripts cannot reach or change.

use super::{World, extension};

#[test]
fn dangerous_globals_are_missing() {
    let mut world = World::new();
    for name in [
        "io",
        "debug",
        "package",
        "module",
        "load",
        "loadstring",
        "loadfile",
        "dofile",
        "require",
        "newproxy",
        "getfenv",
        "setfenv",
        "collectgarbage",
        "gcinfo",
        "print",
    ] {
        let expected = format!(
            "test.lua:1: Script attempted to access nonexistent global variable '{name}' (not available to game \
             scripts)"
        );
        assert_eq!(world.fails(&format!("return {name}")), expected);
        assert_eq!(world.ok(&format!("return rawget(_G, '{name}') == nil")), "1");
    }
    assert_eq!(world.ok("return string.dump == nil and os.execute == nil and os.exit == nil"), "1");
    assert_eq!(world.ok("return tostring(os.clock())"), r#""1700000000.123""#);
}

#[test]
fn undeclared_globals_are_errors() {
    let mut world = World::new();
    let missing = "test.lua:1: Script attempted to access nonexistent global variable 'y'";
    assert_eq!(world.fails("return y"), missing);
    assert_eq!(world.fails("return _G.y"), missing);
    assert_eq!(world.fails("x = 1"), "test.lua:1: Attempt to modify a readonly table");
    assert_eq!(world.fails("function f() end"), "test.lua:1: Attempt to modify a readonly table");
}

#[test]
fn shared_tables_are_read_only() {
    let (mut world, _) = extension::world();
    let refused = "test.lua:1: Attempt to modify a readonly table";
    for library in [
        "_G",
        "string",
        "table",
        "math",
        "coroutine",
        "os",
        "bit",
        "struct",
        "cjson",
        "cmsgpack",
        "redis",
        "server",
        "book",
    ] {
        for attack in [
            "LIB.x = 1",
            "LIB.find = 1",
            "rawset(LIB, 'x', 1)",
            "setmetatable(LIB, {})",
            "setmetatable(LIB, nil)",
            "table.insert(LIB, 1)",
            "table.remove(LIB)",
            "table.sort(LIB)",
            "_G.LIB.y = 2",
            "rawget(_G, 'LIB').y = 2",
            "for k in pairs(LIB) do LIB[k] = nil end",
        ] {
            let script = attack.replace("LIB", library);
            assert_eq!(world.fails(&script), refused, "{script}");
        }
        assert_eq!(world.ok(&format!("return getmetatable({library}) == nil")), "1");
        assert_eq!(world.ok(&format!("return next({library}) ~= nil")), "1", "{library}");
    }
}

#[test]
fn the_metatable_of_strings_is_out_of_reach() {
    let mut world = World::new();
    assert_eq!(world.ok("return getmetatable('') == nil"), "1");
    assert_eq!(world.fails("getmetatable('').__index = nil"), "test.lua:1: attempt to index a nil value");
    assert_eq!(world.ok("return ('x'):rep(3)"), r#""xxx""#);
}

#[test]
fn nothing_is_left_for_the_next_call() {
    let mut world = World::new();
    world.ok("KEYS.x = 1 ARGV[9] = 'y' KEYS[1] = 'changed' cjson.encode_max_depth(1)");
    assert_eq!(
        world.ok("return {KEYS.x == nil, ARGV[9] == nil, KEYS[1], cjson.encode_max_depth()}"),
        r#"[1,1,"k1",1000]"#
    );
}

#[test]
fn globals_can_be_listed() {
    let (mut world, _) = extension::world();
    let script =
        "local n = {} for k in pairs(_G) do n[#n + 1] = k end table.sort(n) return table.concat(n, ' ')";
    assert_eq!(
        world.ok(script),
        "\"ARGV KEYS _G _VERSION assert bit book cjson cmsgpack coroutine error getmetatable ipairs math next os \
         pairs pcall rawequal rawget rawset redis select server setmetatable string struct table tonumber tostring type \
         unpack xpcall\""
    );
}

#[test]
fn compiled_code_is_refused() {
    let mut world = World::new();
    assert_eq!(world.fails("\u{1b}Lua"), "test.lua: compiled code is not accepted");
}

/// A chunk that writes no global reads them from the real table, so this looks at both kinds of chunks.
#[test]
fn globals_are_the_same_for_chunks_with_and_without_global_writes() {
    let mut world = World::new();
    for tail in
        ["", " local function never() x = 1 end", " local f = function() return function() y = 2 end end"]
    {
        let script = |text: &str| format!("{text}{tail}");
        let missing = "test.lua:1: Script attempted to access nonexistent global variable 'z'";
        assert_eq!(world.fails(&script("local a = z")), missing);
        assert_eq!(world.fails(&script("local a = _G.z")), missing);
        assert_eq!(world.fails(&script("_G.z = 1")), "test.lua:1: Attempt to modify a readonly table");
        assert_eq!(
            world.fails(&script("rawset(_G, 'z', 1)")),
            "test.lua:1: Attempt to modify a readonly table"
        );
        assert_eq!(world.fails(&script("string = 1")), "test.lua:1: Attempt to modify a readonly table");
        assert_eq!(world.ok(&format!("local a = _G == _G._G and _G.KEYS == KEYS {tail} return a")), "1");
        assert_eq!(
            world.ok(&format!("local show = function() return type(redis) end {tail} return show()")),
            "\"table\""
        );
    }
}

/// A panic passes through Lua's own frames; the engine then goes on with a new state.
#[test]
fn a_panic_costs_one_call() {
    let mut world = World::new();
    world.ok("redis.call('SET', 'k', 'kept')");
    std::mem::forget(world.interpreter.host.reply.borrow_mut());
    let panics = std::panic::AssertUnwindSafe(|| world.run("return pcall(redis.call, 'GET', 'k')"));
    assert!(std::panic::catch_unwind(panics).is_err());
    world.interpreter.rebuild();
    assert_eq!(world.ok("return cjson.encode({KEYS, 1})"), r#""[[\"k1\",\"k2\"],1]""#);
    assert_eq!(world.interpreter.keyspace().borrow().len(), 1);
}
