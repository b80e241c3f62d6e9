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

/// What a text behind a counting pointer takes.
pub(super) fn shared_text(len: usize) -> usize {
    const COUNTS: usize = 16;
    block(COUNTS + len)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use godra_engine::counting::held_bytes;

    use super::*;

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
