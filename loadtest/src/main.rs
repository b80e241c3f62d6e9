//! Load tester for a Godra server.
//!
//! ```text
//!  main thread                                               worker threads, here or in child processes
//!  session ─► scenario ──directs──► run ─► pool ──commands─► worker: one event loop each
//!     │                              │       ▲                 schedule  when each client acts
//!     │ ◄──────────phases────────────┘       │                 client    its connection to the server
//!     ▼                                      └────windows───── check     judges what each room gets
//!  report ─► text, JSON, HTML                  (counters)      messages  what is said, and what comes back
//! ```
//!
//! An input has an intended time, planned without regard to the server (open loop), and its latency counts from there.
//! Everything that any client receives is checked: see [`check`].
//!
//! Modules know only those below them:
//! `main → session → scenario → {run → {load, report} → check, attack} → {client, messages, measure}`; [`options`], [`random`] and [`sys`] are for all.
//!
//! To add a scenario: give it a variant and its flags in `options/scenarios.rs`; say in `scenario/mod.rs` which rooms it needs
//! (`layouts`) and who directs it (`direct`); write `scenario/NAME.rs`, which tells the clients what to do and lets time pass by way of
//! [`run::Run`] (`hold.rs` is the shortest example). Then add it to `tests/it/scenarios.rs`, to the repository's `tests/smoke`, and to the
//! README's table.

#![warn(unreachable_pub, unnameable_types)]

mod attack;
mod check;
mod client;
mod load;
mod measure;
mod messages;
mod options;
mod random;
mod report;
mod run;
mod scenario;
mod session;
mod sys;

use clap::Parser;
use load::pool;
use measure::floor;
use options::{Cli, Command};
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let result = match arguments.next().as_deref() {
        Some(pool::CHILD_ARGUMENT) => pool::run_child().map(|()| true),
        Some(floor::PEER_ARGUMENT) => {
            let core = arguments.next().and_then(|core| core.parse().ok());
            floor::run_peer(core).map(|()| true)
        }
        _ => obey(&Cli::parse()),
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

/// Does what the command line says; false if the server broke a promise.
fn obey(cli: &Cli) -> io::Result<bool> {
    match &cli.command {
        Command::Test(scenario) => session::run(scenario),
        Command::Report(kept) => report::draw(kept).map(|()| true),
    }
}
