//! `godra`: what scripts have beyond Redis, and where their events go.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use godra_engine::lua::{Answer, Call, Extension, Function, Library, Raised};

use super::events::EventLog;
use crate::state::event_text::BadEvent;
use crate::state::{Audience, Membership};
use crate::wire::ids::{Identity, RoomId};

/// Channel prefix of rooms' events.
const ROOM_CHANNEL: &[u8] = b"game_updates:game:";

/// Who calls and where, and the events of the running batch. No borrow of its cells may be held while a script runs.
pub(super) struct Game {
    /// Events of the running batch.
    pub event_log: RefCell<EventLog>,
    /// What `godra.room_ttl` says, in seconds.
    room_ttl_s: Cell<u64>,
    caller: RefCell<Caller>,
}

/// The running call's circumstances.
#[derive(Default)]
struct Caller {
    identity: Option<Arc<Identity>>,
    room: Option<RoomId>,
    /// Whether the call lets its caller in: what is for the caller then comes behind the room's state.
    is_entering: bool,
}

impl Game {
    /// Nobody has called yet. The seed is for epochs.
    pub(super) fn new(seed: u64, room_ttl_s: u64) -> Self {
        Self {
            event_log: RefCell::new(EventLog::new(seed.rotate_left(32) ^ 0x6a09_e667_f3bc_c908)),
            room_ttl_s: Cell::new(room_ttl_s),
            caller: RefCell::default(),
        }
    }

    pub(super) fn enter(&self, call: &crate::state::Call, room: Option<&RoomId>, now_ms: u64) {
        let identity = &call.caller;
        let mut caller = self.caller.borrow_mut();
        caller.is_entering = matches!(call.membership, Membership::Enter(_));
        if caller.room.as_ref() != room {
            caller.room = room.cloned();
        }
        if !caller.identity.as_ref().is_some_and(|known| Arc::ptr_eq(known, identity)) {
            caller.identity = Some(identity.clone());
        }
        self.event_log.borrow_mut().set_now(now_ms);
    }

    fn publish_event(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let (kind, payload) = (call.bytes(1)?, call.json(2)?);
        self.with_room(call, "publish", |event_log, room, _| event_log.publish(room, kind, &payload, None))
    }

    fn send_event(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let (user_id, kind, payload) = (call.bytes(1)?, call.bytes(2)?, call.json(3)?);
        let user_id = String::from_utf8_lossy(user_id);
        self.with_room(call, "send", |event_log, room, caller| {
            let audience = Audience::user(&user_id);
            if caller.is_entering && caller.is(&user_id) {
                event_log.hold(room, kind, &payload, audience)
            } else {
                event_log.publish(room, kind, &payload, Some(audience))
            }
        })
    }

    /// Ends the call with a code of the script's own, unless a `pcall` catches it.
    fn error(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        call.coded_error(1, 2, 3)
    }

    fn with_room(
        &self,
        call: &Call<'_>,
        name: &str,
        act: impl FnOnce(&mut EventLog, &RoomId, &Caller) -> Result<(), BadEvent>,
    ) -> Result<Answer, Raised> {
        let caller = self.caller.borrow();
        let Some(room) = &caller.room else {
            return Err(call.error(format_args!("godra.{name} needs a room, and this call is in none")));
        };
        match act(&mut self.event_log.borrow_mut(), room, &caller) {
            Ok(()) => Ok(Answer::NOTHING),
            Err(bad) => Err(call.error(format_args!("{}", bad.message()))),
        }
    }
}

impl Caller {
    fn is(&self, user_id: &str) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.user_id == user_id)
    }
}

impl Extension for Game {
    fn library(&self) -> Option<Library> {
        let functions = vec![
            Function::new(c"publish", Self::publish_event),
            Function::new(c"send", Self::send_event),
            Function::new(c"error", Self::error),
        ];
        Some(Library { name: c"godra", functions, kept_fields: vec![c"user"] })
    }

    fn field(&self, name: &[u8], call: &Call<'_>) -> Answer {
        let caller = self.caller.borrow();
        match name {
            b"user" => {
                let Some(user) = &caller.identity else { return call.texts(&[]) };
                let fields = [
                    (c"id", user.user_id.as_bytes()),
                    (c"name", user.username.as_bytes()),
                    (c"role", user.role.as_str().as_bytes()),
                ];
                call.texts(&fields)
            }
            b"room" if let Some(room) = &caller.room => call.text(room.as_str().as_bytes()),
            b"room_ttl" => call.number(self.room_ttl_s.get() as f64),
            b"now" => call.number(call.now_ms() as f64),
            _ => call.nil(),
        }
    }

    /// A ready event on a room's channel gets its `seq`; nobody listens to other channels.
    fn publish(&self, channel: &[u8], message: &[u8]) -> Result<i64, String> {
        let room = channel.strip_prefix(ROOM_CHANNEL).and_then(|id| std::str::from_utf8(id).ok());
        let Some(id) = room else { return Ok(0) };
        let caller = self.caller.borrow();
        let parsed;
        let room = match &caller.room {
            Some(room) if room.as_str() == id => room,
            _ => match RoomId::parse(id) {
                Some(room) if room.as_str() == id => {
                    parsed = room;
                    &parsed
                }
                _ => return Ok(0),
            },
        };
        match self.event_log.borrow_mut().publish_ready(room, message) {
            Ok(()) => Ok(1),
            Err(bad) => Err(bad.message().to_owned()),
        }
    }

    fn flushed(&self) {
        self.event_log.borrow_mut().reset();
    }
}
