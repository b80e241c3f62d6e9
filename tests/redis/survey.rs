//! Which rooms take most, over the stores together: counted while players play.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::accounts::{PASSWORD, User, user_command};
use crate::common::http::Response;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

const COUNT: &str = "-- ROLE: guest\n-- KEYS: game:{room}:n\nreturn redis.call('INCR', KEYS[1])\n";

/// A node with a manager `ann`, and where its accounts are.
fn start(addresses: &str) -> (Folder, Server) {
    let (folder, files) = (Folder::new(), Folder::empty());
    folder.write_script("count", COUNT);
    let database = files.path().join("accounts.db");
    let database = database.to_str().unwrap();
    user_command(&files, database, &["create", "ann", "--role", "manager"], PASSWORD);
    let server = Server::start_in(folder, &["--redis-addr", addresses, "--db-dsn", database]);
    wait_until("the stores to be there", || server.get("/ready").status == 200);
    (files, server)
}

fn ask(manager: &User) -> Response {
    manager.request("GET", "/rooms/largest", &json!(null))
}

fn largest(manager: &User) -> Value {
    wait_until("the rooms to be counted", || ask(manager).status == 200);
    ask(manager).json()
}

/// Makes so many rooms of a hash and a set each, and keys of somebody else.
fn fill(redis: &Redis, name: &str, rooms: usize) {
    let text = "for n = 1, tonumber(ARGV[1]) do
        local room = 'game:' .. ARGV[2] .. n
        redis.call('HSET', room, 'owner', 'guest:' .. n % 10, 'capacity', 4)
        redis.call('SADD', room .. ':players', 'a', 'b', 'c')
        redis.call('SET', 'others:' .. n, 'x')
      end";
    assert!(redis.command(&["EVAL", text, "0", &rooms.to_string(), name]).starts_with("$-1"));
}

#[test]
fn the_rooms_of_all_stores_are_told_together() {
    let (one, two) = (Redis::start(), Redis::start());
    fill(&one, "one-", 3_000);
    fill(&two, "two-", 3_000);
    one.command(&["SET", "game:one-7:state", &"x".repeat(40_000)]);
    two.command(&["SET", "game:two-17:state", &"x".repeat(90_000)]);
    let (_files, server) = start(&format!("{},{}", one.address(), two.address()));
    let manager = User::login(&server, "ann", PASSWORD);
    let first = ask(&manager);
    assert_eq!((first.status, first.error_code().as_str()), (503, "busy"));
    assert_eq!(first.header("Retry-After"), Some("1"));

    let told = largest(&manager);
    let rooms = told["rooms"].as_array().unwrap();
    assert_eq!((&rooms[0]["room"], &rooms[1]["room"]), (&json!("two-17"), &json!("one-7")), "{told}");
    assert_eq!(
        (&rooms[0]["owner"], &rooms[0]["members"], &rooms[0]["keys"]),
        (&json!("guest:7"), &json!(3), &json!(3))
    );
    let bytes = rooms[0]["bytes"].as_u64().unwrap();
    assert!((90_000..120_000).contains(&bytes), "{told}");
    // An owner's rooms lie in both.
    let owner = &told["owners"][0];
    assert_eq!((&owner["owner"], &owner["rooms"]), (&json!("guest:7"), &json!(600)), "{told}");
    assert!(owner["bytes"].as_u64() > Some(130_000 + 600 * 100));
    assert!(told["other_bytes"].as_u64() > Some(6_000 * 30), "{told}");

    let refused = User::guest(&server).request("GET", "/rooms/largest", &json!(null));
    assert_eq!((refused.status, refused.error_code().as_str()), (403, "forbidden"));
}

#[test]
fn nobody_waits_for_a_count() {
    let redis = Redis::start();
    fill(&redis, "r", 30_000);
    let (_files, server) = start(&redis.address());
    let manager = User::login(&server, "ann", PASSWORD);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    assert_eq!(ask(&manager).status, 503);
    redis.command(&["CONFIG", "SET", "slowlog-log-slower-than", "10000"]);
    let (mut answered, mut slowest) = (0, Duration::ZERO);
    while ask(&manager).status != 200 {
        let asked_at = Instant::now();
        assert_eq!(player.call("count", json!(1), answered)["type"], "reply");
        slowest = slowest.max(asked_at.elapsed());
        answered += 1;
    }
    assert!(answered > 5, "{answered}");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    // A machine that is busy with other things may hold some of them up.
    let slow = redis.command(&["SLOWLOG", "GET", "10"]);
    assert!(slow.matches("SCAN").count() < 5, "{slow}");
    assert_eq!(server.metric("godra_redis_reconnects_total"), 0.0);
}

#[test]
fn a_user_who_may_not_count_is_told_so_and_players_go_on() {
    for lacking in ["-memory", "-scan"] {
        let redis = Redis::start();
        let allow = |rule: &str| {
            let rules = ["~*", "&*", "+@all"];
            let words =
                [&["ACL", "SETUSER", "game", "reset", "on", ">secret-1"], &rules[..], &[rule]].concat();
            assert_eq!(redis.command(&words).trim(), "+OK");
        };
        allow("+@all");
        let (_files, server) = start(&format!("redis://game:secret-1@{}", redis.address()));
        let manager = User::login(&server, "ann", PASSWORD);
        let guest = server.guest();
        let mut player = guest.join(&guest.create_lobby(4));
        allow(lacking);
        wait_until("the store to refuse", || ask(&manager).error_code() == "unavailable");
        let answer = ask(&manager);
        assert_eq!(answer.status, 503);
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        for part in [&redis.address(), "does not tell what its keys take", "+scan and +memory|usage"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("secret-1"));
        assert_eq!(player.call("count", json!(1), 1)["type"], "reply", "{lacking}");
        assert_eq!(server.metric("godra_redis_reconnects_total"), 0.0);
    }
}

#[test]
fn a_store_that_is_away_is_named() {
    let (one, mut two) = (Redis::start(), Redis::start());
    let (_files, server) = start(&format!("{},{}", one.address(), two.address()));
    let manager = User::login(&server, "ann", PASSWORD);
    two.kill();
    wait_until("the store to be missed", || server.get("/ready").status == 503);
    let answer = ask(&manager);
    assert_eq!((answer.status, answer.error_code().as_str()), (503, "unavailable"));
    assert!(String::from_utf8_lossy(&answer.body).contains(&two.address()), "{answer:?}");
}
