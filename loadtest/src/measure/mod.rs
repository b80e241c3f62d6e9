//! What is measured: counters and durations of the clients ([`window`]), the server's CPU time and memory ([`process_stats`]), its own
//! metrics ([`metrics`]), and what the machine itself costs ([`floor`]). What the figures mean is for [`crate::report`] to say.

pub(crate) mod floor;
pub(crate) mod group;
pub(crate) mod histogram;
pub(crate) mod ledger;
pub(crate) mod metrics;
pub(crate) mod process_stats;
pub(crate) mod window;
