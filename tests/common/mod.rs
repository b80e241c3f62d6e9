//! A harness for end-to-end tests: the real binary in a folder of its own, and independent peers that talk to it.

#![allow(dead_code, reason = "a harness offers more than the tests of the day use")]

pub mod accounts;
pub mod http;
pub mod output;
pub mod player;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod server;

use std::time::Duration;

/// How long anything may take before the test that waits for it fails.
pub const PATIENCE: Duration = Duration::from_secs(15);
