//! Who comes back gets exactly what was missed, or the whole state; and each way to miss that is caught by name.

use crate::fake::{Fake, Fault};
use crate::harness::{Outcome, run_against};
use crate::scenarios::{finding, passed};

/// Two rooms, in each of which one plays on while the others are away.
const RETURN: &str = "storm-reconnect --resume --connections 4 --room-size 2 --stay 1 --rooms 0 --rate 30 --away 300ms \
                       --duration 300ms";

fn check(fault: Fault, kind: &str, described: &str) {
    let outcome = run_against(fault, RETURN);
    assert_eq!(outcome.code, Some(1), "{fault:?}: {}", outcome.text);
    let counts = &outcome.json["violations"]["counts"];
    assert!(counts[kind].as_u64() >= Some(4), "{fault:?}: {counts}");
    assert!(outcome.text.contains(described), "{fault:?}: {}", outcome.text);
}

/// What the last phase but one counted of those who came back.
fn returns(outcome: &Outcome, what: &str) -> u64 {
    outcome.json["phases"][1]["all"][what].as_u64().unwrap()
}

#[test]
fn all_get_what_they_missed() {
    let outcome = run_against(Fault::None, RETURN);
    passed(&outcome);
    assert_eq!(finding(&outcome, "got what they had missed"), 4.0);
    assert_eq!(finding(&outcome, "got the whole state"), 0.0);
    assert!(finding(&outcome, "time until all have caught up") < 5.0);
    assert_eq!(outcome.json["phases"][1]["all"]["caught_up"]["count"], 4, "{}", outcome.text);
    assert!(outcome.text.contains("4 × recovered"), "{}", outcome.text);
}

#[test]
fn without_resume_nobody_asks() {
    let outcome = run_against(Fault::None, &RETURN.replace("--resume", ""));
    passed(&outcome);
    assert_eq!((returns(&outcome, "recovered"), returns(&outcome, "whole")), (0, 0));
}

#[test]
fn the_whole_state_and_a_refusal_are_counted_and_are_no_violations() {
    let outcome = run_against(Fault::Forgetful, RETURN);
    passed(&outcome);
    assert_eq!((returns(&outcome, "recovered"), returns(&outcome, "whole")), (0, 4));
    let outcome = run_against(Fault::RefuseReturns, RETURN);
    passed(&outcome);
    assert_eq!((returns(&outcome, "recovered"), returns(&outcome, "refused_returns")), (4, 4));
}

#[test]
fn who_comes_back_by_another_server_is_known_there_only_if_the_game_is_one() {
    let other = Fake::start(Fault::None);
    let outcome = run_against(
        Fault::None,
        &format!("{RETURN} --join-timeout 1s --elsewhere --also-url {}", other.url()),
    );
    assert_eq!(outcome.code, Some(1), "the other one has no such rooms: {}", outcome.text);
    assert!(outcome.text.contains("only 0 of 4 clients are in"), "{}", outcome.text);
}

#[test]
fn an_event_that_is_left_out_of_what_was_missed() {
    check(Fault::GapOnReturn, "gap", "where");
}

#[test]
fn an_event_that_comes_twice_after_a_return() {
    check(Fault::DoubleOnReturn, "double", "where");
}

#[test]
fn nothing_of_what_was_missed() {
    check(Fault::NothingOnReturn, "gap", "seq");
}

#[test]
fn welcomes_that_are_not_for_where_the_client_was() {
    check(Fault::WrongSince, "wrong_return", "recovered from seq");
    check(Fault::WrongEpoch, "wrong_return", "in another epoch");
    check(Fault::StateOnReturn, "wrong_return", "with a state");
    check(Fault::OldState, "wrong_return", "in the same epoch");
}

#[test]
fn a_restart_needs_a_server_that_was_started_for_it() {
    let outcome = crate::harness::run("storm-reconnect --restart");
    assert_eq!(outcome.code, Some(2), "{}", outcome.text);
    assert!(outcome.text.contains("--spawn"), "{}", outcome.text);
}
