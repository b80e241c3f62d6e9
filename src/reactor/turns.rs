//! Whose bytes are read in this round, and whose later. A round has so much time for those who are in no room: requests and TLS
//! handshakes are anybody's, cost as much as hundreds of inputs, and come without a bound from connections without a login.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::connections::Connections;
use super::networks::{Networks, network_of};
use crate::state::ConnectionKey;
use crate::sys::thread_cpu_time;

/// Connections that are to be read from when their turn comes, in the order in which they had something to read. Each is in it
/// once. The time for their requests runs meanwhile.
pub(super) struct Turns {
    waiting: VecDeque<ConnectionKey>,
    /// Those of networks that have had more than their share while others play, see [`super::networks`].
    late: VecDeque<ConnectionKey>,
    /// What a round spends, to the end of the turn that exceeds it: those who play wait so much longer for what is theirs. It is of the
    /// thread's processor time, as what others take of a busy machine is nobody's turn.
    budget: Duration,
    /// What the thread had used when the first of this round began.
    began: Option<Duration>,
}

/// So many of those who are late are looked at in a round: all of one network are alike.
const LOOKED_AT: usize = 16;

impl Turns {
    /// None waits; a round spends so much.
    pub(super) fn with_budget(budget: Duration) -> Self {
        Self { waiting: VecDeque::new(), late: VecDeque::new(), budget, began: None }
    }

    /// Whether nobody's turn is in the next round.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether somebody waits for a share.
    pub(super) fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// A connection has something to read.
    pub(super) fn push(
        &mut self,
        key: ConnectionKey,
        connection: &mut Connection,
        networks: &mut Networks,
        now: Instant,
    ) {
        if !std::mem::replace(&mut connection.waits_for_turn, true) {
            let must_wait = networks.must_wait(network_of(&connection.carried), now);
            if must_wait { self.late.push_back(key) } else { self.waiting.push_back(key) }
        }
    }

    /// Lets those have turns whose networks have a share again.
    pub(super) fn begin_round(&mut self, connections: &Connections, networks: &mut Networks, now: Instant) {
        for _ in 0..self.late.len().min(LOOKED_AT) {
            let Some(key) = self.late.pop_front() else { return };
            let index = connections.find(key);
            let network = index.and_then(|index| network_of(&connections[index].carried));
            if networks.must_wait(network, now) {
                self.late.push_back(key);
            } else {
                self.waiting.push_back(key);
            }
        }
    }

    /// The next to be read from in this round, with what the thread had used before; None ends the round's turns.
    pub(super) fn next(&mut self, connections: &mut Connections) -> Option<(ConnectionKey, Duration)> {
        let (key, began) = self.take()?;
        if let Some(index) = connections.find(key) {
            connections[index].waits_for_turn = false;
        }
        Some((key, began))
    }

    fn take(&mut self) -> Option<(ConnectionKey, Duration)> {
        let next = self.waiting.pop_front();
        let Some(key) = next else {
            self.began = None;
            return None;
        };
        let now = thread_cpu_time();
        let began = *self.began.get_or_insert(now);
        if now >= began + self.budget && now != began {
            self.waiting.push_front(key);
            self.began = None;
            return None;
        }
        Some((key, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_millis(1);

    #[test]
    fn a_rounds_turns_end_when_its_time_is_up() {
        let key = |index| ConnectionKey { shard: 0, index, generation: 0 };
        let mut turns = Turns { waiting: (0..3).map(key).collect(), ..Turns::with_budget(BUDGET) };
        let mut take = || turns.take().map(|(key, _)| key);
        assert_eq!(take(), Some(key(0)));
        let began = thread_cpu_time();
        while thread_cpu_time() < began + BUDGET {
            std::hint::spin_loop();
        }
        assert_eq!(take(), None, "the first took all the time");
        assert_eq!(take(), Some(key(1)), "the next round's turn");
        turns.began = Some(thread_cpu_time() + Duration::from_secs(60));
        assert_eq!(turns.take().map(|(key, _)| key), Some(key(2)));
        assert!(turns.take().is_none() && turns.is_empty());
    }
}
