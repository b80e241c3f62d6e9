//! Load tester for a Godra server.
//!
//! ```text
//!  main thread: scenario ─► Run ─► Fleet ──commands──► worker threads (here or in child processes)
//!                 ▲                  ▲                   one event loop each: clients, timetable, judge of each room
//!                 │ phases           └────windows────────┘
//!               Report ─► table, JSON, HTML
//! ```
//!
//! An input has an intended time, planned without regard to the server (open loop), and its latency counts from there.
//! Everything that any client receives is checked: see [`check`].

mod check;
mod codec;
mod connection;
mod fleet;
mod floor;
mod handshake;
mod histogram;
mod http;
mod metrics;
mod options;
mod plan;
mod process_stats;
mod progress;
mod random;
mod report;
mod run;
mod scan;
mod scenario;
mod schedule;
mod server;
mod session;
mod setup;
mod sys;
mod traffic;
mod window;
mod worker;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref() {
        Some(fleet::CHILD_ARGUMENT) => fleet::run_child().map(|()| true),
        Some(floor::PEER_ARGUMENT) => {
            let core = arguments.next().and_then(|core| core.parse().ok());
            floor::run_peer(core).map(|()| true)
        }
        _ => session::run(&options::Cli::parse()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::from(2)
        }
    }
}
