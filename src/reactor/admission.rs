//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::session::Network;
use crate::session::limits::Limit;
use crate::wire::ids::NetworkId;

/// Counts the connections of all shards.
#[derive(Debug)]
pub(crate) struct AdmissionControl {
    max_connections: usize,
    max_per_address: Limit,
    /// Whose connections are many players'.
    trusted_proxies: Vec<Network>,
    /// Whether these say by a header whose each connection is.
    proxy_protocol: bool,
    connections: AtomicUsize,
    spare: AtomicUsize,
    /// As many as there are connections at most.
    by_address: Mutex<HashMap<NetworkId, u32>>,
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
    /// Bounds, and whose connections are counted by whom they speak for.
    pub(crate) fn new(max_connections: usize, max_per_address: Limit, trusted_proxies: Vec<Network>) -> Self {
        Self {
            max_connections,
            max_per_address,
            trusted_proxies,
            proxy_protocol: false,
            connections: AtomicUsize::new(0),
            spare: AtomicUsize::new(0),
            by_address: Mutex::new(HashMap::new()),
        }
    }

    /// With it, trusted proxies must say by a header whose each connection is.
    pub(crate) fn with_proxy_protocol(self, proxy_protocol: bool) -> Self {
        Self { proxy_protocol, ..self }
    }

    /// Whether a connection of this peer must begin with a header.
    pub(crate) fn demands_header(&self, peer: IpAddr) -> bool {
        self.proxy_protocol && self.is_proxy(peer)
    }

    /// A proxy's header says whose its connection is: as what it counts from now on, in place of the proxy's. One that names nobody,
    /// another proxy or the proxy's own machine is still the proxy's, as without a header: no header frees a client from its limits.
    ///
    /// # Errors
    /// The address has its share.
    pub(crate) fn announce(
        &self,
        proxy: IpAddr,
        entry: Entry,
        client: Option<IpAddr>,
    ) -> Result<(IpAddr, Entry), TurnedAway> {
        let Some(client) = client.filter(|client| self.is_proxy(*client) || is_a_clients(*client)) else {
            return Ok((proxy, entry));
        };
        if entry != Entry::Proxied || self.is_proxy(client) {
            return Ok((client, entry));
        }
        if self.count_address(client) { Ok((client, Entry::Full)) } else { Err(TurnedAway::AddressFull) }
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
        if self.max_per_address.holds_for(peer.to_canonical().is_loopback()) && !self.count_address(peer) {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(TurnedAway::AddressFull);
        }
        Ok(Entry::Full)
    }

    /// Counts a connection that came in as [`Entry::Proxied`] among those of its player's address: then it leaves as one of that
    /// address that came in as [`Entry::Full`]. Whether the address has room.
    pub(crate) fn count_address(&self, client: IpAddr) -> bool {
        if self.max_per_address.most == 0 {
            return true;
        }
        let mut by_address = self.addresses();
        let count = by_address.entry(NetworkId::of(client)).or_insert(0);
        let has_room = *count < self.max_per_address.most;
        *count += u32::from(has_room);
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
        if self.max_per_address.most > 0 && entry == Entry::Full {
            // One of this machine may not have been counted: then there is no count of its address.
            let mut by_address = self.addresses();
            if let Some(count) = by_address.get_mut(&NetworkId::of(peer)) {
                *count -= 1;
                if *count == 0 {
                    by_address.remove(&NetworkId::of(peer));
                }
            }
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    fn addresses(&self) -> std::sync::MutexGuard<'_, HashMap<NetworkId, u32>> {
        // A panic while it was held left a count off by one at worst; the map itself is whole.
        self.by_address.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether a client of a proxy can have an address; the proxy's own machine tells nothing of who is behind it.
fn is_a_clients(address: IpAddr) -> bool {
    !address.to_canonical().is_loopback() && !address.is_unspecified()
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
        let admission = AdmissionControl::new(3, Limit::set(2), Vec::new());
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

    #[test]
    fn whom_a_header_names_is_counted() {
        let trusted = ["10.0.0.0/8", "192.0.2.1"].map(|text| Network::parse(text).unwrap());
        let by_default = Limit { most: 1, holds_for_local: false };
        let admission = AdmissionControl::new(9, by_default, trusted.into()).with_proxy_protocol(true);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let proxy = address("10.0.0.1");
        assert!(admission.demands_header(proxy) && !admission.demands_header(address("198.51.100.7")));
        assert!(!AdmissionControl::new(9, by_default, Vec::new()).demands_header(proxy));

        let client = address("198.51.100.7");
        let announce = |named| admission.announce(proxy, admission.enter(proxy).unwrap(), named);
        assert_eq!(announce(Some(client)), Ok((client, Entry::Full)));
        assert_eq!(announce(Some(client)), Err(TurnedAway::AddressFull));
        admission.leave(client, Entry::Full);
        assert_eq!(announce(Some(client)), Ok((client, Entry::Full)), "another had left");
        for named in [None, Some("127.0.0.1"), Some("::1"), Some("0.0.0.0"), Some("::ffff:127.0.0.1")] {
            let named = named.map(address);
            assert_eq!(announce(named), Ok((proxy, Entry::Proxied)), "{named:?}");
        }
        let other_proxy = address("192.0.2.1");
        assert_eq!(
            admission.announce(proxy, Entry::Proxied, Some(other_proxy)),
            Ok((other_proxy, Entry::Proxied))
        );
        assert_eq!(admission.announce(proxy, Entry::Spare, Some(client)), Ok((client, Entry::Spare)));
        admission.leave(client, Entry::Full);
        assert!(admission.addresses().is_empty());
    }

    #[test]
    fn an_address_is_counted_unless_it_is_this_machine() {
        let check = |limit: Limit, peers: [&str; 3], third: Result<Entry, TurnedAway>| {
            let admission = AdmissionControl::new(9, limit, Vec::new());
            let enter = |peer: &str| admission.enter(peer.parse().unwrap());
            assert_eq!((enter(peers[0]), enter(peers[1])), (Ok(Entry::Full), Ok(Entry::Full)));
            assert_eq!(enter(peers[2]), third, "{limit:?} {peers:?}");
            for peer in &peers[..admission.connections()] {
                admission.leave(peer.parse().unwrap(), Entry::Full);
            }
            assert!(admission.addresses().is_empty());
        };
        let by_default = Limit { most: 2, holds_for_local: false };
        check(by_default, ["127.0.0.1"; 3], Ok(Entry::Full));
        check(by_default, ["::1", "127.0.0.2", "::ffff:127.0.0.1"], Ok(Entry::Full));
        check(Limit::set(2), ["127.0.0.1"; 3], Err(TurnedAway::AddressFull));
        check(by_default, ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"], Err(TurnedAway::AddressFull));
        check(by_default, ["2001:db8::1", "2001:db8::2", "2001:db8::3"], Err(TurnedAway::AddressFull));
        check(by_default, ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::3"], Ok(Entry::Full));
        check(Limit::NONE, ["192.0.2.1"; 3], Ok(Entry::Full));
    }
}
