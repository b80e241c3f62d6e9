use super::*;
use crate::state::Users;

fn to(user_id: &str) -> EventOptions {
    EventOptions { audience: Some(Audience::user(user_id)), replace: None }
}

fn room(id: &str) -> RoomId {
    RoomId::parse(id).unwrap()
}

fn text(events: &RoomEvents) -> &str {
    std::str::from_utf8(&events.text).unwrap()
}

#[test]
fn counts_each_room_and_keeps_the_epoch() {
    let mut event_log = EventLog::new(1, HistoryBounds::default());
    let (a, b) = (room("a"), room("b"));
    let before = event_log.position(&a);
    event_log.publish(&a, b"x", b"1", EventOptions::default()).unwrap();
    event_log.publish(&b, b"y", b"{}", EventOptions::default()).unwrap();
    event_log.publish(&a, b"z\"", b"null", EventOptions::default()).unwrap();
    let events: Vec<_> = event_log.take().collect();
    assert_eq!(events.len(), 2);
    assert_eq!(text(&events[0]), r#"{"type":"x","payload":1,"seq":1},{"type":"z\"","payload":null,"seq":2}"#);
    assert_eq!(text(&events[1]), r#"{"type":"y","payload":{},"seq":1}"#);
    assert_eq!((events[0].first_seq, events[0].epoch), (1, before.epoch));
    assert_eq!(events[0].ends, [32, events[0].text.len() as u32]);
    event_log.publish(&a, b"x", b"1", EventOptions::default()).unwrap();
    assert_eq!(event_log.take().next().unwrap().first_seq, 3);
    assert_eq!(event_log.position(&a), Position { epoch: before.epoch, seq: 3 });
}

#[test]
fn ready_events() {
    let check = |event: &str, expected: Result<&str, BadEvent>| {
        let mut event_log = EventLog::new(1, HistoryBounds::default());
        let result = event_log.publish_ready(&room("a"), event.as_bytes());
        let events = event_log.take().next();
        assert_eq!(result.map(|()| text(events.as_ref().unwrap())), expected, "{event}");
    };
    check(r#"{"type":"t","payload":[1]}"#, Ok(r#"{"type":"t","payload":[1],"seq":1}"#));
    check(r#" { "type" : "t" } "#, Ok(r#"{"type":"t","payload":null,"seq":1}"#));
    check(r#"{"seq":9,"type":"t","x":1.50}"#, Ok(r#"{"type":"t","x":1.50,"payload":null,"seq":1}"#));
    check(r#"{"type":1}"#, Err(BadEvent::NoType));
    check(r#"{"type":"welcome"}"#, Err(BadEvent::ReservedType));
    check(r#"{"type":"\u0072eply"}"#, Err(BadEvent::ReservedType));
    check(r#"{"type":"t","\u0074ype":"reply"}"#, Err(BadEvent::ReservedType));
    check(r#"{"type":"reply","type":"t"}"#, Err(BadEvent::ReservedType));
    check(r#"{"\u0074ype":"t","s\u0065q":7}"#, Ok(r#"{"\u0074ype":"t","payload":null,"seq":1}"#));
    check(r#"{}"#, Err(BadEvent::NoType));
    check(r#"[1]"#, Err(BadEvent::NotAnObject));
    check(r#"{"type":"t"}x"#, Err(BadEvent::NotAnObject));
    check("hello", Err(BadEvent::NotAnObject));
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let mut event_log = EventLog::new(1, HistoryBounds::default());
    let mut publish =
        |kind: &[u8], payload: &[u8]| event_log.publish(&room("a"), kind, payload, EventOptions::default());
    assert_eq!(publish(b"t\xff", b"1"), Err(BadEvent::NotUtf8));
    assert_eq!(publish(b"t", b"\"\xe2\x82\""), Err(BadEvent::NotUtf8));
    assert_eq!(publish(b"t", "\"€\"".as_bytes()), Ok(()));
    let ready = event_log.publish_ready(&room("a"), b"{\"type\":\"t\",\"payload\":\"\xff\"}");
    assert_eq!(ready, Err(BadEvent::NotUtf8));
    assert_eq!(text(&event_log.take().next().unwrap()), r#"{"type":"t","payload":"€","seq":1}"#);
}

#[test]
fn a_reset_gives_new_epochs_and_keeps_what_was_published() {
    let mut event_log = EventLog::new(1, HistoryBounds::default());
    let a = room("a");
    event_log.publish(&a, b"x", b"1", EventOptions::default()).unwrap();
    event_log.reset();
    event_log.publish(&a, b"y", b"2", EventOptions::default()).unwrap();
    let events: Vec<_> = event_log.take().collect();
    assert_eq!(events.len(), 2);
    assert_ne!(events[0].epoch, events[1].epoch);
    assert_eq!((events[0].first_seq, events[1].first_seq), (1, 1));
}

#[test]
fn unused_counters_of_gone_rooms_are_forgotten() {
    let mut event_log = EventLog::new(1, HistoryBounds::default());
    event_log.set_now(1000);
    event_log.publish(&room("gone"), b"x", b"1", EventOptions::default()).unwrap();
    event_log.publish(&room("there"), b"x", b"1", EventOptions::default()).unwrap();
    event_log.take().count();
    let is_gone = |room: &RoomId| room.as_str() == "gone";
    event_log.forget_unused(1000 + FORGET_AFTER_MS - 1, is_gone);
    assert_eq!(event_log.counters(), 2);
    event_log.forget_unused(1000 + FORGET_AFTER_MS, is_gone);
    assert_eq!(event_log.counters(), 1);
}

#[test]
fn what_a_call_may_publish_is_its_own() {
    let mut event_log = EventLog::new(1, HistoryBounds::default());
    let payload = format!("\"{}\"", "x".repeat(1 << 20)).into_bytes();
    for call in 1..=3 {
        event_log.set_now(call);
        let published = (0..100)
            .take_while(|_| event_log.publish(&room("a"), b"x", &payload, EventOptions::default()).is_ok())
            .count();
        assert_eq!(published, 3);
        let held = event_log.hold(&room("a"), b"x", &payload, to("7"));
        assert_eq!(held, Err(BadEvent::TooMuch));
        assert_eq!(
            event_log.publish(&room("a"), b"x", b"1", EventOptions::default()),
            Ok(()),
            "what is small still fits"
        );
    }
    assert_eq!(event_log.take().next().unwrap().ends.len(), 12);
}

#[test]
fn what_is_held_gets_its_number_when_it_is_released() {
    let mut event_log = EventLog::new(1, HistoryBounds::default());
    let a = room("a");
    event_log.set_now(1);
    event_log.hold(&a, b"hello", b"1", to("7")).unwrap();
    event_log.publish(&a, b"joined", b"2", EventOptions::default()).unwrap();
    event_log.set_now(2);
    event_log.hold(&a, b"lost", b"3", to("8")).unwrap();
    event_log.undo_call();
    assert_eq!(text(&event_log.take().next().unwrap()), r#"{"type":"joined","payload":2,"seq":1}"#);
    assert_eq!(event_log.position(&a).seq, 1);
    assert!(event_log.release_held() && !event_log.release_held());
    let events = event_log.take().next().unwrap();
    assert_eq!(text(&events), r#"{"type":"hello","payload":1,"seq":2}"#);
    assert_eq!(events.addressed, [(0, Audience::user("7"))]);
}

#[test]
fn whom_events_name_counts_towards_the_bound() {
    let mut event_log = EventLog::new(1, HistoryBounds::default());
    event_log.set_now(1);
    let crowd: Users = (0..10_000).map(|number| SmolStr::new(format!("user-{number}"))).collect();
    let options = EventOptions { audience: Some(Audience::Users(crowd)), replace: None };
    let publish = |_: &i32| event_log.publish(&room("a"), b"x", b"1", options.clone()).is_ok();
    assert!((10..100).contains(&(0..1000).take_while(publish).count()));
}

#[test]
fn it_is_full_when_all_calls_have_published_much() {
    let mut event_log = EventLog::new(1, HistoryBounds::default());
    let payload = format!("\"{}\"", "x".repeat(1 << 20)).into_bytes();
    let calls = (0..100).take_while(|call| {
        event_log.set_now(*call);
        event_log.publish(&room("a"), b"x", &payload, EventOptions::default()).unwrap();
        !event_log.is_full()
    });
    assert_eq!(calls.count(), 1);
    event_log.take().for_each(drop);
    assert!(!event_log.is_full());
}

#[test]
fn what_was_missed_is_told_in_the_same_history_alone() {
    let mut event_log = EventLog::new(1, HistoryBounds { age_ms: 1000, ..HistoryBounds::default() });
    let a = room("a");
    event_log.set_now(1);
    let begin = event_log.position(&a);
    event_log.publish(&a, b"x", b"1", EventOptions::default()).unwrap();
    event_log.publish(&a, b"lost", b"2", EventOptions::default()).unwrap();
    event_log.take().for_each(drop);
    let missed = |event_log: &mut EventLog, since: Position| {
        let missed = event_log.missed(&room("a"), since)?;
        Some(missed.runs.iter().map(|run| text(run)).collect::<Vec<_>>().join(" "))
    };
    assert!(missed(&mut event_log, begin).unwrap().contains(r#""seq":1},{"type":"lost""#));
    assert_eq!(missed(&mut event_log, Position { seq: 2, ..begin }).unwrap(), "");
    assert_eq!(missed(&mut event_log, Position { seq: 3, ..begin }), None);
    assert_eq!(missed(&mut event_log, Position { epoch: begin.epoch ^ 1, seq: 1 }), None);
    event_log.set_now(2000);
    assert_eq!(missed(&mut event_log, begin), None, "it is too long ago");
    assert_eq!(missed(&mut event_log, Position { seq: 2, ..begin }).unwrap(), "");
    event_log.reset();
    assert_eq!(missed(&mut event_log, Position { seq: 2, ..begin }), None);
}

#[test]
fn what_a_failed_call_would_have_replaced_stays() {
    let mut event_log = EventLog::new(1, HistoryBounds::default());
    let replacing = || EventOptions { audience: None, replace: Some("k".into()) };
    event_log.set_now(1);
    event_log.publish(&room("a"), b"x", b"1", replacing()).unwrap();
    event_log.set_now(2);
    event_log.publish(&room("a"), b"lost", b"2", replacing()).unwrap();
    event_log.undo_call();
    let events = event_log.take().next().unwrap();
    assert_eq!((events.count(), &*events.replacing), (1, &[(0, "k".into())][..]));
}

#[test]
fn what_histories_take_is_counted() {
    use crate::state::sizes::tests::check;
    let room_of = |number: usize| room(&format!("{number:08}"));
    for (batches, payload) in
        [(1, "1"), (20, "{\"x\":12,\"y\":7}"), (3, &*format!("\"{}\"", "x".repeat(500)))]
    {
        check(
            "histories",
            || EventLog::new(1, HistoryBounds::default()),
            |log, number| {
                log.set_now(1);
                for _ in 0..batches {
                    log.publish(&room_of(number / batches), b"moved", payload.as_bytes(), to("7")).unwrap();
                    log.take().for_each(drop);
                }
            },
            EventLog::memory_bytes,
        );
    }
}
