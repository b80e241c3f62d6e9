//! A player whose line breaks keeps its seat for a while. The same on every store.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::player::Player;
use crate::common::server::{Folder, Guest, Server};
use crate::common::wait_until;

const GRACE: &[&str] = &["--rejoin-grace", "1500ms"];
/// Longer than any test here takes.
const LONG: &[&str] = &["--rejoin-grace", "5m"];

/// The next events of a player about others coming and going, by their type and whom they are about.
#[track_caller]
fn hears(player: &mut Player, kind: &str, user: &Guest<'_>) {
    let event =
        player.receive_until(|event| event["type"].as_str().is_some_and(|kind| kind.starts_with("player_")));
    assert_eq!(
        (&event["type"], &event["payload"]["user_id"]),
        (&json!(kind), &json!(user.user_id)),
        "{event}"
    );
}

/// Closes the connection without a close frame.
fn cut(player: Player) {
    drop(player);
}

fn close(mut player: Player, code: u16) {
    let frame = tungstenite::protocol::CloseFrame { code: code.into(), reason: "".into() };
    player.socket().close(Some(frame)).unwrap();
    player.expect_close();
}

fn since(player: &Player) -> String {
    let payload = &player.welcome["payload"];
    format!("&epoch={}&since={}", payload["epoch"].as_str().unwrap(), payload["seq"])
}

/// A lobby with two players, of whom one sees what becomes of the other.
fn lobby<'a>(server: &'a Server, capacity: u32) -> (String, [Guest<'a>; 2], [Player; 2]) {
    let users = [server.guest(), server.guest()];
    let room = users[0].create_lobby(capacity);
    let mut first = users[0].join(&room);
    hears_itself(&mut first, &users[0]);
    let second = users[1].join(&room);
    hears(&mut first, "player_joined", &users[1]);
    (room, users, [first, second])
}

/// What a player hears of its own coming, if it came before its snapshot it does not.
fn hears_itself(player: &mut Player, user: &Guest<'_>) {
    let seq = player.welcome["payload"]["seq"].as_u64().unwrap();
    assert!(seq >= 1, "{user_id} has joined", user_id = user.user_id);
}

#[test]
fn who_comes_back_in_time_has_its_seat() {
    let server = Server::start(LONG);
    let (room, [ann, ben], [mut a, b]) = lobby(&server, 2);
    let place = since(&b);
    cut(b);
    hears(&mut a, "player_away", &ben);
    let refused = server.guest().try_join(&room).err().unwrap();
    assert!(refused.text().contains("Lobby is full"), "the seat is kept: {refused:?}");
    let snapshot = ann.rpc("on_snapshot", json!([]), &[]);
    assert_eq!(snapshot.status, 403, "hooks are not for players");
    let b = ben.try_join_with(&room, &place).unwrap();
    assert_eq!(b.welcome["payload"]["recovered"], true);
    hears(&mut a, "player_back", &ben);
    close(b, 1000);
    hears(&mut a, "player_left", &ben);
}

/// A page that was loaded again knows nothing of before.
#[test]
fn who_comes_back_without_knowing_the_room_has_its_seat_too() {
    let server = Server::start(LONG);
    let (room, [_, ben], [mut a, b]) = lobby(&server, 2);
    cut(b);
    hears(&mut a, "player_away", &ben);
    let b = ben.join(&room);
    let welcome = &b.welcome["payload"];
    assert_eq!(
        (&welcome["recovered"], &welcome["state"]["players"][&ben.user_id]["away"]),
        (&json!(false), &Value::Null)
    );
    hears(&mut a, "player_back", &ben);
}

#[test]
fn who_does_not_come_back_is_gone() {
    let server = Server::start(GRACE);
    let (room, [ann, ben], [mut a, b]) = lobby(&server, 2);
    let place = since(&b);
    let cut_at = Instant::now();
    cut(b);
    hears(&mut a, "player_away", &ben);
    hears(&mut a, "player_left", &ben);
    assert!(cut_at.elapsed() >= Duration::from_millis(1500));
    assert!(server.guest().try_join(&room).is_ok(), "the seat is free");
    let refused = ben.try_join_with(&room, &place).err().unwrap();
    assert!(refused.text().contains("Lobby is full"), "{refused:?}");
    drop((ann, a));
}

#[test]
fn who_closes_by_itself_or_is_put_out_is_gone_at_once() {
    let server = Server::start(LONG);
    let (room, [ann, ben], [mut a, b]) = lobby(&server, 2);
    close(b, 1001);
    hears(&mut a, "player_left", &ben);
    let b = ben.join(&room);
    hears(&mut a, "player_joined", &ben);
    close(b, 4000);
    hears(&mut a, "player_away", &ben);
    assert_eq!(ann.rpc("kick_player", json!([ben.user_id]), &[&format!("game:{room}")]).status, 200);
    hears(&mut a, "player_left", &ben);
    assert!(server.guest().try_join(&room).is_ok(), "the seat is free");
}

#[test]
fn a_seat_lasts_over_a_restart() {
    let files = Folder::empty();
    let file = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (state, accounts) = (file("state.db"), file("accounts.db"));
    let flags = ["--state-file", &state, "--db-dsn", &accounts, "--rejoin-grace", "6s"];
    let mut server = Server::start(&flags);
    let (room, users, [a, b]) = lobby(&server, 2);
    let (place, room) = (since(&b), room);
    let [ann, ben] = users.map(|user| (user.token.clone(), user.user_id.clone()));
    let key = format!("game:{room}");
    server.terminate();
    assert!(server.wait().success());
    drop((a, b));

    let started_at = Instant::now();
    let server = Server::start(&flags);
    let ben = server.known(&ben.0, &ben.1);
    let mut b = ben.try_join_with(&room, &place).unwrap();
    assert_eq!(b.welcome["payload"]["recovered"], true, "{}", b.welcome);
    let left = b.receive_type("player_left");
    assert_eq!(left["payload"]["user_id"], ann.1);
    assert!(started_at.elapsed() >= Duration::from_millis(5900), "its seat is kept, too");
    assert!(server.guest().rpc("join_lobby", json!([]), &[&key]).status == 200, "it is free now");
    assert!(ben.rpc("move_player", json!([1, 2]), &[&key]).status == 200);
}

#[test]
fn a_seat_lasts_over_a_crash() {
    let files = Folder::empty();
    let file = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    let (state, accounts) = (file("state.db"), file("accounts.db"));
    let flags = ["--state-file", &state, "--db-dsn", &accounts, "--rejoin-grace", "5m"];
    let mut server = Server::start(&flags);
    let (room, users, [a, b]) = lobby(&server, 2);
    let place = since(&b);
    let ben = (users[1].token.clone(), users[1].user_id.clone());
    drop(users);
    let wanted = server.metric("godra_state_file_writes_total") + 2.0;
    wait_until("the file to be written", || {
        server.guest().rpc("create_lobby", json!([]), &[]);
        server.metric("godra_state_file_writes_total") >= wanted
    });
    server.signal("KILL");
    server.wait();
    drop((a, b));

    let server = Server::start(&flags);
    let ben = server.known(&ben.0, &ben.1);
    let b = ben.try_join_with(&room, &place).unwrap();
    assert_eq!(
        b.welcome["payload"]["recovered"], false,
        "events may have been sent that are not in the file"
    );
    assert_eq!(b.welcome["payload"]["state"]["players"].as_object().unwrap().len(), 2, "both seats are kept");
}
