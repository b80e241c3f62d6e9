//! Where all chance comes from.

use godra_engine::SplitMix;

/// Numbers that a seed determines.
pub(super) struct Random(SplitMix);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(SplitMix(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5157_3a5e))
    }

    /// From 0 up to `end`, which is not among them.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end.max(1)
    }

    /// From one up to the other, both among them.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// Whether something happens that does once in so many times.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// Another source, which does not depend on how often this one is asked from now on.
    pub(super) fn fork(&mut self) -> Self {
        Self(SplitMix(self.0.next_u64()))
    }
}
