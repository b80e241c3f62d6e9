//! What the state engine sends back.

use std::sync::Arc;

use bytes::Bytes;

use super::accounts::is_unavailable;
use super::mail::{Mail, Ticket};
use super::purposes::{OwnCall, Purpose, ReplyTo};
use super::shard::Shard;
use crate::metrics::InputOutcome;
use crate::session::Refused;
use crate::session::outbox::Kind;
use crate::state::{BatchDone, CallError, CallResult, ConnectionKey, Delivery, Position};
use crate::wire::ids::{Identity, RoomId};
use crate::wire::ws::close_code;
use crate::wire::{message, ws};

impl Shard {
    pub(super) fn take_delivery(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Events(events) => self.gather(events),
            Delivery::Done(done) => self.batch_done(done),
            Delivery::Missed(room) => self.events_missed(&room),
            Delivery::Replaced { room, user_id, membership } => {
                self.replaced_elsewhere(&room, &user_id, membership);
            }
            Delivery::Expelled => self.expelled(),
        }
    }

    fn batch_done(&mut self, mut done: BatchDone) {
        if let Some(events) = done.events.take() {
            self.gather(events);
        }
        match self.purposes.take(done.tag) {
            Some(Purpose::Inputs(replies)) => self.inputs_done(&done, replies),
            Some(Purpose::Join(keys)) => self.joins_done(done, &keys),
            Some(Purpose::Snapshot(keys)) => self.snapshots_done(done, &keys),
            Some(Purpose::Rpc(key)) => self.rpc_done(done, key),
            Some(Purpose::Guests(task)) => self.guest_task_done(done, task),
            None => {}
        }
    }

    /// What the room has gathered and what comes next may not join up.
    fn events_missed(&mut self, room: &RoomId) {
        let home = self.rooms.find(room).and_then(|room_index| self.home(room_index));
        let Some(home) = home else { return };
        home.gathered.clear();
        home.position = None;
        self.resynchronise(room, None);
    }

    /// What comes next must follow on what a member has been told.
    fn begin_at(&mut self, room: Option<&RoomId>, position: Position) {
        let room_index = room.and_then(|room| self.rooms.find(room));
        if let Some(home) = room_index.and_then(|index| self.home(index)) {
            home.position.get_or_insert(position);
        }
    }

    /// A member has joined again through another process, where its membership is now.
    fn replaced_elsewhere(&mut self, room: &RoomId, user_id: &str, ticket: Ticket) {
        let Some(room_index) = self.rooms.find(room) else { return };
        let Some(home) = self.home(room_index) else { return };
        let Some(place) = home.members.get(user_id).copied().filter(|place| place.ticket == ticket) else {
            return;
        };
        // The membership is over: its end runs no hook.
        home.members.remove(user_id);
        self.close(place.key, close_code::REPLACED, "the same user joined again");
        self.touch(room_index);
    }

    /// Other processes have taken this one's members out of their rooms.
    fn expelled(&mut self) {
        let seated = self.connections.iter().filter(|(_, connection)| connection.seat.is_some());
        let seated: Vec<usize> = seated.map(|(index, _)| index).collect();
        for index in seated {
            let key = self.key(index);
            self.close(key, close_code::SHUTTING_DOWN, "the server was away for too long; come back");
        }
    }

    fn inputs_done(&mut self, done: &BatchDone, replies: Vec<ReplyTo>) {
        let mut unanswered = Vec::new();
        for (result, mut reply_to) in done.results.iter().zip(replies) {
            match reply_to.own.take() {
                Some(own) if is_unanswered(result) => unanswered.push(*own),
                _ => self.answer_input(result, &reply_to),
            }
        }
        let Some(room_index) = done.room.as_ref().and_then(|room| self.rooms.find(room)) else { return };
        if let Some(home) = self.home(room_index) {
            home.in_flight = false;
        }
        for own in unanswered {
            match own {
                OwnCall::Leave(identity, ticket) => self.run_on_disconnect(room_index, identity, ticket),
                OwnCall::Upgrade(upgraded) => self.run_on_upgrade(room_index, upgraded),
            }
        }
        self.flush_room(room_index);
        self.metrics.input_to_patch.observe(done.received_at.elapsed());
        self.touch(room_index);
    }

    fn answer_input(&mut self, result: &CallResult, reply_to: &ReplyTo) {
        let text = match (result, reply_to.id) {
            (CallResult::Ok(result), Some(id)) => message::reply(id, result),
            (CallResult::Err(error), id) => {
                message::error(id, &error.code, &error.message, error.details.as_deref())
            }
            (CallResult::Ok(_) | CallResult::Skipped | CallResult::NotRun(_), _) => Vec::new(),
        };
        if usize::from(reply_to.connection.shard) >= self.peers.len() {
            return;
        }
        let outcome =
            if matches!(result, CallResult::Ok(_)) { InputOutcome::Ok } else { InputOutcome::Error };
        self.metrics.inputs.at(outcome).inc();
        if !text.is_empty() {
            let frame = ws::text_frame(&text);
            self.post_or_read(
                usize::from(reply_to.connection.shard),
                Mail::Frame(reply_to.connection, frame),
            );
        }
    }

    fn joins_done(&mut self, done: BatchDone, keys: &[ConnectionKey]) {
        let Some(room_index) = done.room.as_ref().and_then(|room| self.rooms.find(room)) else { return };
        let mut entered = done.results;
        let state = shared_state(entered.split_off(keys.len().min(entered.len())).into_iter().next());
        if state.is_ok() && entered.iter().any(|result| matches!(result, CallResult::Ok(_))) {
            self.begin_at(done.room.as_ref(), done.position);
        }
        for (key, entered) in keys.iter().zip(entered) {
            self.join_done(room_index, *key, entered, &state, done.position);
        }
    }

    fn join_done(
        &mut self,
        room_index: usize,
        key: ConnectionKey,
        entered: CallResult,
        state: &Result<Bytes, CallError>,
        position: Position,
    ) {
        let Some((identity, ticket)) = self.end_joining(room_index, key) else { return };
        let has_entered = !matches!(entered, CallResult::Err(_));
        let outcome = match &entered {
            CallResult::Err(error) => Err(error),
            CallResult::Ok(_) | CallResult::Skipped | CallResult::NotRun(_) => state.as_ref(),
        };
        let index = self.find(key);
        match (outcome, index) {
            (Ok(state), Some(index)) => {
                self.admit(room_index, index, (identity, ticket), position, state);
                // A large room's state is not kept for all who come in at once if it can go out.
                self.flush_one(index);
            }
            (Ok(_), None) => self.undo_join(room_index, identity, ticket),
            (Err(error), index) => {
                if has_entered {
                    self.undo_join(room_index, identity, ticket);
                }
                if let Some(index) = index {
                    self.refuse_join(index, &refused_join(error));
                }
            }
        }
    }

    /// `on_connect` let somebody in who did not become a member after all.
    fn undo_join(&mut self, room_index: usize, identity: Arc<Identity>, ticket: Ticket) {
        let is_member = self.home(room_index).is_some_and(|home| {
            home.members.contains_key(&*identity.user_id)
                || home.joining.values().any(|(joining, _)| joining.user_id == identity.user_id)
        });
        if !is_member {
            self.run_on_disconnect(room_index, identity, ticket);
        }
    }

    fn snapshots_done(&mut self, done: BatchDone, keys: &[ConnectionKey]) {
        let mut confirmed = done.results;
        let snapshot = confirmed.split_off(keys.len().min(confirmed.len())).into_iter().next();
        let frame = match &snapshot {
            Some(CallResult::Ok(result)) => {
                self.begin_at(done.room.as_ref(), done.position);
                ws::text_frame(&message::snapshot(done.position.seq, &state_of(result)))
            }
            _ => Bytes::new(),
        };
        for (key, confirmed) in keys.iter().zip(confirmed) {
            let Some(index) = self.find(*key) else { continue };
            match (&confirmed, &snapshot) {
                (CallResult::Skipped, _) => {
                    self.close(*key, close_code::REPLACED, "the same user joined again");
                }
                (CallResult::Ok(_), Some(CallResult::Ok(_))) => {
                    self.send_snapshot(index, done.position, frame.clone());
                }
                // Tried again when the wheel comes by.
                (CallResult::Err(_), _) if is_unanswered(&confirmed) => self.snapshot_retries.push(*key),
                (_, Some(result)) if is_unanswered(result) => self.snapshot_retries.push(*key),
                // The script failed, and was logged: the member cannot be brought up to date.
                _ => self.close(*key, 1011, "the room's snapshot failed"),
            }
        }
    }

    fn rpc_done(&mut self, done: BatchDone, key: ConnectionKey) {
        let Some(index) = self.find(key) else { return };
        let result = done.results.into_iter().next().unwrap_or(CallResult::Skipped);
        let result = match &result {
            CallResult::Ok(result) => Ok(&**result),
            CallResult::Err(error) => Err(refused_call(error)),
            CallResult::Skipped | CallResult::NotRun(_) => {
                Err(Refused::new(503, "unavailable", "the call was not run"))
            }
        };
        self.with_session(index, |session, context, actions| {
            session.rpc_answered(result.as_ref().map(|result| &**result), context, actions);
        });
    }

    /// Queues a frame for one connection of this shard.
    pub(super) fn frame_for_one(&mut self, key: ConnectionKey, frame: Bytes) {
        if let Some(index) = self.find(key)
            && self.connections[index].seat.is_some()
        {
            self.metrics.frames_out.inc();
            self.queue(index, frame, Kind::Kept);
            self.bound_outbox(index);
        }
    }
}

/// Whether the store did not answer.
fn is_unanswered(result: &CallResult) -> bool {
    matches!(result, CallResult::Err(error) if is_unavailable(error))
}

/// The room's state that a batch of joins gave; null without an `on_snapshot`, and where nobody has come in.
fn shared_state(result: Option<CallResult>) -> Result<Bytes, CallError> {
    match result {
        Some(CallResult::Err(error)) => Err(error),
        Some(CallResult::Ok(result)) => Ok(state_of(&result)),
        Some(CallResult::Skipped | CallResult::NotRun(_)) | None => Ok(Bytes::from_static(b"null")),
    }
}

/// What `on_snapshot` returned as JSON: a string in which a script put JSON text is that text.
fn state_of(result: &Bytes) -> Bytes {
    if !result.starts_with(b"\"") {
        return result.clone();
    }
    match serde_json::from_slice::<String>(result) {
        Ok(text) if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() => text.into_bytes().into(),
        _ => result.clone(),
    }
}

/// A hook's refusal is the answer to the upgrade; if the hook itself broke, that is the server's fault.
fn refused_join(error: &CallError) -> Refused {
    let status = match &*error.code {
        "busy" | "unavailable" => 503,
        _ if error.is_fault => 500,
        _ => 403,
    };
    Refused { status, ..refused_call(error) }
}

fn refused_call(error: &CallError) -> Refused {
    let status = match &*error.code {
        "unauthorized" => 401,
        "forbidden" => 403,
        "not_found" => 404,
        "conflict" => 409,
        "too_large" => 413,
        "rate_limited" => 429,
        "busy" | "unavailable" => 503,
        _ if error.is_fault => 500,
        _ => 400,
    };
    Refused {
        status,
        code: error.code.clone(),
        message: error.message.clone(),
        details: error.details.clone(),
        retry_after_s: None,
    }
}
