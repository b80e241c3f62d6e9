//! Clients that come back whatever happens, and the reckoning of what ran.

use crate::fake::Fault;
use crate::harness::{Outcome, run_against};
use crate::scenarios::{finding, passed};

const ENDURE: &str = "endure --rooms 2 --players 4 --rate 20 --fail-every 5 --calm 300ms --stall 200ms --duration 2s --churn 0.5 \
                      --away 100ms --heartbeat 100ms";

fn check(fault: Fault, kind: &str) -> Outcome {
    let outcome = run_against(fault, ENDURE);
    assert_eq!(outcome.code, Some(1), "{fault:?}: {}", outcome.text);
    let counts = &outcome.json["violations"]["counts"];
    assert!(counts[kind].as_u64() >= Some(1), "{fault:?}: {counts}");
    outcome
}

#[test]
fn every_input_runs_once_and_what_fails_leaves_nothing() {
    let outcome = run_against(Fault::None, ENDURE);
    passed(&outcome);
    assert!(finding(&outcome, "ran exactly once") > 200.0, "{}", outcome.text);
    assert!(finding(&outcome, "failed and left nothing") > 30.0, "{}", outcome.text);
    assert!(finding(&outcome, "got what they had missed") > 3.0, "{}", outcome.text);
    assert_eq!(finding(&outcome, "lost with the store's data"), 0.0);
}

#[test]
fn what_is_refused_is_sent_again_in_order() {
    let outcome = run_against(Fault::PutOff, ENDURE);
    passed(&outcome);
    assert!(finding(&outcome, "sent once more") > 50.0, "{}", outcome.text);
    assert!(outcome.text.contains("out_of_order"), "{}", outcome.text);
}

#[test]
fn the_whole_state_in_place_of_what_was_missed_is_no_violation() {
    let outcome = run_against(Fault::Forgetful, ENDURE);
    passed(&outcome);
    assert!(finding(&outcome, "got the whole state") > 3.0, "{}", outcome.text);
}

#[test]
fn an_input_that_ran_twice() {
    check(Fault::NoteTwice, "ran_twice");
    let outcome = check(Fault::RunAgain, "ran_twice");
    assert!(outcome.text.contains("a second event of input"), "{}", outcome.text);
}

#[test]
fn an_input_that_was_answered_and_did_not_run() {
    check(Fault::AnswerOnly, "lost_input");
}

#[test]
fn an_input_that_failed_and_left_something() {
    let outcome = check(Fault::LeaveTraces, "half_done");
    assert!(outcome.text.contains("is there 1 times"), "{}", outcome.text);
    let outcome = check(Fault::PublishTraces, "half_done");
    assert!(outcome.text.contains("which failed"), "{}", outcome.text);
}

#[test]
fn numbers_that_are_forgotten() {
    check(Fault::ForgetNumbers, "forgotten");
}

#[test]
fn a_heartbeat_that_tells_of_what_was_not_sent() {
    check(Fault::HeartbeatAhead, "gap");
}

#[test]
fn a_return_that_is_wrong() {
    check(Fault::GapOnReturn, "gap");
    check(Fault::WrongSince, "wrong_return");
}

#[test]
fn others_that_are_slowed_down() {
    let outcome = run_against(Fault::None, &format!("{ENDURE} --calm-p99-ms 0.001"));
    assert_eq!(outcome.json["violations"]["counts"]["slowed_down"], 1, "{}", outcome.text);
}

#[test]
fn clients_that_are_never_let_in_again() {
    let outcome = run_against(Fault::RefuseAllReturns, &format!("{ENDURE} --settle 1s"));
    assert_eq!(outcome.code, Some(1), "{}", outcome.text);
    let counts = &outcome.json["violations"]["counts"];
    assert!(counts["disconnected"].as_u64() >= Some(1), "{counts}");
}
