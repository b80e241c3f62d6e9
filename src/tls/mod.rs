//! TLS, for players above all: what a certificate and its key are, and one connection's way from bytes to bytes. No sockets here, no clock.
//!
//! [`server`] holds what all connections share: the certificate that is shown now, and what is needed to resume sessions.
//! [`channel`] is one connection, as ciphertext in and plaintext out, and back; the event loop has one between a socket and its
//! session, which knows nothing of it. [`reload`] puts another certificate in the place of the one that is shown. [`any_certificate`]
//! is for where this process is the client: of a store, or of a database.

mod any_certificate;
mod certificate;
mod channel;
mod reload;
mod server;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::Path;

pub(crate) use self::any_certificate::AnyCertificate;
pub use self::certificate::{CertificateFiles, TlsError};
pub(crate) use self::channel::{Channel, Failure, RECORD_BYTES};
pub(crate) use self::reload::watch;
pub(crate) use self::server::TlsServer;

/// A file in PEM, without the byte order mark that some editors begin files with, and that hides its first line from parsers.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read_pem(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = fs::read(path)?;
    if bytes.starts_with("\u{feff}".as_bytes()) {
        bytes.drain(.."\u{feff}".len());
    }
    Ok(bytes)
}
