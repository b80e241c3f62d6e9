//! Requests without TLS, where a port sends everybody on to HTTPS (`--https-redirect`): the same path on the port that speaks it.

use std::net::Ipv6Addr;

use crate::session::Rejection;
use crate::session::answer::Answer;
use crate::wire::ErrorCode;
use crate::wire::http::Request;

/// Where a request is sent, after its scheme.
pub(super) struct Destination {
    /// Host, and the port if it is not the scheme's own.
    authority: String,
    /// The path and the query as they came.
    target: Box<str>,
}

/// The port that a scheme implies (RFC 9110, section 4.2.2; RFC 6455, section 3).
const IMPLIED_PORT: u16 = 443;

impl Destination {
    /// The same resource by HTTPS, on the host that the client has asked and no other.
    ///
    /// # Errors
    /// It does not say which host that is, or what it asks for is no path: nothing is guessed, as the answer may reach others.
    pub(super) fn of(request: &Request, port: u16) -> Result<Self, Rejection> {
        let refused = |message| Rejection::new(ErrorCode::BadRequest, message);
        if !request.target.starts_with('/') {
            return Err(refused("this port only redirects to HTTPS, and needs a path for that"));
        }
        let host = request.header("host").and_then(host_of).ok_or_else(|| {
            refused(
                "this port only redirects to HTTPS, and needs a Host header for that: a name or an address",
            )
        })?;
        let authority = if port == IMPLIED_PORT { host.to_owned() } else { format!("{host}:{port}") };
        Ok(Self { authority, target: request.target.clone() })
    }

    pub(super) fn https(&self) -> String {
        format!("https://{}{}", self.authority, self.target)
    }

    /// For people whose client does not follow redirects, as WebSockets do not. The query may hold a token.
    pub(super) fn advice(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let authority = &self.authority;
        format!("This port only redirects to HTTPS: use https://{authority}{path} or wss://{authority}{path}")
    }
}

/// The redirect, which keeps the method and the body (RFC 9110, section 15.4.9).
pub(super) fn answer<'a>(location: &'a str, advice: &str) -> Answer<'a> {
    let headers = vec![("Location", location), ("Content-Type", "text/plain; charset=utf-8")];
    Answer { status: 308, headers, body: format!("{advice}\n").into_bytes().into() }
}

/// The host of a `Host` header, without the port, if it is one that a certificate may be of: letters, digits, hyphens, dots and
/// underscores, or an address.
fn host_of(value: &str) -> Option<&str> {
    if value.starts_with('[') {
        let host = &value[..=value.find(']')?];
        let address = &host[1..host.len() - 1];
        return address.parse::<Ipv6Addr>().is_ok().then_some(host);
    }
    let host = value.split(':').next()?;
    let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_name = host.bytes().all(is_of_names) && host.bytes().any(|byte| byte.is_ascii_alphanumeric());
    is_name.then_some(host)
}
