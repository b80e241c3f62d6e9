//! The engine's thread: takes batches from the queue, runs them, and does what must be done now and then.

mod documents;
mod lifetimes;
pub(super) mod messages;
mod outlet;
mod seats;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use godra_engine::SplitMix;

pub(super) use self::documents::DocumentWriter;
use self::messages::Messages;
use self::outlet::Outlet;
use super::StoreClock;
use super::absent::Absent;
use super::census::{self, Census};
use super::checkpoint::{Checkpointer, Contents, Member, Restored};
use super::numbered::LastRun;
use super::options::EmbeddedOptions;
use super::queue::{EngineCommand, QueueState};
use super::runner::{Invocation, ScriptRunner};
use super::ticks::Ticks;
use crate::metrics::{Counter, Metrics, RefusalReason, Row};
use crate::script::ScriptSet;
use crate::state::call::{STOPPING, first_seed, give_back};
use crate::state::documents::CallDocuments;
use crate::state::faults::FaultLog;
use crate::state::full::FullLog;
use crate::state::late::{self, Late, Next};
use crate::state::shares::{Shares, Slice, payer};
use crate::state::ticks::Tick;
use crate::state::{
    Batch, BatchDone, Call, CallError, CallResult, CallRun, Deliver, Delivery, ErrorSource, Membership,
    Missed, OnError, Position, RoomEvents,
};
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;

/// How long the thread sleeps when nothing comes.
const IDLE_WAIT: Duration = Duration::from_millis(500);
/// How much of a room's batch runs while other batches wait.
const SLICE: Duration = Duration::from_millis(8);
/// The same of those whose networks have had more than their share while others play.
const CROWDING_SLICE: Duration = Duration::from_millis(2);
/// Between the calls of a long batch, what must be done now and then is done this often.
const TIDY_INTERVAL: Duration = Duration::from_millis(20);
/// For how long what is queued still runs when the engine stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// How often it looks for expired keys, and at how many.
const EXPIRE_INTERVAL: Duration = Duration::from_millis(100);
const EXPIRE_KEYS: usize = 200;
/// How often it looks for counters of rooms that are gone.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);

pub(super) struct Worker {
    pub(super) runner: ScriptRunner,
    receiver: Receiver<EngineCommand>,
    shared: Arc<QueueState>,
    deliver: Outlet,
    scripts: Arc<ScriptSet>,
    room_ttl_s: u64,
    random: SplitMix,
    faults: FaultLog,
    full: FullLog,
    census: Census,
    metrics: Arc<Metrics>,
    refusals: Row<RefusalReason, Counter>,
    store_bytes: usize,
    checkpointer: Option<Checkpointer>,
    shares: Shares,
    late: Late<Box<Batch>>,
    absent: Absent,
    ticks: Ticks,
    pub(super) messages: Messages,
    /// None where scripts can have no documents.
    documents: Option<DocumentWriter>,
    clock: StoreClock,
    /// When nothing runs any more; none while the engine is not stopping.
    stop_at: Option<Instant>,
    tidied_at: Instant,
    expired_at: Instant,
    forgot_at: Instant,
}

impl Worker {
    pub(super) fn new(
        options: &EmbeddedOptions,
        receiver: Receiver<EngineCommand>,
        shared: Arc<QueueState>,
        deliver: Box<dyn Deliver>,
        metrics: Arc<Metrics>,
        clock: StoreClock,
    ) -> Self {
        let now = Instant::now();
        metrics.store_max_bytes.set(i64::try_from(options.store_bytes).unwrap_or(i64::MAX));
        Self {
            runner: ScriptRunner::new(options, metrics.clone()),
            receiver,
            shared,
            deliver: Outlet::new(deliver),
            scripts: Arc::default(),
            room_ttl_s: options.room_ttl_s,
            random: SplitMix(options.seed ^ 0x5851_f42d_4c95_7f2d),
            faults: FaultLog::default(),
            full: FullLog::default(),
            census: Census::default(),
            refusals: metrics.refusals(),
            metrics,
            store_bytes: options.store_bytes,
            checkpointer: None,
            shares: Shares::default(),
            late: Late::default(),
            absent: Absent::until(now + options.rejoin_grace),
            ticks: Ticks::default(),
            messages: Messages::new(now),
            documents: None,
            clock,
            stop_at: None,
            tidied_at: now,
            expired_at: now,
            forgot_at: now,
        }
    }

    /// Takes over what a state file held; gives who was connected then.
    pub(super) fn go_on_with(&mut self, restored: Restored) -> Vec<Member> {
        let Contents { keyspace, positions, members, inputs } = restored.contents;
        self.runner.replace_keyspace(keyspace);
        self.restore_messages();
        self.restore_documents();
        let mut event_log = self.runner.event_log();
        positions.into_iter().for_each(|place| event_log.restore(place));
        drop(event_log);
        let mut numbered = self.runner.numbered();
        inputs.into_iter().for_each(|(room, user_id, last)| numbered.restore(&room, user_id, last));
        drop(numbered);
        self.checkpointer = Some(restored.checkpointer);
        let used_bytes = self.count_memory();
        if used_bytes > self.store_bytes {
            log::warn!(
                "the state file holds more than the store may: what needs memory is refused until enough is deleted {}",
                self.fullness(used_bytes)
            );
        }
        members
    }

    /// Begins with those who were connected when the last process ended.
    pub(super) fn begin(&mut self, left: Vec<Member>) {
        self.look_for_scripts();
        self.absent.extend(left);
        self.take_out_absent(Instant::now());
    }

    pub(super) fn run(mut self, left: Vec<Member>) {
        self.begin(left);
        while self.stop_at.is_none() {
            self.look_for_scripts();
            let wait = self.idle_wait();
            match self.receiver.recv_timeout(wait) {
                Ok(EngineCommand::Batch(batch)) => self.receive(batch),
                Ok(EngineCommand::Install(install)) => self.install(&install.0, install.1),
                Ok(EngineCommand::LetGo(let_go)) => self.let_go(let_go.0, let_go.1),
                Ok(EngineCommand::Wake) => {}
                Err(RecvTimeoutError::Timeout) => self.serve_late(false),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.serve_late(true);
            self.serve_messages();
            self.serve_documents();
            self.tidy(Instant::now());
        }
        self.finish();
    }

    /// Runs what is in the queue, with all that is just being put there.
    pub(super) fn finish(&mut self) {
        while self.shared.submitting.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        while let Ok(message) = self.receiver.try_recv() {
            if let EngineCommand::Batch(batch) = message {
                self.process(*batch, Instant::now());
            }
        }
        while let Some(batch) = self.late.pop() {
            self.process(*batch, Instant::now());
        }
        self.keep_home();
        self.keep_timer_clock();
        let are_written = self.finish_documents();
        self.shared.lacks_changes.store(!are_written, Ordering::SeqCst);
        if let Some(checkpointer) = self.checkpointer.take() {
            let positions = self.runner.event_log().positions();
            let is_written = checkpointer.finish(&mut self.runner.keyspace().borrow_mut(), &positions);
            self.shared.lacks_changes.store(!is_written || !are_written, Ordering::SeqCst);
        }
    }

    /// As [`Checkpointer::write_now`]; without a state file nothing is to be written.
    #[cfg(test)]
    pub(super) fn write_now(&mut self) -> bool {
        let Some(checkpointer) = &mut self.checkpointer else { return true };
        checkpointer.write_now(&mut self.runner.keyspace().borrow_mut())
    }

    fn look_for_scripts(&mut self) {
        if self.shared.has_new_scripts.swap(false, Ordering::AcqRel) {
            self.take_scripts();
        }
    }

    fn take_scripts(&mut self) {
        let scripts = self.shared.new_scripts.lock().map(|mut slot| slot.take()).unwrap_or_default();
        if let Some(scripts) = scripts {
            self.runner.prepare(&scripts);
            self.scripts = scripts;
            self.keep_home();
        }
    }

    /// Runs a batch, unless others wait and it has had enough.
    pub(super) fn receive(&mut self, batch: Box<Batch>) {
        let now = Instant::now();
        let shares = &mut self.shares;
        let is_wanted = !self.receiver.is_empty() || is_crowding(shares, &batch, now);
        if !is_wanted || !has_had_enough(shares, &batch, now) {
            return self.process(*batch, now);
        }
        let user_id = batch.calls.iter().find_map(payer).cloned().unwrap_or_default();
        if let Err(batch) = self.late.put(user_id, batch, now) {
            self.refuse(*batch, &CallError::refusal(ErrorCode::Busy, late::REFUSAL));
        }
        self.count_late();
    }

    fn serve_late(&mut self, others_wait: bool) {
        if self.late.is_empty() {
            return;
        }
        let now = Instant::now();
        let others_wait = others_wait || self.is_late_at_rest(now);
        let shares = &mut self.shares;
        match self.late.next(now, others_wait, |batch| has_had_enough(shares, batch, now)) {
            Some(Next::Run(batch)) => {
                self.process(*batch, now);
                self.late.ran(now.elapsed() + self.shares.sending(), Instant::now());
            }
            Some(Next::Refuse(batch)) => {
                self.refuse(*batch, &CallError::refusal(ErrorCode::Busy, late::REFUSAL))
            }
            None => {}
        }
        self.count_late();
    }

    /// Whether nobody's time is theirs either who have waited longest: they have just had some, and others play.
    fn is_late_at_rest(&mut self, now: Instant) -> bool {
        let shares = &mut self.shares;
        self.late.rests(now) && self.late.first().is_some_and(|batch| is_crowding(shares, batch, now))
    }

    fn count_late(&self) {
        self.shared.late.store(self.late.len(), Ordering::Relaxed);
    }

    /// Ends a batch of which nothing runs.
    fn refuse(&mut self, batch: Batch, error: &CallError) {
        let results = batch.calls.iter().map(|_| CallResult::Err(error.clone())).collect();
        self.end(batch, results, Default::default(), Duration::ZERO);
    }

    fn process(&mut self, mut batch: Batch, began: Instant) {
        let Progress { mut results, runs, given_back, ticks, now, .. } = self.run_calls(&batch, began);
        if !given_back.is_empty() {
            give_back(std::mem::take(&mut batch.calls), &given_back, &mut results);
        }
        self.end(batch, results, (runs, ticks), now.duration_since(began));
    }

    /// Tells of a batch's end, and of its events.
    fn end(
        &mut self,
        batch: Batch,
        results: Vec<CallResult>,
        (runs, ticks): (Vec<Option<CallRun>>, Vec<(usize, Tick)>),
        took: Duration,
    ) {
        let mut events = self.deliver_events(&batch);
        let position = batch.room.as_ref().and_then(|room| self.position(room, &results));
        let missed = self.missed(&batch);
        if self.runner.event_log().release_held() {
            let behind = self.deliver_events(&batch);
            if let Some(earlier) = std::mem::replace(&mut events, behind) {
                self.deliver.deliver(batch.origin, Delivery::Events(earlier));
            }
        }
        let last_ran = self.last_ran(&batch);
        let done = BatchDone {
            room: batch.room,
            results,
            runs,
            events,
            position: position.unwrap_or_default(),
            missed,
            last_ran,
            ticks,
            tag: batch.tag,
            received_at: batch.received_at,
            took,
        };
        self.deliver.deliver(batch.origin, Delivery::Done(done));
        self.deliver.end_batch();
    }

    /// A room that nothing worked in may be one that does not exist, and shall not cost memory.
    fn position(&self, room: &RoomId, results: &[CallResult]) -> Option<Position> {
        let mut event_log = self.runner.event_log();
        let has_worked = results.iter().any(|result| matches!(result, CallResult::Ok(_)));
        if has_worked { Some(event_log.position(room)) } else { event_log.known_position(room) }
    }

    /// What those have missed who missed the most of all that are asked for and are not too late.
    fn missed(&self, batch: &Batch) -> Option<Missed> {
        let room = batch.room.as_ref().filter(|_| !batch.resumes.is_empty())?;
        let mut event_log = self.runner.event_log();
        let missed = batch.resumes.iter().filter_map(|since| event_log.missed(room, *since));
        missed.min_by_key(|missed| missed.after)
    }

    /// Whether all who have been there before get what they missed: nobody needs the room's state.
    fn resume_all(&mut self, batch: &Batch) -> bool {
        let is_told = |call: &&Call| is_let_in(call) || matches!(call.membership, Membership::Confirm(_));
        let told = batch.calls.iter().filter(is_told).count();
        let Some(room) = batch.room.as_ref().filter(|_| told > 0 && told == batch.resumes.len()) else {
            return false;
        };
        if let Some(events) = self.deliver_events(batch) {
            self.deliver.deliver(batch.origin, Delivery::Events(events));
        }
        let mut event_log = self.runner.event_log();
        batch.resumes.iter().all(|since| event_log.missed(room, *since).is_some())
    }

    /// For each call that lets its caller in, the caller's last numbered input that ran.
    fn last_ran(&self, batch: &Batch) -> Vec<u64> {
        let Some(room) = &batch.room else { return Vec::new() };
        let last = |call: &Call| self.runner.numbered().last(room, &call.caller.user_id);
        batch.calls.iter().filter(is_let_in).map(last).collect()
    }

    /// Sends the events that have gathered on their way, but for those that the end of the batch brings with it.
    fn deliver_events(&mut self, batch: &Batch) -> Option<Arc<RoomEvents>> {
        let Self { runner, deliver, .. } = self;
        let mut own_events: Option<Arc<RoomEvents>> = None;
        for events in runner.event_log().take() {
            let home = deliver.home(&events.room);
            if home != batch.origin || batch.room.as_ref() != Some(&events.room) {
                deliver.deliver(home, Delivery::Events(events));
            } else if let Some(earlier) = own_events.replace(events) {
                // The room's history was reset within the batch: what came before goes ahead.
                deliver.deliver(home, Delivery::Events(earlier));
            }
        }
        own_events
    }

    fn run_calls(&mut self, batch: &Batch, began: Instant) -> Progress {
        let position = batch.room.as_ref().and_then(|room| self.runner.event_log().known_position(room));
        let after_seq = position.map_or(0, |position| position.seq);
        let mut progress = Progress::new(
            batch.calls.len(),
            (began, (self.clock)()),
            first_seed(&mut self.random),
            after_seq,
        );
        self.runner.numbered().begin_batch();
        self.shares.reset_sending();
        let is_crowding = is_crowding(&mut self.shares, batch, began);
        let mut slice = match batch.gives_back() {
            true if messages::are_all(&batch.calls) => Slice::of(messages::TURN),
            true if is_crowding => Slice::of(CROWDING_SLICE),
            true => Slice::of(SLICE),
            false => Slice::whole(),
        };
        for (number, call) in batch.calls.iter().enumerate() {
            let is_last = number + 1 == batch.calls.len();
            let Progress { now, has_failed, has_worked, .. } = progress;
            let spent = now.duration_since(began) + self.shares.sending();
            if self.stop_at.is_some_and(|at| now >= at) {
                let error = CallError::refusal(ErrorCode::Unavailable, STOPPING);
                progress.push(CallResult::Err(error), None);
            } else if batch.on_error.skips(is_last, has_failed, has_worked)
                || is_last && batch.on_error == OnError::LastNeedsAnother && self.resume_all(batch)
            {
                progress.push(CallResult::Skipped, None);
            } else if is_put_off(call)
                || !slice.takes(call, spent, &mut self.shares, now, || {
                    let others_wait = is_crowding || !self.receiver.is_empty();
                    // When the engine stops, what is given back could not come again.
                    others_wait && !self.shared.is_stopping.load(Ordering::SeqCst)
                })
            {
                progress.give_back(number);
            } else {
                self.run_next(batch, call, &mut progress);
                self.between_calls(batch, &mut slice, &mut progress);
            }
        }
        self.settle_lifetimes(batch, progress.now_ms);
        progress
    }

    fn run_next(&mut self, batch: &Batch, call: &Call, progress: &mut Progress) {
        let Progress { now, now_ms, .. } = *progress;
        let room = batch.room.as_ref();
        if self.is_void(call, room, progress) {
            return progress.note(CallResult::Skipped, None, now);
        }
        if let Some(known) = self.known_answer(call, room) {
            return progress.note(known, None, now);
        }
        if call.script.has_documents()
            && let Some(refused) = self.lacks_documents(call)
        {
            let result = CallResult::Err(refused);
            self.note_numbered(call, room, now_ms, &result);
            return progress.note(result, None, now);
        }
        if call.message_id().is_some() && !self.take_message(room, progress.results.len()) {
            return progress.note(CallResult::Skipped, None, now);
        }
        let mut passed_ms = 0;
        if let (Some(interval_ms), Some(room)) = (call.tick_interval(), room) {
            let tick = self.ticks.tick(room, &call.script.name, interval_ms, now_ms);
            progress.ticks.push((progress.results.len(), tick));
            match tick.passed_ms {
                Some(passed) => passed_ms = passed,
                None => return progress.note(CallResult::Skipped, None, now),
            }
        }
        let run = progress.next_run();
        let invocation = Invocation { call, room, now_ms, now, seed: run.seed, passed_ms };
        let (result, ended_at) = self.run_call(invocation, &run);
        if call.documents.is_some() {
            self.note_saves(&call.script, run.place as usize, now_ms);
        }
        self.note_numbered(call, room, now_ms, &result);
        let sent_bytes = self.runner.event_log().call_bytes() as u64 * batch.audience as u64;
        self.shares.charge(call, ended_at.duration_since(now), sent_bytes, ended_at);
        self.note_membership(call, room, now_ms, &result);
        progress.note(result, Some(run), ended_at);
    }

    /// The answer of a numbered input that does not run.
    fn known_answer(&self, call: &Call, room: Option<&RoomId>) -> Option<CallResult> {
        let (Some(n), Some(room)) = (call.n, room) else { return None };
        self.runner.numbered().answer(room, &call.caller.user_id, n)
    }

    /// A call has ended: it counts if it is a numbered input, in the same checkpoint as what it has written.
    fn note_numbered(&mut self, call: &Call, room: Option<&RoomId>, now_ms: u64, result: &CallResult) {
        let mut numbered = self.runner.numbered();
        if numbered.take_reset()
            && let Some(checkpointer) = &mut self.checkpointer
        {
            checkpointer.forget_inputs();
        }
        let (Some(n), Some(room)) = (call.n, room) else { return };
        if numbered.note(room, &call.caller.user_id, n, result, now_ms)
            && let Some(checkpointer) = &mut self.checkpointer
        {
            let last = LastRun { n: n.get(), used_at_ms: now_ms };
            checkpointer.ran(room, &call.caller.user_id, Some(last));
        }
    }

    /// What cannot wait for the end of a long batch.
    fn between_calls(&mut self, batch: &Batch, slice: &mut Slice<'_>, progress: &mut Progress) {
        if self.runner.event_log().is_full() {
            slice.end();
            if let Some(events) = self.deliver_events(batch) {
                self.deliver.deliver(batch.origin, Delivery::Events(events));
            }
        }
        if progress.now.duration_since(self.tidied_at) >= TIDY_INTERVAL {
            self.tidy(progress.now);
            (progress.now, progress.now_ms) = (Instant::now(), (self.clock)());
        }
    }

    fn run_call(&mut self, invocation: Invocation<'_>, run: &CallRun) -> (CallResult, Instant) {
        let (runner, call) = (&mut self.runner, invocation.call);
        let result = catch_unwind(AssertUnwindSafe(|| runner.run(invocation)));
        let (result, ended_at) = result.unwrap_or_else(|_| (self.recover(invocation), Instant::now()));
        if let CallResult::Err(error) = &result {
            // Nobody waits for a message's answer, so that its refusals are for the log, too.
            let is_untold = call.message_id().is_some() && !error.is_store_full();
            if error.is_lobby_limit() {
                self.refusals.at(RefusalReason::LobbiesPerOwner).inc();
            }
            if error.is_fault() || is_untold {
                self.faults.report(call, invocation.room, Some(run), error, invocation.now);
            } else if error.is_store_full() {
                self.note_full(call, invocation.now);
            }
        }
        (result, ended_at)
    }

    fn note_full(&mut self, call: &Call, now: Instant) {
        self.metrics.store_full.inc();
        let used = self.fullness(self.count_memory());
        self.full.refused(Some(call), &used, now);
    }

    fn fullness(&self, used_bytes: usize) -> String {
        format!("used_bytes={used_bytes} max_bytes={}", self.store_bytes)
    }

    /// Counts what the store takes, for the bound and for whoever watches.
    fn count_memory(&self) -> usize {
        let document_bytes =
            self.runner.documents().memory_bytes() + self.shared.document_table_bytes.load(Ordering::Relaxed);
        let beside_bytes = self.runner.event_log().memory_bytes()
            + self.runner.numbered().memory_bytes()
            + self.runner.mail().memory_bytes()
            + document_bytes;
        let (entries, bytes) = self.runner.documents().outbox_size();
        self.metrics.document_outbox.set(entries as i64);
        self.metrics.document_outbox_bytes.set(bytes as i64);
        let mut keyspace = self.runner.keyspace().borrow_mut();
        keyspace.set_other_bytes(beside_bytes);
        let used_bytes = keyspace.used_bytes() + beside_bytes;
        self.metrics.store_bytes.set(i64::try_from(used_bytes).unwrap_or(i64::MAX));
        used_bytes
    }

    /// What can be told of the store's memory now and then.
    fn watch_memory(&mut self, now: Instant) {
        let used_bytes = self.count_memory();
        if used_bytes < self.store_bytes {
            let max_bytes = self.store_bytes;
            self.full.has_room(|| format!("used_bytes={used_bytes} max_bytes={max_bytes}"), now);
        }
    }

    fn idle_wait(&mut self) -> Duration {
        if !self.late.is_empty() {
            let now = Instant::now();
            return if self.is_late_at_rest(now) { self.late.wait(now) } else { Duration::ZERO };
        }
        let is_counting = self.census.is_under_way(&self.shared.surveys);
        let longest = self.messages_wait(if is_counting { census::REST } else { IDLE_WAIT });
        let longest = self.documents_wait(longest);
        let Some(checkpointer) = &self.checkpointer else { return longest };
        checkpointer.wait(Instant::now(), &self.runner.keyspace().borrow(), longest)
    }

    /// After a panic, which is a mistake of ours. It ends the call and not the process, as a player who had found how to cause it would
    /// end everybody's games again and again; and as all that a call changes is taken back: the keys by the undo log, events, messages,
    /// documents and numbered inputs by theirs, and Lua itself begins anew. Should taking it back fail, the process ends.
    fn recover(&mut self, invocation: Invocation<'_>) -> CallResult {
        log::error!("the engine broke, and Lua starts over script={}", invocation.call.script.full_name);
        self.runner.rebuild();
        self.runner.prepare(&self.scripts);
        let error = CallError::refusal(ErrorCode::ScriptError, "internal error");
        CallResult::Err(CallError { source: ErrorSource::Fault, ..error })
    }

    /// What must be done now and then, busy or not.
    fn tidy(&mut self, now: Instant) {
        self.tidied_at = now;
        if self.stop_at.is_none() && self.shared.is_stopping.load(Ordering::SeqCst) {
            self.stop_at = Some(now + FAREWELL);
        }
        if self.runner.keyspace().borrow().has_changes() {
            self.keep_timer_clock();
        }
        if let Some(checkpointer) = &mut self.checkpointer {
            checkpointer.tick(now, &mut self.runner.keyspace().borrow_mut());
        }
        self.census.step(&self.runner.keyspace().borrow(), &self.shared.surveys, now);
        if now.duration_since(self.expired_at) < EXPIRE_INTERVAL {
            return;
        }
        self.expired_at = now;
        self.watch_memory(now);
        self.metrics.messages_pending.set(self.runner.mail().len() as i64);
        self.metrics.messages_bytes.set(self.runner.mail().bytes() as i64);
        if self.stop_at.is_none() {
            self.take_out_absent(now);
        }
        let now_ms = (self.clock)();
        self.runner.keyspace().borrow_mut().expire_step(now_ms, EXPIRE_KEYS);
        if now.duration_since(self.forgot_at) >= FORGET_INTERVAL {
            self.forgot_at = now;
            self.forget_unused(now, now_ms);
        }
    }

    fn forget_unused(&mut self, now: Instant, now_ms: u64) {
        self.keep_home();
        self.shares.forget_idle(now);
        self.ticks.forget_unused(now_ms);
        let keyspace = self.runner.keyspace().borrow();
        let is_gone = |key: &str| match keyspace.get(key.as_bytes()) {
            None => true,
            Some((_, end)) => end.is_some_and(|end| end <= now_ms),
        };
        let is_gone = |room: &RoomId| is_gone(&format!("game:{room}"));
        self.runner.event_log().forget_unused(now_ms, is_gone);
        let checkpointer = &mut self.checkpointer;
        self.runner.numbered().forget_unused(now_ms, is_gone, |room, user_id| {
            if let Some(checkpointer) = checkpointer {
                checkpointer.ran(room, user_id, None);
            }
        });
    }
}

/// How far a batch has got.
struct Progress {
    results: Vec<CallResult>,
    /// What decided each.
    runs: Vec<Option<CallRun>>,
    /// Which calls are given back; they hold their places in `results`.
    given_back: Vec<usize>,
    has_failed: bool,
    has_worked: bool,
    /// Memberships that were taken up again, or could not be.
    rejoined: Vec<u32>,
    /// What came of each tick.
    ticks: Vec<(usize, Tick)>,
    first_seed: u64,
    /// The room's last event before the batch.
    after_seq: u64,
    now: Instant,
    now_ms: u64,
}

impl Progress {
    fn new(calls: usize, (now, now_ms): (Instant, u64), first_seed: u64, after_seq: u64) -> Self {
        Self {
            results: Vec::with_capacity(calls),
            runs: Vec::with_capacity(calls),
            given_back: Vec::new(),
            has_failed: false,
            has_worked: false,
            rejoined: Vec::new(),
            ticks: Vec::new(),
            first_seed,
            after_seq,
            now,
            now_ms,
        }
    }

    /// What decides the next call.
    fn next_run(&self) -> CallRun {
        let place = self.results.len() as u32;
        let seed = self.first_seed + u64::from(place);
        CallRun { seed, now_ms: self.now_ms, after_seq: self.after_seq, place }
    }

    fn note(&mut self, result: CallResult, run: Option<CallRun>, now: Instant) {
        self.has_failed |= matches!(result, CallResult::Err(_));
        self.has_worked |= matches!(result, CallResult::Ok(_));
        self.push(result, run);
        self.now = now;
    }

    fn give_back(&mut self, number: usize) {
        self.given_back.push(number);
        self.push(CallResult::Skipped, None);
    }

    fn push(&mut self, result: CallResult, run: Option<CallRun>) {
        self.results.push(result);
        self.runs.push(run);
    }
}

/// Whether a batch waits while others want the store: all its callers, or the networks that they come from, have had more than
/// their share. A room's batch runs whatever its users have had: it gives back what must wait.
fn has_had_enough(shares: &mut Shares, batch: &Batch, now: Instant) -> bool {
    !batch.gives_back() && shares.are_over(&batch.calls, now)
        || shares.are_of_networks_over(&batch.calls, now)
}

/// Whether a batch is of networks that have had more than their share, while others play: those may not want the store at this moment,
/// but the processor, for their event loop.
fn is_crowding(shares: &mut Shares, batch: &Batch, now: Instant) -> bool {
    shares.are_of_networks_over(&batch.calls, now) && shares.others_play(&batch.calls, now)
}

/// Whether a call has to wait for documents that are not in the store yet.
fn is_put_off(call: &Call) -> bool {
    matches!(call.documents.as_deref(), Some(CallDocuments::Later))
}

/// Whether the call is the one that stands for its caller among those who come in.
fn is_let_in(call: &&Call) -> bool {
    matches!(call.membership, Membership::Enter(_) | Membership::EnterUnlessRejoined(_))
}
