//! When a room's tick scripts run. The store decides, by its own clock and inside the call, so that each runs once an interval
//! whatever the number of processes that ask; `redis/ticks.lua` says the same.

use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};

use crate::wire::ids::{Identity, Role};

/// A script that has not run for longer than this begins anew: nobody was there, or the store was away.
pub const LONGEST_PAUSE_MS: u64 = 60_000;

/// The caller of ticks, whom scripts do not get to see.
pub static CLOCK: LazyLock<Arc<Identity>> = LazyLock::new(|| {
    Arc::new(Identity {
        user_id: "".into(),
        username: "".into(),
        role: Role::Manager,
        expires_at_s: u32::MAX,
        login: Default::default(),
    })
});

/// Where one script of a room is, in milliseconds of the store's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// When it last ran, or began.
    pub last_ms: u64,
    /// When it is due.
    pub next_ms: u64,
    /// The interval by which that was reckoned.
    pub interval_ms: NonZeroU32,
}

/// What came of one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// How long it was since the script last ran, in milliseconds; none if it was not due.
    pub passed_ms: Option<u64>,
    /// How many ticks were left out, because this one comes so late.
    pub left_out: u64,
    /// How long it is until the next one is due, in milliseconds.
    pub wait_ms: u64,
}

impl Beat {
    /// A script that begins: it first runs after an interval.
    fn begin(interval_ms: NonZeroU32, now_ms: u64) -> (Self, Tick) {
        let wait_ms = u64::from(interval_ms.get());
        let beat = Self { last_ms: now_ms, next_ms: now_ms + wait_ms, interval_ms };
        (beat, Tick { passed_ms: None, left_out: 0, wait_ms })
    }

    /// Somebody asks for a tick of a script that is at `known`. Ticks keep to their grid, however late one of them is, and those that
    /// were missed are not made up for. A clock that was set back, or a long pause, lets it begin anew.
    pub fn tick(known: Option<Self>, interval_ms: NonZeroU32, now_ms: u64) -> (Self, Tick) {
        let step_ms = u64::from(interval_ms.get());
        let Some(beat) = known.filter(|beat| {
            let passed_ms = now_ms.checked_sub(beat.last_ms);
            passed_ms.is_some_and(|passed_ms| passed_ms <= LONGEST_PAUSE_MS + step_ms)
        }) else {
            return Self::begin(interval_ms, now_ms);
        };
        let next_ms = match beat.interval_ms == interval_ms {
            true => beat.next_ms,
            false => beat.last_ms + step_ms,
        };
        let Some(late_ms) = now_ms.checked_sub(next_ms) else {
            let tick = Tick { passed_ms: None, left_out: 0, wait_ms: next_ms - now_ms };
            return (Self { next_ms, interval_ms, ..beat }, tick);
        };
        let left_out = late_ms / step_ms;
        let next_ms = next_ms + (left_out + 1) * step_ms;
        let tick = Tick { passed_ms: Some(now_ms - beat.last_ms), left_out, wait_ms: next_ms - now_ms };
        (Self { last_ms: now_ms, next_ms, interval_ms }, tick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: NonZeroU32 = NonZeroU32::new(50).expect("it is above 0");

    /// What comes of asking at each of these times: what passed, what was left out, and how long until the next.
    fn check(intervals: &[(u64, u32)], expected: &[(Option<u64>, u64, u64)]) {
        let mut known = None;
        let mut found = Vec::new();
        for (now_ms, interval) in intervals {
            let (beat, tick) = Beat::tick(known, NonZeroU32::new(*interval).unwrap(), *now_ms);
            known = Some(beat);
            found.push((tick.passed_ms, tick.left_out, tick.wait_ms));
        }
        assert_eq!(found, expected, "{intervals:?}");
    }

    #[test]
    fn a_script_runs_once_an_interval_whoever_asks() {
        check(
            &[(1000, 50), (1001, 50), (1050, 50), (1050, 50), (1099, 50), (1100, 50)],
            &[
                (None, 0, 50),
                (None, 0, 49),
                (Some(50), 0, 50),
                (None, 0, 50),
                (None, 0, 1),
                (Some(50), 0, 50),
            ],
        );
    }

    #[test]
    fn late_ticks_keep_the_grid_and_are_not_made_up_for() {
        check(
            &[(1000, 50), (1053, 50), (1100, 50), (1320, 50), (1350, 50)],
            &[(None, 0, 50), (Some(53), 0, 47), (Some(47), 0, 50), (Some(220), 3, 30), (Some(30), 0, 50)],
        );
    }

    #[test]
    fn another_interval_counts_from_the_last_run() {
        check(
            &[(1000, 1000), (2000, 1000), (2100, 50), (2140, 200), (2300, 200)],
            &[
                (None, 0, 1000),
                (Some(1000), 0, 1000),
                (Some(100), 1, 50),
                (None, 0, 160),
                (Some(200), 0, 200),
            ],
        );
    }

    #[test]
    fn a_clock_set_back_and_a_long_pause_begin_anew() {
        check(
            &[(100_000, 50), (100_050, 50), (40_000, 50), (40_050, 50), (100_101, 50), (100_151, 50)],
            &[
                (None, 0, 50),
                (Some(50), 0, 50),
                (None, 0, 50),
                (Some(50), 0, 50),
                (None, 0, 50),
                (Some(50), 0, 50),
            ],
        );
        check(&[(1000, 60_000), (61_000, 60_000)], &[(None, 0, 60_000), (Some(60_000), 0, 60_000)]);
    }

    /// Over any times of asking, runs are at least as far apart as the grid says, and what they tell adds up.
    #[test]
    fn what_passed_adds_up() {
        let mut random = godra_engine::SplitMix(7);
        for _ in 0..200 {
            let (mut now_ms, mut known, mut passed, mut runs, mut left_out) = (5_000, None, 0, 0, 0);
            for _ in 0..200 {
                let (beat, tick) = Beat::tick(known, INTERVAL, now_ms);
                known = Some(beat);
                passed += tick.passed_ms.unwrap_or(0);
                runs += u64::from(tick.passed_ms.is_some());
                left_out += tick.left_out;
                assert!(tick.wait_ms > 0 && tick.wait_ms <= 50);
                assert_eq!((beat.next_ms - 5_000) % 50, 0, "the grid");
                now_ms += random.next_u64() % 90;
            }
            let last_ms = known.unwrap().last_ms;
            assert_eq!(passed, last_ms - 5_000);
            assert_eq!(runs + left_out, passed / 50);
        }
    }
}
