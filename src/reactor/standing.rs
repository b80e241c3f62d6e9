//! How a member stands to its room's events: whether it gets them as they go out, and which it has. No socket here, so the
//! simulation runs the same.

use crate::wire::Position;

/// A member's place among its room's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    sync: Sync,
    /// The events up to this seq were in its snapshot, or have been sent before it fell behind.
    known_seq: u64,
}

/// Whether a member gets the room's events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sync {
    Live,
    /// It does not, as it is to have what it wants first, once it has read what is on its way.
    Behind(Wants),
    /// It does not; the room has been asked for what it wants.
    Asked(Wants),
}

/// What brings a member up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wants {
    /// What it missed, or a snapshot in its place.
    Missed,
    /// A snapshot.
    State,
}

impl Standing {
    /// A member that has the events up to `seq`, where those up to `flushed_seq` have gone out. Where events come another way than
    /// answers, some may have overtaken the answer that it goes on from, and gone out without it: these it has missed.
    pub(super) fn at(seq: u64, flushed_seq: u64) -> Self {
        let sync = if seq < flushed_seq { Sync::Behind(Wants::Missed) } else { Sync::Live };
        Self { sync, known_seq: seq }
    }

    /// Whether it gets events as they go out.
    pub(super) fn is_live(&self) -> bool {
        self.sync == Sync::Live
    }

    /// The events up to this seq are known to it, whatever has been sent since.
    pub(super) fn known_seq(&self) -> u64 {
        self.known_seq
    }

    /// Up to where it has all events, for certain. Those that wait in its outbox may be dropped.
    pub(super) fn certain_seq(&self, flushed_seq: u64, has_unsent: bool) -> u64 {
        if self.is_live() && !has_unsent { self.known_seq.max(flushed_seq) } else { self.known_seq }
    }

    /// Events from this one on were dropped before they were sent.
    pub(super) fn lose_from(&mut self, first_seq: u64) {
        self.known_seq = self.known_seq.max(first_seq - 1);
        self.sync = Sync::Behind(Wants::Missed);
    }

    /// Events are missing for it. Those up to `flushed_seq` have gone out, of which those from `first_dropped` on were dropped.
    pub(super) fn fall_behind(&mut self, first_dropped: Option<u64>, flushed_seq: u64) {
        match self.sync {
            Sync::Live => self.lose_from(first_dropped.unwrap_or(flushed_seq + 1)),
            Sync::Behind(wants) | Sync::Asked(wants) => self.sync = Sync::Behind(wants),
        }
    }

    /// It wants the room's state, whatever it has. For the rest as [`Standing::fall_behind`].
    pub(super) fn want_state(&mut self, first_dropped: Option<u64>, flushed_seq: u64) {
        self.fall_behind(first_dropped, flushed_seq);
        self.sync = Sync::Behind(Wants::State);
    }

    /// It has read what was on its way. Returns whether the room is to be asked now for what it wants.
    pub(super) fn has_read_all(&mut self) -> bool {
        let Sync::Behind(wants) = self.sync else { return false };
        self.sync = Sync::Asked(wants);
        true
    }

    /// From where on the room is asked, in the history of that epoch.
    pub(super) fn since(&self, epoch: u64) -> Position {
        match self.sync {
            // A place in no history of the room's.
            Sync::Asked(Wants::State) => Position { epoch: !epoch, seq: 0 },
            _ => Position { epoch, seq: self.known_seq },
        }
    }

    /// What it was asked for is there: with it, it has the events up to `seq`, where those up to `flushed_seq` have gone out.
    /// Returns whether it is of use: not if more went missing since, or if it is not the state that is wanted.
    pub(super) fn catch_up(&mut self, seq: u64, is_state: bool, flushed_seq: u64) -> bool {
        let Sync::Asked(wants) = self.sync else { return false };
        let is_wanted = wants == Wants::Missed || is_state;
        if is_wanted {
            *self = Self::at(seq, flushed_seq);
        } else {
            self.sync = Sync::Behind(wants);
        }
        is_wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: u64 = 7;

    fn live_at(seq: u64) -> Standing {
        let standing = Standing::at(seq, seq);
        assert!(standing.is_live());
        standing
    }

    /// What a member asks for that has read all.
    #[track_caller]
    fn asks(standing: &mut Standing) -> u64 {
        assert!(!standing.is_live() && standing.has_read_all() && !standing.has_read_all());
        let Position { epoch, seq } = standing.since(EPOCH);
        assert_eq!(epoch, EPOCH);
        seq
    }

    #[test]
    fn who_falls_behind_asks_from_what_it_has_been_sent() {
        let mut standing = live_at(5);
        standing.fall_behind(None, 9);
        assert_eq!(asks(&mut standing), 9);
        assert!(standing.catch_up(12, false, 12) && standing.is_live());
        standing.fall_behind(Some(15), 20);
        assert_eq!(asks(&mut standing), 14, "the rest was dropped");
        let mut standing = live_at(5);
        standing.lose_from(3);
        assert_eq!(asks(&mut standing), 5, "what was dropped was in its snapshot in part");
    }

    /// It was taken to have what had gone out to the others meanwhile.
    #[test]
    fn regression_events_that_overtake_an_answer_are_asked_for() {
        let mut standing = live_at(5);
        standing.fall_behind(None, 5);
        assert_eq!(asks(&mut standing), 5);
        assert!(standing.catch_up(5, false, 7), "6 and 7 have gone out without it");
        standing.fall_behind(None, 8);
        assert_eq!(asks(&mut standing), 5);
        let mut standing = Standing::at(5, 7);
        assert_eq!(asks(&mut standing), 5, "who comes in by such an answer, too");
    }

    #[test]
    fn what_is_certain_is_told() {
        let mut standing = live_at(5);
        assert_eq!([standing.certain_seq(9, false), standing.certain_seq(9, true)], [9, 5]);
        assert_eq!(standing.certain_seq(4, false), 5, "its snapshot is ahead of what has gone out");
        standing.fall_behind(Some(8), 9);
        assert_eq!(standing.certain_seq(12, false), 7);
    }

    #[test]
    fn what_was_asked_for_before_more_went_missing_is_of_no_use() {
        let mut standing = live_at(5);
        standing.fall_behind(None, 5);
        asks(&mut standing);
        standing.fall_behind(None, 9);
        assert!(!standing.catch_up(7, false, 9));
        assert_eq!(asks(&mut standing), 5, "it has got nothing since");
    }

    #[test]
    fn who_wants_the_state_takes_nothing_else() {
        let mut standing = live_at(5);
        standing.fall_behind(None, 5);
        asks(&mut standing);
        standing.want_state(None, 5);
        assert!(standing.has_read_all());
        assert_ne!(standing.since(EPOCH).epoch, EPOCH, "it asks from nowhere in the room's history");
        assert!(!standing.catch_up(6, false, 6) && standing.has_read_all());
        standing.fall_behind(None, 6);
        assert!(standing.has_read_all() && standing.catch_up(6, true, 6) && standing.is_live());
        assert_eq!(standing.known_seq(), 6);
    }
}
