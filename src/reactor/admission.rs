//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::session::Network;

/// Counts the connections of all shards.
#[derive(Debug)]
pub(crate) struct AdmissionControl {
    max_connections: usize,
    /// 0 is without limit, and then nothing is counted by address.
    max_per_address: usize,
    /// Whose connections are many players'.
    trusted_proxies: Vec<Network>,
    connections: AtomicUsize,
    spare: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// Connections beyond the bound that are taken for one answer: so a full server can say that it is full, and is not taken for
/// dead by whoever looks after its health.
pub(crate) const SPARE_CONNECTIONS: usize = 16;

/// What a connection was let in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// All that it may ask for. It is counted among those of its address.
    Full,
    /// All that it may ask for. It comes from a trusted proxy: whose it is shows when a player joins by it.
    Proxied,
    /// One answer.
    Spare,
}

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// The server is full, and many are being told so.
    ServerFull,
    /// The address has its share.
    AddressFull,
}

impl AdmissionControl {
    /// Bounds; `max_per_address` 0 is without.
    pub(crate) fn new(max_connections: usize, max_per_address: usize, trusted_proxies: Vec<Network>) -> Self {
        Self {
            max_connections,
            max_per_address,
            trusted_proxies,
            connections: AtomicUsize::new(0),
            spare: AtomicUsize::new(0),
            by_address: Mutex::new(HashMap::new()),
        }
    }

    /// Counts a connection in.
    ///
    /// # Errors
    /// A bound is reached; nothing was counted.
    pub(crate) fn enter(&self, peer: IpAddr) -> Result<Entry, TurnedAway> {
        if !take_one(&self.connections, self.max_connections) {
            let is_told = take_one(&self.spare, SPARE_CONNECTIONS);
            return if is_told { Ok(Entry::Spare) } else { Err(TurnedAway::ServerFull) };
        }
        if self.is_proxy(peer) {
            return Ok(Entry::Proxied);
        }
        if !self.count_address(peer) {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(TurnedAway::AddressFull);
        }
        Ok(Entry::Full)
    }

    /// Counts a connection that came in as [`Entry::Proxied`] among those of its player's address: then it leaves as one of that
    /// address that came in as [`Entry::Full`]. Whether the address has room.
    pub(crate) fn count_address(&self, client: IpAddr) -> bool {
        if self.max_per_address == 0 {
            return true;
        }
        let mut by_address = self.addresses();
        let count = by_address.entry(client).or_insert(0);
        let has_room = *count < self.max_per_address;
        *count += usize::from(has_room);
        has_room
    }

    /// Whether an address is that of many players.
    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }

    /// Counts a connection out.
    pub(crate) fn leave(&self, peer: IpAddr, entry: Entry) {
        if entry == Entry::Spare {
            self.spare.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.connections.fetch_sub(1, Ordering::Relaxed);
        if self.max_per_address > 0 && entry == Entry::Full {
            let mut by_address = self.addresses();
            if let Some(count) = by_address.get_mut(&peer) {
                *count -= 1;
                if *count == 0 {
                    by_address.remove(&peer);
                }
            }
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    fn addresses(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        // A panic while it was held left a count off by one at worst; the map itself is whole.
        self.by_address.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Counts one in, up to a bound. Whether there was room.
fn take_one(count: &AtomicUsize, most: usize) -> bool {
    let has_room = count.fetch_add(1, Ordering::Relaxed) < most;
    if !has_room {
        count.fetch_sub(1, Ordering::Relaxed);
    }
    has_room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_and_leaving_makes_room() {
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let admission = AdmissionControl::new(3, 2, Vec::new());
        assert_eq!(admission.enter(one), Ok(Entry::Full));
        assert_eq!(admission.enter(one), Ok(Entry::Full));
        assert_eq!(admission.enter(one), Err(TurnedAway::AddressFull));
        assert_eq!(admission.enter(other), Ok(Entry::Full));
        for _ in 0..SPARE_CONNECTIONS {
            assert_eq!(admission.enter(other), Ok(Entry::Spare));
        }
        assert_eq!(admission.enter(other), Err(TurnedAway::ServerFull));
        admission.leave(other, Entry::Spare);
        assert_eq!(admission.enter(other), Ok(Entry::Spare));
        admission.leave(one, Entry::Full);
        assert_eq!(admission.connections(), 2);
        assert_eq!(admission.enter(other), Ok(Entry::Full));
        assert_eq!(admission.connections(), 3);
    }
}
