//! A value that a command changes: it can be read as it is, and each change leaves a step behind by which a failing call
//! undoes it.
//!
//! The steps keep what was there before by moving it, so that a change costs no more than the change, however large the
//! value is.

mod list;
mod map;
mod sorted_set;
mod string;

use std::ops::Deref;

use super::list::List;
use super::small_bytes::SmallBytes;
use super::sorted_set::SortedSet;
use super::undo::{Step, UndoLog};
use super::value::{Hash, Kind, Set};

pub(super) use list::ListEdit;
pub(super) use map::MapEdit;
pub(super) use sorted_set::SortedSetEdit;
pub(super) use string::StringEdit;

/// A value of the keyspace, to be changed.
#[derive(Debug)]
pub(crate) struct Change<'a, K: Kind> {
    value: &'a mut K,
    /// The place of its key.
    key: u32,
    /// None if the call has made the value itself, and if nobody wants to undo anything.
    log: Option<&'a mut UndoLog>,
    /// What the value took before.
    bytes_before: usize,
    /// What all values take, to be brought up to date when the change is over.
    value_bytes: &'a mut usize,
}

impl<K: Kind> Deref for Change<'_, K> {
    type Target = K;

    fn deref(&self) -> &K {
        self.value
    }
}

impl<'a, K: Edited> Change<'a, K> {
    pub(super) fn new(
        value: &'a mut K,
        key: usize,
        log: Option<&'a mut UndoLog>,
        value_bytes: &'a mut usize,
    ) -> Self {
        let bytes_before = value.allocated_bytes();
        Self { value, key: key as u32, log, bytes_before, value_bytes }
    }

    /// Notes how to undo the change that is about to be made, or was just made; it keeps so many allocated bytes.
    fn record(&mut self, edit: K::Edit, kept_bytes: usize) {
        if let Some(log) = &mut self.log {
            log.record(K::step(self.key, edit), kept_bytes);
        }
    }
}

impl<K: Kind> Drop for Change<'_, K> {
    fn drop(&mut self) {
        *self.value_bytes = *self.value_bytes + self.value.allocated_bytes() - self.bytes_before;
    }
}

/// A kind of value whose changes can be undone.
pub(crate) trait Edited: Kind {
    /// How one change is undone.
    type Edit;
    /// Undoes the last change.
    fn undo(&mut self, edit: Self::Edit);
    /// The edit as a step of the log; `key` is the place of the value's key.
    fn step(key: u32, edit: Self::Edit) -> Step;
}

macro_rules! edited {
    ($kind:ty, $variant:ident, $edit:ty, $undo:path) => {
        impl Edited for $kind {
            type Edit = $edit;

            fn undo(&mut self, edit: $edit) {
                $undo(self, edit);
            }

            fn step(key: u32, edit: $edit) -> Step {
                Step::$variant(key, edit)
            }
        }
    };
}

edited!(Hash, Hash, MapEdit<SmallBytes>, map::undo);
edited!(Set, Set, MapEdit<()>, map::undo);
edited!(SortedSet, SortedSet, SortedSetEdit, sorted_set::undo);
edited!(List, List, ListEdit, list::undo);
edited!(Vec<u8>, String, StringEdit, string::undo);
