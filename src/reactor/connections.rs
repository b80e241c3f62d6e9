//! A shard's connections: who is there, what they have to send, and when each is to be looked at.
//!
//! Nothing here removes a connection. One that breaks is marked as [`Stage::Over`] and put on a list; the shard removes those
//! between two steps, when nobody is in the middle of anything.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::{Index, IndexMut};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use mio::{Interest, Registry, Token};
use slab::Slab;

use super::ShardLimits;
use super::admission::Entry;
use super::buffers::{BufferBudget, Buffers};
use super::clock::Clock;
use super::connection::{Carried, Connection, Place, Stage, WriteOutcome};
use super::messages::Handover;
use super::wheel::Wheel;
use crate::metrics::{ConnectionKind, ShardMetrics};
use crate::room::CaughtUp;
use crate::session::outbox::Kind;
use crate::session::pages::PageSet;
use crate::session::{Moment, Now, Port, Session, Settings};
use crate::state::{ConnectionKey, ShardId};
use crate::tls::Channel;
use crate::wire::ws::deflate::{Deflater, SharedFrame};

/// The connections, by their indexes.
pub(super) struct Connections {
    slab: Slab<Connection>,
    shard: ShardId,
    registry: Registry,
    metrics: Rc<ShardMetrics>,
    limits: ShardLimits,
    wheel: Wheel,
    generations: u32,
    dirty: Vec<usize>,
    /// Whom to read from although no event says so, each once.
    again: VecDeque<ConnectionKey>,
    /// Members whose outbox went over its hard bound.
    pub(super) slow: Vec<ConnectionKey>,
    /// Members that are behind, and have read what was on its way.
    pub(super) caught_up: Vec<ConnectionKey>,
    over: Vec<ConnectionKey>,
    buffers: Buffers,
    pub(super) bytes_in: u64,
    bytes_out: u64,
    pub(super) deflater: Deflater,
}

/// What a connection that is looked at wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing; it was early.
    Nothing,
    /// Its session's deadline has passed.
    Session,
    /// A member has left its outbox unread for too long.
    Slow,
    /// It has had its time.
    End,
}

impl Connections {
    pub(super) fn new(
        shard: ShardId,
        registry: Registry,
        metrics: Rc<ShardMetrics>,
        limits: ShardLimits,
        deflater: Deflater,
        now_ms: u64,
    ) -> Self {
        Self {
            slab: Slab::new(),
            shard,
            registry,
            metrics,
            limits,
            wheel: Wheel::new(now_ms),
            generations: 0,
            dirty: Vec::new(),
            again: VecDeque::new(),
            slow: Vec::new(),
            caught_up: Vec::new(),
            over: Vec::new(),
            buffers: Buffers::default(),
            bytes_in: 0,
            bytes_out: 0,
            deflater,
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// One more than the highest index that was ever taken.
    pub(super) fn capacity(&self) -> usize {
        self.slab.capacity()
    }

    /// The connection at an index.
    pub(super) fn get(&self, index: usize) -> Option<&Connection> {
        self.slab.get(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnectionKey, &Connection)> {
        self.slab.iter().map(|(index, connection)| (self.key(index), connection))
    }

    /// The name of the connection at an index.
    pub(super) fn key(&self, index: usize) -> ConnectionKey {
        let generation = self.slab[index].generation;
        ConnectionKey { shard: self.shard as u16, index: index as u32, generation }
    }

    /// The index of a connection, if it is still there.
    pub(super) fn find(&self, key: ConnectionKey) -> Option<usize> {
        let connection = self.slab.get(key.index as usize)?;
        let is_it = usize::from(key.shard) == self.shard && connection.generation == key.generation;
        is_it.then_some(key.index as usize)
    }

    /// The name of the connection that an event of the poll is about.
    pub(super) fn key_of(&self, token: Token) -> ConnectionKey {
        let (index, generation) = (token.0 as u32, (token.0 >> 32) as u32);
        ConnectionKey { shard: self.shard as u16, index, generation }
    }

    /// Takes a connection in. None if the poll cannot watch it, which closes it.
    pub(super) fn insert(&mut self, handover: Handover, settings: &Settings) -> Option<usize> {
        let Handover { mut stream, carried } = handover;
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let index = self.slab.vacant_key();
        let token = token_of(index, generation);
        if let Err(error) = self.registry.register(&mut stream, token, Interest::READABLE) {
            log::error!("cannot watch a connection; it is closed error={error}");
            return None;
        }
        self.metrics.connections.at(kind_of(&carried.session)).inc();
        self.slab.insert(Connection {
            stream,
            carried,
            generation,
            wheel_slot: Wheel::NOWHERE,
            wants_writable: false,
            is_dirty: false,
            is_unread: false,
            may_hold: false,
            is_again: false,
            waits_for_turn: false,
            has_left: false,
            awaits_proxy_header: false,
            place: Place::Outside,
        });
        // Even what is kept for all takes a place in the outbox.
        if self.slab[index].held_bytes(&PageSet::default()) > 0 {
            self.may_hold(index);
        }
        self.schedule(index, settings);
        Some(index)
    }

    /// Takes a connection out, to close it or to hand it over. The second value tells whether the poll has let go of it.
    pub(super) fn remove(&mut self, index: usize) -> (Handover, bool) {
        let Connection { mut stream, carried, .. } = self.slab.remove(index);
        self.metrics.connections.at(kind_of(&carried.session)).dec();
        let deregistered = self.registry.deregister(&mut stream);
        (Handover { stream, carried }, deregistered.is_ok())
    }

    /// The connection may hold bytes after what it has just received, or could not send.
    pub(super) fn may_hold(&mut self, index: usize) {
        let key = self.key(index);
        if !std::mem::replace(&mut self.slab[index].may_hold, true) {
            self.buffers.note(key);
        }
    }

    /// Adds up what the connections hold, if it is time. Returns those that must go to keep to the budget: the ones that hold most.
    pub(super) fn excess_holders(
        &mut self,
        budget: &BufferBudget,
        used_by_others: usize,
        pages: impl FnOnce() -> Arc<PageSet>,
    ) -> Vec<ConnectionKey> {
        if !self.buffers.is_due(budget, used_by_others) {
            return Vec::new();
        }
        let mut holders = self.count_holders(&pages());
        let held_bytes = holders.iter().map(|(bytes, _)| bytes).sum();
        self.metrics.buffered_bytes.set(held_bytes as i64);
        let mut excess = self.buffers.counted(held_bytes, budget, used_by_others);
        if excess == 0 {
            return Vec::new();
        }
        holders.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let is_needed = |(bytes, _): &(usize, ConnectionKey)| {
            let is_needed = excess > 0;
            excess = excess.saturating_sub(*bytes);
            is_needed
        };
        holders.into_iter().take_while(is_needed).map(|(_, key)| key).collect()
    }

    /// Who holds how much.
    fn count_holders(&mut self, pages: &PageSet) -> Vec<(usize, ConnectionKey)> {
        let mut holders = Vec::new();
        for key in self.buffers.take_holders() {
            let Some(index) = self.find(key) else { continue };
            let connection = &mut self.slab[index];
            let held_bytes = connection.held_bytes(pages);
            connection.may_hold = held_bytes > 0;
            if held_bytes > 0 {
                self.buffers.note(key);
                holders.push((held_bytes, key));
            }
        }
        holders
    }

    /// The connection is to be read from when those before it have been, and the round has time for it.
    pub(super) fn read_again(&mut self, index: usize) {
        let key = self.key(index);
        let connection = &mut self.slab[index];
        connection.is_unread = false;
        if !std::mem::replace(&mut connection.is_again, true) {
            self.again.push_back(key);
        }
    }

    /// Whether there are connections to be read from.
    pub(super) fn has_again(&self) -> bool {
        !self.again.is_empty()
    }

    /// How many there are.
    pub(super) fn again_len(&self) -> usize {
        self.again.len()
    }

    /// Whom to read from now.
    pub(super) fn next_again(&mut self) -> Option<ConnectionKey> {
        let key = self.again.pop_front()?;
        if let Some(index) = self.find(key) {
            self.slab[index].is_again = false;
        }
        Some(key)
    }

    /// Those that are over, to be removed. A connection that is gone already is among them at most as its key.
    pub(super) fn take_over(&mut self) -> Vec<ConnectionKey> {
        std::mem::take(&mut self.over)
    }

    /// The connection is broken, or has ended: it takes part in nothing any more, and is removed soon.
    pub(super) fn end(&mut self, index: usize) {
        let key = self.key(index);
        let carried = &mut self.slab[index].carried;
        if carried.stage != Stage::Over {
            carried.stage = Stage::Over;
            carried.parked = None;
            self.over.push(key);
        }
    }

    /// Enters the connection's deadline, unless it is looked at before that anyway.
    pub(super) fn schedule(&mut self, index: usize, settings: &Settings) {
        let connection = &mut self.slab[index];
        let deadline_ms = connection.deadline_ms(settings, &self.limits);
        if self.wheel.slot_of(deadline_ms) < connection.wheel_slot {
            connection.wheel_slot = self.wheel.enter(index as u32, deadline_ms);
        }
    }

    /// When a connection is to be looked at next.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.wheel.next_due_ms()
    }

    /// The next of those to be looked at now, in slots of the wheel.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<(u32, Vec<u32>)> {
        self.wheel.take_due(now_ms)
    }

    /// A connection's slot of the wheel has come: says what is due. Another one may have its index by now.
    pub(super) fn look_at(&mut self, index: usize, slot: u32, now: Now, settings: &Settings) -> Due {
        let now_ms = now.monotonic_ms;
        let is_it = self.slab.get(index).is_some_and(|connection| connection.wheel_slot == slot);
        if !is_it {
            return Due::Nothing;
        }
        let connection = &mut self.slab[index];
        connection.wheel_slot = Wheel::NOWHERE;
        if let Place::Member(seat) = &mut connection.place {
            seat.allowance.rest();
        }
        if connection.deadline_ms(settings, &self.limits) > now_ms {
            self.schedule(index, settings);
            return Due::Nothing;
        }
        let is_stalled = connection.stall_ms(&self.limits) <= now_ms;
        match connection.carried.stage {
            Stage::Open if is_stalled && connection.seat().is_some() => {
                // It gets as long again to read the close frame.
                connection.carried.progress = Moment::at(now_ms);
                Due::Slow
            }
            Stage::Lingering => Due::End,
            _ if is_stalled => Due::End,
            // Who reads slowly has as long as the outbox gives it, not as long as a pong takes.
            Stage::Open
                if !connection.carried.outbox.is_empty()
                    && connection.carried.session.ping_was_held_up(now, settings) =>
            {
                self.schedule(index, settings);
                Due::Nothing
            }
            // There is nobody yet who could be told why.
            _ if connection.awaits_proxy_header => Due::End,
            _ => Due::Session,
        }
    }

    /// Queues bytes for one connection, compressed if that is worth it; they go out at the end of the round.
    pub(super) fn queue(&mut self, index: usize, bytes: Bytes, kind: Kind, clock: &Clock) {
        let bytes = match self.slab[index].carried.deflate {
            Some(window) => self.deflater.frame(bytes, window),
            None => bytes,
        };
        self.queue_as_is(index, bytes, kind, clock);
    }

    /// As [`Connections::queue`], of bytes that are sent as they are.
    pub(super) fn queue_as_is(&mut self, index: usize, bytes: Bytes, kind: Kind, clock: &Clock) {
        let carried = &mut self.slab[index].carried;
        if matches!(carried.stage, Stage::Lingering | Stage::Over) {
            return;
        }
        if carried.outbox.is_empty() {
            carried.progress = Moment::at(clock.now.monotonic_ms);
        }
        self.buffers.moved(bytes.len());
        carried.outbox.push(bytes, kind);
        self.bound_outbox(index);
        self.mark_dirty(index);
    }

    /// Sends a frame of events in the form that this peer gets: now if it can be.
    pub(super) fn send_events(&mut self, index: usize, frame: &SharedFrame, first_seq: u64, clock: &Clock) {
        let window = self.slab[index].carried.deflate;
        let bytes = frame.for_window(window, &mut self.deflater);
        self.send_shared(index, (bytes, Kind::Events(first_seq)), clock);
    }

    /// Sends a frame of events, or a ping: now if it can be.
    pub(super) fn send_shared(&mut self, index: usize, frame: (&Bytes, Kind), clock: &Clock) {
        let connection = &mut self.slab[index];
        if connection.carried.stage == Stage::Over {
            return;
        }
        match connection.send_shared(frame, clock.now.monotonic_ms, &mut self.bytes_out) {
            WriteOutcome::Done => {}
            WriteOutcome::Broken => self.end(index),
            WriteOutcome::Full => {
                let is_watched = connection.wants_writable;
                self.buffers.moved(frame.0.len());
                self.may_hold(index);
                self.bound_outbox(index);
                // A socket that is watched tells when it has room: to try before that is a wasted call.
                if !is_watched {
                    self.mark_dirty(index);
                }
            }
        }
    }

    /// Holds a member's outbox to its bounds: over the soft one, queued events are dropped, and come again when what is before
    /// them has been read, or a snapshot in their place; over the hard one the member is closed.
    fn bound_outbox(&mut self, index: usize) {
        let key = self.key(index);
        let Connection { carried, place, .. } = &mut self.slab[index];
        let Place::Member(seat) = place else { return };
        if seat.standing.is_live()
            && carried.outbox.counted_bytes() > self.limits.outbox_soft_bytes
            && let Some(first_seq) = carried.outbox.drop_events()
        {
            seat.standing.lose_from(first_seq);
            self.metrics.snapshots_replaced.inc();
        }
        if carried.outbox.counted_bytes() > self.limits.outbox_hard_bytes {
            self.slow.push(key);
        }
    }

    /// Events are missing for a member: it gets no more of them before it has been brought up to date. Those up to
    /// `flushed_seq` have gone out.
    pub(super) fn fall_behind(&mut self, index: usize, flushed_seq: u64) {
        let Connection { carried, place, .. } = &mut self.slab[index];
        let Place::Member(seat) = place else { return };
        seat.standing.fall_behind(carried.outbox.drop_events(), flushed_seq);
        self.mark_dirty(index);
    }

    /// A member wants the room's state, whatever it has. Events up to `flushed_seq` have gone out.
    pub(super) fn resync(&mut self, index: usize, flushed_seq: u64) {
        let Connection { carried, place, .. } = &mut self.slab[index];
        let Place::Member(seat) = place else { return };
        seat.standing.want_state(carried.outbox.drop_events(), flushed_seq);
        self.mark_dirty(index);
    }

    /// What a member has missed is there, or a snapshot in its place. Events up to `flushed_seq` have gone out.
    pub(super) fn catch_up(
        &mut self,
        index: usize,
        CaughtUp { seq, frame, is_state }: CaughtUp,
        flushed_seq: u64,
        clock: &Clock,
    ) {
        let Some(seat) = self.slab[index].seat_mut() else { return };
        let is_of_use = seat.standing.catch_up(seq, is_state, flushed_seq);
        // It may have to ask again.
        self.mark_dirty(index);
        if let Some(frame) = frame.filter(|_| is_of_use) {
            let window = self.slab[index].carried.deflate;
            let bytes = frame.for_window(window, &mut self.deflater).clone();
            self.queue_as_is(index, bytes, Kind::State, clock);
        }
    }

    /// The connection has something to write, or to re-register.
    pub(super) fn mark_dirty(&mut self, index: usize) {
        let connection = &mut self.slab[index];
        if !connection.is_dirty {
            connection.is_dirty = true;
            self.dirty.push(index);
        }
    }

    /// Writes what waits, as far as the sockets take it.
    pub(super) fn flush_dirty(&mut self, clock: &Clock, settings: &Settings) {
        for index in std::mem::take(&mut self.dirty) {
            self.flush_one(index, clock, settings);
        }
    }

    /// Writes what one connection has in its outbox, as far as the socket takes it.
    pub(super) fn flush_one(&mut self, index: usize, clock: &Clock, settings: &Settings) {
        let Some(connection) = self.slab.get_mut(index) else { return };
        connection.is_dirty = false;
        if connection.carried.stage == Stage::Over {
            return;
        }
        match connection.flush(clock.now.monotonic_ms, &mut self.bytes_out) {
            WriteOutcome::Broken => return self.end(index),
            WriteOutcome::Done => self.outbox_empty(index, clock),
            WriteOutcome::Full => self.may_hold(index),
        }
        self.update_interest(index);
        self.schedule(index, settings);
    }

    /// Everything was sent: what waited for that goes on.
    fn outbox_empty(&mut self, index: usize, clock: &Clock) {
        let key = self.key(index);
        let connection = &mut self.slab[index];
        match connection.carried.stage {
            Stage::Finishing { peer_closed: true } => self.end(index),
            Stage::PeerClosed if !connection.carried.session.is_calling() => self.end(index),
            Stage::Finishing { peer_closed: false } => {
                connection.carried.progress = Moment::at(clock.now.monotonic_ms);
                if connection.stream.shutdown(std::net::Shutdown::Write).is_err() {
                    return self.end(index);
                }
                connection.carried.stage = Stage::Lingering;
                self.read_again(index);
            }
            _ => {
                let is_unread = connection.is_unread;
                if let Some(seat) = connection.seat_mut()
                    && seat.standing.has_read_all()
                {
                    self.caught_up.push(key);
                } else if is_unread {
                    self.read_again(index);
                }
            }
        }
    }

    fn update_interest(&mut self, index: usize) {
        let connection = &mut self.slab[index];
        let interest = connection.interest();
        if interest.is_writable() == connection.wants_writable {
            return;
        }
        connection.wants_writable = interest.is_writable();
        let token = token_of(index, connection.generation);
        if let Err(error) = self.registry.reregister(&mut connection.stream, token, interest) {
            log::error!("cannot watch a connection; it is closed error={error}");
            self.end(index);
        }
    }

    /// Ends the connection once everything is sent.
    pub(super) fn finish(&mut self, index: usize) {
        let carried = &mut self.slab[index].carried;
        carried.stage = match carried.stage {
            Stage::PeerClosed => Stage::Finishing { peer_closed: true },
            Stage::Open => Stage::Finishing { peer_closed: false },
            stage => stage,
        };
        carried.parked = None;
        self.mark_dirty(index);
    }

    /// The peer has broken TLS, or never spoken it: it is told so. A member is gone at once.
    pub(super) fn refuse(&mut self, index: usize) {
        if matches!(self.slab[index].place, Place::Outside) {
            return self.finish(index);
        }
        let now_ms = self.slab[index].carried.progress.ms();
        // Whether the peer hears it changes nothing.
        let _ = self.slab[index].flush(now_ms, &mut self.bytes_out);
        self.end(index);
    }

    /// The peer will send no more. An HTTP client may shut its half after the request and still read the answer; a WebSocket
    /// that ends without a close frame is over.
    pub(super) fn peer_closed(&mut self, index: usize) {
        let carried = &mut self.slab[index].carried;
        let has_unsent = !carried.is_sent();
        let is_http = matches!(carried.session, Session::Http(_));
        carried.stage = match carried.stage {
            Stage::Open if carried.session.is_calling() => Stage::PeerClosed,
            Stage::Open if is_http && has_unsent => Stage::Finishing { peer_closed: true },
            Stage::Finishing { .. } if has_unsent => Stage::Finishing { peer_closed: true },
            _ => {
                self.slab[index].say_end();
                return self.end(index);
            }
        };
    }

    /// What is queued cannot be delivered: a frame that has begun goes out, and what is queued next comes right behind it.
    pub(super) fn drop_unsent(&mut self, index: usize) {
        self.slab[index].carried.outbox.drop_unbegun();
    }

    /// Tells the metrics what the round has moved.
    pub(super) fn end_round(&mut self) {
        self.buffers.moved(self.bytes_in as usize);
        self.metrics.bytes_in.inc_by(std::mem::take(&mut self.bytes_in));
        self.metrics.bytes_out.inc_by(std::mem::take(&mut self.bytes_out));
        let deflated = self.deflater.take_done();
        if deflated.frames > 0 {
            self.metrics.compressed_frames.inc_by(deflated.frames);
            self.metrics.compression_bytes_before.inc_by(deflated.bytes_before);
            self.metrics.compression_bytes_after.inc_by(deflated.bytes_after);
        }
    }

    /// For those whose memory the round has grown.
    pub(super) fn has_over(&self) -> bool {
        !self.over.is_empty()
    }
}

impl Index<usize> for Connections {
    type Output = Connection;

    fn index(&self, index: usize) -> &Connection {
        &self.slab[index]
    }
}

impl IndexMut<usize> for Connections {
    fn index_mut(&mut self, index: usize) -> &mut Connection {
        &mut self.slab[index]
    }
}

impl Carried {
    /// Of a fresh connection.
    pub(super) fn new(
        peer: IpAddr,
        entry: Entry,
        (port, tls): (Port, Option<Box<Channel>>),
        clock: &Clock,
    ) -> Self {
        let session = match entry {
            Entry::Full | Entry::Proxied => Session::new(clock.now),
            Entry::Spare => Session::of_full_server(clock.now),
        };
        let session = if port == Port::Main { session } else { session.by(port) };
        Self {
            session,
            tls,
            outbox: Default::default(),
            parked: None,
            peer,
            entry,
            deflate: None,
            stage: Stage::Open,
            progress: Moment::at(clock.now.monotonic_ms),
        }
    }
}

/// The index in the low half, the generation in the high half: an event for a connection that is gone finds nobody.
fn token_of(index: usize, generation: u32) -> Token {
    Token((generation as usize) << 32 | index)
}

/// What a connection counts as in the metrics.
pub(super) fn kind_of(session: &Session) -> ConnectionKind {
    match session {
        Session::WebSocket(_) => ConnectionKind::WebSocket,
        Session::Http(_) => ConnectionKind::Http,
    }
}
