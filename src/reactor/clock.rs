//! The round's time: read once, and the same for all that happens in the round.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::session::Now;
use crate::wire::http::http_date;

/// What time it is in this round.
pub(super) struct Clock {
    /// The zero of the monotonic milliseconds.
    started: Instant,
    pub(super) now: Now,
    pub(super) round_began: Instant,
    /// The same moment for the header `Date`.
    pub(super) date: String,
}

impl Clock {
    /// A clock whose milliseconds count from `started`.
    pub(super) fn new(started: Instant) -> Self {
        let now = read(started);
        Self { started, now, round_began: Instant::now(), date: http_date(now.unix_s()) }
    }

    pub(super) fn begin_round(&mut self) {
        self.round_began = Instant::now();
        let now = read(self.started);
        if now.unix_s() != self.now.unix_s() {
            self.date = http_date(now.unix_s());
        }
        self.now = now;
    }

    /// Milliseconds now, which may be later than the round's.
    pub(super) fn read_ms(&self) -> u64 {
        read(self.started).monotonic_ms
    }
}

fn read(started: Instant) -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { monotonic_ms: started.elapsed().as_millis() as u64, unix_ms: unix.as_millis() as u64 }
}
