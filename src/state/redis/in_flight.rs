//! What has been sent to a store and not been answered: in the order of sending, which is the order of the answers.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ledger::Held;
use super::program::Program;
use crate::state::Batch;

/// What an answer is for.
#[derive(Debug)]
pub(super) enum Sent {
    /// A batch of calls.
    Batch(Box<SentBatch>),
    /// Several rooms' batches in one call.
    Bundle(Vec<SentBatch>),
    /// `SCRIPT LOAD` of the program of that SHA-1.
    Load(Arc<Program>),
    /// `SUBSCRIBE` or `UNSUBSCRIBE`: answered by a push if all is well, and by an error if not.
    Subscription,
    /// A command of the node's own upkeep.
    Upkeep(Upkeep),
}

/// A batch with what is needed to read its answer, or to run it again where the store had lost the program.
#[derive(Debug)]
pub(super) struct SentBatch {
    pub batch: Batch,
    /// Those that were not sent.
    pub held: Held,
    /// How long the store will work on it, as far as one can tell.
    pub guess: Duration,
    /// The seed of its first call.
    pub first_seed: u64,
    /// What they run in.
    pub program: Arc<Program>,
    /// How often the store has said `NOSCRIPT` to it, though its program went ahead.
    pub tries: u8,
}

/// Commands by which a node says that it lives, and looks after those that do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upkeep {
    /// The answer is of no interest, unless it is an error.
    Note,
    /// Renews the lease; the answer says whether others have taken this node for dead.
    Lease,
    /// Lists members that dead nodes have left behind.
    FindOrphans,
    /// Tells what is due of messages.
    Look,
    /// Gives the payloads of messages.
    Payloads,
    /// Puts messages into the outbox to the store of that index.
    Send(usize),
    /// Takes messages from the store of that index.
    Receive(usize),
    /// Tells which rights the user lacks.
    Rights,
    /// Tells by which name the store was given this data, or that there is none.
    Identify,
    /// Tells what some of the store's keys take.
    Census,
    /// Tells as which home the store keeps documents.
    DocumentHome,
    /// Puts documents into the store, or takes some out of it.
    Documents,
    /// Takes the outbox of documents a step further.
    DocumentOutbox,
    /// Tells how far it is written.
    DocumentsWritten,
    /// Tells which rooms wait for it.
    DocumentRooms,
}

/// The queue of what is under way on one connection.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    under_way: Mutex<UnderWay>,
    landed: Condvar,
    /// When the answer before the last one came.
    answered_at: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct UnderWay {
    queue: VecDeque<(Sent, Instant)>,
    /// How many at its end are packed and not set out yet.
    packed: usize,
    /// How long the store will work on all of it.
    guess: Duration,
}

/// While so much is under way, what comes waits: so many things, or so much work.
const MAX_UNDER_WAY: usize = 512;
const MAX_GUESS: Duration = Duration::from_millis(100);

impl UnderWay {
    fn is_full(&self) -> bool {
        self.queue.len() >= MAX_UNDER_WAY || self.guess >= MAX_GUESS
    }
}

impl Sent {
    fn guess(&self) -> Duration {
        match self {
            Self::Batch(sent) => sent.guess,
            Self::Bundle(all) => all.iter().map(|sent| sent.guess).sum(),
            Self::Load(_) | Self::Subscription | Self::Upkeep(_) => Duration::ZERO,
        }
    }
}

impl InFlight {
    /// Notes what is about to be sent, at a time.
    pub(super) fn push(&self, sent: Sent, now: Instant) {
        let mut under_way = self.lock();
        under_way.guess += sent.guess();
        under_way.packed += 1;
        under_way.queue.push_back((sent, now));
    }

    /// What is packed is written from now on. What it took to pack all of it, as where a large program is made, is nothing that
    /// the store owes.
    pub(super) fn set_out(&self, now: Instant) {
        let mut under_way = self.lock();
        let packed = std::mem::take(&mut under_way.packed);
        under_way.queue.iter_mut().rev().take(packed).for_each(|(_, sent_at)| *sent_at = now);
    }

    /// A subscription has been answered by a push. Whether it was that one's turn.
    pub(super) fn pop_subscription(&self) -> bool {
        let is_next = matches!(self.lock().queue.front(), Some((Sent::Subscription, _)));
        // Answers come to one reader.
        is_next && self.pop().is_some()
    }

    /// What the answer that has come is for, and when it was sent.
    pub(super) fn pop(&self) -> Option<(Sent, Instant)> {
        let mut under_way = self.lock();
        let popped = under_way.queue.pop_front();
        under_way.packed = under_way.packed.min(under_way.queue.len());
        under_way.guess -= popped.as_ref().map_or(Duration::ZERO, |(sent, _)| sent.guess());
        drop(under_way);
        self.landed.notify_one();
        popped
    }

    /// How long the store has worked on what was sent at that time and is answered now: it works on one thing at a time,
    /// and answers in order.
    pub(super) fn work_time(&self, sent_at: Instant) -> Duration {
        let before = self.note_answer();
        Instant::now().duration_since(before.map_or(sent_at, |before| before.max(sent_at)))
    }

    /// An answer has come; gives when the one before it did.
    pub(super) fn note_answer(&self) -> Option<Instant> {
        self.answered_at.lock().unwrap_or_else(PoisonError::into_inner).replace(Instant::now())
    }

    /// How much is under way.
    pub(super) fn len(&self) -> usize {
        self.lock().queue.len()
    }

    /// Whether what comes has to wait.
    pub(super) fn is_full(&self) -> bool {
        self.lock().is_full()
    }

    /// Since when the oldest waits for its answer.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.lock().queue.front().map(|(_, sent_at)| *sent_at)
    }

    /// Waits until nothing is under way, or for so long.
    pub(super) fn wait_until_empty(&self, patience: Duration) {
        self.wait_while(patience, |under_way| !under_way.queue.is_empty());
    }

    /// How long the store will take for what is under way.
    pub(super) fn guess(&self) -> Duration {
        self.lock().guess
    }

    /// Waits until more may be sent, or for so long.
    pub(super) fn wait_for_room(&self, patience: Duration) {
        self.wait_while(patience, |under_way| under_way.is_full());
    }

    fn wait_while(&self, patience: Duration, condition: impl FnMut(&mut UnderWay) -> bool) {
        // Whoever calls looks again.
        drop(self.landed.wait_timeout_while(self.lock(), patience, condition));
    }

    /// Takes everything out: its answers will not come.
    pub(super) fn take_all(&self) -> Vec<Sent> {
        let mut under_way = self.lock();
        (under_way.guess, under_way.packed) = (Duration::ZERO, 0);
        under_way.queue.drain(..).map(|(sent, _)| sent).collect()
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        // Nothing that is done under the lock leaves the queue half changed.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_owes_an_answer_from_when_all_of_it_is_packed() {
        let in_flight = InFlight::default();
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let push = |ms| in_flight.push(Sent::Upkeep(Upkeep::Note), at(ms));
        push(0);
        in_flight.set_out(at(10));
        push(20);
        push(500);
        in_flight.set_out(at(510));
        assert_eq!(in_flight.oldest(), Some(at(10)));
        assert_eq!(in_flight.pop().map(|(_, sent_at)| sent_at), Some(at(10)));
        assert_eq!(in_flight.oldest(), Some(at(510)));
        // Nothing new is packed: what is under way stays what it is.
        in_flight.set_out(at(900));
        assert_eq!(in_flight.oldest(), Some(at(510)));
        push(901);
        assert_eq!(in_flight.take_all().len(), 3);
        push(902);
        in_flight.set_out(at(903));
        assert_eq!(in_flight.oldest(), Some(at(903)));
    }
}
