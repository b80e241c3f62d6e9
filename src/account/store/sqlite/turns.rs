//! Whose turn it is to write.
//!
//! SQLite has one writer at a time, and those who wait for it only look again now and then: of many, some may look at
//! the wrong moments until their time is up. So the writers of one process stand in a queue, and only its first meets
//! those of other processes.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

/// The queue of one process's writers to one file.
#[derive(Clone, Debug)]
pub(in crate::account::store) struct Turns {
    give_back: Sender<()>,
    take: Receiver<()>,
}

/// The right to write, until it is dropped.
pub(super) struct Turn<'a>(&'a Sender<()>);

impl Turns {
    pub(in crate::account::store) fn new() -> Self {
        let (give_back, take) = bounded(1);
        give_back.send(()).expect("the channel is open, and has a place for the one turn there is");
        Self { give_back, take }
    }

    /// Waits for the turn; none if it takes too long.
    pub(super) fn wait(&self, longest: Duration) -> Option<Turn<'_>> {
        self.take.recv_timeout(longest).ok().map(|()| Turn(&self.give_back))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // The receiving end lives as long as this one, and there is a place free.
        let _ = self.0.try_send(());
    }
}
