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

    /// Before a script's command reads what it is given: one large text can be given thousands of times.
    pub(super) fn allow_arguments(&self, arguments: &[&[u8]]) -> Outcome {
        const BYTE_NS: f64 = 0.5;
        self.allow_work(arguments.iter().map(|argument| argument.len()).sum(), BYTE_NS)
    }

    /// How many steps of so many nanoseconds a script's command may take, where only their result tells how many it needs: such a
    /// command must not have changed anything while it counts them.
    pub(crate) fn work_left(&self, nanos: f64) -> WorkLeft {
        let is_bounded = self.is_from_script() && self.max_work_ns < u64::MAX;
        WorkLeft { steps: if is_bounded { (self.max_work_ns as f64 / nanos) as usize } else { usize::MAX } }
    }
}

/// What is left of a command's work.
#[derive(Debug)]
pub(crate) struct WorkLeft {
    steps: usize,
}

impl WorkLeft {
    /// So many steps.
    #[cfg(test)]
    pub(crate) fn of(steps: usize) -> Self {
        Self { steps }
    }

    /// Takes so many steps, before they are taken or soon after.
    #[inline]
    pub(crate) fn spend(&mut self, steps: usize) -> Outcome {
        self.steps = self.steps.checked_sub(steps).ok_or(Failure::TOO_SLOW)?;
        Ok(())
    }
}
