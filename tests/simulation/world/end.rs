//! The end of a run: everything is well again, and everybody must know everything.

use super::super::client::Client;
use super::super::violation::{Checked, Sentence, Violation, hold};
use super::World;

/// For so long nothing goes wrong before the end.
pub(super) const REST_MS: u64 = 12_000;

impl World {
    pub(super) fn check_end(&mut self) -> Checked {
        for number in 0..self.clients.len() {
            self.check_client(number)?;
        }
        for room in self.model.rooms() {
            self.store.audit(&room, 0, self.now_ms, &mut self.model)?;
        }
        Ok(())
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
        hold(Sentence::Order, place.epoch == epoch && missing.is_none(), || {
            format!("in the end {user} is at {place:?} of {room}, and {missing:?} of {epoch} is missing")
        })?;
        hold(Sentence::Once, !client.has_unanswered(), || {
            format!("in the end inputs of {user} have not been answered")
        })
    }
}
