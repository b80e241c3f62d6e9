//! Guests that are gone for good: what is left of them in rooms, in the store and in the database.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::PATIENCE;
use crate::common::accounts::{PASSWORD, User};
use crate::common::player::Player;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

/// Notes who is taken out of the room, and how often; and who has been there.
const ON_DISCONNECT: &str = r#"-- KEYS: game:{room}, game:{room}:players, game:{room}:left
local n = redis.call("HINCRBY", KEYS[3], ARGV[1], 1)
godra.publish("gone", { user_id = ARGV[1], name = godra.user.name, n = n })
"#;
const SIT: &str =
    "-- ROLE: guest\n-- KEYS: game:{room}:seats\n-- ROOM: 1\nredis.call('SADD', KEYS[1], ARGV[1])\n";
const REFUSE: &str =
    "-- ROLE: guest\n-- KEYS: game:{room}:seats\n-- ROOM: 1\ngodra.error('conflict', 'no seat is free')\n";
const END: &str = "-- ROLE: guest\n-- KEYS: game:{room}\ngodra.publish('end', {})\n";
/// Which keys there are of guests.
const KEPT: &str = r#"-- ROLE: guest
-- KEYS: none
return { redis.call("ZRANGE", "active_sessions:guests", 0, -1), redis.call("KEYS", "godra:guest:*") }
"#;
const ON_UPGRADE: &str = r#"-- KEYS: game:{room}, game:{room}:players, game:{room}:upgraded
local n = redis.call("HINCRBY", KEYS[3], ARGV[1], 1)
godra.publish("upgraded", { old_id = ARGV[1], user_id = ARGV[2], room = godra.room, n = n })
"#;

fn folder() -> Folder {
    let folder = Folder::new();
    let scripts = [
        ("on_disconnect", ON_DISCONNECT),
        ("on_upgrade", ON_UPGRADE),
        ("sit", SIT),
        ("refuse", REFUSE),
        ("end", END),
        ("kept", KEPT),
    ];
    for (name, text) in scripts {
        folder.write_script(name, text);
    }
    folder
}

fn sit(user: &User<'_>, room: &str) {
    let answer = user.rpc("sit", json!([room]));
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[track_caller]
fn wait_for_expired(server: &Server, expected: f64) {
    wait_until("the guests to expire", || server.metric("godra_guests_expired_total") >= expected);
    assert!(server.metric("godra_guests_expired_total") <= expected, "a guest expires once");
}

/// The ids of those that the hook has taken out, until as many as that.
#[track_caller]
fn gone(watcher: &mut Player, count: usize) -> Vec<String> {
    let mut gone: Vec<String> = (0..count)
        .map(|_| {
            let event = watcher.receive_type("gone");
            assert_eq!(event["payload"]["n"], 1, "once: {event}");
            event["payload"]["user_id"].as_str().unwrap().to_owned()
        })
        .collect();
    gone.sort();
    gone
}

fn kept(server: &Server) -> Value {
    User::guest(server).rpc("kept", json!([])).json()["result"].clone()
}

#[test]
fn guests_without_socket_and_call_are_taken_out_of_their_rooms_once() {
    let server = Server::start_in(folder(), &["--guest-ttl", "2s"]);
    let watcher = User::guest(&server);
    let room = watcher.create_lobby();
    let mut watching = watcher.join(&room);
    let gone_guests = [0; 3].map(|_| User::guest(&server));
    let active = User::guest(&server);
    for guest in gone_guests.iter().chain([&active]) {
        sit(guest, &room);
    }
    // What is refused leaves nothing behind; nor does a login, or a call without a room.
    assert_eq!(User::guest(&server).rpc("refuse", json!([room])).status, 409);
    kept(&server);
    // One that has joined, too, is taken out by the end of its socket, and not again.
    let joined = User::guest(&server);
    sit(&joined, &room);
    drop(joined.join(&room));
    assert_eq!(gone(&mut watching, 1)[0], joined.user_id);

    // Calls without a room are signs of life, too.
    let began = Instant::now();
    let mut expected: Vec<String> = gone_guests.iter().map(|guest| guest.user_id.clone()).collect();
    expected.sort();
    while began.elapsed() < Duration::from_secs(4) {
        assert_eq!(active.rpc("list_lobbies", json!([])).status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(gone(&mut watching, 3), expected);
    wait_for_expired(&server, 4.0);

    // Now that it is silent, it goes as well; the watcher has a socket, and stays.
    assert_eq!(gone(&mut watching, 1)[0], active.user_id);
    wait_for_expired(&server, 5.0);
    assert_eq!(watching.receive_within(Duration::from_millis(300)), None);
    // The watcher has called in its lobby.
    let key = format!("godra:guest:{}", watcher.user_id);
    assert_eq!(kept(&server), json!([[watcher.user_id], [key]]));
}

#[test]
fn a_guest_that_comes_back_in_time_keeps_its_seat() {
    let server = Server::start_in(folder(), &["--guest-ttl", "3s"]);
    let [watcher, guest] = [0; 2].map(|_| User::guest(&server));
    let room = watcher.create_lobby();
    let mut watching = watcher.join(&room);
    let began = Instant::now();
    sit(&guest, &room);
    // Its socket is in another room.
    let elsewhere = guest.create_lobby();
    let socket = guest.join(&elsewhere);
    while began.elapsed() < Duration::from_secs(5) {
        let event = watching.receive_within(Duration::from_millis(100));
        assert!(event.as_ref().is_none_or(|event| event["type"] != "gone"), "{event:?}");
    }
    drop(socket);
    assert_eq!(gone(&mut watching, 1)[0], guest.user_id);
    assert!(began.elapsed() >= Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn the_database_forgets_a_guest_with_the_store() {
    let server = Server::start_in(folder(), &["--guest-ttl", "2s"]);
    let guest = User::guest(&server);
    let first = guest.refresh();
    assert_eq!(first.status, 200, "{first:?}");
    let again = User::from_login(&server, &first.json());
    wait_for_expired(&server, 1.0);
    let refused = again.refresh();
    assert_eq!((refused.status, refused.error_code().as_str()), (401, "session_ended"));
    assert_eq!(kept(&server), json!([[], []]));
}

/// Its tokens went on to work: the refresh token that it had got at its login, too, as nobody had written that one down.
#[test]
fn regression_the_tokens_of_a_guest_that_is_gone_are_gone_with_it() {
    let server = Server::start_in(folder(), &["--guest-ttl", "2s"]);
    let watcher = User::guest(&server);
    let room = watcher.create_lobby();
    let _watching = watcher.join(&room);
    // One that was never refreshed, and one that was.
    let [silent, refreshed] = [0; 2].map(|_| User::guest(&server));
    let second = User::from_login(&server, &refreshed.refresh().json());
    for guest in [&silent, &refreshed] {
        sit(guest, &room);
    }
    wait_for_expired(&server, 2.0);
    silent.wait_until_refused();
    second.wait_until_refused();
    for guest in [&silent, &refreshed, &second] {
        let refused = guest.who_am_i();
        assert_eq!((refused.status, refused.error_code().as_str()), (401, "session_ended"), "{refused:?}");
        let refused = guest.refresh();
        assert_eq!((refused.status, refused.error_code().as_str()), (401, "session_ended"), "{refused:?}");
        let refused = guest.rpc("sit", json!([room]));
        assert_eq!((refused.status, refused.error_code().as_str()), (401, "session_ended"), "{refused:?}");
        assert_eq!(guest.try_join(&room).map(drop).unwrap_err().status, 401);
    }
    // Who has no account need not be written down to be let in again, as somebody else.
    assert_eq!(User::guest(&server).who_am_i().status, 200);
    assert_eq!(watcher.who_am_i().status, 200);
}

#[test]
fn a_state_file_keeps_guests_that_are_to_be_cleaned_up() {
    let files = Folder::empty();
    let path = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (state, accounts) = (path("rooms.db"), path("accounts.db"));
    let flags = ["--guest-ttl", "3s", "--state-file", &state, "--db-dsn", &accounts];
    let mut server = Server::start_in(folder(), &flags);
    let guest = User::guest(&server);
    let room = guest.create_lobby();
    // The write that is under way may have begun before the call; the one after it has not.
    let wanted = server.metric("godra_state_file_writes_total") + 2.0;
    let deadline = Instant::now() + PATIENCE;
    while server.metric("godra_state_file_writes_total") < wanted {
        assert!(Instant::now() < deadline, "nothing is written");
        User::guest(&server).create_lobby();
    }
    let guest = guest.detach();
    server.signal("KILL");
    server.wait();
    let server = Server::start_in(folder(), &flags);
    let watcher = User::guest(&server);
    let mut watching = watcher.join(&room);
    assert_eq!(gone(&mut watching, 1)[0], guest.user_id);
}

#[test]
fn a_guest_takes_all_its_rooms_along_when_it_becomes_a_player() {
    let server = Server::start_in(folder(), &["--threads", "2"]);
    let guest = User::guest(&server);
    let watcher = User::guest(&server);
    let rooms = [0; 4].map(|_| watcher.create_lobby());
    let mut watching = rooms.each_ref().map(|room| watcher.join(room));
    let [called, left, joined, never] = &rooms;
    sit(&guest, called);
    drop(guest.join(left));
    watching[1].receive_type("gone");
    // Called and joined: still one room.
    sit(&guest, joined);
    let _socket = guest.join(joined);

    let answer = guest.post("/account/upgrade", &json!({"username": "ann", "password": PASSWORD}));
    assert_eq!(answer.status, 200, "{answer:?}");
    let ann = User::from_login(&server, &answer.json());
    for (room, watching) in rooms.iter().zip(&mut watching).filter(|(room, _)| *room != never) {
        let event = watching.receive_type("upgraded");
        let payload = &event["payload"];
        assert_eq!(payload["room"], json!(room));
        assert_eq!((&payload["old_id"], &payload["user_id"]), (&json!(guest.user_id), &json!(ann.user_id)));
        assert_eq!(payload["n"], 1, "once: {event}");
    }
    // Whatever else was to come, came before this.
    for watching in &mut watching {
        watching.send("end", json!({}));
        let event = watching.receive_until(|event| event["type"] == "end" || event["type"] == "upgraded");
        assert_eq!(event["type"], "end", "{event}");
    }
}
