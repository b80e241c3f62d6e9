//! Rate limits; time is passed in.

use std::collections::HashMap;
use std::net::IpAddr;

use super::{Moment, Settings};

/// A token bucket that holds one second's worth.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// Thousandths of an input.
    tokens_milli: u32,
    refilled_ms: u64,
    /// Rejection inputs since the last one that was let through.
    refused_in_a_row: u32,
}

/// What a [`RateLimit`] says of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the rate: to be carried out.
    Pass,
    /// Over it: refuse this one.
    Refuse,
    /// Far over it for seconds: end the connection.
    Close,
}

impl RateLimit {
    /// Seconds' worth of inputs that may be refused in a row.
    const PATIENCE_S: u32 = 5;

    /// A bucket that holds one second's worth.
    pub fn new(per_second: u32, now_ms: u64) -> Self {
        Self { tokens_milli: per_second.saturating_mul(1000), refilled_ms: now_ms, refused_in_a_row: 0 }
    }

    /// Counts one input. A rate of 0 is without limit.
    pub fn admit(&mut self, per_second: u32, now_ms: u64) -> Verdict {
        if per_second == 0 {
            return Verdict::Pass;
        }
        // A connection that moves to another event loop may find that its round began a moment earlier.
        let passed_ms = u32::try_from(now_ms.saturating_sub(self.refilled_ms)).unwrap_or(u32::MAX);
        let refill_milli = passed_ms.saturating_mul(per_second);
        self.tokens_milli =
            self.tokens_milli.saturating_add(refill_milli).min(per_second.saturating_mul(1000));
        self.refilled_ms = self.refilled_ms.max(now_ms);
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

/// Logins per address and minute. An IPv6 network of 64 bits counts as one address: whoever has one of its addresses
/// has them all.
#[derive(Debug)]
pub struct LoginLimit {
    per_minute: u32,
    /// When each address would have its whole allowance back, in monotonic milliseconds.
    full_again_ms: HashMap<IpAddr, u64>,
    /// Addresses remembered before those that have their allowance back are dropped.
    sweep_at: usize,
}

impl LoginLimit {
    const SWEEP_AT: usize = 10_000;
    const MINUTE_MS: u64 = 60_000;

    /// A limit; 0 is without.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, full_again_ms: HashMap::new(), sweep_at: Self::SWEEP_AT }
    }

    /// Counts one login.
    ///
    /// # Errors
    /// The seconds until the address may log in again.
    pub fn admit(&mut self, peer: IpAddr, now_ms: u64) -> Result<(), u32> {
        if self.per_minute == 0 {
            return Ok(());
        }
        if self.full_again_ms.len() >= self.sweep_at {
            self.full_again_ms.retain(|_, full_ms| *full_ms > now_ms);
            // Twice what is left: a sweep that finds little is not repeated at every login.
            self.sweep_at = Self::SWEEP_AT.max(2 * self.full_again_ms.len());
        }
        let cost_ms = Self::MINUTE_MS / u64::from(self.per_minute);
        let full_ms = self.full_again_ms.entry(network(peer)).or_insert(now_ms);
        let next_ms = (*full_ms).max(now_ms) + cost_ms;
        let wait_ms = next_ms.saturating_sub(now_ms + Self::MINUTE_MS);
        if wait_ms > 0 {
            return Err(wait_ms.div_ceil(1000) as u32);
        }
        *full_ms = next_ms;
        Ok(())
    }
}

/// The address that stands for all that one peer may use.
pub fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
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
    /// A connection that moves to another event loop may find that its round began a moment earlier.
    #[test]
    fn regression_a_clock_that_is_behind_is_no_time_passed() {
        let mut limit = RateLimit::new(1, 1000);
        assert_eq!(limit.admit(1, 999), Verdict::Pass);
        assert_eq!(limit.admit(1, 998), Verdict::Refuse);
        assert_eq!(limit.admit(1, 2000), Verdict::Pass);
    }

    /// Whoever has one IPv6 address has the 2^64 of its network.
    #[test]
    fn regression_an_ipv6_network_counts_as_one_address() {
        let mut limit = LoginLimit::new(1);
        let mut check = |address: &str, expected: Result<(), u32>| {
            assert_eq!(limit.admit(address.parse().unwrap(), 0), expected, "{address}");
        };
        check("2001:db8::1", Ok(()));
        check("2001:db8::2:3:4:5", Err(60));
        check("2001:db8:0:1::1", Ok(()));
        check("::ffff:10.0.0.1", Ok(()));
        check("10.0.0.1", Err(60));
        check("::ffff:10.0.0.2", Ok(()));
    }

    #[test]
    fn regression_many_addresses_are_not_swept_at_every_login() {
        let mut limit = LoginLimit::new(1);
        let mut sweeps = 0;
        for number in 0..100_000_u32 {
            let (sweep_at, before) = (limit.sweep_at, limit.full_again_ms.len());
            assert_eq!(limit.admit(IpAddr::from(number.to_be_bytes()), 0), Ok(()));
            sweeps += usize::from(before >= sweep_at);
        }
        assert!((1..10).contains(&sweeps), "{sweeps} sweeps");
        assert_eq!(limit.admit([10, 0, 0, 1].into(), 0), Ok(()));
        while limit.full_again_ms.len() < limit.sweep_at {
            let number = limit.full_again_ms.len() as u32;
            assert_eq!(limit.admit(IpAddr::from(number.to_be_bytes()), 0), Ok(()));
        }
        assert_eq!(limit.admit([10, 0, 0, 2].into(), 1_000_000), Ok(()));
        assert_eq!(limit.full_again_ms.len(), 1, "those who have their allowance back are forgotten");
    }
}
