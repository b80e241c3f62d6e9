//! A room's whole life as one machine: who is in it, who is coming, what waits, what has been gathered, its rhythm.
//!
//! Calls and the time go in, [`RoomAction`]s come out: no socket here, no clock, no thread, no shard. So a test can run a room with
//! hostile members on a clock of its own. One flow stands in one file, top to bottom:
//!
//! - [`joining`](self): how somebody comes in (`joining.rs`), and how a member goes (`leaving.rs`)
//! - how an input waits for its turn (`inputs.rs`, [`waiting`]), and what a batch's end brings (`results.rs`)
//! - when scripts run that have an interval (`ticks.rs`)
//! - how events are gathered and go out ([`stream`], `flushing.rs`, [`flush`]), and how members that missed some are brought
//!   up to date (`snapshots.rs`)
//!
//! Whoever owns a room tells it what happens, and calls [`Room::settle`] at the end of the round, when all that came in the
//! round has gathered. The room has at most one batch of inputs with the engine; joins and snapshots go beside it.
//!
//! To add something that a room does: a method in the file of its flow, an [`RoomAction`] if something outside must follow, and a
//! test in `tests/`.

pub(crate) mod action;
pub(crate) mod allowance;
mod cost;
pub(crate) mod flush;
mod flushing;
mod inputs;
mod join;
mod joining;
mod leaving;
mod members;
mod missed;
mod results;
pub(crate) mod rhythm;
mod snapshots;
mod stream;
mod submitted;
mod ticks;
mod waiting;

use std::time::Instant;

pub(crate) use self::action::BatchNumber;
pub(crate) use self::action::{Admission, CaughtUp, RoomAction, Submission, Why};
use self::cost::Cost;
pub(crate) use self::join::Join;
use self::members::Members;
use self::rhythm::Rhythm;
use self::snapshots::Snapshots;
use self::stream::Stream;
use self::submitted::Submitted;
use self::ticks::Ticks;
use self::waiting::Waiting;
pub(crate) use self::waiting::{QueuedInput, Reply};
use crate::script::{NO_HOOK, Script, ScriptSet};
use crate::wire::ids::RoomId;

/// Tells one membership of a user from an earlier one of the same user in the same room.
pub(crate) type MembershipId = u32;

#[derive(Debug)]
pub(crate) struct Room {
    id: RoomId,
    rhythm: Rhythm,
    members: Members,
    /// Who wants to come in and has not been passed to the engine yet.
    joins: Vec<Join>,
    waiting: Waiting,
    submitted: Submitted,
    stream: Stream,
    snapshots: Snapshots,
    cost: Cost,
    ticks: Ticks,
    /// Whether what waits goes to the engine as soon as it can, whatever the rhythm says.
    is_urgent: bool,
}

/// What a room may know of the moment in which it is called.
#[derive(Clone, Copy)]
pub(crate) struct Round<'a> {
    /// Milliseconds of a monotonic clock.
    pub now_ms: u64,
    /// The same moment, for the latency of what comes in now.
    pub began: Instant,
    pub scripts: &'a ScriptSet,
    /// What rooms are held to.
    pub bounds: &'a Bounds,
}

/// What a room is held to. Each says what happens at it.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    /// Calls in one batch; the rest waits for the next.
    pub batch_calls: usize,
    /// Bytes of the arguments in one batch, but for a single call; the rest waits for the next.
    pub batch_bytes: usize,
    /// How long a batch should keep the engine, judged by the last ones; the rest waits for the next.
    pub batch_time_us: u64,
    /// Bytes of the inputs that wait; beyond it, `busy` to whoever has some waiting already.
    pub waiting_bytes: usize,
    /// How long the seat of a member is kept whose connection was lost, in milliseconds.
    pub rejoin_grace_ms: u64,
}

impl Room {
    /// An empty room. `spread` is any number that differs between rooms (a hash of the id).
    pub(crate) fn new(id: RoomId, sync_interval_ms: u64, spread: u64) -> Self {
        Self {
            id,
            rhythm: Rhythm::new(sync_interval_ms, spread),
            members: Members::default(),
            joins: Vec::new(),
            waiting: Waiting::default(),
            submitted: Submitted::default(),
            stream: Stream::default(),
            snapshots: Snapshots::default(),
            cost: Cost::default(),
            ticks: Ticks::default(),
            is_urgent: false,
        }
    }

    /// Whether nothing is left of it, so that it may be forgotten.
    pub(crate) fn is_over(&self) -> bool {
        self.members.is_empty()
            && self.joins.is_empty()
            && self.waiting.is_empty()
            && self.submitted.is_empty()
    }

    /// Whether this user is a member.
    pub(crate) fn has_member(&self, user_id: &str) -> bool {
        self.members.get(user_id).is_some()
    }

    /// The sockets of the members, but for those on their way to another event loop.
    pub(crate) fn connections(&self) -> impl Iterator<Item = crate::state::ConnectionKey> {
        self.members.connections()
    }

    /// How many members it has.
    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// The end of a round: submits and flushes what may go out now. Who joins comes first, as what the room is like for them
    /// is as of now; events that have gathered go out with those of the batch, if there is one.
    pub(crate) fn settle(&mut self, round: Round<'_>, actions: &mut Vec<RoomAction>) {
        self.end_absences(round);
        self.follow_ticks(round);
        self.submit_joins(round, actions);
        self.request_snapshots(round, actions);
        let has_ticks = self.ticks.are_due(round.now_ms);
        let is_open = self.rhythm.is_open(round.now_ms) && (has_ticks || !self.ticks.are_near(round.now_ms));
        let has_submitted = (is_open || self.is_urgent || has_ticks) && self.submit_inputs(round, actions);
        let has_flushed = is_open && !has_submitted && self.flush(actions);
        if has_submitted && has_ticks {
            // What waits has gone with them.
            actions.push(RoomAction::WakeAt(self.rhythm.goes_out(round.now_ms)));
        } else if has_submitted || has_flushed {
            self.arm(round, actions);
        }
    }

    /// The time that an [`RoomAction::WakeAt`] has named has come.
    pub(crate) fn time(&mut self, round: Round<'_>, actions: &mut Vec<RoomAction>) {
        self.end_absences(round);
        let is_idle = self.waiting.is_empty()
            && !self.stream.has_gathered()
            && self.snapshots.is_empty()
            && !self.ticks.are_due(round.now_ms);
        if !is_idle || !self.rhythm.rest(round.now_ms) {
            self.settle(round, actions);
        }
    }

    /// Something goes out: what follows waits for the next tick.
    fn arm(&mut self, round: Round<'_>, actions: &mut Vec<RoomAction>) {
        if let Some(next_ms) = self.rhythm.went_out(round.now_ms) {
            actions.push(RoomAction::WakeAt(next_ms));
        }
    }
}

/// The game's hook, or what stands in for it.
fn hook(scripts: &ScriptSet, name: &str) -> std::sync::Arc<Script> {
    scripts.get(name).unwrap_or(&NO_HOOK).clone()
}

#[cfg(test)]
mod tests;
