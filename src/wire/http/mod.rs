//! HTTP/1.1 requests and responses (RFC 9110, RFC 9112).
//!
//! [`RequestDecoder`] takes bytes as they come and gives whole requests. Framing is strict: whatever two readers
//! could understand differently is refused, and a refused connection is closed, as nothing after it can be trusted.

mod chunked;
mod decoder;
mod head;
mod request;
mod response;
mod target;

pub use decoder::{Decoded, Phase, RequestDecoder};
pub use request::{Method, Request};
pub use response::{CONTINUE, Response, encode_response, error_body, http_date};

/// The most that one request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request line and headers, in bytes with their line ends. Trailers after a chunked body have the same limit.
    pub head_bytes: usize,
    /// Header lines.
    pub headers: usize,
    /// Body after its transfer coding is removed.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 16 * 1024, headers: 100, body_bytes: 256 * 1024 }
    }
}

/// Why a request is not served, as it is told to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// For programs: `bad_request`, `too_large` …
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Headers that the status requires beside the usual ones.
    pub headers: &'static [(&'static str, &'static str)],
}

impl Refusal {
    /// A refusal without headers of its own.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: &[] }
    }

    fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "bad_request", message)
    }

    fn too_large(status: u16, message: impl Into<String>) -> Self {
        Self::new(status, "too_large", message)
    }
}

#[cfg(test)]
mod tests;
