//! Messages and timers between rooms, on either store.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::player::Player;
use crate::common::server::{Folder, Guest, Server};
use crate::common::wait_until;

/// Runs the Lua text that it is given: one script for all that a test wants to be done in a room.
const RUN: &str = "-- ROLE: guest\n-- KEYS: game:{room}\n\
    assert(godra.tell and godra.cancel)\n\
    return tostring(assert(loadstring('local godra = ... ' .. ARGV[2]))(godra))";
/// The same in no room.
const RUN_NOWHERE: &str = "-- ROLE: guest\n\
    assert(godra.tell and godra.cancel)\n\
    return tostring(assert(loadstring('local godra = ... ' .. ARGV[2]))(godra))";
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
    for (name, text) in
        [("run", RUN), ("run_nowhere", RUN_NOWHERE), ("say", SAY), ("list", LIST)].iter().chain(scripts)
    {
        folder.write_script(name, text);
    }
    Server::start_in(folder, &[])
}

impl Guest<'_> {
    /// What the text returns when it runs in the room.
    fn run(&self, room: &str, text: &str) -> String {
        let answer = self.rpc("run", json!([text]), &[&format!("game:{room}")]);
        assert_eq!(answer.status, 200, "{text}: {answer:?}");
        answer.json()["result"].as_str().expect("a text").to_owned()
    }

    /// The message of the error with which it fails.
    fn fails(&self, room: &str, text: &str) -> String {
        let answer = self.rpc("run", json!([text]), &[&format!("game:{room}")]);
        assert!(answer.status >= 400, "{text}: {answer:?}");
        answer.json()["error"]["message"].as_str().expect("a text").to_owned()
    }
}

/// The payloads of the next messages that `say` tells of.
fn said(player: &mut Player, count: usize) -> Vec<Value> {
    (0..count).map(|_| player.receive_type("said")["payload"]["payload"].take()).collect()
}

/// That nothing more comes but what is told last.
fn nothing_before_the_last(guest: &Guest<'_>, room: &str, player: &mut Player) {
    guest.run(room, &format!("godra.tell('{room}', 'say', 'last')"));
    assert_eq!(said(player, 1), ["last"]);
}

#[test]
fn a_message_runs_in_its_room_for_its_members() {
    let server = start(&[]);
    let guest = server.guest();
    let (from, to) = (guest.create_lobby(4), guest.create_lobby(4));
    let mut player = guest.join(&to);
    guest.run(&from, &format!("godra.tell('{to}', 'say', {{x = 1, list = {{1, 'a', false}}}})"));
    let told = player.receive_type("said")["payload"].take();
    let expected = json!({
        "payload": {"x": 1, "list": [1, "a", false]}, "room": to, "key": format!("game:{to}"), "caller": "",
        "user": "nil", "arguments": 2,
    });
    assert_eq!(told, expected);
    // In front of an id, `game:` is dropped as everywhere.
    guest.run(&from, &format!("godra.tell('game:{to}', 'say')"));
    assert_eq!(said(&mut player, 1), [Value::Null]);
    wait_until("both to be counted", || server.metric(r#"godra_messages_total{outcome="run"}"#) == 2.0);
}

#[test]
fn messages_come_in_order_however_they_are_sent() {
    let server = start(&[]);
    let guest = server.guest();
    let (from, to) = (guest.create_lobby(4), guest.create_lobby(4));
    let mut player = guest.join(&to);
    for first in [1, 301, 601] {
        guest.run(&from, &format!("for i = {first}, {} do godra.tell('{to}', 'say', i) end", first + 299));
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
    let began = Instant::now();
    guest.run(
        &room,
        "local r = godra.room godra.tell(r, 'say', 'b', {after = 400}) godra.tell(r, 'say', 'a', {after = 300}) godra.tell(r, 'say', 'c', {after = 400})",
    );
    assert_eq!(said(&mut player, 3), ["a", "b", "c"]);
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    // Set anew: only the second comes, and at its own time.
    guest.run(&room, "godra.tell(godra.room, 'say', 'old', {after = 100, name = 'turn'})");
    guest.run(&room, "godra.tell(godra.room, 'say', 'new', {after = 300, name = 'turn'})");
    assert_eq!(said(&mut player, 1), ["new"]);
    // Taken back: nothing comes, and there is nothing to take back any more.
    guest.run(&room, "godra.tell(godra.room, 'say', 'no', {after = 50, name = 'turn'})");
    assert_eq!(guest.run(&room, "return godra.cancel('turn')"), "true");
    assert_eq!(guest.run(&room, "return godra.cancel('turn')"), "false");
    std::thread::sleep(Duration::from_millis(100));
    nothing_before_the_last(&guest, &room, &mut player);
    // What has run cannot be taken back.
    guest.run(&room, "godra.tell(godra.room, 'say', 'ran', {name = 'turn'})");
    assert_eq!(said(&mut player, 1), ["ran"]);
    assert_eq!(guest.run(&room, "return godra.cancel('turn')"), "false");
}

#[test]
fn names_belong_to_the_sending_room() {
    let server = start(&[]);
    let guest = server.guest();
    let (one, other) = (guest.create_lobby(4), guest.create_lobby(4));
    let mut player = guest.join(&one);
    let tell = format!("godra.tell('{one}', 'say', godra.room, {{after = 200, name = 'n'}})");
    guest.run(&one, &tell);
    guest.run(&other, &tell);
    let answer = guest.rpc("run_nowhere", json!([tell.replace("godra.room", "'nowhere'")]), &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(guest.run(&other, "return godra.cancel('n')"), "true");
    assert_eq!(said(&mut player, 2), [json!(one), json!("nowhere")]);
}

#[test]
fn a_call_that_fails_has_told_and_cancelled_nothing() {
    let server = start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    guest.run(&room, "godra.tell(godra.room, 'say', 'kept', {after = 300, name = 'k'})");
    guest.fails(&room, "godra.tell(godra.room, 'say', 'no') error('x')");
    guest.fails(&room, "godra.cancel('k') error('x')");
    guest.fails(&room, "godra.tell(godra.room, 'say', 'no', {name = 'k'}) godra.error('no', 'x')");
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
        guest.run(&room, &format!("godra.tell(nil, 'list', {{value = '{value}', back = godra.room}})"));
    }
    assert_eq!(
        said(&mut player, 2),
        [json!({"length": 1, "in_room": false}), json!({"length": 2, "in_room": false})]
    );
}

#[test]
fn a_room_without_members_gets_messages() {
    let server = start(&[
        ("count", "-- ROLE: server\n-- KEYS: game:{room}:n\nredis.call('INCR', KEYS[1])"),
        ("counted", "-- ROLE: guest\n-- KEYS: game:{room}:n\nreturn redis.call('GET', KEYS[1])"),
    ]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    guest.run(&room, "for i = 1, 10 do godra.tell('empty-1', 'count', i, {after = i}) end");
    wait_until("the room to have counted", || {
        guest.rpc("counted", json!([]), &["game:empty-1:n"]).json()["result"] == "10"
    });
}

#[test]
fn a_message_that_fails_is_used_up_and_told_of_in_the_log() {
    let broken = "-- ROLE: server\n-- KEYS: game:{room}:n\nredis.call('INCR', KEYS[1])\ngodra.publish('x', 1)\nerror('it broke')";
    let refuses = "-- ROLE: server\ngodra.error('no', 'it refused')";
    let server = start(&[
        ("broken", broken),
        ("refuses", refuses),
        ("counted", "-- ROLE: guest\n-- KEYS: game:{room}:n\nreturn redis.call('GET', KEYS[1])"),
    ]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    guest.run(&room, "for i = 1, 3 do godra.tell(godra.room, 'broken') end godra.tell(godra.room, 'refuses') godra.tell(godra.room, 'say', 'after')");
    assert_eq!(said(&mut player, 1), ["after"], "what comes behind runs");
    assert!(player.seen().iter().all(|event| event["type"] != "x"));
    wait_until("all to be counted", || server.metric(r#"godra_messages_total{outcome="failed"}"#) == 4.0);
    assert_eq!(guest.rpc("counted", json!([]), &[&format!("game:{room}:n")]).json()["result"], Value::Null);
    for (script, reason) in [("broken", "broken:5: it broke"), ("refuses", "it refused")] {
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
    let check = |text: &str, part: &str| {
        let message = guest.fails(&room, text);
        assert!(message.contains(part), "{text}: {message}");
    };
    check(
        "godra.tell('a b', 'say')",
        "bad argument #1 to 'tell': nil, or a room's id: 1 to 64 of A-Z, a-z, 0-9, _ and -",
    );
    check("godra.tell({}, 'say')", "bad argument #1 to 'tell'");
    check("godra.tell('r', 'sya')", "bad argument #2 to 'tell': there is no script \"sya\"");
    check(
        "godra.tell('r', 'open')",
        "bad argument #2 to 'tell': \"open\" is not for messages: its header needs the line -- ROLE: server",
    );
    check(
        "godra.tell(nil, 'say')",
        "bad argument #1 to 'tell': the keys of \"say\" need a room, and this is none",
    );
    check(
        "godra.tell('r', 'say', ('x'):rep(1048576))",
        "a message's payload has at most 65536 bytes as JSON",
    );
    check(
        "local t = 1 for i = 1, 33 do t = {t} end godra.tell('r', 'say', t)",
        "a message's payload has at most 32 levels of arrays and objects",
    );
    check("godra.tell('r', 'say', 1, {after = -1})", "bad option after: whole milliseconds, 0 to 2592000000");
    check("godra.tell('r', 'say', 1, {after = 2592000001})", "bad option after");
    check("godra.tell('r', 'say', 1, {after = 0.5})", "bad option after");
    check("godra.tell('r', 'say', 1, {after = '1'})", "bad option after");
    check("godra.tell('r', 'say', 1, {name = ''})", "bad option name: a text of 1 to 256 bytes");
    check("godra.tell('r', 'say', 1, {name = ('x'):rep(1024)})", "bad option name");
    check("godra.tell('r', 'say', 1, {nmae = 'x'})", "no option \"nmae\": there are after, name");
    check("godra.tell('r', 'say', 1, 5)", "bad argument #4: a table of options, got number");
    check("godra.cancel('')", "bad argument #1 to 'cancel': a text of 1 to 256 bytes");
    check("for i = 1, 1001 do godra.tell('r', 'say') end", "a call sends at most 1000 messages");
    assert_eq!(server.metric(r#"godra_messages_total{outcome="run"}"#), 0.0);
}

#[test]
fn a_room_has_so_many_pending_at_most() {
    let server = start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let tell = |count: usize| {
        format!("for i = 1, {count} do godra.tell('full', 'say', i, {{after = 2592000000}}) end")
    };
    for _ in 0..100 {
        guest.run(&room, &tell(1000));
    }
    let message = guest.fails(&room, &tell(1));
    assert!(
        message.contains("at most 100000 messages may be pending for a room, or for no room"),
        "{message}"
    );
    guest.run(&room, "godra.tell(nil, 'list', {value = 1, back = 'other'}) godra.tell('other', 'say')");
    wait_until("they are counted", || server.metric("godra_messages_pending") == 100_000.0);
}

/// Two rooms that answer each other without end, and one that tells itself, are work for the store like any other.
#[test]
fn endless_chains_do_not_hold_players_up() {
    let again = "-- ROLE: server\n-- KEYS: game:{room}\n\
        local to = cjson.decode(ARGV[2])\ngodra.tell(to, 'again', godra.room)";
    let server = start(&[("again", again)]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    guest.run(&room, "for i = 1, 20 do godra.tell('a', 'again', 'b') end for i = 1, 20 do godra.tell('c', 'again', 'c') end");
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
    let all = rooms.iter().map(|room| format!("godra.tell('{room}', 'say', '{room}')")).collect::<Vec<_>>();
    guests[0].run(&rooms[0], &all.join(" "));
    for (player, room) in players.iter_mut().zip(&rooms) {
        assert_eq!(said(player, 1), [json!(room)]);
    }
}

/// The embedded store's promise after a `kill -9` is a second; a clean stop keeps all.
#[test]
fn what_is_pending_outlives_the_process() {
    let files = Folder::empty();
    let start = || {
        let folder = Folder::new();
        folder.write_script("run", RUN);
        folder.write_script("say", SAY);
        let (state, accounts) = (files.path().join("rooms.db"), files.path().join("accounts.db"));
        Server::start_in(
            folder,
            &["--state-file", state.to_str().unwrap(), "--db-dsn", accounts.to_str().unwrap()],
        )
    };
    for is_killed in [true, false] {
        let mut first = start();
        let guest = first.guest();
        let (token, user_id, room) = (guest.token.clone(), guest.user_id.clone(), guest.create_lobby(4));
        guest.run(
            &room,
            "for i = 1, 3 do godra.tell(godra.room, 'say', i, {after = 4000 + i, name = 'n' .. i}) end",
        );
        guest.run(&room, "assert(godra.cancel('n2'))");
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
