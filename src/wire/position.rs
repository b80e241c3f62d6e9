//! Where a client, a room or a store is in a room's history.

use bytes::Bytes;

/// A place in a room's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Changes when the store lost the room's history.
    pub epoch: u64,
    /// The number of its last event; 0 before the first.
    pub seq: u64,
}

/// What a client has missed that comes back.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The last event that it knows.
    pub since: u64,
    /// The frame with all after that; none if nothing has happened that is meant for it.
    pub missed: Option<Bytes>,
}
