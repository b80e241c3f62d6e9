//! One Lua state with its host: compiles scripts and runs calls.

use std::cell::{Ref, RefCell};
use std::ffi::{CString, c_int};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mlua::ffi;

use crate::commands::Failure;
use crate::keyspace::{Context, Filler, Keyspace};
use crate::reply::ReplyBuffer;

use super::budget::Exceeded;
use super::chunk;
use super::extension::{self, Extension};
use super::host::Host;
use super::json;
use super::require;
use super::result::{Returned, read_refusal, write_result};
use super::sandbox;
use super::stack::{Kind, Outcome, Stack, Status, native};

/// Slots at the bottom of the stack that stay.
const GLOBALS: c_int = 1;
const LIBRARY: c_int = 2;
const KEYS: c_int = 3;
const ARGV: c_int = 4;
const HANDLER: c_int = 5;
const SHARED_KEYS: c_int = 6;
/// A call that leaves the heap larger by this many bytes has it collected at once.
const COLLECT_AFTER_GROWTH: usize = 4 << 20;

/// A cycle of the collector begins when the heap has grown by this factor, in percent, and goes on at so many times
/// the speed of allocation. What lives between calls is small, so that a cycle costs little; later ones would let garbage
/// spread over more than the processor's nearest caches, which costs more than the cycles saved.
const COLLECTOR_PAUSE: c_int = 400;
const COLLECTOR_STEP: c_int = 200;

/// A Lua state in which scripts run one after another, and the store that they work on.
pub struct Interpreter {
    state: *mut ffi::lua_State,
    pub(super) host: Box<Host>,
    /// Counts the Lua states, as a script belongs to the one that it was compiled in.
    generation: u32,
    /// What Lua held when no call was running and all garbage was gone.
    resting_bytes: usize,
    /// Results under construction.
    text: RefCell<Vec<u8>>,
    /// Which keys lie in the table of shared keys.
    shared_keys: RefCell<Option<Arc<[Box<str>]>>>,
}

/// A compiled script.
#[derive(Debug)]
pub struct Script {
    name: Box<str>,
    /// Its place in the registry.
    function: c_int,
    /// The place of what it may require, by names; none if that is nothing.
    libraries: Option<c_int>,
    generation: u32,
}

/// One call and its circumstances.
#[derive(Clone, Copy)]
pub struct Invocation<'a> {
    /// What to call.
    pub script: &'a Script,
    /// `KEYS`.
    pub keys: Keys<'a>,
    /// `ARGV`.
    pub arguments: &'a [&'a [u8]],
    /// Whether the script's return value is wanted; without it a success gives `null`.
    pub wants_result: bool,
    /// The store's time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// When the call begins, for its time budget.
    pub now: Instant,
    /// For `math.random` and what commands pick at random, of which each call has its own.
    pub seed: u64,
    /// Whether a failure undoes what the call has written.
    pub is_atomic: bool,
    /// How far it may fill the store.
    pub filler: Filler,
}

/// A call's `KEYS`.
#[derive(Clone, Copy)]
pub enum Keys<'a> {
    /// Of this call alone.
    Own(&'a [Box<str>]),
    /// Many calls in a row have the same: they cost little if they come as the same pointer.
    Shared(&'a Arc<[Box<str>]>),
}

/// Why a call failed. What it wrote before is undone if it was atomic, and else stays written, as in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptError {
    /// It broke: with the script's name and line, if they are known.
    Fault(Box<str>),
    /// It ran longer than it may: likewise.
    Timeout(Box<str>),
    /// The store is full, and has refused it a command.
    Full(Box<str>),
    /// It returned an error reply.
    Refusal(Box<str>),
    /// It raised what [`super::Call::coded_error`] makes.
    Coded {
        /// The code.
        code: Box<str>,
        /// For people.
        message: Box<str>,
        /// JSON text of the details, unless they are nil.
        details: Option<Box<str>>,
    },
}

impl ScriptError {
    /// For people.
    pub fn message(&self) -> &str {
        match self {
            Self::Fault(message)
            | Self::Timeout(message)
            | Self::Full(message)
            | Self::Refusal(message)
            | Self::Coded { message, .. } => message,
        }
    }
}

impl Interpreter {
    /// An interpreter with an empty store. Calls may take so much time, and as many bytes of memory.
    pub fn new(seed: u64, time_budget: Duration, memory_budget: usize, extension: Rc<dyn Extension>) -> Self {
        let mut interpreter = Self {
            state: std::ptr::null_mut(),
            host: Box::new(Host::new(seed, time_budget, memory_budget, extension)),
            generation: 0,
            resting_bytes: 0,
            text: RefCell::default(),
            shared_keys: RefCell::default(),
        };
        interpreter.rebuild();
        interpreter
    }

    /// Starts over with a fresh Lua state, keeping the store but for what a call has written that did not end; all scripts must be compiled anew. The old state is
    /// abandoned, not closed: this is for when a panic has gone through it, and nobody knows what it is in the middle of.
    pub fn rebuild(&mut self) {
        self.undo_what_broke();
        self.host.budget.end();
        self.host.budget.set_lenient(true);
        // They were of the state that is abandoned.
        self.host.arrays.set(0);
        self.host.require.set(0);
        self.generation = self.generation.wrapping_add(1);
        // SAFETY: the host is boxed, and dropped after the state (see `drop`).
        self.state = unsafe { Stack::create(&*self.host) };
        assert!(!self.state.is_null(), "no memory for a Lua state");
        let stack = self.stack();
        sandbox::build(stack);
        stack.set_collector_pace(COLLECTOR_PAUSE, COLLECTOR_STEP);
        debug_assert_eq!(stack.top(), LIBRARY);
        stack.push_bytes(b"KEYS");
        stack.push_bytes(b"ARGV");
        stack.push_native(native(describe_error), 0);
        stack.push_table(4, 0);
        debug_assert_eq!(stack.top(), SHARED_KEYS);
        self.shared_keys.take();
        self.rest();
    }

    /// Panics again if what the panic has left half done is beyond undoing: then nothing that is there can be trusted.
    fn undo_what_broke(&self) {
        self.host.keyspace.borrow_mut().undo();
    }

    /// The store. No borrow of it may be held while a script runs.
    pub fn keyspace(&self) -> &RefCell<Keyspace> {
        &self.host.keyspace
    }

    /// Runs a command that no script asked for, however full the store is, and gives its reply.
    pub fn execute(&self, arguments: &[&[u8]], now_ms: u64) -> Ref<'_, ReplyBuffer> {
        let context = Context { now_ms, from_script: false };
        let mut keyspace = self.host.keyspace.borrow_mut();
        keyspace.begin_filling(Filler::Unbound);
        keyspace.execute(arguments, &context, &mut self.host.reply.borrow_mut());
        self.host.reply.borrow()
    }

    /// Bytes that Lua has allocated, garbage included.
    pub fn used_bytes(&self) -> usize {
        self.host.budget.used()
    }

    /// Collects all garbage, and takes what is left as the level to come back to after calls.
    pub fn rest(&mut self) {
        self.stack().collect_garbage();
        self.resting_bytes = self.used_bytes();
    }

    /// Compiles a script.
    ///
    /// # Errors
    /// Why it does not compile, with name and line.
    pub fn compile(&self, name: &str, text: &str) -> Result<Script, Box<str>> {
        self.compile_with(name, text, &[])
    }

    /// Compiles a script that requires libraries: their names and texts. Each call runs a library that it requires once.
    ///
    /// # Errors
    /// As [`Interpreter::compile`].
    pub fn compile_with(
        &self,
        name: &str,
        text: &str,
        libraries: &[(&str, &str)],
    ) -> Result<Script, Box<str>> {
        let stack = self.stack();
        let libraries = if libraries.is_empty() { None } else { Some(require::load_all(stack, libraries)?) };
        let function = match libraries {
            None => load(stack, name, text),
            Some(_) => load(stack, name, &require::with_require(text)),
        };
        let function =
            function.inspect_err(|_| libraries.into_iter().for_each(|place| stack.forget(place)))?;
        Ok(Script { name: name.into(), function, libraries, generation: self.generation })
    }

    /// Gives a script's memory back.
    pub fn forget(&self, script: Script) {
        if script.generation == self.generation {
            self.stack().forget(script.function);
            script.libraries.into_iter().for_each(|place| self.stack().forget(place));
        }
    }

    /// Runs one call; gives the script's return value as JSON text.
    ///
    /// # Errors
    /// [`ScriptError`].
    pub fn run(&self, invocation: Invocation<'_>) -> Result<Bytes, ScriptError> {
        assert_eq!(invocation.script.generation, self.generation, "compiled for another Lua state");
        self.enter(invocation);
        let stack = self.stack();
        self.push_call(invocation);
        let arguments = match invocation.script.libraries {
            None => 0,
            Some(libraries) => require::push(stack, libraries),
        };
        let result = match stack.protected_call(arguments, 1, HANDLER) {
            Status::Failed => Err(self.read_error(invocation)),
            _ => self.read_result(invocation),
        };
        self.leave();
        let result = result.map_err(|error| self.blame_full_store(error));
        if invocation.is_atomic {
            self.settle(result.is_ok());
        }
        result
    }

    /// What became of a command that the store had no room for, unless the script made something else of it.
    fn blame_full_store(&self, error: ScriptError) -> ScriptError {
        match error {
            ScriptError::Fault(message) | ScriptError::Refusal(message)
                if self.host.keyspace.borrow().has_refused() && message.contains(Failure::FULL.text()) =>
            {
                ScriptError::Full(message)
            }
            other => other,
        }
    }

    /// Keeps or undoes what the call has written.
    fn settle(&self, has_worked: bool) {
        let mut keyspace = self.host.keyspace.borrow_mut();
        if has_worked { keyspace.commit() } else { keyspace.undo() }
    }

    fn stack(&self) -> Stack<'_> {
        // SAFETY: the state lives as long as `self`, and was made by `Stack::create`.
        unsafe { Stack::from_raw(self.state) }
    }

    fn enter(&self, invocation: Invocation<'_>) {
        let host = &self.host;
        host.now_ms.set(invocation.now_ms);
        host.budget.begin(self.stack(), invocation.now, self.resting_bytes);
        let mut keyspace = host.keyspace.borrow_mut();
        keyspace.seed_call(invocation.seed);
        keyspace.begin_filling(invocation.filler);
        if invocation.is_atomic {
            keyspace.begin();
        }
    }

    /// Sets `KEYS` and `ARGV` and pushes the script's function.
    fn push_call(&self, invocation: Invocation<'_>) {
        let stack = self.stack();
        stack.push_value(KEYS);
        match invocation.keys {
            Keys::Own(keys) => push_array(stack, keys.iter().map(|key| key.as_bytes())),
            Keys::Shared(keys) => self.push_shared_keys(keys),
        }
        stack.raw_set(GLOBALS);
        stack.push_value(ARGV);
        push_array(stack, invocation.arguments.iter().copied());
        stack.raw_set(GLOBALS);
        stack.push_stored(invocation.script.function);
    }

    fn push_shared_keys(&self, keys: &Arc<[Box<str>]>) {
        let stack = self.stack();
        let mut shared = self.shared_keys.borrow_mut();
        if !shared.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys)) {
            for (index, key) in (1..).zip(keys.iter()) {
                stack.push_bytes(key.as_bytes());
                stack.raw_set_index(SHARED_KEYS, index);
            }
            *shared = Some(keys.clone());
        }
        let count = keys.len() as i32;
        stack.push_table(count as usize, 0);
        for index in 1..=count {
            stack.raw_get_index(SHARED_KEYS, index);
            stack.raw_set_index(-2, index);
        }
    }

    fn read_result(&self, invocation: Invocation<'_>) -> Result<Bytes, ScriptError> {
        let stack = self.stack();
        if !invocation.wants_result {
            return match read_refusal(stack) {
                Some(message) => Err(ScriptError::Refusal(message.into())),
                None => Ok(Bytes::from_static(b"null")),
            };
        }
        let mut text = self.text.borrow_mut();
        text.clear();
        match write_result(stack, &mut text) {
            Ok(Returned::Value) => Ok(Bytes::copy_from_slice(&text)),
            Ok(Returned::Error(message)) => Err(ScriptError::Refusal(message.into())),
            Err(_) => Err(self.read_error(invocation)),
        }
    }

    /// Turns the error on top of the stack into what the caller gets.
    fn read_error(&self, invocation: Invocation<'_>) -> ScriptError {
        let stack = self.stack();
        let message = || String::from_utf8_lossy(stack.bytes(-1).unwrap_or_default());
        match self.host.budget.exceeded() {
            Some(Exceeded::Time) => ScriptError::Timeout(message().into()),
            Some(exceeded @ Exceeded::Memory) => {
                let message = message();
                if message.ends_with("not enough memory") || message.is_empty() {
                    let name = &invocation.script.name;
                    let described = self.host.budget.describe(exceeded);
                    return ScriptError::Fault(format!("{name}.lua: {described}").into());
                }
                ScriptError::Fault(message.into())
            }
            None if stack.kind(-1) == Kind::Table => read_coded_error(stack),
            None => ScriptError::Fault(message().into()),
        }
    }

    fn leave(&self) {
        let stack = self.stack();
        self.host.budget.end();
        self.host.budget.set_lenient(true);
        stack.set_top(SHARED_KEYS);
        extension::forget_kept_fields(stack, LIBRARY);
        self.host.json.borrow_mut().reset();
        json::arrays::forget(stack);
        require::forget_running(stack);
        if self.used_bytes() > self.resting_bytes + COLLECT_AFTER_GROWTH {
            self.host.scratch.take();
            let max_bytes = self.host.reply.borrow().max_bytes();
            self.host.reply.replace(ReplyBuffer::of_at_most(max_bytes));
            self.text.take();
            for global in [KEYS, ARGV] {
                stack.push_value(global);
                stack.push_nil();
                stack.raw_set(GLOBALS);
            }
            stack.collect_garbage();
        }
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        // SAFETY: the state is live and nobody uses it any more; its host is dropped after this.
        unsafe { ffi::lua_close(self.state) }
    }
}

pub(super) fn load(stack: Stack<'_>, name: &str, text: &str) -> Result<c_int, Box<str>> {
    // Lua would take such a text for compiled code, and does not check that.
    if text.starts_with('\u{1b}') {
        return Err(format!("{name}.lua: compiled code is not accepted").into());
    }
    let Ok(chunk) = CString::new(format!("@{name}.lua")) else {
        return Err("a script's name cannot contain a nul byte".into());
    };
    match stack.load(text.as_bytes(), &chunk) {
        Status::Done => {
            // Nothing in it can write a global, so it may look them up without the stand-in's detour.
            if !chunk::sets_globals(&stack.dump()) {
                stack.push_value(GLOBALS);
                stack.set_environment(-2);
            }
            Ok(stack.store())
        }
        _ => {
            let message = String::from_utf8_lossy(stack.bytes(-1).unwrap_or_default()).into();
            stack.pop(1);
            Err(message)
        }
    }
}

/// Pushes a table of strings.
fn push_array<'a>(stack: Stack<'_>, texts: impl ExactSizeIterator<Item = &'a [u8]>) {
    stack.push_table(texts.len(), 0);
    for (index, text) in (1..).zip(texts) {
        stack.push_bytes(text);
        stack.raw_set_index(-2, index);
    }
}

/// The outermost error handler: adds the place to what has none. Tables of `Call::coded_error` stay as they are.
fn describe_error(stack: Stack<'_>) -> Outcome {
    stack.set_top(1);
    if stack.kind(1) == Kind::Table {
        if has_code(stack) {
            return Ok(1);
        }
        stack.raw_get_field(1, b"err");
    }
    let message = match stack.kind(-1) {
        Kind::String | Kind::Number => {
            String::from_utf8_lossy(stack.bytes(-1).unwrap_or_default()).into_owned()
        }
        _ => format!("(error object is a {} value)", stack.kind(1).name()),
    };
    let place = stack.nearest_place().unwrap_or_default();
    let file = place.rsplit_once(':').map_or("", |(file, _)| file);
    let is_placed =
        message.strip_prefix(file).is_some_and(|rest| rest.starts_with(':')) || require::is_place(&message);
    let text = if place.is_empty() || is_placed { message } else { format!("{place}: {message}") };
    stack.push_bytes(text.as_bytes());
    Ok(1)
}

/// Whether the table on top has a code and a message, as those of `Call::coded_error` have.
fn has_code(stack: Stack<'_>) -> bool {
    [&b"code"[..], b"message"].into_iter().all(|name| {
        stack.raw_get_field(-1, name);
        let is_string = stack.kind(-1) == Kind::String;
        stack.pop(1);
        is_string
    })
}

fn read_coded_error(stack: Stack<'_>) -> ScriptError {
    let text = |name: &[u8]| {
        stack.raw_get_field(-1, name);
        let text = String::from_utf8_lossy(stack.bytes(-1).unwrap_or_default()).into();
        stack.pop(1);
        text
    };
    let (code, message) = (text(b"code"), text(b"message"));
    stack.raw_get_field(-1, b"details");
    let mut json = Vec::new();
    let has_details = stack.kind(-1) != Kind::Nil && extension::encode_top(stack, &mut json).is_ok();
    let details = has_details.then(|| String::from_utf8_lossy(&json).into());
    ScriptError::Coded { code, message, details }
}
