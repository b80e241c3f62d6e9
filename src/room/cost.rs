//! What a room's calls have cost lately, so that a batch does not keep the engine for longer than it should.

use std::time::Duration;

/// An estimate of what a call costs: it rises at once, and falls slowly.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    /// Microseconds.
    call_us: f32,
}

/// How much of a lower cost is believed at a time.
const FALL: f32 = 0.25;

impl Cost {
    /// So many calls have taken so long.
    pub(super) fn note(&mut self, calls: usize, took: Duration) {
        if calls == 0 {
            return;
        }
        let seen_us = took.as_secs_f32() * 1e6 / calls as f32;
        let fallen_us = self.call_us + (seen_us - self.call_us) * FALL;
        self.call_us = seen_us.max(fallen_us);
    }

    /// How many calls fit into so much time; at least one.
    pub(super) fn calls_in(&self, time_us: u64) -> usize {
        if self.call_us <= 0.0 {
            return usize::MAX;
        }
        // A float that is too large becomes the largest integer.
        ((time_us as f32 / self.call_us) as usize).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_calls_make_small_batches_at_once_and_light_ones_large_again_in_a_while() {
        let mut cost = Cost::default();
        assert_eq!(cost.calls_in(20_000), usize::MAX, "nothing is known");
        cost.note(100, Duration::from_millis(100));
        assert_eq!(cost.calls_in(20_000), 20);
        cost.note(4, Duration::from_millis(40));
        assert_eq!(cost.calls_in(20_000), 2);
        cost.note(1, Duration::from_secs(1));
        assert_eq!(cost.calls_in(20_000), 1, "one call is always tried");
        for _ in 0..60 {
            cost.note(1, Duration::from_micros(10));
        }
        assert!(cost.calls_in(20_000) > 1000);
        cost.note(0, Duration::from_secs(1));
        assert!(cost.calls_in(20_000) > 1000, "an empty batch says nothing");
    }
}
