//! Documents of scripts that the server runs by itself: messages, timers, ticks, and the hook of members whose server is gone. On
//! either store; what is about several servers, on Redis.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::postgres::Postgres;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Guest, Server};
use crate::common::{wait_until, wait_within};
use crate::documents::{postgres_count, result, result_in_time};

/// Counts in the document that its payload names.
const REWARD: &str = r#"
-- ROLE: server
-- DATA: counters/{arg:key}
local name = "counters/" .. godra.payload.key
local value, version = godra.load(name)
godra.save(name, { count = (value and value.count or 0) + 1 }, { version = version })
if godra.payload.fail then godra.error("no", "not today") end
"#;

/// Counts in its room's document, and in one for all.
const VISIT: &str = r#"
-- ROLE: server
-- DATA: counters/{room}, counters/visits
for _, name in ipairs({ "counters/" .. godra.room, "counters/visits" }) do
  local value = godra.load(name)
  godra.save(name, { count = (value and value.count or 0) + 1 })
end
"#;

/// Has no documents.
const SAY: &str = "-- ROLE: server\n-- KEYS: game:{room}\ngodra.publish('said', cjson.decode(ARGV[2]))";

/// Tells what it is given: a list of `{to, script, payload, after}`.
const RUN: &str = r#"
-- ROLE: guest
for _, op in ipairs(cjson.decode(ARGV[2])) do
  godra.tell(op.to, op.script or "reward", op.payload, { after = op.after })
end
"#;

const READ: &str = r#"
-- ROLE: guest
-- DATA: counters/{arg:1}
local value = godra.load("counters/" .. ARGV[2])
return value and value.count or 0
"#;

const CLOCK: &str = r#"
-- TICK: 50
-- DATA: counters/{room}
local name = "counters/" .. godra.room
local value = godra.load(name)
local count = (value and value.count or 0) + 1
godra.save(name, { count = count })
godra.publish("beat", count)
"#;

const LEAVES: &str = r#"
-- KEYS: game:{room}, game:{room}:players
-- DATA: counters/{user}
local value = godra.load("counters/" .. godra.user.id)
godra.save("counters/" .. godra.user.id, { count = (value and value.count or 0) + 1 })
redis.call("SREM", KEYS[2], ARGV[1])
godra.publish("gone", ARGV[1])
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    let scripts = [("reward", REWARD), ("visit", VISIT), ("say", SAY), ("run", RUN), ("read", READ)];
    scripts.iter().for_each(|(name, text)| folder.write_script(name, text));
    folder
}

fn start(flags: &[&str]) -> Server {
    start_in(folder(), flags)
}

fn start_in(folder: Folder, flags: &[&str]) -> Server {
    let server = Server::start_in(folder, &[&["--threads", "2"], flags].concat());
    if flags.contains(&"--redis-addr") {
        server.output().wait_for_line(&["the store is there"]);
    }
    server
}

/// With what a server is told to be on the embedded store, and on Redis.
fn on_each_store(check: impl Fn(&[&str])) {
    check(&["--state-file", "off"]);
    check(&["--redis-addr", &Redis::start().address()]);
}

fn tell(guest: &Guest<'_>, ops: Value) {
    result_in_time(|| guest.rpc("run", json!([ops.clone()]), &[]));
}

fn count(guest: &Guest<'_>, key: &str) -> Value {
    result_in_time(|| guest.rpc("read", json!([key]), &[]))
}

fn wait_for_count(guest: &Guest<'_>, key: &str, expected: u64) {
    wait_until(&format!("{key} to be {expected}"), || count(guest, key) == expected);
}

fn messages(server: &Server, outcome: &str) -> f64 {
    server.metric(&format!(r#"godra_messages_total{{outcome="{outcome}"}}"#))
}

/// Of all servers: as many have run, and none has failed.
fn all_have_run(servers: &[&Server], expected: f64) {
    let sum = |outcome: &str| servers.iter().map(|server| messages(server, outcome)).sum::<f64>();
    wait_until("all to have run", || sum("run") == expected);
    let lost = servers.iter().map(|server| server.metric("godra_document_saves_lost_total")).sum::<f64>();
    assert_eq!((sum("run"), sum("failed"), lost), (expected, 0.0, 0.0));
}

#[test]
fn messages_and_timers_save_documents_once_each() {
    let check = |store: &[&str]| {
        let files = Folder::empty();
        let dsn = files.path().join("game.db");
        let flags = [store, &["--db-dsn", dsn.to_str().unwrap()]].concat();
        let mut server = start(&flags);
        let guest = server.guest();
        let (token, id) = (guest.token.clone(), guest.user_id.clone());
        let rooms: Vec<String> = (0..6).map(|_| guest.create_lobby(4)).collect();
        for after in [0, 1, 300] {
            let nowhere = |key: &str| json!({ "payload": { "key": key }, "after": after });
            let mut ops = vec![nowhere("all"), nowhere("own")];
            for room in &rooms {
                ops.push(json!({ "to": room, "payload": { "key": "all" }, "after": after }));
                ops.push(json!({ "to": room, "script": "visit", "after": after }));
                ops.push(json!({ "to": room, "payload": { "key": room }, "after": after }));
            }
            tell(&guest, json!(ops));
        }
        wait_for_count(&guest, "all", 21);
        wait_for_count(&guest, "own", 3);
        wait_for_count(&guest, "visits", 18);
        rooms.iter().for_each(|room| wait_for_count(&guest, room, 6));
        all_have_run(&[&server], 60.0);
        server.terminate();
        assert!(server.wait().success());
        // Anew with the database alone: all is cold.
        let redis = Redis::start();
        let address = redis.address();
        let flags = match store[0] {
            "--redis-addr" => [&["--redis-addr", &*address], &flags[2..]].concat(),
            _ => flags.clone(),
        };
        let server = start(&flags);
        let guest = server.known(&token, &id);
        tell(&guest, json!([{ "to": rooms[0], "script": "visit" }, { "payload": { "key": "all" } }]));
        wait_for_count(&guest, "visits", 19);
        wait_for_count(&guest, "all", 22);
        all_have_run(&[&server], 2.0);
    };
    on_each_store(check);
}

#[test]
fn ticks_save_documents() {
    on_each_store(|store| {
        let folder = folder();
        folder.write_script("clock", CLOCK);
        let server = start_in(folder, store);
        let guest = server.guest();
        let room = guest.create_lobby(4);
        let mut player = guest.join(&room);
        let beats: Vec<Value> = (0..20).map(|_| player.receive_type("beat")["payload"].take()).collect();
        assert_eq!(beats, (1..=20).collect::<Vec<_>>());
        player.close();
        wait_until("what the ticks have saved", || count(&guest, &room).as_f64() >= Some(20.0));
        assert_eq!(server.metric("godra_document_saves_lost_total"), 0.0);
    });
}

#[test]
fn a_message_that_names_no_document_fails_once() {
    on_each_store(|store| {
        let server = start(store);
        let guest = server.guest();
        let room = guest.create_lobby(4);
        let wrong = json!([
            { "to": room, "payload": { "key": "a/b" } },
            { "to": room, "payload": {} },
            { "to": room, "payload": { "key": "good" } },
            { "to": room, "payload": { "key": "good", "fail": true } },
            { "to": room, "payload": { "key": "good" } },
        ]);
        tell(&guest, wrong);
        wait_for_count(&guest, "good", 2);
        wait_until("the others to fail", || messages(&server, "failed") == 3.0);
        server.output().wait_for_line(&["script failed", "script=reward", "field key is 1 to 128 bytes"]);
        wait_until("nothing to be pending", || server.metric("godra_messages_pending") == 0.0);
        assert_eq!((messages(&server, "run"), messages(&server, "failed")), (2.0, 3.0));
    });
}

/// The payloads of a room's messages are read a part at a time.
#[test]
fn long_payloads_run_in_order() {
    on_each_store(|store| {
        let folder = folder();
        let reward = format!("{REWARD}\nif godra.room then godra.publish('said', godra.payload.number) end");
        folder.write_script("reward", &reward);
        let long = "-- ROLE: guest\nfor number = 1, 40 do\n\
            godra.tell(ARGV[2], 'reward', { key = 'k' .. number % 3, number = number, long = string.rep('x', 60000) })\nend";
        folder.write_script("long", long);
        let server = start_in(folder, store);
        let guest = server.guest();
        let rooms = [guest.create_lobby(4), guest.create_lobby(4)];
        let mut players = rooms.each_ref().map(|room| guest.join(room));
        rooms.iter().for_each(|room| _ = result(&guest.rpc("long", json!([room]), &[])));
        for player in &mut players {
            let seen: Vec<Value> = (0..40).map(|_| player.receive_type("said")["payload"].take()).collect();
            assert_eq!(seen, (1..=40).collect::<Vec<_>>());
        }
        wait_for_count(&guest, "k0", 26);
        wait_for_count(&guest, "k1", 28);
        wait_for_count(&guest, "k2", 26);
    });
}

#[test]
fn a_frozen_database_holds_up_what_is_cold_and_loses_nothing() {
    const ROOMS: usize = 8;
    let postgres = Postgres::start();
    on_each_store(|store| {
        let name = format!("games_{}", store[0].trim_start_matches('-').replace('-', "_"));
        let dsn = postgres.database(&name);
        let server = start(&[store, &["--db-type", "postgres", "--db-dsn", &dsn]].concat());
        let guest = server.guest();
        let rooms: Vec<String> = (0..ROOMS).map(|_| guest.create_lobby(4)).collect();
        let mut player = guest.join(&rooms[0]);
        let other = guest.create_lobby(4);
        let mut other_player = guest.join(&other);
        tell(&guest, json!([{ "to": other, "payload": { "key": "hot" } }]));
        wait_for_count(&guest, "hot", 1);
        postgres.signal("STOP");
        let mut ops = Vec::new();
        for room in &rooms {
            for after in [0, 1, 50] {
                ops.push(json!({ "to": room, "payload": { "key": room }, "after": after }));
                ops.push(json!({ "to": room, "payload": { "key": "all" }, "after": after }));
                ops.push(json!({ "to": room, "script": "say", "payload": after, "after": after }));
            }
        }
        tell(&guest, json!(ops));
        // What is hot goes on meanwhile, and other rooms do.
        for number in 1..=5 {
            tell(
                &guest,
                json!([
                    { "to": other, "payload": { "key": "hot" } },
                    { "to": other, "script": "say", "payload": number },
                ]),
            );
            assert_eq!(other_player.receive_type("said")["payload"], number);
            std::thread::sleep(Duration::from_millis(300));
        }
        // Those of the stock hooks run besides.
        let runs = || {
            let of = |name: &str| server.metric(&format!(r#"godra_script_runs_total{{script="{name}"}}"#));
            of("reward") + of("say")
        };
        assert_eq!(runs(), 11.0, "no other has run");
        let pending = || server.metric("godra_messages_pending");
        wait_until("the others to be pending", || pending() >= 9.0 * ROOMS as f64);
        postgres.signal("CONT");
        let said: Vec<Value> = (0..3).map(|_| player.receive_type("said")["payload"].take()).collect();
        assert_eq!(said, [0, 1, 50], "in their order");
        wait_for_count(&guest, "hot", 6);
        wait_for_count(&guest, "all", 3 * ROOMS as u64);
        rooms.iter().for_each(|room| wait_for_count(&guest, room, 3));
        wait_until("all to have run", || runs() == 11.0 + 9.0 * ROOMS as f64);
        let lost = server.metric("godra_document_saves_lost_total");
        assert_eq!((messages(&server, "failed"), lost), (0.0, 0.0));
    });
}

/// What a durable message publishes waits until the database has what it saved.
#[test]
fn what_durable_messages_tell_is_written() {
    let postgres = Postgres::start();
    on_each_store(|store| {
        let name = format!("games_{}", store[0].trim_start_matches('-').replace('-', "_"));
        let dsn = postgres.database(&name);
        let folder = folder();
        let script = REWARD.replace("-- DATA", "-- DURABLE: on\n-- DATA");
        folder.write_script("reward", &format!("{script}\ngodra.publish('rewarded', godra.payload.key)"));
        let server = start_in(folder, &[store, &["--db-type", "postgres", "--db-dsn", &dsn]].concat());
        let guest = server.guest();
        let room = guest.create_lobby(4);
        let mut player = guest.join(&room);
        let reward = || tell(&guest, json!([{ "to": room, "payload": { "key": "k" } }]));
        reward();
        assert_eq!(player.receive_type("rewarded")["payload"], "k");
        postgres.signal("STOP");
        reward();
        let runs = || server.metric(r#"godra_script_runs_total{script="reward"}"#);
        wait_until("it to run", || runs() == 2.0 || server.metric("godra_document_outbox") > 0.0);
        let early = player.receive_within(Duration::from_millis(500));
        assert!(early.as_ref().is_none_or(|message| message["type"] != "rewarded"), "{early:?}");
        postgres.signal("CONT");
        assert_eq!(player.receive_type("rewarded")["payload"], "k");
        let saved = "SELECT (value::jsonb)->>'count' FROM documents WHERE key = 'k'";
        assert_eq!(postgres.sql(&name, saved), "2");
    });
}

/// Two servers on one Redis see the same messages, and each runs once.
#[test]
fn two_nodes_run_each_message_once() {
    const ROOMS: usize = 12;
    const ROUNDS: usize = 10;
    let postgres = Postgres::start();
    let dsn = postgres.database("games");
    let redis = Redis::start();
    let flags = ["--redis-addr", &redis.address(), "--db-type", "postgres", "--db-dsn", &dsn];
    let nodes = [start(&flags), start(&flags)];
    let tell_all = |node: &Server, number: usize| {
        let guest = node.guest();
        let rooms: Vec<String> = (0..ROOMS).map(|_| guest.create_lobby(4)).collect();
        for round in 0..ROUNDS {
            let key = format!("{number}-{round}");
            let op = |room: &String| {
                json!([
                    { "to": room, "payload": { "key": "all" }, "after": round % 3 },
                    { "to": room, "payload": { "key": key }, "after": 5 },
                    { "to": room, "script": "visit" },
                ])
            };
            rooms.iter().for_each(|room| tell(&guest, op(room)));
        }
    };
    std::thread::scope(|scope| {
        nodes.iter().enumerate().for_each(|(number, node)| _ = scope.spawn(move || tell_all(node, number)));
    });
    let all = 2 * ROOMS * ROUNDS;
    all_have_run(&[&nodes[0], &nodes[1]], 3.0 * all as f64);
    let in_time = |key: &str, expected: usize| {
        let expected = expected.to_string();
        wait_within(Duration::from_secs(40), key, || postgres_count(&postgres, key) == expected);
    };
    in_time("all", all);
    in_time("visits", all);
    (0..2).for_each(|number| (0..ROUNDS).for_each(|round| in_time(&format!("{number}-{round}"), ROOMS)));
}

/// Each store is a home of its own, and takes the document from the other for its messages.
#[test]
fn messages_of_two_stores_work_on_one_document() {
    const EACH: usize = 40;
    let postgres = Postgres::start();
    let dsn = postgres.database("games");
    let stores = [Redis::start(), Redis::start()];
    let servers = stores
        .each_ref()
        .map(|redis| start(&["--redis-addr", &redis.address(), "--db-type", "postgres", "--db-dsn", &dsn]));
    let tell_all = |server: &Server| {
        let guest = server.guest();
        for number in 0..EACH {
            tell(&guest, json!([{ "payload": { "key": "both" }, "after": number * 50 }]));
        }
    };
    std::thread::scope(|scope| servers.iter().for_each(|server| _ = scope.spawn(|| tell_all(server))));
    let all = (2 * EACH).to_string();
    wait_within(Duration::from_secs(60), "all is written", || postgres_count(&postgres, "both") == all);
    all_have_run(&[&servers[0], &servers[1]], 2.0 * EACH as f64);
}

/// Others run the hook of members whose server is gone, with its documents.
#[test]
fn who_is_left_behind_leaves_with_documents() {
    let postgres = Postgres::start();
    let dsn = postgres.database("games");
    let redis = Redis::start();
    let flags = ["--redis-addr", &redis.address(), "--db-type", "postgres", "--db-dsn", &dsn];
    let with_hook = || {
        let folder = folder();
        folder.write_script("on_disconnect", LEAVES);
        folder
    };
    let (mut first, second) = (start_in(with_hook(), &flags), start_in(with_hook(), &flags));
    let (guest, other) = (first.guest(), second.guest());
    let room = guest.create_lobby(4);
    let _player = guest.join(&room);
    let mut watcher = other.join(&room);
    let gone = guest.user_id.clone();
    postgres.signal("STOP");
    first.signal("KILL");
    first.wait();
    let found = || second.metric("godra_redis_orphans_total");
    wait_within(Duration::from_secs(60), "it to be found", || found() > 0.0);
    // It is found again and again meanwhile.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(found(), 1.0, "one leave is under way");
    postgres.signal("CONT");
    wait_within(Duration::from_secs(60), "its document", || postgres_count(&postgres, &gone) == "1");
    assert_eq!(watcher.receive_type("gone")["payload"], gone);
}

/// The stock script that gives items, told by a script of a game's.
#[test]
fn a_stock_script_gives_items() {
    on_each_store(|store| {
        let folder = folder();
        folder.write_script(
            "win",
            "-- ROLE: guest\ngodra.tell(nil, 'give_items', { user_id = ARGV[1], items = { coin = 5 } })",
        );
        folder.write_script(
            "coins",
            "-- ROLE: guest\n-- DATA: inventory/{user}\nreturn require('items').load(ARGV[1]).items.coin",
        );
        let server = start_in(folder, store);
        let guest = server.guest();
        for _ in 0..3 {
            result(&guest.rpc("win", json!([]), &[]));
        }
        all_have_run(&[&server], 3.0);
        assert_eq!(result_in_time(|| guest.rpc("coins", json!([]), &[])), 15);
    });
}

/// The stock scripts of a season: a timer archives it.
#[test]
fn a_season_ends_and_is_archived() {
    on_each_store(|store| {
        let folder = folder();
        let begin = std::fs::read_to_string(folder.script("start_season")).unwrap();
        folder.replace_script("start_season", &begin.replace("-- ROLE: manager", "-- ROLE: guest"));
        folder.write_script(
            "archived",
            "-- ROLE: guest\n-- DATA: season/{arg:1}\nlocal season = godra.load('season/' .. ARGV[2])\n\
             return season and season.players",
        );
        let points = "{ board = 'arena', user_id = ARGV[1], username = 'x', score = 5, keep = 'sum' }";
        folder.write_script("win", &format!("-- ROLE: guest\ngodra.tell(nil, 'add_score', {points})"));
        let server = start_in(folder, store);
        let (guest, other) = (server.guest(), server.guest());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let season = json!({ "name": "autumn", "board": "arena", "ends_at": now.as_millis() as u64 + 3000 });
        assert_eq!(result_in_time(|| guest.rpc("start_season", json!([season]), &[])), "OK");
        [&guest, &other].iter().for_each(|player| _ = result(&player.rpc("win", json!([]), &[])));
        let archived = || result_in_time(|| guest.rpc("archived", json!(["autumn"]), &[]));
        wait_until("the season to be archived", || archived() == 2);
        assert_eq!(messages(&server, "failed"), 0.0);
    });
}

/// While their documents do not come, messages cost a store next to nothing.
#[test]
fn who_waits_asks_seldom() {
    const ROOMS: usize = 15;
    let postgres = Postgres::start();
    let dsn = postgres.database("games");
    let redis = Redis::start();
    let server = start(&["--redis-addr", &redis.address(), "--db-type", "postgres", "--db-dsn", &dsn]);
    let guest = server.guest();
    let rooms: Vec<String> = (0..ROOMS).map(|_| guest.create_lobby(4)).collect();
    postgres.signal("STOP");
    for room in &rooms {
        for after in [0, 1, 5] {
            tell(&guest, json!([{ "to": room, "payload": { "key": room }, "after": after }]));
        }
    }
    // Held for as long as it gets.
    std::thread::sleep(Duration::from_secs(4));
    let evals = || -> u64 {
        let stats = redis.command(&["INFO", "commandstats"]);
        let calls = |line: &str| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok();
        stats.lines().filter(|line| line.starts_with("cmdstat_eval")).filter_map(calls).sum()
    };
    let (before, began) = (evals(), Instant::now());
    std::thread::sleep(Duration::from_secs(4));
    let rate = (evals() - before) as f64 / began.elapsed().as_secs_f64();
    assert!(rate > 0.0 && rate < 100.0, "{rate} a second");
    postgres.signal("CONT");
    rooms.iter().for_each(|room| wait_for_count(&guest, room, 3));
    all_have_run(&[&server], 3.0 * ROOMS as f64);
}
