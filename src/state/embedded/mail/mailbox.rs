//! What one receiver has pending.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Address;
use super::agenda::Filed;
use crate::state::mail::{MAX_OF_ROUND, ROUND_MS};
use crate::state::sizes::tree;

const ROUND: Duration = Duration::from_millis(ROUND_MS);

/// A message's place in the order of its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// When it is due, in milliseconds of the store's clock; of one that is due at once, when it was sent.
    pub due_ms: u64,
    /// Counts messages.
    pub id: u64,
    /// Whether it is due whatever the clock says, which may be set back.
    pub is_at_once: bool,
}

/// Who sent it under which name.
pub(super) type Name = Box<(Address, Box<[u8]>)>;

/// What is known of a pending message beside its place.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub name: Option<Name>,
    /// What it takes with its key and its body, about.
    pub bytes: usize,
}

/// The messages of one receiver.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    /// Those that are due at once, by id, with when they were sent.
    at_once: BTreeMap<u64, (u64, Entry)>,
    /// The others, by when they are due, and id.
    timed: BTreeMap<(u64, u64), Entry>,
    /// Where the agenda has it.
    pub filed: Filed,
    /// When the round began, and how many have run in it.
    round: Option<(Instant, usize)>,
}

impl Mailbox {
    pub(super) fn insert(&mut self, place: Place, entry: Entry) {
        match place.is_at_once {
            true => drop(self.at_once.insert(place.id, (place.due_ms, entry))),
            false => drop(self.timed.insert((place.due_ms, place.id), entry)),
        }
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Entry> {
        match place.is_at_once {
            true => self.at_once.remove(&place.id).map(|(_, entry)| entry),
            false => self.timed.remove(&(place.due_ms, place.id)),
        }
    }

    /// What its messages take, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        tree(self.at_once.len(), size_of::<(u64, (u64, Entry))>())
            + tree(self.timed.len(), size_of::<((u64, u64), Entry)>())
    }

    pub(super) fn get(&self, place: Place) -> Option<&Entry> {
        match place.is_at_once {
            true => self.at_once.get(&place.id).map(|(_, entry)| entry),
            false => self.timed.get(&(place.due_ms, place.id)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.at_once.len() + self.timed.len()
    }

    /// When the next is due; 0 for one that is due at once, none without any.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let timed_ms = self.timed.first_key_value().map(|((due_ms, _), _)| *due_ms);
        if self.at_once.is_empty() { timed_ms } else { Some(0) }
    }

    /// What is due, in order.
    pub(super) fn due(&self, now_ms: u64) -> impl Iterator<Item = Place> {
        let at_once = |(&id, &(due_ms, _)): (&u64, &(u64, Entry))| Place { due_ms, id, is_at_once: true };
        let timed = |(&(due_ms, id), _): (&(u64, u64), &Entry)| Place { due_ms, id, is_at_once: false };
        let mut at_once = self.at_once.iter().map(at_once).peekable();
        let is_due = move |place: &Place| place.due_ms <= now_ms;
        let mut timed = self.timed.iter().map(timed).take_while(is_due).peekable();
        std::iter::from_fn(move || match (at_once.peek(), timed.peek()) {
            (Some(first), Some(other)) if (first.due_ms, first.id) > (other.due_ms, other.id) => timed.next(),
            (Some(_), _) => at_once.next(),
            (None, _) => timed.next(),
        })
    }

    /// How many may run in this round.
    pub(super) fn left_in_round(&mut self, now: Instant) -> usize {
        let (began, ran) = *self.round.get_or_insert((now, 0));
        if now.saturating_duration_since(began) < ROUND {
            return MAX_OF_ROUND.saturating_sub(ran);
        }
        self.round = Some((now, 0));
        MAX_OF_ROUND
    }

    /// When what is known of the round may be forgotten.
    pub(super) fn round_ends(&self) -> Option<Instant> {
        self.round.map(|(began, _)| began + ROUND)
    }

    /// What has run counts no more.
    pub(super) fn end_round(&mut self) {
        self.round = None;
    }

    /// So many have run. Gives when the next may, if that is not now.
    pub(super) fn ran(&mut self, count: usize, now: Instant) -> Option<Instant> {
        let (began, ran) = self.round.get_or_insert((now, 0));
        *ran += count;
        (*ran >= MAX_OF_ROUND).then_some(*began + ROUND)
    }
}
