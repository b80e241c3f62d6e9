//! What may happen, and when.

use std::cmp::Ordering;

use super::network::LinkId;
use super::store::NodeName;
use crate::state::Delivery;

/// Something that happens at a time.
pub(super) enum Happening {
    /// A client's connection comes to its node.
    Accept(LinkId),
    ToNode(LinkId, Vec<u8>),
    NodeSeesEnd(LinkId),
    /// A node may write again.
    Writable(LinkId),
    ToClient(LinkId, Vec<u8>),
    ClientSeesEnd(LinkId),
    /// A node turns its loop once.
    Round(NodeName),
    /// A batch comes to the store.
    ToStore(NodeName, Box<crate::state::Batch>),
    /// The store runs its next batch.
    StoreTurn,
    /// A message is due, or the store has time for one.
    MessagesDue,
    /// What a batch caused comes to a node; the count tells connections to the store apart.
    Deliver(NodeName, u32, Box<Delivery>),
    /// A node has its connection to the store again.
    StoreIsBack(NodeName),
    NodeStarts(usize),
    /// The state file is written.
    Sync,
    /// The node has had time to end in order.
    NodeHasStopped,
    /// A client does something.
    Act(usize),
    /// A client reads again.
    ReadAgain(usize, LinkId),
    /// Something goes wrong.
    Trouble,
}

/// A happening with its time.
pub(super) struct Later {
    pub(super) at_ms: u64,
    pub(super) what: Happening,
}

/// In the order in which things happen: by time, and then as they were planned.
pub(super) struct Planned {
    pub(super) at_ms: u64,
    pub(super) number: u64,
    pub(super) what: Happening,
}

impl Ord for Planned {
    /// The next is the greatest, as a heap has it.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ms, other.number).cmp(&(self.at_ms, self.number))
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Planned {}
