//! What the batches under way are for. Engines do not know: they give back a tag.

use std::sync::Arc;

use slab::Slab;

use crate::session::account::Upgraded;
use crate::state::{ConnectionKey, Tag};
use crate::wire::ids::Identity;

/// What is to be done with a batch's results.
#[derive(Debug)]
pub(super) enum Purpose {
    /// A room's inputs: the calls' answers go to these connections (one entry per call).
    Inputs(Vec<ReplyTo>),
    /// These join: `on_connect` for each, then `on_snapshot` for all, if there is one.
    Join(Vec<ConnectionKey>),
    /// These members fell behind and get a snapshot: for each a call that confirms its membership, then `on_snapshot`.
    Snapshot(Vec<ConnectionKey>),
    /// An RPC over HTTP.
    Rpc(ConnectionKey),
    /// The book of guests.
    Guests(GuestTask),
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

/// Where the answer of one input goes.
#[derive(Clone, Debug)]
pub struct ReplyTo {
    /// The connection that sent it, or [`ConnectionKey::NOBODY`] for the server's own calls.
    pub connection: ConnectionKey,
    /// The client's `id`, if it wants a reply.
    pub id: Option<u64>,
    /// Which call of the server's own it is: it must be made again if the store did not answer.
    pub own: Option<Box<OwnCall>>,
}

/// A hook among a room's inputs, and what it takes to call it again.
#[derive(Clone, Debug)]
pub enum OwnCall {
    /// `on_disconnect`, which ends this membership.
    Leave(Arc<Identity>, u32),
    /// `on_upgrade`.
    Upgrade(Arc<Upgraded>),
}

/// The purposes of a shard's batches, by their tags.
#[derive(Debug, Default)]
pub(super) struct Purposes(Slab<Purpose>);

impl Purposes {
    /// The tag for a batch with this purpose.
    pub(super) fn note(&mut self, purpose: Purpose) -> Tag {
        Tag(self.0.insert(purpose) as u64)
    }

    /// The purpose of a batch that has come back.
    pub(super) fn take(&mut self, tag: Tag) -> Option<Purpose> {
        self.0.try_remove(usize::try_from(tag.0).ok()?)
    }
}
