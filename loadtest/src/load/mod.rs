//! The load: who the clients are ([`setup`], [`plan`]), when each of them acts ([`schedule`]), and the workers that play them
//! ([`worker`]), in this process or in children ([`pool`]). It does not know what a scenario is; start reading in [`pool`].

pub(crate) mod plan;
pub(crate) mod pool;
pub(crate) mod schedule;
pub(crate) mod setup;
pub(crate) mod worker;
