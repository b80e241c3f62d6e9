//! Who may use how much of a store's time. No clock here: time is passed in.
//!
//! Each user has a leaky bucket: it fills by the time that the user's calls take, over all connections, rooms and RPCs,
//! and drains by a fifth of the time that passes. While others wait, whoever's bucket is over [`BURST`] waits until it has
//! drained. The server's own calls are nobody's.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use super::guest_book::SCRIPT_PREFIX;
use super::{Call, Membership};

/// A bucket drains by one part in so many of the time that passes: each user's share of the store.
const PARTS: u32 = 5;
/// What a user may use at once.
const BURST: Duration = Duration::from_millis(100);
/// A bucket takes no more than this: who had the store alone must not wait for long once others come (here half a second).
const FULL: Duration = Duration::from_millis(200);
/// So many buckets are kept before idle ones are looked for.
const FEW: usize = 1024;

/// How much of the store each user has had lately.
#[derive(Debug)]
pub(super) struct Shares {
    buckets: HashMap<SmolStr, Bucket>,
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

impl Default for Shares {
    fn default() -> Self {
        Self { buckets: HashMap::new(), over: 0, sweep_at: FEW }
    }
}

impl Shares {
    /// A call has used the store for so long.
    pub(super) fn charge(&mut self, call: &Call, took: Duration, now: Instant) {
        let Some(user_id) = payer(call) else { return };
        match self.buckets.get_mut(user_id) {
            Some(bucket) => {
                bucket.drain(now);
                bucket.level = (bucket.level + took).min(FULL);
                if bucket.level > BURST && !bucket.is_over {
                    bucket.is_over = true;
                    self.over += 1;
                }
            }
            None => self.open(user_id.clone(), took, now),
        }
    }

    fn open(&mut self, user_id: SmolStr, took: Duration, now: Instant) {
        if self.buckets.len() >= self.sweep_at {
            self.forget_idle(now);
        }
        let level = took.min(FULL);
        let is_over = level > BURST;
        self.over += usize::from(is_over);
        self.buckets.insert(user_id, Bucket { level, at: now, is_over });
    }

    /// Whether the caller has had more than its share.
    pub(super) fn is_over(&mut self, call: &Call, now: Instant) -> bool {
        if self.over == 0 {
            return false;
        }
        let Some(bucket) = payer(call).and_then(|user_id| self.buckets.get_mut(user_id)) else {
            return false;
        };
        bucket.drain(now);
        if bucket.is_over && bucket.level <= BURST {
            bucket.is_over = false;
            self.over -= 1;
        }
        bucket.is_over
    }

    /// Whether all callers have had more than their shares, of those who have one; that of the server's own is without end.
    pub(super) fn are_over(&mut self, calls: &[Call], now: Instant) -> bool {
        if self.over == 0 {
            return false;
        }
        let mut payers = calls.iter().filter(|call| payer(call).is_some()).peekable();
        payers.peek().is_some() && payers.all(|call| self.is_over(call, now))
    }

    /// Forgets users whose buckets have drained.
    pub(super) fn forget_idle(&mut self, now: Instant) {
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

    #[cfg(test)]
    fn len(&self) -> usize {
        self.buckets.len()
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
