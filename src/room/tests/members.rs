use std::sync::Arc;

use super::scene::{INTERVAL_MS, Scene, key};
use crate::state::Audience;

#[test]
fn an_event_for_one_goes_to_that_one_alone() {
    let mut scene = Scene::with(&["a", "b"]);
    let mut send = |user: &str| {
        let mut events = scene.events(1);
        events.addressed = vec![(0, Audience::user(user))];
        scene.advance(INTERVAL_MS * 2);
        scene.act(|room, _, actions| room.events(Arc::new(events), actions));
        scene.settle()[0].clone()
    };
    assert_eq!(send("b"), "flush 1..1 b:{1}");
    assert_eq!(send("c"), "flush 2..2", "nobody gets it, and it has its number");
}

/// A member on its way to another event loop missed that events were missing.
#[test]
fn regression_a_member_on_its_way_is_told_where_it_arrives_that_it_missed_events() {
    let mut scene = Scene::with(&["a"]);
    scene.room.depart("a", 1);
    assert_eq!(scene.act(|room, _, actions| room.events_missed(actions)), [""; 0]);
    let lines = scene.act(|room, _, actions| room.arrive("a", 1, key(9), actions));
    assert_eq!(lines, ["fall behind 9"]);
}

#[test]
fn a_member_whose_place_was_taken_on_its_way_is_closed_where_it_arrives() {
    let mut scene = Scene::with(&["a"]);
    scene.room.depart("a", 1);
    scene.act(|room, _, actions| room.replaced_elsewhere("a", 1, actions));
    let lines = scene.act(|room, _, actions| room.arrive("a", 1, key(9), actions));
    assert_eq!(lines, ["close 9 4502"]);
    assert!(scene.room.is_over());
}

#[test]
fn who_is_replaced_through_another_process_leaves_without_a_hook() {
    let mut scene = Scene::with(&["a"]);
    let lines = scene.act(|room, _, actions| room.replaced_elsewhere("a", 7, actions));
    assert_eq!(lines, [""; 0], "another membership");
    let lines = scene.act(|room, _, actions| room.replaced_elsewhere("a", 1, actions));
    assert_eq!(lines, ["close 1 4502"]);
    scene.leave(1, "a");
    assert_eq!(scene.settle(), [""; 0]);
    assert!(scene.room.is_over());
}
