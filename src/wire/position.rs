//! Where a client, a room or a store is in a room's history.

/// A place in a room's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Changes when the store lost the room's history.
    pub epoch: u64,
    /// The number of its last event; 0 before the first.
    pub seq: u64,
}
