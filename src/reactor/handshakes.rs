//! TLS handshakes, of which one costs as much as hundreds of inputs.

use std::time::Duration;

use rustls::HandshakeKind;

use super::connection::Connection;
use crate::metrics::{HandshakeOutcome, ShardMetrics};

/// What a round spends on them.
pub(super) const BUDGET: Duration = Duration::from_millis(1);

/// Counts the handshake of a connection that was in the middle of it before it was read from, if it has ended.
pub(super) fn count(connection: &Connection, metrics: &ShardMetrics) {
    let Some(tls) = connection.carried.tls.as_ref().filter(|tls| !tls.is_handshaking()) else { return };
    let outcome = match tls.handshake_kind() {
        _ if !tls.is_open() => HandshakeOutcome::Failed,
        Some(HandshakeKind::Resumed) => HandshakeOutcome::Resumed,
        _ => HandshakeOutcome::Full,
    };
    metrics.tls_handshakes.at(outcome).inc();
}
