//! The engine's thread: takes batches from the queue, runs them, and does what must be done now and then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use godra_engine::SplitMix;

use super::engine::{EmbeddedOptions, Message, Shared};
use super::persist::{Contents, Keeper, Member, Restored};
use super::runner::{Invocation, ScriptRunner};
use crate::metrics::Metrics;
use crate::script::ScriptSet;
use crate::state::faults::FaultLog;
use crate::state::guest_book::{GUESTS, is_guest, rooms_key};
use crate::state::{
    Batch, BatchDone, Call, CallError, CallResult, Deliver, Delivery, Membership, RoomEvents,
};
use crate::wire::ids::RoomId;

/// How long the thread sleeps when nothing comes.
const IDLE_WAIT: Duration = Duration::from_millis(500);
/// How often it looks for expired keys, and at how many.
const EXPIRE_INTERVAL: Duration = Duration::from_millis(100);
const EXPIRE_KEYS: usize = 200;
/// How often it looks for counters of rooms that are gone.
const FORGET_INTERVAL: Duration = Duration::from_secs(60);

/// The thread's state.
pub(super) struct Worker {
    runner: ScriptRunner,
    receiver: Receiver<Message>,
    shared: Arc<Shared>,
    deliver: Box<dyn Deliver>,
    scripts: Arc<ScriptSet>,
    random: SplitMix,
    faults: FaultLog,
    keeper: Option<Keeper>,
    expired_at: Instant,
    forgot_at: Instant,
}

impl Worker {
    pub(super) fn new(
        options: &EmbeddedOptions,
        receiver: Receiver<Message>,
        shared: Arc<Shared>,
        deliver: Box<dyn Deliver>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let now = Instant::now();
        let (time, memory) = (options.time_budget, options.memory_budget);
        Self {
            runner: ScriptRunner::new(options.seed, time, memory, options.room_ttl_s, metrics),
            receiver,
            shared,
            deliver,
            scripts: Arc::default(),
            random: SplitMix(options.seed ^ 0x5851_f42d_4c95_7f2d),
            faults: FaultLog::default(),
            keeper: None,
            expired_at: now,
            forgot_at: now,
        }
    }

    /// Takes over what a state file held; gives who was connected then.
    pub(super) fn go_on_with(&mut self, restored: Restored) -> Vec<Member> {
        let Contents { keyspace, positions, members } = restored.contents;
        self.runner.keyspace().replace(keyspace);
        let mut outbox = self.runner.outbox();
        positions.into_iter().for_each(|place| outbox.restore(place));
        drop(outbox);
        self.keeper = Some(restored.keeper);
        members
    }

    pub(super) fn run(mut self, left: Vec<Member>) {
        self.look_for_scripts();
        self.take_out(left);
        loop {
            self.look_for_scripts();
            match self.receiver.recv_timeout(self.idle_wait()) {
                Ok(Message::Batch(batch)) => self.process(*batch),
                Ok(Message::Wake) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.shared.is_stopping.load(Ordering::SeqCst) {
                self.finish();
                break;
            }
            self.tidy();
        }
    }

    /// Runs what is in the queue, with all that is just being put there.
    fn finish(&mut self) {
        while self.shared.submitting.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        while let Ok(message) = self.receiver.try_recv() {
            if let Message::Batch(batch) = message {
                self.process(*batch);
            }
        }
        if let Some(keeper) = self.keeper.take() {
            keeper.finish(&mut self.runner.keyspace().borrow_mut(), &self.runner.outbox().positions());
        }
    }

    /// Ends the memberships of those who were connected when the last process ended without a word.
    fn take_out(&mut self, left: Vec<Member>) {
        let on_disconnect = self.scripts.get("on_disconnect").cloned();
        for member in left {
            if let Some(script) = &on_disconnect {
                let batch = member.leave(script);
                self.run_calls(&batch, wall_clock_ms());
                // Nobody is there who could be told.
                self.runner.outbox().take().for_each(drop);
            } else if let Some(keeper) = &mut self.keeper {
                keeper.left(&member.room, &member.identity);
            }
        }
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
        }
    }

    fn process(&mut self, batch: Batch) {
        let began = Instant::now();
        let now_ms = wall_clock_ms();
        let results = self.run_calls(&batch, now_ms);
        let mut own_events: Option<RoomEvents> = None;
        let Self { runner, deliver, .. } = self;
        let mut outbox = runner.outbox();
        for events in outbox.take() {
            let home = deliver.home(&events.room);
            if home != batch.origin || batch.room.as_ref() != Some(&events.room) {
                deliver.deliver(home, Delivery::Events(events));
            } else if let Some(earlier) = own_events.replace(events) {
                // The room's history was reset within the batch: what came before goes ahead.
                deliver.deliver(home, Delivery::Events(earlier));
            }
        }
        // A room that nothing worked in may be one that does not exist, and shall not cost memory.
        let has_worked = results.iter().any(|result| matches!(result, CallResult::Ok(_)));
        let position = batch.room.as_ref().and_then(|room| match has_worked {
            true => Some(outbox.position(room)),
            false => outbox.known_position(room),
        });
        drop(outbox);
        deliver.deliver(
            batch.origin,
            Delivery::Done(BatchDone {
                room: batch.room,
                results,
                events: own_events,
                position: position.unwrap_or_default(),
                tag: batch.tag,
                received_at: batch.received_at,
                took: began.elapsed(),
            }),
        );
    }

    fn run_calls(&mut self, batch: &Batch, now_ms: u64) -> Vec<CallResult> {
        let mut results = Vec::with_capacity(batch.calls.len());
        let (mut has_failed, mut has_worked) = (false, false);
        let mut now = Instant::now();
        for (number, call) in batch.calls.iter().enumerate() {
            let is_last = number + 1 == batch.calls.len();
            if batch.on_error.skips(is_last, has_failed, has_worked) {
                results.push(CallResult::Skipped);
                continue;
            }
            let seed = self.random.next_u64();
            let room = batch.room.as_ref();
            let result;
            (result, now) = self.run_call(Invocation { call, room, now_ms, now, seed });
            self.note_membership(call, room, now_ms, &result);
            has_failed |= matches!(result, CallResult::Err(_));
            has_worked |= matches!(result, CallResult::Ok(_));
            results.push(result);
        }
        results
    }

    fn run_call(&mut self, invocation: Invocation<'_>) -> (CallResult, Instant) {
        let runner = &mut self.runner;
        let result = catch_unwind(AssertUnwindSafe(|| runner.run(invocation)));
        let (result, ended_at) = result.unwrap_or_else(|_| (self.recover(invocation), Instant::now()));
        if let CallResult::Err(error) = &result
            && error.is_fault
        {
            self.faults.report(invocation.call, invocation.room, error, invocation.now);
        }
        (result, ended_at)
    }

    fn note_membership(&mut self, call: &Call, room: Option<&RoomId>, now_ms: u64, result: &CallResult) {
        let Some(room) = room else { return };
        if call.membership != Membership::Unchanged && is_guest(&call.caller.user_id) {
            self.book_guest(call, room, now_ms, result);
        }
        self.note_for_restart(call, room, result);
    }

    /// The book of guests: this one has come or left. One that is in a room needs no entry, as its membership ends with its
    /// socket; but if it has one, that is renewed.
    fn book_guest(&mut self, call: &Call, room: &RoomId, now_ms: u64, result: &CallResult) {
        let id = call.caller.user_id.as_bytes();
        let now = now_ms.to_string();
        match call.membership {
            Membership::Enter(_) if matches!(result, CallResult::Ok(_)) => {
                self.execute(&[b"ZADD", GUESTS.as_bytes(), b"XX", now.as_bytes(), id], now_ms);
            }
            Membership::Leave(_) | Membership::LeaveOf(_) => {
                let (key, name) = (rooms_key(&call.caller.user_id), call.caller.username.as_bytes());
                self.execute(
                    &[b"HSET", key.as_bytes(), b"", name, room.as_str().as_bytes(), b"left"],
                    now_ms,
                );
                self.execute(&[b"ZADD", GUESTS.as_bytes(), now.as_bytes(), id], now_ms);
            }
            _ => {}
        }
    }

    /// A command of the server's own. A script may have put something else at the key: then there is no book.
    fn execute(&mut self, arguments: &[&[u8]], now_ms: u64) {
        self.runner.execute(arguments, now_ms);
    }

    /// Who has to be taken out of a room if the process ends without a word. Without the hook for that it costs nothing.
    fn note_for_restart(&mut self, call: &Call, room: &RoomId, result: &CallResult) {
        let Some(keeper) = &mut self.keeper else { return };
        match call.membership {
            // Who confirms a membership is in already.
            Membership::Unchanged | Membership::Confirm(_) => {}
            Membership::Enter(_) => {
                if matches!(result, CallResult::Ok(_)) && self.scripts.get("on_disconnect").is_some() {
                    keeper.entered(room, &call.caller);
                }
            }
            Membership::Leave(_) | Membership::LeaveOf(_) => keeper.left(room, &call.caller),
        }
    }

    fn idle_wait(&self) -> Duration {
        let Some(keeper) = &self.keeper else { return IDLE_WAIT };
        keeper.wait(Instant::now(), &self.runner.keyspace().borrow(), IDLE_WAIT)
    }

    /// After a panic, which is a mistake of ours.
    fn recover(&mut self, invocation: Invocation<'_>) -> CallResult {
        log::error!("the engine broke, and Lua starts over script={}", invocation.call.script.name);
        self.runner.rebuild();
        self.runner.prepare(&self.scripts);
        CallResult::Err(CallError {
            code: "script_error".into(),
            message: "internal error".into(),
            details: None,
            is_fault: true,
        })
    }

    /// What must be done now and then, busy or not.
    fn tidy(&mut self) {
        let now = Instant::now();
        if let Some(keeper) = &mut self.keeper {
            keeper.tick(now, &mut self.runner.keyspace().borrow_mut());
        }
        if now.duration_since(self.expired_at) < EXPIRE_INTERVAL {
            return;
        }
        self.expired_at = now;
        let now_ms = wall_clock_ms();
        self.runner.keyspace().borrow_mut().expire_step(now_ms, EXPIRE_KEYS);
        if now.duration_since(self.forgot_at) >= FORGET_INTERVAL {
            self.forgot_at = now;
            let keyspace = self.runner.keyspace().borrow();
            let is_gone = |key: &str| match keyspace.get(key.as_bytes()) {
                None => true,
                Some((_, end)) => end.is_some_and(|end| end <= now_ms),
            };
            self.runner.outbox().forget_unused(now_ms, |room| is_gone(&format!("game:{room}")));
        }
    }
}

fn wall_clock_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
