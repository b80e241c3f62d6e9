//! Timers of many rooms that are due at once go to the store together: each room still has what is its own, whatever becomes of the
//! others.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::{wait_until, wait_within};
use crate::stage::{User, node_in};

/// Tells each of a list, all within one call: timers that have the same `after` are due at the same time.
const SET: &str = r#"-- ROLE: guest
-- KEYS: sets
local asked = cjson.decode(ARGV[2])
for _, one in ipairs(asked) do
  godra.tell(one.room, one.script or "act", one, { after = one.after, name = one.name })
end
return "OK"
"#;

/// Notes that it has come, and then does what it is told to.
const ACT: &str = r#"-- ROLE: server
-- KEYS: game:{room}:notes
local one = cjson.decode(ARGV[2])
redis.call("RPUSH", KEYS[1], one.note)
godra.publish("acted", { note = one.note })
local kinds = {
  breaks = function() error("broken") end,
  refuses = function() godra.error("no", "refused") end,
  full = function() error({ err = "OOM command not allowed when used memory > 'maxmemory'." }, 0) end,
  shouts = function()
    for _ = 1, 6 do godra.publish("shout", string.rep("x", 1000000)) end
  end,
  tells = function()
    for _, room in ipairs(one.rooms) do godra.tell(room, "act", { note = one.next }, { after = one.later }) end
    if one.fails then error("told and failed") end
  end,
  names = function()
    godra.tell(one.to, "act", { note = -1 }, { after = one.later, name = "named" })
    godra.tell(godra.room, "act", { note = 2, kind = "cancels" }, { after = one.later })
  end,
  cancels = function() godra.cancel("named") end,
  works = function() for _ = 1, one.rounds do end end,
}
if type(one.kind) == "string" then kinds[one.kind]() end
"#;

const LOOP: &str = "-- ROLE: server\n-- KEYS: game:{room}\nwhile true do end\n";

const ROOMS: usize = 40;

fn start(redis: &Redis) -> Server {
    let folder = Folder::new();
    for (name, text) in [("set", SET), ("act", ACT), ("loops", LOOP)] {
        folder.write_script(name, text);
    }
    node_in(folder, &[redis.address()], &["--sync-interval", "20"])
}

/// In the order in which a bundle has them.
fn rooms() -> Vec<String> {
    (0..ROOMS).map(|number| format!("r{number:02}")).collect()
}

fn set(user: &User, node: &Server, all: Vec<Value>) {
    let response = user.rpc(node, "set", json!([all]), &[]);
    assert_eq!(response.status, 200, "{response:?}");
}

/// Lets the script run alone until it is trusted with others.
fn prove(redis: &Redis, user: &User, node: &Server) {
    set(user, node, (0..64).map(|note| json!({"room": "proof", "note": note})).collect());
    wait_until("the script to be proven", || notes(redis, "proof").len() == 64);
}

fn notes(redis: &Redis, room: &str) -> Vec<i64> {
    let answer = redis.command(&["LRANGE", &format!("game:{room}:notes"), "0", "-1"]);
    answer.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// How many programs the store has run.
fn programs_run(redis: &Redis) -> u64 {
    let stats = redis.command(&["INFO", "commandstats"]);
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    calls.and_then(|rest| rest.split(',').next()).and_then(|calls| calls.parse().ok()).unwrap_or(0)
}

fn pending(redis: &Redis) -> String {
    redis.command(&["HLEN", "godra:mail:bodies"]).trim().to_owned()
}

fn all_have(redis: &Redis, rooms: &[String], expected: &[i64]) {
    for room in rooms {
        wait_within(Duration::from_secs(10), "a room's timers to run", || {
            notes(redis, room).len() >= expected.len()
        });
        assert_eq!(notes(redis, room), expected, "{room}");
    }
}

/// Each room stands where its first timer is due, or nowhere if it has none. Where a call has failed, it may stand too early.
fn check_standing(redis: &Redis, rooms: &[String]) {
    for room in rooms {
        let due = redis.command(&["ZRANGE", &format!("godra:mail:due:{room}"), "0", "0", "WITHSCORES"]);
        let first = due.lines().last().filter(|_| due.lines().count() > 2).map(str::trim);
        let standing = redis.command(&["ZSCORE", "godra:mail:timers", room]);
        let standing = standing.lines().nth(1).map(str::trim);
        let is_early = standing.is_some() && standing <= first;
        assert!(standing == first || is_early, "{room}: {standing:?} for {first:?}");
    }
}

#[test]
fn rooms_whose_timers_are_due_at_once_share_a_program_and_no_failure() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    prove(&redis, &user, &node);
    let rooms = rooms();
    let kind = |number: usize| match number % 8 {
        1 => json!("breaks"),
        2 => json!("refuses"),
        3 => json!("full"),
        _ => Value::Null,
    };
    let timers = rooms
        .iter()
        .enumerate()
        .map(|(number, room)| json!({"room": room, "note": 7, "kind": kind(number), "after": 500}));
    set(&user, &node, timers.collect());
    let before = programs_run(&redis);
    wait_until("all to have run", || pending(&redis) == ":0");
    let ran = programs_run(&redis) - before;
    assert!(ran < ROOMS as u64 / 2, "{ran} programs for {ROOMS} rooms");
    for (number, room) in rooms.iter().enumerate() {
        let fails = !kind(number).is_null();
        let expected: &[i64] = if fails { &[] } else { &[7] };
        assert_eq!(notes(&redis, room), expected, "{room}");
        // Who published, and who did not: the room's own numbers.
        let seq = redis.command(&["HGET", &format!("godra:room:{room}"), "seq"]);
        assert_eq!(seq.contains("\r\n1"), !fails, "{room} {seq}");
    }
    let failed = (0..ROOMS).filter(|number| !kind(*number).is_null()).count();
    wait_until("the failures to be counted", || {
        node.metric("godra_messages_total{outcome=\"failed\"}") == failed as f64
    });
    node.output().wait_for_line(&["WARN", "script failed script=act", "room=r01", "act.lua:7: broken"]);
    node.output().wait_for_line(&["script failed script=act", "room=r02", "refused"]);
    check_standing(&redis, &rooms);
}

#[test]
fn a_room_that_publishes_more_than_a_call_may_is_alone_with_that() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    prove(&redis, &user, &node);
    let rooms = rooms();
    let kind = |number: usize| if number == 4 { json!("shouts") } else { Value::Null };
    let timers = rooms
        .iter()
        .enumerate()
        .map(|(number, room)| json!({"room": room, "note": 7, "kind": kind(number), "after": 500}));
    set(&user, &node, timers.collect());
    wait_until("all to have run", || pending(&redis) == ":0");
    for (number, room) in rooms.iter().enumerate() {
        let expected: &[i64] = if number == 4 { &[] } else { &[7] };
        assert_eq!(notes(&redis, room), expected, "{room}");
    }
    check_standing(&redis, &rooms);
}

#[test]
fn a_rooms_order_is_kept() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    prove(&redis, &user, &node);
    let rooms = rooms();
    // Some are due at once, some as others were a while before.
    let timers = (0..6).flat_map(|note| {
        let after = 500 + note / 3 * 40;
        rooms.iter().map(move |room| json!({"room": room, "note": note, "after": after}))
    });
    set(&user, &node, timers.collect());
    all_have(&redis, &rooms, &[0, 1, 2, 3, 4, 5]);
    // More than a few, and messages that need not wait.
    let timers = (0..20).flat_map(|note| {
        rooms[..8].iter().map(move |room| json!({"room": room, "note": 100 + note, "after": 300}))
    });
    set(&user, &node, timers.collect());
    set(&user, &node, rooms[8..].iter().map(|room| json!({"room": room, "note": 6})).collect());
    let expected: Vec<i64> = (0..6).chain(100..120).collect();
    all_have(&redis, &rooms[..8], &expected);
    all_have(&redis, &rooms[8..], &[0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(pending(&redis), ":0");
    check_standing(&redis, &rooms);
}

#[test]
fn what_rooms_tell_each_other_is_found_and_what_they_take_back_does_not_run() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    prove(&redis, &user, &node);
    let rooms = rooms();
    // The first takes back what is due at the same time in the last, and stands in front of it.
    let [first, last] = [&rooms[0], &rooms[31]];
    set(&user, &node, vec![json!({"room": first, "note": 1, "kind": "names", "to": last, "later": 500})]);
    all_have(&redis, &rooms[..1], &[1, 2]);
    wait_until("nothing to be left", || pending(&redis) == ":0");
    assert_eq!(notes(&redis, last), [0; 0]);

    // Everybody tells everybody, to both sides of a bundle; some fail when they have.
    let tells = rooms.iter().enumerate().map(|(number, room)| {
        let (fails, others) = (number % 5 == 0, [&rooms[number / 2], &rooms[ROOMS - 1 - number / 2]]);
        json!({"room": room, "note": 5, "kind": "tells", "rooms": others, "next": 6, "later": 600_000 - number,
            "fails": fails, "after": 400})
    });
    set(&user, &node, tells.collect());
    let told = 2 * (ROOMS - ROOMS / 5);
    wait_until("all to have told", || pending(&redis) == format!(":{told}"));
    check_standing(&redis, &rooms);
}

#[test]
fn a_room_that_is_lost_meanwhile_takes_no_other_with_it() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    prove(&redis, &user, &node);
    let rooms = rooms();
    set(&user, &node, rooms.iter().map(|room| json!({"room": room, "note": 1, "after": 900})).collect());
    // One has no body any more, and one no record; of one there is nothing but that it is said to have timers.
    let entry = redis.command(&["ZRANGE", "godra:mail:due:r03", "0", "0"]);
    let id = entry.lines().nth(2).and_then(|line| line.split(' ').next()).expect("an id").to_owned();
    redis.command(&["HDEL", "godra:mail:bodies", &id]);
    redis.command(&["DEL", "godra:room:r05", "game:r05:notes"]);
    redis.command(&["DEL", "godra:mail:due:r07"]);
    let others: Vec<String> =
        rooms.iter().filter(|room| !["r03", "r07"].contains(&room.as_str())).cloned().collect();
    all_have(&redis, &others, &[1]);
    assert_eq!((notes(&redis, "r03"), notes(&redis, "r07")), (vec![], vec![]));
}

#[test]
fn a_room_that_the_store_cannot_serve_fails_alone_in_the_end() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    prove(&redis, &user, &node);
    let rooms = rooms();
    // Behind the script, in the middle of a bundle, the store finds no hash where the room's numbers are.
    redis.command(&["SET", "godra:room:r16", "none"]);
    let timers = |note: i64| rooms.iter().map(move |room| json!({"room": room, "note": note, "after": 500}));
    set(&user, &node, timers(1).collect());
    node.output().wait_for_line(&["WARN", "did not run together", "WRONGTYPE"]);
    wait_within(Duration::from_secs(15), "all to have run", || pending(&redis) == ":0");
    set(&user, &node, timers(2).collect());
    wait_within(Duration::from_secs(15), "all to have run", || pending(&redis) == ":0");
    for room in rooms.iter().filter(|room| *room != "r16") {
        assert_eq!(notes(&redis, room), [1, 2], "{room}");
    }
}

#[test]
fn a_script_that_loops_is_dropped_and_the_others_run() {
    let redis = Redis::start_with(&["--lua-time-limit", "200"]);
    let node = start(&redis);
    let user = User::new(&node);
    prove(&redis, &user, &node);
    let rooms = rooms();
    let timers = rooms.iter().enumerate().map(|(number, room)| {
        let script = if number == 20 { "loops" } else { "act" };
        json!({"room": room, "script": script, "note": 1, "after": 500})
    });
    set(&user, &node, timers.collect());
    node.output().wait_for_line(&["ERROR", "a message is dropped", "script=loops", "room=r20"]);
    let others: Vec<String> = rooms.iter().filter(|room| *room != "r20").cloned().collect();
    all_have(&redis, &others, &[1]);
    wait_until("nothing to be left", || pending(&redis) == ":0");
}

#[test]
fn what_there_was_no_time_for_runs_soon_and_once() {
    let redis = Redis::start();
    let node = start(&redis);
    let user = User::new(&node);
    prove(&redis, &user, &node);
    let rooms = rooms();
    // Each of these takes more than a bundle may, and nobody could know.
    let timers = rooms.iter().enumerate().map(|(number, room)| {
        let kind = if number.is_multiple_of(6) { json!("works") } else { Value::Null };
        json!({"room": room, "note": 1, "kind": kind, "rounds": 2_000_000, "after": 400})
    });
    set(&user, &node, timers.collect());
    all_have(&redis, &rooms, &[1]);
    assert_eq!(pending(&redis), ":0");
    check_standing(&redis, &rooms);
}

#[test]
fn a_node_that_dies_amid_bundles_leaves_each_timer_to_run_once() {
    let redis = Redis::start();
    let nodes = [0; 2].map(|_| start(&redis));
    let user = User::new(&nodes[1]);
    // Both get to know the script: whoever has told looks first.
    for node in &nodes {
        while node.metric("godra_messages_total{outcome=\"run\"}") < 64.0 {
            set(&user, node, (0..64).map(|note| json!({"room": "proof", "note": note})).collect());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let rooms = rooms();
    let timers = |note: usize| {
        rooms.iter().map(|room| json!({"room": room, "note": note, "after": 600 + 20 * note})).collect()
    };
    for note in 0..20 {
        set(&user, &nodes[note % 2], timers(note));
    }
    wait_until("some to have run", || notes(&redis, &rooms[0]).len() > 3);
    nodes[0].signal("KILL");
    all_have(&redis, &rooms, &(0..20).collect::<Vec<_>>());
    wait_until("nothing to be left", || pending(&redis) == ":0");
    check_standing(&redis, &rooms);
}
