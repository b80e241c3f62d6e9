//! Calls of the server through the runner: keys, errors, events, and the `godra` library.

mod atomic;
mod messages;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Invocation, ScriptRunner};
use crate::metrics::Metrics;
use crate::script::{Header, KeyPattern, Script, ScriptSet};
use crate::state::embedded::EmbeddedOptions;
use crate::state::{Arguments, Audience, Call, CallError, CallKeys, CallResult, Membership, RoomEvents};
use crate::wire::ids::{Identity, Role, RoomId};

/// A runner, and how its next calls are made.
struct World {
    runner: ScriptRunner,
    room: Option<RoomId>,
    now_ms: u64,
    seed: u64,
}

impl World {
    /// With time enough on a busy machine, for tests that are about something else.
    fn new() -> Self {
        Self::with_budgets(Duration::from_secs(5), 16 << 20)
    }

    fn with_budgets(time: Duration, memory: usize) -> Self {
        let options = EmbeddedOptions {
            seed: 7,
            time_budget: time,
            memory_budget: memory,
            ..EmbeddedOptions::default()
        };
        Self {
            runner: ScriptRunner::new(&options, Arc::new(Metrics::new())),
            room: RoomId::parse("r1"),
            now_ms: 1_700_000_000_123,
            seed: 1,
        }
    }

    fn call(&mut self, call: &Call) -> CallResult {
        let room = self.room.clone();
        let (result, _) = self.runner.run(Invocation {
            call,
            room: room.as_ref(),
            now_ms: self.now_ms,
            now: Instant::now(),
            seed: self.seed,
            passed_ms: 0,
        });
        result
    }

    /// Runs a script; gives its result's JSON text, or its error.
    fn run(&mut self, text: &str) -> Result<String, CallError> {
        match self.call(&call(text, CallKeys::Resolved(vec!["k1".into(), "k2".into()]), &["a1", "a2"])) {
            CallResult::Ok(bytes) => Ok(String::from_utf8(bytes.to_vec()).unwrap()),
            CallResult::Err(error) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    /// Runs a script that must work.
    fn ok(&mut self, text: &str) -> String {
        self.run(text).unwrap_or_else(|error| panic!("{text}\n{error:?}"))
    }

    /// Runs a script that must fail; gives its message.
    fn fails(&mut self, text: &str) -> String {
        match self.run(text) {
            Ok(result) => panic!("{text}\nshould fail, and gave {result:.200}"),
            Err(error) => error.message.into(),
        }
    }

    fn events(&mut self) -> Vec<Arc<RoomEvents>> {
        self.runner.event_log().take().collect()
    }

    /// The published events' text.
    fn published(&mut self) -> String {
        let texts: Vec<_> =
            self.events().iter().map(|events| String::from_utf8(events.text.to_vec()).unwrap()).collect();
        texts.join(" | ")
    }
}

fn script(text: &str) -> Arc<Script> {
    let header = Header {
        role: Role::Player,
        names_role: true,
        is_for_server: false,
        keys: Vec::new(),
        kept_keys: Vec::new(),
        documents: Vec::new(),
        is_durable: false,
        room_argument: None,
        tick_ms: None,
        is_atomic: true,
        actions: Vec::new(),
    };
    Arc::new(Script::new("test", "scripts/test.lua", text, header))
}

fn call(text: &str, keys: CallKeys, arguments: &[&str]) -> Call {
    Call {
        script: script(text),
        caller: Arc::new(Identity {
            user_id: "42".into(),
            username: "Ann".into(),
            role: Role::Player,
            expires_at_s: 0,
            login: Default::default(),
        }),
        keys,
        arguments: Arguments::List(arguments.iter().map(|text| text.as_bytes().into()).collect()),
        wants_result: true,
        membership: Membership::Unchanged,
        n: None,
        documents: None,
    }
}

#[test]
fn keys_and_arguments() {
    let mut world = World::new();
    assert_eq!(world.ok("return {KEYS, ARGV, #KEYS, #ARGV}"), r#"[["k1","k2"],["42","a1","a2"],2,3]"#);
}

#[test]
fn keys_of_the_room_and_a_payload() {
    let mut world = World::new();
    let mut call = call("return {KEYS, ARGV}", CallKeys::FromRoom, &[]);
    call.arguments = Arguments::Payload(b"{\"x\":1}".as_slice().into());
    let script: &mut Script = Arc::get_mut(&mut call.script).unwrap();
    script.header.keys = patterns(&["game:{room}", "game:{new}:players", "all"]);
    let CallResult::Ok(json) = world.call(&call) else { panic!() };
    assert_eq!(json, r#"[["game:r1","game:r1:players","all"],["42","{\"x\":1}"]]"#);
    world.room = None;
    let CallResult::Err(error) = world.call(&call) else { panic!() };
    assert_eq!(&*error.message, "the script's keys need a room, and this call is in none");
}

fn patterns(texts: &[&str]) -> Vec<KeyPattern> {
    texts.iter().map(|text| KeyPattern::parse(text).unwrap()).collect()
}

#[test]
fn each_caller_has_keys_of_its_own() {
    let mut world = World::new();
    let mut call = call("return KEYS", CallKeys::FromRoom, &[]);
    let script: &mut Script = Arc::get_mut(&mut call.script).unwrap();
    script.header.keys = patterns(&["user:{user}", "game:{room}:hand:{user}", "all"]);
    for user_id in ["42", "guest:a", "guest:a", "42"] {
        call.caller = Arc::new(Identity { user_id: user_id.into(), ..(*call.caller).clone() });
        let CallResult::Ok(json) = world.call(&call) else { panic!() };
        assert_eq!(json, format!(r#"["user:{user_id}","game:r1:hand:{user_id}","all"]"#));
    }
}

#[test]
fn errors() {
    let mut world = World::new();
    let mut check = |script: &str, code: &str, message: &str, details: Option<&str>, is_fault: bool| {
        let error = world.run(script).unwrap_err();
        assert_eq!((error.code.as_str(), &*error.message), (code, message), "{script}");
        assert_eq!((error.details.as_deref(), error.is_fault()), (details, is_fault), "{script}");
    };
    check("return {err = 'Lobby is full'}", "script_error", "Lobby is full", None, false);
    check("return redis.error_reply('Full')", "script_error", "ERR Full", None, false);
    check("godra.error('too_fast', 'Slow down')", "too_fast", "Slow down", None, false);
    let script = "godra.error('too_fast', 'Slow down', {x = 1})";
    check(script, "too_fast", "Slow down", Some(r#"{"x":1}"#), false);
    check("\n\nerror('x')", "script_error", "test.lua:3: x", None, true);
    check("x = = 1", "script_error", "test.lua:1: unexpected symbol near '='", None, true);
    let mut world = World::with_budgets(Duration::from_millis(20), 16 << 20);
    let error = world.run("while true do end").unwrap_err();
    let expected = ("script_timeout", "test.lua:1: script ran longer than 20 ms", true);
    assert_eq!((error.code.as_str(), &*error.message, error.is_fault()), expected);
}

#[test]
fn a_coded_error_can_be_caught() {
    let mut world = World::new();
    let script = "local ok, e = pcall(godra.error, 'c', 'm', 5) return {ok, e.code, e.message, e.details}";
    assert_eq!(world.ok(script), r#"[null,"c","m",5]"#);
}

#[test]
fn calls_are_counted() {
    let metrics = Arc::new(Metrics::new());
    let mut world = World::new();
    let options = EmbeddedOptions { time_budget: Duration::from_millis(20), ..EmbeddedOptions::default() };
    world.runner = ScriptRunner::new(&options, metrics.clone());
    world.ok("return 1");
    for script in
        ["error('x')", "return {err = 'no'}", "godra.error('c', 'm')", "while true do end", "x = = 1"]
    {
        world.run(script).unwrap_err();
    }
    let counted = metrics.script("test");
    assert_eq!((counted.runs.get(), counted.errors.get(), counted.timeouts.get()), (6, 3, 1));
}

#[test]
fn the_library_cannot_be_changed() {
    let mut world = World::new();
    for attack in ["godra.x = 1", "godra.publish = nil", "rawset(godra, 'x', 1)", "_G.godra.now = 2"] {
        assert_eq!(world.fails(attack), "test.lua:1: Attempt to modify a readonly table", "{attack}");
    }
    assert_eq!(world.ok("return godra.room_ttl"), "3600");
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
    assert_eq!(events[0].addressed, [(0, Audience::user("7"))]);
    assert_eq!(events[0].event(4), br#"{"type":"hint","payload":"left","seq":4}"#);
}

#[test]
fn what_a_failed_call_published_and_wrote_is_undone() {
    let mut world = World::new();
    world.fails("redis.call('SET', 'k', 'v') godra.publish('a') error('x')");
    assert_eq!(world.published(), "");
    assert_eq!(world.ok("return redis.call('GET', 'k')"), "null");
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
fn endless_events() {
    let mut world = World::new();
    let big = "local s = ('x'):rep(1e6) while true do godra.publish('x', s) end";
    assert_eq!(world.fails(big), "test.lua:1: too many events at once: those of one call take at most 4 MiB");
    assert_eq!(world.ok("godra.send('7', 'x') return 1"), "1", "another call has its own bound");
    let mut world = World::with_budgets(Duration::from_millis(50), 16 << 20);
    assert_eq!(
        world.run("while true do godra.publish('x') end").unwrap_err().code.as_str(),
        "script_timeout"
    );
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
fn old_versions_of_scripts_are_forgotten() {
    let mut world = World::new();
    let set =
        |script: &Arc<Script>| Arc::new(ScriptSet::new([(script.name.clone(), script.clone())].into(), 1));
    let waiting = call("return 'waiting'", CallKeys::Resolved(Vec::new()), &[]);
    world.runner.prepare(&set(&waiting.script));
    let mut resting = 0;
    for version in 0..100 {
        world.runner.prepare(&set(&script(&format!("return {version}"))));
        assert_eq!(world.runner.compiled.len(), 2, "the newest, and the one that a call holds");
        if version == 10 {
            resting = world.runner.interpreter.used_bytes();
        }
    }
    assert!(world.runner.interpreter.used_bytes() < resting + 1024);
    let CallResult::Ok(json) = world.call(&waiting) else { panic!() };
    assert_eq!(json, r#""waiting""#);
    drop(waiting);
    world.runner.prepare(&set(&script("return 100")));
    assert_eq!(world.runner.compiled.len(), 1);
}

#[test]
fn groups_are_in_the_store() {
    let mut world = World::new();
    world.ok("godra.join('red') godra.join({'red', 'blue'}, '7')");
    world.ok("godra.publish('x', 1, {group = 'red'})");
    let events = world.events();
    assert_eq!(events[0].addressed.len(), 1);
    assert!(events[0].addressed[0].1.includes("7"));
    world.ok("godra.join({'red', 'scouts'}, '8') for i, o in ipairs({{group = 'red'}, {group = 'scouts', to = '9'}, {group = {'red', 'scouts', 'none'}, except = '8'}}) do godra.publish('x', 1, o) end");
    world.events();
    world.ok("godra.leave('red', '7') godra.leave({'red', 'none'}, '9')");
    world.ok("godra.leave('red', '7') godra.publish('x', 1, {group = 'red'})");
    assert!(!world.events()[0].addressed[0].1.includes("7"));
}
