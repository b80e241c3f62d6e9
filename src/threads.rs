//! The threads that last as long as the process: each is started here, and none ends unnoticed.
//!
//! A server that goes on without one of its threads looks alive and is not: its rooms stand still, or its bans never
//! arrive. So a thread that panics, or ends before [`let_end`], is reported to the main thread, which ends the process; whatever
//! started the server starts it again. The same holds for a panic within a call of an account or a document: what it has left half done
//! is nobody's to judge. Only scripts' calls are taken back and go on (see `state::embedded::worker`): all that they change is kept
//! with what it takes to undo it. A process has one end, as it has one log, so what is here is global, too.

pub(crate) mod poller;

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

/// A thread has ended that should not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// The name that the thread was started with.
    pub thread: String,
    /// What it panicked with; none if it returned.
    pub panic: Option<String>,
}

/// A thread that is to run until the process stops: its end before that is reported.
pub(crate) fn lasting(name: impl Into<String>) -> Builder {
    Builder { name: name.into(), stack_bytes: None, may_end: false, watch: &PROCESS }
}

/// A thread that ends when its work is done: only its panic is reported.
pub(crate) fn passing(name: impl Into<String>) -> Builder {
    Builder { name: name.into(), stack_bytes: None, may_end: true, watch: &PROCESS }
}

/// The process stops: from now on threads may end.
pub(crate) fn let_end() {
    PROCESS.is_stopping.store(true, Ordering::SeqCst);
}

/// A place in the middle of a thread's work where a test may want a panic: `GODRA_TEST_FAULT="panic NAME"`.
pub(crate) fn may_break(place: &str) {
    fault::strikes_within(place);
}

/// Where deaths are reported. The first is enough: it ends the process.
pub(crate) fn deaths() -> Receiver<Death> {
    PROCESS.deaths.clone()
}

/// A thread to be started.
pub(crate) struct Builder {
    name: String,
    stack_bytes: Option<usize>,
    /// Whether it may end before the process stops.
    may_end: bool,
    watch: &'static LazyLock<Watch>,
}

struct Watch {
    is_stopping: AtomicBool,
    reports: Sender<Death>,
    deaths: Receiver<Death>,
}

static PROCESS: LazyLock<Watch> = LazyLock::new(Watch::new);

impl Builder {
    /// Gives the thread a stack of this size.
    pub(crate) fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_bytes = Some(bytes);
        self
    }

    /// Starts it. Joining it tells of a panic as ever.
    ///
    /// # Errors
    /// The system starts no thread.
    pub(crate) fn spawn(self, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
        let Self { name, stack_bytes, may_end, watch } = self;
        let mut builder = std::thread::Builder::new().name(name.clone());
        if let Some(bytes) = stack_bytes {
            builder = builder.stack_size(bytes);
        }
        builder.spawn(move || {
            let run = || {
                if !fault::strikes(&name) {
                    run()
                }
            };
            // Nothing is looked at again that the panic may have left half done: the process ends.
            let result = catch_unwind(AssertUnwindSafe(run));
            watch.ended(name, may_end, result);
        })
    }
}

impl Watch {
    fn new() -> Self {
        let (reports, deaths) = bounded(1);
        Self { is_stopping: AtomicBool::new(false), reports, deaths }
    }

    fn ended(&self, thread: String, may_end: bool, result: std::thread::Result<()>) {
        let panic = result.as_ref().err().map(|payload| message_of(&**payload));
        if panic.is_some() || !(may_end || self.is_stopping.load(Ordering::SeqCst)) {
            // Full means that the process ends already.
            let _ = self.reports.try_send(Death { thread, panic });
        }
        if let Err(payload) = result {
            resume_unwind(payload);
        }
    }
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let owned = || payload.downcast_ref::<String>().cloned();
    let borrowed = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    borrowed.or_else(owned).unwrap_or_else(|| "of an unknown type".to_owned())
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.panic {
            Some(message) => write!(f, "the thread {} panicked: {message}", self.thread),
            None => write!(f, "the thread {} has ended before it was told to", self.thread),
        }
    }
}

/// Faults that tests ask for: `GODRA_TEST_FAULT="panic NAME"` (or `end`, or `stall`) has the thread of that name do so in
/// the place of its work. Release builds know nothing of it.
#[cfg(debug_assertions)]
mod fault {
    use std::sync::LazyLock;

    static FAULT: LazyLock<String> = LazyLock::new(|| std::env::var("GODRA_TEST_FAULT").unwrap_or_default());

    pub(super) fn strikes_within(place: &str) {
        assert!(FAULT.strip_prefix("panic ") != Some(place), "a test wants it");
    }

    /// Whether the thread's work is to be left out.
    pub(super) fn strikes(thread: &str) -> bool {
        match FAULT.split_once(' ') {
            Some(("panic", name)) if name == thread => panic!("a test wants it"),
            Some(("end", name)) if name == thread => true,
            Some(("stall", name)) if name == thread => loop {
                std::thread::park();
            },
            _ => false,
        }
    }
}

#[cfg(not(debug_assertions))]
mod fault {
    pub(super) fn strikes_within(_place: &str) {}

    pub(super) fn strikes(_thread: &str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a thread to its end; what is reported of it.
    fn check(watch: &'static LazyLock<Watch>, may_end: bool, run: fn(), expected: Option<&str>) {
        let builder = Builder { name: "worker".into(), stack_bytes: None, may_end, watch };
        let is_panic = expected.is_some_and(|words| words.contains("panicked"));
        assert_eq!(builder.spawn(run).unwrap().join().is_err(), is_panic);
        let reported = watch.deaths.try_recv().ok().map(|death| death.to_string());
        assert_eq!(reported.as_deref(), expected);
    }

    #[test]
    fn a_panic_is_reported_with_its_words() {
        static WATCH: LazyLock<Watch> = LazyLock::new(Watch::new);
        let borrowed = || panic!("lost the keys");
        let owned = || panic!("lost {} keys", "7".repeat(2));
        for may_end in [true, false] {
            check(&WATCH, may_end, borrowed, Some("the thread worker panicked: lost the keys"));
            check(&WATCH, may_end, owned, Some("the thread worker panicked: lost 77 keys"));
        }
        WATCH.is_stopping.store(true, Ordering::SeqCst);
        check(&WATCH, true, borrowed, Some("the thread worker panicked: lost the keys"));
    }

    #[test]
    fn an_end_is_reported_unless_it_is_in_order() {
        static WATCH: LazyLock<Watch> = LazyLock::new(Watch::new);
        check(&WATCH, true, || {}, None);
        check(&WATCH, false, || {}, Some("the thread worker has ended before it was told to"));
        WATCH.is_stopping.store(true, Ordering::SeqCst);
        check(&WATCH, false, || {}, None);
    }

    #[test]
    fn the_first_report_is_kept() {
        static WATCH: LazyLock<Watch> = LazyLock::new(Watch::new);
        for name in ["first", "second"] {
            WATCH.ended(name.into(), false, Ok(()));
        }
        assert_eq!(WATCH.deaths.try_recv().unwrap().thread, "first");
        assert!(WATCH.deaths.try_recv().is_err());
    }
}
