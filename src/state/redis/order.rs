//! Whether answers and what is published come in the order in which the store ran things, where they come on two connections.
//!
//! On one connection they do. On two, an event may overtake the answer of a join or a snapshot that ran before it: whoever is
//! told of the room as it was then would miss the event, and must be told again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::state::Position;
use crate::wire::ids::RoomId;

/// The last event of each room that has been passed on.
#[derive(Debug, Default)]
pub(super) struct Order {
    published: Mutex<HashMap<RoomId, Position>>,
}

impl Order {
    /// Events up to a place are about to be passed on.
    pub(super) fn note(&self, room: &RoomId, position: Position) {
        // One insertion is all that is done under the lock.
        self.published.lock().unwrap_or_else(PoisonError::into_inner).insert(room.clone(), position);
    }

    /// Whether an event has been passed on that came after a place, of which an answer has just told.
    pub(super) fn has_overtaken(&self, room: &RoomId, position: Position) -> bool {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.get(room).is_some_and(|last| last.epoch == position.epoch && last.seq > position.seq)
    }

    /// A room is no longer subscribed.
    pub(super) fn forget(&self, room: &RoomId) {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).remove(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_later_events_of_the_same_epoch_overtake() {
        let order = Order::default();
        let room = RoomId::parse("r").unwrap();
        let at = |epoch, seq| Position { epoch, seq };
        assert!(!order.has_overtaken(&room, at(1, 5)));
        order.note(&room, at(1, 6));
        assert!(order.has_overtaken(&room, at(1, 5)));
        assert!(!order.has_overtaken(&room, at(1, 6)));
        assert!(!order.has_overtaken(&room, at(2, 5)));
        assert!(!order.has_overtaken(&RoomId::parse("s").unwrap(), at(1, 5)));
        order.forget(&room);
        assert!(!order.has_overtaken(&room, at(1, 5)));
    }
}
