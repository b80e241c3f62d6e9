//! Runs script calls of the server in the interpreter: what the engine crate does not know about them is here.

use std::cell::{RefCell, RefMut};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use godra_engine::keyspace::{Filler, Keyspace};
use godra_engine::lua::{self, Interpreter, Keys, ScriptError};
use smol_str::SmolStr;

use super::documents::{self, DocumentStore};
use super::events::EventLog;
use super::library::Game;
use super::mail::Mail;
use super::numbered::NumberedInputs;
use super::options::EmbeddedOptions;
use crate::metrics::{Metrics, ScriptMetrics};
use crate::script::{KeyPattern, Script, ScriptSet};
use crate::state::guest_book;
use crate::state::{Arguments, Call, CallError, CallKeys, CallResult, ErrorSource};
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;

/// An interpreter with its store, the scripts compiled in it, and what they publish.
pub struct ScriptRunner {
    interpreter: Interpreter,
    game: Rc<Game>,
    /// By the script's address, which stays taken while the entry holds the script.
    compiled: HashMap<usize, Compiled, AddressHash>,
    metrics: Arc<Metrics>,
    derived: Option<DerivedKeys>,
}

struct Compiled {
    script: Arc<Script>,
    /// Or why there is none.
    program: Result<lua::Script, Box<str>>,
    metrics: ScriptMetrics,
    /// Whether it may ask for `godra.payload`.
    reads_payload: bool,
}

/// The keys of a script in a room: calls of a batch mostly share them.
struct DerivedKeys {
    script: Arc<Script>,
    room: Option<RoomId>,
    /// If some of them are the caller's own.
    user_id: Option<SmolStr>,
    keys: Arc<[Box<str>]>,
}

/// One call and its circumstances.
#[derive(Clone, Copy)]
pub struct Invocation<'a> {
    /// The script, its caller and its arguments.
    pub call: &'a Call,
    /// The batch's room; none for a call outside all rooms.
    pub room: Option<&'a RoomId>,
    /// The store's time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// When the call begins, for its time budget.
    pub now: Instant,
    /// For `math.random`.
    pub seed: u64,
    /// Of a tick: how long it is since the last one, in milliseconds.
    pub passed_ms: u64,
}

impl ScriptRunner {
    /// A runner with an empty store.
    pub fn new(options: &EmbeddedOptions, metrics: Arc<Metrics>) -> Self {
        let EmbeddedOptions { seed, time_budget, memory_budget, .. } = *options;
        let game = Rc::new(Game::new(options));
        let interpreter = Interpreter::new(seed, time_budget, memory_budget, game.clone());
        interpreter.keyspace().borrow_mut().set_max_bytes(options.store_bytes);
        Self { interpreter, game, compiled: HashMap::default(), metrics, derived: None }
    }

    /// What the scripts' commands work on. Borrowed while a call runs.
    pub fn keyspace(&self) -> &RefCell<Keyspace> {
        self.interpreter.keyspace()
    }

    /// Goes on with what another store held.
    pub(super) fn replace_keyspace(&self, mut keyspace: Keyspace) {
        let mut own = self.interpreter.keyspace().borrow_mut();
        keyspace.set_max_bytes(own.max_bytes());
        keyspace.set_max_work(own.max_work());
        *own = keyspace;
    }

    /// Every room's counter, and the events of the running batch.
    pub fn event_log(&self) -> RefMut<'_, EventLog> {
        self.game.event_log.borrow_mut()
    }

    /// Which numbered inputs have run.
    pub(super) fn numbered(&self) -> RefMut<'_, NumberedInputs> {
        self.game.numbered.borrow_mut()
    }

    /// Messages that have not run yet.
    pub(super) fn mail(&self) -> RefMut<'_, Mail> {
        self.game.mail.borrow_mut()
    }

    /// Documents that are hot, and those on their way to the database.
    pub(super) fn documents(&self) -> RefMut<'_, DocumentStore> {
        self.game.documents.borrow_mut()
    }

    /// Puts what the last call has saved into the outbox; gives the number of its entry.
    pub(super) fn save_documents(&self, now_ms: u64) -> Option<u64> {
        let entry = self.documents().end_call(&self.keyspace().borrow());
        let (number, text) = entry?;
        self.execute(&[b"SET", &documents::entry_key(number), &text], now_ms);
        Some(number)
    }

    /// A command of the server's own.
    pub fn execute(&self, arguments: &[&[u8]], now_ms: u64) {
        self.interpreter.execute(arguments, now_ms);
    }

    /// Starts over with a fresh Lua state, keeping the store: for when a panic has gone through the old one.
    pub fn rebuild(&mut self) {
        self.game.undo_call();
        self.compiled.clear();
        self.derived = None;
        self.interpreter.rebuild();
    }

    /// Compiles what is new in the set, and forgets scripts that are neither in it nor waiting in a call.
    pub fn prepare(&mut self, set: &Arc<ScriptSet>) {
        self.game.set_scripts(set.clone());
        for script in set.all() {
            if let Err(message) = &self.compile(script).program {
                log::error!("script does not compile script={} error={message:?}", script.full_name);
            }
        }
        // They would keep a script that is out of the set.
        self.derived = None;
        self.documents().forget_script();
        let is_used =
            |compiled: &Compiled| set.serves(&compiled.script) || Arc::strong_count(&compiled.script) > 1;
        for (_, unused) in self.compiled.extract_if(|_, compiled| !is_used(compiled)) {
            if let Ok(program) = unused.program {
                self.interpreter.forget(program);
            }
        }
        self.interpreter.rest();
    }

    /// Runs one call, and tells when it ended. Its events are in the event log afterwards; if it failed, they are not, unless
    /// its script is not atomic.
    pub fn run(&mut self, invocation: Invocation<'_>) -> (CallResult, Instant) {
        let script = &invocation.call.script;
        self.compile(script);
        let derived = self.derive_keys(invocation);
        let compiled = &self.compiled[&address(script)];
        let result = match (&compiled.program, derived) {
            (Ok(program), Ok(())) => {
                let result = self.run_program(program, compiled.reads_payload, invocation);
                if result.is_err() && script.header.is_atomic {
                    self.game.undo_call();
                }
                result
            }
            (Err(message), _) => Err(ScriptError::Fault(message.clone())),
            (_, Err(message)) => Err(ScriptError::Fault(message.into())),
        };
        let ended_at = Instant::now();
        count(&compiled.metrics, &result, ended_at.duration_since(invocation.now));
        (result.map_or_else(|error| CallResult::Err(error.into()), CallResult::Ok), ended_at)
    }

    fn run_program(
        &self,
        program: &lua::Script,
        reads_payload: bool,
        invocation: Invocation<'_>,
    ) -> Result<Bytes, ScriptError> {
        let call = invocation.call;
        self.game.enter(call, invocation.room, invocation.now_ms);
        if reads_payload {
            self.game.enter_with_input(call);
        }
        let keys = match (&call.keys, &self.derived) {
            (CallKeys::Resolved(keys), _) => Keys::Own(keys),
            (CallKeys::FromRoom, derived) => {
                Keys::Shared(&derived.as_ref().expect("derived before the call").keys)
            }
        };
        let run = |arguments: &[&[u8]]| {
            self.interpreter.run(lua::Invocation {
                script: program,
                keys,
                arguments,
                wants_result: call.wants_result,
                now_ms: invocation.now_ms,
                now: invocation.now,
                seed: invocation.seed,
                is_atomic: call.script.header.is_atomic,
                filler: filler_of(&call.script),
            })
        };
        let user_id = call.caller.user_id.as_bytes();
        match &call.arguments {
            Arguments::Payload(payload) => run(&[user_id, payload]),
            Arguments::Message(message) => run(&[user_id, &message.payload]),
            Arguments::Tick => run(&[invocation.passed_ms.to_string().as_bytes()]),
            Arguments::List(list) => {
                let rest = list.iter().map(|argument| &**argument);
                run(&std::iter::once(user_id).chain(rest).collect::<Vec<_>>())
            }
        }
    }

    fn compile(&mut self, script: &Arc<Script>) -> &Compiled {
        self.compiled.entry(address(script)).or_insert_with(|| Compiled {
            script: script.clone(),
            program: compile(&self.interpreter, script),
            metrics: self.metrics.script(&script.full_name),
            reads_payload: script.may_read("payload"),
        })
    }

    /// Makes the keys of the call's script, room and caller, unless they are there.
    fn derive_keys(&mut self, invocation: Invocation<'_>) -> Result<(), &'static str> {
        let (call, room) = (invocation.call, invocation.room);
        let is_same = |known: &DerivedKeys| {
            Arc::ptr_eq(&known.script, &call.script)
                && known.room.as_ref() == room
                && known.user_id.as_ref().is_none_or(|user_id| *user_id == call.caller.user_id)
        };
        if matches!(call.keys, CallKeys::Resolved(_)) || self.derived.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        if room.is_none() && call.script.has_room_keys() {
            return Err("the script's keys need a room, and this call is in none");
        }
        let user_id = &call.caller.user_id;
        let derive = |pattern: &KeyPattern| pattern.fill(room.map_or("", RoomId::as_str), user_id);
        let keys = call.script.header.keys.iter().map(derive).collect();
        let user_id = call.script.has_user_keys().then(|| user_id.clone());
        self.derived = Some(DerivedKeys { script: call.script.clone(), room: room.cloned(), user_id, keys });
        Ok(())
    }
}

/// Guests are looked after, and members leave and come back, also while the store is full.
fn filler_of(script: &Script) -> Filler {
    match &*script.name {
        "on_disconnect" | "on_drop" => Filler::Keeper,
        name if name.starts_with(guest_book::SCRIPT_PREFIX) => Filler::Keeper,
        name if name.starts_with("on_") => Filler::Entry,
        _ => Filler::Game,
    }
}

fn compile(interpreter: &Interpreter, script: &Script) -> Result<lua::Script, Box<str>> {
    let libraries = script.libraries.iter().map(|library| (&*library.name, &*library.text));
    interpreter.compile_with(&script.file(), &script.text, &libraries.collect::<Vec<_>>())
}

fn count(metrics: &ScriptMetrics, result: &Result<Bytes, ScriptError>, took: Duration) {
    metrics.runs.inc();
    metrics.duration.observe(took);
    let is_timeout = matches!(result, Err(ScriptError::Timeout(_)));
    if is_timeout || matches!(result, Err(ScriptError::Fault(_))) {
        metrics.errors.inc();
        metrics.timeouts.inc_by(u64::from(is_timeout));
    }
}

impl From<ScriptError> for CallError {
    fn from(error: ScriptError) -> Self {
        let plain =
            |code: ErrorCode, message: Box<str>, source| Self::of_script(code.name(), &message, None, source);
        match error {
            ScriptError::Fault(message) => plain(ErrorCode::ScriptError, message, ErrorSource::Fault),
            ScriptError::Timeout(message) => plain(ErrorCode::ScriptTimeout, message, ErrorSource::Fault),
            ScriptError::Full(_) => Self::store_full(),
            ScriptError::Refusal(message) => plain(ErrorCode::ScriptError, message, ErrorSource::Script),
            ScriptError::Coded { code, message, details } => {
                Self::of_script(&code, &message, details, ErrorSource::Script)
            }
        }
    }
}

/// Spreads addresses, which nobody outside chooses.
#[derive(Clone, Copy, Default)]
struct AddressHash;

struct AddressHasher(u64);

impl BuildHasher for AddressHash {
    type Hasher = AddressHasher;

    fn build_hasher(&self) -> AddressHasher {
        AddressHasher(0)
    }
}

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_usize(usize::from(byte)));
    }

    fn write_usize(&mut self, address: usize) {
        self.0 = (self.0 ^ address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

fn address(script: &Arc<Script>) -> usize {
    Arc::as_ptr(script) as usize
}

#[cfg(test)]
mod tests;
