//! The thread that reads one connection: answers in the order of what was sent, and pushes between them.

use std::io::BufReader;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::Sender;
use redis::{Parser, PushKind, Value};

use super::decode::{Notice, read_answer, read_notice};
use super::flight::{Flight, Sent, SentBatch, Upkeep};
use super::lane::{Lane, Outcome};
use crate::state::Delivery;
use crate::wire::ids::RoomId;

/// The channel of a room's events, before its id.
pub const CHANNEL: &str = "game_updates:game:";

/// What a reader found that the writer must act on.
#[derive(Debug)]
pub enum Finding {
    /// The store does not have the program of this batch: it has not run.
    NoScript(Box<SentBatch>),
    /// The answer to a command of the node's upkeep.
    Upkeep(Upkeep, Value),
}

/// Reads until the connection ends.
pub struct Reader {
    /// The address.
    pub lane: Arc<Lane>,
    /// What answers are for.
    pub flight: Arc<Flight>,
    /// Where findings go; unbounded, as there are no more of them than was sent.
    pub findings: Sender<Finding>,
    /// Whether pushes come between the answers: then a batch's events are taken from its answer, and their copy is passed
    /// over.
    pub has_pushes: bool,
    /// Set when the connection has ended.
    pub is_over: Arc<AtomicBool>,
}

impl Reader {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(self, stream: TcpStream) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("redis-read".into()).spawn(move || {
            let why = self.run(stream);
            log::debug!("the connection to a store has ended address={} reason={why}", self.lane.address);
            self.is_over.store(true, Ordering::Release);
        })
    }

    fn run(&self, stream: TcpStream) -> String {
        let mut input = BufReader::with_capacity(64 * 1024, stream);
        let mut parser = Parser::new();
        loop {
            match parser.parse_value(&mut input) {
                Ok(Value::Push { kind, data }) => self.pushed(&kind, data),
                Ok(value) => {
                    if let Err(why) = self.answered(value) {
                        return why;
                    }
                }
                Err(error) => return error.to_string(),
            }
        }
    }

    fn answered(&self, value: Value) -> Result<(), String> {
        let Some((sent, sent_at)) = self.flight.pop() else {
            // Before RESP3, subscriptions answer as if they had been asked.
            let is_message = matches!(&value, Value::Array(parts) if parts.len() == 3);
            if is_message && let Value::Array(parts) = value {
                self.pushed_old(parts);
                return Ok(());
            }
            return Err("an answer to nothing".to_owned());
        };
        match sent {
            Sent::Batch(sent) => return self.batch_answered(*sent, value, sent_at),
            Sent::Load(program) => {
                if let Value::ServerError(error) = value {
                    let details = program.mend_lines(error.details().unwrap_or_default());
                    log::error!("the store does not take a program error=\"{} {details}\"", error.code());
                }
            }
            Sent::Upkeep(upkeep) => {
                if let Value::ServerError(error) = &value {
                    let (code, details) = (error.code(), error.details().unwrap_or_default());
                    log::warn!("the store refuses a command of the server's own error=\"{code} {details}\"");
                    return Err(format!("{code} {details}"));
                }
                if upkeep != Upkeep::Note {
                    let _ = self.findings.send(Finding::Upkeep(upkeep, value));
                }
            }
        }
        Ok(())
    }

    fn batch_answered(&self, sent: SentBatch, value: Value, sent_at: Instant) -> Result<(), String> {
        self.lane.metrics.redis_call_time.observe(sent_at.elapsed());
        if let Value::ServerError(error) = &value {
            return self.batch_refused(sent, error);
        }
        let (room, calls) = (sent.batch.room.as_ref(), sent.batch.calls.len());
        match read_answer(value, room, calls, &sent.program) {
            Some(answer) => {
                let events = answer.events.filter(|_| self.has_pushes);
                let outcome = Outcome { results: answer.results, position: answer.position, events };
                self.lane.finish(sent.batch, outcome);
                Ok(())
            }
            None => {
                let message = "the store's answer makes no sense: outcome unknown";
                self.lane.fail(sent.batch, "unavailable", message);
                Err("an answer that makes no sense".to_owned())
            }
        }
    }

    fn batch_refused(&self, sent: SentBatch, error: &redis::ServerError) -> Result<(), String> {
        let message = format!("{} {}", error.code(), error.details().unwrap_or_default());
        match error.code() {
            "NOSCRIPT" if !sent.is_retry => {
                let _ = self.findings.send(Finding::NoScript(Box::new(sent)));
                Ok(())
            }
            "NOSCRIPT" => {
                let message = "the store does not compile this script; see the server's log";
                self.lane.fail(sent.batch, "script_error", message);
                Ok(())
            }
            "READONLY" | "LOADING" | "BUSY" | "MASTERDOWN" | "NOAUTH" | "NOPERM" => {
                self.lane.fail(
                    sent.batch,
                    "unavailable",
                    &format!("the store refuses to run this: {message}"),
                );
                Err(message)
            }
            "OOM" | "MISCONF" | "NOREPLICAS" => {
                self.lane.fail(sent.batch, "unavailable", &format!("the store refuses writes: {message}"));
                Ok(())
            }
            _ => {
                let message = sent.program.mend_lines(&message);
                self.lane.fail(sent.batch, "script_error", &message);
                Ok(())
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
        if let Ok([Value::BulkString(kind), Value::BulkString(channel), Value::BulkString(message)]) =
            <[Value; 3]>::try_from(parts)
            && kind == b"message"
        {
            self.published(&channel, &message);
        }
    }

    fn published(&self, channel: &[u8], message: &[u8]) {
        let id = channel.strip_prefix(CHANNEL.as_bytes()).and_then(|id| std::str::from_utf8(id).ok());
        let Some(room) = id.and_then(RoomId::parse) else { return };
        match read_notice(message, &room) {
            Some((node, Notice::Events(events))) => {
                if !self.has_pushes || node != self.lane.node {
                    self.lane.deliver_home(&room, Delivery::Events(events));
                }
            }
            Some((_, Notice::Replaced { user_id, membership })) => {
                let mut words = membership.split(' ');
                let is_ours = words.next() == Some(self.lane.node.as_str());
                let number = words.next().and_then(|number| number.parse().ok());
                if let Some(membership) = number.filter(|_| is_ours) {
                    self.lane.deliver_home(&room.clone(), Delivery::Replaced { room, user_id, membership });
                }
            }
            None => {
                log::debug!("a message on a room's channel is not the server's room={room}");
                self.lane.metrics.redis_foreign_messages.inc();
            }
        }
    }
}
