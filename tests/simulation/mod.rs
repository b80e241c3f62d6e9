//! The server under a clock of its own, a hostile network and dying nodes, from one seed.
//!
//! What runs is the product: sessions (bytes in, actions out), rooms, the embedded engine with its Lua. Only the event loop is
//! not: [`node`] stands in its place. Clients, links, nodes, the store and what goes wrong are one queue of happenings with
//! their times; no clock is read, and all chance comes from the seed, so that a run repeats to the byte.
//!
//! Everything that comes out of the engine, and everything that a client is told, is held to [`model`], which is as plain as
//! can be. What must hold are nine sentences: see [`violation::Sentence`]. That the simulation would see if one did not is
//! proved by [`faults`]: each is planted, and found.
//!
//! `GODRA_SIMULATION_SEEDS=N` runs more seeds, `GODRA_SIMULATION_SEED=S` one, with all its steps.
//!
//! It is a part of the library's tests, and below the event loop, as it needs what the event loop needs. Begin with [`world`].

mod client;
mod faults;
mod game;
mod happening;
mod model;
mod network;
mod node;
mod random;
mod services;
mod store;
mod tests;
mod trace;
mod violation;
mod world;
