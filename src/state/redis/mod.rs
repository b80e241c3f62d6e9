//! The engine that keeps game state in Redis, Valkey or Dragonfly, where several processes (nodes) share it.
//!
//! ```text
//!  shards ──bounded queue──► writer ──EVALSHA, SUBSCRIBE──► store ──answers, pushes──► reader ──► shards
//!           a pair of threads an address; batches are packed into one write, and many are under way at once
//! ```
//!
//! A batch is one call of a program (see [`program`]), in which each call fails alone, and then has changed nothing (see
//! `undo.lua`). Its events are numbered, published
//! and answered within that call, so that every node sees a room's events in the order of their numbers. On one
//! connection answers and pushes come in the order in which the store ran things, so a node never sees a room go back.
//!
//! Messages and timers that are due in several rooms at once are one call for all of them (see [`bundle`]).
//!
//! What calls have cost lately is written down (see [`ledger`]): no batch keeps the store for long, and no user has more than
//! its share of it, as the same store serves other rooms and other nodes.
//!
//! A connection whose answers stay away for a second is ended: what it owes is answered `unavailable`, outcome unknown, and
//! nothing is run twice. After that every room is subscribed again, and its members get a snapshot.

mod address;
mod bundle;
mod census;
mod connection;
mod decode;
mod documents;
mod encode;
mod endpoint;
mod in_flight;
mod ledger;
mod mail;
mod names;
mod notice;
mod order;
mod outbox;
mod peers;
mod program;
mod reader;
mod rights;
mod stream;
mod tls;
mod transport;
mod upkeep;
mod writer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

pub use self::address::{Address, Login, Place, Security};
use self::documents::{Outboxes, Request, Waiting};
use self::endpoint::{Endpoint, Outlet};
use self::mail::Pending;
use self::names::Names;
pub use self::names::Prefix;
use self::peers::Peers;
pub use self::tls::TlsFiles;
use self::writer::{Writer, WriterCommand};
use super::documents::{Claim, Departure, DocumentLink, Installed};
use super::faults::FaultLog;
use super::survey::SurveyDesk;
use super::{Batch, Deliver, Engine, NoSurvey, NotTaken, SubmitError, Survey};
use crate::document::{Address as DocumentAddress, Document, Reply};
use crate::metrics::Metrics;
use crate::script::ScriptSet;
use crate::state::HistoryBounds;
use crate::threads;
use crate::wire::ids::RoomId;

/// How to start a [`RedisEngine`].
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// Where the stores are; rooms are spread over them.
    pub addresses: Vec<Address>,
    /// What their names begin with there.
    pub prefix: Prefix,
    /// For those with TLS.
    pub tls: TlsFiles,
    /// Batches that may wait for each; more are refused.
    pub queue_capacity: usize,
    /// How many shards there are.
    pub shards: usize,
    /// Makes epochs and this node's name: must be secret, and other in every process.
    pub seed: u64,
    /// How long a room is kept after its last member left, in seconds.
    pub room_ttl_s: u64,
    /// What scripts are told about how many lobbies one user may own; 0 is no limit.
    pub lobbies_per_owner: u32,
    /// How long members of a node that stops may come back to their seats.
    pub rejoin_grace: Duration,
    /// What rooms keep of their events, for who comes back.
    pub history: HistoryBounds,
    /// Where documents come from and go to; without it scripts can have none.
    pub documents: Option<DocumentLink>,
}

/// Stores at one or more addresses, and their threads.
pub struct RedisEngine {
    endpoints: Vec<EndpointHandle>,
    peers: Arc<Peers>,
    surveys: Arc<SurveyDesk>,
}

struct EndpointHandle {
    endpoint: Arc<Endpoint>,
    queue: Sender<WriterCommand>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl RedisEngine {
    /// Starts the threads. Stores that are away now are waited for: until then, calls are refused.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        options: RedisOptions,
        scripts: Arc<ScriptSet>,
        deliver: Box<dyn Deliver>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let outlet = Arc::new(Mutex::new(Outlet {
            deliver,
            refusals: metrics.refusals(),
            faults: FaultLog::default(),
            full: HashMap::new(),
            pending: Pending::default(),
            outboxes: Outboxes::default(),
            waiting: Waiting::default(),
        }));
        let mut random = godra_engine::SplitMix(options.seed);
        let node = format!("{:016x}", random.next_u64());
        let mut endpoints: Vec<EndpointHandle> = Vec::with_capacity(options.addresses.len());
        let peers = Arc::new(Peers::new(options.addresses.iter().map(ToString::to_string).collect()));
        let surveys = Arc::new(SurveyDesk::new(options.addresses.len()));
        for (index, address) in options.addresses.into_iter().enumerate() {
            let endpoint = Arc::new(Endpoint {
                tls: options.tls.clone(),
                names: Names::new(&options.prefix, &address),
                address,
                node: node.clone(),
                is_up: AtomicBool::new(false),
                is_stopping: AtomicBool::new(false),
                submitting: AtomicUsize::new(0),
                wishes: Mutex::default(),
                new_scripts: Mutex::new(Some(scripts.clone())),
                metrics: metrics.clone(),
                outlet: outlet.clone(),
                ledger: Mutex::default(),
                late: AtomicUsize::new(0),
                shards: options.shards,
                room_ttl_s: options.room_ttl_s,
                lobbies_per_owner: options.lobbies_per_owner,
                rejoin_grace: options.rejoin_grace,
                history: options.history,
                index,
                peers: peers.clone(),
                surveys: surveys.clone(),
                documents: options.documents.clone(),
                claim: Mutex::default(),
                waits: AtomicBool::new(false),
            });
            let (queue, receiver) = bounded(options.queue_capacity.max(1));
            let writer = Writer::new(endpoint.clone(), receiver, queue.clone(), random.next_u64());
            let thread = threads::lasting("redis-write").spawn(move || writer.run())?;
            endpoints.push(EndpointHandle { endpoint, queue, writer: Mutex::new(Some(thread)) });
        }
        peers.connect(endpoints.iter().map(|handle| handle.queue.clone()).collect());
        Ok(Self { endpoints, peers, surveys })
    }

    /// Where a batch runs: that of the room's home, or that of what is in no room.
    fn endpoint_of(&self, batch: &Batch) -> &EndpointHandle {
        match &batch.room {
            Some(room) => self.endpoint_of_name(room.as_str()),
            None => self.endpoint_of_name(""),
        }
    }

    fn endpoint_of_name(&self, name: &str) -> &EndpointHandle {
        &self.endpoints[self.peers.home_of(name)]
    }
}

impl EndpointHandle {
    /// If the queue is full, the thread is awake anyway.
    fn wake(&self) {
        let _ = self.queue.try_send(WriterCommand::Wake);
    }

    fn submit(&self, batch: Batch) -> Result<(), SubmitError> {
        // Counted, so that the thread does not leave between the look at the flag and the batch's arrival.
        self.endpoint.submitting.fetch_add(1, Ordering::SeqCst);
        let result = self.put(Box::new(batch));
        self.endpoint.submitting.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn put(&self, batch: Box<Batch>) -> Result<(), SubmitError> {
        if self.endpoint.is_stopping.load(Ordering::SeqCst) {
            return Err(SubmitError { batch, reason: NotTaken::Busy });
        }
        if !self.endpoint.is_up.load(Ordering::Acquire) {
            return Err(SubmitError { batch, reason: NotTaken::Unavailable });
        }
        match self.queue.try_send(WriterCommand::Batch(batch)).map_err(|error| error.into_inner()) {
            Err(WriterCommand::Batch(batch)) => Err(SubmitError { batch, reason: NotTaken::Busy }),
            _ => Ok(()),
        }
    }
}

impl Drop for RedisEngine {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Engine for RedisEngine {
    fn submit(&self, batch: Batch) -> Result<(), SubmitError> {
        self.endpoint_of(&batch).submit(batch)
    }

    fn stores(&self) -> usize {
        self.endpoints.len()
    }

    fn store_of(&self, batch: &Batch) -> usize {
        self.endpoint_of(batch).endpoint.index
    }

    fn document_home(&self, store: usize) -> Option<Claim> {
        self.endpoints[store].endpoint.claim()
    }

    fn shares_documents(&self) -> bool {
        true
    }

    /// Waits while the queue is full.
    fn install_documents(
        &self,
        store: usize,
        claim: Claim,
        documents: Vec<Document>,
        reply: Reply<Vec<(DocumentAddress, Installed)>>,
    ) {
        // A store that has been stopped tells nothing.
        let _ = self.endpoints[store]
            .queue
            .send(WriterCommand::Documents(Request::Install(claim, documents, reply)));
    }

    /// Waits while the queue is full.
    fn let_go_documents(
        &self,
        store: usize,
        addresses: Vec<DocumentAddress>,
        why: Departure,
        reply: Reply<Vec<DocumentAddress>>,
    ) {
        let _ =
            self.endpoints[store].queue.send(WriterCommand::Documents(Request::LetGo(addresses, why, reply)));
    }

    fn survey(&self) -> Result<Arc<Survey>, NoSurvey> {
        let survey = self.surveys.ask();
        let away = self.endpoints.iter().map(|handle| &handle.endpoint).find(|endpoint| !endpoint.is_ready());
        match (survey, away) {
            (Err(NoSurvey::NotYet), Some(away)) => {
                Err(NoSurvey::Refused(format!("the store at {} is not available", away.address).into()))
            }
            (survey, _) => survey,
        }
    }

    fn submit_to(&self, store: usize, batch: Batch) -> Result<(), SubmitError> {
        self.endpoints[store].submit(batch)
    }

    fn watch(&self, room: &RoomId, is_wanted: bool) {
        let handle = self.endpoint_of_name(room.as_str());
        // Held for a push, here and there.
        handle.endpoint.wishes.lock().unwrap_or_else(PoisonError::into_inner).push((room.clone(), is_wanted));
    }

    fn is_ready(&self) -> bool {
        self.endpoints.iter().all(|handle| handle.endpoint.is_ready())
    }

    fn replace_scripts(&self, scripts: Arc<ScriptSet>) {
        for handle in &self.endpoints {
            *handle.endpoint.new_scripts.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(scripts.clone());
            handle.wake();
        }
    }

    fn queue_depth(&self) -> usize {
        let waiting =
            |handle: &EndpointHandle| handle.queue.len() + handle.endpoint.late.load(Ordering::Relaxed);
        self.endpoints.iter().map(waiting).sum()
    }

    /// What is queued is finished as far as the stores answer in two seconds.
    fn stop(&self) {
        for handle in &self.endpoints {
            handle.endpoint.is_stopping.store(true, Ordering::SeqCst);
            handle.wake();
        }
        for handle in &self.endpoints {
            let thread = handle.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread
                && thread.join().is_err()
            {
                log::error!("a thread that writes to the store has panicked");
            }
        }
    }
}

#[cfg(any(test, fuzzing))]
#[path = "../../../tests/fuzz/targets/redis_answers.rs"]
pub(crate) mod fuzz;
