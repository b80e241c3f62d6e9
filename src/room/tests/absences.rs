//! Members whose connections are lost, and come back to their seats or not.

use super::scene::{End, GRACE_MS, INTERVAL_MS, Scene, key};
use crate::state::Audience;
use crate::wire::Position;

const SINCE: Position = Position { epoch: 1, seq: 0 };

/// A room whose member `a` has lost its connection.
fn scene_without_a() -> Scene {
    let mut scene = Scene::with(&["a", "b"]);
    assert_eq!(scene.lose(1, "a"), [format!("wake {}", scene.now_ms + GRACE_MS)]);
    assert_eq!(scene.settle()[0], "submit 2: on_drop(a)");
    scene.end(2, &[End::Ok]);
    scene
}

#[test]
fn a_seat_is_kept_for_a_while() {
    let mut scene = scene_without_a();
    assert!(scene.room.has_member("a"));
    scene.advance(GRACE_MS - 1);
    assert_eq!(scene.time(), [""; 0]);
    scene.advance(1);
    assert_eq!(scene.time()[0], "submit 3: on_disconnect(a)");
    assert!(!scene.room.has_member("a"));
    scene.end(3, &[End::Ok]);
    scene.advance(INTERVAL_MS * 2);
    scene.leave(2, "b");
    scene.settle();
    scene.end(4, &[End::Ok]);
    assert!(scene.room.is_over());
}

#[test]
fn who_comes_back_takes_its_seat_again_or_is_let_in_if_it_is_not_kept() {
    let mut scene = scene_without_a();
    scene.join(3, "a");
    assert_eq!(scene.settle(), ["submit 3: on_resume(a) on_connect(a) on_snapshot(a)"]);
    assert_eq!(scene.end(3, &[End::Ok, End::Skipped, End::Ok]), ["admit 3 at 0"]);
    scene.advance(GRACE_MS * 2);
    assert_eq!(scene.time(), [""; 0], "the absence is over");
    scene.lose(3, "a");
    scene.advance(GRACE_MS);
    assert!(scene.settle()[0].contains("on_disconnect(a)"));
}

#[test]
fn who_says_that_it_was_here_may_have_a_seat_that_another_process_knows_of() {
    let mut scene = Scene::new();
    scene.rejoin(1, "a", SINCE);
    scene.join(2, "b");
    scene.rejoin(3, "c", SINCE);
    let number = scene.settle_and_find("on_connect");
    let ends = [End::Skipped, End::Ok, End::Ok, End::Ok, End::Skipped, End::Ok];
    assert_eq!(scene.end(number, &ends), ["admit 1 at 0", "admit 2 at 0", "admit 3 at 0"]);
    scene.rejoin(4, "a", SINCE);
    let number = scene.settle_and_find("on_connect");
    let lines = scene.end(number, &[End::Ok, End::Skipped, End::Ok]);
    assert_eq!(lines, ["admit 4 at 0", "close 1 4502"], "a connection that was thought to be alive");
}

#[test]
fn a_resume_that_is_refused_leaves_the_seat_as_it_was() {
    let mut scene = scene_without_a();
    scene.join(3, "a");
    scene.settle();
    assert_eq!(scene.end(3, &[End::Refused, End::Skipped, End::Ok]), ["refuse 3 nope"]);
    assert!(scene.room.has_member("a"));
    scene.advance(GRACE_MS);
    assert_eq!(scene.time()[0], "submit 4: on_disconnect(a)");
}

/// The store has the newer membership by then.
#[test]
fn who_is_lost_while_it_takes_its_seat_again_is_away_anew() {
    let mut scene = scene_without_a();
    scene.advance(GRACE_MS / 2);
    scene.join(3, "a");
    scene.settle();
    scene.room.join_gone(key(3));
    let lines = scene.end(3, &[End::Ok, End::Skipped, End::Ok]);
    assert_eq!(lines, [format!("wake {}", scene.now_ms + GRACE_MS)]);
    scene.settle();
    scene.end(4, &[End::Ok]);
    scene.advance(GRACE_MS / 2);
    assert_eq!(scene.time(), [""; 0]);
    scene.advance(GRACE_MS / 2);
    assert_eq!(scene.time()[0], "submit 5: on_disconnect(a)");
}

#[test]
fn who_leaves_by_itself_goes_at_once() {
    let mut scene = Scene::with(&["a"]);
    scene.leave(1, "a");
    assert_eq!(scene.settle()[0], "submit 2: on_disconnect(a)");
}

#[test]
fn without_grace_nobody_is_away() {
    let mut scene = Scene::with(&["a"]);
    scene.bounds.rejoin_grace_ms = 0;
    assert_eq!(scene.lose(1, "a"), [""; 0]);
    assert_eq!(scene.settle()[0], "submit 2: on_disconnect(a)");
}

#[test]
fn without_the_hook_nothing_runs_when_a_connection_is_lost() {
    let mut scene = Scene::with(&["a"]);
    scene.scripts.scripts.remove("on_drop");
    scene.lose(1, "a");
    assert_eq!(scene.settle(), [""; 0]);
}

#[test]
fn who_is_put_out_while_away_goes_at_once() {
    let mut scene = scene_without_a();
    let mut events = scene.events(1);
    events.addressed = vec![(0, Audience::user("a"))];
    events.removals = vec![crate::state::Removal { user_id: "a".into(), reason: "out".into() }];
    scene.act(|room, _, actions| room.events(std::sync::Arc::new(events), actions));
    scene.settle();
    scene.advance(INTERVAL_MS * 2);
    assert!(scene.time().iter().any(|line| line.contains("on_disconnect(a)")));
    assert!(!scene.room.has_member("a"));
}

#[test]
fn who_has_come_back_by_another_process_is_away_no_more() {
    let mut scene = scene_without_a();
    let lines = scene.act(|room, _, actions| room.replaced_elsewhere("a", 1, actions));
    assert_eq!(lines, [""; 0]);
    scene.advance(GRACE_MS);
    assert_eq!(scene.time(), [""; 0]);
}

/// Nothing is sent to somebody who is away, and nobody else notices.
#[test]
fn events_go_on_without_those_who_are_away() {
    let mut scene = scene_without_a();
    let mut events = scene.events(1);
    events.addressed = vec![(0, Audience::user("a"))];
    scene.act(|room, _, actions| room.events(std::sync::Arc::new(events), actions));
    scene.settle();
    assert_eq!(scene.act(|room, _, actions| room.events_missed(actions)), ["fall behind 2"]);
}

#[test]
fn when_the_process_ends_seats_are_the_stores_affair() {
    let mut scene = scene_without_a();
    scene.room.leave_seats_to_the_store();
    scene.advance(INTERVAL_MS * 2);
    scene.leave(2, "b");
    scene.settle();
    scene.end(3, &[End::Ok]);
    assert!(scene.room.is_over());
    scene.advance(GRACE_MS);
    assert_eq!(scene.time(), [""; 0]);
}
