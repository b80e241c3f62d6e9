//! The end of a run: everything is well again, and everybody must know everything.

use super::super::client::Client;
use super::super::store::EPOCH_MS;
use super::super::violation::{Checked, Sentence, Violation, hold};
use super::World;

/// For so long nothing goes wrong before the end.
pub(super) const REST_MS: u64 = 12_000;
/// An event that was run so long before the end has come.
const ON_ITS_WAY_MS: u64 = 700;
/// In the last so many milliseconds, a room with members has had so many ticks of its 700 ms.
const TICKING_MS: u64 = 6_000;
const LEAST_TICKS: usize = 7;

impl World {
    pub(super) fn check_end(&mut self) -> Checked {
        for number in 0..self.clients.len() {
            self.check_client(number)?;
        }
        for room in self.model.rooms() {
            self.store.audit(&room, (0, Sentence::AllOrNothing), self.now_ms, &mut self.model)?;
        }
        let overdue = self.model.overdue(EPOCH_MS + self.now_ms);
        hold(Sentence::Messages, overdue.is_none(), || {
            format!("in the end a message to {overdue:?} has not run")
        })
    }

    fn check_client(&self, number: usize) -> Checked {
        let client = &self.clients[number];
        let Client { user, room, .. } = client;
        let Some(place) = client.position.filter(|_| client.is_in()) else {
            let may_be_out = self.model.is_barred(room, user);
            return hold(Sentence::Return, may_be_out, || format!("{user} did not get back into {room}"));
        };
        let Some((epoch, history)) = self.model.now(room) else {
            return Err(Violation::new(Sentence::Return, format!("{user} is in {room}, which is not there")));
        };
        let missing = history.first_for(user, place.seq, history.last_seq());
        // The last ticks may be on their way.
        let is_late = |seq: &u64| {
            history.event(*seq).is_some_and(|event| event.ran_at_ms + ON_ITS_WAY_MS < self.now_ms)
        };
        let missing = missing.filter(is_late);
        hold(Sentence::Order, place.epoch == epoch && missing.is_none(), || {
            format!("in the end {user} is at {place:?} of {room}, and {missing:?} of {epoch} is missing")
        })?;
        let ticks = self.model.ticks_since(room, EPOCH_MS + self.now_ms - TICKING_MS);
        let may_be_fewer = client.calm_from_ms > self.now_ms - TICKING_MS;
        hold(Sentence::Ticks, may_be_fewer || ticks >= LEAST_TICKS, || {
            format!("in the last {TICKING_MS} ms the tick script of {room} has run {ticks} times")
        })?;
        hold(Sentence::Once, !client.has_unanswered(), || {
            format!("in the end inputs of {user} have not been answered")
        })
    }
}
