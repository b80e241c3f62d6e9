//! Deliveries that wait until the database has what their batch has saved (`-- DURABLE: on`). What is about the same room waits
//! behind them, as a room's events come in order.

use std::collections::{HashMap, VecDeque};

use crate::state::{CallError, CallResult, Deliver, Delivery, ShardId};
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;

/// What a call is told whose saves the database has refused.
const LOST: &str = "another server has taken the documents of this call, or a ledger has an entry of its key: what it saved is lost; try again";

/// How many deliveries may wait. Beyond it all go out, and calls whose saves are not written are told that.
const MAX_HELD: usize = 10_000;
const NOT_WRITTEN: &str =
    "the database does not take what this call has saved; it is tried on, and may be written later";

/// The way to the shards, and what waits in front of it.
pub(super) struct HeldDeliveries {
    deliver: Box<dyn Deliver>,
    held: VecDeque<Held>,
    /// Behind which entry the last that is held of each room waits.
    rooms: HashMap<RoomId, u64>,
    /// Behind which entry all waits that is delivered now.
    now: Option<u64>,
    /// Which of the running batch's calls wait for which entries.
    calls: Vec<(usize, u64)>,
}

struct Held {
    behind: u64,
    shard: ShardId,
    delivery: Delivery,
    calls: Vec<(usize, u64)>,
}

impl HeldDeliveries {
    pub(super) fn new(deliver: Box<dyn Deliver>) -> Self {
        Self { deliver, held: VecDeque::new(), rooms: HashMap::new(), now: None, calls: Vec::new() }
    }

    pub(super) fn home(&self, room: &RoomId) -> ShardId {
        self.deliver.home(room)
    }

    /// The call at that place of the running batch is done when this entry is written.
    pub(super) fn wait_for(&mut self, number: u64, place: usize) {
        self.now = Some(number);
        self.calls.push((place, number));
    }

    /// The running batch has ended.
    pub(super) fn end_batch(&mut self) {
        self.now = None;
        self.calls.clear();
    }

    pub(super) fn deliver(&mut self, shard: ShardId, delivery: Delivery) {
        if self.now.is_none() && self.held.is_empty() {
            return self.deliver.deliver(shard, delivery);
        }
        if self.held.len() >= MAX_HELD {
            self.give_up();
        }
        let room = room_of(&delivery);
        let of_room = room.and_then(|room| self.rooms.get(room)).copied();
        let Some(behind) = self.now.max(of_room) else { return self.deliver.deliver(shard, delivery) };
        if let Some(room) = room {
            self.rooms.insert(room.clone(), behind);
        }
        let is_end = matches!(delivery, Delivery::Done(_));
        let calls = if is_end { std::mem::take(&mut self.calls) } else { Vec::new() };
        self.held.push_back(Held { behind, shard, delivery, calls });
    }

    fn give_up(&mut self) {
        log::error!(
            "durable calls are answered as unavailable: too much waits for the database of documents"
        );
        for mut one in std::mem::take(&mut self.held) {
            fail(&mut one, NOT_WRITTEN, |_| true);
            self.deliver.deliver(one.shard, one.delivery);
        }
        self.rooms.clear();
    }

    /// All entries up to this one are written, but for what was lost.
    pub(super) fn written(&mut self, last: u64, lost: &[u64]) {
        if self.held.is_empty() {
            return;
        }
        let held = std::mem::take(&mut self.held);
        for mut one in held {
            fail(&mut one, LOST, |number| lost.contains(&number));
            if one.behind <= last {
                self.deliver.deliver(one.shard, one.delivery);
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
