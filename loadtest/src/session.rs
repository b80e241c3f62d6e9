//! One use of the tool from start to end: server, set-up, scenario, floor, report.

use crate::fleet::Fleet;
use crate::floor::{self, Floor, Shape};
use crate::metrics;
use crate::options::{self, Cli, Common, Options, Scenario};
use crate::plan::Plan;
use crate::process_stats::Process;
use crate::report::{Finding, Machine, Phase, Report, Setup, html, json, table};
use crate::run::Run;
use crate::scenario;
use crate::server::{Launch, Server};
use crate::setup::{self, Layout};
use crate::sys;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Open files of a process that are not clients' sockets.
const SPARE_FILES: u64 = 64;
/// Above these the tester itself shapes the figures.
const LATE_MS: f64 = 5.0;
const BUSY_CORES: f64 = 0.95;
/// Above this something else on the machine does.
const OTHER_CORES: f64 = 0.15;
const ERROR_SHARE: f64 = 0.01;

/// Does what the command line says; true if the server kept its promises.
pub fn run(cli: &Cli) -> io::Result<bool> {
    let scenario = &cli.scenario;
    let common = scenario.common();
    let layouts = scenario::layouts(scenario);
    let file_limit = check_files(common, &layouts)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, interrupted.clone())?;
        signal_hook::flag::register(signal, interrupted.clone())?;
    }
    let report = match scenario {
        Scenario::Floor(args) => {
            let shape = Shape {
                sockets: args.connections,
                frame_bytes: args.frame_bytes,
                frames_per_second: args.frames_per_second,
                burst: args.burst,
            };
            let floor = floor::measure(shape, common.server_core, common.pin_core, file_limit)?;
            let mut report = empty_report(scenario, "the machine itself".into(), 0, 0);
            report.floor = Some(floor);
            report
        }
        _ => test(scenario, &layouts, file_limit, interrupted)?,
    };
    publish(&report, common)?;
    Ok(report.passed)
}

/// More clients than open files would fail in the middle; this says so at the start.
fn check_files(common: &Common, layouts: &[Layout]) -> io::Result<u64> {
    let limit = sys::raise_open_file_limit()?;
    let clients: usize = layouts.iter().map(|layout| layout.seats.len()).sum();
    let per_process = clients.div_ceil(common.processes) as u64;
    if per_process + SPARE_FILES > limit {
        let needed = (clients as u64).div_ceil(limit.saturating_sub(SPARE_FILES).max(1));
        return Err(io::Error::other(format!(
            "{per_process} connections in one process are too many for its limit of {limit} open files: use --processes {needed}"
        )));
    }
    Ok(limit)
}

fn test(
    scenario: &Scenario,
    layouts: &[Layout],
    file_limit: u64,
    interrupted: Arc<AtomicBool>,
) -> io::Result<Report> {
    let common = scenario.common();
    let server = start_server(common)?;
    let urls = server.is_none().then_some(&common.url).into_iter().chain(&common.also_url);
    let hosts: Vec<_> =
        urls.map(|url| options::resolve(url)).collect::<Result<_, _>>().map_err(io::Error::other)?;
    let targets: Vec<SocketAddr> =
        server.iter().map(|server| server.address).chain(hosts.iter().map(|(address, _)| *address)).collect();
    let target = targets[0];
    let options = Options::new(scenario, hosts).map_err(io::Error::other)?;
    // From here on everything of the tester runs there; the server has started already and stays where it is.
    if let Some(core) = common.pin_core {
        sys::Affinity::one(core)?.apply()?;
    }
    let start = Instant::now();
    let plans = setup::prepare(&options, &targets, layouts)?;
    let prepared_in_s = start.elapsed().as_secs_f64();
    let mut http = setup::http(&options, target)?;
    let metrics_before = metrics::scrape(&mut http);
    drop(http);

    let names: Vec<String> = targets.iter().map(SocketAddr::to_string).collect();
    let mut report = empty_report(scenario, names.join(", "), count_clients(&plans), layouts.len());
    report.setup.prepared_in_s = prepared_in_s;
    let mut run = Run::new(
        common,
        Fleet::start(plans, common.processes)?,
        processes(common, server.as_ref())?,
        interrupted,
    )?;
    let outcome = scenario::direct(scenario, &options, target, &mut run);
    let finished = if outcome.is_ok() { run.finish() } else { Ok(()) };
    let server_log = server.as_ref().map(Server::log_end);
    report.aborted = outcome.and(finished).err().map(|error| error.to_string());
    fill(&mut report, run);
    let metrics_after = setup::http(&options, target).ok().and_then(|mut http| metrics::scrape(&mut http));
    report.server_metrics =
        metrics_before.zip(metrics_after).map(|(before, after)| metrics::growth(&before, &after));
    if let Some(reason) = stop(server) {
        report.warnings.push(reason);
    }
    if report.aborted.is_some() {
        report.warnings.extend(
            server_log.filter(|log| !log.is_empty()).map(|log| format!("the server's last lines:\n{log}")),
        );
    } else if !common.no_floor
        && let Err(error) = add_floor(&mut report, scenario, file_limit)
    {
        report.warnings.push(format!("the floor could not be measured: {error}"));
    }
    report.passed = report.aborted.is_none() && report.violations.total() == 0;
    Ok(report)
}

fn start_server(common: &Common) -> io::Result<Option<Server>> {
    let Some(program) = &common.spawn else { return Ok(None) };
    let log = common.server_log.as_deref();
    let launch = Launch { program, flags: &common.server_flags, core: common.server_core, log };
    Server::start(&launch).map(Some)
}

fn stop(server: Option<Server>) -> Option<String> {
    match server.map(Server::stop)? {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("the server did not end well: {status}")),
        Err(error) => Some(error.to_string()),
    }
}

/// The server first, if it is known which process it is.
fn processes(common: &Common, server: Option<&Server>) -> io::Result<Vec<Process>> {
    let pid = server.map(Server::pid).or(common.server_pid);
    let server = pid.map(|pid| Process::observe("server", pid));
    let others = common.also_pid.iter().map(|pid| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Process::observe(&format!("{} ({pid})", name.trim()), *pid)
    });
    server.into_iter().chain(others).collect()
}

fn count_clients(plans: &[Plan]) -> usize {
    plans.iter().map(|plan| plan.clients(None)).sum()
}

fn empty_report(scenario: &Scenario, target: String, clients: usize, rooms: usize) -> Report {
    let common = scenario.common();
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Report {
        scenario: scenario.name().into(),
        command: std::env::args().collect(),
        started_at_s: started.as_secs(),
        machine: machine(),
        setup: Setup {
            target,
            clients,
            rooms,
            workers: common.processes * common.threads,
            seed: common.seed,
            prepared_in_s: 0.0,
            sync_interval_ms: None,
        },
        passed: true,
        aborted: None,
        violations: Default::default(),
        warnings: Vec::new(),
        phases: Vec::new(),
        findings: Vec::new(),
        floor: None,
        ratios: Vec::new(),
        timeline: Vec::new(),
        server_metrics: None,
    }
}

fn machine() -> Machine {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        cpu: model.map_or("unknown", |model| model.trim_start_matches([' ', '\t', ':'])).into(),
        cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
        kernel: kernel.trim().into(),
    }
}

fn fill(report: &mut Report, run: Run<'_>) {
    report.setup.sync_interval_ms = run.sync_interval_ms;
    for phase in &run.phases {
        report.warnings.extend(warnings(phase));
    }
    report.phases = run.phases;
    report.findings = run.findings;
    report.timeline = run.timeline;
    report.violations = run.violations;
}

fn warnings(phase: &Phase) -> Vec<String> {
    let mut warnings = Vec::new();
    let name = &phase.name;
    if let Some(late) = phase.lateness.as_ref().filter(|late| late.p99_ms > LATE_MS) {
        warnings.push(format!(
            "{name}: the tester itself was late (p99 {:.1} ms): its figures are too high",
            late.p99_ms
        ));
    }
    if phase.tester_cores > BUSY_CORES {
        warnings
            .push(format!("{name}: the tester's workers used {:.0} % of a core", phase.tester_cores * 100.0));
    }
    if let Some(cores) = phase.other_cores.filter(|cores| *cores > OTHER_CORES) {
        warnings.push(format!("{name}: other programs used {:.0} % of a core meanwhile", cores * 100.0));
    }
    let errors: u64 = phase.all.errors.values().sum();
    if errors as f64 > ERROR_SHARE * phase.all.inputs as f64 {
        warnings.push(format!("{name}: {errors} of {} inputs were refused", phase.all.inputs));
    }
    if phase.all.inputs > 0 && phase.all.answers == 0 {
        warnings.push(format!("{name}: no input came back as an event, so there is no latency"));
    }
    warnings
}

/// Measures the floor for the traffic of the last phase that had any, and sets the results beside it.
fn add_floor(report: &mut Report, scenario: &Scenario, file_limit: u64) -> io::Result<()> {
    let common = scenario.common();
    let busiest = report.phases.iter().filter(|phase| phase.cost.is_some());
    let Some(phase) = busiest.max_by(|a, b| a.all.frames_per_s.total_cmp(&b.all.frames_per_s)) else {
        return Ok(());
    };
    let shape = Shape {
        sockets: phase.all.connected as usize,
        frame_bytes: phase.all.bytes_per_frame.unwrap_or(100.0).round() as usize,
        frames_per_second: phase.all.frames_per_s.max(100.0),
        burst: scenario::room_size(scenario),
    };
    let floor = floor::measure(shape, common.server_core, common.pin_core, file_limit)?;
    report.ratios = ratios(phase, &floor, report.setup.sync_interval_ms);
    report.floor = Some(floor);
    Ok(())
}

fn ratios(phase: &Phase, floor: &Floor, sync_interval_ms: Option<f64>) -> Vec<Finding> {
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

fn publish(report: &Report, common: &Common) -> io::Result<()> {
    print!("{}", table::render(report));
    let named = |path: &std::path::Path, result: io::Result<()>| {
        result.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    };
    if let Some(path) = &common.json {
        named(path, json::write(report, path))?;
    }
    if let Some(path) = &common.html {
        named(path, html::write(report, path))?;
    }
    Ok(())
}
