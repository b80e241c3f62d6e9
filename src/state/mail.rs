//! Messages and timers of scripts (`godra.tell`, `godra.cancel`): what both stores allow, and what they say of the rest.
//!
//! `embedded/mail.rs` and `redis/mail.lua` keep them.

use std::fmt;
use std::time::Duration;

use crate::wire::message::{MAX_DEPTH, shorten};

/// How many messages a call may send.
pub const MAX_OF_CALL: usize = 1_000;
/// How many messages may be pending for one room, or for no room.
pub const MAX_PENDING: usize = 100_000;
/// How many messages may be pending in a store that counts no bytes: Redis, whose `maxmemory` bounds these.
pub const MAX_PENDING_IN_ALL: usize = 1_000_000;
/// Messages may take this part of the embedded store's memory.
pub const STORE_SHARE: usize = 8;
/// The longest payload, in bytes of JSON text.
pub const MAX_PAYLOAD_BYTES: usize = 65_536;
/// The longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// The longest time until a message is due, in milliseconds: 30 days.
pub const MAX_AFTER_MS: u64 = 30 * 86_400_000;
/// How many messages of a room run within [`ROUND_MS`]: the rest is for the next round, so that inputs come between.
pub const MAX_OF_ROUND: usize = 1_000;
/// How long a round is, in milliseconds.
pub const ROUND_MS: u64 = 50;
/// The clock is set back, for timers, if it goes back by more than this, in milliseconds: what is less is waited for.
pub const SET_BACK_MS: u64 = 1000;
/// How long a message waits for its script, in milliseconds: while scripts are rolled out, it may not be there yet.
pub const UNKNOWN_FOR_MS: u64 = 10_000;
/// How often it is looked whether it is there.
pub const UNKNOWN_LOOK: Duration = Duration::from_secs(1);

/// Why `godra.tell` or `godra.cancel` refuses what a script asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadMessage {
    /// The room is neither nil nor a room's id.
    Room,
    /// There is no script of that name.
    NoScript(String),
    /// The script is not for messages.
    NotForMessages(String),
    /// The script has keys of a room, and is told to none.
    NeedsRoom(String),
    /// The payload is longer than [`MAX_PAYLOAD_BYTES`].
    LongPayload,
    /// The payload is nested deeper than [`MAX_DEPTH`].
    DeepPayload,
    /// The option `after` is no time up to [`MAX_AFTER_MS`].
    After,
    /// The option `name` is no name.
    Name,
    /// The argument of `godra.cancel` is no name.
    CancelledName,
    /// The call has sent [`MAX_OF_CALL`] messages.
    TooManyOfCall,
    /// The receiver has [`MAX_PENDING`] messages.
    TooManyPending,
    /// All messages together take as much of the embedded store as they may.
    ShareFull,
    /// [`MAX_PENDING_IN_ALL`] messages are pending in the store.
    TooManyInAll,
}

impl BadMessage {
    /// [`BadMessage::NoScript`], of a name that may be anything.
    pub fn no_script(name: &str) -> Self {
        Self::NoScript(shorten(name.into()))
    }
}

impl fmt::Display for BadMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room => {
                write!(
                    f,
                    "bad argument #1 to 'tell': nil, or the id of a room of the same game: 1 to 64 of A-Z, a-z, 0-9, _ and -"
                )
            }
            Self::NoScript(name) => write!(f, "bad argument #2 to 'tell': there is no script {name:?}"),
            Self::NotForMessages(name) => write!(
                f,
                "bad argument #2 to 'tell': {name:?} is not for messages: its header needs the line -- ROLE: server"
            ),
            Self::NeedsRoom(name) => {
                write!(f, "bad argument #1 to 'tell': the keys of {name:?} need a room, and this is none")
            }
            Self::LongPayload => {
                write!(f, "a message's payload has at most {MAX_PAYLOAD_BYTES} bytes as JSON")
            }
            Self::DeepPayload => {
                write!(f, "a message's payload has at most {MAX_DEPTH} levels of arrays and objects")
            }
            Self::After => write!(f, "bad option after: whole milliseconds, 0 to {MAX_AFTER_MS}"),
            Self::Name => write!(f, "bad option name: a text of 1 to {MAX_NAME_BYTES} bytes"),
            Self::CancelledName => {
                write!(f, "bad argument #1 to 'cancel': a text of 1 to {MAX_NAME_BYTES} bytes")
            }
            Self::TooManyOfCall => write!(f, "a call sends at most {MAX_OF_CALL} messages"),
            Self::TooManyPending => {
                write!(f, "at most {MAX_PENDING} messages may be pending for a room, or for no room")
            }
            Self::ShareFull => write!(
                f,
                "pending messages have all the memory that they may, one part in {STORE_SHARE} of --store-memory"
            ),
            Self::TooManyInAll => {
                write!(f, "at most {MAX_PENDING_IN_ALL} messages may be pending in a store")
            }
        }
    }
}

/// Whether a text may name a message.
pub fn is_name(name: &[u8]) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
}
