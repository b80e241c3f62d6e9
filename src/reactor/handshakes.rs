//! TLS handshakes, of which one costs as much as hundreds of inputs: a round has time for some, the others wait for their turn.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustls::HandshakeKind;

use super::connection::Connection;
use super::connections::Connections;
use crate::metrics::{HandshakeOutcome, ShardMetrics};
use crate::state::ConnectionKey;

/// What a round spends on handshakes, to the end of the one that exceeds it: those who play wait so much longer for what is theirs.
const BUDGET: Duration = Duration::from_millis(1);

/// Connections that are to be read from, and are in the middle of a handshake. Each is in it once. The time for their first
/// request runs meanwhile.
#[derive(Default)]
pub(super) struct Handshakes {
    waiting: VecDeque<ConnectionKey>,
    /// When the first of this round began.
    began: Option<Instant>,
}

impl Handshakes {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A connection has something to read.
    pub(super) fn push(&mut self, key: ConnectionKey, connection: &mut Connection) {
        if !std::mem::replace(&mut connection.waits_for_handshake, true) {
            self.waiting.push_back(key);
        }
    }

    /// The next to be read from in this round, in the order in which they came; None ends the round's turn.
    pub(super) fn next(&mut self, connections: &mut Connections) -> Option<ConnectionKey> {
        let key = self.take()?;
        if let Some(index) = connections.find(key) {
            connections[index].waits_for_handshake = false;
        }
        Some(key)
    }

    fn take(&mut self) -> Option<ConnectionKey> {
        let is_over = self.began.is_some_and(|began| began.elapsed() >= BUDGET);
        let next = if is_over { None } else { self.waiting.pop_front() };
        self.began = next.map(|_| self.began.unwrap_or_else(Instant::now));
        next
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rounds_turn_ends_when_its_time_is_up() {
        let key = |index| ConnectionKey { shard: 0, index, generation: 0 };
        let mut handshakes = Handshakes { waiting: (0..3).map(key).collect(), began: None };
        assert_eq!(handshakes.take(), Some(key(0)));
        std::thread::sleep(BUDGET);
        assert_eq!(handshakes.take(), None, "the first took all the time");
        assert_eq!(handshakes.take(), Some(key(1)), "the next round's turn");
        handshakes.began = Some(Instant::now() + Duration::from_secs(60));
        assert_eq!(handshakes.take(), Some(key(2)));
        assert_eq!((handshakes.take(), handshakes.is_empty()), (None, true));
    }
}
