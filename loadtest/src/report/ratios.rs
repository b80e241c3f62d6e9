//! A phase's costs as multiples of what the machine itself costs.

use super::{Finding, Phase};
use crate::measure::floor::Floor;

/// Those that the phase has something for.
pub(crate) fn of(phase: &Phase, floor: &Floor, sync_interval_ms: Option<f64>) -> Vec<Finding> {
    let mut ratios = Vec::new();
    let mut ratio = |name: &str, value: Option<f64>, of: f64| {
        ratios.extend(value.map(|value| Finding { name: name.into(), value: value / of, unit: "×".into() }));
    };
    let cost = phase.cost.as_ref();
    let frame_us =
        cost.and_then(|cost| cost.cpu_us_per_frame_without_engine).filter(|_| phase.all.frames > 0);
    ratio("CPU for a frame, without scripts, over one send", frame_us, floor.send_cpu_us);
    let whole_us = cost.and_then(|cost| cost.cpu_us_per_frame).filter(|_| phase.all.frames > 0);
    ratio("CPU for a frame, scripts included, over one send", whole_us, floor.send_cpu_us);
    let calls_us = phase.all.frames as f64 * floor.send_cpu_us + phase.all.inputs as f64 * floor.recv_cpu_us;
    let server_us = phase.server().map(|usage| usage.cpu_s * 1e6).filter(|_| calls_us > 0.0);
    ratio("all CPU over all sends and recvs", server_us, calls_us);
    if let (Some(spread), Some(_)) = (&phase.spread, sync_interval_ms) {
        let sends_ms = floor.send_wall_us * floor.shape.burst as f64 / 1_000.0;
        ratio("first to last member (p50) over a send to each", Some(spread.p50_ms), sends_ms);
    }
    if let (Some(latency), Some(interval_ms)) = (&phase.all.latency, sync_interval_ms) {
        ratio("p99 over the sync interval", Some(latency.p99_ms), interval_ms);
    }
    let joins = phase.all.join.as_ref().map_or(0, |join| join.count);
    if joins > 0 && phase.all.inputs < joins {
        let join_us = phase.server().map(|usage| usage.cpu_s * 1e6 / joins as f64);
        ratio(
            "CPU for a join, with all that it causes, over an accept and upgrade",
            join_us,
            floor.accept_upgrade_cpu_us,
        );
    }
    let rss = cost.and_then(|cost| cost.rss_bytes_per_connection);
    let kernel = floor.kernel_bytes_per_socket.filter(|bytes| *bytes > 0.0);
    if let Some((rss, kernel)) = rss.zip(kernel) {
        ratio("memory of a connection over the kernel's for it", Some(rss), kernel);
    }
    ratios
}
