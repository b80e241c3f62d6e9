//! The embedded engine as the shards see it: a queue, and a thread behind it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Sender, bounded};

use super::checkpoint::{self, StateFileError};
use super::documents;
use super::options::EmbeddedOptions;
use super::queue::{EngineCommand, QueueState};
use super::worker::{DocumentWriter, Worker};
use crate::document::{Address, Document, HomeId, Reply};
use crate::metrics::Metrics;
use crate::script::ScriptSet;
use crate::state::documents::{Claim, Departure, Installed};
use crate::state::{Batch, Deliver, Engine, NoSurvey, NotTaken, SubmitError, Survey};
use crate::threads;

/// Lua nests native calls up to 200 deep; even with the largest frames of its libraries this is far beyond that. The
/// memory is only taken when touched.
const STACK_BYTES: usize = 64 << 20;

/// The embedded store and its thread.
pub struct EmbeddedEngine {
    sender: Sender<EngineCommand>,
    shared: Arc<QueueState>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Under which id it keeps documents, if it does.
    home: Option<HomeId>,
}

impl EmbeddedEngine {
    /// Starts the thread, with what the state file holds (an empty store without one) and the scripts compiled.
    ///
    /// # Errors
    /// When the state file cannot be used, or the thread not be started.
    pub fn start(
        options: EmbeddedOptions,
        scripts: Arc<ScriptSet>,
        deliver: Box<dyn Deliver>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let restore = |path: &PathBuf| checkpoint::restore(path, options.seed, metrics.clone());
        let restored = options.state_file.as_ref().map(restore).transpose().map_err(StartError::StateFile)?;
        let (sender, receiver) = bounded(options.queue_capacity.max(1));
        let documents = options.documents.clone().map(|link| {
            let known =
                restored.as_ref().and_then(|restored| documents::home_of(&restored.contents.keyspace));
            DocumentWriter::new(link, known.unwrap_or_else(HomeId::random), sender.clone())
        });
        let home = documents.as_ref().map(|documents| documents.home().clone());
        let shared = Arc::new(QueueState::new(scripts));
        let for_thread = shared.clone();
        let thread = threads::lasting("state")
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let mut worker =
                    Worker::new(&options, receiver, for_thread, deliver, metrics, Box::new(wall_clock_ms));
                worker.write_documents(documents);
                let left = restored.map(|restored| worker.go_on_with(restored)).unwrap_or_default();
                worker.run(left);
            })
            .map_err(StartError::Thread)?;
        Ok(Self { sender, shared, thread: Mutex::new(Some(thread)), home })
    }

    /// If the queue is full, the thread is awake anyway.
    fn wake(&self) {
        let _ = self.sender.try_send(EngineCommand::Wake);
    }
}

impl Drop for EmbeddedEngine {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Engine for EmbeddedEngine {
    fn submit(&self, batch: Batch) -> Result<(), SubmitError> {
        let batch = Box::new(batch);
        // Counted, so that the thread does not leave between the look at the flag and the batch's arrival.
        self.shared.submitting.fetch_add(1, Ordering::SeqCst);
        let refused = if self.shared.is_stopping.load(Ordering::SeqCst) {
            Some(EngineCommand::Batch(batch))
        } else {
            self.sender.try_send(EngineCommand::Batch(batch)).err().map(|error| error.into_inner())
        };
        self.shared.submitting.fetch_sub(1, Ordering::SeqCst);
        match refused {
            Some(EngineCommand::Batch(batch)) => Err(SubmitError { batch, reason: NotTaken::Busy }),
            _ => Ok(()),
        }
    }

    fn is_ready(&self) -> bool {
        let is_alive = |thread: &Option<JoinHandle<()>>| thread.as_ref().is_some_and(|t| !t.is_finished());
        !self.shared.is_stopping.load(Ordering::SeqCst)
            && self.thread.lock().is_ok_and(|thread| is_alive(&thread))
    }

    fn replace_scripts(&self, scripts: Arc<ScriptSet>) {
        if let Ok(mut slot) = self.shared.new_scripts.lock() {
            *slot = Some(scripts);
            self.shared.has_new_scripts.store(true, Ordering::Release);
        }
        self.wake();
    }

    fn document_home(&self, _store: usize) -> Option<Claim> {
        self.home.clone().map(|home| Claim { home, at_ms: 0 })
    }

    /// Waits while the queue is full.
    fn install_documents(
        &self,
        _store: usize,
        _claim: Claim,
        documents: Vec<Document>,
        reply: Reply<Vec<(Address, Installed)>>,
    ) {
        // An engine that has stopped tells nothing.
        let _ = self.sender.send(EngineCommand::Install(Box::new((documents, reply))));
    }

    /// Waits while the queue is full.
    fn let_go_documents(
        &self,
        _store: usize,
        addresses: Vec<Address>,
        _why: Departure,
        reply: Reply<Vec<Address>>,
    ) {
        let _ = self.sender.send(EngineCommand::LetGo(Box::new((addresses, reply))));
    }

    fn note_document_table(&self, bytes: usize) {
        self.shared.document_table_bytes.store(bytes, Ordering::Relaxed);
    }

    fn survey(&self) -> Result<Arc<Survey>, NoSurvey> {
        let survey = self.shared.surveys.ask();
        self.wake();
        survey
    }

    fn queue_depth(&self) -> usize {
        self.sender.len() + self.shared.late.load(Ordering::Relaxed)
    }

    fn has_kept_all(&self) -> bool {
        !self.shared.lacks_changes.load(Ordering::SeqCst)
    }

    /// What is queued is finished as far as it takes no more than five seconds; the rest is refused.
    fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::SeqCst);
        self.wake();
        let thread = self.thread.lock().map(|mut thread| thread.take()).unwrap_or_default();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            log::error!("the state engine's thread has panicked");
        }
    }
}

/// Why an engine did not start.
#[derive(Debug)]
pub enum StartError {
    /// Its state file cannot be used.
    StateFile(StateFileError),
    /// Its thread cannot be started.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateFile(error) => write!(f, "{error}"),
            Self::Thread(error) => write!(f, "cannot start the state engine's thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

fn wall_clock_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
