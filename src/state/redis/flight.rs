//! What has been sent to a store and not been answered: in the order of sending, which is the order of the answers.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::program::Program;
use crate::state::Batch;

/// What an answer is for.
#[derive(Debug)]
pub enum Sent {
    /// A batch of calls.
    Batch(Box<SentBatch>),
    /// `SCRIPT LOAD` of the program of that SHA-1.
    Load(Arc<Program>),
    /// A command of the node's own upkeep.
    Upkeep(Upkeep),
}

/// A batch with what is needed to read its answer, or to run it again where the store had lost the program.
#[derive(Debug)]
pub struct SentBatch {
    /// The calls.
    pub batch: Batch,
    /// What they run in.
    pub program: Arc<Program>,
    /// Whether this is the second try, after `NOSCRIPT`.
    pub is_retry: bool,
}

/// Commands by which a node says that it lives, and looks after those that do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// The answer is of no interest, unless it is an error.
    Note,
    /// Renews the lease; the answer says whether others have taken this node for dead.
    Lease,
    /// Lists members that dead nodes have left behind.
    FindOrphans,
}

/// The queue of what is under way on one connection.
#[derive(Debug, Default)]
pub struct Flight {
    queue: Mutex<VecDeque<(Sent, Instant)>>,
    landed: Condvar,
    /// When the answer before the last one came.
    answered_at: Mutex<Option<Instant>>,
}

impl Flight {
    /// Notes what is about to be sent, at a time.
    pub fn push(&self, sent: Sent, now: Instant) {
        self.lock().push_back((sent, now));
    }

    /// What the answer that has come is for, and when it was sent.
    pub fn pop(&self) -> Option<(Sent, Instant)> {
        let popped = self.lock().pop_front();
        self.landed.notify_one();
        popped
    }

    /// How long the store has worked on what was sent at that time and is answered now: it works on one thing at a time,
    /// and answers in order.
    pub fn work_time(&self, sent_at: Instant) -> Duration {
        let now = Instant::now();
        let before = self.answered_at.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        now.duration_since(before.map_or(sent_at, |before| before.max(sent_at)))
    }

    /// How much is under way.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Since when the oldest waits for its answer.
    pub fn oldest(&self) -> Option<Instant> {
        self.lock().front().map(|(_, sent_at)| *sent_at)
    }

    /// Waits until less than `bound` is under way, or for so long.
    pub fn wait_below(&self, bound: usize, patience: Duration) {
        let queue = self.lock();
        // Whoever calls looks again.
        drop(self.landed.wait_timeout_while(queue, patience, |queue| queue.len() >= bound));
    }

    /// Takes everything out: its answers will not come.
    pub fn take_all(&self) -> Vec<Sent> {
        self.lock().drain(..).map(|(sent, _)| sent).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Sent, Instant)>> {
        // Nothing that is done under the lock leaves the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
