//! An answer that says no.

use crate::wire::message::OUT_OF_ORDER;
use crate::wire::{Code, ErrorCode};

/// Why something is not done, for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The HTTP status that fits.
    pub status: u16,
    /// One of the protocol's codes, or a script's own.
    pub code: Code,
    /// For people.
    pub message: Box<str>,
    /// JSON text that a script gave with its error.
    pub details: Option<Box<str>>,
    /// Seconds after which another try may do better, for `Retry-After`; with 429 and 503 of the server's own there is always one.
    pub retry_after_s: Option<Box<str>>,
}

impl Rejection {
    /// A rejection without details, with the code's usual status.
    pub fn new(code: ErrorCode, message: impl Into<Box<str>>) -> Self {
        Self::with_status(code.status(), code, message)
    }

    /// The same, with another of the code's statuses.
    pub fn with_status(status: u16, code: ErrorCode, message: impl Into<Box<str>>) -> Self {
        debug_assert!(code.statuses().contains(&status), "{code:?} does not come with {status}");
        let retry_after_s = matches!(status, 429 | 503).then(|| "1".into());
        Self { status, code: code.into(), message: message.into(), details: None, retry_after_s }
    }

    /// Of a numbered input that came behind one that was refused.
    pub fn out_of_order() -> Self {
        Self::new(ErrorCode::OutOfOrder, OUT_OF_ORDER)
    }

    /// Whether the same request may succeed later, or with a fresh token.
    pub fn is_for_now(&self) -> bool {
        self.status == 429
            || self.status >= 500
            || (self.status == 401 && self.code == ErrorCode::TokenExpired)
    }

    /// The same, with a time after which to try again.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds.to_string().into()), ..self }
    }
}
