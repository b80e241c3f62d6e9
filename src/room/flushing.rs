//! How events come from the store, and go out to the members.

use super::action::RoomAction;
use super::flush::Flush;
use super::stream::Gathered;
use super::{MembershipId, Room};
use crate::state::{Removal, RoomEvents};
use crate::wire::ws::close_code;

impl Room {
    /// The store has run something that caused these events: they go out with the next flush.
    pub(crate) fn events(&mut self, mut events: RoomEvents, actions: &mut Vec<RoomAction>) {
        let removals = std::mem::take(&mut events.removals);
        if self.stream.gather(events) == Gathered::Gap {
            log::warn!("a room's events have a gap; its members get a snapshot room={}", self.id);
            self.members.resynchronise(actions);
        }
        if !removals.is_empty() {
            self.remove_members(removals, actions);
        }
    }

    /// Whoever is put out gets what was for it before.
    fn remove_members(&mut self, removals: Vec<Removal>, actions: &mut Vec<RoomAction>) {
        self.flush(actions);
        for Removal { user_id, reason } in removals {
            self.members.put_out(&user_id, reason, actions);
        }
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

    /// Sends what has gathered. Returns whether there was anything.
    pub(super) fn flush(&mut self, actions: &mut Vec<RoomAction>) -> bool {
        let flush = Flush::new(self.stream.take(), |user_id| self.members.get(user_id).is_some());
        let has_flushed = flush.is_some();
        actions.extend(flush.map(RoomAction::Flush));
        has_flushed
    }
}
