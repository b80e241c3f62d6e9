//! How events come from the store, and go out to the members.

use bytes::Bytes;

use super::action::RoomAction;
use super::flush::Flush;
use super::stream::Gathered;
use super::{MembershipId, Room};
use crate::state::RoomEvents;
use crate::wire::ws::{self, close_code};

impl Room {
    /// The store has run something that caused these events: they go out with the next flush.
    pub(crate) fn events(&mut self, mut events: RoomEvents, actions: &mut Vec<RoomAction>) {
        let direct = std::mem::take(&mut events.direct);
        self.gather(events, actions);
        self.send_direct(direct, actions);
    }

    /// Events may have been missed: every member gets a snapshot.
    pub(crate) fn events_missed(&mut self, actions: &mut Vec<RoomAction>) {
        self.stream.forget();
        self.members.resynchronise(actions);
    }

    /// The user has joined through another process, where its membership is now: this one is over, without a hook.
    pub(crate) fn replaced_elsewhere(
        &mut self,
        user_id: &str,
        membership: MembershipId,
        actions: &mut Vec<RoomAction>,
    ) {
        if let Some(member) = self.members.remove(user_id, membership) {
            let (code, reason) = (close_code::REPLACED, "the same user joined again");
            actions.push(RoomAction::Close { connection: member.connection, code, reason });
        }
    }

    pub(super) fn gather(&mut self, events: RoomEvents, actions: &mut Vec<RoomAction>) {
        if self.stream.gather(events) == Gathered::Gap {
            log::warn!("a room's events have a gap; its members get a snapshot room={}", self.id);
            self.members.resynchronise(actions);
        }
    }

    /// Events for one user each: for the member, or for somebody who is just being let in.
    pub(super) fn send_direct(&mut self, direct: Vec<(Box<str>, Bytes)>, actions: &mut Vec<RoomAction>) {
        for (user_id, text) in direct {
            let frame = ws::text_frame(&text);
            if self.has_member(&user_id) {
                self.members.send(&user_id, frame, actions);
            } else {
                let joins = self.submitted.joins().filter(|join| *join.identity.user_id == *user_id);
                joins.for_each(|join| join.held.push(frame.clone()));
            }
        }
    }

    /// Sends what has gathered. Returns whether there was anything.
    pub(super) fn flush(&mut self, actions: &mut Vec<RoomAction>) -> bool {
        let flush = Flush::new(self.stream.take());
        let has_flushed = flush.is_some();
        actions.extend(flush.map(RoomAction::Flush));
        has_flushed
    }
}
