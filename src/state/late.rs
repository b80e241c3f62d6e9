//! Where those wait who have had more than their share of a store. No clock here: time is passed in.
//!
//! What waits here runs when nobody else wants the store, or once its user has a share again. So that it never starves, some
//! of it runs every [`TURN`] whatever the others want. It is refused after [`PATIENCE`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use smol_str::SmolStr;

/// How long something waits at most.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// The message of what is refused then, or because too much waits already.
pub(super) const REFUSAL: &str = "you have used more than your share of the server; try again";
/// How much may wait, in all and of one user.
const MOST: usize = 1024;
const MOST_OF_ONE: usize = 32;
/// How often some of it runs, and for how long.
const TURN: Duration = Duration::from_millis(100);
const TURN_LENGTH: Duration = Duration::from_millis(2);
/// A turn that took longer puts off the next, so that all turns together take no more than one part in so many.
const TURN_PARTS: u32 = 20;
/// What has run for so long though somebody else plays rests so many times as long, before more of it has time that nobody wants.
const STINT: Duration = Duration::from_millis(1);
const REST_PARTS: u32 = 3;
/// How often to look for users who have a share again.
const LOOK: Duration = Duration::from_millis(10);

/// A queue of things that wait.
#[derive(Debug)]
pub(super) struct Late<T> {
    waiting: VecDeque<Waiting<T>>,
    /// When the next turn begins.
    turn_at: Option<Instant>,
    /// What has run in this turn.
    used: Duration,
    /// When to look again for users who have a share.
    look_at: Option<Instant>,
    /// What has run since the last rest.
    worked: Duration,
    /// The end of the last rest.
    rests_until: Option<Instant>,
}

#[derive(Debug)]
struct Waiting<T> {
    user_id: SmolStr,
    thing: T,
    since: Instant,
}

/// What is to be done with something that has waited.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// It runs now; [`Late::ran`] is to be told how long it took.
    Run(T),
    /// It has waited for too long.
    Refuse(T),
}

impl<T> Default for Late<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            turn_at: None,
            used: Duration::ZERO,
            look_at: None,
            worked: Duration::ZERO,
            rests_until: None,
        }
    }
}

impl<T> Late<T> {
    /// Puts something of a user's at the end.
    ///
    /// # Errors
    /// Gives it back if too much waits already.
    pub(super) fn put(&mut self, user_id: SmolStr, thing: T, now: Instant) -> Result<(), T> {
        let of_user = self.waiting.iter().filter(|waiting| waiting.user_id == user_id).count();
        if self.waiting.len() >= MOST || of_user >= MOST_OF_ONE {
            return Err(thing);
        }
        self.waiting.push_back(Waiting { user_id, thing, since: now });
        Ok(())
    }

    /// What is next, if its time has come. `others_wait` says whether somebody else wants the store.
    pub(super) fn next(
        &mut self,
        now: Instant,
        others_wait: bool,
        is_over: impl FnMut(&T) -> bool,
    ) -> Option<Next<T>> {
        let first = self.waiting.front()?;
        if now.saturating_duration_since(first.since) >= PATIENCE {
            return self.take(0).map(Next::Refuse);
        }
        if !others_wait || self.is_turn(now) {
            return self.take(0).map(Next::Run);
        }
        self.with_a_share(now, is_over).and_then(|index| self.take(index)).map(Next::Run)
    }

    /// What [`Late::next`] gave has run for so long.
    pub(super) fn ran(&mut self, took: Duration, now: Instant) {
        self.used += took;
        self.worked += took;
        if self.worked >= STINT {
            self.rests_until = Some(now + self.worked * REST_PARTS);
            self.worked = Duration::ZERO;
        }
        if self.used >= TURN_LENGTH {
            self.turn_at = Some(now + TURN.max(self.used * TURN_PARTS));
            self.used = Duration::ZERO;
        }
    }

    /// What has waited longest.
    pub(super) fn first(&self) -> Option<&T> {
        self.waiting.front().map(|waiting| &waiting.thing)
    }

    /// Whether what ran last rests, so that no more runs only because nobody else wants the store at this moment: the event loops and
    /// other processes may want the processor.
    pub(super) fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// How long to wait before [`Late::next`] is asked again, if it rests or others want the store.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let until = |at: Option<Instant>| at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let rest = if self.rests(now) { until(self.rests_until) } else { Duration::ZERO };
        rest.min(until(self.turn_at)).min(LOOK)
    }

    /// What has waited longest, at the end.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.take(0)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn is_turn(&self, now: Instant) -> bool {
        self.turn_at.is_none_or(|at| now >= at)
    }

    fn with_a_share(&mut self, now: Instant, mut is_over: impl FnMut(&T) -> bool) -> Option<usize> {
        if self.look_at.is_some_and(|at| now < at) {
            return None;
        }
        let found = self.waiting.iter().position(|waiting| !is_over(&waiting.thing));
        // Whoever has been found may not be the only one.
        self.look_at = if found.is_none() { Some(now + LOOK) } else { None };
        found
    }

    fn take(&mut self, index: usize) -> Option<T> {
        self.waiting.remove(index).map(|waiting| waiting.thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn filled(count: u32, now: Instant) -> Late<u32> {
        let mut late = Late::default();
        (0..count).for_each(|number| late.put("u".into(), number, now).unwrap());
        late
    }

    #[test]
    fn all_runs_in_order_when_nobody_else_waits() {
        let now = Instant::now();
        let mut late = filled(3, now);
        for number in 0..3 {
            assert_eq!(late.next(now, false, |_| true), Some(Next::Run(number)));
            late.ran(ms(50), now);
        }
        assert_eq!(late.next(now, false, |_| true), None);
    }

    /// How many run in so many seconds while others wait all the time, each taking so long.
    fn runs_in(seconds: u64, took: Duration) -> usize {
        let began = Instant::now();
        let mut late = Late::default();
        let mut runs = 0;
        for passed in 0..seconds * 1000 {
            let now = began + ms(passed);
            let _ = late.put("u".into(), (), now);
            while let Some(next) = late.next(now, true, |()| true) {
                if next == Next::Run(()) {
                    runs += 1;
                    late.ran(took, now);
                }
            }
        }
        runs
    }

    #[test]
    fn some_runs_whatever_others_want() {
        // Four of half a millisecond in each tenth of a second.
        assert_eq!(runs_in(2, Duration::from_micros(500)), 80);
        // Heavy ones get a twentieth of the time.
        assert_eq!(runs_in(10, ms(50)), 10);
    }

    #[test]
    fn who_has_a_share_again_runs_first() {
        let now = Instant::now();
        let mut late = filled(3, now);
        assert_eq!(late.next(now, true, |_| true), Some(Next::Run(0)));
        late.ran(ms(2), now);
        assert_eq!(late.next(now, true, |number| *number != 2), Some(Next::Run(2)));
        assert_eq!(late.next(now, true, |_| true), None);
        // Not looked for again at once.
        assert_eq!(late.next(now + ms(9), true, |_| false), None);
        assert_eq!(late.next(now + ms(10), true, |_| false), Some(Next::Run(1)));
    }

    #[test]
    fn it_is_refused_after_five_seconds() {
        let now = Instant::now();
        let mut late = filled(2, now);
        late.ran(ms(1000), now);
        assert_eq!(late.next(now + PATIENCE - ms(1), true, |_| true), None);
        assert_eq!(late.next(now + PATIENCE, true, |_| true), Some(Next::Refuse(0)));
        assert_eq!(late.next(now + PATIENCE, false, |_| true), Some(Next::Refuse(1)));
    }

    #[test]
    fn nobody_fills_it_alone() {
        let now = Instant::now();
        let mut late = filled(MOST_OF_ONE as u32, now);
        assert_eq!(late.put("u".into(), 7, now), Err(7));
        for user in 0..MOST - MOST_OF_ONE {
            assert_eq!(late.put(user.to_string().into(), 7, now), Ok(()));
        }
        assert_eq!(late.put("another".into(), 8, now), Err(8));
        assert_eq!(late.len(), MOST);
    }
}
