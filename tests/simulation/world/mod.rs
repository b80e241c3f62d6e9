//! Everything together under one clock: clients, links, nodes, the store, and what goes wrong.

mod clients;
mod end;
mod plan;
mod store_links;
mod trouble;

use std::collections::BinaryHeap;
use std::time::Instant;

use self::plan::Plan;
use super::client::Client;
use super::faults::{Fault, Faults};
use super::game;
use super::happening::{Happening, Later, Planned};
use super::model::Model;
use super::network::{LinkId, Network};
use super::node::{Around, Incoming, Node, SetUp};
use super::random::Random;
use super::services::OpenDoor;
use super::store::{EPOCH_MS, NodeName, Store};
use super::trace::Trace;
use super::violation::{Checked, Violation};
use crate::room::Bounds;
use crate::room::allowance::{Budget, Share};

/// From one write of the state file to the next, at most.
const SYNC_MS: u64 = 800;

pub(super) struct World {
    plan: Plan,
    now_ms: u64,
    queue: BinaryHeap<Planned>,
    planned: u64,
    nodes: Vec<NodePlace>,
    store: Store,
    is_store_busy: bool,
    /// When the store looks for messages next.
    messages_at_ms: u64,
    model: Model,
    clients: Vec<Client>,
    network: Network,
    set_up: SetUp,
    faults: Faults,
    random: Random,
    trace: Trace,
}

/// Where a node is, or was.
struct NodePlace {
    /// None while it is dead.
    node: Option<Node>,
    starts: u32,
    round_at_ms: u64,
    /// When what goes to the store, and what comes from it, arrives there last.
    up_at_ms: u64,
    down_at_ms: u64,
}

/// How a run ended.
pub(super) struct Run {
    pub(super) hash: u64,
    pub(super) violation: Option<Violation>,
    pub(super) lines: Vec<String>,
    /// Inputs that clients have thought of.
    pub(super) inputs: u64,
}

/// Runs the world of a seed to its end.
pub(super) fn run(seed: u64, fault: Option<Fault>, is_recording: bool) -> Run {
    let mut world = World::new(seed, fault, is_recording);
    world.begin();
    let violation = world.live().err();
    Run {
        hash: world.trace.hash(),
        violation,
        inputs: world.inputs_thought_of(),
        lines: world.trace.into_lines(),
    }
}

impl World {
    fn new(seed: u64, fault: Option<Fault>, is_recording: bool) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::of(seed, &mut random);
        let scripts = game::scripts();
        let folder = plan.has_state_file.then(|| tempfile::tempdir().expect("there is a place for files"));
        let place =
            |_| NodePlace { node: None, starts: 0, round_at_ms: u64::MAX, up_at_ms: 0, down_at_ms: 0 };
        let mut trace = Trace::new(is_recording);
        trace.line(0, || format!("seed {seed}: {plan:?}"));
        Self {
            now_ms: 0,
            queue: BinaryHeap::new(),
            planned: 0,
            nodes: (0..plan.nodes).map(place).collect(),
            store: Store::new(random.below(u64::MAX), plan.is_shared(), folder, scripts.clone()),
            is_store_busy: false,
            messages_at_ms: u64::MAX,
            model: Model::default(),
            clients: Vec::new(),
            network: Network::new(random.fork()),
            set_up: SetUp {
                scripts,
                services: OpenDoor::new(plan.sync_interval_ms),
                sync_interval_ms: plan.sync_interval_ms,
                bounds: Bounds {
                    batch_calls: *random.pick(&[3, 50]),
                    batch_bytes: 10_000,
                    batch_time_us: 20_000,
                    waiting_bytes: *random.pick(&[400, 20_000]),
                    rejoin_grace_ms: *random.pick(&[0, 300, 2_000]),
                },
                share: Share { inputs: *random.pick(&[2, 8]), bytes: 4_000 },
                waiting: Budget::new(1 << 20),
                outbox_soft_bytes: 700,
                outbox_hard_bytes: 3_000,
                stall_timeout_ms: 2_500,
                began: Instant::now(),
            },
            faults: Faults::new(fault, random.fork()),
            random,
            trace,
            plan,
        }
    }

    fn begin(&mut self) {
        for index in 0..self.plan.nodes {
            self.start_node(index);
        }
        self.make_clients();
        if self.store.has_file() {
            self.plan(SYNC_MS, Happening::Sync);
        }
        let trouble_ms = self.random.between(1, self.plan.calm_ms);
        self.plan(trouble_ms, Happening::Trouble);
    }

    /// Lives until the end, or until a sentence does not hold.
    fn live(&mut self) -> Checked {
        let end_ms = self.plan.trouble_ms + end::REST_MS;
        while let Some(next) = self.queue.pop().filter(|next| next.at_ms <= end_ms) {
            self.now_ms = next.at_ms;
            self.network.now_ms = next.at_ms;
            self.happen(next.what)?;
            for Later { at_ms, what } in std::mem::take(&mut self.network.later) {
                self.plan(at_ms, what);
            }
        }
        self.now_ms = end_ms;
        self.check_end()
    }

    fn happen(&mut self, what: Happening) -> Checked {
        match what {
            Happening::Accept(link) => self.pass_to_node(link, Incoming::Accept(link)),
            Happening::ToNode(link, bytes) => {
                if !self.network.link(link).is_cut() {
                    self.trace.bytes(self.now_ms, link, &bytes);
                    self.pass_to_node(link, Incoming::Bytes(link, bytes));
                }
            }
            Happening::NodeSeesEnd(link) => self.pass_to_node(link, Incoming::End(link)),
            Happening::Writable(link) => self.pass_to_node(link, Incoming::Writable(link)),
            Happening::ToClient(link, bytes) => {
                let bytes = self.network.arrive(link, bytes);
                self.client_reads(link, &bytes)?;
            }
            Happening::ClientSeesEnd(link) => {
                if self.network.arrive_end(link) {
                    self.client_sees_end(link);
                }
            }
            Happening::Round(name) => self.round(name),
            Happening::ToStore(name, batch) => self.pass_to_store(name, *batch),
            Happening::StoreTurn => self.store_turn()?,
            Happening::MessagesDue => self.messages_are_due()?,
            Happening::Deliver(name, store_link, delivery) => self.deliver(name, store_link, delivery),
            Happening::StoreIsBack(name) => self.give(name, Incoming::StoreIsBack),
            Happening::NodeStarts(index) => {
                if self.nodes[index].node.is_none() {
                    self.start_node(index);
                }
            }
            Happening::NodeHasStopped => self.node_has_stopped()?,
            Happening::Act(client) => self.act(client),
            Happening::ReadAgain(client, link) => self.read_again(client, link)?,
            Happening::Sync => self.sync(),
            Happening::Trouble => self.trouble()?,
        }
        Ok(())
    }

    fn sync(&mut self) {
        if self.nodes[0].node.is_some() {
            self.store.sync(&mut self.model, &mut self.faults);
            self.trace.line(self.now_ms, || "the state file is written".to_owned());
        }
        let in_ms = self.random.between(1, SYNC_MS);
        self.plan(self.now_ms + in_ms, Happening::Sync);
    }

    fn plan(&mut self, at_ms: u64, what: Happening) {
        self.planned += 1;
        self.queue.push(Planned { at_ms: at_ms.max(self.now_ms), number: self.planned, what });
    }

    fn is_calm(&self) -> bool {
        self.now_ms >= self.plan.trouble_ms
    }

    fn pass_to_node(&mut self, link: LinkId, incoming: Incoming) {
        self.give(self.network.link(link).node, incoming);
    }

    /// Something comes to a node; if that is dead, nobody hears it.
    fn give(&mut self, name: NodeName, incoming: Incoming) {
        let place = &mut self.nodes[name.0];
        let Some(node) = place.node.as_mut().filter(|node| node.name == name) else { return };
        node.inbox.push(incoming);
        let in_ms = self.random.below(2);
        self.plan_round(name.0, self.now_ms + in_ms);
    }

    fn plan_round(&mut self, index: usize, at_ms: u64) {
        let place = &mut self.nodes[index];
        let Some(node) = &place.node else { return };
        let at_ms = at_ms.max(node.frozen_until_ms);
        if at_ms < place.round_at_ms {
            place.round_at_ms = at_ms;
            let name = node.name;
            self.plan(at_ms, Happening::Round(name));
        }
    }

    fn round(&mut self, name: NodeName) {
        let place = &mut self.nodes[name.0];
        let Some(node) = place.node.as_mut().filter(|node| node.name == name) else { return };
        if place.round_at_ms > self.now_ms {
            return;
        }
        place.round_at_ms = u64::MAX;
        if node.frozen_until_ms > self.now_ms {
            let at_ms = node.frozen_until_ms;
            return self.plan_round(name.0, at_ms);
        }
        let mut around = Around {
            now_ms: self.now_ms,
            network: &mut self.network,
            faults: &mut self.faults,
            set_up: &self.set_up,
            batches: Vec::new(),
        };
        node.round(&mut around);
        let batches = around.batches;
        let next_ms = if node.is_busy() { self.now_ms + 1 } else { node.due_ms().max(self.now_ms + 1) };
        for batch in batches {
            self.send_to_store(name, batch);
        }
        self.plan_round(name.0, next_ms);
    }

    fn start_node(&mut self, index: usize) {
        let place = &mut self.nodes[index];
        place.starts += 1;
        place.node = Some(Node::new((index, place.starts), self.now_ms));
        place.round_at_ms = u64::MAX;
        self.plan_round(index, self.now_ms + 1);
        if !self.plan.is_shared() {
            self.model.store_is_up(EPOCH_MS + self.now_ms);
            self.plan_messages();
        }
    }
}
