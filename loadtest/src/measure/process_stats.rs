//! What another process costs: CPU time and memory from `/proc`, in all and by kind of thread.

use crate::sys;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io;

/// A process under observation.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// What the reports call it.
    pub label: String,
    pub pid: u32,
}

/// What a process has used up to a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// CPU time in seconds, of all threads that are or were.
    pub cpu_s: f64,
    /// The part of it that was spent in the kernel.
    pub system_s: f64,
    /// Memory resident, in bytes.
    pub rss_bytes: u64,
    /// CPU time in seconds by name of thread, numbers at the end of the name left out.
    pub threads: BTreeMap<String, f64>,
}

/// What a process used between two readings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// What the reports call the process.
    pub label: String,
    /// CPU time in seconds.
    pub cpu_s: f64,
    /// The part of it that was spent in the kernel.
    pub system_s: f64,
    /// Share of one core.
    pub cores: f64,
    /// Memory resident at the end.
    pub rss_bytes: u64,
    /// The most memory resident at any reading.
    pub rss_peak_bytes: u64,
    /// CPU time in seconds by name of thread.
    pub threads: BTreeMap<String, f64>,
}

impl Process {
    /// A process by its id; an error if there is none.
    pub(crate) fn observe(label: &str, pid: u32) -> io::Result<Self> {
        let process = Self { label: label.into(), pid };
        process.read().map_err(|error| io::Error::new(error.kind(), format!("process {pid}: {error}")))?;
        Ok(process)
    }

    pub(crate) fn read(&self) -> io::Result<Reading> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let (user_s, system_s) = cpu_times(&stat).ok_or_else(|| io::Error::other("cannot read its stat"))?;
        Ok(Reading {
            cpu_s: sys::process_cpu_ns(self.pid).map_or(user_s + system_s, |ns| ns as f64 / 1e9),
            system_s,
            rss_bytes: self.rss_bytes()?,
            threads: self.threads()?,
        })
    }

    /// The rollup is exact where `statm` is off by what each CPU has not added up yet.
    fn rss_bytes(&self) -> io::Result<u64> {
        let exact = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).unwrap_or_default();
        let line = exact.lines().find_map(|line| line.strip_prefix("Rss:"));
        if let Some(kib) = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok())
        {
            return Ok(kib << 10);
        }
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.pid))?;
        let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        Ok(pages * sys::page_bytes())
    }

    fn threads(&self) -> io::Result<BTreeMap<String, f64>> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let folder = entry?.path();
            // A thread may end while it is looked at.
            let Ok(name) = fs::read_to_string(folder.join("comm")) else { continue };
            let exact = fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
            let cpu_s = match exact.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()) {
                Some(ns) => ns / 1e9,
                None => {
                    let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
                    cpu_times(&stat).map_or(0.0, |(user_s, system_s)| user_s + system_s)
                }
            };
            *threads.entry(kind(name.trim())).or_default() += cpu_s;
        }
        Ok(threads)
    }
}

impl Reading {
    /// What was used since an earlier reading, `seconds` ago.
    pub(crate) fn since(&self, earlier: &Self, seconds: f64, label: &str) -> Usage {
        let cpu_s = self.cpu_s - earlier.cpu_s;
        let used = |(name, cpu_s): (&String, &f64)| {
            (name.clone(), (cpu_s - earlier.threads.get(name).unwrap_or(&0.0)).max(0.0))
        };
        Usage {
            label: label.into(),
            cpu_s,
            system_s: self.system_s - earlier.system_s,
            cores: cpu_s / seconds,
            rss_bytes: self.rss_bytes,
            rss_peak_bytes: self.rss_bytes.max(earlier.rss_bytes),
            threads: self.threads.iter().map(used).collect(),
        }
    }
}

impl Usage {
    /// CPU time in seconds of the threads whose name begins with one of these.
    pub(crate) fn threads_s(&self, prefixes: &[String]) -> f64 {
        let named = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
        self.threads.iter().filter(|(name, _)| named(name)).map(|(_, cpu_s)| cpu_s).sum()
    }
}

/// CPU time in seconds that the whole machine has spent on anything so far, or lost to its host.
pub(crate) fn machine_busy_s() -> io::Result<f64> {
    busy_s(&fs::read_to_string("/proc/stat")?).ok_or_else(|| io::Error::other("cannot read /proc/stat"))
}

fn busy_s(stat: &str) -> Option<f64> {
    const IDLE: [usize; 2] = [3, 4];
    const COUNTED: usize = 8;
    let times = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().take(COUNTED).enumerate();
    let busy = times.filter(|(index, _)| !IDLE.contains(index)).map(|(_, ticks)| ticks.parse::<f64>());
    Some(busy.sum::<Result<f64, _>>().ok()? / sys::ticks_per_second() as f64)
}

/// User and system time in seconds from the text of a `stat` file.
fn cpu_times(stat: &str) -> Option<(f64, f64)> {
    // The name stands in parentheses and may hold anything, spaces and parentheses too.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let seconds =
        |index: usize| Some(fields.get(index)?.parse::<f64>().ok()? / sys::ticks_per_second() as f64);
    Some((seconds(11)?, seconds(12)?))
}

/// `shard-0` and `shard-1` are of one kind.
fn kind(name: &str) -> String {
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', ':', '/']);
    if kind.is_empty() { name.into() } else { kind.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_with_a_strange_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 1 0 100 0 0";
        let ticks = sys::ticks_per_second() as f64;
        assert_eq!(cpu_times(stat), Some((250.0 / ticks, 150.0 / ticks)));
        assert_eq!(cpu_times("nonsense"), None);
    }

    #[test]
    fn a_machine_is_busy_with_all_but_idling() {
        let ticks = sys::ticks_per_second() as f64;
        assert_eq!(busy_s("cpu  1 2 3 100 200 4 5 6 7 8\ncpu0 9"), Some(21.0 / ticks));
        assert_eq!(busy_s("intr 5"), None);
    }

    #[test]
    fn kinds_of_threads() {
        let check = |name, expected: &str| assert_eq!(kind(name), expected);
        check("shard-0", "shard");
        check("engine", "engine");
        check("pool:12", "pool");
        check("7", "7");
    }

    #[test]
    fn this_process_uses_what_it_uses() {
        let process = Process::observe("me", std::process::id()).unwrap();
        let before = process.read().unwrap();
        let start = sys::thread_cpu_ns();
        while sys::thread_cpu_ns() < start + 30_000_000 {}
        let usage = process.read().unwrap().since(&before, 0.1, "me");
        assert!(usage.cpu_s >= 0.03, "{usage:?}");
        assert!(usage.rss_bytes > 1 << 20, "{usage:?}");
        assert!(usage.threads.values().sum::<f64>() >= 0.02, "{usage:?}");
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(Process::observe("nobody", u32::MAX - 1).is_err());
    }
}
