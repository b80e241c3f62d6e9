//! A correct server passes; each fault is caught and called by its name.

use crate::fake::Fault;
use crate::harness::{ROOMS, run_against};

/// The fault leads to exit code 1 and these kinds of violations, no others.
fn check(fault: Fault, expected: &[&str]) {
    let outcome = run_against(fault, ROOMS);
    let counts = outcome.json["violations"]["counts"].as_object().cloned().unwrap_or_default();
    let kinds: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(kinds, expected, "{fault:?}: {}", outcome.text);
    let code = i32::from(!expected.is_empty());
    assert_eq!(outcome.code, Some(code), "{fault:?}: {}", outcome.text);
    assert_eq!(outcome.text.contains("VIOLATION"), code == 1, "{}", outcome.text);
}

#[test]
fn a_correct_server_passes() {
    check(Fault::None, &[]);
}

#[test]
fn refusals_and_snapshots_and_delays_are_no_violations() {
    check(Fault::Busy, &[]);
    check(Fault::Snapshots, &[]);
    check(Fault::Late, &[]);
}

#[test]
fn an_event_that_is_left_out() {
    // Without its event, the input that it answers counts as lost too, if it was the receiver's own.
    let outcome = run_against(Fault::Drop, ROOMS);
    let counts = &outcome.json["violations"]["counts"];
    assert_eq!((outcome.code, &counts["gap"]), (Some(1), &2.into()), "{}", outcome.text);
}

#[test]
fn an_event_that_comes_twice() {
    check(Fault::Double, &["double"]);
}

#[test]
fn events_that_change_places() {
    let outcome = run_against(Fault::Reorder, ROOMS);
    let counts = &outcome.json["violations"]["counts"];
    assert_eq!(outcome.code, Some(1), "{}", outcome.text);
    assert!(counts["double"].as_u64() >= Some(1) && counts["gap"].as_u64() >= Some(1), "{}", outcome.text);
}

#[test]
fn an_event_of_another_room() {
    let outcome = run_against(Fault::Leak, ROOMS);
    let counts = &outcome.json["violations"]["counts"];
    assert_eq!((outcome.code, &counts["foreign"]), (Some(1), &2.into()), "{}", outcome.text);
}

#[test]
fn an_input_that_is_lost_or_repeated_or_altered() {
    check(Fault::LoseInput, &["lost_input"]);
    check(Fault::RepeatInput, &["stray_answer"]);
    check(Fault::AlterInput, &["lost_input", "stray_answer"]);
}

#[test]
fn messages_that_are_none() {
    for fault in [Fault::BrokenBatch, Fault::NestedBatch] {
        let outcome = run_against(fault, ROOMS);
        let counts = &outcome.json["violations"]["counts"];
        assert_eq!((outcome.code, &counts["malformed"]), (Some(1), &2.into()), "{}", outcome.text);
    }
    let outcome = run_against(Fault::NoSeq, ROOMS);
    assert_eq!(outcome.json["violations"]["counts"]["no_seq"], 2, "{}", outcome.text);
    check(Fault::MaskedFrame, &["bad_frame"]);
}

#[test]
fn welcomes_that_are_missing_or_wrong() {
    check(Fault::NoWelcome, &["no_welcome"]);
    check(Fault::WrongWelcome, &["wrong_welcome"]);
    let outcome = run_against(Fault::LowWelcome, ROOMS);
    assert_eq!((outcome.code, outcome.text.contains("gap in seq")), (Some(1), true), "{}", outcome.text);
}

#[test]
fn connections_that_end() {
    check(Fault::Cut, &["disconnected"]);
    check(Fault::Kick, &["disconnected"]);
    let outcome = run_against(Fault::Kick, ROOMS);
    assert_eq!(outcome.json["phases"][0]["all"]["closes"]["4500"], 2, "{}", outcome.text);
}

#[test]
fn an_upgrade_that_is_none() {
    let outcome = run_against(Fault::WrongAccept, &format!("{ROOMS} --join-timeout 500ms"));
    assert_eq!(outcome.code, Some(1), "{}", outcome.text);
    assert!(outcome.text.contains("wrong Sec-WebSocket-Accept"), "{}", outcome.text);
}
