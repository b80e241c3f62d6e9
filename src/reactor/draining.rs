//! The end: connections are closed one after the other.

use crate::metrics::ConnectionKind;
use crate::state::ConnectionKey;

/// How far a shard has got with closing its connections.
pub(super) struct Draining {
    began_ms: u64,
    spread_ms: u64,
    /// What is still to be closed, last first.
    queue: Vec<ConnectionKey>,
    total: usize,
    /// Whether the main thread has been told that nothing is left.
    is_reported: bool,
}

/// How often a shard that drains looks whether the next connections are due.
const STEP_MS: u64 = 10;

impl Draining {
    /// Closes these from now on, over so many milliseconds. Sockets first: an HTTP connection may belong to a probe that asks
    /// whether we are ready.
    pub(super) fn begin(
        connections: impl Iterator<Item = (ConnectionKey, ConnectionKind)>,
        now_ms: u64,
        spread_ms: u64,
    ) -> Self {
        let (http, sockets): (Vec<_>, Vec<_>) =
            connections.partition(|(_, kind)| *kind == ConnectionKind::Http);
        let queue: Vec<ConnectionKey> = http.into_iter().chain(sockets).map(|(key, _)| key).collect();
        Self { began_ms: now_ms, spread_ms, total: queue.len(), queue, is_reported: false }
    }

    /// When there is something to do next.
    pub(super) fn due_ms(&self, now_ms: u64) -> Option<u64> {
        (!self.is_reported).then_some(now_ms + STEP_MS)
    }

    /// The connections that are to be closed by now.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Vec<ConnectionKey> {
        let passed_ms = now_ms - self.began_ms;
        let due = if passed_ms >= self.spread_ms {
            self.total
        } else {
            self.total * passed_ms as usize / self.spread_ms as usize
        };
        let keep = self.total - due;
        let mut due = self.queue.split_off(keep.min(self.queue.len()));
        due.reverse();
        due
    }

    /// Nothing is left. Returns whether that is news.
    pub(super) fn report(&mut self) -> bool {
        !std::mem::replace(&mut self.is_reported, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_come_first_and_all_within_the_time() {
        let key = |index| ConnectionKey { shard: 0, index, generation: 0 };
        let kinds = [ConnectionKind::Http, ConnectionKind::WebSocket, ConnectionKind::WebSocket];
        let connections = kinds.into_iter().enumerate().map(|(index, kind)| (key(index as u32), kind));
        let mut draining = Draining::begin(connections, 1000, 300);
        let mut due =
            |now_ms| -> Vec<u32> { draining.take_due(now_ms).iter().map(|key| key.index).collect() };
        assert_eq!(due(1000), [0; 0]);
        assert_eq!(due(1100), [2]);
        assert_eq!(due(1250), [1]);
        assert_eq!(due(5000), [0]);
        assert!(draining.report() && !draining.report());
        assert_eq!(draining.due_ms(5000), None);
    }
}
