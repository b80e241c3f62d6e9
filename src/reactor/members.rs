//! Members come, go, and get what their room sends.

use std::collections::HashMap;
use std::sync::Arc;

use super::calls::{busy, refused_batch};
use super::connection::Seat;
use super::home_shard;
use super::mail::{Arrival, Mail, PendingInput, Seating, Ticket};
use super::purposes::{OwnCall, Purpose, ReplyTo};
use super::rooms::{Place, UserKey};
use super::shard::Shard;
use crate::metrics::Refusal;
use crate::script::{NO_HOOK, Script};
use crate::session::{Refused, Session};
use crate::state::{Batch, Call, ConnectionKey, Membership, OnError, Rejection, ShardId};
use crate::wire::Position;
use crate::wire::ids::{Identity, RoomId};
use crate::wire::ws::close_code;

/// Most members that get the same snapshot. Each has it in a frame of its own, of up to a megabyte in a large room.
const SNAPSHOT_READERS: usize = 64;

impl Shard {
    /// Begins the join that a session has asked for: here if the room is at home here, else where it is.
    pub(super) fn start_join(&mut self, index: usize, identity: Arc<Identity>, room: &RoomId) {
        let home = home_shard(room, self.peers.len());
        if home == self.id {
            return self.join_at_home(index, identity, room);
        }
        if let Some(handover) = self.take_out(index) {
            self.post(home, Mail::Adopt(Box::new(handover)));
        }
    }

    /// The room, at home here: its events are wanted from now on.
    pub(super) fn open_at_home(&mut self, room: &RoomId) -> usize {
        let interval_ms = self.shared.limits.sync_interval_ms;
        let room_index = self.rooms.find_or_create(room);
        if self.home(room_index).is_none() {
            self.shared.engine.watch(room, true);
            if let Some(room) = self.rooms.get_mut(room_index) {
                room.make_home(interval_ms);
            }
        }
        room_index
    }

    fn join_at_home(&mut self, index: usize, identity: Arc<Identity>, room: &RoomId) {
        let key = self.key(index);
        self.next_ticket = self.next_ticket.wrapping_add(1);
        let ticket = self.next_ticket;
        let room_index = self.open_at_home(room);
        let home = self.home(room_index).expect("the room was just found or made");
        home.joining.insert(key, (identity, ticket));
        self.arrivals.push((room_index, key));
    }

    /// Sends the hooks of those who came in this round to the engine, many in one batch: the room's state is the same for
    /// all of them, and in a large room it is what takes time.
    pub(super) fn submit_arrivals(&mut self) {
        let mut arrivals = std::mem::take(&mut self.arrivals);
        arrivals.sort_by_key(|(room_index, _)| *room_index);
        for of_room in arrivals.chunk_by(|one, other| one.0 == other.0) {
            let room_index = of_room[0].0;
            let keys: Vec<ConnectionKey> = of_room.iter().map(|(_, key)| *key).collect();
            // What waits was there first: the same user's leaving, say.
            let in_order = self.submit_all(room_index);
            for keys in keys.chunks(self.snapshot_readers()) {
                let refused = match in_order {
                    true => self.submit_joins(room_index, keys).err().map(refused_batch),
                    false => Some(busy()),
                };
                if let Some(refused) = refused {
                    self.refuse_joins(room_index, keys, &refused);
                }
            }
        }
    }

    fn submit_joins(&mut self, room_index: usize, keys: &[ConnectionKey]) -> Result<(), Rejection> {
        let on_connect = self.hook("on_connect");
        let on_snapshot = self.scripts.get("on_snapshot").cloned();
        let Some(room) = self.rooms.get_mut(room_index) else { return Ok(()) };
        let Some(home) = &room.home else { return Ok(()) };
        let coming: Vec<_> = keys.iter().filter_map(|key| Some((*key, home.joining.get(key)?))).collect();
        let Some((_, (first, _))) = coming.first() else { return Ok(()) };
        let call = |script: &Arc<Script>, caller: &Arc<Identity>, membership| {
            Call::hook(script.clone(), caller.clone(), &room.id, membership).wanting_result()
        };
        let enter = |(_, (identity, ticket)): &(_, &(_, Ticket))| {
            call(&on_connect, identity, Membership::Enter(*ticket))
        };
        let snapshot = on_snapshot.map(|script| call(&script, first, Membership::Unchanged));
        let on_error = if snapshot.is_some() { OnError::LastNeedsAnother } else { OnError::GoOn };
        let calls = coming.iter().map(enter).chain(snapshot).collect();
        let batch = Batch {
            on_error,
            received_at: self.round_began,
            ..Batch::new(Some(room.id.clone()), calls, self.id)
        };
        let purpose = Purpose::Join(coming.iter().map(|(key, _)| *key).collect());
        self.submit_for(purpose, batch).map_err(|(reason, ..)| reason)
    }

    fn refuse_joins(&mut self, room_index: usize, keys: &[ConnectionKey], refused: &Refused) {
        for key in keys {
            self.metrics.refusals.at(Refusal::Busy).inc();
            self.end_joining(room_index, *key);
            if let Some(index) = self.find(*key) {
                self.refuse_join(index, refused);
            }
        }
    }

    /// For how many members at once one call of `on_snapshot` does.
    pub(super) fn snapshot_readers(&self) -> usize {
        match self.scripts.get("on_snapshot") {
            Some(script) if script.reads_call => 1,
            _ => SNAPSHOT_READERS,
        }
    }

    /// Takes somebody off the list of those who are being let in.
    pub(super) fn end_joining(
        &mut self,
        room_index: usize,
        key: ConnectionKey,
    ) -> Option<(Arc<Identity>, Ticket)> {
        let joining = &mut self.rooms.get_mut(room_index)?.home.as_mut()?.joining;
        let removed = joining.remove(&key);
        if joining.is_empty() {
            // A room is joined by many at once and then by nobody for long: the table's memory goes back.
            *joining = HashMap::new();
        }
        self.touch(room_index);
        removed
    }

    pub(super) fn refuse_join(&mut self, index: usize, refused: &Refused) {
        self.with_session(index, |session, context, actions| {
            session.join_refused(refused, context, actions);
        });
    }

    /// The hooks let the connection in.
    pub(super) fn admit(
        &mut self,
        room_index: usize,
        index: usize,
        (identity, ticket): (Arc<Identity>, Ticket),
        position: Position,
        state: &[u8],
    ) {
        self.with_session(index, |session, context, actions| {
            session.joined(position, state, context, actions);
        });
        let key = self.key(index);
        self.seat(room_index, index, &identity, ticket, position.seq);
        let place = Place { ticket, key };
        let Some(home) = self.home(room_index) else { return };
        let replaced = home.members.insert(UserKey(identity), place);
        if let Some(away) = home.away.get_mut(key.shard as usize) {
            *away += 1;
        }
        if let Some(place) = replaced {
            self.close(place.key, close_code::REPLACED, "the same user joined again");
        }
        self.touch(room_index);
        if self.is_draining() {
            self.with_session(index, Session::drain);
            return;
        }
        self.check_standing(index);
        if self.connections.get(index).is_none_or(|connection| connection.seat.is_none()) {
            return;
        }
        self.spread(room_index, index, ticket, position.seq);
        // What came behind the request is the member's first input.
        if self.connections.get(index).is_some_and(|connection| connection.carried.parked.is_some()) {
            self.again.push(self.key(index));
        }
    }

    /// Gives a new member of a large room to the shard that has the fewest of its members.
    fn spread(&mut self, room_index: usize, index: usize, ticket: Ticket, seq: u64) {
        let shards = self.peers.len();
        let large = self.shared.limits.large_room_members;
        let here = self.id;
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        let id = room.id.clone();
        let local = room.members.len() as u32;
        let Some(home) = room.home.as_mut() else { return };
        if shards == 1 || home.members.len() <= large {
            return;
        }
        if home.away.is_empty() {
            home.away = vec![0; shards];
            home.away[here] = local;
        }
        let fewest = (0..shards).min_by_key(|shard| (home.away[*shard], *shard != here)).unwrap_or(here);
        if fewest == here {
            return;
        }
        home.away[here] -= 1;
        home.away[fewest] += 1;
        let Some(seat) = self.unseat(index) else { return };
        if let Some(place) =
            self.home(room_index).and_then(|home| home.members.get_mut(&*seat.identity.user_id))
        {
            place.key = ConnectionKey::NOBODY;
        }
        let membership = Seating { room: id, ticket, seq };
        if let Some(handover) = self.take_out(index) {
            self.post(fewest, Mail::AdoptMember(Box::new((handover, membership))));
        }
    }

    /// Puts a member that another shard let in into the room's local list.
    pub(super) fn seat_adopted(&mut self, index: usize, membership: &Seating) {
        let room_index = self.rooms.find_or_create(&membership.room);
        let Some(identity) = self.connections[index].carried.session.identity().cloned() else { return };
        self.seat(room_index, index, &identity, membership.ticket, membership.seq);
        let home = home_shard(&membership.room, self.peers.len());
        let key = self.key(index);
        let room = membership.room.clone();
        self.post(home, Mail::Settled(Box::new(Arrival { room, ticket: membership.ticket, identity }), key));
    }

    fn seat(
        &mut self,
        room_index: usize,
        index: usize,
        identity: &Arc<Identity>,
        ticket: Ticket,
        known_seq: u64,
    ) {
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        let position = room.members.len() as u32;
        room.members.push(index as u32);
        self.connections[index].seat = Some(Seat {
            room: room_index as u32,
            position,
            ticket,
            identity: identity.clone(),
            known_seq,
            lagging: false,
        });
        self.metrics.members.inc();
    }

    /// Takes a connection out of its room's local list.
    fn unseat(&mut self, index: usize) -> Option<Seat> {
        let seat = self.connections[index].seat.take()?;
        let room = self.rooms.get_mut(seat.room as usize)?;
        room.members.swap_remove(seat.position as usize);
        let moved = room.members.get(seat.position as usize).copied();
        if let Some(seat_of_moved) = moved.and_then(|moved| self.connections[moved as usize].seat.as_mut()) {
            seat_of_moved.position = seat.position;
        }
        self.metrics.members.dec();
        self.touch(seat.room as usize);
        Some(seat)
    }

    /// A member's connection is over: its place in the room is free, and `on_disconnect` runs unless the same user has
    /// come back meanwhile.
    pub(super) fn leave(&mut self, index: usize) {
        let Some(seat) = self.unseat(index) else { return };
        let Some(room) = self.rooms.get_mut(seat.room as usize) else { return };
        let room = room.id.clone();
        let home = home_shard(&room, self.peers.len());
        let arrival = Box::new(Arrival { room, ticket: seat.ticket, identity: seat.identity });
        self.post_or_read(home, Mail::Left(arrival, self.id));
    }

    /// At the home shard: a member that was handed over has arrived.
    pub(super) fn member_settled(&mut self, arrival: &Arrival, key: ConnectionKey) {
        let room_index = self.rooms.find(&arrival.room);
        let home = room_index.and_then(|index| self.home(index));
        match home.and_then(|home| home.members.get_mut(&*arrival.identity.user_id)) {
            Some(place) if place.ticket == arrival.ticket => place.key = key,
            _ => self.close(key, close_code::REPLACED, "the same user joined again"),
        }
    }

    /// At the home shard: a member is gone.
    pub(super) fn member_left(&mut self, arrival: &Arrival, shard: ShardId) {
        let identity = &arrival.identity;
        let Some(room_index) = self.rooms.find(&arrival.room) else { return };
        let Some(home) = self.home(room_index) else { return };
        if let Some(away) = home.away.get_mut(shard) {
            *away = away.saturating_sub(1);
        }
        let is_current =
            home.members.get(&*identity.user_id).is_some_and(|place| place.ticket == arrival.ticket);
        if is_current {
            home.members.remove(&*identity.user_id);
            self.run_on_disconnect(room_index, identity.clone(), arrival.ticket);
        }
        self.touch(room_index);
    }

    /// The game's hook, or what stands in for it.
    pub(super) fn hook(&self, name: &str) -> Arc<Script> {
        self.scripts.get(name).unwrap_or(&NO_HOOK).clone()
    }

    /// Queues `on_disconnect` among the room's inputs: it is never refused, only late.
    pub(super) fn run_on_disconnect(&mut self, room_index: usize, identity: Arc<Identity>, ticket: Ticket) {
        let script = self.hook("on_disconnect");
        let received_at = self.round_began;
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        let call = Call::hook(script, identity.clone(), &room.id, Membership::Leave(ticket));
        let own = Some(Box::new(OwnCall::Leave(identity, ticket)));
        let reply_to = ReplyTo { connection: ConnectionKey::NOBODY, id: None, own };
        room.pending.push(PendingInput { call, reply_to, received_at });
        self.touch(room_index);
    }
}
