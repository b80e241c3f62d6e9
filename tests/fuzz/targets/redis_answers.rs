//! What a store sends: replies as bytes, answers to batches and about messages and documents, what other nodes publish.

use std::sync::{Arc, LazyLock};

use super::decode::{Asked, read_answer};
use super::mail::Seen;
use super::names::Names;
use super::notice::{Notice, read_notice, read_runs};
use super::outbox::{read_received, read_sent};
use super::program::{Program, Programs};
use super::{Address, Prefix};
use crate::script::Script;
use crate::state::{HistoryBounds, RoomEvents};
use crate::wire::ids::RoomId;

static PROGRAM: LazyLock<Arc<Program>> = LazyLock::new(|| {
    let script = Script::built_in("s", "return 1");
    let address = &Address::parse_list("localhost").expect("an address")[0];
    let mut programs = Programs::new(
        HistoryBounds::default(),
        16,
        Names::new(&Prefix::default(), address),
        (Vec::new(), true),
    );
    programs.for_scripts([&script].into_iter())
});

/// The first byte says how many calls were asked for; the rest is what the store sends.
pub(crate) fn check(data: &[u8]) {
    let Some((&calls, bytes)) = data.split_first() else { return };
    let room = RoomId::parse("r").expect("a valid id");
    let calls = usize::from(calls % 8);
    let asked = Asked { room: (calls > 0).then_some(&room), calls, first_seed: u64::MAX - 20 };
    if let Ok(value) = redis::parse_redis_value(bytes)
        && let Some(answer) = read_answer(value, asked, &PROGRAM)
    {
        assert_eq!((answer.results.len(), answer.runs.len()), (calls, calls));
        answer.events.iter().for_each(|events| check_events(events));
        answer.missed.iter().flat_map(|missed| &missed.runs).for_each(|events| check_events(events));
    }
    if let Ok(value) = redis::parse_redis_value(bytes) {
        check_mail(&value);
        super::documents::fuzz::check(&value);
    }
    if let Some((_, Notice::Events(events))) = read_notice(bytes, &room) {
        check_events(&events);
    }
    read_runs(bytes, &room).iter().flatten().for_each(check_events);
}

/// The same as what a look has shown, and what is on its way between two stores.
fn check_mail(value: &redis::Value) {
    if let Some(seen) = Seen::read(value.clone()) {
        assert!(seen.half().is_none_or(|half| half < seen.rooms.len()));
        seen.rooms.iter().flat_map(|(_, due)| due).for_each(|due| drop(due.entry()));
    }
    _ = read_sent(value.clone(), 0);
    assert_ne!(read_received(value), Some(0));
}

fn check_events(events: &RoomEvents) {
    let text = std::str::from_utf8(&events.text).expect("what is sent to clients is UTF-8");
    assert!(events.ends.last().is_none_or(|end| *end as usize == text.len()));
    for seq in (0..events.count()).map(|index| events.first_seq + index) {
        assert!(events.event(seq).ends_with(format!("\"seq\":{seq}}}").as_bytes()));
    }
    assert!(events.addressed.is_sorted_by_key(|(index, _)| *index));
    assert!(events.addressed.iter().all(|(index, _)| u64::from(*index) < events.count()));
    _ = (events.last_seq(), events.bytes(), events.audiences().count());
}
