//! Bytes go out, and connections end.

use std::net::Shutdown;

use bytes::Bytes;

use super::connection::{Stage, WriteOutcome};
use super::mail::Mail;
use super::shard::{Shard, kind_of, token_of};
use crate::metrics::CloseCode;
use crate::session::Moment;
use crate::session::outbox::Kind;
use crate::state::ConnectionKey;

/// How metrics count an end without a close frame (RFC 6455, section 7.4.1).
const ABNORMAL: u16 = 1006;

impl Shard {
    /// Queues bytes for a connection; they go out at the end of the round.
    pub(super) fn queue(&mut self, index: usize, bytes: Bytes, kind: Kind) {
        let connection = &mut self.connections[index];
        if matches!(connection.carried.stage, Stage::Lingering) {
            return;
        }
        if connection.carried.outbox.is_empty() {
            connection.carried.progress = Moment::at(self.now.monotonic_ms);
        }
        connection.carried.outbox.push(bytes, kind);
        self.bound_outbox(index);
        self.mark_dirty(index);
    }

    pub(super) fn mark_dirty(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(index);
        }
    }

    pub(super) fn flush_dirty(&mut self) {
        for index in std::mem::take(&mut self.dirty) {
            self.flush_one(index);
        }
    }

    /// Writes what a connection has in its outbox, as far as the socket takes it.
    pub(super) fn flush_one(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.dirty = false;
        match connection.flush(self.now.monotonic_ms, &mut self.bytes_out) {
            WriteOutcome::Broken => {
                let key = self.key(index);
                return self.drop_connection(key);
            }
            WriteOutcome::Done => self.outbox_empty(index),
            WriteOutcome::Full => {}
        }
        if self.connections.contains(index) {
            self.update_interest(index);
            self.schedule(index);
        }
    }

    /// Everything was sent: what waited for that goes on.
    pub(super) fn outbox_empty(&mut self, index: usize) {
        let key = self.key(index);
        let connection = &mut self.connections[index];
        match connection.carried.stage {
            Stage::Finishing { peer_closed: true } | Stage::PeerClosed
                if !connection.carried.session.is_calling() =>
            {
                self.drop_connection(key);
            }
            Stage::Finishing { peer_closed: false } => {
                connection.carried.progress = Moment::at(self.now.monotonic_ms);
                if connection.stream.shutdown(Shutdown::Write).is_err() {
                    return self.drop_connection(key);
                }
                connection.carried.stage = Stage::Lingering;
                self.again.push(key);
            }
            _ => {
                if connection.seat.as_ref().is_some_and(|seat| seat.lagging) {
                    self.want_snapshot(index);
                } else if connection.unread {
                    self.again.push(key);
                }
            }
        }
    }

    pub(super) fn update_interest(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let interest = connection.interest();
        if interest.is_writable() == connection.wants_writable {
            return;
        }
        connection.wants_writable = interest.is_writable();
        let token = token_of(index, connection.generation);
        if let Err(error) = self.poll.registry().reregister(&mut connection.stream, token, interest) {
            log::error!("cannot watch a connection; it is closed error={error}");
            let key = self.key(index);
            self.drop_connection(key);
        }
    }

    pub(super) fn finish(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        connection.carried.stage = match connection.carried.stage {
            Stage::PeerClosed => Stage::Finishing { peer_closed: true },
            Stage::Open => Stage::Finishing { peer_closed: false },
            stage => stage,
        };
        connection.carried.parked = None;
        self.mark_dirty(index);
    }

    /// Begins to close a member's connection from our side.
    pub(super) fn close(&mut self, key: ConnectionKey, code: u16, reason: &'static str) {
        if usize::from(key.shard) != self.id {
            return self.post(usize::from(key.shard), Mail::Close(key, code, reason));
        }
        let Some(index) = self.find(key) else { return };
        self.with_session(index, |session, context, actions| session.close(code, reason, context, actions));
    }

    /// Ends a connection at once.
    pub(super) fn drop_connection(&mut self, key: ConnectionKey) {
        let Some(index) = self.find(key) else { return };
        if self.connections[index].seat.is_some() {
            self.metrics.closes.at(CloseCode(ABNORMAL)).inc();
            self.leave(index);
        }
        let mut connection = self.connections.remove(index);
        // Closing the socket takes it out of the poll; a failure here changes nothing.
        let _ = self.poll.registry().deregister(&mut connection.stream);
        self.metrics.connections.at(kind_of(&connection.carried.session)).dec();
        self.shared.admission.leave(connection.carried.peer);
    }
}
