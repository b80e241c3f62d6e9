//! What a room has under keys of its own ends with it. The same on every store.

use serde_json::json;

use crate::common::server::{Folder, Guest, Server};
use crate::common::wait_until;

const ON_CONNECT: &str = r#"-- KEYS: game:{room}, game:{room}:players
redis.call("HSET", KEYS[1], "status", "open")
redis.call("PERSIST", KEYS[1])
"#;
const ON_DISCONNECT: &str = r#"-- KEYS: game:{room}, game:{room}:players
redis.call("EXPIRE", KEYS[1], godra.room_ttl)
"#;
/// Writes what the game has: items and notes without an end, a boost with one, and what is to last.
const PUT: &str = r#"-- ROLE: guest
-- ROOM: 1
-- KEYS: game:{room}:items, game:{room}:boost, best:{room}:all keep, game:{room}:notes
for i = 1, ARGV[2] == "{}" and 3 or 4 do redis.call("HSET", KEYS[i], "a", 1) end
redis.call("EXPIRE", KEYS[2], 600)
"#;
/// How long each of them lasts, in ms: the room's head first.
const LOOK: &str = r#"-- ROLE: guest
-- ROOM: 1
-- KEYS: game:{room}, game:{room}:items, game:{room}:boost, best:{room}:all, game:{room}:notes
local left = {}
for i = 1, 5 do left[i] = redis.call("PTTL", KEYS[i]) end
return cjson.encode(left)
"#;

fn start(room_ttl: &str) -> Server {
    let folder = Folder::new();
    let scripts = [
        ("on_connect", ON_CONNECT),
        ("on_disconnect", ON_DISCONNECT),
        ("on_snapshot", "-- KEYS: game:{room}\nreturn '{}'"),
        ("put", PUT),
        ("look", LOOK),
    ];
    for (name, text) in scripts {
        folder.write_script(name, text);
    }
    Server::start_in(folder, &["--threads", "1", "--room-ttl", room_ttl])
}

fn look(guest: &Guest<'_>) -> [i64; 5] {
    let answer = guest.rpc("look", json!(["hall"]), &[]).json();
    serde_json::from_str(answer["result"].as_str().unwrap()).unwrap()
}

fn put(guest: &Guest<'_>) {
    let answer = guest.rpc("put", json!(["hall"]), &[]);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn what_a_room_has_ends_with_it_and_stays_for_who_comes_back() {
    let server = start("1h");
    let guest = server.guest();
    let mut player = guest.join("hall");
    player.send("put", json!({}));
    let boost = |left: [i64; 5]| (1..=600_000).contains(&left[2]);
    wait_until("the keys to be there", || look(&guest)[1] == -1);
    let left = look(&guest);
    assert!((left[0], left[1], left[3], left[4]) == (-1, -1, -1, -2) && boost(left), "{left:?}");
    for _ in 0..2 {
        player.close();
        wait_until("the room to be about to end", || look(&guest)[0] > 0);
        // A call from outside adds a key to a room in which nobody is.
        put(&guest);
        let left = look(&guest);
        let ends_with_room = |own: i64| own > 3_000_000 && own.abs_diff(left[0]) <= 1000;
        assert!(ends_with_room(left[1]) && ends_with_room(left[4]) && boost(left), "{left:?}");
        assert_eq!(left[3], -1, "what is kept does not end");

        player = guest.join("hall");
        let left = look(&guest);
        assert!(boost(left), "{left:?}");
        assert_eq!([left[0], left[1], left[3], left[4]], [-1; 4], "{left:?}");
    }
}

#[test]
fn what_comes_after_a_rooms_end_ends_too() {
    let server = start("1s");
    let guest = server.guest();
    let mut player = guest.join("hall");
    put(&guest);
    assert_eq!(look(&guest)[1], -1, "somebody is there");
    player.close();
    wait_until("the room to end", || look(&guest)[0] == -2 && look(&guest)[1] == -2);
    put(&guest);
    let left = look(&guest);
    assert!(left[0] == -2 && (0..=1000).contains(&left[1]) && left[3] == -1, "{left:?}");
    wait_until("what came late to end", || look(&guest)[1] == -2);
}

/// Writes what a user has in the room: cards and luck, and what is to last; for a card with an end of its own the payload is "brief".
const DEAL: &str = r#"-- ROLE: guest
-- ROOM: 1
-- KEYS: game:{room}:cards:{user}, luck:{user}:{room}, medal:{room}:{user} keep
for i = 1, 3 do redis.call("SET", KEYS[i], 1) end
if ARGV[2] == '"brief"' then redis.call("EXPIRE", KEYS[1], 600) end
"#;
/// How long each of them lasts, in ms: the room's head first.
const HAND: &str = r#"-- ROLE: guest
-- ROOM: 1
-- KEYS: game:{room}, game:{room}:cards:{user}, luck:{user}:{room}, medal:{room}:{user}
local left = {}
for i = 1, 4 do left[i] = redis.call("PTTL", KEYS[i]) end
return cjson.encode(left)
"#;

/// The room is about to end when the last has left.
const COME: &str = r#"-- KEYS: game:{room}, game:{room}:players
redis.call("HSET", KEYS[2], ARGV[1], 1)
redis.call("HSET", KEYS[1], "status", "open")
redis.call("PERSIST", KEYS[1])
"#;
const GO: &str = r#"-- KEYS: game:{room}, game:{room}:players
redis.call("HDEL", KEYS[2], ARGV[1])
godra.publish("gone", {})
if redis.call("EXISTS", KEYS[2]) == 0 then redis.call("EXPIRE", KEYS[1], godra.room_ttl) end
"#;

fn start_with_hands(room_ttl: &str) -> Server {
    let folder = Folder::new();
    let scripts = [
        ("on_connect", COME),
        ("on_disconnect", GO),
        ("on_snapshot", "return '{}'"),
        ("deal", DEAL),
        ("hand", HAND),
    ];
    for (name, text) in scripts {
        folder.write_script(name, text);
    }
    Server::start_in(folder, &["--threads", "1", "--room-ttl", room_ttl])
}

fn hand(guest: &Guest<'_>) -> [i64; 4] {
    let answer = guest.rpc("hand", json!(["hall"]), &[]).json();
    serde_json::from_str(answer["result"].as_str().unwrap()).unwrap()
}

#[test]
fn what_users_have_in_a_room_ends_with_it() {
    let server = start_with_hands("1h");
    let [early, late, stranger, caller] = [(); 4].map(|()| server.guest());
    let mut last = late.join("hall");
    for round in 0..2 {
        let mut first = early.join("hall");
        for player in [&mut first, &mut last] {
            assert_eq!(player.call("deal", json!(null), 1)["type"], "reply");
        }
        // Who is never in it, and calls while others are.
        assert_eq!(caller.rpc("deal", json!(["hall"]), &[]).status, 200);
        first.close();
        last.receive_type("gone");
        assert_eq!(hand(&early), [-1; 4], "somebody is there");
        assert_eq!(hand(&late), [-1; 4]);
        last.close();
        wait_until("the room to be about to end", || hand(&late)[0] > 0);
        let ends_behind = |own: i64, room: i64| own > room && own <= room + 11_000;
        for guest in [&early, &late, &caller] {
            let left = hand(guest);
            assert!(ends_behind(left[1], left[0]) && ends_behind(left[2], left[0]), "{round}: {left:?}");
            assert_eq!(left[3], -1, "what is kept does not end");
        }
        // Who was never in it calls from outside.
        assert_eq!(stranger.rpc("deal", json!(["hall"]), &[]).status, 200);
        let left = hand(&stranger);
        assert!(ends_behind(left[1], left[0]) && ends_behind(left[2], left[0]) && left[3] == -1, "{left:?}");

        last = late.join("hall");
        for guest in [&early, &late, &stranger, &caller] {
            assert_eq!(hand(guest), [-1; 4]);
        }
    }
    assert_eq!(last.call("deal", json!("brief"), 2)["type"], "reply");
    last.close();
    wait_until("the room to be about to end", || hand(&late)[0] > 0);
    assert!((1..=600_000).contains(&hand(&late)[1]), "an end of its own is kept");
}

#[test]
fn what_users_have_in_a_room_is_gone_after_it() {
    let server = start_with_hands("1s");
    let [player, stranger] = [(); 2].map(|()| server.guest());
    let mut socket = player.join("hall");
    assert_eq!(socket.call("deal", json!(null), 1)["type"], "reply");
    socket.close();
    wait_until("the room to end", || hand(&player)[0] == -2);
    assert_eq!(stranger.rpc("deal", json!(["hall"]), &[]).status, 200);
    for guest in [&player, &stranger] {
        wait_until("the hand to end", || hand(guest)[..3] == [-2; 3]);
        assert_eq!(hand(guest)[3], -1);
    }
}

#[test]
fn keep_is_for_keys_of_rooms_alone() {
    let server = start("1h");
    server.folder().write_script("wrong", "-- ROLE: guest\n-- KEYS: all keep\nreturn 1");
    server.output().wait_for_line(&["wrong", "keep is for keys with {room}"]);
}
