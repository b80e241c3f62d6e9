//! The Lua side: one interpreter that runs scripts under budgets, in a sandbox that holds.
//!
//! Everything unsafe is in [`stack`] and [`budget`]; the libraries above them are plain Rust. No threads here, no
//! queue, and no delivery: a call goes in, its result comes out. [`source`] looks at a script's text without running it.

mod arguments;
mod base;
mod bit;
mod budget;
mod chunk;
mod coroutine;
mod extension;
mod host;
mod interpreter;
mod json;
mod math;
mod msgpack;
pub mod number;
mod pattern;
mod pool;
mod protect;
mod redis;
mod require;
mod result;
mod sandbox;
pub mod source;
mod stack;
mod structs;
mod table;
mod text;

pub use arguments::{Field, MAX_LIST_BYTES, Numbers, Texts};
pub use extension::{Answer, Call, Extension, Function, Library, LibraryText};
pub use interpreter::{Interpreter, Invocation, Keys, Script, ScriptError};
pub use result::{MAX_RESULT_BYTES, MAX_RESULT_DEPTH};
pub use stack::Raised;

#[cfg(test)]
mod tests;
