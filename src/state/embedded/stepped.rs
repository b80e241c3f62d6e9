//! The engine without its thread: it runs what it is given at once, by a clock that it is told. For tests of the whole server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use godra_engine::keyspace::Value;

use super::StoreClock;
use super::checkpoint::{self, StateFileError};
use super::mail;
use super::options::EmbeddedOptions;
use super::queue::{EngineCommand, QueueState};
use super::runner::ScriptRunner;
use super::worker::Worker;
use super::worker::messages::Messages;
use crate::metrics::Metrics;
use crate::script::ScriptSet;
use crate::state::{Batch, Deliver};

/// What [`super::EmbeddedEngine`] has in its thread.
pub(crate) struct SteppedEngine {
    worker: Worker,
    /// The worker would take its end for the server's.
    _queue: Sender<EngineCommand>,
    /// From which the times count that messages run by.
    began: Instant,
    /// What time it is in milliseconds since the Unix epoch, as for the worker.
    clock: Arc<dyn Fn() -> u64>,
}

/// A turn of messages.
pub(crate) struct MessagesTurn {
    began: Duration,
    /// How long it has taken.
    pub(crate) took: Duration,
}

impl SteppedEngine {
    /// As [`super::EmbeddedEngine::start`].
    ///
    /// # Errors
    /// When the state file cannot be used.
    pub(crate) fn start(
        options: &EmbeddedOptions,
        scripts: Arc<ScriptSet>,
        deliver: Box<dyn Deliver>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Fn() -> u64>,
    ) -> Result<Self, StateFileError> {
        let restore = |path: &PathBuf| checkpoint::restore(path, options.seed, metrics.clone());
        let restored = options.state_file.as_ref().map(restore).transpose()?;
        let (queue, receiver) = bounded(1);
        let shared = Arc::new(QueueState::new(scripts));
        let for_worker: StoreClock = Box::new({
            let clock = clock.clone();
            move || clock()
        });
        let mut worker = Worker::new(options, receiver, shared, deliver, metrics.clone(), for_worker);
        let left = restored.map(|restored| worker.go_on_with(restored)).unwrap_or_default();
        worker.begin(left);
        Ok(Self { worker, _queue: queue, began: Instant::now(), clock })
    }

    /// Runs a batch. What comes of it is delivered before this returns.
    pub(crate) fn run(&mut self, batch: Batch) {
        self.worker.receive(Box::new(batch));
    }

    /// Messages have their turn, if it is theirs: it is that late since the engine began, and others wait or not.
    pub(crate) fn begin_messages(&self, at: Duration, others_wait: bool) -> Option<MessagesTurn> {
        // The worker's own time goes by the machine's clock, which this need not be behind.
        let may_begin = self.worker.messages.may_begin(self.began + at, || others_wait);
        may_begin.then_some(MessagesTurn { began: at, took: Duration::ZERO })
    }

    /// Runs some that one receiver has due: the room's id, which is empty for none, and how many. None if nobody has any, or
    /// the turn is over.
    pub(crate) fn run_messages(&mut self, turn: &MessagesTurn, others_wait: bool) -> Option<(String, usize)> {
        if !Messages::may_go_on(turn.took, || others_wait) {
            return None;
        }
        let (to, count) = self.worker.run_messages_of_one(self.began + turn.began + turn.took)?;
        Some((to.to_string(), count))
    }

    pub(crate) fn end_messages(&mut self, turn: &MessagesTurn) {
        let began = self.began + turn.began;
        self.worker.messages.end(began, began + turn.took);
    }

    /// How long it is until a message is due; none without any.
    pub(crate) fn messages_wait(&self, at: Duration) -> Option<Duration> {
        let mut mail = self.worker.runner.mail();
        let now_ms = mail.read_clock((self.clock)());
        mail.wait(self.began + at, now_ms)
    }

    /// How many messages are pending.
    pub(crate) fn pending(&self) -> usize {
        self.worker.runner.mail().len()
    }

    /// The pending messages as the store has them: keys and values, in order.
    pub(crate) fn messages(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let keyspace = self.worker.runner.keyspace().borrow();
        let text = |value: &Value| if let Value::String(text) = value { text.to_vec() } else { Vec::new() };
        let messages = keyspace.iterate().filter(|(key, ..)| key.starts_with(mail::KEY_PREFIX));
        let mut messages: Vec<_> = messages.map(|(key, value, _)| (key.to_vec(), text(value))).collect();
        messages.sort();
        messages
    }

    /// Has other messages pending than the scripts have told.
    pub(crate) fn replace_messages(&mut self, messages: &[(Vec<u8>, Vec<u8>)]) {
        let now_ms = (self.clock)();
        let runner = &self.worker.runner;
        self.messages().iter().for_each(|(key, _)| runner.execute(&[b"DEL", key], now_ms));
        messages.iter().for_each(|(key, value)| runner.execute(&[b"SET", key, value], now_ms));
        self.worker.restore_messages();
    }

    /// The store, to look into it and to break it.
    pub(crate) fn runner(&self) -> &ScriptRunner {
        &self.worker.runner
    }

    /// Writes what has changed to the state file, which nothing else does before the end.
    pub(crate) fn sync(&mut self) {
        assert!(self.worker.write_now(), "the state file is the test's own");
    }

    /// As [`crate::state::Engine::stop`].
    pub(crate) fn stop(mut self) {
        self.worker.finish();
    }
}
