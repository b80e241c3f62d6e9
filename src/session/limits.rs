//! Rate limits; time is passed in.

use std::collections::HashMap;
use std::net::IpAddr;

/// A token bucket that holds one second's worth.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// Thousandths of an input.
    tokens_milli: u32,
    refilled_ms: u64,
    /// Refused inputs since the last one that was let through.
    refused_in_a_row: u32,
}

/// What a [`RateLimit`] says of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the rate.
    Pass,
    /// Over it: refuse this one.
    Refuse,
    /// Far over it for seconds: end the connection.
    Close,
}

impl RateLimit {
    /// Seconds' worth of inputs that may be refused in a row.
    const PATIENCE_S: u32 = 5;

    /// A full bucket.
    pub fn new(per_second: u32, now_ms: u64) -> Self {
        Self { tokens_milli: per_second.saturating_mul(1000), refilled_ms: now_ms, refused_in_a_row: 0 }
    }

    /// Counts one input. A rate of 0 is without limit.
    pub fn admit(&mut self, per_second: u32, now_ms: u64) -> Verdict {
        if per_second == 0 {
            return Verdict::Pass;
        }
        let passed_ms = u32::try_from(now_ms - self.refilled_ms).unwrap_or(u32::MAX);
        let refill_milli = passed_ms.saturating_mul(per_second);
        self.tokens_milli =
            self.tokens_milli.saturating_add(refill_milli).min(per_second.saturating_mul(1000));
        self.refilled_ms = now_ms;
        if self.tokens_milli >= 1000 {
            self.tokens_milli -= 1000;
            self.refused_in_a_row = 0;
            return Verdict::Pass;
        }
        self.refused_in_a_row += 1;
        if self.refused_in_a_row > per_second.saturating_mul(Self::PATIENCE_S) {
            Verdict::Close
        } else {
            Verdict::Refuse
        }
    }
}

/// Logins per address and minute.
#[derive(Debug)]
pub struct LoginLimit {
    per_minute: u32,
    /// When each address would have its whole allowance back, in monotonic milliseconds.
    full_again_ms: HashMap<IpAddr, u64>,
}

impl LoginLimit {
    /// Addresses remembered before those that have their allowance back are dropped.
    const SWEEP_AT: usize = 10_000;
    const MINUTE_MS: u64 = 60_000;

    /// A limit; 0 is without.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, full_again_ms: HashMap::new() }
    }

    /// Counts one login.
    ///
    /// # Errors
    /// The seconds until the address may log in again.
    pub fn admit(&mut self, peer: IpAddr, now_ms: u64) -> Result<(), u32> {
        if self.per_minute == 0 {
            return Ok(());
        }
        if self.full_again_ms.len() >= Self::SWEEP_AT {
            self.full_again_ms.retain(|_, full_ms| *full_ms > now_ms);
        }
        let cost_ms = Self::MINUTE_MS / u64::from(self.per_minute);
        let full_ms = self.full_again_ms.entry(peer).or_insert(now_ms);
        let next_ms = (*full_ms).max(now_ms) + cost_ms;
        let wait_ms = next_ms.saturating_sub(now_ms + Self::MINUTE_MS);
        if wait_ms > 0 {
            return Err(wait_ms.div_ceil(1000) as u32);
        }
        *full_ms = next_ms;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_worth_passes_then_the_rate() {
        let mut limit = RateLimit::new(10, 0);
        for _ in 0..10 {
            assert_eq!(limit.admit(10, 0), Verdict::Pass);
        }
        assert_eq!(limit.admit(10, 0), Verdict::Refuse);
        assert_eq!(limit.admit(10, 99), Verdict::Refuse);
        assert_eq!(limit.admit(10, 100), Verdict::Pass);
        assert_eq!(limit.admit(10, 100), Verdict::Refuse);
        assert_eq!(limit.admit(10, 100_000), Verdict::Pass);
    }

    #[test]
    fn patience_ends() {
        let mut limit = RateLimit::new(2, 0);
        let verdicts: Vec<Verdict> = (0..13).map(|_| limit.admit(2, 0)).collect();
        assert_eq!(verdicts[1], Verdict::Pass);
        assert_eq!(verdicts[11], Verdict::Refuse);
        assert_eq!(verdicts[12], Verdict::Close);
    }

    #[test]
    fn no_limit() {
        let mut limit = RateLimit::new(0, 0);
        assert!((0..1000).all(|_| limit.admit(0, 0) == Verdict::Pass));
        let mut logins = LoginLimit::new(0);
        assert!((0..1000).all(|_| logins.admit([127, 0, 0, 1].into(), 0).is_ok()));
    }

    #[test]
    fn logins_are_counted_by_address() {
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut limit = LoginLimit::new(3);
        for _ in 0..3 {
            assert_eq!(limit.admit(one, 1000), Ok(()));
        }
        assert_eq!(limit.admit(one, 1000), Err(20));
        assert_eq!(limit.admit(other, 1000), Ok(()));
        assert_eq!(limit.admit(one, 20_999), Err(1));
        assert_eq!(limit.admit(one, 21_000), Ok(()));
    }
}
