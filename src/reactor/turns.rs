//! Whose bytes are read in this round, and whose later. A round has so much time for those who are in no room: requests and TLS
//! handshakes are anybody's, cost as much as hundreds of inputs, and come without a bound from connections without a login.

use std::collections::VecDeque;
use std::time::Duration;

use super::connection::Connection;
use super::connections::Connections;
use crate::state::ConnectionKey;
use crate::sys::thread_cpu_time;

/// Connections that are to be read from when their turn comes, in the order in which they had something to read. Each is in it
/// once. The time for their requests runs meanwhile.
pub(super) struct Turns {
    waiting: VecDeque<ConnectionKey>,
    /// What a round spends, to the end of the turn that exceeds it: those who play wait so much longer for what is theirs. It is of the
    /// thread's processor time, as what others take of a busy machine is nobody's turn.
    budget: Duration,
    /// What the thread had used when the first of this round began.
    began: Option<Duration>,
}

impl Turns {
    /// None waits; a round spends so much.
    pub(super) fn with_budget(budget: Duration) -> Self {
        Self { waiting: VecDeque::new(), budget, began: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A connection has something to read.
    pub(super) fn push(&mut self, key: ConnectionKey, connection: &mut Connection) {
        if !std::mem::replace(&mut connection.waits_for_turn, true) {
            self.waiting.push_back(key);
        }
    }

    /// The next to be read from in this round; None ends the round's turns.
    pub(super) fn next(&mut self, connections: &mut Connections) -> Option<ConnectionKey> {
        let key = self.take()?;
        if let Some(index) = connections.find(key) {
            connections[index].waits_for_turn = false;
        }
        Some(key)
    }

    fn take(&mut self) -> Option<ConnectionKey> {
        let is_over = self.began.is_some_and(|began| thread_cpu_time() >= began + self.budget);
        let next = if is_over { None } else { self.waiting.pop_front() };
        self.began = next.map(|_| self.began.unwrap_or_else(thread_cpu_time));
        next
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
        assert_eq!(turns.take(), Some(key(0)));
        let began = thread_cpu_time();
        while thread_cpu_time() < began + BUDGET {
            std::hint::spin_loop();
        }
        assert_eq!(turns.take(), None, "the first took all the time");
        assert_eq!(turns.take(), Some(key(1)), "the next round's turn");
        turns.began = Some(thread_cpu_time() + Duration::from_secs(60));
        assert_eq!(turns.take(), Some(key(2)));
        assert_eq!((turns.take(), turns.is_empty()), (None, true));
    }
}
