//! What those get who have been here before, or have fallen behind.

use super::flush::MissedFrames;
use crate::state::Missed;
use crate::wire::{Position, Recovered};

/// The room's events up to the place at which somebody goes on.
pub(super) struct MissedEvents<'a> {
    /// They are all there from this place on.
    after: Position,
    until: u64,
    frames: MissedFrames<'a>,
}

impl<'a> MissedEvents<'a> {
    /// The events up to `position`.
    pub(super) fn new(missed: &'a Missed, position: Position) -> Self {
        let after = Position { seq: missed.after, ..position };
        Self { after, until: position.seq, frames: MissedFrames::new(&missed.runs) }
    }

    /// What somebody gets who was at `since`; nothing if not all of it is there.
    pub(super) fn of(&mut self, user_id: &str, since: Position) -> Option<Recovered> {
        let is_there = since.epoch == self.after.epoch && (self.after.seq..=self.until).contains(&since.seq);
        is_there.then(|| {
            let missed = self.frames.frame(user_id, since.seq, self.until);
            Recovered { since: since.seq, missed }
        })
    }
}
