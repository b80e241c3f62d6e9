//! The event loops: the only place that touches sockets.
//!
//! A shard is one thread with one poll. It works in rounds: poll, read mail, handle readiness (with a budget per
//! connection: what is left is parked, not starved), run due timers, submit and flush rooms, flush dirty outboxes,
//! re-register changed interest. It never waits for anything but its poll, and in a busy time for a round's shortest
//! time to be over ([`pace`]).

mod accept;
mod accounts;
mod admission;
mod calls;
mod carry_out;
mod connection;
mod deliveries;
mod draining;
mod fan_out;
mod guests;
mod letters;
mod mail;
mod members;
mod pace;
mod purposes;
mod reading;
mod rhythm;
mod rooms;
mod shard;
mod sockets;
mod upgrades;
mod wheel;
mod writing;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::accept::{ListenError, listen};
pub use self::admission::Admission;
pub use self::mail::{Mail, ShardPosts};
pub use self::shard::{Ended, Shard, WAKER};
use crate::session::Services;
use crate::session::account::AccountDesk;
use crate::state::Engine;

/// What all shards share. Nothing in it is waited for.
pub struct Shared {
    /// Services for sessions.
    pub services: Arc<dyn Services>,
    /// The state engine.
    pub engine: Arc<dyn Engine>,
    /// The accounts.
    pub accounts: Arc<dyn AccountDesk>,
    /// Who may connect.
    pub admission: Admission,
    /// Bounds and times.
    pub limits: Limits,
    /// The zero of the monotonic milliseconds.
    pub started: Instant,
}

/// Bounds of the event loops. Each says what happens at it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// A room's rhythm, in milliseconds.
    pub sync_interval_ms: u64,
    /// How long a guest without a socket and without a call is remembered.
    pub guest_ttl: Duration,
    /// Inputs of one room that wait for its tick; beyond it: `busy` to the sender.
    pub room_pending_inputs: usize,
    /// Inputs in one batch; the rest waits for the room's next tick.
    pub batch_calls: usize,
    /// Members beyond which a room's new members are spread over all shards.
    pub large_room_members: usize,
    /// Unsent bytes beyond which a member's queued events are replaced by a snapshot.
    pub outbox_soft_bytes: usize,
    /// Unsent bytes beyond which a member is closed with `slow_consumer`; other connections stop being read.
    pub outbox_hard_bytes: usize,
    /// How long a connection may leave its outbox unread before it is closed.
    pub stall_timeout_ms: u64,
    /// How long a finished connection waits for the peer to close its half.
    pub linger_ms: u64,
    /// Bytes read from one connection in one round; the rest is left for the next.
    pub read_budget_bytes: usize,
    /// Connections accepted in one round.
    pub accept_budget: usize,
    /// Letters read in one round.
    pub mail_budget: usize,
    /// Letters to one peer that wait while its mailbox is full; beyond it they are lost, see
    /// [`mail::Mail`].
    pub backlog_letters: usize,
}

/// The room's home shard among `shards`, the same in every thread.
pub fn home_shard(room: &crate::wire::ids::RoomId, shards: usize) -> usize {
    (room_hash(room) % shards as u64) as usize
}

/// A hash of the room's id that is the same in every thread and process (FNV-1a, 64 bits).
pub fn room_hash(room: &crate::wire::ids::RoomId) -> u64 {
    let hash = room
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    // FNV's low bits are weak for short keys; fold the high half in.
    hash ^ (hash >> 32)
}
