//! The Lua side: one interpreter that runs scripts under budgets, in a sandbox that holds.
//!
//! Everything unsafe is in [`stack`] and [`budget`]; the libraries above them are plain Rust. No threads here, no
//! queue, and no delivery: a call goes in, its result comes out, and its events lie in the host's outbox.

mod base;
mod bit;
mod budget;
mod chunk;
mod coroutine;
mod godra;
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
mod result;
mod sandbox;
mod stack;
mod structs;
mod table;
mod text;

pub use host::DEFAULT_ROOM_TTL_S;
pub use interpreter::{Interpreter, Invocation};

#[cfg(test)]
mod tests;
