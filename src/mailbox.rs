//! Bounded mailboxes between threads, with a coalescing waker.
