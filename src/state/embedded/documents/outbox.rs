//! What calls have saved and the database does not have yet: one entry a call, in order.

use std::collections::VecDeque;

use godra_engine::keyspace::{Keyspace, Value};

use super::entry;
use crate::document::{Address, Entry, MAX_TRANSACTION_BYTES, MAX_TRANSACTION_SAVES};
use crate::state::documents::rules::{MAX_OUTBOX_BYTES, MAX_OUTBOX_ENTRIES};
use crate::state::sizes::{block, shared_text};

/// A list of more places than this gives most of them back once they are empty.
const FEW_PLACES: usize = 1_024;
const PREFIX: &[u8] = b"godra:data:out:";

/// Where the entries are, which lie in the keyspace.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    entries: VecDeque<Queued>,
    last_number: u64,
    bytes: usize,
    /// What the entries' addresses take.
    address_bytes: usize,
}

#[derive(Debug)]
struct Queued {
    number: u64,
    bytes: usize,
    addresses: Box<[Address]>,
}

/// What one transaction writes.
#[derive(Debug, Default)]
pub(in super::super) struct Portion {
    /// The entries' numbers, also of those that are not in the keyspace any more.
    pub numbers: Vec<u64>,
    /// What each says of those that are there.
    pub entries: Vec<(u64, Entry)>,
    /// How many are not there any more.
    pub gone: usize,
}

/// The key of an entry.
pub(in super::super) fn key(number: u64) -> Vec<u8> {
    [PREFIX, itoa::Buffer::new().format(number).as_bytes()].concat()
}

/// The number of the entry that a key is of.
pub(super) fn number(key: &[u8]) -> Option<u64> {
    std::str::from_utf8(key.strip_prefix(PREFIX)?).ok()?.parse().ok()
}

impl Outbox {
    /// Gives the entry's number, and the value of its key.
    pub(super) fn push(&mut self, entry: &Entry) -> (u64, Vec<u8>) {
        self.restore(self.last_number + 1, entry);
        (self.last_number, entry::encode(entry))
    }

    /// Takes up an entry that is in the keyspace. They come in order.
    pub(super) fn restore(&mut self, number: u64, entry: &Entry) {
        self.last_number = number;
        let bytes = entry.bytes();
        self.bytes += bytes;
        let addresses: Box<[Address]> =
            entry.saves.iter().map(|save| save.document.address.clone()).collect();
        self.address_bytes += size_of_addresses(&addresses);
        self.entries.push_back(Queued { number, bytes, addresses });
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What it takes beside the keys.
    pub(super) fn memory_bytes(&self) -> usize {
        block(self.entries.capacity() * size_of::<Queued>()) + self.address_bytes
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.entries.len() < MAX_OUTBOX_ENTRIES && self.bytes + bytes <= MAX_OUTBOX_BYTES
    }

    /// The first entries, as many as one transaction takes, and one at least if there is any.
    pub(super) fn portion(&self, keyspace: &Keyspace) -> Portion {
        let mut portion = Portion::default();
        let (mut saves, mut bytes) = (0, 0);
        for queued in &self.entries {
            saves += queued.addresses.len();
            bytes += queued.bytes;
            let is_too_much = saves > MAX_TRANSACTION_SAVES || bytes > MAX_TRANSACTION_BYTES;
            if is_too_much && !portion.numbers.is_empty() {
                break;
            }
            portion.numbers.push(queued.number);
            let entry = match keyspace.get(&key(queued.number)) {
                Some((Value::String(bytes), _)) => entry::decode(bytes),
                _ => None,
            };
            portion.gone += usize::from(entry.is_none());
            portion.entries.extend(entry.map(|entry| (queued.number, entry)));
        }
        portion
    }

    /// Takes out the first entry, if it is this one; gives which documents it is about.
    pub(super) fn remove(&mut self, number: u64) -> Option<Box<[Address]>> {
        self.entries.front().filter(|queued| queued.number == number)?;
        let queued = self.entries.pop_front()?;
        self.bytes -= queued.bytes;
        self.address_bytes -= size_of_addresses(&queued.addresses);
        if self.entries.capacity() > FEW_PLACES && self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(2 * self.entries.len());
        }
        Some(queued.addresses)
    }
}

fn size_of_addresses(addresses: &[Address]) -> usize {
    let texts: usize = addresses.iter().map(|address| shared_text(address.as_str().len())).sum();
    block(size_of_val(addresses)) + texts
}
