//! What comes from the store.

use std::sync::Arc;

use super::super::faults::Fault;
use super::{Around, Node};
use crate::room::flush::Flush;
use crate::session::outbox::Kind;
use crate::state::{BatchDone, CallError, CallResult, Delivery, RoomEvents, Tag};
use crate::wire::Position;

impl Node {
    pub(super) fn take_delivery(&mut self, delivery: Delivery, around: &mut Around<'_>) {
        match delivery {
            Delivery::Events(events) => self.take_events(events, around),
            Delivery::Done(done) => self.batch_done(done, around),
            Delivery::Missed(room) => {
                self.with_room(room.as_str(), around, |room, _, actions| room.events_missed(actions));
            }
            Delivery::Replaced { room, user_id, membership } => {
                self.with_room(room.as_str(), around, |room, _, actions| {
                    room.replaced_elsewhere(&user_id, membership, actions);
                });
            }
            Delivery::Expelled => {}
        }
    }

    fn take_events(&mut self, events: Arc<RoomEvents>, around: &mut Around<'_>) {
        let name = events.room.to_string();
        if around.faults.strikes(Fault::GapUnnoticed) {
            // The room forgets where it was, and its members are not told.
            if let Some(room) = self.rooms.get_mut(&name) {
                room.room.events_missed(&mut Vec::new());
            }
            return;
        }
        self.send_stale(&name, events.epoch, around);
        self.with_room(&name, around, |room, _, actions| room.events(events, actions));
    }

    /// The fault: an event of an epoch that is over goes out once more.
    fn send_stale(&mut self, name: &str, epoch: u64, around: &mut Around<'_>) {
        let is_old = |stale: &mut (String, u64, Flush)| stale.0 == name && stale.1 != 0 && stale.1 != epoch;
        let Some((_, _, flush)) = self.stale.take_if(is_old) else { return };
        let members = self.rooms.get(name).map(|room| room.members.clone()).unwrap_or_default();
        for number in members {
            let user = self.connections.get(&number).map(|connection| connection.user().to_owned());
            if let Some(frame) =
                user.and_then(|user| flush.frame_for(&user).map(|frame| frame.plain().clone()))
            {
                self.queue(number, frame, Kind::Kept, around);
            }
        }
    }

    fn batch_done(&mut self, mut done: BatchDone, around: &mut Around<'_>) {
        let Some((room, number, _)) = self.submitted.remove(&done.tag.0) else {
            if let Some(events) = done.events.take() {
                self.take_events(events, around);
            }
            return;
        };
        if done.position.epoch != 0 {
            self.send_stale(room.as_str(), done.position.epoch, around);
        }
        self.with_room(room.as_str(), around, |room, round, actions| {
            room.batch_done(number, done, round, actions);
        });
    }

    /// The connection to the store is there again. What became of the batches that it had, nobody knows; and events may
    /// have been missed.
    pub(super) fn store_is_back(&mut self, around: &mut Around<'_>) {
        self.is_store_away = false;
        for tag in self.submitted.keys().copied().collect::<Vec<_>>() {
            self.fail(tag, around);
        }
        for room in self.rooms.values().map(|room| room.id.clone()).collect::<Vec<_>>() {
            self.take_delivery(Delivery::Missed(room), around);
        }
    }

    fn fail(&mut self, tag: u64, around: &mut Around<'_>) {
        let Some((room, _, calls)) = self.submitted.get(&tag).cloned() else { return };
        let results = (0..calls).map(|_| CallResult::Err(CallError::lost())).collect();
        let done = BatchDone {
            room: Some(room),
            results,
            events: None,
            position: Position::default(),
            missed: None,
            runs: Vec::new(),
            ticks: Vec::new(),
            last_ran: Vec::new(),
            tag: Tag(tag),
            received_at: around.set_up.began,
            took: Default::default(),
        };
        self.batch_done(done, around);
    }
}
