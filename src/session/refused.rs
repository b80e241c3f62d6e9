//! An answer that says no.

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
