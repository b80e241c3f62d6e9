//! The load tester at work, and what it found.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::common::output::Output;
use crate::common::wait_within;

/// It says this when things may happen to the servers.
const TROUBLE: &str = "let there be trouble";
const AT_MOST: Duration = Duration::from_secs(180);

/// A run that goes on.
pub struct Tester {
    process: Child,
    output: Output,
    folder: TempDir,
    seed: String,
}

/// How a run ended.
pub struct Outcome {
    code: Option<i32>,
    text: String,
    report: Value,
    seed: String,
}

impl Tester {
    /// Plays a scenario on both nodes.
    pub fn start(cluster: &Cluster, scenario: &str) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_godra")).with_file_name("loadtest");
        assert!(program.exists(), "{} is missing: cargo build -p loadtest", program.display());
        let folder = TempDir::with_prefix("godra-endure-").unwrap();
        let [url, also_url] = cluster.urls();
        let seed = seed();
        let mut process = Command::new(program)
            .args(scenario.split_whitespace())
            .args(["--url", &url, "--also-url", &also_url, "--no-floor", "--grace", "10s"])
            .args(cluster.certificate().iter().flat_map(|file| [OsStr::new("--ca"), file.as_os_str()]))
            .args(["--seed", &seed, "--json"])
            .arg(folder.path().join("report.json"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Output::default();
        output.follow(process.stdout.take().unwrap());
        output.follow(process.stderr.take().unwrap());
        Self { process, output, folder, seed }
    }

    /// Waits until things may happen to the servers.
    pub fn wait_for_trouble(&self) {
        wait_within(Duration::from_secs(60), "the calm to be over", || self.output.text().contains(TROUBLE));
    }

    /// What everything random in it follows from.
    pub fn seed(&self) -> u64 {
        self.seed.parse().expect("a seed is a whole number")
    }

    /// Waits for its end.
    pub fn finish(self) -> Outcome {
        self.finish_within(AT_MOST)
    }

    /// As [`Tester::finish`], for one that plays long.
    pub fn finish_within(mut self, longest: Duration) -> Outcome {
        let deadline = Instant::now() + longest;
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not come to an end:\n{}", self.output.text());
            std::thread::sleep(Duration::from_millis(50));
        };
        let report = std::fs::read(self.folder.path().join("report.json"));
        let report = report.map_or(Value::Null, |json| serde_json::from_slice(&json).unwrap());
        Outcome { code: status.code(), text: self.output.text(), report, seed: self.seed.clone() }
    }
}

/// What clients do, and when, follows from it; what the servers do meanwhile does not.
fn seed() -> String {
    std::env::var("GODRA_TEST_SEED").unwrap_or_else(|_| std::process::id().to_string())
}

impl Drop for Tester {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Outcome {
    /// No promise was broken.
    #[track_caller]
    pub fn expect_passed(&self) {
        assert_eq!(self.code, Some(0), "{self}");
        assert_eq!(self.report["passed"], true, "{self}");
    }

    /// The value of a result, by its name.
    #[track_caller]
    pub fn finding(&self, name: &str) -> f64 {
        let findings = self.report["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}: {self}"))["value"].as_f64().unwrap()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GODRA_TEST_SEED={}: the load tester said:\n{}", self.seed, self.text)
    }
}
