//! What tables take in memory, as the allocator sees it.

use std::mem::size_of;

/// What the C library's allocator takes for a block of so many bytes: its header in front, in steps of 16 bytes.
pub(super) fn block(bytes: usize) -> usize {
    const HEADER: usize = 8;
    const STEP: usize = 16;
    const SMALLEST: usize = 32;
    if bytes == 0 { 0 } else { (bytes + HEADER).next_multiple_of(STEP).max(SMALLEST) }
}

/// What a hash table of such entries takes that says of itself that it has this capacity: seven eighths of its places.
pub(super) fn hash_table<Entry>(capacity: usize) -> usize {
    const SPARE_CONTROL_BYTES: usize = 16;
    if capacity == 0 {
        return 0;
    }
    let places = (capacity + 1).max(capacity * 8 / 7).next_power_of_two();
    block(places * (size_of::<Entry>() + 1) + SPARE_CONTROL_BYTES)
}

/// What a B-tree of so many entries of this size takes, most of which came in order: a node has places for eleven, of which about
/// seven are taken then.
pub(super) fn tree(len: usize, entry: usize) -> usize {
    const PLACES: usize = 11;
    const TAKEN: usize = 7;
    const LINKS: usize = 16;
    let leaf = block(PLACES * entry + LINKS);
    match len {
        0 => 0,
        1..=PLACES => leaf,
        _ => {
            let leaves = len.div_ceil(TAKEN);
            leaves * leaf + leaves.div_ceil(TAKEN) * (leaf + (PLACES + 1) * size_of::<usize>())
        }
    }
}

/// What a text behind a counting pointer takes.
pub(super) fn shared_text(len: usize) -> usize {
    const COUNTS: usize = 16;
    block(COUNTS + len)
}

#[cfg(test)]
pub(in crate::state) mod tests {
    use std::collections::HashMap;

    use godra_engine::counting::held_bytes;

    use super::*;

    /// A few are larger than what is in them.
    const FIRST_BLOCKS: f64 = 2_000.0;

    /// Fills something, and compares what it counts with what it takes.
    #[track_caller]
    pub(in crate::state) fn check<T>(
        name: &str,
        new: impl Fn() -> T,
        put: impl Fn(&mut T, usize),
        bytes: impl Fn(&T) -> usize,
    ) {
        for count in [1, 10, 100, 1_000, 7_000, 30_000] {
            let before = held_bytes();
            let mut all = new();
            let fixed = bytes(&all);
            (0..count).for_each(|number| put(&mut all, number));
            let (held, counted) = ((held_bytes() - before) as f64, (bytes(&all) - fixed) as f64);
            let is_near = (counted - held).abs() <= held * 0.15 + FIRST_BLOCKS;
            let each = |bytes: f64| bytes / count as f64;
            assert!(is_near, "{name}: {count}: counted {} each, held {}", each(counted), each(held));
        }
    }

    #[test]
    fn tables() {
        for len in [0, 1, 3, 4, 7, 8, 14, 15, 100, 1_000, 10_000] {
            let before = held_bytes();
            let map: HashMap<u64, [u8; 40]> = (0..len).map(|key| (key, [0; 40])).collect();
            let held = (held_bytes() - before) as f64;
            let counted = hash_table::<(u64, [u8; 40])>(map.capacity()) as f64;
            assert!((held - counted).abs() <= held * 0.1 + 16.0, "{len}: {held} {counted}");
        }
    }
}
