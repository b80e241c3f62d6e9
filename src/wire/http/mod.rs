//! HTTP/1.1 requests and responses (RFC 9110, RFC 9112).
//!
//! [`RequestDecoder`] takes bytes as they come and gives whole requests. Framing is strict: whatever two readers
//! could understand differently is refused, and a refused connection is closed, as nothing after it can be trusted.

mod chunked;
mod decoder;
mod head;
mod request;
mod response;
mod status;
mod target;

pub use decoder::{Decoded, Phase, RequestDecoder};
pub use request::{Method, Request, is_token};
pub use response::{CONTINUE, Response, encode_response, error_body, http_date};
pub use status::STATUSES;
pub use target::decode_path;

use crate::wire::ErrorCode;

/// The most that one request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Request line and headers, in bytes with their line ends. Trailers after a chunked body have the same limit.
    pub head_bytes: usize,
    /// Header lines in one head.
    pub headers: usize,
    /// Body after its transfer coding is removed.
    pub body_bytes: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { head_bytes: 16 * 1024, headers: 100, body_bytes: 256 * 1024 }
    }
}

/// Why a request is not served, as it is told to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// The HTTP status, 400 to 505.
    pub status: u16,
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// Headers that the status requires beside the usual ones.
    pub headers: &'static [(&'static str, &'static str)],
    /// The page that asks, if as much could be read.
    pub origin: Option<Box<str>>,
}

impl RequestError {
    /// A rejection without headers of its own, with one of the code's statuses.
    pub fn with_status(status: u16, code: ErrorCode, message: impl Into<String>) -> Self {
        debug_assert!(code.statuses().contains(&status), "{code:?} does not come with {status}");
        Self { status, code, message: message.into(), headers: &[], origin: None }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::with_status(400, ErrorCode::BadRequest, message)
    }

    /// The same, of a request whose head is broken or has not come whole.
    fn of_head(self, head: &[u8]) -> Self {
        Self { origin: head::find_origin(head), ..self }
    }

    /// The same, of a request whose head is good.
    fn of_request(self, request: &Request) -> Self {
        Self { origin: request.header("origin").map(Into::into), ..self }
    }

    fn too_large(status: u16, message: impl Into<String>) -> Self {
        Self::with_status(status, ErrorCode::TooLarge, message)
    }
}

#[cfg(test)]
mod tests;
