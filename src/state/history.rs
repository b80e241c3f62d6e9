//! What a room keeps of its events, for who comes back and for who has fallen behind.

use std::collections::VecDeque;
use std::sync::Arc;

use super::RoomEvents;
use super::room_events::superseded;
use super::sizes::block;

/// What is kept at most; the oldest events go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryBounds {
    /// Events, without those whose place a newer one has taken.
    pub events: usize,
    /// How old they may be, in milliseconds.
    pub age_ms: u64,
    /// About what they may take in memory.
    pub bytes: usize,
}

/// The latest events of a room.
#[derive(Debug, Default)]
pub struct History {
    /// In the order of their numbers. What is not in them between the first and the last was superseded.
    runs: VecDeque<Kept>,
    events: usize,
    bytes: usize,
    /// Everything after this seq is here.
    after: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    at_ms: u64,
    run: Arc<RoomEvents>,
}

/// A room's events up to its place right after a batch, for callers who have been there before.
#[derive(Clone, Debug)]
pub struct Missed {
    /// All events after this seq are in `runs`, or superseded by some that are.
    pub after: u64,
    /// In the order of their numbers.
    pub runs: Vec<Arc<RoomEvents>>,
}

/// A room's history, for the one who keeps it over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptEvents {
    /// All events after this seq are in `runs`, or superseded by some that are.
    pub after: u64,
    /// In the order of their numbers, each with when it came, in milliseconds since the Unix epoch.
    pub runs: Vec<(u64, Arc<RoomEvents>)>,
}

impl Default for HistoryBounds {
    fn default() -> Self {
        Self { events: 512, age_ms: 60_000, bytes: 256 << 10 }
    }
}

impl History {
    /// Adds events, which follow those that are there.
    pub fn push(&mut self, run: Arc<RoomEvents>, now_ms: u64, bounds: &HistoryBounds) {
        if self.runs.is_empty() {
            self.after = run.first_seq - 1;
        }
        self.add(Kept { at_ms: now_ms, run });
        self.forget_old(now_ms, bounds);
        // Looking for superseded events takes time: there may be as many again before it is done.
        if self.events > 2 * bounds.events || self.bytes > bounds.bytes {
            self.conflate();
            self.trim(bounds);
        }
    }

    fn add(&mut self, kept: Kept) {
        self.events += kept.run.count() as usize;
        self.bytes += kept.run.bytes();
        self.runs.push_back(kept);
    }

    /// Drops what is too old.
    pub fn forget_old(&mut self, now_ms: u64, bounds: &HistoryBounds) {
        let is_old = |kept: &Kept| now_ms.saturating_sub(kept.at_ms) > bounds.age_ms;
        while self.runs.front().is_some_and(is_old) {
            self.drop_first();
        }
        if self.runs.is_empty() {
            self.runs = VecDeque::new();
        }
    }

    /// All events after `since`, of a room that has come to `now`; nothing if some of them are not here any more.
    pub fn since(&self, since: u64, now: u64) -> Option<Missed> {
        if since == now {
            return Some(Missed { after: since, runs: Vec::new() });
        }
        let last = self.runs.back()?.run.last_seq();
        if since > now || since < self.after || last != now {
            return None;
        }
        let from = self.runs.partition_point(|kept| kept.run.last_seq() <= since);
        Some(Missed { after: since, runs: self.runs.range(from..).map(|kept| kept.run.clone()).collect() })
    }

    /// What it takes in memory, about.
    pub fn bytes(&self) -> usize {
        self.bytes + block(self.runs.capacity() * size_of::<Kept>())
    }

    /// Everything that is here.
    pub fn kept(&self) -> KeptEvents {
        let runs = self.runs.iter().map(|kept| (kept.at_ms, kept.run.clone())).collect();
        KeptEvents { after: self.after, runs }
    }

    /// Goes on where a history was.
    pub fn restore(kept: KeptEvents) -> Self {
        let mut history = Self { after: kept.after, ..Self::default() };
        kept.runs.into_iter().for_each(|(at_ms, run)| history.add(Kept { at_ms, run }));
        history
    }

    fn conflate(&mut self) {
        let runs: Vec<Arc<RoomEvents>> = self.runs.iter().map(|kept| kept.run.clone()).collect();
        let superseded = superseded(&runs);
        if superseded.is_empty() {
            return;
        }
        (self.events, self.bytes) = (0, 0);
        for kept in std::mem::take(&mut self.runs) {
            let inside = superseded.partition_point(|seq| *seq < kept.run.first_seq)
                ..superseded.partition_point(|seq| *seq <= kept.run.last_seq());
            if inside.is_empty() {
                self.add(kept);
                continue;
            }
            let left = kept.run.without(&superseded[inside]);
            left.into_iter().for_each(|run| self.add(Kept { at_ms: kept.at_ms, run: Arc::new(run) }));
        }
    }

    fn trim(&mut self, bounds: &HistoryBounds) {
        while self.events > bounds.events || self.bytes > bounds.bytes {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let Some(Kept { run, .. }) = self.runs.pop_front() else { return };
        self.events -= run.count() as usize;
        self.bytes -= run.bytes();
        self.after = run.last_seq();
    }
}

#[cfg(test)]
mod tests;
