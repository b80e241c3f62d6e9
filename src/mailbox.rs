//! Bounded mailboxes between threads, with a coalescing waker: however many messages arrive while a shard
//! is busy, its poll is woken once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// The reading end; lives in the event loop that the waker wakes.
pub(crate) struct Mailbox<T> {
    receiver: Receiver<T>,
    wakeup: Arc<Wakeup>,
}

/// The writing end, for any thread.
pub(crate) struct MailboxSender<T> {
    sender: Sender<T>,
    wakeup: Arc<Wakeup>,
}

struct Wakeup {
    waker: mio::Waker,
    /// Whether a wake-up is on its way that the reader has not answered yet.
    is_pending: AtomicBool,
}

/// Makes a mailbox of `capacity` messages whose arrival wakes `waker`'s poll.
pub(crate) fn mailbox<T>(capacity: usize, waker: mio::Waker) -> (MailboxSender<T>, Mailbox<T>) {
    let (sender, receiver) = bounded(capacity);
    let wakeup = Arc::new(Wakeup { waker, is_pending: AtomicBool::new(false) });
    (MailboxSender { sender, wakeup: wakeup.clone() }, Mailbox { receiver, wakeup })
}

impl<T> Mailbox<T> {
    /// Takes note of the wake-up; call before draining, so that a message posted during the drain rings again.
    pub(crate) fn acknowledge(&self) {
        self.wakeup.is_pending.store(false, Ordering::SeqCst);
    }

    /// The next message, if one is there.
    pub(crate) fn take(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Whether no message is waiting.
    pub(crate) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}

impl<T> MailboxSender<T> {
    /// Posts a message, waiting while the mailbox is full. Never from a shard.
    ///
    /// # Errors
    /// Gives the message back when the reader is gone.
    pub(crate) fn post_blocking(&self, message: T) -> Result<(), T> {
        self.sender.send(message).map_err(|error| error.0)?;
        self.wakeup.wake();
        Ok(())
    }

    /// Posts a message unless the mailbox is full.
    ///
    /// # Errors
    /// Gives the message back when the mailbox is full; a message to a reader that is gone is dropped, as nobody is
    /// left who could miss it.
    pub(crate) fn post(&self, message: T) -> Result<(), T> {
        match self.sender.try_send(message) {
            Ok(()) => {
                self.wakeup.wake();
                Ok(())
            }
            Err(TrySendError::Full(message)) => Err(message),
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }
}

impl<T> Clone for MailboxSender<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), wakeup: self.wakeup.clone() }
    }
}

impl Wakeup {
    fn wake(&self) {
        if !self.is_pending.swap(true, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            // The message is in the box; without the wake it is read at the loop's next timeout.
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
    fn many_messages_wake_once_and_a_message_after_the_answer_wakes_again() {
        let mut poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (sender, mailbox) = mailbox(8, waker);
        sender.post(1).unwrap();
        assert!(woken(&mut poll));
        sender.post(2).unwrap();
        assert!(!woken(&mut poll), "a second message before the answer needs no wake-up");
        mailbox.acknowledge();
        assert_eq!((mailbox.take(), mailbox.take(), mailbox.take()), (Some(1), Some(2), None));
        sender.post(3).unwrap();
        assert!(woken(&mut poll));
    }

    #[test]
    fn a_full_mailbox_gives_the_message_back() {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (sender, mailbox) = mailbox(1, waker);
        sender.post("a").unwrap();
        assert_eq!(sender.post("b"), Err("b"));
        drop(mailbox);
        assert_eq!(sender.post("c"), Ok(()), "nobody is left who could miss it");
        assert_eq!(sender.post_blocking("d"), Err("d"));
    }
}
