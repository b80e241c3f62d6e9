//! What rooms want done, done; and what comes from the store.

use std::cmp::Reverse;
use std::collections::VecDeque;

use super::super::faults::Fault;
use super::connections::{Place, Seat};
use super::{Around, Node};
use crate::reactor::standing::Standing;
use crate::reactor::{calls, room_hash};
use crate::room::flush::Flush;
use crate::room::{Admission, Room, RoomAction, Round, Submission, Why};
use crate::session::outbox::Kind;
use crate::session::{Admitted, Rejection};
use crate::state::{Batch, ConnectionKey, Tag};
use crate::wire::ids::RoomId;
use crate::wire::ws::close_code::{self, Then};

pub(super) struct LocalRoom {
    pub(super) id: RoomId,
    pub(super) room: Room,
    /// Connections of the members, in the order in which they came.
    pub(super) members: Vec<u32>,
    pub(super) flushed_seq: u64,
    /// Which history `flushed_seq` counts in.
    pub(super) epoch: u64,
    /// What waits for a slow reader, for the fault that lets one slow others.
    waiting: VecDeque<Flush>,
}

impl Node {
    pub(super) fn open_room(&mut self, id: &RoomId, around: &Around<'_>) {
        let interval_ms = around.set_up.sync_interval_ms;
        self.rooms.entry(id.to_string()).or_insert_with(|| LocalRoom {
            id: id.clone(),
            room: Room::new(id.clone(), interval_ms, room_hash(id)),
            members: Vec::new(),
            flushed_seq: 0,
            epoch: 0,
            waiting: VecDeque::new(),
        });
    }

    pub(super) fn with_room(
        &mut self,
        name: &str,
        around: &mut Around<'_>,
        call: impl FnOnce(&mut Room, Round<'_>, &mut Vec<RoomAction>),
    ) {
        self.touched.insert(name.to_owned());
        self.call_room(name, around, call);
    }

    /// The end of the round, for a room.
    pub(super) fn settle(&mut self, name: &str, around: &mut Around<'_>) {
        self.call_room(name, around, |room, round, actions| room.settle(round, actions));
        if self.rooms.get(name).is_some_and(|room| room.members.is_empty() && room.room.is_over()) {
            self.rooms.remove(name);
        }
    }

    fn call_room(
        &mut self,
        name: &str,
        around: &mut Around<'_>,
        call: impl FnOnce(&mut Room, Round<'_>, &mut Vec<RoomAction>),
    ) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        let round = Round {
            now_ms: around.now_ms,
            began: around.set_up.began,
            scripts: &around.set_up.scripts,
            bounds: &around.set_up.bounds,
        };
        let mut actions = Vec::new();
        call(&mut room.room, round, &mut actions);
        // A room goes through its members in no certain order when all fall behind, and when it ends.
        let member = |action: &RoomAction| match action {
            RoomAction::FallBehind(key) | RoomAction::Close { connection: key, .. } => Some(key.index),
            _ => None,
        };
        for of_members in actions.chunk_by_mut(|one, next| member(one).is_some() && member(next).is_some()) {
            of_members.sort_by_key(member);
        }
        for action in actions {
            self.carry_out_room(name, action, around);
        }
    }

    fn carry_out_room(&mut self, name: &str, action: RoomAction, around: &mut Around<'_>) {
        match action {
            RoomAction::Submit(submission) => self.submit(name, submission, around),
            RoomAction::Admit(admission) => self.admit(name, admission, around),
            RoomAction::Refuse { connection, error } => {
                self.refuse_join(connection, &calls::refused_join(&error), around);
            }
            RoomAction::TurnAway { connection, why } => {
                self.refuse_join(connection, &calls::not_taken(why), around);
            }
            RoomAction::RefuseInput { connection, name, why } => {
                if let Some(number) = self.find(connection) {
                    self.room_refused(number, name, &calls::not_taken(why), around);
                }
            }
            RoomAction::InputsRan { connection, n } => {
                let number = self.find(connection);
                if let Some(connection) = number.and_then(|number| self.connections.get_mut(&number)) {
                    connection.session.inputs_ran(n);
                }
            }
            RoomAction::Send { to, frame } => {
                let number = self.find(to).filter(|number| self.connections[number].seat().is_some());
                if let Some(number) = number {
                    self.queue(number, frame, Kind::Kept, around);
                }
            }
            RoomAction::CatchUp { to, caught_up } => {
                if let Some(number) = self.find(to) {
                    self.catch_up(number, caught_up, around);
                }
            }
            RoomAction::FallBehind(to) => self.falls_behind(name, to),
            RoomAction::Close { connection, code, reason } => {
                if let Some(number) = self.find(connection) {
                    self.close(number, code, reason, around);
                }
            }
            RoomAction::Remove { connection, reason } => {
                if let Some(number) = self.find(connection) {
                    self.close(number, close_code::KICKED, &reason, around);
                }
            }
            RoomAction::Flush(flush) => self.fan_out(name, flush, around),
            RoomAction::WakeAt(due_ms) => self.timers.push(Reverse((due_ms, name.to_owned()))),
            RoomAction::Ran { .. } | RoomAction::Ticked { .. } => {}
        }
    }

    fn find(&self, key: ConnectionKey) -> Option<u32> {
        let is_here = self.key(key.index) == key && self.connections.contains_key(&key.index);
        is_here.then_some(key.index)
    }

    fn submit(&mut self, name: &str, submission: Submission, around: &mut Around<'_>) {
        let Some(room) = self.rooms.get(name) else { return };
        let Submission { number, calls, on_error, may_give_back, resumes, received_at } = submission;
        if self.is_store_away {
            return self.with_room(name, around, |room, round, actions| {
                room.batch_not_taken(number, calls, Why::Unavailable, round, actions);
            });
        }
        self.last_tag += 1;
        self.submitted.insert(self.last_tag, (room.id.clone(), number, calls.len()));
        let batch = Batch {
            on_error,
            may_give_back,
            resumes,
            received_at,
            tag: Tag(self.last_tag),
            ..Batch::new(Some(room.id.clone()), calls, self.name.0)
        };
        around.batches.push(around.faults.behind_the_room(batch));
    }

    fn refuse_join(&mut self, key: ConnectionKey, refused: &Rejection, around: &mut Around<'_>) {
        let Some(number) = self.find(key) else { return };
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.place = Place::Outside;
        }
        self.call_session(number, around, |session, context, actions| {
            session.join_refused(refused, context, actions);
        });
    }

    fn admit(&mut self, name: &str, admission: Admission, around: &mut Around<'_>) {
        let Admission { connection, membership, position, n, state, recovered } = admission;
        let Some(number) = self.find(connection) else { return };
        if let (Some(connection), Some(room)) = (self.connections.get_mut(&number), self.rooms.get_mut(name))
        {
            if room.epoch != position.epoch {
                (room.epoch, room.flushed_seq) = (position.epoch, 0);
            }
            connection.place = Place::Member(Seat {
                room: name.to_owned(),
                membership,
                standing: Standing::at(position.seq, room.flushed_seq),
                allowance: Default::default(),
            });
            room.members.push(number);
            room.waiting.retain(|waiting| waiting.epoch() == position.epoch);
        }
        self.call_session(number, around, |session, context, actions| {
            session.joined(Admitted { position, n, state: &state, recovered }, context, actions);
        });
        self.flush(number, around);
    }

    /// A member misses events.
    fn falls_behind(&mut self, name: &str, to: ConnectionKey) {
        let Some(flushed_seq) = self.rooms.get(name).map(|room| room.flushed_seq) else { return };
        if let Some(number) = self.find(to) {
            self.fall_behind(number, flushed_seq);
        }
    }

    /// Sends events to the members.
    fn fan_out(&mut self, name: &str, flush: Flush, around: &mut Around<'_>) {
        let is_stuck = self.is_stuck(name, around);
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.waiting.retain(|waiting| waiting.epoch() == flush.epoch());
        if is_stuck || !room.waiting.is_empty() {
            return room.waiting.push_back(flush);
        }
        self.send_to_members(name, &flush, around);
        if around.faults.is_planted(Fault::EventOfOldEpoch)
            && self.stale.is_none()
            && let Some(room) = self.rooms.get(name)
        {
            self.stale = Some((name.to_owned(), room.epoch, flush));
        }
    }

    fn send_to_members(&mut self, name: &str, flush: &Flush, around: &mut Around<'_>) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.flushed_seq = flush.last_seq();
        room.epoch = flush.epoch();
        let members = room.members.clone();
        for number in members {
            let Some(connection) = self.connections.get(&number) else { continue };
            let Some(seat) = connection.seat().filter(|seat| seat.standing.is_live()) else { continue };
            let frame = if seat.standing.known_seq() >= flush.first_seq {
                flush.frame_after(connection.user(), seat.standing.known_seq())
            } else {
                flush.frame_for(connection.user()).map(|frame| frame.plain().clone())
            };
            let Some(frame) = frame else { continue };
            if around.faults.strikes(Fault::EventForgotten) {
                continue;
            }
            let kind = Kind::Events(flush.first_seq);
            self.send_shared(number, (&frame, kind), around);
            if around.faults.strikes(Fault::EventTwice) {
                self.send_shared(number, (&frame, kind), around);
            }
        }
    }

    /// The fault: while one member reads nothing, what is for all waits.
    fn is_stuck(&self, name: &str, around: &Around<'_>) -> bool {
        let is_stuck = |of: &u32| self.connections.get(of).is_some_and(|other| other.has_unsent());
        let members = self.rooms.get(name).map(|room| &room.members);
        around.faults.is_planted(Fault::ReaderStopsOthers)
            && members.is_some_and(|members| members.iter().any(is_stuck))
    }

    /// The fault goes on: a reader has read everything.
    pub(super) fn release_waiting(&mut self, number: u32, around: &mut Around<'_>) {
        let seat = self.connections.get(&number).and_then(|connection| connection.seat());
        let Some(name) = seat.map(|seat| seat.room.clone()) else { return };
        while !self.is_stuck(&name, around)
            && let Some(flush) = self.rooms.get_mut(&name).and_then(|room| room.waiting.pop_front())
        {
            self.send_to_members(&name, &flush, around);
        }
    }

    /// A member's connection is over: its place in the room is free.
    pub(super) fn leave(&mut self, number: u32, then: Then, around: &mut Around<'_>) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let Place::Member(_) = &connection.place else { return };
        let Place::Member(seat) = std::mem::replace(&mut connection.place, Place::Outside) else { return };
        let Some(identity) = connection.session.identity().cloned() else { return };
        if let Some(room) = self.rooms.get_mut(&seat.room) {
            room.members.retain(|member| *member != number);
        }
        let (membership, is_draining) = (seat.membership, self.is_draining);
        self.with_room(&seat.room, around, |room, round, actions| {
            match then {
                Then::StayAway => room.leave(identity, membership, round),
                Then::ComeBack => room.lose(identity, membership, round, actions),
            }
            if is_draining {
                room.leave_seats_to_the_store();
            }
        });
    }

    /// A connection is gone.
    pub(super) fn leave_all(&mut self, number: u32, around: &mut Around<'_>) {
        let key = self.key(number);
        if let Some(Place::Joining(name)) = self.connections.get(&number).map(|connection| &connection.place)
        {
            let name = name.clone();
            self.with_room(&name, around, |room, _, _| room.join_gone(key));
        }
        self.leave(number, Then::ComeBack, around);
    }

    pub(super) fn tell_behind(&mut self, number: u32) {
        let Some(connection) = self.connections.get(&number) else { return };
        let (Some(seat), Some(identity)) = (connection.seat(), connection.session.identity().cloned()) else {
            return;
        };
        let (name, membership) = (seat.room.clone(), seat.membership);
        let standing = seat.standing;
        self.touched.insert(name.clone());
        if let Some(room) = self.rooms.get_mut(&name) {
            room.room.is_behind(identity, membership, standing.since(room.epoch));
        }
    }
}
