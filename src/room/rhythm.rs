//! A room's rhythm: the first input of a quiet room is submitted at once; under load there is one submission and one
//! flush an interval.

/// When a room submits its inputs and flushes its events. Times are milliseconds of a monotonic clock.
#[derive(Debug)]
pub(crate) struct Rhythm {
    interval_ms: u64,
    /// Where in the interval this room's ticks fall, so that the ticks of different rooms are spread over it.
    phase_ms: u64,
    beat: Beat,
}

/// Whether the room has been active within the last interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beat {
    /// Nothing happened since the last tick: what comes next goes out at once.
    Quiet,
    /// Something went out less than an interval ago: what comes gathers until this time.
    Ticking { next_ms: u64 },
}

impl Rhythm {
    /// A quiet room. `spread` is any number that differs between rooms (a hash of the id).
    pub(crate) fn new(interval_ms: u64, spread: u64) -> Self {
        Self { interval_ms, phase_ms: spread % interval_ms, beat: Beat::Quiet }
    }

    /// Milliseconds between two ticks.
    pub(crate) fn interval_ms(&self) -> u64 {
        self.interval_ms
    }

    /// Whether the room may submit or flush now.
    pub(crate) fn is_open(&self, now_ms: u64) -> bool {
        match self.beat {
            Beat::Quiet => true,
            Beat::Ticking { next_ms } => now_ms >= next_ms,
        }
    }

    /// Something went out: the gate closes until the time that is returned, when the next tick is due. Nothing is
    /// returned when that tick is due already by an earlier call.
    pub(crate) fn went_out(&mut self, now_ms: u64) -> Option<u64> {
        if !self.is_open(now_ms) {
            return None;
        }
        Some(self.goes_out(now_ms))
    }

    /// As [`Rhythm::went_out`], also if the gate was closed. Returns when it opens.
    pub(crate) fn goes_out(&mut self, now_ms: u64) -> u64 {
        let next_ms = self.next_tick_ms(now_ms);
        self.beat = Beat::Ticking { next_ms };
        next_ms
    }

    /// From the next time on, ticks fall on this moment, or whole intervals from it.
    pub(crate) fn align(&mut self, at_ms: u64) {
        self.phase_ms = at_ms % self.interval_ms;
    }

    /// A tick's time has come and nothing waits: the room is quiet. Returns false if the tick is not due (a timer
    /// left over from an earlier beat).
    pub(crate) fn rest(&mut self, now_ms: u64) -> bool {
        if !self.is_open(now_ms) {
            return false;
        }
        self.beat = Beat::Quiet;
        true
    }

    /// The first tick of this room's phase that is at least half an interval away.
    fn next_tick_ms(&self, now_ms: u64) -> u64 {
        let earliest_ms = now_ms + self.interval_ms / 2;
        let past_phase_ms = (earliest_ms + self.interval_ms - self.phase_ms) % self.interval_ms;
        match past_phase_ms {
            0 => earliest_ms,
            past_ms => earliest_ms + self.interval_ms - past_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leading_edge_is_open_and_then_one_tick_an_interval() {
        let mut rhythm = Rhythm::new(50, 7);
        assert!(rhythm.is_open(1000));
        let next = rhythm.went_out(1000).unwrap();
        assert!(!rhythm.is_open(next - 1) && rhythm.is_open(next));
        assert_eq!(rhythm.went_out(next - 1), None, "the tick is due already");
        let second = rhythm.went_out(next).unwrap();
        assert_eq!(second - next, 50);
        assert!(!rhythm.rest(second - 1));
        assert!(rhythm.rest(second));
        assert!(rhythm.is_open(second));
    }

    #[test]
    fn ticks_fall_on_the_rooms_phase_half_to_one_and_a_half_intervals_away() {
        for interval_ms in [5, 50, 1000] {
            for spread in 0..interval_ms {
                for now_ms in 10_000..10_000 + interval_ms {
                    let mut rhythm = Rhythm::new(interval_ms, spread);
                    let next_ms = rhythm.went_out(now_ms).unwrap();
                    assert_eq!(next_ms % interval_ms, spread);
                    let away_ms = next_ms - now_ms;
                    assert!((interval_ms / 2..interval_ms / 2 + interval_ms).contains(&away_ms), "{away_ms}");
                }
                if interval_ms == 1000 && spread > 20 {
                    break;
                }
            }
        }
    }
}
