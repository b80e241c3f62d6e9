//! The inputs of one connection.

use super::{MS_NS, Pace, SECOND_NS};

/// What one connection's inputs, pings and whatever else it sends have taken from its bucket, in 12 bytes: every connection
/// has it.
///
/// To refuse costs the server almost as much as to take, so who goes on sending over the rate is read no faster than the rate:
/// after some refusals the connection [rests](Self::rests_until_ms), and what it sends meanwhile waits at the sender.
#[derive(Clone, Copy, Debug)]
// Its 8-byte field would make it 16.
#[repr(Rust, packed(4))]
pub struct InputRate {
    full_again_ns: u64,
    /// By how much those refused outweigh those let through.
    excess: u16,
    reading: Reading,
}

/// When what the connection sends is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// At once, always: it is held to no rate.
    Unlimited,
    /// At once. Inputs of this weight were refused since the last rest.
    AtOnce(u8),
    /// Once the bucket holds some.
    Resting,
}

/// What an [`InputRate`] says of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the rate: to be carried out.
    Pass,
    /// Over it: refuse this one.
    Refuse {
        /// When it may come again.
        retry_after_s: u32,
    },
    /// Far over it for seconds: end the connection.
    Close,
}

impl InputRate {
    /// An input counts as one for each piece of this size that it begins.
    pub const PIECE_BYTES: usize = 4096;
    /// Seconds' worth of inputs by which those refused may outweigh those let through.
    const PATIENCE_S: u32 = 5;
    /// Which part of a second's worth of inputs is refused before a rest: who is a little over the rate hardly feels the rests,
    /// and what waits meanwhile is still read several times as fast as the rate.
    const REFUSED_PART: u32 = 4;
    /// Which part of a second's worth a rest waits for, at most half of what was refused, so that a flood's excess still grows: each end
    /// of one costs the event loop a read and a write of the answers, as much as tens of inputs.
    const REST_PART: u32 = 8;

    /// A full bucket.
    pub fn new(is_limited: bool) -> Self {
        let reading = if is_limited { Reading::AtOnce(0) } else { Reading::Unlimited };
        Self { full_again_ns: 0, excess: 0, reading }
    }

    /// Counts one input of so many bytes at a rate of so many a second.
    pub fn admit(&mut self, per_second: u32, bytes: usize, now_ms: u64) -> Verdict {
        let refused = match self.reading {
            Reading::Unlimited => return Verdict::Pass,
            Reading::AtOnce(refused) => refused,
            Reading::Resting => 0,
        };
        let pieces = bytes.div_ceil(Self::PIECE_BYTES).clamp(1, usize::from(u16::MAX)) as u16;
        // The longest is let through by a full bucket, whatever the rate.
        let weight = u32::from(pieces).min(per_second.saturating_mul(2).max(1)) as u16;
        let mut full_again_ns = self.full_again_ns;
        let taken = Pace::per_second(per_second).take_many(weight.into(), &mut full_again_ns, now_ms);
        let Err(missing_ns) = taken else {
            self.full_again_ns = full_again_ns;
            self.excess = self.excess.saturating_sub(weight);
            return Verdict::Pass;
        };
        self.excess = self.excess.saturating_add(weight);
        let refused = u32::from(refused) + u32::from(weight);
        self.reading = if refused < Self::most_refused(per_second) {
            Reading::AtOnce(refused as u8)
        } else {
            Reading::Resting
        };
        let patience = per_second.saturating_mul(Self::PATIENCE_S).min(u32::from(u16::MAX) - 1);
        if u32::from(self.excess) > patience {
            return Verdict::Close;
        }
        Verdict::Refuse { retry_after_s: missing_ns.div_ceil(SECOND_NS) as u32 }
    }

    /// Until when nothing more of the connection is to be read, in monotonic milliseconds: a second at most. It rests until
    /// [`InputRate::end_rest`].
    pub fn rests_until_ms(&self, per_second: u32) -> Option<u64> {
        let Pace { cost_ns, burst_ns } = Pace::per_second(per_second);
        let wanted = (Self::most_refused(per_second) / 2).min(per_second / Self::REST_PART).max(1);
        let has_them_ns = (self.full_again_ns + cost_ns * u64::from(wanted)).saturating_sub(burst_ns);
        self.rests().then_some(has_them_ns.div_ceil(MS_NS))
    }

    /// What is refused before a rest.
    fn most_refused(per_second: u32) -> u32 {
        (per_second / Self::REFUSED_PART).clamp(4, u32::from(u8::MAX))
    }

    /// Whether nothing more of the connection is to be read.
    pub fn rests(&self) -> bool {
        self.reading == Reading::Resting
    }

    /// The time of [`InputRate::rests_until_ms`] has come.
    pub fn end_rest(&mut self) {
        if self.rests() {
            self.reading = Reading::AtOnce(0);
        }
    }
}
