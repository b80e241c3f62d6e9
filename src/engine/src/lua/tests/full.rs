//! A store that is full: what needs memory fails as a whole, and all else goes on.

use std::time::Duration;

use super::*;

const BOUND: usize = 1 << 20;

/// A store with a hundred keys that may hold a megabyte, of which about a tenth is taken.
fn bounded() -> World {
    let mut world = World::new();
    world.ok("for i = 1, 100 do redis.call('SET', 'key' .. i, string.rep('x', 1000)) end");
    world.interpreter.keyspace().borrow_mut().set_max_bytes(BOUND);
    world
}

/// The same, filled up to the last kilobyte.
fn full() -> World {
    let mut world = bounded();
    world.ok("redis.call('SADD', 'set', 'a', 'b') redis.call('RPUSH', 'list', 1, 2, 3) redis.call('HSET', 'hash', 'f', 1)");
    world.ok("local i, reply = 0, {}
        repeat i = i + 1 reply = redis.pcall('SET', 'filler' .. i, string.rep('x', 1000)) until reply.err");
    let used = used_bytes(&world);
    assert!((BOUND - 2000..=BOUND).contains(&used), "{used}");
    world
}

fn used_bytes(world: &World) -> usize {
    world.interpreter.keyspace().borrow().used_bytes()
}

#[track_caller]
fn check_refused(world: &mut World, script: &str) {
    let before = used_bytes(world);
    let error = world.run(script).expect_err(script);
    assert!(matches!(error, ScriptError::Full(_)), "{script}: {error:?}");
    // The keys' table may keep a place that it has made.
    let used = used_bytes(world);
    assert!((before..before + 10_000).contains(&used), "{script}: {before}, then {used}");
}

#[test]
fn what_needs_memory_fails_as_a_whole() {
    let mut world = full();
    // More than what a call may take that has deleted something.
    let large = "string.rep('y', 60000)";
    for script in [
        &format!("redis.call('SET', 'new', {large})"),
        &format!("redis.call('DEL', 'hash') redis.call('APPEND', 'key1', {large})"),
        &format!("redis.call('SREM', 'set', 'a') redis.call('RPUSH', 'list', {large})"),
        &format!("return redis.pcall('HSET', 'hash', 'g', {large})"),
        &format!("local reply = redis.pcall('HSET', 'hash', 'g', {large}) error(reply)"),
        &format!("local reply = redis.pcall('ZADD', 'ranks', 1, {large}) error(reply.err)"),
    ] {
        check_refused(&mut world, script);
    }
    assert_eq!(
        world.ok(
            "return {redis.call('LLEN', 'list'), redis.call('SCARD', 'set'), redis.call('EXISTS', 'hash')}"
        ),
        "[3,2,1]"
    );
}

#[test]
fn reading_and_deleting_go_on() {
    let mut world = full();
    for script in [
        "return redis.call('GET', 'key1')",
        "return redis.call('EXPIRE', 'key1', 100)",
        "return redis.call('LPOP', 'list')",
        "return redis.call('SREM', 'set', 'a')",
        "return redis.call('HDEL', 'hash', 'f')",
        "return redis.call('RENAME', 'key1', 'key0')",
        "return redis.call('UNLINK', 'key2', 'key3')",
    ] {
        world.ok(script);
    }
    // What is to be written with a deletion is.
    world.ok("redis.call('SREM', 'set', 'b') redis.call('HSET', 'hash', 'members', 0)");
    // A script that makes room first may use it.
    world.ok("redis.call('DEL', 'key4', 'key5', 'key6') redis.call('SET', 'new', string.rep('y', 2000))");
    // And one may know what to do without.
    world.ok("return redis.pcall('SET', 'newer', string.rep('y', 9000)).err");
}

#[test]
fn a_store_that_holds_more_than_it_may_still_serves_what_it_has() {
    let mut world = World::new();
    world.ok("for i = 1, 100 do redis.call('SET', 'key' .. i, string.rep('x', 1000)) end");
    world.interpreter.keyspace().borrow_mut().set_max_bytes(10_000);
    check_refused(&mut world, "redis.call('SET', 'k', '')");
    world.ok("for i = 1, 100 do redis.call('GET', 'key' .. i) end");
    world.ok("for i = 1, 99 do redis.call('DEL', 'key' .. i) end");
    world.ok("redis.call('SET', 'k', '')");
}

/// Each of these would take many times what there is, from few bytes.
#[test]
fn a_command_that_needs_much_is_refused_before_it_has_it() {
    let mut world = bounded();
    world.ok("redis.call('SET', 'large', string.rep('x', 500000))");
    world.ok("for i = 1, 3000 do redis.call('SADD', 'set', 'a member with a longer name, ' .. i) end");
    for script in [
        "redis.call('SETRANGE', 'new', 500000000, 'x')",
        "redis.call('SETRANGE', 'key1', 500000000, 'x')",
        "redis.call('SETBIT', 'new', 4000000000, 1)",
        "redis.call('BITFIELD', 'new', 'SET', 'u8', 4000000000, 1)",
        "redis.call('BITOP', 'NOT', 'new', 'large')",
        "redis.call('COPY', 'large', 'new')",
        "redis.call('SUNIONSTORE', 'new', 'set')",
        "redis.call('SINTERSTORE', 'new', 'set', 'set')",
        "redis.call('SDIFFSTORE', 'new', 'set', 'none')",
        "redis.call('ZUNIONSTORE', 'new', 1, 'set')",
        "redis.call('ZINTERSTORE', 'new', 2, 'set', 'set')",
        "redis.call('ZDIFFSTORE', 'new', 1, 'set')",
        "redis.call('DEL', 'large', 'set') redis.call('SET', 'large1', string.rep('x', 200000))
         for i = 1, 1000 do redis.call('RPUSH', 'ones', 1) end
         redis.call('SORT', 'ones', 'BY', 'nosort', 'GET', 'large*', 'STORE', 'new')",
        "local s = string.rep('x', 100000) local many = {} for i = 1, 7000 do many[i] = s end
         redis.call('RPUSH', 'list', unpack(many))",
        "local s = string.rep('x', 100000) for i = 1, 100 do redis.call('APPEND', 'new', s) end",
    ] {
        check_refused(&mut world, script);
        assert!(used_bytes(&world) <= BOUND);
    }
}

#[test]
fn tables_outgrow_the_bound_by_a_quarter_at_most() {
    for script in [
        "for i = 1, 1e7 do redis.call('SET', i, '') end",
        "for i = 1, 1e7 do redis.call('HSET', 'h', i, '') end",
        "for i = 1, 1e7 do redis.call('SADD', 's', i) end",
        "for i = 1, 1e7 do redis.call('ZADD', 'z', i, i) end",
        "for i = 1, 1e7 do redis.call('RPUSH', 'l', i) end",
        "for i = 1, 1e7 do redis.call('APPEND', 'a', i) end",
        "redis.call('SADD', 's0', 0) for i = 1, 1e7 do redis.call('SADD', 's0', i) redis.call('SMOVE', 's0', 's' .. i, i) end",
    ] {
        let mut world = World::with_budgets(Duration::from_secs(20), 16 << 20);
        world.is_atomic = false;
        world.interpreter.keyspace().borrow_mut().set_max_bytes(BOUND);
        let error = world.run(script).unwrap_err();
        assert!(matches!(error, ScriptError::Full(_)), "{error:?}");
        let used = used_bytes(&world);
        assert!((BOUND * 3 / 4..BOUND * 5 / 4).contains(&used), "{script}: {used}");
    }
}

#[test]
fn the_keepers_have_some_more_room_and_the_server_itself_is_never_refused() {
    let mut world = full();
    let script =
        world.interpreter.compile("keeper", "redis.call('SET', 'kept', string.rep('y', 3000))").unwrap();
    let run = |world: &World, filler| {
        world.interpreter.run(Invocation {
            script: &script,
            keys: Keys::Own(&[]),
            arguments: &[],
            wants_result: false,
            now_ms: world.now_ms,
            now: Instant::now(),
            seed: 1,
            is_atomic: true,
            filler,
        })
    };
    assert!(matches!(run(&world, Filler::Game), Err(ScriptError::Full(_))));
    assert!(run(&world, Filler::Keeper).is_ok());
    let large = vec![b'y'; BOUND / 8];
    assert!(!world.interpreter.execute(&[b"SET", b"server", &large], 1).is_error());
    assert!(matches!(run(&world, Filler::Keeper), Err(ScriptError::Full(_))));
    // Whoever was let in before does not let others in.
    check_refused(&mut world, "redis.call('SET', 'k', '')");
}

#[test]
fn what_is_kept_beside_the_store_counts() {
    let mut world = bounded();
    world.interpreter.keyspace().borrow_mut().set_other_bytes(BOUND);
    check_refused(&mut world, "redis.call('SET', 'k', '')");
    world.interpreter.keyspace().borrow_mut().set_other_bytes(0);
    world.ok("redis.call('SET', 'k', '')");
}

/// What does not fit beside what Lua may hold is not copied in vain.
#[test]
fn an_answer_is_as_large_as_a_script_may_take() {
    let mut world = World::with_budgets(Duration::from_millis(200), 4 << 20);
    let mut large = vec![b'x'; 100 << 20];
    large[0] = b'y';
    world.interpreter.execute(&[b"SET", b"large", &large], 1);
    drop(large);
    for script in [
        "return #redis.call('GET', 'large')",
        "return #redis.call('GETRANGE', 'large', 0, -1)",
        "for i = 1, 1000 do pcall(redis.call, 'GETRANGE', 'large', 0, -1) end",
        "for i = 1, 1000 do redis.pcall('MGET', 'large', 'large', 'large') end",
        "return redis.call('GETSET', 'large', 1)",
    ] {
        let began = Instant::now();
        let error = world.run(script).unwrap_err();
        let took = began.elapsed();
        assert!(error.message().contains("KiB of memory"), "{script}: {error:?}");
        assert!(took < Duration::from_millis(100), "{script}: {took:?}");
    }
    assert_eq!(
        world.ok("return {#redis.call('GETRANGE', 'large', 0, 999), redis.call('STRLEN', 'large')}"),
        "[1000,104857600]"
    );
    for many in ["SADD", "LPUSH"] {
        let add = format!(
            "for from = 1, 400000, 1000 do
            local members = {{}}
            for i = from, from + 999 do members[#members + 1] = i end
            redis.call('{many}', '{many}', unpack(members))
        end"
        );
        let mut patient = World::with_budgets(Duration::from_secs(20), 4 << 20);
        patient.ok(&add);
        let ask = if many == "SADD" {
            "redis.call('SUNION', 'SADD')"
        } else {
            "redis.call('LRANGE', 'LPUSH', 0, -1)"
        };
        assert!(patient.fails(ask).contains("KiB of memory"), "{ask}");
    }
}

/// The clock is read between commands: one that would walk through very much does not begin.
#[test]
fn a_command_that_would_take_too_long_does_not_begin() {
    let mut world = World::new();
    world.ok("local many = {} for i = 1, 5000 do many[i] = i end
        redis.call('RPUSH', 'list', unpack(many)) redis.call('SADD', 'set', unpack(many))
        redis.call('SET', 'text', string.rep('x', 50000)) redis.call('SADD', 'one', 1)
        redis.call('HSET', 'hash', unpack(many)) redis.call('SADD', 'set1', unpack(many))
        redis.call('SET', 'other', string.rep('y', 2000)) redis.call('SET', 'third', string.rep('z', 2000))
        local ranked = {} for i = 1, 2500 do ranked[2 * i - 1] = i ranked[2 * i] = i end
        redis.call('ZADD', 'ranks', unpack(ranked)) redis.call('RPUSH', 'short', 1, 2, 3)
        redis.call('SADD', 'long', string.rep('a', 2000)) redis.call('HSET', 'longs', string.rep('a', 2000), 1)
        redis.call('ZADD', 'longest', 1, string.rep('a', 2000)) redis.call('RPUSH', 'texts', string.rep('a', 20000))
        for i = 1, 2000 do redis.call('SET', 'key' .. i, '') end");
    world.interpreter.keyspace().borrow_mut().set_max_work(Duration::from_micros(5));
    for command in [
        "'LREM', 'list', 0, 'x'",
        "'LPOS', 'list', 'x'",
        "'LINSERT', 'list', 'BEFORE', 'x', 'y'",
        "'SORT', 'list'",
        "'SORT_RO', 'set'",
        "'BITCOUNT', 'text'",
        "'BITPOS', 'text', 0",
        "'BITOP', 'NOT', 'new', 'text'",
        "'SETRANGE', 'new', 50000, 'x'",
        "'SETBIT', 'new', 400000, 1",
        "'BITFIELD', 'new', 'SET', 'u8', 400000, 1",
        "'LCS', 'text', 'text'",
        "'COPY', 'text', 'new'",
        "'KEYS', '*'",
        "'SUNION', 'set', 'one'",
        "'SINTERSTORE', 'new', 'set', 'set'",
        "'SDIFF', 'set', 'one'",
        "'SINTERCARD', 1, 'set'",
        "'ZUNIONSTORE', 'new', 1, 'set'",
        "'ZINTERCARD', 1, 'set'",
        "'ZDIFF', 1, 'set'",
        "'LREM', 'short', 0, string.rep('x', 100000)",
        "'LPOS', 'list', 'x', 'MAXLEN', 4000",
        "'LTRIM', 'list', 0, 9",
        "'LPOP', 'list', 4000",
        "'RPOP', 'list', 4000",
        "'LMPOP', 1, 'list', 'LEFT', 'COUNT', 4000",
        "'BLMPOP', 0, 1, 'list', 'LEFT', 'COUNT', 4000",
        "'SPOP', 'set', 4000",
        "'SRANDMEMBER', 'set', 4000",
        "'SRANDMEMBER', 'one', -10000000",
        "'HRANDFIELD', 'hash', -10000000",
        "'ZRANDMEMBER', 'ranks', -10000000",
        "'ZPOPMIN', 'ranks', 1000000",
        "'ZPOPMAX', 'ranks', 1000000",
        "'ZMPOP', 1, 'ranks', 'MIN', 'COUNT', 2000",
        "'BZMPOP', 0, 1, 'ranks', 'MAX', 'COUNT', 2000",
        "'ZREMRANGEBYRANK', 'ranks', 0, -1",
        "'ZREMRANGEBYSCORE', 'ranks', '-inf', 'inf'",
        "'ZREMRANGEBYLEX', 'ranks', '-', '+'",
        "'ZRANGESTORE', 'new', 'ranks', 0, -1",
        "'ZRANGESTORE', 'new', 'ranks', '-inf', 'inf', 'BYSCORE'",
        "'BITOP', 'XOR', 'new', 'other', 'third', 'other', 'third', 'other', 'third', 'other', 'third'",
        "'SINTER', unpack(same('one', 'set1'))",
        "'SINTERCARD', 200, unpack(same('one'))",
        "'SDIFF', 'one', unpack(same('none', 'set1'))",
        "'ZINTER', 200, unpack(same('one'))",
        "'ZDIFF', 200, unpack(same('one'))",
        "'EXISTS', unpack(same(string.rep('k', 1000)))",
        "'SMISMEMBER', 'set', unpack(same(string.rep('k', 1000)))",
        "'SCAN', 0, 'COUNT', 1000000000",
        "'SSCAN', 'set', 0, 'COUNT', 1000000000",
        "'HSCAN', 'hash', 0, 'COUNT', 1000000000",
        "'ZSCAN', 'ranks', 0, 'COUNT', 1000000000",
        "'SSCAN', 'long', 0, 'MATCH', '*' .. string.rep('a', 1000) .. 'b'",
        "'HSCAN', 'longs', 0, 'MATCH', '*' .. string.rep('a', 1000) .. 'b'",
        "'ZSCAN', 'longest', 0, 'MATCH', '*' .. string.rep('[ab]', 500) .. 'b'",
        "'SORT', 'short', 'BY', string.rep('x', 6000) .. '*'",
        "'SORT', 'short', 'ALPHA', 'BY', string.rep('*', 6000)",
        "'SORT_RO', 'short', 'BY', 'x', 'GET', '*' .. string.rep('x', 6000)",
        "'SORT', 'short', 'BY', 'x', 'GET', 'other', 'GET', 'h*->' .. string.rep('x', 6000)",
        "'SORT', 'texts', 'ALPHA'",
    ] {
        let same = "local function same(...) local all = {} for i = 1, 200 do all[i] = select(-1, ...) end return all end";
        let error = world.run(&format!("{same} redis.call({command})")).expect_err(command);
        assert!(matches!(error, ScriptError::Timeout(_)), "{command}: {error:?}");
        let error = world.run(&format!("{same} pcall(redis.call, {command}) return 1")).expect_err(command);
        assert!(matches!(error, ScriptError::Timeout(_)), "{command}: {error:?}");
    }
    // What looks at little of a large value does not wait for the rest.
    for command in [
        "'SINTER', 'set', 'one'",
        "'LRANGE', 'list', 0, 9",
        "'LPOS', 'list', 7, 'MAXLEN', 10",
        "'SDIFF', 'one', 'set'",
        "'LPOP', 'list', 10",
        "'SPOP', 'set', 2",
        "'SRANDMEMBER', 'set', -20",
        "'ZPOPMIN', 'ranks', 2",
        "'ZREMRANGEBYRANK', 'ranks', 0, 1",
        "'LTRIM', 'short', 0, -1",
        "'SSCAN', 'set', 0, 'MATCH', 'game:*:players'",
        "'SSCAN', 'long', 0, 'MATCH', 'b*'",
        "'ZSCAN', 'longest', 0, 'MATCH', 'a*'",
        "'SCAN', 0, 'MATCH', 'key*', 'COUNT', 100",
        "'SORT', 'short', 'BY', 'weight:*', 'GET', '#'",
    ] {
        world.ok(&format!("redis.call({command})"));
    }
}

/// The one value is as small as a player's text may be, and its pattern, too.
#[test]
fn a_pattern_that_takes_the_product_of_two_lengths_is_stopped() {
    let mut world = World::new();
    world.ok("local text = string.rep('a', 100000)
        redis.call('SADD', 's', text) redis.call('HSET', 'h', text, 1) redis.call('ZADD', 'z', 1, text)
        redis.call('SET', text, 1)");
    world.interpreter.keyspace().borrow_mut().set_max_work(Duration::from_millis(10));
    for command in [
        "'SSCAN', 's', 0, 'MATCH'",
        "'HSCAN', 'h', 0, 'MATCH'",
        "'ZSCAN', 'z', 0, 'MATCH'",
        "'SCAN', 0, 'MATCH'",
        "'KEYS'",
    ] {
        for pattern in ["'*' .. string.rep('a', 50000) .. 'b'", "'*' .. string.rep('[ab]', 1000) .. 'c'"] {
            let error = world.run(&format!("redis.call({command}, {pattern})")).unwrap_err();
            assert!(matches!(error, ScriptError::Timeout(_)), "{command} {pattern}: {error:?}");
        }
        for pattern in ["'*' .. string.rep('a', 9)", "'a*b'", "'*[0-9]'", "'*a*a*a*b'"] {
            world.ok(&format!("return #redis.call({command}, {pattern})"));
        }
    }
}

/// A script may throw away what it could not have walked through.
#[test]
fn a_large_value_goes_at_once() {
    let mut world = World::with_budgets(Duration::from_secs(20), 16 << 20);
    let fill = "for from = 1, 100000, 5000 do
            local many = {} for i = from, from + 4999 do many[#many + 1] = i end redis.call('SADD', 'large', unpack(many))
        end";
    let empty = used_bytes(&world);
    for go in ["redis.call('DEL', 'large')", "redis.call('SET', 'large', 1)", "redis.call('FLUSHALL')"] {
        world.ok("redis.call('DEL', 'large')");
        world.ok(fill);
        world.interpreter.keyspace().borrow_mut().set_max_work(Duration::from_micros(5));
        world.ok(go);
        world.interpreter.keyspace().borrow_mut().set_max_work(Duration::from_secs(20));
        let used = used_bytes(&world);
        assert!(used < empty + 10_000, "{go}: {used}");
        assert_eq!(used, world.interpreter.keyspace().borrow().recount());
    }
}
