//! A harness for end-to-end tests: the real binary in a folder of its own, and independent peers that talk to it.

#![allow(dead_code, reason = "a harness offers more than the tests of the day use")]

pub mod accounts;
pub mod atomic;
pub mod disk;
pub mod full;
pub mod http;
pub mod issuer;
pub mod numbered;
pub mod output;
pub mod player;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod server;
pub mod tls;

use std::time::{Duration, Instant};

/// How long anything may take before the test that waits for it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something holds.
#[track_caller]
pub fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_within(PATIENCE, what, holds);
}

/// As [`wait_until`], with a time limit of its own.
#[track_caller]
pub fn wait_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
