//! Stock scripts that are about more than one room, and games that move by themselves.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::server::{Guest, Server};
use crate::common::wait_until;

fn call(guest: &Guest<'_>, script: &str, args: Value) -> Value {
    let response = guest.rpc(script, args, &[]);
    assert_eq!(response.status, 200, "{script}: {response:?}");
    let result = response.json()["result"].take();
    match result.as_str() {
        Some("OK") => result,
        Some(text) => serde_json::from_str(text).expect("JSON text"),
        None => panic!("{script}: {result}"),
    }
}

#[test]
fn two_strangers_meet_by_quick_match() {
    let server = Server::start(&[]);
    let (one, other) = (server.guest(), server.guest());
    let request = json!({ "label": "duel", "ready": true });
    assert_eq!(call(&one, "quick_match", json!(["enter", request]))["status"], "waiting");
    call(&other, "quick_match", json!(["enter", request]));
    let status = |guest: &Guest<'_>| call(guest, "quick_match", json!(["status"]));
    wait_until("both to be asked", || status(&one)["status"] == "ready");
    for guest in [&one, &other] {
        call(guest, "quick_match", json!(["accept"]));
    }
    wait_until("a room", || status(&one)["status"] == "found");
    let (room, same) = (status(&one)["room"].take(), status(&other)["room"].take());
    assert_eq!(room, same);
    let room = room.as_str().expect("room").strip_prefix("game:").expect("game:").to_owned();
    let refused = server.guest().try_join(&room).err().expect("it is full");
    assert!(refused.text().contains("Lobby is full"), "{refused:?}");
    let mut first = one.join(&room);
    let _second = other.join(&room);
    first.receive_type("player_joined");

    // Both are there, in a room that nobody else is told of.
    let (id, other_id) = (one.user_id.as_str(), other.user_id.as_str());
    let presence = || call(&one, "presence", json!([[id, other_id]]));
    wait_until("both to be seen", || presence()["users"].as_object().map(|users| users.len()) == Some(2));
    assert_eq!(presence()["users"][id]["rooms"], json!([]));
}

#[test]
fn a_channel_is_heard_in_other_rooms() {
    let server = Server::start(&[]);
    let (one, other) = (server.guest(), server.guest());
    let mut listener = one.join(&one.create_lobby(4));
    let mut speaker = other.join(&other.create_lobby(4));
    assert_eq!(listener.call("join_channel", json!({ "channel": "trade" }), 1)["type"], "reply");
    // Where somebody listens is told by a message, which may still be on its way.
    let heard = (0..10).find_map(|_| {
        call(&other, "send_channel", json!(["trade", "anybody there?"]));
        listener.receive_within(Duration::from_millis(1100))
    });
    let heard = heard.expect("what the other one says");
    assert_eq!(
        (&heard["type"], &heard["payload"]["message"]),
        (&json!("channel_message"), &json!("anybody there?"))
    );
    assert_eq!(speaker.receive_within(Duration::from_millis(300)), None, "who does not listen hears nothing");
    let history = call(&one, "channel_history", json!(["trade"]));
    assert!(history["messages"].as_array().is_some_and(|said| said.contains(&heard["payload"])), "{history}");
}

#[test]
fn a_turn_ends_by_its_timer() {
    let server = Server::start(&[]);
    let (one, other) = (server.guest(), server.guest());
    let room = one.create_lobby(4);
    let (mut first, mut second) = (one.join(&room), other.join(&room));
    let begun = first.call("start_turns", json!({ "limit_ms": 1000 }), 1);
    assert_eq!(begun["type"], "reply", "{begun}");
    let turn = second.receive_type("turn");
    let missed = second.receive_type("turn_missed");
    assert_eq!(
        (&missed["payload"]["user_id"], &missed["payload"]["n"]),
        (&turn["payload"]["user_id"], &json!(1))
    );
    let turn = second.receive_type("turn");
    let player = if turn["payload"]["user_id"] == one.user_id.as_str() { &mut first } else { &mut second };
    player.call("take_turn", json!({ "n": 2, "move": "e4" }), 2);
    assert_eq!(player.receive_type("move")["payload"]["move"], "e4");
}

#[test]
fn the_arena_plays_by_itself() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    player.call("play_arena", json!({}), 1);
    player.receive_type("round_started");
    player.call("add_bots", json!({ "count": 3 }), 2);
    let taken = player.receive_type("gem_taken");
    assert!(taken["payload"]["score"].as_u64() >= Some(1), "{taken}");

    // Without anybody there it stands still, and costs nothing.
    player.close();
    wait_until("the timers to end", || server.metric("godra_messages_pending") == 0.0);
    let again = guest.join(&room);
    assert_eq!(again.seen()[0]["payload"]["state"]["state"], json!({}));
}
