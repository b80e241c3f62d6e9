//! What `godra` spares a script: its payload, its room's members and state. Both stores run each case, one call after another, and
//! answer alike.

use std::sync::Arc;
use std::time::{Duration, Instant};

use godra::metrics::Metrics;
use godra::script::{Header, Script};
use godra::state::embedded::EmbeddedOptions;
use godra::state::embedded::runner::{Invocation, ScriptRunner};
use godra::state::{Batch, Call};
use godra::wire::ids::{Identity, Role, RoomId};

use super::sharing::{Node, shown};
use crate::common::redis::Redis;

/// A store of each kind, and a room in both.
pub struct Both {
    node: Node,
    runner: ScriptRunner,
    room: Option<RoomId>,
}

impl Both {
    pub fn new(redis: &Redis, room: Option<&str>) -> Self {
        let (time_budget, memory_budget) = (Duration::from_secs(10), 64 << 20);
        let options = EmbeddedOptions { seed: 1, time_budget, memory_budget, ..EmbeddedOptions::default() };
        let runner = ScriptRunner::new(&options, Arc::new(Metrics::new()));
        Self { node: Node::start(redis), runner, room: room.and_then(RoomId::parse) }
    }

    /// Runs a call in both; both give the same.
    #[track_caller]
    pub fn run(&mut self, call: &Call) -> String {
        self.node.submit(Batch::new(self.room.clone(), vec![call.clone()], 0));
        let done = self.node.done();
        let run = done.runs[0].expect("it has run");
        let (now_ms, seed) = (run.now_ms, run.seed);
        let room = self.room.as_ref();
        let invocation = Invocation { call, room, now_ms, now: Instant::now(), seed, passed_ms: 0 };
        let ours = shown(&[self.runner.run(invocation).0]).remove(0);
        let theirs = shown(&done.results).remove(0);
        assert_eq!(ours, theirs, "{}: embedded, then Redis", call.script.text);
        let events: Vec<_> = self.runner.event_log().take().collect();
        let ours: String = events.iter().map(|run| String::from_utf8(run.text.to_vec()).unwrap()).collect();
        let theirs =
            done.events.map(|events| String::from_utf8(events.text.to_vec()).unwrap()).unwrap_or_default();
        assert_eq!(ours, theirs, "{}: embedded, then Redis", call.script.text);
        theirs_with(shown(&done.results).remove(0), &theirs)
    }

    /// Runs a text as a socket's input.
    #[track_caller]
    pub fn input(&mut self, text: &str, payload: &str) -> String {
        self.run(&input(text, payload))
    }

    /// Each text's answer, with `null` as its payload.
    #[track_caller]
    pub fn check(&mut self, cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            assert_eq!(self.input(text, "null"), *expected, "{text}");
        }
    }
}

fn theirs_with(result: String, events: &str) -> String {
    if events.is_empty() { result } else { format!("{result} {events}") }
}

pub fn script(name: &str, text: &str) -> Arc<Script> {
    let header = Header::parse(name, text).unwrap();
    Arc::new(Script::new(name, format!("{name}.lua"), text, header))
}

pub fn ann() -> Arc<Identity> {
    Arc::new(Identity {
        user_id: "ann".into(),
        username: "Ann Other".into(),
        role: Role::Player,
        expires_at_s: 0,
        login: Default::default(),
    })
}

pub fn input(text: &str, payload: &str) -> Call {
    Call::input(script("a", text), ann(), payload.as_bytes().into(), true)
}

fn rpc(text: &str, arguments: &[&str]) -> Call {
    let arguments = arguments.iter().map(|argument| argument.as_bytes().into()).collect();
    Call::rpc(script("a", text), ann(), Vec::new(), arguments)
}

/// The payload's kind, and its JSON; of lists and objects also who calls.
const SHOW: &str = r#"
local payload = godra.payload
local text = type(payload) .. " " .. (payload == nil and "" or cjson.encode(payload))
if type(payload) == "table" then
  payload.seen = 1
  text = text .. " " .. godra.payload.seen .. " " .. godra.user.name .. " " .. godra.user.role
end
return text
"#;

#[test]
fn the_payload_is_decoded() {
    let redis = Redis::start();
    let mut both = Both::new(&redis, Some("a"));
    for (payload, expected) in [
        ("null", "nil "),
        (" null ", "nil "),
        ("5", "number 5"),
        ("\"5\"", "string \\\"5\\\""),
        ("true", "boolean true"),
        (r#"{"x":[1,null]}"#, r#"table {\"x\":[1,null]} 1 Ann Other player"#),
        ("[]", "table {} 1 Ann Other player"),
    ] {
        assert_eq!(both.input(SHOW, payload), format!("\"{expected}\""), "{payload}");
    }
    for payload in [r#""\ud800""#, r#"{"x":["\udc00"]}"#] {
        let told = both.input(SHOW, payload);
        assert!(
            told.starts_with("bad_request: the payload cannot be read: a text in it has half of"),
            "{told}"
        );
        let caught = "return select(2, pcall(function() return godra.payload end)).code";
        assert_eq!(both.input(caught, payload), r#""bad_request""#);
    }
    for (arguments, expected) in [
        (&[][..], "{}"),
        (&["5", "room"], r#"[\"5\",\"room\"]"#),
        (&[r#"{"x":1}"#, "room"], r#"{\"x\":1}"#),
        (&[" [1,2]"], "[1,2]"),
        (&["{oops"], r#"[\"{oops\"]"#),
        (&["[1] and more"], r#"[\"[1] and more\"]"#),
        (&["a", "{}"], r#"[\"a\",\"{}\"]"#),
    ] {
        let shown = both.run(&rpc(SHOW, arguments));
        assert_eq!(shown, format!("\"table {expected} 1 Ann Other player\""), "{arguments:?}");
    }
    assert_eq!(both.run(&input(SHOW, "7").numbered(9.try_into().ok())), "\"number 7\"");
    let mut hook = rpc(SHOW, &["{}"]);
    hook.script = script("on_snapshot", SHOW);
    assert_eq!(both.run(&hook), "\"nil \"");
    hook.script = script("a", "return (godra['pay' .. 'load'] or {}).x");
    assert_eq!(both.run(&hook), "null");
}

#[test]
fn members() {
    let redis = Redis::start();
    let mut both = Both::new(&redis, Some("a"));
    let join =
        "for _, id in ipairs({'b', '10', 'ann', 'Z', '9'}) do redis.call('SADD', 'game:a:players', id) end";
    both.check(&[
        ("return godra.members()", "[]"),
        ("return tostring(godra.is_member())", "\"false\""),
        (join, "null"),
        ("return godra.members()", r#"["10","9","Z","ann","b"]"#),
        ("return tostring(godra.is_member()) .. tostring(godra.is_member('c'))", "\"truefalse\""),
        ("return tostring(godra.is_member(9)) .. tostring(godra.is_member('b'))", "\"truetrue\""),
        // What a payload may hold in the place of an id.
        ("return tostring(godra.is_member(nil)) .. tostring(godra.is_member({}))", "\"falsefalse\""),
        ("return tostring(godra.is_member(cjson.null)) .. tostring(godra.is_member(true))", "\"falsefalse\""),
        ("local g = godra return #g['mem' .. 'bers']()", "5"),
    ]);
    both.check(&[("redis.call('DEL', 'game:a:players') redis.call('SET', 'game:a:players', 1)", "null")]);
    let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(both.input("\nlocal ids = godra.members()", "1"), format!("script_error: a.lua:2: {wrong}"));
}

#[test]
fn the_rooms_state_keeps_plain_values() {
    let redis = Redis::start();
    let mut both = Both::new(&redis, Some("a"));
    let show = "local v = godra.state.get('f') return type(v) .. ' ' .. tostring(v)";
    for (value, expected) in [
        ("5", "number 5"),
        ("'5'", "string 5"),
        ("''", "string "),
        ("true", "boolean true"),
        ("false", "boolean false"),
        ("1.5", "number 1.5"),
        ("nil", "nil nil"),
        ("cjson.null", "nil nil"),
        ("'null'", "string null"),
        ("'a\\n\"/\\127'", "string a\\n\\\"/\u{7f}"),
    ] {
        both.check(&[
            (&format!("godra.state.set('f', 1) godra.state.set('f', {value})"), "null"),
            (show, &format!("\"{expected}\"")),
        ]);
    }
    for number in ["0.1", "1/3", "2^53", "2^53 - 1", "-1e300", "5e-324", "123456789012345678", "-0.0"] {
        let text = format!(
            "local n = {number} godra.state.set('f', n) return tostring(godra.state.get('f') == n and 1 / godra.state.get('f') == 1 / n)"
        );
        both.check(&[(&text, "\"true\"")]);
    }
    both.check(&[
        ("godra.state.set{ list = { 1, { x = 'y' } }, n = 1, f = cjson.null }", "null"),
        ("return cjson.encode(godra.state.get('list'))", r#""[1,{\"x\":\"y\"}]""#),
        ("local all, names = godra.state.all(), {} for name in pairs(all) do names[#names + 1] = name end
          table.sort(names) return table.concat(names, ' ') .. all.list[1] .. all.n", "\"list n11\""),
        ("return redis.call('HGET', 'game:a:state', 'n') .. redis.call('HGET', 'game:a:state', 'list')", r#""1[1,{\"x\":\"y\"}]""#),
        ("return tostring(godra.state.delete('n')) .. tostring(godra.state.delete('n'))", "\"truefalse\""),
        ("redis.call('HSET', 'game:a:state', 'raw', 'plain text') return godra.state.get('raw')", "\"plain text\""),
        ("return godra.state.incr('count') * 100 + godra.state.incr('count', 2.5) * 10 + godra.state.incr('count', -0.5)", "138"),
        ("godra.state.set(1, 2) return godra.state.get('1') + godra.state.get(1)", "4"),
        ("godra.state.set({})", "null"),
        ("godra.state.set('a', 1) godra.error('no', 'no')", "no: no"),
        ("return tostring(godra.state.get('a')) .. tostring(godra.state.get('nothing'))", "\"nilnil\""),
    ]);
}

#[test]
fn what_the_rooms_state_refuses() {
    let redis = Redis::start();
    let mut both = Both::new(&redis, Some("a"));
    let deep = "local v = 1 for _ = 1, 33 do v = { v } end local ok = godra.state.set('f', v)";
    for (text, expected) in [
        ("local x = godra.state.get()", "bad argument #1 to 'get' (string expected, got nil)"),
        (
            "local x = godra.state.set('f')",
            "bad argument #1 to 'set': a field and its value, or a table of fields",
        ),
        ("local x = godra.state.set({ 'f' }, nil)", "bad argument #1 to 'set' (string expected, got table)"),
        (
            "local x = godra.state.set{ [true] = 1 }",
            "bad argument #1 to 'set' (string expected, got boolean)",
        ),
        (
            "local x = godra.state.set('f', print_me)",
            "the room's state takes numbers, booleans, texts and tables, and no function",
        ),
        ("local x = godra.state.set('f', 0 / 0)", "a number of the room's state must be finite"),
        ("local x = godra.state.set{ f = { math.huge } }", "Cannot serialise number: must not be NaN or Inf"),
        ("local x = godra.state.set('f', { print_me })", "Cannot serialise function: type not supported"),
        ("local x = godra.state.incr('f', nil)", "bad argument #2 to 'incr' (number expected, got nil)"),
        ("local x = godra.state.incr('f', '1')", "bad argument #2 to 'incr' (number expected, got string)"),
        ("local x = godra.state.incr('f', 1 / 0)", "a number of the room's state must be finite"),
        (
            "godra.state.set('t', 'x') local x = godra.state.incr('t')",
            "the field \"t\" of the room's state is no number but a string",
        ),
        (deep, "a value of the room's state has at most 32 levels of arrays and objects"),
    ] {
        let text = format!("\n{}", text.replace("print_me", "math.floor"));
        assert_eq!(both.input(&text, "1"), format!("script_error: a.lua:2: {expected}"), "{text}");
    }
    for text in ["godra.state.get = 1", "godra.state = 1", "godra.state.x.y = 1"] {
        let text = format!("local ok = pcall(function() {text} end) return type(godra.state.get)");
        assert_eq!(both.input(&text, "1"), "\"function\"", "{text}");
    }
    let mut outside = Both::new(&redis, None);
    for (text, what) in [
        ("godra.members()", "members"),
        ("godra.is_member('x')", "is_member"),
        ("godra.state.get('x')", "state.get"),
        ("godra.state.set('x', 1)", "state.set"),
        ("godra.state.all()", "state.all"),
        ("godra.state.delete('x')", "state.delete"),
        ("godra.state.incr('x')", "state.incr"),
    ] {
        let expected = format!("script_error: a.lua:1: godra.{what} needs a room, and this call is in none");
        assert_eq!(outside.input(&format!("local x = {text}"), "1"), expected, "{text}");
    }
}

#[test]
fn the_state_ends_with_its_room() {
    let redis = Redis::start();
    let mut both = Both::new(&redis, Some("a"));
    let left =
        "return redis.call('PTTL', 'game:a:state') > 50000 and 1 or redis.call('PTTL', 'game:a:state')";
    both.check(&[
        ("redis.call('HSET', 'game:a', 'owner', 1) godra.state.set('x', 1)", "null"),
        (left, "-1"),
        ("redis.call('EXPIRE', 'game:a', 100)", "null"),
        ("godra.state.delete('x') godra.state.incr('y')", "null"),
        (left, "1"),
    ]);
}

#[test]
fn empty_lists_are_lists() {
    let redis = Redis::start();
    let mut both = Both::new(&redis, Some("a"));
    let told = both.input("godra.publish('e', { l = { godra.array(), { godra.array() } } })", "null");
    assert!(told.contains(r#""payload":{"l":[[],[[]]]}"#), "{told}");
    let told = both.input("godra.send('ann', 'e', godra.array())", "null");
    assert!(told.contains(r#""payload":[]"#), "{told}");
    both.check(&[
        ("return cjson.encode({ a = godra.array(), b = {}, c = { godra.array() } }):gsub('%s', ''):len()", "24"),
        ("return cjson.encode({ godra.array(), {}, { godra.array() } })", r#""[[],{},[[]]]""#),
        ("return cjson.encode(godra.array())", "\"[]\""),
        ("local list = godra.array({ 1 }) list[1] = nil return cjson.encode(list) .. #list", "\"[]0\""),
        ("local list = godra.array() list[1] = 'x' list[2] = godra.array() return cjson.encode(list)", r#""[\"x\",[]]""#),
        ("local list = godra.array() list.x = 1 return cjson.encode(list)", r#""{\"x\":1}""#),
        ("local list = godra.array() godra.array(list) cjson.encode(list) return cjson.encode(list) .. #list", "\"[]0\""),
        ("return godra.array()", "[]"),
        ("godra.state.set('l', { godra.array() }) return redis.call('HGET', 'game:a:state', 'l')", "\"[[]]\""),
        ("return cjson.encode({})", "\"{}\""),
        ("local encode = cjson.encode return encode(_G.godra.array()) .. _G.cjson.encode(godra.array())", "\"[][]\""),
        ("local ok, why = pcall(cjson.encode, { godra.array(), print_me }) return why .. cjson.encode(godra.array())", "\"Cannot serialise function: type not supported[]\""),
        ("local x = godra.array('x')", "script_error: a.lua:1: bad argument #1 to 'array' (table expected, got string)"),
        ("\nlocal x = cjson.encode({ godra.array(), print_me })", "script_error: a.lua:2: Cannot serialise function: type not supported"),
        ("return tostring(getmetatable(godra.array())) .. #godra.array({ 1, 2 })", "\"nil2\""),
    ].map(|(text, expected)| (Box::leak(text.replace("print_me", "math.floor").into_boxed_str()) as &str, expected)));
}

/// A script with libraries: names and texts, each behind those that it requires.
fn script_with(text: &str, libraries: &[(&str, &str)]) -> Arc<Script> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in libraries {
        let path = dir.path().join(format!("lib/{name}.lua"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::write(dir.path().join("a.lua"), text).unwrap();
    let report = godra::script::catalog::load(dir.path(), None);
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    report.set.get("a").unwrap().clone()
}

#[test]
fn shared_code() {
    let redis = Redis::start();
    let mut both = Both::new(&redis, Some("a"));
    let counter = (
        "counter",
        "redis.call('INCR', 'game:a:runs') local n = 0 return { next = function() n = n + 1 return n end }",
    );
    let deep = (
        "deep/say",
        "local counter = require('counter')\nlocal say = {}\nfunction say.it(text)\n  if text == 'no' then error('it will not') end\n  godra.publish('said', text) return text .. counter.next() .. godra.user.name\nend\nreturn say",
    );
    let lists = (
        "lists",
        "return { empty = function() return cjson.encode({ godra.array() }) end, pick = function() return math.random(1000) > 0 end }",
    );
    let none = ("none", "local nothing = tostring({}) .. ARGV[1] .. #KEYS");
    let libraries = [counter, deep, lists, none];
    let mut run = |text: &str, payload: &str| {
        let call = Call::input(script_with(text, &libraries), ann(), payload.as_bytes().into(), true);
        both.run(&call)
    };
    let say = "local say = require('deep/say') local counter = require \"counter\"\n";
    let told = run(&format!("{say}counter.next() return say.it('x')"), "1");
    assert!(told.starts_with("\"x2Ann Other\" ") && told.contains("\"said\""), "{told}");
    // Nothing of a library is left from one call to the next, and each is run once a call.
    assert!(run(&format!("{say}counter.x = 1 return say.it('x')"), "1").starts_with("\"x1Ann Other\" "));
    assert_eq!(
        run("return (require('counter').x or 'none') .. redis.call('GET', 'game:a:runs')", "1"),
        "\"none3\""
    );
    assert_eq!(run("return tostring(require('none')) .. tostring(require('none'))", "1"), "\"truetrue\"");
    assert_eq!(run("local l = require('lists') return l.empty() .. tostring(l.pick())", "1"), "\"[[]]true\"");
    // Places are those of the files.
    assert_eq!(
        run(&format!("{say}\nlocal x = say.it('no')"), "1"),
        "script_error: lib/deep/say.lua:4: it will not"
    );
    assert_eq!(
        run(&format!("{say}local x = say.nothing()"), "1"),
        "script_error: a.lua:2: attempt to call field 'nothing' (a nil value)"
    );
    let broken = [("broken", "\n\nlocal x = nil + 1")];
    let call =
        Call::input(script_with("\nlocal b = require('broken')", &broken), ann(), b"1"[..].into(), true);
    let expected = "script_error: lib/broken.lua:3: attempt to perform arithmetic on a nil value";
    assert_eq!(both.run(&call), expected);
    // It is no global.
    both.check(&[("return tostring(rawget(_G, 'require'))", "\"nil\"")]);
    let writes = [("writes", "x = 1 return 1")];
    let call = Call::input(
        script_with("local ok = pcall(function() return require('writes') end) return tostring(ok)", &writes),
        ann(),
        b"1"[..].into(),
        true,
    );
    assert_eq!(both.run(&call), "\"false\"");
    // Two versions of a library serve two versions of a script.
    for version in ["1", "2"] {
        let text = format!("return {version}");
        let call =
            Call::input(script_with("return require('v')", &[("v", &text)]), ann(), b"1"[..].into(), true);
        assert_eq!(both.run(&call), version);
    }
}
