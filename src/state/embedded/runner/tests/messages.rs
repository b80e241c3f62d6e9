//! `godra.tell` and `godra.cancel`, up to what is pending. How it runs is tested with the engine.

use std::time::Instant;

use super::*;
use crate::state::embedded::mail::{Address, Body, Mail, key};
use crate::state::mail::{MAX_OF_CALL, MAX_PENDING};

fn server_script(name: &str, header: &str) -> Arc<Script> {
    let header = Header::parse(name, header).unwrap();
    Arc::new(Script::new(name, "", "return 1", header))
}

fn world() -> World {
    let mut world = World::new();
    let scripts = [
        server_script("ring", "-- ROLE: server\n-- KEYS: game:{room}"),
        server_script("index", "-- ROLE: server\n-- KEYS: lobbies"),
        server_script("chat", "-- ROLE: guest"),
    ];
    let scripts = scripts.into_iter().map(|script| (script.name.clone(), script)).collect();
    world.runner.prepare(&Arc::new(ScriptSet::new(scripts, 1)));
    world
}

impl World {
    /// What a receiver has due by then: the script, the payload, and the name if there is one.
    fn due(&mut self, to: &str, now_ms: u64) -> Vec<String> {
        let places: Vec<_> = self.runner.mail().due(to, now_ms).collect();
        let keyspace = self.runner.keyspace().borrow();
        let show = |id| {
            let (value, _) = keyspace.get(&key(to, id)).expect("the message's key");
            let godra_engine::keyspace::Value::String(bytes) = value else { panic!() };
            let body = Body::decode(bytes).expect("a message");
            let name = body.name.map(|name| format!(" {}", String::from_utf8_lossy(name)));
            format!("{} {}{}", body.script, String::from_utf8_lossy(body.payload), name.unwrap_or_default())
        };
        places.into_iter().map(|place| show(place.id)).collect()
    }

    fn pending(&self) -> usize {
        let keyspace = self.runner.keyspace().borrow();
        let keys = keyspace.iterate().filter(|(key, ..)| key.starts_with(b"godra:mail:")).count();
        assert_eq!(self.runner.mail().len(), keys, "the keys and what is known of them");
        keys
    }
}

const NOW: u64 = 1_700_000_000_123;

#[test]
fn messages_are_due_in_order() {
    let mut world = world();
    world.ok("godra.tell('r2', 'ring', {a = 1}, {after = 20}) godra.tell('r2', 'ring', 2) godra.tell('game:r2', 'index')");
    world.ok("godra.tell('r2', 'ring', 4, {after = 10}) godra.tell('r2', 'ring', 'x', {after = 10}) godra.tell(nil, 'index', {})");
    assert_eq!(world.due("r2", NOW), ["ring 2", "index null"]);
    assert_eq!(world.due("r2", NOW + 10), ["ring 2", "index null", "ring 4", "ring \"x\""]);
    assert_eq!(world.due("r2", NOW + 20)[4], "ring {\"a\":1}");
    assert_eq!(world.due("", NOW), ["index {}"]);
    world.now_ms -= 60_000;
    world.ok("godra.tell('r2', 'ring', 'later', {after = 0})");
    let after_the_clock_was_set_back = world.due("r2", world.now_ms);
    assert_eq!(after_the_clock_was_set_back, ["ring 2", "index null", "ring \"later\""]);
    assert_eq!(world.pending(), 7);
    world.ok("godra.tell('r3', 'ring', 'a timer', {after = 20})");
    assert_eq!(world.due("r3", NOW + 19), Vec::<String>::new());
    assert_eq!(world.due("r3", NOW + 20), ["ring \"a timer\""], "timers go by a clock that is not set back");
}

#[test]
fn a_name_is_of_its_sender_and_receiver() {
    let mut world = world();
    world.ok("godra.tell('r2', 'ring', 1, {name = 'turn', after = 5}) godra.tell('r3', 'ring', 1, {name = 'turn', after = 5})");
    world.ok("godra.tell('r2', 'ring', 2, {after = 9, name = 'turn'})");
    assert_eq!(world.due("r2", NOW + 100), ["ring 2 turn"]);
    world.room = RoomId::parse("r9");
    world.ok("godra.tell('r2', 'ring', 3, {name = 'turn'})");
    assert_eq!(
        world.ok("return {godra.cancel('turn') and 1 or 0, godra.cancel('turn') and 1 or 0}"),
        "[1,0]"
    );
    world.room = None;
    world.ok("godra.tell('r2', 'ring', 4, {name = 'turn', after = 1})");
    assert_eq!(world.due("r2", NOW + 100), ["ring 4 turn", "ring 2 turn"]);
    world.room = RoomId::parse("r1");
    assert_eq!(world.ok("return tostring(godra.cancel('turn'))"), "\"true\"");
    assert_eq!(world.due("r2", NOW + 100), ["ring 4 turn"]);
    assert!(world.due("r3", NOW + 100).is_empty());
    // Also within one call, and with any bytes as a name.
    world.ok(r"local n = 'a:\0\255' godra.tell('r2', 'ring', 5, {name = n}) assert(godra.cancel(n)) godra.tell('r2', 'ring', 6, {name = n}) godra.tell('r2', 'ring', 7, {name = n})");
    assert_eq!(world.pending(), 2);
    assert_eq!(world.ok("return tostring(godra.cancel('none'))"), "\"false\"");
}

#[test]
fn what_fails_has_told_and_cancelled_nothing() {
    let mut world = world();
    world.ok("godra.tell('r2', 'ring', 'old', {name = 'a', after = 1}) godra.tell('r2', 'ring', 'b', {name = 'b', after = 2})");
    for failing in [
        "godra.tell('r2', 'ring', 1) error('x')",
        "godra.tell('r2', 'ring', 'new', {name = 'a', after = 9}) godra.error('no', 'x')",
        "godra.cancel('a') godra.cancel('b') error('x')",
        "godra.cancel('a') godra.tell('r2', 'ring', 1, {name = 'a'}) godra.cancel('a') error('x')",
        "redis.call('FLUSHALL') godra.tell('r3', 'ring', 1, {name = 'a'}) error('x')",
        "redis.call('SET', 'x', 1) return redis.error_reply('no')",
    ] {
        world.fails(failing);
        assert_eq!(world.due("r2", NOW + 100), ["ring \"old\" a", "ring \"b\" b"], "{failing}");
        assert_eq!(world.pending(), 2, "{failing}");
    }
    assert_eq!(world.ok("return {godra.cancel('a') and 1 or 0, godra.cancel('b') and 1 or 0}"), "[1,1]");
    assert_eq!(world.pending(), 0);
}

#[test]
fn what_is_not_atomic_keeps_what_it_has_told() {
    let mut world = world();
    let mut broken = call("godra.tell('r2', 'ring', 1) error('x')", CallKeys::Resolved(Vec::new()), &[]);
    let header = Header { is_atomic: false, ..broken.script.header.clone() };
    broken.script = Arc::new(Script::new("test", "", &broken.script.text, header));
    assert!(matches!(world.call(&broken), CallResult::Err(_)));
    assert_eq!(world.due("r2", NOW), ["ring 1"]);
}

#[test]
fn a_store_that_forgets_everything_forgets_messages() {
    let mut world = world();
    world.ok("godra.tell('r2', 'ring', 1, {name = 'a'})");
    world.ok("redis.call('FLUSHALL') godra.tell('r3', 'ring', 2, {name = 'a'})");
    assert_eq!((world.due("r2", NOW).len(), world.due("r3", NOW).len(), world.pending()), (0, 1, 1));
    assert_eq!(world.ok("return tostring(godra.cancel('a'))"), "\"true\"");
}

#[test]
fn bad_input() {
    let mut world = world();
    let mut check = |call: &str, part: &str| {
        let message = world.fails(call);
        assert!(message.contains(part), "{call}: {message:.300}");
        // And a script that goes on has told nothing either.
        world.ok(&format!("pcall(function() {call} end)"));
        assert_eq!(world.pending(), 0, "{call}");
    };
    check("godra.tell()", "bad argument #2");
    check(
        "godra.tell('a b', 'ring')",
        "bad argument #1 to 'tell': nil, or the id of a room of the same game: 1 to 64 of A-Z",
    );
    check("godra.tell('', 'index')", "the id of a room");
    check("godra.tell(('x'):rep(65), 'ring')", "the id of a room");
    check(r"godra.tell('\255', 'ring')", "the id of a room");
    check("godra.tell({}, 'ring')", "the id of a room");
    check("godra.tell(true, 'ring')", "the id of a room");
    check("godra.tell('r2', 'rnig')", "there is no script \"rnig\"");
    check("godra.tell('r2', ('x'):rep(100000))", "there is no script \"xxx");
    check(
        "godra.tell('r2', 'chat')",
        "\"chat\" is not for messages: its header needs the line -- ROLE: server",
    );
    check("godra.tell('r2', {})", "bad argument #2");
    check("godra.tell(nil, 'ring')", "the keys of \"ring\" need a room");
    check("godra.tell('r2', 'ring', ('x'):rep(65535))", "at most 65536 bytes");
    check("godra.tell('r2', 'ring', ('x'):rep(1048576))", "at most 65536 bytes");
    check(
        "local t = 1 for i = 1, 33 do t = {t} end godra.tell('r2', 'ring', t)",
        "at most 32 levels of arrays and objects",
    );
    check("godra.tell('r2', 'ring', function() end)", "Cannot serialise");
    check("godra.tell('r2', 'ring', 1, 5)", "bad argument #4: a table of options, got number");
    check("godra.tell('r2', 'ring', 1, {aftr = 5})", "no option \"aftr\": there are after, name");
    check("godra.tell('r2', 'ring', 1, {5})", "no option");
    for after in ["-1", "1.5", "2592000001", "0/0", "1/0", "'5'", "true", "{1}"] {
        check(
            &format!("godra.tell('r2', 'ring', 1, {{after = {after}}})"),
            "bad option after: whole milliseconds, 0 to 2592000000",
        );
    }
    for name in ["''", "('x'):rep(257)", "('x'):rep(1024)", "true", "{'a'}"] {
        check(
            &format!("godra.tell('r2', 'ring', 1, {{name = {name}}})"),
            "bad option name: a text of 1 to 256 bytes",
        );
    }
    check("godra.cancel('')", "bad argument #1 to 'cancel': a text of 1 to 256 bytes");
    check("godra.cancel(('x'):rep(257))", "bad argument #1 to 'cancel'");
    check("godra.cancel()", "bad argument #1");
    check("godra.cancel({})", "bad argument #1");
    world.ok("godra.tell('r2', 'ring', ('x'):rep(65534), {name = ('x'):rep(256), after = 2592000000})");
    world.ok("local t = 1 for i = 1, 32 do t = {t} end godra.tell(7, 'ring', t, {name = 7, after = 0})");
    assert_eq!((world.pending(), world.due("7", NOW).len()), (2, 1));
    assert_eq!(world.ok("return tostring(godra.cancel(7))"), "\"true\"");
}

#[test]
fn a_call_and_a_receiver_have_so_many_at_most() {
    let mut world = world();
    let tell = |count: usize| format!("for i = 1, {count} do godra.tell('r2', 'ring', i, {{after = 5}}) end");
    let message = world.fails(&tell(MAX_OF_CALL + 1));
    assert!(message.contains("a call sends at most 1000 messages"), "{message}");
    assert_eq!(world.pending(), 0);
    for _ in 0..MAX_PENDING / MAX_OF_CALL {
        world.ok(&tell(MAX_OF_CALL));
    }
    let message = world.fails("godra.tell('r2', 'ring', 1)");
    assert!(
        message.contains("at most 100000 messages may be pending for a room, or for no room"),
        "{message}"
    );
    world.ok("godra.tell('r3', 'ring', 1) godra.tell(nil, 'index', 1)");
    assert_eq!(world.pending(), MAX_PENDING + 2);
    // One that takes another's place is not one more.
    let place = world.runner.mail().due("r2", NOW + 5).next().unwrap();
    assert!(world.runner.mail().take("r2", place));
    world.ok("godra.tell('r2', 'ring', 1, {name = 'a'}) godra.tell('r2', 'ring', 2, {name = 'a'})");
    world.fails("godra.tell('r2', 'ring', 3, {name = 'b'})");
}

#[test]
fn a_full_store_takes_no_messages() {
    let mut world = world();
    world.runner.keyspace().borrow_mut().set_max_bytes(1);
    let tell = "godra.tell('r2', 'ring', 1, {name = 'a'})";
    assert!(world.run(tell).unwrap_err().is_store_full());
    let tried =
        world.ok(&format!("local ok, e = pcall(function() {tell} end) return tostring(godra.cancel('a'))"));
    assert_eq!((&*tried, world.pending()), ("\"false\"", 0));
}

/// What was told filled the store, and everybody's writes were refused.
#[test]
fn regression_messages_take_no_more_than_their_share() {
    let mut world = world();
    let share = 1 << 20;
    *world.runner.mail() = Mail::new(share);
    let tell = "local text = string.rep('x', 4000) for i = 1, 100 do godra.tell('r' .. i % 20, 'ring', text, {after = 9}) end";
    let mut told = 0;
    let message = loop {
        match world.run(tell) {
            Ok(_) => told += 100,
            Err(error) => break error.message.to_string(),
        }
    };
    assert!(message.contains("pending messages have all the memory that they may"), "{message}");
    assert_eq!((told, world.pending()), (200, 200), "the call that failed has told nothing");
    let before = world.runner.mail().bytes();
    let used = world.runner.keyspace().borrow().used_bytes();
    assert!((used..used + used / 2).contains(&before), "{before}, and the keys take {used}");
    world.ok("redis.call('SET', 'game:r2', string.rep('x', 100000))");

    // What is told under a name takes the place of what it replaces, and what runs makes place for what it tells.
    let text = "string.rep('x', 4000)";
    world.ok(&format!(
        "for i = 1, 200 do pcall(godra.tell, 'a', 'ring', {text}, {{after = 9, name = 'n' .. i}}) end"
    ));
    let full = world.pending();
    world.fails(&format!("godra.tell('a', 'ring', {text}, {{after = 9}})"));
    world.ok(&format!("godra.tell('a', 'ring', {text}, {{after = 8, name = 'n1'}})"));
    world.fails("godra.tell('a', 'ring', string.rep('x', 60000), {after = 8, name = 'n1'})");
    assert_eq!(world.pending(), full);
    let place = world.runner.mail().due("r2", NOW + 9).next().unwrap();
    assert!(world.runner.mail().take("r2", place));
    world.ok(&format!(
        "redis.call('DEL', 'godra:mail:r2:{}') godra.tell('r2', 'ring', {text}, {{after = 9}})",
        place.id
    ));

    // Found again after a restart, it counts as much.
    let before = world.runner.mail().bytes();
    world.runner.mail().restore(&world.runner.keyspace().borrow());
    assert_eq!(world.runner.mail().bytes(), before);
    world.fails(&format!("godra.tell('a', 'ring', {text}, {{after = 9}})"));
}

#[test]
fn what_is_pending_is_found_again() {
    let mut world = world();
    world.ok("godra.tell('r2', 'ring', {1}, {name = 'a', after = 9}) godra.tell('r2', 'ring', 2) godra.tell(nil, 'index', 3)");
    world.ok("redis.call('SET', 'godra:mail:r2:99', 'x') redis.call('SADD', 'godra:mail:r2:98', 'x') redis.call('SET', 'game:r2', 1)");
    let unread = world.runner.mail().restore(&world.runner.keyspace().borrow());
    assert_eq!(unread.len(), 2);
    world.ok("redis.call('DEL', 'godra:mail:r2:99', 'godra:mail:r2:98')");
    assert_eq!(world.due("r2", NOW + 9), ["ring 2", "ring [1] a"]);
    assert_eq!((world.due("", NOW), world.pending()), (vec!["index 3".to_owned()], 3));
    world.ok("assert(godra.cancel('a')) godra.tell('r2', 'ring', 4)");
    assert_eq!(world.due("r2", NOW), ["ring 2", "ring 4"], "ids go on");
}

/// Receivers take turns, a hundred thousand of one do not keep another waiting, and a room has its bound a round.
#[test]
fn receivers_take_turns() {
    let mut world = world();
    for _ in 0..3 {
        world.ok("for i = 1, 900 do godra.tell('a', 'ring', i) end godra.tell('b', 'ring', 1)");
    }
    let began = Instant::now();
    let mut turns = Vec::new();
    let mut now = began;
    while now.duration_since(began) < Duration::from_millis(120) {
        let Some(to) = world.runner.mail().next_receiver(now, NOW) else {
            now += Duration::from_millis(1);
            continue;
        };
        let most = world.runner.mail().left_in_round(&to, now).min(400);
        let due: Vec<_> = world.runner.mail().due(&to, NOW).take(most).collect();
        due.iter().for_each(|place| assert!(world.runner.mail().take(&to, *place)));
        turns.push((to.clone(), due.len(), now.duration_since(began).as_millis()));
        world.runner.mail().ran(to, due.len(), now);
    }
    let (a, b) = (Address::from("a"), Address::from("b"));
    let expected = [
        (&a, 400, 0),
        (&b, 3, 0),
        (&a, 400, 0),
        (&a, 200, 0),
        (&a, 400, 50),
        (&a, 400, 50),
        (&a, 200, 50),
        (&a, 400, 100),
    ];
    let seen: Vec<_> = turns.iter().map(|(to, count, ms)| (to, *count, *ms)).collect();
    assert_eq!(seen[..8], expected);
    assert!(world.runner.mail().wait(now + Duration::from_secs(1), NOW).is_none());
    assert!(world.runner.mail().is_idle(), "nothing is kept of who has nothing");
}
