//! What users and addresses do, over all connections and shards.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};

use super::{Limit, Pace};

/// A token bucket for each of any number of clients, in memory of a fixed size: those with their buckets full need no entry.
///
/// It is a table of [`SETS`] small sets in which a client's hash says where it may stand. If a set is full of clients that all
/// have something to make up for, the one with the least is forgotten, and may have its burst anew: whoever wants to make use
/// of that has to come as tens of thousands of clients at a time, with a hash that it cannot know.
#[derive(Debug)]
pub struct Buckets {
    limit: Limit,
    pace: Pace,
    hashes: RandomState,
    /// Each is held for a few instructions at a time.
    stripes: Box<[Mutex<Stripe>]>,
}

/// A part of the table with a lock of its own.
#[derive(Debug)]
struct Stripe(Box<[[Entry; WAYS]]>);

/// Hash of a client (0 for nobody), and when its bucket is full again, in nanoseconds. A pair of numbers so that a new table
/// is memory that the kernel has not been asked for yet.
type Entry = [u64; 2];

/// Entries of a set, which are 128 bytes.
const WAYS: usize = 8;
/// Sets of all stripes: 65,536 entries in 1 MiB.
const SETS: usize = 8192;
const STRIPES: usize = 16;

impl Buckets {
    /// So many a second, and twice as many at once.
    pub fn per_second(limit: Limit) -> Self {
        Self::new(limit, Pace::per_second(limit.most))
    }

    /// So many a minute, also all at once.
    pub fn per_minute(limit: Limit) -> Self {
        Self::new(limit, Pace::per_minute(limit.most))
    }

    fn new(limit: Limit, pace: Pace) -> Self {
        let stripes = if limit.most > 0 { STRIPES } else { 0 };
        let stripe = |_| Mutex::new(Stripe(vec![[[0; 2]; WAYS]; SETS / STRIPES].into()));
        Self { limit, pace, hashes: RandomState::new(), stripes: (0..stripes).map(stripe).collect() }
    }

    /// Counts one call of a client, which may be on this machine.
    ///
    /// # Errors
    /// The seconds until the client may try again.
    pub fn admit(&self, client: impl Hash, is_local: bool, now_ms: u64) -> Result<(), u32> {
        if !self.limit.holds_for(is_local) {
            return Ok(());
        }
        let hash = self.hashes.hash_one(client).max(1);
        let stripe = &self.stripes[hash as usize % STRIPES];
        // A panic while it was held left an entry off by one at worst.
        let mut stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = self.pace.take(stripe.full_again_ns(hash), now_ms);
        taken.map_err(|missing_ns| missing_ns.div_ceil(super::SECOND_NS) as u32)
    }
}

impl Stripe {
    /// When a client's bucket is full again; one that has no entry gets the place of who needs its own least.
    fn full_again_ns(&mut self, hash: u64) -> &mut u64 {
        let sets = self.0.len();
        let set = &mut self.0[(hash as usize / STRIPES) % sets];
        let known = set.iter().position(|[of, _]| *of == hash);
        let place = known.unwrap_or_else(|| {
            let least = (0..WAYS).min_by_key(|&place| set[place][1]).expect("a set has places");
            set[least] = [hash, 0];
            least
        });
        &mut set[place][1]
    }
}
