//! Where surveys are asked for, where each store brings its part, and where the last one lies.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Counting, NoSurvey, Survey};
use crate::threads;

/// A survey is good for so long: who asks again sooner gets the same.
const FRESH: Duration = Duration::from_secs(10);

/// The surveys of an engine, of all its stores together.
#[derive(Debug)]
pub(in crate::state) struct SurveyDesk {
    /// By store, whether its part is wanted.
    wanted: Box<[AtomicBool]>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// A survey has been begun, and has not ended.
    is_under_way: bool,
    /// By store, what has been brought of it.
    parts: Vec<Option<Counting>>,
    last: Option<Told>,
}

/// What came of the last survey.
#[derive(Debug)]
struct Told {
    at: Instant,
    outcome: Result<Arc<Survey>, Box<str>>,
}

impl SurveyDesk {
    /// For so many stores.
    pub(in crate::state) fn new(stores: usize) -> Self {
        let wanted = std::iter::repeat_with(AtomicBool::default).take(stores).collect();
        Self { wanted, state: Mutex::default() }
    }

    /// What came of the last survey; a new one is begun if that is old.
    ///
    /// # Errors
    /// There is none yet, or a store has refused.
    pub(in crate::state) fn ask(&self) -> Result<Arc<Survey>, NoSurvey> {
        let mut state = self.lock();
        let is_old = state.last.as_ref().is_none_or(|told| told.at.elapsed() >= FRESH);
        if is_old && !state.is_under_way {
            state.is_under_way = true;
            state.parts = self.wanted.iter().map(|_| None).collect();
            self.wanted.iter().for_each(|wanted| wanted.store(true, Ordering::Release));
        }
        match state.last.as_ref().map(|told| &told.outcome) {
            None => Err(NoSurvey::NotYet),
            Some(Ok(survey)) => Ok(survey.clone()),
            Some(Err(why)) => Err(NoSurvey::Refused(why.clone())),
        }
    }

    /// Whether a store's part is wanted.
    pub(in crate::state) fn is_wanted(&self, store: usize) -> bool {
        self.wanted[store].load(Ordering::Acquire)
    }

    /// A store's part has been counted. The last one ends the survey.
    pub(in crate::state) fn put(self: &Arc<Self>, store: usize, counting: Counting) {
        let mut state = self.lock();
        // Nothing is wanted of it any more if another has refused meanwhile.
        if !self.wanted[store].swap(false, Ordering::AcqRel) {
            return;
        }
        state.parts[store] = Some(counting);
        if !state.parts.iter().all(Option::is_some) {
            return;
        }
        let parts = std::mem::take(&mut state.parts);
        drop(state);
        let (desk, ended_at) = (self.clone(), Instant::now());
        // To put many thousands of rooms in order takes a while, and needs no store.
        let sorting = threads::passing("survey").spawn(move || {
            let all = parts.into_iter().flatten().reduce(Counting::merged).unwrap_or_default();
            desk.end(Ok(Arc::new(all.finish(ended_at))));
        });
        if let Err(error) = sorting {
            self.end(Err(format!("no thread can be started to put the rooms in order: {error}").into()));
        }
    }

    /// A store cannot tell its part: there is no survey, and this is why.
    pub(in crate::state) fn refuse(&self, why: String) {
        self.end(Err(why.into()));
    }

    fn end(&self, outcome: Result<Arc<Survey>, Box<str>>) {
        let mut state = self.lock();
        self.wanted.iter().for_each(|wanted| wanted.store(false, Ordering::Release));
        *state = State { last: Some(Told { at: Instant::now(), outcome }), ..State::default() };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under the lock leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(room: &str, owner: &str, bytes: u64) -> Counting {
        let mut counting = Counting::default();
        counting.other(1);
        *counting.room(room) =
            super::super::RoomShare { owner: Some(owner.into()), bytes, ..Default::default() };
        counting
    }

    #[test]
    fn the_parts_of_all_stores_make_a_survey() {
        let desk = Arc::new(SurveyDesk::new(2));
        assert!(!desk.is_wanted(0));
        assert_eq!(desk.ask().unwrap_err(), NoSurvey::NotYet);
        desk.put(1, part("b", "ann", 30));
        assert!(desk.is_wanted(0) && !desk.is_wanted(1));
        desk.put(0, part("a", "ann", 20));
        let survey = std::iter::repeat_with(|| {
            std::thread::sleep(Duration::from_millis(2));
            desk.ask()
        })
        .take(5_000)
        .find_map(Result::ok)
        .unwrap();
        assert_eq!((survey.rooms[0].0.as_str(), survey.rooms[1].0.as_str()), ("b", "a"));
        assert_eq!((survey.owners[0].clone(), survey.other_bytes), (("ann".into(), 2, 50), 2));
        // It is fresh.
        assert!(!desk.is_wanted(0));
    }

    #[test]
    fn one_store_that_refuses_ends_it() {
        let desk = Arc::new(SurveyDesk::new(2));
        assert_eq!(desk.ask().unwrap_err(), NoSurvey::NotYet);
        desk.refuse("no right".to_owned());
        assert_eq!(desk.ask().unwrap_err(), NoSurvey::Refused("no right".into()));
        desk.put(1, part("b", "ann", 30));
        assert_eq!(desk.ask().unwrap_err(), NoSurvey::Refused("no right".into()));
    }
}
