//! The engine's part in keeping the state file: when to make a checkpoint, and what to do with one that failed.
//!
//! Only one checkpoint is on its way at a time, and what changes meanwhile is only noted by name, so a slow or full disk costs
//! neither memory for values nor the engine's time. A checkpoint that failed gives its keys back to the notes: the next one
//! has their newest values, and is as consistent as any.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use super::changes::{Checkpoint, InputChanges, MemberChanges};
use super::writer::{Answer, WriterLink};
use crate::state::embedded::events::RoomPosition;
use crate::state::embedded::numbered::LastRun;
use crate::wire::ids::{Identity, RoomId};
use godra_engine::keyspace::Keyspace;

/// From one checkpoint to the next. A change is in the file after this, the rest of the write before and the write itself: together
/// less than a second.
const CUT_INTERVAL: Duration = Duration::from_millis(400);
/// How long to wait after a failed write.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How often to look whether a write that is late has ended.
const LATE_WAIT: Duration = Duration::from_millis(20);
/// How long the last checkpoint is tried for, when the process stops.
const LAST_CUT_PATIENCE: Duration = Duration::from_secs(8);

/// Keeps the store in its file.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    writer: WriterLink,
    stage: Stage,
    /// When the next checkpoint is due.
    cut_at: Instant,
    /// Comings and goings since the last checkpoint.
    members: MemberChanges,
    /// Numbered inputs that have run since the last checkpoint.
    inputs: InputChanges,
    /// For the next checkpoint's values.
    buffer: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is being written.
    Resting,
    /// A checkpoint is on its way.
    Writing,
    /// The writer's thread has ended: nothing is written any more.
    Lost,
}

impl Checkpointer {
    /// Keeps what changes from now on.
    pub(crate) fn new(writer: WriterLink, now: Instant) -> Self {
        Self {
            writer,
            stage: Stage::Resting,
            cut_at: now,
            members: MemberChanges::new(),
            inputs: InputChanges::default(),
            buffer: Vec::new(),
        }
    }

    /// Somebody is in a room from now on.
    pub(crate) fn entered(&mut self, room: &RoomId, identity: &Arc<Identity>) {
        self.members.insert((room.clone(), identity.user_id.clone()), Some(identity.clone()));
    }

    /// Somebody is in a room no more.
    pub(crate) fn left(&mut self, room: &RoomId, identity: &Identity) {
        self.members.insert((room.clone(), identity.user_id.clone()), None);
    }

    /// A user's numbered inputs in a room have run up to this one; none if they are forgotten.
    pub(crate) fn ran(&mut self, room: &RoomId, user_id: &SmolStr, last: Option<LastRun>) {
        self.inputs.last.insert((room.clone(), user_id.clone()), last);
    }

    /// All numbered inputs are forgotten.
    pub(crate) fn forget_inputs(&mut self) {
        self.inputs = InputChanges { cleared: true, ..InputChanges::default() };
    }

    /// Between two batches: sends a checkpoint on its way if one is due.
    pub(crate) fn tick(&mut self, now: Instant, keyspace: &mut Keyspace) {
        if self.stage == Stage::Writing {
            match self.writer.answers.try_recv() {
                Ok(answer) => self.take_answer(answer, now, keyspace),
                Err(error) if error.is_disconnected() => self.lose_writer(),
                Err(_) => {}
            }
        }
        if self.stage == Stage::Resting && now >= self.cut_at && self.has_changes(keyspace) {
            let checkpoint = self.checkpoint(keyspace);
            self.send(checkpoint, now);
        }
    }

    /// How long the engine may sleep, if nothing comes and it would sleep for `longest`.
    pub(crate) fn wait(&self, now: Instant, keyspace: &Keyspace, longest: Duration) -> Duration {
        if self.stage == Stage::Lost || !self.has_changes(keyspace) {
            return longest;
        }
        let due = self.cut_at.saturating_duration_since(now);
        let shortest = if self.stage == Stage::Writing { LATE_WAIT } else { Duration::ZERO };
        due.max(shortest).min(longest)
    }

    /// Writes all that is left, with the rooms' places, and closes the file. Returns whether all is written.
    pub(crate) fn finish(mut self, keyspace: &mut Keyspace, positions: &[RoomPosition]) -> bool {
        let deadline = Instant::now() + LAST_CUT_PATIENCE;
        if self.stage == Stage::Writing {
            self.await_answer(deadline, keyspace);
        }
        loop {
            if self.stage != Stage::Resting {
                log::error!("the state file lacks the last changes: writing it does not end");
                return false;
            }
            let mut checkpoint = self.checkpoint(keyspace);
            checkpoint.positions = positions.to_vec();
            self.send(checkpoint, Instant::now());
            if self.await_answer(deadline, keyspace) {
                break;
            }
            if Instant::now() >= deadline {
                log::error!("the state file lacks the last changes: it cannot be written");
                return false;
            }
            thread::sleep(LATE_WAIT);
        }
        drop(self.writer.checkpoints);
        if self.writer.thread.join().is_err() {
            log::error!("the state file's thread has panicked");
        }
        true
    }

    /// Writes what has changed at once, and then nothing until this is called again. Returns whether it is written.
    #[cfg(test)]
    pub(crate) fn write_now(&mut self, keyspace: &mut Keyspace) -> bool {
        const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
        let deadline = Instant::now() + LAST_CUT_PATIENCE;
        if self.stage == Stage::Writing && !self.await_answer(deadline, keyspace) {
            return false;
        }
        let is_written = !self.has_changes(keyspace) || {
            let checkpoint = self.checkpoint(keyspace);
            self.send(checkpoint, Instant::now());
            self.await_answer(deadline, keyspace)
        };
        self.cut_at = Instant::now() + NEVER;
        is_written
    }

    fn has_changes(&self, keyspace: &Keyspace) -> bool {
        keyspace.has_changes() || !self.members.is_empty() || !self.inputs.is_empty()
    }

    fn checkpoint(&mut self, keyspace: &mut Keyspace) -> Checkpoint {
        let (members, inputs) = (std::mem::take(&mut self.members), std::mem::take(&mut self.inputs));
        Checkpoint::take(keyspace, members, inputs, std::mem::take(&mut self.buffer))
    }

    fn send(&mut self, checkpoint: Checkpoint, now: Instant) {
        self.cut_at = now + CUT_INTERVAL;
        self.stage = Stage::Writing;
        if self.writer.checkpoints.try_send(checkpoint).is_err() {
            self.lose_writer();
        }
    }

    /// Whether the checkpoint is written.
    fn await_answer(&mut self, deadline: Instant, keyspace: &mut Keyspace) -> bool {
        let Ok(answer) = self.writer.answers.recv_deadline(deadline) else { return false };
        let is_written = matches!(answer, Answer::Written(_));
        self.take_answer(answer, Instant::now(), keyspace);
        is_written
    }

    fn take_answer(&mut self, answer: Answer, now: Instant, keyspace: &mut Keyspace) {
        self.stage = Stage::Resting;
        match answer {
            Answer::Written(buffer) => self.buffer = buffer,
            Answer::Failed(changes, members, inputs) => {
                self.cut_at = now + RETRY_AFTER;
                keyspace.return_changes(changes);
                for (who, entered) in members {
                    self.members.entry(who).or_insert(entered);
                }
                self.inputs.put_under(inputs);
            }
        }
    }

    fn lose_writer(&mut self) {
        self.stage = Stage::Lost;
        log::error!("the state file's thread has ended: nothing is kept from now on; restart the server");
    }
}
