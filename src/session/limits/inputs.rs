//! The inputs of one connection.

use super::Pace;

/// What one connection's inputs, pings and whatever else it sends have taken from its bucket, in 12 bytes: every connection
/// has it.
#[derive(Clone, Copy, Debug, Default)]
// Its 8-byte field would make it 16.
#[repr(Rust, packed(4))]
pub struct InputRate {
    full_again_ns: u64,
    /// Those refused since the last one that was let through.
    refused_in_a_row: u16,
    /// Whether the connection is held to a rate.
    is_limited: bool,
}

/// What an [`InputRate`] says of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the rate: to be carried out.
    Pass,
    /// Over it: refuse this one.
    Refuse,
    /// Far over it for seconds: end the connection.
    Close,
}

impl InputRate {
    /// Seconds' worth of inputs that may be refused in a row.
    const PATIENCE_S: u32 = 5;

    /// A full bucket.
    pub fn new(is_limited: bool) -> Self {
        Self { is_limited, ..Self::default() }
    }

    /// Counts one input at a rate of so many a second.
    pub fn admit(&mut self, per_second: u32, now_ms: u64) -> Verdict {
        if !self.is_limited {
            return Verdict::Pass;
        }
        let mut full_again_ns = self.full_again_ns;
        if Pace::per_second(per_second).take(&mut full_again_ns, now_ms).is_ok() {
            (self.full_again_ns, self.refused_in_a_row) = (full_again_ns, 0);
            return Verdict::Pass;
        }
        self.refused_in_a_row = self.refused_in_a_row.saturating_add(1);
        let patience = per_second.saturating_mul(Self::PATIENCE_S).min(u32::from(u16::MAX) - 1);
        if u32::from(self.refused_in_a_row) > patience { Verdict::Close } else { Verdict::Refuse }
    }
}
