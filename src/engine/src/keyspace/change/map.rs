//! Changes of hashes and sets.

use crate::keyspace::index_map::{Entry, IndexMap};
use crate::keyspace::memory::HeapSize;
use crate::keyspace::small_bytes::SmallBytes;

use super::{Change, Edited};

/// How to undo a change of a map.
#[derive(Debug)]
pub(crate) enum MapEdit<V> {
    /// The last entry was added.
    Added,
    /// The entry at the index had this value.
    Replaced(u32, V),
    /// This entry was at the index.
    Removed(u32, Box<Entry<V>>),
}

impl<V: HeapSize> Change<'_, IndexMap<V>>
where
    IndexMap<V>: Edited<Edit = MapEdit<V>>,
{
    /// Sets the key's value; whether the key is new.
    pub(crate) fn insert(&mut self, key: &[u8], value: V) -> bool {
        let Some(index) = self.value.find(key) else {
            self.push_new(key.into(), value);
            return true;
        };
        let before = self.value.replace_at(index, value);
        let kept_bytes = before.heap_bytes();
        self.record(MapEdit::Replaced(index as u32, before), kept_bytes);
        false
    }

    /// Adds an entry for a key that is not in the map.
    pub(crate) fn push_new(&mut self, key: SmallBytes, value: V) {
        self.value.push_new(key, value);
        self.record(MapEdit::Added, 0);
    }

    /// Removes the key's entry; whether it was there.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        self.value.find(key).map(|index| self.remove_at(index)).is_some()
    }

    /// Removes the entry at an index; the last entry takes its place.
    pub(crate) fn remove_at(&mut self, index: usize) {
        let removed = self.value.swap_remove(index);
        if self.log.is_some() {
            let kept_bytes = size_of::<Entry<V>>() + removed.key.heap_len() + removed.value.heap_bytes();
            self.record(MapEdit::Removed(index as u32, Box::new(removed)), kept_bytes);
        }
    }
}

/// Undoes a map's last change.
pub(super) fn undo<V: HeapSize>(map: &mut IndexMap<V>, edit: MapEdit<V>) {
    match edit {
        MapEdit::Added => drop(map.swap_remove(map.len() - 1)),
        MapEdit::Replaced(index, before) => drop(map.replace_at(index as usize, before)),
        MapEdit::Removed(index, entry) => map.undo_swap_remove(index as usize, *entry),
    }
}
