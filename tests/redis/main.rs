//! Godra on real redis-servers: several nodes that share one, and everything that can happen to it while people play.
//!
//! Most of a test's time is waiting (for a lease to end, for a server that is frozen), so many run at once: see `tests/run`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod accounts;
mod atomic;
mod bundles;
mod calls;
mod easier;
mod edges;
mod faults;
mod full;
mod games;
mod guests;
mod late;
mod lobbies;
mod messages;
mod neighbours;
mod nodes;
mod numbered;
mod rights;
mod same;
mod scene;
mod sharing;
mod stage;
mod starts;
mod survey;
mod ticks;
mod transports;
mod watch;
