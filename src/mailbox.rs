//! Bounded mailboxes between threads, with a coalescing waker: however much mail arrives while a shard is busy,
//! its poll is woken once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// The reading end; lives in the event loop that the waker wakes.
pub struct Mailbox<T> {
    receiver: Receiver<T>,
    doorbell: Arc<Doorbell>,
}

/// The writing end, for any thread.
pub struct Postbox<T> {
    sender: Sender<T>,
    doorbell: Arc<Doorbell>,
}

struct Doorbell {
    waker: mio::Waker,
    /// Whether a wake-up is on its way that the reader has not answered yet.
    rung: AtomicBool,
}

/// Makes a mailbox of `capacity` letters whose arrival wakes `waker`'s poll.
pub fn mailbox<T>(capacity: usize, waker: mio::Waker) -> (Postbox<T>, Mailbox<T>) {
    let (sender, receiver) = bounded(capacity);
    let doorbell = Arc::new(Doorbell { waker, rung: AtomicBool::new(false) });
    (Postbox { sender, doorbell: doorbell.clone() }, Mailbox { receiver, doorbell })
}

impl<T> Mailbox<T> {
    /// Answers the doorbell; call before draining, so that a letter posted during the drain rings again.
    pub fn answer(&self) {
        self.doorbell.rung.store(false, Ordering::SeqCst);
    }

    /// The next letter, if one is there.
    pub fn take(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Letters waiting.
    pub fn len(&self) -> usize {
        self.receiver.len()
    }

    /// Whether no letter is waiting.
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}

impl<T> Postbox<T> {
    /// Posts a letter, waiting while the mailbox is full. Never from a shard.
    ///
    /// # Errors
    /// Gives the letter back when the reader is gone.
    pub fn post_blocking(&self, letter: T) -> Result<(), T> {
        self.sender.send(letter).map_err(|error| error.0)?;
        self.doorbell.ring();
        Ok(())
    }

    /// Posts a letter unless the mailbox is full.
    ///
    /// # Errors
    /// Gives the letter back when the mailbox is full; a letter to a reader that is gone is dropped, as nobody is
    /// left who could miss it.
    pub fn post(&self, letter: T) -> Result<(), T> {
        match self.sender.try_send(letter) {
            Ok(()) => {
                self.doorbell.ring();
                Ok(())
            }
            Err(TrySendError::Full(letter)) => Err(letter),
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }
}

impl<T> Clone for Postbox<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), doorbell: self.doorbell.clone() }
    }
}

impl Doorbell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            // The letter is in the box; without the wake it is read at the loop's next timeout.
            log::error!("cannot wake an event loop error={error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn woken(poll: &mut mio::Poll) -> bool {
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    }

    #[test]
    fn many_letters_wake_once_and_a_letter_after_the_answer_wakes_again() {
        let mut poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (postbox, mailbox) = mailbox(8, waker);
        postbox.post(1).unwrap();
        assert!(woken(&mut poll));
        postbox.post(2).unwrap();
        assert!(!woken(&mut poll), "a second letter before the answer needs no wake-up");
        mailbox.answer();
        assert_eq!((mailbox.take(), mailbox.take(), mailbox.take()), (Some(1), Some(2), None));
        postbox.post(3).unwrap();
        assert!(woken(&mut poll));
    }

    #[test]
    fn a_full_mailbox_gives_the_letter_back() {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (postbox, mailbox) = mailbox(1, waker);
        postbox.post("a").unwrap();
        assert_eq!(postbox.post("b"), Err("b"));
        drop(mailbox);
        assert_eq!(postbox.post("c"), Ok(()), "nobody is left who could miss it");
        assert_eq!(postbox.post_blocking("d"), Err("d"));
    }
}
