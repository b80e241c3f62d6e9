//! Same text, same meaning: what a script does in Redis, it does in the embedded store, given the same seed and time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use godra::metrics::Metrics;
use godra::script::{Header, Script};
use godra::state::embedded::EmbeddedOptions;
use godra::state::embedded::runner::{Invocation, ScriptRunner};
use godra::state::{Batch, Call, CallResult, CallRun};
use godra::wire::ids::{Identity, Role, RoomId};
use godra_engine::keyspace::Value;

use super::sharing::{Node, shown};
use crate::common::redis::Redis;

const FILL: &str = r#"
for number = 1, 300 do
  redis.call("SADD", KEYS[1], "card:" .. number)
  redis.call("HSET", KEYS[2], "field:" .. number, number)
  redis.call("ZADD", KEYS[3], number % 10, "member:" .. number)
end
return "filled"
"#;

/// Chance in all its ways, what it changes, and the time.
const PLAY: &str = r#"
local function joined(list) return table.concat(list, " ") end
local told = {
  math.random(), math.random(6), math.random(-5, 5),
  redis.call("SRANDMEMBER", KEYS[1]), joined(redis.call("SRANDMEMBER", KEYS[1], 3)),
  joined(redis.call("HRANDFIELD", KEYS[2], -3, "WITHVALUES")), joined(redis.call("ZRANDMEMBER", KEYS[3], 2, "WITHSCORES")),
  redis.call("SPOP", KEYS[1]), joined(redis.call("SPOP", KEYS[1], 2)),
  string.format("%.0f", godra.now), joined(redis.call("TIME")),
}
-- In which order pairs finds the names in a table is Lua's own business, and Valkey's Lua has another.
godra.publish("played", told)
redis.call("RPUSH", KEYS[4], cjson.encode(told))
if ARGV[2] == '"fail"' then error("no luck: " .. math.random(1000)) end
return cjson.encode(told)
"#;

const KEYS: &str = "-- KEYS: game:{room}:s, game:{room}:h, game:{room}:z, game:{room}:l\n";

pub fn script(name: &str, header: &str, text: &str) -> Arc<Script> {
    let text = format!("{header}{text}");
    let header = Header::parse(name, &text).unwrap();
    Arc::new(Script::new(name, format!("{name}.lua"), &text, header))
}

pub fn call(script: &Arc<Script>, user_id: &str, payload: &str) -> Call {
    let caller = Identity {
        user_id: user_id.into(),
        username: user_id.into(),
        role: Role::Player,
        expires_at_s: 0,
        login: Default::default(),
    };
    Call::input(script.clone(), Arc::new(caller), payload.as_bytes().into(), true)
}

/// The embedded store, in which calls run again.
pub struct Replay {
    runner: ScriptRunner,
    room: RoomId,
}

impl Replay {
    /// Whatever is not of the calls may differ.
    pub fn new(seed: u64, room: &RoomId) -> Self {
        let (time_budget, memory_budget) = (Duration::from_secs(10), 64 << 20);
        let options = EmbeddedOptions { seed, time_budget, memory_budget, ..EmbeddedOptions::default() };
        let runner = ScriptRunner::new(&options, Arc::new(Metrics::new()));
        Self { runner, room: room.clone() }
    }

    pub fn run(&mut self, call: &Call, run: CallRun) -> CallResult {
        let (now_ms, seed) = (run.now_ms, run.seed);
        let invocation =
            Invocation { call, room: Some(&self.room), now_ms, now: Instant::now(), seed, passed_ms: 0 };
        self.runner.run(invocation).0
    }

    pub fn events(&mut self) -> String {
        let events: Vec<_> = self.runner.event_log().take().collect();
        events.iter().map(|run| std::str::from_utf8(&run.text).unwrap()).collect::<Vec<_>>().join(",")
    }

    fn keyspace(&self) -> BTreeMap<String, String> {
        let keyspace = self.runner.keyspace().borrow();
        let shown = keyspace.iterate().map(|(key, value, end)| {
            (String::from_utf8_lossy(key).into_owned(), format!("{} until {end:?}", entries(value)))
        });
        shown.collect()
    }
}

/// What is in a value, in the order in which the store has it.
fn entries(value: &Value) -> String {
    match value {
        Value::Hash(hash) => format!("{:?}", hash.entries()),
        Value::Set(set) => format!("{:?}", set.entries()),
        Value::SortedSet(set) => format!("{:?}", set.members().entries()),
        other => format!("{other:?}"),
    }
}

/// The room's calls: each script once for every way in which it may be run.
fn calls(header: &str) -> Vec<Call> {
    let header = format!("{header}{KEYS}");
    let (fill, play) = (script("fill", &header, FILL), script("play", &header, PLAY));
    let played = ["1", "2", "\"fail\"", "3"].map(|payload| call(&play, "ann", payload));
    [call(&fill, "ann", "0")].into_iter().chain(played).collect()
}

#[test]
fn a_call_runs_again_with_an_equal_outcome() {
    let redis = Redis::start();
    let node = Node::start(&redis);
    for (name, header) in [("a", ""), ("b", "-- ATOMIC: off\n")] {
        let (room, calls) = (RoomId::parse(name).unwrap(), calls(header));
        node.submit(Batch::new(Some(room.clone()), calls.clone(), 0));
        let done = node.done();
        let runs: Vec<CallRun> = done.runs.iter().map(|run| run.expect("it has run")).collect();
        let places: Vec<(u64, u32)> = runs.iter().map(|run| (run.after_seq, run.place)).collect();
        assert_eq!(places, [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]);

        let mut again = [Replay::new(1, &room), Replay::new(2, &room)];
        for (place, call) in calls.iter().enumerate() {
            for replay in &mut again {
                let result = replay.run(call, runs[place]);
                assert_eq!(shown(&[result])[0], shown(&done.results)[place], "call {place}, {}", runs[place]);
            }
        }
        let told = done.events.map(|events| String::from_utf8(events.text.to_vec()).unwrap());
        for replay in &mut again {
            assert_eq!(Some(replay.events()), told);
        }
        assert_eq!(again[0].keyspace(), again[1].keyspace());
        let list = |replay: &Replay| replay.keyspace()[&format!("game:{name}:l")].clone();
        let theirs = redis.command(&["LLEN", &format!("game:{name}:l")]);
        assert_eq!(theirs.trim(), if header.is_empty() { ":3" } else { ":4" }, "{}", list(&again[0]));
    }
}

#[test]
fn calls_know_their_place_in_the_room() {
    let redis = Redis::start();
    let node = Node::start(&redis);
    let tell = script("tell", "", "godra.publish('told', math.random(1e9)) return math.random(1e9)");
    let submit = |payloads: &[&str]| {
        let calls = payloads.iter().map(|payload| call(&tell, "ann", payload)).collect();
        node.submit(Batch::new(RoomId::parse("a"), calls, 0));
        node.done()
    };
    let (first, second) = (submit(&["1", "2"]), submit(&["3"]));
    let runs: Vec<CallRun> = first.runs.iter().chain(&second.runs).map(|run| run.unwrap()).collect();
    let places: Vec<(u64, u32)> = runs.iter().map(|run| (run.after_seq, run.place)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (2, 0)]);
    assert_eq!(runs[1].seed, runs[0].seed + 1);
    assert_ne!(shown(&first.results)[0], shown(&first.results)[1], "each call has numbers of its own");

    let again = call(&tell, "ann", "4").numbered(1.try_into().ok());
    let numbered = |_| {
        node.submit(Batch::new(RoomId::parse("a"), vec![again.clone()], 0));
        node.done()
    };
    let [ran, repeated] = [1, 2].map(numbered);
    assert!(ran.runs[0].is_some() && repeated.runs == [None], "{:?}", repeated.runs);
    assert_eq!(shown(&ran.results), shown(&repeated.results));
}

/// What each global and each library has, by name, as `name.field kind`.
const LIST: &str = r#"
local shown = {}
for _, name in ipairs(cjson.decode(ARGV[2])) do
  local library, field = string.match(name, "^([^.]+)%.?(.*)$")
  local value = rawget(_G, library)
  if field ~= "" and value ~= nil then value = value[field] end
  shown[#shown + 1] = name .. " " .. type(value)
end
local function is_there(get)
  local ok, value = pcall(get)
  return ok and value ~= nil
end
shown[#shown + 1] = "load " .. tostring(is_there(function() return load end) or is_there(function() return loadstring end))
shown[#shown + 1] = "gcinfo " .. tostring(is_there(function() return gcinfo end) or is_there(function() return collectgarbage end))
shown[#shown + 1] = "getfenv " .. tostring(is_there(function() return getfenv end))
shown[#shown + 1] = "printed " .. tostring(is_there(function() return print end))
return table.concat(shown, "\n")
"#;

/// All names that a store's own Lua has, with those of its libraries.
const NAMES: &str = r#"
local names = {}
for name, value in pairs(_G) do
  names[#names + 1] = name
  if type(value) == "table" and name ~= "_G" and name ~= "KEYS" and name ~= "ARGV" then
    for field in pairs(value) do names[#names + 1] = name .. "." .. field end
  end
end
table.sort(names)
return table.concat(names, " ")
"#;

/// A store tells which it is.
const OF_ONE_STORE: [&str; 6] = [
    "redis.SERVER_NAME",
    "redis.VALKEY_VERSION",
    "redis.VALKEY_VERSION_NUM",
    "server.SERVER_NAME",
    "server.VALKEY_VERSION",
    "server.VALKEY_VERSION_NUM",
];

/// Runs a script in both stores, as one call; gives what it returned there.
fn in_both(redis: &Redis, text: &str, payload: &str) -> [String; 2] {
    let node = Node::start(redis);
    let (script, room) = (script("both", "", text), RoomId::parse("a").unwrap());
    let call = call(&script, "ann", payload);
    node.submit(Batch::new(Some(room.clone()), vec![call.clone()], 0));
    let done = node.done();
    let ours = Replay::new(1, &room).run(&call, done.runs[0].expect("it has run"));
    [shown(&[ours]), shown(&done.results)].map(|shown| shown[0].clone())
}

#[test]
fn both_stores_have_the_same_names() {
    let redis = Redis::start();
    let theirs = redis.command(&["EVAL", NAMES, "0"]);
    let [ours, _] = in_both(&redis, NAMES, "0");
    let mut names: Vec<&str> =
        theirs.split_ascii_whitespace().chain(ours.trim_matches('"').split(' ')).collect();
    names.extend(["godra.now", "godra.user", "godra.room", "godra.room_ttl", "os.time", "string.dump"]);
    names.retain(|name| !name.starts_with('$') && !OF_ONE_STORE.contains(name));
    names.sort_unstable();
    names.dedup();
    assert!(names.len() > 120, "{names:?}");
    let [ours, theirs] = in_both(&redis, LIST, &serde_json::to_string(&names).unwrap());
    let lines = |text: &str| text.split("\\n").map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&ours), lines(&theirs));
    for line in [
        "load false",
        "gcinfo false",
        "getfenv false",
        "printed true",
        "os.clock function",
        "os.time nil",
        "string.dump nil",
    ] {
        assert!(lines(&ours).iter().any(|found| found.trim_matches('"') == line), "{line}: {ours}");
    }
}

/// One that the connection's parser would not take ended the connection, and every call of the node with it.
#[test]
fn a_result_that_cannot_be_sent_is_its_callers_error() {
    let redis = Redis::start();
    let nested = |levels: usize| {
        format!("local value = 1 for _ = 1, {levels} do value = {{ value }} end return value")
    };
    for (script, expected) in [
        (nested(48), "[[[[["),
        (nested(49), "a result has at most 48 levels of arrays"),
        (nested(900), "a result has at most 48 levels of arrays"),
        ("local value = {} value[1] = value return value".into(), "a result has at most 48 levels of arrays"),
        ("return ('x'):rep(16777217)".into(), "a result has at most 16777216 bytes"),
        ("return { 1, { ('x'):rep(16777217) } }".into(), "a result has at most 16777216 bytes"),
        ("return { err = 'no' }".into(), "no"),
        ("return { 1, { ok = 'fine' }, { err = 'bad' }, { map = { 'a' } } }".into(), r#""bad""#),
    ] {
        for answer in in_both(&redis, &script, "0") {
            assert!(answer.contains(expected), "{script}: {answer:.200}");
        }
    }
}

#[test]
fn both_stores_show_values_alike() {
    let redis = Redis::start();
    let cases = [
        "return tostring({}) .. tostring(print_me) .. tostring(cjson.null)",
        "return tostring(tostring) .. tostring(coroutine.create(function() end)) .. tostring(redis) .. tostring(math)",
        "return tostring(nil) .. tostring(1.5) .. tostring(true) .. tostring('table: 0x1') .. tostring(-0.0)",
        "return tostring(setmetatable({}, { __tostring = function() return 'mine' end }))",
        "return tostring(setmetatable({}, { __tostring = function() return 'table: mine' end }))",
        "return _G.tostring(_G) .. _G.math.random(1000000) .. type(_G.godra) .. _G.ARGV[1]",
        "return ({ pcall(function() local text = tostring() return text end) })[2]:match('bad.*')",
        "return string.format('%.17g', os.clock()) .. (os.clock() == godra.now / 1000 and ' now' or ' then')",
        "local ok, why = pcall(function() math.x = 1 end) return why:match('Attempt.*')",
        "local ok, why = pcall(function() os.clock = 1 end) return why:match('Attempt.*')",
        "local ok, why = pcall(function() _G.x = 1 end) return why:match('Attempt.*')",
        "local ok, why = pcall(function() return _G.nothing end) return why:match('Script.*')",
        "return math.floor(-1.5) .. math.huge .. string.upper('x') .. type(string.dump)",
    ];
    for case in cases {
        let case = case.replace("print_me", "function() end");
        let [ours, theirs] = in_both(&redis, &case, "0");
        assert_eq!(ours, theirs, "{case}");
        assert!(!ours.contains("script_error") && !ours.contains("0x7"), "{case}: {ours}");
    }
}
