//! What goes between the shards and the engine's thread: commands in a bounded queue, and what is said beside it, so that it
//! is heard while the queue is full.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use crate::document::{Address, Document, Reply};
use crate::script::ScriptSet;
use crate::state::Batch;
use crate::state::documents::Installed;
use crate::state::survey::SurveyDesk;

/// What comes in the queue.
pub(super) enum EngineCommand {
    /// Behind a pointer, as the queue has room for thousands.
    Batch(Box<Batch>),
    /// Documents come into the store.
    Install(Box<Install>),
    /// Documents go out of the store.
    LetGo(Box<(Vec<Address>, Reply<Vec<Address>>)>),
    /// Look at `QueueState`, and at what the database has answered.
    Wake,
}

/// Documents that come into the store, and who is told what became of them.
pub(super) type Install = (Vec<Document>, Reply<Vec<(Address, Installed)>>);

/// What the engine's thread and the others share.
pub(super) struct QueueState {
    pub(super) is_stopping: AtomicBool,
    /// It has stopped, and the state file lacks what ran last.
    pub(super) lacks_changes: AtomicBool,
    /// Calls of `submit` that may still put a batch into the queue.
    pub(super) submitting: AtomicUsize,
    /// Batches that wait because their callers have had more than their share.
    pub(super) late: AtomicUsize,
    /// What the gate's table of documents takes.
    pub(super) document_table_bytes: AtomicUsize,
    /// The set to compile at the next opportunity.
    pub(super) new_scripts: Mutex<Option<Arc<ScriptSet>>>,
    pub(super) has_new_scripts: AtomicBool,
    pub(super) surveys: Arc<SurveyDesk>,
}

impl QueueState {
    /// Of an engine that is to begin with these scripts.
    pub(super) fn new(scripts: Arc<ScriptSet>) -> Self {
        Self {
            is_stopping: AtomicBool::new(false),
            lacks_changes: AtomicBool::new(false),
            submitting: AtomicUsize::new(0),
            late: AtomicUsize::new(0),
            document_table_bytes: AtomicUsize::new(0),
            new_scripts: Mutex::new(Some(scripts)),
            has_new_scripts: AtomicBool::new(true),
            surveys: Arc::new(SurveyDesk::new(1)),
        }
    }
}
