//! Redis's data model and commands in memory, and Lua scripts that work on them: what a Redis server does with `EVAL`, on one
//! thread, without the server.
//!
//! It knows no room, no player, no event, no metric and no socket, and its one thread only drops large values. Whoever embeds it
//! gives each call its script, keys, arguments and time ([`lua::Invocation`]), adds a library of its own to scripts ([`lua::Extension`]), and reads what came of it.
//!
//! To read it: [`keyspace`] (values and expiry), [`commands`] (one file a type, and the table that names them), [`lua`] (the
//! interpreter, its budgets, and Redis's libraries: everything unsafe is below it), [`reply`] (how one hands the other what it
//! found). The differential suites in `tests/` compare both with Valkey 9.1, as which they answer, and with Redis 8.2 and 7.0 but for
//! the differences that they name.
//!
//! # To add …
//!
//! - a Redis command: a function in the file of its type, and a line in `commands/table.rs`; the generator of
//!   `tests/differential` gets its grammar
//! - a type of value: a variant of [`keyspace::Value`], its operations in a file beside it, its changes and how each is undone in
//!   `keyspace/change`, its commands as above, and how the state file writes it
//! - a function in one of Lua's libraries: a function that takes the `Stack` and gives an `Outcome`, and a line in the list of
//!   its file (`redis.rs`, `text.rs`, …); one that may run long spends from the budget
//! - a function that belongs to the embedding program: [`lua::Function`], in its extension

#![warn(unreachable_pub, unnameable_types)]

mod call_random;
pub mod commands;
pub mod counting;
mod json_text;
pub mod keyspace;
pub mod lua;
pub mod reply;
mod split_mix;

pub use call_random::CallRandom;
pub use json_text::{mend_utf8, write_json_string};
pub use split_mix::SplitMix;
