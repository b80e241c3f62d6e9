//! The engine without its thread: it runs what it is given at once, by a clock that it is told. For tests of the whole server.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::{Sender, bounded};

use super::StoreClock;
use super::checkpoint::{self, StateFileError};
use super::options::EmbeddedOptions;
use super::queue::{EngineCommand, QueueState};
use super::runner::ScriptRunner;
use super::worker::Worker;
use crate::metrics::Metrics;
use crate::script::ScriptSet;
use crate::state::{Batch, Deliver};

/// What [`super::EmbeddedEngine`] has in its thread.
pub(crate) struct SteppedEngine {
    worker: Worker,
    /// The worker would take its end for the server's.
    _queue: Sender<EngineCommand>,
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
        clock: StoreClock,
    ) -> Result<Self, StateFileError> {
        let restore = |path: &PathBuf| checkpoint::restore(path, options.seed, metrics.clone());
        let restored = options.state_file.as_ref().map(restore).transpose()?;
        let (queue, receiver) = bounded(1);
        let shared = Arc::new(QueueState::new(scripts));
        let mut worker = Worker::new(options, receiver, shared, deliver, metrics.clone(), clock);
        let left = restored.map(|restored| worker.go_on_with(restored)).unwrap_or_default();
        worker.begin(left);
        Ok(Self { worker, _queue: queue })
    }

    /// Runs a batch. What comes of it is delivered before this returns.
    pub(crate) fn run(&mut self, batch: Batch) {
        self.worker.receive(Box::new(batch));
    }

    /// The store, to look into it and to break it.
    pub(crate) fn runner(&self) -> &ScriptRunner {
        &self.worker.runner
    }

    /// As [`crate::state::Engine::stop`].
    pub(crate) fn stop(mut self) {
        self.worker.finish();
    }
}
