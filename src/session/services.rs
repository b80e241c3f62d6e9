//! What a session asks and is told at once.

use std::sync::Arc;

use bytes::Bytes;

use super::cors::AllowedOrigins;
use super::limits::Limit;
use super::pages::PageSet;
use super::{Client, Network, Now, Rejection};
use crate::wire::http::RequestLimits;
use crate::wire::ids::Identity;
use crate::wire::ws::deflate::CompressionLevel;

/// Services that answer at once and hold no connection's state.
pub trait Services: Send + Sync {
    /// What the configuration says.
    fn settings(&self) -> &Settings;

    /// Who the token speaks for.
    ///
    /// # Errors
    /// Says, for the client, what is wrong with the token, or why its holder is kept out.
    fn verify_token(&self, token: &str, unix_s: u64) -> Result<Identity, Rejection>;

    /// News that concern somebody whose token was good a moment ago.
    ///
    /// # Errors
    /// The code and the reason to close a socket with.
    fn standing(&self, identity: &Identity, unix_s: u64) -> Result<(), (u16, Box<str>)>;

    /// Makes a guest and its tokens.
    fn guest_login(&self, unix_s: u64) -> GuestLogin;

    /// Counts something that a client may do only so often.
    ///
    /// # Errors
    /// The seconds after which it may try again.
    fn admit(&self, counted: Counted<'_>, client: Client, now: Now) -> Result<(), u32>;

    /// Whether the server takes work.
    ///
    /// # Errors
    /// Says why not.
    fn readiness(&self) -> Result<(), &'static str>;

    /// The rooms that take most of the store, as JSON, so many at most.
    ///
    /// # Errors
    /// It is not known (yet).
    fn largest_rooms(&self, most: usize) -> Result<String, Rejection>;

    /// What is served as it is, at this moment.
    fn pages(&self) -> Arc<PageSet>;

    /// The metrics page: content type and text. Where that will do it is that of the last second: to write it takes as long as
    /// hundreds of inputs.
    fn metrics(&self, of_last_second: bool) -> (&'static str, Bytes);
}

/// What a client may do only so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted<'a> {
    /// A login or what makes a user, by address.
    Login,
    /// A refresh of tokens, by address.
    Refresh,
    /// A call or a join of the user of this id, by user.
    Call(&'a str),
}

/// Most rooms that [`Services::largest_rooms`] is asked for.
pub const MAX_ROOMS_TOLD: usize = 100;

/// What a guest login gives.
#[derive(Clone, Debug)]
pub struct GuestLogin {
    /// The JWT, to be sent as a bearer token.
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

/// What a full server says.
pub const SERVER_FULL: ServerFull = ServerFull { message: "the server is full; try later", retry_after_s: 5 };

/// See [`SERVER_FULL`].
#[derive(Clone, Copy, Debug)]
pub struct ServerFull {
    /// For people.
    pub message: &'static str,
    /// When to try again.
    pub retry_after_s: u32,
}

/// What [`Services::readiness`] says once the server has begun to stop.
pub const SHUTTING_DOWN: &str = "the server is shutting down";

/// What a session may know of the configuration. Times in milliseconds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bounds on a request.
    pub http: RequestLimits,
    /// For a whole request head, from its first byte.
    pub head_timeout_ms: u64,
    /// For a body, from the end of its head.
    pub body_timeout_ms: u64,
    /// For a kept-alive connection without a request.
    pub keep_alive_timeout_ms: u64,
    /// Requests that are taken from one piece of input; the rest is left until it is given again.
    pub max_pipelined: usize,
    /// Frames that are taken from one piece of a WebSocket's input; the rest is left until it is given again.
    pub max_frames: usize,
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
    /// How hard frames are compressed for clients who offer that; none if no offer is taken.
    pub compress: Option<CompressionLevel>,
    /// Bytes that compressed messages may become in one call of [`super::Session::receive`], but for the last message.
    pub max_inflated_bytes: usize,
    /// Inputs per connection and second, pings among them.
    pub input_rate: Limit,
    /// Malformed messages in excess of good ones after which a connection is closed.
    pub max_errors: u16,
    /// Inputs refused with `busy` within `busy_window_ms` above which a connection is closed.
    pub max_busy: u16,
    /// Over what time they are counted.
    pub busy_window_ms: u64,
    /// Whose web pages may call.
    pub allow_origins: AllowedOrigins,
    /// Whether `/echo` is served.
    pub debug_echo: bool,
    /// Whether `/metrics` is on a port of its own, and not here.
    pub metrics_elsewhere: bool,
    /// What a client may expect between two frames of a room.
    pub sync_interval_ms: u64,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Set where a port without TLS sends its clients to the one that has it.
    pub https_redirect: Option<HttpsRedirect>,
}

/// Where clients without TLS are sent, and what those with it are told.
#[derive(Clone, Debug)]
pub struct HttpsRedirect {
    /// The port that speaks TLS, as clients reach it.
    pub to_port: u16,
    /// The `Strict-Transport-Security` of every answer there (RFC 6797, section 6.1).
    pub hsts: Box<str>,
}
