//! Who has called in which room lately, by RPC. Such a user may have something there that no socket gives back, such as a seat:
//! if its login ends or it is put out, the room's `on_disconnect` does. No clock here.
//!
//! This is kept for a minute, as what a script keeps without a socket should not last longer anyway; guests have a book besides,
//! see [`crate::guests`].

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::wire::ids::{Identity, RoomId};

/// How long a call counts.
const KEPT_MS: u64 = 60_000;
/// Users and rooms that a shard keeps in mind; with more, those that come are not noted.
const MAX_CALLERS: usize = 4096;

/// A shard's callers.
#[derive(Debug, Default)]
pub(super) struct Callers {
    by_user_and_room: HashMap<(SmolStr, RoomId), Called>,
    /// Nothing is looked through before that, if there is no room for more.
    full_until_ms: u64,
}

#[derive(Debug)]
struct Called {
    /// By the latest call.
    identity: Arc<Identity>,
    at_ms: u64,
}

impl Callers {
    /// A user has called in a room.
    pub(super) fn note(&mut self, identity: Arc<Identity>, room: &RoomId, now_ms: u64) {
        let key = (identity.user_id.clone(), room.clone());
        let called = Called { identity, at_ms: now_ms };
        if let Some(known) = self.by_user_and_room.get_mut(&key) {
            *known = called;
        } else if self.has_space(now_ms) {
            self.by_user_and_room.insert(key, called);
        }
    }

    /// Takes out those who are gone: who, and the room of each.
    pub(super) fn take(
        &mut self,
        now_ms: u64,
        is_gone: impl Fn(&Identity) -> bool,
    ) -> Vec<(Arc<Identity>, RoomId)> {
        let gone = self.by_user_and_room.extract_if(|_, called| is_gone(&called.identity));
        let recent = gone.filter(|(_, called)| called.is_recent(now_ms));
        recent.map(|((_, room), called)| (called.identity, room)).collect()
    }

    fn has_space(&mut self, now_ms: u64) -> bool {
        if self.by_user_and_room.len() < MAX_CALLERS {
            return true;
        }
        if now_ms < self.full_until_ms {
            return false;
        }
        self.by_user_and_room.retain(|_, called| called.is_recent(now_ms));
        let oldest = self.by_user_and_room.values().map(|called| called.at_ms).min();
        self.full_until_ms = oldest.map_or(now_ms, |at_ms| at_ms + KEPT_MS);
        self.by_user_and_room.len() < MAX_CALLERS
    }
}

impl Called {
    fn is_recent(&self, now_ms: u64) -> bool {
        self.at_ms + KEPT_MS > now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ids::Role;

    fn identity(user_id: &str) -> Arc<Identity> {
        Arc::new(Identity {
            user_id: user_id.into(),
            username: "a".into(),
            role: Role::Player,
            expires_at_s: 0,
            login: Default::default(),
        })
    }

    fn note(callers: &mut Callers, user_id: &str, room: &str, now_ms: u64) {
        callers.note(identity(user_id), &RoomId::parse(room).expect("a room's id"), now_ms);
    }

    fn taken(callers: &mut Callers, user_id: &str, now_ms: u64) -> Vec<String> {
        let taken = callers.take(now_ms, |identity| identity.user_id == user_id);
        let mut rooms: Vec<String> = taken.iter().map(|(_, room)| room.to_string()).collect();
        rooms.sort();
        rooms
    }

    #[test]
    fn who_is_gone_is_taken_out_of_all_its_rooms_once() {
        let mut callers = Callers::default();
        for (user_id, room) in [("1", "a"), ("1", "b"), ("2", "a")] {
            note(&mut callers, user_id, room, 5);
        }
        assert_eq!(taken(&mut callers, "1", 6), ["a", "b"]);
        assert_eq!(taken(&mut callers, "1", 7), [""; 0]);
        assert_eq!(taken(&mut callers, "2", 8), ["a"]);
    }

    #[test]
    fn a_call_counts_for_a_minute() {
        let mut callers = Callers::default();
        note(&mut callers, "1", "a", 0);
        note(&mut callers, "1", "b", 0);
        note(&mut callers, "1", "b", 1);
        assert_eq!(taken(&mut callers, "1", KEPT_MS), ["b"]);
    }

    #[test]
    fn they_are_bounded() {
        let mut callers = Callers::default();
        for n in 0..2 * MAX_CALLERS {
            note(&mut callers, &n.to_string(), "a", n as u64);
        }
        assert_eq!(callers.by_user_and_room.len(), MAX_CALLERS);
        let first_ends = KEPT_MS;
        note(&mut callers, "one more", "a", first_ends - 1);
        assert_eq!(callers.by_user_and_room.len(), MAX_CALLERS);
        note(&mut callers, "one more", "a", first_ends + 99);
        assert_eq!(callers.by_user_and_room.len(), MAX_CALLERS - 100 + 1, "those of a minute ago have gone");
    }
}
