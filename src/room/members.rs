//! Who is in the room, wherever the socket is, and what members on their way to another event loop miss.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smol_str::SmolStr;

use super::MembershipId;
use super::action::{Behind, RoomAction};
use crate::state::ConnectionKey;
use crate::wire::ids::Identity;
use crate::wire::message::InputOrder;
use crate::wire::ws::close_code;

#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub membership: MembershipId,
    /// Its socket; [`ConnectionKey::NOBODY`] while it is on its way to another event loop, or away.
    pub connection: ConnectionKey,
    /// The order of its numbered inputs.
    pub order: InputOrder,
}

impl Member {
    /// A member that has sent nothing yet; the last of its user's inputs that ran was `n`.
    pub(super) fn new(membership: MembershipId, connection: ConnectionKey, n: u64) -> Self {
        Self { membership, connection, order: InputOrder::after(n) }
    }
}

/// Every member, by user.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_user: HashMap<UserKey, Member>,
    moving: Vec<Moving>,
    /// Members without a connection whose seats are kept, in the order in which that ends.
    away: VecDeque<Away>,
}

#[derive(Debug)]
struct Away {
    identity: Arc<Identity>,
    membership: MembershipId,
    until_ms: u64,
}

/// A member that is on its way: events go there behind it.
#[derive(Debug)]
struct Moving {
    membership: MembershipId,
    /// If events are missing for it.
    behind: Option<Behind>,
    /// Why it was put out of the room meanwhile, if it was.
    removal: Option<SmolStr>,
}

/// An identity, looked up by its user id.
#[derive(Debug)]
pub(super) struct UserKey(pub Arc<Identity>);

impl Members {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_user.len()
    }

    /// The member of this user.
    pub(super) fn get(&self, user_id: &str) -> Option<Member> {
        self.by_user.get(user_id).copied()
    }

    /// The member of this user, if it has this membership.
    pub(super) fn get_current(&self, user_id: &str, membership: MembershipId) -> Option<Member> {
        self.get(user_id).filter(|member| member.membership == membership)
    }

    /// Adds a member; gives the one that it replaces.
    pub(super) fn insert(&mut self, identity: Arc<Identity>, member: Member) -> Option<Member> {
        let replaced = self.by_user.insert(UserKey(identity), member);
        if let Some(replaced) = replaced {
            self.moving.retain(|moving| moving.membership != replaced.membership);
            self.end_absence(replaced.membership);
        }
        replaced
    }

    /// Takes out the member of this user, if it has this membership.
    pub(super) fn remove(&mut self, user_id: &str, membership: MembershipId) -> Option<Member> {
        let member = self.get_current(user_id, membership)?;
        self.moving.retain(|moving| moving.membership != membership);
        self.end_absence(membership);
        self.by_user.remove(user_id);
        Some(member)
    }

    /// A member's connection is lost, and its seat kept. Returns whether it is a member.
    pub(super) fn be_away(
        &mut self,
        identity: Arc<Identity>,
        membership: MembershipId,
        until_ms: u64,
    ) -> bool {
        let member = self.by_user.get_mut(&*identity.user_id);
        let Some(member) = member.filter(|member| member.membership == membership) else { return false };
        member.connection = ConnectionKey::NOBODY;
        self.moving.retain(|moving| moving.membership != membership);
        self.away.push_back(Away { identity, membership, until_ms });
        true
    }

    /// Whether the user's seat is kept without a connection.
    pub(super) fn is_away(&self, user_id: &str) -> bool {
        let member = self.get(user_id).filter(|member| member.connection == ConnectionKey::NOBODY);
        member.is_some_and(|member| !self.moving.iter().any(|moving| moving.membership == member.membership))
    }

    /// Takes out a member whose seat is kept no longer.
    pub(super) fn take_overdue(&mut self, now_ms: u64) -> Option<(Arc<Identity>, MembershipId)> {
        let is_overdue = self.away.front()?.until_ms <= now_ms;
        let away = if is_overdue { self.away.pop_front()? } else { return None };
        self.by_user.remove(&*away.identity.user_id);
        if self.away.is_empty() {
            self.away = VecDeque::new();
        }
        Some((away.identity, away.membership))
    }

    /// Takes out all whose seats are kept.
    pub(super) fn forget_absent(&mut self) {
        for away in std::mem::take(&mut self.away) {
            self.by_user.remove(&*away.identity.user_id);
        }
    }

    fn end_absence(&mut self, membership: MembershipId) {
        self.away.retain(|away| away.membership != membership);
    }

    /// The member of this user, if its socket is this one.
    pub(super) fn of_connection(&mut self, user_id: &str, connection: ConnectionKey) -> Option<&mut Member> {
        self.by_user.get_mut(user_id).filter(|member| member.connection == connection)
    }

    /// Every connection whose place is known.
    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionKey> {
        let connections = self.by_user.values().map(|member| member.connection);
        connections.filter(|connection| *connection != ConnectionKey::NOBODY)
    }

    /// A member leaves for another event loop.
    pub(super) fn depart(&mut self, user_id: &str, membership: MembershipId) {
        let member = self.by_user.get_mut(user_id).filter(|member| member.membership == membership);
        let Some(member) = member else { return };
        member.connection = ConnectionKey::NOBODY;
        self.moving.push(Moving { membership, behind: None, removal: None });
    }

    /// A member has arrived at another event loop.
    pub(super) fn arrive(
        &mut self,
        user_id: &str,
        membership: MembershipId,
        connection: ConnectionKey,
        actions: &mut Vec<RoomAction>,
    ) {
        let member = self.by_user.get_mut(user_id).filter(|member| member.membership == membership);
        let Some(member) = member else {
            let reason = "the same user joined again";
            return actions.push(RoomAction::Close { connection, code: close_code::REPLACED, reason });
        };
        member.connection = connection;
        let index = self.moving.iter().position(|moving| moving.membership == membership);
        let Some(moving) = index.map(|index| self.moving.swap_remove(index)) else { return };
        if let Some(reason) = moving.removal {
            actions.push(RoomAction::Remove { connection, reason });
        } else if let Some(how) = moving.behind {
            actions.push(RoomAction::FallBehind(connection, how));
        }
    }

    /// A script has put a user out of the room.
    pub(super) fn put_out(&mut self, user_id: &str, reason: SmolStr, actions: &mut Vec<RoomAction>) {
        let Some(Member { membership, connection, .. }) = self.get(user_id) else { return };
        if connection != ConnectionKey::NOBODY {
            return actions.push(RoomAction::Remove { connection, reason });
        }
        if let Some(moving) = self.moving.iter_mut().find(|moving| moving.membership == membership) {
            moving.removal = Some(reason);
        } else if let Some(index) = self.away.iter().position(|away| away.membership == membership)
            && let Some(away) = self.away.remove(index)
        {
            self.away.push_front(Away { until_ms: 0, ..away });
        }
    }

    /// Events are missing for all.
    pub(super) fn fall_behind(&mut self, how: Behind, actions: &mut Vec<RoomAction>) {
        actions.extend(self.connections().map(|connection| RoomAction::FallBehind(connection, how)));
        let worse = |before: Option<Behind>| before.filter(|_| how == Behind::ByEvents).or(Some(how));
        self.moving.iter_mut().for_each(|moving| moving.behind = worse(moving.behind));
    }
}

impl PartialEq for UserKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.user_id == other.0.user_id
    }
}

impl Eq for UserKey {}

impl Hash for UserKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.user_id.hash(state);
    }
}

impl Borrow<str> for UserKey {
    fn borrow(&self) -> &str {
        &self.0.user_id
    }
}
