//! What an answer says, whatever the request was.

use std::borrow::Cow;

use bytes::Bytes;

use super::Rejection;
use crate::wire::{ErrorCode, http};

/// A browser must not take a body for something else than its `Content-Type` says, a page with scripts for instance.
pub(crate) const ANY_TYPE_IS_SAID: (&str, &str) = ("X-Content-Type-Options", "nosniff");

/// Which version of which script ran.
pub(super) const SCRIPT_HEADER: &str = "Godra-Script";

/// A response's variable parts.
pub(super) struct Answer<'a> {
    pub status: u16,
    /// Names and values of the headers that not every answer has.
    pub headers: Vec<(&'a str, &'a str)>,
    pub body: Body<'a>,
}

/// A response's body.
pub(super) enum Body<'a> {
    Own(Cow<'a, [u8]>),
    /// In memory for all who are sent it.
    Shared(Bytes),
}

impl Body<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl<'a, B: Into<Cow<'a, [u8]>>> From<B> for Body<'a> {
    fn from(bytes: B) -> Self {
        Self::Own(bytes.into())
    }
}

impl<'a> Answer<'a> {
    pub(super) fn json(status: u16, body: impl Into<Body<'a>>) -> Self {
        Self { status, headers: vec![("Content-Type", "application/json")], body: body.into() }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Own(Cow::Borrowed(b"")) }
    }

    /// `{"error":{"code","message"}}`, with the code's usual status.
    pub(super) fn error(code: ErrorCode, message: &str) -> Self {
        Self::with_status(code.status(), code, message)
    }

    /// The same, with another of the code's statuses.
    pub(super) fn with_status(status: u16, code: ErrorCode, message: &str) -> Self {
        debug_assert!(code.statuses().contains(&status), "{code:?} does not come with {status}");
        Self::json(status, http::error_body(code.name(), message))
    }

    /// What a rejection says, with the headers that its status requires.
    pub(super) fn rejected(rejection: &'a Rejection) -> Self {
        let mut body = http::error_body(rejection.code.as_str(), &rejection.message);
        if let Some(details) = &rejection.details {
            // The body ends in `"}}`: the details go in front of the two braces.
            body.truncate(body.len() - 2);
            body.extend_from_slice(b",\"details\":");
            body.extend_from_slice(details.as_bytes());
            body.extend_from_slice(b"}}");
        }
        let mut answer = Self::json(rejection.status, body);
        if rejection.status == 401 {
            answer.headers.push(("WWW-Authenticate", "Bearer"));
        }
        answer.headers.extend(rejection.retry_after_s.as_deref().map(|seconds| ("Retry-After", seconds)));
        answer
    }

    /// What the decoder or the handshake says of a request that it rejects.
    pub(super) fn malformed(rejection: &http::RequestError) -> Self {
        let mut answer = Self::with_status(rejection.status, rejection.code, &rejection.message);
        answer.headers.extend(rejection.headers.iter().copied());
        answer
    }
}
