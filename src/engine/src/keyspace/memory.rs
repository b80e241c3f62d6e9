//! What the store's data take in memory, as the allocator sees it.
//!
//! Every table and value knows what it has allocated, so that the sum is kept up to date with each change and nothing is ever
//! walked through for it.

/// What the C library's allocator takes for a block of so many bytes: its header in front, in steps of 16 bytes.
pub(super) fn block(bytes: usize) -> usize {
    const HEADER: usize = 8;
    const STEP: usize = 16;
    const SMALLEST: usize = 32;
    if bytes == 0 { 0 } else { (bytes + HEADER).next_multiple_of(STEP).max(SMALLEST) }
}

/// What tables hold besides their keys, and lists as elements.
pub trait HeapSize {
    /// Bytes allocated beyond the value itself.
    fn heap_bytes(&self) -> usize {
        0
    }
}

impl HeapSize for () {}
impl HeapSize for f64 {}
#[cfg(test)]
impl HeapSize for usize {}
