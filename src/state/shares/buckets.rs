//! Leaky buckets of time that was used. No clock here: time is passed in.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// What a bucket's owner may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// It drains by one part in so many of the time that passes: the owner's share of the store.
    pub parts: u32,
    /// What may be used at once.
    pub burst: Duration,
    /// It takes no more than this: who had the store alone must not wait for long once others come (here half a second).
    pub full: Duration,
}

/// So many buckets are kept before idle ones are looked for.
pub(super) const FEW: usize = 1024;

/// A bucket for each who has used some time lately.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    terms: Terms,
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
    fn drain(&mut self, parts: u32, now: Instant) {
        self.level = self.level.saturating_sub(now.saturating_duration_since(self.at) / parts);
        self.at = now;
    }
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// None has used anything.
    pub(crate) fn with_terms(terms: Terms) -> Self {
        Self { terms, buckets: HashMap::new(), over: 0, sweep_at: FEW }
    }

    /// Somebody has used so much.
    pub(crate) fn charge(&mut self, who: &K, took: Duration, now: Instant) {
        let Terms { parts, burst, full } = self.terms;
        match self.buckets.get_mut(who) {
            Some(bucket) => {
                bucket.drain(parts, now);
                bucket.level = (bucket.level + took).min(full);
                if bucket.level > burst && !bucket.is_over {
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
        let level = took.min(self.terms.full);
        let is_over = level > self.terms.burst;
        self.over += usize::from(is_over);
        self.buckets.insert(who, Bucket { level, at: now, is_over });
    }

    /// Whether it is over what it may use; nobody in particular never is.
    pub(crate) fn is_over(&mut self, who: Option<&K>, now: Instant) -> bool {
        if self.over == 0 {
            return false;
        }
        let Some(bucket) = who.and_then(|who| self.buckets.get_mut(who)) else { return false };
        bucket.drain(self.terms.parts, now);
        if bucket.is_over && bucket.level <= self.terms.burst {
            bucket.is_over = false;
            self.over -= 1;
        }
        bucket.is_over
    }

    /// Forgets those whose buckets have drained.
    pub(crate) fn forget_idle(&mut self, now: Instant) {
        let (over, parts) = (&mut self.over, self.terms.parts);
        self.buckets.retain(|_, bucket| {
            bucket.drain(parts, now);
            let is_idle = bucket.level.is_zero();
            *over -= usize::from(is_idle && bucket.is_over);
            !is_idle
        });
        self.sweep_at = FEW.max(2 * self.buckets.len());
        self.buckets.shrink_to(self.sweep_at);
    }

    /// Whether anybody is marked as over what it may use.
    pub(crate) fn has_over(&self) -> bool {
        self.over > 0
    }

    /// How many have used some time lately.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }
}
