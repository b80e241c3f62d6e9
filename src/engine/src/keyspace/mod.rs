//! Keys, values and expiry: the store that the commands work on.
//!
//! No clock here: the time comes with every call, and stands still within a script. A key that is past its time is
//! treated as missing by every reader; it is taken away by the next writer or by [`Keyspace::expire_step`].
//!
//! Commands change values only through the few methods of [`Keyspace`] that say so, which is where changes are noted
//! for the one who keeps the store on disk, and where a call's changes leave the steps by which they are undone if it fails
//! (see [`Keyspace::begin`], and [`Change`] for those within a value).

mod change;
mod free;
mod index_map;
mod list;
mod memory;
mod rank_tree;
mod slot;
mod small_bytes;
mod sorted_set;
mod undo;
mod value;
mod work;

#[cfg(test)]
mod tests;

pub(super) use change::Change;
use change::Edited;
pub use index_map::{Entry, IndexMap};
pub use list::List;
pub use memory::{Filler, HeapSize};
pub use small_bytes::SmallBytes;
pub use sorted_set::SortedSet;
pub use value::{Hash, Kind, Set, Value};
pub(crate) use work::WorkLeft;

use self::free::{MANY, free_elsewhere};
use self::memory::Bound;
use self::slot::{Marks, Slot};
use self::undo::{Cleared, Step, UndoLog};
use super::commands::{self, Command, Failure};
use super::reply::ReplyBuffer;
use crate::CallRandom;

/// What a command needs to know about its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Milliseconds since the Unix epoch; one and the same during a script.
    pub now_ms: u64,
    /// Whether a script calls: some commands refuse that, and some errors have other words.
    pub from_script: bool,
}

/// All keys of the store.
#[derive(Debug)]
pub struct Keyspace {
    keys: IndexMap<Slot>,
    /// What all values have allocated.
    value_bytes: usize,
    /// How many keys have a time to end at.
    expiring: usize,
    /// Where [`Keyspace::expire_step`] goes on.
    expire_cursor: u64,
    seed: u64,
    /// The running call's.
    random: CallRandom,
    /// The running call's.
    context: Context,
    changes: Option<Tracker>,
    undo: UndoLog,
    bound: Bound,
    /// See [`Keyspace::set_max_work`].
    max_work_ns: u64,
}

#[derive(Debug)]
pub(crate) struct Tracker {
    cleared: bool,
    keys: IndexMap<()>,
}

/// Which keys may differ from what they were at the last [`Keyspace::take_changes`].
#[derive(Debug, Default)]
pub struct Changes {
    /// Everything was removed first; the keys below came (or came back) after that.
    pub cleared: bool,
    /// Written, created, removed or given another expiry; look each up for what it is now.
    pub keys: Vec<SmallBytes>,
}

impl Keyspace {
    /// An empty store. The seed keys its hash tables and its random picks, so it should be secret: players choose
    /// keys and fields.
    pub fn new(seed: u64) -> Self {
        Self {
            keys: IndexMap::new(seed),
            value_bytes: 0,
            expiring: 0,
            expire_cursor: 0,
            seed,
            random: CallRandom::new(!seed),
            context: Context { now_ms: 0, from_script: false },
            changes: None,
            undo: UndoLog::default(),
            bound: Bound::default(),
            max_work_ns: u64::MAX,
        }
    }

    /// What follows is a call with that seed.
    pub fn seed_call(&mut self, seed: u64) {
        self.random = CallRandom::new(seed);
    }

    /// Runs the command that `arguments` begins with; `reply` is cleared first and then holds the answer.
    pub fn execute(&mut self, arguments: &[&[u8]], context: &Context, reply: &mut ReplyBuffer) {
        match commands::resolve(arguments, context) {
            Ok(command) => self.run(command, arguments, context, reply),
            Err(failure) => reply.error(failure.text()),
        }
    }

    /// As [`Keyspace::execute`], for a caller that keeps what [`commands::find`] gave it.
    pub fn call(
        &mut self,
        command: &'static Command,
        arguments: &[&[u8]],
        context: &Context,
        reply: &mut ReplyBuffer,
    ) {
        match command.check(arguments, context) {
            Ok(()) => self.run(command, arguments, context, reply),
            Err(failure) => reply.error(failure.text()),
        }
    }

    fn run(
        &mut self,
        command: &'static Command,
        arguments: &[&[u8]],
        context: &Context,
        reply: &mut ReplyBuffer,
    ) {
        reply.clear();
        self.context = *context;
        let outcome = if command.may_grow() && !self.has_room_for(arguments) {
            Err(Failure::FULL)
        } else {
            self.allow_arguments(arguments).and_then(|()| (command.run)(self, arguments, reply))
        };
        if command.only_changes() {
            self.go_on_filling();
        }
        if let Err(failure) = outcome {
            self.bound.has_refused |= failure == Failure::FULL;
            reply.fail(&failure);
        }
    }

    /// Keys in the store, with those that are past their time and not yet taken away.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes that keys and values take, with their tables. What it takes to undo the running call is not in it, nor what is
    /// noted of changes.
    pub fn used_bytes(&self) -> usize {
        self.keys.allocated_bytes() + self.value_bytes
    }

    /// The same as [`Keyspace::used_bytes`], counted anew from all that is there: for tests.
    pub fn recount(&self) -> usize {
        let values: usize = self.keys.entries().iter().map(|entry| entry.value.value.recount()).sum();
        self.keys.recount() + values
    }

    /// Looks at up to `budget` keys, and removes those past their time; gives how many it removed. For idle time:
    /// repeated calls go round the whole store.
    pub fn expire_step(&mut self, now_ms: u64, budget: usize) -> usize {
        if self.expiring == 0 {
            return 0;
        }
        let (next, entries) = self.keys.scan(self.expire_cursor, budget);
        self.expire_cursor = next;
        let due = entries.iter().filter(|entry| entry.value.is_due(now_ms)).map(|entry| entry.key.clone());
        let due: Vec<SmallBytes> = due.collect();
        due.iter().for_each(|key| {
            self.remove(key);
        });
        due.len()
    }

    /// Notes changed keys from now on, or stops doing so.
    pub fn track_changes(&mut self, enabled: bool) {
        self.take_changes();
        self.changes = enabled.then(|| Tracker { cleared: false, keys: IndexMap::new(self.seed) });
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        let fresh = IndexMap::new(self.seed);
        let Some(tracker) = &mut self.changes else { return Changes::default() };
        let noted = std::mem::replace(&mut tracker.keys, fresh);
        let cleared = std::mem::take(&mut tracker.cleared);
        let keys: Vec<SmallBytes> = noted.into_keys().collect();
        for key in &keys {
            if let Some(slot) = self.keys.get_mut(key) {
                slot.marks.set_noted(false);
            }
        }
        Changes { cleared, keys }
    }

    /// Whether something changed since [`Keyspace::take_changes`].
    pub fn has_changes(&self) -> bool {
        self.changes.as_ref().is_some_and(|tracker| tracker.cleared || !tracker.keys.is_empty())
    }

    /// Notes changes again that could not be made use of: the next [`Keyspace::take_changes`] has them, too.
    pub fn return_changes(&mut self, changes: Changes) {
        let Some(tracker) = &mut self.changes else { return };
        tracker.cleared |= changes.cleared;
        for key in changes.keys {
            if let Some(slot) = self.keys.get_mut(&key) {
                slot.marks.set_noted(true);
            }
            tracker.keys.insert(&key, ());
        }
    }

    /// One step through all keys, as [`IndexMap::scan`]: each with its value, and what both take in bytes.
    pub fn sizes(&self, cursor: u64, count: usize) -> (u64, impl Iterator<Item = (&[u8], &Value, usize)>) {
        let (next, entries) = self.keys.scan(cursor, count);
        let sized = |entry: &'_ Entry<Slot>| {
            size_of::<Entry<Slot>>() + entry.key.heap_bytes() + entry.value.value.allocated_bytes()
        };
        (next, entries.iter().map(move |entry| (&*entry.key, &entry.value.value, sized(entry))))
    }

    /// Every key with its value and, if it has one, the time at which it ends (milliseconds since the Unix epoch).
    pub fn iterate(&self) -> impl Iterator<Item = (&[u8], &Value, Option<u64>)> {
        self.keys.entries().iter().map(|entry| (&*entry.key, &entry.value.value, entry.value.expires_at_ms))
    }

    /// A key's value and end, even if that is past.
    pub fn get(&self, key: &[u8]) -> Option<(&Value, Option<u64>)> {
        self.keys.get(key).map(|slot| (&slot.value, slot.expires_at_ms))
    }

    /// Puts a value in place of whatever the key holds.
    pub fn insert_value(&mut self, key: &[u8], value: Value, expires_at_ms: Option<u64>) {
        let index = match self.keys.find(key) {
            Some(index) => {
                self.replace_at(index, value, expires_at_ms);
                index
            }
            None => self.create(key, value, expires_at_ms),
        };
        self.note(index);
    }

    fn create(&mut self, key: &[u8], value: Value, expires_at_ms: Option<u64>) -> usize {
        self.expiring += usize::from(expires_at_ms.is_some());
        self.value_bytes += value.allocated_bytes();
        self.undo.record(Step::Created, 0);
        let marks = Marks::of_call(self.undo.call());
        self.keys.push_new(key.into(), Slot { value, expires_at_ms, marks })
    }

    fn replace_at(&mut self, index: usize, value: Value, expires_at_ms: Option<u64>) {
        let is_ours = self.is_ours(index);
        let slot = self.keys.value_at_mut(index);
        self.value_bytes += value.allocated_bytes();
        let before = std::mem::replace(&mut slot.value, value);
        self.value_bytes -= before.allocated_bytes();
        let ended_at_ms = slot.expires_at_ms;
        slot.marks.set_call(self.undo.call());
        if is_ours || !self.undo.is_recording() {
            discard(before);
        } else {
            let step = Step::Replaced { key: index as u32, value: before, expires_at_ms: ended_at_ms };
            self.undo.record(step, 0);
        }
        self.change_expiry(index, expires_at_ms);
    }

    /// An empty hash, set or sorted set whose tables hash under this store's seed.
    pub fn empty<K: Kind>(&self) -> K {
        K::empty(self.seed)
    }

    /// An empty table that hashes under this store's seed.
    pub(super) fn empty_map<V>(&self) -> IndexMap<V> {
        IndexMap::new(self.seed)
    }
}

/// What commands work with.
impl Keyspace {
    /// The running call's time.
    pub(super) fn now_ms(&self) -> u64 {
        self.context.now_ms
    }

    /// Whether a script runs the call.
    pub(super) fn is_from_script(&self) -> bool {
        self.context.from_script
    }

    /// The running call's random numbers.
    pub(crate) fn random(&mut self) -> &mut CallRandom {
        &mut self.random
    }

    /// A key's value, of whatever kind.
    pub(super) fn value(&self, key: &[u8]) -> Option<&Value> {
        self.live(key).map(|slot| &slot.value)
    }

    /// A key's value of the kind that the command is for.
    pub(super) fn read<K: Kind>(&self, key: &[u8]) -> Result<Option<&K>, Failure> {
        let Some(slot) = self.live(key) else { return Ok(None) };
        K::of(&slot.value).map(Some).ok_or(Failure::WRONG_TYPE)
    }

    /// A key's value of the kind that the command is for, to be changed in place.
    pub(super) fn write<K: Edited>(&mut self, key: &[u8]) -> Result<Option<Change<'_, K>>, Failure> {
        let Some(index) = self.find_live(key) else { return Ok(None) };
        if K::of(&self.keys.at(index).value.value).is_none() {
            return Err(Failure::WRONG_TYPE);
        }
        self.note(index);
        Ok(self.change(index))
    }

    /// As [`Keyspace::write`], with an empty value for a missing key: the command must put something into it.
    pub(super) fn write_or_create<K: Edited>(&mut self, key: &[u8]) -> Result<Change<'_, K>, Failure> {
        let index = match self.find_live(key) {
            Some(index) => index,
            None => self.create(key, K::empty(self.seed).into_value(), None),
        };
        if K::of(&self.keys.at(index).value.value).is_none() {
            return Err(Failure::WRONG_TYPE);
        }
        self.note(index);
        self.change(index).ok_or(Failure::WRONG_TYPE)
    }

    fn change<K: Edited>(&mut self, index: usize) -> Option<Change<'_, K>> {
        let needs_steps = self.undo.is_recording() && !self.is_ours(index);
        let value = K::of_mut(&mut self.keys.value_at_mut(index).value)?;
        Some(Change::new(value, index, needs_steps.then_some(&mut self.undo), &mut self.value_bytes))
    }

    /// Changes a key's value in place, and removes the key if the value is gone then; none for a missing key.
    pub(super) fn edit<K: Edited, T>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut Change<'_, K>) -> T,
    ) -> Result<Option<T>, Failure> {
        let Some(mut value) = self.write::<K>(key)? else { return Ok(None) };
        let result = edit(&mut value);
        let is_gone = value.is_gone();
        drop(value);
        if is_gone {
            self.remove(key);
        }
        Ok(Some(result))
    }

    /// Puts a value in place of whatever the key holds and takes its expiry away; an empty collection removes the key.
    pub(super) fn replace<K: Kind>(&mut self, key: &[u8], value: K) {
        if value.is_gone() {
            self.remove(key);
        } else {
            self.insert_value(key, value.into_value(), None);
        }
    }

    /// Gives a key's value and expiry to another key, whatever that holds; whether the key was there.
    pub(super) fn rename(&mut self, from: &[u8], to: &[u8]) -> bool {
        let Some(from) = self.find_live(from) else { return false };
        if self.keys.find(to) == Some(from) {
            return true;
        }
        self.note(from);
        let Entry { key: name, value: slot } = self.keys.swap_remove(from);
        let (to, replaced) = self.put_renamed(to, slot);
        self.undo
            .record(Step::Renamed { from: from as u32, to: to as u32, name: Box::new((name, replaced)) }, 0);
        self.note(to);
        true
    }

    /// Puts another key's slot in; gives its place, and what was there before.
    fn put_renamed(&mut self, key: &[u8], mut slot: Slot) -> (usize, Option<Slot>) {
        slot.marks.set_noted(false);
        let Some(index) = self.keys.find(key) else { return (self.keys.push_new(key.into(), slot), None) };
        slot.marks.set_noted(self.keys.at(index).value.marks.is_noted());
        let is_ours = self.is_ours(index);
        let mut before = std::mem::replace(self.keys.value_at_mut(index), slot);
        self.expiring -= usize::from(before.expires_at_ms.is_some());
        self.value_bytes -= before.value.allocated_bytes();
        if is_ours || !self.undo.is_recording() {
            discard(std::mem::replace(&mut before.value, Value::String(Vec::new())));
        }
        (index, Some(before))
    }

    /// Removes a key; whether it was there, and not past its time.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let now_ms = self.context.now_ms;
        self.keys.find(key).is_some_and(|index| {
            let is_live = !self.keys.at(index).value.is_due(now_ms);
            self.remove_at(index);
            is_live
        })
    }

    pub(super) fn exists(&self, key: &[u8]) -> bool {
        self.live(key).is_some()
    }

    /// When the key ends: none for a missing key, `Some(None)` for one without an end.
    pub(super) fn expiry(&self, key: &[u8]) -> Option<Option<u64>> {
        self.live(key).map(|slot| slot.expires_at_ms)
    }

    /// Sets or takes away a key's end; whether the key was there.
    pub(super) fn set_expiry(&mut self, key: &[u8], expires_at_ms: Option<u64>) -> bool {
        let Some(index) = self.find_live(key) else { return false };
        if !self.is_ours(index) {
            let before = self.keys.at(index).value.expires_at_ms;
            self.undo.record(Step::Expiry { key: index as u32, expires_at_ms: before }, 0);
        }
        self.change_expiry(index, expires_at_ms);
        self.note(index);
        true
    }

    fn change_expiry(&mut self, index: usize, expires_at_ms: Option<u64>) {
        let slot = self.keys.value_at_mut(index);
        self.expiring += usize::from(expires_at_ms.is_some());
        self.expiring -= usize::from(slot.expires_at_ms.is_some());
        slot.expires_at_ms = expires_at_ms;
    }

    pub(super) fn clear(&mut self) {
        let fresh = Tracker { cleared: true, keys: IndexMap::new(self.seed) };
        let changes = self.changes.is_some().then_some(fresh);
        let before = Cleared {
            keys: std::mem::replace(&mut self.keys, IndexMap::new(self.seed)),
            expiring: std::mem::take(&mut self.expiring),
            value_bytes: std::mem::take(&mut self.value_bytes),
            changes: std::mem::replace(&mut self.changes, changes),
        };
        self.undo.record(Step::Cleared(Box::new(before)), 0);
    }

    /// Any key, all alike likely.
    pub(super) fn random_key(&mut self) -> Option<SmallBytes> {
        while !self.keys.is_empty() {
            let index = self.random.others.below(self.keys.len());
            if !self.keys.at(index).value.is_due(self.context.now_ms) {
                return Some(self.keys.at(index).key.clone());
            }
            self.remove_at(index);
        }
        None
    }

    /// Live keys with their values.
    pub(super) fn live_entries(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.only_live(self.keys.entries())
    }

    /// One step of a scan over the live keys; see [`IndexMap::scan`].
    pub(super) fn scan(&self, cursor: u64, count: usize) -> (u64, impl Iterator<Item = (&[u8], &Value)>) {
        let (next, entries) = self.keys.scan(cursor, count);
        (next, self.only_live(entries))
    }

    fn only_live<'a>(
        &self,
        entries: &'a [Entry<Slot>],
    ) -> impl Iterator<Item = (&'a [u8], &'a Value)> + use<'a> {
        let now_ms = self.context.now_ms;
        let live = entries.iter().filter(move |entry| !entry.value.is_due(now_ms));
        live.map(|entry| (&*entry.key, &entry.value.value))
    }

    fn live(&self, key: &[u8]) -> Option<&Slot> {
        self.keys.get(key).filter(|slot| !slot.is_due(self.context.now_ms))
    }

    /// Finds a key for a writer: one that is past its time is taken away here.
    fn find_live(&mut self, key: &[u8]) -> Option<usize> {
        let index = self.keys.find(key)?;
        if self.keys.at(index).value.is_due(self.context.now_ms) {
            self.remove_at(index);
            return None;
        }
        Some(index)
    }

    fn remove_at(&mut self, index: usize) {
        self.note(index);
        let is_ours = self.is_ours(index);
        let mut entry = self.take_entry(index);
        if is_ours || !self.undo.is_recording() {
            // One that the call has made goes with what made it.
            discard(std::mem::replace(&mut entry.value.value, Value::String(Vec::new())));
        }
        if !self.undo.is_recording() {
            return;
        }
        let kept_bytes = if is_ours { size_of::<Entry<Slot>>() + entry.key.heap_len() } else { 0 };
        self.undo.record(Step::Removed { key: index as u32, entry: Box::new(entry) }, kept_bytes);
    }

    fn take_entry(&mut self, index: usize) -> Entry<Slot> {
        let entry = self.keys.swap_remove(index);
        self.expiring -= usize::from(entry.value.expires_at_ms.is_some());
        self.value_bytes -= entry.value.value.allocated_bytes();
        entry
    }

    /// Whether the running call has made the value, so that nothing has to be put back into it.
    fn is_ours(&self, index: usize) -> bool {
        self.undo.is_recording() && self.keys.at(index).value.marks.is_of_call(self.undo.call())
    }

    fn note(&mut self, index: usize) {
        let Some(tracker) = &mut self.changes else { return };
        if !self.keys.at(index).value.marks.is_noted() {
            let is_new = tracker.keys.insert(&self.keys.at(index).key, ()).is_none();
            self.keys.value_at_mut(index).marks.set_noted(true);
            self.undo.record(Step::Noted { key: index as u32, is_new }, 0);
        }
    }
}

/// Drops a value that nobody needs any more.
fn discard(value: Value) {
    if value.elements() >= MANY {
        free_elsewhere(Box::new(value));
    }
}
