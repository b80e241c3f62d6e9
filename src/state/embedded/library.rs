//! `godra`: what scripts have beyond Redis, and where their events go.

use std::cell::{Cell, Ref, RefCell};
use std::sync::Arc;

use godra_engine::lua::{Answer, Call, Extension, Function, Library, Raised};

use super::documents::{self, DocumentStore};
use super::events::{EventLog, EventOptions};
use super::mail::{self, Mail};
use super::numbered::NumberedInputs;
use super::options::EmbeddedOptions;
use crate::script::{ScriptSet, refuse_key};
use crate::state::call::MAX_DETAILS_BYTES;
use crate::state::event_text::BadEvent;
use crate::state::mail::STORE_SHARE;
use crate::state::{Arguments, Audience};
use crate::wire::ids::{GAME_SIGN, Identity, RoomId};

/// Channel prefix of rooms' events.
const ROOM_CHANNEL: &[u8] = b"game_updates:game:";

/// The rooms' latest events may take this part of the store's memory.
const HISTORIES_SHARE: usize = 8;

/// Who calls and where, and the events of the running batch. No borrow of its cells may be held while a script runs.
pub(super) struct Game {
    /// Events of the running batch.
    pub event_log: RefCell<EventLog>,
    /// Which numbered inputs have run.
    pub numbered: RefCell<NumberedInputs>,
    /// Messages that have not run yet.
    pub mail: RefCell<Mail>,
    /// Documents, and what the running call does with them.
    pub documents: RefCell<DocumentStore>,
    /// Those that may be told of.
    scripts: RefCell<Arc<ScriptSet>>,
    /// Whether there are several games, and the running script is one's.
    guards_keys: Cell<bool>,
    /// What `godra.room_ttl` says, in seconds.
    room_ttl_s: Cell<u64>,
    /// What `godra.lobbies_per_owner` says.
    lobbies_per_owner: Cell<u32>,
    caller: RefCell<Caller>,
    /// What `godra.payload` is made of, if the running script may ask for it.
    input: RefCell<Option<Arguments>>,
    /// How many lines the running call has printed.
    pub(super) printed: Cell<usize>,
}

/// The running call's circumstances.
#[derive(Default)]
pub(super) struct Caller {
    identity: Option<Arc<Identity>>,
    /// The game of the running script; none for the default one.
    game: Option<Arc<str>>,
    room: Option<RoomId>,
    /// Whether the call lets its caller in: what is for the caller then comes behind the room's state.
    is_entering: bool,
}

impl Game {
    /// Nobody has called yet.
    pub(super) fn new(options: &EmbeddedOptions) -> Self {
        let seed = options.seed.rotate_left(32) ^ 0x6a09_e667_f3bc_c908;
        Self {
            event_log: RefCell::new(
                EventLog::new(seed, options.history).with_histories_of(options.store_bytes / HISTORIES_SHARE),
            ),
            numbered: RefCell::default(),
            mail: RefCell::new(Mail::new(options.store_bytes / STORE_SHARE)),
            documents: RefCell::default(),
            scripts: RefCell::default(),
            guards_keys: Cell::default(),
            room_ttl_s: Cell::new(options.room_ttl_s),
            lobbies_per_owner: Cell::new(options.lobbies_per_owner),
            caller: RefCell::default(),
            input: RefCell::default(),
            printed: Cell::default(),
        }
    }

    /// These serve from now on.
    pub(super) fn set_scripts(&self, scripts: Arc<ScriptSet>) {
        self.scripts.replace(scripts);
    }

    pub(super) fn scripts(&self) -> Ref<'_, Arc<ScriptSet>> {
        self.scripts.borrow()
    }

    /// As `enter`, for a script that may ask for `godra.payload`.
    pub(super) fn enter_with_input(&self, call: &crate::state::Call) {
        self.input.replace(call.input_of_script().map(|_| call.arguments.clone()));
    }

    pub(super) fn enter(&self, call: &crate::state::Call, room: Option<&RoomId>, now_ms: u64) {
        self.guards_keys.set(!call.script.is_built_in() && !self.scripts.borrow().games.is_empty());
        let identity = &call.caller;
        let mut caller = self.caller.borrow_mut();
        caller.is_entering = call.membership.enters();
        self.printed.set(0);
        if caller.game != call.script.game {
            caller.game.clone_from(&call.script.game);
        }
        if caller.room.as_ref() != room {
            caller.room = room.cloned();
        }
        if !caller.identity.as_ref().is_some_and(|known| Arc::ptr_eq(known, identity)) {
            caller.identity = Some(identity.clone());
        }
        self.event_log.borrow_mut().set_now(now_ms);
        self.mail.borrow_mut().begin_call();
        let mut documents = self.documents.borrow_mut();
        if call.documents.is_some() || documents.has_call() {
            documents.begin_call(call);
        }
    }

    /// The running call has failed and changed nothing.
    pub(super) fn undo_call(&self) {
        self.event_log.borrow_mut().undo_call();
        self.numbered.borrow_mut().undo_call();
        self.mail.borrow_mut().undo_call();
        self.documents.borrow_mut().undo_call();
    }

    fn publish_event(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let options = if call.is_nil(3) { EventOptions::default() } else { self.options(call, 3)? };
        self.publish_for(call, "publish", (1, 2), options)
    }

    fn send_event(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        let audience = Audience::user(&String::from_utf8_lossy(call.bytes(1)?));
        self.publish_for(call, "send", (2, 3), EventOptions { audience: Some(audience), replace: None })
    }

    /// `kind` and `payload` are arguments.
    fn publish_for(
        &self,
        call: &Call<'_>,
        function: &str,
        (kind, payload): (u8, u8),
        options: EventOptions,
    ) -> Result<Answer, Raised> {
        let (kind, payload) = (call.bytes(kind)?, call.json(payload)?);
        self.with_room(call, function, |event_log, room, caller| {
            let is_held =
                caller.is_entering && options.audience.as_ref().is_some_and(|all| caller.is_all_of(all));
            let publish = if is_held { EventLog::hold } else { EventLog::publish };
            publish(event_log, room, kind, &payload, options)
        })
    }

    /// Ends the call with a code of the script's own, unless a `pcall` catches it.
    fn error(&self, call: &Call<'_>) -> Result<Answer, Raised> {
        if !call.is_nil(3) && call.json(3)?.len() > MAX_DETAILS_BYTES {
            let problem = format!("the details of an error have at most {MAX_DETAILS_BYTES} bytes");
            return Err(call.error(format_args!("{problem}")));
        }
        call.coded_error(1, 2, 3)
    }

    pub(super) fn with_room(
        &self,
        call: &Call<'_>,
        name: &str,
        act: impl FnOnce(&mut EventLog, &RoomId, &Caller) -> Result<(), BadEvent>,
    ) -> Result<Answer, Raised> {
        let caller = self.caller.borrow();
        let Some(room) = &caller.room else { return Err(no_room(call, name)) };
        match act(&mut self.event_log.borrow_mut(), room, &caller) {
            Ok(()) => Ok(Answer::NOTHING),
            Err(bad) => Err(call.error(format_args!("{}", bad.message()))),
        }
    }
}

impl Game {
    pub(super) fn input(&self) -> Ref<'_, Option<Arguments>> {
        self.input.borrow()
    }

    pub(super) fn room_id(&self) -> Option<RoomId> {
        self.caller.borrow().room.clone()
    }

    /// The room of the call.
    pub(super) fn room(&self, call: &Call<'_>, function: &str) -> Result<String, Raised> {
        let caller = self.caller.borrow();
        caller.room.as_ref().map(|room| room.as_str().to_owned()).ok_or_else(|| no_room(call, function))
    }

    /// Whose messages the call sends: its room's, or what a game does outside of rooms.
    pub(super) fn sender(&self) -> mail::Address {
        let caller = self.caller.borrow();
        match (&caller.room, &caller.game) {
            (None, Some(game)) => mail::Address::from(format!("{game}{GAME_SIGN}")),
            (room, _) => mail::address(room.as_ref()),
        }
    }

    /// The game of the running script; none for the default one.
    pub(super) fn game(&self) -> Option<Arc<str>> {
        self.caller.borrow().game.clone()
    }

    pub(super) fn caller_id(&self) -> Box<[u8]> {
        let caller = self.caller.borrow();
        caller.identity.as_ref().map_or_else(Box::default, |identity| identity.user_id.as_bytes().into())
    }
}

fn no_room(call: &Call<'_>, function: &str) -> Raised {
    call.error(format_args!("godra.{function} needs a room, and this call is in none"))
}

impl Caller {
    /// Whether the audience is the caller alone.
    fn is_all_of(&self, audience: &Audience) -> bool {
        let Some(identity) = &self.identity else { return false };
        *audience == Audience::user(&identity.user_id)
    }
}

impl Extension for Game {
    fn library(&self) -> Option<Library> {
        let functions = vec![
            Function::new(c"publish", Self::publish_event),
            Function::new(c"send", Self::send_event),
            Function::new(c"join", Self::join),
            Function::new(c"leave", Self::leave),
            Function::new(c"cell", Self::cell),
            Function::new(c"remove", Self::remove),
            Function::new(c"array", Self::array),
            Function::new(c"tell", Self::tell),
            Function::new(c"cancel", Self::cancel),
            Function::new(c"load", Self::load),
            Function::new(c"save", Self::save),
            Function::new(c"delete", Self::delete),
            Function::new(c"ledger", Self::ledger),
            Function::new(c"error", Self::error),
        ];
        Some(Library {
            name: c"godra",
            functions,
            kept_fields: vec![c"user", c"payload"],
            text: Some(Self::text()),
        })
    }

    fn field(&self, name: &[u8], call: &Call<'_>) -> Result<Answer, Raised> {
        let caller = self.caller.borrow();
        Ok(match name {
            b"payload" => return self.payload(call),
            b"user" => {
                let Some(user) = &caller.identity else { return Ok(call.texts(&[])) };
                if user.user_id.is_empty() {
                    return Ok(call.nil());
                }
                let fields = [
                    (c"id", user.user_id.as_bytes()),
                    (c"name", user.username.as_bytes()),
                    (c"role", user.role.as_str().as_bytes()),
                ];
                call.texts(&fields)
            }
            b"game" if let Some(game) = &caller.game => call.text(game.as_bytes()),
            b"room" if let Some(room) = &caller.room => call.text(room.as_str().as_bytes()),
            b"room_ttl" => call.number(self.room_ttl_s.get() as f64),
            b"lobbies_per_owner" => call.number(f64::from(self.lobbies_per_owner.get())),
            b"home" => call.boolean(true),
            b"now" => call.number(call.now_ms() as f64),
            _ => call.nil(),
        })
    }

    /// A ready event on a room's channel gets its `seq`; nobody listens to other channels.
    fn publish(&self, channel: &[u8], message: &[u8]) -> Result<i64, String> {
        let room = channel.strip_prefix(ROOM_CHANNEL).and_then(|id| std::str::from_utf8(id).ok());
        let Some(id) = room else { return Ok(0) };
        let caller = self.caller.borrow();
        let parsed;
        let room = match &caller.room {
            Some(room) if room.as_str() == id => room,
            _ => match RoomId::parse_in(caller.game.as_deref(), id) {
                Some(room) if !id.starts_with("game:") => {
                    parsed = room;
                    &parsed
                }
                // Rooms of other games are none of its.
                _ => return Ok(0),
            },
        };
        match self.event_log.borrow_mut().publish_ready(room, message) {
            Ok(()) => Ok(1),
            Err(bad) => Err(bad.message().to_owned()),
        }
    }

    fn guards_keys(&self) -> bool {
        self.guards_keys.get()
    }

    fn refuse_key(&self, key: &[u8]) -> Option<String> {
        let is_game = |name: &str| self.scripts.borrow().games.contains_key(name);
        refuse_key(self.caller.borrow().game.as_deref(), key, is_game)
    }

    fn reserved_prefix(&self) -> Option<&'static [u8]> {
        Some(documents::KEY_PREFIX)
    }

    /// As what `print` says, unless the log leaves the level out anyway.
    fn log(&self, level: log::Level, place: &str, line: &[u8]) {
        if log::log_enabled!(level) {
            self.print_line(level, place, line);
        }
    }

    fn flushed(&self) {
        self.event_log.borrow_mut().reset();
        self.numbered.borrow_mut().reset();
        self.mail.borrow_mut().reset();
    }
}
