//! Numbers the events of rooms and gathers those of the running batch. No Lua here, no delivery.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use godra_engine::SplitMix;
use smol_str::SmolStr;

use crate::state::event_text::{
    BadEvent, FULL_BYTES, MAX_CALL_BYTES, Members, check_payload, check_ready, check_text, check_type,
    write_head, write_seq,
};
use crate::state::sizes::{hash_table, shared_text};
use crate::state::{Audience, History, HistoryBounds, KeptEvents, Missed, Position, Removal, RoomEvents};
use crate::wire::ids::RoomId;

/// A counter is forgotten after so long without use, if its room is gone.
const FORGET_AFTER_MS: u64 = 3_600_000;

/// The events of the running batch, and every room's counter.
pub struct EventLog {
    counters: HashMap<RoomId, Counter>,
    /// The batch's events so far, one entry a room and epoch, in the order of their first events.
    pending: Vec<Pending>,
    /// How many of `pending` (from the front) are closed: their room's counter was reset since.
    closed: usize,
    /// Room for the next run, in bytes of text and in events: as much as the last ones took.
    room_for: (usize, usize),
    /// Bytes in `pending`, and what the running call has of them.
    pending_bytes: usize,
    call_bytes: usize,
    /// Events that get their numbers when the batch has ended.
    held: Vec<Held>,
    random: SplitMix,
    now_ms: u64,
    call: Running,
    bounds: HistoryBounds,
    /// What all histories take, about, and what they may take.
    history_bytes: usize,
    max_history_bytes: usize,
}

/// For whom an event is, and what it replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventOptions {
    /// Nobody in particular if it is for everybody.
    pub audience: Option<Audience>,
    /// Takes the place of the last event with this key for the same users.
    pub replace: Option<SmolStr>,
}

/// What it takes to undo the running call.
#[derive(Default)]
struct Running {
    number: u64,
    /// How long `pending` was, and how much of it was closed.
    pending: usize,
    closed: usize,
    /// How long `held` was.
    held: usize,
    /// Rooms whose history began in this call.
    new_rooms: Vec<RoomId>,
    /// The counters before the store forgot its data.
    before_reset: Option<HashMap<RoomId, Counter>>,
}

struct Counter {
    /// Without the events of the running batch, which are counted in their own place until they are taken.
    position: Position,
    used_at_ms: u64,
    history: History,
}

/// A room's place in its history, for the one who keeps it over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomPosition {
    /// The id, by which the position is found again.
    pub room: RoomId,
    /// The history and the last event in it.
    pub position: Position,
    /// When the room was last used, in milliseconds since the Unix epoch.
    pub used_at_ms: u64,
    /// Its latest events.
    pub history: KeptEvents,
}

struct Pending {
    room: RoomId,
    epoch: u64,
    first_seq: u64,
    next_seq: u64,
    text: Vec<u8>,
    ends: Vec<u32>,
    addressed: Vec<(u32, Audience)>,
    replacing: Vec<(u32, SmolStr)>,
    removals: Vec<Removal>,
    before: Before,
}

/// An event without its number.
struct Held {
    room: RoomId,
    head: Vec<u8>,
    options: EventOptions,
}

/// What a room had of events before the call that was the last to add some.
#[derive(Clone, Copy, Default)]
struct Before {
    call: u64,
    text: usize,
    events: usize,
    addressed: usize,
    replacing: usize,
    removals: usize,
}

impl EventLog {
    /// A log whose epochs come from the seed.
    pub fn new(seed: u64, bounds: HistoryBounds) -> Self {
        Self {
            counters: HashMap::new(),
            pending: Vec::new(),
            closed: 0,
            room_for: (0, 0),
            pending_bytes: 0,
            call_bytes: 0,
            held: Vec::new(),
            random: SplitMix(seed),
            now_ms: 0,
            call: Running::default(),
            bounds,
            history_bytes: 0,
            max_history_bytes: usize::MAX,
        }
    }

    /// All histories together take so much: beyond it, rooms with new events keep none of theirs, so that players who come back to
    /// them get the rooms' whole states.
    pub fn with_histories_of(mut self, max_bytes: usize) -> Self {
        self.max_history_bytes = max_bytes;
        self
    }

    /// Starts a call: from now on events happen at this time.
    pub fn set_now(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.call_bytes = 0;
        let call = &mut self.call;
        call.number += 1;
        (call.pending, call.closed, call.held) = (self.pending.len(), self.closed, self.held.len());
        call.new_rooms.clear();
        call.before_reset = None;
    }

    /// Takes back all events of the call that began last.
    pub fn undo_call(&mut self) {
        self.pending.truncate(self.call.pending);
        self.held.truncate(self.call.held);
        let number = self.call.number;
        self.pending.iter_mut().filter(|pending| pending.before.call == number).for_each(Pending::undo);
        self.pending_bytes -= std::mem::take(&mut self.call_bytes);
        for room in self.call.new_rooms.drain(..) {
            self.counters.remove(&room);
        }
        if let Some(counters) = self.call.before_reset.take() {
            (self.counters, self.closed) = (counters, self.call.closed);
            self.count_histories();
        }
    }

    /// Bytes of the events of the call that has just run, with what each takes besides.
    pub fn call_bytes(&self) -> usize {
        self.call_bytes
    }

    /// Whether the events should be taken before another call runs.
    pub fn is_full(&self) -> bool {
        self.pending_bytes >= FULL_BYTES
    }

    /// The room's place, with all its events taken. A room that nothing is known of begins its history now.
    pub fn position(&mut self, room: &RoomId) -> Position {
        self.counter(room).position
    }

    /// As [`EventLog::position`], or nothing if nothing is known of the room.
    pub fn known_position(&self, room: &RoomId) -> Option<Position> {
        self.counters.get(room).map(|counter| counter.position)
    }

    /// All events of a room that somebody has missed, with all its events taken; nothing if the room has begun a new history or
    /// some of them are not kept any more.
    pub fn missed(&mut self, room: &RoomId, since: Position) -> Option<Missed> {
        let counter = self.counters.get_mut(room).filter(|counter| counter.position.epoch == since.epoch)?;
        self.history_bytes -= counter.history.bytes();
        counter.history.forget_old(self.now_ms, &self.bounds);
        self.history_bytes += counter.history.bytes();
        counter.history.since(since.seq, counter.position.seq)
    }

    /// Appends an event, for everybody in the room if nothing else is said; `payload` is JSON text.
    ///
    /// # Errors
    /// [`BadEvent::ReservedType`], [`BadEvent::NotUtf8`], [`BadEvent::TooDeep`], [`BadEvent::TooMuch`].
    pub fn publish(
        &mut self,
        room: &RoomId,
        kind: &[u8],
        payload: &[u8],
        options: EventOptions,
    ) -> Result<(), BadEvent> {
        check_type(kind)?;
        check_payload(payload)?;
        self.charge(kind.len() + payload.len() + options.bytes())?;
        self.append(room, options, |text, seq| {
            write_head(kind, payload, text);
            write_seq(seq, text);
        });
        Ok(())
    }

    /// As [`EventLog::publish`], for somebody who is being let in: the event comes behind the room's state, which is taken
    /// at the end of the batch, and so gets its number then.
    ///
    /// # Errors
    /// As there.
    pub fn hold(
        &mut self,
        room: &RoomId,
        kind: &[u8],
        payload: &[u8],
        options: EventOptions,
    ) -> Result<(), BadEvent> {
        check_type(kind)?;
        check_payload(payload)?;
        self.charge(kind.len() + payload.len() + options.bytes())?;
        let mut head = Vec::with_capacity(kind.len() + payload.len() + 24);
        write_head(kind, payload, &mut head);
        self.held.push(Held { room: room.clone(), head, options });
        Ok(())
    }

    /// Puts a user out of the room, behind the events up to now.
    ///
    /// # Errors
    /// [`BadEvent::TooMuch`].
    pub fn remove(&mut self, room: &RoomId, user_id: SmolStr, reason: SmolStr) -> Result<(), BadEvent> {
        self.charge(user_id.len() + reason.len())?;
        self.pending(room).removals.push(Removal { user_id, reason });
        Ok(())
    }

    /// Appends what was held. Returns whether there was anything.
    pub fn release_held(&mut self) -> bool {
        let has_held = !self.held.is_empty();
        for Held { room, head, options } in std::mem::take(&mut self.held) {
            self.append(&room, options, |text, seq| {
                text.extend_from_slice(&head);
                write_seq(seq, text);
            });
        }
        has_held
    }

    /// Appends a ready event: a JSON object with a string `type`. A `seq` in it is replaced, a missing `payload`
    /// becomes null.
    pub fn publish_ready(&mut self, room: &RoomId, event: &[u8]) -> Result<(), BadEvent> {
        let event = check_text(event)?;
        let members = Members::read(event)?;
        check_ready(event.as_bytes())?;
        self.charge(event.len())?;
        self.append(room, EventOptions::default(), |text, seq| members.write(seq, text));
        Ok(())
    }

    /// Forgets every room's history, as the store has forgotten its data: they all get new epochs.
    pub fn reset(&mut self) {
        let counters = std::mem::take(&mut self.counters);
        self.call.before_reset.get_or_insert(counters);
        self.history_bytes = 0;
        self.closed = self.pending.len();
    }

    /// The batch's events, in the order of the rooms' first events.
    pub fn take(&mut self) -> impl Iterator<Item = Arc<RoomEvents>> {
        let Self { counters, bounds, now_ms, room_for, history_bytes, max_history_bytes, .. } = self;
        let closed = std::mem::take(&mut self.closed);
        self.pending_bytes = 0;
        self.pending.drain(..).enumerate().map(move |(index, pending)| {
            *room_for =
                (room_after(room_for.0, pending.text.len()), room_after(room_for.1, pending.ends.len()));
            let events = Arc::new(pending.into_events());
            // What was before a reset belongs to no history any more.
            if index >= closed
                && let Some(counter) = counters.get_mut(&events.room)
            {
                counter.position.seq = events.last_seq();
                if events.count() > 0 {
                    let is_full = history_bytes > max_history_bytes;
                    let bounds = if is_full { HistoryBounds { bytes: 0, ..*bounds } } else { *bounds };
                    *history_bytes -= counter.history.bytes();
                    counter.history.push(events.clone(), *now_ms, &bounds);
                    *history_bytes += counter.history.bytes();
                }
            }
            events
        })
    }

    /// Forgets counters unused for an hour whose room `is_gone`, and events that are too old for who comes back.
    pub fn forget_unused(&mut self, now_ms: u64, mut is_gone: impl FnMut(&RoomId) -> bool) {
        self.counters.values_mut().for_each(|counter| counter.history.forget_old(now_ms, &self.bounds));
        let is_old = |counter: &Counter| now_ms.saturating_sub(counter.used_at_ms) >= FORGET_AFTER_MS;
        self.counters.retain(|room, counter| !is_old(counter) || !is_gone(room));
        // After many rooms the table is not kept for as many again.
        self.counters.shrink_to(2 * self.counters.len());
        self.count_histories();
    }

    fn count_histories(&mut self) {
        self.history_bytes = self.counters.values().map(|counter| counter.history.bytes()).sum();
    }

    /// Every room's place, with all its events taken.
    pub fn positions(&self) -> Vec<RoomPosition> {
        let place = |(room, counter): (&RoomId, &Counter)| RoomPosition {
            room: room.clone(),
            position: counter.position,
            used_at_ms: counter.used_at_ms,
            history: counter.history.kept(),
        };
        self.counters.iter().map(place).collect()
    }

    /// Goes on where a room's history was.
    pub fn restore(&mut self, place: RoomPosition) {
        let history = History::restore(place.history);
        self.history_bytes += history.bytes();
        let counter = Counter { position: place.position, used_at_ms: place.used_at_ms, history };
        self.counters.insert(place.room, counter);
    }

    /// What counters and histories take, about.
    pub fn memory_bytes(&self) -> usize {
        const USUAL_ID: usize = 8;
        hash_table::<(RoomId, Counter)>(self.counters.capacity())
            + self.counters.len() * shared_text(USUAL_ID)
            + self.history_bytes
    }

    /// How many rooms have a counter.
    pub fn counters(&self) -> usize {
        self.counters.len()
    }

    fn counter(&mut self, room: &RoomId) -> &mut Counter {
        let now_ms = self.now_ms;
        // Looked up twice, so that a room that is there costs no clone of its id.
        if !self.counters.contains_key(room) {
            let position = Position { epoch: self.random.next_u64(), seq: 0 };
            let history = History::default();
            self.counters.insert(room.clone(), Counter { position, used_at_ms: now_ms, history });
            if self.call.before_reset.is_none() {
                self.call.new_rooms.push(room.clone());
            }
        }
        let counter = self.counters.get_mut(room).expect("inserted above");
        counter.used_at_ms = now_ms;
        counter
    }

    fn pending(&mut self, room: &RoomId) -> &mut Pending {
        let open = self.pending[self.closed..].iter().position(|pending| pending.room == *room);
        let index = match open {
            Some(index) => self.closed + index,
            None => {
                let position = self.counter(room).position;
                self.pending.push(Pending {
                    room: room.clone(),
                    epoch: position.epoch,
                    first_seq: position.seq + 1,
                    next_seq: position.seq + 1,
                    text: Vec::with_capacity(self.room_for.0),
                    ends: Vec::with_capacity(self.room_for.1),
                    addressed: Vec::new(),
                    replacing: Vec::new(),
                    removals: Vec::new(),
                    before: Before::default(),
                });
                self.pending.len() - 1
            }
        };
        let pending = &mut self.pending[index];
        pending.note(self.call.number);
        pending
    }

    fn charge(&mut self, bytes: usize) -> Result<(), BadEvent> {
        const OVERHEAD: usize = 64;
        let call_bytes = self.call_bytes.saturating_add(bytes).saturating_add(OVERHEAD);
        if call_bytes > MAX_CALL_BYTES {
            return Err(BadEvent::TooMuch);
        }
        self.pending_bytes += call_bytes - self.call_bytes;
        self.call_bytes = call_bytes;
        Ok(())
    }

    fn append(&mut self, room: &RoomId, options: EventOptions, write: impl FnOnce(&mut Vec<u8>, u64)) {
        let pending = self.pending(room);
        if !pending.ends.is_empty() {
            pending.text.push(b',');
        }
        let seq = pending.next_seq;
        write(&mut pending.text, seq);
        // Whoever runs calls takes the events when it is full. Escapes make a byte six at most, so this is far below 4 GiB.
        let end = u32::try_from(pending.text.len()).expect("a batch's events stay below 4 GiB");
        let index = pending.ends.len() as u32;
        pending.addressed.extend(options.audience.map(|audience| (index, audience)));
        pending.replacing.extend(options.replace.map(|key| (index, key)));
        pending.ends.push(end);
        pending.next_seq += 1;
    }
}

impl Pending {
    /// Remembers what is here, if the call has added nothing yet.
    fn note(&mut self, call: u64) {
        if self.before.call != call {
            self.before = Before {
                call,
                text: self.text.len(),
                events: self.ends.len(),
                addressed: self.addressed.len(),
                replacing: self.replacing.len(),
                removals: self.removals.len(),
            };
        }
    }

    fn undo(&mut self) {
        self.text.truncate(self.before.text);
        self.ends.truncate(self.before.events);
        self.addressed.truncate(self.before.addressed);
        self.replacing.truncate(self.before.replacing);
        self.removals.truncate(self.before.removals);
        self.next_seq = self.first_seq + self.before.events as u64;
    }

    /// They may be kept for a while: what they take is what they need.
    fn into_events(mut self) -> RoomEvents {
        if self.text.capacity() > self.text.len() * 3 / 2 {
            self.text.shrink_to_fit();
        }
        if self.ends.capacity() > self.ends.len() * 3 / 2 {
            self.ends.shrink_to_fit();
        }
        RoomEvents {
            room: self.room,
            epoch: self.epoch,
            first_seq: self.first_seq,
            text: Bytes::from(self.text),
            ends: self.ends,
            addressed: self.addressed,
            replacing: self.replacing,
            removals: self.removals,
        }
    }
}

/// Room for the next run after one of this length: a little more than the longest of the last ones.
fn room_after(room: usize, len: usize) -> usize {
    (len + len / 8).max(room - room / 8)
}

impl EventOptions {
    fn bytes(&self) -> usize {
        self.audience.as_ref().map_or(0, Audience::bytes) + self.replace.as_ref().map_or(0, SmolStr::len)
    }
}

#[cfg(test)]
mod tests;
