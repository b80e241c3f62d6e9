//! Prometheus metrics: every name, its help text, and the handles that the threads count with.
//!
//! Counting is an atomic addition without a lock or a look-up: a thread gets its handles once, from
//! [`Metrics::shard`] or [`Metrics::script`]. Label values come from closed sets and the script catalogue, never from
//! a peer.

mod labels;
mod parts;
mod process;
mod text;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Metric, Registry, Unit};

pub use labels::{AccountOutcome, CloseCode, ConnectionKind, InputOutcome, Refusal, Request};
pub use parts::{Histogram, Labels, Row, SecondsCounter};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;

use crate::script::ScriptSet;
use parts::Summed;

/// All metrics of the process. Shared by reference between its threads.
#[derive(Debug)]
pub struct Metrics {
    /// Batches waiting for the state engine. Set before a scrape.
    pub engine_queue_depth: Gauge,
    /// Files of the scripts directory whose newest text is not being served, because it does not compile.
    pub script_problems: Gauge,
    script_generation: Gauge,
    script_info: Family<ScriptInfoLabels, Gauge>,
    script_runs: Family<ScriptLabels, Counter>,
    script_errors: Family<ScriptLabels, Counter>,
    script_timeouts: Family<ScriptLabels, Counter>,
    script_duration: Family<ScriptLabels, Histogram>,
    /// Connections to stores that were lost.
    pub redis_reconnects: Counter,
    /// Calls whose answer was lost.
    pub redis_lost_calls: Counter,
    /// Messages on rooms' channels that are not the server's.
    pub redis_foreign_messages: Counter,
    /// Members of dead nodes that were taken out of their rooms.
    pub redis_orphans: Counter,
    /// From sending a batch to a store until its answer.
    pub redis_call_time: Histogram,
    redis_up: Family<AddressLabels, Gauge>,
    /// Transactions written to the state file.
    pub state_file_writes: Counter,
    /// Transactions that could not be written to the state file; they are tried again.
    pub state_file_errors: Counter,
    /// How long writing a transaction took.
    pub state_file_write_time: Histogram,
    /// What account workers count.
    pub accounts: AccountMetrics,
    shards: ShardTotals,
    registry: Registry,
}

/// What account workers count.
#[derive(Clone, Debug)]
pub struct AccountMetrics {
    /// Calls, by how they ended.
    pub calls: Row<AccountOutcome, Counter>,
    /// Calls that wait for a worker.
    pub queue_depth: Gauge,
    /// How long hashing or checking a password took.
    pub hash_time: Histogram,
}

impl AccountMetrics {
    fn register(registry: &mut Registry) -> Self {
        let calls = Summed::new(Row::new);
        let part = calls.part();
        register(
            registry,
            "account_calls",
            "Logins and other calls to the accounts, by how they ended",
            calls,
        );
        Self {
            calls: part,
            queue_depth: register(
                registry,
                "account_queue_depth",
                "Calls to the accounts that wait for a worker",
                Gauge::default(),
            ),
            hash_time: register_seconds(
                registry,
                "password_hash",
                "How long hashing or checking a password took",
                Histogram::default(),
            ),
        }
    }
}

impl Metrics {
    /// The content type of [`Metrics::encode`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Everything at zero; the process counts as started now.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process::starting_now()));
        let godra = registry.sub_registry_with_prefix("godra");
        register_build_info(godra);
        Self {
            engine_queue_depth: register(
                godra,
                "engine_queue_depth",
                "Batches waiting for the state engine",
                Gauge::default(),
            ),
            script_problems: register(
                godra,
                "script_problems",
                "Script files whose newest text is not served because it does not compile",
                Gauge::default(),
            ),
            script_generation: register(
                godra,
                "script_generation",
                "Times that the set of scripts was loaded",
                Gauge::default(),
            ),
            script_info: register(
                godra,
                "script_info",
                "The served version of each script",
                Family::default(),
            ),
            script_runs: register(godra, "script_runs", "Script calls that ran", Family::default()),
            script_errors: register(godra, "script_errors", "Script calls that failed", Family::default()),
            script_timeouts: register(
                godra,
                "script_timeouts",
                "Script calls that ran over their time budget",
                Family::default(),
            ),
            script_duration: register_seconds(
                godra,
                "script_duration",
                "How long script calls took",
                Family::default(),
            ),
            redis_reconnects: register(
                godra,
                "redis_reconnects",
                "Connections to stores that were lost",
                Counter::default(),
            ),
            redis_lost_calls: register(
                godra,
                "redis_lost_calls",
                "Calls whose answer was lost with a connection to a store",
                Counter::default(),
            ),
            redis_foreign_messages: register(
                godra,
                "redis_foreign_messages",
                "Messages on rooms' channels that are not the server's",
                Counter::default(),
            ),
            redis_orphans: register(
                godra,
                "redis_orphans",
                "Members of dead nodes that this one took out of their rooms",
                Counter::default(),
            ),
            redis_call_time: register_seconds(
                godra,
                "redis_call",
                "From sending a batch of calls to a store until its answer",
                Histogram::default(),
            ),
            redis_up: register(godra, "redis_up", "Whether a store can be worked with", Family::default()),
            state_file_writes: register(
                godra,
                "state_file_writes",
                "Times that changes were written to the state file",
                Counter::default(),
            ),
            state_file_errors: register(
                godra,
                "state_file_errors",
                "Times that changes could not be written to the state file, and were kept to be tried again",
                Counter::default(),
            ),
            state_file_write_time: register_seconds(
                godra,
                "state_file_write",
                "How long writing changes to the state file took",
                Histogram::default(),
            ),
            accounts: AccountMetrics::register(godra),
            shards: ShardTotals::register(godra),
            registry,
        }
    }

    /// The handles of one shard, to be taken once when it starts.
    pub fn shard(&self, index: usize) -> ShardMetrics {
        self.shards.shard(index)
    }

    /// The handles of one script of the catalogue.
    pub fn script(&self, name: &str) -> ScriptMetrics {
        let labels = ScriptLabels { script: name.to_owned() };
        ScriptMetrics {
            runs: self.script_runs.get_or_create_owned(&labels),
            errors: self.script_errors.get_or_create_owned(&labels),
            timeouts: self.script_timeouts.get_or_create_owned(&labels),
            duration: self.script_duration.get_or_create_owned(&labels),
        }
    }

    /// Tells whether the store at an address can be worked with.
    pub fn redis_up(&self, address: &str, is_up: bool) {
        let labels = AddressLabels { address: address.to_owned() };
        self.redis_up.get_or_create(&labels).set(i64::from(is_up));
    }

    /// Tells which scripts are served from now on.
    pub fn set_scripts(&self, scripts: &ScriptSet) {
        self.script_generation.set(i64::try_from(scripts.generation).unwrap_or(i64::MAX));
        self.script_info.clear();
        for script in scripts.scripts.values() {
            let labels =
                ScriptInfoLabels { name: script.name.to_string(), version: script.version().to_owned() };
            self.script_info.get_or_create(&labels).set(1);
        }
    }

    /// All metrics in the Prometheus text format, see [`Metrics::CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut open_metrics = String::with_capacity(32 * 1024);
        prometheus_client::encoding::text::encode(&mut open_metrics, &self.registry)
            .expect("writing to a String does not fail");
        text::prometheus_from_open_metrics(&open_metrics)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// What a script's calls count.
#[derive(Clone, Debug)]
pub struct ScriptMetrics {
    /// Calls that ran, whatever came of them.
    pub runs: Counter,
    /// Calls that failed by a fault, timeouts included.
    pub errors: Counter,
    /// Calls that ran over their time budget.
    pub timeouts: Counter,
    /// How long calls took.
    pub duration: Histogram,
}

/// What one shard counts. Where a round does a thing many times, add once at the round's end.
#[derive(Clone, Debug)]
pub struct ShardMetrics {
    /// Open connections.
    pub connections: Row<ConnectionKind, Gauge>,
    /// Connections that were accepted.
    pub connections_accepted: Counter,
    /// Rooms at home here that have members.
    pub rooms: Gauge,
    /// Members of rooms, counted where their sockets are.
    pub members: Gauge,
    /// Guests of whom the store knows, as of the last look.
    pub guests: Gauge,
    /// Guests that were forgotten, as they showed no sign of life for too long.
    pub guests_expired: Counter,
    /// Inputs of players.
    pub inputs: Row<InputOutcome, Counter>,
    /// Room events, each counted once however many members get it.
    pub events: Counter,
    /// WebSocket frames queued for sending.
    pub frames_out: Counter,
    /// Bytes written to sockets.
    pub bytes_out: Counter,
    /// Bytes read from sockets.
    pub bytes_in: Counter,
    /// Answered requests.
    pub requests: Row<Request, Counter>,
    /// WebSocket closes.
    pub closes: Row<CloseCode, Counter>,
    /// Requests and connections that were turned away.
    pub refusals: Row<Refusal, Counter>,
    /// Times that a member's queued events were replaced by a snapshot.
    pub snapshots_replaced: Counter,
    /// Connections closed because they read too slowly.
    pub slow_consumers: Counter,
    /// From an input's arrival to its events being handed to the sockets.
    pub input_to_patch: Histogram,
    loop_duration: Histogram,
    busy: SecondsCounter,
}

impl ShardMetrics {
    /// Counts one round of the event loop, without its wait for work.
    pub fn round(&self, busy: std::time::Duration) {
        self.loop_duration.observe(busy);
        self.busy.add(busy);
    }
}

/// What the shards' parts add up to.
#[derive(Debug)]
struct ShardTotals {
    connections: Summed<Row<ConnectionKind, Gauge>>,
    connections_accepted: Summed<Counter>,
    rooms: Summed<Gauge>,
    members: Summed<Gauge>,
    guests: Summed<Gauge>,
    guests_expired: Summed<Counter>,
    inputs: Summed<Row<InputOutcome, Counter>>,
    events: Summed<Counter>,
    frames_out: Summed<Counter>,
    bytes_out: Summed<Counter>,
    bytes_in: Summed<Counter>,
    requests: Summed<Row<Request, Counter>>,
    closes: Summed<Row<CloseCode, Counter>>,
    refusals: Summed<Row<Refusal, Counter>>,
    snapshots_replaced: Summed<Counter>,
    slow_consumers: Summed<Counter>,
    input_to_patch: Summed<Histogram>,
    loop_duration: Family<ShardLabels, Histogram>,
    busy: Family<ShardLabels, SecondsCounter>,
}

impl ShardTotals {
    fn register(registry: &mut Registry) -> Self {
        let counter = || Summed::new(Counter::default);
        let gauge = || Summed::new(Gauge::default);
        Self {
            connections: register(registry, "connections", "Open connections", Summed::new(Row::new)),
            connections_accepted: register(
                registry,
                "connections_accepted",
                "Connections that were accepted",
                counter(),
            ),
            rooms: register(registry, "rooms", "Rooms with members", gauge()),
            members: register(registry, "members", "Members of rooms", gauge()),
            guests: register(
                registry,
                "guests",
                "Guests of whom something is kept that will have to be cleaned up",
                gauge(),
            ),
            guests_expired: register(
                registry,
                "guests_expired",
                "Guests that this process has cleaned up after, as they had no socket and made no call",
                counter(),
            ),
            inputs: register(
                registry,
                "inputs",
                "Inputs of players, by how they ended",
                Summed::new(Row::new),
            ),
            events: register(
                registry,
                "events",
                "Room events, each counted once however many members get it",
                counter(),
            ),
            frames_out: register(registry, "frames_out", "WebSocket frames queued for sending", counter()),
            bytes_out: register(registry, "bytes_out", "Bytes written to sockets", counter()),
            bytes_in: register(registry, "bytes_in", "Bytes read from sockets", counter()),
            requests: register(registry, "http_requests", "Answered HTTP requests", Summed::new(Row::new)),
            closes: register(
                registry,
                "websocket_closes",
                "WebSocket closes, by code",
                Summed::new(Row::new),
            ),
            refusals: register(
                registry,
                "refusals",
                "Connections and requests that were turned away",
                Summed::new(Row::new),
            ),
            snapshots_replaced: register(
                registry,
                "outbox_snapshots",
                "Times that a slow member's queued events were replaced by a snapshot",
                counter(),
            ),
            slow_consumers: register(
                registry,
                "slow_consumers",
                "Connections closed because they read too slowly",
                counter(),
            ),
            input_to_patch: register_seconds(
                registry,
                "input_to_patch",
                "From an input's arrival to its events being handed to the sockets",
                Summed::new(Histogram::default),
            ),
            loop_duration: register_seconds(
                registry,
                "shard_loop",
                "Rounds of a shard's event loop, without the wait for work",
                Family::default(),
            ),
            busy: register_seconds(
                registry,
                "shard_busy",
                "Time that a shard spent on work",
                Family::default(),
            ),
        }
    }

    fn shard(&self, index: usize) -> ShardMetrics {
        let labels = ShardLabels { shard: index };
        ShardMetrics {
            connections: self.connections.part(),
            connections_accepted: self.connections_accepted.part(),
            rooms: self.rooms.part(),
            members: self.members.part(),
            guests: self.guests.part(),
            guests_expired: self.guests_expired.part(),
            inputs: self.inputs.part(),
            events: self.events.part(),
            frames_out: self.frames_out.part(),
            bytes_out: self.bytes_out.part(),
            bytes_in: self.bytes_in.part(),
            requests: self.requests.part(),
            closes: self.closes.part(),
            refusals: self.refusals.part(),
            snapshots_replaced: self.snapshots_replaced.part(),
            slow_consumers: self.slow_consumers.part(),
            input_to_patch: self.input_to_patch.part(),
            loop_duration: self.loop_duration.get_or_create_owned(&labels),
            busy: self.busy.get_or_create_owned(&labels),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShardLabels {
    shard: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AddressLabels {
    address: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ScriptLabels {
    script: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ScriptInfoLabels {
    name: String,
    version: String,
}

fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

fn register_seconds<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

fn register_build_info(registry: &mut Registry) {
    let info: Family<[(&str, &str); 2], Gauge> = Family::default();
    let commit = option_env!("GODRA_COMMIT").unwrap_or("unknown");
    info.get_or_create(&[("version", env!("CARGO_PKG_VERSION")), ("commit", commit)]).set(1);
    registry.register("build_info", "The version of this binary", info);
}

#[cfg(test)]
mod tests;
