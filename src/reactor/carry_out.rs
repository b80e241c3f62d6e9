//! What sessions want done, done.

use std::sync::Arc;

use super::admission::Entry;
use super::connection::{Connection, Place, Stage};
use super::connections::kind_of;
use super::messages::ShardMessage;
use super::shard::Shard;
use super::submissions::{Purpose, WaitingRpc};
use super::{calls, home_shard, readers};
use crate::guests;
use crate::metrics::{self, CloseCode, InputOutcome, RefusalReason};
use crate::room::{self, Reply};
use crate::session::account::{AccountReply, AccountRequest};
use crate::session::outbox::Kind;
use crate::session::{
    Action, Actions, Client, Context, DroppedInput, Input, JoinRequest, Origin, Rejection, Route, RpcRequest,
    SERVER_FULL, Sending, Session,
};
use crate::state::{Batch, ConnectionKey, OnError};
use crate::wire::ErrorCode;
use crate::wire::ids::{Identity, Role};
use crate::wire::message::{self, InputName};
use crate::wire::ws;

/// What a connection may still hold that has made room: its last words, and the end of a frame before them.
const KEPT_BYTES: usize = 16 * 1024;

impl Shard {
    /// Calls a connection's session, and does what it wants done.
    pub(super) fn call_session(
        &mut self,
        index: usize,
        call: impl FnOnce(&mut Session, &Context<'_>, &mut Actions),
    ) {
        self.call_session_then(index, call, |_, ()| {});
    }

    /// As [`Shard::call_session`]; between the call and what it wants done, `then` gets what the call gave.
    pub(super) fn call_session_then<T>(
        &mut self,
        index: usize,
        call: impl FnOnce(&mut Session, &Context<'_>, &mut Actions) -> T,
        then: impl FnOnce(&mut Connection, T),
    ) {
        let key = self.connections.key(index);
        let connection = &mut self.connections[index];
        let context = Context {
            now: self.context.clock.now,
            date: &self.context.clock.date,
            peer: connection.carried.peer,
            services: &*self.context.shared.services,
            inflater: &self.io.inflater,
        };
        let kind_before = kind_of(&connection.carried.session);
        // What is carried out may call a session again, which then has a list of its own.
        let mut actions = std::mem::take(&mut self.io.scratch.session);
        let given = call(&mut connection.carried.session, &context, &mut actions);
        then(connection, given);
        let kind_after = kind_of(&connection.carried.session);
        if kind_before != kind_after {
            connection.carried.deflate = connection.carried.session.deflate_window();
            self.context.metrics.connections.at(kind_before).dec();
            self.context.metrics.connections.at(kind_after).inc();
        }
        self.connections.schedule(index, self.context.shared.services.settings());
        for action in actions.drain() {
            self.carry_out(key, action);
        }
        self.io.scratch.session = actions;
    }

    /// Does one thing for a connection, if it is still there.
    fn carry_out(&mut self, key: ConnectionKey, action: Action) {
        let Some(index) = self.connections.find(key) else { return };
        match action {
            Action::Send { bytes, kind: Sending::AtOnce } => {
                self.connections.send_shared(index, (&bytes, Kind::Ping), &self.context.clock);
            }
            Action::Send { bytes, kind: Sending::Missed } => {
                self.connections.queue_as_is(index, bytes, Kind::State, &self.context.clock);
            }
            Action::Send { bytes, kind: Sending::Page } => {
                self.connections.queue_as_is(index, bytes, Kind::Page, &self.context.clock);
            }
            Action::Send { bytes, kind } => {
                let kind = if kind == Sending::State { Kind::State } else { Kind::Kept };
                self.connections.queue(index, bytes, kind, &self.context.clock);
            }
            Action::Rpc { caller, request } => {
                if let Err(refused) = self.rpc(key, &caller, &request) {
                    self.call_session(index, |session, context, actions| {
                        session.rpc_answered(Err(&refused), None, context, actions);
                    });
                }
            }
            Action::Account(request) => {
                if let Err(refused) = self.ask_accounts(key, *request) {
                    self.answer_account(key, &Err(refused));
                }
            }
            Action::Join(request) => self.begin_join(index, *request),
            Action::Input(input) => {
                let name = input.name;
                if let Err(refused) = self.input(index, input) {
                    self.refuse_input(index, name, &refused);
                }
            }
            Action::Heartbeat { id, n, now_ms } => self.answer_heartbeat(index, id, n, now_ms),
            Action::Resync => self.resync(index),
            Action::Closed { code, then } => {
                self.context.metrics.closes.at(CloseCode(code)).inc();
                self.leave(index, then);
            }
            Action::Finish => self.connections.finish(index),
            Action::Answered { route, status } => {
                let entry = self.connections[index].carried.entry;
                self.count_request(route, status, entry);
            }
            Action::DroppedInput(dropped) => {
                let outcome = match dropped {
                    DroppedInput::Limited => {
                        self.context.metrics.refusals.at(RefusalReason::InputRate).inc();
                        InputOutcome::Limited
                    }
                    DroppedInput::Malformed => InputOutcome::Malformed,
                    DroppedInput::OutOfOrder => InputOutcome::Busy,
                };
                self.context.metrics.inputs.at(outcome).inc();
            }
            Action::Unfinished => {
                self.context.metrics.refusals.at(RefusalReason::Unfinished).inc();
            }
        }
    }

    fn rpc(
        &mut self,
        key: ConnectionKey,
        caller: &Arc<Identity>,
        request: &RpcRequest,
    ) -> Result<(), Rejection> {
        let (call, room) = calls::rpc(&self.context.scripts, caller, request)?;
        let busy = || self.context.metrics.refusals.at(RefusalReason::Busy).inc();
        let charge = self.context.shared.waiting.charge(request.kept_bytes()).ok_or_else(|| {
            busy();
            calls::busy()
        })?;
        let (script, caller) = (call.script.clone(), caller.clone());
        let mut calls = vec![call];
        if caller.role == Role::Guest {
            self.guests.called(&caller, &self.submissions);
            calls.extend(room.as_ref().map(|room| guests::note(&caller, room)));
        }
        let room_index = room.as_ref().and_then(|room| self.rooms.find(room));
        let home = room_index.and_then(|room_index| self.rooms.home(room_index));
        let batch = Batch {
            audience: home.map_or(0, |home| home.room.member_count()),
            // What a refused call has not done need not be noted.
            on_error: OnError::Stop,
            received_at: self.context.clock.round_began,
            ..Batch::new(room, calls, self.context.id)
        };
        let waiting = WaitingRpc { connection: key, script, caller, charge };
        self.submissions.submit(Purpose::Rpc(waiting), batch).map_err(|(reason, _)| {
            busy();
            calls::not_taken(reason.into())
        })
    }

    /// Has the accounts do what a connection asks for, if it may read what it asks to read; that may be for the store to say.
    fn ask_accounts(&mut self, key: ConnectionKey, request: AccountRequest) -> Result<(), Rejection> {
        match readers::begin(&self.context.scripts, key, request)? {
            readers::Next::Accounts(request) => self.account(key, request),
            readers::Next::Room(room, reading) => {
                let batch = Batch {
                    received_at: self.context.clock.round_began,
                    ..Batch::new(Some(room), vec![reading.call()], self.context.id)
                };
                self.submissions.submit(Purpose::Reading(reading), batch).map_err(|(reason, _)| {
                    self.context.metrics.refusals.at(RefusalReason::Busy).inc();
                    calls::not_taken(reason.into())
                })
            }
        }
    }

    pub(super) fn account(&mut self, key: ConnectionKey, request: AccountRequest) -> Result<(), Rejection> {
        let post = self.peers.sender(self.context.id);
        let reply = AccountReply::new(move |result| {
            // A shard that is gone has closed the connection: nobody is left who waits.
            let _ = post.post_blocking(ShardMessage::Account(key, Box::new(result)));
        });
        let taken = self.context.shared.accounts.submit(request, reply);
        taken.inspect_err(|_| {
            self.context.metrics.refusals.at(RefusalReason::Busy).inc();
        })
    }

    /// Begins a join: here if the room is at home here, else where it is.
    pub(super) fn begin_join(&mut self, index: usize, request: JoinRequest) {
        if !self.count_client(index, request.client) {
            self.context.metrics.refusals.at(RefusalReason::AddressFull).inc();
            let refused =
                Rejection::new(ErrorCode::Unavailable, "your address has as many connections as it may")
                    .retry_after(SERVER_FULL.retry_after_s);
            return self.call_session(index, |session, context, actions| {
                session.join_refused(&refused, context, actions);
            });
        }
        if let Err(refused) = calls::of_game(&self.context.scripts, request.room.game()) {
            return self.call_session(index, |session, context, actions| {
                session.join_refused(&refused, context, actions);
            });
        }
        let home = home_shard(&request.room, self.peers.len());
        if home != self.context.id {
            if let Some(handover) = self.take_out(index) {
                self.peers.post(home, ShardMessage::Adopt(Box::new(handover)));
            }
            return;
        }
        // Its event may come only in the next round, when the join is on its way.
        if self.connections[index].is_given_up() {
            return self.connections.end(index);
        }
        let key = self.connections.key(index);
        let room_index = self.open_at_home(&request.room);
        self.connections[index].place = Place::Joining(room_index as u32);
        let membership = self.rooms.new_membership();
        let JoinRequest { identity, since, options, .. } = request;
        self.with_room(room_index, |room, _, _| room.join(key, identity, membership, since, options));
    }

    /// Counts a connection that comes by a proxy among those of its player's address. Whether there is room.
    fn count_client(&mut self, index: usize, client: Client) -> bool {
        let admission = &self.context.shared.admission;
        let carried = &mut self.connections[index].carried;
        // Where proxies do not say for whom they speak, their connections are not anybody's.
        if carried.entry != Entry::Proxied || client.origin == Origin::Unsaid {
            return true;
        }
        if !admission.count_address(client.address) {
            return false;
        }
        (carried.peer, carried.entry) = (client.address, Entry::Full);
        true
    }

    /// Passes an input on to the room.
    fn input(&mut self, index: usize, input: Input) -> Result<(), Rejection> {
        let key = self.connections.key(index);
        let connection = &mut self.connections[index];
        let Place::Member(seat) = &mut connection.place else {
            // Its place was taken by the same user's newer connection in this very round.
            return Err(calls::no_member());
        };
        let (name, tells_script) = (input.name, input.tells_script);
        let room_index = seat.room as usize;
        if connection.carried.session.holds_back(name) {
            self.context.metrics.inputs.at(InputOutcome::Busy).inc();
            return Err(Rejection::out_of_order());
        }
        let bytes = input.text.len();
        let Some(room) = self.rooms.get_mut(room_index) else { return Err(calls::no_member()) };
        let scripts = self.context.scripts.of(room.id.game());
        let call = calls::input(scripts, input).inspect_err(|_| {
            self.context.metrics.inputs.at(InputOutcome::Error).inc();
        })?;
        let limits = &self.context.shared.limits;
        let charge = seat.allowance.charge(bytes, limits.connection_share, &self.context.shared.waiting);
        let Some(charge) = charge else {
            self.context.metrics.inputs.at(InputOutcome::Busy).inc();
            return Err(calls::busy());
        };
        let reply = Some(Reply { connection: key, name, tells_script });
        let received_at = self.context.clock.round_began;
        self.pass_on(room_index, room::QueuedInput { call, reply, received_at, charge: Some(charge) });
        Ok(())
    }

    fn pass_on(&mut self, room_index: usize, input: room::QueuedInput) {
        let Some(room) = self.rooms.get_mut(room_index) else { return };
        if room.home.is_some() {
            self.with_room(room_index, |room, round, actions| room.input(input, round, actions));
        } else {
            room.passing.push(input);
            self.rooms.touch(room_index);
        }
    }

    /// Tells a member that an input did not get to its room.
    pub(super) fn refuse_input(&mut self, index: usize, name: InputName, refused: &Rejection) {
        self.call_session(index, |session, context, actions| {
            session.input_refused(name, refused, context, actions);
        });
    }

    /// A member is told how far it has come: which inputs have run, and which events it has got.
    fn answer_heartbeat(&mut self, index: usize, id: u64, n: u64, now_ms: u64) {
        let Some(seat) = self.connections[index].seat() else { return };
        let flushed_seq = self.rooms.get_mut(seat.room as usize).map_or(0, |room| room.flushed_seq);
        let seq = seat.standing.certain_seq(flushed_seq, self.connections[index].carried.outbox.has_events());
        let frame = ws::text_frame(&message::heartbeat(id, n, seq, now_ms));
        self.connections.queue(index, frame, Kind::Kept, &self.context.clock);
    }

    /// Begins to close a member's connection from our side.
    pub(super) fn close(&mut self, key: ConnectionKey, code: u16, reason: &str) {
        let Some(index) = self.connections.find(key) else { return };
        self.call_session(index, |session, context, actions| session.close(code, reason, context, actions));
    }

    /// Closes a member that reads too slowly. What is queued cannot be delivered; the close frame comes right behind the frame
    /// that has begun.
    pub(super) fn close_slow_consumer(&mut self, key: ConnectionKey) {
        let Some(index) = self.connections.find(key) else { return };
        let connection = &self.connections[index];
        if connection.carried.stage != Stage::Open || connection.seat().is_none() {
            return;
        }
        self.connections.drop_unsent(index);
        self.context.metrics.slow_consumers.inc();
        self.close(key, crate::wire::ws::close_code::SLOW_CONSUMER, "the connection reads too slowly");
    }

    /// Ends a connection that holds much of what the process has for all.
    pub(super) fn make_room(&mut self, key: ConnectionKey) {
        let Some(index) = self.connections.find(key) else { return };
        self.context.metrics.refusals.at(RefusalReason::BufferMemory).inc();
        let connection = &self.connections[index];
        let is_http = matches!(connection.carried.session, Session::Http(_));
        // There is nothing to be said behind a part of an answer, or to somebody who has been told already.
        if connection.carried.stage != Stage::Open || is_http && !connection.carried.outbox.is_empty() {
            return self.connections.end(index);
        }
        self.connections.drop_unsent(index);
        self.call_session(index, |session, context, actions| session.make_room(context, actions));
        // What cannot be dropped is the frame that has begun.
        let pages = self.context.shared.services.pages();
        if let Some(index) = self.connections.find(key)
            && self.connections[index].held_bytes(&pages) > KEPT_BYTES
        {
            self.connections.end(index);
        }
    }

    fn count_request(&mut self, route: Route, status: u16, entry: Entry) {
        let refusal = match (route, status) {
            (_, 503) if entry == Entry::Spare => Some(RefusalReason::ServerFull),
            (_, 401) => Some(RefusalReason::Unauthorized),
            (_, 408) => Some(RefusalReason::Unfinished),
            (Route::WebSocket, 403) => Some(RefusalReason::Hook),
            _ => None,
        };
        if let Some(refusal) = refusal {
            self.context.metrics.refusals.at(refusal).inc();
        }
        self.context.metrics.requests.at(metrics::Request { route, status }).inc();
    }
}
