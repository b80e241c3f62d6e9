//! The embedded store: an in-memory keyspace with Redis's meaning, and Lua on one thread.

pub mod commands;
pub mod keyspace;
pub mod lua;
pub mod reply;
