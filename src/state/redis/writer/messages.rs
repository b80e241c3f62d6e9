//! Messages whose scripts work on documents: their documents are settled here, as they do not come through the gate.

use std::time::{Duration, Instant};

use redis::Value;

use super::super::connection::StoreConnection;
use super::super::documents;
use super::super::in_flight::Upkeep;
use super::super::ledger::Held;
use super::Writer;
use crate::document::Address;
use crate::state::Batch;
use crate::wire::ids::RoomId;

impl Writer {
    /// Asks the store for the payloads of messages, which say what these work on.
    pub(super) fn read_messages(&mut self, connection: &mut StoreConnection, batches: Vec<Batch>) {
        if !batches.is_empty() {
            let ask = self.waiting.ask(&self.endpoint.names.keys, batches);
            connection.command(&ask, Upkeep::Payloads);
        }
    }

    /// Runs those whose payloads the store has told.
    pub(super) fn run_read_messages(&mut self, connection: &mut StoreConnection, answer: Value) {
        let (batches, unread) = self.waiting.read(answer);
        batches.into_iter().for_each(|batch| self.pack(connection, batch, Held::new(), 0));
        self.show_again(connection, unread);
    }

    /// Documents of messages are not in the store: those in front run, and the rest is due until they are there.
    pub(super) fn messages_are_cold(
        &mut self,
        connection: &mut StoreConnection,
        batch: Batch,
        missing: Vec<Address>,
    ) {
        let (front, lacking) = documents::front(batch, &missing);
        if let Some(documents) = &self.documents {
            documents.need(missing);
        }
        let (room, now) = (front.room.clone(), Instant::now());
        if !front.calls.is_empty() {
            self.pack(connection, front, Held::new(), 0);
        }
        let wait = self.waiting.hold(room.clone(), lacking, now);
        self.hold_rooms(connection, &[(room, wait)]);
        self.messages_are_due_in(wait);
    }

    /// Has no look show these rooms for so long.
    pub(super) fn hold_rooms(
        &mut self,
        connection: &mut StoreConnection,
        rooms: &[(Option<RoomId>, Duration)],
    ) {
        if !rooms.is_empty() {
            connection.command(&documents::hold(&self.endpoint.names.keys, rooms), Upkeep::Note);
        }
        self.waiting.forget(Instant::now());
    }

    /// Rooms that have waited for these have their turn.
    pub(super) fn documents_are_there(&mut self, connection: &mut StoreConnection, installed: &[Address]) {
        let released = self.waiting.installed(installed);
        self.show_again(connection, released);
    }

    fn show_again(&mut self, connection: &mut StoreConnection, rooms: Vec<Option<RoomId>>) {
        let at_once: Vec<_> = rooms.iter().map(|room| (room.clone(), Duration::ZERO)).collect();
        self.hold_rooms(connection, &at_once);
        if let Some(outlook) = self.outlook.as_mut().filter(|_| !rooms.is_empty()) {
            rooms.into_iter().for_each(|room| outlook.put_back(room, &[]));
            outlook.is_due_in(Duration::ZERO, Instant::now());
        }
    }
}
