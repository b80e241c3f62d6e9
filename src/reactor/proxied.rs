//! Connections that a proxy passes on as bytes, with a header that says whose they are.
//!
//! The header is looked at in the socket's own buffer and taken out whole, so nothing is held of it meanwhile, and what follows, TLS
//! or HTTP, comes as from any other peer.

use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::sync::Once;

use super::connection::{Connection, retry};
use crate::wire::proxy_header::{MAX_BYTES, ProxyHeader};

/// What came of looking for a header.
pub(super) enum Announced {
    /// It has not come whole.
    NotYet,
    /// It was there, so many bytes, and is taken: whose connection it is, if it says so.
    Client { client: Option<IpAddr>, received: usize },
    /// The peer has closed or broken the connection before.
    Gone,
    /// Something else has come; what is wrong with it.
    Invalid(&'static str),
}

impl Connection {
    /// Takes a header out of the socket once it is there. `buffer` is for the moment.
    pub(super) fn take_proxy_header(&mut self, buffer: &mut [u8]) -> Announced {
        let longest = buffer.len().min(MAX_BYTES);
        let seen = match retry(|| self.stream.peek(&mut buffer[..longest])) {
            Ok(0) => return Announced::Gone,
            Ok(seen) => seen,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Announced::NotYet,
            Err(_) => return Announced::Gone,
        };
        match ProxyHeader::parse(&buffer[..seen]) {
            ProxyHeader::Incomplete => Announced::NotYet,
            ProxyHeader::Invalid(reason) => Announced::Invalid(reason),
            ProxyHeader::Complete { length, client } => {
                // All of it waits in the socket, so one read has it.
                match retry(|| self.stream.read(&mut buffer[..length])) {
                    Ok(read) if read == length => Announced::Client { client, received: length },
                    _ => Announced::Gone,
                }
            }
        }
    }
}

/// In the log once, as every connection of such a proxy says it again; the metrics count all.
pub(super) fn warn_of_missing_header(proxy: IpAddr, reason: &str) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::warn!(
            "a trusted proxy does not begin its connections with a header of the PROXY protocol, as --proxy-protocol demands; \
             they are closed proxy={proxy} reason={reason:?}"
        );
    });
    log::debug!("a connection is closed that has no PROXY header peer={proxy} reason={reason:?}");
}
