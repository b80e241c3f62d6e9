//! What the store's data take in memory, as the allocator sees it.
//!
//! Every table and value knows what it has allocated, so that the sum is kept up to date with each change and nothing is ever
//! walked through for it.

use super::Keyspace;
use crate::commands::{Failure, Outcome};

/// What the C library's allocator takes for a block of so many bytes: its header in front, in steps of 16 bytes.
pub(super) fn block(bytes: usize) -> usize {
    const HEADER: usize = 8;
    const STEP: usize = 16;
    const SMALLEST: usize = 32;
    if bytes == 0 { 0 } else { (bytes + HEADER).next_multiple_of(STEP).max(SMALLEST) }
}

/// How much may be stored.
#[derive(Debug)]
pub(super) struct Bound {
    /// In general.
    pub max_bytes: usize,
    /// Where the part begins that is beyond it: at the bound, or at what was there when it was set.
    pub reserve_from: usize,
    /// For the running call.
    pub limit_bytes: usize,
    /// Whose call it is.
    pub filler: Filler,
    /// What is counted besides keys and values.
    pub other_bytes: usize,
    /// Whether the running call was refused something.
    pub has_refused: bool,
}

impl Default for Bound {
    fn default() -> Self {
        Self {
            max_bytes: usize::MAX,
            reserve_from: usize::MAX,
            limit_bytes: usize::MAX,
            filler: Filler::Game,
            other_bytes: 0,
            has_refused: false,
        }
    }
}

impl Bound {
    /// With a part of the bound beyond it, which nothing that is kept beside the store takes away.
    fn with_part(&self, part: usize) -> usize {
        self.reserve_from.saturating_add(self.max_bytes / part).saturating_add(self.other_bytes)
    }
}

/// Whose call runs, which decides how far it may fill the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filler {
    /// A game's: up to the bound, and a thirty-second beyond it once the call has deleted something.
    #[default]
    Game,
    /// One by which somebody comes in: a thirty-second beyond it.
    Entry,
    /// One by which the store is looked after: a sixteenth beyond it.
    Keeper,
    /// What cannot be refused.
    Unbound,
}

/// The bound.
impl Keyspace {
    /// What keys and values may take. Commands that may make the store larger fail beyond it; all others go on.
    pub fn set_max_bytes(&mut self, max_bytes: usize) {
        self.bound.max_bytes = max_bytes;
        self.bound.limit_bytes = max_bytes;
        self.bound.reserve_from = max_bytes.max(self.used_bytes());
    }

    /// What [`Keyspace::set_max_bytes`] said.
    pub fn max_bytes(&self) -> usize {
        self.bound.max_bytes
    }

    /// What the embedding program keeps beside the store, and what is to count as well: to be told now and then.
    pub fn set_other_bytes(&mut self, other_bytes: usize) {
        self.bound.other_bytes = other_bytes;
        self.bound.reserve_from = self.bound.reserve_from.min(self.used_bytes()).max(self.bound.max_bytes);
    }

    /// What follows is a call of this kind.
    pub fn begin_filling(&mut self, filler: Filler) {
        self.bound.has_refused = false;
        self.bound.filler = filler;
        self.bound.limit_bytes = match filler {
            Filler::Game => self.bound.max_bytes,
            Filler::Entry => self.bound.with_part(32),
            Filler::Keeper => self.bound.with_part(16),
            Filler::Unbound => usize::MAX,
        };
    }

    /// The running call has made a change that needs no memory, so that what it has to write with that is not refused either:
    /// leaving a list of players goes with noting how many there are. In Redis such a call may go on as it likes.
    pub(super) fn go_on_filling(&mut self) {
        if self.bound.filler == Filler::Game {
            self.bound.limit_bytes = self.bound.with_part(32);
        }
    }

    /// Whether the running call was refused a command because the store is full.
    pub fn has_refused(&self) -> bool {
        self.bound.has_refused
    }

    /// What a command may add, in bytes, before the store is full.
    pub(crate) fn room(&self) -> usize {
        self.bound.limit_bytes.saturating_sub(self.used_bytes() + self.bound.other_bytes)
    }

    /// Before a command takes so many bytes: a large one must not be found out only when it has them.
    pub(crate) fn need(&self, bytes: usize) -> Outcome {
        if bytes <= self.room() { Ok(()) } else { Err(Failure::FULL) }
    }

    /// Whether there is room for all that a command is given: one text can be given a thousand times.
    pub(super) fn has_room_for(&self, arguments: &[&[u8]]) -> bool {
        let given: usize = arguments.iter().map(|argument| argument.len()).sum();
        given <= self.room()
    }
}

/// What tables hold besides their keys, and lists as elements.
pub trait HeapSize {
    /// Bytes allocated beyond the value itself.
    fn heap_bytes(&self) -> usize {
        0
    }
}

impl HeapSize for () {}
impl HeapSize for f64 {}
#[cfg(test)]
impl HeapSize for usize {}
