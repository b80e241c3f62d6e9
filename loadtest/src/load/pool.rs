//! All workers of a run, threads of this process or of child processes: one place to tell them something and to hear from them.

use crate::load::plan::{Command, Plan};
use crate::load::worker;
use crate::measure::group::Group;
use crate::measure::window::Window;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// The argument that makes this program a child of another one of its kind.
pub(crate) const CHILD_ARGUMENT: &str = "__child";

const REPORT_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct WorkerPool {
    links: Vec<Link>,
    children: Vec<Child>,
    windows: Receiver<Result<Window, String>>,
    /// Clients of each worker, by group.
    sizes: Vec<[usize; Group::ALL.len()]>,
}

enum Link {
    Thread(worker::Handle),
    Child { stdin: usize, worker: usize },
}

impl WorkerPool {
    /// Starts one worker for each plan: in this process, or spread over `processes` children.
    pub(crate) fn start(plans: Vec<Plan>, processes: usize) -> io::Result<Self> {
        let sizes = plans.iter().map(|plan| Group::ALL.map(|group| plan.clients(Some(group)))).collect();
        let (reports, windows) = channel();
        let mut pool = Self { links: Vec::new(), children: Vec::new(), windows, sizes };
        if processes <= 1 {
            for plan in plans {
                let reports = reports.clone();
                let report = move |window| drop(reports.send(Ok(window)));
                pool.links.push(Link::Thread(worker::start(plan, report)?));
            }
            return Ok(pool);
        }
        let per_process = plans.len().div_ceil(processes);
        for (stdin, plans) in plans.chunks(per_process).enumerate() {
            pool.children.push(start_child(plans, reports.clone())?);
            pool.links.extend((0..plans.len()).map(|worker| Link::Child { stdin, worker }));
        }
        Ok(pool)
    }

    /// Tells every worker. What is meant for all together (counts and rates of joining and leaving) is shared out.
    pub(crate) fn tell(&mut self, command: &Command) -> io::Result<()> {
        for index in 0..self.links.len() {
            let command = self.share(command, index);
            match &self.links[index] {
                Link::Thread(handle) => handle.send(command)?,
                Link::Child { stdin, worker } => {
                    let line = serde_json::to_string(&(worker, command))?;
                    writeln!(stdin_of(&mut self.children[*stdin])?, "{line}")?;
                }
            }
        }
        Ok(())
    }

    /// Asks every worker for its window and adds them up.
    pub(crate) fn collect(&mut self) -> io::Result<Window> {
        self.tell(&Command::Report)?;
        let mut sum = Window::default();
        for _ in 0..self.links.len() {
            sum.merge(&self.next_window(REPORT_TIMEOUT)?);
        }
        Ok(sum)
    }

    /// Ends the run and adds up the last windows.
    pub(crate) fn finish(&mut self, grace: Duration) -> io::Result<Window> {
        self.tell(&Command::Finish { grace_ms: grace.as_millis() as u64 })?;
        let mut sum = Window::default();
        for _ in 0..self.links.len() {
            sum.merge(&self.next_window(grace + REPORT_TIMEOUT)?);
        }
        for child in &mut self.children {
            drop(child.stdin.take());
            child.wait()?;
        }
        Ok(sum)
    }

    /// Clients of one group, in all.
    pub(crate) fn size(&self, group: Group) -> usize {
        self.sizes.iter().map(|sizes| sizes[group.index()]).sum()
    }

    fn next_window(&self, timeout: Duration) -> io::Result<Window> {
        match self.windows.recv_timeout(timeout) {
            Ok(window) => window.map_err(io::Error::other),
            Err(RecvTimeoutError::Timeout) => Err(io::Error::other("a worker does not report")),
            Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the workers have ended")),
        }
    }

    fn share(&self, command: &Command, index: usize) -> Command {
        let part = |group: Group| {
            let all = self.size(group).max(1) as f64;
            self.sizes[index][group.index()] as f64 / all
        };
        match command.clone() {
            Command::Connect { group, count, per_second, in_flight } => Command::Connect {
                group,
                count: (count as f64 * part(group)).ceil() as usize,
                per_second: per_second * part(group),
                in_flight: (in_flight as f64 * part(group)).ceil() as usize,
            },
            Command::Churn { group, per_second, away_ms } => {
                Command::Churn { group, per_second: per_second * part(group), away_ms }
            }
            other => other,
        }
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that has ended already cannot be killed, and need not be.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn stdin_of(child: &mut Child) -> io::Result<&mut ChildStdin> {
    child.stdin.as_mut().ok_or_else(|| io::Error::other("a child process was told to finish already"))
}

fn start_child(plans: &[Plan], reports: Sender<Result<Window, String>>) -> io::Result<Child> {
    let mut child = std::process::Command::new(std::env::current_exe()?)
        .arg(CHILD_ARGUMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    serde_json::to_writer(stdin_of(&mut child)?, plans)?;
    writeln!(stdin_of(&mut child)?)?;
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("a child without an output"))?;
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let window = line.map_err(|error| error.to_string());
            let window =
                window.and_then(|line| serde_json::from_str(&line).map_err(|error| error.to_string()));
            if reports.send(window).is_err() {
                return;
            }
        }
        // After the last window nobody listens; before it, this is news.
        let _ = reports.send(Err("a child process has ended".into()));
    });
    Ok(child)
}

/// The life of a child process: plans in the first line of its input, commands in the others, windows on its output.
pub(crate) fn run_child() -> io::Result<()> {
    crate::sys::raise_open_file_limit()?;
    let mut lines = io::stdin().lock().lines();
    let first = lines.next().ok_or_else(|| io::Error::other("no plans"))??;
    let plans: Vec<Plan> = serde_json::from_str(&first)?;
    let (reports, windows) = channel::<Window>();
    let mut handles = Vec::new();
    for plan in plans {
        let reports = reports.clone();
        handles.push(worker::start(plan, move |window| drop(reports.send(window)))?);
    }
    drop(reports);
    let printer = std::thread::spawn(move || -> io::Result<()> {
        for window in windows {
            let mut line = serde_json::to_vec(&window)?;
            line.push(b'\n');
            io::stdout().lock().write_all(&line)?;
        }
        Ok(())
    });
    for line in lines {
        let (worker, command): (usize, Command) = serde_json::from_str(&line?)?;
        handles[worker].send(command)?;
    }
    // The parent has ended or finished: whoever still plays plays for nobody.
    if printer.is_finished() { Ok(()) } else { std::process::exit(0) }
}
