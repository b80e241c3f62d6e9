//! Scripts that want too much: each is stopped in time, the next one works, and memory comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::ScriptError;
use super::{World, on_engine_stack};

/// Runs a script that must be stopped; gives the error.
#[track_caller]
fn stopped(world: &mut World, script: &str) -> ScriptError {
    let resting = world.interpreter.used_bytes();
    let started = Instant::now();
    let error = match world.run(script) {
        Ok(result) => panic!("{script}\nshould be stopped, and gave {:.100}", result),
        Err(error) => error,
    };
    let took = started.elapsed();
    // Debug builds of Lua are many times slower, collections above all.
    assert!(took < Duration::from_secs(5), "{script}\ntook {took:?}");
    assert_eq!(world.ok("return redis.call('INCR', 'alive') > 0"), "1");
    world.interpreter.rest();
    let used = world.interpreter.used_bytes();
    assert!(used < resting + 64 * 1024, "{script}\n{resting} bytes before, {used} after");
    error
}

fn times_out(script: &str) {
    let mut world = World::with_budgets(Duration::from_millis(50), 16 << 20);
    world.interpreter.rest();
    let error = stopped(&mut world, script);
    assert!(matches!(error, ScriptError::Timeout(_)), "{script}\n{error:?}");
}

fn runs_out_of_something(script: &str) {
    let mut world = World::with_budgets(Duration::from_millis(400), 4 << 20);
    world.interpreter.rest();
    let error = stopped(&mut world, script);
    assert!(matches!(error, ScriptError::Timeout(_) | ScriptError::Fault(_)), "{script}\n{error:?}");
}

fn runs_out_of_memory(script: &str) {
    let mut world = World::with_budgets(Duration::from_secs(5), 4 << 20);
    world.interpreter.rest();
    let error = world.run(script).unwrap_err();
    assert!(error.message().contains("used more than 4096 KiB of memory"), "{script}\n{error:?}");
    let error = stopped(&mut world, script);
    assert!(matches!(error, ScriptError::Fault(_)), "{script}\n{error:?}");
}

#[test]
fn endless_loop() {
    times_out("while true do end");
}

#[test]
fn timeouts_say_where() {
    let mut world = World::with_budgets(Duration::from_millis(50), 16 << 20);
    assert_eq!(world.fails("\nwhile true do end"), "test.lua:2: script ran longer than 50 ms");
}

#[test]
fn what_a_call_did_before_its_first_look_at_the_clock_counts() {
    let mut world = World::with_budgets(Duration::from_millis(2), 16 << 20);
    let script = "redis.call('SETRANGE', 'k', 2^26, 'x') return redis.call('STRLEN', 'k')";
    assert!(matches!(stopped(&mut world, script), ScriptError::Timeout(_)));
}

#[test]
fn time_that_others_have_the_processor_is_not_the_scripts() {
    const LOOP: &str = "local n = 0 for i = 1, 3e6 do n = n + i % 7 end return n";
    let mut world = World::with_budgets(Duration::from_secs(60), 16 << 20);
    let timed = |world: &mut World| {
        let began = Instant::now();
        let result = world.run(LOOP);
        (result.is_ok(), began.elapsed())
    };
    let alone = (0..5).map(|_| timed(&mut world).1).min().expect("a time");
    let limit = 4 * alone;
    let mut world = World::with_budgets(limit, 16 << 20);
    let others = 10 * std::thread::available_parallelism().map_or(4, std::num::NonZero::get);
    let is_over = AtomicBool::new(false);
    let (has_worked, shared) = std::thread::scope(|scope| {
        for _ in 0..others {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let timed = timed(&mut world);
        is_over.store(true, Ordering::Relaxed);
        timed
    });
    assert!(shared > limit, "{others} others ran meanwhile: {shared:?}, alone {alone:?}");
    assert!(has_worked, "took {shared:?}, alone {alone:?}");
}

#[test]
fn endless_loop_of_pcall() {
    times_out("while true do pcall(function() while true do end end) end");
}

#[test]
fn endless_loop_of_pcall_with_a_native_function() {
    times_out("while true do pcall(error) end");
    times_out("while true do pcall(pcall, pcall, error) end");
}

#[test]
fn endless_loop_of_xpcall() {
    times_out("while true do xpcall(function() while true do end end, function() end) end");
}

#[test]
fn endless_error_handler() {
    times_out("xpcall(function() while true do end end, function() while true do end end)");
    times_out("xpcall(function() error('x') end, function() while true do end end)");
}

#[test]
fn endless_error_handler_that_fails() {
    times_out("while true do xpcall(function() error('x') end, function() error('y') end) end");
}

#[test]
fn endless_coroutine() {
    times_out("coroutine.wrap(function() while true do end end)()");
    times_out(
        "local c = coroutine.create(function() while true do end end) while true do coroutine.resume(c) end",
    );
    times_out("while true do coroutine.wrap(function() pcall(function() while true do end end) end)() end");
}

#[test]
fn endless_yields() {
    times_out(
        "local f = coroutine.wrap(function() while true do coroutine.yield() end end) while true do f() end",
    );
}

#[test]
fn endless_metamethods() {
    times_out("local t = setmetatable({}, {__index = function(t, k) while true do end end}) return t.x");
    times_out(
        "local t = setmetatable({}, {__eq = function() while true do end end}) return t == setmetatable({}, getmetatable(t))",
    );
    times_out(
        "local t = setmetatable({}, {__tostring = function() while true do end end}) return tostring(t)",
    );
    times_out("local t = setmetatable({}, {__concat = function() while true do end end}) return t .. 'x'");
    times_out("local t = setmetatable({}, {__lt = function() while true do end end}) table.sort({t, t})");
}

#[test]
fn collector_hooks_do_not_exist() {
    let mut world = World::new();
    assert_eq!(world.ok("setmetatable({}, {__gc = function() error('x') end}) return 1"), "1");
    world.interpreter.rest();
    assert_eq!(world.ok("return 1"), "1");
}

#[test]
fn pathological_patterns() {
    times_out("return string.find(('a'):rep(30000), ('a*'):rep(30) .. 'b')");
    times_out("return string.match(('a'):rep(40000), '(.-)(.-)(.-)(.-)b')");
    times_out("return string.gsub(('a'):rep(40000), '.-.-.-.-b', '')");
    times_out("for w in string.gmatch(('a'):rep(40000), '.-.-.-b') do end");
    times_out("return string.find(('('):rep(100000), '%b()')");
    times_out("return string.find(('a'):rep(1000000), ('a'):rep(400000) .. 'b', 1, true)");
}

#[test]
fn patterns_that_nest_too_deep() {
    let mut world = World::new();
    assert_eq!(
        world.fails("return string.find(('a'):rep(10000), ('a?'):rep(10000))"),
        "test.lua:1: pattern too complex"
    );
    assert_eq!(world.ok("return string.find(('a'):rep(150), ('a?'):rep(150))"), "1");
}

#[test]
fn huge_repetition() {
    runs_out_of_memory("return string.rep('x', 1e9)");
    runs_out_of_memory("return string.rep('x', 2^31 - 1)");
    runs_out_of_memory("return ('x'):rep(1e6):rep(1e6)");
}

#[test]
fn huge_repetition_swallowed() {
    runs_out_of_something("while true do pcall(string.rep, 'x', 1e9) end");
}

#[test]
fn doubling_strings() {
    runs_out_of_memory("local s = 'x' while true do s = s .. s end");
    runs_out_of_something("local s = 'x' while true do pcall(function() s = s .. s end) end");
}

#[test]
fn format_widths() {
    let mut world = World::new();
    assert_eq!(world.ok("return #string.format('%99.99f', -1e308)"), "410");
    assert_eq!(
        world.fails("return string.format('%999d', 1)"),
        "test.lua:1: invalid format (width or precision too long)"
    );
    runs_out_of_memory("local s = ('x'):rep(3e6) return string.format('%s%s%s%s', s, s, s, s)");
}

#[test]
fn unpacking_huge_ranges() {
    let mut world = World::new();
    for range in ["1, 1e6", "1, 1e9", "-2^31, 2^31 - 1", "0, 2^31 - 1", "1, 2^31 - 1", "-1e9, 1e9"] {
        assert_eq!(
            world.fails(&format!("return unpack({{}}, {range})")),
            "test.lua:1: too many results to unpack",
            "{range}"
        );
    }
    assert_eq!(world.ok("return select('#', unpack({}, 1, 7000))"), "7000");
    assert_eq!(world.ok("return {unpack({1, 2}, 1e10, 5)}"), "[]");
}

#[test]
fn deep_recursion() {
    on_engine_stack(deep_recursion_on_this_stack);
}

fn deep_recursion_on_this_stack() {
    let mut world = World::new();
    assert!(world.fails("local function f() return 1 + f() end return f()").contains("stack overflow"));
    assert!(world.fails("local function f() error(f()) end f()").contains("stack overflow"));
    times_out("local function f() return f() end return f()");
}

#[test]
fn deep_native_recursion() {
    on_engine_stack(deep_native_recursion_on_this_stack);
}

fn deep_native_recursion_on_this_stack() {
    for script in [
        "local function f() return pcall(f) end return f()",
        "local function f() pcall(f) end f() return 1",
        "local function f() xpcall(f, f) end f() return 1",
        "local function f() return (string.gsub('a', 'a', f)) end return pcall(f)",
        "local function f() table.sort({1, 2, 3}, f) end return pcall(f)",
        "local function f() table.foreach({1}, f) end return pcall(f)",
        "local t = setmetatable({}, {}) getmetatable(t).__tostring = function(x) return tostring(x) end return pcall(tostring, t)",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(x, k) return x[k] end return pcall(function() return t.a end)",
        "local function f() return coroutine.wrap(f)() end return pcall(f)",
        "local function f() return coroutine.resume(coroutine.create(f)) end return f()",
        "local function f() return coroutine.wrap(function() return pcall(f) end)() end return pcall(f)",
        "local function f() local ok, e = pcall(f) if not ok then pcall(f) end end f() return 1",
    ] {
        let mut world = World::with_budgets(Duration::from_millis(200), 16 << 20);
        // Some end by themselves and some run out of time; none may take the process with it.
        let _ = world.run(script);
        assert_eq!(world.ok("return 1"), "1", "{script}");
    }
}

#[test]
fn deep_data() {
    on_engine_stack(deep_data_on_this_stack);
}

fn deep_data_on_this_stack() {
    let mut world = World::new();
    let deep = "local t = {} for i = 1, 10000 do t = {t} end ";
    let nesting = "test.lua:1: Cannot serialise, excessive nesting (1001)";
    assert_eq!(world.fails(&format!("{deep} return cjson.encode(t)")), nesting);
    assert!(
        world
            .fails(&format!("cjson.encode_max_depth(1e9) {deep} return cjson.encode(t)"))
            .contains("excessive nesting")
    );
    assert!(
        world
            .fails("cjson.decode_max_depth(1e9) return cjson.decode(('['):rep(1e5))")
            .contains("too many nested")
    );
    assert_eq!(world.ok(&format!("{deep} return #cmsgpack.pack(t)")), "17");
    assert!(world.fails("return cmsgpack.unpack(('\\145'):rep(1e5))").contains("stack overflow"));
    assert!(world.fails(&format!("{deep} return t")).contains("a result has at most 48 levels of arrays"));
    assert!(
        world.fails("local t = {} t[1] = t return t").contains("a result has at most 48 levels of arrays")
    );
    assert!(world.fails("local t = {} t[1] = t return cjson.encode(t)").contains("excessive nesting"));
}

#[test]
fn huge_tables() {
    runs_out_of_memory("local t = {} for i = 1, 1e9 do t[i] = i end");
    runs_out_of_memory("local t = {} for i = 1, 1e9 do t['k' .. i] = {} end");
    runs_out_of_something(
        "local t = {} while true do pcall(function() for i = 1, 1e9 do t[#t + 1] = {} end end) end",
    );
}

#[test]
fn huge_concatenation() {
    runs_out_of_memory(
        "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1e5) end return table.concat(t, ('y'):rep(1e5))",
    );
    runs_out_of_something("return table.concat({}, 'x', 1, 2^31 - 1)");
}

#[test]
fn sorting_and_moving_much() {
    times_out(
        "local t = {} for i = 1, 2e5 do t[i] = (i * 7919) % 200003 end while true do table.sort(t) table.sort(t, function(a, b) return a > b end) end",
    );
    times_out("local t = {} for i = 1, 2e5 do t[i] = i end while true do table.insert(t, 1, 0) end");
    times_out("local t = {} for i = 1, 2e5 do t[i] = i end while true do table.remove(t, 1) end");
    times_out("local t = {} for i = 1, 2e5 do t[i] = i end while true do table.maxn(t) end");
    times_out("local t = {} for i = 1, 2e5 do t[i] = i end while true do table.foreach(t, type) end");
    times_out("local t = {} for i = 1, 2e5 do t[i] = i end while true do table.foreachi(t, math.sin) end");
    times_out(
        "local t = {} for i = 1, 2e5 do t[i] = i end for i = 1, 2e5 do t[i] = nil end while true do next(t) end",
    );
}

#[test]
fn bad_order_functions() {
    let mut world = World::new();
    let fill = "local t = {} for i = 1, 100 do t[i] = i % 10 end ";
    assert_eq!(
        world.fails(&format!("{fill} table.sort(t, function() return true end)")),
        "test.lua:1: invalid order function for sorting"
    );
    let _ = world.run(&format!("{fill} table.sort(t, function() return math.random() < 0.5 end)"));
    assert_eq!(world.fails("table.sort({1, 'x', 2})"), "test.lua:1: attempt to compare string with number");
    assert_eq!(world.ok("return 1"), "1");
}

#[test]
fn long_slices() {
    let mut world = World::new();
    assert!(world.fails("return ('x'):rep(1e5):byte(1, -1)").contains("string slice too long"));
    assert_eq!(world.ok("return select('#', ('x'):rep(7000):byte(1, -1))"), "7000");
}

#[test]
fn long_strings_in_circles() {
    times_out("local s = ('x'):rep(4e6) while true do local u = s:upper() end");
    times_out("local s = ('x'):rep(4e6) while true do local u = s:sub(2) end");
    times_out("local s = ('x'):rep(4e6) local i = 0 while true do i = i + 1 local u = s .. i end");
    times_out("local s, t = ('x'):rep(4e6), ('x'):rep(4e6) .. 'y' while true do local b = s < t end");
    times_out("local s = ('1'):rep(4e6) while true do local n = tonumber(s) end");
    times_out("local s = ('1'):rep(4e6) while true do local n = tonumber(s, 7) end");
    times_out("local s = ('1'):rep(4e6) while true do local n = s + 1 end");
    times_out("local s = ('x'):rep(1e6) while true do redis.sha1hex(s) end");
    times_out("local s = ('x'):rep(1e6) while true do cjson.encode(s) end");
    times_out("local s = '\"' .. ('x'):rep(1e6) .. '\"' while true do cjson.decode(s) end");
    times_out("local s = (' '):rep(1e6) .. '1' while true do cjson.decode(s) end");
    times_out("local s = ('\\0'):rep(1e6) while true do cmsgpack.unpack_limit(s, 100) end");
    times_out("local s = (' '):rep(1e6) while true do struct.size(s) end");
}

#[test]
fn many_commands() {
    times_out("while true do redis.call('SET', 'k', 'v') end");
    times_out("while true do redis.pcall('nope') end");
}

#[test]
fn slow_commands() {
    let fill = "for i = 1, 300 do local t = {} for j = 1, 500 do t[j] = i * 500 + j end redis.call('RPUSH', 'l', unpack(t)) end ";
    let mut world = World::with_budgets(Duration::from_secs(20), 16 << 20);
    world.ok(fill);
    for command in [
        "redis.call('SORT', 'l', 'LIMIT', 0, 1)",
        "redis.call('LPOS', 'l', 'none')",
        "redis.call('LINDEX', 'l', 75000)",
    ] {
        let mut slow = World::with_budgets(Duration::from_millis(50), 16 << 20);
        std::mem::swap(
            &mut *slow.interpreter.keyspace().borrow_mut(),
            &mut *world.interpreter.keyspace().borrow_mut(),
        );
        let started = Instant::now();
        let error = slow.run(&format!("while true do {command} end")).unwrap_err();
        assert!(matches!(error, ScriptError::Timeout(_)), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(2), "{command} took {:?}", started.elapsed());
        std::mem::swap(
            &mut *slow.interpreter.keyspace().borrow_mut(),
            &mut *world.interpreter.keyspace().borrow_mut(),
        );
    }
}

#[test]
fn large_replies() {
    let mut world = World::with_budgets(Duration::from_secs(20), 4 << 20);
    world.ok("for i = 1, 200 do local t = {} for j = 1, 500 do t[j] = 'element number ' .. i * 500 + j end redis.call('RPUSH', 'l', unpack(t)) end");
    assert!(
        world.fails("return #redis.call('LRANGE', 'l', 0, -1)").contains("used more than 4096 KiB of memory")
    );
    assert_eq!(world.ok("return #redis.call('LRANGE', 'l', 0, 99)"), "100");
}

#[test]
fn many_upvalues_and_locals() {
    let mut world = World::new();
    let locals: String = (0..60).map(|i| format!("local v{i} = {i} ")).collect();
    let sum: Vec<_> = (0..60).map(|i| format!("v{i}")).collect();
    let script = format!("{locals} local function f() return {} end return f()", sum.join(" + "));
    assert_eq!(world.ok(&script), "1770");
    let locals: String = (0..300).map(|i| format!("local v{i} = {i} ")).collect();
    assert!(world.fails(&locals).contains("more than 200 local variables"));
}

#[test]
fn endless_iterators() {
    times_out("for _ in function() return 1 end do end");
    times_out("for _ in coroutine.wrap(function() while true do coroutine.yield(1) end end) do end");
    times_out("repeat until false");
    times_out("for i = 1, math.huge do end");
    times_out("local i = 0 ::a:: while true do i = i + 1 end".replace("::a::", "").as_str());
}

#[test]
fn garbage_does_not_count_as_memory() {
    let mut world = World::with_budgets(Duration::from_secs(20), 4 << 20);
    assert_eq!(world.ok("local s for i = 1, 200000 do s = {i, 'x' .. i} end return 1"), "1");
    assert_eq!(world.ok("local s for i = 1, 300 do s = ('x'):rep(1e6) .. i end return 1"), "1");
}

#[test]
fn a_hundred_attacks_leave_nothing_behind() {
    let mut world = World::with_budgets(Duration::from_millis(20), 2 << 20);
    world.interpreter.rest();
    let resting = world.interpreter.used_bytes();
    for round in 0..100 {
        let _ = match round % 4 {
            0 => world.run("local t = {} while true do t[#t + 1] = {} end"),
            1 => world.run("local t = {} while true do t[#t + 1] = coroutine.wrap(function() coroutine.yield(t) end) end"),
            2 => world.run("local s = 'x' while true do s = s .. s end"),
            _ => world.run("while true do pcall(function() local t = {} while true do t[#t + 1] = 'x' .. #t end end) end"),
        };
    }
    world.interpreter.rest();
    assert!(world.interpreter.used_bytes() < resting + 64 * 1024);
}
