//! What the operating system knows about this process, read at each scrape.

use std::fmt;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Ticks a second in `/proc/PID/stat`: fixed at 100 in the kernel's interface, whatever it uses inside.
const TICKS_PER_SECOND: f64 = 100.0;

/// The `process_…` metrics under the names that all Prometheus clients give them. What cannot be read is left out.
#[derive(Debug)]
pub(super) struct Process {
    started_s: f64,
}

impl Process {
    /// A process that starts now.
    pub(super) fn starting_now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started_s: since_epoch.as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut gauge = |name, help, unit: Option<&Unit>, value: Option<f64>| match value {
            Some(value) => {
                encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value)
            }
            None => Ok(()),
        };
        let started_s = Some(self.started_s);
        gauge("process_start_time", "Start, since the Unix epoch", Some(&Unit::Seconds), started_s)?;
        gauge("process_resident_memory", "Memory in RAM", Some(&Unit::Bytes), resident_bytes())?;
        gauge("process_open_fds", "Open file descriptors", None, open_files())?;
        gauge("process_max_fds", "Limit of open file descriptors", None, max_open_files())?;
        if let Some(cpu_s) = cpu_seconds() {
            let help = "Processor time in user and system mode";
            encoder
                .encode_descriptor("process_cpu", help, Some(&Unit::Seconds), MetricType::Counter)?
                .encode_counter::<NoLabelSet, _, u64>(&cpu_s, None)?;
        }
        Ok(())
    }
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024.0)
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, and may hold anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut ticks = after_name.split_ascii_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

fn open_files() -> Option<f64> {
    const DIRECTORY: &str = "/proc/self/fd";
    // The directory's size is the number of its entries since Linux 6.2; before, it is 0 and they must be counted.
    let counted = || fs::read_dir(DIRECTORY).ok().map(|entries| entries.count() as f64);
    match fs::metadata(DIRECTORY).ok()?.len() {
        0 => counted(),
        count => Some(count as f64),
    }
}

fn max_open_files() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
