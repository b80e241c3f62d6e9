//! Deliveries of a store that wait until the database has what their batch has saved (`-- DURABLE: on`). What is about the same room
//! waits behind them, as a room's events come in order. What is saved is known by the numbers of a store's entries, which rise.

use std::collections::{HashMap, VecDeque};

use super::{CallError, CallResult, Deliver, Delivery, ShardId};
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;

/// What a call is told whose saves the database has refused.
const LOST: &str = "another server has taken the documents of this call, or a ledger has an entry of its key: what it saved is lost; try again";

/// How many deliveries may wait. Beyond it all go out, and calls whose saves are not written are told that.
const MAX_HELD: usize = 10_000;
const NOT_WRITTEN: &str =
    "the database does not take what this call has saved; it is tried on, and may be written later";

/// What waits on the way to the shards.
#[derive(Debug, Default)]
pub(super) struct HeldDeliveries {
    held: VecDeque<Held>,
    /// Behind which entry the last of each room waits. A room may wait of which nothing has come yet.
    rooms: HashMap<RoomId, u64>,
    /// Behind which entry all waits that is delivered now.
    now: Option<u64>,
    /// Which of the running batch's calls wait for which entries.
    calls: Vec<(usize, u64)>,
}

#[derive(Debug)]
struct Held {
    behind: u64,
    shard: ShardId,
    delivery: Delivery,
    calls: Vec<(usize, u64)>,
}

impl HeldDeliveries {
    /// What is delivered of the running batch from now on waits until this entry is written, and so does what comes of its rooms.
    pub(super) fn wait_for(&mut self, number: u64) {
        self.now = self.now.max(Some(number));
    }

    /// The call at that place of the running batch is done when this entry is written.
    pub(super) fn wait_for_call(&mut self, number: u64, place: usize) {
        self.wait_for(number);
        self.calls.push((place, number));
    }

    /// The running batch has ended.
    pub(super) fn end_batch(&mut self) {
        self.now = None;
        self.calls.clear();
    }

    /// What comes of a room waits until this entry is written.
    pub(super) fn hold_room(&mut self, room: RoomId, number: u64) {
        let behind = self.rooms.entry(room).or_default();
        *behind = number.max(*behind);
    }

    /// Whether something waits, or would if it came.
    pub(super) fn is_waiting(&self) -> bool {
        !self.held.is_empty() || !self.rooms.is_empty()
    }

    /// The lowest number of an entry that something waits for.
    pub(super) fn lowest(&self) -> Option<u64> {
        let of_held = self.held.iter().flat_map(|held| {
            let calls = held.calls.iter().map(|(_, number)| *number);
            calls.chain([held.behind])
        });
        of_held.chain(self.rooms.values().copied()).min()
    }

    pub(super) fn deliver(&mut self, shard: ShardId, delivery: Delivery, out: &mut dyn Deliver) {
        if self.now.is_none() && self.rooms.is_empty() {
            return out.deliver(shard, delivery);
        }
        if self.held.len() >= MAX_HELD {
            log::error!(
                "durable calls are answered as unavailable: too much waits for the database of documents"
            );
            self.give_up(NOT_WRITTEN, out);
        }
        let room = room_of(&delivery);
        let of_room = room.and_then(|room| self.rooms.get(room)).copied();
        let Some(behind) = self.now.max(of_room) else { return out.deliver(shard, delivery) };
        if let Some(room) = room {
            self.rooms.insert(room.clone(), behind);
        }
        let is_end = matches!(delivery, Delivery::Done(_));
        let calls = if is_end { std::mem::take(&mut self.calls) } else { Vec::new() };
        self.held.push_back(Held { behind, shard, delivery, calls });
    }

    /// All goes out, and calls that wait are told why they are not known to be done.
    pub(super) fn give_up(&mut self, why: &str, out: &mut dyn Deliver) {
        for mut one in std::mem::take(&mut self.held) {
            fail(&mut one, why, |_| true);
            out.deliver(one.shard, one.delivery);
        }
        self.rooms.clear();
    }

    /// All entries up to this one are written, but for what was lost.
    pub(super) fn written(&mut self, last: u64, lost: &[u64], out: &mut dyn Deliver) {
        for mut one in std::mem::take(&mut self.held) {
            fail(&mut one, LOST, |number| lost.contains(&number));
            if one.behind <= last {
                out.deliver(one.shard, one.delivery);
            } else {
                self.held.push_back(one);
            }
        }
        self.rooms.retain(|_, behind| *behind > last);
    }
}

/// Calls that wait for some entries have not done what they say.
fn fail(held: &mut Held, message: &str, is_meant: impl Fn(u64) -> bool) {
    let Delivery::Done(done) = &mut held.delivery else { return };
    for (place, _) in held.calls.iter().filter(|(_, number)| is_meant(*number)) {
        if let Some(result) = done.results.get_mut(*place) {
            *result = CallResult::Err(CallError::refusal(ErrorCode::Unavailable, message));
        }
    }
}

fn room_of(delivery: &Delivery) -> Option<&RoomId> {
    match delivery {
        Delivery::Done(done) => done.room.as_ref(),
        Delivery::Events(events) => Some(&events.room),
        Delivery::Missed(room) | Delivery::Replaced { room, .. } => Some(room),
        Delivery::Expelled => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use bytes::Bytes;

    use super::*;
    use crate::state::{BatchDone, Position, Tag};

    /// Notes what comes out: of which room, and how many of its calls have worked.
    #[derive(Default)]
    struct Out(Vec<String>);

    impl Deliver for Out {
        fn deliver(&mut self, _: ShardId, delivery: Delivery) {
            let room = room_of(&delivery).map_or("-", RoomId::as_str);
            let told = match &delivery {
                Delivery::Done(done) => done
                    .results
                    .iter()
                    .map(|result| match result {
                        CallResult::Err(error) => error.message.split(' ').next().unwrap_or_default(),
                        _ => "ok",
                    })
                    .collect::<Vec<_>>()
                    .join(","),
                _ => "missed".to_owned(),
            };
            self.0.push(format!("{room} {told}"));
        }

        fn home(&self, _: &RoomId) -> ShardId {
            0
        }
    }

    fn room(id: &str) -> RoomId {
        RoomId::parse(id).expect("a valid id")
    }

    fn done(id: &str, calls: usize) -> Delivery {
        Delivery::Done(BatchDone {
            room: (id != "-").then(|| room(id)),
            results: (0..calls).map(|_| CallResult::Ok(Bytes::new())).collect(),
            runs: Vec::new(),
            events: None,
            position: Position::default(),
            missed: None,
            last_ran: Vec::new(),
            ticks: Vec::new(),
            tag: Tag::NONE,
            received_at: Instant::now(),
            took: Duration::ZERO,
        })
    }

    fn missed(id: &str) -> Delivery {
        Delivery::Missed(room(id))
    }

    fn taken(out: &mut Out) -> Vec<String> {
        std::mem::take(&mut out.0)
    }

    #[test]
    fn what_is_of_the_same_room_waits_and_nothing_else() {
        let (mut held, mut out) = (HeldDeliveries::default(), Out::default());
        held.deliver(0, done("a", 1), &mut out);
        assert_eq!(taken(&mut out), ["a ok"]);
        held.wait_for_call(5, 1);
        held.wait_for_call(7, 2);
        held.deliver(0, missed("b"), &mut out);
        held.deliver(0, done("a", 3), &mut out);
        held.end_batch();
        for delivery in [missed("b"), done("a", 1), done("c", 1), done("-", 1)] {
            held.deliver(0, delivery, &mut out);
        }
        assert_eq!(taken(&mut out), ["c ok", "- ok"]);
        assert_eq!(held.lowest(), Some(5));
        held.written(6, &[5], &mut out);
        assert_eq!(taken(&mut out), [""; 0]);
        held.written(7, &[], &mut out);
        assert_eq!(taken(&mut out), ["b missed", "a ok,another,ok", "b missed", "a ok"]);
        assert!(!held.is_waiting() && held.lowest().is_none());
        held.deliver(0, done("a", 1), &mut out);
        assert_eq!(taken(&mut out), ["a ok"]);
    }

    #[test]
    fn a_call_in_no_room_waits_alone() {
        let (mut held, mut out) = (HeldDeliveries::default(), Out::default());
        held.wait_for_call(1, 0);
        held.deliver(0, done("-", 1), &mut out);
        held.end_batch();
        held.deliver(0, done("-", 2), &mut out);
        assert_eq!(taken(&mut out), ["- ok,ok"]);
        assert_eq!(held.lowest(), Some(1));
        held.written(1, &[], &mut out);
        assert_eq!(taken(&mut out), ["- ok"]);
    }

    #[test]
    fn a_room_is_held_before_anything_of_it_comes() {
        let (mut held, mut out) = (HeldDeliveries::default(), Out::default());
        held.hold_room(room("a"), 4);
        held.hold_room(room("a"), 3);
        held.deliver(0, missed("a"), &mut out);
        assert_eq!((held.lowest(), taken(&mut out).len()), (Some(4), 0));
        held.written(3, &[], &mut out);
        assert!(held.is_waiting() && taken(&mut out).is_empty());
        held.written(4, &[], &mut out);
        assert_eq!((held.is_waiting(), taken(&mut out)), (false, vec!["a missed".to_owned()]));
    }

    #[test]
    fn too_much_goes_out_and_calls_are_told_that_they_are_not_written() {
        let (mut held, mut out) = (HeldDeliveries::default(), Out::default());
        held.wait_for_call(1, 0);
        held.deliver(0, done("a", 1), &mut out);
        held.end_batch();
        for _ in 1..MAX_HELD {
            held.deliver(0, missed("a"), &mut out);
        }
        assert!(out.0.is_empty());
        held.deliver(0, missed("a"), &mut out);
        assert_eq!((out.0.len(), out.0[0].as_str()), (MAX_HELD + 1, "a the"));
        assert!(!held.is_waiting());
    }
}
