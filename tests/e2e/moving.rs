//! A guest becomes a player, and what it owns goes with it: what is in the database, what a store holds, and what is on its way.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::common::PATIENCE;
use crate::common::accounts::{PASSWORD, User, account, try_command};
use crate::common::http::Response;
use crate::common::postgres::Postgres;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::{wait_until, wait_within};
use crate::documents::{result, result_in_time};
use crate::identities::by_device;

/// Counts in a document that the player's id names, in another one beside it, and keeps a third that names nobody.
const NOTE: &str = r#"
-- ROLE: guest
-- DATA: notes/{user}, notes/{user}/log, things/{arg:1}
local own, thing = "notes/" .. godra.user.id, "things/" .. ARGV[2]
local note = godra.load(own) or { count = 0 }
note.count = note.count + 1
godra.save(own, note)
godra.save(own .. "/log", "of " .. note.count)
if not godra.load(thing) then godra.save(thing, "a thing", { owner = godra.user.id }) end
return note.count
"#;

fn start(flags: &[&str]) -> Server {
    let folder = Folder::new();
    folder.write_script("note", NOTE);
    let server = Server::start_in(folder, &[&["--threads", "2"], flags].concat());
    if flags.contains(&"--redis-addr") {
        server.output().wait_for_line(&["the store is there"]);
    }
    server
}

fn manager<'s>(server: &'s Server, database: &[&str]) -> User<'s> {
    let create = ["user", "create", "boss", "--role", "manager"];
    let (code, _, stderr) = try_command(server.folder(), &[&create[..], database].concat(), PASSWORD);
    assert_eq!(code, Some(0), "{stderr}");
    User::login(server, "boss", PASSWORD)
}

#[track_caller]
fn note(user: &User, thing: &str) -> u64 {
    result_in_time(|| user.rpc("note", json!([thing]))).as_u64().unwrap()
}

#[track_caller]
fn upgrade<'s>(server: &'s Server, guest: &User, username: &str) -> User<'s> {
    User::from_login(server, &upgraded(guest, username).json())
}

/// The answer to an upgrade. One whose documents a busy store does not let go in time is asked for again, as it says.
#[track_caller]
fn upgraded(guest: &User, username: &str) -> Response {
    in_time(|| guest.post("/account/upgrade", &json!({"username": username, "password": PASSWORD})))
}

#[track_caller]
fn in_time(ask: impl Fn() -> Response) -> Response {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let response = ask();
        if response.status != 503 || Instant::now() >= deadline {
            assert_eq!(response.status, 200, "{response:?}");
            return response;
        }
        assert!(response.text().contains("your documents are in use"), "{response:?}");
    }
}

fn status(boss: &User, address: &str) -> u16 {
    boss.send("GET", &format!("/api/data/{address}"), &[], b"").status
}

/// The names of what the user owns in the database.
fn owned(user: &User) -> Vec<String> {
    let page = user.send("GET", "/account/data", &[], b"").json();
    let name = |document: &Value| {
        assert_eq!(document["owner"], json!(user.user_id), "{document}");
        format!("{}/{}", document["collection"].as_str().unwrap(), document["key"].as_str().unwrap())
    };
    page["documents"].as_array().unwrap().iter().map(name).collect()
}

fn documents_move(flags: &[&str], database: &[&str]) {
    let server = start(&[flags, database].concat());
    let boss = manager(&server, database);
    // At once: what was saved last is not in the database yet.
    let guest = User::guest(&server);
    let of_guest = format!("notes/{}", guest.user_id);
    for count in 1..=3 {
        assert_eq!(note(&guest, "first"), count);
    }
    let player = upgrade(&server, &guest, "first");
    assert_eq!(note(&player, "first"), 4, "not one save is lost");
    let of_player = format!("notes/{}", player.user_id);
    let expected = [of_player.clone(), format!("{of_player}/log"), "things/first".to_owned()];
    wait_until("all to be the player's", || owned(&player) == expected);
    assert_eq!([&of_guest, &format!("{of_guest}/log")].map(|name| status(&boss, name)), [404, 404]);

    while_it_plays(&server, &boss);
    by_a_link(&server);
    what_the_account_has_stays(&server, &boss);
}

/// A guest that plays on all the time is upgraded all the same, and what it was told before is there.
fn while_it_plays(server: &Server, boss: &User) {
    let guest = User::guest(server);
    note(&guest, "second");
    let (told, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let player = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    let response = guest.rpc("note", json!(["second"]));
                    if response.status == 200 {
                        told.fetch_max(result(&response).as_u64().unwrap(), Ordering::SeqCst);
                    }
                }
            });
        }
        wait_within(std::time::Duration::from_secs(30), "some play", || told.load(Ordering::SeqCst) > 20);
        let before = told.load(Ordering::SeqCst);
        let response = upgraded(&guest, "second");
        is_over.store(true, Ordering::SeqCst);
        let player = User::from_login(server, &response.json());
        let count = note(&player, "second");
        assert!(count > before, "{count} comes after {before}, which was told before the upgrade");
        player
    });
    let expected = format!("notes/{}", player.user_id);
    wait_until("all to be the player's", || {
        owned(&player) == [expected.clone(), format!("{expected}/log"), "things/second".to_owned()]
    });
    // What the guest has saved since is nowhere.
    assert_eq!(status(boss, &format!("notes/{}", guest.user_id)), 404);
    let next = note(&player, "second");
    wait_until("the last save", || {
        boss.send("GET", &format!("/api/data/{expected}"), &[], b"").json()["value"]["count"] == json!(next)
    });
}

fn by_a_link(server: &Server) {
    let guest = User::guest(server);
    assert_eq!([note(&guest, "third"), note(&guest, "third")], [1, 2]);

    let linked = in_time(|| guest.post("/account/identities", &by_device(7)));
    assert_eq!(note(&User::from_login(server, &linked.json()), "third"), 3);
}

/// What has the account's name already stays; the guest's is found beside it.
fn what_the_account_has_stays(server: &Server, boss: &User) {
    let guest = User::guest(server);
    assert_eq!(note(&guest, "fourth"), 1);
    let last: u64 = account(server, "last").user_id.parse().unwrap();
    let next = format!("notes/{}", last + 1);
    let put = boss.send("PUT", &format!("/api/data/{next}?owner={}", last + 1), &[], br#"{"count": 70}"#);
    assert_eq!(put.status, 200, "{put:?}");
    let player = upgrade(server, &guest, "fourth");
    assert_eq!(player.user_id, (last + 1).to_string());
    assert_eq!(note(&player, "fourth"), 71);
    let beside = format!("{next}/from-{}", guest.user_id);
    let found = boss.send("GET", &format!("/api/data/{beside}"), &[], b"").json();
    assert_eq!((&found["value"], &found["owner"]), (&json!({"count": 1}), &json!(player.user_id)), "{found}");
}

#[test]
fn documents_move_with_a_guest() {
    documents_move(&[], &["--db-dsn", "game.db"]);
}

#[test]
fn documents_move_with_a_guest_on_postgres() {
    let postgres = Postgres::start();
    let dsn = postgres.database("games");
    documents_move(&[], &["--db-type", "postgres", "--db-dsn", &dsn]);
}

#[test]
fn documents_move_with_a_guest_on_redis() {
    let redis = Redis::start();
    documents_move(&["--redis-addr", &redis.address()], &["--db-dsn", "game.db"]);
}

#[test]
fn documents_move_with_a_guest_on_redis_and_postgres() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let dsn = postgres.database("games");
    documents_move(&["--redis-addr", &redis.address()], &["--db-type", "postgres", "--db-dsn", &dsn]);
}
