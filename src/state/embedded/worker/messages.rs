//! Runs messages that are due. They share the thread with what the shards send: while that waits, messages run for a short turn,
//! and not again before others have had as long.

use std::time::{Duration, Instant};

use godra_engine::keyspace::Value;

use super::Worker;
use crate::metrics::MessageOutcome;
use crate::state::documents::CallDocuments;
use crate::state::embedded::mail::{Address, Body, CLOCK_KEY, Place, address, key};
use crate::state::mail::{UNKNOWN_FOR_MS, UNKNOWN_LOOK};
use crate::state::{Batch, Call, CallResult, Delivery, Message};
use crate::wire::ids::RoomId;

/// How long messages run while others wait.
pub(super) const TURN: Duration = Duration::from_millis(1);
/// How long they run before the thread looks for what else there is to do.
const LONG_TURN: Duration = Duration::from_millis(8);
/// How many messages of one receiver run in a row, and how much they may say together, but for the first.
const MOST_AT_ONCE: usize = 100;
const MOST_BYTES_AT_ONCE: usize = 256 << 10;
/// How soon it is looked again whether documents are there that a message works on.
const DOCUMENTS_WAIT: Duration = Duration::from_millis(20);

/// Whose turn it is.
#[derive(Debug)]
pub(in crate::state::embedded) struct Messages {
    /// While others wait, none runs before this.
    turn_at: Instant,
    /// Those of the running batch, in its order.
    running: Vec<Place>,
}

impl Messages {
    pub(super) fn new(now: Instant) -> Self {
        Self { turn_at: now, running: Vec::new() }
    }

    /// Whether some may run.
    pub(in crate::state::embedded) fn may_begin(
        &self,
        now: Instant,
        others_wait: impl FnOnce() -> bool,
    ) -> bool {
        now >= self.turn_at || !others_wait()
    }

    /// Whether more may run, after so long.
    pub(in crate::state::embedded) fn may_go_on(took: Duration, others_wait: impl FnOnce() -> bool) -> bool {
        took < TURN || took < LONG_TURN && !others_wait()
    }

    /// They have had their turn.
    pub(in crate::state::embedded) fn end(&mut self, began: Instant, now: Instant) {
        self.turn_at = now + now.duration_since(began);
    }
}

/// Why a message cannot run.
enum Lost {
    /// There is no script of this name that is for messages; the message was due then.
    Script(String, u64),
    /// A script has removed its key, which is the server's.
    Body,
}

/// What is due of a receiver, and can run.
struct Due {
    calls: Vec<Call>,
    /// How many were dropped, as their scripts have not come.
    gone: usize,
    /// If the next one waits for its script or its documents, and those behind it, too: how soon it is looked at again.
    held: Option<Duration>,
}

/// Whether a batch is one of messages.
pub(super) fn are_all(calls: &[Call]) -> bool {
    calls.first().is_some_and(|call| call.message_id().is_some())
}

impl Worker {
    /// Finds the messages that the state file held.
    pub(in crate::state::embedded) fn restore_messages(&mut self) {
        let unread = self.runner.mail().restore(&self.runner.keyspace().borrow());
        if !unread.is_empty() {
            log::error!(
                "the state file holds messages that cannot be read, and are dropped count={}",
                unread.len()
            );
        }
        let now_ms = (self.clock)();
        unread.iter().for_each(|key| self.runner.execute(&[b"DEL", key], now_ms));
    }

    /// How long it is until a message is due, and `longest` at most.
    pub(super) fn messages_wait(&self, longest: Duration) -> Duration {
        let mut mail = self.runner.mail();
        if mail.is_idle() {
            mail.rest();
            return longest;
        }
        let now_ms = mail.read_clock((self.clock)());
        let wait = mail.wait(Instant::now(), now_ms);
        wait.map_or(longest, |wait| wait.min(longest))
    }

    /// Has the state file keep the time that timers have come to, with whatever else it is to keep.
    pub(super) fn keep_timer_clock(&mut self) {
        if self.checkpointer.is_none() {
            return;
        }
        let kept_ms = self.runner.mail().clock_to_keep();
        if let Some(kept_ms) = kept_ms {
            self.runner.execute(&[b"SET", CLOCK_KEY, kept_ms.to_string().as_bytes()], (self.clock)());
        }
    }

    /// Runs what is due, for a while.
    pub(super) fn serve_messages(&mut self) {
        if self.runner.mail().is_idle() || self.stop_at.is_some() {
            return;
        }
        let began = Instant::now();
        if !self.messages.may_begin(began, || self.others_wait()) {
            return;
        }
        let mut now = began;
        while self.run_messages_of_one(now).is_some() {
            now = Instant::now();
            if !Messages::may_go_on(now.duration_since(began), || self.others_wait()) {
                break;
            }
        }
        self.messages.end(began, now);
    }

    fn others_wait(&self) -> bool {
        !self.receiver.is_empty() || !self.late.is_empty()
    }

    /// Runs some that one receiver has due: says whose, and how many, with those that have no script any more. The time is the
    /// agenda's, which need not be the machine's.
    pub(in crate::state::embedded) fn run_messages_of_one(
        &mut self,
        now: Instant,
    ) -> Option<(Address, usize)> {
        let now_ms = self.runner.mail().read_clock((self.clock)());
        let to = self.runner.mail().next_receiver(now, now_ms)?;
        let room = RoomId::parse(&to);
        let Due { calls, gone: mut count, held } = self.due_calls(&to, room.as_ref(), now, now_ms);
        // What is given back has its turn before the one that is held.
        let held = held.filter(|_| calls.is_empty());
        if !calls.is_empty() {
            count += self.run_due(Batch { may_give_back: true, ..Batch::new(room, calls, 0) });
        }
        match held {
            Some(wait) => self.runner.mail().hold(to.clone(), now + wait),
            None => self.runner.mail().ran(to.clone(), count, now),
        }
        Some((to, count))
    }

    /// Gives how many have run.
    fn run_due(&mut self, mut batch: Batch) -> usize {
        batch.origin = batch.room.as_ref().map_or(0, |room| self.deliver.home(room));
        let results = self.run_calls(&batch, Instant::now()).results;
        let mut count = 0;
        for result in results {
            match result {
                CallResult::Ok(_) => self.metrics.messages.at(MessageOutcome::Run).inc(),
                CallResult::Err(_) => self.metrics.messages.at(MessageOutcome::Failed).inc(),
                CallResult::Skipped | CallResult::NotRun(_) => continue,
            };
            count += 1;
        }
        if let Some(events) = self.deliver_events(&batch) {
            self.deliver.deliver(batch.origin, Delivery::Events(events));
        }
        self.deliver.end_batch();
        count
    }

    /// What a receiver has due, as calls.
    fn due_calls(&mut self, to: &Address, room: Option<&RoomId>, now: Instant, now_ms: u64) -> Due {
        let most = self.runner.mail().left_in_round(to, now).min(MOST_AT_ONCE);
        let due: Vec<Place> = self.runner.mail().due(to, now_ms).take(most).collect();
        self.messages.running.clear();
        let (mut calls, mut gone, mut held, mut bytes) = (Vec::with_capacity(due.len()), 0, None, 0);
        for place in due {
            if bytes >= MOST_BYTES_AT_ONCE {
                break;
            }
            match self.read_message(to, place) {
                Ok(mut call) => {
                    if !self.settle_documents(&mut call, room) {
                        held = Some(DOCUMENTS_WAIT);
                        break;
                    }
                    if let Some(CallDocuments::Refused(refused)) = call.documents.as_deref() {
                        gone += 1;
                        self.faults.report(&call, room, None, refused, now);
                        self.drop_message(to, place);
                        self.metrics.messages.at(MessageOutcome::Failed).inc();
                        continue;
                    }
                    bytes += call.arguments.bytes();
                    calls.push(call);
                    self.messages.running.push(place);
                }
                Err(Lost::Script(_, due_ms)) if now_ms < due_ms.saturating_add(UNKNOWN_FOR_MS) => {
                    held = Some(UNKNOWN_LOOK);
                    break;
                }
                Err(Lost::Script(name, _)) => {
                    gone += 1;
                    self.drop_message(to, place);
                    self.metrics.messages.at(MessageOutcome::Failed).inc();
                    self.faults.report_gone(&name, room, now);
                }
                Err(Lost::Body) => drop(self.drop_message(to, place)),
            }
        }
        Due { calls, gone, held }
    }

    /// The call that a message is.
    fn read_message(&self, to: &Address, place: Place) -> Result<Call, Lost> {
        let keyspace = self.runner.keyspace().borrow();
        let body = match keyspace.get(&key(to, place.id)) {
            Some((Value::String(bytes), _)) => Body::decode(bytes),
            _ => None,
        };
        let body = body.ok_or(Lost::Body)?;
        let script = self.scripts.get_for_messages(body.script);
        let script = script.ok_or_else(|| Lost::Script(body.script.to_owned(), body.due_ms))?;
        Ok(Call::message(script.clone(), Message { id: place.id, payload: body.payload.into() }))
    }

    /// Takes the message at that place of the running batch from the store. False if it is not there any more.
    pub(super) fn take_message(&mut self, room: Option<&RoomId>, index: usize) -> bool {
        let place = self.messages.running[index];
        self.drop_message(&address(room), place)
    }

    fn drop_message(&mut self, to: &Address, place: Place) -> bool {
        let is_pending = self.runner.mail().take(to, place);
        if is_pending {
            self.runner.execute(&[b"DEL", &key(to, place.id)], (self.clock)());
        }
        is_pending
    }
}
