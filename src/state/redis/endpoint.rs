//! What the threads of one address share: its queue, its state, and how results leave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::SendError;

use super::address::Address as StoreAddress;
use super::documents::{Outboxes, Waiting, Waits};
use super::in_flight::SentBatch;
use super::ledger::{Held, Ledger};
use super::mail::{DROP, Pending};
use super::names::Names;
use super::peers::Peers;
use super::tls::TlsFiles;
use super::transport::At;
use crate::document::Address;
use crate::metrics::{Counter, MessageOutcome, Metrics, RefusalReason, Row};
use crate::script::ScriptSet;
use crate::state::call::{STOPPING, give_back};
use crate::state::documents::{Claim, DocumentLink, Notice};
use crate::state::faults::FaultLog;
use crate::state::full::FullLog;
use crate::state::survey::SurveyDesk;
use crate::state::ticks::Tick;
use crate::state::{
    Batch, BatchDone, Call, CallError, CallResult, CallRun, Deliver, Delivery, ErrorSource, HistoryBounds,
    Missed, Position, RoomEvents, ShardId,
};
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;

/// One address, as all threads see it.
pub(super) struct Endpoint {
    pub address: StoreAddress,
    pub tls: TlsFiles,
    pub names: Names,
    /// This process's name among those that share the store: 16 hexadecimal digits.
    pub node: String,
    /// Whether the store can be worked with.
    pub is_up: AtomicBool,
    pub is_stopping: AtomicBool,
    /// Calls of `submit` that may still put a batch into the queue.
    pub submitting: AtomicUsize,
    /// Rooms whose wish to be watched has changed, in order.
    pub wishes: Mutex<Vec<(RoomId, bool)>>,
    /// The set to make programs of from now on.
    pub new_scripts: Mutex<Option<Arc<ScriptSet>>>,
    pub metrics: Arc<Metrics>,
    /// Takes results to the shards.
    pub outlet: Arc<Mutex<Outlet>>,
    /// What calls have cost.
    pub ledger: Mutex<Ledger>,
    /// Batches that wait because their callers have had more than their share.
    pub late: AtomicUsize,
    /// How many shards there are.
    pub shards: usize,
    /// How long a room is kept after its last member left, in seconds.
    pub room_ttl_s: u64,
    /// What scripts are told about how many lobbies one user may own; 0 is no limit.
    pub lobbies_per_owner: u32,
    pub rejoin_grace: Duration,
    pub history: HistoryBounds,
    /// Which of the stores it is, from 0.
    pub index: usize,
    pub peers: Arc<Peers>,
    /// Of all stores.
    pub surveys: Arc<SurveyDesk>,
    /// None where scripts can have no documents.
    pub documents: Option<DocumentLink>,
    /// The store's id as a home of documents, as it was told last, and when.
    pub claim: Mutex<Option<Claim>>,
    /// Whether something waits in the outlet until what calls have saved is written.
    pub waits: AtomicBool,
}

/// The way out of the engine.
pub(super) struct Outlet {
    pub deliver: Box<dyn Deliver>,
    pub refusals: Row<RefusalReason, Counter>,
    /// What the log has been told of broken scripts.
    pub faults: FaultLog,
    /// And of stores that are full, by their addresses.
    pub full: HashMap<String, FullLog>,
    /// And how many messages wait in them.
    pub pending: Pending,
    /// And what this node knows of their documents on the way to the database.
    pub outboxes: Outboxes,
    /// And what waits until they are there.
    pub waiting: Waiting,
}

/// A batch's outcome, told to its origin without the calls that it had.
pub(super) struct Outcome {
    /// How long the store worked on it.
    pub took: Duration,
    /// One a call.
    pub results: Vec<CallResult>,
    /// What decided each; empty if nobody knows.
    pub runs: Vec<Option<CallRun>>,
    /// Which of them the store had no time for.
    pub not_run: Vec<usize>,
    /// The room's place afterwards.
    pub position: Position,
    /// For each call that lets its caller in: the caller's last numbered input that ran.
    pub last_ran: Vec<u64>,
    pub events: Option<Arc<RoomEvents>>,
    /// What came of each tick, by the call's place.
    pub ticks: Vec<(usize, Tick)>,
    /// The room's events up to `position`, for who has missed some.
    pub missed: Option<Missed>,
    /// What is to be written before anybody gets to know.
    pub waits: Option<Waits>,
}

impl Outcome {
    /// Of calls that the store has not worked on, as far as is known.
    pub(super) fn of(results: Vec<CallResult>) -> Self {
        let position = Position::default();
        let (runs, not_run, last_ran) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            took: Duration::ZERO,
            results,
            runs,
            not_run,
            position,
            last_ran,
            events: None,
            ticks: Vec::new(),
            missed: None,
            waits: None,
        }
    }
}

impl Endpoint {
    /// Where it is.
    pub(super) fn at(&self) -> At<'_> {
        At { address: &self.address, tls: &self.tls }
    }

    /// Takes deliveries out. The lock orders them: what a thread delivers is together.
    pub(super) fn outlet(&self) -> MutexGuard<'_, Outlet> {
        self.outlet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends something to a room's home shard.
    pub(super) fn deliver_home(&self, room: &RoomId, delivery: Delivery) {
        let mut outlet = self.outlet();
        let home = outlet.deliver.home(room);
        outlet.pass(self.index, home, delivery);
    }

    /// Sends something to every shard.
    pub(super) fn deliver_everywhere(&self, delivery: impl Fn() -> Delivery) {
        let mut outlet = self.outlet();
        for shard in 0..self.shards as ShardId {
            outlet.deliver.deliver(shard, delivery());
        }
    }

    /// Looks into what calls have cost.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A figure more or less does no harm.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a batch's origin how it ended; `held` was not sent.
    pub(super) fn finish(&self, mut batch: Batch, held: Held, outcome: Outcome) {
        let Outcome { took, mut results, runs, not_run, position, last_ran, events, ticks, missed, waits } =
            outcome;
        let mut outlet = self.outlet();
        self.note_results(&mut outlet, &batch, &results, &runs);
        if !not_run.is_empty() {
            give_back(std::mem::take(&mut batch.calls), &not_run, &mut results);
        }
        let places: Vec<usize> = held.iter().map(|(place, _)| *place).collect();
        let ticks = ticks.into_iter().map(|(place, tick)| (place_among(place, &places), tick)).collect();
        if let Some(mut waits) = waits {
            waits.calls.iter_mut().for_each(|(place, _)| *place = place_among(*place, &places));
            self.begin_durable(&mut outlet, &waits);
        }
        let runs = if runs.is_empty() {
            runs
        } else {
            with_inserted(runs, places.into_iter().map(|place| (place, None)))
        };
        let not_sent = held.into_iter().map(|(place, call)| (place, CallResult::NotRun(Box::new(call))));
        let mut results = with_inserted(results, not_sent);
        if self.is_stopping.load(Ordering::SeqCst) {
            refuse_given_back(&mut results);
        }
        let mut own_events = events;
        if let Some(events) = own_events.take() {
            let home = outlet.deliver.home(&events.room);
            if home == batch.origin {
                own_events = Some(events);
            } else {
                outlet.pass(self.index, home, Delivery::Events(events));
            }
        }
        let done = BatchDone {
            room: batch.room,
            results,
            runs,
            events: own_events,
            position,
            missed,
            last_ran,
            ticks,
            tag: batch.tag,
            received_at: batch.received_at,
            took,
        };
        outlet.pass(self.index, batch.origin, Delivery::Done(done));
        self.end_durable(&mut outlet);
    }

    fn note_results(
        &self,
        outlet: &mut Outlet,
        batch: &Batch,
        results: &[CallResult],
        runs: &[Option<CallRun>],
    ) {
        let mut by_script: HashMap<&str, (u64, u64, u64)> = HashMap::new();
        for (place, (call, result)) in batch.calls.iter().zip(results).enumerate() {
            let counts = by_script.entry(&call.script.full_name).or_default();
            counts.0 += u64::from(!matches!(result, CallResult::Skipped));
            let run = runs.get(place).and_then(Option::as_ref);
            if call.message_id().is_some() && run.is_some() {
                self.note_message(outlet, call, batch.room.as_ref(), run, result);
            }
            if let CallResult::Err(error) = result
                && error.is_lobby_limit()
            {
                outlet.refusals.at(RefusalReason::LobbiesPerOwner).inc();
            }
            if let CallResult::Err(error) = result
                && error.is_fault()
            {
                counts.1 += 1;
                counts.2 += u64::from(error.code == ErrorCode::ScriptTimeout);
                outlet.faults.report(call, batch.room.as_ref(), run, error, Instant::now());
            } else if let CallResult::Err(error) = result
                && error.is_store_full()
            {
                self.metrics.store_full.inc();
                let address = self.address.to_string();
                let store = format!("address={address}");
                outlet.full.entry(address).or_default().refused(Some(call), &store, Instant::now());
            }
        }
        for (name, (runs, errors, timeouts)) in by_script {
            let metrics = self.metrics.script(name);
            metrics.runs.inc_by(runs);
            metrics.errors.inc_by(errors);
            metrics.timeouts.inc_by(timeouts);
        }
    }

    /// A message has run. Nobody else gets to know that its script refused it.
    fn note_message(
        &self,
        outlet: &mut Outlet,
        call: &Call,
        room: Option<&RoomId>,
        run: Option<&CallRun>,
        result: &CallResult,
    ) {
        let has_failed = matches!(result, CallResult::Err(_)) || Arc::ptr_eq(&call.script, &DROP);
        let outcome = if has_failed { MessageOutcome::Failed } else { MessageOutcome::Run };
        self.metrics.messages.at(outcome).inc();
        if let CallResult::Err(error) = result
            && !error.is_fault()
        {
            outlet.faults.report(call, room, run, error, Instant::now());
        }
    }

    /// How many messages are pending in the store.
    pub(super) fn note_pending(&self, pending: u64) {
        let all = self.outlet().pending.note(&self.address.to_string(), pending);
        self.metrics.messages_pending.set(i64::try_from(all).unwrap_or(i64::MAX));
    }

    /// Ends a batch whose answer says nothing of its calls, all with the same error.
    pub(super) fn fail(&self, batch: Batch, held: Held, code: ErrorCode, message: &str) {
        let is_fault = matches!(code, ErrorCode::ScriptError | ErrorCode::ScriptTimeout);
        let source = if is_fault { ErrorSource::Fault } else { ErrorSource::Server };
        let error = CallError { source, ..CallError::refusal(code, message) };
        let results = batch.calls.iter().map(|_| CallResult::Err(error.clone())).collect();
        self.finish(batch, held, Outcome::of(results));
    }

    /// Ends a batch that was sent and whose answer will never come.
    pub(super) fn fail_lost(&self, sent: SentBatch) {
        self.metrics.redis_lost_calls.inc_by(sent.batch.calls.len() as u64);
        let results = sent.batch.calls.iter().map(|_| CallResult::Err(CallError::lost())).collect();
        self.finish(sent.batch, sent.held, Outcome::of(results));
    }

    /// Ends a batch that was not sent.
    pub(super) fn fail_unsent(&self, batch: Batch, held: Held) {
        let message = match self.is_stopping.load(Ordering::SeqCst) {
            true => STOPPING,
            false => "the store is not available; this did not run",
        };
        self.fail(batch, held, ErrorCode::Unavailable, message);
    }

    /// Ends a batch of which the store has run nothing, as it is full.
    pub(super) fn fail_full(&self, batch: Batch, held: Held) {
        let results = batch.calls.iter().map(|_| CallResult::Err(CallError::store_full())).collect();
        self.finish(batch, held, Outcome::of(results));
    }

    /// The store takes what needs memory.
    pub(super) fn has_room(&self) {
        let address = self.address.to_string();
        if let Some(full) = self.outlet().full.get_mut(&address) {
            full.has_room(|| format!("address={address}"), Instant::now());
        }
    }

    /// As whose home documents are fetched now.
    pub(super) fn claim(&self) -> Option<Claim> {
        self.claim.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many entries wait for the database of documents, and what they have saved in bytes.
    pub(super) fn note_outbox(&self, entries: u64, bytes: u64) {
        let (entries, bytes) = self.outlet().outboxes.note(self.index, entries, bytes);
        self.metrics.document_outbox.set(i64::try_from(entries).unwrap_or(i64::MAX));
        self.metrics.document_outbox_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// A batch has not run, as documents are not there: it comes again with them.
    pub(super) fn give_back_cold(&self, batch: Batch, held: Held, addresses: Vec<Address>) {
        let Some(link) = &self.documents else { return self.fail_unsent(batch, held) };
        let calls = with_inserted(batch.calls, held.into_iter());
        let batch = Batch { calls, ..batch };
        let sent = link.notices.send(Notice::Cold(self.index, Box::new(batch), addresses));
        // The gate ends before the engine does.
        if let Err(SendError(Notice::Cold(_, batch, _))) = sent {
            self.fail_unsent(*batch, Held::new());
        }
    }

    /// Whether the store can be worked with, as `/ready` tells.
    pub(super) fn is_ready(&self) -> bool {
        self.is_up.load(Ordering::Acquire) && !self.is_stopping.load(Ordering::SeqCst)
    }

    /// What rooms are wished to be watched, or no longer, since the last call.
    pub(super) fn take_wishes(&self) -> Vec<(RoomId, bool)> {
        std::mem::take(&mut *self.wishes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// When the engine stops, what is given back could not come again.
fn refuse_given_back(results: &mut [CallResult]) {
    for result in results.iter_mut().filter(|result| matches!(result, CallResult::NotRun(_))) {
        *result = CallResult::Err(CallError::refusal(ErrorCode::Unavailable, STOPPING));
    }
}

/// What there is for the calls that were sent, and in its place what there is for those that were not.
fn with_inserted<T>(sent: Vec<T>, not_sent: impl ExactSizeIterator<Item = (usize, T)>) -> Vec<T> {
    if not_sent.len() == 0 {
        return sent;
    }
    let mut all = Vec::with_capacity(sent.len() + not_sent.len());
    let mut sent = sent.into_iter();
    for (place, other) in not_sent {
        all.extend(sent.by_ref().take(place - all.len()));
        all.push(other);
    }
    all.extend(sent);
    all
}

/// Which place a call has among all that had this one among those that were sent.
fn place_among(sent: usize, not_sent: &[usize]) -> usize {
    not_sent.iter().fold(sent, |place, other| place + usize::from(*other <= place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_comes_in_its_place() {
        let check = |sent: usize, places: &[usize], expected: &str| {
            let all = with_inserted(vec!['+'; sent], places.iter().map(|place| (*place, '-')));
            for (sent, (place, _)) in expected.match_indices('+').enumerate() {
                assert_eq!(place_among(sent, places), place, "{expected}");
            }
            assert_eq!(all.into_iter().collect::<String>(), expected);
        };
        check(3, &[], "+++");
        check(3, &[0, 2, 5], "-+-++-");
        check(0, &[0, 1], "--");
        check(2, &[2, 3], "++--");
    }
}
