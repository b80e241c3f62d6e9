//! Documents in the embedded store: those that are hot, what calls do with them, and what is on its way to the database.
//!
//! All of it lies in the keyspace, one key a hot document and one an entry of the outbox, which takes it back with the call that
//! fails, counts it, and keeps it in the state file. Here is what finds it. No Lua here but in `library`, no thread and no clock.

mod entry;
mod ledger;
mod library;
mod outbox;
mod record;

use std::collections::HashMap;
use std::sync::Arc;

use godra_engine::keyspace::{Keyspace, Value};

use self::outbox::Outbox;
pub(super) use self::outbox::{Portion, key as entry_key};
use self::record::Record;
use crate::document::ledger::LedgerEntry;
use crate::document::{Address, Document, Entry, HomeId, Lost, Save};
use crate::script::Script;
use crate::state::Call;
use crate::state::documents::{CallDocuments, Declared, Installed};
use crate::state::sizes::hash_table;

/// What the keys begin with: scripts' commands cannot touch them.
pub(super) const KEY_PREFIX: &[u8] = b"godra:data:";
const HOT_PREFIX: &[u8] = b"godra:data:doc:";
/// The key of the store's id as a home.
pub(super) const HOME_KEY: &[u8] = b"godra:data:home";

/// What a hot document takes in all beside what it says, about: its key in the store, and its places in the tables here and of the
/// gate.
const HOT_BYTES: usize = 450;
/// A table of more places than this gives most of them back once they are empty.
const FEW_PLACES: usize = 1_024;

/// The documents of the store.
#[derive(Default)]
pub(super) struct DocumentStore {
    call: RunningCall,
    outbox: Outbox,
    /// Those that have been installed, with what each takes, about.
    hot: HashMap<Address, usize>,
    hot_bytes: usize,
    /// How many there has been room for: while some go, the table tells of less than it has.
    widest: usize,
    /// Of how many entries in the outbox each is a part.
    waiting: HashMap<Address, u32>,
}

/// What the running call may work on, and what it has changed.
#[derive(Default)]
struct RunningCall {
    documents: Option<Arc<CallDocuments>>,
    /// What runs: it knows forms of documents.
    script: Option<Arc<Script>>,
    /// Each with the version that it had before the call.
    changed: Vec<(Address, u64)>,
    /// What ledgers are to keep of it.
    entries: Vec<(Address, LedgerEntry)>,
}

/// The key of a hot document.
pub(super) fn key(address: &Address) -> Vec<u8> {
    [HOT_PREFIX, address.as_str().as_bytes()].concat()
}

/// The store's id as a home, if it has had one.
pub(super) fn home_of(keyspace: &Keyspace) -> Option<HomeId> {
    match keyspace.get(HOME_KEY) {
        Some((Value::String(bytes), _)) => HomeId::parse(std::str::from_utf8(bytes).ok()?),
        _ => None,
    }
}

fn record_of<'k>(keyspace: &'k Keyspace, key: &[u8]) -> Option<Record<'k>> {
    match keyspace.get(key) {
        Some((Value::String(bytes), _)) => Record::decode(bytes),
        _ => None,
    }
}

/// The running call.
impl DocumentStore {
    /// Another call begins.
    pub(super) fn begin_call(&mut self, call: &Call) {
        self.call.documents = call.documents.clone();
        self.call.script = call.documents.is_some().then(|| call.script.clone());
        self.undo_call();
    }

    /// Whether the last call had documents.
    pub(super) fn has_call(&self) -> bool {
        self.call.documents.is_some()
    }

    /// No call is running.
    pub(super) fn forget_script(&mut self) {
        self.call.script = None;
    }

    /// Which form of a collection's documents the running script knows.
    fn form(&self, collection: &str) -> u32 {
        self.call.script.as_ref().map_or(1, |script| script.form(collection))
    }

    fn declared(&self) -> &[Declared] {
        self.call.documents.as_deref().map(CallDocuments::declared).unwrap_or_default()
    }

    /// The running call is about to change a document that has had this version.
    fn changes(&mut self, address: &Address, base: u64) {
        if !self.call.changed.iter().any(|(known, _)| known == address) {
            self.call.changed.push((address.clone(), base));
        }
    }

    /// The running call has changed an account of a ledger.
    fn keeps(&mut self, account: &Address, entry: LedgerEntry) {
        self.call.entries.push((account.clone(), entry));
    }

    /// The running call has failed and changed nothing.
    pub(super) fn undo_call(&mut self) {
        self.call.changed.clear();
        self.call.entries.clear();
    }

    /// The running call has ended, and what it has changed stays: the number of its entry in the outbox, and what is to be put
    /// there, if it has changed anything.
    pub(super) fn end_call(&mut self, keyspace: &Keyspace) -> Option<(u64, Vec<u8>)> {
        if self.call.changed.is_empty() {
            return None;
        }
        let mut saves = Vec::with_capacity(self.call.changed.len());
        let mut made = std::mem::take(&mut self.call.entries);
        for (address, base) in std::mem::take(&mut self.call.changed) {
            let Some(record) = record_of(keyspace, &key(&address)) else { continue };
            // What it was about to do was refused.
            if record.version != base {
                let document = record.to_document(address);
                self.note_size(&document);
                let entries = made.extract_if(.., |(account, _)| *account == document.address);
                let entries = entries.map(|(_, entry)| entry).collect();
                saves.push(Save { document, base, entries });
            }
        }
        if saves.is_empty() {
            return None;
        }
        for save in &saves {
            *self.waiting.entry(save.document.address.clone()).or_default() += 1;
        }
        Some(self.outbox.push(&Entry { saves }))
    }
}

/// Hot documents.
impl DocumentStore {
    /// Whether a document may be worked on.
    pub(super) fn is_hot(&self, address: &Address, keyspace: &Keyspace) -> bool {
        self.hot.contains_key(address) && keyspace.get(&key(address)).is_some()
    }

    /// What becomes of a fetched document, and what is to be put at its key, if it is to be put there.
    pub(super) fn install(
        &mut self,
        document: &Document,
        keyspace: &Keyspace,
        max_bytes: usize,
    ) -> (Installed, Option<Vec<u8>>) {
        let key = key(&document.address);
        let present = record_of(keyspace, &key).filter(|_| self.hot.contains_key(&document.address));
        if present.is_some_and(|present| present.version >= document.version) {
            return (Installed::Done, None);
        }
        if self.waiting.contains_key(&document.address) {
            self.forget(&document.address);
            return (Installed::Again, None);
        }
        let record = Record::of(document).encode();
        if self.hot_bytes + record.len() > max_bytes {
            return (Installed::Full, None);
        }
        self.note_size(document);
        (Installed::Done, Some(record))
    }

    fn note_size(&mut self, document: &Document) {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let texts = text(&document.value) + text(&document.recent_keys);
        let bytes = HOT_BYTES + 2 * document.address.as_str().len() + texts;
        self.hot_bytes += bytes;
        if let Some(before) = self.hot.insert(document.address.clone(), bytes) {
            self.hot_bytes -= before;
        }
        self.widest = self.widest.max(self.hot.capacity());
    }

    /// Whether a document may go out of the store.
    pub(super) fn may_go(&self, address: &Address) -> bool {
        !self.waiting.contains_key(address)
    }

    /// A document is out of the store, or not to be trusted.
    pub(super) fn forget(&mut self, address: &Address) {
        self.hot_bytes -= self.hot.remove(address).unwrap_or_default();
        if self.widest > FEW_PLACES && self.hot.len() < self.widest / 4 {
            self.hot.shrink_to(2 * self.hot.len());
            self.widest = self.hot.capacity();
        }
    }

    /// All that are hot and clean.
    pub(super) fn clean(&self) -> Vec<Address> {
        self.hot.keys().filter(|address| self.may_go(address)).cloned().collect()
    }

    /// What it takes beside the keys, about. Addresses count where they are known longest: in the gate's table, and in the outbox.
    pub(super) fn memory_bytes(&self) -> usize {
        hash_table::<(Address, usize)>(self.widest)
            + hash_table::<(Address, u32)>(self.waiting.capacity())
            + self.outbox.memory_bytes()
    }
}

/// The outbox.
impl DocumentStore {
    /// Begins anew with the entries that a state file held. Gives the keys of what is not to be kept: hot documents, which another
    /// home may have had meanwhile, and what cannot be read.
    pub(super) fn restore(&mut self, keyspace: &Keyspace) -> Vec<Box<[u8]>> {
        *self = Self::default();
        let mut dropped = Vec::new();
        let mut entries = Vec::new();
        for (key, value, _) in keyspace.iterate().filter(|(key, ..)| key.starts_with(KEY_PREFIX)) {
            if key == HOME_KEY {
                continue;
            }
            let entry = match value {
                Value::String(bytes) => outbox::number(key).zip(entry::decode(bytes)),
                _ => None,
            };
            match entry {
                Some((number, entry)) => entries.push((number, entry)),
                None => dropped.push(key.into()),
            }
        }
        entries.sort_by_key(|(number, _)| *number);
        for (number, entry) in entries {
            for save in &entry.saves {
                *self.waiting.entry(save.document.address.clone()).or_default() += 1;
            }
            self.outbox.restore(number, &entry);
        }
        dropped
    }

    /// Whether a save of so many bytes has a place in it.
    fn has_room(&self, bytes: usize) -> bool {
        self.outbox.has_room(bytes)
    }

    /// Entries in it, and what they say, in bytes.
    pub(super) fn outbox_size(&self) -> (usize, usize) {
        (self.outbox.len(), self.outbox.bytes())
    }

    /// What is to be written next.
    pub(super) fn portion(&self, keyspace: &Keyspace) -> Portion {
        self.outbox.portion(keyspace)
    }

    /// These entries leave the outbox.
    pub(super) fn written(&mut self, portion: &Portion) {
        for number in &portion.numbers {
            let Some(addresses) = self.outbox.remove(*number) else { continue };
            for address in &*addresses {
                if let Some(count) = self.waiting.get_mut(address) {
                    *count -= 1;
                    if *count == 0 {
                        self.waiting.remove(address);
                    }
                }
            }
        }
    }
}

/// Which of some entries have a save that the database has refused.
pub(super) fn lost_entries(saved: &[(u64, Vec<(Address, u64)>)], lost: &[Lost]) -> Vec<u64> {
    let is_lost = |(address, version): &(Address, u64)| {
        lost.iter().any(|lost| lost.address == *address && lost.version == *version)
    };
    saved.iter().filter(|(_, saves)| saves.iter().any(is_lost)).map(|(number, _)| *number).collect()
}

#[cfg(any(test, fuzzing))]
#[path = "../../../../tests/fuzz/targets/kept_documents.rs"]
pub(crate) mod fuzz;
