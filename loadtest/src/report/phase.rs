//! A stretch of a run that was measured: what went to and fro, and what the server spent on it.

use crate::measure::group::Group;
use crate::measure::histogram::Percentiles;
use crate::measure::process_stats::Usage;
use crate::measure::window::{GroupWindow, Window};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A stretch of a run that was measured.
#[derive(Serialize, Deserialize)]
pub(crate) struct Phase {
    pub name: String,
    /// How long it took.
    pub seconds: f64,
    pub all: Traffic,
    /// The groups that had any, by name.
    pub groups: BTreeMap<String, Traffic>,
    /// From an input's intended time to its `write`.
    pub lateness: Option<Percentiles>,
    /// From the first to the last member of a room that got the same frame.
    pub spread: Option<Percentiles>,
    /// Share of one core that the tester's workers used.
    pub tester_cores: f64,
    /// Cores that the rest of the machine used meanwhile, where the server is observed.
    pub other_cores: Option<f64>,
    /// What the observed processes used; the server first.
    pub processes: Vec<Usage>,
    /// The server's costs, each thing divided by what was delivered.
    pub cost: Option<Cost>,
}

/// What went to and fro.
#[derive(Serialize, Deserialize)]
pub(crate) struct Traffic {
    /// Clients connected at the end.
    pub connected: u64,
    pub inputs: u64,
    /// The same by second.
    pub inputs_per_s: f64,
    /// Own inputs that came back.
    pub answers: u64,
    /// The same by second.
    pub answers_per_s: f64,
    pub events: u64,
    /// The same by second.
    pub events_per_s: f64,
    pub frames: u64,
    /// The same by second.
    pub frames_per_s: f64,
    /// Snapshots in place of events.
    pub snapshots: u64,
    pub bytes_in: u64,
    /// Megabytes (10⁶) received by second.
    pub mb_in_per_s: f64,
    pub bytes_out: u64,
    /// Mean length of a message with its header.
    pub bytes_per_frame: Option<f64>,
    /// Mean number of bytes received for an event, of all that came.
    #[serde(default)]
    pub bytes_per_event: Option<f64>,
    /// Mean number of events in a message.
    pub events_per_frame: Option<f64>,
    /// From an input's intended time to its own event.
    pub latency: Option<Percentiles>,
    /// From the intended time of a connection to its welcome.
    pub join: Option<Percentiles>,
    /// From the same time to the last event that others of the room had by then.
    #[serde(default)]
    pub caught_up: Option<Percentiles>,
    /// Clients that came back and got what they had missed.
    pub recovered: u64,
    /// Clients that came back and got the whole state instead.
    #[serde(default)]
    pub whole: u64,
    /// Upgrades of clients that wanted to come back and were refused.
    #[serde(default)]
    pub refused_returns: u64,
    /// Error events by code.
    pub errors: BTreeMap<String, u64>,
    /// Connections that did not come about, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Connections that the server ended, by code.
    pub closes: BTreeMap<String, u64>,
}

/// What the server spent on each thing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// CPU time for each delivered event, in microseconds; in seconds for each million.
    pub cpu_us_per_event: Option<f64>,
    /// CPU time for each message, in microseconds; in seconds for each million.
    pub cpu_us_per_frame: Option<f64>,
    /// The same without the threads that run scripts.
    pub cpu_us_per_frame_without_engine: Option<f64>,
    /// CPU time for each input, in microseconds.
    pub cpu_us_per_input: Option<f64>,
    /// CPU time of the threads that run scripts for each input, in microseconds.
    pub engine_us_per_input: Option<f64>,
    /// Memory resident for each connection, the server's own needs included.
    pub rss_bytes_per_connection: Option<f64>,
}

impl Phase {
    /// From what was counted, and what the processes used meanwhile.
    pub(crate) fn new(
        name: &str,
        seconds: f64,
        window: Window,
        processes: Vec<Usage>,
        engine: &[String],
    ) -> Self {
        let all = window.all();
        let server = processes.first().filter(|usage| usage.label == "server");
        let active =
            Group::ALL.iter().zip(&window.groups).filter(|(_, group)| group.connected + group.frames > 0);
        let name_of = |group: &Group| format!("{group:?}").to_lowercase();
        Self {
            name: name.into(),
            seconds,
            cost: server.map(|usage| Cost::new(usage, &all, engine)),
            groups: active.map(|(group, counts)| (name_of(group), Traffic::new(counts, seconds))).collect(),
            all: Traffic::new(&all, seconds),
            lateness: window.lateness.summary(),
            spread: window.spread.summary(),
            tester_cores: window.tester_cpu_ns as f64 / 1e9 / seconds,
            other_cores: None,
            processes,
        }
    }

    /// What the server used.
    pub(crate) fn server(&self) -> Option<&Usage> {
        self.processes.first().filter(|usage| usage.label == "server")
    }

    /// A latency percentile of the players' own inputs, or a NaN that compares as neither good nor bad.
    pub(crate) fn players_p99_ms(&self) -> f64 {
        let players = self.groups.get("players").unwrap_or(&self.all);
        players.latency.as_ref().map_or(f64::NAN, |latency| latency.p99_ms)
    }
}

impl Traffic {
    fn new(counts: &GroupWindow, seconds: f64) -> Self {
        let per_s = |count: u64| count as f64 / seconds;
        Self {
            connected: counts.connected,
            inputs: counts.inputs,
            inputs_per_s: per_s(counts.inputs),
            answers: counts.answers,
            answers_per_s: per_s(counts.answers),
            events: counts.events,
            events_per_s: per_s(counts.events),
            frames: counts.frames,
            frames_per_s: per_s(counts.frames),
            snapshots: counts.snapshots,
            bytes_in: counts.bytes_in,
            mb_in_per_s: per_s(counts.bytes_in) / 1e6,
            bytes_out: counts.bytes_out,
            bytes_per_frame: divided(counts.bytes_in as f64, counts.frames as f64),
            bytes_per_event: divided(counts.bytes_in as f64, counts.events as f64),
            events_per_frame: divided(counts.events as f64, counts.frames as f64),
            latency: counts.latency.summary(),
            join: counts.join.summary(),
            caught_up: counts.caught_up.summary(),
            recovered: counts.recovered,
            whole: counts.whole,
            refused_returns: counts.refused_returns,
            errors: counts.errors.clone(),
            failures: counts.failures.clone(),
            closes: counts.closes.clone(),
        }
    }
}

impl Cost {
    fn new(server: &Usage, counts: &GroupWindow, engine: &[String]) -> Self {
        let engine_s = server.threads_s(engine);
        let us_per = |seconds: f64, count: u64| divided(seconds * 1e6, count as f64);
        Self {
            cpu_us_per_event: us_per(server.cpu_s, counts.events),
            cpu_us_per_frame: us_per(server.cpu_s, counts.frames),
            cpu_us_per_frame_without_engine: us_per(server.cpu_s - engine_s, counts.frames),
            cpu_us_per_input: us_per(server.cpu_s, counts.inputs),
            engine_us_per_input: us_per(engine_s, counts.inputs).filter(|us| *us > 0.0),
            rss_bytes_per_connection: divided(server.rss_bytes as f64, counts.connected as f64),
        }
    }
}

fn divided(amount: f64, by: f64) -> Option<f64> {
    (by > 0.0).then(|| amount / by)
}
