//! Documents where rooms live in Redis, which several servers may share: what scripts save lasts in the database, through the end of a
//! server, of the store and of the database's connection.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::accounts::try_command;
use crate::common::http::Response;
use crate::common::postgres::Postgres;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Guest, Server};
use crate::common::{wait_until, wait_within};
use crate::documents::{folder, postgres_count, result, result_in_time};

const READ: &str = r#"
-- ROLE: guest
-- DATA: counters/{arg:1}
local value, version = godra.load("counters/" .. ARGV[2])
return { value and value.count or 0, version }
"#;

const WRITE: &str = r#"
-- ROLE: guest
-- DATA: counters/{arg:1}
return godra.save("counters/" .. ARGV[2], { count = tonumber(ARGV[3]) }, { version = tonumber(ARGV[4]) })
"#;

const ENTERS: &str = r#"
-- KEYS: game:{room}, game:{room}:players
-- DATA: profile/{user}
local name = "profile/" .. godra.user.id
local own = godra.load(name) or { visits = 0 }
own.visits = own.visits + 1
godra.save(name, own)
redis.call("SADD", KEYS[2], ARGV[1])
"#;

fn scripts() -> Folder {
    let folder = folder();
    folder.write_script("read", READ);
    folder.write_script("write", WRITE);
    folder
}

fn start(redis: &Redis, database: &[&str]) -> Server {
    let address = redis.address();
    let server =
        Server::start_in(scripts(), &[&["--threads", "2", "--redis-addr", &address], database].concat());
    server.output().wait_for_line(&["the store is there"]);
    server
}

fn add(guest: &Guest<'_>, key: &str) -> Response {
    guest.rpc("add", json!([key]), &[])
}

/// On PostgreSQL, as several servers are to share it.
fn with_postgres<T>(run: impl FnOnce(&Postgres, &[&str]) -> T) -> T {
    let postgres = Postgres::start();
    let dsn = postgres.database("games");
    run(&postgres, &["--db-type", "postgres", "--db-dsn", &dsn])
}

#[test]
fn a_profile_lasts_without_the_store() {
    let files = Folder::empty();
    let dsn = files.path().join("game.db");
    let database = ["--db-dsn", dsn.to_str().unwrap()];
    let mut redis = Redis::start();
    let mut server = start(&redis, &database);
    let guest = server.guest();
    let (token, id) = (guest.token.clone(), guest.user_id.clone());
    for visits in 1..=3 {
        assert_eq!(result_in_time(|| guest.rpc("profile", json!(["x", ""]), &[])), visits);
    }
    let failed = guest.rpc("profile", json!(["x", "fail"]), &[]);
    assert_eq!(failed.error_code(), "no", "{failed:?}");
    let other = server.guest();
    assert_eq!(result(&other.rpc("profile", json!(["x", ""]), &[])), 1);
    let stolen = other.rpc("profile", json!([id, "steal"]), &[]);
    assert!(stolen.text().contains(&format!("profile/{id} is owned by {id}: say owner =")), "{stolen:?}");
    let hostile = other.rpc("profile", json!(["../x", ""]), &[]);
    assert_eq!((hostile.status, hostile.error_code().as_str()), (400, "bad_request"), "{hostile:?}");
    assert_eq!(result(&other.rpc("many", json!([]), &[])), 0);
    assert_eq!(result(&other.rpc("many", json!([]), &[])), (97..=112).sum::<i32>());
    server.terminate();
    assert!(server.wait().success());
    redis.kill();
    redis.start_again();
    let server = start(&redis, &database);
    let guest = server.known(&token, &id);
    assert_eq!(result_in_time(|| guest.rpc("profile", json!(["x", ""]), &[])), 4);
    assert_eq!(result(&guest.rpc("many", json!([]), &[])), (97..=112).sum::<i32>());
}

#[test]
fn inputs_and_hooks_work_on_documents() {
    let redis = Redis::start();
    let folder = scripts();
    folder.write_script("on_connect", ENTERS);
    let server = Server::start_in(folder, &["--threads", "2", "--redis-addr", &redis.address()]);
    server.output().wait_for_line(&["the store is there"]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    for count in 1..=5 {
        player.send_text(&json!({ "action": "add", "payload": ["k"], "id": count }).to_string());
    }
    let mut replies = Vec::new();
    while replies.len() < 5 {
        let message = player.receive();
        if message["type"] == "reply" {
            replies.push((message["id"].as_u64().unwrap(), message["result"].as_u64().unwrap()));
        }
    }
    assert_eq!(replies, (1..=5).map(|count| (count, count)).collect::<Vec<_>>());
    assert_eq!(result(&guest.rpc("profile", json!(["x", ""]), &[])), 2, "the hook has counted one");
}

/// Two servers on one Redis, and every write says which version it builds on: 500 each, or as many as `GODRA_TEST_WRITES` says.
#[test]
fn two_nodes_write_one_document() {
    let each: u64 = std::env::var("GODRA_TEST_WRITES").map_or(500, |number| number.parse().unwrap());
    with_postgres(|postgres, database| {
        let redis = Redis::start();
        let nodes = [start(&redis, database), start(&redis, database)];
        let write_all = |node: &Server| {
            let guest = node.guest();
            let mut done = 0;
            while done < each {
                let read = result_in_time(|| guest.rpc("read", json!(["both"]), &[]));
                let (count, version) = (read[0].as_u64().unwrap(), read[1].as_u64().unwrap());
                let args = json!(["both", (count + 1).to_string(), version.to_string()]);
                let written = guest.rpc("write", args, &[]);
                match (written.status, written.status == 200 || written.error_code() == "conflict") {
                    (200, _) => done += 1,
                    (_, true) => {}
                    _ => panic!("{written:?}"),
                }
            }
        };
        std::thread::scope(|scope| nodes.iter().for_each(|node| _ = scope.spawn(|| write_all(node))));
        let all = (2 * each).to_string();
        wait_until("all is written", || postgres_count(postgres, "both") == all);
        assert_eq!(lost(&nodes), 0.0);
    });
}

fn lost(servers: &[Server]) -> f64 {
    servers.iter().map(|server| server.metric("godra_document_saves_lost_total")).sum()
}

/// What a server has saved that is gone, another one on the same store writes.
#[test]
fn the_outbox_of_a_node_that_is_killed_is_written_by_another() {
    with_postgres(|postgres, database| {
        let redis = Redis::start();
        let mut first = start(&redis, database);
        let guest = first.guest();
        assert_eq!(result_in_time(|| add(&guest, "hot")), 1);
        wait_until("the first writes", || postgres_count(postgres, "hot") == "1");
        let second = start(&redis, database);
        let other = second.guest();
        assert_eq!(result_in_time(|| add(&other, "hot")), 2);
        postgres.signal("STOP");
        for count in 3..=30 {
            assert_eq!(result(&add(&guest, "hot")), count);
        }
        first.signal("KILL");
        first.wait();
        postgres.signal("CONT");
        wait_within(Duration::from_secs(40), "the other writes", || postgres_count(postgres, "hot") == "30");
        assert_eq!(result_in_time(|| add(&other, "hot")), 31);
        wait_until("all is written", || postgres_count(postgres, "hot") == "31");
        assert_eq!(lost(&[second]), 0.0);
    });
}

/// Also one that does nothing any more, and comes back.
#[test]
fn a_node_that_is_frozen_holds_up_nobody() {
    with_postgres(|postgres, database| {
        let redis = Redis::start();
        let nodes = [start(&redis, database), start(&redis, database)];
        let guests = nodes.each_ref().map(|node| node.guest());
        let mut count = 0;
        for guest in [0, 1, 0, 1].map(|node: usize| &guests[node]) {
            count += 1;
            assert_eq!(result_in_time(|| add(guest, "hot")), count);
        }
        for (frozen, other) in [(0, 1), (1, 0)] {
            nodes[frozen].signal("STOP");
            for _ in 0..10 {
                count += 1;
                assert_eq!(result_in_time(|| add(&guests[other], "hot")), count);
            }
            let all = count.to_string();
            wait_within(Duration::from_secs(40), "the other writes", || {
                postgres_count(postgres, "hot") == all
            });
            nodes[frozen].signal("CONT");
        }
        for guest in &guests {
            count += 1;
            assert_eq!(result_in_time(|| add(guest, "hot")), count);
        }
        wait_until("all is written", || postgres_count(postgres, "hot") == count.to_string());
        assert_eq!(lost(&nodes), 0.0);
    });
}

/// A store that has lost everything gets its documents from the database again.
#[test]
fn documents_come_back_when_the_store_is_lost() {
    with_postgres(|postgres, database| {
        let mut redis = Redis::start();
        let nodes = [start(&redis, database), start(&redis, database)];
        let guests = nodes.each_ref().map(|node| node.guest());
        for count in 1..=20 {
            assert_eq!(result_in_time(|| add(&guests[count % 2], "kept")), count);
        }
        wait_until("all is written", || postgres_count(postgres, "kept") == "20");
        redis.kill();
        redis.start_again();
        for count in 21..=40 {
            assert_eq!(result_in_time(|| add(&guests[count % 2], "kept")), count);
        }
        redis.command(&["FLUSHALL"]);
        let last = result_in_time(|| add(&guests[0], "kept")).as_u64().unwrap();
        assert!((21..=41).contains(&last), "{last}: what was not written is lost, and nothing else");
        assert_eq!(result_in_time(|| add(&guests[1], "kept")), last + 1);
        wait_until("all is written", || postgres_count(postgres, "kept") == (last + 1).to_string());
    });
}

/// Each store is a home of its own, and a document is in one of them at a time.
#[test]
fn two_stores_share_a_database() {
    const EACH: usize = 60;
    with_postgres(|postgres, database| {
        let stores = [Redis::start(), Redis::start()];
        let servers = stores.each_ref().map(|redis| start(redis, database));
        let add_all = |server: &Server| {
            let guest = server.guest();
            (0..EACH).for_each(|_| assert!(result_in_time(|| add(&guest, "both")).is_u64()));
        };
        std::thread::scope(|scope| servers.iter().for_each(|server| _ = scope.spawn(|| add_all(server))));
        let all = (2 * EACH).to_string();
        wait_until("all is written", || postgres_count(postgres, "both") == all);
        assert_eq!(lost(&servers), 0.0);
    });
}

#[test]
fn hot_documents_go_on_while_the_database_is_away() {
    with_postgres(|postgres, database| {
        let redis = Redis::start();
        let server = start(&redis, database);
        let guest = server.guest();
        assert_eq!(result_in_time(|| add(&guest, "hot")), 1);
        postgres.stop();
        for count in 2..=40 {
            assert_eq!(result(&add(&guest, "hot")), count);
        }
        let cold = add(&guest, "cold");
        assert_eq!((cold.status, cold.error_code().as_str()), (503, "unavailable"), "{cold:?}");
        wait_until("it shows", || server.metric("godra_document_outbox") > 0.0);
        postgres.start_again();
        wait_until("all is written", || postgres_count(postgres, "hot") == "40");
        assert_eq!(result_in_time(|| add(&guest, "cold")), 1);
        assert_eq!(lost(&[server]), 0.0);
    });
}

/// A manager's command takes the document from the store, changes it, and lets it go again.
#[test]
fn what_managers_write_reaches_scripts() {
    let files = Folder::empty();
    let dsn = files.path().join("game.db");
    let redis = Redis::start();
    let server = start(&redis, &["--db-dsn", dsn.to_str().unwrap()]);
    let guest = server.guest();
    assert_eq!(result_in_time(|| add(&guest, "k")), 1);
    let put = ["data", "put", "counters/k", "--db-dsn", dsn.to_str().unwrap()];
    let (code, _, stderr) = try_command(server.folder(), &put, r#"{"count":50}"#);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(result_in_time(|| add(&guest, "k")), 51);
    let read: Value = result_in_time(|| guest.rpc("read", json!(["k"]), &[]));
    assert_eq!(read, json!([51, 3]));
}
