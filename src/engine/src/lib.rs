//! Redis's data model and commands in memory, and Lua scripts that work on them.

pub mod commands;
mod json_text;
pub mod keyspace;
pub mod lua;
pub mod reply;
mod split_mix;

pub use json_text::{mend_utf8, write_json_string};
pub use split_mix::SplitMix;
