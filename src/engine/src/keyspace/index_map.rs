//! A hash map whose entries stand in one flat array: the collections' and the keyspace's own table.
//!
//! The array gives what the commands need and a plain hash map lacks: a random entry in constant time, and a scan
//! cursor that survives changes. Removing an entry moves the last one into its place, so entries only ever move
//! towards the front, and a scan that walks from the back misses nothing that was there all the time.

use siphasher::sip::SipHasher13;

use super::memory::{HeapSize, block};
use super::small_bytes::SmallBytes;

/// Byte strings to values.
#[derive(Clone, Debug)]
pub struct IndexMap<V> {
    entries: Vec<Entry<V>>,
    /// Where the entries are by hash, open addressing with linear probing; empty while a walk through all entries is
    /// cheaper. Its length is a power of two.
    slots: Box<[Slot]>,
    seed: u64,
    /// What keys and values have allocated.
    content_bytes: usize,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry<V> {
    /// The key.
    pub key: SmallBytes,
    /// Its value.
    pub value: V,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The low half of the key's hash: tells most keys apart without a look at the entry, and places the slot again
    /// when the table grows.
    hash: u32,
    /// Index of the entry plus one; 0 marks a free slot.
    entry: u32,
}

/// Up to this many entries are found by walking through them.
const WALK_LEN: usize = 8;
const MIN_SLOTS: usize = 16;

impl<V> IndexMap<V> {
    /// An empty map that hashes under `seed`.
    pub fn new(seed: u64) -> Self {
        Self { entries: Vec::new(), slots: Box::default(), seed, content_bytes: 0 }
    }

    /// Entries in the map.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, in no order that means anything.
    pub fn entries(&self) -> &[Entry<V>] {
        &self.entries
    }

    /// The keys alone.
    pub fn into_keys(self) -> impl Iterator<Item = SmallBytes> {
        self.entries.into_iter().map(|entry| entry.key)
    }

    /// Where the key's entry is.
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        if self.slots.is_empty() {
            return self.entries.iter().position(|entry| *entry.key == *key);
        }
        let hash = self.hash(key);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.entry == 0 {
                return None;
            }
            let index = slot.entry as usize - 1;
            if slot.hash == hash && *self.entries[index].key == *key {
                return Some(index);
            }
            at = (at + 1) & mask;
        }
    }

    /// The key's value.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        self.find(key).map(|index| &self.entries[index].value)
    }

    /// The key's value, to be changed in place by what allocates nothing.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        self.find(key).map(|index| &mut self.entries[index].value)
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// The entry at an index given by [`IndexMap::find`].
    pub fn at(&self, index: usize) -> &Entry<V> {
        &self.entries[index]
    }

    /// The value at an index given by [`IndexMap::find`], to be changed by what allocates nothing.
    pub fn value_at_mut(&mut self, index: usize) -> &mut V {
        &mut self.entries[index].value
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.entries = Vec::new();
        self.slots = Box::default();
        self.content_bytes = 0;
    }

    /// One step of a scan: `cursor` is 0 at first and then what the step before returned; 0 again means the end.
    ///
    /// An entry that is there from the first step to the last is given at least once, whatever else comes and goes.
    pub fn scan(&self, cursor: u64, count: usize) -> (u64, &[Entry<V>]) {
        let len = self.entries.len();
        let end = if cursor == 0 { len } else { usize::try_from(cursor).unwrap_or(len).min(len) };
        let start = end.saturating_sub(count);
        (start as u64, &self.entries[start..end])
    }

    /// Under a secret key, both halves of which come from the seed: players choose ids and field names.
    fn hash(&self, key: &[u8]) -> u32 {
        let keys = (self.seed, self.seed.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15);
        SipHasher13::new_with_keys(keys.0, keys.1).hash(key) as u32
    }

    fn slot_of(&self, index: usize) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = self.hash(&self.entries[index].key) as usize & mask;
        while self.slots[at].entry != index as u32 + 1 {
            at = (at + 1) & mask;
        }
        at
    }

    /// Frees a slot and closes the gap, so that no probe ends too early.
    fn free_slot(&mut self, freed: usize) {
        let mask = self.slots.len() - 1;
        let mut gap = freed;
        let mut at = (gap + 1) & mask;
        while self.slots[at].entry != 0 {
            let home = self.slots[at].hash as usize & mask;
            let may_move = (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(gap) & mask);
            if may_move {
                self.slots[gap] = self.slots[at];
                gap = at;
            }
            at = (at + 1) & mask;
        }
        self.slots[gap] = Slot::default();
    }

    /// Grows in steps of an eighth, not by doubling: most of a store's memory is entries, and half of what doubling takes
    /// is never used.
    fn reserve_entry(&mut self) {
        let capacity = self.entries.capacity();
        if self.entries.len() == capacity && capacity >= 2 * WALK_LEN {
            self.entries.reserve_exact(capacity / 8);
        }
    }

    fn reserve_slot(&mut self) {
        let len = self.entries.len() + 1;
        if len > WALK_LEN && len * 5 > self.slots.len() * 4 {
            self.rebuild_slots((self.slots.len() * 2).max(MIN_SLOTS));
        }
    }

    fn shrink(&mut self) {
        let len = self.entries.len();
        if self.entries.capacity() > 4 * WALK_LEN && len * 4 < self.entries.capacity() {
            self.entries.shrink_to(len * 2);
        }
        if self.slots.is_empty() {
            return;
        }
        if len <= WALK_LEN / 2 {
            self.slots = Box::default();
        } else if len * 8 < self.slots.len() && self.slots.len() > MIN_SLOTS {
            self.rebuild_slots(self.slots.len() / 2);
        }
    }

    fn rebuild_slots(&mut self, len: usize) {
        let mut slots = vec![Slot::default(); len].into_boxed_slice();
        if self.slots.is_empty() {
            for (index, entry) in self.entries.iter().enumerate() {
                place(&mut slots, Slot { hash: self.hash(&entry.key), entry: index as u32 + 1 });
            }
        } else {
            self.slots.iter().filter(|slot| slot.entry != 0).for_each(|slot| place(&mut slots, *slot));
        }
        self.slots = slots;
    }
}

/// What changes what is allocated.
impl<V: HeapSize> IndexMap<V> {
    /// Puts a value in the place of the one at an index given by [`IndexMap::find`], which it gives back.
    pub fn replace_at(&mut self, index: usize, value: V) -> V {
        let before = &mut self.entries[index].value;
        self.content_bytes = self.content_bytes + value.heap_bytes() - before.heap_bytes();
        std::mem::replace(before, value)
    }

    /// Sets the key's value, and gives the old one back.
    pub fn insert(&mut self, key: &[u8], value: V) -> Option<V> {
        match self.find(key) {
            Some(index) => Some(self.replace_at(index, value)),
            None => {
                self.push_new(key.into(), value);
                None
            }
        }
    }

    /// Adds an entry for a key that is not in the map, and says where it is.
    pub fn push_new(&mut self, key: SmallBytes, value: V) -> usize {
        debug_assert!(!self.contains(&key));
        let index = self.entries.len();
        assert!(index < u32::MAX as usize, "a table holds at most 2^32 - 1 entries");
        self.reserve_slot();
        if !self.slots.is_empty() {
            let hash = self.hash(&key);
            place(&mut self.slots, Slot { hash, entry: index as u32 + 1 });
        }
        self.reserve_entry();
        self.content_bytes += key.heap_bytes() + value.heap_bytes();
        self.entries.push(Entry { key, value });
        index
    }

    /// Removes the key's entry.
    pub fn remove(&mut self, key: &[u8]) -> Option<V> {
        self.find(key).map(|index| self.swap_remove(index).value)
    }

    /// Removes the entry at `index`; the last entry takes its place.
    pub fn swap_remove(&mut self, index: usize) -> Entry<V> {
        if !self.slots.is_empty() {
            let last = self.entries.len() - 1;
            let freed = self.slot_of(index);
            self.free_slot(freed);
            if index != last {
                let moved = self.slot_of(last);
                self.slots[moved].entry = index as u32 + 1;
            }
        }
        let removed = self.entries.swap_remove(index);
        self.content_bytes -= removed.heap_bytes();
        self.shrink();
        removed
    }

    /// Undoes [`IndexMap::swap_remove`]: the entry that took the place goes back to the end.
    pub fn undo_swap_remove(&mut self, index: usize, entry: Entry<V>) {
        self.reserve_slot();
        let last = self.entries.len();
        if !self.slots.is_empty() {
            if index < last {
                let moved = self.slot_of(index);
                self.slots[moved].entry = last as u32 + 1;
            }
            let hash = self.hash(&entry.key);
            place(&mut self.slots, Slot { hash, entry: index as u32 + 1 });
        }
        self.reserve_entry();
        self.content_bytes += entry.heap_bytes();
        self.entries.push(entry);
        self.entries.swap(index, last);
    }

    /// The same as [`IndexMap::allocated_bytes`], counted anew.
    pub(super) fn recount(&self) -> usize {
        let content: usize = self.entries.iter().map(Entry::heap_bytes).sum();
        self.allocated_bytes() - self.content_bytes + content
    }

    /// Bytes allocated for the table and what is in it.
    pub fn allocated_bytes(&self) -> usize {
        let entries = block(self.entries.capacity() * size_of::<Entry<V>>());
        entries + block(self.slots.len() * size_of::<Slot>()) + self.content_bytes
    }
}

impl<V: HeapSize> Entry<V> {
    fn heap_bytes(&self) -> usize {
        self.key.heap_bytes() + self.value.heap_bytes()
    }
}

fn place(slots: &mut [Slot], slot: Slot) {
    let mask = slots.len() - 1;
    let mut at = slot.hash as usize & mask;
    while slots[at].entry != 0 {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SplitMix;
    use std::collections::{BTreeMap, BTreeSet};

    fn check_against_model(seed: u64, steps: usize, key_range: usize) {
        let mut random = SplitMix(seed);
        let mut map = IndexMap::new(seed);
        let mut model = BTreeMap::new();
        for step in 0..steps {
            // Long runs that mostly add or mostly remove, so that the table grows and shrinks.
            let adding = (step / (key_range + 1)).is_multiple_of(2);
            let key = format!("key-{}", random.below(key_range)).into_bytes();
            if (random.below(4) != 0) == adding {
                assert_eq!(map.insert(&key, step), model.insert(key, step), "seed {seed} step {step}");
            } else {
                assert_eq!(map.remove(&key), model.remove(&key), "seed {seed} step {step}");
            }
            assert_eq!(map.len(), model.len(), "seed {seed} step {step}");
            let probe = format!("key-{}", random.below(key_range)).into_bytes();
            assert_eq!(map.get(&probe), model.get(&probe), "seed {seed} step {step}");
        }
        let content: BTreeMap<Vec<u8>, usize> =
            map.entries().iter().map(|e| (e.key.to_vec(), e.value)).collect();
        assert_eq!(content, model, "seed {seed}");
    }

    #[test]
    fn behaves_like_a_map() {
        for seed in 0..20 {
            check_against_model(seed, 4_000, [3, 9, 20, 500][seed as usize % 4]);
        }
    }

    #[test]
    fn scan_misses_nothing_that_stays() {
        for seed in 0..50 {
            let mut random = SplitMix(seed);
            let mut map = IndexMap::new(seed);
            for i in 0..200 {
                map.insert(format!("stays-{i}").as_bytes(), ());
                map.insert(format!("goes-{i}").as_bytes(), ());
            }
            let mut seen = BTreeSet::new();
            let mut cursor = 0;
            loop {
                let (next, entries) = map.scan(cursor, 1 + random.below(20));
                cursor = next;
                seen.extend(entries.iter().map(|entry| entry.key.to_vec()));
                if cursor == 0 {
                    break;
                }
                for _ in 0..random.below(20) {
                    map.remove(format!("goes-{}", random.below(200)).as_bytes());
                    map.insert(format!("comes-{}", random.below(1000)).as_bytes(), ());
                }
            }
            for i in 0..200 {
                assert!(seen.contains(format!("stays-{i}").as_bytes()), "seed {seed}: stays-{i}");
            }
        }
    }

    #[test]
    fn a_member_of_a_guest_set_is_small() {
        let mut set = IndexMap::new(1);
        for i in 0..10_000 {
            set.insert(format!("guest:{i:016}").as_bytes(), ());
        }
        let bytes = set.allocated_bytes() / set.len();
        assert!(bytes < 64, "{bytes} bytes a member");
    }

    #[test]
    fn hashes_depend_on_the_seed() {
        let hash = |seed, key: &[u8]| IndexMap::<()>::new(seed).hash(key);
        assert_ne!(hash(1, b"guest"), hash(2, b"guest"));
        assert_ne!(hash(1, b"a"), hash(1, b"a\0"));
    }

    #[test]
    fn gives_memory_back() {
        let mut map = IndexMap::new(1);
        for i in 0..10_000 {
            map.insert(format!("{i}").as_bytes(), ());
        }
        for i in 0..9_990 {
            map.remove(format!("{i}").as_bytes());
        }
        assert!(map.allocated_bytes() < 4_000, "{}", map.allocated_bytes());
    }
}
