//! One connection's life as bytes in, actions out: no sockets here, no clock, no store.
//!
//! A connection begins as HTTP and may become a WebSocket. What it wants done it says in [`Actions`], which its caller
//! carries out in order; what it wants to know at once it asks its [`Services`]. Begin with [`Session::receive`], then
//! [`Action`], then `http` and `websocket`; the tests are a line each.
//!
//! To add a route: a line in `routes.rs`, which says what else. To have something new done for a connection: a variant of
//! [`Action`], and an arm in `reactor::carry_out`.

pub mod account;
mod action;
mod answer;
pub mod cors;
pub mod disconnects;
pub mod documents;
mod http;
pub mod ledgers;
pub mod limits;
pub mod outbox;
pub mod pages;
mod proxy;
mod rejection;
mod routes;
mod rpc;
mod services;
mod time;
mod websocket;

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use self::account::AccountResult;
pub use self::action::{Action, Actions, DroppedInput, Input, JoinRequest, Sending};
pub use self::http::HttpSession;
pub use self::proxy::{Client, Network, Origin};
pub use self::rejection::Rejection;
pub use self::routes::{MAX_OPTIONS_BYTES, Methods, Route, STRANGERS_BODY, TokenSource};
pub use self::rpc::RpcRequest;
pub use self::services::{
    Counted, GuestLogin, HttpsRedirect, MAX_ROOMS_TOLD, SERVER_FULL, SHUTTING_DOWN, ServerFull, Services,
    Settings,
};
pub use self::time::{Moment, Now};
pub use self::websocket::WebSocketSession;
use crate::wire::ids::Identity;
use crate::wire::message::InputName;
use crate::wire::ws::close_code;
use crate::wire::ws::deflate::{DeflateWindow, Inflater};
use crate::wire::{Position, Recovered};

/// A connection's protocol state.
#[derive(Debug)]
pub enum Session {
    /// Until it becomes a WebSocket, if it ever does.
    Http(Box<HttpSession>),
    /// A member of a room, or an echo.
    WebSocket(Box<WebSocketSession>),
}

/// Which of the server's ports a connection came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The one that all is asked at.
    Main,
    /// The one without TLS that sends everybody to the other ([`HttpsRedirect`]).
    Redirect,
}

/// What a session knows of the world while it handles something.
pub struct Context<'a> {
    /// The time of what is handled, by both clocks.
    pub now: Now,
    /// The `Date` header for `now`.
    pub date: &'a str,
    /// Who is at the other end of the socket: a client, or a proxy.
    pub peer: IpAddr,
    /// What the session asks for that is known at once: tokens, pages, guests.
    pub services: &'a dyn Services,
    /// The thread's, for messages that come compressed.
    pub inflater: &'a RefCell<Inflater>,
}

/// What somebody is told who has been let into a room.
#[derive(Clone, Debug)]
pub struct Admitted<'a> {
    /// Where in the room's history `state` was taken.
    pub position: Position,
    /// The last of the user's numbered inputs that ran; 0 if none did.
    pub n: u64,
    /// The room's state as JSON text.
    pub state: &'a [u8],
    /// For a client that comes back and knows the room: nothing else is sent than what it missed.
    pub recovered: Option<Recovered>,
}

impl Session {
    /// A connection just accepted, which speaks HTTP.
    pub fn new(now: Now) -> Self {
        Self::Http(Box::new(HttpSession::new(now)))
    }

    /// A connection for which there is no place: it gets one answer, soon.
    pub fn of_full_server(now: Now) -> Self {
        Self::Http(Box::new(HttpSession::of_full_server(now)))
    }

    /// The same of a connection that came by another port, while it speaks HTTP.
    pub fn by(self, port: Port) -> Self {
        match self {
            Self::Http(session) => Self::Http(Box::new(session.by(port))),
            other => other,
        }
    }

    /// Handles bytes from the peer; they are unmasked in place. Returns how many were taken: the rest is to be given
    /// again when [`Session::wants_input`], and not before other connections have had their turn.
    pub fn receive(&mut self, input: &mut [u8], context: &Context<'_>, actions: &mut Actions) -> usize {
        match self {
            Self::WebSocket(session) => session.receive(input, context, actions),
            Self::Http(session) => {
                let (taken, upgraded) = session.receive(input, context, actions);
                if let Some(upgraded) = upgraded {
                    *self = Self::WebSocket(Box::new(upgraded));
                    return taken + self.receive(&mut input[taken..], context, actions);
                }
                taken
            }
        }
    }

    /// Whether bytes from the peer can be handled now. A peer that was refused too much gives no more for a moment: what it sends
    /// is to wait where it is until the [deadline](Session::deadline_ms), so that to refuse costs no more than its limit allows.
    pub fn wants_input(&self) -> bool {
        match self {
            Self::Http(session) => session.wants_input(),
            Self::WebSocket(session) => session.wants_input(),
        }
    }

    /// Whether a request or a message has come in part.
    pub fn is_unfinished(&self) -> bool {
        match self {
            Self::Http(session) => session.is_unfinished(),
            Self::WebSocket(session) => session.is_unfinished(),
        }
    }

    /// Bytes held of a request or a message that has come in part.
    pub fn held_bytes(&self) -> usize {
        match self {
            Self::Http(session) => session.held_bytes(),
            Self::WebSocket(session) => session.held_bytes(),
        }
    }

    /// The server has too little memory for all that clients have sent in part or do not read, and this one holds much of it:
    /// what came in part is dropped, and the connection ends.
    pub fn make_room(&mut self, context: &Context<'_>, actions: &mut Actions) {
        match self {
            Self::Http(session) => session.make_room(context, actions),
            Self::WebSocket(session) => session.make_room(actions),
        }
    }

    /// When [`Session::deadline_passed`] wants to be called, in monotonic milliseconds.
    pub fn deadline_ms(&self, settings: &Settings) -> Option<u64> {
        match self {
            Self::Http(session) => session.deadline_ms(settings),
            Self::WebSocket(session) => Some(session.deadline_ms(settings)),
        }
    }

    /// The deadline has passed.
    pub fn deadline_passed(&mut self, context: &Context<'_>, actions: &mut Actions) {
        match self {
            Self::Http(session) => session.deadline_passed(context, actions),
            Self::WebSocket(session) => session.deadline_passed(context, actions),
        }
    }

    /// The deadline has passed while bytes wait that the peer has not read. A ping that is among them, or has just been read, cannot
    /// have been answered: returns whether there is one, for whose answer there is time anew.
    pub fn ping_was_held_up(&mut self, now: Now, settings: &Settings) -> bool {
        match self {
            Self::Http(_) => false,
            Self::WebSocket(session) => session.ping_was_held_up(now, settings),
        }
    }

    /// The server stops: a WebSocket closes with 1001, an idle HTTP connection ends, a call in flight ends after its
    /// answer.
    pub fn drain(&mut self, context: &Context<'_>, actions: &mut Actions) {
        match self {
            Self::Http(session) => session.drain(actions),
            Self::WebSocket(session) => {
                session.close(close_code::SHUTTING_DOWN, SHUTTING_DOWN, context.now, actions);
            }
        }
    }

    /// [`Action::Rpc`] has ended, or was refused; `result` is JSON text, and `script` what ran, as `NAME@VERSION`.
    pub fn rpc_answered(
        &mut self,
        result: Result<&[u8], &Rejection>,
        script: Option<&str>,
        context: &Context<'_>,
        actions: &mut Actions,
    ) {
        if let Self::Http(session) = self {
            session.rpc_answered(result, script, context, actions);
        }
    }

    /// [`Action::Account`] has ended, or was refused.
    pub fn account_answered(&mut self, result: &AccountResult, context: &Context<'_>, actions: &mut Actions) {
        if let Self::Http(session) = self {
            session.account_answered(result, context, actions);
        }
    }

    /// The room of [`Action::Join`] was not entered: the request is answered with the reason.
    pub fn join_refused(&mut self, refused: &Rejection, context: &Context<'_>, actions: &mut Actions) {
        if let Self::Http(session) = self
            && let Some(refused) = session.join_refused(refused, context, actions)
        {
            *self = Self::WebSocket(Box::new(refused));
        }
    }

    /// [`Action::Join`] has succeeded: the welcome follows.
    pub fn joined(&mut self, admitted: Admitted<'_>, context: &Context<'_>, actions: &mut Actions) {
        if let Self::Http(session) = self {
            let member = session.joined(admitted, context, actions);
            *self = Self::WebSocket(Box::new(member));
        }
    }

    /// Whether an input that [`Action::Input`] wants passed on must be refused as out of order: those behind a numbered one that
    /// was refused are, until it comes again.
    pub fn holds_back(&mut self, name: InputName) -> bool {
        match self {
            Self::WebSocket(session) => session.holds_back(name),
            Self::Http(_) => false,
        }
    }

    /// [`Action::Input`] was refused before it got to the room, and did nothing. A client that is told `busy` too often is
    /// closed: when its next message comes, or at its deadline, which is due at once.
    pub fn input_refused(
        &mut self,
        name: InputName,
        refused: &Rejection,
        context: &Context<'_>,
        actions: &mut Actions,
    ) {
        if let Self::WebSocket(session) = self {
            session.input_refused(name, refused, context, actions);
        }
    }

    /// As [`Session::input_refused`], by the room, which sees to those behind it by itself.
    pub fn room_refused_input(
        &mut self,
        name: InputName,
        refused: &Rejection,
        context: &Context<'_>,
        actions: &mut Actions,
    ) {
        if let Self::WebSocket(session) = self {
            session.room_refused_input(name, refused, context, actions);
        }
    }

    /// All of the member's numbered inputs up to `n` have run.
    pub fn inputs_ran(&mut self, n: u64) {
        if let Self::WebSocket(session) = self {
            session.inputs_ran(n);
        }
    }

    /// Begins to close a WebSocket from our side, unless that has begun already.
    pub fn close(&mut self, code: u16, reason: &str, context: &Context<'_>, actions: &mut Actions) {
        if let Self::WebSocket(session) = self {
            session.close(code, reason, context.now, actions);
        }
    }

    /// Closes a WebSocket if news have come about its member that the token does not know: they may have come while the
    /// connection was not among those that were searched for it.
    pub fn check_standing(&mut self, context: &Context<'_>, actions: &mut Actions) {
        if let Self::WebSocket(session) = self {
            session.check_standing(context, actions);
        }
    }

    /// How the peer takes compressed frames, if it does.
    pub fn deflate_window(&self) -> Option<DeflateWindow> {
        match self {
            Self::WebSocket(session) => session.deflate_window(),
            Self::Http(_) => None,
        }
    }

    /// Whether the peer waits for the answer to a call.
    pub fn is_calling(&self) -> bool {
        matches!(self, Self::Http(session) if session.is_calling())
    }

    /// Who wants to join which room, while that is being decided.
    pub fn joining(&self) -> Option<&JoinRequest> {
        match self {
            Self::Http(session) => session.joining(),
            Self::WebSocket(_) => None,
        }
    }

    /// The member, or who wants to become one.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        match self {
            Self::Http(session) => session.joining().map(|joining| &joining.identity),
            Self::WebSocket(session) => session.identity(),
        }
    }
}

#[cfg(any(test, fuzzing))]
#[path = "../../tests/fuzz/targets/addresses.rs"]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests;
