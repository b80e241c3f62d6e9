//! What sessions want done, done.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};

use super::super::faults::Fault;
use super::super::network::LinkId;
use super::connections::{Connection, Place};
use super::{Around, Node};
use crate::reactor::calls;
use crate::room::{QueuedInput, Reply};
use crate::session::outbox::Kind;
use crate::session::{Action, Actions, Context, Input, JoinRequest, Rejection, Sending, Services, Session};
use crate::wire::message::{self, InputName};
use crate::wire::ws;

const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

impl Node {
    pub(super) fn accept(&mut self, link: LinkId, around: &mut Around<'_>) {
        self.last_connection += 1;
        let connection = Connection::new(Session::new(around.now()), link, around.now_ms);
        self.connections.insert(self.last_connection, connection);
        self.by_link.insert(link, self.last_connection);
    }

    pub(super) fn receive(&mut self, link: LinkId, bytes: &[u8], around: &mut Around<'_>) {
        let Some(number) = self.by_link.get(&link).copied() else { return };
        if let Some(connection) = self.connections.get_mut(&number).filter(|connection| connection.is_open())
        {
            connection.parked.extend(bytes);
            self.offer_parked(number, around);
        }
    }

    /// Bytes that had to wait may be handled now.
    pub(super) fn receive_parked(&mut self, around: &mut Around<'_>) {
        let with_bytes = self.connections.iter().filter(|(_, connection)| !connection.parked.is_empty());
        for number in with_bytes.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.offer_parked(number, around);
        }
    }

    fn offer_parked(&mut self, number: u32, around: &mut Around<'_>) {
        while let Some(connection) = self.connections.get_mut(&number)
            && !connection.parked.is_empty()
            && connection.session.wants_input()
        {
            let mut input = std::mem::take(&mut connection.parked);
            self.call_session(number, around, |session, context, actions| {
                let taken = session.receive(&mut input, context, actions);
                input.drain(..taken);
            });
            if let Some(connection) =
                self.connections.get_mut(&number).filter(|connection| connection.is_open())
            {
                connection.parked.splice(0..0, input);
            }
        }
    }

    pub(super) fn call_session(
        &mut self,
        number: u32,
        around: &mut Around<'_>,
        call: impl FnOnce(&mut Session, &Context<'_>, &mut Actions),
    ) {
        let Some(connection) = self.connections.get_mut(&number) else { return };
        let inflater = RefCell::default();
        let context = Context {
            inflater: &inflater,
            now: around.now(),
            date: DATE,
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            services: around.services(),
        };
        let mut actions = Actions::default();
        call(&mut connection.session, &context, &mut actions);
        for action in actions.drain() {
            self.carry_out(number, action, around);
        }
    }

    fn carry_out(&mut self, number: u32, action: Action, around: &mut Around<'_>) {
        match action {
            Action::Send { bytes, kind: Sending::AtOnce } => {
                self.send_shared(number, (&bytes, Kind::Ping), around);
            }
            Action::Send { bytes, kind } => {
                let is_state = matches!(kind, Sending::State | Sending::Missed);
                let kind = if is_state { Kind::State } else { Kind::Kept };
                self.queue(number, bytes, kind, around);
            }
            Action::Join(request) => {
                let JoinRequest { identity, room, since, options, .. } = *request;
                let since = around.faults.since(since);
                self.last_membership += 1;
                let (key, membership) = (self.key(number), self.last_membership);
                self.open_room(&room, around);
                if let Some(connection) = self.connections.get_mut(&number) {
                    connection.place = Place::Joining(room.to_string());
                }
                self.with_room(room.as_str(), around, |room, _, _| {
                    room.join(key, identity, membership, since, options)
                });
            }
            Action::Input(input) => {
                let name = input.name;
                if let Err(refused) = self.input(number, input, around) {
                    self.call_session(number, around, |session, context, actions| {
                        session.input_refused(name, &refused, context, actions);
                    });
                }
            }
            Action::Heartbeat { id, n, now_ms } => self.answer_heartbeat(number, (id, n, now_ms), around),
            Action::Resync => self.resynced(number),
            Action::Closed { then, .. } => self.leave(number, then, around),
            Action::Finish => self.finish(number),
            Action::Rpc { .. } | Action::Account(_) => {}
            Action::Answered { .. } | Action::DroppedInput(_) | Action::Unfinished => {}
        }
    }

    /// Passes an input on to the room.
    fn input(&mut self, number: u32, input: Input, around: &mut Around<'_>) -> Result<(), Rejection> {
        let key = self.key(number);
        let Some(connection) = self.connections.get_mut(&number) else { return Ok(()) };
        let Place::Member(seat) = &mut connection.place else { return Err(calls::no_member()) };
        let (name, tells_script, room) = (input.name, input.tells_script, seat.room.clone());
        if connection.session.holds_back(name) {
            return Err(Rejection::out_of_order());
        }
        let bytes = input.text.len();
        let call = calls::input(&around.set_up.scripts, input)?;
        let charge = seat.allowance.charge(bytes, around.set_up.share, &around.set_up.waiting);
        let Some(charge) = charge else { return Err(calls::busy()) };
        let reply = Some(Reply { connection: key, name, tells_script });
        let input = QueuedInput { call, reply, received_at: around.set_up.began, charge: Some(charge) };
        self.with_room(&room, around, |room, round, actions| room.input(input, round, actions));
        Ok(())
    }

    fn resynced(&mut self, number: u32) {
        let seat = self.connections.get(&number).and_then(|connection| connection.seat());
        let room = seat.and_then(|seat| self.rooms.get(&seat.room));
        let Some(flushed_seq) = room.map(|room| room.flushed_seq) else { return };
        self.resync(number, flushed_seq);
    }

    fn answer_heartbeat(&mut self, number: u32, (id, n, now_ms): (u64, u64, u64), around: &mut Around<'_>) {
        let Some(connection) = self.connections.get(&number) else { return };
        let Some(seat) = connection.seat() else { return };
        let flushed_seq = self.rooms.get(&seat.room).map_or(0, |room| room.flushed_seq);
        let seq = seat.standing.certain_seq(flushed_seq, connection.has_events_unsent());
        let seq = seq + u64::from(around.faults.strikes(Fault::HeartbeatAhead));
        let frame = ws::text_frame(&message::heartbeat(id, n, seq, now_ms));
        self.queue(number, frame, Kind::Kept, around);
    }

    /// Tells a member that its room has refused an input.
    pub(super) fn room_refused(
        &mut self,
        number: u32,
        name: InputName,
        refused: &Rejection,
        around: &mut Around<'_>,
    ) {
        // Nothing may come behind a close frame: who has left gets no answer.
        if self.connections.get(&number).is_some_and(|connection| connection.seat().is_some()) {
            self.call_session(number, around, |session, context, actions| {
                session.room_refused_input(name, refused, context, actions);
            });
        }
    }

    pub(super) fn drain(&mut self, around: &mut Around<'_>) {
        self.is_draining = true;
        for number in self.connections.keys().copied().collect::<Vec<_>>() {
            self.call_session(number, around, |session, context, actions| session.drain(context, actions));
        }
    }

    /// Begins to close a connection.
    pub(super) fn close(&mut self, number: u32, code: u16, reason: &str, around: &mut Around<'_>) {
        self.call_session(number, around, |session, context, actions| {
            session.close(code, reason, context, actions);
        });
    }
}

impl<'a> Around<'a> {
    pub(super) fn services(&self) -> &'a dyn Services {
        &self.set_up.services
    }
}
