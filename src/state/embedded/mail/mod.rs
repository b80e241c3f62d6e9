//! Messages of scripts that have not run yet: whose they are, when they are due, and who is next.
//!
//! What they say lies in the keyspace, one key a message, which makes it last, counts it, and takes it back with the call that
//! fails. Here is what finds it: made anew from the keys after a restart, and taken back by a log of its own. No Lua here but in
//! `library`, and no clock: time is passed in.

mod agenda;
mod body;
mod clock;
mod library;
mod mailbox;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use godra_engine::keyspace::{Keyspace, Value};
use smol_str::SmolStr;

use self::agenda::Agenda;
#[cfg(test)]
pub(super) use self::body::KEY_PREFIX;
pub(super) use self::body::{Body, key};
use self::clock::TimerClock;
pub(super) use self::mailbox::Place;
use self::mailbox::{Entry, Mailbox};
use crate::state::mail::{BadMessage, MAX_OF_CALL, MAX_PENDING};
use crate::state::sizes::{block, hash_table, tree};
use crate::wire::ids::RoomId;

/// A room's id; empty where there is no room. What a game sends from there has `GAME~` as its sender.
pub(super) type Address = SmolStr;

/// The key of the time that timers have come to, in milliseconds as decimal text.
pub(super) const CLOCK_KEY: &[u8] = b"godra:timers";

/// What a message counts for, of what all may take together, beside the texts of its key and its body; and a name beside its own.
const MESSAGE_BYTES: usize = 256;
const NAMED_BYTES: usize = 192;

/// The messages of all rooms.
#[derive(Debug)]
pub(super) struct Mail {
    pending: Pending,
    /// What they may take together, their keys included.
    max_bytes: usize,
    clock: TimerClock,
    /// The highest id that a message has had.
    last_id: u64,
    call: RunningCall,
}

/// What a script that removes all keys removes here.
#[derive(Debug, Default)]
struct Pending {
    /// By receiver. One without messages is kept as long as the agenda has it.
    boxes: HashMap<Address, Mailbox>,
    /// By sender, name and receiver.
    names: BTreeMap<(Address, Box<[u8]>, Address), Place>,
    agenda: Agenda,
    count: usize,
    /// What the mailboxes take with their messages, and what the names take that stand in them and in `names`.
    mailbox_bytes: usize,
    name_bytes: usize,
    /// What they take together, about: see [`bytes_of`].
    bytes: usize,
}

/// What the running call has sent, and what it takes to undo that.
#[derive(Debug, Default)]
struct RunningCall {
    sent: usize,
    changes: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Added(Address, Place),
    Removed(Address, Place, Entry),
    Reset(Box<Pending>),
}

/// How an address is written.
pub(super) fn address(room: Option<&RoomId>) -> Address {
    room.map_or_else(Address::default, |room| SmolStr::new(room.as_str()))
}

/// The time that the keys say timers had come to.
fn kept_clock(keyspace: &Keyspace) -> TimerClock {
    let kept_ms = match keyspace.get(CLOCK_KEY) {
        Some((Value::String(text), _)) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    TimerClock::go_on_from(kept_ms.unwrap_or(0))
}

/// What a message takes with its key, its body and its place, about.
fn bytes_of(to: &str, name: Option<&[u8]>, body_bytes: usize) -> usize {
    let named_bytes = name.map_or(0, |name| NAMED_BYTES + 2 * name.len());
    MESSAGE_BYTES + body::KEY_PREFIX.len() + to.len() + body_bytes + named_bytes
}

impl Mail {
    /// Without messages, which may take so much.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            pending: Pending::default(),
            max_bytes,
            clock: TimerClock::default(),
            last_id: 0,
            call: RunningCall::default(),
        }
    }

    /// Begins anew with what the keys say. Gives the keys that say nothing.
    pub(super) fn restore(&mut self, keyspace: &Keyspace) -> Vec<Box<[u8]>> {
        let clock = self.clock.or(kept_clock(keyspace));
        *self = Self { clock, ..Self::new(self.max_bytes) };
        let mut unread = Vec::new();
        for (key, value, _) in keyspace.iterate().filter(|(key, ..)| key.starts_with(body::KEY_PREFIX)) {
            let read = match value {
                Value::String(bytes) => Body::decode(bytes).zip(body::id_of(key)),
                _ => None,
            };
            let value_bytes = if let Value::String(bytes) = value { bytes.len() } else { 0 };
            let Some((body, id)) = read.filter(|(body, id)| *key == *body::key(body.to, *id)) else {
                unread.push(key.into());
                continue;
            };
            self.last_id = self.last_id.max(id);
            let place = Place { due_ms: body.due_ms, id, is_at_once: body.is_at_once };
            let name = body.name.map(|name| (SmolStr::new(body.from), name.into()));
            let bytes = bytes_of(body.to, body.name, value_bytes);
            self.pending.insert(SmolStr::new(body.to), place, Entry { name: name.map(Box::new), bytes });
        }
        unread
    }

    /// What time it is for messages, in milliseconds, if the store's clock says this: it is never set back.
    pub(super) fn read_clock(&mut self, now_ms: u64) -> u64 {
        self.clock.read(now_ms)
    }

    /// What is to be at [`CLOCK_KEY`] from now on, if that is not what is there.
    pub(super) fn clock_to_keep(&mut self) -> Option<u64> {
        self.clock.keep()
    }

    /// Nothing is pending, and no call is running.
    pub(super) fn rest(&mut self) {
        self.clock.begin_anew();
    }

    /// Another call begins.
    pub(super) fn begin_call(&mut self) {
        self.call.sent = 0;
        self.call.changes.clear();
    }

    /// The running call has failed and changed nothing.
    pub(super) fn undo_call(&mut self) {
        while let Some(change) = self.call.changes.pop() {
            match change {
                Change::Added(to, place) => drop(self.pending.remove(&to, place)),
                Change::Removed(to, place, entry) => self.pending.insert(to, place, entry),
                Change::Reset(pending) => self.pending = *pending,
            }
        }
    }

    /// Forgets everything, as the store has forgotten its data.
    pub(super) fn reset(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.call.changes.push(Change::Reset(Box::new(pending)));
    }

    /// The id of the running call's next message to a room, which may take the place of another.
    ///
    /// # Errors
    /// The call or the receiver has as many as it may, or all messages together have the memory that they may.
    pub(super) fn next_id(
        &self,
        to: &str,
        replaced: Option<Place>,
        name: Option<&[u8]>,
        body_bytes: usize,
    ) -> Result<u64, BadMessage> {
        if self.call.sent >= MAX_OF_CALL {
            return Err(BadMessage::TooManyOfCall);
        }
        let pending = self.pending.boxes.get(to).map_or(0, Mailbox::len);
        if pending - usize::from(replaced.is_some()) >= MAX_PENDING {
            return Err(BadMessage::TooManyPending);
        }
        let replaced_bytes = replaced.and_then(|place| self.pending.bytes_of(to, place)).unwrap_or(0);
        if self.bytes() - replaced_bytes + bytes_of(to, name, body_bytes) > self.max_bytes {
            return Err(BadMessage::ShareFull);
        }
        Ok(self.last_id + 1)
    }

    /// The running call has sent a message, of the id that it was given.
    pub(super) fn sent(
        &mut self,
        to: Address,
        place: Place,
        name: Option<(Address, Box<[u8]>)>,
        body_bytes: usize,
    ) {
        self.last_id = place.id;
        self.call.sent += 1;
        self.call.changes.push(Change::Added(to.clone(), place));
        let bytes = bytes_of(&to, name.as_ref().map(|(_, name)| &**name), body_bytes);
        self.pending.insert(to, place, Entry { name: name.map(Box::new), bytes });
    }

    /// The running call takes a message back.
    pub(super) fn take_back(&mut self, to: &str, place: Place) {
        if let Some(entry) = self.pending.remove(to, place) {
            self.call.changes.push(Change::Removed(to.into(), place, entry));
        }
    }

    /// What a sender has pending by that name to one receiver.
    pub(super) fn named(&self, from: &Address, name: &[u8], to: &Address) -> Option<Place> {
        self.pending.names.get(&(from.clone(), name.into(), to.clone())).copied()
    }

    /// What a sender has pending by that name, and to whom.
    pub(super) fn all_named(&self, from: &Address, name: &[u8]) -> Vec<(Address, Place)> {
        let first = (from.clone(), name.into(), Address::default());
        let is_named = |(known_from, known_name, _): &&(Address, Box<[u8]>, Address)| {
            known_from == from && **known_name == *name
        };
        let named = self.pending.names.range(first..).take_while(|(key, _)| is_named(key));
        named.map(|((_, _, to), place)| (to.clone(), *place)).collect()
    }

    /// A message runs now, or never: its place is free. False if it is not pending any more.
    pub(super) fn take(&mut self, to: &str, place: Place) -> bool {
        self.pending.remove(to, place).is_some()
    }

    /// Who is next of those who have something due: it is to be told how many of theirs have run.
    pub(super) fn next_receiver(&mut self, now: Instant, now_ms: u64) -> Option<Address> {
        let Pending { agenda, boxes, .. } = &mut self.pending;
        agenda.next(boxes, now, now_ms)
    }

    /// What a receiver has due, in order.
    pub(super) fn due(&self, to: &str, now_ms: u64) -> impl Iterator<Item = Place> {
        let mailbox = self.pending.boxes.get(to);
        mailbox.into_iter().flat_map(move |mailbox| mailbox.due(now_ms))
    }

    /// How many a receiver may have run in this round.
    pub(super) fn left_in_round(&mut self, to: &str, now: Instant) -> usize {
        self.pending.boxes.get_mut(to).map_or(0, |mailbox| mailbox.left_in_round(now))
    }

    /// So many messages of the receiver whose turn it was have run.
    pub(super) fn ran(&mut self, to: Address, count: usize, now: Instant) {
        let Pending { agenda, boxes, .. } = &mut self.pending;
        agenda.ran(boxes, to, count, now);
    }

    /// The receiver whose turn it was cannot go on before then.
    pub(super) fn hold(&mut self, to: Address, until: Instant) {
        let Pending { agenda, boxes, .. } = &mut self.pending;
        agenda.hold(boxes, to, until);
    }

    /// How long it is until somebody has something due; none if nothing is pending.
    pub(super) fn wait(&mut self, now: Instant, now_ms: u64) -> Option<Duration> {
        let Pending { agenda, boxes, .. } = &mut self.pending;
        agenda.wait(boxes, now, now_ms)
    }

    /// Whether there is nothing to look at.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.boxes.is_empty() && self.pending.agenda.is_empty()
    }

    /// How many are pending.
    pub(super) fn len(&self) -> usize {
        self.pending.count
    }

    /// What the messages take in all, about.
    pub(super) fn bytes(&self) -> usize {
        self.pending.bytes
    }

    /// What it takes beside the keys, about.
    pub(super) fn memory_bytes(&self) -> usize {
        let Pending { boxes, names, agenda, mailbox_bytes, name_bytes, .. } = &self.pending;
        hash_table::<(Address, Mailbox)>(boxes.capacity())
            + mailbox_bytes
            + tree(names.len(), size_of::<((Address, Box<[u8]>, Address), Place)>())
            + name_bytes
            + agenda.memory_bytes()
    }
}

impl Pending {
    /// What a message takes.
    fn bytes_of(&self, to: &str, place: Place) -> Option<usize> {
        self.boxes.get(to)?.get(place).map(|entry| entry.bytes)
    }

    fn insert(&mut self, to: Address, place: Place, entry: Entry) {
        if let Some((from, name)) = entry.name.as_deref() {
            self.name_bytes += name_bytes(name);
            self.names.insert((from.clone(), name.clone(), to.clone()), place);
        }
        self.count += 1;
        self.bytes += entry.bytes;
        self.agenda.touch(to.clone());
        let mailbox = self.boxes.entry(to).or_default();
        self.mailbox_bytes -= mailbox.memory_bytes();
        mailbox.insert(place, entry);
        self.mailbox_bytes += mailbox.memory_bytes();
    }

    fn remove(&mut self, to: &str, place: Place) -> Option<Entry> {
        let mailbox = self.boxes.get_mut(to)?;
        let before = mailbox.memory_bytes();
        let entry = mailbox.remove(place)?;
        self.mailbox_bytes = self.mailbox_bytes + mailbox.memory_bytes() - before;
        self.count -= 1;
        self.bytes -= entry.bytes;
        self.agenda.touch(to.into());
        if let Some((from, name)) = entry.name.as_deref() {
            self.name_bytes -= name_bytes(name);
            // Undoing puts the replaced one back before the one that replaced it is gone, or the other way round.
            let key = (from.clone(), name.clone(), SmolStr::new(to));
            if self.names.get(&key) == Some(&place) {
                self.names.remove(&key);
            }
        }
        Some(entry)
    }
}

/// What a name takes, which is kept twice, once behind a pointer with who sent the message.
fn name_bytes(name: &[u8]) -> usize {
    2 * block(name.len()) + block(size_of::<(Address, Box<[u8]>)>())
}

#[cfg(any(test, fuzzing))]
#[path = "../../../../tests/fuzz/targets/mail_body.rs"]
pub(crate) mod fuzz;
