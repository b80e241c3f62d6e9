//! The embedded store: an in-memory keyspace with Redis's meaning, and Lua on one thread.
//!
//! Keyspace, commands and Lua are the crate `godra_engine`, which knows no room, no player and no event. Here is what makes
//! it the server's: the thread, the `godra` library of scripts, the numbering of rooms' events, the inputs
//! that run once, the state file.

mod absent;
mod census;
mod checkpoint;
mod commands;
mod documents;
mod easier;
mod engine;
mod events;
mod groups;
mod library;
mod mail;
mod numbered;
mod options;
mod queue;
pub mod runner;
mod ticks;
mod worker;

pub use checkpoint::StateFileError;
#[cfg(any(test, fuzzing))]
pub(crate) use checkpoint::fuzz;
pub use commands::for_scripts;
#[cfg(any(test, fuzzing))]
pub(crate) use documents::fuzz as fuzz_documents;
pub use engine::{EmbeddedEngine, StartError};
pub use events::{EventLog, EventOptions, RoomPosition};
#[cfg(any(test, fuzzing))]
pub(crate) use mail::fuzz as fuzz_mail;
pub use options::EmbeddedOptions;

/// The store's time, in milliseconds since the Unix epoch.
type StoreClock = Box<dyn Fn() -> u64>;

#[cfg(test)]
pub(crate) mod stepped;
#[cfg(test)]
mod tests;
