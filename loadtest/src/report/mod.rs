//! What a run found, in the form in which it is written down.

mod floor;
mod html;
mod json;
mod phase;
mod point;
pub(crate) mod ratios;
mod table;
pub(crate) mod warnings;

use crate::measure::floor::Floor;
use crate::measure::metrics::Samples;
use crate::measure::window::Violations;
use crate::options::{Common, Kept};
pub(crate) use phase::{Cost, Phase};
pub(crate) use point::Point;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// Everything about a run.
#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    pub scenario: String,
    /// The whole command line.
    pub command: Vec<String>,
    /// Start of the run, in seconds since the Unix epoch.
    pub started_at_s: u64,
    pub machine: Machine,
    /// How the run was set up.
    pub setup: Setup,
    /// Whether all promises were kept and nothing failed.
    pub passed: bool,
    /// Why the run ended before its time, if it did.
    pub aborted: Option<String>,
    /// Promises that were broken.
    pub violations: Violations,
    /// Things that make the figures doubtful.
    pub warnings: Vec<String>,
    /// The stretches that were measured.
    pub phases: Vec<Phase>,
    /// Results that only this scenario has.
    pub findings: Vec<Finding>,
    /// What the machine itself costs.
    pub floor: Option<Floor>,
    /// Results as multiples of the floor.
    pub ratios: Vec<Finding>,
    /// Points for the plots.
    pub timeline: Vec<Point>,
    /// What grew in the server's own metrics.
    pub server_metrics: Option<Samples>,
}

/// Where a run took place.
#[derive(Serialize, Deserialize)]
pub(crate) struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
}

/// How a run was set up.
#[derive(Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Where the server listens.
    pub target: String,
    pub clients: usize,
    pub rooms: usize,
    /// Worker threads in all.
    pub workers: usize,
    /// Seed of everything random.
    pub seed: u64,
    /// Seconds that logins and rooms took.
    pub prepared_in_s: f64,
    /// What the server says its rhythm is.
    pub sync_interval_ms: Option<f64>,
}

/// A result with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub name: String,
    pub value: f64,
    pub unit: String,
}

const MIB: f64 = (1 << 20) as f64;

/// Shows what a run has found, and keeps it where the flags say.
pub(crate) fn publish(report: &Report, common: &Common) -> io::Result<()> {
    print!("{}", table::render(report));
    if let Some(path) = &common.json {
        named(path, json::write(report, path))?;
    }
    if let Some(path) = &common.html {
        named(path, html::write(report, path))?;
    }
    Ok(())
}

/// Shows a kept report again.
pub(crate) fn draw(kept: &Kept) -> io::Result<()> {
    let report = named(&kept.json, json::read(&kept.json))?;
    match &kept.html {
        Some(path) => named(path, html::write(&report, path)),
        None => {
            print!("{}", table::render(&report));
            Ok(())
        }
    }
}

fn named<T>(path: &Path, result: io::Result<T>) -> io::Result<T> {
    result.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
