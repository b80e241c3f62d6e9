//! Messages and timers between rooms of several nodes: each runs once, in order, whatever happens to nodes and the store.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::player::Player;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::{wait_until, wait_within};
use crate::stage::{User, node_in};

/// Sends as many messages as it is told to, with their numbers as payloads; then it may fail.
const SEND: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:sent
local asked = cjson.decode(ARGV[2])
for number = asked.from or 1, asked.to or asked.from or 1 do
  godra.tell(asked.room, asked.script or "receive", { number = number, pad = asked.pad },
    { after = asked.after, name = asked.name })
end
redis.call("INCR", KEYS[1])
if asked.fails then error("told and failed") end
return "OK"
"#;

const CANCEL: &str = r#"-- ROLE: guest
-- KEYS: game:{room}
local asked = cjson.decode(ARGV[2])
local found = tostring(godra.cancel(asked.name))
if asked.fails then error("cancelled and failed") end
return found
"#;

/// Notes what comes, in order.
const RECEIVE: &str = r#"-- ROLE: server
-- KEYS: game:{room}:received
local message = cjson.decode(ARGV[2])
redis.call("RPUSH", KEYS[1], message.number)
godra.publish("received", { number = message.number, caller = ARGV[1], user = tostring(godra.user), room = godra.room })
"#;

/// The same, where there is no room.
const NOTE: &str = r#"-- ROLE: server
-- KEYS: noted
redis.call("RPUSH", KEYS[1], godra.payload.number)
"#;

/// Passes a number on between two rooms until it is 0.
const PASS: &str = r#"-- ROLE: server
-- KEYS: game:{room}:received
local message = cjson.decode(ARGV[2])
redis.call("RPUSH", KEYS[1], message.left)
if message.left > 0 then
  godra.tell(message.other, "pass", { left = message.left - 1, other = godra.room })
else
  godra.publish("passed", {})
end
"#;

const BREAK: &str = r#"-- ROLE: server
-- KEYS: game:{room}:received, game:{room}:broken
redis.call("INCR", KEYS[2])
godra.tell(godra.room, "receive", { number = -1 })
if cjson.decode(ARGV[2]).number % 2 == 0 then godra.error("no", "refused") end
error("broken")
"#;

const LOOP: &str = "-- ROLE: server\n-- KEYS: game:{room}\nwhile true do end\n";

fn scripts() -> Folder {
    let folder = Folder::new();
    let scripts = [
        ("send", SEND),
        ("cancel", CANCEL),
        ("receive", RECEIVE),
        ("note", NOTE),
        ("pass", PASS),
        ("break", BREAK),
        ("loop", LOOP),
    ];
    for (name, text) in scripts {
        folder.write_script(name, text);
    }
    folder
}

fn start(redis: &Redis) -> Server {
    node_in(scripts(), &[redis.address()], &["--sync-interval", "20"])
}

/// The elements of a list.
fn list(redis: &Redis, key: &str) -> Vec<i64> {
    let answer = redis.command(&["LRANGE", key, "0", "-1"]);
    answer.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

fn received(redis: &Redis, room: &str) -> Vec<i64> {
    list(redis, &format!("game:{room}:received"))
}

/// Keys of messages that are left; those that only say how many have run end by themselves, the time goes with the next look, and the
/// last id stays.
fn left_keys(redis: &Redis) -> Vec<String> {
    let answer = redis.command(&["KEYS", "godra:mail:*"]);
    let is_left = |key: &&str| {
        key.starts_with("godra:mail:")
            && !["ran", "clock", "seq"].contains(&key.split(':').nth(2).unwrap_or(""))
    };
    answer.lines().map(str::trim).filter(is_left).map(str::to_owned).collect()
}

fn expect_ok(player: &mut Player, action: &str, payload: Value) -> Value {
    let answer = player.call(action, payload, 1);
    assert_eq!(answer["type"], "reply", "{answer}");
    answer["result"].clone()
}

fn expect_error(player: &mut Player, action: &str, payload: Value) -> String {
    let answer = player.call(action, payload, 1);
    assert_eq!(answer["type"], "error", "{answer}");
    answer["payload"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn messages_to_a_room_on_another_node_run_once_and_in_order() {
    let redis = Redis::start();
    let nodes = [0; 3].map(|_| start(&redis));
    let users = nodes.each_ref().map(User::new);
    let [here, there] = [0, 1].map(|at: usize| users[at].create_lobby(&nodes[at]));
    let mut sender = users[0].join(&nodes[0], &here);
    let mut receiver = users[1].join(&nodes[1], &there);
    for batch in 0..10 {
        let (from, to) = (batch * 50 + 1, batch * 50 + 50);
        expect_ok(&mut sender, "send", json!({"room": there, "from": from, "to": to}));
    }
    for number in 1..=500 {
        let event = receiver.receive_type("received");
        let expected = json!({"number": number, "caller": "", "user": "nil", "room": there});
        assert_eq!(event["payload"], expected);
    }
    assert_eq!(received(&redis, &there), (1..=500).collect::<Vec<_>>());
    wait_until("nothing to be left", || left_keys(&redis).is_empty());
    let ran = || nodes.iter().map(|node| node.metric("godra_messages_total{outcome=\"run\"}")).sum::<f64>();
    // And the hook's two, of who is there.
    wait_until("all to be counted", || ran() == 502.0);
}

#[test]
fn a_call_that_fails_has_told_and_cancelled_nothing() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    let mut player = user.join(&node, &room);
    wait_until("the hooks' messages to be through", || left_keys(&redis).is_empty());
    expect_ok(&mut player, "send", json!({"room": room, "from": 1, "after": 60_000, "name": "turn"}));
    let before = left_keys(&redis);
    let fails = json!({"room": room, "from": 2, "to": 9, "fails": true});
    assert!(expect_error(&mut player, "send", fails).contains("told and failed"));
    // In the place of the first, were it not for the failure.
    let fails = json!({"room": room, "from": 2, "after": 50, "name": "turn", "fails": true});
    expect_error(&mut player, "send", fails);
    expect_error(&mut player, "cancel", json!({"name": "turn", "fails": true}));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(received(&redis, &room), [0; 0]);
    assert_eq!(left_keys(&redis).len(), before.len());
    assert_eq!(expect_ok(&mut player, "cancel", json!({"name": "turn"})), "true");
    assert_eq!(expect_ok(&mut player, "cancel", json!({"name": "turn"})), "false");
}

#[test]
fn timers_run_when_they_are_due_and_take_each_others_place() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    let [room, other] = [0; 2].map(|_| user.create_lobby(&node));
    let mut player = user.join(&node, &room);
    let began = Instant::now();
    let timer = |number: u64, after: u64, name: &str| json!({"room": room, "from": number, "after": after, "name": name});
    for (number, after, name) in
        [(1, 600, "a"), (2, 300, "b"), (3, 200, "c"), (4, 900, "b"), (5, 700, "d"), (6, 400, "e")]
    {
        expect_ok(&mut player, "send", timer(number, after, name));
    }
    // A name is of one receiver at a time, and taken back of all.
    expect_ok(&mut player, "send", json!({"room": other, "from": 7, "after": 500, "name": "e"}));
    assert_eq!(expect_ok(&mut player, "cancel", json!({"name": "e"})), "true");
    for (number, after) in [(3, 200), (1, 600), (5, 700), (4, 900)] {
        let event = player.receive_type("received");
        assert_eq!(event["payload"]["number"], number);
        let late = began.elapsed().saturating_sub(Duration::from_millis(after));
        assert!(
            began.elapsed() >= Duration::from_millis(after) && late < Duration::from_millis(500),
            "{late:?}"
        );
    }
    wait_until("nothing to be left", || left_keys(&redis).is_empty());
    assert_eq!((received(&redis, &room), received(&redis, &other)), (vec![3, 1, 5, 4], vec![]));
}

#[test]
fn rooms_without_members_and_no_room_get_theirs() {
    let redis = Redis::start();
    let nodes = [0; 2].map(|_| start(&redis));
    let user = User::new(&nodes[0]);
    let [room, empty] = [0; 2].map(|_| user.create_lobby(&nodes[0]));
    let mut player = user.join(&nodes[0], &room);
    expect_ok(&mut player, "send", json!({"room": empty, "from": 1, "to": 3}));
    expect_ok(&mut player, "send", json!({"script": "note", "from": 1, "to": 300}));
    expect_ok(&mut player, "send", json!({"script": "note", "from": 301, "after": 400}));
    wait_until("all to run", || list(&redis, "noted").len() == 301);
    assert_eq!(list(&redis, "noted"), (1..=301).collect::<Vec<_>>());
    assert_eq!(received(&redis, &empty), [1, 2, 3]);
}

#[test]
fn a_node_that_dies_loses_no_message() {
    let redis = Redis::start();
    let nodes = [0; 3].map(|_| start(&redis));
    let user = User::new(&nodes[0]);
    let rooms: Vec<String> = (0..12).map(|_| user.create_lobby(&nodes[0])).collect();
    let mut player = user.join(&nodes[0], &rooms[0]);
    let mut number = 0;
    for after in [0, 300, 1000] {
        for room in &rooms {
            let tell = json!({"room": room, "from": number + 1, "to": number + 100, "after": after});
            expect_ok(&mut player, "send", tell);
        }
        number += 100;
    }
    nodes[0].signal("KILL");
    nodes[1].signal("STOP");
    std::thread::sleep(Duration::from_millis(700));
    nodes[1].signal("KILL");
    let expected: Vec<i64> = (1..=300).collect();
    for room in &rooms {
        wait_within(Duration::from_secs(5), "all to run", || received(&redis, room).len() >= 300);
        let mut found = received(&redis, room);
        // Those without a delay in order, and then the others.
        assert_eq!(found[..100], expected[..100]);
        found.sort_unstable();
        assert_eq!(found, expected);
    }
    assert_eq!(left_keys(&redis), [""; 0]);
}

#[test]
fn a_long_chain_runs_hop_by_hop() {
    let redis = Redis::start();
    let nodes = [0; 2].map(|_| {
        let folder = scripts();
        let begin = "-- ROLE: guest\n-- KEYS: game:{room}\n\
            godra.tell(godra.room, 'pass', { left = 300, other = cjson.decode(ARGV[2]) })\nreturn 'OK'";
        folder.write_script("begin", begin);
        node_in(folder, &[redis.address()], &["--sync-interval", "20"])
    });
    let user = User::new(&nodes[0]);
    let [here, there] = [0; 2].map(|_| user.create_lobby(&nodes[0]));
    let mut player = user.join(&nodes[0], &here);
    let began = Instant::now();
    expect_ok(&mut player, "begin", json!(there));
    player.receive_type("passed");
    eprintln!("300 hops took {:?}", began.elapsed());
    assert_eq!(received(&redis, &here), (0..=150).rev().map(|left| 2 * left).collect::<Vec<_>>());
    assert_eq!(received(&redis, &there), (0..150).rev().map(|left| 2 * left + 1).collect::<Vec<_>>());
    wait_until("nothing to be left", || left_keys(&redis).is_empty());
}

#[test]
fn a_message_that_fails_is_used_up_and_changes_nothing() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    let mut player = user.join(&node, &room);
    expect_ok(&mut player, "send", json!({"room": room, "script": "break", "from": 1, "to": 2}));
    expect_ok(&mut player, "send", json!({"room": room, "from": 3}));
    assert_eq!(player.receive_type("received")["payload"]["number"], 3);
    assert_eq!(received(&redis, &room), [3]);
    assert_eq!(redis.command(&["EXISTS", &format!("game:{room}:broken")]).trim(), ":0");
    wait_until("both to be counted", || node.metric("godra_messages_total{outcome=\"failed\"}") == 2.0);
    for text in ["break.lua:6: broken", "refused"] {
        node.output().wait_for_line(&["WARN", "script=break", &format!("room={room}"), text]);
    }
    wait_until("nothing to be left", || left_keys(&redis).is_empty());
}

#[test]
fn a_message_that_runs_on_and_on_is_dropped() {
    let redis = Redis::start_with(&["--lua-time-limit", "200"]);
    let node = start(&redis);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    let mut player = user.join(&node, &room);
    expect_ok(&mut player, "send", json!({"room": room, "from": 1}));
    assert_eq!(player.receive_type("received")["payload"]["number"], 1);
    expect_ok(&mut player, "send", json!({"room": room, "script": "loop"}));
    player.send("send", json!({"room": room, "from": 2, "to": 4}));
    node.output().wait_for_line(&["ERROR", "a message is dropped", "script=loop", &format!("room={room}")]);
    wait_within(Duration::from_secs(10), "the others to run", || {
        // The store was away while the loop ran: what was sent then may not have run.
        player.send("send", json!({"room": room, "from": 9}));
        std::thread::sleep(Duration::from_millis(100));
        received(&redis, &room).contains(&9)
    });
    wait_until("nothing to be left", || left_keys(&redis).is_empty());
}

#[test]
fn a_script_that_is_not_there_any_more_holds_nothing_up_for_long() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    let mut player = user.join(&node, &room);
    expect_ok(&mut player, "send", json!({"room": room, "script": "break", "from": 1, "after": 1500}));
    expect_ok(&mut player, "send", json!({"room": room, "from": 2, "after": 1600}));
    std::fs::remove_file(node.folder().script("break")).unwrap();
    node.output().wait_for_line(&["script removed", "break"]);
    let late = json!({"room": room, "script": "break", "after": 60_000});
    wait_until("it to be unknown", || {
        let answer = player.call("send", late.clone(), 1);
        answer["payload"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("there is no script \"break\""))
    });
    wait_within(Duration::from_secs(20), "it to be dropped", || {
        node.output().text().lines().any(|line| line.contains("a message is dropped script=break"))
    });
    wait_until("what was behind it to run", || received(&redis, &room) == [2]);
    wait_until("it to be counted", || node.metric("godra_messages_total{outcome=\"failed\"}") == 1.0);
}

/// Bad input, as the embedded store says it.
#[test]
fn what_is_refused() {
    let redis = Redis::start();
    let folder = scripts();
    let check = "-- ROLE: guest\n-- KEYS: game:{room}\nlocal code = cjson.decode(ARGV[2])\n\
        local kinds = { deep = function() local t = {} for _ = 1, 200 do t = { t } end return t end }\n\
        local payload = code.bytes and string.rep('x', code.bytes) or code.deep and kinds.deep() or 1\n\
        local room, name = code.room, code.name_bytes and string.rep('n', code.name_bytes) or nil\n\
        if code.none then room = nil end\n\
        if code.cancel then return tostring(godra.cancel(name)) end\n\
        godra.tell(room, code.script or 'receive', payload, code.options or { name = name, after = code.after })\n\
        return 'OK'";
    folder.write_script("check", check);
    let node = node_in(folder, &[redis.address()], &[]);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    let mut player = user.join(&node, &room);
    for (asked, expected) in [
        (json!({"room": "no room"}), "bad argument #1 to 'tell': nil, or the id of a room of the same game"),
        (json!({"room": "x".repeat(65)}), "bad argument #1 to 'tell'"),
        (json!({"room": 7}), "bad argument #1 to 'tell'"),
        (json!({"room": room, "script": "nothing"}), "there is no script \"nothing\""),
        (json!({"room": room, "script": "%s\"\n"}), "there is no script \"%s??\""),
        (json!({"room": room, "script": "check"}), "\"check\" is not for messages"),
        (json!({"none": true}), "the keys of \"receive\" need a room"),
        (json!({"room": room, "bytes": 65_535}), "at most 65536 bytes"),
        (json!({"room": room, "deep": true}), "levels of arrays and objects"),
        (json!({"room": room, "after": -1}), "bad option after"),
        (json!({"room": room, "after": 0.5}), "bad option after"),
        (json!({"room": room, "after": "5"}), "bad option after"),
        (json!({"room": room, "after": 2_592_000_001u64}), "bad option after"),
        (json!({"room": room, "name_bytes": 0}), "bad option name"),
        (json!({"room": room, "name_bytes": 257}), "bad option name"),
        (json!({"room": room, "options": 5}), "a table of options"),
        (json!({"room": room, "options": {"delay": 5}}), "no option \"delay\": there are after, name"),
        (json!({"cancel": true}), "bad argument #1 to 'cancel'"),
        (json!({"cancel": true, "name_bytes": 257}), "bad argument #1 to 'cancel'"),
    ] {
        let error = expect_error(&mut player, "check", asked.clone());
        assert!(error.starts_with("check.lua:") && error.contains(expected), "{asked}: {error}");
    }
    for asked in [
        json!({"room": room, "bytes": 65_534, "after": 2_592_000_000u64}),
        json!({"room": format!("game:{room}"), "after": 60_000, "name_bytes": 256}),
    ] {
        assert_eq!(expect_ok(&mut player, "check", asked), "OK");
    }
    assert_eq!(expect_ok(&mut player, "check", json!({"cancel": true, "name_bytes": 256})), "true");
    let many = |from: u64, to: u64| json!({"room": room, "from": from, "to": to, "after": 60_000});
    assert!(expect_error(&mut player, "send", many(1, 1001)).contains("a call sends at most 1000 messages"));
    wait_until("the store to take a thousand", || expect_ok(&mut player, "send", many(1, 1000)) == "OK");
    // As if there were as many as there may be. In steps, so that the node never takes the store for gone.
    let due = format!("godra:mail:due:{room}");
    let fill = "for n = ARGV[1], ARGV[2] do redis.call('ZADD', KEYS[1], 9e12, n) redis.call('HSET', KEYS[2], n, '') end";
    let count = 100_000 - 1001;
    for from in (1..=count).step_by(5000) {
        let to = count.min(from + 4999);
        redis.command(&["EVAL", fill, "2", &due, "godra:mail:bodies", &from.to_string(), &to.to_string()]);
    }
    let error = expect_error(&mut player, "send", many(1, 1));
    assert!(error.contains("at most 100000 messages may be pending"), "{error}");
    assert_eq!(
        expect_ok(&mut player, "send", json!({"room": "other", "from": 1, "to": 1, "after": 60_000})),
        "OK"
    );

    // As many in all as there may be: another room has none, and gets none.
    let fill = "for n = ARGV[1], ARGV[2] do redis.call('HSET', KEYS[1], n, '') end";
    let pending: u64 = redis
        .command(&["HLEN", "godra:mail:bodies"])
        .trim_start_matches(':')
        .trim()
        .parse()
        .expect("a number");
    let count = 1_000_000 - pending;
    for from in (1..=count).step_by(5000) {
        let (from, to) = (200_000 + from, 200_000 + count.min(from + 4999));
        redis.command(&["EVAL", fill, "1", "godra:mail:bodies", &from.to_string(), &to.to_string()]);
    }
    let other = |from: u64, to: u64| json!({"room": "third", "from": from, "to": to, "after": 60_000});
    let error = expect_error(&mut player, "send", other(1, 1));
    assert!(error.contains("at most 1000000 messages may be pending in a store"), "{error}");
    redis.command(&["HDEL", "godra:mail:bodies", "200001", "200002"]);
    let error = expect_error(&mut player, "send", other(1, 3));
    assert!(error.contains("at most 1000000 messages may be pending in a store"), "{error}");
    assert_eq!(expect_ok(&mut player, "send", other(1, 2)), "OK", "what failed has taken no place");
}

#[test]
fn messages_outlive_a_store_that_is_away() {
    let mut redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let nodes = [0; 2].map(|_| start(&redis));
    let user = User::new(&nodes[0]);
    let room = user.create_lobby(&nodes[0]);
    let mut player = user.join(&nodes[0], &room);
    expect_ok(&mut player, "send", json!({"room": room, "from": 1, "to": 500, "after": 400}));
    expect_ok(&mut player, "send", json!({"room": room, "from": 501, "to": 600, "after": 2500}));
    redis.command(&["CLIENT", "PAUSE", "600"]);
    std::thread::sleep(Duration::from_millis(700));
    redis.signal("STOP");
    std::thread::sleep(Duration::from_millis(1500));
    redis.signal("CONT");
    redis.kill();
    redis.start_again();
    let is_ready = |node: &Server| node.get("/ready").status == 200;
    wait_within(Duration::from_secs(10), "the nodes to be back", || nodes.iter().all(is_ready));
    wait_within(Duration::from_secs(10), "all to run", || received(&redis, &room).len() >= 600);
    assert_eq!(received(&redis, &room), (1..=600).collect::<Vec<_>>());
    wait_until("nothing to be left", || left_keys(&redis).is_empty());
}

#[test]
fn messages_go_with_the_stores_data() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    let mut player = user.join(&node, &room);
    expect_ok(&mut player, "send", json!({"room": room, "from": 1, "to": 50, "after": 800}));
    redis.command(&["FLUSHALL"]);
    assert_eq!(player.expect_close().0, 4503);
    let next = user.create_lobby(&node);
    let mut player = user.join(&node, &next);
    std::thread::sleep(Duration::from_millis(900));
    expect_ok(&mut player, "send", json!({"room": next, "from": 7}));
    assert_eq!(player.receive_type("received")["payload"]["number"], 7);
    assert_eq!((received(&redis, &room), received(&redis, &next)), (vec![], vec![7]));
}

#[test]
fn a_full_store_takes_no_messages_and_runs_those_it_has() {
    let redis = Redis::start();
    let folder = scripts();
    folder.write_script(
        "fill",
        "-- ROLE: guest\n-- KEYS: filled\nredis.call('RPUSH', KEYS[1], string.rep('x', 100000))",
    );
    // What it writes is what it frees.
    folder.write_script("light", "-- ROLE: server\n-- KEYS: game:{room}\ngodra.publish('light', {})");
    let again = "-- ROLE: server\n-- KEYS: game:{room}\ngodra.tell(godra.room, 'light', 1)";
    folder.write_script("again", again);
    let node = node_in(folder, &[redis.address()], &[]);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    let mut player = user.join(&node, &room);
    expect_ok(
        &mut player,
        "send",
        json!({"room": room, "script": "light", "from": 1, "to": 20, "after": 2500}),
    );
    expect_ok(
        &mut player,
        "send",
        json!({"room": room, "script": "again", "from": 1, "to": 20, "after": 2600}),
    );
    let info = redis.command(&["INFO", "memory"]);
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("it tells");
    let used: u64 = used.trim().parse().expect("a number");
    redis.command(&["CONFIG", "SET", "maxmemory", &(used + (1 << 20)).to_string()]);
    wait_until("the store to be full", || player.call("fill", json!(null), 1)["type"] == "error");
    let error = expect_error(&mut player, "send", json!({"room": room, "script": "light"}));
    assert!(error.starts_with("the store is full"), "{error}");
    for _ in 0..20 {
        player.receive_type("light");
    }
    let outcomes = |outcome: &str| node.metric(&format!("godra_messages_total{{outcome={outcome:?}}}"));
    wait_until("all to have run", || outcomes("run") + outcomes("failed") == 41.0);
    assert_eq!(outcomes("run"), 21.0, "the hook's, of who is there, among them; what tells is refused");
    redis.command(&["DEL", "filled"]);
    wait_until("there to be room", || {
        player.call("send", json!({"room": room, "script": "light"}), 1)["type"] == "reply"
    });
    player.receive_type("light");
    wait_until("nothing to be left", || left_keys(&redis).is_empty());
}

/// Two stores, and nodes that work with both.
fn start_on_two<const NODES: usize>(stores: &[Redis; 2]) -> [Server; NODES] {
    let addresses = stores.each_ref().map(Redis::address);
    [0; NODES].map(|_| node_in(scripts(), &addresses, &["--sync-interval", "20"]))
}

/// A room in each of the stores.
fn room_in_each(stores: &[Redis; 2], node: &Server, user: &User) -> [String; 2] {
    let mut rooms = [None, None];
    wait_until("a room in each store", || {
        let room = user.create_lobby(node);
        let is_there = |store: &Redis| store.command(&["EXISTS", &format!("game:{room}")]).trim() == ":1";
        let home = stores.iter().position(is_there).expect("it is in one of them");
        rooms[home] = Some(room);
        rooms.iter().all(Option::is_some)
    });
    rooms.map(|room| room.expect("there is one"))
}

/// What is left on its way: not what says how far it has come.
fn left_outbox(store: &Redis) -> Vec<String> {
    left_keys(store)
        .into_iter()
        .filter(|key| !key.contains("out_seq") && !key.ends_with(":arrived"))
        .collect()
}

#[test]
fn messages_to_another_store_arrive_once_and_in_order() {
    let stores = [Redis::start(), Redis::start()];
    let nodes: [Server; 2] = start_on_two(&stores);
    let user = User::new(&nodes[0]);
    let [here, there] = room_in_each(&stores, &nodes[0], &user);
    let mut sender = user.join(&nodes[0], &here);
    let other = User::new(&nodes[1]);
    let mut receiver = other.join(&nodes[1], &there);
    for batch in 0..20 {
        let (from, to) = (batch * 50 + 1, batch * 50 + 50);
        expect_ok(&mut sender, "send", json!({"room": there, "from": from, "to": to}));
        expect_ok(&mut sender, "send", json!({"script": "note", "from": from, "to": to}));
        receiver.send("send", json!({"script": "note", "from": 5000 + from, "to": 5000 + to}));
    }
    expect_ok(&mut sender, "send", json!({"room": there, "from": 1001, "after": 700}));
    // A timer waits where it was set: so it can be taken back.
    expect_ok(&mut sender, "send", json!({"room": there, "from": 1002, "after": 600, "name": "turn"}));
    assert_eq!(expect_ok(&mut sender, "cancel", json!({"name": "turn"})), "true");
    for number in 1..=1001 {
        assert_eq!(receiver.receive_type("received")["payload"]["number"], number);
    }
    wait_until("what is in no room to run", || {
        stores.iter().map(|store| list(store, "noted").len()).sum::<usize>() == 2000
    });
    let noted: Vec<Vec<i64>> = stores.iter().map(|store| list(store, "noted")).collect();
    assert!(noted.iter().any(Vec::is_empty), "what is in no room is in one store");
    for sender in [1..=1000, 5001..=6000] {
        let of_one: Vec<i64> = noted.concat().into_iter().filter(|number| sender.contains(number)).collect();
        assert_eq!(of_one, sender.collect::<Vec<_>>());
    }
    assert_eq!((received(&stores[1], &there), received(&stores[0], &there)), ((1..=1001).collect(), vec![]));
    wait_until("nothing to be left", || stores.iter().all(|store| left_outbox(store).is_empty()));
}

#[test]
fn an_outbox_outlives_a_node_and_waits_for_a_store_that_is_away() {
    let stores = [Redis::start(), Redis::start()];
    let nodes: [Server; 3] = start_on_two(&stores);
    let user = User::new(&nodes[0]);
    let [here, there] = room_in_each(&stores, &nodes[0], &user);
    let mut sender = user.join(&nodes[0], &here);
    let mut tell = |from: u64, to: u64| {
        expect_ok(&mut sender, "send", json!({"room": there, "from": from, "to": to}));
    };
    // Nodes die with parcels on their way.
    for batch in 0..20 {
        tell(batch * 50 + 1, batch * 50 + 50);
        match batch {
            7 => nodes[1].signal("KILL"),
            9 => stores[1].signal("STOP"),
            _ => {}
        }
    }
    std::thread::sleep(Duration::from_secs(4));
    nodes[0].signal("KILL");
    assert!(received_later(&stores[0]) > 0, "the rest waits in the outbox");
    stores[1].signal("CONT");
    wait_within(Duration::from_secs(15), "all to run", || received(&stores[1], &there).len() >= 1000);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(received(&stores[1], &there), (1..=1000).collect::<Vec<_>>());
    wait_until("nothing to be left", || stores.iter().all(|store| left_outbox(store).is_empty()));
}

/// How many messages wait in a store's outboxes.
fn received_later(store: &Redis) -> usize {
    let outboxes = left_keys(store).into_iter().filter(|key| key.contains(":out:"));
    let length =
        |key: String| store.command(&["LLEN", &key]).trim().trim_start_matches(':').parse::<usize>().unwrap();
    outboxes.map(length).sum()
}

#[test]
fn a_full_outbox_refuses_messages_to_that_store_alone() {
    let stores = [Redis::start(), Redis::start()];
    let [node]: [Server; 1] = start_on_two(&stores);
    let user = User::new(&node);
    let [here, there] = room_in_each(&stores, &node, &user);
    // More rooms of both, so that chance alone does not tell them apart.
    let near: Vec<String> =
        (0..4).map(|_| room_in_each(&stores, &node, &User::new(&node))).map(|[near, _]| near).collect();
    let far: Vec<String> =
        (0..4).map(|_| room_in_each(&stores, &node, &User::new(&node))).map(|[_, far]| far).collect();
    let mut player = user.join(&node, &here);
    stores[1].signal("STOP");
    wait_until("the node to notice", || node.get("/ready").status != 200);
    let outbox = format!("godra:mail:out:{}", stores[1].address());
    // In steps, so that the node never takes that store for gone, too.
    let fill = "for n = ARGV[1] + 1, ARGV[1] + 5000 do
        redis.call('RPUSH', KEYS[1], cmsgpack.pack({ n, '', '1', 'note', '', '{\"number\":1}' }))
    end";
    for step in 0..20 {
        stores[0].command(&["EVAL", fill, "1", &outbox, &(step * 5000).to_string()]);
    }
    for room in far.iter().chain([&there]) {
        let error = expect_error(&mut player, "send", json!({"room": room}));
        assert!(error.contains("too many messages wait for another store"), "{error}");
    }
    for room in &near {
        expect_ok(&mut player, "send", json!({"room": room, "from": 4}));
        wait_until("a room of the same store to be told", || received(&stores[0], room) == [4]);
    }
    expect_ok(&mut player, "send", json!({"room": here, "from": 3}));
    assert_eq!(player.receive_type("received")["payload"]["number"], 3);
    stores[1].signal("CONT");
}

/// They stood still until the clock had caught up.
#[test]
fn regression_timers_go_on_when_the_stores_clock_is_set_back() {
    const CLOCK: &str = "godra:mail:clock";
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    let mut player = user.join(&node, &room);
    let tell = |player: &mut Player, number: u64, after: u64| {
        expect_ok(player, "send", json!({"room": room, "from": number, "after": after}));
    };
    tell(&mut player, 1, 7_200_000);
    wait_until("the time to be noted", || redis.command(&["HEXISTS", CLOCK, "seen"]).starts_with(":1"));
    // The clock is an hour ahead, and something is told; then it is set right, and something else is told.
    let hour_ahead = "local time = redis.call('TIME') \
        redis.call('HSET', KEYS[1], 'ahead', 3600000, 'seen', string.format('%.0f', time[1] * 1000 + 3600000))";
    redis.command(&["EVAL", hour_ahead, "1", CLOCK]);
    let told = Instant::now();
    tell(&mut player, 2, 2000);
    redis.command(&["HDEL", CLOCK, "ahead"]);
    let is_late = "local time, timer = redis.call('TIME'), redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES') \
        return timer[2] - time[1] * 1000 > 3000000 and 1 or 0";
    let due = format!("godra:mail:due:{room}");
    assert!(redis.command(&["EVAL", is_late, "1", &due]).starts_with(":1"), "by its own clock it is an hour");
    tell(&mut player, 3, 4000);
    for number in [2, 3] {
        assert_eq!(player.receive_type("received")["payload"]["number"], number);
        assert!(
            told.elapsed() >= Duration::from_millis((number - 1) * 1900),
            "{number}: {:?}",
            told.elapsed()
        );
    }
    assert_eq!(received(&redis, &room), [2, 3]);
    redis.command(&["DEL", &due, "godra:mail:bodies"]);
    wait_until("nothing to be left", || left_keys(&redis).is_empty());
}
