//! Where game state lives: the engine's trait, and what goes in and comes out of it.
//!
//! A batch goes in; for every batch exactly one [`BatchDone`] comes out, to the shard that sent it. Events of other
//! rooms, or caused by calls that did not come from a room's home shard, go to that room's home shard as
//! [`RoomEvents`]. Per room, events come out in the order in which the store ran the scripts.
//!
//! Two engines mean the same: `embedded` and `redis`. Nobody has one to himself: `shares` counts whose calls take how much of it,
//! and `late` is where those wait who had too much. Begin with [`Engine`], then `embedded::worker` or `redis::writer`.
//!
//! To add a function of `godra` for scripts: `library.lua` if commands are all that it needs, which both engines run, or else
//! `embedded/library.rs` and `redis/prelude.lua`; a row in `scripts/README.md`, and a case in `tests/redis/easier.rs`, which runs
//! on both.

mod audience;
mod call;
pub mod documents;
pub mod embedded;
mod event_text;
pub mod faults;
mod full;
mod groups;
pub mod guest_book;
mod held;
mod history;
mod late;
pub mod mail;
mod prints;
pub mod redis;
mod room_events;
mod shares;
pub(crate) use self::shares::{Buckets, Playing, Terms};
mod sizes;
mod survey;
pub mod ticks;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::audience::{Audience, Users};
pub use self::call::{
    Arguments, Call, CallError, CallKeys, CallResult, CallRun, ErrorSource, Membership, Message,
};
pub use self::event_text::BadEvent;
pub use self::history::{History, HistoryBounds, KeptEvents, Missed};
pub use self::room_events::{Removal, RoomEvents, superseded};
pub use self::survey::{NoSurvey, Survey};
use self::ticks::Tick;
use crate::document::{Address, Document, Reply};
use crate::script::ScriptSet;
pub use crate::wire::Position;
use crate::wire::ids::RoomId;

/// Index of a shard, from 0.
pub type ShardId = usize;

/// A store that runs scripts. Implementations have a thread of their own and a bounded queue in front of it.
pub trait Engine: Send + Sync {
    /// Queues a batch; never blocks.
    ///
    /// # Errors
    /// Gives the batch back, with why it was not taken: nothing of it was run.
    fn submit(&self, batch: Batch) -> Result<(), SubmitError>;

    /// How many stores there are: rooms are spread over them.
    fn stores(&self) -> usize {
        1
    }

    /// Which rooms take how much: as it was lately, and a new survey is begun if it is old.
    ///
    /// # Errors
    /// There is none (yet).
    fn survey(&self) -> Result<Arc<Survey>, NoSurvey>;

    /// As [`Engine::submit`], for a batch without a room that is meant for the store of this index, from 0.
    ///
    /// # Errors
    /// As there.
    fn submit_to(&self, _store: usize, batch: Batch) -> Result<(), SubmitError> {
        self.submit(batch)
    }

    /// A room has members in this process from now on, or none any more: where several processes share a store, its events
    /// are wanted, or not. Called by the room's home shard, before the first batch for a member.
    fn watch(&self, _room: &RoomId, _is_wanted: bool) {}

    /// Which store a batch goes to, from 0.
    fn store_of(&self, _batch: &Batch) -> usize {
        0
    }

    /// By which id a store keeps documents, for a fetch that begins now; none if it is not known (now). See [`documents`].
    fn document_home(&self, _store: usize) -> Option<documents::Claim> {
        None
    }

    /// Whether other processes use the stores' documents, too. Then a document is let go to make room for others, or for a home that
    /// wants it; and when another home may have it is the engine's to tell the database, behind the reply.
    fn shares_documents(&self) -> bool {
        false
    }

    /// Puts documents into a store that have been fetched for it, all before the reply, which comes from the engine's thread and
    /// must not wait. A store that has a document of this version or a newer one keeps it. A document of which saves are on their
    /// way to the database, and that the store does not have, or has in an older version, is [`documents::Installed::Again`].
    fn install_documents(
        &self,
        _store: usize,
        _claim: documents::Claim,
        _documents: Vec<Document>,
        reply: Reply<Vec<(Address, documents::Installed)>>,
    ) {
        reply(Vec::new());
    }

    /// Takes these documents out of a store, behind all batches that were submitted before; but not those of which saves are on
    /// their way to the database. The reply says which are out of it, also those that were not there.
    fn let_go_documents(
        &self,
        _store: usize,
        _addresses: Vec<Address>,
        _why: documents::Departure,
        reply: Reply<Vec<Address>>,
    ) {
        reply(Vec::new());
    }

    /// What the table of the documents in the stores takes: an engine that counts its memory counts it, too.
    fn note_document_table(&self, _bytes: usize) {}

    /// Whether the engine can run scripts now (what `/ready` tells).
    fn is_ready(&self) -> bool;

    /// Replaces the scripts; calls already queued keep the version that they hold.
    fn replace_scripts(&self, scripts: Arc<ScriptSet>);

    /// Batches waiting in the queue.
    fn queue_depth(&self) -> usize;

    /// Takes no new batches, finishes those in the queue, and ends. May be called more than once.
    fn stop(&self);

    /// Once it has stopped: whether what it has run is kept as far as it promises that.
    fn has_kept_all(&self) -> bool {
        true
    }
}

/// A batch that an engine did not take.
#[derive(Debug)]
pub struct SubmitError {
    /// As it was sent.
    pub batch: Box<Batch>,
    /// Tells a queue that is full from a store that is gone.
    pub reason: NotTaken,
}

/// Why an engine did not take a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Its queue is full, or it is stopping.
    Busy,
    /// The store cannot be reached.
    Unavailable,
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

/// A run of calls for one room, executed in order with no other call between them.
#[derive(Debug)]
pub struct Batch {
    /// The room they act in; none for an RPC whose keys name no room.
    pub room: Option<RoomId>,
    /// In the order in which they run.
    pub calls: Vec<Call>,
    /// What a call's failure means for those after it.
    pub on_error: OnError,
    /// Whether the engine may give calls back that it has no time for now, as [`CallResult::NotRun`]: all calls from one on,
    /// or all from one on of some callers who have had more than their share. Where the failure of a call means something
    /// for those after it, none is given back.
    pub may_give_back: bool,
    /// Where callers were in the room's history who have been there before, and want what they missed. If the batch's last call
    /// needs another and all that they have missed is there, that call is skipped: nobody needs the room's state.
    pub resumes: Vec<Position>,
    /// How many members the room's events go to, as far as is known; it counts as a use of the server.
    pub audience: usize,
    /// When the oldest input of the batch came in, for the latency histogram.
    pub received_at: Instant,
    /// Who gets the [`BatchDone`].
    pub origin: ShardId,
    /// Given back unread.
    pub tag: Tag,
}

impl Batch {
    /// A batch that runs whole, for nobody in particular, each call failing alone.
    pub fn new(room: Option<RoomId>, calls: Vec<Call>, origin: ShardId) -> Self {
        Self {
            room,
            calls,
            on_error: OnError::GoOn,
            may_give_back: false,
            resumes: Vec::new(),
            audience: 0,
            received_at: Instant::now(),
            origin,
            tag: Tag::NONE,
        }
    }

    /// Whether calls of it may be given back.
    pub fn gives_back(&self) -> bool {
        self.may_give_back && self.on_error == OnError::GoOn
    }
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

/// What the sending shard knows a batch by: engines give it back unread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tag(pub u64);

impl Tag {
    /// Of a batch whose end is of interest to nobody.
    pub const NONE: Self = Self(u64::MAX);
}

/// What comes out of an engine.
#[derive(Debug)]
pub enum Delivery {
    /// A batch ended; goes to its origin.
    Done(BatchDone),
    /// Events for a room; goes to its home shard.
    Events(Arc<RoomEvents>),
    /// Events of a room may have been missed; goes to its home shard, whose members get a snapshot.
    Missed(RoomId),
    /// A user has joined the room through another process; goes to the room's home shard.
    Replaced {
        /// The room that has both memberships.
        room: RoomId,
        /// Whose memberships they are.
        user_id: Box<str>,
        /// The membership that was replaced.
        membership: u32,
    },
    /// Other processes have taken this one for dead, and its members out of their rooms: every socket must come back. Goes
    /// to every shard.
    Expelled,
}

/// What came of a batch: delivered once, whether its calls ran or not.
#[derive(Debug)]
pub struct BatchDone {
    /// The batch's room; none for calls outside all rooms.
    pub room: Option<RoomId>,
    /// One per call, in order.
    pub results: Vec<CallResult>,
    /// For each of the results what decided it; none if the call has not run (now), or if nobody knows. Empty if none has.
    pub runs: Vec<Option<CallRun>>,
    /// Events that the batch caused in its own room, if its origin is that room's home shard.
    pub events: Option<Arc<RoomEvents>>,
    /// The room's epoch and seq right after the batch (a snapshot in it was taken at exactly this seq).
    pub position: Position,
    /// The room's events up to `position`, from the earliest place on that was asked for in [`Batch::resumes`] and is still there.
    pub missed: Option<Missed>,
    /// For each call that lets its caller in, in order: the last of the caller's numbered inputs that ran in the room.
    pub last_ran: Vec<u64>,
    /// What came of each tick that the store has looked at, by the call's place.
    pub ticks: Vec<(usize, Tick)>,
    /// As it was sent.
    pub tag: Tag,
    /// As it was sent.
    pub received_at: Instant,
    /// How long the store worked on it.
    pub took: Duration,
}

impl BatchDone {
    /// What decided the call at that place; none if it has not run.
    pub fn run(&self, place: usize) -> Option<&CallRun> {
        self.runs.get(place)?.as_ref()
    }
}

/// Takes deliveries to their shards; engines call it from their thread.
pub trait Deliver: Send {
    /// Puts a delivery into a shard's mailbox. May block while that mailbox is full (shards never wait for engines,
    /// so this ends).
    fn deliver(&mut self, shard: ShardId, delivery: Delivery);

    /// The home shard of a room.
    fn home(&self, room: &RoomId) -> ShardId;
}
