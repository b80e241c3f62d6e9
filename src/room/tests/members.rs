use bytes::Bytes;

use super::scene::{Scene, key};

fn direct(scene: &mut Scene, user: &str, text: &'static str) -> Vec<String> {
    let mut events = scene.events(0);
    events.direct = vec![(user.into(), Bytes::from_static(text.as_bytes()))];
    scene.act(|room, _, actions| room.events(events, actions))
}

#[test]
fn an_event_for_one_goes_to_that_one_alone() {
    let mut scene = Scene::with(&["a", "b"]);
    assert_eq!(direct(&mut scene, "b", "{x}"), ["send 2 {x}"]);
    assert_eq!(direct(&mut scene, "c", "{x}"), [""; 0]);
}

/// A member on its way to another event loop missed what was sent to it alone, and that events were missing.
#[test]
fn regression_what_comes_for_a_member_on_its_way_reaches_it_there() {
    let mut scene = Scene::with(&["a"]);
    scene.room.depart("a", 1);
    assert_eq!(direct(&mut scene, "a", "{x}"), [""; 0]);
    assert_eq!(scene.act(|room, _, actions| room.events_missed(actions)), [""; 0]);
    assert_eq!(direct(&mut scene, "a", "{y}"), [""; 0]);
    let lines = scene.act(|room, _, actions| room.arrive("a", 1, key(9), actions));
    assert_eq!(lines, ["send 9 {x}", "send 9 {y}", "resynchronise 9"]);
    assert_eq!(direct(&mut scene, "a", "{z}"), ["send 9 {z}"]);
}

#[test]
fn too_much_for_a_member_on_its_way_closes_it() {
    let mut scene = Scene::with(&["a"]);
    scene.room.depart("a", 1);
    let large: &'static str = Box::leak("x".repeat(600_000).into_boxed_str());
    direct(&mut scene, "a", large);
    direct(&mut scene, "a", large);
    let lines = scene.act(|room, _, actions| room.arrive("a", 1, key(9), actions));
    assert_eq!(lines, ["close 9 4002"]);
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
