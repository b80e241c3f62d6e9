//! What a member sends, and how a WebSocket closes. Expiry, pings and rates are with the deadlines.

use super::frames::*;
use super::peer::Peer;
use super::*;

fn error(id: &str, message: &str) -> String {
    format!(r#"{{"type":"error",{id}"payload":{{"code":"bad_request","message":"{message}"}}}}"#)
}

/// A message that gets an error and does nothing else; the next one runs.
fn malformed(frame: &[u8], id: &str, message: &str) {
    let next = text(r#"{"action":"next"}"#);
    let error = error(id, message);
    check_member([frame, &next].concat(), &["dropped malformed", &error, "input guest:a next null"]);
}

/// Frames that end the connection with this code; what comes behind them is not read.
fn ends(frames: impl AsRef<[u8]>, expected: &[&str]) {
    let more = [text(r#"{"action":"more"}"#), ping("more"), close(1000, "")].concat();
    check_member([frames.as_ref(), &more].concat(), expected);
}

#[test]
fn inputs_are_passed_on() {
    let passed_on = |message: &str, expected: &str| check_member(text(message), &[expected]);
    passed_on(r#"{"action":"set"}"#, "input guest:a set null");
    passed_on(r#"{"action":"set","payload":{"x": [1,2]}}"#, r#"input guest:a set {"x": [1,2]}"#);
    passed_on(
        r#"{"id":18446744073709551615,"action":"a-Z_9","payload":"ü"}"#,
        "input guest:a a-Z_9 \"ü\" id 18446744073709551615",
    );
    passed_on(r#"{"action":"set","id":0,"more":{}}"#, "input guest:a set null id 0");
}

#[test]
fn an_input_comes_with_the_whole_message() {
    let message = r#"{ "action": "jump", "height": 2 }"#;
    let mut peer = Peer::member();
    peer.send(text(message));
    assert_eq!(peer.last_input(), message);
}

#[test]
fn messages_in_fragments_and_with_control_frames_between() {
    let [a, b, c] = &fragments(&[r#"{"action":"#, "", r#""set"}"#])[..] else { panic!() };
    check_member([&a[..], b, c].concat(), &["input guest:a set null"]);
    check_member([&a[..], &ping("1"), b, &pong("2"), c].concat(), &["pong 1", "input guest:a set null"]);
}

#[test]
fn binary_messages_are_the_same_json() {
    check_member(binary(br#"{"action":"set","id":1}"#), &["input guest:a set null id 1"]);
    malformed(
        &binary(b"{\"action\":\"\xff\"}"),
        "",
        "a binary message must be JSON in UTF-8, as a text message is",
    );
}

#[test]
fn malformed_messages() {
    malformed(&text(""), "", "EOF …");
    malformed(&text("nonsense"), "", "…");
    malformed(&text("[]"), "", "…");
    malformed(&text(r#"{"id":3}"#), r#""id":3,"#, "missing field `action` …");
    malformed(&text(r#"{"id":3,"action":"a b"}"#), r#""id":3,"#, "…");
    malformed(&text(r#"{"action":"set","payload":{x}}"#), "", "…");
}

#[test]
fn numbers_that_are_none() {
    for n in ["0", "-1", "1.5", "9007199254740993", r#""1""#] {
        let message = format!(r#"{{"action":"set","id":4,"n":{n}}}"#);
        malformed(&text(&message), r#""id":4,"#, "n must be a whole number from 1 to 2^53 …");
    }
    malformed(&text(r#"{"action":"set","id":1.5}"#), "", "id must be a whole number from 0 to 2^64-1 …");
}

#[test]
fn numbered_inputs_are_passed_on_in_any_spelling() {
    check_member(text(r#"{"action":"set","n":7.0,"id":8e0}"#), &["input guest:a set null id 8 n 7"]);
    // What has run is the store's to know.
    check_member(text(r#"{"action":"set","n":1}"#), &["input guest:a set null n 1"]);
}

#[test]
fn heartbeats_are_answered_only_when_asked() {
    check_member(text(r#"{"action":"heartbeat"}"#), &[]);
    let answer = r#"{"type":"reply","id":9,"result":{"n":4,"seq":7,"now":1700000000000}}"#;
    check_member(text(r#"{"action":"heartbeat","id":9}"#), &[answer]);
    check_member(text(r#"{"action":"heartbeat","id":9.0,"n":5}"#), &[answer]);
}

#[test]
fn a_heartbeat_tells_the_time() {
    let mut peer = Peer::member();
    peer.pass(1_234).send(text(r#"{"action":"heartbeat","id":1}"#));
    peer.did(&[r#"{"type":"reply","id":1,"result":{"n":4,"seq":7,"now":1700000001234}}"#]);
}

#[test]
fn a_client_may_ask_for_the_rooms_state_once_a_second() {
    let ask = text(r#"{"action":"resync","id":1,"n":9}"#);
    let mut peer = Peer::member();
    peer.send(&ask).did(&[r#"{"type":"reply","id":1,"result":null}"#, "resync"]);
    let limited = r#"{"type":"error","id":1,"payload":{"code":"rate_limited",…}}"#;
    peer.pass(900).send(&ask).did(&["dropped limited", limited]);
    peer.pass(100).send(text(r#"{"action":"resync"}"#)).did(&["resync"]);
    // Its number means nothing, and holds nothing back.
    peer.send(&ask).did(&["dropped limited", limited]);
    peer.send(text(r#"{"action":"set","n":10}"#)).did(&["input guest:a set null n 10"]);
}

#[test]
fn a_client_may_ask_for_the_rooms_state_as_soon_as_it_is_in() {
    let mut peer = Peer::new();
    peer.pass(37);
    let mut member = peer.joined();
    member.send(text(r#"{"action":"resync"}"#)).did(&["resync"]);
}

#[test]
fn a_heartbeat_tells_what_has_run() {
    let mut peer = Peer::member();
    peer.inputs_ran(9);
    peer.inputs_ran(6);
    peer.send(text(r#"{"action":"heartbeat","id":1}"#));
    peer.did(&[r#"{"type":"reply","id":1,"result":{"n":9,"seq":7,"now":1700000000000}}"#]);
}

#[test]
fn inputs_behind_one_that_was_refused_wait_for_it() {
    let send = |action: &str, n: u64| text(&format!(r#"{{"action":"{action}","n":{n}}}"#));
    let error = |code: &str, n: u64| format!(r#"{{"type":"error","n":{n},"payload":{{"code":"{code}",…}}}}"#);
    let mut peer = Peer::member();
    peer.send([send("busy", 5), send("set", 6), text(r#"{"action":"set"}"#)].concat());
    let (busy, held) = (error("busy", 5), error("out_of_order", 6));
    peer.did(&[&busy, &held, "input guest:a set null"]);
    peer.send(send("set", 7)).did(&[&error("out_of_order", 7)]);
    peer.send([send("set", 5), send("set", 6)].concat());
    peer.did(&["input guest:a set null n 5", "input guest:a set null n 6"]);
    peer.send([send("missing", 7), send("set", 8)].concat());
    peer.did(&[&error("not_found", 7), "input guest:a set null n 8"]);
}

#[test]
fn inputs_that_are_refused() {
    let busy = r#"{"type":"error","payload":{"code":"busy","message":"try again"}}"#;
    check_member(text(r#"{"action":"busy"}"#), &[busy]);
    let busy = r#"{"type":"error","id":5,"payload":{"code":"busy","message":"try again"}}"#;
    check_member(text(r#"{"action":"busy","id":5}"#), &[busy]);
}

#[test]
fn inputs_behind_one_over_the_rate_wait_for_it() {
    let send = |n: u64| text(&format!(r#"{{"action":"set","n":{n}}}"#));
    let mut peer = Peer::member_with(|settings| settings.input_rate = Limit::set(1));
    let passed = |n: u64| format!("input guest:a set null n {n}");
    peer.send([send(5), send(6), send(7)].concat());
    let limited = r#"{"type":"error","n":7,"payload":{"code":"rate_limited",…}}"#;
    peer.did(&[&passed(5), &passed(6), "dropped limited", limited]);
    let held = r#"{"type":"error","n":8,"payload":{"code":"out_of_order",…}}"#;
    peer.pass(1000).send(send(8)).did(&["dropped out of order", held]);
    for n in [7, 8] {
        peer.pass(1000).send(send(n)).did(&[&passed(n)]);
    }
}

#[test]
fn too_many_malformed_messages_end_it() {
    let bad = [text("x").as_slice(), &binary(b"\xff"), &text("{}")].concat();
    let dropped = ["dropped malformed", r#"{"type":"error",…}"#].repeat(3);
    let last = ["dropped malformed", "close 4504 too many malformed messages", "closed 4504", "finish"];
    check_member([&bad[..], &text("x")].concat(), &[&dropped[..], &last].concat());
    let good = text(r#"{"action":"a"}"#);
    let forgiven = [&dropped[..], &["input guest:a a null", "dropped malformed", r#"{"type":"error",…}"#]];
    check_member([&bad[..], &good, &text("x")].concat(), &forgiven.concat());
}

#[test]
fn an_unfinished_message_makes_room() {
    let mut peer = Peer::member();
    peer.send(fragment(true, &"x".repeat(500)));
    assert!(peer.session.is_unfinished() && peer.session.held_bytes() >= 500);
    let close = "close 4002 the server has no memory left for what waits";
    peer.make_room().did(&[close, "closed 4002", "finish"]);
    peer.send(fragment(false, "x")).did(&[]);
    assert_eq!(peer.session.held_bytes(), 0);
    let mut peer = Peer::member();
    peer.close(4500, "kicked");
    peer.send(fragment(true, "x")).did(&["close 4500 kicked", "closed 4500"]).make_room().did(&["finish"]);
}

#[test]
fn pings_are_answered() {
    check_member(ping("hello"), &["pong hello"]);
    check_member(ping(""), &["pong"]);
    check_member(ping(&"x".repeat(125)), &[&format!("pong {}", "x".repeat(125))]);
    check_member(pong("unasked"), &[]);
}

#[test]
fn a_close_is_answered_with_its_code() {
    ends(close(1000, "bye"), &["close 1000", "closed 1000", "finish"]);
    ends(close(1001, ""), &["close 1001", "closed 1001, stays away", "finish"]);
    ends(close(4400, ""), &["close 4400", "closed 4400", "finish"]);
    ends(close(3000, ""), &["close 3000", "closed 3000", "finish"]);
    ends(close(4999, "é"), &["close 4999", "closed 4999", "finish"]);
    ends(empty_close(), &["close", "closed 1005", "finish"]);
}

#[test]
fn inputs_before_a_close_are_passed_on() {
    let frames = [text(r#"{"action":"last"}"#), close(1000, "")].concat();
    ends(frames, &["input guest:a last null", "close 1000", "closed 1000", "finish"]);
}

#[test]
fn violations_end_it() {
    let violates = |frames: &[u8], code: u16| {
        let (close, closed) = (format!("close {code} …"), format!("closed {code}"));
        ends(frames, &[&close, &closed, "finish"]);
    };
    violates(b"\x81\x01x", 1002);
    violates(b"\xc1\x80\0\0\0\0", 1002);
    violates(b"\x83\x80\0\0\0\0", 1002);
    violates(b"\x09\x80\0\0\0\0", 1002);
    violates(b"\x80\x80\0\0\0\0", 1002);
    violates(b"\x81\xfe\0\x01\0\0\0\0x", 1002);
    violates(&frame(PING, true, &[b'x'; 126]), 1002);
    violates(&[frame(TEXT, false, b"{"), text("}")].concat(), 1002);
    violates(&close(1005, ""), 1002);
    violates(&close(999, ""), 1002);
    violates(&frame(CLOSE, true, b"x"), 1002);
    violates(&frame(TEXT, true, b"\xff"), 1007);
    violates(&frame(TEXT, false, b"\xc3\x28"), 1007);
    violates(&frame(CLOSE, true, b"\x03\xe8\xff"), 1007);
}

#[test]
fn a_message_that_is_too_big_ends_it_at_the_header() {
    let too_big = ["close 1009 the message is too long", "closed 1009", "finish"];
    check_member(&frame(BINARY, true, &[b' '; 1001])[..8], &too_big);
    let first = frame(TEXT, false, &[b' '; 600]);
    check_member([&first[..], &frame(CONTINUE, true, &[b' '; 401])[..8]].concat(), &too_big);
    let largest = format!(r#"{{"action":"set","x":"{}"}}"#, "x".repeat(1000 - 23));
    assert_eq!(largest.len(), 1000);
    check_member(text(&largest), &["input guest:a set null"]);
}

#[test]
fn our_close_waits_for_theirs_and_drops_what_crosses_it() {
    let closing = || {
        let mut peer = Peer::member();
        peer.close(4500, "kicked");
        assert!(!peer.websocket().is_open());
        peer.did(&["close 4500 kicked", "closed 4500"]);
        peer
    };
    let crossing = [text(r#"{"action":"a"}"#), text("x"), binary(b"\xff"), ping("x"), pong("")].concat();
    check_peer(closing, &crossing, &[]);
    check_peer(closing, &[&crossing[..], &close(4500, ""), &crossing].concat(), &["finish"]);
    check_peer(closing, &[&crossing[..], &empty_close()].concat(), &["finish"]);
    check_peer(closing, &[&crossing[..], b"\x81\x01x"].concat(), &["finish"]);
}

#[test]
fn the_first_close_counts() {
    let mut peer = Peer::member();
    peer.close(4500, "kicked");
    peer.close(4501, "banned");
    peer.did(&["close 4500 kicked", "closed 4500"]);
    let mut peer = Peer::member();
    peer.send(close(1000, ""));
    peer.close(4500, "kicked");
    peer.did(&["close 1000", "closed 1000", "finish"]);
}

#[test]
fn echoes() {
    let echoed = |frames: &[u8], expected: &[&str]| check_peer(Peer::echo, frames, expected);
    echoed(&text("hello ü"), &["hello ü"]);
    echoed(&text(""), &[""]);
    echoed(&binary(b"\x00\xff"), &[r"binary \x00\xff"]);
    echoed(&fragments(&["a", "", "b", "c"]).concat(), &["abc"]);
    echoed(
        &[ping("p"), text("x"), close(1000, "")].concat(),
        &["pong p", "x", "close 1000", "closed 1000", "finish"],
    );
    echoed(&binary(&[b'x'; 2000]), &[&format!("binary {}", "x".repeat(2000))]);
    echoed(&frame(BINARY, true, &[b'x'; 2001])[..8], &["close 1009 …", "closed 1009", "finish"]);
}

#[test]
fn regression_the_count_of_malformed_messages_cannot_overflow() {
    let mut peer = Peer::member_with(|settings| settings.max_errors = u16::MAX);
    let bad = text("x").repeat(100);
    for _ in 0..655 {
        peer.send(&bad).lines();
    }
    peer.send(text("x").repeat(35)).lines();
    peer.send(text("x")).did(&["dropped malformed", "close 4504 …", "closed 4504", "finish"]);
}

/// A refusal goes out in the place of its input: in front of what the later messages lead to, the close among it.
#[test]
fn a_refusal_keeps_its_place() {
    let busy = r#"{"type":"error","id":5,"payload":{"code":"busy","message":"try again"}}"#;
    let input = text(r#"{"action":"busy","id":5}"#);
    let behind = [text(r#"{"action":"heartbeat","id":9}"#), close(1000, "")].concat();
    let reply = r#"{"type":"reply","id":9,"result":{"n":4,"seq":7,"now":1700000000000}}"#;
    ends([input, behind].concat(), &[busy, reply, "close 1000", "closed 1000", "finish"]);
}

/// Its peers are tests of conformance, of which some send a message in tens of thousands of fragments.
#[test]
fn regression_an_echo_takes_a_message_in_any_number_of_fragments() {
    let fragments =
        [frame(BINARY, false, b"a"), frame(CONTINUE, false, b"").repeat(5000), frame(CONTINUE, true, b"z")];
    Peer::echo().send(fragments.concat()).did(&["binary az"]);
    Peer::member().send(fragments.concat()).did(&["close 1009 …", "closed 1009", "finish"]);
}
