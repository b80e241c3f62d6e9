//! Bundles: what is due of several rooms' messages as one call of a program, so that its parts are made once for all of them.
//! No sockets here.
//!
//! Each room has its own batch, which is answered by itself: what fails in one is nothing to the others, as each call undoes
//! what it alone has done. What the store has no time for stays due. Where the whole call fails, nobody knows which room it was:
//! then all of them run alone for a while (see [`Outlook`](super::mail::Outlook)).
//!
//! A script that loops can be stopped only while nothing has been written, and in a bundle others may have written before it.
//! So a script is in bundles only once it has run some times without being stopped (see [`Ledger`](super::ledger::Ledger)).

use std::sync::Arc;
use std::time::Duration;

use super::program::Program;
use crate::state::Batch;

/// How many rooms are in one bundle at most.
const MAX_ROOMS: usize = 32;
/// How much work, as far as one can tell. The prelude has a bound for what it does take.
const MAX_WORK: Duration = Duration::from_millis(4);

/// Batches of one program.
#[derive(Debug)]
pub(super) struct Bundle {
    pub program: Arc<Program>,
    /// One a room.
    pub batches: Vec<Batch>,
    /// How long the store will work on each, as far as one can tell.
    pub guesses: Vec<Duration>,
}

impl Bundle {
    /// How long the store will work on all of it.
    pub(super) fn guess(&self) -> Duration {
        self.guesses.iter().sum()
    }

    fn is_full(&self) -> bool {
        self.batches.len() >= MAX_ROOMS || self.guess() >= MAX_WORK
    }
}

/// Those that are not sent yet.
#[derive(Debug, Default)]
pub(super) struct Bundles(Vec<Bundle>);

impl Bundles {
    /// Adds a room's batch to those of the same program. Gives the bundle if it is full.
    pub(super) fn add(&mut self, program: Arc<Program>, batch: Batch, guess: Duration) -> Option<Bundle> {
        let place = self.0.iter().position(|open| Arc::ptr_eq(&open.program, &program));
        let place = place.unwrap_or_else(|| {
            self.0.push(Bundle { program, batches: Vec::new(), guesses: Vec::new() });
            self.0.len() - 1
        });
        self.0[place].batches.push(batch);
        self.0[place].guesses.push(guess);
        self.0[place].is_full().then(|| self.0.remove(place))
    }

    /// All that there are, in the order in which they began.
    pub(super) fn take_all(&mut self) -> Vec<Bundle> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::program::Programs;
    use super::*;
    use crate::script::Script;
    use crate::wire::ids::RoomId;

    fn batch(number: usize) -> Batch {
        Batch::new(RoomId::parse(&format!("r{number}")), Vec::new(), 0)
    }

    #[test]
    fn a_bundle_has_one_program_and_is_full_by_rooms_or_by_work() {
        let mut programs = Programs::default();
        let [one, other] = ["one", "other"].map(|name| {
            let script = Script::built_in(name, "return 1");
            programs.for_scripts([&script].into_iter())
        });
        let (mut bundles, cheap) = (Bundles::default(), Duration::from_micros(50));
        for number in 0..MAX_ROOMS - 1 {
            assert!(bundles.add(one.clone(), batch(number), cheap).is_none());
            assert!(bundles.add(other.clone(), batch(number), Duration::ZERO).is_none());
        }
        let full = bundles.add(one.clone(), batch(MAX_ROOMS), cheap).expect("it is full");
        assert_eq!((full.batches.len(), full.guess()), (MAX_ROOMS, cheap * MAX_ROOMS as u32));
        assert!(Arc::ptr_eq(&full.program, &one));
        let dear = bundles.add(one, batch(0), MAX_WORK).expect("it is full");
        assert_eq!(dear.batches.len(), 1);
        let rest = bundles.take_all();
        assert_eq!(rest.iter().map(|bundle| bundle.batches.len()).collect::<Vec<_>>(), [MAX_ROOMS - 1]);
        assert!(bundles.take_all().is_empty());
    }
}
