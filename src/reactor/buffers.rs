//! What connections hold of bytes that have not gone on, and the bound on it: unfinished requests and messages, input that cannot
//! be handled yet, and what waits to be sent.
//!
//! Nobody counts a byte as it comes or goes. A shard keeps a list of the connections that may hold something, and adds up what
//! they hold once so much has been read and queued that the sum could be another by an amount that matters. So a healthy shard,
//! whose list is short, adds up a few numbers a second; one under attack does so as often as it must.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::state::ConnectionKey;

/// What the connections of all shards hold together, as last counted.
#[derive(Debug)]
pub(crate) struct BufferBudget {
    held_bytes: AtomicUsize,
    most_bytes: usize,
    /// What one shard may read and queue before it counts again.
    slack_bytes: usize,
}

/// The connections of one shard that may hold something.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Each once; some may be gone.
    holders: Vec<ConnectionKey>,
    /// Read and queued since the last count.
    moved_bytes: usize,
    /// What the last count came to.
    held_bytes: usize,
}

/// All shards together may be off by an eighth of the budget.
const SLACK_PARTS: usize = 8;

impl BufferBudget {
    /// A budget of so many bytes for so many shards.
    pub(crate) fn new(most_bytes: usize, shards: usize) -> Self {
        let slack_bytes = most_bytes / (SLACK_PARTS * shards.max(1));
        Self { held_bytes: AtomicUsize::new(0), most_bytes, slack_bytes }
    }

    /// How much is held above the budget, of which others have used up a part.
    fn excess_bytes(&self, used_by_others: usize) -> usize {
        (self.held_bytes.load(Ordering::Relaxed) + used_by_others).saturating_sub(self.most_bytes)
    }
}

impl Buffers {
    /// The connection may hold something; it is not noted yet.
    pub(super) fn note(&mut self, holder: ConnectionKey) {
        self.holders.push(holder);
    }

    /// So many bytes were read or queued.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.moved_bytes += bytes;
    }

    /// Whether it is time to count.
    pub(super) fn is_due(&self, budget: &BufferBudget, used_by_others: usize) -> bool {
        self.moved_bytes > budget.slack_bytes
            || self.held_bytes > 0 && budget.excess_bytes(used_by_others) > 0
    }

    /// Those that are noted, to be counted: the ones that hold something are to be noted again.
    pub(super) fn take_holders(&mut self) -> Vec<ConnectionKey> {
        std::mem::take(&mut self.holders)
    }

    /// The count came to so much. Returns how much of it has to go: of what is held above the budget, this shard's part.
    pub(super) fn counted(
        &mut self,
        held_bytes: usize,
        budget: &BufferBudget,
        used_by_others: usize,
    ) -> usize {
        let before = std::mem::replace(&mut self.held_bytes, held_bytes);
        self.moved_bytes = 0;
        // One of the two is 0; sums that wrap come to the same.
        budget.held_bytes.fetch_add(held_bytes.wrapping_sub(before), Ordering::Relaxed);
        let all = budget.held_bytes.load(Ordering::Relaxed).max(held_bytes).max(1);
        let excess = budget.excess_bytes(used_by_others) as u128;
        (excess * held_bytes as u128).div_ceil(all as u128) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn it_is_counted_when_enough_has_moved() {
        let budget = BufferBudget::new(64 * MIB, 2);
        let mut buffers = Buffers::default();
        buffers.moved(4 * MIB);
        assert!(!buffers.is_due(&budget, 0));
        buffers.moved(1);
        assert!(buffers.is_due(&budget, 0));
        assert_eq!(buffers.counted(MIB, &budget, 0), 0);
        assert!(!buffers.is_due(&budget, 0));
    }

    #[test]
    fn each_shard_gives_its_part_of_what_is_too_much() {
        let budget = BufferBudget::new(64 * MIB, 2);
        let (mut one, mut other) = (Buffers::default(), Buffers::default());
        assert_eq!(one.counted(60 * MIB, &budget, 0), 0);
        assert_eq!(other.counted(20 * MIB, &budget, 0), 4 * MIB);
        assert!(one.is_due(&budget, 0), "somebody else's count may be what is too much");
        assert_eq!(one.counted(60 * MIB, &budget, 0), 12 * MIB);
        assert_eq!(other.counted(16 * MIB, &budget, 0), 16 * MIB * 12 / 76 + 1);
        assert_eq!(one.counted(48 * MIB, &budget, 0), 0);
        assert!(!one.is_due(&budget, 0) && !other.is_due(&budget, 0));
    }

    #[test]
    fn inputs_that_wait_use_up_a_part() {
        let budget = BufferBudget::new(64 * MIB, 1);
        let mut buffers = Buffers::default();
        assert_eq!(buffers.counted(10 * MIB, &budget, 60 * MIB), 6 * MIB);
        assert!(buffers.is_due(&budget, 60 * MIB) && !buffers.is_due(&budget, 0));
        // Who holds nothing can give nothing.
        assert_eq!(buffers.counted(0, &budget, 80 * MIB), 0);
        assert!(!buffers.is_due(&budget, 80 * MIB));
    }
}
