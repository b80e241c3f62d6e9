//! Who is refused too much is read no faster than its rate.

use super::frames::*;
use super::peer::Peer;
use super::*;
use crate::session::limits::Buckets;

const REFUSED: [&str; 2] = ["dropped limited", r#"{"type":"error","payload":{"code":"rate_limited",…}}"#];

fn slow(per_second: u32) -> Peer {
    Peer::member_with(|settings| settings.input_rate = Limit::set(per_second))
}

#[test]
fn a_flood_is_read_at_its_rate_and_works_again_afterwards() {
    let mut peer = slow(10);
    let input = text(r#"{"action":"a"}"#);
    peer.send(input.repeat(40)).did(&[&["input guest:a a null"; 20][..], &REFUSED.repeat(4)].concat());
    assert_eq!(peer.waiting(), 16 * input.len());
    for left in [11, 6, 1, 0] {
        peer.pass(99).did(&[]).pass(1);
        let refused = if left > 0 { 4 } else { 0 };
        peer.did(&[&["input guest:a a null"][..], &REFUSED.repeat(refused)].concat());
        assert_eq!(peer.waiting(), left * input.len());
    }
    peer.pass(1000).send(input).did(&["input guest:a a null"]);
}

#[test]
fn what_comes_behind_too_much_is_answered_within_a_second() {
    for last in [ping("soon"), close(1000, "")] {
        let mut peer = slow(1);
        peer.send([ping("").repeat(6), last].concat()).did(&[
            "pong",
            "pong",
            "dropped limited",
            "dropped limited",
            "dropped limited",
            "dropped limited",
        ]);
        let lines = peer.pass(1000).lines();
        assert!(["pong soon", "close 1000"].contains(&&*lines[0]), "{lines:?}");
    }
}

#[test]
fn a_rest_moves_no_deadline() {
    // A message that does not come whole.
    let mut peer = slow(1);
    peer.send([fragment(true, "{"), pong("").repeat(5)].concat()).did(&["dropped limited"; 4]);
    peer.pass(29_999).did(&["ping"]).pass(1).did(&[
        "unfinished",
        "close 4002 a message did not arrive in time",
        "closed 4002",
    ]);
    // Nothing comes any more.
    let mut peer = slow(1);
    peer.send(pong("").repeat(6)).did(&["dropped limited"; 4]);
    peer.pass(34_999).did(&["ping"]).pass(1).did(&["close 4004 no answer to a ping", "closed 4004"]);
    // The peer's half of a close.
    let mut peer = slow(1);
    peer.send(pong("").repeat(99)).did(&["dropped limited"; 4]).close(4500, "kicked");
    peer.did(&["close 4500 kicked", "closed 4500"]).pass(4_999).did(&[]).pass(1).did(&["finish"]);
    // A connection without a request.
    let mut peer = Peer::new();
    peer.services.calls = Buckets::per_second(Limit::set(1));
    peer.send(call("{}").repeat(3)).lines();
    peer.pass(74_999).did(&[]).pass(1).did(&["finish"]);
}

#[test]
fn who_is_closed_while_it_rests_is_read_to_its_end() {
    let mut peer = slow(1);
    peer.send(pong("").repeat(9)).did(&["dropped limited"; 4]).close(4500, "kicked");
    peer.did(&["close 4500 kicked", "closed 4500"]).send(close(4500, "")).did(&["finish"]);
}

/// Its answer has time anew, but not the rest.
#[test]
fn a_ping_that_was_held_up_does_not_hold_up_the_end_of_a_rest() {
    let mut peer = slow(1);
    peer.pass(25_000).did(&["ping"]);
    assert!(peer.ping_was_held_up());
    peer.send(pong("").repeat(6)).did(&["dropped limited"; 4]);
    peer.set_clock(5_000 + 25_000 + 1_000);
    assert!(!peer.ping_was_held_up());
}

#[test]
fn a_call_over_the_rate_holds_back_the_next_for_a_second() {
    let limited = || {
        let mut peer = Peer::new();
        peer.services.calls = Buckets::per_second(Limit::set(1));
        peer
    };
    let calls = call(r#"{"script":"busy"}"#).repeat(9);
    let refused = "rpc 429 …";
    let mut peer = limited();
    peer.send(&calls).did(&["rpc 503 …", "rpc 503 …", refused]);
    peer.pass(999).did(&[]).pass(1).did(&["rpc 503 …", refused]);
    peer.pass(1000).did(&["rpc 503 …", refused]);
    peer.drain().did(&["finish"]);
    // Others come by the same connection.
    let mut proxy = limited();
    proxy.address = [10, 0, 0, 1].into();
    proxy.send(&calls).did(&[&["rpc 503 …"; 2][..], &[refused; 7]].concat());
}
