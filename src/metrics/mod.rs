//! Prometheus metrics: every name, its help text, and the handles that the threads count with. They are declared in `table.rs`.
//!
//! Counting is an atomic addition without a lock or a look-up: a thread gets its handles once, from
//! [`Metrics::shard`] or [`Metrics::script`]. Label values come from closed sets and the script catalogue, never from
//! a peer.

mod labels;
mod parts;
mod process;
mod table;
mod text;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

pub use labels::{
    AccountEvent, AccountOutcome, CloseCode, ConnectionKind, HandshakeOutcome, InputOutcome, MessageOutcome,
    RefusalReason, Request,
};
pub use parts::{Histogram, Labels, Row, SecondsCounter};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use table::{AccountMetrics, DocumentMetrics, Metrics, ShardMetrics};

use crate::script::ScriptSet;
use table::ShardTotals;

impl Metrics {
    /// The content type of [`Metrics::encode`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Everything at zero; the process counts as started now.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process::starting_now()));
        let godra = registry.sub_registry_with_prefix("godra");
        register_build_info(godra);
        let (accounts, documents) = (AccountMetrics::declare, DocumentMetrics::declare);
        let mut metrics =
            Self::declare(godra, accounts, documents, ShardTotals::register, |_| Registry::default());
        metrics.registry = registry;
        metrics
    }

    /// The handles of one shard, to be taken once when it starts.
    pub fn shard(&self, index: usize) -> ShardMetrics {
        self.shards.shard(index)
    }

    /// Handles for who is turned away by what all shards share.
    pub fn refusals(&self) -> Row<RefusalReason, Counter> {
        self.shards.refusals()
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
        for script in scripts.all() {
            let labels =
                ScriptInfoLabels { name: script.full_name.to_string(), version: script.version().to_owned() };
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

impl ShardMetrics {
    /// Counts one round of the event loop, without its wait for work.
    pub fn round(&self, busy: std::time::Duration) {
        self.loop_duration.observe(busy);
        self.busy.add(busy);
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

fn register_build_info(registry: &mut Registry) {
    let info: Family<[(&str, &str); 2], Gauge> = Family::default();
    let commit = option_env!("GODRA_COMMIT").unwrap_or("unknown");
    info.get_or_create(&[("version", env!("CARGO_PKG_VERSION")), ("commit", commit)]).set(1);
    registry.register("build_info", "The version of this binary", info);
}

#[cfg(test)]
mod tests;
