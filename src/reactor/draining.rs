//! The end: connections are closed one after the other.

use super::connection::Connection;
use super::shard::{Ended, Shard, kind_of};
use crate::metrics::ConnectionKind;
use crate::session::Session;
use crate::state::ConnectionKey;

/// How far a shard has got with closing its connections.
pub(super) struct Draining {
    began_ms: u64,
    spread_ms: u64,
    /// What is still to be closed, last first.
    queue: Vec<ConnectionKey>,
    total: usize,
    reported: bool,
}

impl Draining {
    /// Whether the main thread has been told that nothing is left.
    pub(super) fn is_reported(&self) -> bool {
        self.reported
    }
}

impl Shard {
    pub(super) fn begin_draining(&mut self, spread_ms: u64) {
        // Dropping the listener closes it: the kernel refuses what comes after.
        self.listener = None;
        let keys = |wanted: ConnectionKind| {
            let matching =
                move |(_, connection): &(usize, &Connection)| kind_of(&connection.carried.session) == wanted;
            self.connections.iter().filter(matching).map(|(index, _)| self.key(index))
        };
        // Sockets first: an HTTP connection may belong to a probe that asks whether we are ready.
        let queue: Vec<_> = keys(ConnectionKind::Http).chain(keys(ConnectionKind::WebSocket)).collect();
        let total = queue.len();
        self.draining =
            Some(Draining { began_ms: self.now.monotonic_ms, spread_ms, queue, total, reported: false });
    }

    pub(super) fn go_on_draining(&mut self) {
        let Some(draining) = &mut self.draining else { return };
        let passed_ms = self.now.monotonic_ms - draining.began_ms;
        let due = if passed_ms >= draining.spread_ms {
            draining.total
        } else {
            draining.total * passed_ms as usize / draining.spread_ms as usize
        };
        let keep = draining.total - due;
        let now_due = draining.queue.split_off(keep.min(draining.queue.len()));
        for key in now_due.into_iter().rev() {
            if let Some(index) = self.find(key) {
                self.with_session(index, Session::drain);
            }
        }
        let is_over = self.connections.is_empty() && self.rooms.len() == 0;
        if let Some(draining) = &mut self.draining
            && is_over
            && !draining.reported
        {
            draining.reported = true;
            // The main thread may have given up waiting.
            let _ = self.ended.send(Ended::Drained(self.id));
        }
    }

    /// Whether the server is stopping.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_some()
    }
}
