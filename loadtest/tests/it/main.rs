//! The tool as a whole against a small server that speaks the protocol, correctly or with one fault at a time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, and the place says enough")]
#![warn(unreachable_pub, unnameable_types)]

mod endure;
mod fake;
mod faults;
mod harness;
mod logins;
mod returns;
mod scenarios;
