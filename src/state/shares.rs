//! Who may use how much of a store's time. No clock here: time is passed in.
//!
//! Each user has a leaky bucket: it fills by the time that the user's calls take, over all connections, rooms and RPCs,
//! and drains by a fifth of the time that passes. While others wait, whoever's bucket is over [`BURST`] waits until it has
//! drained. The server's own calls are nobody's. Each network that users come from has a bucket as well: whoever is in one that
//! is over waits while anybody else wants the store, and no longer, as one address may be that of many who play.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use super::guest_book::SCRIPT_PREFIX;
use super::{Call, Membership};
use crate::wire::ids::NetworkId;

/// A bucket drains by one part in so many of the time that passes: each user's share of the store.
const PARTS: u32 = 5;
/// What a user may use at once.
const BURST: Duration = Duration::from_millis(100);
/// A bucket takes no more than this: who had the store alone must not wait for long once others come (here half a second).
const FULL: Duration = Duration::from_millis(200);
/// So many buckets are kept before idle ones are looked for.
const FEW: usize = 1024;

/// How much of the store each user has had lately, and each network that users come from.
#[derive(Debug, Default)]
pub(super) struct Shares {
    users: Buckets<SmolStr>,
    networks: Buckets<NetworkId>,
}

#[derive(Debug)]
struct Buckets<K> {
    buckets: HashMap<K, Bucket>,
    /// How many of them are marked as over: while there are none, nobody is looked up.
    over: usize,
    /// At so many buckets, idle ones are forgotten.
    sweep_at: usize,
}

#[derive(Debug)]
struct Bucket {
    level: Duration,
    /// When the level was that.
    at: Instant,
    is_over: bool,
}

impl Bucket {
    fn drain(&mut self, now: Instant) {
        self.level = self.level.saturating_sub(now.saturating_duration_since(self.at) / PARTS);
        self.at = now;
    }
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { buckets: HashMap::new(), over: 0, sweep_at: FEW }
    }
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn charge(&mut self, who: &K, took: Duration, now: Instant) {
        match self.buckets.get_mut(who) {
            Some(bucket) => {
                bucket.drain(now);
                bucket.level = (bucket.level + took).min(FULL);
                if bucket.level > BURST && !bucket.is_over {
                    bucket.is_over = true;
                    self.over += 1;
                }
            }
            None => self.open(who.clone(), took, now),
        }
    }

    fn open(&mut self, who: K, took: Duration, now: Instant) {
        if self.buckets.len() >= self.sweep_at {
            self.forget_idle(now);
        }
        let level = took.min(FULL);
        let is_over = level > BURST;
        self.over += usize::from(is_over);
        self.buckets.insert(who, Bucket { level, at: now, is_over });
    }

    fn is_over(&mut self, who: Option<&K>, now: Instant) -> bool {
        if self.over == 0 {
            return false;
        }
        let Some(bucket) = who.and_then(|who| self.buckets.get_mut(who)) else { return false };
        bucket.drain(now);
        if bucket.is_over && bucket.level <= BURST {
            bucket.is_over = false;
            self.over -= 1;
        }
        bucket.is_over
    }

    fn forget_idle(&mut self, now: Instant) {
        let over = &mut self.over;
        self.buckets.retain(|_, bucket| {
            bucket.drain(now);
            let is_idle = bucket.level.is_zero();
            *over -= usize::from(is_idle && bucket.is_over);
            !is_idle
        });
        self.sweep_at = FEW.max(2 * self.buckets.len());
        self.buckets.shrink_to(self.sweep_at);
    }
}

impl Shares {
    /// A call has used the store for so long.
    pub(super) fn charge(&mut self, call: &Call, took: Duration, now: Instant) {
        let Some(user_id) = payer(call) else { return };
        self.users.charge(user_id, took, now);
        if let Some(network) = &call.caller.login.network {
            self.networks.charge(network, took, now);
        }
    }

    /// Whether the caller has had more than its share.
    pub(super) fn is_over(&mut self, call: &Call, now: Instant) -> bool {
        self.users.is_over(payer(call), now)
    }

    /// Whether all callers have had more than their shares, of those who have one; that of the server's own is without end.
    pub(super) fn are_over(&mut self, calls: &[Call], now: Instant) -> bool {
        if self.users.over == 0 {
            return false;
        }
        let mut payers = calls.iter().filter(|call| payer(call).is_some()).peekable();
        payers.peek().is_some() && payers.all(|call| self.is_over(call, now))
    }

    /// Whether all of these are calls of players whose networks have had more than their shares: many users of one address are
    /// one, so that who makes itself a hundred guests has no more of the store than others.
    pub(super) fn are_of_networks_over(&mut self, calls: &[Call], now: Instant) -> bool {
        let is_over = |call: &Call| {
            let is_players = call.membership == Membership::Unchanged && payer(call).is_some();
            is_players && self.networks.is_over(call.caller.login.network.as_ref(), now)
        };
        !calls.is_empty() && calls.iter().all(is_over)
    }

    /// Forgets those whose buckets have drained.
    pub(super) fn forget_idle(&mut self, now: Instant) {
        self.users.forget_idle(now);
        self.networks.forget_idle(now);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.users.buckets.len()
    }
}

/// Whose time a call takes; nobody's if it is the server's own.
pub(super) fn payer(call: &Call) -> Option<&SmolStr> {
    let user_id = &call.caller.user_id;
    (!user_id.is_empty() && !call.script.name.starts_with(SCRIPT_PREFIX)).then_some(user_id)
}

/// Which calls of a batch run now, and which are given back: all after its slice of time is used up, those of callers who
/// have had more than their share, and all later ones of the same callers. Hooks are of the server's making: they wait for
/// their caller's earlier calls, but not for its share.
#[derive(Debug)]
pub(super) struct Slice<'a> {
    /// None for a batch that runs whole.
    length: Option<Duration>,
    is_over: bool,
    given_back: Vec<&'a SmolStr>,
}

impl<'a> Slice<'a> {
    /// For a batch whose calls may be given back after so long.
    pub(super) fn of(length: Duration) -> Self {
        Self { length: Some(length), is_over: false, given_back: Vec::new() }
    }

    /// For a batch that runs whole.
    pub(super) fn whole() -> Self {
        Self { length: None, is_over: false, given_back: Vec::new() }
    }

    /// Nothing more runs, if the batch need not run whole.
    pub(super) fn end(&mut self) {
        self.is_over = self.length.is_some();
    }

    /// Whether the next call runs now, after those before it have taken so long. `others_wait` is asked only if it matters.
    pub(super) fn takes(
        &mut self,
        call: &'a Call,
        spent: Duration,
        shares: &mut Shares,
        now: Instant,
        others_wait: impl Fn() -> bool,
    ) -> bool {
        let Some(length) = self.length else { return true };
        if self.is_over {
            return false;
        }
        if spent >= length && others_wait() {
            self.is_over = true;
            return false;
        }
        let user_id = &call.caller.user_id;
        if self.given_back.contains(&user_id) {
            return false;
        }
        let must_wait =
            call.membership == Membership::Unchanged && shares.is_over(call, now) && others_wait();
        if must_wait {
            self.given_back.push(user_id);
        }
        !must_wait
    }
}

#[cfg(test)]
mod tests;
