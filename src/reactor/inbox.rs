//! What comes from other threads: the engine's deliveries, other shards' messages, the accounts' answers, news.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::calls;
use super::connection::Seat;
use super::guests::{ForgetInDatabase, Tools};
use super::home_shard;
use super::messages::{Handover, MemberOf, Seating, ShardMessage};
use super::shard::Shard;
use super::submissions::{GuestTask, Purpose};
use super::upgrades::{Step, UpgradeNews, UpgradedRooms};
use crate::room::{QueuedInput, Room};
use crate::script::{Script, ScriptSet};
use crate::session::Session;
use crate::session::account::{
    AccountAnswer, AccountCall, AccountNews, AccountReply, AccountRequest, AccountResult,
};
use crate::session::disconnects::Disconnects;
use crate::state::{BatchDone, Call, CallResult, ConnectionKey, Delivery, RoomEvents};
use crate::wire::ids::RoomId;
use crate::wire::ws::close_code::{self, Then};

impl Shard {
    /// Hands a message to whom it concerns.
    pub(super) fn read_message(&mut self, message: ShardMessage) {
        match message {
            ShardMessage::Engine(delivery) => self.take_delivery(*delivery),
            ShardMessage::Adopt(handover) => self.adopt_to_join(*handover),
            ShardMessage::AdoptMember(member) => {
                let (handover, seating) = *member;
                self.adopt_member(handover, seating);
            }
            ShardMessage::Settled(member, key) => self.member_settled(&member, key),
            ShardMessage::Left(member, shard, then) => self.member_left(&member, shard, then),
            ShardMessage::IsBehind(member) => {
                let (MemberOf { room, membership, identity }, since) = *member;
                self.with_room_of(&room, |room| room.is_behind(identity, membership, since));
            }
            ShardMessage::Inputs(room, inputs) => self.take_inputs(&room, inputs),
            ShardMessage::RefuseInput(key, name, why) => {
                // Nothing may come behind a close frame: who has left gets no answer.
                let index = self.connections.find(key);
                if let Some(index) = index.filter(|index| self.connections[*index].seat().is_some()) {
                    self.call_session(index, |session, context, actions| {
                        session.room_refused_input(name, &calls::not_taken(why), context, actions);
                    });
                }
            }
            ShardMessage::InputsRan(key, n) => {
                if let Some(index) = self.connections.find(key) {
                    self.connections[index].carried.session.inputs_ran(n);
                }
            }
            ShardMessage::Flush(room, flush) => {
                if let Some(room_index) = self.rooms.find(&room) {
                    self.fan_out(room_index, &flush);
                }
            }
            ShardMessage::FallBehind(key) => {
                if let Some(index) = self.connections.find(key) {
                    self.fall_behind(index);
                }
            }
            ShardMessage::CatchUp(key, missed) => {
                if let Some(index) = self.connections.find(key) {
                    let seat = self.connections[index].seat();
                    let room = seat.and_then(|seat| self.rooms.get_mut(seat.room as usize));
                    let flushed_seq = room.map_or(0, |room| room.flushed_seq);
                    self.connections.catch_up(index, *missed, flushed_seq, &self.context.clock);
                }
            }
            ShardMessage::Frame(key, frame) => self.send_to_member(key, frame),
            ShardMessage::Close(key, code, reason) => self.close(key, code, reason),
            ShardMessage::Remove(key, reason) => self.close(key, close_code::KICKED, &reason),
            ShardMessage::Upgraded(news) => self.guest_upgraded(&news),
            ShardMessage::Account(key, result) => self.account_answered(key, result),
            ShardMessage::GuestForgotten(store, is_done) => {
                self.with_tools(|guests, tools| guests.forgotten_in_database(store, is_done, tools));
            }
            ShardMessage::Disconnect(disconnects) => self.disconnect(&disconnects),
            ShardMessage::CallerGone(gone) => {
                let (identity, room) = *gone;
                let room_index = self.open_at_home(&room);
                self.with_room(room_index, |room, round, _| room.caller_gone(identity, round));
            }
            ShardMessage::Scripts(scripts) => self.take_scripts(scripts),
            ShardMessage::Drain { spread_ms } => self.begin_draining(spread_ms),
            ShardMessage::Stop => self.io.is_stopped = true,
        }
    }

    /// Rooms go on by other scripts: those that have an interval begin, or have another one.
    fn take_scripts(&mut self, scripts: Arc<ScriptSet>) {
        let have_ticks = [&self.context.scripts, &scripts]
            .iter()
            .any(|set| set.all().any(|script| script.header.tick_ms.is_some()));
        self.context.scripts = scripts;
        if have_ticks {
            self.rooms.at_home().into_iter().for_each(|room_index| self.rooms.touch(room_index));
        }
    }

    /// A member misses events.
    fn fall_behind(&mut self, index: usize) {
        let room_index = self.connections[index].seat().map(|seat| seat.room as usize);
        let Some(room) = room_index.and_then(|index| self.rooms.get_mut(index)) else { return };
        self.connections.fall_behind(index, room.flushed_seq);
    }

    /// A member asks for the room's state.
    pub(super) fn resync(&mut self, index: usize) {
        let room_index = self.connections[index].seat().map(|seat| seat.room as usize);
        let Some(room) = room_index.and_then(|index| self.rooms.get_mut(index)) else { return };
        self.connections.resync(index, room.flushed_seq);
    }

    fn take_delivery(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Events(events) => self.take_events(events),
            Delivery::Done(done) => self.batch_done(done),
            Delivery::Missed(room) => {
                if let Some(room_index) = self.rooms.find(&room) {
                    self.with_room(room_index, |room, _, actions| room.events_missed(actions));
                }
            }
            Delivery::Replaced { room, user_id, membership } => {
                if let Some(room_index) = self.rooms.find(&room) {
                    self.with_room(room_index, |room, _, actions| {
                        room.replaced_elsewhere(&user_id, membership, actions);
                    });
                }
            }
            Delivery::Expelled => self.expelled(),
        }
    }

    fn take_events(&mut self, events: Arc<RoomEvents>) {
        let Some(room_index) = self.rooms.find(&events.room) else { return };
        self.context.metrics.events.inc_by(events.count());
        self.with_room(room_index, |room, _, actions| room.events(events, actions));
    }

    fn batch_done(&mut self, mut done: BatchDone) {
        match self.submissions.take(done.tag) {
            Some(Purpose::Room(room_index, generation, number)) => {
                self.context.metrics.events.inc_by(done.events.as_ref().map_or(0, |events| events.count()));
                if self.rooms.is_of(room_index, generation) {
                    self.with_room(room_index, |room, round, actions| {
                        room.batch_done(number, done, round, actions);
                    });
                }
                return;
            }
            Some(Purpose::Rpc(rpc)) => {
                drop(rpc.charge);
                if let (Some(room), Some(CallResult::Ok(_))) = (&done.room, done.results.first()) {
                    self.callers.note(rpc.caller, room, self.context.clock.now.monotonic_ms);
                }
                self.rpc_done(rpc.connection, &rpc.script, &done);
            }
            Some(Purpose::Reading(reading)) => {
                let (key, request) = reading.checked(done.results.first());
                if let Err(refused) = request.and_then(|request| self.account(key, request)) {
                    self.answer_account(key, &Err(refused));
                }
            }
            Some(Purpose::Guests(task)) => self.guest_task_done(task, &done.results),
            None => {}
        }
        if let Some(events) = done.events.take() {
            self.take_events(events);
        }
    }

    fn rpc_done(&mut self, key: ConnectionKey, script: &Script, done: &BatchDone) {
        let Some(index) = self.connections.find(key) else { return };
        let answer = calls::rpc_answer(done.results.first());
        let ran = done.run(0).map(|_| script.tag());
        self.call_session(index, |session, context, actions| {
            session.rpc_answered(answer.as_ref().copied(), ran.as_deref(), context, actions);
        });
    }

    /// Other processes have taken this one's members out of their rooms.
    fn expelled(&mut self) {
        let members = self.connections.iter().filter(|(_, connection)| connection.seat().is_some());
        let members: Vec<ConnectionKey> = members.map(|(key, _)| key).collect();
        for key in members {
            self.close(key, close_code::SHUTTING_DOWN, "the server was away for too long; come back");
        }
    }

    fn with_room_of(&mut self, room: &RoomId, call: impl FnOnce(&mut Room)) {
        if let Some(room_index) = self.rooms.find(room) {
            self.with_room(room_index, |room, _, _| call(room));
        }
    }

    /// At the home shard: inputs of members whose sockets are elsewhere.
    fn take_inputs(&mut self, room: &RoomId, inputs: Vec<QueuedInput>) {
        // A room that is gone had no members left who could wait for an answer.
        let Some(room_index) = self.rooms.find(room) else { return };
        self.with_room(room_index, |room, round, actions| {
            inputs.into_iter().for_each(|input| room.input(input, round, actions));
        });
    }

    /// A connection that wants to join a room at home here.
    fn adopt_to_join(&mut self, handover: Handover) {
        let Some(index) = self.take_in(handover) else { return };
        self.connections.mark_dirty(index);
        if let Some(request) = self.connections[index].carried.session.joining().cloned() {
            self.begin_join(index, request);
        }
    }

    /// A member that another shard let in.
    fn adopt_member(&mut self, handover: Handover, seating: Seating) {
        let Some(identity) = handover.carried.session.identity().cloned() else { return };
        let Seating { room, membership, position } = seating;
        let home = home_shard(&room, self.peers.len());
        let member = Box::new(MemberOf { room, membership, identity });
        let Some(index) = self.take_in(handover) else {
            return self.peers.post(home, ShardMessage::Left(member, self.context.id, Then::ComeBack));
        };
        let room_index = self.rooms.find_or_create(&member.room);
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
        let key = self.connections.key(index);
        self.peers.post(home, ShardMessage::Settled(member, key));
        self.connections.mark_dirty(index);
        self.connections.read_again(index);
        self.check_member(index);
    }

    /// At the home shard: a member that was handed over has arrived.
    fn member_settled(&mut self, member: &MemberOf, key: ConnectionKey) {
        let Some(room_index) = self.rooms.find(&member.room) else {
            let message = ShardMessage::Close(key, close_code::REPLACED, "the same user joined again");
            return self.post_or_read(key, message);
        };
        self.with_room(room_index, |room, _, actions| {
            room.arrive(&member.identity.user_id, member.membership, key, actions);
        });
    }

    /// The accounts have done what a connection asked for, whether it still waits or not.
    fn account_answered(&mut self, key: ConnectionKey, result: Box<AccountResult>) {
        match &*result {
            Ok(AccountAnswer { news: Some(AccountNews::Upgraded(upgraded)), .. }) => {
                let (upgraded, now_ms) = (upgraded.clone(), self.context.clock.now.monotonic_ms);
                let steps = self.upgrades.begin(upgraded, (key, result), &mut self.submissions, now_ms);
                return self.upgrade_steps(steps);
            }
            Ok(AccountAnswer { news: Some(AccountNews::GuestWritten(guest)), .. }) => {
                self.guests.written(guest, &self.submissions);
            }
            _ => {}
        }
        self.answer_account(key, &result);
    }

    /// A connection that was closed meanwhile gets nothing.
    pub(super) fn answer_account(&mut self, key: ConnectionKey, result: &AccountResult) {
        let Some(index) = self.connections.find(key) else { return };
        self.call_session(index, |session, context, actions| {
            session.account_answered(result, context, actions);
        });
    }

    /// Does what follows in an upgrade.
    pub(super) fn upgrade_steps(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Tell(news) => {
                    for shard in 0..self.peers.len() {
                        let message = ShardMessage::Upgraded(news.clone());
                        if shard == self.context.id {
                            self.read_message(message)
                        } else {
                            self.peers.post(shard, message)
                        }
                    }
                }
                Step::Answer(key, result) => self.answer_account(key, &result),
            }
        }
    }

    /// Runs `on_upgrade` in those rooms that are at home here. What comes to a room later, the player's own join among it,
    /// finds it done.
    fn guest_upgraded(&mut self, news: &UpgradeNews) {
        let guest = &news.upgraded.guest;
        let mut rooms: Vec<RoomId> = match &news.rooms {
            UpgradedRooms::Known => {
                self.rooms.with_member(&guest.user_id).chain(&news.upgraded.rooms).cloned().collect()
            }
            UpgradedRooms::Stored { rooms, .. } => rooms.clone(),
        };
        let shards = self.peers.len();
        rooms.retain(|room| home_shard(room, shards) == self.context.id);
        let rooms = self.upgrades.rooms_to_tell(news, rooms);
        for room in rooms {
            let script = self.context.scripts.of(room.game()).get("on_upgrade").cloned();
            let Some(script) = script else { continue };
            let keys = script.keys_for_upgraded(&room, &guest.user_id, &news.upgraded.user_id);
            let arguments = [&news.upgraded.user_id, &news.upgraded.username];
            let arguments = arguments.map(|text| text.as_bytes().into()).to_vec();
            let call = Call { wants_result: false, ..Call::rpc(script, guest.clone(), keys, arguments) };
            let room_index = self.open_at_home(&room);
            self.with_room(room_index, |room, round, _| room.run_own(call, round));
        }
    }

    fn guest_task_done(&mut self, task: GuestTask, results: &[CallResult]) {
        let first = results.first().unwrap_or(&CallResult::Skipped);
        let next = match task {
            GuestTask::Claim(store) => self.with_tools(|guests, tools| guests.claimed(store, first, tools)),
            GuestTask::Take(store) => self.with_tools(|guests, tools| guests.taken(store, results, tools)),
            GuestTask::Forget(store) => {
                self.with_tools(|guests, tools| guests.forgotten(store, first, tools))
            }
            GuestTask::Rooms(number, store) => {
                let steps = self.upgrades.rooms_told(number, store, first, &self.submissions);
                return self.upgrade_steps(steps);
            }
        };
        if let Some(forget) = next {
            self.forget_in_database(forget);
        }
    }

    fn with_tools<T>(&mut self, call: impl FnOnce(&mut super::guests::Guests, &mut Tools<'_>) -> T) -> T {
        let mut tools = Tools {
            submissions: &mut self.submissions,
            scripts: &self.context.scripts,
            now_ms: self.context.clock.now.monotonic_ms,
        };
        call(&mut self.guests, &mut tools)
    }

    fn forget_in_database(&mut self, forget: ForgetInDatabase) {
        let ForgetInDatabase { store, user_id, silent } = forget;
        let post = self.peers.sender(self.context.id);
        let reply = AccountReply::new(move |result| {
            // A shard that is gone needs no answer.
            let _ = post.post_blocking(ShardMessage::GuestForgotten(store, result.is_ok()));
        });
        let call = AccountCall::ForgetGuest { user_id, silent };
        let request = AccountRequest { call, caller: None, address: Ipv4Addr::LOCALHOST.into() };
        if self.context.shared.accounts.submit(request, reply).is_err() {
            self.guests.give_up(store, self.context.clock.now.monotonic_ms);
        }
    }

    /// Closes the sockets of whom the news concern, and gives back what those who are gone have without a socket.
    fn disconnect(&mut self, disconnects: &Arc<Disconnects>) {
        let verdict_of = |session: &Session| disconnects.verdict(session.identity()?);
        let concerned = self.connections.iter().filter_map(|(key, connection)| {
            let (code, reason) = verdict_of(&connection.carried.session)?;
            Some((key, code, reason))
        });
        let concerned: Vec<_> = concerned.collect();
        for (key, code, reason) in concerned {
            self.close(key, code, reason);
        }
        let now_ms = self.context.clock.now.monotonic_ms;
        for (identity, room) in self.callers.take(now_ms, |identity| disconnects.is_gone(identity)) {
            let home = home_shard(&room, self.peers.len());
            self.post_to(home, ShardMessage::CallerGone(Box::new((identity, room))));
        }
    }
}
