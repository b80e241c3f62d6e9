//! Who is in the room, wherever the socket is, and what waits for members on their way to another event loop.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

use super::MembershipId;
use super::action::RoomAction;
use crate::state::ConnectionKey;
use crate::wire::ids::Identity;
use crate::wire::ws::close_code;

#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub membership: MembershipId,
    /// Its socket; [`ConnectionKey::NOBODY`] while it is on its way to another event loop.
    pub connection: ConnectionKey,
}

/// Every member, by user.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_user: HashMap<UserKey, Member>,
    moving: Vec<Moving>,
}

/// What came for a member that was on its way.
#[derive(Debug)]
struct Moving {
    membership: MembershipId,
    frames: Vec<Bytes>,
    bytes: usize,
    /// Whether events are missing for it.
    is_behind: bool,
}

/// An identity, looked up by its user id.
#[derive(Debug)]
pub(super) struct UserKey(pub Arc<Identity>);

/// Bytes that may wait for a member on its way, which takes milliseconds; beyond it the member is closed as a slow consumer.
const MAX_HELD_BYTES: usize = 1 << 20;

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
        self.by_user.insert(UserKey(identity), member)
    }

    /// Takes out the member of this user, if it has this membership.
    pub(super) fn remove(&mut self, user_id: &str, membership: MembershipId) -> Option<Member> {
        let member = self.get_current(user_id, membership)?;
        self.moving.retain(|moving| moving.membership != membership);
        self.by_user.remove(user_id);
        Some(member)
    }

    /// Every connection whose place is known.
    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionKey> {
        let connections = self.by_user.values().map(|member| member.connection);
        connections.filter(|connection| *connection != ConnectionKey::NOBODY)
    }

    /// A member leaves for another event loop: what comes for it is held until it has arrived.
    pub(super) fn depart(&mut self, user_id: &str, membership: MembershipId) {
        let member = self.by_user.get_mut(user_id).filter(|member| member.membership == membership);
        let Some(member) = member else { return };
        member.connection = ConnectionKey::NOBODY;
        self.moving.push(Moving { membership, frames: Vec::new(), bytes: 0, is_behind: false });
    }

    /// A member has arrived at another event loop: it gets what was held.
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
        let Some(held) = index.map(|index| self.moving.swap_remove(index)) else { return };
        if held.bytes > MAX_HELD_BYTES {
            let reason = "the connection reads too slowly";
            return actions.push(RoomAction::Close { connection, code: close_code::SLOW_CONSUMER, reason });
        }
        actions.extend(held.frames.into_iter().map(|frame| RoomAction::Send { to: connection, frame }));
        if held.is_behind {
            actions.push(RoomAction::Resynchronise(connection));
        }
    }

    /// A frame for one user, now or when it has arrived.
    pub(super) fn send(&mut self, user_id: &str, frame: Bytes, actions: &mut Vec<RoomAction>) {
        let Some(member) = self.get(user_id) else { return };
        if member.connection != ConnectionKey::NOBODY {
            return actions.push(RoomAction::Send { to: member.connection, frame });
        }
        let moving = self.moving.iter_mut().find(|moving| moving.membership == member.membership);
        if let Some(moving) = moving {
            moving.bytes += frame.len();
            if moving.bytes <= MAX_HELD_BYTES {
                moving.frames.push(frame);
            }
        }
    }

    /// Events are missing for all.
    pub(super) fn resynchronise(&mut self, actions: &mut Vec<RoomAction>) {
        actions.extend(self.connections().map(RoomAction::Resynchronise));
        self.moving.iter_mut().for_each(|moving| moving.is_behind = true);
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
