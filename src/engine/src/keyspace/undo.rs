//! What a call has changed, so that it can be taken back.
//!
//! A step says how to undo one change. Steps are undone from the last to the first, so each finds the store as its
//! change left it: places (of a key, of a field) are those of that moment, and the order of entries comes back, too.

use super::change::{Edited, ListEdit, MapEdit, SortedSetEdit, StringEdit};
use super::free::{MANY, free_elsewhere};
use super::index_map::{Entry, IndexMap};
use super::small_bytes::SmallBytes;
use super::value::Value;
use super::{Hash, Keyspace, List, Set, Slot, SortedSet, Tracker};

/// After a call with more steps, their memory is given back.
const KEPT_STEPS: usize = 1024;

/// The running call's steps.
#[derive(Debug, Default)]
pub(crate) struct UndoLog {
    steps: Vec<Step>,
    is_recording: bool,
    /// Counts the calls: a key that a call has made or replaced carries its number, and what happens to it later in the
    /// call needs no step.
    call: u64,
    /// Allocated by what steps keep; a step for what was whole before the call does not count.
    kept_bytes: usize,
}

/// How to undo one change. `key` is the place of the key.
#[derive(Debug)]
pub(crate) enum Step {
    /// The last key was added.
    Created,
    Removed {
        key: u32,
        entry: Box<Entry<Slot>>,
    },
    /// The slot at `to` was at `from`, under this name; and `to` had this slot, or is the last key and was not there.
    Renamed {
        from: u32,
        to: u32,
        name: Box<(SmallBytes, Option<Slot>)>,
    },
    Replaced {
        key: u32,
        value: Value,
        expires_at_ms: Option<u64>,
    },
    Expiry {
        key: u32,
        expires_at_ms: Option<u64>,
    },
    /// The tracker was told of the key; whether it did not know it before.
    Noted {
        key: u32,
        is_new: bool,
    },
    Cleared(Box<Cleared>),
    Hash(u32, MapEdit<SmallBytes>),
    Set(u32, MapEdit<()>),
    SortedSet(u32, SortedSetEdit),
    List(u32, ListEdit),
    String(u32, StringEdit),
}

impl Step {
    /// How many elements go with it.
    fn elements(&self) -> usize {
        match self {
            Self::Removed { entry, .. } => entry.value.value.elements(),
            Self::Replaced { value, .. } => value.elements(),
            Self::Renamed { name, .. } => name.1.as_ref().map_or(1, |replaced| replaced.value.elements()),
            // How many are in its values is not worth a walk.
            Self::Cleared(_) => MANY,
            Self::List(_, edit) => edit.elements(),
            _ => 1,
        }
    }
}

/// The store before all keys were removed.
#[derive(Debug)]
pub(crate) struct Cleared {
    pub keys: IndexMap<Slot>,
    pub expiring: usize,
    pub value_bytes: usize,
    pub changes: Option<Tracker>,
}

impl UndoLog {
    pub(super) fn is_recording(&self) -> bool {
        self.is_recording
    }

    /// The number of the running call, and 0 outside of one.
    pub(super) fn call(&self) -> u64 {
        if self.is_recording { self.call } else { 0 }
    }

    /// Adds a step that keeps so many allocated bytes.
    pub(super) fn record(&mut self, step: Step, kept_bytes: usize) {
        if self.is_recording {
            self.kept_bytes += kept_bytes;
            self.steps.push(step);
        }
    }

    fn begin(&mut self) {
        debug_assert!(self.steps.is_empty());
        self.is_recording = true;
        self.call += 1;
    }

    fn end(&mut self) {
        self.is_recording = false;
        self.kept_bytes = 0;
        if self.steps.iter().map(Step::elements).sum::<usize>() >= MANY {
            free_elsewhere(Box::new(std::mem::take(&mut self.steps)));
        } else if self.steps.capacity() > KEPT_STEPS {
            self.steps = Vec::new();
        } else {
            self.steps.clear();
        }
    }
}

/// All or nothing.
impl Keyspace {
    /// From now on changes can be taken back, until [`Keyspace::commit`] or [`Keyspace::undo`].
    pub fn begin(&mut self) {
        self.undo.begin();
    }

    /// Ends what [`Keyspace::begin`] began, and keeps all changes.
    pub fn commit(&mut self) {
        self.undo.end();
    }

    /// Ends what [`Keyspace::begin`] began, and takes all changes back: values, ends, the order of everything, and what
    /// [`Keyspace::take_changes`] would have told of them.
    pub fn undo(&mut self) {
        self.undo.is_recording = false;
        while let Some(step) = self.undo.steps.pop() {
            self.undo_step(step);
        }
        self.undo.end();
    }

    /// Bytes that it takes to be able to undo, beyond what the store held when the call began.
    pub fn undo_bytes(&self) -> usize {
        self.undo.kept_bytes + self.undo.steps.len() * size_of::<Step>()
    }

    fn undo_step(&mut self, step: Step) {
        match step {
            Step::Created => {
                let last = self.keys.len() - 1;
                self.take_entry(last);
            }
            Step::Removed { key, entry } => {
                self.expiring += usize::from(entry.value.expires_at_ms.is_some());
                self.value_bytes += entry.value.value.allocated_bytes();
                self.keys.undo_swap_remove(key as usize, *entry);
            }
            Step::Renamed { from, to, name } => {
                let (name, replaced) = *name;
                self.undo_rename(from as usize, to as usize, name, replaced);
            }
            Step::Replaced { key, value, expires_at_ms } => {
                self.value_bytes += value.allocated_bytes();
                let ours = std::mem::replace(&mut self.keys.value_at_mut(key as usize).value, value);
                self.value_bytes -= ours.allocated_bytes();
                self.change_expiry(key as usize, expires_at_ms);
            }
            Step::Expiry { key, expires_at_ms } => self.change_expiry(key as usize, expires_at_ms),
            Step::Noted { key, is_new } => self.undo_note(key as usize, is_new),
            Step::Cleared(before) => {
                let Cleared { keys, expiring, value_bytes, changes } = *before;
                (self.keys, self.expiring, self.changes) = (keys, expiring, changes);
                self.value_bytes = value_bytes;
            }
            Step::Hash(key, edit) => self.undo_edit::<Hash>(key, edit),
            Step::Set(key, edit) => self.undo_edit::<Set>(key, edit),
            Step::SortedSet(key, edit) => self.undo_edit::<SortedSet>(key, edit),
            Step::List(key, edit) => self.undo_edit::<List>(key, edit),
            Step::String(key, edit) => self.undo_edit::<Vec<u8>>(key, edit),
        }
    }

    fn undo_edit<K: Edited>(&mut self, key: u32, edit: K::Edit) {
        let value = K::of_mut(&mut self.keys.value_at_mut(key as usize).value);
        let value = value.expect("steps are undone in order, so the value is of the kind that it was");
        let before = value.allocated_bytes();
        value.undo(edit);
        self.value_bytes = self.value_bytes + value.allocated_bytes() - before;
    }

    fn undo_rename(&mut self, from: usize, to: usize, name: SmallBytes, replaced: Option<Slot>) {
        let mut slot = match replaced {
            Some(replaced) => {
                self.expiring += usize::from(replaced.expires_at_ms.is_some());
                self.value_bytes += replaced.value.allocated_bytes();
                std::mem::replace(self.keys.value_at_mut(to), replaced)
            }
            None => self.keys.swap_remove(to).value,
        };
        // It was noted before it went.
        slot.marks.set_noted(self.changes.is_some());
        self.keys.undo_swap_remove(from, Entry { key: name, value: slot });
    }

    fn undo_note(&mut self, key: usize, is_new: bool) {
        self.keys.value_at_mut(key).marks.set_noted(false);
        if is_new && let Some(tracker) = &mut self.changes {
            tracker.keys.swap_remove(tracker.keys.len() - 1);
        }
    }
}
