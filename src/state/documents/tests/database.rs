//! A database of documents in memory, which can be slow, away, and full of other homes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::document::ledger::{LedgerEntry, remember_again};
use crate::document::{
    Address, Document, Documents, Entry, FetchError, Fetched, HomeId, Lost, Reply, Save, Unavailable,
};

type Write = (Vec<Entry>, HomeId, Reply<Result<Vec<Lost>, Unavailable>>);

#[derive(Default)]
pub(super) struct State {
    pub documents: HashMap<Address, Document>,
    /// What ledgers have, by account.
    pub entries: HashMap<Address, Vec<LedgerEntry>>,
    pub homes: HashMap<Address, HomeId>,
    /// What the next renewal says.
    pub wanted: Vec<Address>,
    /// Nothing is answered until it is thawed.
    pub is_frozen: bool,
    pub is_away: bool,
    /// Each fetch, as it came.
    pub fetches: Vec<Vec<Address>>,
    /// How many entries each transaction had.
    pub transactions: Vec<usize>,
    waiting_fetches: Vec<(Vec<Address>, HomeId, Reply<Fetched>)>,
    waiting_writes: Vec<Write>,
}

impl State {
    /// The entry that there is of a key of a save.
    fn repeated(&self, save: &Save) -> Option<LedgerEntry> {
        let known = self.entries.get(&save.document.address)?;
        let key = save
            .keys()
            .map(|(_, key)| key)
            .find(|key| known.iter().any(|made| made.key.as_deref() == Some(key)))?;
        known.iter().find(|made| made.key.as_deref() == Some(key)).cloned()
    }
}

#[derive(Clone, Default)]
pub(super) struct Database(Arc<Mutex<State>>);

impl Database {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn value(&self, address: &str) -> Option<String> {
        let address = Address::parse(address).unwrap();
        self.state().documents.get(&address)?.value.as_deref().map(str::to_owned)
    }

    pub(super) fn put(&self, address: &str, version: u64, owner: Option<&str>, value: &str) {
        let address = Address::parse(address).unwrap();
        let (owner, value) = (owner.map(Into::into), Some(value.into()));
        let document = Document { version, owner, value, ..Document::absent(address.clone()) };
        self.state().documents.insert(address, document);
    }

    /// Answers all that has waited.
    pub(super) fn thaw(&self) {
        let mut state = self.state();
        state.is_frozen = false;
        let fetches = std::mem::take(&mut state.waiting_fetches);
        let writes = std::mem::take(&mut state.waiting_writes);
        drop(state);
        fetches.into_iter().for_each(|(addresses, home, reply)| self.answer_fetch(addresses, &home, reply));
        writes.into_iter().for_each(|(entries, home, reply)| self.answer_write(&entries, &home, reply));
    }

    fn answer_fetch(&self, addresses: Vec<Address>, home: &HomeId, reply: Reply<Fetched>) {
        let mut state = self.state();
        let answer = |address: Address| {
            if state.is_away {
                return (address, Err(FetchError::Unavailable));
            }
            if state.homes.entry(address.clone()).or_insert_with(|| home.clone()) != home {
                return (address, Err(FetchError::Held));
            }
            let known = state.documents.get(&address).cloned();
            (address.clone(), Ok(known.unwrap_or_else(|| Document::absent(address))))
        };
        let fetched = addresses.into_iter().map(answer).collect();
        drop(state);
        reply(fetched);
    }

    fn answer_write(&self, entries: &[Entry], home: &HomeId, reply: Reply<Result<Vec<Lost>, Unavailable>>) {
        let mut state = self.state();
        if state.is_away {
            drop(state);
            return reply(Err(Unavailable));
        }
        state.transactions.push(entries.len());
        let mut lost = Vec::new();
        for save in entries.iter().flat_map(|entry| &entry.saves) {
            let address = save.document.address.clone();
            let version = state.documents.get(&address).map_or(0, |document| document.version);
            let is_home = state.homes.get(&address) == Some(home);
            if version >= save.document.version && is_home {
                continue;
            }
            let repeated = state.repeated(save);
            if let Some(made) = repeated {
                let now_ms = save.document.updated_at_ms;
                let document = state.documents.get_mut(&address).expect("it has entries");
                let keys = document.recent_keys.as_deref().unwrap_or_default();
                document.recent_keys = remember_again(keys, &made, now_ms);
                lost.push(Lost { address, version: save.document.version });
            } else if is_home && version == save.base {
                state.entries.entry(address.clone()).or_default().extend(save.entries.iter().cloned());
                state.documents.insert(address, save.document.clone());
            } else {
                lost.push(Lost { address, version: save.document.version });
            }
        }
        drop(state);
        reply(Ok(lost));
    }
}

impl Documents for Database {
    fn fetch(&self, addresses: Vec<Address>, home: &HomeId, reply: Reply<Fetched>) {
        let mut state = self.state();
        state.fetches.push(addresses.clone());
        if state.is_frozen {
            return state.waiting_fetches.push((addresses, home.clone(), reply));
        }
        drop(state);
        self.answer_fetch(addresses, home, reply);
    }

    fn write(&self, entries: Vec<Entry>, home: &HomeId, reply: Reply<Result<Vec<Lost>, Unavailable>>) {
        let mut state = self.state();
        if state.is_frozen {
            return state.waiting_writes.push((entries, home.clone(), reply));
        }
        drop(state);
        self.answer_write(&entries, home, reply);
    }

    fn renew(&self, _home: &HomeId, reply: Reply<Result<Vec<Address>, Unavailable>>) {
        let wanted = std::mem::take(&mut self.state().wanted);
        reply(Ok(wanted));
    }

    fn release(&self, addresses: Vec<Address>, home: &HomeId, reply: Reply<Result<(), Unavailable>>) {
        self.let_go(addresses, home);
        reply(Ok(()));
    }

    fn retire(&self, home: &HomeId, reply: Reply<Result<(), Unavailable>>) {
        self.state().homes.retain(|_, of| of != home);
        reply(Ok(()));
    }

    fn let_go(&self, addresses: Vec<Address>, home: &HomeId) {
        self.state().homes.retain(|address, of| of != home || !addresses.contains(address));
    }
}
