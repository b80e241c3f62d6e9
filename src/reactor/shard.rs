//! The event loop.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::Sender;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::Shared;
use super::connection::{Connection, Stage};
use super::draining::Draining;
use super::guests::Guests;
use super::letters::Peer;
use super::mail::{Mail, Ticket};
use super::pace::Pace;
use super::purposes::{GuestTask, Purpose, Purposes};
use super::rooms::Rooms;
use super::upgrades::Upgrades;
use super::wheel::Wheel;
use crate::mailbox::{Mailbox, Postbox};
use crate::metrics::{ConnectionKind, ShardMetrics};
use crate::script::ScriptSet;
use crate::session::{Actions, Moment, Now, Session};
use crate::state::{Batch, ConnectionKey, Rejection, ShardId};
use crate::wire::http::http_date;

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
    pub(super) pace: Pace,
    /// Bytes written in this round.
    pub(super) bytes_out: u64,
    /// Connections to look at again in the next round: they have bytes left that no event tells of.
    pub(super) again: Vec<ConnectionKey>,
    /// Members whose outbox went over its hard bound in this round.
    pub(super) slow: Vec<ConnectionKey>,
    /// Who wants to join in this round, each with its room's index here at its home.
    pub(super) arrivals: Vec<(usize, ConnectionKey)>,
    /// Members who want a snapshot in this round.
    pub(super) snapshots: Vec<ConnectionKey>,
    /// Members whose snapshot the engine's queue had no place for.
    pub(super) snapshot_retries: Vec<ConnectionKey>,
    pub(super) next_ticket: Ticket,
    pub(super) guests: Guests,
    pub(super) upgrades: Upgrades,
    pub(super) purposes: Purposes,
    pub(super) poll: Poll,
    pub(super) listener: Option<TcpListener>,
    /// Set when connections wait to be accepted that no event will tell of.
    pub(super) accept_again_ms: Option<u64>,
    pub(super) mailbox: Mailbox<Mail>,
    pub(super) ended: Sender<Ended>,
    pub(super) wheel: Wheel,
    pub(super) room_timers: BinaryHeap<Reverse<(u64, usize, u32)>>,
    pub(super) touched_rooms: Vec<usize>,
    pub(super) dirty: Vec<usize>,
    pub(super) buffer: Vec<u8>,
    pub(super) bytes_in: u64,
    pub(super) generations: u32,
    pub(super) date: String,
    /// What a session wants done goes here: the list's memory is used again and again.
    pub(super) actions: Actions,
    pub(super) draining: Option<Draining>,
    pub(super) stopped: bool,
}

/// Tells the main thread how far a shard has got with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every connection of this shard is closed, and its rooms are empty.
    Drained(ShardId),
}

pub(super) const LISTENER: Token = Token(usize::MAX);
/// The token of a shard's waker.
pub const WAKER: Token = Token(usize::MAX - 1);
const EVENTS: usize = 1024;
/// A poll is not longer than this, so that a lost wake-up heals.
const LONGEST_WAIT_MS: u64 = 1000;

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
        let peers = peers.into_iter().map(Peer::new).collect();
        Ok(Self {
            id,
            scripts,
            connections: Slab::new(),
            rooms: Rooms::default(),
            peers,
            metrics,
            now,
            round_began: Instant::now(),
            pace: Pace::new(Duration::from_millis(shared.limits.sync_interval_ms), Instant::now()),
            bytes_out: 0,
            again: Vec::new(),
            slow: Vec::new(),
            arrivals: Vec::new(),
            snapshots: Vec::new(),
            snapshot_retries: Vec::new(),
            // Tickets are compared between shards only within one room, whose home alone makes them.
            next_ticket: 0,
            guests: Guests::new(id, shared.limits.guest_ttl, shared.engine.stores(), now.monotonic_ms),
            upgrades: Upgrades::default(),
            purposes: Purposes::default(),
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
            date: http_date(now.unix_s),
            actions: Actions::default(),
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
            self.rest();
            match self.poll.poll(&mut events, Some(self.patience())) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.begin_round();
            self.read_mail();
            self.handle_events(&events);
            self.handle_again();
            self.run_timers();
            self.look_after_guests();
            self.go_on_upgrading();
            self.go_on_draining();
            self.submit_arrivals();
            self.settle_rooms();
            self.close_slow();
            self.flush_dirty();
            self.request_snapshots();
            self.post_backlogs();
            self.end_round();
        }
        Ok(())
    }

    /// Sleeps between two rounds of a busy time, unless bytes wait that were read only in part.
    fn rest(&self) {
        if self.again.is_empty()
            && let Some(rest) = self.pace.rest(self.round_began, Instant::now())
        {
            std::thread::sleep(rest);
        }
    }

    /// How long the poll may wait.
    fn patience(&self) -> Duration {
        let has_work = !self.again.is_empty() || !self.touched_rooms.is_empty() || !self.arrivals.is_empty();
        if has_work || !self.mailbox.is_empty() {
            return Duration::ZERO;
        }
        let now_ms = now_since(self.shared.started).monotonic_ms;
        let backlog_ms = self.peers.iter().any(|peer| peer.has_backlog()).then_some(now_ms + 1);
        let draining_ms =
            self.draining.as_ref().filter(|draining| !draining.is_reported()).map(|_| now_ms + 10);
        let room_ms = self.room_timers.peek().map(|Reverse((due_ms, _, _))| *due_ms);
        let due_ms = [
            self.wheel.next_due_ms(),
            room_ms,
            self.accept_again_ms,
            backlog_ms,
            draining_ms,
            Some(self.guests.due_ms()),
            self.upgrades.due_ms(),
        ];
        let due_ms = due_ms.into_iter().flatten().min().unwrap_or(u64::MAX);
        Duration::from_millis(due_ms.saturating_sub(now_ms).min(LONGEST_WAIT_MS))
    }

    fn begin_round(&mut self) {
        self.round_began = Instant::now();
        let now = now_since(self.shared.started);
        if now.unix_s != self.now.unix_s {
            self.date = http_date(now.unix_s);
        }
        self.now = now;
    }

    fn end_round(&mut self) {
        self.metrics.bytes_in.inc_by(std::mem::take(&mut self.bytes_in));
        self.metrics.bytes_out.inc_by(std::mem::take(&mut self.bytes_out));
        self.metrics.rooms.set(self.rooms.len() as i64);
        self.metrics.round(self.round_began.elapsed());
    }

    fn handle_events(&mut self, events: &Events) {
        self.pace.count(self.round_began, events.iter().count());
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

    pub(super) fn schedule(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let deadline_ms = connection.deadline_ms(self.shared.services.settings(), &self.shared.limits);
        if self.wheel.slot_of(deadline_ms) < connection.wheel_slot {
            connection.wheel_slot = self.wheel.enter(index as u32, deadline_ms);
        }
    }

    fn run_timers(&mut self) {
        while let Some((slot, indexes)) = self.wheel.take_due(self.now.monotonic_ms) {
            for index in indexes {
                self.look_at(index as usize, slot);
            }
        }
        while let Some(&Reverse((due_ms, room_index, generation))) = self.room_timers.peek() {
            if due_ms > self.now.monotonic_ms {
                break;
            }
            self.room_timers.pop();
            self.tick(room_index, generation);
        }
        self.snapshots.append(&mut self.snapshot_retries);
    }

    /// A connection's slot of the wheel has come: does what is due, and enters the next deadline.
    fn look_at(&mut self, index: usize, slot: u32) {
        let limits = &self.shared.limits;
        let Some(connection) =
            self.connections.get_mut(index).filter(|connection| connection.wheel_slot == slot)
        else {
            return;
        };
        connection.wheel_slot = Wheel::NOWHERE;
        let now_ms = self.now.monotonic_ms;
        if connection.deadline_ms(self.shared.services.settings(), limits) > now_ms {
            return self.schedule(index);
        }
        let carried = &mut connection.carried;
        let is_stalled =
            !carried.outbox.is_empty() && carried.progress.ms() + limits.stall_timeout_ms <= now_ms;
        let key = self.key(index);
        let connection = &mut self.connections[index];
        if is_stalled && connection.seat.is_some() && connection.carried.stage == Stage::Open {
            // It gets as long again to read the close frame.
            connection.carried.progress = Moment::at(now_ms);
            self.close_slow_consumer(key);
        } else if is_stalled || connection.carried.stage == Stage::Lingering {
            self.drop_connection(key);
        } else {
            self.with_session(index, Session::deadline_passed);
        }
        if self.find(key).is_some() {
            self.schedule(index);
        }
    }

    /// Gives the engine a batch; its results are for this purpose.
    ///
    /// # Errors
    /// Gives both back, with why the engine has not taken it.
    pub(super) fn submit_for(
        &mut self,
        purpose: Purpose,
        batch: Batch,
    ) -> Result<(), (Rejection, Batch, Option<Purpose>)> {
        let tag = self.purposes.note(purpose);
        self.shared
            .engine
            .submit(Batch { tag, ..batch })
            .map_err(|rejected| (rejected.reason, *rejected.batch, self.purposes.take(tag)))
    }

    /// As [`Shard::submit_for`], to the store of this index. Returns whether the engine has taken it.
    pub(super) fn submit_task_to(&mut self, store: usize, task: GuestTask, batch: Batch) -> bool {
        let tag = self.purposes.note(Purpose::Guests(task));
        let taken = self.shared.engine.submit_to(store, Batch { tag, ..batch }).is_ok();
        if !taken {
            self.purposes.take(tag);
        }
        taken
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

/// The index in the low half, the generation in the high half: an event for a connection that is gone finds nobody.
pub(super) fn token_of(index: usize, generation: u32) -> Token {
    Token((generation as usize) << 32 | index)
}

pub(super) fn kind_of(session: &Session) -> ConnectionKind {
    match session {
        Session::WebSocket(_) => ConnectionKind::WebSocket,
        Session::Http(_) => ConnectionKind::Http,
    }
}

fn now_since(started: Instant) -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { monotonic_ms: started.elapsed().as_millis() as u64, unix_s: unix.as_secs() }
}
