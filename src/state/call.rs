//! One script call: what goes in, and how it ends.

use std::borrow::Cow;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use bytes::Bytes;
use godra_engine::{CallRandom, SplitMix};

use super::documents::CallDocuments;
use super::ticks::CLOCK;
use crate::script::Script;
use crate::wire::ids::{Identity, RoomId};
use crate::wire::message::{OUT_OF_ORDER, SharedText};
use crate::wire::{Code, ErrorCode};

/// One script call as a store runs it.
#[derive(Clone, Debug)]
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
    /// Of an input that runs at most once: only if this is above the caller's last one that ran in the room. Else the result is
    /// that of the call that ran by this number, or `{"duplicate":true}` if that is not known any more.
    pub n: Option<NonZeroU64>,
    /// The documents that its script declares, once they are settled; the gate does that.
    pub documents: Option<Arc<CallDocuments>>,
}

/// The result of a numbered input that has run before.
pub(super) const DUPLICATE: &str = r#"{"duplicate":true}"#;

impl Call {
    /// A player's input from a socket: `payload` is its JSON text.
    pub fn input(
        script: Arc<Script>,
        caller: Arc<Identity>,
        payload: SharedText,
        wants_result: bool,
    ) -> Self {
        let arguments = Arguments::Payload(payload);
        Self {
            script,
            caller,
            keys: CallKeys::FromRoom,
            arguments,
            wants_result,
            membership: Membership::Unchanged,
            n: None,
            documents: None,
        }
    }

    /// A call whose keys are resolved, such as an RPC.
    pub fn rpc(
        script: Arc<Script>,
        caller: Arc<Identity>,
        keys: Vec<Box<str>>,
        arguments: Vec<Box<[u8]>>,
    ) -> Self {
        Self {
            script,
            caller,
            keys: CallKeys::Resolved(keys),
            arguments: Arguments::List(arguments),
            wants_result: true,
            membership: Membership::Unchanged,
            n: None,
            documents: None,
        }
    }

    /// One of the game's hooks, which gets the room's id.
    pub fn hook(script: Arc<Script>, caller: Arc<Identity>, room: &RoomId, membership: Membership) -> Self {
        Self {
            script,
            caller,
            keys: CallKeys::FromRoom,
            arguments: Arguments::List(vec![room.as_str().as_bytes().into()]),
            wants_result: false,
            membership,
            n: None,
            documents: None,
        }
    }

    /// The same hook, for a user who has no socket in the room: `ARGV[3]` says so.
    pub fn of_absent(mut self) -> Self {
        if let Arguments::List(list) = &mut self.arguments {
            list.push(b"absent"[..].into());
        }
        self
    }

    /// The same hook, with what the client that wants in tells it, as JSON text: `ARGV[3]`.
    pub fn with_options(mut self, options: Option<&str>) -> Self {
        if let (Arguments::List(list), Some(options)) = (&mut self.arguments, options) {
            list.push(options.as_bytes().into());
        }
        self
    }

    /// A tick of a script that has an interval: it runs if it is due by the store's clock.
    pub fn tick(script: Arc<Script>) -> Self {
        Self {
            script,
            caller: CLOCK.clone(),
            keys: CallKeys::FromRoom,
            arguments: Arguments::Tick,
            wants_result: false,
            membership: Membership::Unchanged,
            n: None,
            documents: None,
        }
    }

    /// A message that is due: it runs if the store still has it, which takes it from the store.
    pub fn message(script: Arc<Script>, message: Message) -> Self {
        Self {
            script,
            caller: CLOCK.clone(),
            keys: CallKeys::FromRoom,
            arguments: Arguments::Message(message),
            wants_result: false,
            membership: Membership::Unchanged,
            n: None,
            documents: None,
        }
    }

    /// The message that it is.
    pub(super) fn message_id(&self) -> Option<u64> {
        if let Arguments::Message(message) = &self.arguments { Some(message.id) } else { None }
    }

    /// The interval of a tick.
    pub(super) fn tick_interval(&self) -> Option<NonZeroU32> {
        if matches!(self.arguments, Arguments::Tick) { self.script.header.tick_ms } else { None }
    }

    /// What the script's `godra.payload` is made of; none for hooks and ticks, where it is nil.
    pub(super) fn input_of_script(&self) -> Option<Input> {
        match self.arguments {
            Arguments::Payload(_) | Arguments::Message(_) => Some(Input::Json),
            Arguments::List(_) if !self.script.is_internal() => Some(Input::List),
            Arguments::List(_) | Arguments::Tick => None,
        }
    }

    /// The same, at most once; its first result is kept, and so it is always wanted.
    pub fn numbered(self, n: Option<NonZeroU64>) -> Self {
        Self { wants_result: self.wants_result || n.is_some(), n, ..self }
    }

    /// The same, with its result.
    pub fn wanting_result(self) -> Self {
        Self { wants_result: true, ..self }
    }
}

/// What a call means for a membership. Only a store that several processes share keeps them: within one process the room's
/// home shard knows who is in. Of a guest's, every store writes into its book ([`super::guest_book`]) that it has come or left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Membership {
    /// It neither comes nor goes.
    #[default]
    Unchanged,
    /// The caller's membership is this one from now on, if the call succeeds.
    Enter(u32),
    /// The same, for somebody who has been here before: runs only if the caller's seat is still kept.
    Rejoin {
        /// From now on.
        membership: u32,
        /// Whether this process knows that the seat is kept; else its store may.
        is_kept: bool,
    },
    /// As `Enter`, unless a `Rejoin` of the same membership in the same batch has run.
    EnterUnlessRejoined(u32),
    /// Runs only if the caller's membership is still this one, and ends it; else [`CallResult::Skipped`].
    Leave(u32),
    /// Runs only if nobody else holds the caller's membership by now; else [`CallResult::Skipped`].
    Confirm(u32),
    /// Runs only if nobody holds the caller's membership; else [`CallResult::Skipped`].
    Absent,
    /// Undoes an entry with this membership that the store may have run or not, and keeps it from running later; else
    /// [`CallResult::Skipped`]. If this process has another membership of the caller, that one stands, and nothing runs.
    GiveUp {
        /// Of the entry.
        membership: u32,
        /// Which other there is.
        stands: Option<u32>,
    },
    /// As `Leave`, of another process that is gone: its membership as the store has it.
    LeaveOf(Box<str>),
}

impl Membership {
    /// Whether the caller is let in.
    pub(super) fn enters(&self) -> bool {
        matches!(self, Self::Enter(_) | Self::Rejoin { .. } | Self::EnterUnlessRejoined(_))
    }
}

/// Where a call's `KEYS` come from.
#[derive(Clone, Debug)]
pub enum CallKeys {
    /// The script's patterns with the batch's room filled in.
    FromRoom,
    /// With their placeholders filled in by whoever made the call.
    Resolved(Vec<Box<str>>),
}

/// A call's `ARGV[2..]`.
#[derive(Clone, Debug)]
pub enum Arguments {
    /// From a socket: one JSON text.
    Payload(SharedText),
    /// From an RPC: any bytes, one element for each argument.
    List(Vec<Box<[u8]>>),
    /// None: of a tick, whose `ARGV[1]` is how long it is since the last one, in milliseconds.
    Tick,
    /// Of a message: its payload.
    Message(Message),
}

/// A message that a script has sent to a room.
#[derive(Clone, Debug)]
pub struct Message {
    /// Counts the store's messages in the order in which they were sent.
    pub id: u64,
    /// JSON text; empty if the store puts it in when the call runs.
    pub payload: Box<[u8]>,
}

impl Arguments {
    /// What they take, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Payload(payload) => payload.len(),
            Self::List(list) => list.iter().map(|argument| argument.len()).sum(),
            Self::Tick => 0,
            Self::Message(message) => message.payload.len(),
        }
    }
}

/// What `godra.payload` is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// `ARGV[2]`, a JSON text: of a socket's input, or a message.
    Json,
    /// The first of `ARGV[2..]` if it is the JSON text of an object or a list, and else all of them.
    List,
}

impl Input {
    /// Whether a text may be the JSON of an object or a list.
    pub(super) fn may_be_compound(text: &[u8]) -> bool {
        matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
    }
}

/// How one call ended.
#[derive(Debug)]
pub enum CallResult {
    /// The script's return value as JSON text.
    Ok(Bytes),
    /// It failed; what it wrote before is undone, unless its script says `-- ATOMIC: off`.
    Err(CallError),
    /// [`super::Batch::on_error`] says so, or the caller's membership is not what the call expects.
    Skipped,
    /// The engine has no time for it now, see [`super::Batch::may_give_back`].
    NotRun(Box<Call>),
}

/// What decided a call besides its script, its caller, its arguments and what the store held: with it, it can be run again
/// and does the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRun {
    /// For `math.random` and what commands pick at random.
    pub seed: u64,
    /// `godra.now`.
    pub now_ms: u64,
    /// The number of the room's last event before the batch ran; 0 outside all rooms.
    pub after_seq: u64,
    /// The call's place in the batch, from 0: with the number before, its place among all calls of the room.
    pub place: u32,
}

impl fmt::Display for CallRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, now_ms, after_seq, place } = self;
        write!(f, "seed={seed} now={now_ms} after_seq={after_seq} place={place}")
    }
}

/// The details of an error by which a script says that its caller owns as many lobbies as it may.
const LOBBY_LIMIT: &str = r#"{"limit":"lobbies_per_owner"}"#;
/// What a player is told whose payload a script asked for, and which nothing can be made of: lone surrogates are all that may be wrong
/// with JSON that has come so far.
pub(super) const UNREADABLE_PAYLOAD: &str = "the payload cannot be read: a text in it has half of a surrogate pair (\\uD800 to \\uDFFF come in pairs)";
/// The longest text of an error that a script made, in bytes.
const MAX_ERROR_BYTES: usize = 1024;
/// The longest details of `godra.error`, as JSON text in bytes: what is longer ends the call with a script error.
pub(super) const MAX_DETAILS_BYTES: usize = 16 << 10;

/// A text with as many bytes as an error's may have, cut between characters; an ellipsis shows that it was longer.
fn shortened(text: &str) -> Cow<'_, str> {
    const ELLIPSIS: char = '…';
    if text.len() <= MAX_ERROR_BYTES {
        return text.into();
    }
    let mut end = MAX_ERROR_BYTES - ELLIPSIS.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ELLIPSIS}", &text[..end]).into()
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The script's own from `godra.error`, or what went wrong otherwise.
    pub code: Code,
    /// For people; names file and line when the script broke.
    pub message: Box<str>,
    /// JSON text of the third argument of `godra.error`, if any.
    pub details: Option<Box<str>>,
    /// Who says so.
    pub source: ErrorSource,
}

/// Who says that a call failed. The same code means another thing from a script: it is the game's, and nothing that a client
/// does by itself follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorSource {
    /// The server or its store: the call did not run, or nobody knows.
    Server,
    /// The script refused the call on purpose.
    Script,
    /// The script broke, which is logged.
    Fault,
}

impl CallError {
    /// Of a script, which can make its texts of any length: what is too long of them is cut off, and details are left out.
    pub(super) fn of_script(
        code: &str,
        message: &str,
        details: Option<Box<str>>,
        source: ErrorSource,
    ) -> Self {
        let details = details.filter(|details| details.len() <= MAX_DETAILS_BYTES);
        Self { code: Code::from(shortened(code)), message: shortened(message).into(), details, source }
    }

    /// Of a call that did not run, or whose outcome nobody knows.
    pub fn refusal(code: ErrorCode, message: &str) -> Self {
        Self { code: code.into(), message: message.into(), details: None, source: ErrorSource::Server }
    }

    /// Of a numbered input that came behind one that did not run.
    pub(super) fn out_of_order() -> Self {
        Self::refusal(ErrorCode::OutOfOrder, OUT_OF_ORDER)
    }

    /// Of a call that needed more memory than its store has: it changed nothing, unless its script is not atomic.
    pub(super) fn store_full() -> Self {
        Self::refusal(ErrorCode::Unavailable, STORE_FULL)
    }

    /// Whether it is [`CallError::store_full`].
    pub(super) fn is_store_full(&self) -> bool {
        self.source == ErrorSource::Server && &*self.message == STORE_FULL
    }

    /// Whether the script refused the call because of `--lobbies-per-owner`. That is a script's to say, by its error's details.
    pub(super) fn is_lobby_limit(&self) -> bool {
        self.source == ErrorSource::Script && self.details.as_deref() == Some(LOBBY_LIMIT)
    }

    /// Whether the script broke, rather than refused the call.
    pub fn is_fault(&self) -> bool {
        self.source == ErrorSource::Fault
    }

    /// Nobody knows whether the call has run, or will.
    pub fn lost() -> Self {
        Self::refusal(ErrorCode::Unavailable, LOST)
    }

    /// Whether it is [`CallError::lost`].
    pub fn is_lost(&self) -> bool {
        self.source == ErrorSource::Server && &*self.message == LOST
    }

    /// Whether the store did not answer, or could not work.
    pub fn is_unavailable(&self) -> bool {
        self.code == ErrorCode::Unavailable
    }
}

/// What a player is told whose call was with a store when that went away.
const LOST: &str = "the connection to the store was lost: outcome unknown, this may have run or not";
/// What a player is told whose call needed more memory than there is.
const STORE_FULL: &str = "the store is full; this changed nothing, and can be tried again when there is room";

/// The seed of a batch's first call; each call's is one above that of the call before, and none has more than
/// [`godra_engine::CallRandom::SEED_BITS`].
pub(super) fn first_seed(random: &mut SplitMix) -> u64 {
    random.next_u64() >> (u64::BITS - CallRandom::SEED_BITS + 1)
}

/// Why a call did not run that was queued when its engine stopped.
pub(super) const STOPPING: &str = "the server is stopping; this did not run";

/// Gives the calls at these places back, in the place of what is known of them. The places ascend.
pub(super) fn give_back(calls: Vec<Call>, places: &[usize], results: &mut [CallResult]) {
    let mut places = places.iter().peekable();
    for (place, mut call) in calls.into_iter().enumerate() {
        if !call.script.has_documents() {
            // It was put off behind another one's.
            call.documents = None;
        }
        if places.next_if_eq(&&place).is_some() {
            results[place] = CallResult::NotRun(Box::new(call));
        }
    }
}
