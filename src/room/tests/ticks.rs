use super::scene::{End, INTERVAL_MS, Scene};
use crate::room::Why;

/// A room with a member, in which a script ticks, and which has been asked for once.
fn ticking(ms: u32) -> Scene {
    let mut scene = Scene::with(&["a"]);
    scene.tick_every("beat", ms);
    assert_eq!(scene.settle(), ["submit 2: beat()", "wake 10150"]);
    let due = 10_100 + u64::from(ms);
    assert_eq!(scene.end_tick(2, None, ms.into()), [format!("wake {due}"), "ran 0 0".to_owned()]);
    scene
}

#[test]
fn a_script_ticks_while_somebody_is_there() {
    let mut scene = Scene::new();
    scene.tick_every("beat", 100);
    assert_eq!(scene.settle(), [""; 0], "nobody is there");
    let mut scene = ticking(100);
    scene.now_ms = 10_199;
    assert_eq!(scene.time(), [""; 0]);
    scene.now_ms = 10_200;
    assert_eq!(scene.time(), ["submit 3: beat()", "wake 10250"]);
    assert_eq!(scene.settle(), [""; 0], "it is under way");
    scene.now_ms = 10_202;
    assert_eq!(scene.end_tick(3, Some(100), 98), ["ticked 0", "wake 10300", "ran 0 0"]);
    scene.now_ms = 10_300;
    scene.leave(1, "a");
    assert_eq!(scene.settle(), ["submit 4: on_disconnect(a)", "wake 10350"]);
    scene.end(4, &[End::Ok]);
    scene.now_ms = 10_400;
    assert_eq!(scene.time(), [""; 0], "nobody is there any more");
    assert!(scene.room.is_over());
}

#[test]
fn what_waits_goes_with_the_tick() {
    let mut scene = ticking(50);
    scene.now_ms = 10_130;
    scene.input(1, "a", "x");
    assert_eq!(scene.settle(), [""; 0], "the gate is closed");
    scene.now_ms = 10_150;
    assert_eq!(scene.time(), ["submit 3: beat() a:x", "wake 10200"]);
    scene.end_tick(3, Some(50), 50);
    // One that is due in a moment is waited for.
    scene.now_ms = 10_198;
    scene.input(1, "a", "y");
    scene.now_ms = 10_199;
    assert_eq!(scene.time(), [""; 0]);
    scene.now_ms = 10_201;
    assert_eq!(scene.time(), ["submit 4: beat() a:y", "wake 10250"]);
    let ended = scene.end_tick(4, Some(51), 49);
    assert!(ended.contains(&"ran 1 0".to_owned()), "{ended:?}");
}

#[test]
fn a_process_that_finds_the_work_done_asks_less_often_and_takes_over_when_it_is_not() {
    let mut scene = ticking(100);
    let mut waits = Vec::new();
    for number in 3..9 {
        scene.now_ms = scene.next_wake_ms;
        assert_eq!(scene.time()[0], format!("submit {number}: beat()"));
        scene.end_tick(number, None, 100);
        waits.push(scene.next_wake_ms - scene.now_ms);
    }
    assert_eq!(waits, [300, 500, 900, 1100, 1100, 1100]);
    scene.now_ms = scene.next_wake_ms;
    scene.time();
    scene.end_tick(9, Some(1200), 40);
    assert_eq!(scene.next_wake_ms - scene.now_ms, 40);
    // A little early is not late.
    scene.now_ms = scene.next_wake_ms;
    scene.time();
    scene.end_tick(10, None, 1);
    assert_eq!(scene.next_wake_ms - scene.now_ms, 1);
}

#[test]
fn a_changed_script_counts_from_then() {
    let mut scene = ticking(1000);
    scene.tick_every("beat", 20);
    assert_eq!(scene.settle(), ["submit 3: beat()", "wake 10150"]);
    scene.end_tick(3, None, 5);
    assert_eq!(scene.next_wake_ms, 10_105);
    scene.tick_every("other", 20);
    assert_eq!(scene.settle()[0], "submit 4: other()");
    scene.tick_every("other", 40);
    assert_eq!(scene.settle(), [""; 0], "it is being asked for");
    scene.end_tick(4, None, 20);
    assert_eq!(scene.settle()[0], "submit 5: other()", "by the interval of now");
}

#[test]
fn a_store_that_is_away_is_asked_again_after_the_interval() {
    let mut scene = ticking(INTERVAL_MS as u32);
    scene.now_ms = 10_150;
    scene.input(1, "a", "x");
    scene.time();
    let lines = scene.not_taken(3, Why::Unavailable);
    assert_eq!(lines, ["wake 10200", "unavailable 1"]);
    assert_eq!(scene.settle(), [""; 0]);
    scene.now_ms = 10_200;
    assert_eq!(scene.time()[0], "submit 4: beat()");
    scene.end(4, &[End::Away]);
    assert_eq!(scene.next_wake_ms, 10_250);
}
