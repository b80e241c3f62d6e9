//! What the embedded store is started with.

use std::path::PathBuf;
use std::time::Duration;

use crate::state::HistoryBounds;
use crate::state::documents::DocumentLink;

/// How to start an [`super::EmbeddedEngine`].
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Batches that may wait; more are refused.
    pub queue_capacity: usize,
    /// What one call may take.
    pub time_budget: Duration,
    /// By how many bytes one call may grow Lua's heap.
    pub memory_budget: usize,
    /// What keys and values may take, in bytes, with what is kept of rooms beside them.
    pub store_bytes: usize,
    /// Keys the store's hash tables, and seeds `math.random` and the epochs: should be secret.
    pub seed: u64,
    /// Where the store is kept; nowhere if there is none.
    pub state_file: Option<PathBuf>,
    /// What scripts are told about how long a room is kept after its last member left, in seconds.
    pub room_ttl_s: u64,
    /// What scripts are told about how many lobbies one user may own; 0 is no limit.
    pub lobbies_per_owner: u32,
    /// How long members that were connected when the last process ended may come back to their seats.
    pub rejoin_grace: Duration,
    /// What rooms keep of their events, for who comes back.
    pub history: HistoryBounds,
    /// Where documents come from and go to; without it scripts can have none.
    pub documents: Option<DocumentLink>,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            queue_capacity: 8192,
            time_budget: Duration::from_millis(50),
            memory_budget: 16 << 20,
            store_bytes: 1 << 30,
            seed: 0,
            state_file: None,
            room_ttl_s: 3600,
            lobbies_per_owner: 16,
            rejoin_grace: Duration::ZERO,
            history: HistoryBounds::default(),
            documents: None,
        }
    }
}
