//! A run as a scenario sees it: tell the clients what to do, wait, measure. Keeps the timeline and the phases for the report.

mod progress;
pub(crate) mod server;

use crate::load::plan::Command;
use crate::load::pool::WorkerPool;
use crate::measure::group::Group;
use crate::measure::process_stats::{Process, Reading, Usage, machine_busy_s};
use crate::measure::window::{GroupWindow, Violation, Violations, Window};
use crate::options::Common;
use crate::report::{Finding, Phase, Point};
use progress::Progress;
use server::Server;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often workers are asked while something is waited for.
const STEP: Duration = Duration::from_millis(100);
/// How many violations are shown as they happen.
const SHOWN_VIOLATIONS: usize = 10;

/// The run and everything that it has found so far.
pub(crate) struct Run<'a> {
    /// The flags that all scenarios share.
    pub common: &'a Common,
    /// Every stretch that was measured.
    pub phases: Vec<Phase>,
    /// Points for the plots.
    pub timeline: Vec<Point>,
    /// Results that only this scenario has.
    pub findings: Vec<Finding>,
    /// Promises that were broken.
    pub violations: Violations,
    /// What the server says its rhythm is.
    pub sync_interval_ms: Option<f64>,
    pool: WorkerPool,
    /// The server, if it was started for this run.
    server: Option<Server>,
    processes: Vec<Process>,
    progress: Progress,
    interrupted: Arc<AtomicBool>,
    started: Instant,
    stepped: Instant,
    /// Gathers until the next point of the timeline.
    gathered: Window,
    point_started: Instant,
    point_readings: Vec<Reading>,
    stretch: String,
    /// Counters of the stretch that is being measured.
    measured: Window,
    /// Counters of the whole run.
    totals: Window,
}

impl<'a> Run<'a> {
    /// Begins with nobody connected; the first of `processes` is the server, if it is observed.
    pub(crate) fn new(
        common: &'a Common,
        pool: WorkerPool,
        server: Option<Server>,
        processes: Vec<Process>,
        interrupted: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let now = Instant::now();
        let point_readings = processes.iter().map(Process::read).collect::<io::Result<_>>()?;
        Ok(Self {
            common,
            phases: Vec::new(),
            timeline: Vec::new(),
            findings: Vec::new(),
            violations: Violations::default(),
            sync_interval_ms: None,
            pool,
            server,
            processes,
            progress: Progress::new(),
            interrupted,
            started: now,
            stepped: now,
            gathered: Window::default(),
            point_started: now,
            point_readings,
            stretch: "start".into(),
            measured: Window::default(),
            totals: Window::default(),
        })
    }

    /// Stops the server that was started for this run, and starts it again; its clients lose their connections.
    pub(crate) fn restart_server(&mut self) -> io::Result<()> {
        let Some(server) = &mut self.server else {
            return Err(io::Error::other("the server was not started for this run"));
        };
        let start = Instant::now();
        server.restart()?;
        let process = Process::observe("server", server.pid())?;
        self.point_readings[0] = process.read()?;
        self.processes[0] = process;
        self.find("stop and start of the server", start.elapsed().as_secs_f64(), "s");
        // What the workers heard meanwhile.
        self.step(Duration::ZERO).map(drop)
    }

    /// The started server's last lines.
    pub(crate) fn server_log(&self) -> Option<String> {
        self.server.as_ref().map(Server::log_end)
    }

    /// The started server, to be stopped.
    pub(crate) fn take_server(&mut self) -> Option<Server> {
        self.server.take()
    }

    /// Tells all clients something.
    pub(crate) fn tell(&mut self, command: &Command) -> io::Result<()> {
        self.pool.tell(command)
    }

    /// Clients of a group, connected or not.
    pub(crate) fn size(&self, group: Group) -> usize {
        self.pool.size(group)
    }

    /// Lets everybody of a group who is away come in at the usual pace, up to `count` in all, and waits for them.
    pub(crate) fn join(&mut self, group: Group, count: usize) -> io::Result<Window> {
        let per_second = match self.common.ramp {
            Some(ramp) => count as f64 / ramp.as_secs_f64().max(0.001),
            None => self.common.connect_rate,
        };
        self.join_at(group, count, per_second, 0)
    }

    /// The same at a pace of its own (0: all at once) with at most `in_flight` on their way (0: no limit).
    pub(crate) fn join_at(
        &mut self,
        group: Group,
        count: usize,
        per_second: f64,
        in_flight: usize,
    ) -> io::Result<Window> {
        self.stretch = "joining".into();
        let connected = self.step(Duration::ZERO)?.group(group).connected as usize;
        let missing = count.saturating_sub(connected);
        self.tell(&Command::Connect { group, count: missing, per_second, in_flight })?;
        let mut seen = Window::default();
        let timeout =
            self.common.join_timeout + Duration::from_secs_f64(missing as f64 / per_second.max(1.0));
        let start = Instant::now();
        loop {
            seen.follow(&self.step(STEP)?);
            let counts = seen.group(group);
            if counts.connected as usize >= count {
                return Ok(seen);
            }
            if start.elapsed() > timeout {
                return Err(io::Error::other(not_all_in(counts, count, timeout)));
            }
        }
    }

    /// Everybody of a group sends at this rate from now on.
    pub(crate) fn play(&mut self, group: Group, inputs_hz: f64, chat_hz: f64) -> io::Result<()> {
        self.tell(&Command::Play { group, inputs_hz, chat_hz })
    }

    /// Lets time pass that does not count.
    pub(crate) fn pass(&mut self, what: &str, duration: Duration) -> io::Result<Window> {
        self.stretch = what.into();
        let end = Instant::now() + duration;
        let mut seen = Window::default();
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            seen.follow(&self.step(left.min(STEP))?);
        }
        Ok(seen)
    }

    /// Measures for a time; the result is also the last of `phases`.
    pub(crate) fn measure(&mut self, name: &str, duration: Duration) -> io::Result<&Phase> {
        self.measure_while(name, |run| run.pass(name, duration).map(drop))
    }

    /// Measures for as long as something takes.
    pub(crate) fn measure_while(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<&Phase> {
        self.step(Duration::ZERO)?;
        self.measured = Window::default();
        let (start, before) = (Instant::now(), self.readings()?);
        let (busy_s, own_s) = (machine_busy_s()?, own_cpu_s());
        let point_count = self.timeline.len();
        work(self)?;
        self.step(Duration::ZERO)?;
        let (seconds, after) = (start.elapsed().as_secs_f64(), self.readings()?);
        let mut usages = self.usages(&before, &after, seconds);
        if let Some(server) = usages.first_mut() {
            let seen = self.timeline[point_count..].iter().filter_map(|point| point.rss_bytes);
            server.rss_peak_bytes = seen.fold(server.rss_peak_bytes, u64::max);
        }
        let window = std::mem::take(&mut self.measured);
        let children_s = if self.common.processes > 1 { window.tester_cpu_ns as f64 / 1e9 } else { 0.0 };
        let known_s = usages.iter().map(|usage| usage.cpu_s).sum::<f64>() + own_cpu_s() - own_s + children_s;
        let other_cores = ((machine_busy_s()? - busy_s - known_s) / seconds).max(0.0);
        let observed = !usages.is_empty();
        let mut phase = Phase::new(name, seconds, window, usages, &self.common.engine_threads);
        phase.other_cores = observed.then_some(other_cores);
        self.phases.push(phase);
        Ok(self.phases.last().expect("one was just pushed"))
    }

    /// Notes a result; one that is no number (a percentile of nothing) is left out.
    pub(crate) fn find(&mut self, name: &str, value: f64, unit: &str) {
        if value.is_finite() {
            self.findings.push(Finding { name: name.into(), value, unit: unit.into() });
        }
    }

    /// Notes a broken promise that only the scenario can see.
    pub(crate) fn violation(&mut self, kind: Violation, describe: impl FnOnce() -> String) {
        self.violations.add(kind, describe);
    }

    /// Says something that stays on the screen.
    pub(crate) fn note(&self, line: &str) {
        self.progress.note(line);
    }

    /// What the first observed process, the server, has used so far.
    pub(crate) fn server_reading(&self) -> Option<Reading> {
        self.processes
            .first()
            .filter(|process| process.label == "server")
            .and_then(|process| process.read().ok())
    }

    /// Ends the run: waits for the last answers and closes everything.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.stretch = "finish".into();
        let last = self.pool.finish(self.common.grace)?;
        self.take(&last);
        self.push_point()
    }

    /// Counters of the whole run.
    pub(crate) fn totals(&self) -> &Window {
        &self.totals
    }

    /// Waits a moment and collects what happened in it.
    pub(crate) fn step(&mut self, wait: Duration) -> io::Result<Window> {
        // Regular steps, however long collecting takes.
        let due = self.stepped + wait;
        std::thread::sleep(due.saturating_duration_since(Instant::now()).min(wait));
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped by a signal"));
        }
        let window = self.pool.collect()?;
        self.stepped = Instant::now();
        self.take(&window);
        if self.point_started.elapsed() >= self.common.interval {
            self.push_point()?;
        }
        Ok(window)
    }

    fn take(&mut self, window: &Window) {
        let shown = self.violations.samples.len();
        for sample in window.violations.samples.iter().take(SHOWN_VIOLATIONS.saturating_sub(shown)) {
            self.progress.note(&format!("VIOLATION {sample}"));
        }
        self.violations.merge(&window.violations);
        self.sync_interval_ms = window.sync_interval_ms.or(self.sync_interval_ms);
        self.gathered.follow(window);
        self.measured.follow(window);
        self.totals.follow(window);
    }

    fn push_point(&mut self) -> io::Result<()> {
        let window = std::mem::take(&mut self.gathered);
        let seconds = self.point_started.elapsed().as_secs_f64();
        self.point_started = Instant::now();
        // At the very end a server that stops by itself may be gone.
        let Ok(readings) = self.readings() else { return Ok(()) };
        let before = std::mem::replace(&mut self.point_readings, readings);
        let usages = self.usages(&before, &self.point_readings, seconds);
        let server = usages.first().filter(|usage| usage.label == "server");
        let at_s = self.started.elapsed().as_secs_f64();
        let point = Point::new(
            at_s,
            seconds,
            &self.stretch,
            &window,
            server,
            &self.common.engine_threads,
            self.violations.total(),
        );
        self.progress.update(&point.line());
        self.timeline.push(point);
        Ok(())
    }

    fn readings(&self) -> io::Result<Vec<Reading>> {
        let read = |process: &Process| {
            process
                .read()
                .map_err(|error| io::Error::other(format!("the {} is gone: {error}", process.label)))
        };
        self.processes.iter().map(read).collect()
    }

    fn usages(&self, before: &[Reading], after: &[Reading], seconds: f64) -> Vec<Usage> {
        let pairs = before.iter().zip(after).zip(&self.processes);
        pairs.map(|((before, after), process)| after.since(before, seconds, &process.label)).collect()
    }
}

fn own_cpu_s() -> f64 {
    crate::sys::process_cpu_ns(std::process::id()).unwrap_or(0) as f64 / 1e9
}

fn not_all_in(counts: &GroupWindow, wanted: usize, timeout: Duration) -> String {
    let reasons: Vec<String> =
        counts.failures.iter().map(|(reason, count)| format!("{count} × {reason}")).collect();
    let reasons = if reasons.is_empty() { "no answer".into() } else { reasons.join(", ") };
    format!(
        "only {} of {wanted} clients are in after {:.0} s: {reasons}",
        counts.connected,
        timeout.as_secs_f64()
    )
}
