//! Keeps workers from waiting one after the other for a database that does not answer: when a call has waited for it in vain,
//! those behind it are refused at once, and a single one finds out now and then whether the database is back.
//!
//! A database that refuses at once makes nobody wait, and is no matter of this.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A call that failed after so long has waited.
const SLOW: Duration = Duration::from_secs(1);
/// How long calls are refused before one of them tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Whether the database is asked. For all workers together.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<BreakerState>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum BreakerState {
    #[default]
    Closed,
    /// Calls are refused until then.
    Open(Instant),
    /// One call finds out; the others are refused.
    Trying,
}

/// What a call came to, as far as the breaker is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BreakerVerdict {
    /// The database answered, whatever it said.
    Answered,
    /// It could not be reached, or failed to work, which became clear after so long.
    Unavailable { waited: Duration },
    /// The call ended without word from the database, and says nothing about it.
    Unknown,
}

/// One call's right to ask the database. [`Breaker::end`] takes it back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass {
    /// Whether this call finds out for the others.
    is_trial: bool,
}

impl Breaker {
    /// Lets a call that begins now ask the database, or refuses it.
    pub(crate) fn begin(&self, now: Instant) -> Option<Pass> {
        let mut state = self.state();
        match *state {
            BreakerState::Closed => Some(Pass { is_trial: false }),
            BreakerState::Open(until) if now >= until => {
                *state = BreakerState::Trying;
                Some(Pass { is_trial: true })
            }
            BreakerState::Open(_) | BreakerState::Trying => None,
        }
    }

    /// A call ends now. Only an answer of the database lets all calls through again.
    pub(crate) fn end(&self, pass: Pass, now: Instant, verdict: BreakerVerdict) {
        let mut state = self.state();
        match verdict {
            BreakerVerdict::Answered => *state = BreakerState::Closed,
            BreakerVerdict::Unavailable { waited } if waited >= SLOW || pass.is_trial => {
                *state = BreakerState::Open(now + PAUSE);
            }
            // The next call tries in its place.
            BreakerVerdict::Unknown if pass.is_trial => *state = BreakerState::Open(now),
            BreakerVerdict::Unavailable { .. } | BreakerVerdict::Unknown => {}
        }
    }

    /// Whether calls are refused.
    pub(crate) fn is_open(&self) -> bool {
        *self.state() != BreakerState::Closed
    }

    fn state(&self) -> std::sync::MutexGuard<'_, BreakerState> {
        // What it holds is whole at any time.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn after(waited: Duration) -> BreakerVerdict {
        BreakerVerdict::Unavailable { waited }
    }

    /// A breaker that a call has opened which waited from `start` on; it lets the next one try at the time returned.
    fn opened(start: Instant) -> (Breaker, Instant) {
        let breaker = Breaker::default();
        let pass = breaker.begin(start).unwrap();
        breaker.end(pass, start + s(5), after(s(5)));
        (breaker, start + s(5) + PAUSE)
    }

    #[test]
    fn after_a_wait_in_vain_one_call_tries_at_a_time() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        let (one, other) = (breaker.begin(start).unwrap(), breaker.begin(start).unwrap());
        breaker.end(one, start + s(5), after(s(5)));
        assert!(breaker.begin(start + s(5)).is_none());
        // The other waited as well.
        breaker.end(other, start + s(5), after(s(5)));
        let again = start + s(5) + PAUSE;
        let trial = breaker.begin(again).unwrap();
        assert!(breaker.begin(again + s(3)).is_none(), "one tries");
        breaker.end(trial, again + s(5), after(s(5)));
        assert!(breaker.begin(again + s(5)).is_none());
        let last = again + s(5) + PAUSE;
        let trial = breaker.begin(last).unwrap();
        breaker.end(trial, last, BreakerVerdict::Answered);
        assert!(breaker.begin(last).is_some() && breaker.begin(last).is_some());
    }

    #[test]
    fn a_refusal_at_once_makes_nobody_wait() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..3 {
            let pass = breaker.begin(start).unwrap();
            breaker.end(pass, start + SLOW / 2, after(SLOW / 2));
        }
        // A slow answer is an answer.
        let pass = breaker.begin(start).unwrap();
        breaker.end(pass, start + s(5), BreakerVerdict::Answered);
        assert!(breaker.begin(start).is_some());
    }

    #[test]
    fn only_an_answer_closes() {
        let start = Instant::now();
        let (breaker, again) = opened(start);
        let trial = breaker.begin(again).unwrap();
        breaker.end(trial, again, BreakerVerdict::Unknown);
        let trial = breaker.begin(again).expect("the next call tries in its place");
        assert!(breaker.begin(again).is_none(), "one that never asked tells nothing");
        breaker.end(trial, again, after(s(0)));
        assert!(breaker.begin(again).is_none(), "a refusal at once is no answer");
        assert!(breaker.begin(again + PAUSE).is_some());
    }

    #[test]
    fn a_call_from_before_that_never_asked_leaves_it_open() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        let (one, other) = (breaker.begin(start).unwrap(), breaker.begin(start).unwrap());
        breaker.end(one, start + s(5), after(s(5)));
        breaker.end(other, start + s(5), BreakerVerdict::Unknown);
        assert!(breaker.begin(start + s(5)).is_none());
    }
}
