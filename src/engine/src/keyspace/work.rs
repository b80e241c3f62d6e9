//! How long a single command may work: a script's clock is read between its commands, and not within them.

use std::time::Duration;

use super::Keyspace;
use crate::commands::{Failure, Outcome};

impl Keyspace {
    /// How long a script's command may take, as far as that can be told before it begins.
    pub fn set_max_work(&mut self, max_work: Duration) {
        self.max_work_ns = u64::try_from(max_work.as_nanos()).unwrap_or(u64::MAX);
    }

    /// What [`Keyspace::set_max_work`] said.
    pub fn max_work(&self) -> Duration {
        Duration::from_nanos(self.max_work_ns)
    }

    /// Before a script's command walks through so many elements or bytes, each of which takes so many nanoseconds at least.
    pub(crate) fn allow_work(&self, steps: usize, nanos: f64) -> Outcome {
        let work_ns = steps as f64 * nanos;
        if work_ns <= self.max_work_ns as f64 || !self.is_from_script() {
            Ok(())
        } else {
            Err(Failure::TOO_SLOW)
        }
    }
}
