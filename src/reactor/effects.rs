//! What sessions want done, done.

use std::sync::Arc;

use bytes::Bytes;

use super::letters::Peer;
use super::mail::{Mail, PendingInput};
use super::purposes::{Purpose, ReplyTo};
use super::shard::Shard;
use crate::guests;
use crate::metrics::{self, CloseCode, InputOutcome, Refusal};
use crate::script::{KeyError, Script};
use crate::session::account::{AccountReply, AccountRequest};
use crate::session::outbox::Kind;
use crate::session::{Effects, Refused, Route, RpcRequest};
use crate::state::{Batch, Call, OnError, Rejection};
use crate::wire::ids::{Identity, Role, RoomId};
use crate::wire::message::ClientMessage;

/// The effects of one connection.
pub struct ConnectionEffects<'a> {
    /// The shard that holds it.
    pub shard: &'a mut Shard,
    /// Its index in the slab.
    pub index: usize,
}

impl Effects for ConnectionEffects<'_> {
    fn send(&mut self, bytes: Bytes) {
        self.shard.queue(self.index, bytes, Kind::Kept);
    }

    fn send_at_once(&mut self, bytes: Bytes) {
        if !self.shard.send_frame(self.index, &bytes) {
            // The read that follows a broken write finds the end and cleans up.
            self.shard.again.push(self.shard.key(self.index));
        }
    }

    fn send_state(&mut self, bytes: Bytes) {
        self.shard.queue(self.index, bytes, Kind::State);
    }

    fn rpc(&mut self, identity: &Arc<Identity>, request: &RpcRequest) -> Result<(), Refused> {
        let shard = &mut *self.shard;
        let script = shard.scripts.get(&request.script).ok_or_else(|| {
            Refused::new(404, "not_found", format!("there is no script named {:?}", request.script))
        })?;
        check_may_call(identity, script)?;
        let target = script
            .resolve_rpc(request.keys.as_deref(), &request.arguments, fresh_room)
            .map_err(|error| refused_keys(&error))?;
        let arguments = request.arguments.iter().map(|argument| argument.as_bytes().into()).collect();
        let mut calls = vec![Call::rpc(script.clone(), identity.clone(), target.keys, arguments)];
        if identity.role == Role::Guest {
            shard.guest_called(identity);
            calls.extend(target.room.as_ref().map(|room| guests::note(identity, room)));
        }
        let batch = Batch {
            // What a refused call has not done need not be noted.
            on_error: OnError::Stop,
            received_at: shard.round_began,
            ..Batch::new(target.room, calls, shard.id)
        };
        let purpose = Purpose::Rpc(shard.key(self.index));
        shard.submit_for(purpose, batch).map_err(|(reason, ..)| {
            shard.metrics.refusals.at(Refusal::Busy).inc();
            refused_batch(reason)
        })
    }

    fn account(&mut self, request: AccountRequest) -> Result<(), Refused> {
        let shard = &mut *self.shard;
        let key = shard.key(self.index);
        let Some(post) = shard.peers.get(shard.id).map(Peer::postbox) else { return Err(busy()) };
        let reply = AccountReply::new(move |result| {
            // A shard that is gone has closed the connection: nobody is left who waits.
            let _ = post.post_blocking(Mail::Account(key, Box::new(result)));
        });
        shard.shared.accounts.submit(request, reply).inspect_err(|_| {
            shard.metrics.refusals.at(Refusal::Busy).inc();
        })
    }

    fn join(&mut self, _identity: &Arc<Identity>, _room: &RoomId) {
        // The session is being called: the connection cannot move to another shard before it is done.
        self.shard.connections[self.index].wants_to_join = true;
    }

    fn input(
        &mut self,
        identity: &Arc<Identity>,
        message: &ClientMessage<'_>,
        text: &str,
    ) -> Result<(), Refused> {
        let (script, payload) = self.shard.script_for(message, text)?;
        check_may_call(identity, &script).inspect_err(|_| {
            self.shard.metrics.inputs.at(InputOutcome::Error).inc();
        })?;
        let call = Call::input(script, identity.clone(), payload.as_bytes().into(), message.id.is_some());
        let reply_to = ReplyTo { connection: self.shard.key(self.index), id: message.id, own: None };
        let input = PendingInput { call, reply_to, received_at: self.shard.round_began };
        let seat = self.shard.connections[self.index].seat.as_ref();
        let room_index = seat.map(|seat| seat.room as usize);
        let room = room_index.and_then(|index| self.shard.rooms.get_mut(index));
        let (Some(room_index), Some(room)) = (room_index, room) else {
            // Its place was taken by the same user's newer connection in this very round.
            return Err(Refused::new(403, "forbidden", "this connection is no longer a member of the room"));
        };
        if room.pending.len() >= self.shard.shared.limits.room_pending_inputs {
            self.shard.metrics.inputs.at(InputOutcome::Busy).inc();
            return Err(busy());
        }
        room.pending.push(input);
        self.shard.touch(room_index);
        Ok(())
    }

    fn closed(&mut self, code: u16) {
        self.shard.metrics.closes.at(CloseCode(code)).inc();
        self.shard.leave(self.index);
    }

    fn finish(&mut self) {
        self.shard.finish(self.index);
    }

    fn answered(&mut self, route: Route, status: u16) {
        let refusal = match (route, status) {
            (_, 401) => Some(Refusal::Unauthorized),
            (Route::GuestLogin | Route::Register | Route::Login, 429) => Some(Refusal::LoginRate),
            (Route::WebSocket, 403) => Some(Refusal::Hook),
            _ => None,
        };
        if let Some(refusal) = refusal {
            self.shard.metrics.refusals.at(refusal).inc();
        }
        self.shard.count_request(route, status);
    }

    fn dropped_input(&mut self, outcome: &'static str) {
        let outcome = if outcome == "limited" { InputOutcome::Limited } else { InputOutcome::Malformed };
        self.shard.metrics.inputs.at(outcome).inc();
    }
}

impl Shard {
    fn count_request(&mut self, route: Route, status: u16) {
        let route = match route {
            Route::GuestLogin => metrics::Route::GuestLogin,
            Route::Register => metrics::Route::Register,
            Route::Login => metrics::Route::Login,
            Route::Refresh => metrics::Route::Refresh,
            Route::Logout => metrics::Route::Logout,
            Route::Account => metrics::Route::Account,
            Route::Password => metrics::Route::Password,
            Route::Upgrade => metrics::Route::Upgrade,
            Route::Rpc => metrics::Route::Rpc,
            Route::WebSocket => metrics::Route::WebSocket,
            Route::Echo => metrics::Route::Echo,
            Route::Health => metrics::Route::Health,
            Route::Ready => metrics::Route::Ready,
            Route::Metrics => metrics::Route::Metrics,
            Route::Page => metrics::Route::Page,
            Route::Unknown => metrics::Route::Other,
        };
        self.metrics.requests.at(metrics::Request { route, status }).inc();
    }

    /// The script that an input runs, and what it gets: the payload, or for `update_state` the whole message.
    fn script_for<'t>(
        &self,
        message: &ClientMessage<'t>,
        text: &'t str,
    ) -> Result<(Arc<Script>, &'t str), Refused> {
        if let Some(script) = self.scripts.get(&message.action) {
            return Ok((script.clone(), message.payload_text()));
        }
        let fallback = self.scripts.get("update_state").cloned();
        fallback.map(|script| (script, text)).ok_or_else(|| {
            self.metrics.inputs.at(InputOutcome::Error).inc();
            Refused::new(404, "not_found", format!("there is no script for the action {:?}", message.action))
        })
    }
}

/// What a caller gets whose call an engine did not take.
pub fn refused_batch(reason: Rejection) -> Refused {
    match reason {
        Rejection::Busy => busy(),
        Rejection::Unavailable => Refused::new(
            503,
            "unavailable",
            "the game's state is not available and this did not run; try again soon",
        ),
    }
}

/// What a caller gets when a queue is full.
pub fn busy() -> Refused {
    Refused::new(503, "busy", "the server is busy and did not run this; try again")
}

fn check_may_call(identity: &Identity, script: &Script) -> Result<(), Refused> {
    if script.is_internal() {
        let message = format!("{:?} is run by the server alone", script.name);
        return Err(Refused::new(403, "forbidden", message));
    }
    if identity.role < script.header.role {
        let message =
            format!("{:?} needs the role {}; yours is {}", script.name, script.header.role, identity.role);
        return Err(Refused::new(403, "forbidden", message));
    }
    Ok(())
}

fn refused_keys(error: &KeyError) -> Refused {
    let status = if error.code == "forbidden" { 403 } else { 400 };
    Refused::new(status, error.code, error.message.as_str())
}

/// A random room id that people can read to each other: 8 of 32 letters and digits that look different.
fn fresh_room() -> RoomId {
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz123456789";
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).expect("the kernel's random numbers are always there");
    let id: String = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    RoomId::parse(&id).expect("the alphabet is one of room ids")
}
