//! Sorted sets: members by name and by score.

use std::cmp::Ordering;

use super::index_map::IndexMap;
use super::rank_tree::{Item, RankTree};
use super::small_bytes::SmallBytes;

/// Members in ascending order of score, and of name where scores are equal.
///
/// Every operation on one member, and finding either end of a range, takes logarithmic time.
#[derive(Clone, Debug)]
pub struct SortedSet {
    scores: IndexMap<f64>,
    /// The same members in order; an item's index is the member's place in `scores`.
    order: RankTree,
}

impl SortedSet {
    /// An empty set that hashes under `seed`.
    pub fn new(seed: u64) -> Self {
        Self { scores: IndexMap::new(seed), order: RankTree::default() }
    }

    /// Members in the set.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// The members with their scores, in no order that means anything: for scans and random picks.
    pub fn members(&self) -> &IndexMap<f64> {
        &self.scores
    }

    /// The member's score.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// Adds the member, or moves it to another score; gives the score before. `score` must not be NaN, and
    /// a zero loses its sign.
    pub fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
        debug_assert!(!score.is_nan());
        // Redis keeps the sign of a zero in large sets and loses it in small ones.
        let score = if score == 0.0 { 0.0 } else { score };
        match self.scores.find(member) {
            Some(index) => {
                let before = self.scores.at(index).value;
                if before != score {
                    self.order.remove_at(self.rank_of(before, member));
                    *self.scores.value_at_mut(index) = score;
                    self.order.insert_at(self.rank_of(score, member), Item { score, index: index as u32 });
                }
                Some(before)
            }
            None => {
                let rank = self.rank_of(score, member);
                let index = self.scores.push_new(SmallBytes::new(member), score);
                self.order.insert_at(rank, Item { score, index: index as u32 });
                None
            }
        }
    }

    /// Removes the member, and gives its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let index = self.scores.find(member)?;
        let score = self.scores.at(index).value;
        self.order.remove_at(self.rank_of(score, member));
        // The map moves its last entry into the gap, so that member's item has to follow.
        let last = self.scores.len() - 1;
        if index != last {
            let moved = self.scores.at(last);
            let rank = self.rank_of(moved.value, &moved.key);
            self.order.set_index_at(rank, index as u32);
        }
        self.scores.swap_remove(index);
        Some(score)
    }

    /// How many members stand before this one.
    pub fn rank(&self, member: &[u8]) -> Option<usize> {
        let score = self.score(member)?;
        Some(self.rank_of(score, member))
    }

    /// How many members `precedes` holds for; it must hold for a run from the front and for none after it.
    pub fn partition_point(&self, precedes: impl Fn(&[u8], f64) -> bool) -> usize {
        self.order.partition_point(|item| precedes(self.name(item), item.score))
    }

    /// The members of a range of ranks in ascending order.
    pub fn range(
        &self,
        start: usize,
        end: usize,
    ) -> impl DoubleEndedIterator<Item = (&[u8], f64)> + ExactSizeIterator {
        self.order.range(start, end).map(|item| (self.name(item), item.score))
    }

    /// Bytes allocated, with the members' names.
    pub fn allocated_bytes(&self) -> usize {
        let names: usize = self.scores.entries().iter().map(|entry| entry.key.heap_len()).sum();
        self.scores.table_bytes() + self.order.allocated_bytes() + names
    }

    fn name(&self, item: Item) -> &[u8] {
        &self.scores.at(item.index as usize).key
    }

    /// Where a member with this score stands, or would stand.
    fn rank_of(&self, score: f64, member: &[u8]) -> usize {
        self.order.partition_point(|item| match item.score.partial_cmp(&score) {
            Some(Ordering::Equal) => self.name(item) < member,
            other => other == Some(Ordering::Less),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix;

    /// The plainest sorted set there is.
    #[derive(Default)]
    struct Model(Vec<(f64, Vec<u8>)>);

    impl Model {
        fn score(&self, member: &[u8]) -> Option<f64> {
            self.0.iter().find(|(_, name)| name == member).map(|(score, _)| *score)
        }

        fn remove(&mut self, member: &[u8]) -> Option<f64> {
            let at = self.0.iter().position(|(_, name)| name == member)?;
            Some(self.0.remove(at).0)
        }

        fn insert(&mut self, member: &[u8], score: f64) -> Option<f64> {
            let before = self.remove(member);
            self.0.push((score, member.to_vec()));
            self.0.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap().then_with(|| a.1.cmp(&b.1)));
            before
        }
    }

    fn check_against_model(seed: u64, steps: usize, names: usize) {
        let mut random = SplitMix(seed);
        let mut set = SortedSet::new(seed);
        let mut model = Model::default();
        let scores = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, 1.0, 2.0, 1e300, f64::INFINITY];
        for step in 0..steps {
            let name = format!("m{}", random.below(names)).into_bytes();
            let growing = (step / (names * 3)).is_multiple_of(2);
            if (random.below(4) != 0) == growing {
                let score =
                    if random.below(2) == 0 { scores[random.below(8)] } else { random.below(50) as f64 };
                assert_eq!(set.insert(&name, score), model.insert(&name, score), "seed {seed} step {step}");
            } else {
                assert_eq!(set.remove(&name), model.remove(&name), "seed {seed} step {step}");
            }
            let probe = format!("m{}", random.below(names)).into_bytes();
            assert_eq!(set.score(&probe), model.score(&probe), "seed {seed} step {step}");
            let rank = model.0.iter().position(|(_, name)| *name == probe);
            assert_eq!(set.rank(&probe), rank, "seed {seed} step {step}");
            if step % 50 == 0 {
                let expected = model.0.iter().map(|(score, name)| (name.as_slice(), *score));
                assert!(set.range(0, set.len()).eq(expected), "seed {seed} step {step}");
                let bound = random.below(50) as f64;
                let below = model.0.iter().filter(|(score, _)| *score < bound).count();
                assert_eq!(set.partition_point(|_, score| score < bound), below, "seed {seed} step {step}");
            }
        }
    }

    #[test]
    fn behaves_like_a_sorted_list() {
        for seed in 0..12 {
            check_against_model(seed, 6_000, [4, 30, 700][seed as usize % 3]);
        }
    }

    #[test]
    fn zeros_have_no_sign() {
        let mut set = SortedSet::new(1);
        set.insert(b"a", -0.0);
        assert!(set.score(b"a").unwrap().is_sign_positive());
    }

    #[test]
    fn a_member_is_small() {
        let mut set = SortedSet::new(1);
        let mut random = SplitMix(1);
        for i in 0..10_000 {
            set.insert(format!("guest:{i:016}").as_bytes(), random.below(1_000_000) as f64);
        }
        assert!(set.allocated_bytes() / set.len() < 100, "{}", set.allocated_bytes() / set.len());
    }
}
