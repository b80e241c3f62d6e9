//! How a member goes, moves, or becomes somebody else.

use std::sync::Arc;

use super::action::RoomAction;
use super::waiting::QueuedInput;
use super::{MembershipId, Room, Round, hook};
use crate::state::{Call, ConnectionKey, Membership};
use crate::wire::ids::Identity;

impl Room {
    /// A member goes: `on_disconnect` runs unless the same user has come back meanwhile.
    pub(crate) fn leave(&mut self, identity: Arc<Identity>, membership: MembershipId, round: Round<'_>) {
        if self.members.remove(&identity.user_id, membership).is_some() {
            self.run_on_disconnect(identity, membership, round);
        }
    }

    /// A member's connection is lost: its seat is kept for a while, and `on_drop` runs. Then it goes.
    pub(crate) fn lose(
        &mut self,
        identity: Arc<Identity>,
        membership: MembershipId,
        round: Round<'_>,
        actions: &mut Vec<RoomAction>,
    ) {
        if round.bounds.rejoin_grace_ms == 0 {
            return self.leave(identity, membership, round);
        }
        let until_ms = round.now_ms + round.bounds.rejoin_grace_ms;
        if self.members.be_away(identity.clone(), membership, until_ms) {
            actions.push(RoomAction::WakeAt(until_ms));
            if let Some(script) = round.scripts.get("on_drop") {
                let call = Call::hook(script.clone(), identity, &self.id, Membership::Confirm(membership));
                self.push_own(call, round);
            }
        }
    }

    /// A user is gone who has called in the room without a socket: `on_disconnect` runs, unless it has come meanwhile.
    pub(crate) fn caller_gone(&mut self, identity: Arc<Identity>, round: Round<'_>) {
        if self.is_here(&identity.user_id) {
            return;
        }
        if let Some(script) = round.scripts.get("on_disconnect") {
            let call = Call::hook(script.clone(), identity, &self.id, Membership::Absent).of_absent();
            self.run_own(call, round);
        }
    }

    /// Whether the user is a member, or on its way in.
    pub(super) fn is_here(&mut self, user_id: &str) -> bool {
        self.has_member(user_id)
            || self.joins.iter().any(|join| join.identity.user_id == user_id)
            || self.submitted.joins().any(|join| join.identity.user_id == user_id)
    }

    /// Members whose seats have been kept for long enough go.
    pub(super) fn end_absences(&mut self, round: Round<'_>) {
        while let Some((identity, membership)) = self.members.take_overdue(round.now_ms) {
            self.run_on_disconnect(identity, membership, round);
        }
    }

    /// The process ends: the store, or another process, sees to the seats that are kept.
    pub(crate) fn leave_seats_to_the_store(&mut self) {
        self.members.forget_absent();
    }

    /// A member's connection goes over to another event loop.
    pub(crate) fn depart(&mut self, user_id: &str, membership: MembershipId) {
        self.members.depart(user_id, membership);
    }

    /// A member's connection has arrived at another event loop.
    pub(crate) fn arrive(
        &mut self,
        user_id: &str,
        membership: MembershipId,
        connection: ConnectionKey,
        actions: &mut Vec<RoomAction>,
    ) {
        self.members.arrive(user_id, membership, connection, actions);
    }

    /// A hook of the server's own, such as `on_upgrade`: it is never refused, only late. It goes to the engine as soon as it
    /// can, and who joins from now on finds it done.
    pub(crate) fn run_own(&mut self, call: Call, round: Round<'_>) {
        self.is_urgent = true;
        self.push_own(call, round);
    }

    pub(super) fn run_on_disconnect(
        &mut self,
        identity: Arc<Identity>,
        membership: MembershipId,
        round: Round<'_>,
    ) {
        let script = hook(round.scripts, "on_disconnect");
        self.push_own(Call::hook(script, identity, &self.id, Membership::Leave(membership)), round);
    }

    pub(super) fn push_own(&mut self, call: Call, round: Round<'_>) {
        self.waiting.push(QueuedInput { call, reply: None, received_at: round.began, charge: None });
    }
}
