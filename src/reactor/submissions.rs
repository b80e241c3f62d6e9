//! A shard's batches with the engine, and what each is for. The engine does not know: it gives back a tag.

use std::sync::Arc;

use slab::Slab;

use super::readers::WaitingReading;
use crate::room::BatchNumber;
use crate::room::allowance::CallCharge;
use crate::script::Script;
use crate::state::{Batch, ConnectionKey, Engine, NotTaken, SubmitError, Tag};
use crate::wire::ids::Identity;

/// The way to the engine.
pub(super) struct Submissions {
    pub(super) engine: Arc<dyn Engine>,
    purposes: Slab<Purpose>,
}

/// What is to be done with a batch's results.
#[derive(Debug)]
pub(super) enum Purpose {
    /// A room's batch: the room's index, its generation, and the number by which it knows the batch.
    Room(usize, u32, BatchNumber),
    /// An RPC over HTTP.
    Rpc(WaitingRpc),
    /// Whether who wants to read a document is in its room.
    Reading(WaitingReading),
    /// The book of guests.
    Guests(GuestTask),
}

/// An RPC that the engine has.
#[derive(Debug)]
pub(super) struct WaitingRpc {
    pub(super) connection: ConnectionKey,
    pub(super) script: Arc<Script>,
    pub(super) caller: Arc<Identity>,
    /// Of what it has sent, which the engine keeps until it is done.
    pub(super) charge: CallCharge,
}

/// What a batch of the book of guests is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GuestTask {
    /// Guests that are gone are claimed, in the store of this index.
    Claim(usize),
    /// A guest is taken out of one of its rooms; the claim is of the store of this index.
    Take(usize),
    /// A guest is forgotten, in the store of this index.
    Forget(usize),
    /// The rooms of a guest that has become a player: the number of the upgrade, and the store's index.
    Rooms(u32, usize),
}

impl Submissions {
    /// Nothing is under way.
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, purposes: Slab::new() }
    }

    /// Gives the engine a batch; its results are for this purpose.
    ///
    /// # Errors
    /// Gives the batch back, with why the engine has not taken it.
    pub(super) fn submit(&mut self, purpose: Purpose, batch: Batch) -> Result<(), (NotTaken, Batch)> {
        self.note(purpose, batch, |engine, batch| engine.submit(batch))
    }

    /// As [`Submissions::submit`], to the store of this index. Returns whether the engine has taken it.
    pub(super) fn submit_task(&mut self, store: usize, task: GuestTask, batch: Batch) -> bool {
        let purpose = Purpose::Guests(task);
        self.note(purpose, batch, |engine, batch| engine.submit_to(store, batch)).is_ok()
    }

    /// The purpose of a batch that has come back; none if nobody waits for it.
    pub(super) fn take(&mut self, tag: Tag) -> Option<Purpose> {
        self.purposes.try_remove(usize::try_from(tag.0).ok()?)
    }

    fn note(
        &mut self,
        purpose: Purpose,
        batch: Batch,
        submit: impl FnOnce(&dyn Engine, Batch) -> Result<(), SubmitError>,
    ) -> Result<(), (NotTaken, Batch)> {
        let tag = Tag(self.purposes.insert(purpose) as u64);
        submit(&*self.engine, Batch { tag, ..batch }).map_err(|rejected| {
            self.take(tag);
            (rejected.reason, *rejected.batch)
        })
    }
}
