//! Memory for Lua's small objects: one free list for each size, refilled from larger chunks.
//!
//! Lua tells the size of what it frees, so blocks need no headers, and taking or giving one is a few instructions.
//! Chunks are kept until the pool goes, so the pool stays as large as it ever was: at most what the budgets allow.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::{Cell, RefCell};
use std::ptr::{NonNull, null_mut};

/// Blocks up to this size come from the pool.
const MAX_SMALL: usize = 256;
/// Sizes are rounded up to multiples of this, which is also every block's alignment.
const GRAIN: usize = 16;
const CHUNK_BYTES: usize = 64 << 10;

/// A pool for one thread.
pub(super) struct Pool {
    /// By size: the first free block, which holds the address of the next.
    free: [Cell<*mut u8>; MAX_SMALL / GRAIN],
    /// What of the newest chunk was never used.
    fresh: Cell<*mut u8>,
    fresh_bytes: Cell<usize>,
    chunks: RefCell<Vec<NonNull<u8>>>,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            free: [const { Cell::new(null_mut()) }; MAX_SMALL / GRAIN],
            fresh: Cell::new(null_mut()),
            fresh_bytes: Cell::new(0),
            chunks: RefCell::default(),
        }
    }
}

impl Pool {
    /// Changes a block's size, keeping its content, or makes one (`old` is 0), or frees it (`new` is 0; gives null).
    /// Null, and nothing changed, when memory is out.
    ///
    /// # Safety
    /// `block` came from this pool with `old` bytes, unless `old` is 0.
    #[inline]
    pub(super) unsafe fn reallocate(&self, block: *mut u8, old: usize, new: usize) -> *mut u8 {
        // SAFETY: the caller's promise; each size is given back the way that it was taken.
        unsafe {
            if old == 0 {
                return if new == 0 { null_mut() } else { self.take(new) };
            }
            if new == 0 {
                self.give(block, old);
                return null_mut();
            }
            if old > MAX_SMALL && new > MAX_SMALL {
                return realloc(block, layout(old), new);
            }
            if old <= MAX_SMALL && new <= MAX_SMALL && class(old) == class(new) {
                return block;
            }
            let moved = self.take(new);
            if !moved.is_null() {
                block.copy_to_nonoverlapping(moved, old.min(new));
                self.give(block, old);
            }
            moved
        }
    }

    /// # Safety
    /// `size` is not 0.
    #[inline]
    unsafe fn take(&self, size: usize) -> *mut u8 {
        if size > MAX_SMALL {
            // SAFETY: the size is not 0.
            return unsafe { alloc(layout(size)) };
        }
        let list = &self.free[class(size)];
        let block = list.get();
        if block.is_null() {
            return self.cut(class(size));
        }
        // SAFETY: a free block holds the address of the next one.
        list.set(unsafe { block.cast::<*mut u8>().read() });
        block
    }

    /// # Safety
    /// `block` was taken with that size, which is not 0.
    #[inline]
    unsafe fn give(&self, block: *mut u8, size: usize) {
        if size > MAX_SMALL {
            // SAFETY: it came from `alloc` with this layout.
            return unsafe { dealloc(block, layout(size)) };
        }
        let list = &self.free[class(size)];
        // SAFETY: the block is free, at least 16 bytes large and aligned for an address.
        unsafe { block.cast::<*mut u8>().write(list.get()) };
        list.set(block);
    }

    /// A block that was never used. What is left of a chunk that is too short is lost: less than a small block.
    #[cold]
    fn cut(&self, class: usize) -> *mut u8 {
        let size = (class + 1) * GRAIN;
        if self.fresh_bytes.get() < size {
            // SAFETY: the layout's size is not 0.
            let Some(chunk) = NonNull::new(unsafe { alloc(layout(CHUNK_BYTES)) }) else { return null_mut() };
            self.chunks.borrow_mut().push(chunk);
            self.fresh.set(chunk.as_ptr());
            self.fresh_bytes.set(CHUNK_BYTES);
        }
        let block = self.fresh.get();
        // SAFETY: so many bytes are left in the chunk.
        self.fresh.set(unsafe { block.add(size) });
        self.fresh_bytes.set(self.fresh_bytes.get() - size);
        block
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for chunk in self.chunks.get_mut() {
            // SAFETY: allocated in `cut` with this layout; the state whose blocks lie in it is closed.
            unsafe { dealloc(chunk.as_ptr(), layout(CHUNK_BYTES)) };
        }
    }
}

/// Which free list serves a size.
fn class(size: usize) -> usize {
    (size - 1) / GRAIN
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, GRAIN).unwrap_or(Layout::new::<u8>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_content_through_random_changes_of_size() {
        let pool = Pool::default();
        let mut state = 1_u64;
        let mut next = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % limit
        };
        let mut blocks: Vec<(*mut u8, usize, u8)> = vec![(null_mut(), 0, 0); 200];
        for step in 0..100_000 {
            let (block, old, mark) = blocks[next(200)];
            let index = blocks.iter().position(|entry| entry.0 == block).unwrap();
            let new = if next(3) == 0 { 0 } else { next(400) };
            for offset in 0..old {
                // SAFETY: the block has `old` bytes, all written before.
                assert_eq!(unsafe { block.add(offset).read() }, mark, "step {step}");
            }
            // SAFETY: the block came from this pool with this size.
            let block = unsafe { pool.reallocate(block, old, new) };
            assert_eq!(block.is_null(), new == 0);
            assert_eq!(block as usize % GRAIN, 0);
            for offset in 0..old.min(new) {
                // SAFETY: as many bytes were kept.
                assert_eq!(unsafe { block.add(offset).read() }, mark, "step {step}");
            }
            let mark = step as u8;
            // SAFETY: the block has `new` bytes.
            unsafe { block.write_bytes(mark, new) };
            blocks[index] = (block, new, mark);
        }
        for (block, size, _) in blocks {
            // SAFETY: each came from this pool with this size.
            unsafe { pool.reallocate(block, size, 0) };
        }
    }
}
