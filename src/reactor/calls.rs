//! Calls that sessions ask for: RPCs, calls to the accounts, and players' inputs. Each is refused at once, or answered later.

use std::sync::Arc;

use super::letters::Peer;
use super::mail::{Mail, PendingInput};
use super::purposes::{Purpose, ReplyTo};
use super::shard::Shard;
use crate::guests;
use crate::metrics::{InputOutcome, Refusal};
use crate::script::{KeyError, Script};
use crate::session::account::{AccountReply, AccountRequest};
use crate::session::{Input, Refused, RpcRequest};
use crate::state::{Batch, Call, ConnectionKey, OnError, Rejection};
use crate::wire::ids::{Identity, Role, RoomId};
use crate::wire::message::SharedText;

impl Shard {
    /// Runs a script for a connection.
    pub(super) fn run_rpc(
        &mut self,
        key: ConnectionKey,
        caller: Arc<Identity>,
        request: &RpcRequest,
    ) -> Result<(), Refused> {
        let script = self.scripts.get(&request.script).ok_or_else(|| {
            Refused::new(404, "not_found", format!("there is no script named {:?}", request.script))
        })?;
        check_may_call(&caller, script)?;
        let target = script
            .resolve_rpc(request.keys.as_deref(), &request.arguments, fresh_room)
            .map_err(|error| refused_keys(&error))?;
        let arguments = request.arguments.iter().map(|argument| argument.as_bytes().into()).collect();
        let mut calls = vec![Call::rpc(script.clone(), caller.clone(), target.keys, arguments)];
        if caller.role == Role::Guest {
            self.guest_called(&caller);
            calls.extend(target.room.as_ref().map(|room| guests::note(&caller, room)));
        }
        let batch = Batch {
            // What a refused call has not done need not be noted.
            on_error: OnError::Stop,
            received_at: self.round_began,
            ..Batch::new(target.room, calls, self.id)
        };
        self.submit_for(Purpose::Rpc(key), batch).map_err(|(reason, ..)| {
            self.metrics.refusals.at(Refusal::Busy).inc();
            refused_batch(reason)
        })
    }

    /// Passes a connection's call to the accounts.
    pub(super) fn call_accounts(
        &mut self,
        key: ConnectionKey,
        request: AccountRequest,
    ) -> Result<(), Refused> {
        let Some(post) = self.peers.get(self.id).map(Peer::postbox) else { return Err(busy()) };
        let reply = AccountReply::new(move |result| {
            // A shard that is gone has closed the connection: nobody is left who waits.
            let _ = post.post_blocking(Mail::Account(key, Box::new(result)));
        });
        self.shared.accounts.submit(request, reply).inspect_err(|_| {
            self.metrics.refusals.at(Refusal::Busy).inc();
        })
    }

    /// Puts a player's input among those that wait for their room's tick.
    pub(super) fn take_input(
        &mut self,
        index: usize,
        key: ConnectionKey,
        input: Input,
    ) -> Result<(), Refused> {
        let (id, caller) = (input.id, input.caller.clone());
        let (script, payload) = self.script_for(input)?;
        check_may_call(&caller, &script).inspect_err(|_| {
            self.metrics.inputs.at(InputOutcome::Error).inc();
        })?;
        let call = Call::input(script, caller, payload, id.is_some());
        let reply_to = ReplyTo { connection: key, id, own: None };
        let input = PendingInput { call, reply_to, received_at: self.round_began };
        let seat = self.connections[index].seat.as_ref();
        let room_index = seat.map(|seat| seat.room as usize);
        let room = room_index.and_then(|index| self.rooms.get_mut(index));
        let (Some(room_index), Some(room)) = (room_index, room) else {
            // Its place was taken by the same user's newer connection in this very round.
            return Err(Refused::new(403, "forbidden", "this connection is no longer a member of the room"));
        };
        if room.pending.len() >= self.shared.limits.room_pending_inputs {
            self.metrics.inputs.at(InputOutcome::Busy).inc();
            return Err(busy());
        }
        room.pending.push(input);
        self.touch(room_index);
        Ok(())
    }

    /// The script that an input runs, and what it gets: the payload, or for `update_state` the whole message.
    fn script_for(&self, input: Input) -> Result<(Arc<Script>, SharedText), Refused> {
        if let Some(script) = self.scripts.get(&input.action) {
            return Ok((script.clone(), input.into_payload()));
        }
        let Some(fallback) = self.scripts.get("update_state") else {
            self.metrics.inputs.at(InputOutcome::Error).inc();
            let message = format!("there is no script for the action {:?}", input.action);
            return Err(Refused::new(404, "not_found", message));
        };
        Ok((fallback.clone(), input.text.into()))
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
