//! Documents end to end: what scripts save lasts in the database, through the end of the store, of the server and of the database's
//! connection.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::http::Response;
use crate::common::postgres::Postgres;
use crate::common::server::{Folder, Guest, Server};
use crate::common::{wait_until, wait_within};

const ADD: &str = r#"
-- ROLE: guest
-- DATA: counters/{arg:1}
local name = "counters/" .. godra.payload[1]
local value, version = godra.load(name)
local count = (value and value.count or 0) + 1
godra.save(name, { count = count }, { version = version })
if godra.room then godra.publish("added", count) end
return count
"#;

const PROFILE: &str = r#"
-- ROLE: guest
-- DATA: profile/{user}, profile/{arg:1}
local own = godra.load("profile/" .. godra.user.id) or { visits = 0 }
own.visits = own.visits + 1
godra.save("profile/" .. godra.user.id, own)
if ARGV[3] == "steal" then godra.save("profile/" .. ARGV[2], own) end
if ARGV[3] == "fail" then godra.error("no", "not today") end
return own.visits
"#;

const MANY: &str = r#"
-- ROLE: guest
-- DATA: m/a, m/b, m/c, m/d, m/e, m/f, m/g, m/h, m/i, m/j, m/k, m/l, m/m, m/n, m/o, m/p
local sum = 0
for i = 97, 112 do
  local name = "m/" .. string.char(i)
  sum = sum + (godra.load(name) or 0)
  godra.save(name, i)
end
return sum
"#;

pub fn folder() -> Folder {
    let folder = Folder::new();
    folder.write_script("add", ADD);
    folder.write_script("add_durably", &ADD.replace("-- DATA", "-- DURABLE: on\n-- DATA"));
    folder.write_script("profile", PROFILE);
    folder.write_script("many", MANY);
    folder
}

/// A server on the embedded store with this database and this state file.
fn start(database: &[&str], state_file: &str) -> Server {
    let flags = [&["--threads", "2", "--state-file", state_file], database].concat();
    Server::start_in(folder(), &flags)
}

pub fn result(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["result"].clone()
}

/// Calls until the documents are there.
#[track_caller]
pub fn result_in_time(mut call: impl FnMut() -> Response) -> Value {
    let ends = Instant::now() + Duration::from_secs(40);
    loop {
        let response = call();
        if response.status != 503 || Instant::now() > ends {
            return result(&response);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_profile_lasts_without_the_state_file() {
    let files = Folder::empty();
    let dsn = files.path().join("game.db");
    let database = ["--db-dsn", dsn.to_str().unwrap()];
    let mut server = start(&database, "off");
    let guest = server.guest();
    let (token, id) = (guest.token.clone(), guest.user_id.clone());
    for visits in 1..=3 {
        assert_eq!(result(&guest.rpc("profile", json!(["x", ""]), &[])), visits);
    }
    let failed = guest.rpc("profile", json!(["x", "fail"]), &[]);
    assert_eq!(failed.error_code(), "no", "{failed:?}");
    let other = server.guest();
    assert_eq!(result(&other.rpc("profile", json!(["x", ""]), &[])), 1);
    let stolen = other.rpc("profile", json!([id, "steal"]), &[]);
    assert!(stolen.text().contains("is owned by"), "{stolen:?}");
    let hostile = other.rpc("profile", json!(["../x", ""]), &[]);
    assert_eq!((hostile.status, hostile.error_code().as_str()), (400, "bad_request"), "{hostile:?}");
    assert_eq!(result(&other.rpc("many", json!([]), &[])), 0);
    assert_eq!(result(&other.rpc("many", json!([]), &[])), (97..=112).sum::<i32>());
    server.terminate();
    assert!(server.wait().success());
    let server = start(&database, "off");
    let guest = server.known(&token, &id);
    assert_eq!(result(&guest.rpc("profile", json!(["x", ""]), &[])), 4);
    assert_eq!(result(&guest.rpc("many", json!([]), &[])), (97..=112).sum::<i32>());
}

/// Every durable save that was answered is there, whenever the process ends.
fn check_kills(database: &[&str], state_file: &str, kills: u32) {
    let mut last = 0;
    for round in 0..kills {
        let mut server = start(database, state_file);
        let guest = server.guest();
        let first = result_in_time(|| guest.rpc("add_durably", json!(["k"]), &[])).as_u64().unwrap();
        assert!(first > last, "{first} comes after {last}, which was answered");
        let (token, address) = (guest.token.clone(), server.address());
        let (answered, is_over) = (AtomicU64::new(first), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let caller = scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let Some(count) = try_add(address, &token) else { break };
                    answered.store(count, Ordering::SeqCst);
                }
            });
            wait_within(Duration::from_secs(30), "a call meanwhile", || {
                answered.load(Ordering::SeqCst) > first
            });
            std::thread::sleep(Duration::from_millis(50 + 130 * u64::from(round)));
            server.signal("KILL");
            is_over.store(true, Ordering::SeqCst);
            caller.join().unwrap();
        });
        server.wait();
        last = answered.load(Ordering::SeqCst);
    }
}

/// One durable call; none if the server is gone.
pub fn try_add(address: std::net::SocketAddr, token: &str) -> Option<u64> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    let body = r#"{"script":"add_durably","args":["k"]}"#;
    let head = format!(
        "POST /api/rpc HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, rest) = answer.split_once("\"result\":")?;
    rest[..rest.find('}')?].parse().ok()
}

#[test]
fn durable_saves_outlast_a_kill() {
    let files = Folder::empty();
    let (dsn, state) = (files.path().join("game.db"), files.path().join("state.db"));
    let database = ["--db-dsn", dsn.to_str().unwrap()];
    check_kills(&database, state.to_str().unwrap(), 4);
    // Without its file the store that is gone keeps its documents until its lease is over.
    check_kills(&database, "off", 2);
}

/// Saves that were answered and not durable come back with the state file, however the process ends.
#[test]
fn a_frozen_database_holds_up_durable_calls_alone() {
    let postgres = Postgres::start();
    let dsn = postgres.database("games");
    let server = start(&["--db-type", "postgres", "--db-dsn", &dsn], "off");
    let guest = server.guest();
    assert_eq!(result(&guest.rpc("add", json!(["hot"]), &[])), 1);
    assert_eq!(result(&guest.rpc("add_durably", json!(["hot"]), &[])), 2);
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    postgres.signal("STOP");
    player.send_text(r#"{"action":"add_durably","payload":["hot"],"id":1}"#);
    // Whichever comes first.
    let other = result(&guest.rpc("add", json!(["hot"]), &[])).as_u64().unwrap();
    let early = player.receive_within(Duration::from_millis(700));
    assert!(early.is_none_or(|message| message["type"] != "added" && message["id"] != 1), "it waits");
    postgres.signal("CONT");
    let (mut reply, mut event) = (None, None);
    while reply.is_none() || event.is_none() {
        let message = player.receive();
        match (&message["type"], &message["id"]) {
            (Value::String(kind), _) if kind == "added" => event = Some(message),
            (_, id) if *id == 1 => reply = Some(message),
            _ => {}
        }
    }
    let own = reply.unwrap()["result"].as_u64().unwrap();
    assert_eq!((own + other, event.unwrap()["payload"].as_u64()), (3 + 4, Some(own)));
    assert_eq!(result(&guest.rpc("add_durably", json!(["hot"]), &[])), 5);
    assert_eq!(postgres_count(&postgres, "hot"), "5");
}

pub fn postgres_count(postgres: &Postgres, key: &str) -> String {
    let statement = format!(
        "SELECT (value::jsonb)->>'count' FROM documents WHERE collection = 'counters' AND key = '{key}'"
    );
    postgres.sql("games", &statement)
}

#[test]
fn while_the_database_is_away_hot_documents_go_on() {
    let postgres = Postgres::start();
    let dsn = postgres.database("games");
    let server = start(&["--db-type", "postgres", "--db-dsn", &dsn], "off");
    let guest = server.guest();
    assert_eq!(result(&guest.rpc("add", json!(["hot"]), &[])), 1);
    postgres.stop();
    for count in 2..=40 {
        assert_eq!(result(&guest.rpc("add", json!(["hot"]), &[])), count);
    }
    let began = Instant::now();
    let cold = guest.rpc("add", json!(["cold"]), &[]);
    assert_eq!((cold.status, cold.error_code().as_str()), (503, "unavailable"), "{cold:?}");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(server.metric("godra_document_outbox") > 0.0);
    postgres.start_again();
    wait_until("all is written", || postgres_count(&postgres, "hot") == "40");
    assert_eq!(result_in_time(|| guest.rpc("add", json!(["cold"]), &[])), 1);
}

/// Two stores on one database: each document is in one of them at a time.
#[test]
fn two_servers_write_one_document() {
    const EACH: usize = 1_000;
    let postgres = Postgres::start();
    let dsn = postgres.database("games");
    let database = ["--db-type", "postgres", "--db-dsn", &dsn];
    let servers = [start(&database, "off"), start(&database, "off")];
    std::thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| {
                let guest = server.guest();
                let mut done = 0;
                while done < EACH {
                    let response = guest.rpc("add_durably", json!(["both"]), &[]);
                    match response.status {
                        200 => done += 1,
                        503 => std::thread::sleep(Duration::from_millis(20)),
                        _ => panic!("{response:?}"),
                    }
                }
            });
        }
    });
    assert_eq!(postgres_count(&postgres, "both"), (2 * EACH).to_string());
    for server in &servers {
        assert_eq!(server.metric("godra_document_saves_lost_total"), 0.0);
    }
}

#[test]
fn a_flood_of_names_is_bounded() {
    let server =
        Server::start_in(folder(), &["--threads", "2", "--state-file", "off", "--store-memory", "16MB"]);
    let guest = server.guest();
    let flood = |guest: &Guest<'_>, from: usize| {
        for number in from..from + 200 {
            let response = guest.rpc("add", json!([format!("x{number}")]), &[]);
            assert!(matches!(response.status, 200 | 503), "{response:?}");
        }
    };
    std::thread::scope(|scope| {
        for part in 0..4 {
            let (guest, flood) = (&guest, &flood);
            scope.spawn(move || flood(guest, 1000 * part));
        }
    });
    assert_eq!(result_in_time(|| server.guest().rpc("add", json!(["calm"]), &[])), 1);
    assert!(server.metric("godra_store_bytes") < 16e6);
}
