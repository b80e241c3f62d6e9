//! The closed sets of label values. Those of routes, statuses and close codes are the tables of `session` and `wire`; to add a
//! value to another, add a line to its `label!`.

use std::borrow::Cow;

use super::parts::Labels;
use crate::session::Route;
use crate::wire::http::STATUSES;
use crate::wire::ws::close_code;

/// Declares an enum whose variants are the values of one label.
macro_rules! label {
    ($(#[$meta:meta])* $name:ident as $label:literal { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            const TEXTS: &[&'static str] = &[$($text),+];
        }

        impl Labels for $name {
            const COUNT: usize = Self::TEXTS.len();
            const SHOW_ZEROS: bool = true;

            fn index(self) -> usize {
                self as usize
            }

            fn describe(index: usize) -> Vec<(&'static str, Cow<'static, str>)> {
                vec![($label, Cow::Borrowed(Self::TEXTS[index]))]
            }
        }
    };
}

label! {
    /// What a connection speaks.
    ConnectionKind as "kind" {
        /// HTTP, or nothing yet.
        Http = "http",
        /// Frames, from the 101 on.
        WebSocket = "websocket",
    }
}

label! {
    /// How a TLS handshake ended.
    HandshakeOutcome as "outcome" {
        /// A new session: it cost a signature.
        Full = "full",
        /// A session that the client had before.
        Resumed = "resumed",
        /// The client does not speak TLS, or none that is spoken here, or refuses the certificate.
        Failed = "failed",
    }
}

label! {
    /// How a player's input ended.
    InputOutcome as "outcome" {
        /// Its script returned without an error.
        Ok = "ok",
        /// Its script failed or refused it, or it may not be called.
        Error = "error",
        /// The engine's queue was full.
        Busy = "busy",
        /// Over the connection's rate.
        Limited = "limited",
        /// The text was not a message of the protocol.
        Malformed = "malformed",
    }
}

label! {
    /// How a message between rooms ended.
    MessageOutcome as "outcome" {
        /// Its script returned without an error.
        Run = "run",
        /// Its script failed, or is not there any more.
        Failed = "failed",
    }
}

label! {
    /// Why somebody was turned away.
    RefusalReason as "reason" {
        /// `--max-connections`.
        ServerFull = "server_full",
        /// `--max-connections-per-ip`.
        AddressFull = "address_full",
        /// `--proxy-protocol`.
        ProxyHeader = "proxy_header",
        /// `--login-rate`.
        LoginRate = "login_rate",
        /// `--rpc-rate`.
        RpcRate = "rpc_rate",
        /// `--input-rate`.
        InputRate = "input_rate",
        /// `--buffer-memory`.
        BufferMemory = "buffer_memory",
        /// `--message-timeout`, or a request's head that took 10 s.
        Unfinished = "unfinished",
        /// `--lobbies-per-owner`, as scripts say.
        LobbiesPerOwner = "lobbies_per_owner",
        /// The token did not verify.
        Unauthorized = "unauthorized",
        /// The `on_connect` hook refused.
        Hook = "hook",
        /// The engine's queue was full.
        Busy = "busy",
        /// The server is shutting down.
        Draining = "draining",
    }
}

label! {
    /// How a call to the accounts ended.
    AccountOutcome as "outcome" {
        /// The accounts did what was asked.
        Ok = "ok",
        /// What was asked makes no sense, or is not allowed.
        Refused = "refused",
        /// A wrong password, an unknown name, a token that is not good.
        Unauthorized = "unauthorized",
        /// Too many failures before it.
        Limited = "limited",
        /// The queue was full, or the wait in it too long.
        Busy = "busy",
        /// The database or the server failed.
        Failed = "failed",
    }
}

label! {
    /// What was done to an account.
    AccountEvent as "event" {
        /// It is no more; also a guest that ended itself.
        Deleted = "deleted",
        /// It has another name.
        Renamed = "renamed",
        /// It has another password, by a code.
        Reset = "reset",
    }
}

impl Labels for Route {
    const COUNT: usize = Self::ALL.len();
    const SHOW_ZEROS: bool = true;

    fn index(self) -> usize {
        self as usize
    }

    fn describe(index: usize) -> Vec<(&'static str, Cow<'static, str>)> {
        vec![("route", Cow::Borrowed(Self::ALL[index].path()))]
    }
}

/// Labels of one answered request.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The route that served it.
    pub route: Route,
    /// The answer's status; one that the server does not send counts as `other`.
    pub status: u16,
}

/// Counters of a route: one for each status, and the last for any other.
const STATUS_COUNT: usize = STATUSES.len() + 1;

impl Labels for Request {
    const COUNT: usize = Route::COUNT * STATUS_COUNT;
    const SHOW_ZEROS: bool = false;

    fn index(self) -> usize {
        let known = STATUSES.iter().position(|&(status, _)| status == self.status);
        self.route.index() * STATUS_COUNT + known.unwrap_or(STATUSES.len())
    }

    fn describe(index: usize) -> Vec<(&'static str, Cow<'static, str>)> {
        let mut labels = Route::describe(index / STATUS_COUNT);
        let status = STATUSES.get(index % STATUS_COUNT).map(|&(status, _)| status);
        labels.push(("status", code_or_other(status)));
        labels
    }
}

/// Label of a WebSocket close that the server sent, or received when the peer was first.
#[derive(Clone, Copy, Debug)]
pub struct CloseCode(pub u16);

/// Close codes that are told apart.
const CLOSE_CODES: usize = close_code::ALL.len() + close_code::COUNTED_ONLY.len();

impl CloseCode {
    /// The codes that are told apart, in the order of their counters.
    fn counted() -> impl Iterator<Item = u16> {
        close_code::ALL.iter().map(|known| known.code).chain(close_code::COUNTED_ONLY)
    }
}

/// The last counter is that of any other code.
impl Labels for CloseCode {
    const COUNT: usize = CLOSE_CODES + 1;
    const SHOW_ZEROS: bool = true;

    fn index(self) -> usize {
        Self::counted().position(|code| code == self.0).unwrap_or(CLOSE_CODES)
    }

    fn describe(index: usize) -> Vec<(&'static str, Cow<'static, str>)> {
        vec![("code", code_or_other(Self::counted().nth(index)))]
    }
}

fn code_or_other(code: Option<u16>) -> Cow<'static, str> {
    code.map_or(Cow::Borrowed("other"), |code| Cow::Owned(code.to_string()))
}
