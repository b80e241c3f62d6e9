//! What a session wants done: owned, so that whoever carries it out may call the session again meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use smol_str::SmolStr;

use super::account::AccountRequest;
use super::{Client, Route, RpcRequest};
use crate::wire::Position;
use crate::wire::ids::{Identity, RoomId};
use crate::wire::message::{ClientMessage, InputName, SharedText};
use crate::wire::ws::close_code::Then;

/// One thing to do for a connection. The order counts. It cannot be printed: a call to the accounts has passwords in it.
pub enum Action {
    /// Send bytes to the peer.
    Send {
        /// Whole frames, or a whole response.
        bytes: Bytes,
        /// How they are queued.
        kind: Sending,
    },
    /// Run a script, and give the answer to [`super::Session::rpc_answered`].
    Rpc {
        /// Whose token came with the request.
        caller: Arc<Identity>,
        /// The script by name, and what it is called with.
        request: Box<RpcRequest>,
    },
    /// Pass a call to the accounts, and give the answer to [`super::Session::account_answered`].
    Account(Box<AccountRequest>),
    /// Let the connection into a room, and answer by [`super::Session::joined`] or [`super::Session::join_refused`]. The
    /// last action of its list.
    Join(Box<JoinRequest>),
    /// Pass on a player's input, unless [`super::Session::holds_back`] says no. If it is refused, [`super::Session::input_refused`] is called before the next action is
    /// carried out: what follows may be the close frame.
    Input(Input),
    /// Answer a heartbeat: [`crate::wire::message::heartbeat`] with where the connection is in the room's events.
    Heartbeat {
        /// Asks for the answer, and is given back with it.
        id: u64,
        /// The last of the player's numbered inputs that ran.
        n: u64,
        /// The server's clock when it was asked, in milliseconds since the Unix epoch.
        now_ms: u64,
    },
    /// Take what the member knows for lost: it gets the room's state as a snapshot, and the events behind it.
    Resync,
    /// The WebSocket is over: the member leaves its room now, whatever is still to be sent.
    Closed {
        /// How it was closed.
        code: u16,
        /// Whether the client is expected to come back.
        then: Then,
    },
    /// End the connection once everything is sent.
    Finish,
    /// Count a request that is answered.
    Answered {
        /// The route that served it.
        route: Route,
        /// The HTTP status of the answer; of a refusal that came as a close frame, the one that it stands for.
        status: u16,
    },
    /// Count an input that the session itself has refused.
    DroppedInput(DroppedInput),
    /// Count a message that did not arrive in time.
    Unfinished,
}

/// Somebody wants to come into a room.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// Who the token says it is.
    pub identity: Arc<Identity>,
    /// The room that the request names.
    pub room: RoomId,
    /// Up to where it knows the room's events, if it was there before.
    pub since: Option<Position>,
    /// What the client tells the hook that lets it in: the JSON text of an object.
    pub options: Option<Box<str>>,
    /// Where the player is, behind whatever trusted proxies.
    pub client: Client,
}

/// How bytes for the peer are queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Nobody may drop them.
    Kept,
    /// The room's whole state: however large, it is not held against a slow reader.
    State,
    /// As [`Sending::State`], and never compressed: what is for this member alone may be beside what others write.
    Missed,
    /// A page's body, which is in memory whoever is sent it.
    Page,
    /// They come alone and may be dropped: they go out now, without a queue.
    AtOnce,
}

/// Why a session has refused an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DroppedInput {
    /// It is not a message.
    Malformed,
    /// It is over the connection's rate.
    Limited,
    /// It has a number, and one with a smaller number was refused.
    OutOfOrder,
}

/// A player's input. Its text is copied once; the payload and the whole message share that copy.
#[derive(Debug)]
pub struct Input {
    /// Who the connection's token says it is.
    pub caller: Arc<Identity>,
    /// Names the script that is to run.
    pub action: SmolStr,
    /// What the client knows it by.
    pub name: InputName,
    /// Whether the answer tells which version of which script ran.
    pub tells_script: bool,
    /// The message as it came, as UTF-8.
    pub text: Arc<[u8]>,
    /// Where the payload is in the text; nowhere if it was left out.
    payload: Option<(u32, u32)>,
}

impl Input {
    /// The input that a message is; `text` is that whole message.
    pub(super) fn new(caller: Arc<Identity>, message: &ClientMessage<'_>, text: &str) -> Self {
        let payload = message.payload.map(|payload| {
            let start = payload.get().as_ptr().addr() - text.as_ptr().addr();
            (start as u32, (start + payload.get().len()) as u32)
        });
        let action = SmolStr::new(&message.action);
        Self {
            caller,
            action,
            name: message.name,
            tells_script: false,
            text: text.as_bytes().into(),
            payload,
        }
    }

    /// The payload's JSON text; `null` without one.
    pub fn into_payload(self) -> SharedText {
        match self.payload {
            Some((start, end)) => SharedText::part(self.text, start as usize..end as usize),
            None => SharedText::from_static("null"),
        }
    }
}

/// What a session wants done, in order. The caller owns the list, and hands it in again with its memory.
#[derive(Default)]
pub struct Actions(Vec<Action>);

impl Actions {
    /// Actions for which a list that is handed in again keeps memory.
    const KEPT: usize = 1024;

    /// Takes everything out, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Action> {
        self.0.drain(..)
    }

    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives back memory beyond what a usual call takes, such as after a flood of pings.
    pub fn trim(&mut self) {
        self.0.shrink_to(Self::KEPT);
    }

    /// Bytes that are to be sent to the peer.
    pub(super) fn bytes_to_send(&self) -> usize {
        let sent = |action: &Action| if let Action::Send { bytes, .. } = action { bytes.len() } else { 0 };
        self.0.iter().map(sent).sum()
    }

    pub(super) fn push(&mut self, action: Action) {
        self.0.push(action);
    }

    pub(super) fn send(&mut self, bytes: impl Into<Bytes>) {
        self.push(Action::Send { bytes: bytes.into(), kind: Sending::Kept });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ids::Role;

    fn input(text: &str) -> Input {
        let identity = Identity {
            user_id: "1".into(),
            username: "a".into(),
            role: Role::Player,
            expires_at_s: 0,
            login: Default::default(),
        };
        Input::new(Arc::new(identity), &ClientMessage::parse(text).unwrap(), text)
    }

    #[test]
    fn an_input_keeps_its_whole_text_and_its_payload() {
        let check = |text: &str, payload: &str| {
            assert_eq!(&*input(text).text, text.as_bytes());
            assert_eq!(&*input(text).into_payload(), payload.as_bytes(), "{text}");
        };
        check(r#"{"action":"set","payload":{"x": [1,"ü"]},"id":1}"#, r#"{"x": [1,"ü"]}"#);
        check(r#" {"payload":1,"action":"set"}"#, "1");
        check(r#"{"action":"set"}"#, "null");
        check(r#"{"action":"set","payload":null}"#, "null");
    }

    /// An input's text is all that is allocated for it: the list keeps its memory.
    #[test]
    fn actions_are_small() {
        assert!(size_of::<Action>() <= 88, "{}", size_of::<Action>());
        let mut actions = Actions::default();
        (0..Actions::KEPT).for_each(|_| actions.push(Action::Finish));
        let kept = actions.0.capacity();
        assert_eq!(actions.drain().count(), Actions::KEPT);
        actions.trim();
        assert!(actions.is_empty() && actions.0.capacity() == kept);
        (0..10 * Actions::KEPT).for_each(|_| actions.push(Action::Finish));
        drop(actions.drain());
        actions.trim();
        assert_eq!(actions.0.capacity(), Actions::KEPT);
    }
}
