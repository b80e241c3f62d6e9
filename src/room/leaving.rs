//! How a member goes, moves, or becomes somebody else.

use std::sync::Arc;

use super::action::RoomAction;
use super::waiting::QueuedInput;
use super::{MembershipId, Room, Round, hook};
use crate::state::{Call, ConnectionKey, Membership};
use crate::wire::ids::Identity;

impl Room {
    /// A member's connection is over: `on_disconnect` runs unless the same user has come back meanwhile.
    pub(crate) fn leave(&mut self, identity: Arc<Identity>, membership: MembershipId, round: Round<'_>) {
        if self.members.remove(&identity.user_id, membership).is_some() {
            self.run_on_disconnect(identity, membership, round);
        }
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

    fn push_own(&mut self, call: Call, round: Round<'_>) {
        self.waiting.push(QueuedInput { call, reply: None, received_at: round.began, charge: None });
    }
}
