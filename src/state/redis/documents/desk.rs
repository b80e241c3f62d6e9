//! What the thread that writes to a store does about documents.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use super::commands::{self, Done, Hailed, Out};
use super::durable::ASK_INTERVAL;
use super::outbox::{DURABLE_LOOK_INTERVAL, LEASE, OutboxWriter};
use crate::document::{Address, Document, HomeId, Reply};
use crate::state::documents::{Claim, Departure, DocumentLink, Installed, Notice};

use super::super::connection::StoreConnection;
use super::super::endpoint::Endpoint;
use super::super::in_flight::Upkeep;
use super::super::writer::WriterCommand;
use crate::wire::ids::RoomId;

/// How often the store is asked whose home it is.
const HAIL_INTERVAL: Duration = Duration::from_millis(400);

/// What the gate asks for.
pub(in super::super) enum Request {
    /// Documents that were fetched are to be put into the store.
    Install(Claim, Vec<Document>, Reply<Vec<(Address, Installed)>>),
    /// Documents are to be taken out of it.
    LetGo(Vec<Address>, Departure, Reply<Vec<Address>>),
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Request")
    }
}

impl Request {
    /// The store is away.
    pub(in super::super) fn refuse(self) {
        match self {
            Self::Install(_, documents, reply) => {
                let addresses = documents.into_iter().map(|document| document.address).collect();
                reply(commands::read_installed(None, addresses));
            }
            Self::LetGo(_, _, reply) => reply(Vec::new()),
        }
    }
}

/// A request that is under way to the store.
enum Asked {
    Install(Vec<Address>, Reply<Vec<(Address, Installed)>>),
    LetGo(Vec<Address>, Reply<Vec<Address>>),
}

impl Asked {
    /// None if the store will not answer any more. Gives those that are in the store from now on.
    fn answer(self, answer: Option<&Value>) -> Vec<Address> {
        match self {
            Self::Install(addresses, reply) => {
                let installed = commands::read_installed(answer, addresses);
                let is_done = |(_, outcome): &&(Address, Installed)| *outcome == Installed::Done;
                let done = installed.iter().filter(is_done).map(|(address, _)| address.clone()).collect();
                reply(installed);
                done
            }
            Self::LetGo(addresses, reply) => {
                reply(commands::read_gone(answer, addresses));
                Vec::new()
            }
        }
    }
}

/// Documents, as far as they are a writer's.
pub(in super::super) struct DocumentDesk {
    link: DocumentLink,
    endpoint: Arc<Endpoint>,
    /// Whether there may be calls that work on documents. It stays so: calls may hold scripts of before.
    is_used: bool,
    /// Whether there may be calls that wait for what they save. It stays so, too.
    is_durable: bool,
    /// The store's id as a home, as it was told last.
    home: Option<HomeId>,
    /// When the store was asked for it on this connection.
    hailed_at: Option<Instant>,
    asked: VecDeque<Asked>,
    outbox: OutboxWriter,
    /// What the step of the outbox has said that is under way.
    said: Done,
}

impl DocumentDesk {
    /// Of an endpoint that has a database of documents.
    pub(in super::super) fn new(
        endpoint: &Arc<Endpoint>,
        queue: &crossbeam_channel::Sender<WriterCommand>,
    ) -> Option<Self> {
        let link = endpoint.documents.clone()?;
        let queue = queue.clone();
        // If the queue is full, the thread is awake anyway.
        let wake = Arc::new(move || drop(queue.try_send(WriterCommand::Wake)));
        let outbox = OutboxWriter::new(link.database.clone(), wake);
        Some(Self {
            link,
            endpoint: endpoint.clone(),
            is_used: false,
            is_durable: false,
            home: None,
            hailed_at: None,
            asked: VecDeque::new(),
            outbox,
            said: Done::default(),
        })
    }

    /// There may be calls that work on documents, and such as wait for what they save.
    pub(in super::super) fn begin_use(&mut self, are_durable: bool) {
        self.is_used = true;
        if are_durable {
            self.is_durable = true;
            self.outbox.look_often();
        }
    }

    /// A connection is new.
    pub(in super::super) fn begin(&mut self) {
        self.hailed_at = None;
        self.outbox.begin();
        self.endpoint.begin_asking();
    }

    /// A connection has ended.
    pub(in super::super) fn end(&mut self) {
        self.asked.drain(..).for_each(|asked| drop(asked.answer(None)));
    }

    /// Before anything that has to do with documents: what the store keeps of them may be out of date.
    pub(in super::super) fn hail(&mut self, connection: &mut StoreConnection) {
        if self.hailed_at.is_none_or(|at| at.elapsed() >= HAIL_INTERVAL) {
            let is_first = self.hailed_at.replace(Instant::now()).is_none();
            let hail = commands::hail(&self.endpoint.names.keys, self.home.as_ref(), is_first);
            connection.command(&hail, Upkeep::DocumentHome);
        }
    }

    /// What is to be done now and then.
    pub(in super::super) fn work(&mut self, connection: &mut StoreConnection) {
        self.ask_written(connection, false);
        if !self.is_used {
            return;
        }
        self.hail(connection);
        self.step(connection, LEASE);
    }

    fn step(&mut self, connection: &mut StoreConnection, lease: Duration) {
        let (step, refused) = self.outbox.next(Instant::now());
        if !refused.is_empty() {
            self.notice(Notice::Missing(self.endpoint.index, refused));
        }
        if let Some((done, is_busy)) = step {
            let out = self.out(lease, is_busy, &done);
            let has_written = done.number > 0;
            self.said = done;
            connection.command(&out, Upkeep::DocumentOutbox);
            if has_written {
                self.ask_written(connection, true);
            }
        }
    }

    /// Asks what is written, if something waits for that.
    fn ask_written(&self, connection: &mut StoreConnection, is_urgent: bool) {
        if let Some(lowest) = self.endpoint.ask_written(is_urgent) {
            let written = commands::written(&self.endpoint.names.keys, lowest);
            connection.command(&written, Upkeep::DocumentsWritten);
        }
    }

    /// This node begins to listen to a room, or again to all.
    pub(in super::super) fn ask_rooms(&self, connection: &mut StoreConnection, room: Option<&RoomId>) {
        if self.is_durable {
            let rooms = commands::rooms(&self.endpoint.names.keys, room);
            connection.command(&rooms, Upkeep::DocumentRooms);
        }
    }

    /// How soon there is something to do again, if that is soon.
    pub(in super::super) fn patience(&self) -> Option<Duration> {
        if self.endpoint.is_waiting() {
            return Some(ASK_INTERVAL);
        }
        (self.is_durable && self.outbox.writes()).then_some(DURABLE_LOOK_INTERVAL)
    }

    fn out(&self, lease: Duration, is_busy: bool, done: &Done) -> Cmd {
        let Endpoint { names, node, .. } = &*self.endpoint;
        commands::out(&names.keys, node, lease.as_millis() as u64, is_busy, done)
    }

    fn notice(&self, notice: Notice) {
        // Without the gate nobody fetches anything.
        let _ = self.link.notices.send(notice);
    }

    /// The gate asks for something.
    pub(in super::super) fn ask(&mut self, connection: &mut StoreConnection, request: Request) {
        self.hail(connection);
        let own_keys = &self.endpoint.names.keys;
        let (command, asked) = match request {
            Request::Install(claim, documents, reply) => {
                let command = commands::install(own_keys, &claim, &documents);
                let addresses = documents.into_iter().map(|document| document.address).collect();
                (command, Asked::Install(addresses, reply))
            }
            Request::LetGo(addresses, why, reply) => {
                (commands::let_go(own_keys, &addresses, why), Asked::LetGo(addresses, reply))
            }
        };
        self.asked.push_back(asked);
        connection.command(&command, Upkeep::Documents);
    }

    /// The store has answered what the gate asked for. Gives those documents that it has taken.
    pub(in super::super) fn answered(&mut self, answer: &Value) -> Vec<Address> {
        self.asked.pop_front().map(|asked| asked.answer(Some(answer))).unwrap_or_default()
    }

    /// Messages wait for these, which are not in the store.
    pub(in super::super) fn need(&self, missing: Vec<Address>) {
        self.notice(Notice::Needed(self.endpoint.index, missing));
    }

    /// The store has told as which home it keeps documents.
    pub(in super::super) fn hailed(&mut self, answer: &Value) {
        let Some(Hailed { claim, is_old, shows_starts }) = Hailed::read(answer) else {
            log::error!("what the store tells of documents makes no sense address={}", self.endpoint.address);
            return;
        };
        if !shows_starts && self.home.is_none() {
            log::warn!(
                "the store does not show when it was started again, and saves may be lost then: its user needs +info address={}",
                self.endpoint.address
            );
        }
        let before = self.home.replace(claim.home.clone());
        if let Some(before) = before.filter(|before| *before != claim.home) {
            log::warn!(
                "the store begins anew with documents: they are fetched again address={}",
                self.endpoint.address
            );
            if !is_old {
                // It is lost with what it had: others need not wait until its lease is over.
                self.link.database.retire(&before, Box::new(drop));
            }
        }
        *self.endpoint.claim.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(claim);
    }

    /// The store has taken a step of the outbox.
    pub(in super::super) fn stepped(&mut self, answer: Value) {
        let Ok(out) = Out::read(answer) else {
            log::error!(
                "what the store tells of saved documents makes no sense address={}",
                self.endpoint.address
            );
            return;
        };
        let (entries, bytes) = out.as_ref().map_or((0, 0), |out| (out.entries, out.bytes));
        self.endpoint.note_outbox(entries, bytes);
        let said = std::mem::take(&mut self.said);
        self.outbox.answered(out, &said, Instant::now());
    }

    /// Calls that were sent may save something.
    pub(in super::super) fn expect_more(&mut self) {
        self.outbox.expect_more();
    }

    /// Whether nothing more is to be written, as far as is this node's to do.
    pub(in super::super) fn is_idle(&self) -> bool {
        !self.is_used || self.outbox.is_idle()
    }

    /// Another node may write from now on.
    pub(in super::super) fn give_up_lease(&mut self, connection: &mut StoreConnection) {
        if self.is_used {
            let out = self.out(Duration::ZERO, true, &Done::default());
            connection.command(&out, Upkeep::Note);
        }
    }
}
