//! The gate's thread: has documents installed that were fetched, lets go of those that nobody uses or that others want, and says
//! every second that its stores live.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never};

use super::gate::{Shared, submit};
use super::table::{Admission, Ready, Todo};
use super::{Claim, Installed, Notice};
use crate::document::{Address, Fetched, Unavailable};
use crate::metrics::Metrics;
use crate::state::call::STOPPING;
use crate::state::{Batch, BatchDone, CallError, CallResult, Deliver, Delivery, NotTaken};
use crate::wire::ErrorCode;

/// How often a home says that it lives.
const RENEWAL: Duration = Duration::from_secs(1);
/// How many documents the engine is given at once.
const INSTALLED_AT_ONCE: usize = 256;
/// How long a batch that waited is tried while the engine's queue is full.
const PATIENCE: Duration = Duration::from_secs(2);
/// How soon that is tried again.
const CROWDED: Duration = Duration::from_millis(5);
/// How long the thread sleeps while no script works on documents.
const UNUSED: Duration = Duration::from_secs(60);
/// What is told then.
const BUSY: &str = "the server is busy; try again";

/// What the thread hears; each with the store's index.
#[derive(Debug)]
pub(super) enum Event {
    /// The database has answered a fetch.
    Fetched(usize, Claim, Fetched),
    /// The store has taken documents, or not.
    Installed(usize, Vec<(Address, Installed)>),
    /// The store was asked to let the first go, and the second are out of it.
    LetGo(usize, Vec<Address>, Vec<Address>),
    /// The home lives on; others want these.
    Renewed(usize, Result<Vec<Address>, Unavailable>),
    /// Nothing comes any more.
    Stop,
}

/// The thread's own.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    events: Receiver<Event>,
    notices: Receiver<Notice>,
    deliver: Box<dyn Deliver>,
    metrics: Arc<Metrics>,
    /// When the homes are renewed next, and how many have been asked to and have not answered.
    renew_at: Instant,
    renewing: usize,
    /// What the engine's queue had no place for, since when.
    crowded: Vec<(Instant, Ready)>,
}

impl Keeper {
    pub(super) fn new(
        shared: Arc<Shared>,
        events: Receiver<Event>,
        notices: Receiver<Notice>,
        deliver: Box<dyn Deliver>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let renew_at = Instant::now();
        Self { shared, events, notices, deliver, metrics, renew_at, renewing: 0, crowded: Vec::new() }
    }

    pub(super) fn run(mut self) {
        loop {
            let wait = match (self.shared.is_used(), self.crowded.is_empty()) {
                (false, _) => UNUSED,
                (true, true) => self.shared.table().wait().min(RENEWAL),
                (true, false) => CROWDED,
            };
            crossbeam_channel::select! {
                recv(self.events) -> event => match event {
                    Ok(Event::Stop) | Err(_) => return self.end(),
                    Ok(event) => self.hear(event),
                },
                recv(self.notices) -> notice => match notice {
                    Ok(notice) => self.heed(notice),
                    // The engine is gone, and will say nothing any more.
                    Err(_) => self.notices = never(),
                },
                default(wait) => {}
            }
            self.look_around(Instant::now());
        }
    }

    fn hear(&mut self, event: Event) {
        let (now, mut todo) = (Instant::now(), Todo::default());
        match event {
            Event::Fetched(store, claim, fetched) => {
                let documents = self.shared.table().fetched(store, fetched, now, &mut todo);
                let mut documents = documents.into_iter().peekable();
                while documents.peek().is_some() {
                    let part = documents.by_ref().take(INSTALLED_AT_ONCE).collect();
                    let events = self.shared.events.clone();
                    let reply = move |installed| drop(events.send(Event::Installed(store, installed)));
                    self.shared.engine.install_documents(store, claim.clone(), part, Box::new(reply));
                }
            }
            Event::Installed(store, installed) => {
                self.shared.table().installed(store, installed, now, &mut todo);
            }
            Event::LetGo(store, asked, gone) => {
                self.shared.table().let_go(store, &asked, &gone, now, &mut todo)
            }
            Event::Renewed(store, wanted) => {
                self.renewing = self.renewing.saturating_sub(1);
                self.shared.table().wanted(store, wanted.unwrap_or_default(), now, &mut todo);
            }
            Event::Stop => {}
        }
        self.carry_out(todo);
    }

    fn heed(&mut self, notice: Notice) {
        let (now, mut todo) = (Instant::now(), Todo::default());
        match notice {
            Notice::Missing(store, addresses) => self.shared.table().missing(store, addresses),
            Notice::Needed(store, addresses) => self.shared.table().needed(store, addresses, now, &mut todo),
            Notice::Cold(store, batch, addresses) => {
                let mut table = self.shared.table();
                table.missing(store, addresses);
                let admission = table.admit(*batch, (Some(store), store), now, &mut todo);
                drop(table);
                match admission {
                    Admission::Ready(batch) => todo.ready.push(Ready { batch, to: Some(store) }),
                    Admission::Parked => {}
                    Admission::Full(batch) => self.refuse(batch, ErrorCode::Busy, BUSY),
                }
            }
        }
        self.carry_out(todo);
    }

    fn look_around(&mut self, now: Instant) {
        let mut todo = Todo::default();
        let table_bytes = {
            let mut table = self.shared.table();
            table.time(now, &mut todo);
            table.memory_bytes()
        };
        self.shared.engine.note_document_table(table_bytes);
        self.carry_out(todo);
        let crowded = std::mem::take(&mut self.crowded);
        crowded.into_iter().for_each(|(since, ready)| self.submit(ready, since, now));
        if self.shared.is_used() && now >= self.renew_at && self.renewing == 0 {
            self.renew(now);
        }
    }

    fn renew(&mut self, now: Instant) {
        self.renew_at = now + RENEWAL;
        self.metrics.documents_hot.set(self.shared.table().hot() as i64);
        self.renewing = self.shared.homes().len();
        self.shared.renew();
    }

    fn carry_out(&mut self, mut todo: Todo) {
        let now = Instant::now();
        self.shared.carry_out(&mut todo);
        for (store, addresses, why) in todo.let_go {
            let events = self.shared.events.clone();
            let asked = addresses.clone();
            let reply = move |gone| drop(events.send(Event::LetGo(store, asked, gone)));
            self.shared.engine.let_go_documents(store, addresses, why, Box::new(reply));
        }
        todo.ready.into_iter().for_each(|ready| self.submit(ready, now, now));
    }

    fn submit(&mut self, Ready { to, batch }: Ready, since: Instant, now: Instant) {
        let Err(refused) = submit(&*self.shared.engine, to, batch) else { return };
        let batch = *refused.batch;
        match refused.reason {
            NotTaken::Busy if now.saturating_duration_since(since) < PATIENCE => {
                self.crowded.push((since, Ready { batch, to }));
            }
            NotTaken::Busy => self.refuse(batch, ErrorCode::Busy, BUSY),
            NotTaken::Unavailable => self.refuse(batch, ErrorCode::Unavailable, BUSY),
        }
    }

    /// Ends a batch of which nothing runs.
    fn refuse(&mut self, batch: Batch, code: ErrorCode, message: &str) {
        let error = CallError::refusal(code, message);
        let done = BatchDone {
            results: batch.calls.iter().map(|_| CallResult::Err(error.clone())).collect(),
            room: batch.room,
            runs: Vec::new(),
            events: None,
            position: Default::default(),
            missed: None,
            last_ran: Vec::new(),
            ticks: Vec::new(),
            tag: batch.tag,
            received_at: batch.received_at,
            took: Duration::ZERO,
        };
        self.deliver.deliver(batch.origin, Delivery::Done(done));
    }

    fn end(mut self) {
        let parked = self.shared.table().take_parked();
        let crowded = std::mem::take(&mut self.crowded).into_iter().map(|(_, ready)| ready);
        for Ready { batch, .. } in parked.into_iter().chain(crowded) {
            self.refuse(batch, ErrorCode::Unavailable, STOPPING);
        }
        while let Ok(notice) = self.notices.try_recv() {
            if let Notice::Cold(_, batch, _) = notice {
                self.refuse(*batch, ErrorCode::Unavailable, STOPPING);
            }
        }
    }
}
