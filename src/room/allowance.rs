//! How much may wait: of one connection, and of all together. An input carries its [`Charge`] from the moment it is read until
//! the engine is done with it, through whatever queues it goes, and gives it back when it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What waits in the whole process.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: AtomicUsize,
    most_bytes: usize,
}

/// What one connection may have waiting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub inputs: usize,
    /// Bytes of them, but for a single input.
    pub bytes: usize,
}

/// What one connection has waiting; none while that is nothing.
#[derive(Debug, Default)]
pub(crate) struct Allowance(Option<Arc<Counts>>);

#[derive(Debug)]
struct Counts {
    inputs: AtomicUsize,
    bytes: AtomicUsize,
    budget: Arc<Budget>,
}

/// The place that one input takes up.
#[derive(Debug)]
pub(crate) struct Charge {
    counts: Arc<Counts>,
    bytes: usize,
}

/// The place that a call takes up which is no member's input: an RPC. Its connection has one at a time.
#[derive(Debug)]
pub(crate) struct CallCharge {
    budget: Arc<Budget>,
    bytes: usize,
}

/// An input so small is taken though others have used up the process's budget, if it is its connection's only one.
const ALWAYS_TAKEN_BYTES: usize = 1024;

impl Budget {
    /// A budget of so many bytes.
    pub(crate) fn new(most_bytes: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), most_bytes })
    }

    /// Takes up a place for a call of so many bytes. Nothing if there is none left; a small call always has one, as the engine
    /// takes so many at most.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Option<CallCharge> {
        if bytes > ALWAYS_TAKEN_BYTES && self.used_bytes() + bytes > self.most_bytes {
            return None;
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Some(CallCharge { budget: self.clone(), bytes })
    }

    /// Bytes that wait now.
    pub(crate) fn used_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Allowance {
    /// Takes up a place for an input of so many bytes. Nothing if there is none left.
    pub(crate) fn charge(&mut self, bytes: usize, share: Share, budget: &Arc<Budget>) -> Option<Charge> {
        let counts = self.0.get_or_insert_with(|| {
            Arc::new(Counts {
                inputs: AtomicUsize::new(0),
                bytes: AtomicUsize::new(0),
                budget: budget.clone(),
            })
        });
        // Only this connection's shard adds to its counts; other threads only give back.
        let (inputs, waiting_bytes) =
            (counts.inputs.load(Ordering::Relaxed), counts.bytes.load(Ordering::Relaxed));
        let fits = inputs == 0 || inputs < share.inputs && waiting_bytes + bytes <= share.bytes;
        let is_small = inputs == 0 && bytes <= ALWAYS_TAKEN_BYTES;
        let fits_in_all = is_small || budget.used_bytes() + bytes <= budget.most_bytes;
        if !fits || !fits_in_all {
            return None;
        }
        counts.inputs.fetch_add(1, Ordering::Relaxed);
        counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        budget.bytes.fetch_add(bytes, Ordering::Relaxed);
        Some(Charge { counts: counts.clone(), bytes })
    }

    /// Forgets counts that are at nothing, so that an idle connection holds no memory for them.
    pub(crate) fn rest(&mut self) {
        if self.0.as_ref().is_some_and(|counts| Arc::strong_count(counts) == 1) {
            self.0 = None;
        }
    }
}

impl Drop for CallCharge {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.counts.inputs.fetch_sub(1, Ordering::Relaxed);
        self.counts.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.counts.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Share = Share { inputs: 3, bytes: 5000 };

    #[test]
    fn a_connection_has_so_many_inputs_and_bytes_until_they_are_given_back() {
        let budget = Budget::new(1 << 20);
        let mut allowance = Allowance::default();
        let mut charge = |bytes| allowance.charge(bytes, SHARE, &budget);
        let first = charge(2000).unwrap();
        let _second = charge(2000).unwrap();
        assert!(charge(1001).is_none(), "too many bytes");
        let _third = charge(1000).unwrap();
        assert!(charge(0).is_none(), "too many inputs");
        drop(first);
        assert!(charge(2000).is_some());
        assert_eq!(budget.used_bytes(), 3000);
    }

    #[test]
    fn a_single_input_may_be_larger_than_the_share() {
        let budget = Budget::new(1 << 20);
        let mut allowance = Allowance::default();
        let _large = allowance.charge(100_000, SHARE, &budget).unwrap();
        assert!(allowance.charge(1, SHARE, &budget).is_none());
    }

    #[test]
    fn calls_without_a_member_use_up_the_same_budget() {
        let budget = Budget::new(6000);
        let call = budget.charge(4000).unwrap();
        assert!(budget.charge(2001).is_none());
        let mut allowance = Allowance::default();
        assert!(allowance.charge(2001, SHARE, &budget).is_none());
        let input = allowance.charge(2000, SHARE, &budget).unwrap();
        let small = budget.charge(1024).unwrap();
        assert_eq!(budget.used_bytes(), 7024);
        drop((call, small));
        assert_eq!(budget.used_bytes(), 2000);
        assert!(budget.charge(4001).is_none() && budget.charge(4000).is_some());
        drop(input);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn all_together_have_a_bound_but_a_small_first_input_gets_through() {
        let budget = Budget::new(6000);
        let (mut one, mut other) = (Allowance::default(), Allowance::default());
        let _charge = one.charge(6000, SHARE, &budget).unwrap();
        assert!(other.charge(1025, SHARE, &budget).is_none());
        let _small = other.charge(1024, SHARE, &budget).unwrap();
        assert!(other.charge(1, SHARE, &budget).is_none(), "its second has to wait for the rest");
    }

    #[test]
    fn nothing_is_held_at_rest() {
        let budget = Budget::new(6000);
        let mut allowance = Allowance::default();
        let charge = allowance.charge(1, SHARE, &budget).unwrap();
        allowance.rest();
        assert!(allowance.0.is_some());
        drop(charge);
        allowance.rest();
        assert!(allowance.0.is_none());
        assert_eq!(budget.used_bytes(), 0);
    }
}
