//! Changes of sorted sets.

use crate::keyspace::small_bytes::SmallBytes;
use crate::keyspace::sorted_set::SortedSet;

use super::Change;

/// How to undo a change of a sorted set. Indices are those of [`SortedSet::members`].
#[derive(Debug)]
pub(crate) enum SortedSetEdit {
    /// The last member was added.
    Added,
    /// The member at the index had this score.
    Rescored(u32, f64),
    /// This member with its score was at the index.
    Removed(u32, Box<(SmallBytes, f64)>),
}

impl Change<'_, SortedSet> {
    /// As [`SortedSet::insert`].
    pub(crate) fn insert(&mut self, member: &[u8], score: f64) {
        match self.value.insert(member, score) {
            None => self.record(SortedSetEdit::Added, 0),
            Some((index, before)) if before != score => {
                self.record(SortedSetEdit::Rescored(index as u32, before), 0);
            }
            Some(_) => {}
        }
    }

    /// Removes the member; whether it was there.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        let Some((index, removed)) = self.value.remove(member) else { return false };
        if self.log.is_some() {
            let kept_bytes = size_of::<(SmallBytes, f64)>() + removed.key.heap_len();
            let removed = Box::new((removed.key, removed.value));
            self.record(SortedSetEdit::Removed(index as u32, removed), kept_bytes);
        }
        true
    }
}

/// Undoes a sorted set's last change.
pub(super) fn undo(set: &mut SortedSet, edit: SortedSetEdit) {
    match edit {
        SortedSetEdit::Added => set.remove_last(),
        SortedSetEdit::Rescored(index, score) => set.rescore(index as usize, score),
        SortedSetEdit::Removed(index, removed) => {
            let (member, score) = *removed;
            set.undo_remove(index as usize, member, score);
        }
    }
}
