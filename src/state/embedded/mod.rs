//! The embedded store: an in-memory keyspace with Redis's meaning, and Lua on one thread.

pub mod commands;
mod engine;
pub mod events;
pub mod keyspace;
pub mod lua;
pub mod persist;
pub mod reply;

#[cfg(test)]
use engine::STACK_BYTES;
#[cfg(test)]
mod tests;

pub use engine::{EmbeddedEngine, EmbeddedOptions, StartError};
