//! What a room wants done. Whoever owns the room carries it out, in order, and decides nothing.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use smol_str::SmolStr;

use super::MembershipId;
use super::flush::Flush;
use crate::state::{Call, CallError, ConnectionKey, OnError};
use crate::wire::message::InputName;
use crate::wire::ws::deflate::SharedFrame;
use crate::wire::{Position, Recovered};

/// Names a batch of a room.
pub(crate) type BatchNumber = u32;

/// One thing to be done.
#[derive(Debug)]
pub(crate) enum RoomAction {
    /// Give these calls to the engine; [`super::Room::batch_done`] or [`super::Room::batch_not_taken`] gets what came of it.
    Submit(Submission),
    /// Somebody is a member now: the upgrade is answered by 101 and the welcome.
    Admit(Admission),
    /// Somebody may not come in: a hook said no, or broke.
    Refuse {
        connection: ConnectionKey,
        /// What the hook said.
        error: CallError,
    },
    /// Somebody cannot come in now.
    TurnAway { connection: ConnectionKey, why: Why },
    /// An input did not run.
    RefuseInput {
        connection: ConnectionKey,
        /// What the client knows it by.
        name: InputName,
        why: Why,
    },
    /// All of a member's numbered inputs up to `n` have run.
    InputsRan { connection: ConnectionKey, n: u64 },
    /// A frame for one connection.
    Send { to: ConnectionKey, frame: Bytes },
    /// What a member has missed, or the room's state in its place.
    CatchUp { to: ConnectionKey, caught_up: CaughtUp },
    /// Events are missing for this member: it gets no more of them before it has been brought up to date, which it asks for when it
    /// has read what is on its way.
    FallBehind(ConnectionKey),
    /// A member's connection ends.
    Close {
        connection: ConnectionKey,
        code: u16,
        /// The close frame's reason.
        reason: &'static str,
    },
    /// A script has put a member out of the room: its connection ends as [`crate::wire::ws::close_code::KICKED`] says.
    Remove {
        /// Which.
        connection: ConnectionKey,
        /// The close frame's reason.
        reason: SmolStr,
    },
    /// Events for every member, wherever its socket is.
    Flush(Flush),
    /// Call [`super::Room::time`] at that time, in milliseconds of the monotonic clock.
    WakeAt(u64),
    /// For the metrics: a script that has an interval ran, and came so late that so many runs were left out.
    Ticked { left_out: u64 },
    /// For the metrics: inputs came back from the engine.
    Ran {
        ok: u64,
        failed: u64,
        /// How many the engine had no time for; they wait on.
        given_back: u64,
        /// When the oldest of them came in.
        received_at: Instant,
    },
}

/// Calls for the engine.
#[derive(Debug)]
pub(crate) struct Submission {
    /// Names it in what comes back.
    pub number: BatchNumber,
    /// In order.
    pub calls: Vec<Call>,
    /// What a failure means for the calls after it.
    pub on_error: OnError,
    /// Whether the engine may give calls back that it has no time for.
    pub may_give_back: bool,
    /// Where those were in the room's history who want what they missed.
    pub resumes: Vec<Position>,
    /// When the oldest input came in.
    pub received_at: Instant,
}

#[derive(Debug)]
pub(crate) struct Admission {
    pub connection: ConnectionKey,
    pub membership: MembershipId,
    /// Where in the room's history `state` was taken.
    pub position: Position,
    /// The last of the user's numbered inputs that ran; 0 if none did.
    pub n: u64,
    /// The room's state as JSON text.
    pub state: Bytes,
    /// What is sent in the state's place to somebody who has been here before.
    pub recovered: Option<Recovered>,
}

/// Why something does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A queue is full.
    Busy,
    /// The store is away.
    Unavailable,
    /// It has a number, and one with a smaller number did not run.
    OutOfOrder,
}

/// What brings a member that missed events up to date.
#[derive(Clone, Debug)]
pub(crate) struct CaughtUp {
    /// With it, the member has the events up to this seq.
    pub seq: u64,
    /// None if nothing of what it missed was for it.
    pub frame: Option<Arc<SharedFrame>>,
    /// Whether it is the room's state, rather than what it missed.
    pub is_state: bool,
}
