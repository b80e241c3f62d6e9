//! The stores of accounts: one suite, run on each database.

#[path = "../common/mod.rs"]
mod common;
mod races;
mod sqlite;
mod suite;
