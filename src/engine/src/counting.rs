//! An allocator that counts what each thread has, for tests of what is counted as taken.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    static HELD_BYTES: Cell<isize> = const { Cell::new(0) };
}

/// What this thread has been given and has not given back, in bytes, with the headers of its blocks.
pub fn held_bytes() -> isize {
    HELD_BYTES.get()
}

/// Adds what the block takes, with the header in front of it.
fn count(block: *mut u8, sign: isize) {
    const HEADER: usize = 8;
    if !block.is_null() {
        // SAFETY: the block came from the system's allocator and is not freed yet.
        let bytes = unsafe { libc::malloc_usable_size(block.cast()) } + HEADER;
        let _ = HELD_BYTES.try_with(|held| held.set(held.get() + sign * bytes as isize));
    }
}

// SAFETY: all calls go to the system's allocator as they are.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { System.alloc(layout) };
        count(block, 1);
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(block, -1);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { System.alloc_zeroed(layout) };
        count(block, 1);
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(block, -1);
        // SAFETY: as the caller promises.
        let grown = unsafe { System.realloc(block, layout, new_size) };
        count(if grown.is_null() { block } else { grown }, 1);
        grown
    }
}
