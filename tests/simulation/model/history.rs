//! What has happened in a room since its store last lost its data.

use std::collections::{BTreeMap, BTreeSet};

use super::Outcome;
use crate::state::Batch;

#[derive(Default)]
pub(in super::super) struct History {
    /// The event with number 1 first.
    events: Vec<Event>,
    /// What the room was like right behind these events, each time that somebody asked.
    snapshots: BTreeMap<u64, Vec<String>>,
    /// Who was let in behind these events, and the last of its numbered inputs that had run.
    entries: BTreeSet<(u64, String, u64)>,
    /// Who was put out behind these events.
    removals: Vec<(u64, String)>,
}

/// An event as its store numbered it.
pub(in super::super) struct Event {
    pub(in super::super) text: String,
    pub(in super::super) audience: Audience,
    pub(in super::super) ran_at_ms: u64,
}

/// For whom an event is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Audience {
    All,
    Users(BTreeSet<String>),
    AllBut(BTreeSet<String>),
}

impl Audience {
    fn includes(&self, user: &str) -> bool {
        match self {
            Self::All => true,
            Self::Users(users) => users.contains(user),
            Self::AllBut(users) => !users.contains(user),
        }
    }
}

impl History {
    pub(in super::super) fn last_seq(&self) -> u64 {
        self.events.len() as u64
    }

    pub(in super::super) fn event(&self, seq: u64) -> Option<&Event> {
        self.events.get((seq.checked_sub(1)?) as usize)
    }

    /// The first event for a user behind one and up to another.
    pub(in super::super) fn first_for(&self, user: &str, after: u64, up_to: u64) -> Option<u64> {
        (after + 1..=up_to).find(|seq| self.event(*seq).is_some_and(|event| event.audience.includes(user)))
    }

    /// Whether the room was like this right behind that event.
    pub(in super::super) fn was(&self, seq: u64, state: &str) -> bool {
        self.snapshots.get(&seq).is_some_and(|states| states.iter().any(|known| known == state))
    }

    /// Whether the user was let in there with this number.
    pub(in super::super) fn let_in(&self, seq: u64, user: &str, n: u64) -> bool {
        self.entries.contains(&(seq, user.to_owned(), n))
    }

    /// Where the user was let in last with this number, there or behind it.
    pub(in super::super) fn last_let_in(&self, from: u64, user: &str, n: u64) -> Option<u64> {
        let of_user = self.entries.iter().filter(|(_, of, with)| of == user && *with == n);
        of_user.map(|(seq, ..)| *seq).filter(|seq| *seq >= from).max()
    }

    /// Behind which event a user was put out who came in behind another.
    pub(in super::super) fn removal_of(&self, user: &str, since: u64) -> Option<u64> {
        let of_user = self.removals.iter().filter(|(_, removed)| removed == user);
        of_user.map(|(seq, _)| *seq).find(|seq| *seq > since)
    }

    pub(super) fn publish(&mut self, head: &str, audience: Audience, ran_at_ms: u64) {
        let text = format!(r#"{head},"seq":{}}}"#, self.events.len() + 1);
        self.events.push(Event { text, audience, ran_at_ms });
    }

    pub(super) fn note_snapshots(&mut self, batch: &Batch, results: &[Outcome], seq: u64) {
        for (call, result) in batch.calls.iter().zip(results) {
            if let (true, Outcome::Ok(state)) = (&*call.script.name == "on_snapshot", result) {
                self.snapshots.entry(seq).or_default().push(state.clone());
            }
        }
    }

    pub(super) fn note_entries(&mut self, entries: &[(String, u64)], seq: u64) {
        self.entries.extend(entries.iter().map(|(user, n)| (seq, user.clone(), *n)));
    }

    pub(super) fn note_removals(&mut self, removed: &[String]) {
        let seq = self.last_seq();
        self.removals.extend(removed.iter().map(|user| (seq, user.clone())));
    }
}
