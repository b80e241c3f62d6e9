//! What a session does as time passes.

use super::frames::*;
use super::peer::Peer;
use super::*;
use crate::session::Moment;

const TIMED_OUT: &str = r#"unknown 408 {"error":{"code":"bad_request",…}} (close)"#;

#[test]
fn a_head_has_ten_seconds_from_its_first_byte() {
    let mut peer = Peer::new();
    peer.send(get("/health")).did(&["health 200 …"]);
    peer.pass(60_000).send("G").pass(5_000).send("ET / HTTP/1.1\r\n").pass(4_999).did(&[]);
    peer.pass(1).did(&[TIMED_OUT, "finish"]);
    peer.send("Host: a\r\n\r\n").pass(1_000_000).did(&[]);
}

#[test]
fn the_first_head_has_ten_seconds_from_the_connections_start() {
    let mut peer = Peer::new();
    peer.pass(9_000).send("G").pass(999).did(&[]).pass(1).did(&[TIMED_OUT, "finish"]);
    let mut peer = Peer::new();
    peer.pass(9_999).send(get("/health")).did(&["health 200 …"]);
}

#[test]
fn a_body_has_thirty_seconds_from_the_end_of_its_head() {
    let mut peer = Peer::new();
    let request = post("/guest-login", &[], "{}");
    let (head, body) = request.split_at(request.len() - 2);
    peer.send(&head[..4]).pass(9_999).send(&head[4..]).pass(29_999).did(&[]);
    peer.send(body).did(&["guest_login 200 …"]);
    peer.send(head).pass(29_000).send(&body[..1]).pass(999).did(&[]);
    peer.pass(1).did(&[TIMED_OUT, "finish"]);
}

#[test]
fn a_connection_without_a_request_ends() {
    Peer::new().pass(9_999).did(&[]).pass(1).did(&["finish"]);
    let mut peer = Peer::new();
    peer.send(get("/health")).did(&["health 200 …"]);
    peer.pass(74_999).did(&[]).pass(1).did(&["finish"]);
    peer.send(get("/health")).pass(1_000_000).did(&[]);
}

#[test]
fn a_join_may_take_long() {
    let mut peer = Peer::new();
    peer.send(upgrade("/ws?token=good&game_id=closed")).pass(1_000_000).did(&["join guest:a closed"]);
    peer.answer_join();
    peer.did(&["ws 403 … (close)", "finish"]);
}

#[test]
fn a_message_has_thirty_seconds_from_its_first_byte() {
    let late = ["unfinished", "close 4002 a message did not arrive in time", "closed 4002"];
    let whole = text(r#"{"action":"heartbeat"}"#);
    let parts: [&[&[u8]]; 3] = [
        &[&whole[..1]],
        &[&whole[..9]],
        // Two messages of which one is whole, and a fragment with pings behind it.
        &[&whole[..], &[&whole[..], &whole[..7]].concat()],
    ];
    for sent in parts {
        let mut peer = Peer::member();
        peer.pass(1_000);
        for part in sent {
            peer.send(part);
        }
        peer.pass(29_000).lines();
        peer.pass(1_000).did(&late);
    }
    let mut peer = Peer::member();
    let [mut first, rest] = ["{", "}"].map(text);
    first[0] &= 0x7f;
    peer.send(&first);
    for _ in 0..2 {
        peer.pass(14_900).send(ping("a")).did(&["pong a"]);
    }
    peer.pass(199).did(&[]).pass(1).did(&late);
    // Many that come whole are another matter.
    let mut peer = Peer::member();
    for _ in 0..9 {
        peer.send(&rest[..3]).pass(20_000).send(&rest[3..]).lines();
    }
    peer.pass(20_000).did(&[]);
}

#[test]
fn silence_is_pinged_and_then_closed() {
    let mut peer = Peer::member();
    peer.pass(24_999).did(&[]).pass(1).did(&["ping"]);
    peer.pass(9_999).did(&[]).pass(1).did(&["close 4004 no answer to a ping", "closed 4004"]);
    peer.pass(4_999).did(&[]).pass(1).did(&["finish"]);
    peer.pass(1_000_000).did(&[]);
}

#[test]
fn an_echo_is_pinged_too() {
    Peer::echo().pass(35_000).did(&["ping", "close 4004 …", "closed 4004"]);
}

#[test]
fn any_byte_is_a_sign_of_life() {
    for sign in [pong(""), pong("other"), ping("")[..1].to_vec(), text(r#"{"action":"heartbeat"}"#)] {
        let mut peer = Peer::member();
        peer.pass(20_000).send(&sign).pass(24_999).did(&[]);
        peer.pass(1).did(&["ping"]);
        let mut peer = Peer::member();
        peer.pass(34_900).did(&["ping"]).send(&sign).pass(24_999).did(&[]);
        peer.pass(1).did(&["ping"]);
        // One byte begins a message, which has its own time.
        let ended = if sign.len() == 1 { "unfinished" } else { "close 4004" };
        let lines = peer.pass(10_000).lines();
        assert!(lines[0].starts_with(ended), "{lines:?}");
    }
}

#[test]
fn a_token_ends() {
    let mut peer = Peer::new();
    peer.send(upgrade("/ws?token=short&game_id=r")).answer_join();
    peer.lines();
    for _ in 0..3 {
        peer.pass(19_999).send(pong(""));
    }
    peer.did(&[]).pass(3).did(&["close 4001 token_expired: refresh your token", "closed 4001"]);
    peer.send(close(4001, "")).did(&["finish"]);
}

#[test]
fn a_token_ends_while_a_ping_waits() {
    let mut peer = Peer::new();
    peer.send(upgrade("/ws?token=short&game_id=r")).answer_join();
    peer.pass(30_000).send(pong("")).lines();
    peer.pass(29_999)
        .did(&["ping"])
        .pass(1)
        .did(&["close 4001 token_expired: refresh your token", "closed 4001"]);
}

#[test]
fn the_answer_to_a_close_has_five_seconds() {
    let mut peer = Peer::member();
    peer.close(4500, "kicked");
    peer.did(&["close 4500 kicked", "closed 4500"]);
    peer.pass(2_500).send(ping("")).pass(2_499).did(&[]).pass(1).did(&["finish"]);
    let mut peer = Peer::member();
    peer.close(4500, "kicked");
    peer.send(close(4500, "")).did(&["close 4500 kicked", "closed 4500", "finish"]);
    peer.pass(1_000_000).did(&[]);
}

#[test]
fn inputs_above_the_rate_are_refused_and_then_end_it() {
    let mut peer = Peer::member_with(|settings| settings.input_rate = Limit::set(2));
    let input = |id: u32| text(&format!(r#"{{"action":"a","id":{id}}}"#));
    for id in 1..5 {
        peer.send(input(id)).did(&[&format!("input guest:a a null id {id}")]);
    }
    let refused = r#"{"type":"error","id":5,"payload":{"code":"rate_limited","message":"too many inputs; this one did not run","details":{"retry_after":1}}}"#;
    peer.send(input(5)).did(&["dropped limited", refused]);
    peer.pass(500).send(input(6)).did(&["input guest:a a null id 6"]);
    let refused = ["dropped limited", r#"{"type":"error","payload":{"code":"rate_limited",…}}"#];
    let passed = ["input guest:a a null"];
    peer.send(text(r#"{"action":"a"}"#).repeat(100)).did(&refused.repeat(3));
    for _ in 0..2 {
        peer.pass(500).did(&[&passed[..], &refused.repeat(4)].concat());
    }
    let closed = ["dropped limited", "close 4003 too many inputs", "closed 4003", "finish"];
    peer.pass(500).did(&[&passed[..], &refused.repeat(2), &closed].concat());
    peer.send(input(8)).pass(5_000).did(&[]);
}

/// They cost the server as much as inputs.
#[test]
fn pings_and_pieces_of_messages_count_as_inputs() {
    let slow = || Peer::member_with(|settings| settings.input_rate = Limit::set(2));
    let dropped = ["dropped limited"; 4];
    let closed =
        ["dropped limited", "dropped limited", "close 4003 too many inputs", "closed 4003", "finish"];
    let mut peer = slow();
    peer.send(ping("").repeat(99)).did(&[&["pong"; 4][..], &dropped].concat());
    for _ in 0..2 {
        peer.pass(500).did(&[&["pong"][..], &dropped].concat());
    }
    peer.pass(500).did(&[&["pong"][..], &closed].concat());
    let pieces = [fragment(true, "{"), fragment(false, "").repeat(99)].concat();
    for flood in [pong("").repeat(99), pieces] {
        slow().send(&flood).did(&dropped).pass(1500).did(&[&dropped[..], &dropped, &closed].concat());
    }
    let mut peer = slow();
    peer.send([pong("").repeat(3), ping("")].concat()).did(&["pong"]);
    peer.send(text(r#"{"action":"a"}"#)).did(&["dropped limited", r#"{"type":"error",…}"#]);
    peer.pass(500).send(ping("again")).did(&["pong again"]);
}

#[test]
fn who_is_on_this_machine_meets_no_default() {
    let limit = Limit { most: 1, holds_for_local: false };
    let join = |address: [u8; 4]| {
        let mut peer = Peer::with(|settings| settings.input_rate = limit);
        peer.address = address.into();
        peer.joined()
    };
    join([127, 0, 0, 1]).send(ping("").repeat(100)).did(&["pong"; 100]);
    join([192, 0, 2, 1]).send(ping("").repeat(3)).did(&["pong", "pong", "dropped limited"]);
}

/// So that nobody else waits for all that it sends in one go.
#[test]
fn frames_are_handled_some_at_a_time() {
    let mut peer = Peer::member_with(|settings| settings.max_frames = 10);
    assert_eq!(peer.receive_once(ping("").repeat(25)), 60);
    peer.did(&["pong"; 10]);
    assert_eq!(peer.receive_once([fragment(true, ""), fragment(false, "").repeat(20)].concat()), 60);
    assert_eq!(peer.receive_once(fragment(false, "").repeat(11)), 60);
    peer.did(&[]);
}

/// A client that takes no byte has the time that the outbox gives it, and one that reads slowly all the time that it needs.
#[test]
fn regression_a_ping_that_is_not_read_yet_needs_no_answer() {
    let mut peer = Peer::member();
    assert!(!peer.ping_was_held_up(), "there is none");
    peer.pass(25_000).did(&["ping"]);
    for _ in 0..3 {
        peer.pass(9_900).did(&[]);
        assert!(peer.ping_was_held_up());
    }
    peer.pass(9_900).did(&[]).pass(200).did(&["close 4004 no answer to a ping", "closed 4004"]);
    assert!(!peer.ping_was_held_up());
    // Time does not stand still for all else.
    let mut peer = Peer::member();
    peer.send(fragment(true, "x")).pass(25_000).did(&["ping"]).pass(4_900).did(&[]);
    assert!(peer.ping_was_held_up());
    peer.pass(200).did(&["unfinished", "close 4002 a message did not arrive in time", "closed 4002"]);
}

const BUSY: &str = r#"{"type":"error","payload":{"code":"busy","message":"try again"}}"#;

fn busy(times: usize) -> Vec<u8> {
    text(r#"{"action":"busy"}"#).repeat(times)
}

fn tolerates_five() -> Peer {
    Peer::member_with(|settings| settings.max_busy = 5)
}

#[test]
fn a_flooder_is_closed_at_once() {
    let mut peer = tolerates_five();
    peer.send(busy(5)).pass(0).did(&[BUSY; 5]);
    peer.send(busy(1)).did(&[BUSY]).pass(0).did(&["close 4003 too many inputs", "closed 4003", "finish"]);
    peer.send(busy(1)).pass(5_000).did(&[]);
}

#[test]
fn a_flooders_next_message_is_not_looked_at() {
    let mut peer = tolerates_five();
    peer.send(busy(6)).did(&[BUSY; 6]);
    peer.send(ping("")).send(text("x"));
    peer.did(&["pong", "dropped limited", "close 4003 too many inputs", "closed 4003", "finish"]);
}

/// The answers to what came with the flood are on their way before the flood is noticed.
#[test]
fn a_floods_close_is_the_last_frame() {
    let mut peer = tolerates_five();
    let heartbeat = text(r#"{"action":"heartbeat","id":9}"#);
    peer.send([busy(8), heartbeat.clone()].concat()).pass(0);
    let reply = r#"{"type":"reply","id":9,"result":{"n":4,"seq":7,"now":1700000000000}}"#;
    peer.did(&[&[BUSY; 8][..], &[reply, "close 4003 too many inputs", "closed 4003", "finish"]].concat());
    let mut peer = tolerates_five();
    peer.send([busy(8), close(1000, "")].concat()).pass(1_000_000);
    peer.did(&[&[BUSY; 8][..], &["close 1000", "closed 1000", "finish"]].concat());
}

#[test]
fn a_flood_is_counted_anew_after_ten_seconds() {
    let mut peer = tolerates_five();
    for _ in 0..10 {
        peer.send(busy(5)).pass(10_100).send(pong(""));
    }
    peer.did(&[BUSY; 50]).send(busy(4)).pass(9_900).send(busy(2)).did(&[BUSY; 6]);
    peer.pass(0).did(&["close 4003 …", "closed 4003", "finish"]);
}

#[test]
fn the_count_of_refusals_cannot_overflow() {
    let mut peer = Peer::member_with(|settings| settings.max_busy = u16::MAX);
    peer.send(busy(70_000)).pass(0);
    assert_eq!(peer.lines().len(), 70_000);
}

#[test]
fn echoes_have_no_rate() {
    let mut peer = Peer::echo();
    peer.services.settings.input_rate = Limit::set(1);
    peer.send(ping("").repeat(100)).did(&["pong"; 100]);
}

#[test]
fn regression_each_request_has_its_own_time() {
    let request = get("/health");
    let (first, rest) = request.split_at(9);
    let mut peer = Peer::new();
    peer.send(first).pass(9_000).send(rest.to_owned() + first).did(&["health 200 …"]);
    peer.pass(9_999).did(&[]).pass(1).did(&[TIMED_OUT, "finish"]);
    let request = post("/guest-login", &[], "{}");
    let (head, body) = request.split_at(request.len() - 2);
    let mut peer = Peer::new();
    peer.send(head).pass(29_000).send(body.to_owned() + head).did(&["guest_login 200 …"]);
    peer.pass(29_999).did(&[]).pass(1).did(&[TIMED_OUT, "finish"]);
}

#[test]
fn a_moment_is_never_early_and_less_than_a_step_late() {
    for ms in [0, 1, 99, 100, 101, 34_999, u64::from(u32::MAX), u64::from(u32::MAX) * Moment::STEP_MS] {
        let kept_ms = Moment::at(ms).ms();
        assert!((ms..ms + Moment::STEP_MS).contains(&kept_ms), "{ms} {kept_ms}");
    }
    assert_eq!(Moment::at(u64::MAX).ms(), u64::from(u32::MAX) * Moment::STEP_MS);
}
