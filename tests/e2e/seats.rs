//! Seats that were taken by RPC, for which no socket has come. The same on every store.

use serde_json::{Value, json};

use crate::common::accounts::{PASSWORD, User, account, user_command};
use crate::common::player::Player;
use crate::common::server::{Folder, Server};

/// A lobby of two, of which one seat is taken by a player with a socket, and the other by one without.
fn take_last_seat(server: &Server, user: &User<'_>) -> (String, Player) {
    let host = server.guest();
    let room = host.create_lobby(2);
    let player = host.join(&room);
    assert_eq!(user.rpc("join_lobby", json!([room])).status, 200);
    assert_eq!(server.guest().rpc("join_lobby", json!([room]), &[]).status, 409, "it is full");
    (room, player)
}

#[track_caller]
fn gives_the_seat_back(server: &Server, user: &User<'_>, end: impl FnOnce()) {
    let (room, mut host) = take_last_seat(server, user);
    end();
    let left = host.receive_type("player_left");
    assert_eq!(left["payload"]["user_id"], user.user_id);
    assert_eq!(server.guest().rpc("join_lobby", json!([room]), &[]).status, 200);
}

#[test]
fn who_logs_out_or_is_banned_gives_the_seat_back_at_once() {
    let folder = Folder::new();
    let database = folder.path().join("accounts.db").display().to_string();
    let server = Server::start(&["--db-dsn", &database]);
    for user in [account(&server, "ann"), User::guest(&server)] {
        gives_the_seat_back(&server, &user, || {
            assert_eq!(user.post("/logout", &Value::Null).status, 204);
        });
    }
    user_command(&folder, &database, &["create", "boss", "--role", "manager"], PASSWORD);
    let manager = User::login(&server, "boss", PASSWORD);
    let ben = account(&server, "ben");
    gives_the_seat_back(&server, &ben, || {
        let banned = manager.rpc("ban", json!([ben.user_id]));
        assert_eq!(banned.status, 200, "{banned:?}");
    });
}

#[test]
fn who_is_there_with_a_socket_stays_when_another_login_ends() {
    let server = Server::start(&[]);
    let ann = account(&server, "ann");
    let (room, mut host) = take_last_seat(&server, &ann);
    let elsewhere = User::login(&server, "ann", PASSWORD);
    let mut player = elsewhere.join(&room);
    assert_eq!(host.receive_type("player_joined")["payload"]["user_id"], ann.user_id);
    assert_eq!(ann.post("/logout", &Value::Null).status, 204);
    ann.wait_until_refused();
    // Had the hook run, it would have come before this.
    assert_eq!(server.guest().rpc("join_lobby", json!([room]), &[]).status, 409);
    assert_eq!(player.call("move_player", json!({"x": 1, "y": 2}), 1)["result"], "OK");
    let next = host.receive_until(|event| event["type"] != "batch");
    assert_eq!(next["type"], "player_moved", "{next}");
}
