//! Godra: a multiplayer game backend in one process.
//!
//! ```text
//!             shard 0..N-1: one mio Poll each, SO_REUSEPORT listener        state engine (one per store)
//!  socket ──► buffer ─► http head / ws frame ─► Session ─► Input ──bounded queue──► batch per room
//!    ▲                                                                                  │ one script call
//!    │                                                                                  ▼ for a room's run of inputs
//!    └── outbox ◄── room members ◄── shared frame (encoded once) ◄──mailbox + waker── events ◄── Lua
//!                                             script watcher        state-file: SQLite ◄── changed keys ──┘
//! ```
//!
//! Dependencies point one way:
//! `main → server → {reactor, state, script, account} → session, room → wire`.
//!
//! Invariants:
//! - A shard never blocks: no SQL, no hashing of passwords, no wait for the state engine or another shard.
//! - Only `reactor` touches players' sockets, only `state::redis` those to Redis, only `account` and the embedded store's state file touch SQL, and neither `wire` nor
//!   `session` reads a clock: time is passed in, so that a connection's whole life can be tested as bytes in, actions out.
//! - A room's events leave the state engine in the order the store ran them, and reach its home shard in that order.
//! - Every queue is bounded, and every bound has a named outcome.

pub mod account;
pub mod cli;
pub mod config;
pub mod guests;
pub mod logging;
pub mod mailbox;
pub mod metrics;
pub mod reactor;
pub mod room;
pub mod script;
pub mod server;
pub mod session;
pub mod state;
pub mod sys;
pub mod threads;
pub mod wire;
