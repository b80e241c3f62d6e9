//! The pace of a busy event loop. No thread here, no clock.
//!
//! A poll that returns for every input wakes the thread for each, and on a machine with few cores takes the processor from
//! the engine as often. Under load a loop therefore sleeps until its round has lasted a while, and then finds several
//! inputs at once. At rest it does not: an input is read the moment it comes.

use std::time::{Duration, Instant};

/// Decides whether a round is followed by a sleep.
#[derive(Debug)]
pub(super) struct Pace {
    round: Duration,
    window_end: Instant,
    /// Readiness events in the window that runs.
    events: usize,
    /// Those in the window before.
    events_before: usize,
}

/// How long a round lasts at least under load, unless rooms have so fast a rhythm that their players would feel it.
const LONGEST_ROUND: Duration = Duration::from_millis(2);
/// The same as a part of the rooms' interval.
const INTERVAL_PART: u32 = 10;
/// The time over which events are counted.
const WINDOW: Duration = Duration::from_millis(4);
/// So many events in a window make a busy time: then a sleep saves several wake-ups.
const BUSY_EVENTS: usize = 8;

impl Pace {
    /// A loop at rest, for rooms with this interval.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        let round = LONGEST_ROUND.min(interval / INTERVAL_PART);
        Self { round, window_end: now + WINDOW, events: 0, events_before: 0 }
    }

    /// The round that began at this time handles so many events.
    pub(super) fn count(&mut self, round_began: Instant, events: usize) {
        if round_began >= self.window_end {
            let follows = round_began < self.window_end + WINDOW;
            self.events_before = if follows { self.events } else { 0 };
            self.events = 0;
            self.window_end = round_began + WINDOW;
        }
        self.events += events;
    }

    /// How long to sleep now, after the round that began at that time.
    pub(super) fn rest(&self, round_began: Instant, now: Instant) -> Option<Duration> {
        if self.events.max(self.events_before) < BUSY_EVENTS {
            return None;
        }
        let left = (round_began + self.round).saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(50);

    fn us(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// Rounds of one event each, so many microseconds apart, over a fifth of a second: how many end in a sleep?
    fn rests(apart_us: u64) -> u64 {
        let began = Instant::now();
        let mut pace = Pace::new(INTERVAL, began);
        let rounds = 200_000 / apart_us;
        let rests = |round| {
            let now = began + us(round * apart_us);
            pace.count(now, 1);
            u64::from(pace.rest(now, now).is_some())
        };
        (0..rounds).map(rests).sum()
    }

    #[test]
    fn rare_events_are_never_waited_for() {
        assert_eq!(rests(10_000), 0);
        assert_eq!(rests(1000), 0);
    }

    #[test]
    fn frequent_events_are_gathered() {
        let rounds = 200_000 / 50;
        assert!(rests(50) >= rounds - BUSY_EVENTS as u64, "{}", rests(50));
    }

    #[test]
    fn a_sleep_ends_with_the_rounds_time_and_a_long_round_has_none() {
        let began = Instant::now();
        let mut pace = Pace::new(INTERVAL, began);
        pace.count(began, BUSY_EVENTS);
        assert_eq!(pace.rest(began, began + us(500)), Some(us(1500)));
        assert_eq!(pace.rest(began, began + LONGEST_ROUND), None);
        assert_eq!(Pace::new(Duration::from_millis(5), began).round, us(500));
    }

    #[test]
    fn a_busy_time_is_over_after_two_windows() {
        let began = Instant::now();
        let mut pace = Pace::new(INTERVAL, began);
        pace.count(began, 100);
        let is_busy_after = |pace: &mut Pace, passed: Duration| {
            pace.count(began + passed, 1);
            pace.rest(began + passed, began + passed).is_some()
        };
        assert!(is_busy_after(&mut pace, WINDOW));
        assert!(!is_busy_after(&mut pace, 2 * WINDOW));
    }
}
