use super::scene::{End, Scene};
use crate::room::Why;

#[test]
fn members_that_missed_events_share_a_snapshot() {
    let mut scene = Scene::with(&["a", "b", "c"]);
    scene.wants_snapshot(1, "a");
    scene.wants_snapshot(2, "b");
    scene.wants_snapshot(2, "b");
    scene.wants_snapshot(9, "c");
    let expected = ["submit 2: godra:no_hook(a) godra:no_hook(b) on_snapshot(a)"];
    assert_eq!(scene.settle(), expected, "each once, and no membership of the past");
    scene.seq = 41;
    assert_eq!(scene.end(2, &[End::Ok]), ["snapshot 1 41", "snapshot 2 41"]);
}

#[test]
fn who_has_been_replaced_on_another_node_is_closed() {
    let mut scene = Scene::with(&["a", "b"]);
    scene.wants_snapshot(1, "a");
    scene.wants_snapshot(2, "b");
    scene.settle();
    let lines = scene.end(2, &[End::Skipped, End::Ok, End::Ok]);
    assert_eq!(lines, ["close 1 4502", "snapshot 2 0"]);
}

#[test]
fn a_snapshot_that_fails_ends_the_connection() {
    let mut scene = Scene::with(&["a"]);
    scene.wants_snapshot(1, "a");
    scene.settle();
    assert_eq!(scene.end(2, &[End::Ok, End::Refused]), ["close 1 1011"]);
}

#[test]
fn who_has_left_meanwhile_gets_nothing() {
    let mut scene = Scene::with(&["a"]);
    scene.wants_snapshot(1, "a");
    scene.settle();
    scene.leave(1, "a");
    assert_eq!(scene.end(2, &[End::Ok]), [""; 0]);
}

/// They were asked for in every round.
#[test]
fn regression_a_store_that_is_away_is_asked_again_in_a_while() {
    let mut scene = Scene::with(&["a"]);
    scene.wants_snapshot(1, "a");
    scene.settle();
    assert_eq!(scene.not_taken(2, Why::Unavailable), ["wake 10600"]);
    assert_eq!(scene.settle(), [""; 0]);
    scene.now_ms = 10_599;
    assert_eq!(scene.time(), [""; 0]);
    scene.now_ms = 10_600;
    assert_eq!(scene.time()[0], "submit 3: godra:no_hook(a) on_snapshot(a)");
    assert_eq!(scene.end(3, &[End::Away]), ["wake 11100"]);
    scene.now_ms = 11_100;
    scene.time();
    assert_eq!(scene.end(4, &[End::Busy]), ["wake 11600"], "the engine had no time for it");
}
