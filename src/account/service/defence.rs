//! Slows down whoever guesses passwords. No clock here: times are passed in, in monotonic milliseconds.
//!
//! Failures count for the address that they come from and for the account that they aim at. From the fifth on, the next
//! attempt has to wait, longer each time; an attempt that comes too early is refused unchecked and counts for nothing, so
//! that nobody is locked out for good. An address from which an account was logged into before does not wait for what
//! strangers do to that account.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::wire::ids::NetworkId;

/// Failures that cost nothing.
const FREE_FAILURES: u32 = 4;
/// The wait after the first failure that costs something; it doubles with each further one.
const FIRST_WAIT_MS: u64 = 1_000;
/// The longest wait of an address.
const LONGEST_ADDRESS_WAIT_MS: u64 = 300_000;
/// The longest wait at an account; short, as its owner may be waiting too.
const LONGEST_ACCOUNT_WAIT_MS: u64 = 30_000;
/// After so long without another, one failure is forgotten.
const FORGET_ONE_AFTER_MS: u64 = 60_000;
/// For how long an address is known to an account.
const FRIEND_FOR_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Entries of a table before those that say nothing any more are dropped. A failure costs its sender a hash of ours, so
/// tables grow no faster than workers hash.
const SWEEP_AT: usize = 10_000;

/// What is remembered of failed logins, and of good ones.
#[derive(Debug, Default)]
pub(super) struct Defence {
    addresses: Table<NetworkId>,
    accounts: Table<String>,
    /// Addresses from which an account was logged into, and when last.
    friends: HashMap<(String, NetworkId), u64>,
}

impl Defence {
    /// Whether a login may be tried now.
    ///
    /// # Errors
    /// The seconds to wait.
    pub(super) fn check(&self, account: &str, address: IpAddr, now_ms: u64) -> Result<(), u32> {
        let address = NetworkId::of(address);
        let is_friend = self
            .friends
            .get(&(account.to_owned(), address))
            .is_some_and(|last_ms| last_ms.saturating_add(FRIEND_FOR_MS) > now_ms);
        let account_wait_ms = if is_friend { 0 } else { self.accounts.wait_ms(account, now_ms) };
        match self.addresses.wait_ms(&address, now_ms).max(account_wait_ms) {
            0 => Ok(()),
            wait_ms => Err(u32::try_from(wait_ms.div_ceil(1000)).unwrap_or(u32::MAX)),
        }
    }

    /// A login failed. Names that nobody has count as well: they must not be told apart.
    pub(super) fn failed(&mut self, account: &str, address: IpAddr, now_ms: u64) {
        self.addresses.failed(NetworkId::of(address), now_ms, LONGEST_ADDRESS_WAIT_MS);
        self.accounts.failed(account.to_owned(), now_ms, LONGEST_ACCOUNT_WAIT_MS);
    }

    /// A login succeeded. The address keeps its failures: whoever has an account of his own could wipe them out with it.
    pub(super) fn succeeded(&mut self, account: &str, address: IpAddr, now_ms: u64) {
        self.accounts.0.remove(account);
        if self.friends.len() >= SWEEP_AT {
            self.friends.retain(|_, last_ms| last_ms.saturating_add(FRIEND_FOR_MS) > now_ms);
        }
        // Beyond the bound nobody new is remembered, and waits with the strangers.
        let friend = (account.to_owned(), NetworkId::of(address));
        if self.friends.len() < 10 * SWEEP_AT || self.friends.contains_key(&friend) {
            self.friends.insert(friend, now_ms);
        }
    }
}

#[derive(Debug)]
struct Table<K>(HashMap<K, Failures>);

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    last_ms: u64,
    wait_until_ms: u64,
}

impl Failures {
    fn count_at(&self, now_ms: u64) -> u32 {
        let forgotten = now_ms.saturating_sub(self.last_ms) / FORGET_ONE_AFTER_MS;
        self.count.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

impl<K: std::hash::Hash + Eq> Table<K> {
    fn wait_ms<Q>(&self, key: &Q, now_ms: u64) -> u64
    where
        K: std::borrow::Borrow<Q>,
        Q: std::hash::Hash + Eq + ?Sized,
    {
        self.0.get(key).map_or(0, |failures| failures.wait_until_ms.saturating_sub(now_ms))
    }

    fn failed(&mut self, key: K, now_ms: u64, longest_wait_ms: u64) {
        if self.0.len() >= SWEEP_AT {
            self.0.retain(|_, failures| failures.count_at(now_ms) > 0 || failures.wait_until_ms > now_ms);
        }
        let failures = self.0.entry(key).or_default();
        let count = failures.count_at(now_ms).saturating_add(1);
        let wait_ms = match count.checked_sub(FREE_FAILURES + 1) {
            None => 0,
            Some(doublings) => FIRST_WAIT_MS.checked_shl(doublings).unwrap_or(u64::MAX).min(longest_wait_ms),
        };
        // 2^20 seconds are above every longest wait: a higher count would only take longer to be forgotten.
        *failures = Failures { count: count.min(20), last_ms: now_ms, wait_until_ms: now_ms + wait_ms };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

    #[test]
    fn waits_grow_from_the_fifth_failure_on() {
        let mut defence = Defence::default();
        let mut now_ms = 0;
        let mut waits = Vec::new();
        for _ in 0..16 {
            assert_eq!(defence.check("ann", HERE, now_ms), Ok(()));
            defence.failed("ann", HERE, now_ms);
            let wait_s = defence.check("ann", HERE, now_ms).err().unwrap_or(0);
            waits.push(wait_s);
            now_ms += u64::from(wait_s) * 1000;
        }
        assert_eq!(waits[..9], [0, 0, 0, 0, 1, 2, 4, 8, 16]);
        // A wait of minutes lets some failures be forgotten, so it does not grow for ever.
        assert!(waits[9..].iter().all(|wait_s| (16..=300).contains(wait_s)), "{waits:?}");
    }

    #[test]
    fn strangers_do_not_lock_out_the_owner() {
        let mut defence = Defence::default();
        defence.succeeded("ann", HERE, 0);
        for number in 0..1000_u32 {
            defence.failed("ann", IpAddr::from((0x0a00_0000 + number).to_be_bytes()), 1000);
        }
        assert_eq!(defence.check("ann", HERE, 1000), Ok(()));
        assert_eq!(
            defence.check("ann", THERE, 1000),
            Err(30),
            "at a new address the owner waits, but not for ever"
        );
        assert_eq!(defence.check("ann", THERE, 31_000), Ok(()));
        assert_eq!(defence.check("ben", THERE, 1000), Ok(()));
    }

    #[test]
    fn an_address_that_tries_many_accounts_waits_for_all_of_them() {
        let mut defence = Defence::default();
        for number in 0..5 {
            defence.failed(&format!("user{number}"), HERE, 0);
        }
        assert_eq!(defence.check("someone", HERE, 0), Err(1));
        assert_eq!(defence.check("someone", THERE, 0), Ok(()));
        defence.succeeded("mine", HERE, 0);
        assert_eq!(defence.check("someone", HERE, 0), Err(1), "an account of one's own wipes nothing out");
    }

    #[test]
    fn failures_are_forgotten() {
        let mut defence = Defence::default();
        for _ in 0..5 {
            defence.failed("ann", HERE, 0);
        }
        let later_ms = 5 * FORGET_ONE_AFTER_MS;
        defence.failed("ann", HERE, later_ms);
        assert_eq!(defence.check("ann", HERE, later_ms), Ok(()));
    }

    #[test]
    fn tables_do_not_grow_for_ever() {
        let mut defence = Defence::default();
        for number in 0..30_000_u32 {
            let now_ms = u64::from(number) * 100;
            defence.failed(&number.to_string(), IpAddr::from(number.to_be_bytes()), now_ms);
        }
        assert!(defence.accounts.0.len() <= SWEEP_AT && defence.addresses.0.len() <= SWEEP_AT);
    }
}
