//! A node: real sessions and rooms, and in the place of the event loop what is left of it without sockets.
//!
//! What the loop does in a round is done here in the same order: deliveries and bytes are handled, timers run, rooms are
//! settled, outboxes are flushed, snapshots are asked for.

mod connections;
mod deliveries;
mod rooms;
mod sessions;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Instant;

use self::connections::Connection;
use self::rooms::LocalRoom;
use super::faults::Faults;
use super::network::{LinkId, Network};
use super::services::OpenDoor;
use super::store::{EPOCH_MS, NodeName};
use crate::room::allowance::{Budget, Share};
use crate::room::flush::Flush;
use crate::room::{BatchNumber, Bounds, MembershipId};
use crate::script::ScriptSet;
use crate::session::Now;
use crate::state::{Batch, Delivery};
use crate::wire::ids::RoomId;

pub(super) struct Node {
    pub(super) name: NodeName,
    connections: BTreeMap<u32, Connection>,
    by_link: BTreeMap<LinkId, u32>,
    rooms: BTreeMap<String, LocalRoom>,
    last_connection: u32,
    last_membership: MembershipId,
    last_tag: u64,
    /// Batches that have not come back, with how many calls each has.
    submitted: BTreeMap<u64, (RoomId, BatchNumber, usize)>,
    touched: BTreeSet<String>,
    dirty: BTreeSet<u32>,
    slow: Vec<u32>,
    caught_up: Vec<u32>,
    over: Vec<u32>,
    timers: BinaryHeap<Reverse<(u64, String)>>,
    swept_at_ms: u64,
    /// What has come and is handled in the next round.
    pub(super) inbox: Vec<Incoming>,
    /// It takes no new connections.
    pub(super) is_stopping: bool,
    is_draining: bool,
    /// It does nothing until then.
    pub(super) frozen_until_ms: u64,
    /// Counts its connections to the store.
    pub(super) store_link: u32,
    pub(super) is_store_away: bool,
    /// An old flush, for the fault that sends one again.
    stale: Option<(String, u64, Flush)>,
}

/// What comes to a node.
pub(super) enum Incoming {
    Accept(LinkId),
    Bytes(LinkId, Vec<u8>),
    End(LinkId),
    Writable(LinkId),
    Delivery(Box<Delivery>),
    StoreIsBack,
    /// It is to end in order.
    Drain,
}

/// What a node works with.
pub(super) struct Around<'a> {
    pub(super) now_ms: u64,
    pub(super) network: &'a mut Network,
    pub(super) faults: &'a mut Faults,
    pub(super) set_up: &'a SetUp,
    /// For the store.
    pub(super) batches: Vec<Batch>,
}

/// What all nodes have in common.
pub(super) struct SetUp {
    pub(super) scripts: Arc<ScriptSet>,
    pub(super) services: OpenDoor,
    pub(super) sync_interval_ms: u64,
    pub(super) bounds: Bounds,
    pub(super) share: Share,
    pub(super) waiting: Arc<Budget>,
    pub(super) outbox_soft_bytes: usize,
    pub(super) outbox_hard_bytes: usize,
    pub(super) stall_timeout_ms: u64,
    /// For what is only measured.
    pub(super) began: Instant,
}

/// How often a node looks at its connections' deadlines.
const SWEEP_MS: u64 = 500;

impl Node {
    pub(super) fn new(name: NodeName, now_ms: u64) -> Self {
        Self {
            name,
            connections: BTreeMap::new(),
            by_link: BTreeMap::new(),
            rooms: BTreeMap::new(),
            last_connection: 0,
            last_membership: 0,
            last_tag: 0,
            submitted: BTreeMap::new(),
            touched: BTreeSet::new(),
            dirty: BTreeSet::new(),
            slow: Vec::new(),
            caught_up: Vec::new(),
            over: Vec::new(),
            timers: BinaryHeap::new(),
            swept_at_ms: now_ms,
            inbox: Vec::new(),
            is_stopping: false,
            is_draining: false,
            frozen_until_ms: 0,
            store_link: 0,
            is_store_away: false,
            stale: None,
        }
    }

    /// When something is due that nothing comes in for.
    pub(super) fn due_ms(&self) -> u64 {
        let timer_ms = self.timers.peek().map_or(u64::MAX, |Reverse((due_ms, _))| *due_ms);
        timer_ms.min(self.swept_at_ms + SWEEP_MS)
    }

    /// Whether nobody is there.
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty() && self.rooms.is_empty() && self.submitted.is_empty()
    }

    pub(super) fn links(&self) -> Vec<LinkId> {
        self.by_link.keys().copied().collect()
    }

    /// One turn of the loop.
    pub(super) fn round(&mut self, around: &mut Around<'_>) {
        for incoming in std::mem::take(&mut self.inbox) {
            self.handle(incoming, around);
        }
        self.receive_parked(around);
        self.run_timers(around);
        self.remove_over(around);
        for room in std::mem::take(&mut self.touched) {
            self.settle(&room, around);
        }
        for connection in std::mem::take(&mut self.slow) {
            self.close_slow(connection, around);
        }
        for connection in std::mem::take(&mut self.dirty) {
            self.flush(connection, around);
        }
        for connection in std::mem::take(&mut self.caught_up) {
            self.tell_behind(connection);
        }
        self.remove_over(around);
    }

    /// Whether a round should follow at once.
    pub(super) fn is_busy(&self) -> bool {
        !self.touched.is_empty() || !self.dirty.is_empty()
    }

    fn handle(&mut self, incoming: Incoming, around: &mut Around<'_>) {
        match incoming {
            Incoming::Accept(link) => self.accept(link, around),
            Incoming::Bytes(link, bytes) => self.receive(link, &bytes, around),
            Incoming::End(link) => {
                if let Some(connection) = self.by_link.get(&link) {
                    self.over.push(*connection);
                }
            }
            Incoming::Writable(link) => self.dirty.extend(self.by_link.get(&link)),
            Incoming::Delivery(delivery) => self.take_delivery(*delivery, around),
            Incoming::StoreIsBack => self.store_is_back(around),
            Incoming::Drain => self.drain(around),
        }
    }

    fn run_timers(&mut self, around: &mut Around<'_>) {
        while self.timers.peek().is_some_and(|Reverse((due_ms, _))| *due_ms <= around.now_ms) {
            let Some(Reverse((_, room))) = self.timers.pop() else { break };
            self.with_room(&room, around, |room, round, actions| room.time(round, actions));
        }
        if self.swept_at_ms + SWEEP_MS <= around.now_ms {
            self.swept_at_ms = around.now_ms;
            self.sweep(around);
        }
    }
}

impl Around<'_> {
    pub(super) fn now(&self) -> Now {
        Now { monotonic_ms: self.now_ms, unix_ms: EPOCH_MS + self.now_ms }
    }
}
