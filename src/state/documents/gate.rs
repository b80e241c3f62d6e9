//! An engine in front of another: batches whose calls work on documents go on when these are in the store.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::keeper::{Event, Keeper};
use super::table::{Admission, Table, Todo};
use super::{Claim, Departure, Installed, Notice};
use crate::document::{Address, Document, Documents, HomeId, Reply};
use crate::metrics::Metrics;
use crate::script::ScriptSet;
use crate::state::{Batch, Deliver, Engine, NoSurvey, NotTaken, SubmitError, Survey};
use crate::threads;
use crate::wire::ids::RoomId;

/// How long the database may take at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// The gate of an engine, and the thread that looks after its documents.
pub struct Gate {
    shared: Arc<Shared>,
    is_stopping: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the gate and its thread share.
pub(super) struct Shared {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) database: Arc<dyn Documents>,
    /// Whether other processes use the stores' documents, too.
    is_shared: bool,
    pub(super) events: Sender<Event>,
    /// Whether there may be calls that work on documents. It stays so: calls may hold scripts of before.
    is_used: AtomicBool,
    table: Mutex<Table>,
}

impl Shared {
    /// Whether the thread has anything to do.
    pub(super) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    /// Before anything is fetched: a home that has never said that it lives has nothing.
    fn begin_use(&self) {
        if !self.is_used.load(Ordering::SeqCst) {
            self.renew();
            self.is_used.store(true, Ordering::SeqCst);
        }
    }

    /// Says that the stores live.
    pub(super) fn renew(&self) {
        for (store, home) in self.homes() {
            let events = self.events.clone();
            let reply = move |wanted| {
                // The thread has ended.
                let _ = events.send(Event::Renewed(store, wanted));
            };
            self.database.renew(&home, Box::new(reply));
        }
    }

    /// Of all stores that have one now.
    pub(super) fn homes(&self) -> Vec<(usize, HomeId)> {
        let home = |store| self.engine.document_home(store).map(|claim| (store, claim.home));
        (0..self.engine.stores()).filter_map(home).collect()
    }

    /// Held for a few look-ups at a time.
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what needs no more than to be said.
    pub(super) fn carry_out(&self, todo: &mut Todo) {
        for (store, addresses) in std::mem::take(&mut todo.gone) {
            if let Some(claim) = self.engine.document_home(store).filter(|_| !self.is_shared) {
                self.database.let_go(addresses, &claim.home);
            }
        }
        for (store, addresses) in std::mem::take(&mut todo.fetch) {
            let events = self.events.clone();
            let Some(claim) = self.engine.document_home(store) else {
                let again = addresses.into_iter().map(|address| (address, Installed::Again)).collect();
                // The thread has ended, and nothing waits any more.
                let _ = events.send(Event::Installed(store, again));
                continue;
            };
            let home = claim.home.clone();
            let reply = move |fetched| drop(events.send(Event::Fetched(store, claim, fetched)));
            self.database.fetch(addresses, &home, Box::new(reply));
        }
    }
}

impl Gate {
    /// In front of an engine that has stores for documents; `notices` is the other end of the link that the engine has. What
    /// ends here is told through `deliver`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        engine: Arc<dyn Engine>,
        database: Arc<dyn Documents>,
        notices: Receiver<Notice>,
        scripts: &ScriptSet,
        deliver: Box<dyn Deliver>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let (events, mailbox) = unbounded();
        let is_shared = engine.shares_documents();
        let shared = Arc::new(Shared {
            engine,
            database,
            is_shared,
            events,
            is_used: AtomicBool::new(false),
            table: Mutex::new(Table::new(is_shared)),
        });
        if scripts.has_documents() {
            shared.begin_use();
        }
        let keeper = Keeper::new(shared.clone(), mailbox, notices, deliver, metrics);
        let thread = threads::lasting("document-keeper").spawn(move || keeper.run())?;
        Ok(Self { shared, is_stopping: AtomicBool::new(false), thread: Mutex::new(Some(thread)) })
    }

    /// What the engine has let go at last is carried out in the order of the calls: an answer to a later one says that it is done.
    fn await_database(&self) {
        for (_, home) in self.shared.homes().into_iter().filter(|_| self.shared.is_used()) {
            let (answer, answers) = bounded(1);
            let reply = move |_| {
                // The time may be up.
                let _ = answer.try_send(());
            };
            self.shared.database.renew(&home, Box::new(reply));
            let _ = answers.recv_timeout(FAREWELL);
        }
    }

    fn pass(&self, to: Option<usize>, batch: Batch) -> Result<(), SubmitError> {
        let has_documents =
            self.shared.is_used() && batch.calls.iter().any(|call| call.script.has_documents());
        if !has_documents {
            return submit(&*self.shared.engine, to, batch);
        }
        if self.is_stopping.load(Ordering::SeqCst) {
            return Err(SubmitError { batch: Box::new(batch), reason: NotTaken::Busy });
        }
        let store = to.unwrap_or_else(|| self.shared.engine.store_of(&batch));
        let mut todo = Todo::default();
        let admission = self.shared.table().admit(batch, (to, store), Instant::now(), &mut todo);
        self.shared.carry_out(&mut todo);
        match admission {
            Admission::Ready(batch) => submit(&*self.shared.engine, to, batch),
            Admission::Parked => Ok(()),
            Admission::Full(batch) => Err(SubmitError { batch: Box::new(batch), reason: NotTaken::Busy }),
        }
    }
}

pub(super) fn submit(engine: &dyn Engine, to: Option<usize>, batch: Batch) -> Result<(), SubmitError> {
    match to {
        Some(store) => engine.submit_to(store, batch),
        None => engine.submit(batch),
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Engine for Gate {
    fn submit(&self, batch: Batch) -> Result<(), SubmitError> {
        self.pass(None, batch)
    }

    fn submit_to(&self, store: usize, batch: Batch) -> Result<(), SubmitError> {
        self.pass(Some(store), batch)
    }

    fn stores(&self) -> usize {
        self.shared.engine.stores()
    }

    fn store_of(&self, batch: &Batch) -> usize {
        self.shared.engine.store_of(batch)
    }

    fn document_home(&self, store: usize) -> Option<Claim> {
        self.shared.engine.document_home(store)
    }

    fn shares_documents(&self) -> bool {
        self.shared.is_shared
    }

    fn install_documents(
        &self,
        store: usize,
        claim: Claim,
        documents: Vec<Document>,
        reply: Reply<Vec<(Address, Installed)>>,
    ) {
        self.shared.engine.install_documents(store, claim, documents, reply);
    }

    fn let_go_documents(
        &self,
        store: usize,
        addresses: Vec<Address>,
        why: Departure,
        reply: Reply<Vec<Address>>,
    ) {
        self.shared.engine.let_go_documents(store, addresses, why, reply);
    }

    fn survey(&self) -> Result<Arc<Survey>, NoSurvey> {
        self.shared.engine.survey()
    }

    fn watch(&self, room: &RoomId, is_wanted: bool) {
        self.shared.engine.watch(room, is_wanted);
    }

    fn is_ready(&self) -> bool {
        self.shared.engine.is_ready()
    }

    fn replace_scripts(&self, scripts: Arc<ScriptSet>) {
        if scripts.has_documents() {
            self.shared.begin_use();
        }
        self.shared.engine.replace_scripts(scripts);
    }

    fn queue_depth(&self) -> usize {
        let parked = if self.shared.is_used() { self.shared.table().parked() } else { 0 };
        self.shared.engine.queue_depth() + parked
    }

    fn has_kept_all(&self) -> bool {
        self.shared.engine.has_kept_all()
    }

    /// What is parked is refused.
    fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        let _ = self.shared.events.send(Event::Stop);
        let thread = self.thread.lock().map(|mut thread| thread.take()).unwrap_or_default();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            log::error!("the documents' thread has panicked");
        }
        self.shared.engine.stop();
        self.await_database();
    }
}
