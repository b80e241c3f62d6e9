//! The state file: keeps what the embedded store holds in SQLite, so that it survives the process.

pub mod format;
