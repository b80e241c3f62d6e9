//! Documents in Redis, which all nodes on it share: it is one home, and its id is kept there. No sockets here.
//!
//! ```text
//!  gate ──fetched──► install.lua ──► hot documents ◄── godra.load, godra.save (program.lua) ──► outbox
//!   └──others want──► let_go.lua ──►     ▲                                                        │ one node at a time
//!                              home.lua: whose they are               database ◄── desk ◄── out.lua
//! ```
//!
//! - `program`: what programs of scripts with documents have besides, and what they are told of the calls
//! - `commands`: the other scripts, and their answers
//! - `durable`: what waits until the database has what was saved (`written.lua`, `rooms.lua`)
//! - `desk`: what a writer's thread does about documents, with the way of the outbox to the database
//! - `messages`: what it does about messages that work on some, as these come from the store and not through the gate
//!
//! Nodes know nothing of each other's fetches. So a document that leaves the store leaves a trace for a minute, and what was fetched
//! before that is not installed any more: times are the store's own. A call that finds a document gone has not run, and its batch
//! goes back to the gate.

#[cfg(any(test, fuzzing))]
#[path = "../../../../tests/fuzz/targets/redis_documents.rs"]
pub(super) mod fuzz;

mod commands;
mod desk;
mod durable;
mod messages;
mod outbox;
mod program;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

pub(super) use self::commands::read_cold;
pub(super) use self::desk::{DocumentDesk, Request};
pub(super) use self::durable::{Waiting, Waits};
pub(super) use self::messages::{WaitingMessages, are_messages, front, hold, need_payloads, settle};
pub(super) use self::program::{comes_again, packed, program};
use super::ledger::Held;
use crate::state::documents::CallDocuments;
use crate::state::{Batch, Call};

/// Takes those calls out of a batch whose documents come later, beside those that wait already.
pub(super) fn hold_late(batch: &mut Batch, held: &mut Held) {
    let is_late = |call: &Call| matches!(call.documents.as_deref(), Some(CallDocuments::Later));
    if !batch.calls.iter().any(is_late) {
        return;
    }
    let mut places: VecDeque<usize> = held.iter().map(|(place, _)| *place).collect();
    let (mut place, mut rest) = (0, Vec::with_capacity(batch.calls.len()));
    for call in std::mem::take(&mut batch.calls) {
        while places.front() == Some(&place) {
            places.pop_front();
            place += 1;
        }
        if is_late(&call) {
            held.push((place, call));
        } else {
            rest.push(call);
        }
        place += 1;
    }
    batch.calls = rest;
    held.sort_by_key(|(place, _)| *place);
}

/// What this node knows of the outboxes of stores, for one figure of all of them.
#[derive(Debug, Default)]
pub(super) struct Outboxes(HashMap<usize, (u64, u64)>);

impl Outboxes {
    /// One store has so many entries of so many bytes; gives what all have.
    pub(super) fn note(&mut self, store: usize, entries: u64, bytes: u64) -> (u64, u64) {
        self.0.insert(store, (entries, bytes));
        self.0.values().fold((0, 0), |(entries, bytes), one| (entries + one.0, bytes + one.1))
    }
}
