//! The stores of accounts: one suite, run on each database.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod documents;
mod endings;
mod failing_sync;
mod postgres;
mod races;
mod sqlite;
mod starts;
mod suite;
mod tls;
mod upgrades;
