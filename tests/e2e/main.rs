//! End-to-end tests: the real binary, and peers that are not ours.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod absences;
mod accounts;
mod atomic;
mod audiences;
mod buffers;
mod compression;
mod crowd;
mod data;
#[cfg(debug_assertions)]
mod deaths;
#[cfg(target_os = "linux")]
mod descriptors;
mod documents;
mod documents_on_redis;
mod durable_on_redis;
mod endings;
#[cfg(target_os = "linux")]
mod erasures;
mod exhaustion;
mod flags;
mod floods;
mod forms;
mod full;
#[cfg(target_os = "linux")]
mod full_disk;
mod games;
mod guests;
mod healthcheck;
mod http;
mod identities;
mod joining;
mod kept;
mod ledgers;
mod ledgers_on_redis;
mod lifecycle;
mod lifetimes;
mod limits;
mod logins;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod memory;
mod messages;
mod metrics_port;
mod moving;
mod numbered;
mod own_keys;
mod pacing;
mod play;
mod postgres;
mod prints;
mod prompt;
mod proofs;
mod proxy_protocol;
mod public;
mod rates;
mod reload;
mod resume;
mod rpc;
mod seats;
mod secrets;
mod served_documents;
mod several_games;
mod shown;
mod state_file;
mod state_file_refusals;
mod ticks;
mod tls;
mod together;
mod who_may_read;
