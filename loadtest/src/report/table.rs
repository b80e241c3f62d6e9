//! The report as text for a terminal.

use super::{Cost, Finding, MIB, Phase, Report};
use crate::measure::histogram::Percentiles;
use std::collections::BTreeMap;
use std::fmt::Write;

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    let setup = &report.setup;
    line(&mut text, "");
    line(
        &mut text,
        &format!(
            "{} · {} clients in {} rooms · {}",
            report.scenario, setup.clients, setup.rooms, setup.target
        ),
    );
    for phase in &report.phases {
        render_phase(&mut text, phase);
    }
    section(&mut text, "results", &report.findings);
    if let Some(floor) = &report.floor {
        section(&mut text, "floor (what the machine itself costs)", &super::floor::findings(floor));
    }
    section(&mut text, "ratios to the floor", &report.ratios);
    line(&mut text, "");
    report.warnings.iter().for_each(|warning| line(&mut text, &format!("  warning: {warning}")));
    for (kind, count) in &report.violations.counts {
        line(&mut text, &format!("  VIOLATION {kind}: {count}"));
    }
    report.violations.samples.iter().for_each(|sample| line(&mut text, &format!("    {sample}")));
    if let Some(reason) = &report.aborted {
        line(&mut text, &format!("  ABORTED: {reason}"));
    }
    line(
        &mut text,
        if report.passed { "  passed: nothing lost, nothing doubled, nothing foreign" } else { "  FAILED" },
    );
    text
}

fn render_phase(text: &mut String, phase: &Phase) {
    let all = &phase.all;
    line(text, &format!("\n  {} ({:.1} s, {} connected)", phase.name, phase.seconds, all.connected));
    row(text, "inputs", &format!("{} ({}/s), {} answered", all.inputs, count(all.inputs_per_s), all.answers));
    let per_frame = all.events_per_frame.map_or(String::new(), |events| format!(", {events:.1} a frame"));
    row(text, "events", &format!("{} ({}/s){per_frame}", all.events, count(all.events_per_s)));
    let bytes = all.bytes_per_frame.map_or(String::new(), |bytes| format!(", {bytes:.0} bytes each"));
    let bytes = match all.bytes_per_event {
        Some(per_event) => format!("{bytes} ({per_event:.1} an event)"),
        None => bytes,
    };
    row(
        text,
        "frames",
        &format!("{} ({}/s){bytes}, {:.1} MB/s", all.frames, count(all.frames_per_s), all.mb_in_per_s),
    );
    for (name, group) in &phase.groups {
        let of =
            |what: &str| if phase.groups.len() > 1 { format!("{what} ({name})") } else { what.to_owned() };
        percentiles(text, &of("latency"), group.latency.as_ref());
        percentiles(text, &of("join"), group.join.as_ref());
        percentiles(text, &of("caught up"), group.caught_up.as_ref());
    }
    percentiles(text, "first to last member", phase.spread.as_ref());
    percentiles(text, "tester's own lateness", phase.lateness.as_ref());
    let returns =
        [("recovered", all.recovered), ("with the whole state", all.whole), ("refused", all.refused_returns)];
    counts(text, "returns", &returns.into_iter().filter(|(_, count)| *count > 0).map(owned).collect());
    counts(text, "snapshots", &single(all.snapshots));
    counts(text, "errors", &all.errors);
    counts(text, "failed connections", &all.failures);
    counts(text, "closed by the server", &all.closes);
    for usage in &phase.processes {
        let threads: Vec<String> = usage
            .threads
            .iter()
            .filter(|(_, cpu_s)| **cpu_s >= 0.005)
            .map(|(name, cpu_s)| format!("{name} {cpu_s:.2}"))
            .collect();
        let sizes = format!(
            "{:.1} MiB (peak {:.1})",
            usage.rss_bytes as f64 / MIB,
            usage.rss_peak_bytes as f64 / MIB
        );
        let cpu = format!(
            "{:.2} CPU-s = {:.1} % of a core, {:.2} in the kernel",
            usage.cpu_s,
            usage.cores * 100.0,
            usage.system_s
        );
        row(text, &usage.label, &format!("{cpu} [{}] · {sizes}", threads.join(", ")));
    }
    phase.cost.iter().for_each(|cost| render_cost(text, cost));
    let others = phase
        .other_cores
        .map_or(String::new(), |cores| format!(" · the rest of the machine {:.0} %", cores * 100.0));
    row(text, "tester", &format!("{:.0} % of a core{others}", phase.tester_cores * 100.0));
}

fn render_cost(text: &mut String, cost: &Cost) {
    let mut parts = Vec::new();
    let mut part = |value: Option<f64>, unit: &str| {
        parts.extend(value.map(|value| format!("{value:.3} {unit}")));
    };
    part(cost.cpu_us_per_event, "µs an event");
    part(cost.cpu_us_per_frame, "µs a frame");
    part(cost.cpu_us_per_frame_without_engine, "µs a frame without scripts");
    part(cost.engine_us_per_input, "µs of scripts an input");
    part(cost.rss_bytes_per_connection.map(|bytes| bytes / 1024.0), "KiB a connection");
    row(text, "server's cost", &parts.join(" · "));
}

fn section(text: &mut String, title: &str, findings: &[Finding]) {
    if !findings.is_empty() {
        line(text, &format!("\n  {title}"));
    }
    for Finding { name, value, unit } in findings {
        row(text, name, &format!("{} {unit}", amount(*value)));
    }
}

fn percentiles(text: &mut String, name: &str, percentiles: Option<&Percentiles>) {
    let Some(Percentiles { p50_ms, p90_ms, p99_ms, p999_ms, max_ms, .. }) = percentiles else { return };
    row(
        text,
        name,
        &format!(
            "p50 {p50_ms:.2} · p90 {p90_ms:.2} · p99 {p99_ms:.2} · p99.9 {p999_ms:.2} · max {max_ms:.2} ms"
        ),
    );
}

fn counts(text: &mut String, name: &str, counts: &BTreeMap<String, u64>) {
    if !counts.is_empty() {
        let parts: Vec<String> = counts.iter().map(|(name, count)| format!("{count} × {name}")).collect();
        row(text, name, &parts.join(", "));
    }
}

fn owned((name, count): (&str, u64)) -> (String, u64) {
    (name.to_owned(), count)
}

fn single(count: u64) -> BTreeMap<String, u64> {
    (count > 0).then(|| ("in place of events".to_owned(), count)).into_iter().collect()
}

fn row(text: &mut String, name: &str, value: &str) {
    line(text, &format!("    {name:<34} {value}"));
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "{content}").expect("a String takes everything");
}

/// A number with at most four digits that matter.
fn amount(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 || size.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// A count in a short form.
pub(super) fn count(value: f64) -> String {
    match value {
        v if v >= 10_000_000.0 => format!("{:.1}M", v / 1e6),
        v if v >= 1_000_000.0 => format!("{:.2}M", v / 1e6),
        v if v >= 10_000.0 => format!("{:.1}k", v / 1e3),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_reading() {
        let check = |value, expected: &str| assert_eq!(count(value), expected);
        check(0.0, "0");
        check(9_999.0, "9999");
        check(20_000.0, "20.0k");
        check(1_004_000.0, "1.00M");
        check(25_000_000.0, "25.0M");
        assert_eq!(
            [amount(0.0), amount(0.01234), amount(3.456), amount(5.0), amount(1_234.5)],
            ["0", "0.0123", "3.46", "5", "1234"]
        );
    }
}
