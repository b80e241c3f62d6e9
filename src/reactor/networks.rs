//! Which networks have had more of the event loop than their share, by requests and handshakes. No clock here: time is passed in.
//!
//! One address with hundreds of connections is one: while others play, its requests have a tenth of the loop's time, and wait for the
//! rest. While nobody else does, it has what it likes.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::admission::Entry;
use super::connection::Carried;
use crate::state::{Buckets, Playing, Terms};
use crate::wire::ids::NetworkId;

const TERMS: Terms = Terms { parts: 10, burst: Duration::from_millis(20), full: Duration::from_millis(70) };
/// At most so often are networks forgotten that have not asked for anything lately.
const TIDY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Networks {
    used: Buckets<NetworkId>,
    /// Of those who send something in a room, while there is a network that is over its share.
    playing: Playing,
    tidied_at: Instant,
}

impl Networks {
    /// None has used anything.
    pub(super) fn new(now: Instant) -> Self {
        Self { used: Buckets::with_terms(TERMS), playing: Playing::default(), tidied_at: now }
    }

    /// Whether any has had more than its share.
    pub(super) fn has_over(&self) -> bool {
        self.used.has_over()
    }

    /// Somebody of a network has sent something in a room; of interest only while there is one that [is over](Self::has_over).
    pub(super) fn plays(&mut self, network: Option<NetworkId>, now: Instant) {
        self.playing.note(network, now);
    }

    /// So much of the thread's time was spent on somebody's request.
    pub(super) fn charge(&mut self, network: NetworkId, took: Duration, now: Instant) {
        self.used.charge(&network, took, now);
        if now.saturating_duration_since(self.tidied_at) >= TIDY {
            self.tidied_at = now;
            self.used.forget_idle(now);
        }
    }

    /// Whether others play and somebody's network has had more than its share, so that it has to wait.
    pub(super) fn must_wait(&mut self, network: Option<NetworkId>, now: Instant) -> bool {
        self.used.is_over(network.as_ref(), now) && self.playing.has_others(network, now)
    }
}

/// Where a connection comes from; None of this machine by its usual address, and of a trusted proxy, which speaks for many.
pub(super) fn network_of(who: &Carried) -> Option<NetworkId> {
    network_at(who.peer, who.entry)
}

fn network_at(peer: IpAddr, entry: Entry) -> Option<NetworkId> {
    if entry == Entry::Proxied { None } else { NetworkId::of_elsewhere(peer) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn network(last: u8) -> Option<NetworkId> {
        network_at([203, 0, 113, last].into(), Entry::Full)
    }

    #[test]
    fn a_network_has_a_tenth_of_the_time_while_others_play() {
        let began = Instant::now();
        let mut networks = Networks::new(began);
        let (one, other) = (network(1), network(2));
        let mut used = 0;
        for at in 0..10_000 {
            let now = began + ms(at);
            networks.plays(other, now);
            if !networks.must_wait(one, now) {
                networks.charge(one.unwrap(), ms(1), now);
                used += 1;
            }
            assert!(!networks.must_wait(other, now) && !networks.must_wait(None, now));
        }
        assert!((1000..=1050).contains(&used), "{used} of 10,000 ms");
    }

    #[test]
    fn a_network_alone_has_all_of_it() {
        let began = Instant::now();
        let mut networks = Networks::new(began);
        for at in 0..3000 {
            networks.plays(network(1), began + ms(at));
            assert!(!networks.must_wait(network(1), began + ms(at)));
            networks.charge(network(1).unwrap(), ms(1), began + ms(at));
        }
        assert!(networks.has_over());
        networks.plays(network(2), began + ms(3000));
        assert!(networks.must_wait(network(1), began + ms(3000)));
        assert!(
            !networks.must_wait(network(1), began + ms(3500)),
            "half a second later at most it has a share again"
        );
    }

    #[test]
    fn a_proxy_and_this_machine_are_no_network() {
        let at = |address: &str, entry| network_at(address.parse().unwrap(), entry);
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(at(address, Entry::Full), None, "{address}");
        }
        assert_eq!(at("203.0.113.1", Entry::Proxied), None);
        assert_eq!(at("127.0.0.2", Entry::Full), Some(NetworkId::of([127, 0, 0, 2].into())));
    }
}
