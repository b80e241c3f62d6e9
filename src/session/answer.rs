//! What an answer says, whatever the request was.

use std::borrow::Cow;

use super::Refused;
use crate::wire::http::{self, Refusal};

/// A response's variable parts.
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Names and values of the headers that not every answer has.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body.
    pub body: Cow<'a, [u8]>,
}

impl<'a> Answer<'a> {
    /// A JSON body.
    pub fn json(status: u16, body: impl Into<Cow<'a, [u8]>>) -> Self {
        Self { status, headers: vec![("Content-Type", "application/json")], body: body.into() }
    }

    /// No body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Cow::Borrowed(b"") }
    }

    /// A JSON body that nobody else may see.
    pub fn private(status: u16, body: impl Into<Cow<'a, [u8]>>) -> Self {
        let mut answer = Self::json(status, body);
        answer.headers.push(("Cache-Control", "no-store"));
        answer
    }

    /// `{"error":{"code","message"}}`
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, http::error_body(code, message))
    }

    /// What a refusal says, with the headers that its status requires.
    pub fn refused(refused: &'a Refused) -> Self {
        let mut body = http::error_body(&refused.code, &refused.message);
        if let Some(details) = &refused.details {
            // The body ends in `"}}`: the details go in front of the two braces.
            body.truncate(body.len() - 2);
            body.extend_from_slice(b",\"details\":");
            body.extend_from_slice(details.as_bytes());
            body.extend_from_slice(b"}}");
        }
        let mut answer = Self::json(refused.status, body);
        match refused.status {
            401 => answer.headers.push(("WWW-Authenticate", "Bearer")),
            429 | 503 => {
                answer.headers.push(("Retry-After", refused.retry_after_s.as_deref().unwrap_or("1")));
            }
            _ => {}
        }
        answer
    }

    /// What the decoder or the handshake says of a request that it refuses.
    pub fn malformed(refusal: &Refusal) -> Self {
        let mut answer = Self::error(refusal.status, refusal.code, &refusal.message);
        answer.headers.extend(refusal.headers.iter().copied());
        answer
    }
}
