//! Gives memory that a flood took back to the kernel.
//!
//! The C library keeps what was freed, for the next who asks: after a flood nearly all of it, for ever. Nothing tells cheaply how
//! much that is, so the heap is trimmed now and then while the process has more memory than it ever got along with, less often
//! where that turns out to give nothing back. While one thread's heap is trimmed, that thread waits if it asks for memory:
//! that takes milliseconds for each 100 MiB that are given back.

use std::time::{Duration, Instant};

use crate::sys;

/// How often the process's memory is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Less memory than this above the lowest is let be.
const SLACK_BYTES: u64 = 32 << 20;
/// A trim that gives back less was in vain.
const WORTHWHILE_BYTES: u64 = 8 << 20;
/// Looks from one trim to the next after several in vain: memory is given back within a minute of when it became free.
const MAX_LOOKS: u32 = 3;

/// When the heap is trimmed.
#[derive(Debug)]
pub(super) struct HeapWatch {
    /// The least memory that the process has had.
    lowest_bytes: u64,
    /// Looks until the next trim.
    rest: u32,
    /// Trims in vain, one after the other.
    in_vain: u32,
}

impl HeapWatch {
    /// A watch over a process that has as much memory as it has now.
    pub(super) fn begin() -> Self {
        Self::new(sys::resident_bytes().unwrap_or(u64::MAX))
    }

    fn new(resident_bytes: u64) -> Self {
        Self { lowest_bytes: resident_bytes, rest: 0, in_vain: 0 }
    }

    /// Looks at the process's memory, and trims the heap if it is time.
    pub(super) fn look(&mut self) {
        let Some(before) = sys::resident_bytes() else { return };
        if !self.is_due(before) {
            return;
        }
        let began = Instant::now();
        sys::trim_heap();
        let after = sys::resident_bytes().unwrap_or(before);
        self.trimmed(before, after);
        log::debug!(
            "the heap was trimmed before_bytes={before} after_bytes={after} took_us={}",
            began.elapsed().as_micros()
        );
    }

    fn is_due(&mut self, resident_bytes: u64) -> bool {
        self.lowest_bytes = self.lowest_bytes.min(resident_bytes);
        let has_grown = resident_bytes >= self.lowest_bytes.saturating_add(SLACK_BYTES);
        self.rest = self.rest.saturating_sub(1);
        has_grown && self.rest == 0
    }

    fn trimmed(&mut self, before_bytes: u64, after_bytes: u64) {
        let is_in_vain = before_bytes.saturating_sub(after_bytes) < WORTHWHILE_BYTES;
        self.in_vain = if is_in_vain { self.in_vain + 1 } else { 0 };
        self.rest = (self.in_vain + 1).min(MAX_LOOKS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Looks at a process that has so much memory, of which a trim gives back so much; whether it was trimmed.
    fn look(watch: &mut HeapWatch, mib: u64, gives_back_mib: u64) -> bool {
        let is_due = watch.is_due(mib * MIB);
        if is_due {
            watch.trimmed(mib * MIB, (mib - gives_back_mib) * MIB);
        }
        is_due
    }

    #[test]
    fn a_quiet_process_is_let_be() {
        let mut watch = HeapWatch::new(50 * MIB);
        assert!((0..100).all(|n| !look(&mut watch, 50 + n % 32, 0)));
    }

    #[test]
    fn what_a_flood_took_is_given_back_within_a_minute() {
        let longest = Duration::from_secs(60).div_duration_f64(LOOK_EVERY) as usize;
        for busy_looks in 0..20 {
            let mut watch = HeapWatch::new(50 * MIB);
            // All of it is in use, so that every trim is in vain.
            for _ in 0..busy_looks {
                look(&mut watch, 800, 0);
            }
            let looks = 1 + (0..).take_while(|_| !look(&mut watch, 800, 700)).count();
            assert!(looks < longest, "{looks} after {busy_looks}");
            assert!(!look(&mut watch, 60, 0));
        }
    }

    #[test]
    fn trims_in_vain_become_rare() {
        let mut watch = HeapWatch::new(50 * MIB);
        let trims = (0..30).filter(|_| look(&mut watch, 800, 7)).count();
        assert!((8..=12).contains(&trims), "{trims}");
    }
}
