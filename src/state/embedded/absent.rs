//! Members who were connected when the last process ended, and may come back to their seats.

use std::collections::HashMap;
use std::time::Instant;

use smol_str::SmolStr;

use super::checkpoint::Member;
use crate::wire::ids::RoomId;

/// Members without a connection since before the process began.
#[derive(Debug)]
pub(super) struct Absent {
    members: HashMap<RoomId, HashMap<SmolStr, Member>>,
    until: Instant,
}

impl Absent {
    /// Nobody. Seats are kept until then.
    pub(super) fn until(until: Instant) -> Self {
        Self { members: HashMap::new(), until }
    }

    /// The seats of these are kept.
    pub(super) fn extend(&mut self, members: Vec<Member>) {
        for member in members {
            let room = self.members.entry(member.room.clone()).or_default();
            room.insert(member.identity.user_id.clone(), member);
        }
    }

    /// Whether a seat of this user is kept.
    pub(super) fn has(&self, room: &RoomId, user_id: &str) -> bool {
        self.members.get(room).is_some_and(|room| room.contains_key(user_id))
    }

    /// This user is back.
    pub(super) fn has_come(&mut self, room: &RoomId, user_id: &str) {
        let Some(members) = self.members.get_mut(room) else { return };
        members.remove(user_id);
        if members.is_empty() {
            self.members.remove(room);
        }
    }

    /// Those whose time is over are looked at again then.
    pub(super) fn put_off(&mut self, members: Vec<Member>, until: Instant) {
        self.extend(members);
        self.until = until;
    }

    /// Those whose time is over.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Vec<Member> {
        if now < self.until {
            return Vec::new();
        }
        std::mem::take(&mut self.members).into_values().flat_map(HashMap::into_values).collect()
    }
}
