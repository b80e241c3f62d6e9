//! One use of the tool from start to end: server, set-up, scenario, floor, report.

use crate::load::plan::Plan;
use crate::load::pool::WorkerPool;
use crate::load::setup::{self, Layout};
use crate::measure::floor::{self, Shape};
use crate::measure::metrics;
use crate::measure::process_stats::Process;
use crate::options::{self, Common, Host, Options, Scenario};
use crate::report::{self, Machine, Report, Setup, ratios, warnings};
use crate::run::Run;
use crate::run::server::{Launch, Server};
use crate::scenario::{self, Room};
use crate::sys;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Open files of a process that are not clients' sockets.
const SPARE_FILES: u64 = 64;

/// Runs a scenario; true if the server kept its promises.
pub(crate) fn run(scenario: &Scenario) -> io::Result<bool> {
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
    report::publish(&report, common)?;
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
    let server = start_server(scenario)?;
    let urls = server.is_none().then_some(&common.url).into_iter().chain(&common.also_url);
    let urls =
        urls.map(|url| options::resolve(url)).collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    let hosts: Vec<Host> = server.iter().map(|server| server.host(common.tls)).chain(urls).collect();
    let targets: Vec<SocketAddr> = hosts.iter().map(|host| host.address).collect();
    let target = targets[0];
    let certificate = server.as_ref().and_then(|server| server.certificate.clone());
    let options = Options::new(scenario, hosts, certificate).map_err(io::Error::other)?;
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
    let rooms = rooms_of(&plans);
    let observed = processes(common, server.as_ref())?;
    let mut run =
        Run::new(common, WorkerPool::start(plans, common.processes)?, server, observed, interrupted)?;
    let outcome = scenario::direct(scenario, &options, target, &rooms, &mut run)
        .and_then(|()| run.finish())
        .and_then(|()| scenario::conclude(scenario, &options, &targets, &rooms, &mut run));
    let (server_log, server) = (run.server_log(), run.take_server());
    report.aborted = outcome.err().map(|error| error.to_string());
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

fn start_server(scenario: &Scenario) -> io::Result<Option<Server>> {
    let common = scenario.common();
    let Some(program) = common.spawn.clone() else { return Ok(None) };
    let keeps_state = matches!(scenario, Scenario::StormReconnect(args) if args.restart);
    let (flags, log) = (common.server_flags.clone(), common.server_log.clone());
    let makes_certificate = common.tls && common.ca.is_none() && !common.insecure;
    let launch = Launch { program, flags, core: common.server_core, log, keeps_state, makes_certificate };
    Server::start(launch).map(Some)
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

fn rooms_of(plans: &[Plan]) -> Vec<Room> {
    let rooms = plans.iter().flat_map(|plan| &plan.rooms);
    let mut rooms: Vec<Room> = rooms
        .filter_map(|room| {
            let first = room.clients.first()?;
            Some(Room { id: room.id.clone(), token: first.token.clone(), group: first.group })
        })
        .collect();
    rooms.sort_by(|a, b| a.id.cmp(&b.id));
    rooms.dedup_by(|a, b| a.id == b.id);
    rooms
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
        report.warnings.extend(warnings::of(phase));
    }
    report.phases = run.phases;
    report.findings = run.findings;
    report.timeline = run.timeline;
    report.violations = run.violations;
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
    report.ratios = ratios::of(phase, &floor, report.setup.sync_interval_ms);
    report.floor = Some(floor);
    Ok(())
}
