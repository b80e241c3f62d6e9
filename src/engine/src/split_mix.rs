//! A small generator of random numbers that no secret hangs on.

/// SplitMix64, for epochs, the seeds of `math.random`, and what commands pick at random: fast, even, and the same numbers
/// from the same seed.
#[derive(Clone, Debug)]
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..end`; `end` must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        debug_assert!(end > 0);
        ((u128::from(self.next_u64()) * end as u128) >> 64) as usize
    }

    /// `count` different numbers of `0..end`, every subset as likely as any other; `count` must not exceed `end`.
    pub fn distinct_below(&mut self, end: usize, count: usize) -> Vec<usize> {
        if count > end / 4 {
            let mut all: Vec<usize> = (0..end).collect();
            for i in 0..count {
                let other = i + self.below(end - i);
                all.swap(i, other);
            }
            all.truncate(count);
            return all;
        }
        let mut chosen = Vec::with_capacity(count);
        let mut seen = std::collections::HashSet::with_capacity(count);
        while chosen.len() < count {
            let candidate = self.below(end);
            if seen.insert(candidate) {
                chosen.push(candidate);
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_below_the_end_and_reaches_everything() {
        let mut random = SplitMix(7);
        let mut seen = [0; 10];
        for _ in 0..10_000 {
            seen[random.below(10)] += 1;
        }
        assert!(seen.iter().all(|&n| (800..1200).contains(&n)), "{seen:?}");
    }

    #[test]
    fn distinct_numbers_are_distinct() {
        let mut random = SplitMix(7);
        for (end, count) in [(1, 0), (1, 1), (10, 3), (100, 5), (100, 99), (100, 100)] {
            let mut chosen = random.distinct_below(end, count);
            chosen.sort_unstable();
            chosen.dedup();
            assert_eq!(chosen.len(), count);
            assert!(chosen.iter().all(|&n| n < end));
        }
    }
}
