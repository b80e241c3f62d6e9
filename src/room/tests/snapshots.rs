use super::scene::{End, Scene};
use crate::room::Why;
use crate::state::Missed;
use crate::wire::Position;

const SNAPSHOT: &str = r#"{"type":"snapshot","payload":1,"epoch":"1","seq":"#;

/// A place from which nobody can go on.
const ELSEWHERE: Position = Position { epoch: 2, seq: 0 };

fn at(seq: u64) -> Position {
    Position { epoch: 1, seq }
}

#[test]
fn members_that_missed_events_share_a_snapshot() {
    let mut scene = Scene::with(&["a", "b", "c"]);
    scene.is_behind(1, "a", ELSEWHERE);
    scene.is_behind(2, "b", ELSEWHERE);
    scene.is_behind(2, "b", ELSEWHERE);
    scene.is_behind(9, "c", ELSEWHERE);
    let expected = ["submit 2: godra:no_hook(a) godra:no_hook(b) on_snapshot(a)"];
    assert_eq!(scene.settle(), expected, "each once, and no membership of the past");
    scene.seq = 41;
    assert_eq!(
        scene.end(2, &[End::Ok]),
        [format!("catch up 1 41 {SNAPSHOT}41}}"), format!("catch up 2 41 {SNAPSHOT}41}}")]
    );
}

#[test]
fn who_has_been_replaced_on_another_node_is_closed() {
    let mut scene = Scene::with(&["a", "b"]);
    scene.is_behind(1, "a", ELSEWHERE);
    scene.is_behind(2, "b", ELSEWHERE);
    scene.settle();
    let lines = scene.end(2, &[End::Skipped, End::Ok, End::Ok]);
    assert_eq!(lines, ["close 1 4502".to_owned(), format!("catch up 2 0 {SNAPSHOT}0}}")]);
}

#[test]
fn a_snapshot_that_fails_ends_the_connection() {
    let mut scene = Scene::with(&["a"]);
    scene.is_behind(1, "a", ELSEWHERE);
    scene.settle();
    assert_eq!(scene.end(2, &[End::Ok, End::Refused]), ["close 1 1011"]);
}

#[test]
fn who_has_left_meanwhile_gets_nothing() {
    let mut scene = Scene::with(&["a"]);
    scene.is_behind(1, "a", ELSEWHERE);
    scene.settle();
    scene.leave(1, "a");
    assert_eq!(scene.end(2, &[End::Ok]), [""; 0]);
}

/// They were asked for in every round.
#[test]
fn regression_a_store_that_is_away_is_asked_again_in_a_while() {
    let mut scene = Scene::with(&["a"]);
    scene.is_behind(1, "a", ELSEWHERE);
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

#[test]
fn who_is_behind_gets_what_it_missed_where_it_is_kept() {
    let mut scene = Scene::with(&["a", "b", "c", "d"]);
    scene.seq = 4;
    let run = std::sync::Arc::new(scene.events(3));
    scene.missed = Some(Missed { after: 4, runs: vec![run] });
    for (connection, user, since) in [(1, "a", at(5)), (2, "b", at(7)), (3, "c", at(3)), (4, "d", ELSEWHERE)]
    {
        scene.is_behind(connection, user, since);
    }
    scene.settle();
    let lines = scene.end(2, &[End::Ok]);
    assert_eq!(lines[0], r#"catch up 1 7 {"type":"batch","events":[{6},{7}]}"#);
    assert_eq!(lines[1], "catch up 2 7 nothing");
    assert_eq!(&lines[2..], [format!("catch up 3 7 {SNAPSHOT}7}}"), format!("catch up 4 7 {SNAPSHOT}7}}")]);
}

#[test]
fn who_wants_the_state_though_it_has_asked_for_what_it_missed_gets_it() {
    let mut scene = Scene::with(&["a"]);
    scene.missed = Some(Missed { after: 0, runs: Vec::new() });
    scene.is_behind(1, "a", at(0));
    scene.is_behind(1, "a", ELSEWHERE);
    scene.settle();
    assert_eq!(scene.end(2, &[End::Ok]), [format!("catch up 1 0 {SNAPSHOT}0}}")]);
}

#[test]
fn if_nobody_needs_the_snapshot_it_may_be_skipped() {
    let mut scene = Scene::with(&["a", "b"]);
    scene.missed = Some(Missed { after: 0, runs: Vec::new() });
    scene.is_behind(1, "a", at(0));
    scene.is_behind(2, "b", ELSEWHERE);
    scene.settle();
    let lines = scene.end(2, &[End::Ok, End::Ok, End::Skipped]);
    assert_eq!(
        lines,
        ["catch up 1 0 nothing", "wake 10600"],
        "what is of another history is asked for again"
    );
}

#[test]
fn those_who_are_behind_are_served_once_an_interval() {
    let mut scene = Scene::with(&["a", "b"]);
    scene.is_behind(1, "a", at(0));
    scene.settle();
    scene.is_behind(2, "b", at(0));
    assert_eq!(scene.settle(), ["wake 10150"]);
    assert_eq!(scene.settle(), [""; 0]);
    scene.now_ms = 10_150;
    assert_eq!(scene.time()[0], "submit 3: godra:no_hook(b) on_snapshot(b)");
}

/// What comes is another room's, though it has the same id.
#[test]
fn members_of_a_room_that_the_store_has_lost_are_closed() {
    let mut scene = Scene::with(&["a", "b"]);
    let events = scene.events(1);
    scene.act(|room, _, actions| room.events(std::sync::Arc::new(events), actions));
    scene.settle();
    scene.lose(2, "b");
    scene.epoch = 2;
    let events = scene.events(1);
    assert_eq!(
        scene.act(|room, _, actions| room.events(std::sync::Arc::new(events), actions)),
        ["close 1 4503"]
    );
    scene.advance(1000);
    let lines = scene.settle();
    assert!(lines.iter().all(|line| !line.starts_with("flush")), "{lines:?}");
    assert!(!scene.room.has_member("b"), "a seat in it is nothing to come back to");
}

#[test]
fn members_find_out_that_their_room_is_lost_when_they_ask_for_what_they_missed() {
    let mut scene = Scene::with(&["a", "b"]);
    assert_eq!(scene.act(|room, _, actions| room.events_missed(actions)).len(), 2);
    scene.is_behind(1, "a", at(0));
    scene.epoch = 2;
    let number = scene.settle_and_find("on_snapshot");
    let lines = scene.end(number, &[End::Ok]);
    assert_eq!(lines[..2].iter().filter(|line| line.contains("4503")).count(), 2, "{lines:?}");
}

#[test]
fn who_comes_into_the_next_room_of_that_id_is_not_in_the_lost_one() {
    let mut scene = Scene::with(&["a"]);
    scene.epoch = 2;
    scene.join(2, "b");
    let number = scene.settle_and_find("on_connect");
    assert_eq!(scene.end(number, &[End::Ok]), ["close 1 4503", "admit 2 at 0"]);
}
