//! What timers go by.

use crate::state::mail::SET_BACK_MS;

/// How far what is kept of the clock may lag, in milliseconds.
const KEPT_EVERY_MS: u64 = 250;

/// The store's clock, but that it is never set back: then it goes on from where it was, so that timers keep their delays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TimerClock {
    /// The latest time that was read.
    seen_ms: u64,
    /// By how much it is ahead of the store's.
    ahead_ms: u64,
    /// What the state file will have of `seen_ms`.
    kept_ms: u64,
}

impl TimerClock {
    /// Goes on from the time that was kept.
    pub(super) fn go_on_from(kept_ms: u64) -> Self {
        Self { seen_ms: kept_ms, ahead_ms: 0, kept_ms }
    }

    /// What time it is, if the store's clock says this. Steps back of [`SET_BACK_MS`] and less are waited for.
    pub(super) fn read(&mut self, now_ms: u64) -> u64 {
        let time = now_ms.saturating_add(self.ahead_ms);
        if time.saturating_add(SET_BACK_MS) < self.seen_ms {
            self.ahead_ms = self.seen_ms - now_ms;
        }
        self.seen_ms = self.seen_ms.max(time);
        self.seen_ms
    }

    /// There are no timers: it is the store's again.
    pub(super) fn begin_anew(&mut self) {
        if self.ahead_ms > 0 {
            (self.seen_ms, self.ahead_ms) = (0, 0);
        }
    }

    /// The time that is to be kept from now on; none if that which is kept is near enough.
    pub(super) fn keep(&mut self) -> Option<u64> {
        let is_far = self.seen_ms.abs_diff(self.kept_ms) >= KEPT_EVERY_MS;
        is_far.then(|| {
            self.kept_ms = self.seen_ms;
            self.kept_ms
        })
    }

    /// The later one of two.
    pub(super) fn or(self, other: Self) -> Self {
        if other.seen_ms > self.seen_ms { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock's times, and what timers go by then.
    fn check(mut clock: TimerClock, times: &[(u64, u64)]) {
        for (now_ms, expected) in times {
            assert_eq!(clock.read(*now_ms), *expected, "at {now_ms}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on() {
        let hour = 3_600_000;
        check(
            TimerClock::default(),
            &[
                (2 * hour, 2 * hour),
                (2 * hour - 1000, 2 * hour),
                (2 * hour + 10, 2 * hour + 10),
                (hour, 2 * hour + 10),
                (hour + 300, 2 * hour + 310),
                (hour - 5000, 2 * hour + 310),
                (hour - 4000, 2 * hour + 1310),
                // And is set right again.
                (2 * hour, 3 * hour + 5310),
            ],
        );
        check(TimerClock::go_on_from(2 * hour), &[(hour, 2 * hour), (hour + 7, 2 * hour + 7)]);
        check(TimerClock::go_on_from(hour), &[(2 * hour, 2 * hour)]);
        check(TimerClock::go_on_from(u64::MAX), &[(5, u64::MAX), (6, u64::MAX)]);
    }

    #[test]
    fn what_is_kept_lags_a_little() {
        let mut clock = TimerClock::default();
        clock.read(1000);
        assert_eq!((clock.keep(), clock.keep()), (Some(1000), None));
        clock.read(1249);
        assert_eq!(clock.keep(), None);
        clock.read(1250);
        assert_eq!(clock.keep(), Some(1250));
        clock.begin_anew();
        assert_eq!(clock.keep(), None);
        clock.read(100_000);
        clock.read(7);
        clock.begin_anew();
        assert_eq!((clock.keep(), clock.read(7)), (Some(0), 7));
    }
}
