//! Messages and timers between rooms, on either store.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::player::Player;
use crate::common::server::{Folder, Guest, Server};
use crate::common::wait_until;

/// Does in a room what it is given as a list: `to` and `script` and what else `godra.tell` takes, from `first` to `last` times
/// with the count as the payload if that is "count"; `cancel`; `fail`.
const RUN: &str = r#"-- ROLE: guest
-- KEYS: game:{room}
local function plain(value) if value ~= cjson.null then return value end end
local result
for _, op in ipairs(cjson.decode(ARGV[2])) do
  if op.cancel ~= nil then result = godra.cancel(op.cancel)
  elseif op.fail then error("failed as it was told")
  elseif op.refuse then godra.error("no", "refused as it was told")
  else
    for count = op.first or 1, op.last or 1 do
      local payload = op.payload
      if payload == "count" then payload = count end
      if op.long then payload = ("x"):rep(op.long) end
      for _ = 1, op.deep or 0 do payload = { payload } end
      godra.tell(plain(op.to), op.script or "say", payload, op.options)
    end
  end
end
return tostring(result)
"#;
/// Tells a room's members what came.
const SAY: &str = "-- ROLE: server\n-- KEYS: game:{room}\n\
    godra.publish('said', { payload = cjson.decode(ARGV[2]), room = godra.room, key = KEYS[1], caller = ARGV[1], \
    user = tostring(godra.user), arguments = #ARGV })";
/// Keeps a list for all rooms, and tells one of them how long it is.
const LIST: &str = "-- ROLE: server\n-- KEYS: t:list\n\
    local m = cjson.decode(ARGV[2])\n\
    redis.call('RPUSH', KEYS[1], tostring(m.value))\n\
    godra.tell(m.back, 'say', { length = redis.call('LLEN', KEYS[1]), in_room = godra.room ~= nil })";

fn start(scripts: &[(&str, &str)]) -> Server {
    let folder = Folder::new();
    let nowhere = RUN.replace("-- KEYS: game:{room}\n", "");
    let own = [("run", RUN), ("run_nowhere", &*nowhere), ("say", SAY), ("list", LIST)];
    for (name, text) in own.iter().chain(scripts) {
        folder.write_script(name, text);
    }
    Server::start_in(folder, &[])
}

impl Guest<'_> {
    /// What `run` returns in the room.
    fn run(&self, room: &str, ops: Value) -> String {
        let answer = self.rpc("run", json!([ops]), &[&format!("game:{room}")]);
        assert_eq!(answer.status, 200, "{ops}: {answer:?}");
        answer.json()["result"].as_str().expect("a text").to_owned()
    }

    /// The message of the error with which it fails.
    fn fails(&self, room: &str, ops: Value) -> String {
        let answer = self.rpc("run", json!([ops]), &[&format!("game:{room}")]);
        assert!(answer.status >= 400, "{ops}: {answer:?}");
        answer.json()["error"]["message"].as_str().expect("a text").to_owned()
    }
}

/// The payloads of the next messages that `say` tells of.
fn said(player: &mut Player, count: usize) -> Vec<Value> {
    (0..count).map(|_| player.receive_type("said")["payload"]["payload"].take()).collect()
}

/// That nothing more comes but what is told last.
fn nothing_before_the_last(guest: &Guest<'_>, room: &str, player: &mut Player) {
    guest.run(room, json!([{"to": room, "payload": "last"}]));
    assert_eq!(said(player, 1), ["last"]);
}

#[test]
fn a_message_runs_in_its_room_for_its_members() {
    let server = start(&[]);
    let guest = server.guest();
    let (from, to) = (guest.create_lobby(4), guest.create_lobby(4));
    let mut player = guest.join(&to);
    let payload = json!({"x": 1, "list": [1, "a", false]});
    guest.run(&from, json!([{"to": to, "payload": payload}]));
    let told = player.receive_type("said")["payload"].take();
    let expected = json!({
        "payload": payload, "room": to, "key": format!("game:{to}"), "caller": "", "user": "nil", "arguments": 2,
    });
    assert_eq!(told, expected);
    // In front of an id, `game:` is dropped as everywhere; a payload left out is null.
    guest.run(&from, json!([{"to": format!("game:{to}")}]));
    assert_eq!(said(&mut player, 1), [Value::Null]);
    // And the hook's, of who is there.
    wait_until("all to be counted", || server.metric(r#"godra_messages_total{outcome="run"}"#) == 3.0);
}

#[test]
fn messages_come_in_order_however_they_are_sent() {
    let server = start(&[]);
    let guest = server.guest();
    let (from, to) = (guest.create_lobby(4), guest.create_lobby(4));
    let mut player = guest.join(&to);
    for first in [1, 301, 601] {
        guest.run(&from, json!([{"to": to, "payload": "count", "first": first, "last": first + 299}]));
    }
    let numbers: Vec<Value> = (1..=900).map(Value::from).collect();
    assert_eq!(said(&mut player, 900), numbers);
}

#[test]
fn a_timer_comes_at_its_time_and_is_set_anew_and_taken_back() {
    let server = start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    let timer =
        |payload: &str, after: u32| json!({"to": room, "payload": payload, "options": {"after": after}});
    let turn = |payload: &str, after: u32| json!({"to": room, "payload": payload, "options": {"after": after, "name": "turn"}});
    let began = Instant::now();
    guest.run(&room, json!([timer("b", 400), timer("a", 300), timer("c", 400)]));
    assert_eq!(said(&mut player, 3), ["a", "b", "c"]);
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    // Set anew: only the second comes, and at its own time.
    guest.run(&room, json!([turn("old", 100)]));
    guest.run(&room, json!([turn("new", 300)]));
    assert_eq!(said(&mut player, 1), ["new"]);
    // Taken back: nothing comes, and there is nothing to take back any more.
    guest.run(&room, json!([turn("no", 400)]));
    assert_eq!(guest.run(&room, json!([{"cancel": "turn"}])), "true");
    assert_eq!(guest.run(&room, json!([{"cancel": "turn"}])), "false");
    assert_eq!(guest.run(&room, json!([turn("no", 400), {"cancel": "turn"}])), "true", "within one call");
    std::thread::sleep(Duration::from_millis(450));
    nothing_before_the_last(&guest, &room, &mut player);
    // What has run cannot be taken back.
    guest.run(&room, json!([turn("ran", 0)]));
    assert_eq!(said(&mut player, 1), ["ran"]);
    assert_eq!(guest.run(&room, json!([{"cancel": "turn"}])), "false");
}

#[test]
fn names_belong_to_the_sending_room() {
    let server = start(&[]);
    let guest = server.guest();
    let (one, other) = (guest.create_lobby(4), guest.create_lobby(4));
    let mut player = guest.join(&one);
    let tell =
        |payload: &str| json!([{"to": one, "payload": payload, "options": {"after": 1000, "name": "n"}}]);
    guest.run(&one, tell("one"));
    guest.run(&other, tell("other"));
    let answer = guest.rpc("run_nowhere", json!([tell("nowhere")]), &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(guest.run(&other, json!([{"cancel": "n"}])), "true");
    assert_eq!(said(&mut player, 2), ["one", "nowhere"]);
}

#[test]
fn a_call_that_fails_has_told_and_cancelled_nothing() {
    let server = start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    let named = |payload: &str, after: u32| json!({"to": room, "payload": payload, "options": {"after": after, "name": "k"}});
    guest.run(&room, json!([named("kept", 1000)]));
    guest.fails(&room, json!([{"to": room, "payload": "no"}, {"fail": true}]));
    guest.fails(&room, json!([{"cancel": "k"}, {"fail": true}]));
    guest.fails(&room, json!([named("no", 0), {"refuse": true}]));
    guest.fails(&room, json!([{"cancel": "k"}, named("no", 0), {"cancel": "k"}, {"fail": true}]));
    assert_eq!(said(&mut player, 1), ["kept"]);
    nothing_before_the_last(&guest, &room, &mut player);
}

#[test]
fn what_is_about_many_rooms_lives_in_none() {
    let server = start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    for value in ["a", "b"] {
        guest.run(&room, json!([{"to": null, "script": "list", "payload": {"value": value, "back": room}}]));
    }
    let expected = |length: u32| json!({"length": length, "in_room": false});
    assert_eq!(said(&mut player, 2), [expected(1), expected(2)]);
}

const COUNTED: &str = "-- ROLE: guest\n-- KEYS: game:{room}:n\nreturn redis.call('GET', KEYS[1])";

#[test]
fn a_room_without_members_gets_messages() {
    let count = "-- ROLE: server\n-- KEYS: game:{room}:n\nredis.call('INCR', KEYS[1])";
    let server = start(&[("count", count), ("counted", COUNTED)]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    guest.run(&room, json!([{"to": "empty-1", "script": "count", "last": 10, "options": {"after": 10}}]));
    wait_until("the room to have counted", || {
        guest.rpc("counted", json!([]), &["game:empty-1:n"]).json()["result"] == "10"
    });
}

#[test]
fn a_message_that_fails_is_used_up_and_told_of_in_the_log() {
    let broken = "-- ROLE: server\n-- KEYS: game:{room}:n\n\
        redis.call('INCR', KEYS[1])\ngodra.publish('x', 1)\nerror('it broke')";
    let refuses = "-- ROLE: server\ngodra.error('no', 'it refused')";
    let server = start(&[("broken", broken), ("refuses", refuses), ("counted", COUNTED)]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    let ops = json!([{"to": room, "script": "broken", "last": 3}, {"to": room, "script": "refuses"}, {"to": room, "payload": "after"}]);
    guest.run(&room, ops);
    assert_eq!(said(&mut player, 1), ["after"], "what comes behind runs");
    assert!(player.seen().iter().all(|event| event["type"] != "x"));
    wait_until("all to be counted", || server.metric(r#"godra_messages_total{outcome="failed"}"#) == 4.0);
    let counted = guest.rpc("counted", json!([]), &[&format!("game:{room}:n")]).json();
    assert!(matches!(counted["result"], Value::Null | Value::Bool(false)), "{counted}");
    for (script, reason) in [("broken", "broken.lua:5: it broke"), ("refuses", "it refused")] {
        let text = server.output().text();
        let of_script = |line: &&str| line.contains(&format!("script failed script={script}"));
        let lines: Vec<&str> = text.lines().filter(of_script).collect();
        assert!(lines.len() == 1 && lines[0].contains(&room) && lines[0].contains(reason), "{lines:?}");
    }
}

#[test]
fn nobody_but_messages_runs_such_a_script() {
    let server = start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let refused = guest.rpc("say", json!(["1"]), &[&format!("game:{room}")]);
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (403, Some("forbidden")));
    let mut player = guest.join(&room);
    let answer = player.call("say", json!("x"), 1);
    assert!(answer["type"] == "error" && answer["payload"]["code"] == "forbidden", "{answer}");
    nothing_before_the_last(&guest, &room, &mut player);
}

#[test]
fn bad_input_is_refused_with_what_would_be_right() {
    let server = start(&[("open", "-- ROLE: guest\nreturn 1")]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let check = |op: Value, part: &str| {
        let message = guest.fails(&room, json!([op]));
        assert!(message.contains(part), "{op}: {message}");
    };
    let no_room = "bad argument #1 to 'tell': nil, or the id of a room of the same game: 1 to 64 of A-Z, a-z, 0-9, _ and -";
    check(json!({"to": "a b"}), no_room);
    check(json!({"to": "x".repeat(65)}), no_room);
    check(json!({"to": {}}), no_room);
    check(json!({"to": "r", "script": "sya"}), "bad argument #2 to 'tell': there is no script \"sya\"");
    check(
        json!({"to": "r", "script": "open"}),
        "bad argument #2 to 'tell': \"open\" is not for messages: its header needs the line -- ROLE: server",
    );
    check(
        json!({"to": null}),
        "bad argument #1 to 'tell': the keys of \"say\" need a room, and this is none",
    );
    let long = "a message's payload has at most 65536 bytes as JSON";
    check(json!({"to": "r", "long": 1_048_576}), long);
    check(json!({"to": "r", "long": 65_535}), long);
    check(
        json!({"to": "r", "payload": 1, "deep": 33}),
        "a message's payload has at most 32 levels of arrays and objects",
    );
    for after in [json!(-1), json!(2_592_000_001_u64), json!(0.5), json!("1"), json!(true)] {
        let part = "bad option after: whole milliseconds, 0 to 2592000000";
        check(json!({"to": "r", "options": {"after": after}}), part);
    }
    for name in [json!(""), json!("x".repeat(257)), json!("x".repeat(1024)), json!(true)] {
        check(json!({"to": "r", "options": {"name": name}}), "bad option name: a text of 1 to 256 bytes");
    }
    check(json!({"to": "r", "options": {"nmae": "x"}}), "no option \"nmae\": there are after, name");
    check(json!({"to": "r", "options": 5}), "bad argument #4: a table of options, got number");
    check(json!({"cancel": ""}), "bad argument #1 to 'cancel': a text of 1 to 256 bytes");
    check(json!({"to": "r", "last": 1001}), "a call sends at most 1000 messages");
    assert_eq!(server.metric(r#"godra_messages_total{outcome="run"}"#), 0.0);
    guest.run(&room, json!([{"to": "r", "long": 65_534}, {"to": "r", "payload": 1, "deep": 32}]));
}

#[test]
fn a_room_has_so_many_pending_at_most() {
    let server = start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let tell = |last: u32| json!([{"to": "full", "last": last, "options": {"after": 2_592_000_000_u64}}]);
    for _ in 0..100 {
        guest.run(&room, tell(1000));
    }
    let message = guest.fails(&room, tell(1));
    let part = "at most 100000 messages may be pending for a room, or for no room";
    assert!(message.contains(part), "{message}");
    guest.run(&room, json!([{"to": "other"}]));
    wait_until("they are counted", || server.metric("godra_messages_pending") == 100_000.0);
}

/// Two rooms that answer each other without end, and one that tells itself, are work for the store like any other.
#[test]
fn endless_chains_do_not_hold_players_up() {
    let again = "-- ROLE: server\n-- KEYS: game:{room}\n\
        godra.tell(cjson.decode(ARGV[2]), 'again', godra.room)";
    let server = start(&[("again", again)]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let chain = |to: &str, back: &str| json!({"to": to, "script": "again", "payload": back, "last": 20});
    guest.run(&room, json!([chain("a", "b"), chain("c", "c")]));
    let mut player = guest.join(&room);
    let ran = || server.metric(r#"godra_messages_total{outcome="run"}"#);
    let (began, before) = (Instant::now(), ran());
    for n in 0..50 {
        let answer = player.call("move_player", json!({"x": 1, "y": 1}), n);
        assert_eq!(answer["type"], "reply", "{answer}");
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "50 inputs took {took:?}");
    wait_until("the chains go on", || ran() > before + 100.0);
}

/// Members on every event loop hear of what a message publishes.
#[test]
fn members_on_all_shards_get_its_events() {
    let folder = Folder::new();
    folder.write_script("run", RUN);
    folder.write_script("say", SAY);
    let server = Server::start_in(folder, &["--threads", "4"]);
    let guests: Vec<Guest<'_>> = (0..8).map(|_| server.guest()).collect();
    let rooms: Vec<String> = guests.iter().map(|guest| guest.create_lobby(4)).collect();
    let mut players: Vec<Player> = guests.iter().zip(&rooms).map(|(guest, room)| guest.join(room)).collect();
    let all: Vec<Value> = rooms.iter().map(|room| json!({"to": room, "payload": room})).collect();
    guests[0].run(&rooms[0], Value::from(all));
    for (player, room) in players.iter_mut().zip(&rooms) {
        assert_eq!(said(player, 1), [json!(room)]);
    }
}

/// The embedded store's promise after a `kill -9` is a second; a clean stop keeps all.
#[test]
fn what_is_pending_outlives_the_process() {
    for is_killed in [true, false] {
        let files = Folder::empty();
        let start = || {
            let folder = Folder::new();
            folder.write_script("run", RUN);
            folder.write_script("say", SAY);
            let (state, accounts) = (files.path().join("rooms.db"), files.path().join("accounts.db"));
            let [state, accounts] = [&state, &accounts].map(|path| path.to_str().unwrap());
            Server::start_in(folder, &["--state-file", state, "--db-dsn", accounts])
        };
        let mut first = start();
        let guest = first.guest();
        let (token, user_id, room) = (guest.token.clone(), guest.user_id.clone(), guest.create_lobby(4));
        let timer = |n: u32| json!({"to": room, "payload": n, "options": {"after": 6000 + n, "name": n}});
        guest.run(&room, json!([timer(1), timer(2), timer(3)]));
        assert_eq!(guest.run(&room, json!([{"cancel": 2}])), "true");
        if is_killed {
            std::thread::sleep(Duration::from_millis(1200));
            first.signal("KILL");
        } else {
            first.terminate();
        }
        first.wait();
        drop(first);
        let second = start();
        let guest = second.known(&token, &user_id);
        let mut player = guest.join(&room);
        assert_eq!(said(&mut player, 2), [1, 3], "killed: {is_killed}");
        nothing_before_the_last(&guest, &room, &mut player);
    }
}
