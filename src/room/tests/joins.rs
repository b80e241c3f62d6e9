use std::sync::Arc;

use super::scene::{End, INTERVAL_MS, Scene, key, script};
use crate::room::Why;
use crate::state::{Audience, Missed};
use crate::wire::Position;
use crate::wire::ws::text_frame;

#[test]
fn those_who_come_in_a_round_share_a_batch_and_its_snapshot() {
    let mut scene = Scene::new();
    scene.join(1, "a");
    scene.join(2, "b");
    assert_eq!(scene.settle(), ["submit 1: on_connect(a) on_connect(b) on_snapshot(a)"]);
    assert!(!scene.room.is_over());
    let lines = scene.end(1, &[End::Ok, End::Refused, End::Ok]);
    assert_eq!(lines, ["admit 1 at 0", "refuse 2 nope"]);
    assert!(scene.room.has_member("a") && !scene.room.has_member("b"));
}

#[test]
fn a_snapshot_that_looks_at_its_caller_is_taken_for_each() {
    let mut scene = Scene::new();
    let mut own = script("on_snapshot");
    std::sync::Arc::get_mut(&mut own).unwrap().reads_call = true;
    scene.scripts.scripts.insert("on_snapshot".into(), own);
    scene.join(1, "a");
    scene.join(2, "b");
    let expected = ["submit 1: on_connect(a) on_snapshot(a)", "submit 2: on_connect(b) on_snapshot(b)"];
    assert_eq!(scene.settle(), expected);
}

#[test]
fn a_snapshot_that_fails_lets_nobody_in_and_undoes_what_on_connect_did() {
    let mut scene = Scene::new();
    scene.join(1, "a");
    scene.settle();
    assert_eq!(scene.end(1, &[End::Ok, End::Refused]), ["refuse 1 nope"]);
    assert_eq!(scene.settle()[0], "submit 2: on_disconnect(a)");
    scene.end(2, &[End::Ok]);
    assert!(scene.room.is_over());
}

#[test]
fn who_leaves_while_being_let_in_is_taken_out_again() {
    let mut scene = Scene::new();
    scene.join(1, "a");
    scene.settle();
    scene.room.join_gone(key(1));
    assert_eq!(scene.end(1, &[End::Ok]), [""; 0]);
    assert_eq!(scene.settle()[0], "submit 2: on_disconnect(a)");
}

#[test]
fn who_leaves_before_the_round_ends_is_not_let_in_at_all() {
    let mut scene = Scene::new();
    scene.join(1, "a");
    scene.room.join_gone(key(1));
    assert_eq!(scene.settle(), [""; 0]);
    assert!(scene.room.is_over());
}

#[test]
fn a_second_connection_takes_the_first_ones_place_without_a_hook() {
    let mut scene = Scene::with(&["a"]);
    scene.join(2, "a");
    let number = scene.settle_and_find("on_connect");
    assert_eq!(scene.end(number, &[End::Ok]), ["admit 2 at 0", "close 1 4502"]);
    scene.leave(1, "a");
    assert_eq!(scene.settle(), [""; 0]);
    scene.leave(2, "a");
    assert_eq!(scene.settle()[0], "submit 3: on_disconnect(a)");
}

#[test]
fn a_second_connection_that_goes_leaves_the_first_ones_place_alone() {
    let mut scene = Scene::with(&["a"]);
    scene.join(2, "a");
    let number = scene.settle_and_find("on_connect");
    scene.room.join_gone(key(2));
    assert_eq!(scene.end(number, &[End::Ok]), [""; 0]);
    assert_eq!(scene.settle(), [""; 0]);
    assert!(scene.room.has_member("a"));
}

#[test]
fn of_two_connections_in_one_batch_the_later_stays() {
    let mut scene = Scene::new();
    scene.join(1, "a");
    scene.join(2, "a");
    let number = scene.settle_and_find("on_connect");
    assert_eq!(scene.end(number, &[End::Ok]), ["admit 1 at 0", "admit 2 at 0", "close 1 4502"]);
    scene.leave(1, "a");
    assert_eq!(scene.settle(), [""; 0], "the user is still here");
}

#[test]
fn what_waits_of_a_user_goes_before_its_join_with_no_regard_to_the_rhythm() {
    let mut scene = Scene::with(&["a", "b"]);
    scene.input(2, "b", "x");
    scene.settle();
    scene.input(1, "a", "last");
    scene.leave(1, "a");
    scene.join(3, "a");
    assert_eq!(scene.settle(), [""; 0], "a batch is under way, of which a part may come back");
    scene.end(2, &[End::Ok]);
    assert_eq!(scene.settle(), ["submit 3: a:last on_disconnect(a)"]);
    scene.end(3, &[End::Ok]);
    assert_eq!(scene.settle(), ["submit 4: on_connect(a) on_snapshot(a)"]);
}

#[test]
fn a_flood_does_not_delay_a_join() {
    let mut scene = Scene::with(&["flooder", "a"]);
    (0..50).for_each(|n| drop(scene.input(1, "flooder", &n.to_string())));
    scene.leave(2, "a");
    scene.join(3, "a");
    let lines = scene.settle();
    assert!(lines[0].contains("on_disconnect(a)"), "{lines:?}");
    scene.end(2, &[End::Ok]);
    assert_eq!(scene.settle()[0], "submit 3: on_connect(a) on_snapshot(a)");
}

#[test]
fn who_joins_finds_calls_of_the_servers_own_done() {
    let mut scene = Scene::with(&["guest"]);
    scene.input(1, "guest", "x");
    scene.settle();
    scene.end(2, &[End::Ok]);
    scene.upgrade("guest");
    scene.join(2, "player");
    assert_eq!(scene.settle(), ["submit 3: on_upgrade(guest)"], "before the tick");
    scene.end(3, &[End::Ok]);
    assert_eq!(scene.settle(), ["submit 4: on_connect(player) on_snapshot(player)"]);
}

#[test]
fn joins_are_turned_away_while_the_engine_takes_nothing() {
    let mut scene = Scene::new();
    scene.join(1, "a");
    scene.settle();
    assert_eq!(scene.not_taken(1, Why::Unavailable), ["turn away 1 Unavailable"]);
    assert!(scene.room.is_over());
    let mut scene = Scene::with(&["a"]);
    scene.leave(1, "a");
    scene.join(2, "a");
    scene.settle();
    assert_eq!(scene.not_taken(2, Why::Busy), ["turn away 2 Busy"]);
    scene.advance(INTERVAL_MS * 2);
    assert_eq!(scene.time()[0], "submit 3: on_disconnect(a)", "the hook waits for the engine");
}

#[test]
fn a_hook_that_the_store_did_not_answer_runs_again() {
    let mut scene = Scene::with(&["a"]);
    scene.leave(1, "a");
    scene.settle();
    scene.end(2, &[End::Away]);
    scene.advance(INTERVAL_MS * 2);
    assert_eq!(scene.time()[0], "submit 3: on_disconnect(a)");
    scene.end(3, &[End::Ok]);
    assert!(scene.room.is_over());
}

/// `godra.send` from `on_connect` to the user who joins: the store numbers it behind the snapshot.
#[test]
fn regression_what_on_connect_sends_to_its_user_comes_behind_the_welcome() {
    let mut scene = Scene::new();
    scene.join(1, "a");
    scene.join(2, "b");
    scene.settle();
    let mut events = scene.events(3);
    events.addressed = vec![(1, Audience::user("a")), (2, Audience::user("nobody"))];
    let lines = scene.end_at(1, &[End::Ok, End::Refused, End::Ok], events, 1);
    assert_eq!(lines, ["admit 1 at 1", "refuse 2 nope"]);
    let flush = scene.flush();
    assert_eq!(flush.frame_after("a", 1), Some(text_frame(b"{2}")), "the first is in its snapshot");
}

#[test]
fn events_up_to_the_snapshot_go_to_those_who_were_there() {
    let mut scene = Scene::with(&["a"]);
    scene.join(2, "b");
    let number = scene.settle_and_find("on_connect");
    assert_eq!(scene.end_with_events(number, &[End::Ok], 1), ["admit 2 at 1"]);
    assert_eq!(scene.settle()[0], "flush 1..1");
}

#[test]
fn who_comes_back_gets_what_it_missed_and_nobody_else_pays_for_it() {
    let mut scene = Scene::with(&["a"]);
    scene.seq = 4;
    let at = |epoch, seq| Position { epoch, seq };
    for (connection, user, since) in
        [(2, "b", at(1, 5)), (3, "c", at(1, 3)), (4, "d", at(2, 5)), (5, "e", at(1, 9))]
    {
        scene.rejoin(connection, user, since);
    }
    let number = scene.settle_and_find("on_connect");
    let mut events = scene.events(3);
    events.addressed = vec![(1, Audience::user("x")), (2, Audience::user("b"))];
    scene.missed = Some(Missed { after: 4, runs: vec![Arc::new(events)] });
    let lines = scene.end(number, &[End::Ok]);
    let expected = ["admit 2 at 7, since 5: {7}", "admit 3 at 7", "admit 4 at 7", "admit 5 at 7"];
    assert_eq!(
        lines, expected,
        "what is too old, of another history or not there yet gives way to the state"
    );
}

/// Its first number would be above the seq that it is told.
#[test]
fn what_on_connect_sends_is_not_among_what_was_missed() {
    let mut scene = Scene::new();
    scene.rejoin(1, "a", Position { epoch: 1, seq: 0 });
    scene.settle();
    let events = scene.events(2);
    scene.missed = Some(Missed { after: 0, runs: vec![Arc::new(events.clone())] });
    assert_eq!(scene.end_at(1, &[End::Ok], events, 1), ["admit 1 at 1, since 0: {1}"]);
    assert_eq!(scene.flush().frame_after("a", 1), Some(text_frame(b"{2}")));
}
