//! Large values are given back to the allocator on a thread of their own: a set of ten million members takes it a good part of a
//! second, while all calls would wait.

use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

/// From so many elements on.
pub(super) const MANY: usize = 50_000;

/// Drops it on the thread that is there for that, or here if there is none.
pub(super) fn free_elsewhere(unused: Box<dyn Send>) {
    static FREE: OnceLock<Option<Sender<Box<dyn Send>>>> = OnceLock::new();
    if let Some(free) = FREE.get_or_init(start) {
        // One that has ended gives it back, and then it is dropped with the error.
        let _ = free.send(unused);
    }
}

fn start() -> Option<Sender<Box<dyn Send>>> {
    let (free, unused) = channel::<Box<dyn Send>>();
    let thread =
        thread::Builder::new().name("free".to_owned()).spawn(move || unused.into_iter().for_each(drop));
    thread.is_ok().then_some(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tells(Sender<Option<String>>);

    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().name().map(str::to_owned));
        }
    }

    #[test]
    fn another_thread_drops_it() {
        let (tell, told) = channel();
        for _ in 0..2 {
            free_elsewhere(Box::new(Tells(tell.clone())));
            assert_eq!(told.recv().unwrap().as_deref(), Some("free"));
        }
    }
}
