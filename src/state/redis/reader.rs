//! The thread that reads one connection: answers in the order of what was sent, and pushes between them.

use std::io::{BufReader, Read};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use redis::{Parser, PushKind, Value};

use super::decode::{Answer, Asked, Took, read_answer, read_bundle};
use super::documents;
use super::endpoint::{Endpoint, Outcome};
use super::in_flight::{InFlight, Sent, SentBatch, Upkeep};
use super::mail::Stopped;
use super::notice::{Notice, read_notice};
use super::order::Order;
use super::writer::WriterCommand;
use crate::document::Address;
use crate::state::guest_book::SCRIPT_PREFIX;
use crate::state::prints;
use crate::state::{Batch, CallResult, Delivery, Membership, Position};
use crate::threads;
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;

/// In the error of a call whose script was stopped by `SCRIPT KILL`.
const KILLED: &str = "Script killed by user";
/// In the error of a batch whose own part, behind the scripts, was denied a command, a key or a channel: by Redis 7.0, and by Valkey
/// and later ones, which do not all say `NOPERM`.
const DENIED_IN_SCRIPT: [&str; 2] = ["The user executing the script can't ", "ACL failure in script: "];
/// How often a batch goes to a store that says it does not know its program, which went ahead of it: scripts may be flushed
/// again and again, but then it is the program that the store does not take.
const MAX_TRIES: u8 = 5;

/// Why a batch fails whose answer is nothing of ours.
const NO_SENSE: &str = "the store's answer makes no sense: outcome unknown";

/// What a reader found that the writer must act on.
#[derive(Debug)]
pub(super) enum Finding {
    /// The store does not have the program of this batch: it has not run.
    NoScript(Box<SentBatch>),
    /// The user may not do what a batch needs: it has not run, or has changed nothing.
    NoRight,
    /// The answer to a command of the node's upkeep.
    Upkeep(Upkeep, Value),
    /// Messages are due in so long.
    DueIn(Duration),
    /// A batch with messages was stopped, and has taken none.
    Stopped(Stopped),
    /// A batch has saved documents, and waits until they are written.
    Saved,
    /// A batch of messages has not run, as these documents are not in the store.
    Cold(Box<Batch>, Vec<Address>),
}

/// Reads until the connection ends.
pub(super) struct Reader {
    pub endpoint: Arc<Endpoint>,
    /// What answers are for.
    pub in_flight: Arc<InFlight>,
    /// Where findings go; unbounded, as there are no more of them than was sent.
    pub findings: Sender<Finding>,
    /// Where the writer is woken for those that do not wait.
    pub queue: Sender<WriterCommand>,
    /// Whether pushes come between the answers: then a batch's events are taken from its answer, and their copy is passed
    /// over.
    pub has_pushes: bool,
    /// Shared by the readers of two connections.
    pub order: Arc<Order>,
    /// Set when the connection has ended, to why.
    pub end: Arc<OnceLock<String>>,
}

impl Reader {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(self, stream: Box<dyn Read + Send>) -> std::io::Result<JoinHandle<()>> {
        threads::passing("redis-read").spawn(move || {
            let why = self.run(stream);
            log::debug!("the connection to a store has ended address={} reason={why}", self.endpoint.address);
            // The other reader of two may have seen it first.
            let _ = self.end.set(why);
        })
    }

    fn run(&self, stream: Box<dyn Read + Send>) -> String {
        let mut input = BufReader::with_capacity(64 * 1024, stream);
        let mut parser = Parser::new();
        loop {
            match parser.parse_value(&mut input) {
                Ok(value) => {
                    if let Err(why) = self.read(value) {
                        return why;
                    }
                }
                Err(error) if error.is_connection_dropped() => return "it was closed".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }

    fn read(&self, value: Value) -> Result<(), String> {
        match value {
            Value::Push { kind: PushKind::Subscribe | PushKind::Unsubscribe, .. } => {
                let is_next = self.in_flight.pop_subscription();
                if is_next { Ok(()) } else { Err("word of a subscription out of turn".to_owned()) }
            }
            Value::Push { kind, data } => {
                self.pushed(&kind, data);
                Ok(())
            }
            value => self.answered(value),
        }
    }

    fn answered(&self, value: Value) -> Result<(), String> {
        let value = match value {
            // Before RESP3, what is published looks like an answer.
            Value::Array(parts) if !self.has_pushes && is_message(&parts) => {
                self.pushed_old(parts);
                return Ok(());
            }
            value => value,
        };
        let Some((sent, sent_at)) = self.in_flight.pop() else {
            return Err("an answer to nothing".to_owned());
        };
        match sent {
            Sent::Batch(sent) => return self.batch_answered(*sent, value, sent_at),
            Sent::Bundle(all) => return self.bundle_answered(all, value, sent_at),
            Sent::Load(program) => {
                if let Value::ServerError(error) = value {
                    let details = program.mend_lines(error.details().unwrap_or_default());
                    log::error!("the store does not take a program error=\"{} {details}\"", error.code());
                }
            }
            Sent::Subscription => {
                if let Value::ServerError(error) = &value {
                    return Err(format!(
                        "it refuses a subscription: {} {}",
                        error.code(),
                        error.details().unwrap_or_default()
                    ));
                }
                self.note_unsubscribed(&value);
            }
            Sent::Upkeep(upkeep) => {
                if let Value::ServerError(error) = &value {
                    let (code, details) = (error.code(), error.details().unwrap_or_default());
                    log::warn!("the store refuses a command of the server's own error=\"{code} {details}\"");
                    return Err(format!("{code} {details}"));
                }
                if upkeep == Upkeep::DocumentsWritten {
                    self.endpoint.hear_written(value);
                } else if upkeep == Upkeep::DocumentRooms {
                    self.endpoint.hear_rooms(value);
                } else if matches!(
                    upkeep,
                    Upkeep::Look
                        | Upkeep::Payloads
                        | Upkeep::Send(_)
                        | Upkeep::Receive(_)
                        | Upkeep::DocumentHome
                        | Upkeep::Documents
                        | Upkeep::DocumentOutbox
                ) {
                    self.find_now(Finding::Upkeep(upkeep, value));
                } else if upkeep != Upkeep::Note {
                    let _ = self.findings.send(Finding::Upkeep(upkeep, value));
                }
            }
        }
        Ok(())
    }

    /// A finding that the writer is to act on at once. If its queue is full, it is awake anyway.
    fn find_now(&self, finding: Finding) {
        let _ = self.findings.send(finding);
        let _ = self.queue.try_send(WriterCommand::Wake);
    }

    fn note_unsubscribed(&self, value: &Value) {
        if let Value::Array(parts) = value
            && let [Value::BulkString(kind), Value::BulkString(channel), _] = &parts[..]
            && kind == b"unsubscribe"
            && let Some(room) = self.endpoint.names.room_of(channel)
        {
            self.order.forget(&room);
        }
    }

    fn batch_answered(&self, sent: SentBatch, value: Value, sent_at: Instant) -> Result<(), String> {
        self.endpoint.metrics.redis_call_time.observe(sent_at.elapsed());
        if let Some(addresses) = documents::read_cold(&value) {
            match documents::are_messages(&sent.batch) {
                true => self.find_now(Finding::Cold(Box::new(sent.batch), addresses)),
                false => self.endpoint.give_back_cold(sent.batch, sent.held, addresses),
            }
            return Ok(());
        }
        if let Value::ServerError(error) = &value {
            return self.batch_refused(sent, error, sent_at);
        }
        self.in_flight.note_answer();
        self.batch_done(sent, value)
    }

    /// Each room's answer is its own. Those that have none have not run, and are still due.
    fn bundle_answered(&self, all: Vec<SentBatch>, value: Value, sent_at: Instant) -> Result<(), String> {
        self.endpoint.metrics.redis_call_time.observe(sent_at.elapsed());
        if let Value::ServerError(error) = &value {
            return self.bundle_refused(all, error);
        }
        self.in_flight.note_answer();
        let Some((due_in, answers)) = read_bundle(value) else {
            all.into_iter().for_each(|sent| self.fail_shared(sent, NO_SENSE));
            return Err("an answer that makes no sense".to_owned());
        };
        if let Some(due_in) = due_in {
            self.find_now(Finding::DueIn(due_in));
        }
        // One that makes no sense does not take the others with it.
        let done = all.into_iter().zip(answers).map(|(sent, answer)| self.batch_done(sent, answer));
        done.collect::<Vec<_>>().into_iter().collect()
    }

    /// A bundle has not run, or not to its end. Unless it comes again as it is, its rooms run alone for a while: then what one of them
    /// is to blame for is its own.
    fn bundle_refused(&self, all: Vec<SentBatch>, error: &redis::ServerError) -> Result<(), String> {
        let message = format!("{} {}", error.code(), error.details().unwrap_or_default());
        if error.code() == "NOSCRIPT" {
            for sent in all {
                let _ = self.findings.send(Finding::NoScript(Box::new(sent)));
            }
            return Ok(());
        }
        if is_state(error.code()) {
            let why = format!("the store refuses to run this: {message}");
            for sent in all {
                self.endpoint.fail(sent.batch, sent.held, ErrorCode::Unavailable, &why);
            }
            return Err(message);
        }
        let reason = all.first().map_or(message.clone(), |sent| sent.program.mend_lines(&message));
        log::warn!("messages of several rooms did not run together, and do so one by one reason={reason:?}");
        for sent in all {
            if message.contains(KILLED) {
                self.endpoint.ledger().doubt(&sent.batch.calls);
            }
            self.fail_shared(sent, &reason);
        }
        Ok(())
    }

    /// Nobody knows what has become of a bundle's batch: its messages are still due, unless they have run.
    fn fail_shared(&self, sent: SentBatch, why: &str) {
        if let Some(stopped) = Stopped::of(&sent.batch, true) {
            self.find_now(Finding::Stopped(stopped));
        }
        // What it may have published came with the answer.
        if let Some(room) = &sent.batch.room {
            self.endpoint.deliver_home(room, Delivery::Missed(room.clone()));
        }
        self.endpoint.fail(sent.batch, sent.held, ErrorCode::Unavailable, why);
    }

    /// A batch has run.
    fn batch_done(&self, sent: SentBatch, value: Value) -> Result<(), String> {
        match read_answer(value, Asked::of(&sent), &sent.program) {
            Some(answer) => {
                for (place, text) in &answer.prints {
                    prints::print(
                        log::Level::Info,
                        place,
                        sent.batch.room.as_ref().map(RoomId::as_str),
                        text,
                    );
                }
                let events = answer.events.filter(|_| self.has_pushes);
                let trouble = answer.results.iter().find_map(state_trouble);
                // The store's own time: the way there and back is nobody's work.
                let took = answer.took.0.iter().map(|(_, took)| *took).sum();
                self.endpoint.ledger().settle(&sent.batch.calls, &answer.took, Instant::now());
                if let Some(due_in) = answer.due_in {
                    self.find_now(Finding::DueIn(due_in));
                }
                let Answer { results, runs, not_run, position, last_ran, ticks, missed, waits, .. } = answer;
                let is_durable = waits.is_some();
                let outcome = Outcome {
                    took,
                    results,
                    runs,
                    not_run,
                    position,
                    last_ran,
                    events,
                    ticks,
                    missed,
                    waits,
                };
                let snapshot_of =
                    sent.batch.room.clone().filter(|_| !self.has_pushes && is_snapshot(&sent.batch));
                self.endpoint.finish(sent.batch, sent.held, outcome);
                if is_durable {
                    self.find_now(Finding::Saved);
                }
                // Looked at after the answer is out: an event that came before it has been noted by then.
                if let Some(room) = snapshot_of
                    && self.order.has_overtaken(&room, position)
                {
                    self.endpoint.deliver_home(&room.clone(), Delivery::Missed(room));
                }
                trouble.map_or(Ok(()), Err)
            }
            None => {
                self.endpoint.fail(sent.batch, sent.held, ErrorCode::Unavailable, NO_SENSE);
                Err("an answer that makes no sense".to_owned())
            }
        }
    }

    fn batch_refused(
        &self,
        sent: SentBatch,
        error: &redis::ServerError,
        sent_at: Instant,
    ) -> Result<(), String> {
        let message = format!("{} {}", error.code(), error.details().unwrap_or_default());
        match error.code() {
            "NOSCRIPT" if sent.tries < MAX_TRIES => {
                let _ = self.findings.send(Finding::NoScript(Box::new(sent)));
                Ok(())
            }
            "NOSCRIPT" => {
                let message = "the store does not compile this script; see the server's log";
                self.endpoint.fail(sent.batch, sent.held, ErrorCode::ScriptError, message);
                Ok(())
            }
            // A script may name a key of its own that the user has no right to.
            _ if error.code() == "NOPERM"
                || DENIED_IN_SCRIPT.iter().any(|denied| message.contains(denied)) =>
            {
                let message = format!("the store refuses to run this: {message}");
                self.endpoint.fail(sent.batch, sent.held, ErrorCode::Unavailable, &message);
                let _ = self.findings.send(Finding::NoRight);
                Ok(())
            }
            "OOM" => {
                self.endpoint.fail_full(sent.batch, sent.held);
                Ok(())
            }
            code if is_state(code) => {
                self.endpoint.fail(
                    sent.batch,
                    sent.held,
                    ErrorCode::Unavailable,
                    &format!("the store refuses to run this: {message}"),
                );
                Err(message)
            }
            _ if message.contains(KILLED) => {
                let took = Took(vec![(sent.batch.calls.len(), self.in_flight.work_time(sent_at))]);
                self.endpoint.ledger().settle(&sent.batch.calls, &took, Instant::now());
                self.batch_killed(sent);
                Ok(())
            }
            _ => {
                let message = sent.program.mend_lines(&message);
                self.endpoint.fail(sent.batch, sent.held, ErrorCode::ScriptError, &message);
                Ok(())
            }
        }
    }

    /// A script ran for so long that it was stopped, which takes the whole batch with it: nothing of it was written.
    fn batch_killed(&self, sent: SentBatch) {
        self.endpoint.ledger().doubt(&sent.batch.calls);
        if let Some(stopped) = Stopped::of(&sent.batch, false) {
            self.find_now(Finding::Stopped(stopped));
        }
        let names = sent.batch.calls.iter().map(|call| &*call.script.full_name);
        // The server's own scripts do not loop.
        let mut names: Vec<&str> = names.filter(|name| !name.starts_with(SCRIPT_PREFIX)).collect();
        names.dedup();
        match names[..] {
            [name] => {
                let message = format!("{name}.lua ran for too long and was stopped");
                self.endpoint.fail(sent.batch, sent.held, ErrorCode::ScriptTimeout, &message);
            }
            // The store does not tell which.
            _ => {
                let message = format!("one of {} ran for too long and was stopped", names.join(", "));
                log::warn!("{message}; the whole batch did not run");
                self.endpoint.fail(
                    sent.batch,
                    sent.held,
                    ErrorCode::Unavailable,
                    &format!("{message}; this did not run"),
                );
            }
        }
    }

    fn pushed(&self, kind: &PushKind, data: Vec<Value>) {
        if *kind == PushKind::Message
            && let Ok([Value::BulkString(channel), Value::BulkString(message)]) = <[Value; 2]>::try_from(data)
        {
            self.published(&channel, &message);
        }
    }

    fn pushed_old(&self, parts: Vec<Value>) {
        if let Ok([_, Value::BulkString(channel), Value::BulkString(message)]) = <[Value; 3]>::try_from(parts)
        {
            self.published(&channel, &message);
        }
    }

    fn published(&self, channel: &[u8], message: &[u8]) {
        let Some(room) = self.endpoint.names.room_of(channel) else { return };
        match read_notice(message, &room) {
            Some((node, Notice::Events(events))) => {
                if !self.has_pushes {
                    self.order.note(&room, Position { epoch: events.epoch, seq: events.last_seq() });
                }
                if !self.has_pushes || node != self.endpoint.node {
                    self.endpoint.deliver_home(&room, Delivery::Events(Arc::new(events)));
                }
            }
            Some((_, Notice::Replaced { user_id, membership })) => {
                let mut words = membership.split(' ');
                let is_ours = words.next() == Some(self.endpoint.node.as_str());
                let number = words.next().and_then(|number| number.parse().ok());
                if let Some(membership) = number.filter(|_| is_ours) {
                    self.endpoint
                        .deliver_home(&room.clone(), Delivery::Replaced { room, user_id, membership });
                }
            }
            Some((node, Notice::Waits { tag, number })) => {
                if !self.has_pushes || node != self.endpoint.node {
                    self.endpoint.hold_rooms(&tag, [(room, number)]);
                    self.find_now(Finding::Saved);
                }
            }
            None => {
                log::debug!("a message on a room's channel is not the server's room={room}");
                self.endpoint.metrics.redis_foreign_messages.inc();
            }
        }
    }
}

/// Whether an error of that code tells that the store is in no state to be worked with.
fn is_state(code: &str) -> bool {
    matches!(code, "READONLY" | "LOADING" | "BUSY" | "MASTERDOWN" | "NOAUTH" | "MISCONF" | "NOREPLICAS")
}

/// A script could not write: the store is not to be worked with until it takes a node's lease again.
fn state_trouble(result: &CallResult) -> Option<String> {
    const TROUBLES: [&str; 4] = ["READONLY ", "MISCONF ", "NOREPLICAS ", "MASTERDOWN "];
    match result {
        CallResult::Err(error) if error.code == ErrorCode::Unavailable => {
            let is_it = TROUBLES.iter().any(|trouble| error.message.starts_with(trouble));
            is_it.then(|| error.message.to_string())
        }
        _ => None,
    }
}

/// Whether somebody is told what the room is like.
fn is_snapshot(batch: &Batch) -> bool {
    let is_told =
        |membership: &Membership| membership.enters() || matches!(membership, Membership::Confirm(_));
    batch.calls.iter().any(|call| is_told(&call.membership))
}

fn is_message(parts: &[Value]) -> bool {
    matches!(parts, [Value::BulkString(kind), _, _] if kind == b"message")
}
