//! The open-loop timetable: what is due when, whether or not the server keeps up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    Act,
    /// Send a line of chat.
    Chat,
    /// Connect again after a time away.
    Return,
    /// Connect again after a failure.
    Retry,
    /// The server should have answered a goodbye by now.
    Overdue,
    /// The welcome should have come by now.
    Unwelcome,
    /// Ask whether the server is still there.
    Heartbeat,
    /// Send inputs again that did not run.
    Resend,
}

/// One entry of the timetable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// When it is due, jitter included: latency counts from here.
    pub at_ns: u64,
    /// When it would be due without jitter; the next one is a period after this.
    pub regular_ns: u64,
    pub client: u32,
    pub task: Task,
    /// The client's life and rate for which it was planned; an entry of another time is void.
    pub stamp: u32,
}

/// A heap of what is due, the earliest first.
#[derive(Default)]
pub(super) struct Schedule(BinaryHeap<Reverse<Due>>);

impl Schedule {
    pub(super) fn push(&mut self, due: Due) {
        self.0.push(Reverse(due));
    }

    /// When the next entry is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.0.peek().map(|Reverse(due)| due.at_ns)
    }

    /// Takes the next entry if it is due by now.
    pub(super) fn pop(&mut self, now_ns: u64) -> Option<Due> {
        if self.next_ns()? > now_ns {
            return None;
        }
        self.0.pop().map(|Reverse(due)| due)
    }
}

/// A number of things per second, from a start on: how many are due, and when the next is.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    start_ns: u64,
    per_second: f64,
    done: u64,
}

impl Pace {
    /// From `start_ns` on; a rate of 0 means all at once.
    pub(crate) fn new(start_ns: u64, per_second: f64) -> Self {
        Self { start_ns, per_second, done: 0 }
    }

    /// When the next one is due.
    pub(super) fn next_ns(&self) -> u64 {
        if self.per_second <= 0.0 {
            return self.start_ns;
        }
        self.start_ns + (self.done as f64 * 1e9 / self.per_second) as u64
    }

    /// Counts one as done.
    pub(super) fn advance(&mut self) {
        self.done += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_the_order_of_their_times() {
        let mut schedule = Schedule::default();
        for at_ns in [30, 10, 20] {
            schedule.push(Due { at_ns, regular_ns: at_ns, client: 0, task: Task::Act, stamp: 0 });
        }
        assert_eq!(schedule.next_ns(), Some(10));
        assert_eq!(schedule.pop(5), None);
        let order: Vec<u64> = std::iter::from_fn(|| schedule.pop(25)).map(|due| due.at_ns).collect();
        assert_eq!(order, [10, 20]);
    }

    #[test]
    fn a_pace_does_not_drift() {
        let mut pace = Pace::new(1_000, 3.0);
        (0..3_000_000).for_each(|_| pace.advance());
        assert_eq!(pace.next_ns(), 1_000 + 1_000_000 * 1_000_000_000);
        assert_eq!(Pace::new(7, 0.0).next_ns(), 7);
    }
}
