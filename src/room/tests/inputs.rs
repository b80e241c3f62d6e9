use std::sync::Arc;

use std::time::Duration;

use super::scene::{End, INTERVAL_MS, Scene};
use crate::room::Why;

const REPLY: &str = r#"{"type":"reply","id":7,"result":1}"#;

#[test]
fn the_first_input_of_a_quiet_room_goes_at_once_and_what_follows_gathers() {
    let mut scene = Scene::with(&["a", "b"]);
    assert_eq!(scene.input(1, "a", "x"), [""; 0]);
    assert_eq!(scene.settle(), ["submit 2: a:x", "wake 10150"]);
    scene.input(2, "b", "y");
    assert_eq!(scene.settle(), [""; 0], "its batch is with the engine");
    assert_eq!(
        scene.end_with_events(2, &[End::Ok], 2),
        [&format!("send 1 {REPLY}"), "flush 1..2", "ran 1 0"]
    );
    assert_eq!(scene.settle(), [""; 0], "the tick has not come");
    scene.now_ms = 10_150;
    scene.input(1, "a", "z");
    assert_eq!(scene.time(), ["submit 3: b:y a:z", "wake 10200"]);
    scene.end(3, &[End::Ok]);
    scene.now_ms = 10_200;
    assert_eq!(scene.time(), [""; 0], "the room is quiet again");
    scene.input(1, "a", "w");
    assert_eq!(scene.settle()[0], "submit 4: a:w");
}

#[test]
fn events_keep_to_the_rhythm_while_a_batch_is_under_way() {
    let mut scene = Scene::with(&["a"]);
    (0..20).for_each(|n| drop(scene.input(1, "a", &n.to_string())));
    scene.settle();
    let events = scene.events(1);
    scene.act(|room, _, actions| room.events(Arc::new(events), actions));
    assert_eq!(scene.settle(), [""; 0]);
    scene.now_ms = 10_150;
    assert_eq!(scene.time(), ["flush 1..1", "wake 10200"]);
}

#[test]
fn events_of_others_gather_and_leave_with_the_batch_if_there_is_one() {
    let mut scene = Scene::with(&["a"]);
    let events = scene.events(1);
    scene.act(|room, _, actions| room.events(Arc::new(events), actions));
    assert_eq!(scene.settle(), ["flush 1..1", "wake 10150"]);
    let events = scene.events(2);
    scene.act(|room, _, actions| room.events(Arc::new(events), actions));
    assert_eq!(scene.settle(), [""; 0]);
    scene.input(1, "a", "x");
    scene.now_ms = 10_150;
    assert_eq!(scene.time(), ["submit 2: a:x", "wake 10200"]);
    assert!(scene.end_with_events(2, &[End::Ok], 1).contains(&"flush 2..4".to_owned()));
}

#[test]
fn a_failed_input_is_answered_and_the_others_run() {
    let mut scene = Scene::with(&["a", "b"]);
    scene.input(1, "a", "x");
    scene.input(2, "b", "y");
    scene.settle();
    let lines = scene.end(2, &[End::Refused, End::Ok]);
    assert!(lines[0].starts_with(r#"send 1 {"type":"error","id":7,"payload":{"code":"nope""#), "{lines:?}");
    assert_eq!(lines[1..], [&format!("send 2 {REPLY}"), "ran 1 1"]);
}

#[test]
fn a_batch_takes_as_many_of_one_user_as_of_another() {
    let mut scene = Scene::with(&["flooder", "b", "c"]);
    (0..20).for_each(|n| drop(scene.input(1, "flooder", &n.to_string())));
    scene.input(2, "b", "b0");
    scene.input(3, "c", "c0");
    scene.input(3, "c", "c1");
    let first = "submit 2: flooder:0 flooder:1 flooder:2 flooder:3 flooder:4 b:b0 c:c0 c:c1";
    assert_eq!(scene.settle()[0], first);
    scene.end(2, &[End::Ok]);
    scene.input(2, "b", "b1");
    let second = "submit 3: flooder:5 flooder:6 flooder:7 flooder:8 flooder:9 flooder:10 flooder:11 b:b1";
    assert_eq!(scene.settle()[0], second, "what had no place follows at once");
}

#[test]
fn a_batch_is_cut_by_bytes_but_one_call_always_goes() {
    let mut scene = Scene::with(&["a", "b"]);
    let large = "x".repeat(2000);
    scene.input(1, "a", &large);
    scene.input(1, "a", "1");
    scene.input(2, "b", "2");
    assert_eq!(scene.settle()[0], format!("submit 2: a:{large}"));
    scene.end(2, &[End::Ok]);
    assert_eq!(scene.settle()[0], "submit 3: a:1 b:2");
}

#[test]
fn what_calls_have_cost_lately_makes_batches_smaller() {
    let mut scene = Scene::with(&["a", "b"]);
    scene.input(1, "a", "0");
    scene.settle();
    scene.end_with(2, &[End::Ok], None, Duration::from_millis(9));
    (1..6).for_each(|n| drop(scene.input(1, "a", &n.to_string())));
    scene.input(2, "b", "b");
    scene.advance(2 * INTERVAL_MS);
    assert_eq!(scene.time()[0], "submit 3: a:1 b:b", "two calls of 9 ms fit into 20 ms");
}

#[test]
fn beyond_the_rooms_bytes_whoever_has_something_waiting_is_refused() {
    let mut scene = Scene::with(&["a", "b"]);
    let large = "x".repeat(9000);
    assert_eq!(scene.input(1, "a", &large), [""; 0]);
    assert_eq!(scene.input(1, "a", &large), [""; 0]);
    assert_eq!(scene.input(1, "a", "x"), ["busy 1"]);
    assert_eq!(scene.input(2, "b", "x"), [""; 0]);
    assert_eq!(scene.input(2, "b", "x"), ["busy 2"]);
}

#[test]
fn a_full_engine_lets_inputs_wait_and_a_store_that_is_away_does_not() {
    let mut scene = Scene::with(&["a"]);
    scene.input(1, "a", "x");
    scene.settle();
    assert_eq!(scene.not_taken(2, Why::Busy), [""; 0]);
    scene.input(1, "a", "y");
    scene.now_ms = 10_150;
    assert_eq!(scene.time()[0], "submit 3: a:x a:y");
    assert_eq!(scene.not_taken(3, Why::Unavailable), ["unavailable 1", "unavailable 1"]);
    assert_eq!(scene.time(), [""; 0], "nothing waits");
}

#[test]
fn what_the_engine_gave_back_goes_first_and_at_once_if_it_ran_others() {
    let mut scene = Scene::with(&["a", "b"]);
    for n in 0..3 {
        scene.input(1, "a", &n.to_string());
    }
    scene.settle();
    scene.input(2, "b", "b");
    assert_eq!(scene.end(2, &[End::Ok, End::NotRun]).last().unwrap(), "ran 1 0");
    assert_eq!(scene.settle(), ["submit 3: a:1 a:2 b:b"], "before its tick");
}

#[test]
fn what_the_engine_gave_back_waits_for_the_tick_if_it_ran_nothing() {
    let mut scene = Scene::with(&["a"]);
    scene.input(1, "a", "0");
    scene.settle();
    scene.advance(500);
    assert_eq!(scene.end(2, &[End::NotRun]), ["wake 10650", "ran 0 0"]);
    assert_eq!(scene.settle(), [""; 0]);
    scene.now_ms = 10_650;
    assert_eq!(scene.time()[0], "submit 3: a:0");
}

#[test]
fn after_a_gap_nobody_gets_what_was_gathered() {
    let mut scene = Scene::with(&["a", "b"]);
    let first = scene.events(1);
    scene.act(|room, _, actions| room.events(Arc::new(first), actions));
    scene.events(1);
    let third = scene.events(1);
    let mut lines = scene.act(|room, _, actions| room.events(Arc::new(third), actions));
    lines.sort();
    assert_eq!(lines, ["fall behind 1", "fall behind 2"]);
    assert_eq!(scene.settle(), [""; 0]);
    let fourth = scene.events(1);
    scene.act(|room, _, actions| room.events(Arc::new(fourth), actions));
    assert_eq!(scene.settle()[0], "flush 4..4");
}
