//! A thread that looks at something of the file system at an interval, and at once when asked.
//!
//! Looking is certain where events of the file system are not: mounts of networks and containers tell nothing, and links are
//! replaced. What is looked at, and what of it counts, is its owner's to know.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// The thread. It ends when stopped, and not before.
pub(crate) struct Poller {
    ask: Arc<Sender<()>>,
    thread: JoinHandle<()>,
}

/// Why it is time for a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The interval is over.
    Due,
    /// Somebody has asked: what is there now counts, and an answer is expected in the log.
    Asked,
}

/// The occasions to look, one after the other: each comes when it is time, and none any more once the poller is stopped.
pub(crate) struct Occasions {
    every: Duration,
    asked: Receiver<()>,
}

impl Poller {
    /// Starts `run` on a thread of this name. It is to look at each occasion, and to return when there are no more.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        name: &str,
        every: Duration,
        run: impl FnOnce(Occasions) + Send + 'static,
    ) -> io::Result<Self> {
        // One request is as good as many that come before the look.
        let (ask, asked) = bounded(1);
        let thread = super::lasting(name).spawn(move || run(Occasions { every, asked }))?;
        Ok(Self { ask: Arc::new(ask), thread })
    }

    /// What asks for a look. It keeps nothing from ending.
    pub(crate) fn rereader(&self) -> impl Fn() + Send + 'static {
        let ask = Arc::downgrade(&self.ask);
        move || {
            if let Some(ask) = ask.upgrade() {
                // Full means that it is about to look.
                let _ = ask.try_send(());
            }
        }
    }

    /// Ends the thread and waits for it.
    pub(crate) fn stop(self) {
        drop(self.ask);
        // A panic was reported.
        let _ = self.thread.join();
    }
}

impl Iterator for Occasions {
    type Item = Occasion;

    fn next(&mut self) -> Option<Occasion> {
        match self.asked.recv_timeout(self.every) {
            Ok(()) => Some(Occasion::Asked),
            Err(RecvTimeoutError::Timeout) => Some(Occasion::Due),
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }
}

impl Occasion {
    /// Whether what a look finds counts at once, and is told even if it is nothing new.
    pub(crate) fn is_asked(self) -> bool {
        self == Self::Asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any test takes.
    const NEVER: Duration = Duration::from_secs(3600);
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A poller that hands over its occasions.
    fn start(every: Duration) -> (Poller, Receiver<Occasion>) {
        // Nobody waits for the last ones.
        let (looks, seen) = crossbeam_channel::unbounded();
        let run = move |occasions: Occasions| {
            for occasion in occasions {
                let _ = looks.send(occasion);
            }
        };
        (Poller::start("test-poller", every, run).unwrap(), seen)
    }

    /// Without its thread, so that nothing depends on which of two is faster.
    fn occasions(every: Duration) -> (Sender<()>, Occasions) {
        let (ask, asked) = bounded(1);
        (ask, Occasions { every, asked })
    }

    #[test]
    fn it_looks_at_its_interval_without_being_asked() {
        let (poller, seen) = start(Duration::from_millis(1));
        for _ in 0..3 {
            assert_eq!(seen.recv_timeout(PATIENCE), Ok(Occasion::Due));
        }
        poller.stop();
    }

    #[test]
    fn it_looks_at_once_when_asked() {
        let (poller, seen) = start(NEVER);
        let (reread, again) = (poller.rereader(), poller.rereader());
        for ask in [&reread as &dyn Fn(), &again, &reread] {
            ask();
            assert_eq!(seen.recv_timeout(PATIENCE), Ok(Occasion::Asked));
        }
        poller.stop();
        assert!(seen.recv().is_err(), "the thread has ended, and nothing was looked at again");
        // Who still may ask has kept nothing from ending, and finds nobody.
        reread();
    }

    #[test]
    fn many_who_ask_before_a_look_have_one() {
        let (ask, mut occasions) = occasions(Duration::from_millis(1));
        assert!(ask.try_send(()).is_ok() && ask.try_send(()).is_err());
        assert_eq!(occasions.next(), Some(Occasion::Asked));
        assert_eq!(occasions.next(), Some(Occasion::Due));
    }

    #[test]
    fn what_was_asked_for_before_the_stop_is_still_looked_at() {
        let (ask, mut occasions) = occasions(NEVER);
        ask.send(()).unwrap();
        drop(ask);
        assert_eq!((occasions.next(), occasions.next()), (Some(Occasion::Asked), None));
    }
}
