//! Runs the tool and reads what it found.

use crate::fake::{Fake, Fault};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// What a use of the tool came to.
pub(crate) struct Outcome {
    pub code: Option<i32>,
    /// Standard output and standard error output.
    pub text: String,
    /// The JSON report; null if there is none.
    pub json: Value,
    /// The HTML report, if one was asked for.
    pub html: Option<String>,
}

/// Runs the tool with these arguments, which stand between spaces.
pub(crate) fn run(arguments: &str) -> Outcome {
    let folder = Folder::new();
    let (json, html) = (folder.0.join("report.json"), folder.0.join("report.html"));
    let (own, server) = arguments.split_once(" -- ").unwrap_or((arguments, ""));
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(own.split_whitespace()).arg("--json").arg(&json).arg("--html").arg(&html);
    if !server.is_empty() {
        command.arg("--").args(server.split_whitespace());
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    let json = std::fs::read(json).map_or(Value::Null, |json| serde_json::from_slice(&json).unwrap());
    Outcome { code: status.code(), text, json, html: std::fs::read_to_string(html).ok() }
}

/// Shows a kept result as text, and as a page.
pub(crate) fn show(json: &str) -> (Output, Option<String>) {
    let folder = Folder::new();
    let (kept, html) = (folder.0.join("kept.json"), folder.0.join("page.html"));
    std::fs::write(&kept, json).unwrap();
    let show = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
        command.arg("report").arg(&kept);
        command
    };
    let text = show().output().unwrap();
    show().arg("--html").arg(&html).output().unwrap();
    (text, std::fs::read_to_string(html).ok())
}

/// Runs a scenario against a server with a fault, quickly.
pub(crate) fn run_against(fault: Fault, arguments: &str) -> Outcome {
    let fake = Fake::start(fault);
    let url = fake.url();
    run(&format!("{arguments} --url {url} --no-floor --warmup 100ms --grace 1s --interval 200ms"))
}

/// A test that measures, on a machine that others may use for a moment: it is tried up to three times.
pub(crate) fn thrice(test: fn()) {
    if (0..2).all(|_| std::panic::catch_unwind(test).is_err()) {
        test();
    }
}

/// The usual short play of two rooms.
pub(crate) const ROOMS: &str = "rooms --rooms 2 --players 3 --rate 30 --duration 800ms";

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("loadtest-it-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
