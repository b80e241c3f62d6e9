//! The room's events as they come from the store: gathered until they go out, and checked to follow each other.

use crate::state::RoomEvents;
use crate::wire::Position;

/// Events that wait for the next flush.
#[derive(Debug, Default)]
pub(super) struct Stream {
    gathered: Vec<RoomEvents>,
    /// Where they end; none before the first event or snapshot.
    position: Option<Position>,
}

/// What events are to those before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gathered {
    /// They follow, or there are none.
    Follows,
    /// They were there before.
    Known,
    /// Some are missing in front of them, or the store has lost its data.
    Gap,
}

impl Stream {
    pub(super) fn has_gathered(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// Adds events to what waits; after a gap nothing waits any more.
    pub(super) fn gather(&mut self, events: RoomEvents) -> Gathered {
        if events.count() == 0 {
            return Gathered::Follows;
        }
        let is_known = |last: Position| last.epoch == events.epoch && events.last_seq() <= last.seq;
        if self.position.is_some_and(is_known) {
            return Gathered::Known;
        }
        let follows = |last: Position| last.epoch == events.epoch && last.seq + 1 == events.first_seq;
        let is_gap = !self.position.is_none_or(follows);
        self.position = Some(Position { epoch: events.epoch, seq: events.last_seq() });
        if is_gap {
            self.gathered.clear();
            return Gathered::Gap;
        }
        self.gathered.push(events);
        Gathered::Follows
    }

    /// Somebody has been told the room's state at this position: what comes must follow on that.
    pub(super) fn begin_at(&mut self, position: Position) {
        self.position.get_or_insert(position);
    }

    /// What has gathered and what comes next may not join up.
    pub(super) fn forget(&mut self) {
        self.gathered.clear();
        self.position = None;
    }

    /// Takes what has gathered.
    pub(super) fn take(&mut self) -> Vec<RoomEvents> {
        std::mem::take(&mut self.gathered)
    }
}
