//! What rooms want done, done.

use std::sync::Arc;

use super::calls;
use super::clock::Clock;
use super::connection::{Place, Seat};
use super::connections::Connections;
use super::home_shard;
use super::messages::{MemberOf, Seating, ShardMessage};
use super::rooms::{Home, LocalRoom};
use super::shard::Shard;
use super::submissions::Purpose;
use crate::metrics::{InputOutcome, RefusalReason};
use crate::room::flush::Flush;
use crate::room::{Admission, QueuedInput, Room, RoomAction, Round, Submission, Why};
use crate::session::outbox::Kind;
use crate::session::{Admitted, Rejection};
use crate::state::{Batch, ConnectionKey, NotTaken, ShardId};
use crate::wire::Position;
use crate::wire::ids::RoomId;
use crate::wire::ws::close_code::Then;
use crate::wire::ws::deflate::SharedFrame;

impl Shard {
    /// Calls a room that is at home here, and does what it wants done. It is settled at the end of the round.
    pub(super) fn with_room(
        &mut self,
        room_index: usize,
        call: impl FnOnce(&mut Room, Round<'_>, &mut Vec<RoomAction>),
    ) {
        self.rooms.touch(room_index);
        self.call_room(room_index, call);
    }

    /// The end of the round, for a room that is at home here.
    pub(super) fn settle_room(&mut self, room_index: usize) {
        self.call_room(room_index, |room, round, actions| room.settle(round, actions));
    }

    fn call_room(
        &mut self,
        room_index: usize,
        call: impl FnOnce(&mut Room, Round<'_>, &mut Vec<RoomAction>),
    ) {
        // What is carried out may call a room again, which then has a list of its own.
        let mut actions = std::mem::take(&mut self.io.scratch.room);
        if let Some(LocalRoom { id, home: Some(home), .. }) = self.rooms.get_mut(room_index) {
            let round = Round {
                now_ms: self.context.clock.now.monotonic_ms,
                began: self.context.clock.round_began,
                scripts: self.context.scripts.of(id.game()),
                bounds: &self.context.shared.limits.room,
            };
            call(&mut home.room, round, &mut actions);
        }
        for action in actions.drain(..) {
            self.carry_out_room(room_index, action);
        }
        self.io.scratch.room = actions;
    }

    fn carry_out_room(&mut self, room_index: usize, action: RoomAction) {
        match action {
            RoomAction::Submit(submission) => self.submit(room_index, submission),
            RoomAction::Admit(admission) => self.admit(room_index, admission),
            RoomAction::Refuse { connection, error } => {
                self.refuse_join(connection, &calls::refused_join(&error));
            }
            RoomAction::TurnAway { connection, why } => {
                self.context.metrics.refusals.at(RefusalReason::Busy).inc();
                self.refuse_join(connection, &calls::not_taken(why));
            }
            RoomAction::RefuseInput { connection, name, why } => {
                self.context.metrics.inputs.at(InputOutcome::Busy).inc();
                self.post_or_read(connection, ShardMessage::RefuseInput(connection, name, why));
            }
            RoomAction::InputsRan { connection, n } => {
                self.post_or_read(connection, ShardMessage::InputsRan(connection, n));
            }
            RoomAction::Send { to, frame } => self.post_or_read(to, ShardMessage::Frame(to, frame)),
            RoomAction::CatchUp { to, caught_up } => {
                self.post_or_read(to, ShardMessage::CatchUp(to, Box::new(caught_up)));
            }
            RoomAction::FallBehind(to) => self.post_or_read(to, ShardMessage::FallBehind(to)),
            RoomAction::Close { connection, code, reason } => {
                self.post_or_read(connection, ShardMessage::Close(connection, code, reason));
            }
            RoomAction::Remove { connection, reason } => {
                self.post_or_read(connection, ShardMessage::Remove(connection, reason));
            }
            RoomAction::Flush(flush) => self.flush(room_index, flush),
            RoomAction::WakeAt(due_ms) => self.rooms.wake_at(room_index, due_ms),
            RoomAction::Ticked { left_out } => {
                self.context.metrics.ticks.inc();
                self.context.metrics.ticks_left_out.inc_by(left_out);
            }
            RoomAction::Ran { ok, failed, given_back, received_at } => {
                self.context.metrics.calls_given_back.inc_by(given_back);
                self.context.metrics.inputs.at(InputOutcome::Ok).inc_by(ok);
                self.context.metrics.inputs.at(InputOutcome::Error).inc_by(failed);
                self.context.metrics.input_to_patch.observe(received_at.elapsed());
            }
        }
    }

    /// A message about a connection, to its shard; if that is this one it is read at once.
    pub(super) fn post_or_read(&mut self, connection: ConnectionKey, message: ShardMessage) {
        self.post_to(usize::from(connection.shard), message);
    }

    pub(super) fn post_to(&mut self, shard: ShardId, message: ShardMessage) {
        if shard == self.context.id { self.read_message(message) } else { self.peers.post(shard, message) }
    }

    fn submit(&mut self, room_index: usize, submission: Submission) {
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        let Submission { number, calls, on_error, may_give_back, resumes, received_at } = submission;
        let purpose = Purpose::Room(room_index, room.generation, number);
        let audience = room.home.as_ref().map_or(0, |home| home.room.member_count());
        let batch = Batch {
            on_error,
            may_give_back,
            resumes,
            audience,
            received_at,
            ..Batch::new(Some(room.id.clone()), calls, self.context.id)
        };
        if let Err((reason, batch)) = self.submissions.submit(purpose, batch) {
            self.with_room(room_index, |room, round, actions| {
                room.batch_not_taken(number, batch.calls, reason.into(), round, actions);
            });
        }
    }

    /// The room at home here, made if it is not there: its events are wanted from now on.
    pub(super) fn open_at_home(&mut self, id: &RoomId) -> usize {
        let interval_ms = self.context.shared.limits.sync_interval_ms;
        let room_index = self.rooms.find_or_create(id);
        if let Some(room) = self.rooms.get_mut(room_index)
            && room.home.is_none()
        {
            let spread = super::room_hash(id);
            let machine = Room::new(id.clone(), interval_ms, spread);
            room.home = Some(Box::new(Home { room: machine, compresses: false, spread: Vec::new() }));
            self.context.shared.engine.watch(id, true);
        }
        room_index
    }

    fn refuse_join(&mut self, connection: ConnectionKey, refused: &Rejection) {
        let Some(index) = self.connections.find(connection) else { return };
        self.connections[index].place = Place::Outside;
        self.call_session(index, |session, context, actions| {
            session.join_refused(refused, context, actions);
        });
    }

    /// The room has let a connection in.
    fn admit(&mut self, room_index: usize, admission: Admission) {
        let Admission { connection, membership, position, n, state, recovered } = admission;
        let Some(index) = self.connections.find(connection) else { return };
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        let standing = room.standing_at(position);
        let seat = Seat {
            room: room_index as u32,
            position: 0,
            membership,
            standing,
            allowance: Default::default(),
        };
        self.seat(room_index, index, seat);
        self.call_session(index, |session, context, actions| {
            session.joined(Admitted { position, n, state: &state, recovered }, context, actions);
        });
        // A large room's state is not kept for all who come in at once if it can go out.
        self.connections.flush_one(index, &self.context.clock, self.context.shared.services.settings());
        let compresses = self.connections[index].carried.deflate.is_some();
        if let Some(home) = self.rooms.home(room_index) {
            home.compresses |= compresses;
            home.member_came(self.context.id);
        }
        self.check_member(index);
        if self.connections[index].seat().is_some() {
            self.spread(room_index, index, position);
        }
    }

    /// News may have come about a member while it was let in, or was on its way here.
    pub(super) fn check_member(&mut self, index: usize) {
        if self.draining.is_some() {
            self.call_session(index, |session, context, actions| session.drain(context, actions));
        } else {
            self.call_session(index, |session, context, actions| session.check_standing(context, actions));
        }
    }

    /// Gives a new member of a large room to the shard that has the fewest of its members.
    fn spread(&mut self, room_index: usize, index: usize, position: Position) {
        let (shards, large) = (self.peers.len(), self.context.shared.limits.large_room_members);
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        let local = room.members.len();
        let Some(home) = &mut room.home else { return };
        let shard = home.choose_shard(self.context.id, shards, large, local);
        if shard != self.context.id {
            self.hand_over(index, shard, position);
        } else if self.connections[index].carried.parked.is_some() {
            // What came behind the request is the member's first input.
            self.connections.read_again(index);
        }
    }

    /// Gives a member of a room at home here to another shard, on which it is counted already.
    fn hand_over(&mut self, index: usize, shard: ShardId, position: Position) {
        let Some((room_index, member)) = self.unseat(index) else { return };
        let MemberOf { room, membership, identity } = member;
        self.with_room(room_index, |room, _, _| room.depart(&identity.user_id, membership));
        match self.take_out(index) {
            Some(handover) => {
                let seating = Seating { room, membership, position };
                self.peers.post(shard, ShardMessage::AdoptMember(Box::new((handover, seating))));
            }
            None => self.member_left(&MemberOf { room, membership, identity }, shard, Then::ComeBack),
        }
    }

    /// Gives a connection a place in a room's local list.
    pub(super) fn seat(&mut self, room_index: usize, index: usize, seat: Seat) {
        self.rooms.seat(room_index, &mut self.connections, index, seat);
        self.context.metrics.members.inc();
    }

    /// Takes a connection's place away; tells which room's it was, and whose.
    fn unseat(&mut self, index: usize) -> Option<(usize, MemberOf)> {
        let seat = self.rooms.unseat(&mut self.connections, index)?;
        self.context.metrics.members.dec();
        let identity = self.connections[index].carried.session.identity()?.clone();
        let room = self.rooms.get_mut(seat.room as usize)?.id.clone();
        Some((seat.room as usize, MemberOf { room, membership: seat.membership, identity }))
    }

    /// A member's connection is over: its place in the room is free, unless it comes back soon.
    pub(super) fn leave(&mut self, index: usize, then: Then) {
        let Some((_, member)) = self.unseat(index) else { return };
        let home = home_shard(&member.room, self.peers.len());
        self.post_to(home, ShardMessage::Left(Box::new(member), self.context.id, then));
    }

    /// At the home shard: a member is gone from that shard.
    pub(super) fn member_left(&mut self, member: &MemberOf, shard: ShardId, then: Then) {
        let Some(room_index) = self.rooms.find(&member.room) else { return };
        if let Some(home) = self.rooms.home(room_index) {
            home.member_gone(shard);
        }
        let (identity, is_draining) = (member.identity.clone(), self.draining.is_some());
        self.with_room(room_index, |room, round, actions| match then {
            Then::StayAway => room.leave(identity, member.membership, round),
            Then::ComeBack => room.lose(identity, member.membership, round, actions),
        });
        if is_draining {
            self.with_room(room_index, |room, _, _| room.leave_seats_to_the_store());
        }
    }

    /// A member that is behind has read what was on its way.
    pub(super) fn tell_behind(&mut self, key: ConnectionKey) {
        let Some(index) = self.connections.find(key) else { return };
        let connection = &self.connections[index];
        let (Some(seat), Some(identity)) = (connection.seat(), connection.carried.session.identity()) else {
            return;
        };
        let (membership, identity) = (seat.membership, identity.clone());
        let Some(room) = self.rooms.get_mut(seat.room as usize) else { return };
        let since = seat.standing.since(room.epoch);
        let member = MemberOf { room: room.id.clone(), membership, identity };
        let home = home_shard(&member.room, self.peers.len());
        self.post_to(home, ShardMessage::IsBehind(Box::new((member, since))));
    }

    /// Sends events to every member, wherever its socket is.
    fn flush(&mut self, room_index: usize, flush: Flush) {
        let flush = Arc::new(flush);
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        if let Some(home) = &room.home {
            if home.compresses
                && home.is_spread()
                && let Some(frame) = flush.common()
            {
                // Else each of the shards would do it for itself.
                frame.deflated(&mut self.connections.deflater);
            }
            for shard in home.shards_but(self.context.id) {
                self.peers.post(shard, ShardMessage::Flush(room.id.clone(), flush.clone()));
            }
        }
        self.fan_out(room_index, &flush);
    }

    /// Sends events to the members whose sockets are here.
    pub(super) fn fan_out(&mut self, room_index: usize, flush: &Flush) {
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        room.flushed_seq = flush.last_seq();
        room.epoch = flush.epoch();
        if flush.is_for_nobody() {
            return;
        }
        let (connections, clock) = (&mut self.connections, &self.context.clock);
        let mut frames = 0;
        if let Some(targets) = flush.targets() {
            for target in targets {
                let index = connections.find(*target);
                frames += index.map_or(0, |index| send_events(index, flush, connections, clock));
            }
        } else {
            for &index in &room.members {
                frames += send_events(index as usize, flush, connections, clock);
            }
        }
        self.context.metrics.frames_out.inc_by(frames);
    }

    /// A room's events were lost on the way to a shard: its members there are brought up to date.
    pub(super) fn fall_behind_at(&mut self, shard: ShardId, room: &RoomId) {
        let Some(room_index) = self.rooms.find(room) else { return };
        let Some(home) = self.rooms.home(room_index) else { return };
        let members: Vec<ConnectionKey> = home.room.connections().collect();
        for key in members.into_iter().filter(|key| usize::from(key.shard) == shard) {
            self.post_to(shard, ShardMessage::FallBehind(key));
        }
    }

    /// Inputs of members whose room is at home elsewhere go there.
    pub(super) fn pass_inputs(&mut self, room_index: usize) {
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        if room.passing.is_empty() {
            return;
        }
        let inputs = std::mem::take(&mut room.passing);
        let (id, home) = (room.id.clone(), home_shard(&room.id, self.peers.len()));
        if self.peers.has_stalled(home) {
            return self.refuse_passing(inputs);
        }
        self.peers.post(home, ShardMessage::Inputs(id, inputs));
    }

    /// The room's home takes nothing now.
    fn refuse_passing(&mut self, inputs: Vec<QueuedInput>) {
        for reply in inputs.into_iter().filter_map(|input| input.reply) {
            self.context.metrics.inputs.at(InputOutcome::Busy).inc();
            if let Some(index) = self.connections.find(reply.connection) {
                self.refuse_input(index, reply.name, &calls::busy());
            }
        }
    }

    /// Queues a frame for one member of this shard.
    pub(super) fn send_to_member(&mut self, key: ConnectionKey, frame: bytes::Bytes) {
        let Some(index) = self.connections.find(key) else { return };
        if self.connections[index].seat().is_some() {
            self.context.metrics.frames_out.inc();
            self.connections.queue(index, frame, Kind::Kept, &self.context.clock);
        }
    }
}

impl From<NotTaken> for Why {
    fn from(rejection: NotTaken) -> Self {
        match rejection {
            NotTaken::Busy => Self::Busy,
            NotTaken::Unavailable => Self::Unavailable,
        }
    }
}

/// Sends a member what is for it; returns how many frames that are.
fn send_events(index: usize, flush: &Flush, connections: &mut Connections, clock: &Clock) -> u64 {
    let connection = &connections[index];
    let Some(seat) = connection.seat().filter(|seat| seat.standing.is_live()) else { return 0 };
    let rest;
    let frame = if seat.standing.known_seq() >= flush.first_seq {
        rest =
            flush.frame_after(connection.user_id(), seat.standing.known_seq()).map(SharedFrame::always_plain);
        rest.as_ref()
    } else if flush.is_addressed() {
        flush.frame_for(connection.user_id())
    } else {
        flush.common()
    };
    let Some(frame) = frame else { return 0 };
    if flush.is_replacing() && connection.carried.outbox.has_events() {
        // What waits in front of it may be replaced by what is in it.
        connections.fall_behind(index, flush.first_seq - 1);
        return 0;
    }
    connections.send_events(index, frame, flush.first_seq, clock);
    1
}
