//! Rooms submit their inputs and flush their events, each in its rhythm.

use std::cmp::Reverse;

use super::calls::{busy, refused_batch};
use super::home_shard;
use super::mail::{Mail, PendingInput};
use super::purposes::Purpose;
use super::rooms::Home;
use super::shard::Shard;
use crate::metrics::InputOutcome;
use crate::session::Refused;
use crate::state::{Batch, Rejection};
use crate::wire::ids::RoomId;
use crate::wire::{message, ws};

/// What submitting a room's inputs came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Submitted {
    /// There was nothing to submit.
    Nothing,
    /// The engine has them.
    Batch,
    /// The engine's queue was full: they wait on.
    Refused,
}

impl Shard {
    /// Puts a room on the list of those to settle at the end of the round.
    pub(super) fn touch(&mut self, room_index: usize) {
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        if !room.touched {
            room.touched = true;
            self.touched_rooms.push(room_index);
        }
    }

    /// The home part of a room that is at home here.
    pub(super) fn home(&mut self, room_index: usize) -> Option<&mut Home> {
        self.rooms.get_mut(room_index)?.home.as_deref_mut()
    }

    pub(super) fn settle_rooms(&mut self) {
        for room_index in std::mem::take(&mut self.touched_rooms) {
            let Some(room) = self.rooms.get_mut(room_index) else { continue };
            room.touched = false;
            if room.home.is_some() {
                self.settle(room_index);
            } else {
                self.send_inputs_home(room_index);
            }
            self.forget_if_over(room_index);
        }
    }

    /// A room's timer is due.
    pub(super) fn tick(&mut self, room_index: usize, generation: u32) {
        let now_ms = self.now.monotonic_ms;
        let Some(room) = self.rooms.of_generation(room_index, generation) else { return };
        let Some(home) = &mut room.home else { return };
        let is_idle = room.pending.is_empty() && home.gathered.is_empty();
        if is_idle && home.rhythm.rest(now_ms) {
            return;
        }
        self.settle(room_index);
        self.forget_if_over(room_index);
    }

    /// Forgets a room that nothing is left of.
    fn forget_if_over(&mut self, room_index: usize) {
        if let Some(room) = self.rooms.remove_if_over(room_index)
            && room.home.is_some()
        {
            self.shared.engine.watch(&room.id, false);
        }
    }

    /// Submits and flushes what the room's rhythm lets through now.
    fn settle(&mut self, room_index: usize) {
        let now_ms = self.now.monotonic_ms;
        let Some(home) = self.home(room_index) else { return };
        if !home.rhythm.is_open(now_ms) {
            return;
        }
        let has_gathered = !home.gathered.is_empty();
        // While a batch is with the engine, inputs gather: the gate stays open, and they follow when it is back.
        let submitted = if home.in_flight { Submitted::Nothing } else { self.submit(room_index) };
        // What was gathered goes out with the events of the batch, if there is one.
        let flushes = has_gathered && submitted != Submitted::Batch;
        if flushes {
            self.flush_room(room_index);
        }
        if flushes || submitted != Submitted::Nothing {
            self.arm(room_index);
        }
    }

    fn arm(&mut self, room_index: usize) {
        let now_ms = self.now.monotonic_ms;
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        let generation = room.generation;
        if let Some(next_ms) = room.home.as_mut().and_then(|home| home.rhythm.went_out(now_ms)) {
            self.room_timers.push(Reverse((next_ms, room_index, generation)));
        }
    }

    /// Submits all that waits, whatever the rhythm says. Returns whether nothing waits any more.
    pub(super) fn submit_all(&mut self, room_index: usize) -> bool {
        while self.submit(room_index) == Submitted::Batch {}
        self.rooms.get_mut(room_index).is_none_or(|room| room.pending.is_empty())
    }

    fn submit(&mut self, room_index: usize) -> Submitted {
        let origin = self.id;
        let most = self.shared.limits.batch_calls;
        let Some(room) = self.rooms.get_mut(room_index) else { return Submitted::Nothing };
        let Some(home) = &mut room.home else { return Submitted::Nothing };
        let Some(oldest) = room.pending.first() else { return Submitted::Nothing };
        let received_at = oldest.received_at;
        let rest = room.pending.split_off(room.pending.len().min(most));
        let inputs = std::mem::replace(&mut room.pending, rest);
        let (calls, replies) = inputs.into_iter().map(|input| (input.call, input.reply_to)).unzip();
        let batch = Batch { received_at, ..Batch::new(Some(room.id.clone()), calls, origin) };
        home.in_flight = true;
        match self.submit_for(Purpose::Inputs(replies), batch) {
            Ok(()) => Submitted::Batch,
            Err((reason, batch, purpose)) => {
                let Some(room) = self.rooms.get_mut(room_index) else { return Submitted::Nothing };
                if let Some(home) = &mut room.home {
                    home.in_flight = false;
                }
                let mut inputs = inputs_of(batch, purpose);
                inputs.append(&mut room.pending);
                room.pending = inputs;
                if reason == Rejection::Unavailable {
                    self.refuse_pending(room_index);
                }
                Submitted::Refused
            }
        }
    }

    /// The store is away: players are told at once, and the server's own calls wait for it.
    fn refuse_pending(&mut self, room_index: usize) {
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        let is_players = |input: &mut PendingInput| input.reply_to.own.is_none();
        let refused: Vec<PendingInput> = room.pending.extract_if(.., is_players).collect();
        for input in refused {
            self.refuse_input(&input, &refused_batch(Rejection::Unavailable));
        }
    }

    fn send_inputs_home(&mut self, room_index: usize) {
        let shards = self.peers.len();
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        if room.pending.is_empty() {
            return;
        }
        let home = home_shard(&room.id, shards);
        let letter = Mail::Inputs(room.id.clone(), std::mem::take(&mut room.pending));
        self.post(home, letter);
    }

    /// At the home shard: inputs of members whose sockets are elsewhere.
    pub(super) fn take_inputs(&mut self, room: &RoomId, inputs: Vec<PendingInput>) {
        // A room that is gone had no members left who could wait for an answer.
        let Some(room_index) = self.rooms.find(room) else { return };
        let bound = self.shared.limits.room_pending_inputs;
        for input in inputs {
            let Some(room) = self.rooms.get_mut(room_index) else { return };
            if room.pending.len() < bound {
                room.pending.push(input);
            } else {
                self.refuse_input(&input, &busy());
            }
        }
        self.touch(room_index);
    }

    fn refuse_input(&mut self, input: &PendingInput, refused: &Refused) {
        self.metrics.inputs.at(InputOutcome::Busy).inc();
        let text = message::error(input.reply_to.id, &refused.code, &refused.message, None);
        let key = input.reply_to.connection;
        self.post_or_read(usize::from(key.shard), Mail::Frame(key, ws::text_frame(&text)));
    }
}

fn inputs_of(batch: Batch, purpose: Option<Purpose>) -> Vec<PendingInput> {
    let Some(Purpose::Inputs(replies)) = purpose else { return Vec::new() };
    let received_at = batch.received_at;
    let inputs = batch.calls.into_iter().zip(replies);
    inputs.map(|(call, reply_to)| PendingInput { call, reply_to, received_at }).collect()
}
