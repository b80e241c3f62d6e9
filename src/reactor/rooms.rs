//! A shard's rooms: those at home here, and the local members of large rooms at home elsewhere.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use slab::Slab;

use super::connection::{Place, Seat};
use super::connections::Connections;
use super::standing::Standing;
use crate::room::{MembershipId, QueuedInput, Room};
use crate::state::ShardId;
use crate::wire::Position;
use crate::wire::ids::RoomId;

/// Rooms by index and by id.
#[derive(Default)]
pub(super) struct Rooms {
    slab: Slab<LocalRoom>,
    by_id: HashMap<RoomId, usize>,
    created: u32,
    /// The last one given. Memberships are compared between shards only within one room, whose home alone makes them.
    last_membership: MembershipId,
    /// To be settled at the end of the round.
    touched: Vec<usize>,
    /// When rooms want to be called: the time, the room's index and its generation.
    timers: BinaryHeap<Reverse<(u64, usize, u32)>>,
}

/// What a shard has of a room.
pub(super) struct LocalRoom {
    pub(super) id: RoomId,
    /// Tells it from an earlier room at the same index.
    pub(super) generation: u32,
    /// Slab indexes of the members whose sockets are here.
    pub(super) members: Vec<u32>,
    /// Of a room at home elsewhere: inputs that go there at the end of the round.
    pub(super) passing: Vec<QueuedInput>,
    is_touched: bool,
    /// The last event that has gone out to the members here; 0 if none has since they last got a snapshot each.
    pub(super) flushed_seq: u64,
    /// Which history the members here have got events of.
    pub(super) epoch: u64,
    /// The room itself, where it is at home.
    pub(super) home: Option<Box<Home>>,
}

/// A room at home here.
pub(super) struct Home {
    pub(super) room: Room,
    /// Whether any of its members so far takes compressed frames.
    pub(super) compresses: bool,
    /// Members by shard; empty until the first one is handed over.
    pub(super) spread: Vec<u32>,
}

impl Rooms {
    /// How many rooms there are.
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Tells a member from everyone who was let into a room here before.
    pub(super) fn new_membership(&mut self) -> MembershipId {
        self.last_membership = self.last_membership.wrapping_add(1);
        self.last_membership
    }

    /// The room of that id, if this shard knows it.
    pub(super) fn find(&self, id: &RoomId) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The room at an index.
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut LocalRoom> {
        self.slab.get_mut(index)
    }

    /// The room at an index, if it is at home here.
    pub(super) fn home(&mut self, index: usize) -> Option<&mut Home> {
        self.slab.get_mut(index)?.home.as_deref_mut()
    }

    /// Whether the room at an index is still the one of that generation.
    pub(super) fn is_of(&self, index: usize, generation: u32) -> bool {
        self.slab.get(index).is_some_and(|room| room.generation == generation)
    }

    /// The room of that id, made if it is not there.
    pub(super) fn find_or_create(&mut self, id: &RoomId) -> usize {
        if let Some(index) = self.find(id) {
            return index;
        }
        self.created = self.created.wrapping_add(1);
        let index = self.slab.insert(LocalRoom {
            id: id.clone(),
            generation: self.created,
            members: Vec::new(),
            passing: Vec::new(),
            is_touched: false,
            flushed_seq: 0,
            epoch: 0,
            home: None,
        });
        self.by_id.insert(id.clone(), index);
        index
    }

    /// Forgets a room if nothing is left of it. Returns its id if it was at home here.
    pub(super) fn remove_if_over(&mut self, index: usize) -> Option<RoomId> {
        if !self.slab.get(index)?.is_over() {
            return None;
        }
        let room = self.slab.remove(index);
        self.by_id.remove(&room.id);
        room.home.map(|_| room.id)
    }

    /// The rooms at home here that have a user as a member.
    pub(super) fn with_member(&self, user_id: &str) -> impl Iterator<Item = &RoomId> {
        let has_member = |home: &Home| home.room.has_member(user_id);
        let rooms = self.slab.iter().map(|(_, room)| room);
        rooms.filter(move |room| room.home.as_deref().is_some_and(has_member)).map(|room| &room.id)
    }

    /// The indexes of those at home here.
    pub(super) fn at_home(&self) -> Vec<usize> {
        self.slab.iter().filter(|(_, room)| room.home.is_some()).map(|(index, _)| index).collect()
    }

    /// Puts a room on the list of those to settle at the end of the round.
    pub(super) fn touch(&mut self, index: usize) {
        let Some(room) = self.slab.get_mut(index) else { return };
        if !room.is_touched {
            room.is_touched = true;
            self.touched.push(index);
        }
    }

    /// Whether rooms are to be settled.
    pub(super) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Takes the rooms to settle.
    pub(super) fn take_touched(&mut self) -> Vec<usize> {
        let touched = std::mem::take(&mut self.touched);
        for index in &touched {
            if let Some(room) = self.slab.get_mut(*index) {
                room.is_touched = false;
            }
        }
        touched
    }

    /// A room wants to be called at that time.
    pub(super) fn wake_at(&mut self, index: usize, due_ms: u64) {
        if let Some(room) = self.slab.get(index) {
            self.timers.push(Reverse((due_ms, index, room.generation)));
        }
    }

    /// When the next room wants to be called.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.timers.peek().map(|Reverse((due_ms, ..))| *due_ms)
    }

    /// The next room that wants to be called by now.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<usize> {
        while self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            let Some(Reverse((_, index, generation))) = self.timers.pop() else { break };
            if self.is_of(index, generation) {
                return Some(index);
            }
        }
        None
    }

    /// Gives a connection a place in a room's local list.
    pub(super) fn seat(
        &mut self,
        room_index: usize,
        connections: &mut Connections,
        index: usize,
        seat: Seat,
    ) {
        let Some(room) = self.slab.get_mut(room_index) else { return };
        let position = room.members.len() as u32;
        room.members.push(index as u32);
        connections[index].place = Place::Member(Seat { position, ..seat });
    }

    /// Takes a connection out of its room's local list.
    pub(super) fn unseat(&mut self, connections: &mut Connections, index: usize) -> Option<Seat> {
        let Place::Member(seat) = std::mem::replace(&mut connections[index].place, Place::Outside) else {
            return None;
        };
        let room = self.slab.get_mut(seat.room as usize)?;
        room.members.swap_remove(seat.position as usize);
        let moved = room.members.get(seat.position as usize);
        if let Some(moved) = moved.and_then(|moved| connections[*moved as usize].seat_mut()) {
            moved.position = seat.position;
        }
        self.touch(seat.room as usize);
        Some(seat)
    }
}

impl LocalRoom {
    /// How somebody stands who has the events up to here.
    pub(super) fn standing_at(&mut self, position: Position) -> Standing {
        if self.epoch != position.epoch {
            (self.epoch, self.flushed_seq) = (position.epoch, 0);
        }
        Standing::at(position.seq, self.flushed_seq)
    }

    fn is_over(&self) -> bool {
        let home_is_over = self.home.as_ref().is_none_or(|home| home.room.is_over());
        self.members.is_empty() && self.passing.is_empty() && home_is_over
    }
}

impl Home {
    /// A new member is at that shard.
    pub(super) fn member_came(&mut self, shard: ShardId) {
        if let Some(count) = self.spread.get_mut(shard) {
            *count += 1;
        }
    }

    /// Which shard a new member is to be on, that is here among `local` others: once there are many, the one that has the
    /// fewest of the room's members. It is counted there from now on.
    pub(super) fn choose_shard(
        &mut self,
        here: ShardId,
        shards: usize,
        large: usize,
        local: usize,
    ) -> ShardId {
        if shards == 1 || self.room.member_count() <= large {
            return here;
        }
        if self.spread.is_empty() {
            self.spread = vec![0; shards];
            self.spread[here] = local as u32;
        }
        let by_count = |shard: &ShardId| (self.spread[*shard], *shard != here);
        let fewest = (0..shards).min_by_key(by_count).unwrap_or(here);
        if fewest != here {
            self.spread[here] -= 1;
            self.spread[fewest] += 1;
        }
        fewest
    }

    /// A member is gone from that shard.
    pub(super) fn member_gone(&mut self, shard: ShardId) {
        if let Some(count) = self.spread.get_mut(shard) {
            *count = count.saturating_sub(1);
        }
    }

    /// Whether members have been handed over to other shards.
    pub(super) fn is_spread(&self) -> bool {
        !self.spread.is_empty()
    }

    /// The other shards that have members.
    pub(super) fn shards_but(&self, here: ShardId) -> impl Iterator<Item = ShardId> {
        let with_members = self.spread.iter().enumerate().filter(|(_, count)| **count > 0);
        with_members.map(|(shard, _)| shard).filter(move |shard| *shard != here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_counted_where_they_are() {
        let room = Room::new(RoomId::parse("r").unwrap(), 50, 0);
        let mut home = Home { room, compresses: false, spread: Vec::new() };
        home.member_came(1);
        assert_eq!(home.choose_shard(1, 3, 0, 1), 1, "an empty room is not large");
        assert_eq!(home.shards_but(1).count(), 0);
        home.spread = vec![2, 3, 1];
        home.member_gone(2);
        home.member_gone(2);
        home.member_came(0);
        assert_eq!(home.spread, [3, 3, 0]);
        assert_eq!(home.shards_but(1).collect::<Vec<_>>(), [0]);
    }
}
