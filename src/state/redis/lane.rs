//! What the threads of one address share: its queue, its state, and how results leave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::address::Address;
use super::flight::SentBatch;
use crate::metrics::Metrics;
use crate::script::ScriptSet;
use crate::state::faults::FaultLog;
use crate::state::{Batch, BatchDone, CallError, CallResult, Deliver, Delivery, Position, ShardId};
use crate::wire::ids::RoomId;

/// One address, as all threads see it.
pub struct Lane {
    /// Where.
    pub address: Address,
    /// This process's name among those that share the store: 16 hexadecimal digits.
    pub node: String,
    /// Whether the store can be worked with.
    pub is_up: AtomicBool,
    /// No new batches.
    pub is_stopping: AtomicBool,
    /// Calls of `submit` that may still put a batch into the queue.
    pub submitting: AtomicUsize,
    /// Rooms whose wish to be watched has changed, in order.
    pub wishes: Mutex<Vec<(RoomId, bool)>>,
    /// The set to make programs of from now on.
    pub new_scripts: Mutex<Option<Arc<ScriptSet>>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Takes results to the shards.
    pub outlet: Arc<Mutex<Outlet>>,
    /// How many shards there are.
    pub shards: usize,
    /// How long a room is kept after its last member left, in seconds.
    pub room_ttl_s: u64,
}

/// The way out of the engine.
pub struct Outlet {
    /// The shards' mailboxes.
    pub deliver: Box<dyn Deliver>,
    /// What the log has been told of broken scripts.
    pub faults: FaultLog,
}

/// A batch's outcome, told to its origin without the calls that it had.
pub struct Outcome {
    /// How long the store worked on it.
    pub took: Duration,
    /// One a call.
    pub results: Vec<CallResult>,
    /// The room's place afterwards.
    pub position: Position,
    /// Its own events.
    pub events: Option<crate::state::RoomEvents>,
}

impl Lane {
    /// Takes deliveries out. The lock orders them: what a thread delivers is together.
    pub fn outlet(&self) -> MutexGuard<'_, Outlet> {
        self.outlet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends something to a room's home shard.
    pub fn deliver_home(&self, room: &RoomId, delivery: Delivery) {
        let mut outlet = self.outlet();
        let home = outlet.deliver.home(room);
        outlet.deliver.deliver(home, delivery);
    }

    /// Sends something to every shard.
    pub fn deliver_everywhere(&self, delivery: impl Fn() -> Delivery) {
        let mut outlet = self.outlet();
        for shard in 0..self.shards as ShardId {
            outlet.deliver.deliver(shard, delivery());
        }
    }

    /// Tells a batch's origin how it ended.
    pub fn finish(&self, batch: Batch, outcome: Outcome) {
        let Outcome { took, results, position, events } = outcome;
        let mut outlet = self.outlet();
        self.note_results(&mut outlet, &batch, &results);
        let mut own_events = events;
        if let Some(events) = own_events.take() {
            let home = outlet.deliver.home(&events.room);
            if home == batch.origin {
                own_events = Some(events);
            } else {
                outlet.deliver.deliver(home, Delivery::Events(events));
            }
        }
        let done = BatchDone {
            room: batch.room,
            results,
            events: own_events,
            position,
            tag: batch.tag,
            received_at: batch.received_at,
            took,
        };
        outlet.deliver.deliver(batch.origin, Delivery::Done(done));
    }

    fn note_results(&self, outlet: &mut Outlet, batch: &Batch, results: &[CallResult]) {
        let mut by_script: HashMap<&str, (u64, u64, u64)> = HashMap::new();
        for (call, result) in batch.calls.iter().zip(results) {
            let counts = by_script.entry(&call.script.name).or_default();
            counts.0 += u64::from(!matches!(result, CallResult::Skipped));
            if let CallResult::Err(error) = result
                && error.is_fault
            {
                counts.1 += 1;
                counts.2 += u64::from(&*error.code == "script_timeout");
                outlet.faults.report(call, batch.room.as_ref(), error, Instant::now());
            }
        }
        for (name, (runs, errors, timeouts)) in by_script {
            let metrics = self.metrics.script(name);
            metrics.runs.inc_by(runs);
            metrics.errors.inc_by(errors);
            metrics.timeouts.inc_by(timeouts);
        }
    }

    /// Ends a batch whose answer says nothing of its calls, all with the same error.
    pub fn fail(&self, batch: Batch, code: &str, message: &str) {
        let error = CallError {
            code: code.into(),
            message: message.into(),
            details: None,
            is_fault: matches!(code, "script_error" | "script_timeout"),
        };
        let results = batch.calls.iter().map(|_| CallResult::Err(error.clone())).collect();
        self.finish(
            batch,
            Outcome { took: Duration::ZERO, results, position: Position::default(), events: None },
        );
    }

    /// Ends a batch that was sent and whose answer will never come.
    pub fn fail_lost(&self, sent: SentBatch) {
        self.metrics.redis_lost_calls.inc_by(sent.batch.calls.len() as u64);
        let message = "the connection to the store was lost: outcome unknown, this may have run or not";
        self.fail(sent.batch, "unavailable", message);
    }

    /// Ends a batch that was not sent.
    pub fn fail_unsent(&self, batch: Batch) {
        self.fail(batch, "unavailable", "the store is not available; this did not run");
    }

    /// Whether the store can be worked with, as `/ready` tells.
    pub fn is_ready(&self) -> bool {
        self.is_up.load(Ordering::Acquire) && !self.is_stopping.load(Ordering::SeqCst)
    }

    /// What rooms are wished to be watched, or no longer, since the last call.
    pub fn take_wishes(&self) -> Vec<(RoomId, bool)> {
        std::mem::take(&mut *self.wishes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
