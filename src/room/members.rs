//! Who is in the room, wherever the socket is, and what members on their way to another event loop miss.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smol_str::SmolStr;

use super::MembershipId;
use super::action::RoomAction;
use crate::state::ConnectionKey;
use crate::wire::ids::Identity;
use crate::wire::message::InputOrder;
use crate::wire::ws::close_code;

#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub membership: MembershipId,
    /// Its socket; [`ConnectionKey::NOBODY`] while it is on its way to another event loop, or away.
    pub connection: ConnectionKey,
}

/// Every member, by user.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_user: HashMap<UserKey, Member>,
    /// In which order members' numbered inputs are, by membership: of those who have sent some.
    orders: HashMap<MembershipId, InputOrder>,
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
    news: News,
}

/// What a member is to hear when it has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
enum News {
    Nothing,
    /// Events are missing for it.
    IsBehind,
    /// It was put out of the room, for this reason.
    IsPutOut(SmolStr),
    /// The room is no more.
    RoomIsLost,
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
            self.orders.remove(&replaced.membership);
        }
        replaced
    }

    /// Takes out the member of this user, if it has this membership.
    pub(super) fn remove(&mut self, user_id: &str, membership: MembershipId) -> Option<Member> {
        let member = self.get_current(user_id, membership)?;
        self.moving.retain(|moving| moving.membership != membership);
        self.end_absence(membership);
        self.orders.remove(&membership);
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

    /// The connection of a member that is not away; [`ConnectionKey::NOBODY`] of one that is on its way to another event loop.
    pub(super) fn place_of(&self, user_id: &str) -> Option<ConnectionKey> {
        let member = self.get(user_id)?;
        let is_here = member.connection != ConnectionKey::NOBODY || !self.is_away(user_id);
        is_here.then_some(member.connection)
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
        self.orders.remove(&away.membership);
        self.by_user.remove(&*away.identity.user_id);
        if self.away.is_empty() {
            self.away = VecDeque::new();
        }
        Some((away.identity, away.membership))
    }

    /// Takes out all whose seats are kept.
    pub(super) fn forget_absent(&mut self) {
        for away in std::mem::take(&mut self.away) {
            self.orders.remove(&away.membership);
            self.by_user.remove(&*away.identity.user_id);
        }
    }

    fn end_absence(&mut self, membership: MembershipId) {
        self.away.retain(|away| away.membership != membership);
    }

    /// The last of a new member's numbered inputs that ran.
    pub(super) fn begin_after(&mut self, membership: MembershipId, n: u64) {
        if n > 0 {
            self.orders.insert(membership, InputOrder::after(n));
        }
    }

    /// The order of a user's numbered inputs, if its socket is this one.
    pub(super) fn order_of(&mut self, user_id: &str, connection: ConnectionKey) -> Option<&mut InputOrder> {
        let member = self.by_user.get(user_id).filter(|member| member.connection == connection)?;
        Some(self.orders.entry(member.membership).or_default())
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
        self.moving.push(Moving { membership, news: News::Nothing });
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
        match moving.news {
            News::Nothing => {}
            News::IsBehind => actions.push(RoomAction::FallBehind(connection)),
            News::IsPutOut(reason) => actions.push(RoomAction::Remove { connection, reason }),
            News::RoomIsLost => actions.push(room_closed(connection)),
        }
    }

    /// A script has put a user out of the room.
    pub(super) fn put_out(&mut self, user_id: &str, reason: SmolStr, actions: &mut Vec<RoomAction>) {
        let Some(Member { membership, connection, .. }) = self.get(user_id) else { return };
        if connection != ConnectionKey::NOBODY {
            return actions.push(RoomAction::Remove { connection, reason });
        }
        if let Some(moving) = self.moving.iter_mut().find(|moving| moving.membership == membership) {
            moving.news = News::IsPutOut(reason);
        } else if let Some(index) = self.away.iter().position(|away| away.membership == membership)
            && let Some(away) = self.away.remove(index)
        {
            self.away.push_front(Away { until_ms: 0, ..away });
        }
    }

    /// Events are missing for all.
    pub(super) fn fall_behind(&mut self, actions: &mut Vec<RoomAction>) {
        actions.extend(self.connections().map(RoomAction::FallBehind));
        let unaware = self.moving.iter_mut().filter(|moving| moving.news == News::Nothing);
        unaware.for_each(|moving| moving.news = News::IsBehind);
    }

    /// The room is no more for all who are in it.
    pub(super) fn lose_room(&mut self, actions: &mut Vec<RoomAction>) {
        actions.extend(self.connections().map(room_closed));
        self.moving.iter_mut().for_each(|moving| moving.news = News::RoomIsLost);
        self.away.iter_mut().for_each(|away| away.until_ms = 0);
    }
}

fn room_closed(connection: ConnectionKey) -> RoomAction {
    RoomAction::Close { connection, code: close_code::ROOM_CLOSED, reason: "the room is no more" }
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
