//! The room's events as they come from the store: gathered until they go out, and checked to follow each other.

use std::sync::Arc;

use crate::state::RoomEvents;
use crate::wire::Position;

/// Events that wait for the next flush.
#[derive(Debug, Default)]
pub(super) struct Stream {
    gathered: Vec<Arc<RoomEvents>>,
    /// Where they end; none before the first event or snapshot.
    position: Option<Position>,
    /// The history that members have been told of.
    epoch: Option<u64>,
}

/// What events are to those before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gathered {
    /// They follow, or there are none.
    Follows,
    /// They were there before.
    Known,
    /// Some are missing in front of them.
    Gap,
    /// They are of another history than what members have: the store has lost its data.
    NewHistory,
}

impl Stream {
    pub(super) fn has_gathered(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// Adds events to what waits; after a gap nothing waits any more.
    pub(super) fn gather(&mut self, events: Arc<RoomEvents>) -> Gathered {
        if events.count() == 0 {
            return Gathered::Follows;
        }
        let end = Position { epoch: events.epoch, seq: events.last_seq() };
        if self.is_new(events.epoch) {
            self.gathered.clear();
            self.position = Some(end);
            return Gathered::NewHistory;
        }
        let is_known = |last: Position| last.epoch == events.epoch && events.last_seq() <= last.seq;
        if self.position.is_some_and(is_known) {
            return Gathered::Known;
        }
        let follows = |last: Position| last.epoch == events.epoch && last.seq + 1 == events.first_seq;
        let is_gap = !self.position.is_none_or(follows);
        self.position = Some(end);
        if is_gap {
            self.gathered.clear();
            return Gathered::Gap;
        }
        self.gathered.push(events);
        Gathered::Follows
    }

    /// Somebody is told the room's state at this position: what comes must follow on that. Returns whether the others have been
    /// told of another history.
    pub(super) fn begin_at(&mut self, position: Position) -> bool {
        let is_new = self.is_new(position.epoch);
        if is_new {
            self.forget();
        }
        self.position.get_or_insert(position);
        is_new
    }

    /// Notes the history.
    fn is_new(&mut self, epoch: u64) -> bool {
        self.epoch.replace(epoch).is_some_and(|before| before != epoch)
    }

    /// What has gathered and what comes next may not join up.
    pub(super) fn forget(&mut self) {
        self.gathered.clear();
        self.position = None;
    }

    /// Takes what has gathered.
    pub(super) fn take(&mut self) -> Vec<Arc<RoomEvents>> {
        std::mem::take(&mut self.gathered)
    }
}
