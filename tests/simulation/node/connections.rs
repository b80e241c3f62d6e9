//! A node's connections: what they have to send, and the members among them that are behind.

use bytes::Bytes;

use super::super::faults::Fault;
use super::super::network::{LinkId, Written};
use super::{Around, Node};
use crate::reactor::standing::Standing;
use crate::room::allowance::Allowance;
use crate::room::{CaughtUp, MembershipId};
use crate::session::Session;
use crate::session::outbox::{Kind, Outbox};
use crate::state::ConnectionKey;
use crate::wire::ws::close_code;

pub(super) struct Connection {
    pub(super) session: Session,
    pub(super) link: LinkId,
    outbox: Outbox,
    pub(super) parked: Vec<u8>,
    pub(super) place: Place,
    is_finishing: bool,
    /// When the outbox last began to wait, or moved.
    progress_ms: u64,
    closes_as_slow: bool,
}

pub(super) enum Place {
    Outside,
    Joining(String),
    Member(Seat),
}

pub(super) struct Seat {
    pub(super) room: String,
    pub(super) membership: MembershipId,
    pub(super) standing: Standing,
    pub(super) allowance: Allowance,
}

impl Connection {
    pub(super) fn new(session: Session, link: LinkId, now_ms: u64) -> Self {
        Self {
            session,
            link,
            outbox: Outbox::default(),
            parked: Vec::new(),
            place: Place::Outside,
            is_finishing: false,
            progress_ms: now_ms,
            closes_as_slow: false,
        }
    }

    pub(super) fn seat(&self) -> Option<&Seat> {
        match &self.place {
            Place::Member(seat) => Some(seat),
            _ => None,
        }
    }

    pub(super) fn seat_mut(&mut self) -> Option<&mut Seat> {
        match &mut self.place {
            Place::Member(seat) => Some(seat),
            _ => None,
        }
    }

    pub(super) fn user(&self) -> &str {
        self.session.identity().map_or("", |identity| &identity.user_id)
    }

    pub(super) fn has_events_unsent(&self) -> bool {
        self.outbox.has_events()
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.outbox.is_empty()
    }

    pub(super) fn is_open(&self) -> bool {
        !self.is_finishing
    }
}

impl Node {
    pub(super) fn key(&self, connection: u32) -> ConnectionKey {
        ConnectionKey { shard: self.name.0 as u16, index: connection, generation: self.name.1 }
    }

    /// Queues bytes; they go out at the end of the round.
    pub(super) fn queue(&mut self, number: u32, bytes: Bytes, kind: Kind, around: &mut Around<'_>) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if connection.outbox.is_empty() {
            connection.progress_ms = around.now_ms;
        }
        connection.outbox.push(bytes, kind);
        self.bound_outbox(number, around);
        self.dirty.insert(number);
    }

    /// Sends what many share, at once if nothing waits.
    pub(super) fn send_shared(
        &mut self,
        number: u32,
        (frame, kind): (&Bytes, Kind),
        around: &mut Around<'_>,
    ) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if !connection.outbox.is_empty() {
            connection.outbox.push(frame.clone(), kind);
            return self.bound_outbox(number, around);
        }
        let Written(sent) = around.network.write(connection.link, frame);
        if sent < frame.len() {
            connection.progress_ms = around.now_ms;
            connection.outbox.push_rest(frame.clone(), kind, sent);
            self.bound_outbox(number, around);
        }
    }

    fn bound_outbox(&mut self, number: u32, around: &mut Around<'_>) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let counted = connection.outbox.counted_bytes();
        let Place::Member(seat) = &mut connection.place else { return };
        if seat.standing.is_live()
            && counted > around.set_up.outbox_soft_bytes
            && let Some(first_seq) = connection.outbox.drop_events()
            && !around.faults.strikes(Fault::QueueDropsEvents)
        {
            seat.standing.lose_from(first_seq);
        }
        if connection.outbox.counted_bytes() > around.set_up.outbox_hard_bytes {
            self.slow.push(number);
        }
    }

    pub(super) fn fall_behind(&mut self, number: u32, flushed_seq: u64) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let Place::Member(seat) = &mut connection.place else { return };
        seat.standing.fall_behind(connection.outbox.drop_events(), flushed_seq);
        self.dirty.insert(number);
    }

    pub(super) fn resync(&mut self, number: u32, flushed_seq: u64) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let Place::Member(seat) = &mut connection.place else { return };
        seat.standing.want_state(connection.outbox.drop_events(), flushed_seq);
        self.dirty.insert(number);
    }

    pub(super) fn catch_up(&mut self, number: u32, caught_up: CaughtUp, around: &mut Around<'_>) {
        let CaughtUp { seq, frame, is_state } = caught_up;
        let Some(seat) = self.connections.get_mut(&number).and_then(Connection::seat_mut) else { return };
        let flushed_seq = self.rooms.get(&seat.room).map_or(0, |room| room.flushed_seq);
        let is_of_use = seat.standing.catch_up(seq, is_state, flushed_seq);
        self.dirty.insert(number);
        if let Some(frame) = frame.filter(|_| is_of_use) {
            self.queue(number, frame.plain().clone(), Kind::State, around);
        }
    }

    /// Writes what waits, as far as there is room.
    pub(super) fn flush(&mut self, number: u32, around: &mut Around<'_>) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        while !connection.outbox.is_empty() {
            let mut slices = [std::io::IoSlice::new(&[])];
            connection.outbox.slices(&mut slices);
            let Written(sent) = around.network.write(connection.link, &slices[0]);
            let is_full = sent < slices[0].len();
            if sent > 0 {
                connection.progress_ms = around.now_ms;
                connection.outbox.advance(sent);
            }
            if is_full {
                return;
            }
        }
        self.outbox_empty(number, around);
    }

    fn outbox_empty(&mut self, number: u32, around: &mut Around<'_>) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if connection.is_finishing {
            around.network.end_by_node(connection.link);
            return self.over.push(number);
        }
        if let Some(seat) = connection.seat_mut()
            && seat.standing.has_read_all()
        {
            self.caught_up.push(number);
        }
        self.release_waiting(number, around);
    }

    /// Ends the connection once everything is sent.
    pub(super) fn finish(&mut self, number: u32) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.is_finishing = true;
            connection.parked.clear();
            self.dirty.insert(number);
        }
    }

    pub(super) fn close_slow(&mut self, number: u32, around: &mut Around<'_>) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        if connection.seat().is_none() || connection.closes_as_slow {
            return;
        }
        connection.closes_as_slow = true;
        connection.outbox.drop_unbegun();
        let reason = "the connection reads too slowly";
        self.close(number, close_code::SLOW_CONSUMER, reason, around);
    }

    pub(super) fn remove_over(&mut self, around: &mut Around<'_>) {
        while let Some(number) = self.over.pop() {
            self.leave_all(number, around);
            if let Some(connection) = self.connections.remove(&number) {
                self.by_link.remove(&connection.link);
            }
        }
    }

    /// Looks at every connection's deadlines.
    pub(super) fn sweep(&mut self, around: &mut Around<'_>) {
        let now_ms = around.now_ms;
        for number in self.connections.keys().copied().collect::<Vec<_>>() {
            let connection = &self.connections[&number];
            let stall_ms = connection.progress_ms + around.set_up.stall_timeout_ms;
            let is_stalled = connection.has_unsent() && stall_ms <= now_ms;
            let deadline_ms = connection.session.deadline_ms(around.services().settings());
            match (is_stalled, connection.seat().is_some() && !connection.closes_as_slow) {
                (true, true) => {
                    self.connections.entry(number).and_modify(|of| of.progress_ms = now_ms);
                    self.close_slow(number, around);
                }
                (true, false) => self.over.push(number),
                _ if connection.is_open() && deadline_ms.is_some_and(|ms| ms <= now_ms) => {
                    self.call_session(number, around, |session, context, actions| {
                        session.deadline_passed(context, actions);
                    });
                }
                _ => {}
            }
        }
    }
}
