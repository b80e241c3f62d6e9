//! A point of the report's plots, and a line of the progress.

use super::{MIB, table};
use crate::measure::group::Group;
use crate::measure::histogram::Percentiles;
use crate::measure::process_stats::Usage;
use crate::measure::window::Window;
use serde::{Deserialize, Serialize};

/// One point of the plots: what happened since the one before, by second.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Point {
    /// Seconds since the start.
    pub at_s: f64,
    /// What the run was doing.
    pub stretch: String,
    pub connected: u64,
    /// Inputs sent by second.
    pub inputs_per_s: f64,
    /// Events delivered by second.
    pub events_per_s: f64,
    /// Messages delivered by second.
    pub frames_per_s: f64,
    /// Megabytes received by second.
    pub mb_in_per_s: f64,
    /// Error events by second.
    pub errors_per_s: f64,
    /// Latency of the inputs of those who play all the time.
    pub latency: Option<Percentiles>,
    /// Cores that the server used.
    pub server_cores: Option<f64>,
    /// Cores that its script threads used, which are part of the above.
    pub engine_cores: Option<f64>,
    /// The server's resident memory.
    pub rss_bytes: Option<u64>,
    /// Cores that the tester's workers used.
    pub tester_cores: f64,
    /// Promises broken so far.
    pub violations: u64,
}

impl Point {
    /// From what was counted in `seconds`.
    pub(crate) fn new(
        at_s: f64,
        seconds: f64,
        stretch: &str,
        window: &Window,
        server: Option<&Usage>,
        engine: &[String],
        violations: u64,
    ) -> Self {
        let all = window.all();
        let per_s = |count: u64| count as f64 / seconds;
        Self {
            at_s,
            stretch: stretch.into(),
            connected: all.connected,
            inputs_per_s: per_s(all.inputs),
            events_per_s: per_s(all.events),
            frames_per_s: per_s(all.frames),
            mb_in_per_s: per_s(all.bytes_in) / 1e6,
            errors_per_s: per_s(all.errors.values().sum::<u64>() + all.failures.values().sum::<u64>()),
            latency: window.group(Group::Players).latency.summary(),
            server_cores: server.map(|usage| usage.cores),
            engine_cores: server.map(|usage| usage.threads_s(engine) / seconds),
            rss_bytes: server.map(|usage| usage.rss_bytes),
            tester_cores: window.tester_cpu_ns as f64 / 1e9 / seconds,
            violations,
        }
    }

    /// The point as a line of progress.
    pub(crate) fn line(&self) -> String {
        let percentile = |ms: Option<f64>| ms.map_or("–".into(), |ms| format!("{ms:.1}"));
        let p50 = percentile(self.latency.as_ref().map(|latency| latency.p50_ms));
        let p99 = percentile(self.latency.as_ref().map(|latency| latency.p99_ms));
        let server = match (self.server_cores, self.rss_bytes) {
            (Some(cores), Some(rss)) => {
                format!(" · server {:.0} % {:.1} MiB", cores * 100.0, rss as f64 / MIB)
            }
            _ => String::new(),
        };
        format!(
            "{:>5.0} s {:<10} · {} in · {} inputs/s · {} events/s · {} frames/s · {:.1} MB/s · p50 {p50} p99 {p99} ms · {:.0} errors/s · {} violations{server}",
            self.at_s,
            self.stretch,
            self.connected,
            table::count(self.inputs_per_s),
            table::count(self.events_per_s),
            table::count(self.frames_per_s),
            self.mb_in_per_s,
            self.errors_per_s,
            self.violations,
        )
    }
}
