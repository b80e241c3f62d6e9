//! Godra: a multiplayer game backend in one process.
//!
//! # Threads
//!
//! With the embedded store:
//!
//! ```text
//!            shard 0..N-1: one mio Poll each, SO_REUSEPORT listener             engine thread
//!  socket ──► buffer ─► http head / ws frame ─► Session ─► Room ──bounded queue──► batch ─► Lua ─► keyspace
//!    ▲                                                      ▲                               │        │
//!    └── outbox ◄── fan-out: one frame, encoded once ◄──────┴──── mailbox + waker ◄── events┘        ▼
//!         account workers: argon2, SQL      script watcher     state file: SQLite writer     free: drops large values
//! ```
//!
//! With Redis, Valkey or Dragonfly, a node talks to each address by two threads, and what a store has run for another node comes
//! by its channels:
//!
//! ```text
//!  Room ──bounded queue──► writer ──EVALSHA──► store (Lua, keyspace) ──answers, pushes──► reader ──► mailboxes ──► Room
//!                                                ▲                          │
//!                                             other nodes ◄──── channels ───┘
//! ```
//!
//! # The way of an input
//!
//! 1. `reactor::shard` reads the socket, and gives the bytes to [`session::Session::receive`], which decodes frames and messages
//!    and wants an [`session::Action::Input`].
//! 2. `reactor::carry_out` finds the script (`reactor::calls`), takes up a place of the connection's allowance, and tells the
//!    room: [`room::Room::input`]. If the room is at home in another shard, the input goes there first.
//! 3. At the end of the round the shard calls [`room::Room::settle`]. The room's rhythm lets a batch through:
//!    [`room::RoomAction::Submit`], which `reactor::rooms_out` gives to [`state::Engine::submit`].
//! 4. The engine runs the calls one after the other, numbers their events, and delivers [`state::BatchDone`] to the shard's
//!    mailbox.
//! 5. `reactor::inbox` gives it to [`room::Room::batch_done`]: answers to those who asked, and one [`room::RoomAction::Flush`] of what
//!    has gathered, which `reactor::rooms_out` sends to every member's socket, through other shards' mailboxes where it must.
//!
//! # Who imports from whom
//!
//! ```text
//! server   → reactor, room, pages, config, state, account, document, metrics, session, script, tls, wire, threads, sys, mailbox
//! reactor  → room, guests, state, metrics, session, script, tls, wire, sys, mailbox
//! cli      → config, state, account, document, script, tls, wire, sys, logging
//! room     → state, script, wire
//! guests   → state, script, wire
//! config   → state, account, pages, session, tls, wire, sys, logging
//! pages    → session, threads
//! state    → metrics, script, document, tls, wire, threads
//! account  → metrics, session, tls, wire, threads, sys
//! document → account, metrics, session, threads, wire, sys
//! metrics  → session, script, wire
//! session  → wire
//! script   → wire, threads
//! tls      → wire, threads
//! wire     → -
//! threads  → -
//! sys      → -
//! mailbox  → -
//! logging  → -
//! ```
//!
//! A test holds this list complete, and free of circles. `src/engine` is a crate of its own, below all of them: Redis's data
//! model and the Lua sandbox.
//!
//! # Invariants
//!
//! - A shard never blocks: no SQL, no hashing of passwords, no wait for the state engine or another shard.
//! - Only `reactor` touches players' sockets, only `state::redis` those to Redis, only `account` and the embedded store's state file
//!   touch SQL. `wire`, `session` and `room` read no clock: time is passed in, so that a connection's and a room's whole life can
//!   be tested as bytes and calls in, actions out.
//! - A room's events leave the state engine in the order the store ran them, and reach its home shard in that order.
//! - A call that fails has changed nothing and published nothing, unless its script says `-- ATOMIC: off`.
//! - An input with a number runs at most once: the engine checks it where it runs it. None runs before one that was sent in front
//!   of it: every place that may refuse inputs keeps a [`wire::message::InputOrder`].
//! - Every queue is bounded, and every bound has a named outcome.
//!
//! # To add …
//!
//! - a route, a close code, an error code, a message type: a line in its table, which says how at its head
//!   (`session::routes`, `wire::ws::close_code`, `wire::error_code`, `wire::message`)
//! - a metric: a line in [`metrics`]
//! - a Redis command or a Lua function: the crate in `src/engine` says how
//! - a flag: a line in `config::settings`, a field of [`config::Config`], a row in `src/OPERATING.md`
//! - something that a session or a room wants done: a variant of its `Action`, and an arm in `reactor`

#![deny(unsafe_code)]
#![warn(unreachable_pub, unnameable_types)]

pub mod account;
pub mod cli;
pub mod config;
pub mod document;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[path = "../tests/fuzz/mod.rs"]
pub mod fuzz;
mod guests;
mod logging;
mod mailbox;
pub mod metrics;
pub mod pages;
mod reactor;
mod room;
pub mod script;
pub mod server;
pub mod session;
pub mod state;
mod sys;
mod threads;
pub mod tls;
pub mod wire;

/// Tests compare what is counted as taken with what is.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: godra_engine::counting::Counting = godra_engine::counting::Counting;
