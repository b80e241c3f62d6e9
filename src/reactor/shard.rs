//! The event loop.
//!
//! A shard owns its parts, each a type with a life of its own, and passes what one needs of another. It has methods in four
//! places: here the loop and its steps; in `carry_out` what sessions want done, in `rooms_out` what rooms want done, and in
//! `inbox` what comes from other threads.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use super::Shared;
use super::acceptor::Acceptor;
use super::callers::Callers;
use super::clock::Clock;
use super::connection::{Carried, Place, ReadOutcome, Stage};
use super::connections::{Connections, Due, kind_of};
use super::draining::Draining;
use super::guests::{Guests, Tools};
use super::handshakes;
use super::messages::{Handover, ShardMessage};
use super::networks::{Networks, network_of};
use super::pace::Pace;
use super::peers::Peers;
use super::proxied::{self, Announced};
use super::rooms::Rooms;
use super::submissions::Submissions;
use super::turns::Turns;
use super::upgrades::Upgrades;
use crate::mailbox::{Mailbox, MailboxSender};
use crate::metrics::{CloseCode, RefusalReason, ShardMetrics};
use crate::room;
use crate::script::ScriptSet;
use crate::session::outbox::Kind;
use crate::session::{Actions, Port, Session};
use crate::state::{ConnectionKey, ShardId};
use crate::sys::thread_cpu_time;
use crate::wire::ids::NetworkId;
use crate::wire::ws::close_code::Then;
use crate::wire::ws::deflate::{Deflater, Inflater};

/// One event loop and everything it owns.
pub(crate) struct Shard {
    pub(super) context: ShardContext,
    pub(super) connections: Connections,
    pub(super) rooms: Rooms,
    pub(super) peers: Peers,
    pub(super) submissions: Submissions,
    pub(super) guests: Guests,
    pub(super) callers: Callers,
    pub(super) upgrades: Upgrades,
    pub(super) handshakes: Turns,
    /// Connections that speak HTTP.
    pub(super) requests: Turns,
    pub(super) networks: Networks,
    pub(super) draining: Option<Draining>,
    pub(super) acceptors: Vec<Acceptor>,
    pub(super) io: Io,
}

/// Who the shard is, and what its parts look up.
pub(super) struct ShardContext {
    pub(super) id: ShardId,
    pub(super) shared: Arc<Shared>,
    pub(super) scripts: Arc<ScriptSet>,
    pub(super) clock: Clock,
    pub(super) metrics: Rc<ShardMetrics>,
}

/// What the loop turns with.
pub(super) struct Io {
    pub(super) is_stopped: bool,
    pub(super) scratch: Scratch,
    poll: Poll,
    mailbox: Mailbox<ShardMessage>,
    pace: Pace,
    ended: Sender<Ended>,
    /// What sockets are read into.
    buffer: Vec<u8>,
    /// For messages that come compressed.
    pub(super) inflater: RefCell<Inflater>,
}

/// Lists that are filled and emptied again and again, kept for their memory.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) session: Actions,
    pub(super) room: Vec<room::RoomAction>,
}

/// What a shard's thread is started with.
pub(crate) struct ShardParts {
    /// Its index.
    pub id: ShardId,
    /// What all shards share.
    pub shared: Arc<Shared>,
    /// Its poll, with the mailbox's waker registered as [`WAKER`].
    pub poll: Poll,
    /// Its listener.
    pub listener: TcpListener,
    /// The one without TLS that sends to the other.
    pub redirect: Option<TcpListener>,
    /// Its mailbox.
    pub mailbox: Mailbox<ShardMessage>,
    /// All shards' mailboxes, in order.
    pub peers: Vec<MailboxSender<ShardMessage>>,
    /// The game's scripts.
    pub scripts: Arc<ScriptSet>,
    /// Its handles.
    pub metrics: ShardMetrics,
    /// Tells the main thread how far it has got with stopping.
    pub ended: Sender<Ended>,
}

/// Tells the main thread how far a shard has got with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Every connection of this shard is closed, and its rooms are empty.
    Drained(ShardId),
}

/// The token of a shard's waker.
pub(crate) const WAKER: Token = Token(usize::MAX - 1);
/// The tokens of its listeners, in the order of its acceptors.
const LISTENERS: [Token; 2] = [Token(usize::MAX), Token(usize::MAX - 2)];
const EVENTS: usize = 1024;
/// A poll is not longer than this, so that a lost wake-up heals.
const LONGEST_WAIT_MS: u64 = 1000;
/// What a round spends on requests. Who asks without end has most of an event loop's time; those in rooms are late by no more
/// than this.
const REQUESTS_BUDGET: Duration = Duration::from_millis(5);
/// What a round spends on members who send more than one read takes, to the end of the turn that exceeds it. Hundreds of them would keep
/// the others waiting for as long as all their turns take.
const AGAIN_BUDGET: Duration = Duration::from_millis(1);
/// How often to look whether the networks of those who wait for a share have one again.
const LATE_MS: u64 = 2;
/// Room actions for which the list keeps memory.
const KEPT_ACTIONS: usize = 1024;
/// What one read takes at most.
const READ_BYTES: usize = 64 * 1024;

impl Shard {
    /// A shard that is ready to run in its own thread.
    ///
    /// # Errors
    /// The listener cannot be registered, or the poll not be shared.
    pub(crate) fn new(parts: ShardParts) -> io::Result<Self> {
        let ShardParts { id, shared, poll, listener, redirect, mailbox, peers, scripts, metrics, ended } =
            parts;
        let speaks_tls = shared.tls.is_some();
        let listeners = [(Port::Main, listener, speaks_tls)].into_iter();
        let listeners = listeners.chain(redirect.map(|listener| (Port::Redirect, listener, false)));
        let acceptors = listeners.zip(LISTENERS).map(|((port, mut listener, speaks_tls), token)| {
            poll.registry().register(&mut listener, token, Interest::READABLE)?;
            Ok(Acceptor::new(port, listener, speaks_tls))
        });
        let acceptors = acceptors.collect::<io::Result<_>>()?;
        let registry = poll.registry().try_clone()?;
        let clock = Clock::new(shared.started);
        let now_ms = clock.now.monotonic_ms;
        let metrics = Rc::new(metrics);
        let limits = &shared.limits;
        let deflater = Deflater::new(shared.services.settings().compress);
        let interval = Duration::from_millis(limits.sync_interval_ms);
        Ok(Self {
            connections: Connections::new(id, registry, metrics.clone(), limits.clone(), deflater, now_ms),
            rooms: Rooms::default(),
            peers: Peers::new(peers, limits.backlog_messages),
            guests: Guests::new(id, limits.guest_ttl, shared.engine.stores(), metrics.clone(), now_ms),
            callers: Callers::default(),
            submissions: Submissions::new(shared.engine.clone()),
            upgrades: Upgrades::new(id),
            handshakes: Turns::with_budget(handshakes::BUDGET),
            requests: Turns::with_budget(REQUESTS_BUDGET),
            networks: Networks::new(Instant::now()),
            draining: None,
            acceptors,
            io: Io {
                is_stopped: false,
                scratch: Scratch::default(),
                pace: Pace::new(interval, Instant::now()),
                poll,
                mailbox,
                ended,
                buffer: vec![0; READ_BYTES],
                inflater: RefCell::default(),
            },
            context: ShardContext { id, shared, scripts, clock, metrics },
        })
    }

    /// Runs until a [`ShardMessage::Stop`].
    ///
    /// A round takes in all that has come before it decides anything: messages (the engine's results first, so that what they
    /// free can be used), sockets, timers. Then rooms are settled, when all that came for them in the round has gathered. What
    /// that sends is written last, in one call a connection. Connections that broke on the way leave before the rooms are
    /// settled, and those that broke in writing before the next round.
    ///
    /// # Errors
    /// The poll fails, which a kernel in order does not do.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while !self.io.is_stopped {
            self.rest();
            match self.io.poll.poll(&mut events, Some(self.patience())) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.context.clock.begin_round();
            self.read_messages();
            self.handle_events(&events);
            self.handle_again();
            self.shake_hands();
            self.answer_requests();
            self.run_timers();
            self.tend_guests();
            self.go_on_upgrading();
            self.go_on_draining();
            self.remove_over();
            self.settle_rooms();
            self.close_slow();
            self.connections.flush_dirty(&self.context.clock, self.context.shared.services.settings());
            self.bound_buffers();
            self.request_snapshots();
            self.remove_over();
            self.post_backlogs();
            self.end_round();
        }
        Ok(())
    }

    /// Sleeps between two rounds of a busy time, unless bytes wait that were read only in part or not at all.
    fn rest(&self) {
        if !self.connections.has_again()
            && self.handshakes.is_empty()
            && self.requests.is_empty()
            && let Some(rest) = self.io.pace.rest(self.context.clock.round_began, Instant::now())
        {
            std::thread::sleep(rest);
        }
    }

    /// How long the poll may wait.
    fn patience(&self) -> Duration {
        let has_work =
            self.connections.has_again() || self.connections.has_over() || self.rooms.has_touched();
        let has_turns = !self.handshakes.is_empty() || !self.requests.is_empty();
        if has_work || has_turns || !self.io.mailbox.is_empty() {
            return Duration::ZERO;
        }
        let now_ms = self.context.clock.read_ms();
        let due_ms = [
            self.connections.next_due_ms(),
            self.rooms.next_due_ms(),
            self.acceptors.iter().filter_map(Acceptor::due_ms).min(),
            self.peers.has_backlog().then_some(now_ms + 1),
            self.draining.as_ref().and_then(|draining| draining.due_ms(now_ms)),
            Some(self.guests.due_ms()),
            self.upgrades.due_ms(),
            (self.handshakes.has_late() || self.requests.has_late()).then_some(now_ms + LATE_MS),
        ];
        let due_ms = due_ms.into_iter().flatten().min().unwrap_or(u64::MAX);
        Duration::from_millis(due_ms.saturating_sub(now_ms).min(LONGEST_WAIT_MS))
    }

    fn end_round(&mut self) {
        self.connections.end_round();
        self.io.scratch.session.trim();
        self.io.scratch.room.shrink_to(KEPT_ACTIONS);
        self.context.metrics.rooms.set(self.rooms.len() as i64);
        self.context.metrics.round(self.context.clock.round_began.elapsed());
    }

    fn read_messages(&mut self) {
        self.io.mailbox.acknowledge();
        for _ in 0..self.context.shared.limits.message_budget {
            let Some(message) = self.io.mailbox.take() else { return };
            self.read_message(message);
        }
    }

    fn handle_events(&mut self, events: &Events) {
        self.io.pace.count(self.context.clock.round_began, events.iter().count());
        for event in events {
            match event.token() {
                WAKER => {}
                token if LISTENERS.contains(&token) => {
                    let acceptor = usize::from(token == LISTENERS[1]);
                    self.acceptors[acceptor].note_readable(self.context.clock.now.monotonic_ms);
                }
                token => {
                    let key = self.connections.key_of(token);
                    if event.is_readable() || event.is_read_closed() || event.is_error() {
                        let is_over = event.is_read_closed() || event.is_error();
                        self.read(key, is_over);
                        if is_over {
                            self.end_given_up_join(key);
                        }
                    }
                    if event.is_writable()
                        && let Some(index) = self.connections.find(key)
                    {
                        self.connections.mark_dirty(index);
                    }
                }
            }
        }
        self.accept();
    }

    /// Who has gone before it was let in may be in by another node since, and that socket must not be replaced.
    fn end_given_up_join(&mut self, key: ConnectionKey) {
        let Some(index) = self.connections.find(key) else { return };
        let connection = &mut self.connections[index];
        // Its request may not have been read yet.
        connection.has_left = connection.waits_for_turn;
        if matches!(connection.place, Place::Joining(_)) {
            self.connections.end(index);
        }
    }

    fn accept(&mut self) {
        for index in 0..self.acceptors.len() {
            self.accept_by(index);
        }
    }

    fn accept_by(&mut self, index: usize) {
        let (most, now_ms) = (self.context.shared.limits.accept_budget, self.context.clock.now.monotonic_ms);
        let (acceptor, admission) = (&mut self.acceptors[index], &self.context.shared.admission);
        let port = acceptor.port;
        for (stream, peer, entry) in acceptor.accept(most, now_ms, admission, &self.context.metrics) {
            let shared = &self.context.shared;
            let tls = shared.tls.as_ref().filter(|_| port == Port::Main);
            let tls = match tls.map(|tls| tls.accept()).transpose() {
                Ok(tls) => tls,
                Err(error) => {
                    log::error!("cannot begin TLS with a connection; it is closed error={error}");
                    shared.admission.leave(peer, entry);
                    continue;
                }
            };
            let carried = Carried::new(peer, entry, (port, tls), &self.context.clock);
            if let Some(index) = self.take_in(Handover { stream, carried }) {
                self.connections[index].awaits_proxy_header =
                    self.context.shared.admission.demands_header(peer);
            }
        }
    }

    /// Takes a connection in.
    pub(super) fn take_in(&mut self, handover: Handover) -> Option<usize> {
        let (peer, entry) = (handover.carried.peer, handover.carried.entry);
        let index = self.connections.insert(handover, self.context.shared.services.settings());
        if index.is_none() {
            self.context.shared.admission.leave(peer, entry);
        }
        index
    }

    /// Takes a connection out, to hand it over.
    pub(super) fn take_out(&mut self, index: usize) -> Option<Handover> {
        let (handover, is_free) = self.connections.remove(index);
        if !is_free {
            log::error!("cannot hand a connection over; it is closed");
            self.context.shared.admission.leave(handover.carried.peer, handover.carried.entry);
            return None;
        }
        Some(handover)
    }

    /// Reads from those who had sent more than one turn takes, for as long as a round has time for them.
    fn handle_again(&mut self) {
        let mut left = self.connections.again_len();
        if left == 0 {
            return;
        }
        let end = thread_cpu_time() + AGAIN_BUDGET;
        while left > 0
            && let Some(key) = self.connections.next_again()
        {
            self.read(key, true);
            left -= 1;
            if thread_cpu_time() >= end {
                return;
            }
        }
    }

    /// Goes on with handshakes, for as long as a round has time for them.
    fn shake_hands(&mut self) {
        let now = self.context.clock.round_began;
        self.handshakes.begin_round(&self.connections, &mut self.networks, now);
        while let Some((key, began)) = self.handshakes.next(&mut self.connections) {
            let network = self.network_of(key);
            self.read_now(key, true);
            self.charge(network, began);
        }
    }

    /// Goes on with requests, for as long as a round has time for them.
    fn answer_requests(&mut self) {
        let now = self.context.clock.round_began;
        self.requests.begin_round(&self.connections, &mut self.networks, now);
        while let Some((key, began)) = self.requests.next(&mut self.connections) {
            let network = self.network_of(key);
            self.answer_request(key);
            self.charge(network, began);
        }
    }

    fn answer_request(&mut self, key: ConnectionKey) {
        self.read_now(key, true);
        let Some(index) = self.connections.find(key) else { return };
        if std::mem::take(&mut self.connections[index].has_left) {
            self.end_given_up_join(key);
        }
        // To write what is asked for belongs to the turn: it may take longer than all else.
        if self.connections[index].is_dirty {
            let settings = self.context.shared.services.settings();
            self.connections.flush_one(index, &self.context.clock, settings);
        }
    }

    fn network_of(&self, key: ConnectionKey) -> Option<NetworkId> {
        self.connections.find(key).and_then(|index| network_of(&self.connections[index].carried))
    }

    /// What the thread has used since then was for this network.
    fn charge(&mut self, network: Option<NetworkId>, began: Duration) {
        if let Some(network) = network {
            let took = thread_cpu_time().saturating_sub(began);
            self.networks.charge(network, took, self.context.clock.round_began);
        }
    }

    /// Reads what a socket holds, within its budget; during a handshake and for requests when its turn comes. `to_the_end` when no further event
    /// will tell of what is left.
    fn read(&mut self, key: ConnectionKey, to_the_end: bool) {
        let Some(index) = self.connections.find(key) else { return };
        if self.connections[index].is_again {
            // Its turn comes after those that had none yet.
            return;
        }
        if self.connections[index].awaits_proxy_header && !self.read_proxy_header(index) {
            return;
        }
        let now = self.context.clock.round_began;
        if self.connections[index].is_handshaking() {
            let connection = &mut self.connections[index];
            return self.handshakes.push(key, connection, &mut self.networks, now);
        }
        if matches!(self.connections[index].carried.session, Session::Http(_)) {
            let connection = &mut self.connections[index];
            return self.requests.push(key, connection, &mut self.networks, now);
        }
        if self.networks.has_over() {
            self.networks.plays(network_of(&self.connections[index].carried), now);
        }
        self.read_now(key, to_the_end);
    }

    /// Reads the header by which a proxy says whose connection it is. Returns whether to read what follows.
    fn read_proxy_header(&mut self, index: usize) -> bool {
        let announced = self.connections[index].take_proxy_header(&mut self.io.buffer);
        let Carried { peer, entry, .. } = self.connections[index].carried;
        let (client, received) = match announced {
            Announced::NotYet => return false,
            Announced::Client { client, received } => (client, received),
            Announced::Gone => {
                self.connections.end(index);
                return false;
            }
            Announced::Invalid(reason) => {
                proxied::warn_of_missing_header(peer, reason);
                self.context.metrics.refusals.at(RefusalReason::ProxyHeader).inc();
                self.connections.end(index);
                return false;
            }
        };
        self.connections.bytes_in += received as u64;
        self.connections[index].awaits_proxy_header = false;
        match self.context.shared.admission.announce(peer, entry, client) {
            Ok(as_whom) => {
                let carried = &mut self.connections[index].carried;
                (carried.peer, carried.entry) = as_whom;
            }
            Err(_) => {
                self.context.metrics.refusals.at(RefusalReason::AddressFull).inc();
                let is_plain = self.connections[index].carried.tls.is_none();
                let full = self.acceptors[usize::from(is_plain && self.acceptors.len() > 1)].full();
                if full.is_empty() {
                    self.connections.end(index);
                } else {
                    self.connections.queue_as_is(index, full, Kind::Kept, &self.context.clock);
                    self.connections.finish(index);
                }
            }
        }
        true
    }

    fn read_now(&mut self, key: ConnectionKey, to_the_end: bool) {
        let Some(index) = self.connections.find(key) else { return };
        let is_unread = std::mem::take(&mut self.connections[index].is_unread);
        let mut buffer = std::mem::take(&mut self.io.buffer);
        let mut budget = self.context.shared.limits.read_budget_bytes;
        while let Some(index) = self.connections.find(key) {
            let goes_on = self.read_once(index, &mut buffer, &mut budget, to_the_end || is_unread);
            if !goes_on {
                break;
            }
        }
        self.io.buffer = buffer;
    }

    /// Reads once. Returns whether to go on.
    fn read_once(&mut self, index: usize, buffer: &mut [u8], budget: &mut usize, to_the_end: bool) -> bool {
        if !self.receive_parked(index) {
            return false;
        }
        let outbox_limit = self.context.shared.limits.outbox_hard_bytes;
        let connection = &mut self.connections[index];
        match connection.carried.stage {
            Stage::Over => return false,
            Stage::Open if !connection.wants_input(outbox_limit) => {
                connection.is_unread = true;
                return false;
            }
            _ => {}
        }
        if *budget == 0 {
            // What a closed WebSocket's peer floods us with may stay where it is.
            let is_over = connection.carried.stage == Stage::Lingering
                && matches!(connection.carried.session, Session::WebSocket(_));
            if !is_over {
                self.connections.read_again(index);
            }
            return false;
        }
        let was_handshaking = connection.is_handshaking();
        let outcome = connection.read(buffer);
        if was_handshaking {
            handshakes::count(connection, &self.context.metrics);
            self.connections.mark_dirty(index);
        }
        if self.connections[index].holds_ciphertext() {
            self.connections.may_hold(index);
        }
        match outcome {
            ReadOutcome::Bytes { count, received, drained } => {
                *budget = budget.saturating_sub(received);
                self.connections.bytes_in += received as u64;
                // A member may have moved on to another shard, which reads on.
                self.receive(index, &mut buffer[..count]) && (!drained || to_the_end)
            }
            ReadOutcome::Empty => false,
            ReadOutcome::End => {
                self.connections.peer_closed(index);
                false
            }
            ReadOutcome::Broken => {
                self.connections.end(index);
                false
            }
            ReadOutcome::Refused(failure) => {
                log::debug!(
                    "a connection is refused peer={} reason={failure}",
                    self.connections[index].carried.peer
                );
                self.connections.refuse(index);
                false
            }
        }
    }

    /// Handles bytes that had to wait. Returns false while they have to wait longer, or the connection is gone.
    fn receive_parked(&mut self, index: usize) -> bool {
        let connection = &mut self.connections[index];
        if connection.carried.parked.is_none() {
            return true;
        }
        if !connection.wants_input(self.context.shared.limits.outbox_hard_bytes) {
            connection.is_unread = true;
            return false;
        }
        let parked = connection.carried.parked.take();
        parked.is_none_or(|mut parked| self.receive(index, &mut parked))
    }

    /// Has a session handle bytes. Returns false if it left some, or the connection is gone.
    fn receive(&mut self, index: usize, input: &mut [u8]) -> bool {
        if self.connections[index].carried.stage != Stage::Open || input.is_empty() {
            return true;
        }
        let key = self.connections.key(index);
        let mut taken = 0;
        // The rest is parked before anything is carried out, as the connection may be handed over with it.
        self.call_session_then(
            index,
            |session, context, actions| {
                taken = session.receive(input, context, actions);
                input.get(taken..).filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec)
            },
            |connection, rest| {
                if let Some(rest) = rest {
                    connection.carried.parked = Some(Box::new(rest));
                    connection.is_unread = true;
                }
            },
        );
        let Some(index) = self.connections.find(key) else { return false };
        let carried = &self.connections[index].carried;
        let is_done = carried.parked.is_none();
        if !is_done || carried.session.is_unfinished() {
            self.connections.may_hold(index);
        }
        let session = &self.connections[index].carried.session;
        if !is_done && matches!(session, Session::WebSocket(_)) && session.wants_input() {
            // It has had its turn, and what it left may wait for nothing: an HTTP session's waits for answers to be sent.
            self.connections.read_again(index);
        }
        is_done
    }

    fn run_timers(&mut self) {
        let now_ms = self.context.clock.now.monotonic_ms;
        while let Some((slot, indexes)) = self.connections.take_due(now_ms) {
            for index in indexes {
                self.look_at(index as usize, slot);
            }
        }
        while let Some(room_index) = self.rooms.take_due(now_ms) {
            self.with_room(room_index, |room, round, actions| room.time(round, actions));
        }
    }

    fn look_at(&mut self, index: usize, slot: u32) {
        let now = self.context.clock.now;
        match self.connections.look_at(index, slot, now, self.context.shared.services.settings()) {
            Due::Nothing => {}
            Due::Session => {
                let key = self.connections.key(index);
                self.call_session(index, |session, context, actions| {
                    session.deadline_passed(context, actions);
                });
                self.end_rest(key);
            }
            Due::Slow => self.close_slow_consumer(self.connections.key(index)),
            Due::End => self.connections.end(index),
        }
    }

    /// What has waited because its sender sent too much is read, if its time has come.
    fn end_rest(&mut self, key: ConnectionKey) {
        if let Some(index) = self.connections.find(key)
            && self.connections[index].is_unread
            && self.connections[index].carried.session.wants_input()
        {
            self.connections.read_again(index);
        }
    }

    fn tend_guests(&mut self) {
        let mut tools = Tools {
            submissions: &mut self.submissions,
            scripts: &self.context.scripts,
            now_ms: self.context.clock.now.monotonic_ms,
        };
        self.guests.tend(&self.connections, &mut tools);
    }

    fn go_on_upgrading(&mut self) {
        let steps = self.upgrades.go_on(&mut self.submissions, self.context.clock.now.monotonic_ms);
        self.upgrade_steps(steps);
    }

    fn go_on_draining(&mut self) {
        let Some(draining) = &mut self.draining else { return };
        for key in draining.take_due(self.context.clock.now.monotonic_ms) {
            if let Some(index) = self.connections.find(key) {
                self.call_session(index, |session, context, actions| session.drain(context, actions));
            }
        }
        let is_over = self.connections.is_empty() && self.rooms.len() == 0;
        if let Some(draining) = &mut self.draining
            && is_over
            && draining.report()
        {
            // The main thread may have given up waiting.
            let _ = self.io.ended.send(Ended::Drained(self.context.id));
        }
    }

    /// Begins to close every connection.
    pub(super) fn begin_draining(&mut self, spread_ms: u64) {
        self.acceptors.iter_mut().for_each(Acceptor::close);
        let kinds = self.connections.iter();
        let kinds = kinds.map(|(key, connection)| (key, kind_of(&connection.carried.session)));
        self.draining = Some(Draining::begin(kinds, self.context.clock.now.monotonic_ms, spread_ms));
        for room_index in self.rooms.at_home() {
            self.with_room(room_index, |room, _, _| room.leave_seats_to_the_store());
        }
    }

    /// Removes the connections that are over. Members leave their rooms.
    fn remove_over(&mut self) {
        while self.connections.has_over() {
            for key in self.connections.take_over() {
                if let Some(index) = self.connections.find(key) {
                    self.remove(index);
                }
            }
        }
    }

    fn remove(&mut self, index: usize) {
        match &self.connections[index].place {
            Place::Outside => {}
            Place::Joining(room) => {
                let (room_index, key) = (*room as usize, self.connections.key(index));
                self.with_room(room_index, |room, _, _| room.join_gone(key));
            }
            Place::Member(_) => {
                self.context.metrics.closes.at(CloseCode(ABNORMAL)).inc();
                self.leave(index, Then::ComeBack);
            }
        }
        let (handover, _) = self.connections.remove(index);
        self.context.shared.admission.leave(handover.carried.peer, handover.carried.entry);
    }

    fn settle_rooms(&mut self) {
        for room_index in self.rooms.take_touched() {
            let Some(room) = self.rooms.get_mut(room_index) else { continue };
            if room.home.is_some() {
                self.settle_room(room_index);
            } else {
                self.pass_inputs(room_index);
            }
            if let Some(room) = self.rooms.remove_if_over(room_index) {
                self.context.shared.engine.watch(&room, false);
            }
        }
    }

    /// Closes the slow consumers of this round.
    fn close_slow(&mut self) {
        for key in std::mem::take(&mut self.connections.slow) {
            self.close_slow_consumer(key);
        }
    }

    /// Ends connections so that what all hold stays within the process's budget.
    fn bound_buffers(&mut self) {
        let shared = &self.context.shared;
        let (buffers, used_by_others) = (&shared.buffers, shared.waiting.used_bytes());
        let excess = self.connections.excess_holders(buffers, used_by_others, || shared.services.pages());
        for key in excess {
            self.make_room(key);
        }
    }

    /// Asks the rooms of members that have caught up with what was on its way for their snapshots.
    fn request_snapshots(&mut self) {
        for key in std::mem::take(&mut self.connections.caught_up) {
            self.tell_behind(key);
        }
    }

    fn post_backlogs(&mut self) {
        for (shard, room) in self.peers.post_backlogs() {
            log::warn!("a room's events were lost; its members get a snapshot room={room}");
            self.fall_behind_at(shard, &room);
        }
    }
}

/// How metrics count an end without a close frame (RFC 6455, section 7.4.1).
const ABNORMAL: u16 = 1006;
