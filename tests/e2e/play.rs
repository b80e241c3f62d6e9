//! Rooms over WebSocket.

use std::collections::HashSet;
use std::time::Duration;

use godra::account::service::unix_ms;
use serde_json::{Value, json};
use tungstenite::Message;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

use crate::common::player::Player;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

#[test]
fn two_players_see_each_other() {
    let server = Server::start(&[]);
    let (ann_guest, ben_guest) = (server.guest(), server.guest());
    let room = ann_guest.create_lobby(4);
    let mut ann = ann_guest.join(&room);
    let mut ben = ben_guest.join(&room);

    let joined = ann.receive_until(|event| event["payload"]["user_id"] == ben_guest.user_id);
    assert_eq!(joined["type"], "player_joined");
    ben.send("move_player", json!({"x": 10, "y": 20}));
    let moved = ann.receive_type("player_moved");
    assert_eq!(moved["payload"], json!({"user_id": ben_guest.user_id, "x": 10, "y": 20}));
    ann.send("send_chat", json!({"message": "hello \u{1F600}"}));
    for player in [&mut ann, &mut ben] {
        let chat = player.receive_type("chat");
        assert_eq!(chat["payload"]["message"], "hello \u{1F600}");
        assert_eq!(chat["payload"]["user_id"], ann_guest.user_id);
    }
    ben.close();
    let left = ann.receive_type("player_left");
    assert_eq!(left["payload"]["user_id"], ben_guest.user_id);
}

#[test]
fn the_welcome_holds_the_room() {
    let server = Server::start(&["--sync-interval", "20"]);
    let (ann_guest, ben_guest) = (server.guest(), server.guest());
    let room = ann_guest.create_lobby(4);
    let mut ann = ann_guest.join(&room);
    ann.call("move_player", json!({"x": 1, "y": 2}), 1);
    ann.call("set", json!({"round": 3, "map": "ice"}), 2);

    let ben = ben_guest.join(&format!("game:{room}"));
    let welcome = &ben.welcome["payload"];
    assert_eq!(welcome["user_id"], ben_guest.user_id);
    assert_eq!((&welcome["role"], &welcome["game_id"]), (&json!("guest"), &json!(room)));
    assert_eq!((&welcome["recovered"], &welcome["sync_interval_ms"]), (&json!(false), &json!(20)));
    let state = &welcome["state"];
    assert_eq!(state["state"], json!({"round": 3, "map": "ice"}));
    assert_eq!(state["players"][&ann_guest.user_id]["x"], 1);
    assert!(state["players"][&ben_guest.user_id].is_object(), "{state}");
}

/// It got its payload alone, as other scripts do, and took that for a message without an action.
#[test]
fn regression_update_state_gets_the_whole_message_also_by_its_own_name() {
    let server = Server::start(&[]);
    let ann_guest = server.guest();
    let room = ann_guest.create_lobby(4);
    let mut ann = ann_guest.join(&room);
    let reply = ann.call("update_state", json!({"round": 3}), 1);
    assert_eq!((&reply["type"], &reply["result"]), (&json!("reply"), &json!("OK")), "{reply}");
    let event = ann.receive_type("state");
    assert_eq!(event["payload"]["action"], "update_state");
}

/// A slip must not look as if it had worked, nor reach anybody.
#[test]
fn an_action_that_nothing_has_is_refused_and_told_to_nobody() {
    let server = Server::start(&[]);
    server.folder().write_script("relay", "-- ROLE: guest\n-- ACTIONS: wave, point\nreturn ARGV[2]\n");
    let ann_guest = server.guest();
    let mut ann = ann_guest.join(&ann_guest.create_lobby(4));
    let mut ask = |action: &str, id: u64| ann.call(action, json!({"x": 1}), id);
    wait_until("the new script", || ask("wave", 1)["type"] == "reply");
    let message: Value = serde_json::from_str(ask("point", 2)["result"].as_str().unwrap()).unwrap();
    assert_eq!(message, json!({"action": "point", "payload": {"x": 1}, "id": 2}));
    let mut refused = |action: &str, id: u64, message: &str| {
        let answer = ask(action, id);
        let expected = json!({"code": "not_found", "message": message});
        assert_eq!((&answer["type"], &answer["payload"]), (&json!("error"), &expected), "{answer}");
    };
    refused("mvoe_player", 3, r#"there is no action "mvoe_player"; do you mean "move_player"?"#);
    refused("movePlayer", 4, r#"there is no action "movePlayer"; do you mean "move_player"?"#);
    refused("wav", 5, r#"there is no action "wav"; do you mean "wave"?"#);
    refused("jump", 6, r#"there is no action "jump""#);
    // What a guest may not call is not named to it, nor what only the server calls.
    refused("brodcast", 7, r#"there is no action "brodcast""#);
    refused("on_conect", 8, r#"there is no action "on_conect""#);
    ann.call("set", json!({"a": 1}), 9);
    let event = ann.receive_type("state");
    let before = ann.welcome["payload"]["seq"].as_u64().unwrap();
    assert_eq!((&event["payload"]["action"], &event["seq"]), (&json!("set"), &json!(before + 1)), "{event}");
    let answer = ann_guest.rpc("create_loby", json!([]), &[]);
    let error = json!({"code": "not_found", "message": r#"there is no script "create_loby"; do you mean "create_lobby"?"#});
    assert_eq!((answer.status, &answer.json()["error"]), (404, &error));
}

/// Every member gets the same events under the same numbers, without a gap, beginning right after its welcome.
#[test]
fn events_are_numbered_without_gaps() {
    let server = Server::start(&["--threads", "2"]);
    let guests: Vec<_> = (0..4).map(|_| server.guest()).collect();
    let room = guests[0].create_lobby(10);
    let mut players: Vec<Player> = guests.iter().map(|guest| guest.join(&room)).collect();
    for number in 0..50 {
        for player in &mut players {
            player.send("set", json!({"number": number}));
        }
    }
    let mut end = None;
    for player in &mut players {
        let mut expected = player.welcome["payload"]["seq"].as_u64().unwrap();
        let mut notes = 0;
        while notes < 200 {
            let event = player.receive();
            expected += 1;
            assert_eq!(event["seq"], expected, "{event}");
            notes += usize::from(event["type"] == "state");
        }
        assert_eq!(*end.get_or_insert(expected), expected);
    }
}

#[test]
fn an_id_gets_exactly_one_answer() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    let check = |player: &mut Player, action: &str, payload: Value, id: u64, expected: Value| {
        assert_eq!(player.call(action, payload, id), expected);
    };
    let began_ms = unix_ms();
    let mut beat = player.call("heartbeat", json!(null), 0);
    for now in [&beat["result"]["now"], &player.welcome["payload"]["now"]] {
        // The server reads its clock once a round.
        assert!((began_ms - 60_000..=unix_ms()).contains(&now.as_u64().unwrap()), "{now}");
    }
    let now = beat["result"]["now"].take();
    let result = json!({"n": 0, "seq": player.welcome["payload"]["seq"], "now": null});
    assert_eq!(beat, json!({"type": "reply", "id": 0, "result": result}), "at {now}");
    check(&mut player, "set", json!({"a": 1}), 7, json!({"type": "reply", "id": 7, "result": "OK"}));
    let largest = u64::MAX;
    check(
        &mut player,
        "set",
        json!({"a": 2}),
        largest,
        json!({"type": "reply", "id": largest, "result": "OK"}),
    );
    let refused = player.call("move_player", json!({"x": -1, "y": 0}), 8);
    assert_eq!((&refused["type"], &refused["payload"]["code"]), (&json!("error"), &json!("out_of_bounds")));
}

#[test]
fn malformed_messages_get_an_error_and_nothing_else_happens() {
    let server = Server::start(&[]);
    let (ann_guest, ben_guest) = (server.guest(), server.guest());
    let room = ann_guest.create_lobby(4);
    let mut ann = ann_guest.join(&room);
    let mut ben = ben_guest.join(&room);
    ann.receive_until(|event| event["payload"]["user_id"] == ben_guest.user_id);
    for text in [
        "",
        "x",
        "null",
        "[]",
        "{}",
        r#"{"action":1}"#,
        r#"{"action":""}"#,
        r#"{"action":"a b"}"#,
        r#"{"action":"../x"}"#,
        r#"{"action":"set","payload":}"#,
        r#"{"action":"set","payload":{}} x"#,
        r#"{"action":"set","id":-1}"#,
        r#"{"action":"set","id":"1"}"#,
        r#"{"action":"set","id":1.5}"#,
        r#"{"action":"set","n":0,"payload":{"a":1}}"#,
        &"[".repeat(10_000),
        &format!(r#"{{"action":"{}"}}"#, "a".repeat(65)),
    ] {
        ben.send_text(text);
        let error = ben.receive_type("error");
        assert_eq!(error["payload"]["code"], "bad_request", "{text:.100}: {error}");
    }
    ben.send_binary(b"\xff");
    assert_eq!(ben.receive_type("error")["payload"]["code"], "bad_request");
    ben.send_binary(br#"{"action":"send_chat","payload":{"message":"binary is fine"}}"#);
    assert_eq!(ann.receive()["payload"]["message"], "binary is fine");
    assert_eq!(server.metric(r#"godra_inputs_total{outcome="malformed"}"#), 18.0);
}

#[test]
fn players_cannot_call_hooks() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    let answer = player.call("on_disconnect", json!({}), 1);
    assert_ne!(answer["payload"]["code"], "script_error", "{answer}");
    assert!(
        player.receive_within(Duration::from_millis(200)).is_none_or(|event| event["type"] != "player_left")
    );
}

/// Readers of JSON stop at some depth: what one player nests deeper would keep the others out.
#[test]
fn json_that_is_nested_too_deep_is_refused() {
    const DEEP: &str = "-- ROLE: guest\n-- KEYS: game:{room}\n
        local value = cjson.encode(ARGV[1])
        for _ = 1, cjson.decode(ARGV[2]) do value = '[' .. value .. ']' end
        godra.publish('deep', cjson.decode(value))
        return 'OK'";
    const READY: &str = "-- ROLE: guest\n-- KEYS: game:{room}\n
        local levels = cjson.decode(ARGV[2])
        local value = string.rep('[', levels) .. '\"]]]]\"' .. string.rep(']', levels)
        redis.call('PUBLISH', 'game_updates:' .. KEYS[1], '{\"type\":\"deep\",\"payload\":' .. value .. '}')
        return 'OK'";
    let folder = Folder::new();
    folder.write_script("deep", DEEP);
    folder.write_script("ready", READY);
    let server = Server::start_in(folder, &[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let mut set = |levels: usize| {
        player
            .send_text(&format!(r#"{{"action":"set","id":{levels},"payload":{{"k":{}}}}}"#, nested(levels)));
        player.receive_until(|message| message["id"] == levels)
    };
    // With the message and its payload these are 32.
    assert_eq!(set(30)["result"], "OK");
    let refused = set(31);
    assert_eq!(refused["payload"]["code"], "bad_request", "{refused}");
    assert!(refused["payload"]["message"].as_str().unwrap().contains("32 levels"), "{refused}");
    for (action, id) in [("deep", 100), ("ready", 200)] {
        assert_eq!(player.call(action, json!(32), id)["result"], "OK", "{action}");
        player.receive_type("deep");
        let refused = player.call(action, json!(33), id + 1);
        assert_eq!(refused["payload"]["code"], "script_error", "{refused}");
        assert!(refused["payload"]["message"].as_str().unwrap().contains("at most 32 levels"), "{refused}");
    }
    let body = format!(r#"{{"script":"send_chat","args":[{},"{room}"]}}"#, nested(31));
    let refused = guest.rpc_body(body.as_bytes());
    assert_eq!((refused.status, refused.error_code().as_str()), (400, "bad_request"));
}

/// Browsers keep from pages what HTTP says to an upgrade.
#[test]
fn a_refusal_can_be_read_by_a_browser() {
    let server = Server::start(&["--threads", "2"]);
    let guest = server.guest();
    let full = server.guest().create_lobby(1);
    let refused = |query: &str| {
        let path = format!("/ws?refuse=close&{query}");
        let mut peer = Player::connect_without_welcome(server.address(), &path, &[]).unwrap();
        let why = peer.receive();
        (why["type"].clone(), why["payload"].clone(), peer.expect_close())
    };
    let (kind, payload, close) = refused(&format!("game_id={full}&token={}", guest.token));
    assert_eq!(
        (kind, &payload["status"], &payload["code"]),
        (json!("error"), &json!(403), &json!("conflict"))
    );
    assert_eq!(payload["message"], "Lobby is full");
    assert_eq!(close, (4505, "conflict".to_owned()));
    let (_, payload, close) = refused(&format!("game_id={full}"));
    assert_eq!((&payload["status"], close), (&json!(401), (4505, "unauthorized".to_owned())));
    assert_eq!(server.metric(r#"godra_refusals_total{reason="hook"}"#), 1.0);
    assert_eq!(server.metric(r#"godra_connections{kind="websocket"}"#), 0.0);
}

#[test]
fn joins_that_are_refused() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let full = server.guest().create_lobby(1);
    let check = |path: &str, status: u16, code: &str| {
        let Err(response) = Player::connect(server.address(), path) else { panic!("{path} was let in") };
        assert_eq!((response.status, response.error_code().as_str()), (status, code), "{path}");
    };
    let token = &guest.token;
    check(&format!("/ws?token={token}"), 400, "bad_request");
    check(&format!("/ws?token={token}&game_id="), 400, "bad_request");
    check(&format!("/ws?token={token}&game_id=a%20b"), 400, "bad_request");
    check(&format!("/ws?token={token}&game_id={}", "a".repeat(65)), 400, "bad_request");
    check(&format!("/ws?token={token}&game_id=game:"), 400, "bad_request");
    check(&format!("/ws?game_id={full}"), 401, "unauthorized");
    check(&format!("/ws?token=x&game_id={full}"), 401, "unauthorized");
    check(&format!("/ws?token={token}x&game_id={full}"), 401, "unauthorized");
    let refusal = |room: &str| {
        let Err(response) = guest.try_join(room) else { panic!("{room} let in") };
        assert_eq!(response.status, 403, "{response:?}");
        response.json()["error"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(refusal(&full), "Lobby is full");
    assert_eq!(refusal("nowhere"), "Lobby does not exist");
}

#[test]
fn upgrades_that_are_malformed() {
    let server = Server::start(&["--debug-echo"]);
    let check = |headers: &str, status: u16| {
        let mut connection = server.connect();
        connection.send(format!("GET /echo HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
        let response = connection.read_response();
        assert_eq!(response.status, status, "{headers:?}: {response:?}");
    };
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    check("", 426);
    check(&format!("{upgrade}{key}Sec-WebSocket-Version: 8\r\n"), 426);
    check(&format!("{upgrade}Sec-WebSocket-Version: 13\r\n"), 400);
    check(&format!("{upgrade}Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n"), 400);
    check(&format!("{upgrade}{key}{key}Sec-WebSocket-Version: 13\r\n"), 400);
    check(&format!("{upgrade}{key}Sec-WebSocket-Version: 13\r\n"), 101);
    check(
        &format!(
            "uPgRaDe: foo, WebSocket\r\nconnection: keep-alive, upgrade\r\n{key}Sec-WebSocket-Version: 13\r\n"
        ),
        101,
    );
}

#[test]
fn a_token_may_come_in_three_ways() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let path = format!("/ws?game_id={}", guest.create_lobby(4));
    let bearer = format!("Bearer {}", guest.token);
    let protocols = format!("godra, bearer.{}", guest.token);
    for header in [("authorization", bearer.as_str()), ("sec-websocket-protocol", protocols.as_str())] {
        let mut player = Player::connect_without_welcome(server.address(), &path, &[header]).ok().unwrap();
        assert_eq!(player.receive()["payload"]["user_id"], guest.user_id);
    }
    assert!(Player::connect(server.address(), &format!("{path}&token={}", guest.token)).is_ok());
}

#[test]
fn the_same_user_is_in_a_room_once() {
    let server = Server::start(&["--threads", "3"]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut first = guest.join(&room);
    let mut second = guest.join(&room);
    assert_eq!(first.expect_close().0, 4502);
    assert_eq!(second.call("heartbeat", json!(null), 1)["result"]["n"], 0);
    assert_eq!(server.metric("godra_members"), 1.0);
}

/// One user, two rooms, at the same time.
#[test]
fn rooms_do_not_hear_each_other() {
    let server = Server::start(&["--threads", "2"]);
    let guest = server.guest();
    let mut players: Vec<Player> = (0..8).map(|_| guest.join(&guest.create_lobby(4))).collect();
    for (number, player) in players.iter_mut().enumerate() {
        player.send("set", json!({"number": number}));
    }
    for (number, player) in players.iter_mut().enumerate() {
        assert_eq!(player.receive_type("state")["payload"]["payload"]["number"], number);
        assert_eq!(player.receive_within(Duration::from_millis(60)), None);
    }
}

#[test]
fn an_expired_token_closes_the_socket() {
    let server = Server::start(&["--token-ttl", "2s"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    assert_eq!(player.expect_close().0, 4001);
}

#[test]
fn frames_that_break_the_protocol() {
    let server = Server::start(&["--max-message-bytes", "1000"]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mask = Some([1, 2, 3, 4]);
    let frame = |opcode: OpCode, is_final: bool, payload: &[u8]| {
        let header = FrameHeader { is_final, opcode, mask, ..FrameHeader::default() };
        Message::Frame(Frame::from_payload(header, payload.to_vec().into()))
    };
    let check = |frames: Vec<Message>, expected_code: u16| {
        let mut player = guest.join(&room);
        for frame in frames {
            player.socket().send(frame).unwrap();
        }
        assert_eq!(player.expect_close().0, expected_code);
    };
    let (text, more) = (OpCode::Data(Data::Text), OpCode::Data(Data::Continue));
    check(vec![frame(more, true, b"x")], 1002);
    check(vec![frame(text, false, b"x"), frame(text, true, b"y")], 1002);
    check(vec![frame(OpCode::Data(Data::Reserved(3)), true, b"x")], 1002);
    check(vec![frame(text, true, b"\xff")], 1007);
    check(vec![frame(text, false, b"\xc3"), frame(more, true, b"x")], 1007);
    check(vec![frame(text, true, &[b' '; 1001])], 1009);
    check(vec![frame(text, false, &[b' '; 600]), frame(more, true, &[b' '; 600])], 1009);
}

#[test]
fn too_many_malformed_messages_end_the_connection() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    for _ in 0..101 {
        player.send_text("x");
    }
    assert_eq!(player.expect_close().0, 4504);
}

#[test]
fn users_of_a_room_are_guests_with_names_of_their_own() {
    let server = Server::start(&[]);
    let names: HashSet<String> = (0..20)
        .map(|_| {
            let guest = server.guest();
            let player = guest.join(&guest.create_lobby(1));
            player.welcome["payload"]["username"].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(names.len() > 15 && names.iter().all(|name| name.starts_with("Guest-")), "{names:?}");
}

/// A burst of inputs is gathered: a member gets far fewer frames than there are events.
#[test]
fn events_of_a_burst_come_as_batches() {
    let server = Server::start(&["--sync-interval", "100"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    let frames_before = server.metric("godra_frames_out_total");
    for number in 0..200 {
        player.send("set", json!({"number": number}));
    }
    for _ in 0..200 {
        player.receive_type("state");
    }
    let frames = server.metric("godra_frames_out_total") - frames_before;
    assert!(frames <= 40.0, "{frames} frames for 200 events");
}

/// A connection that ends without a word is a player who left.
#[test]
fn a_vanished_player_leaves() {
    let server = Server::start(&["--threads", "2"]);
    let (ann_guest, ben_guest) = (server.guest(), server.guest());
    let room = ann_guest.create_lobby(4);
    let mut ann = ann_guest.join(&room);
    let ben = ben_guest.join(&room);
    drop(ben);
    assert_eq!(ann.receive_type("player_left")["payload"]["user_id"], ben_guest.user_id);
    assert_eq!(server.metric("godra_members"), 1.0);
    assert_eq!(server.metric(r#"godra_websocket_closes_total{code="1006"}"#), 1.0);
}

#[test]
fn pings_are_answered_between_fragments() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    let frame = |opcode: OpCode, is_final: bool, payload: &[u8]| {
        let header = FrameHeader { is_final, opcode, mask: Some([9; 4]), ..FrameHeader::default() };
        Message::Frame(Frame::from_payload(header, payload.to_vec().into()))
    };
    let socket = player.socket();
    socket.send(frame(OpCode::Data(Data::Text), false, br#"{"action":"heart"#)).unwrap();
    socket.send(Message::Ping("still there?".into())).unwrap();
    socket.send(frame(OpCode::Data(Data::Continue), true, br#"beat","id":5}"#)).unwrap();
    let pong = std::iter::repeat_with(|| socket.read().unwrap()).find(|message| !message.is_text());
    assert_eq!(pong, Some(Message::Pong("still there?".into())));
    assert_eq!(player.receive_until(|answer| answer["id"] == 5)["result"]["n"], 0);
}
