//! Documents on the engine's thread: what comes into the store and goes out of it, and the outbox on its way to the database, a
//! transaction at a time.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::Worker;
use crate::document::{Address, Document, HomeId, Lost, Reply, Unavailable};
use crate::script::Script;
use crate::state::documents::{CallDocuments, DocumentLink, Installed, Notice, not_hot, resolve};
use crate::state::embedded::documents::{self, Portion, lost_entries};
use crate::state::embedded::queue::EngineCommand;
use crate::state::{Call, CallError};
use crate::wire::ids::RoomId;

/// How long to wait after a transaction that failed: at first, and at most.
const RETRY_AFTER: Duration = Duration::from_millis(100);
const RETRY_AT_MOST: Duration = Duration::from_secs(1);
/// Hot documents may take this part of the store's memory.
const HOT_SHARE: usize = 2;
/// How long the outbox is emptied for when the engine stops.
const FAREWELL: Duration = Duration::from_secs(5);

/// Takes the outbox to the database.
pub(in crate::state::embedded) struct DocumentWriter {
    link: DocumentLink,
    home: HomeId,
    /// To the engine's own queue.
    wake: Sender<EngineCommand>,
    answers: Receiver<Answer>,
    answered: Sender<Answer>,
    /// What is being written: the entries' numbers, and what each has saved.
    under_way: Option<(Portion, Saved)>,
    /// Failures in a row, and when it is tried again.
    failures: u32,
    retry_at: Option<Instant>,
}

/// Which entry has which versions of which documents.
type Saved = Vec<(u64, Vec<(Address, u64)>)>;
type Answer = Result<Vec<Lost>, Unavailable>;

impl DocumentWriter {
    /// Of the engine that this queue is of.
    pub(in crate::state::embedded) fn new(
        link: DocumentLink,
        home: HomeId,
        wake: Sender<EngineCommand>,
    ) -> Self {
        let (answered, answers) = unbounded();
        Self { link, home, wake, answers, answered, under_way: None, failures: 0, retry_at: None }
    }

    /// The store's id as a home.
    pub(in crate::state::embedded) fn home(&self) -> &HomeId {
        &self.home
    }

    fn notice(&self, notice: Notice) {
        // Without the gate nobody fetches anything.
        let _ = self.link.notices.send(notice);
    }

    fn write(&mut self, mut portion: Portion) {
        let entries = std::mem::take(&mut portion.entries);
        let saves = |entry: &crate::document::Entry| {
            entry.saves.iter().map(|save| (save.document.address.clone(), save.document.version)).collect()
        };
        let saved = entries.iter().map(|(number, entry)| (*number, saves(entry))).collect();
        self.under_way = Some((portion, saved));
        let (answered, wake) = (self.answered.clone(), self.wake.clone());
        let reply = move |answer| {
            let _ = answered.send(answer);
            // If the queue is full, the thread is awake anyway.
            let _ = wake.try_send(EngineCommand::Wake);
        };
        let entries = entries.into_iter().map(|(_, entry)| entry).collect();
        self.link.database.write(entries, &self.home, Box::new(reply));
    }

    fn failed(&mut self, now: Instant) {
        self.under_way = None;
        self.retry_at = Some(now + (RETRY_AFTER * 2_u32.pow(self.failures.min(4))).min(RETRY_AT_MOST));
        self.failures += 1;
    }
}

/// Before a call.
impl Worker {
    /// What the database is reached by, before anything is restored.
    pub(in crate::state::embedded) fn write_documents(&mut self, writer: Option<DocumentWriter>) {
        self.documents = writer;
    }

    /// Why a call cannot run whose script works on documents.
    pub(super) fn lacks_documents(&self, call: &Call) -> Option<CallError> {
        let declared = match call.documents.as_deref() {
            Some(CallDocuments::Declared(declared)) => declared,
            Some(CallDocuments::Refused(refused)) => return Some(refused.clone()),
            Some(CallDocuments::Later) | None => return Some(not_hot()),
        };
        let missing = self.cold(declared.iter().map(|declared| &declared.address));
        if missing.is_empty() {
            return None;
        }
        if let Some(writer) = &self.documents {
            writer.notice(Notice::Missing(0, missing));
        }
        Some(not_hot())
    }

    /// Settles the documents of a call that the engine begins. False if they have to be fetched first, which this asks for.
    pub(super) fn settle_documents(&self, call: &mut Call, room: Option<&RoomId>) -> bool {
        let Some(writer) = self.documents.as_ref().filter(|_| call.script.has_documents()) else {
            return true;
        };
        let settled = resolve(call, room);
        let missing = self.cold(settled.declared().iter().map(|declared| &declared.address));
        call.documents = Some(settled.into());
        let are_hot = missing.is_empty();
        if !are_hot {
            writer.notice(Notice::Needed(0, missing));
        }
        are_hot
    }

    fn cold<'a>(&self, addresses: impl Iterator<Item = &'a Address>) -> Vec<Address> {
        let (store, keyspace) = (self.runner.documents(), self.runner.keyspace().borrow());
        addresses.filter(|address| !store.is_hot(address, &keyspace)).cloned().collect()
    }

    /// A call has ended: what it has saved is on its way, and if its script is durable, what is told from now on in its batch waits.
    pub(super) fn note_saves(&mut self, script: &Script, place: usize, now_ms: u64) {
        if let Some(number) = self.runner.save_documents(now_ms)
            && script.header.is_durable
        {
            self.deliver.wait_for(number, place);
        }
    }
}

/// What comes from the gate.
impl Worker {
    pub(super) fn install(&mut self, documents: &[Document], reply: Reply<Vec<(Address, Installed)>>) {
        let now_ms = (self.clock)();
        let is_full = self.runner.keyspace().borrow().used_bytes() >= self.store_bytes;
        let mut installed = Vec::with_capacity(documents.len());
        for document in documents {
            let max_bytes = if is_full { 0 } else { self.store_bytes / HOT_SHARE };
            let (outcome, record) = {
                let keyspace = self.runner.keyspace().borrow();
                self.runner.documents().install(document, &keyspace, max_bytes)
            };
            let key = documents::key(&document.address);
            match record {
                Some(record) => self.runner.execute(&[b"SET", &key, &record], now_ms),
                None if outcome == Installed::Again => self.runner.execute(&[b"DEL", &key], now_ms),
                None => {}
            }
            installed.push((document.address.clone(), outcome));
        }
        reply(installed);
    }

    pub(super) fn let_go(&mut self, addresses: Vec<Address>, reply: Reply<Vec<Address>>) {
        let mut gone = Vec::with_capacity(addresses.len());
        for address in addresses {
            if self.runner.documents().may_go(&address) {
                self.drop_document(&address);
                gone.push(address);
            }
        }
        reply(gone);
    }

    fn drop_document(&mut self, address: &Address) {
        self.runner.documents().forget(address);
        self.runner.execute(&[b"DEL", &documents::key(address)], (self.clock)());
    }
}

/// The way to the database.
impl Worker {
    /// Takes up what a state file held.
    pub(super) fn restore_documents(&mut self) {
        let dropped = self.runner.documents().restore(&self.runner.keyspace().borrow());
        let now_ms = (self.clock)();
        dropped.iter().for_each(|key| self.runner.execute(&[b"DEL", key], now_ms));
        let (entries, bytes) = self.runner.documents().outbox_size();
        if entries > 0 {
            log::info!("documents that were saved go to the database now entries={entries} bytes={bytes}");
        }
        self.keep_home();
    }

    /// Keeps the store's id in the store, if there are documents.
    pub(super) fn keep_home(&mut self) {
        let Some(writer) = &self.documents else { return };
        if !self.scripts.has_documents() && self.runner.documents().outbox_size().0 == 0 {
            return;
        }
        if documents::home_of(&self.runner.keyspace().borrow()).as_ref() != Some(&writer.home) {
            let home = writer.home.as_str().as_bytes();
            self.runner.execute(&[b"SET", documents::HOME_KEY, home], (self.clock)());
        }
    }

    /// Hears what was written, and has the next entries written.
    pub(super) fn serve_documents(&mut self) {
        let Some(writer) = &self.documents else { return };
        if writer.under_way.is_none() && self.runner.documents().outbox_size().0 == 0 {
            return;
        }
        let now = Instant::now();
        if let Ok(answer) = writer.answers.try_recv() {
            self.hear_of_documents(answer, now);
        }
        self.begin_writing(now);
    }

    /// How long the thread may sleep, and `longest` at most.
    pub(super) fn documents_wait(&self, longest: Duration) -> Duration {
        let Some(writer) = self.documents.as_ref().filter(|writer| writer.under_way.is_none()) else {
            return longest;
        };
        if self.runner.documents().outbox_size().0 == 0 {
            return longest;
        }
        let wait = |at: Instant| at.saturating_duration_since(Instant::now());
        writer.retry_at.map_or(Duration::ZERO, wait).min(longest)
    }

    fn begin_writing(&mut self, now: Instant) {
        let Some(writer) = &mut self.documents else { return };
        if writer.under_way.is_some() || writer.retry_at.is_some_and(|at| now < at) {
            return;
        }
        let portion = self.runner.documents().portion(&self.runner.keyspace().borrow());
        if portion.gone > 0 {
            log::error!(
                "documents that were saved are lost: a script has removed all keys entries={}",
                portion.gone
            );
        }
        if !portion.entries.is_empty() {
            return writer.write(portion);
        }
        if !portion.numbers.is_empty() {
            self.written(&portion, &[]);
        }
    }

    fn hear_of_documents(&mut self, answer: Answer, now: Instant) {
        let Some(writer) = &mut self.documents else { return };
        let lost = match answer {
            Ok(lost) => lost,
            Err(Unavailable) => return writer.failed(now),
        };
        (writer.failures, writer.retry_at) = (0, None);
        let Some((portion, saved)) = writer.under_way.take() else { return };
        let lost_numbers = lost_entries(&saved, &lost);
        self.written(&portion, &lost_numbers);
        if lost.is_empty() {
            return;
        }
        let addresses: Vec<Address> = lost.into_iter().map(|lost| lost.address).collect();
        addresses.iter().for_each(|address| self.drop_document(address));
        if let Some(writer) = &self.documents {
            writer.notice(Notice::Missing(0, addresses));
        }
    }

    fn written(&mut self, portion: &Portion, lost: &[u64]) {
        self.runner.documents().written(portion);
        let now_ms = (self.clock)();
        for number in &portion.numbers {
            self.runner.execute(&[b"DEL", &documents::entry_key(*number)], now_ms);
        }
        if let Some(last) = portion.numbers.last() {
            self.deliver.written(*last, lost);
        }
    }

    /// Empties the outbox as far as that takes no longer than a moment, and lets all documents go. Gives whether all is written.
    pub(super) fn finish_documents(&mut self) -> bool {
        let deadline = Instant::now() + FAREWELL;
        loop {
            let now = Instant::now();
            self.begin_writing(now);
            let Some(writer) = self.documents.as_ref().filter(|writer| writer.under_way.is_some()) else {
                break;
            };
            let Ok(answer) = writer.answers.recv_deadline(deadline) else { break };
            let has_failed = answer.is_err();
            self.hear_of_documents(answer, now);
            if has_failed {
                break;
            }
        }
        let Some(writer) = &self.documents else { return true };
        let clean = self.runner.documents().clean();
        if !clean.is_empty() {
            writer.link.database.let_go(clean, &writer.home);
        }
        let (entries, _) = self.runner.documents().outbox_size();
        if entries > 0 && self.checkpointer.is_none() {
            log::error!(
                "documents that were saved are lost: the database does not take them entries={entries}"
            );
            return false;
        }
        true
    }
}
