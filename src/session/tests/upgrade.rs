//! `GET /ws` and `GET /echo`, until the WebSocket is open.

use super::frames::{binary, close, text};
use super::peer::Peer;
use super::*;

const JOINS: &str = "join guest:a r";
const WELCOME: &str = r#"{"type":"welcome","payload":{"user_id":"guest:a","username":"Ann","role":"guest","game_id":"r","epoch":"e","seq":7,"n":4,"recovered":false,"state":{"n":1},"sync_interval_ms":50,"now":1700000000000}}"#;

/// It is refused, and what stands behind it is not read: it was meant for a WebSocket.
fn refused(request: &str, expected: &str) {
    check(request.to_owned() + &get("/health"), &[&format!("{expected} (close)"), "finish"]);
}

#[test]
fn the_first_message_is_the_welcome() {
    check(upgrade("/ws?token=good&game_id=r"), &[JOINS, "ws 101", WELCOME]);
    check(upgrade("/ws?game_id=game%3Ar&token=good"), &[JOINS, "ws 101", WELCOME]);
    let accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert_eq!(response(upgrade("/ws?token=good&game_id=r")), accepted);
}

#[test]
fn the_token_may_come_in_other_places() {
    let joins = |target: &str, headers: &[&str], protocol: Option<&str>| {
        check(upgrade_with(target, headers), &[JOINS, "ws 101", WELCOME]);
        let response = response(upgrade_with(target, headers));
        assert_eq!(header(&response, "sec-websocket-protocol"), protocol);
    };
    joins("/ws?game_id=r", &["Authorization: Bearer good"], None);
    joins("/ws?game_id=r", &["Sec-WebSocket-Protocol: godra, bearer.good"], Some("godra"));
    joins(
        "/ws?game_id=r",
        &["Authorization: Basic x", "Sec-WebSocket-Protocol: godra, bearer.good"],
        Some("godra"),
    );
    joins("/ws?token=good&game_id=r", &["Authorization: Bearer bad"], None);
}

#[test]
fn a_token_is_needed() {
    let missing = r#"ws 401 {"error":{"code":"unauthorized","message":"a token is needed: …"}}"#;
    let bad = r#"ws 401 {"error":{"code":"unauthorized","message":"the token is malformed"}}"#;
    refused(&upgrade("/ws?game_id=r"), missing);
    refused(&upgrade("/ws"), missing);
    refused(&upgrade("/ws?token=bad&game_id=r"), bad);
    refused(&upgrade("/ws?token=bad"), bad);
    refused(&upgrade("/ws?token=&game_id=r"), bad);
    refused(&upgrade_with("/ws?game_id=r", &["Sec-WebSocket-Protocol: godra, bearer.bad"]), bad);
    let alone = upgrade_with("/ws?game_id=r", &["Sec-WebSocket-Protocol: bearer.good"]);
    refused(&alone, r#"ws 400 {"error":{"code":"bad_request","message":"offer the subprotocol godra, …"}}"#);
    let response = response(upgrade("/ws?game_id=r"));
    assert_eq!(header(&response, "www-authenticate"), Some("Bearer"));
}

#[test]
fn a_room_is_needed() {
    let missing = r#"ws 400 {"error":{"code":"bad_request","message":"the query lacks game_id=ROOM"}}"#;
    let bad = r#"ws 400 {"error":{"code":"bad_request","message":"game_id must be …"}}"#;
    refused(&upgrade("/ws?token=good"), missing);
    refused(&upgrade("/ws?token=good&game=r"), missing);
    refused(&upgrade("/ws?token=good&game_id="), bad);
    refused(&upgrade("/ws?token=good&game_id=a%20b"), bad);
    refused(&upgrade("/ws?token=good&game_id=a{b}"), bad);
    refused(&upgrade(&format!("/ws?token=good&game_id={}", "x".repeat(65))), bad);
}

#[test]
fn a_room_that_refuses() {
    let full = r#"ws 403 {"error":{"code":"forbidden","message":"Lobby is full"}}"#;
    let request = upgrade("/ws?token=good&game_id=closed");
    let expected = ["join guest:a closed", &format!("{full} (close)"), "finish"];
    check(request.clone() + &get("/health"), &expected);
    check([request.as_bytes(), &text(r#"{"action":"a"}"#)].concat(), &expected);
}

#[test]
fn a_refusal_comes_as_a_close_frame_for_who_asks_for_that() {
    let check = |query: &str, expected: &[&str]| {
        // What comes behind is no request: it is not a frame either, or one that nobody looks at.
        let behind = [text(r#"{"action":"set"}"#), close(1000, "")].concat();
        let request = upgrade(&format!("/ws?refuse=close&{query}"));
        check([request.as_bytes(), &behind].concat(), &[expected, &["finish"]].concat());
    };
    let no_token = r#"{"type":"error","payload":{"code":"unauthorized","message":"…","status":401}}"#;
    check("game_id=r", &["ws 101 for 401", no_token, "close 4505 unauthorized", "closed 4505"]);
    let bad = r#"{"type":"error","payload":{"code":"bad_request","message":"…","status":400}}"#;
    check("token=good&game_id=a%20b", &["ws 101 for 400", bad, "close 4505 bad_request", "closed 4505"]);
    let full = r#"{"type":"error","payload":{"code":"forbidden","message":"Lobby is full","status":403}}"#;
    let lines = ["join guest:a closed", "ws 101 for 403", full, "close 4505 forbidden", "closed 4505"];
    check("token=good&game_id=closed", &lines);
    let expired = r#"{"type":"error","payload":{"code":"token_expired","message":"…","status":401}}"#;
    let lines = ["ws 101 for 401", expired, "close 4005 token_expired", "closed 4005"];
    check("token=expired&game_id=r", &lines);
    refused_as("/ws?refuse=closed&token=good&game_id=", r#"ws 400 {"error":{"code":"bad_request",…}}"#);
}

fn refused_as(target: &str, expected: &str) {
    check(upgrade(target), &[&format!("{expected} (close)"), "finish"]);
}

#[test]
fn a_refusal_for_now_says_when_to_come_again() {
    let mut peer = Peer::new();
    peer.services.readiness = Err("the state engine is not available");
    peer.send(upgrade("/ws?refuse=close&token=good&game_id=r"));
    let away =
        r#"{"type":"error","payload":{"code":"unavailable","message":"…","status":503,"retry_after":1}}"#;
    peer.did(&["ws 101 for 503", away, "close 4005 unavailable", "closed 4005"]);
    peer.send(text(r#"{"action":"heartbeat","id":1}"#)).send(get("/health")).did(&["finish"]);
}

#[test]
fn requests_that_are_no_upgrade() {
    let health = r#"health 200 {"status":"ok"}"#;
    check(get("/ws?token=good&game_id=r") + &get("/health"), &["ws 426 {…}", health]);
    let response = response(get("/ws"));
    assert_eq!(header(&response, "upgrade"), Some("websocket"));
    assert_eq!(header(&response, "sec-websocket-version"), Some("13"));
    refused(&upgrade("/ws").replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), "ws 400 {…}");
}

#[test]
fn nobody_joins_a_server_that_is_not_ready() {
    let mut peer = Peer::new();
    peer.services.readiness = Err("the state engine is not available");
    peer.send(upgrade("/ws?token=good&game_id=r"));
    peer.did(&[
        r#"ws 503 {"error":{"code":"unavailable","message":"the state engine is not available"}} (close)"#,
        "finish",
    ]);
    assert_eq!(header(peer.last_response(), "retry-after"), Some("1"));
}

#[test]
fn bytes_behind_the_request_wait_and_are_the_first_messages() {
    let frames = [text(r#"{"action":"a"}"#), text(r#"{"action":"b"}"#)].concat();
    let request = upgrade("/ws?token=good&game_id=r").into_bytes();
    let inputs = [JOINS, "ws 101", WELCOME, "input guest:a a null", "input guest:a b null"];
    check([&request[..], &frames].concat(), &inputs);
    let mut peer = Peer::new();
    peer.send(request).send(&frames);
    assert_eq!((peer.waiting(), peer.session.wants_input()), (frames.len(), false));
    peer.pass(1_000_000).did(&[JOINS]);
    peer.answer_join();
    let later = WELCOME.replace("1700000000000", "1700001000000");
    peer.did(&["ws 101", &later, "input guest:a a null", "input guest:a b null"]);
}

#[test]
fn who_comes_back_is_told_what_it_missed_in_place_of_the_state() {
    let welcome = |seq: u64| {
        let recovered = format!(r#""seq":{seq},"n":4,"recovered":true,"state":null"#);
        WELCOME.replace(r#""seq":7,"n":4,"recovered":false,"state":{"n":1}"#, &recovered)
    };
    let target = "/ws?token=good&game_id=r&epoch=e&since=";
    let missed = r#"{"type":"x","payload":1,"seq":7}"#;
    check(upgrade(&format!("{target}5")), &["join guest:a r since e:5", "ws 101", &welcome(5), missed]);
    check(upgrade(&format!("{target}7")), &["join guest:a r since e:7", "ws 101", &welcome(7)]);
}

#[test]
fn options_of_a_join_are_a_small_object() {
    let target = |options: &str| format!("/ws?token=good&game_id=r&options={options}");
    let joins = |query: &str, options: &str| {
        check(upgrade(&target(query)), &[&format!("join guest:a r with {options}"), "ws 101", WELCOME]);
    };
    joins("%7B%22team%22%3A+%22r%C3%A9d%22%7D", r#"{"team": "réd"}"#);
    joins("{}", "{}");
    let padded = |len: usize| format!("{{}}{}", " ".repeat(len - 2));
    joins(&padded(1024).replace(' ', "+"), &padded(1024));
    let refused = |query: &str, what: &str| {
        let message = format!(r#"ws 400 {{"error":{{"code":"bad_request","message":"{what} …"}}}}"#);
        refused_as(&target(query), &message);
    };
    refused(&padded(1025).replace(' ', "+"), "options are longer");
    for not_one in ["", "1", "[]", "null", "{", "{}{}", "%7B%22a%22%3A1e999%7D", "x"] {
        refused(not_one, "options must be");
    }
    refused(&format!("{{%22a%22:{}1{}}}", "[".repeat(32), "]".repeat(32)), "options must be");
}

#[test]
fn a_place_in_the_history_must_be_one() {
    let refused = |query: &str, what: &str| {
        let message = format!(r#"ws 400 {{"error":{{"code":"bad_request","message":"{what} …"}}}}"#);
        refused_as(&format!("/ws?token=good&game_id=r&{query}"), &message);
    };
    for since in ["", "-1", "1.5", "x", "18446744073709551616", "%2B1"] {
        refused(&format!("epoch=e&since={since}"), "since must be");
    }
    for epoch in ["", "g", "%2B1", "11111111111111111"] {
        refused(&format!("epoch={epoch}&since=1"), "epoch must be");
    }
    refused("since=1", "epoch and since");
    refused("epoch=e", "epoch and since");
}

#[test]
fn who_is_joining() {
    let mut peer = Peer::new();
    assert!(peer.session.identity().is_none());
    peer.send(upgrade("/ws?token=good&game_id=r"));
    assert_eq!(&*peer.session.identity().unwrap().user_id, "guest:a");
    peer.answer_join();
    assert_eq!(&*peer.session.identity().unwrap().user_id, "guest:a");
}

#[test]
fn the_echo_is_served_only_for_debugging() {
    let frames = [text("a"), binary(b"b")].concat();
    let input = [upgrade("/echo").into_bytes(), frames].concat();
    check_with(|settings| settings.debug_echo = true, input, &["echo 101", "a", "binary b"]);
    check(upgrade("/echo"), &["unknown 404 …"]);
    check_with(|settings| settings.debug_echo = true, get("/echo"), &["echo 426 …"]);
}

#[test]
fn regression_a_websocket_takes_no_other_method_than_get() {
    let check = |line: &str, status: &str| {
        let response = response_with(|settings| settings.debug_echo = true, request(line, &[]));
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {response}");
        assert_eq!(header(&response, "allow"), Some("GET, OPTIONS"), "{line}");
    };
    check("HEAD /ws", "405");
    check("POST /ws", "405");
    check("HEAD /echo", "405");
    check("OPTIONS /ws", "204");
}
