//! The engine's way to the shards, and what waits in front of it.

use crate::state::held::HeldDeliveries;
use crate::state::{Deliver, Delivery, ShardId};
use crate::wire::ids::RoomId;

/// Takes deliveries out in order, behind what waits for the database.
pub(super) struct Outlet {
    deliver: Box<dyn Deliver>,
    held: HeldDeliveries,
}

impl Outlet {
    pub(super) fn new(deliver: Box<dyn Deliver>) -> Self {
        Self { deliver, held: HeldDeliveries::default() }
    }

    pub(super) fn home(&self, room: &RoomId) -> ShardId {
        self.deliver.home(room)
    }

    /// The call at that place of the running batch is done when this entry is written.
    pub(super) fn wait_for(&mut self, number: u64, place: usize) {
        self.held.wait_for_call(number, place);
    }

    /// The running batch has ended.
    pub(super) fn end_batch(&mut self) {
        self.held.end_batch();
    }

    pub(super) fn deliver(&mut self, shard: ShardId, delivery: Delivery) {
        self.held.deliver(shard, delivery, &mut *self.deliver);
    }

    /// All entries up to this one are written, but for what was lost.
    pub(super) fn written(&mut self, last: u64, lost: &[u64]) {
        self.held.written(last, lost, &mut *self.deliver);
    }
}
