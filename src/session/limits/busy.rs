//! The inputs of one connection that were refused because too many wait.

use crate::session::{Moment, Settings};

/// Counts the inputs of one connection that were refused because too many wait, in 8 bytes: every connection has it.
///
/// A client that goes on sending after so many refusals costs the server a parse and an error each, whatever its rate.
#[derive(Clone, Copy, Debug)]
pub struct BusyLimit {
    /// When the count began.
    since: Moment,
    refused: u16,
}

impl BusyLimit {
    /// A count of 0 that begins now.
    pub fn new(now_ms: u64) -> Self {
        Self { since: Moment::at(now_ms), refused: 0 }
    }

    /// Counts one refusal. A connection that [is over the limit](Self::is_over) stays so.
    pub fn count(&mut self, settings: &Settings, now_ms: u64) {
        if !self.is_over(settings) && now_ms > self.since.ms() + settings.busy_window_ms {
            *self = Self::new(now_ms);
        }
        self.refused = self.refused.saturating_add(1);
    }

    /// Whether the connection is to end.
    pub fn is_over(&self, settings: &Settings) -> bool {
        self.refused > settings.max_busy
    }
}
