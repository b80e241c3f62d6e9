//! One connection's life as bytes in, actions out: no sockets here, no clock, no store.
//!
//! A connection begins as HTTP and may become a WebSocket. What it wants done it tells its [`Effects`]; what it wants
//! to know at once it asks its [`Doors`].

pub mod account;
mod answer;
mod cors;
pub mod dismissal;
mod http;
pub mod limits;
pub mod outbox;
mod proxy;
mod routes;
mod rpc;
mod websocket;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use self::account::AccountRequest;
pub use self::http::HttpSession;
pub use self::proxy::Network;
pub use self::routes::{Page, Route};
pub use self::rpc::RpcRequest;
pub use self::websocket::WebSocketSession;
use crate::wire::http::Limits;
use crate::wire::ids::{Identity, RoomId};
use crate::wire::message::ClientMessage;

/// A connection's protocol state.
#[derive(Debug)]
pub enum Session {
    /// Requests and responses.
    Http(Box<HttpSession>),
    /// A member of a room, or an echo.
    WebSocket(Box<WebSocketSession>),
}

/// What [`Doors::readiness`] says once the server has begun to stop.
pub const SHUTTING_DOWN: &str = "the server is shutting down";

/// The time, passed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since some fixed point of the process.
    pub monotonic_ms: u64,
    /// Seconds since the Unix epoch.
    pub unix_s: u64,
}

/// A moment of the monotonic clock in 4 bytes, as every connection keeps some: rounded up to [`Moment::STEP_MS`], for 13
/// years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(u32);

impl Moment {
    /// How coarse it is, in milliseconds.
    pub const STEP_MS: u64 = 100;

    /// The moment at or right after `monotonic_ms`.
    pub fn at(monotonic_ms: u64) -> Self {
        Self(u32::try_from(monotonic_ms.div_ceil(Self::STEP_MS)).unwrap_or(u32::MAX))
    }

    /// In monotonic milliseconds.
    pub fn ms(self) -> u64 {
        u64::from(self.0) * Self::STEP_MS
    }
}

/// What a session may know of the configuration. Times in milliseconds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bounds on a request.
    pub http: Limits,
    /// For a whole request head, from its first byte.
    pub head_timeout_ms: u64,
    /// For a body, from the end of its head.
    pub body_timeout_ms: u64,
    /// For a kept-alive connection without a request.
    pub keep_alive_timeout_ms: u64,
    /// Requests that are taken from one piece of input; the rest is left until it is given again.
    pub max_pipelined: usize,
    /// Silence after which a WebSocket is pinged.
    pub ping_after_ms: u64,
    /// How long the answer to a ping may take.
    pub pong_timeout_ms: u64,
    /// How long the peer's half of a close may take.
    pub close_timeout_ms: u64,
    /// Largest WebSocket message, in bytes.
    pub max_message_bytes: usize,
    /// Largest message on `/echo`, in bytes.
    pub max_echo_bytes: usize,
    /// Inputs per connection and second; 0 is without limit.
    pub input_rate: u32,
    /// Malformed messages in excess of good ones after which a connection is closed.
    pub max_errors: u16,
    /// `Access-Control-Allow-Origin`: `*`, or the origins that are allowed.
    pub allow_origins: Vec<Box<str>>,
    /// Whether `/echo` is served.
    pub debug_echo: bool,
    /// What a client may expect between two frames of a room.
    pub sync_interval_ms: u64,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Static pages, by path.
    pub pages: &'static [Page],
}

/// Services that answer at once and hold no connection's state.
pub trait Doors: Send + Sync {
    /// The settings.
    fn settings(&self) -> &Settings;

    /// Who the token speaks for.
    ///
    /// # Errors
    /// Says, for the client, what is wrong with the token, or why its holder is kept out.
    fn verify_token(&self, token: &str, unix_s: u64) -> Result<Identity, Refused>;

    /// News that concern somebody whose token was good a moment ago.
    ///
    /// # Errors
    /// The code and the reason to close a socket with.
    fn standing(&self, identity: &Identity, unix_s: u64) -> Result<(), (u16, Box<str>)>;

    /// Makes a guest and its tokens.
    fn guest_login(&self, unix_s: u64) -> GuestLogin;

    /// Counts a login attempt from an address.
    ///
    /// # Errors
    /// The seconds after which the address may try again.
    fn admit_login(&self, peer: IpAddr, now: Now) -> Result<(), u32>;

    /// Whether the server takes work.
    ///
    /// # Errors
    /// Says why not.
    fn readiness(&self) -> Result<(), &'static str>;

    /// The metrics page: content type and text.
    fn metrics(&self) -> (&'static str, String);
}

/// What a guest login gives.
#[derive(Clone, Debug)]
pub struct GuestLogin {
    /// The JWT.
    pub token: String,
    /// Good for one refresh.
    pub refresh_token: String,
    /// Seconds until the token ends.
    pub expires_in_s: u64,
    /// `guest:` and random text.
    pub user_id: String,
    /// Shown to other players.
    pub username: String,
}

/// What a session wants done for its connection.
pub trait Effects {
    /// Queues bytes for the peer; nobody may drop them.
    fn send(&mut self, bytes: Bytes);

    /// As [`Effects::send`], for bytes that come alone and may be dropped: they go out now, without a queue.
    fn send_at_once(&mut self, bytes: Bytes) {
        self.send(bytes);
    }

    /// As [`Effects::send`], for the room's whole state: however large, it is not held against a slow reader.
    fn send_state(&mut self, bytes: Bytes) {
        self.send(bytes);
    }

    /// Runs a script for this connection; [`HttpSession::rpc_answered`] gets the answer, later or before this returns
    /// an error.
    ///
    /// # Errors
    /// The call was refused before it began.
    fn rpc(&mut self, identity: &Arc<Identity>, request: &RpcRequest) -> Result<(), Refused>;

    /// Passes a call to the accounts; [`HttpSession::account_answered`] gets the answer later.
    ///
    /// # Errors
    /// The call was refused before it began.
    fn account(&mut self, request: AccountRequest) -> Result<(), Refused>;

    /// Asks to become a member of a room; [`HttpSession::joined`] or [`HttpSession::join_refused`] gets the answer.
    fn join(&mut self, identity: &Arc<Identity>, room: &RoomId);

    /// Passes on a player's input; `text` is the whole message.
    ///
    /// # Errors
    /// The input was refused; nothing happened.
    fn input(
        &mut self,
        identity: &Arc<Identity>,
        message: &ClientMessage<'_>,
        text: &str,
    ) -> Result<(), Refused>;

    /// The WebSocket is over, with this close code: the member leaves its room now, whatever is still to be sent.
    fn closed(&mut self, code: u16);

    /// End the connection once everything is sent.
    fn finish(&mut self);

    /// A request was answered.
    fn answered(&mut self, route: Route, status: u16);

    /// An input was refused before it reached [`Effects::input`]: `malformed` or `limited`.
    fn dropped_input(&mut self, outcome: &'static str);
}

/// Why something was refused, for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status that fits.
    pub status: u16,
    /// One of the protocol's codes, or a script's own.
    pub code: Box<str>,
    /// For people.
    pub message: Box<str>,
    /// JSON text that a script gave with its error.
    pub details: Option<Box<str>>,
    /// Seconds after which another try may do better, for `Retry-After`; with 429 and 503 there is always one.
    pub retry_after_s: Option<Box<str>>,
}

impl Refused {
    /// A refusal without details.
    pub fn new(status: u16, code: &str, message: impl Into<Box<str>>) -> Self {
        Self { status, code: code.into(), message: message.into(), details: None, retry_after_s: None }
    }

    /// The same, with a time after which to try again.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds.to_string().into()), ..self }
    }
}

/// What a session works with while it handles something.
pub struct Context<'a, E> {
    /// When this happens.
    pub now: Now,
    /// The `Date` header for `now`.
    pub date: &'a str,
    /// The peer's address.
    pub peer: IpAddr,
    /// Services.
    pub doors: &'a dyn Doors,
    /// Where actions go.
    pub effects: E,
}

impl Session {
    /// A fresh connection.
    pub fn new(now: Now) -> Self {
        Self::Http(Box::new(HttpSession::new(now)))
    }

    /// Handles bytes from the peer; they are unmasked in place. Returns how many were taken: the rest is to be given
    /// again when [`Session::wants_input`].
    pub fn receive<E: Effects>(&mut self, input: &mut [u8], context: &mut Context<'_, E>) -> usize {
        match self {
            Self::WebSocket(session) => session.receive(input, context),
            Self::Http(session) => {
                let (taken, upgraded) = session.receive(input, context);
                if let Some(echo) = upgraded {
                    *self = Self::WebSocket(Box::new(echo));
                    return taken + self.receive(&mut input[taken..], context);
                }
                taken
            }
        }
    }

    /// Whether bytes from the peer can be handled now.
    pub fn wants_input(&self) -> bool {
        match self {
            Self::Http(session) => session.wants_input(),
            Self::WebSocket(_) => true,
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
    pub fn deadline_passed<E: Effects>(&mut self, context: &mut Context<'_, E>) {
        match self {
            Self::Http(session) => session.deadline_passed(context),
            Self::WebSocket(session) => session.deadline_passed(context),
        }
    }

    /// The server stops: a WebSocket closes with 1001, an idle HTTP connection ends, a call in flight ends after its
    /// answer.
    pub fn drain<E: Effects>(&mut self, context: &mut Context<'_, E>) {
        match self {
            Self::Http(session) => session.drain(context),
            Self::WebSocket(session) => {
                session.close(
                    crate::wire::ws::close_code::SHUTTING_DOWN,
                    "the server is shutting down",
                    context,
                );
            }
        }
    }

    /// Who is on the other end of a WebSocket.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        match self {
            Self::Http(session) => session.identity(),
            Self::WebSocket(session) => session.identity(),
        }
    }
}

#[cfg(test)]
mod tests;
