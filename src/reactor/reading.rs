//! Bytes come in, within a budget.

use super::connection::{Parked, ReadOutcome, Stage};
use super::shard::Shard;
use crate::session::Session;
use crate::state::ConnectionKey;

impl Shard {
    /// Reads what a socket holds, within its budget. `to_the_end` when no further event will tell of what is left.
    pub(super) fn read(&mut self, key: ConnectionKey, to_the_end: bool) {
        let Some(index) = self.find(key) else { return };
        let mut to_the_end = std::mem::take(&mut self.connections[index].unread) || to_the_end;
        let mut budget = self.shared.limits.read_budget_bytes;
        let mut buffer = std::mem::take(&mut self.buffer);
        while self.find(key).is_some() {
            if !self.receive_parked(index) {
                break;
            }
            let outbox_limit = self.shared.limits.outbox_hard_bytes;
            let Some(connection) = self.connections.get_mut(index) else { break };
            if connection.carried.stage == Stage::Open && !connection.wants_input(outbox_limit) {
                connection.unread = true;
                break;
            }
            if budget == 0 {
                self.again.push(key);
                break;
            }
            match connection.read(&mut buffer) {
                ReadOutcome::Bytes { count, drained } => {
                    budget = budget.saturating_sub(count);
                    self.bytes_in += count as u64;
                    self.receive(index, &mut buffer[..count]);
                    if drained && !to_the_end {
                        break;
                    }
                }
                ReadOutcome::Empty => break,
                ReadOutcome::End => {
                    self.peer_closed(index);
                    break;
                }
                ReadOutcome::Broken => {
                    self.drop_connection(key);
                    break;
                }
            }
            // A member may have moved on to another shard, which reads on.
            to_the_end &= self.find(key).is_some();
        }
        self.buffer = buffer;
    }

    /// Handles bytes that had to wait. Returns false while they have to wait longer.
    pub(super) fn receive_parked(&mut self, index: usize) -> bool {
        let connection = &mut self.connections[index];
        let is_ready = connection.wants_input(self.shared.limits.outbox_hard_bytes);
        if connection.carried.parked.is_none() {
            return true;
        }
        if !is_ready {
            connection.unread = true;
            return false;
        }
        if let Some(mut parked) = connection.carried.parked.take() {
            let key = self.key(index);
            self.receive(index, &mut parked.bytes);
            return self.find(key).is_some_and(|index| self.connections[index].carried.parked.is_none());
        }
        true
    }

    pub(super) fn receive(&mut self, index: usize, input: &mut [u8]) {
        if self.connections[index].carried.stage != Stage::Open {
            return;
        }
        let mut actions = std::mem::take(&mut self.actions);
        let taken = self
            .ask(index, &mut actions, |session, context, actions| session.receive(input, context, actions));
        let rest = &input[taken..];
        if !rest.is_empty() {
            // Before the actions: a connection that moves to another shard takes it along.
            let connection = &mut self.connections[index];
            connection.carried.parked = Some(Box::new(Parked { bytes: rest.to_vec() }));
            connection.unread = true;
        }
        self.carry_out(index, actions);
    }

    /// The peer will send no more.
    fn peer_closed(&mut self, index: usize) {
        let key = self.key(index);
        let connection = &mut self.connections[index];
        let has_unsent = !connection.carried.outbox.is_empty();
        // An HTTP client may shut its half after the request and still read the answer; a WebSocket that ends without
        // a close frame is over.
        match (&connection.carried.session, connection.carried.stage) {
            (session, Stage::Open) if session.is_calling() => {
                connection.carried.stage = Stage::PeerClosed;
            }
            (Session::Http(_), Stage::Open | Stage::Finishing { .. }) if has_unsent => {
                connection.carried.stage = Stage::Finishing { peer_closed: true };
            }
            (_, Stage::Finishing { .. }) if has_unsent => {
                connection.carried.stage = Stage::Finishing { peer_closed: true };
            }
            _ => self.drop_connection(key),
        }
    }
}
