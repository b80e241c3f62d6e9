use bytes::Bytes;
use smol_str::SmolStr;

use super::*;
use crate::wire::ids::RoomId;

const BOUNDS: HistoryBounds = HistoryBounds { events: 4, age_ms: 1000, bytes: 1 << 20 };

/// Events from this one on: each with its text, and behind a `=` the key whose place it takes.
fn run(first_seq: u64, events: &[&str]) -> Arc<RoomEvents> {
    let split = |event: &&str| {
        let (text, key) = event.split_once('=').unwrap_or((event, ""));
        (text.to_owned(), SmolStr::new(key))
    };
    let events: Vec<(String, SmolStr)> = events.iter().map(split).collect();
    let texts: Vec<&str> = events.iter().map(|(text, _)| text.as_str()).collect();
    let ends = texts.iter().scan(0, |end, text| {
        let this = *end + text.len() as u32;
        *end = this + 1;
        Some(this)
    });
    let keys = (0u32..).zip(events.iter().map(|(_, key)| key.clone()));
    Arc::new(RoomEvents {
        room: RoomId::parse("r").unwrap(),
        epoch: 1,
        first_seq,
        ends: ends.collect(),
        text: Bytes::from(texts.join(",")),
        addressed: Vec::new(),
        replacing: keys.filter(|(_, key)| !key.is_empty()).collect(),
        removals: Vec::new(),
    })
}

fn history(bounds: &HistoryBounds, runs: &[Arc<RoomEvents>]) -> History {
    let mut history = History::default();
    runs.iter().for_each(|run| history.push(run.clone(), 0, bounds));
    history
}

/// What somebody gets who knows everything up to `since`.
fn since(history: &History, since: u64, now: u64) -> Option<String> {
    let missed = history.since(since, now)?;
    assert!(missed.after <= since);
    let texts = missed.runs.iter().flat_map(|run| {
        let seqs = run.first_seq.max(since + 1)..=run.last_seq();
        seqs.map(|seq| format!("{seq}{}", String::from_utf8_lossy(run.event(seq))))
    });
    Some(texts.collect::<Vec<_>>().join(" "))
}

#[test]
fn exactly_what_was_missed() {
    let history = history(&BOUNDS, &[run(3, &["a", "b"]), run(5, &["c"])]);
    assert_eq!(since(&history, 2, 5).unwrap(), "3a 4b 5c");
    assert_eq!(since(&history, 3, 5).unwrap(), "4b 5c");
    assert_eq!(since(&history, 4, 5).unwrap(), "5c");
    assert_eq!(since(&history, 5, 5).unwrap(), "");
    assert_eq!(since(&history, 1, 5), None, "what was before the first is not here");
    assert_eq!(since(&history, 6, 5), None, "the room has not come so far");
    assert_eq!(since(&history, 4, 6), None, "the last event is not here");
}

#[test]
fn a_room_without_events_has_missed_nothing() {
    assert_eq!(since(&History::default(), 0, 0).unwrap(), "");
    assert_eq!(since(&History::default(), 7, 7).unwrap(), "");
    assert_eq!(since(&History::default(), 0, 7), None);
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let mut history =
        history(&BOUNDS, &[run(1, &["a", "b"]), run(3, &["c", "d"]), run(5, &["e", "f", "g", "h"])]);
    assert_eq!(
        since(&history, 0, 8).unwrap().split(' ').count(),
        8,
        "twice as many may be there for a while"
    );
    history.push(run(9, &["i"]), 0, &BOUNDS);
    assert_eq!(since(&history, 7, 9), None);
    assert_eq!(since(&history, 8, 9).unwrap(), "9i");
}

#[test]
fn the_oldest_go_when_they_are_too_large() {
    let large = "x".repeat(1000);
    let mut history = History::default();
    let bounds = HistoryBounds { events: 1000, bytes: 5000, ..BOUNDS };
    (1..=20).for_each(|seq| history.push(run(seq, &[&large]), 0, &bounds));
    assert!(history.bytes <= 5000 && history.since(17, 20).is_some() && history.since(1, 20).is_none());
    let huge = "x".repeat(10_000);
    history.push(run(21, &[&huge]), 0, &bounds);
    assert_eq!((history.bytes, history.events, since(&history, 20, 21)), (0, 0, None));
    history.push(run(22, &["z"]), 0, &bounds);
    assert_eq!(since(&history, 21, 22).unwrap(), "22z");
}

#[test]
fn the_oldest_go_when_their_time_is_over() {
    let mut history = history(&BOUNDS, &[run(1, &["a"])]);
    history.push(run(2, &["b"]), 900, &BOUNDS);
    history.forget_old(1000, &BOUNDS);
    assert!(history.since(0, 2).is_some());
    history.forget_old(1001, &BOUNDS);
    assert_eq!((since(&history, 0, 2), since(&history, 1, 2).unwrap()), (None, "2b".to_owned()));
    history.forget_old(5000, &BOUNDS);
    assert_eq!((since(&history, 1, 2), since(&history, 2, 2).unwrap()), (None, String::new()));
    assert_eq!((history.bytes, history.events), (0, 0));
}

#[test]
fn what_newer_events_have_replaced_takes_no_room() {
    let mut history = History::default();
    history.push(run(1, &["first"]), 0, &BOUNDS);
    for seq in 2..=100 {
        let event = format!("p{seq}={}", seq % 2);
        history.push(run(seq, &["q=q", &event, "r=r"][seq as usize % 2..][..1]), 0, &BOUNDS);
    }
    assert!(history.events <= 2 * BOUNDS.events, "{}", history.events);
    let left = since(&history, 0, 100).unwrap();
    assert!(left.starts_with("1first") && left.ends_with("100q"), "{left}");
    assert_eq!(since(&history, 98, 100).unwrap().split(' ').count(), 2);
}

#[test]
fn it_goes_on_after_a_restart() {
    let before = history(&BOUNDS, &[run(3, &["a", "b"]), run(5, &["c"])]);
    let mut after = History::restore(before.kept());
    assert_eq!((after.events, after.bytes), (before.events, before.bytes));
    assert_eq!((since(&after, 2, 5).unwrap(), since(&after, 1, 5)), ("3a 4b 5c".to_owned(), None));
    after.push(run(6, &["d"]), 1, &BOUNDS);
    assert_eq!(since(&after, 4, 6).unwrap(), "5c 6d");
}
