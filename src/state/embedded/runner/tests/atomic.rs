//! A call that fails has changed nothing and published nothing.

use super::*;

const PUBLISH: &str = r#"
    godra.publish("lost", 1)
    godra.send("7", "lost", 2)
    redis.call("PUBLISH", "game_updates:game:r1", '{"type":"lost"}')
    redis.call("PUBLISH", "game_updates:game:other", '{"type":"lost"}')
    redis.call("SET", "k", "lost")
"#;

#[test]
fn a_failing_call_publishes_nothing() {
    let mut world = World::new();
    world.ok("godra.publish('first', 1) redis.call('SET', 'k', 'first')");
    for ending in ["error('no')", "godra.error('conflict', 'no')", "return redis.error_reply('no')"] {
        world.fails(&format!("{PUBLISH}{ending}"));
    }
    world.ok("godra.publish('second', redis.call('GET', 'k')) godra.send('7', 'direct', 1)");
    let events = world.events();
    assert_eq!(events.len(), 1, "the other room has none");
    assert_eq!(
        std::str::from_utf8(&events[0].text).unwrap(),
        r#"{"type":"first","payload":1,"seq":1},{"type":"second","payload":"first","seq":2},{"type":"direct","payload":1,"seq":3}"#
    );
    assert_eq!(events[0].addressed, [(2, Audience::user("7"))]);
    assert_eq!(world.runner.event_log().counters(), 1);
}

#[test]
fn a_room_that_only_failed_in_costs_nothing() {
    let mut world = World::new();
    world.fails(&format!("{PUBLISH}error('no')"));
    assert!(world.events().is_empty());
    assert_eq!(world.runner.event_log().counters(), 0);
}

#[test]
fn rooms_keep_their_history_when_a_flush_is_undone() {
    let mut world = World::new();
    world.ok("godra.publish('first', 1)");
    world.fails("redis.call('FLUSHALL') godra.publish('lost', 1) redis.call('FLUSHALL') godra.publish('lost', 1) error('no')");
    world.ok("godra.publish('second', 2)");
    let events = world.events();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].first_seq, events[0].ends.len()), (1, 2));
    let epoch = events[0].epoch;
    world.ok("redis.call('FLUSHALL') godra.publish('third', 3)");
    assert_ne!(world.events()[0].epoch, epoch);
}

#[test]
fn without_it_a_failing_call_leaves_what_it_did() {
    let mut world = World::new();
    let mut call = call(&format!("{PUBLISH}error('no')"), CallKeys::Resolved(Vec::new()), &[]);
    Arc::get_mut(&mut call.script).unwrap().header.is_atomic = false;
    assert!(matches!(world.call(&call), CallResult::Err(_)));
    assert_eq!(world.ok("return redis.call('GET', 'k')"), "\"lost\"");
    assert_eq!(world.events().len(), 2);
}
