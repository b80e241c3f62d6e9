//! Whose messages are next. Receivers take turns, so that none waits for another's many.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::Address;
use super::mailbox::Mailbox;
use crate::state::sizes::{block, tree};

type Boxes = HashMap<Address, Mailbox>;

/// Where a receiver is in the agenda.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Filed {
    /// Not in it.
    #[default]
    Nowhere,
    /// It has nothing due before this, in milliseconds of the store's clock.
    Timed(u64),
    /// It has its turn when those before it have had theirs.
    Ready,
    /// It has had as many run as it may until then, or waits for a script.
    Resting(Instant),
    /// It has nothing, and is remembered until then for what has run.
    Empty(Instant),
}

/// Receivers that have messages.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    timed: BTreeSet<(u64, Address)>,
    ready: VecDeque<Address>,
    /// Those that rest, and those that have nothing.
    resting: BTreeSet<(Instant, Address)>,
    /// Their messages have changed since they were filed.
    touched: Vec<Address>,
}

impl Agenda {
    /// What it takes, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        let lists = (self.ready.capacity() + self.touched.capacity()) * size_of::<Address>();
        tree(self.timed.len(), size_of::<(u64, Address)>())
            + tree(self.resting.len(), size_of::<(Instant, Address)>())
            + block(lists)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.timed.is_empty() && self.ready.is_empty() && self.resting.is_empty() && self.touched.is_empty()
    }

    /// A receiver's messages have changed.
    pub(super) fn touch(&mut self, to: Address) {
        if self.touched.last() != Some(&to) {
            self.touched.push(to);
        }
    }

    /// Takes whose turn it is.
    pub(super) fn next(&mut self, boxes: &mut Boxes, now: Instant, now_ms: u64) -> Option<Address> {
        self.wake(boxes, now, now_ms);
        let to = self.ready.pop_front()?;
        if let Some(mailbox) = boxes.get_mut(&to) {
            mailbox.filed = Filed::Nowhere;
        }
        Some(to)
    }

    /// Whose turn it was has had it.
    pub(super) fn ran(&mut self, boxes: &mut Boxes, to: Address, count: usize, now: Instant) {
        let Some(mailbox) = boxes.get_mut(&to) else { return };
        match mailbox.ran(count, now) {
            Some(until) => self.hold(boxes, to, until),
            None => self.file(boxes, to),
        }
    }

    /// Whose turn it was has none before then.
    pub(super) fn hold(&mut self, boxes: &mut Boxes, to: Address, until: Instant) {
        if let Some(mailbox) = boxes.get_mut(&to) {
            mailbox.filed = Filed::Resting(until);
            self.resting.insert((until, to));
        }
    }

    /// How long it is until somebody's turn; none without anybody.
    pub(super) fn wait(&mut self, boxes: &mut Boxes, now: Instant, now_ms: u64) -> Option<Duration> {
        self.wake(boxes, now, now_ms);
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let timed =
            self.timed.first().map(|(due_ms, _)| Duration::from_millis(due_ms.saturating_sub(now_ms)));
        let resting = self.resting.first().map(|(until, _)| until.saturating_duration_since(now));
        timed.into_iter().chain(resting).min()
    }

    /// Lets those have a turn whose time has come.
    fn wake(&mut self, boxes: &mut Boxes, now: Instant, now_ms: u64) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.drain(..).for_each(|to| self.file(boxes, to));
        self.touched = touched;
        while self.timed.first().is_some_and(|(due_ms, _)| *due_ms <= now_ms) {
            let Some((_, to)) = self.timed.pop_first() else { return };
            if let Some(mailbox) = boxes.get_mut(&to) {
                mailbox.filed = Filed::Ready;
                self.ready.push_back(to);
            }
        }
        while self.resting.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, to)) = self.resting.pop_first() else { return };
            if let Some(mailbox) = boxes.get_mut(&to) {
                mailbox.filed = Filed::Nowhere;
                mailbox.end_round();
                self.file(boxes, to);
            }
        }
    }

    /// Puts a receiver where it belongs, unless it waits for a turn anyway.
    fn file(&mut self, boxes: &mut Boxes, to: Address) {
        let Some(mailbox) = boxes.get_mut(&to) else { return };
        let wanted = match (mailbox.next_ms(), mailbox.round_ends()) {
            (Some(0), _) => Filed::Ready,
            (Some(due_ms), _) => Filed::Timed(due_ms),
            (None, Some(ends)) => Filed::Empty(ends),
            (None, None) => Filed::Nowhere,
        };
        match mailbox.filed {
            Filed::Ready | Filed::Resting(_) => return,
            filed if filed == wanted && filed != Filed::Nowhere => return,
            Filed::Timed(due_ms) => drop(self.timed.remove(&(due_ms, to.clone()))),
            Filed::Empty(ends) => drop(self.resting.remove(&(ends, to.clone()))),
            Filed::Nowhere => {}
        }
        mailbox.filed = wanted;
        match wanted {
            Filed::Nowhere => drop(boxes.remove(&to)),
            Filed::Ready => self.ready.push_back(to),
            Filed::Timed(due_ms) => drop(self.timed.insert((due_ms, to))),
            Filed::Resting(at) | Filed::Empty(at) => drop(self.resting.insert((at, to))),
        }
    }
}
