//! A shard's rooms: those at home here, and the local members of large rooms at home elsewhere.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use slab::Slab;

use super::mail::{PendingInput, Ticket};
use super::room_hash;
use crate::room::rhythm::Rhythm;
use crate::state::ConnectionKey;
use crate::state::{Position, RoomEvents};
use crate::wire::ids::{Identity, RoomId};

/// Rooms by index and by id.
#[derive(Default)]
pub struct Rooms {
    slab: Slab<Room>,
    by_id: HashMap<RoomId, usize>,
    created: u32,
}

/// What a shard knows of a room.
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// Tells it from an earlier room at the same index.
    pub generation: u32,
    /// Slab indexes of the members whose sockets are here.
    pub members: Vec<u32>,
    /// Inputs that wait: at home for the tick, elsewhere for the end of the round.
    pub pending: Vec<PendingInput>,
    /// Whether it is in the round's list of rooms to settle.
    pub touched: bool,
    /// What only the home shard knows; none elsewhere.
    pub home: Option<Box<Home>>,
}

/// The home shard's part of a room.
pub struct Home {
    /// When to submit and flush.
    pub rhythm: Rhythm,
    /// Whether a batch of inputs is with the engine; further inputs gather meanwhile.
    pub in_flight: bool,
    /// Who is being let in, and with which membership.
    pub joining: HashMap<ConnectionKey, (Arc<Identity>, Ticket)>,
    /// Every member, wherever its socket is.
    pub members: HashMap<UserKey, Place>,
    /// Events that wait for the next flush.
    pub gathered: Vec<RoomEvents>,
    /// Where the gathered events end; none before the first event or snapshot.
    pub position: Option<Position>,
    /// Members by shard; empty until the first one is handed over.
    pub away: Vec<u32>,
}

/// Where a member's socket is.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Which membership.
    pub ticket: Ticket,
    /// Nobody while it is on its way to another shard.
    pub key: ConnectionKey,
}

/// An identity, looked up by its user id.
pub struct UserKey(pub Arc<Identity>);

impl Rooms {
    /// The room of that id, if this shard knows it.
    pub fn find(&self, id: &RoomId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The room at an index.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Room> {
        self.slab.get_mut(index)
    }

    /// The room at an index, if it is still the one of that generation.
    pub fn of_generation(&mut self, index: usize, generation: u32) -> Option<&mut Room> {
        self.slab.get_mut(index).filter(|room| room.generation == generation)
    }

    /// The room of that id, made if it is not there.
    pub fn find_or_create(&mut self, id: &RoomId) -> usize {
        if let Some(index) = self.find(id) {
            return index;
        }
        self.created = self.created.wrapping_add(1);
        let room = Room {
            id: id.clone(),
            generation: self.created,
            members: Vec::new(),
            pending: Vec::new(),
            touched: false,
            home: None,
        };
        let index = self.slab.insert(room);
        self.by_id.insert(id.clone(), index);
        index
    }

    /// Forgets a room if nothing is left of it, and gives what it was.
    pub fn remove_if_over(&mut self, index: usize) -> Option<Room> {
        if !self.slab.get(index)?.is_over() {
            return None;
        }
        let room = self.slab.remove(index);
        self.by_id.remove(&room.id);
        Some(room)
    }

    /// The rooms at home here that have a user as a member.
    pub fn with_member(&self, user_id: &str) -> impl Iterator<Item = &RoomId> {
        let has_member = |home: &Home| home.members.contains_key(user_id);
        let rooms = self.slab.iter().map(|(_, room)| room);
        rooms.filter(move |room| room.home.as_deref().is_some_and(has_member)).map(|room| &room.id)
    }

    /// How many rooms there are.
    pub fn len(&self) -> usize {
        self.slab.len()
    }
}

impl Room {
    /// Makes this shard the room's home.
    pub fn make_home(&mut self, sync_interval_ms: u64) -> &mut Home {
        let id = &self.id;
        self.home.get_or_insert_with(|| {
            Box::new(Home {
                rhythm: Rhythm::new(sync_interval_ms, room_hash(id)),
                in_flight: false,
                joining: HashMap::new(),
                members: HashMap::new(),
                gathered: Vec::new(),
                position: None,
                away: Vec::new(),
            })
        })
    }

    fn is_over(&self) -> bool {
        let home_is_over = self
            .home
            .as_ref()
            .is_none_or(|home| home.members.is_empty() && home.joining.is_empty() && !home.in_flight);
        self.members.is_empty() && self.pending.is_empty() && home_is_over
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
