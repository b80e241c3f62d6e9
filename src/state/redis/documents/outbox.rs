//! What a node does about a store's outbox: whether it is the one that writes, what is being written, and what it has to say of that. No
//! sockets and no clock here: time is passed in, answers of the database come over a channel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::commands::{Done, Numbered, Out};
use crate::document::{Address, Documents, Entry, HomeId, Lost, Reply, Save, Unavailable};

/// How long a node writes that says nothing more; then another takes over.
pub(super) const LEASE: Duration = Duration::from_millis(2500);
/// How often the node that writes says so, while it has nothing else to say.
const RENEWAL: Duration = Duration::from_millis(700);
/// How often it looks what there is to write.
const LOOK_INTERVAL: Duration = Duration::from_millis(45);
/// The same, where calls wait for what they have saved.
pub(super) const DURABLE_LOOK_INTERVAL: Duration = Duration::from_millis(15);
/// How often the others look whether nobody writes any more.
const TAKE_OVER_INTERVAL: Duration = Duration::from_millis(800);
/// How long to wait after a transaction that failed: at first, and at most.
const RETRY_AFTER: Duration = Duration::from_millis(100);
const RETRY_AT_MOST: Duration = Duration::from_secs(1);

/// The way of a store's outbox to the database.
pub(super) struct OutboxWriter {
    database: Arc<dyn Documents>,
    wake: Arc<dyn Fn() + Send + Sync>,
    answers: Receiver<Answer>,
    answered: Sender<Answer>,
    role: Role,
    /// Whether a step is under way to the store, and since when the last one is.
    is_asking: bool,
    asked_at: Option<Instant>,
    look_at: Option<Instant>,
    look_interval: Duration,
    /// Whether there may be more than the step finds that is under way.
    is_expecting: bool,
    done: Done,
    writing: Option<Writing>,
    failures: u32,
    /// Nothing is written before.
    retry_at: Option<Instant>,
    /// Whether the database was told what has left, and has not answered.
    is_releasing: bool,
    is_retiring: bool,
}

/// Whether this node writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Writes { is_empty: bool },
    Waits,
}

/// What is in a transaction.
struct Writing {
    tag: Box<str>,
    number: u64,
    total: u64,
    saves: Vec<(Address, u64, u64)>,
}

/// What the database says.
enum Answer {
    Written(Result<Vec<Lost>, Unavailable>),
    Released(Vec<Address>, Result<(), Unavailable>),
    Retired(HomeId, Result<(), Unavailable>),
}

impl OutboxWriter {
    /// `wake` has [`OutboxWriter::next`] called soon.
    pub(super) fn new(database: Arc<dyn Documents>, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let (answered, answers) = unbounded();
        Self {
            database,
            wake,
            answers,
            answered,
            role: Role::Waits,
            is_asking: false,
            asked_at: None,
            look_at: None,
            look_interval: LOOK_INTERVAL,
            is_expecting: false,
            done: Done::default(),
            writing: None,
            failures: 0,
            retry_at: None,
            is_releasing: false,
            is_retiring: false,
        }
    }

    /// The connection is new: what was asked on the one before is not answered any more.
    pub(super) fn begin(&mut self) {
        self.is_asking = false;
        self.look_at = None;
    }

    /// There may be calls that wait for what they have saved.
    pub(super) fn look_often(&mut self) {
        self.look_interval = DURABLE_LOOK_INTERVAL;
    }

    /// Whether this node writes.
    pub(super) fn writes(&self) -> bool {
        matches!(self.role, Role::Writes { .. })
    }

    /// Whether all is written, as far as is this node's to do.
    pub(super) fn is_idle(&self) -> bool {
        self.writing.is_none()
            && !self.is_asking
            && self.done == Done::default()
            && self.role != (Role::Writes { is_empty: false })
    }

    /// Whether a step is to be taken now; gives what is to be said then, and whether nothing is to be taken now. And what the
    /// database has refused.
    pub(super) fn next(&mut self, now: Instant) -> (Option<(Done, bool)>, Vec<Address>) {
        let mut refused = Vec::new();
        while let Ok(answer) = self.answers.try_recv() {
            self.hear(answer, now, &mut refused);
        }
        let is_busy = self.writing.is_some() || self.retry_at.is_some_and(|at| now < at);
        let renews = self.asked_at.is_none_or(|at| now.duration_since(at) >= RENEWAL);
        let is_time = match self.role {
            _ if self.is_asking => false,
            Role::Writes { .. } if is_busy => renews || self.done != Done::default(),
            _ => self.look_at.is_none_or(|at| now >= at),
        };
        if !is_time {
            return (None, refused);
        }
        (self.is_asking, self.asked_at) = (true, Some(now));
        (Some((self.done.clone(), is_busy)), refused)
    }

    /// There may be more to write than was seen.
    pub(super) fn expect_more(&mut self) {
        if let Role::Writes { is_empty } = &mut self.role {
            *is_empty = false;
            self.look_at = None;
            self.is_expecting = self.is_asking;
        }
    }

    fn hear(&mut self, answer: Answer, now: Instant, refused: &mut Vec<Address>) {
        match answer {
            Answer::Written(Ok(lost)) => {
                (self.failures, self.retry_at, self.look_at) = (0, None, None);
                let Some(Writing { tag, number, total, saves }) = self.writing.take() else { return };
                let is_lost = |(address, _, version): &&(Address, u64, u64)| {
                    lost.iter().any(|lost| lost.address == *address && lost.version == *version)
                };
                let mut lost_entries: Vec<u64> =
                    saves.iter().filter(is_lost).map(|(_, number, _)| *number).collect();
                lost_entries.dedup();
                refused.extend(lost.into_iter().map(|lost| lost.address));
                let (gone, given_up) =
                    (std::mem::take(&mut self.done.gone), std::mem::take(&mut self.done.given_up));
                let lost = refused.clone();
                self.done = Done { tag, number, total, saves, lost, lost_entries, gone, given_up };
            }
            Answer::Written(Err(Unavailable)) => {
                self.writing = None;
                let pause = (RETRY_AFTER * 2_u32.pow(self.failures.min(4))).min(RETRY_AT_MOST);
                (self.retry_at, self.failures) = (Some(now + pause), self.failures + 1);
            }
            Answer::Released(addresses, outcome) => {
                self.is_releasing = false;
                if outcome.is_ok() {
                    self.done.gone.extend(addresses);
                }
            }
            Answer::Retired(home, outcome) => {
                self.is_retiring = false;
                if outcome.is_ok() {
                    self.done.given_up.push(home);
                }
            }
        }
    }

    /// What the store has said to a step that was told `said`; none if another node writes.
    pub(super) fn answered(&mut self, out: Option<Out>, said: &Done, now: Instant) {
        self.is_asking = false;
        let Some(out) = out else {
            // The other one writes all of it again, which changes nothing.
            self.role = Role::Waits;
            self.done = Done::default();
            self.look_at = Some(now + TAKE_OVER_INTERVAL);
            return;
        };
        self.forget(said);
        self.role = Role::Writes { is_empty: out.entries == 0 };
        let is_expecting = std::mem::take(&mut self.is_expecting);
        self.look_at = (!is_expecting).then(|| now + self.look_interval);
        let Out { tag, next, leaving, home, old, .. } = out;
        if let Some(home) = home.filter(|_| !leaving.is_empty() && !self.is_releasing) {
            self.release(leaving, &home);
        }
        if let Some(home) = old.first().filter(|_| !self.is_retiring) {
            self.retire(home.clone());
        }
        if !next.is_empty() && self.writing.is_none() {
            self.write(tag, next);
        }
    }

    /// What was said need not be said again.
    fn forget(&mut self, said: &Done) {
        if self.done.number == said.number && self.done.tag == said.tag {
            let (gone, given_up) =
                (std::mem::take(&mut self.done.gone), std::mem::take(&mut self.done.given_up));
            self.done = Done { gone, given_up, ..Done::default() };
        }
        self.done.gone.retain(|address| !said.gone.contains(address));
        self.done.given_up.retain(|home| !said.given_up.contains(home));
    }

    fn write(&mut self, tag: Box<str>, next: Vec<Numbered>) {
        let Some(last) = next.last() else { return };
        let (number, total, home) = (last.number, last.total, last.home.clone());
        let save = |number| move |save: &Save| (save.document.address.clone(), number, save.document.version);
        let saves = next.iter().flat_map(|one| one.entry.saves.iter().map(save(one.number))).collect();
        self.writing = Some(Writing { tag, number, total, saves });
        let entries: Vec<Entry> = next.into_iter().map(|one| one.entry).collect();
        let reply = self.reply(Answer::Written);
        self.database.write(entries, &home, reply);
    }

    fn release(&mut self, leaving: Vec<Address>, home: &HomeId) {
        self.is_releasing = true;
        let addresses = leaving.clone();
        let reply = self.reply(|outcome| Answer::Released(addresses, outcome));
        self.database.release(leaving, home, reply);
    }

    fn retire(&mut self, home: HomeId) {
        self.is_retiring = true;
        let retired = home.clone();
        let reply = self.reply(|outcome| Answer::Retired(retired, outcome));
        self.database.retire(&home, reply);
    }

    /// Brings what the database says here.
    fn reply<T>(&self, answer: impl FnOnce(T) -> Answer + Send + 'static) -> Reply<T> {
        let (answered, wake) = (self.answered.clone(), self.wake.clone());
        Box::new(move |said| {
            // The engine may have ended.
            let _ = answered.send(answer(said));
            wake();
        })
    }
}
