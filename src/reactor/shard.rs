//! The event loop.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use crossbeam_channel::Sender;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::Shared;
use super::admission::TurnedAway;
use super::connection::{Carried, Connection, ReadOutcome, Stage, WriteOutcome};
use super::effects::{ConnectionEffects, busy};
use super::mail::{Handover, Mail, PendingInput, Ticket};
use super::rooms::{Home, Rooms};
use super::wheel::Wheel;
use crate::mailbox::{Mailbox, Postbox};
use crate::metrics::{self, CloseCode, ConnectionKind, Refusal, ShardMetrics};
use crate::script::ScriptSet;
use crate::session::outbox::{Kind, Outbox};
use crate::session::{Context, Doors, Now, Route, Session};
use crate::state::{Batch, BatchTag, ConnectionKey, ShardId};
use crate::wire::http::http_date;
use crate::wire::ws::close_code;

/// One event loop and everything it owns.
pub struct Shard {
    pub(super) id: ShardId,
    pub(super) shared: Arc<Shared>,
    pub(super) scripts: Arc<ScriptSet>,
    pub(super) connections: Slab<Connection>,
    pub(super) rooms: Rooms,
    pub(super) peers: Vec<Peer>,
    pub(super) metrics: ShardMetrics,
    /// The round's time.
    pub(super) now: Now,
    pub(super) round_began: Instant,
    /// Bytes written in this round.
    pub(super) bytes_out: u64,
    /// Connections to look at again in the next round: they have bytes left that no event tells of.
    pub(super) again: Vec<ConnectionKey>,
    /// Members whose outbox went over its hard bound in this round.
    pub(super) slow: Vec<ConnectionKey>,
    /// Members whose snapshot the engine's queue had no place for.
    pub(super) snapshot_retries: Vec<ConnectionKey>,
    pub(super) next_ticket: Ticket,
    poll: Poll,
    listener: Option<TcpListener>,
    /// Set when connections wait to be accepted that no event will tell of.
    accept_again_ms: Option<u64>,
    mailbox: Mailbox<Mail>,
    ended: Sender<Ended>,
    wheel: Wheel,
    room_timers: BinaryHeap<Reverse<(u64, usize, u32)>>,
    touched_rooms: Vec<usize>,
    dirty: Vec<usize>,
    buffer: Vec<u8>,
    bytes_in: u64,
    generations: u32,
    doors: Rc<Arc<dyn Doors>>,
    date: Rc<str>,
    draining: Option<Draining>,
    stopped: bool,
}

/// Another shard, and the letters that its mailbox had no place for.
pub(super) struct Peer {
    postbox: Postbox<Mail>,
    backlog: VecDeque<Mail>,
}

/// Tells the main thread how far a shard has got with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every connection of this shard is closed, and its rooms are empty.
    Drained(ShardId),
}

struct Draining {
    began_ms: u64,
    spread_ms: u64,
    /// What is still to be closed, last first.
    queue: Vec<ConnectionKey>,
    total: usize,
    reported: bool,
}

const LISTENER: Token = Token(usize::MAX);
/// The token of a shard's waker.
pub const WAKER: Token = Token(usize::MAX - 1);
const EVENTS: usize = 1024;
/// A poll is not longer than this, so that a lost wake-up heals.
const LONGEST_WAIT_MS: u64 = 1000;
const ACCEPT_PAUSE_MS: u64 = 100;

impl Shard {
    /// A shard that is ready to run in its own thread.
    ///
    /// # Errors
    /// The listener cannot be registered.
    #[expect(clippy::too_many_arguments, reason = "the wiring happens once, in one place")]
    pub fn new(
        id: ShardId,
        shared: Arc<Shared>,
        poll: Poll,
        mut listener: TcpListener,
        mailbox: Mailbox<Mail>,
        peers: Vec<Postbox<Mail>>,
        scripts: Arc<ScriptSet>,
        metrics: ShardMetrics,
        ended: Sender<Ended>,
    ) -> io::Result<Self> {
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let now = now_since(shared.started);
        let peers = peers.into_iter().map(|postbox| Peer { postbox, backlog: VecDeque::new() }).collect();
        Ok(Self {
            id,
            scripts,
            connections: Slab::new(),
            rooms: Rooms::default(),
            peers,
            metrics,
            now,
            round_began: Instant::now(),
            bytes_out: 0,
            again: Vec::new(),
            slow: Vec::new(),
            snapshot_retries: Vec::new(),
            // Tickets are compared between shards only within one room, whose home alone makes them.
            next_ticket: 0,
            poll,
            listener: Some(listener),
            accept_again_ms: None,
            mailbox,
            ended,
            wheel: Wheel::new(now.monotonic_ms),
            room_timers: BinaryHeap::new(),
            touched_rooms: Vec::new(),
            dirty: Vec::new(),
            buffer: vec![0; 64 * 1024],
            bytes_in: 0,
            generations: 0,
            doors: Rc::new(shared.doors.clone()),
            date: http_date(now.unix_s).into(),
            draining: None,
            stopped: false,
            shared,
        })
    }

    /// Runs until a [`Mail::Stop`].
    ///
    /// # Errors
    /// The poll fails, which a kernel in order does not do.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while !self.stopped {
            match self.poll.poll(&mut events, Some(self.patience())) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.begin_round();
            self.read_mail();
            self.handle_events(&events);
            self.handle_again();
            self.run_timers();
            self.go_on_draining();
            self.settle_rooms();
            self.close_slow();
            self.flush_dirty();
            self.post_backlogs();
            self.end_round();
        }
        Ok(())
    }

    /// How long the poll may wait.
    fn patience(&self) -> Duration {
        if !self.again.is_empty() || !self.mailbox.is_empty() || !self.touched_rooms.is_empty() {
            return Duration::ZERO;
        }
        let now_ms = now_since(self.shared.started).monotonic_ms;
        let backlog_ms = self.peers.iter().any(|peer| !peer.backlog.is_empty()).then_some(now_ms + 1);
        let draining_ms = self.draining.as_ref().filter(|draining| !draining.reported).map(|_| now_ms + 10);
        let room_ms = self.room_timers.peek().map(|Reverse((due_ms, _, _))| *due_ms);
        let due_ms = [self.wheel.next_due_ms(), room_ms, self.accept_again_ms, backlog_ms, draining_ms]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(u64::MAX);
        Duration::from_millis(due_ms.saturating_sub(now_ms).min(LONGEST_WAIT_MS))
    }

    fn begin_round(&mut self) {
        self.round_began = Instant::now();
        let now = now_since(self.shared.started);
        if now.unix_s != self.now.unix_s {
            self.date = http_date(now.unix_s).into();
        }
        self.now = now;
    }

    fn end_round(&mut self) {
        self.metrics.bytes_in.inc_by(std::mem::take(&mut self.bytes_in));
        self.metrics.bytes_out.inc_by(std::mem::take(&mut self.bytes_out));
        self.metrics.rooms.set(self.rooms.len() as i64);
        self.metrics.round(self.round_began.elapsed());
    }

    fn read_mail(&mut self) {
        self.mailbox.answer();
        for _ in 0..self.shared.limits.mail_budget {
            let Some(letter) = self.mailbox.take() else { return };
            self.read_letter(letter);
        }
    }

    pub(super) fn read_letter(&mut self, letter: Mail) {
        match letter {
            Mail::Engine(delivery) => self.take_delivery(delivery),
            Mail::Adopt(handover) => self.adopt_to_join(*handover),
            Mail::AdoptMember(handover, membership) => {
                if let Some(index) = self.adopt(*handover) {
                    self.seat_adopted(index, &membership);
                    self.again.push(self.key(index));
                    if self.draining.is_some() {
                        self.with_session(index, |session, context| session.drain(context));
                    }
                }
            }
            Mail::Settled { room, ticket, identity, key } => {
                let room_index = self.rooms.find(&room);
                let home = room_index.and_then(|index| self.home(index));
                match home.and_then(|home| home.members.get_mut(&*identity.user_id)) {
                    Some(place) if place.ticket == ticket => place.key = Some(key),
                    _ => self.close(key, close_code::REPLACED, "the same user joined again"),
                }
            }
            Mail::Left { room, ticket, identity, shard } => self.member_left(&room, ticket, identity, shard),
            Mail::Inputs(room, inputs) => self.take_inputs(&room, inputs),
            Mail::Flush(room, flush) => {
                if let Some(room_index) = self.rooms.find(&room) {
                    self.fan_out(room_index, &flush);
                }
            }
            Mail::Lagging(key) => self.make_lag(key),
            Mail::Frame(key, frame) => self.frame_for_one(key, frame),
            Mail::Close(key, code, reason) => self.close(key, code, reason),
            Mail::Scripts(scripts) => self.scripts = scripts,
            Mail::Drain { spread_ms } => self.begin_draining(spread_ms),
            Mail::Stop => self.stopped = true,
        }
    }

    /// Posts a letter to another shard; if its mailbox is full the letter waits here.
    pub(super) fn post(&mut self, shard: ShardId, letter: Mail) {
        let peer = &mut self.peers[shard];
        if !peer.backlog.is_empty() {
            if peer.backlog.len() < self.shared.limits.backlog_letters {
                peer.backlog.push_back(letter);
            } else {
                log::error!("a letter between event loops is lost: the other one has stalled shard={shard}");
            }
        } else if let Err(letter) = peer.postbox.post(letter) {
            peer.backlog.push_back(letter);
        }
    }

    /// As [`Shard::post`]; a letter to this very shard is read at once.
    pub(super) fn post_or_read(&mut self, shard: ShardId, letter: Mail) {
        if shard == self.id { self.read_letter(letter) } else { self.post(shard, letter) }
    }

    fn post_backlogs(&mut self) {
        for peer in &mut self.peers {
            while let Some(letter) = peer.backlog.pop_front() {
                if let Err(letter) = peer.postbox.post(letter) {
                    peer.backlog.push_front(letter);
                    break;
                }
            }
        }
    }

    fn handle_events(&mut self, events: &Events) {
        for event in events {
            match event.token() {
                LISTENER => self.accept_again_ms = Some(self.now.monotonic_ms),
                WAKER => {}
                token => {
                    let key = self.key_of(token);
                    if event.is_readable() || event.is_read_closed() || event.is_error() {
                        self.read(key, event.is_read_closed() || event.is_error());
                    }
                    if event.is_writable()
                        && let Some(index) = self.find(key)
                    {
                        self.mark_dirty(index);
                    }
                }
            }
        }
        self.accept();
    }

    fn handle_again(&mut self) {
        for key in std::mem::take(&mut self.again) {
            self.read(key, true);
        }
    }

    fn accept(&mut self) {
        if self.accept_again_ms.is_none_or(|again_ms| again_ms > self.now.monotonic_ms) {
            return;
        }
        for _ in 0..self.shared.limits.accept_budget {
            let Some(listener) = &self.listener else { return self.accept_again_ms = None };
            match listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer.ip()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.accept_again_ms = None,
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    // Out of files or memory: connections wait in the kernel's queue meanwhile.
                    log::error!("cannot accept connections; trying again error={error:?}");
                    return self.accept_again_ms = Some(self.now.monotonic_ms + ACCEPT_PAUSE_MS);
                }
            }
        }
    }

    fn welcome(&mut self, stream: TcpStream, peer: IpAddr) {
        self.metrics.connections_accepted.inc();
        if let Err(turned_away) = self.shared.admission.enter(peer) {
            let refusal = match turned_away {
                TurnedAway::ServerFull => Refusal::ServerFull,
                TurnedAway::AddressFull => Refusal::AddressFull,
            };
            self.metrics.refusals.at(refusal).inc();
            return turn_away(stream);
        }
        // Frames are small and wait for nobody: Nagle's delay would add to every patch.
        if stream.set_nodelay(true).is_err() {
            return self.shared.admission.leave(peer);
        }
        let carried = Carried {
            session: Some(Session::new(self.now)),
            outbox: Outbox::default(),
            parked: None,
            peer,
            stage: Stage::Open,
            progress_ms: self.now.monotonic_ms,
        };
        self.insert(Handover { stream, carried });
    }

    fn adopt(&mut self, handover: Handover) -> Option<usize> {
        let index = self.insert(handover)?;
        self.mark_dirty(index);
        Some(index)
    }

    fn adopt_to_join(&mut self, handover: Handover) {
        let Some(index) = self.adopt(handover) else { return };
        let session = self.connections[index].carried.session.as_ref();
        let Some(Session::Http(http)) = session else { return };
        if let (Some(identity), Some(room)) = (http.identity().cloned(), http.joining().cloned()) {
            self.start_join(index, identity, &room);
        }
    }

    fn insert(&mut self, Handover { mut stream, carried }: Handover) -> Option<usize> {
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let index = self.connections.vacant_key();
        let token = token_of(index, generation);
        if let Err(error) = self.poll.registry().register(&mut stream, token, Interest::READABLE) {
            log::error!("cannot watch a connection; it is closed error={error}");
            self.shared.admission.leave(carried.peer);
            return None;
        }
        self.metrics.connections.at(kind_of(carried.session.as_ref())).inc();
        self.connections.insert(Connection {
            stream,
            carried,
            generation,
            wheel_slot: u64::MAX,
            wants_writable: false,
            dirty: false,
            unread: false,
            seat: None,
            wants_to_join: None,
        });
        self.schedule(index);
        Some(index)
    }

    /// Takes a connection out of this shard, to hand it over.
    pub(super) fn take_out(&mut self, index: usize) -> Option<Handover> {
        let mut connection = self.connections.try_remove(index)?;
        self.metrics.connections.at(kind_of(connection.carried.session.as_ref())).dec();
        if let Err(error) = self.poll.registry().deregister(&mut connection.stream) {
            log::error!("cannot hand a connection over; it is closed error={error}");
            self.shared.admission.leave(connection.carried.peer);
            return None;
        }
        Some(Handover { stream: connection.stream, carried: connection.carried })
    }

    /// Reads what a socket holds, within its budget. `to_the_end` when no further event will tell of what is left.
    fn read(&mut self, key: ConnectionKey, to_the_end: bool) {
        let Some(index) = self.find(key) else { return };
        let mut to_the_end = std::mem::take(&mut self.connections[index].unread) || to_the_end;
        let mut budget = self.shared.limits.read_budget_bytes;
        let mut buffer = std::mem::take(&mut self.buffer);
        while self.find(key).is_some() {
            if !self.receive_parked(index) {
                break;
            }
            let outbox_limit = self.shared.limits.outbox_hard_bytes;
            let Some(connection) = self.connections.get_mut(index) else { break };
            if connection.carried.stage == Stage::Open && !connection.wants_input(outbox_limit) {
                connection.unread = true;
                break;
            }
            if budget == 0 {
                self.again.push(key);
                break;
            }
            match connection.read(&mut buffer) {
                ReadOutcome::Bytes { count, drained } => {
                    budget = budget.saturating_sub(count);
                    self.bytes_in += count as u64;
                    self.receive(index, &mut buffer[..count]);
                    if drained && !to_the_end {
                        break;
                    }
                }
                ReadOutcome::Empty => break,
                ReadOutcome::End => {
                    self.peer_closed(index);
                    break;
                }
                ReadOutcome::Broken => {
                    self.drop_connection(key);
                    break;
                }
            }
            // A member may have moved on to another shard, which reads on.
            to_the_end &= self.find(key).is_some();
        }
        self.buffer = buffer;
    }

    /// Handles bytes that had to wait. Returns false while they have to wait longer.
    fn receive_parked(&mut self, index: usize) -> bool {
        let connection = &mut self.connections[index];
        let is_ready = connection.wants_input(self.shared.limits.outbox_hard_bytes);
        if connection.carried.parked.is_none() {
            return true;
        }
        if !is_ready {
            connection.unread = true;
            return false;
        }
        if let Some(mut parked) = connection.carried.parked.take() {
            let key = self.key(index);
            self.receive(index, &mut parked);
            return self.find(key).is_some_and(|index| self.connections[index].carried.parked.is_none());
        }
        true
    }

    fn receive(&mut self, index: usize, input: &mut [u8]) {
        if self.connections[index].carried.stage != Stage::Open {
            return;
        }
        let taken = self.with_session(index, |session, context| session.receive(input, context));
        let rest = &input[taken.unwrap_or(input.len())..];
        let connection = &mut self.connections[index];
        if !rest.is_empty() {
            connection.carried.parked = Some(rest.into());
            connection.unread = true;
        }
        if let Some(join) = connection.wants_to_join.take() {
            let (identity, room) = *join;
            self.start_join(index, identity, &room);
        }
    }

    /// The peer will send no more.
    fn peer_closed(&mut self, index: usize) {
        let key = self.key(index);
        let connection = &mut self.connections[index];
        let is_waiting =
            matches!(&connection.carried.session, Some(Session::Http(http)) if http.is_calling());
        match connection.carried.stage {
            // It may still read the answer (a client that shuts its half after the request).
            Stage::Open if is_waiting => connection.carried.stage = Stage::PeerClosed,
            Stage::Open | Stage::Finishing { .. } if !connection.carried.outbox.is_empty() => {
                self.leave(index);
                self.connections[index].carried.stage = Stage::Finishing { peer_closed: true };
                self.mark_dirty(index);
            }
            _ => self.drop_connection(key),
        }
    }

    /// Calls a connection's session. The connection stays where it is meanwhile.
    pub(super) fn with_session<R>(
        &mut self,
        index: usize,
        call: impl FnOnce(&mut Session, &mut Context<'_, ConnectionEffects<'_>>) -> R,
    ) -> Option<R> {
        let connection = self.connections.get_mut(index)?;
        let mut session = connection.carried.session.take()?;
        let kind_before = kind_of(Some(&session));
        let peer = connection.carried.peer;
        let doors = self.doors.clone();
        let date = self.date.clone();
        let mut context = Context {
            now: self.now,
            date: &date,
            peer,
            doors: &**doors,
            effects: ConnectionEffects { shard: self, index },
        };
        let result = call(&mut session, &mut context);
        let kind_after = kind_of(Some(&session));
        if kind_before != kind_after {
            self.metrics.connections.at(kind_before).dec();
            self.metrics.connections.at(kind_after).inc();
        }
        self.connections[index].carried.session = Some(session);
        self.schedule(index);
        Some(result)
    }

    /// Queues bytes for a connection; they go out at the end of the round.
    pub(super) fn queue(&mut self, index: usize, bytes: Bytes, kind: Kind) {
        let connection = &mut self.connections[index];
        if matches!(connection.carried.stage, Stage::Lingering { .. }) {
            return;
        }
        if connection.carried.outbox.is_empty() {
            connection.carried.progress_ms = self.now.monotonic_ms;
        }
        connection.carried.outbox.push(bytes, kind);
        self.bound_outbox(index);
        self.mark_dirty(index);
    }

    pub(super) fn mark_dirty(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(index);
        }
    }

    fn flush_dirty(&mut self) {
        for index in std::mem::take(&mut self.dirty) {
            let Some(connection) = self.connections.get_mut(index) else { continue };
            connection.dirty = false;
            match connection.flush(self.now.monotonic_ms, &mut self.bytes_out) {
                WriteOutcome::Broken => {
                    let key = self.key(index);
                    self.drop_connection(key);
                    continue;
                }
                WriteOutcome::Done => self.outbox_empty(index),
                WriteOutcome::Full => {}
            }
            if self.connections.contains(index) {
                self.update_interest(index);
                self.schedule(index);
            }
        }
    }

    /// Everything was sent: what waited for that goes on.
    fn outbox_empty(&mut self, index: usize) {
        let key = self.key(index);
        let connection = &mut self.connections[index];
        match connection.carried.stage {
            Stage::Finishing { peer_closed: true } | Stage::PeerClosed if !matches!(&connection.carried.session, Some(Session::Http(http)) if http.is_calling()) =>
            {
                self.drop_connection(key);
            }
            Stage::Finishing { peer_closed: false } => {
                let until_ms = self.now.monotonic_ms + self.shared.limits.linger_ms;
                if connection.stream.shutdown(Shutdown::Write).is_err() {
                    return self.drop_connection(key);
                }
                connection.carried.stage = Stage::Lingering { until_ms };
                self.again.push(key);
            }
            _ => {
                if connection.seat.as_ref().is_some_and(|seat| seat.lagging) {
                    self.request_snapshot(index);
                } else if connection.unread {
                    self.again.push(key);
                }
            }
        }
    }

    fn update_interest(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let interest = connection.interest();
        if interest.is_writable() == connection.wants_writable {
            return;
        }
        connection.wants_writable = interest.is_writable();
        let token = token_of(index, connection.generation);
        if let Err(error) = self.poll.registry().reregister(&mut connection.stream, token, interest) {
            log::error!("cannot watch a connection; it is closed error={error}");
            let key = self.key(index);
            self.drop_connection(key);
        }
    }

    pub(super) fn finish(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        connection.carried.stage = match connection.carried.stage {
            Stage::PeerClosed => Stage::Finishing { peer_closed: true },
            Stage::Open => Stage::Finishing { peer_closed: false },
            stage => stage,
        };
        connection.carried.parked = None;
        self.mark_dirty(index);
    }

    /// Begins to close a member's connection from our side.
    pub(super) fn close(&mut self, key: ConnectionKey, code: u16, reason: &'static str) {
        if usize::from(key.shard) != self.id {
            return self.post(usize::from(key.shard), Mail::Close(key, code, reason));
        }
        let Some(index) = self.find(key) else { return };
        self.with_session(index, |session, context| {
            if let Session::WebSocket(websocket) = session {
                websocket.close(code, reason, context);
            }
        });
    }

    /// Ends a connection at once.
    pub(super) fn drop_connection(&mut self, key: ConnectionKey) {
        let Some(index) = self.find(key) else { return };
        if self.connections[index].seat.is_some() {
            self.metrics.closes.at(CloseCode(ABNORMAL)).inc();
            self.leave(index);
        }
        let mut connection = self.connections.remove(index);
        // Closing the socket takes it out of the poll; a failure here changes nothing.
        let _ = self.poll.registry().deregister(&mut connection.stream);
        self.metrics.connections.at(kind_of(connection.carried.session.as_ref())).dec();
        self.shared.admission.leave(connection.carried.peer);
    }

    pub(super) fn schedule(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let deadline_ms = connection.deadline_ms(self.doors.settings(), self.shared.limits.stall_timeout_ms);
        if self.wheel.slot_of(deadline_ms) < connection.wheel_slot {
            let key = ConnectionKey {
                shard: self.id as u16,
                index: index as u32,
                generation: connection.generation,
            };
            connection.wheel_slot = self.wheel.enter(key, deadline_ms);
        }
    }

    fn run_timers(&mut self) {
        while let Some((slot, keys)) = self.wheel.take_due(self.now.monotonic_ms) {
            for key in keys {
                self.look_at(key, slot);
            }
        }
        while let Some(&Reverse((due_ms, room_index, generation))) = self.room_timers.peek() {
            if due_ms > self.now.monotonic_ms {
                break;
            }
            self.room_timers.pop();
            self.tick(room_index, generation);
        }
        for key in std::mem::take(&mut self.snapshot_retries) {
            if let Some(index) = self.find(key) {
                self.request_snapshot(index);
            }
        }
    }

    fn look_at(&mut self, key: ConnectionKey, slot: u64) {
        let Some(index) = self.find(key) else { return };
        let stall_timeout_ms = self.shared.limits.stall_timeout_ms;
        let connection = &mut self.connections[index];
        if connection.wheel_slot != slot {
            return;
        }
        connection.wheel_slot = u64::MAX;
        if connection.deadline_ms(self.doors.settings(), stall_timeout_ms) > self.now.monotonic_ms {
            return self.schedule(index);
        }
        let carried = &connection.carried;
        let is_stalled =
            !carried.outbox.is_empty() && carried.progress_ms + stall_timeout_ms <= self.now.monotonic_ms;
        if is_stalled && connection.seat.is_some() && carried.stage == Stage::Open {
            // It gets as long again to read the close frame.
            connection.carried.progress_ms = self.now.monotonic_ms;
            self.close_slow_consumer(key);
        } else if is_stalled || matches!(carried.stage, Stage::Lingering { .. }) {
            self.drop_connection(key);
        } else {
            self.with_session(index, |session, context| session.deadline_passed(context));
        }
        if self.find(key).is_some() {
            self.schedule(index);
        }
    }

    /// Puts a room on the list of those to settle at the end of the round.
    pub(super) fn touch(&mut self, room_index: usize) {
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        if !room.touched {
            room.touched = true;
            self.touched_rooms.push(room_index);
        }
    }

    pub(super) fn home(&mut self, room_index: usize) -> Option<&mut Home> {
        self.rooms.get_mut(room_index)?.home.as_deref_mut()
    }

    fn settle_rooms(&mut self) {
        for room_index in std::mem::take(&mut self.touched_rooms) {
            let Some(room) = self.rooms.get_mut(room_index) else { continue };
            room.touched = false;
            if room.home.is_none() {
                self.send_inputs_home(room_index);
            } else {
                self.settle(room_index);
            }
            self.rooms.remove_if_over(room_index);
        }
    }

    /// Submits and flushes what the room's rhythm lets through now.
    fn settle(&mut self, room_index: usize) {
        let now_ms = self.now.monotonic_ms;
        let Some(home) = self.home(room_index) else { return };
        if !home.rhythm.is_open(now_ms) {
            return;
        }
        let has_gathered = !home.gathered.is_empty();
        let submitted = self.submit_pending(room_index);
        // What was gathered goes out with the events of the batch, unless there is none.
        if has_gathered && !submitted {
            self.flush_room(room_index);
        }
        if has_gathered
            || submitted
            || self.rooms.get_mut(room_index).is_some_and(|room| !room.pending.is_empty())
        {
            self.arm(room_index);
        }
    }

    /// A room's tick is due.
    fn tick(&mut self, room_index: usize, generation: u32) {
        let now_ms = self.now.monotonic_ms;
        let Some(room) = self.rooms.of_generation(room_index, generation) else { return };
        let is_idle = room.pending.is_empty();
        let Some(home) = &mut room.home else { return };
        if is_idle && home.gathered.is_empty() && home.rhythm.rest(now_ms) {
            return;
        }
        self.settle(room_index);
        self.rooms.remove_if_over(room_index);
    }

    fn arm(&mut self, room_index: usize) {
        let now_ms = self.now.monotonic_ms;
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        let generation = room.generation;
        if let Some(next_ms) = room.home.as_mut().and_then(|home| home.rhythm.went_out(now_ms)) {
            self.room_timers.push(Reverse((next_ms, room_index, generation)));
        }
    }

    /// Submits the room's inputs as one batch. Returns whether a batch is with the engine now because of it.
    pub(super) fn submit_pending(&mut self, room_index: usize) -> bool {
        let origin = self.id;
        let Some(room) = self.rooms.get_mut(room_index) else { return false };
        let Some(home) = &mut room.home else { return false };
        if room.pending.is_empty() || (home.in_flight && home.joining.is_empty()) {
            return false;
        }
        let received_at = room.pending[0].received_at;
        let (calls, replies): (Vec<_>, Vec<_>) =
            room.pending.drain(..).map(|input| (input.call, input.reply_to)).unzip();
        room.pending.shrink_to(0);
        let batch = Batch {
            room: Some(room.id.clone()),
            calls,
            stop_on_error: false,
            received_at,
            origin,
            tag: BatchTag::Inputs(replies),
        };
        match self.shared.engine.submit(batch) {
            Ok(()) => {
                home.in_flight = true;
                true
            }
            Err(batch) => {
                room.pending = inputs_of(*batch);
                false
            }
        }
    }

    fn send_inputs_home(&mut self, room_index: usize) {
        let shards = self.peers.len();
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        if room.pending.is_empty() {
            return;
        }
        let letter = Mail::Inputs(room.id.clone(), std::mem::take(&mut room.pending));
        let home = super::home_shard(&room.id, shards);
        self.post(home, letter);
    }

    /// At the home shard: inputs of members whose sockets are elsewhere.
    fn take_inputs(&mut self, room: &crate::wire::ids::RoomId, inputs: Vec<PendingInput>) {
        let bound = self.shared.limits.room_pending_inputs;
        let room_index = self.rooms.find_or_create(room);
        for input in inputs {
            let Some(room) = self.rooms.get_mut(room_index) else { return };
            if room.pending.len() < bound {
                room.pending.push(input);
            } else {
                self.refuse_input(&input);
            }
        }
        self.touch(room_index);
    }

    fn refuse_input(&mut self, input: &PendingInput) {
        self.metrics.inputs.at(metrics::InputOutcome::Busy).inc();
        let refused = busy();
        let text = crate::wire::message::error(input.reply_to.id, &refused.code, &refused.message, None);
        let key = input.reply_to.connection;
        self.post_or_read(usize::from(key.shard), Mail::Frame(key, crate::wire::ws::text_frame(&text)));
    }

    fn make_lag(&mut self, key: ConnectionKey) {
        let Some(index) = self.find(key) else { return };
        let connection = &mut self.connections[index];
        if let Some(seat) = &mut connection.seat {
            seat.lagging = true;
            connection.carried.outbox.drop_replaceable();
            self.mark_dirty(index);
        }
    }

    fn begin_draining(&mut self, spread_ms: u64) {
        // Dropping the listener closes it: the kernel refuses what comes after.
        self.listener = None;
        let keys = |wanted: ConnectionKind| {
            let matching = move |(_, connection): &(usize, &Connection)| {
                kind_of(connection.carried.session.as_ref()) == wanted
            };
            self.connections.iter().filter(matching).map(|(index, _)| self.key(index))
        };
        // Sockets first: an HTTP connection may belong to a probe that asks whether we are ready.
        let queue: Vec<_> = keys(ConnectionKind::Http).chain(keys(ConnectionKind::WebSocket)).collect();
        let total = queue.len();
        self.draining =
            Some(Draining { began_ms: self.now.monotonic_ms, spread_ms, queue, total, reported: false });
    }

    fn go_on_draining(&mut self) {
        let Some(draining) = &mut self.draining else { return };
        let passed_ms = self.now.monotonic_ms - draining.began_ms;
        let due = if passed_ms >= draining.spread_ms {
            draining.total
        } else {
            draining.total * passed_ms as usize / draining.spread_ms as usize
        };
        let keep = draining.total - due;
        let now_due = draining.queue.split_off(keep.min(draining.queue.len()));
        for key in now_due.into_iter().rev() {
            if let Some(index) = self.find(key) {
                self.with_session(index, |session, context| session.drain(context));
            }
        }
        let is_over = self.connections.is_empty() && self.rooms.len() == 0;
        if let Some(draining) = &mut self.draining
            && is_over
            && !draining.reported
        {
            draining.reported = true;
            // The main thread may have given up waiting.
            let _ = self.ended.send(Ended::Drained(self.id));
        }
    }

    /// Whether the server is stopping.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    pub(super) fn count_request(&mut self, route: Route, status: u16) {
        let route = match route {
            Route::GuestLogin => metrics::Route::GuestLogin,
            Route::Rpc => metrics::Route::Rpc,
            Route::WebSocket => metrics::Route::WebSocket,
            Route::Echo => metrics::Route::Echo,
            Route::Health => metrics::Route::Health,
            Route::Ready => metrics::Route::Ready,
            Route::Metrics => metrics::Route::Metrics,
            Route::Page => metrics::Route::Page,
            Route::Unknown => metrics::Route::Other,
        };
        self.metrics.requests.at(metrics::Request { route, status }).inc();
    }

    /// The name of the connection at an index.
    pub(super) fn key(&self, index: usize) -> ConnectionKey {
        let generation = self.connections[index].generation;
        ConnectionKey { shard: self.id as u16, index: index as u32, generation }
    }

    /// The index of a connection, if it is still there.
    pub(super) fn find(&self, key: ConnectionKey) -> Option<usize> {
        let connection = self.connections.get(key.index as usize)?;
        (usize::from(key.shard) == self.id && connection.generation == key.generation)
            .then_some(key.index as usize)
    }

    fn key_of(&self, token: Token) -> ConnectionKey {
        ConnectionKey { shard: self.id as u16, index: token.0 as u32, generation: (token.0 >> 32) as u32 }
    }
}

/// How metrics count an end without a close frame (RFC 6455, section 7.4.1).
const ABNORMAL: u16 = 1006;

/// The index in the low half, the generation in the high half: an event for a connection that is gone finds nobody.
fn token_of(index: usize, generation: u32) -> Token {
    Token((generation as usize) << 32 | index)
}

fn kind_of(session: Option<&Session>) -> ConnectionKind {
    match session {
        Some(Session::WebSocket(_)) => ConnectionKind::WebSocket,
        _ => ConnectionKind::Http,
    }
}

fn now_since(started: Instant) -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { monotonic_ms: started.elapsed().as_millis() as u64, unix_s: unix.as_secs() }
}

fn inputs_of(batch: Batch) -> Vec<PendingInput> {
    let BatchTag::Inputs(replies) = batch.tag else { return Vec::new() };
    let received_at = batch.received_at;
    let inputs = batch.calls.into_iter().zip(replies);
    inputs.map(|(call, reply_to)| PendingInput { call, reply_to, received_at }).collect()
}

/// Whether an error of `accept` concerns one connection only (accept(2)).
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::TimedOut
    )
}

/// Tells a peer that there is no place for it. Best effort: it has not been counted, and is not waited for.
fn turn_away(mut stream: TcpStream) {
    const FULL: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 74\r\n\
        Retry-After: 5\r\nConnection: close\r\n\r\n\
        {\"error\":{\"code\":\"unavailable\",\"message\":\"the server is full; try later\"}}";
    let _ = stream.write(FULL);
    let _ = stream.shutdown(Shutdown::Write);
    let mut request = [0; 4096];
    let _ = stream.read(&mut request);
}
