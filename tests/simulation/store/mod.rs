//! The store: the real engine, held to the model after every batch.
//!
//! It stands in one of two shapes. One node has it to itself, as the embedded store is; or several share it, as they share a
//! Redis: then it keeps who holds a user's membership, and what a batch has caused is delivered to every node.

mod answers;
mod disk;
mod memberships;
mod messages;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use self::disk::Disk;
use self::memberships::Memberships;
use super::faults::{Fault, Faults};
use super::model::Model;
use super::violation::{Checked, Sentence};
use crate::metrics::Metrics;
use crate::script::ScriptSet;
use crate::state::embedded::EmbeddedOptions;
use crate::state::embedded::stepped::SteppedEngine;
use crate::state::{Batch, Deliver, Delivery, ShardId};
use crate::wire::ids::RoomId;

/// The Unix time of the simulation's beginning, in milliseconds.
pub(super) const EPOCH_MS: u64 = 1_700_000_000_000;
/// Scripts of the game end soon; how busy the machine is must not matter.
const TIME_BUDGET: Duration = Duration::from_secs(600);

/// What rooms are told that a call takes.
const CALL_TIME: Duration = Duration::from_millis(1);

/// Which process of a node, by the node's index and how often it was started.
pub(super) type NodeName = (usize, u32);

pub(super) struct Store {
    engine: Option<SteppedEngine>,
    /// None where one node has the store to itself.
    memberships: Option<Memberships>,
    /// Batches that wait, with who sent them.
    pub(super) queue: VecDeque<(NodeName, Batch)>,
    outlet: Outlet,
    clock: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
    /// When the last turn of messages ended, and when batches that wait must have had theirs.
    messages: messages::Turns,
    scripts: Arc<ScriptSet>,
    seed: u64,
    /// Where the store is kept, if it is; another file each time that it has lost its data.
    folder: Option<TempDir>,
    losses: u32,
}

/// For whom a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recipient {
    One(NodeName),
    All,
    /// Every node but this one.
    Others(NodeName),
}

/// Where the engine's deliveries gather.
#[derive(Clone, Default)]
struct Outlet {
    deliveries: Arc<Mutex<Vec<Delivery>>>,
    /// The node whose batch runs.
    origin: Arc<AtomicUsize>,
}

impl Deliver for Outlet {
    fn deliver(&mut self, _shard: ShardId, delivery: Delivery) {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
    }

    /// Every node is a room's home, so far as its own batches go.
    fn home(&self, _room: &RoomId) -> ShardId {
        self.origin.load(Ordering::Relaxed)
    }
}

impl Store {
    pub(super) fn new(seed: u64, is_shared: bool, folder: Option<TempDir>, scripts: Arc<ScriptSet>) -> Self {
        let mut store = Self {
            engine: None,
            memberships: is_shared.then(Memberships::default),
            queue: VecDeque::new(),
            outlet: Outlet::default(),
            clock: Arc::default(),
            metrics: Arc::new(Metrics::new()),
            messages: messages::Turns::default(),
            scripts,
            seed,
            folder,
            losses: 0,
        };
        store.engine = Some(store.start());
        store
    }

    fn start(&self) -> SteppedEngine {
        let clock = self.clock.clone();
        let options = EmbeddedOptions {
            time_budget: TIME_BUDGET,
            seed: self.seed,
            rejoin_grace: TIME_BUDGET,
            state_file: self.file(),
            ..EmbeddedOptions::default()
        };
        let mut engine = SteppedEngine::start(
            &options,
            self.scripts.clone(),
            Box::new(self.outlet.clone()),
            self.metrics.clone(),
            Arc::new(move || clock.load(Ordering::Relaxed)),
        )
        .expect("the state file is the simulation's own");
        engine.sync();
        engine
    }

    /// All data is gone.
    pub(super) fn lose(&mut self, model: &mut Model, faults: &mut Faults) {
        if !faults.strikes(Fault::EpochKept) {
            self.seed = self.seed.wrapping_add(0x1000);
        }
        self.engine = None;
        self.losses += 1;
        self.messages.begin_anew();
        self.engine = Some(self.start());
        if let Some(memberships) = &mut self.memberships {
            memberships.lose();
        }
        model.lose();
    }

    /// Whether it is kept in a file.
    pub(super) fn has_file(&self) -> bool {
        self.folder.is_some()
    }

    /// The state file gets all that has changed.
    pub(super) fn sync(&mut self, model: &mut Model, faults: &mut Faults) {
        if self.has_file() {
            model.keep();
            if !faults.is_planted(Fault::SyncLeftOut) {
                self.engine.as_mut().expect("it runs").sync();
            }
        }
    }

    /// Dies while its state file is being written, of which so many thousandths come to the disk; and begins again with what is
    /// there.
    pub(super) fn die(
        &mut self,
        thousandths: u64,
        now_ms: u64,
        model: &mut Model,
        faults: &mut Faults,
    ) -> Checked {
        let path = self.file().expect("it has a state file");
        let engine = self.engine.as_mut().expect("it runs");
        let before = Disk::read(&path);
        engine.sync();
        let mut after = Disk::read(&path);
        if !after.cut_log(&before, thousandths) {
            model.keep();
        }
        model.fall_back();
        self.engine = None;
        self.losses += 1;
        after.write(&self.file().expect("it has a state file"));
        self.begin_again();
        let engine = self.engine.as_mut().expect("it runs");
        if faults.is_planted(Fault::DeathForgetsMessages) {
            engine.replace_messages(&[]);
        }
        for room in model.rooms() {
            if faults.is_planted(Fault::DeathKeepsHalf) {
                let engine = self.engine.as_mut().expect("it runs");
                engine.runner().execute(&[b"DEL", format!("game:{room}").as_bytes()], EPOCH_MS + now_ms);
            }
            self.audit(&room, (0, Sentence::Kept), now_ms, model)?;
        }
        self.count_messages(model, Sentence::Kept)
    }

    /// Where the state file is, if there is one.
    fn file(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join(format!("{}.db", self.losses)))
    }

    /// Another engine, with what the state file holds.
    fn begin_again(&mut self) {
        self.seed = self.seed.wrapping_add(0x1000);
        self.engine = Some(self.start());
        self.messages.begin_anew();
    }

    /// Ends in order, and begins again with what the state file holds; without one it goes on.
    pub(super) fn restart(&mut self, model: &mut Model, faults: &mut Faults) -> Checked {
        if self.folder.is_none() {
            return Ok(());
        }
        self.engine.take().expect("it runs").stop();
        self.begin_again();
        model.start_again();
        model.keep();
        if faults.is_planted(Fault::RestartForgetsMessages) {
            self.engine.as_mut().expect("it runs").replace_messages(&[]);
        }
        self.count_messages(model, Sentence::Messages)
    }

    /// Runs the next batch, if one waits; says what is to be delivered, in order.
    pub(super) fn turn(
        &mut self,
        now_ms: u64,
        model: &mut Model,
        faults: &mut Faults,
    ) -> Checked<Vec<(Recipient, Delivery)>> {
        let Some((sender, batch)) = self.queue.pop_front() else { return Ok(Vec::new()) };
        self.clock.store(EPOCH_MS + now_ms, Ordering::Relaxed);
        let batch = Batch { origin: sender.0, ..batch };
        let Some(memberships) = &mut self.memberships else {
            let deliveries = self.run(batch, now_ms, model, faults)?;
            return Ok(deliveries.into_iter().map(|delivery| (Recipient::One(sender), delivery)).collect());
        };
        let (batch, skipped) = memberships.take_out_skipped(sender, batch);
        let calls: Vec<_> = batch.calls.clone();
        let room = batch.room.clone();
        let mut deliveries = self.run(batch, now_ms, model, faults)?;
        let mut replaced = Vec::new();
        if let (Some(memberships), Some(room)) = (&mut self.memberships, room)
            && let Some(Delivery::Done(done)) = deliveries.last_mut()
        {
            replaced = memberships.note(sender, &room, &calls, &done.results);
            skipped.put_back(&mut done.results);
        }
        Ok(replaced.into_iter().chain(spread(sender, deliveries)).collect())
    }

    /// Runs a batch, and holds what comes of it to the model.
    fn run(
        &mut self,
        batch: Batch,
        now_ms: u64,
        model: &mut Model,
        faults: &mut Faults,
    ) -> Checked<Vec<Delivery>> {
        let room = batch.room.as_ref().map(ToString::to_string).unwrap_or_default();
        let expected = model.apply(&batch, now_ms, EPOCH_MS + now_ms)?;
        let engine = self.engine.as_mut().expect("it runs");
        self.outlet.origin.store(batch.origin, Ordering::Relaxed);
        let has_failed = expected.has_failed;
        let batch = faults.before_the_store(batch);
        faults.before_messages(engine);
        let (origin, in_room) = (batch.origin, batch.room.clone());
        engine.run(batch);
        let mut deliveries = self.outlet.take();
        set_duration(&mut deliveries);
        faults.in_the_store(engine, &in_room, has_failed, EPOCH_MS + now_ms, &mut deliveries);
        faults.behind_a_batch(engine, has_failed);
        answers::check(&room, &expected, &deliveries, model)?;
        let sentence = if has_failed { Sentence::AllOrNothing } else { Sentence::Messages };
        self.count_messages(model, sentence)?;
        if has_failed {
            self.audit(&room, (origin, sentence), now_ms, model)?;
        }
        faults.behind_the_store(&mut deliveries);
        Ok(deliveries)
    }

    /// Looks whether a room is as the model has it.
    pub(super) fn audit(
        &mut self,
        room: &str,
        (origin, sentence): (ShardId, Sentence),
        now_ms: u64,
        model: &mut Model,
    ) -> Checked {
        self.clock.store(EPOCH_MS + now_ms, Ordering::Relaxed);
        let engine = self.engine.as_mut().expect("it runs");
        self.outlet.origin.store(origin, Ordering::Relaxed);
        engine.run(answers::question(room, &self.scripts));
        let deliveries = self.outlet.take();
        answers::check_state(room, &model.snapshot(room, EPOCH_MS + now_ms), &deliveries, sentence)
    }
}

impl Outlet {
    fn take(&self) -> Vec<Delivery> {
        std::mem::take(&mut self.deliveries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a batch caused goes to its sender as it is, and its events to the other nodes.
fn spread(sender: NodeName, deliveries: Vec<Delivery>) -> Vec<(Recipient, Delivery)> {
    let mut spread = Vec::new();
    for delivery in deliveries {
        let events = match &delivery {
            Delivery::Events(events) => Some(events.clone()),
            Delivery::Done(done) => done.events.clone(),
            _ => None,
        };
        spread.push((Recipient::One(sender), delivery));
        spread.extend(events.map(|events| (Recipient::Others(sender), Delivery::Events(events))));
    }
    spread
}

/// How long the store worked depends on the machine, and rooms go by it.
fn set_duration(deliveries: &mut [Delivery]) {
    if let Some(Delivery::Done(done)) = deliveries.last_mut() {
        done.took = CALL_TIME * done.results.len() as u32;
    }
}
