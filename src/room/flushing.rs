//! How events come from the store, and go out to the members.

use std::sync::Arc;

use super::action::RoomAction;
use super::flush::Flush;
use super::stream::Gathered;
use super::{MembershipId, Room};
use crate::state::{ConnectionKey, Removal, RoomEvents};
use crate::wire::ws::close_code;

impl Room {
    /// The store has run something that caused these events: they go out with the next flush.
    pub(crate) fn events(&mut self, events: Arc<RoomEvents>, actions: &mut Vec<RoomAction>) {
        let removals = events.removals.clone();
        match self.stream.gather(events) {
            Gathered::Follows | Gathered::Known => {}
            Gathered::Gap => {
                log::warn!("a room's events have a gap; its members get what they missed room={}", self.id);
                self.members.fall_behind(actions);
            }
            Gathered::NewHistory => self.is_lost(actions),
        }
        if !removals.is_empty() {
            self.remove_members(removals, actions);
        }
    }

    /// The store has lost the room: it is no more for those who were in it. What comes is another room's.
    pub(super) fn is_lost(&mut self, actions: &mut Vec<RoomAction>) {
        log::warn!("the store has lost a room; its sockets close room={}", self.id);
        self.members.lose_room(actions);
    }

    /// Whoever is put out gets what was for it before.
    fn remove_members(&mut self, removals: Vec<Removal>, actions: &mut Vec<RoomAction>) {
        self.flush(actions);
        for Removal { user_id, reason } in removals {
            self.members.put_out(&user_id, reason, actions);
        }
    }

    /// Events may have been missed: every member gets what it has not got.
    pub(crate) fn events_missed(&mut self, actions: &mut Vec<RoomAction>) {
        self.stream.forget();
        self.members.fall_behind(actions);
    }

    /// The user has joined through another process, where its membership is now: this one is over, without a hook.
    pub(crate) fn replaced_elsewhere(
        &mut self,
        user_id: &str,
        membership: MembershipId,
        actions: &mut Vec<RoomAction>,
    ) {
        let member = self.members.remove(user_id, membership);
        if let Some(member) = member.filter(|member| member.connection != ConnectionKey::NOBODY) {
            let (code, reason) = (close_code::REPLACED, "the same user joined again");
            actions.push(RoomAction::Close { connection: member.connection, code, reason });
        }
    }

    /// Sends what has gathered. Returns whether there was anything.
    pub(super) fn flush(&mut self, actions: &mut Vec<RoomAction>) -> bool {
        let flush = Flush::new(self.stream.take(), |user_id| self.members.place_of(user_id));
        let has_flushed = flush.is_some();
        actions.extend(flush.map(RoomAction::Flush));
        has_flushed
    }
}
