//! Where game state lives: the engine's trait, and what goes in and comes out of it.
//!
//! A batch goes in; for every batch exactly one [`BatchDone`] comes out, to the shard that sent it. Events of other
//! rooms, or caused by calls that did not come from a room's home shard, go to that room's home shard as
//! [`RoomEvents`]. Per room, events come out in the order in which the store ran the scripts.

pub mod embedded;
mod event_text;
pub mod faults;
pub mod redis;
mod split_mix;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::guests::GuestTask;
pub use crate::room::events::{Position, RoomEvents};
use crate::script::{Script, ScriptSet};
use crate::session::account::Upgraded;
use crate::wire::ids::{Identity, RoomId};

/// Index of a shard, from 0.
pub type ShardId = usize;

/// A store that runs scripts. Implementations have a thread of their own and a bounded queue in front of it.
pub trait Engine: Send + Sync {
    /// Queues a batch; never blocks.
    ///
    /// # Errors
    /// Gives the batch back, with why it was not taken: nothing of it was run.
    fn submit(&self, batch: Batch) -> Result<(), Rejected>;

    /// How many stores there are: rooms are spread over them.
    fn stores(&self) -> usize {
        1
    }

    /// As [`Engine::submit`], for a batch without a room that is meant for the store of this index, from 0.
    ///
    /// # Errors
    /// As there.
    fn submit_to(&self, _store: usize, batch: Batch) -> Result<(), Rejected> {
        self.submit(batch)
    }

    /// A room has members in this process from now on, or none any more: where several processes share a store, its events
    /// are wanted, or not. Called by the room's home shard, before the first batch for a member.
    fn watch(&self, _room: &RoomId, _is_wanted: bool) {}

    /// Whether the engine can run scripts now (what `/ready` tells).
    fn is_ready(&self) -> bool;

    /// Replaces the scripts; calls already queued keep the version that they hold.
    fn replace_scripts(&self, scripts: Arc<ScriptSet>);

    /// Batches waiting in the queue.
    fn queue_depth(&self) -> usize;

    /// Takes no new batches, finishes those in the queue, and ends. May be called more than once.
    fn stop(&self);
}

/// A batch that an engine did not take.
#[derive(Debug)]
pub struct Rejected {
    /// As it was sent.
    pub batch: Box<Batch>,
    /// Why.
    pub reason: Rejection,
}

/// Why an engine did not take a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its queue is full, or it is stopping.
    Busy,
    /// The store cannot be reached.
    Unavailable,
}

/// A run of calls for one room, executed in order with no other call between them.
#[derive(Debug)]
pub struct Batch {
    /// The room they act in; none for an RPC whose keys name no room.
    pub room: Option<RoomId>,
    /// In the order in which they run.
    pub calls: Vec<Call>,
    /// What a call's failure means for those after it.
    pub on_error: OnError,
    /// When the oldest input of the batch came in, for the latency histogram.
    pub received_at: Instant,
    /// Who gets the [`BatchDone`].
    pub origin: ShardId,
    /// Given back unread.
    pub tag: BatchTag,
}

/// Which calls of a batch are skipped; they report [`CallResult::Skipped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// None: each fails alone.
    GoOn,
    /// All after the first that failed.
    Stop,
    /// The last, if none before it has worked.
    LastNeedsAnother,
}

impl OnError {
    /// Whether a call is skipped, after calls some of which may have failed and some may have worked.
    pub fn skips(self, is_last: bool, has_failed: bool, has_worked: bool) -> bool {
        match self {
            Self::GoOn => false,
            Self::Stop => has_failed,
            Self::LastNeedsAnother => is_last && !has_worked,
        }
    }
}

/// What the sending shard wants to remember about a batch; engines do not read it.
#[derive(Debug)]
pub enum BatchTag {
    /// A room's tick: the calls' answers go to these connections (one entry per call).
    Inputs(Vec<ReplyTo>),
    /// These join: `on_connect` for each, then `on_snapshot` for all, if there is one.
    Join(Vec<ConnectionKey>),
    /// These members fell behind and get a snapshot: for each a call that confirms its membership, then `on_snapshot`.
    Snapshot(Vec<ConnectionKey>),
    /// An RPC over HTTP.
    Rpc(ConnectionKey),
    /// The book of guests.
    Guests(GuestTask),
    /// Nobody waits (`on_disconnect`).
    Forget,
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

/// Names a connection for its whole life: a slab index alone may have been given to another by the time an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionKey {
    /// The shard that holds the socket.
    pub shard: u16,
    /// Its index in that shard's slab.
    pub index: u32,
    /// Counts the slab's insertions.
    pub generation: u32,
}

impl ConnectionKey {
    /// No connection: calls of the server's own have nobody to answer.
    pub const NOBODY: Self = Self { shard: u16::MAX, index: 0, generation: 0 };
}

/// One script call.
#[derive(Debug)]
pub struct Call {
    /// The version that was current when the call came in.
    pub script: Arc<Script>,
    /// `ARGV[1]` and `godra.user`.
    pub caller: Arc<Identity>,
    /// `KEYS`.
    pub keys: CallKeys,
    /// `ARGV[2..]`.
    pub arguments: Arguments,
    /// Whether the script's return value is wanted; without it a success reports [`CallResult::Ok`] with `null`.
    pub wants_result: bool,
    /// What the call means for who holds the caller's membership of the room.
    pub membership: Membership,
}

/// What a call means for a membership. Only a store that several processes share keeps them: within one process the room's
/// home shard knows who is in. Of a guest's, every store writes into its book ([`crate::guests`]) that it has come or left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Membership {
    /// Nothing.
    #[default]
    Unchanged,
    /// The caller's membership is this one from now on, if the call succeeds.
    Enter(u32),
    /// Runs only if the caller's membership is still this one, and ends it; else [`CallResult::Skipped`].
    Leave(u32),
    /// Runs only if nobody else holds the caller's membership by now; else [`CallResult::Skipped`].
    Confirm(u32),
    /// As `Leave`, of another process that is gone: its membership as the store has it.
    LeaveOf(Box<str>),
}

/// Where a call's `KEYS` come from.
#[derive(Debug)]
pub enum CallKeys {
    /// The script's patterns with the batch's room filled in.
    FromRoom,
    /// Already resolved.
    Resolved(Vec<Box<str>>),
}

/// A call's `ARGV[2..]`.
#[derive(Debug)]
pub enum Arguments {
    /// From a socket: one JSON text.
    Payload(Box<[u8]>),
    /// From an RPC.
    List(Vec<Box<[u8]>>),
}

/// How one call ended.
#[derive(Debug)]
pub enum CallResult {
    /// The script's return value as JSON text.
    Ok(Bytes),
    /// It failed; what it wrote before stays written, as in Redis.
    Err(CallError),
    /// [`Batch::on_error`] says so, or the caller's membership is not what the call expects.
    Skipped,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// `script_error`, `script_timeout`, or the script's own code from `godra.error`.
    pub code: Box<str>,
    /// For people; names file and line when the script broke.
    pub message: Box<str>,
    /// JSON text of the third argument of `godra.error`, if any.
    pub details: Option<Box<str>>,
    /// Whether the script broke (and was logged), rather than refused the call on purpose.
    pub is_fault: bool,
}

/// What comes out of an engine.
#[derive(Debug)]
pub enum Delivery {
    /// A batch ended; goes to its origin.
    Done(BatchDone),
    /// Events for a room; goes to its home shard.
    Events(RoomEvents),
    /// Events of a room may have been missed; goes to its home shard, whose members get a snapshot.
    Missed(RoomId),
    /// A user has joined the room through another process; goes to the room's home shard.
    Replaced {
        /// The room.
        room: RoomId,
        /// The user.
        user_id: Box<str>,
        /// The membership that was replaced.
        membership: u32,
    },
    /// Other processes have taken this one for dead, and its members out of their rooms: every socket must come back. Goes
    /// to every shard.
    Expelled,
}

/// A batch's end.
#[derive(Debug)]
pub struct BatchDone {
    /// The batch's room.
    pub room: Option<RoomId>,
    /// One per call, in order.
    pub results: Vec<CallResult>,
    /// Events that the batch caused in its own room, if its origin is that room's home shard.
    pub events: Option<RoomEvents>,
    /// The room's epoch and seq right after the batch (a snapshot in it was taken at exactly this seq).
    pub position: Position,
    /// As it was sent.
    pub tag: BatchTag,
    /// As it was sent.
    pub received_at: Instant,
}

/// Takes deliveries to their shards; engines call it from their thread.
pub trait Deliver: Send {
    /// Puts a delivery into a shard's mailbox. May block while that mailbox is full (shards never wait for engines,
    /// so this ends).
    fn deliver(&mut self, shard: ShardId, delivery: Delivery);

    /// The home shard of a room.
    fn home(&self, room: &RoomId) -> ShardId;
}
