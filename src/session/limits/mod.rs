//! How much one client may ask for; time is passed in.
//!
//! A limit is a token bucket, kept as the time at which the bucket is full again: a client that does nothing is past it, and
//! costs nothing. What one connection does is counted where the connection is ([`InputRate`], [`BusyLimit`]); what a user or an
//! address does by many connections is counted for all shards in [`Buckets`].

mod buckets;
mod busy;
mod inputs;

pub use self::buckets::Buckets;
pub use self::busy::BusyLimit;
pub use self::inputs::{InputRate, Verdict};

/// What a flag allows, and to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// 0 is without limit.
    pub most: u32,
    /// Whether it holds for clients on this machine as well. A default does not, so that nobody who tries or tests the server
    /// on a laptop meets it; what somebody has set does.
    pub holds_for_local: bool,
}

impl Limit {
    /// No limit.
    pub const NONE: Self = Self { most: 0, holds_for_local: false };

    /// One that somebody has set, which holds for everybody.
    pub const fn set(most: u32) -> Self {
        Self { most, holds_for_local: true }
    }

    /// Whether a client on this machine, or another one, is held to it.
    pub const fn holds_for(self, is_local: bool) -> bool {
        self.most > 0 && (self.holds_for_local || !is_local)
    }
}

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// What one costs.
    cost_ns: u64,
    /// What a full bucket holds.
    burst_ns: u64,
}

const SECOND_NS: u64 = 1_000_000_000;
const MS_NS: u64 = 1_000_000;

impl Pace {
    /// So many a second, and twice as many at once.
    fn per_second(most: u32) -> Self {
        let cost_ns = SECOND_NS / u64::from(most.max(1));
        Self { cost_ns, burst_ns: 2 * u64::from(most) * cost_ns }
    }

    /// So many a minute, also all at once.
    fn per_minute(most: u32) -> Self {
        let cost_ns = 60 * SECOND_NS / u64::from(most.max(1));
        Self { cost_ns, burst_ns: u64::from(most) * cost_ns }
    }

    /// Takes one from a bucket that is full again at `full_again_ns`.
    ///
    /// # Errors
    /// The nanoseconds until there is one to take; nothing was taken.
    fn take(self, full_again_ns: &mut u64, now_ms: u64) -> Result<(), u64> {
        self.take_many(1, full_again_ns, now_ms)
    }

    /// Takes so many at once; no more than a full bucket holds.
    ///
    /// # Errors
    /// The nanoseconds until there are as many; nothing was taken.
    fn take_many(self, count: u64, full_again_ns: &mut u64, now_ms: u64) -> Result<(), u64> {
        let now_ns = now_ms * MS_NS;
        let next_ns = (*full_again_ns).max(now_ns) + self.cost_ns * count;
        let missing_ns = next_ns.saturating_sub(now_ns + self.burst_ns);
        if missing_ns > 0 {
            return Err(missing_ns);
        }
        *full_again_ns = next_ns;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
