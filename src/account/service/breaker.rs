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
pub(super) struct Breaker(Mutex<State>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Calls are made.
    #[default]
    Closed,
    /// Calls are refused until then.
    Open(Instant),
    /// One call finds out; the others are refused.
    Trying,
}

/// What a call to the database came to, as far as the breaker is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answered, whatever it said.
    Answered,
    /// It could not be reached, or failed to work.
    Unavailable,
}

impl Breaker {
    /// Whether a call that begins now may ask the database; then [`Breaker::end`] must follow.
    pub(super) fn begin(&self, now: Instant) -> bool {
        let mut state = self.state();
        match *state {
            State::Closed => true,
            State::Open(until) if now >= until => {
                *state = State::Trying;
                true
            }
            State::Open(_) | State::Trying => false,
        }
    }

    /// A call that began at that time ends now.
    pub(super) fn end(&self, began: Instant, now: Instant, verdict: Verdict) {
        let mut state = self.state();
        let has_waited = verdict == Verdict::Unavailable && now.duration_since(began) >= SLOW;
        *state = if has_waited { State::Open(now + PAUSE) } else { State::Closed };
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
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

    #[test]
    fn after_a_wait_in_vain_one_call_tries_at_a_time() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        assert!(breaker.begin(start) && breaker.begin(start));
        breaker.end(start, start + s(5), Verdict::Unavailable);
        assert!(!breaker.begin(start + s(5)));
        // The other waited as well.
        breaker.end(start, start + s(5), Verdict::Unavailable);
        let again = start + s(5) + PAUSE;
        assert!(breaker.begin(again));
        assert!(!breaker.begin(again + s(3)), "one tries");
        breaker.end(again, again + s(5), Verdict::Unavailable);
        assert!(!breaker.begin(again + s(5)));
        let last = again + s(5) + PAUSE;
        assert!(breaker.begin(last));
        breaker.end(last, last, Verdict::Answered);
        assert!(breaker.begin(last) && breaker.begin(last));
    }

    #[test]
    fn a_refusal_at_once_makes_nobody_wait() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..3 {
            assert!(breaker.begin(start));
            breaker.end(start, start + SLOW / 2, Verdict::Unavailable);
        }
        // A slow answer is an answer.
        assert!(breaker.begin(start));
        breaker.end(start, start + s(5), Verdict::Answered);
        assert!(breaker.begin(start));
    }
}
