//! Time, passed in.

/// A moment, as the caller's clocks show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since some fixed point of the process.
    pub monotonic_ms: u64,
    /// Milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

impl Now {
    /// Whole seconds since the Unix epoch.
    pub const fn unix_s(self) -> u64 {
        self.unix_ms / 1000
    }
}

/// A moment of the monotonic clock in 4 bytes, as every connection keeps some: rounded up to [`Moment::STEP_MS`], for 13
/// years. The default is the clock's beginning, which is past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment(u32);

impl Moment {
    /// How coarse it is, in milliseconds.
    pub const STEP_MS: u64 = 100;

    /// The moment at or right after `monotonic_ms`.
    pub fn at(monotonic_ms: u64) -> Self {
        Self(u32::try_from(monotonic_ms.div_ceil(Self::STEP_MS)).unwrap_or(u32::MAX))
    }

    /// In monotonic milliseconds.
    pub fn ms(self) -> u64 {
        u64::from(self.0) * Self::STEP_MS
    }
}
