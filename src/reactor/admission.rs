//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the connections of all shards.
#[derive(Debug)]
pub(crate) struct AdmissionControl {
    max_connections: usize,
    /// 0 is without limit, and then nothing is counted by address.
    max_per_address: usize,
    connections: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// The server is full.
    ServerFull,
    /// The address has its share.
    AddressFull,
}

impl AdmissionControl {
    /// Bounds; `max_per_address` 0 is without.
    pub(crate) fn new(max_connections: usize, max_per_address: usize) -> Self {
        Self {
            max_connections,
            max_per_address,
            connections: AtomicUsize::new(0),
            by_address: Mutex::new(HashMap::new()),
        }
    }

    /// Counts a connection in.
    ///
    /// # Errors
    /// A bound is reached; nothing was counted.
    pub(crate) fn enter(&self, peer: IpAddr) -> Result<(), TurnedAway> {
        if self.connections.fetch_add(1, Ordering::Relaxed) >= self.max_connections {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(TurnedAway::ServerFull);
        }
        if self.max_per_address > 0 {
            let mut by_address = self.addresses();
            let count = by_address.entry(peer).or_insert(0);
            if *count >= self.max_per_address {
                drop(by_address);
                self.connections.fetch_sub(1, Ordering::Relaxed);
                return Err(TurnedAway::AddressFull);
            }
            *count += 1;
        }
        Ok(())
    }

    /// Counts a connection out.
    pub(crate) fn leave(&self, peer: IpAddr) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        if self.max_per_address > 0 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_and_leaving_makes_room() {
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let admission = AdmissionControl::new(3, 2);
        assert_eq!(admission.enter(one), Ok(()));
        assert_eq!(admission.enter(one), Ok(()));
        assert_eq!(admission.enter(one), Err(TurnedAway::AddressFull));
        assert_eq!(admission.enter(other), Ok(()));
        assert_eq!(admission.enter(other), Err(TurnedAway::ServerFull));
        admission.leave(one);
        assert_eq!(admission.connections(), 2);
        assert_eq!(admission.enter(other), Ok(()));
        assert_eq!(admission.connections(), 3);
    }
}
