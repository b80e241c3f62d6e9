//! The event loops: the only place that touches sockets.
//!
//! A shard is one thread with one poll. It works in rounds: poll, read messages, handle readiness (with a budget per
//! connection: what is left is parked, not starved), run due timers, settle rooms, flush dirty outboxes, re-register changed
//! interest. It never waits for anything but its poll, and in a busy time for a round's shortest time to be over ([`pace`]).
//!
//! It decides nothing about rooms ([`crate::room`]) or protocols ([`crate::session`]): it carries out what they want done.
//! Begin with [`shard`]'s loop, then `carry_out`, `rooms_out` and `inbox`. A new message is a variant in [`messages`] and an arm
//! in `inbox`; a new thing for sessions or rooms to want, a variant of their `Action` and an arm in `carry_out` or `rooms_out`.

mod acceptor;
mod admission;
mod buffers;
mod callers;
mod calls;
mod carry_out;
mod clock;
mod connection;
mod connections;
mod draining;
mod guests;
mod handshakes;
mod inbox;
mod listener;
mod messages;
mod networks;
mod pace;
mod peers;
mod proxied;
mod readers;
mod rooms;
mod rooms_out;
mod secure;
mod shard;
mod standing;

mod submissions;
mod turns;
mod upgrades;
mod wheel;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use self::admission::AdmissionControl;
pub(crate) use self::buffers::BufferBudget;
pub use self::listener::ListenError;
pub(crate) use self::listener::listen;
pub(crate) use self::messages::{ShardMessage, ShardPosts};
pub(crate) use self::shard::{Ended, Shard, ShardParts, WAKER};
use crate::room::allowance::{Budget, Share};
use crate::session::Services;
use crate::session::account::Accounts;
use crate::state::Engine;
use crate::tls::TlsServer;

/// What all shards share. Nothing in it is waited for.
pub(crate) struct Shared {
    pub services: Arc<dyn Services>,
    pub engine: Arc<dyn Engine>,
    pub accounts: Arc<dyn Accounts>,
    pub admission: AdmissionControl,
    /// What the port speaks TLS with, if it does.
    pub tls: Option<Arc<TlsServer>>,
    /// Inputs that wait, of all connections together.
    pub waiting: Arc<Budget>,
    /// What connections hold of bytes that have not gone on, inputs that wait included.
    pub buffers: BufferBudget,
    pub limits: ShardLimits,
    /// The zero of the monotonic milliseconds.
    pub started: Instant,
}

/// Bounds of the event loops. Each says what happens at it.
#[derive(Clone, Debug)]
pub(crate) struct ShardLimits {
    /// A room's rhythm, in milliseconds.
    pub sync_interval_ms: u64,
    /// How long a guest without a socket and without a call is remembered.
    pub guest_ttl: Duration,
    /// What rooms are held to.
    pub room: crate::room::Bounds,
    /// Inputs of one connection that wait for their answers; beyond it: `busy` to the sender.
    pub connection_share: Share,
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
    /// Messages read in one round.
    pub message_budget: usize,
    /// Messages to one peer that wait while its mailbox is full; beyond it they are lost, see [`messages::ShardMessage`].
    pub backlog_messages: usize,
}

/// The room's home shard among `shards`, the same in every thread.
pub(crate) fn home_shard(room: &crate::wire::ids::RoomId, shards: usize) -> usize {
    (room_hash(room) % shards as u64) as usize
}

/// A hash of the room's id that is the same in every thread and process (FNV-1a, 64 bits).
pub(crate) fn room_hash(room: &crate::wire::ids::RoomId) -> u64 {
    let hash = room
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    // FNV's low bits are weak for short keys; fold the high half in.
    hash ^ (hash >> 32)
}

#[cfg(test)]
#[path = "../../tests/simulation/mod.rs"]
mod simulation;
