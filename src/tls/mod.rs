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

pub(crate) use self::any_certificate::AnyCertificate;
pub use self::certificate::{CertificateFiles, TlsError};
pub(crate) use self::channel::{Channel, Failure, RECORD_BYTES};
pub(crate) use self::reload::watch;
pub(crate) use self::server::TlsServer;
