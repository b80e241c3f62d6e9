//! What is measured: counters and durations of the clients ([`window`]), the server's CPU time and memory ([`process_stats`]), its own
//! metrics ([`metrics`]), and what the machine itself costs ([`floor`]). What the figures mean is for [`crate::report`] to say.

pub mod floor;
pub mod group;
pub mod histogram;
pub mod metrics;
pub mod process_stats;
pub mod window;
