//! One open connection to a store, as its writer has it.

use std::collections::HashSet;
use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use redis::Cmd;

use super::census::Census;
use super::in_flight::{InFlight, Sent, Upkeep};
use super::program::Program;
use super::reader::Finding;
use super::stream::is_patience_over;
use super::transport::{At, Transport};

/// How long an answer may take; beyond that the connection ends, so that a late one cannot be taken for another's.
const CALL_DEADLINE: Duration = Duration::from_millis(900);
/// After so long without an answer, the store is asked whether a script keeps it busy.
const SUSPICION: Duration = Duration::from_millis(400);
/// How long a batch waits for the subscription that must come before it, where that has a connection of its own.
const SUBSCRIBED_WITHIN: Duration = Duration::from_millis(250);
/// Bytes after which a pack is written.
pub(super) const MAX_PACKED_BYTES: usize = 1 << 20;

/// Why a connection is ended.
pub(super) const TOO_LONG: &str = "an answer took too long";

/// An open connection and what belongs to it.
pub(super) struct StoreConnection {
    pub transport: Transport,
    /// The connection for subscriptions, where they need one of their own.
    pub pushes: Option<Transport>,
    /// What is under way.
    pub in_flight: Arc<InFlight>,
    /// What is under way on the connection for subscriptions.
    pub pushes_in_flight: Arc<InFlight>,
    /// The time of sending of the last call that a script was suspected of keeping.
    pub suspected: Option<Instant>,
    /// What the readers found that the writer has to act on.
    pub findings: Receiver<Finding>,
    /// Why it has ended, once a reader has seen that.
    pub end: Arc<OnceLock<String>>,
    /// One for each socket.
    pub readers: Vec<JoinHandle<()>>,
    /// Programs that the store has been given on this connection.
    pub loaded: HashSet<String>,
    /// What is to be written next.
    pub pack: Vec<u8>,
    /// When it was opened.
    pub opened_at: Instant,
    /// When it was last asked what the user lacks.
    pub asked_rights_at: Option<Instant>,
    /// When the node last showed a sign of life on it.
    pub kept_up_at: Option<Instant>,
    /// When it was last asked whether it still has its data.
    pub identified_at: Option<Instant>,
    /// The survey that is being taken.
    pub census: Option<Census>,
}

impl StoreConnection {
    /// Adds a command of the node's own upkeep to what is written next.
    pub(super) fn command(&mut self, command: &Cmd, upkeep: Upkeep) {
        command.write_packed_command(&mut self.pack);
        self.in_flight.push(Sent::Upkeep(upkeep), Instant::now());
    }

    /// A program goes ahead of what runs in it, once.
    pub(super) fn load(&mut self, program: &Arc<Program>) {
        if self.loaded.insert(program.sha.clone()) {
            redis::cmd("SCRIPT").arg("LOAD").arg(&program.text).write_packed_command(&mut self.pack);
            self.in_flight.push(Sent::Load(program.clone()), Instant::now());
        }
    }

    /// `SUBSCRIBE` or `UNSUBSCRIBE`.
    pub(super) fn subscription(&mut self, command: &str, channel: &str) -> Result<(), String> {
        let mut subscription = redis::cmd(command);
        subscription.arg(channel);
        match &mut self.pushes {
            None => {
                subscription.write_packed_command(&mut self.pack);
                self.in_flight.push(Sent::Subscription, Instant::now());
                Ok(())
            }
            Some(pushes) => {
                self.pushes_in_flight.push(Sent::Subscription, Instant::now());
                let sent = pushes.stream.write_all(&subscription.get_packed_command());
                sent.and_then(|()| pushes.stream.flush()).map_err(|error| error.to_string())
            }
        }
    }

    /// A connection that only brings what is published would not tell that it is dead.
    pub(super) fn ping_pushes(&mut self) {
        if let Some(pushes) = &mut self.pushes {
            self.pushes_in_flight.push(Sent::Upkeep(Upkeep::Note), Instant::now());
            // A broken connection is found by its reader.
            let sent = pushes.stream.write_all(&redis::cmd("PING").get_packed_command());
            let _ = sent.and_then(|()| pushes.stream.flush());
        }
    }

    /// On two connections nothing else tells that a subscription came before the calls behind it.
    pub(super) fn wait_until_subscribed(&self) {
        if self.pushes_in_flight.len() > 0 {
            self.pushes_in_flight.wait_until_empty(SUBSCRIBED_WITHIN);
        }
    }

    /// Whether an answer has taken too long.
    pub(super) fn is_overdue(&self) -> bool {
        let is_late = |sent_at: Instant| sent_at.elapsed() > CALL_DEADLINE;
        [&self.in_flight, &self.pushes_in_flight]
            .iter()
            .any(|in_flight| in_flight.oldest().is_some_and(is_late))
    }

    /// Asks for the end of a script that may keep the store from answering.
    pub(super) fn suspect_script(&mut self, at: &At<'_>) {
        let oldest = self.in_flight.oldest().filter(|sent_at| sent_at.elapsed() > SUSPICION);
        if oldest.is_some() && oldest != self.suspected {
            self.suspected = oldest;
            Transport::stop_script(at);
        }
    }

    /// Writes what has been packed.
    pub(super) fn write(&mut self) -> Result<(), String> {
        if self.pack.is_empty() {
            return Ok(());
        }
        self.in_flight.set_out(Instant::now());
        let result = self.write_pack();
        self.pack.clear();
        self.pack.shrink_to(4 * MAX_PACKED_BYTES);
        result
    }

    /// A store that is stuck may take a part: the deadline of what it owes holds here, too.
    fn write_pack(&mut self) -> Result<(), String> {
        let mut rest = &self.pack[..];
        loop {
            let stream = &mut self.transport.stream;
            let outcome = if rest.is_empty() { stream.flush().map(|()| 0) } else { stream.write(rest) };
            match outcome {
                Ok(0) if rest.is_empty() => return Ok(()),
                Ok(0) => return Err("it takes nothing more".to_owned()),
                Ok(written) => rest = &rest[written..],
                Err(error) if is_patience_over(&error) => {
                    if let Some(why) = self.end.get() {
                        return Err(why.clone());
                    }
                    if self.is_overdue() {
                        return Err(TOO_LONG.to_owned());
                    }
                }
                Err(error) => return Err(format!("it does not take what is written: {error}")),
            }
        }
    }
}
