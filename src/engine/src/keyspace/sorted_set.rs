//! Sorted sets: members by name and by score.

use std::cmp::Ordering;

use super::index_map::{Entry, IndexMap};
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

    /// The members' indexes in [`SortedSet::members`], from the least score up.
    pub fn ranked_indexes(&self) -> impl Iterator<Item = usize> {
        self.order.range(0, self.len()).map(|item| item.index as usize)
    }

    /// The member's score.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// Adds the member, or moves it to another score; gives its index of [`SortedSet::members`] and its score if it was
    /// there. `score` must not be NaN, and a zero loses its sign.
    pub fn insert(&mut self, member: &[u8], score: f64) -> Option<(usize, f64)> {
        debug_assert!(!score.is_nan());
        // Redis keeps the sign of a zero in large sets and loses it in small ones.
        let score = if score == 0.0 { 0.0 } else { score };
        match self.scores.find(member) {
            Some(index) => {
                let before = self.scores.at(index).value;
                if before != score {
                    self.rescore(index, score);
                }
                Some((index, before))
            }
            None => {
                let rank = self.rank_of(score, member);
                let index = self.scores.push_new(SmallBytes::new(member), score);
                self.order.insert_at(rank, Item { score, index: index as u32 });
                None
            }
        }
    }

    /// Moves the member at an index of [`SortedSet::members`] to another score.
    pub(super) fn rescore(&mut self, index: usize, score: f64) {
        let Entry { key: member, value: before } = self.scores.at(index);
        let (from, member) = (self.rank_of(*before, member), member.clone());
        self.order.remove_at(from);
        *self.scores.value_at_mut(index) = score;
        self.order.insert_at(self.rank_of(score, &member), Item { score, index: index as u32 });
    }

    /// Removes the member; gives its index of [`SortedSet::members`] and what was there.
    pub fn remove(&mut self, member: &[u8]) -> Option<(usize, Entry<f64>)> {
        let index = self.scores.find(member)?;
        Some((index, self.remove_at(index)))
    }

    /// Removes the last of [`SortedSet::members`].
    pub(super) fn remove_last(&mut self) {
        self.remove_at(self.scores.len() - 1);
    }

    fn remove_at(&mut self, index: usize) -> Entry<f64> {
        let removed = self.scores.at(index);
        self.order.remove_at(self.rank_of(removed.value, &removed.key));
        // The map moves its last entry into the gap, so that member's item has to follow.
        let last = self.scores.len() - 1;
        if index != last {
            self.set_index(last, index);
        }
        self.scores.swap_remove(index)
    }

    /// Undoes [`SortedSet::remove`].
    pub(super) fn undo_remove(&mut self, index: usize, member: SmallBytes, score: f64) {
        let last = self.scores.len();
        let moved = (index < last).then(|| self.rank_of_index(index));
        self.scores.undo_swap_remove(index, Entry { key: member.clone(), value: score });
        if let Some(rank) = moved {
            self.order.set_index_at(rank, last as u32);
        }
        let rank = self.rank_of(score, &member);
        self.order.insert_at(rank, Item { score, index: index as u32 });
    }

    /// Lets the item of the member at index `from` say that the member is at index `to`.
    fn set_index(&mut self, from: usize, to: usize) {
        let rank = self.rank_of_index(from);
        self.order.set_index_at(rank, to as u32);
    }

    fn rank_of_index(&self, index: usize) -> usize {
        let entry = self.scores.at(index);
        self.rank_of(entry.value, &entry.key)
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
        self.scores.allocated_bytes() + self.order.allocated_bytes()
    }

    /// The same as [`SortedSet::allocated_bytes`], counted anew.
    pub(super) fn recount(&self) -> usize {
        self.scores.recount() + self.order.recount()
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
                let inserted = set.insert(&name, score).map(|(_, before)| before);
                assert_eq!(inserted, model.insert(&name, score), "seed {seed} step {step}");
            } else {
                let removed = set.remove(&name).map(|(_, entry)| entry.value);
                assert_eq!(removed, model.remove(&name), "seed {seed} step {step}");
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
        assert!(set.allocated_bytes() / set.len() < 104, "{}", set.allocated_bytes() / set.len());
    }
}
