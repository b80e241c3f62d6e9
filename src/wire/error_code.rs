//! What the server tells a client that it does not serve: the table of error codes.
//!
//! To add one, add a line to the table, and one to `error_codes` in `sdk/protocol.json`, and run `sdk/protocol/generate`: a test
//! compares them. A status that is new needs its line in `http/status.rs`.

use std::fmt;

macro_rules! error_codes {
    ($($(#[$doc:meta])+ $code:ident $name:literal [$($status:literal),+];)+) => {
        /// A code of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])+ $code),+ }

        impl ErrorCode {
            /// In the order of the table.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// As it is sent.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => $name),+ }
            }

            /// The HTTP statuses that it comes with; the first is the usual one.
            pub const fn statuses(self) -> &'static [u16] {
                match self { $(Self::$code => &[$($status),+]),+ }
            }

            /// The code of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$code),)+ _ => None }
            }
        }
    };
}

error_codes! {
    /// The request is malformed, in the wrong way, or came too slowly.
    BadRequest "bad_request" [400, 405, 408, 417, 426, 505];
    /// No token, or one that is not good; with 400 a script says so.
    Unauthorized "unauthorized" [401, 400];
    /// The token's time is over, or the account has changed since: a refresh gives another one.
    TokenExpired "token_expired" [401, 400];
    /// The login is over: to be logged in again.
    SessionEnded "session_ended" [401, 400];
    /// The role, or the keys, do not allow it.
    Forbidden "forbidden" [403];
    /// No such path or script.
    NotFound "not_found" [404];
    /// It is there already.
    Conflict "conflict" [409];
    /// A numbered input came while one before it has not run.
    OutOfOrder "out_of_order" [409];
    /// Something is longer or more than a limit allows.
    TooLarge "too_large" [413, 414, 431];
    /// More often than a limit allows; to be tried again later.
    RateLimited "rate_limited" [429];
    /// The script broke; with 400 it has returned the error itself.
    ScriptError "script_error" [500, 400];
    /// The script ran longer than it may.
    ScriptTimeout "script_timeout" [500, 400];
    /// A queue is full.
    Busy "busy" [503];
    /// The server stops, or its store or database is away; with 500 it broke.
    Unavailable "unavailable" [503, 500];
}

impl ErrorCode {
    /// The usual HTTP status.
    pub const fn status(self) -> u16 {
        self.statuses()[0]
    }

    /// Whether it says that a numbered input did not run and does not count: it may be sent again, and those behind it wait for
    /// that.
    pub const fn asks_again(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable | Self::RateLimited | Self::OutOfOrder)
    }
}

/// A code as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// One of the protocol's.
    Known(ErrorCode),
    /// Whatever text a script gave with its error.
    Custom(Box<str>),
}

impl Code {
    /// As it is sent.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.name(),
            Self::Custom(name) => name,
        }
    }

    /// As [`ErrorCode::asks_again`].
    pub fn asks_again(&self) -> bool {
        matches!(self, Self::Known(code) if code.asks_again())
    }
}

impl From<ErrorCode> for Code {
    fn from(code: ErrorCode) -> Self {
        Self::Known(code)
    }
}

/// A name that a script gave: the protocol's code if it is the name of one.
impl<T: AsRef<str> + Into<Box<str>>> From<T> for Code {
    fn from(name: T) -> Self {
        ErrorCode::from_name(name.as_ref()).map_or_else(|| Self::Custom(name.into()), Self::Known)
    }
}

impl PartialEq<ErrorCode> for Code {
    fn eq(&self, other: &ErrorCode) -> bool {
        matches!(self, Self::Known(code) if code == other)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_from_a_scripts_own() {
        for &code in ErrorCode::ALL {
            assert_eq!(Code::from(code.name()), Code::Known(code));
        }
        assert_eq!(Code::from("too_fast"), Code::Custom("too_fast".into()));
        assert_eq!(Code::from("Busy").as_str(), "Busy");
        assert!(Code::from("busy") == ErrorCode::Busy && Code::from("bus") != ErrorCode::Busy);
    }

    #[test]
    fn a_code_is_as_small_as_a_name() {
        assert_eq!(size_of::<Code>(), size_of::<Box<str>>());
    }
}
