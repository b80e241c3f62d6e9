//! The storm of logins: what a server owes to those who log in with a password, and each way to owe it still.

use crate::fake::Fault;
use crate::harness::{Outcome, run_against};
use crate::scenarios::{finding, passed};

const STORM: &str =
    "storm-login --logins 20 --logins-at-once 4 --rooms 1 --players 3 --duration 300ms --login-timeout 1s";

/// One login in twenty goes wrong: it is counted as this kind, described, and leads to exit code 1.
fn check(fault: Fault, kind: &str, described: &str) -> Outcome {
    let outcome = run_against(fault, STORM);
    assert_eq!(outcome.code, Some(1), "{fault:?}: {}", outcome.text);
    let expected = serde_json::json!({ kind: 1 });
    assert_eq!(outcome.json["violations"]["counts"], expected, "{fault:?}: {}", outcome.text);
    assert!(outcome.text.contains("VIOLATION") && outcome.text.contains(described), "{}", outcome.text);
    outcome
}

#[test]
fn they_need_accounts() {
    let outcome = run_against(Fault::None, STORM);
    assert_eq!(outcome.code, Some(1), "{}", outcome.text);
    assert!(outcome.text.contains("storm-login needs accounts"), "{}", outcome.text);
}

#[test]
fn a_correct_server_passes() {
    let outcome = run_against(Fault::Accounts, STORM);
    passed(&outcome);
    assert_eq!(finding(&outcome, "logins answered 200"), 20.0);
    let (p50, p99) = (finding(&outcome, "p50 of a login"), finding(&outcome, "p99 of a login"));
    // The histogram rounds by a part in a thousand or so.
    assert!(p50 <= p99 && p99 <= finding(&outcome, "the slowest login") * 1.01, "{}", outcome.text);
}

#[test]
fn all_log_in_at_once_unless_told_otherwise() {
    let outcome = run_against(Fault::Accounts, "storm-login --rooms 1 --players 3 --duration 300ms");
    passed(&outcome);
    assert_eq!(finding(&outcome, "logins answered 200"), 500.0);
}

#[test]
fn refusals_are_counted_and_are_no_violations() {
    let outcome = run_against(Fault::BusyLogins, STORM);
    passed(&outcome);
    assert_eq!(finding(&outcome, "logins answered 200"), 10.0);
    assert_eq!(finding(&outcome, "logins answered 503"), 10.0);
}

#[test]
fn a_registration_that_is_refused_is_tried_again() {
    let outcome = run_against(Fault::BusyAccounts, STORM);
    passed(&outcome);
    assert_eq!(finding(&outcome, "logins answered 200"), 20.0);
}

#[test]
fn a_login_that_is_never_answered() {
    let outcome = check(Fault::SilentLogin, "late_login", "no answer within 1 s");
    assert_eq!(finding(&outcome, "logins answered not at all"), 1.0);
    assert!(finding(&outcome, "the slowest login") >= 1_000.0, "{}", outcome.text);
}

#[test]
fn a_login_without_a_token() {
    check(Fault::NoToken, "bad_login", "200 without a token");
}

#[test]
fn a_login_that_the_server_fails_at() {
    let outcome = check(Fault::BrokenLogin, "bad_login", "500");
    assert_eq!(finding(&outcome, "logins answered 500"), 1.0);
}

#[test]
fn a_login_whose_connection_ends() {
    check(Fault::CutLogin, "bad_login", "the server closed in the middle of an answer");
}
