//! One Lua state with its host: compiles scripts and runs calls.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CString, c_int};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mlua::ffi;

use crate::metrics::{Metrics, ScriptMetrics};
use crate::script::{Script, ScriptSet};
use crate::state::{Arguments, Call, CallError, CallKeys, CallResult};
use crate::wire::ids::RoomId;

use super::budget::Exceeded;
use super::chunk;
use super::godra;
use super::host::Host;
use super::result::{Returned, write_result};
use super::sandbox;
use super::stack::{Kind, Outcome, Stack, Status, native};

/// Slots at the bottom of the stack that stay.
const GLOBALS: c_int = 1;
const GODRA: c_int = 2;
const KEYS: c_int = 3;
const ARGV: c_int = 4;
const HANDLER: c_int = 5;
const DERIVED: c_int = 6;
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
    host: Box<Host>,
    /// By the script's address, which stays taken while the entry holds the script.
    compiled: HashMap<usize, Compiled, AddressHash>,
    metrics: Arc<Metrics>,
    /// What Lua held when no call was running and all garbage was gone.
    resting_bytes: usize,
    /// Keys and results under construction.
    text: RefCell<Vec<u8>>,
    /// Whose keys lie in the table of derived keys.
    derived: RefCell<Option<(Arc<Script>, Option<RoomId>)>>,
}

struct Compiled {
    script: Arc<Script>,
    /// The chunk's place in the registry, or why there is none.
    function: Result<c_int, Box<str>>,
    metrics: ScriptMetrics,
}

/// One call and its circumstances.
#[derive(Clone, Copy)]
pub struct Invocation<'a> {
    /// What to call.
    pub call: &'a Call,
    /// The batch's room.
    pub room: Option<&'a RoomId>,
    /// The store's time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// When the call begins, for its time budget.
    pub now: Instant,
    /// For `math.random`.
    pub seed: u64,
}

impl Interpreter {
    /// An interpreter with an empty store. Calls may take so much time, and as many bytes of memory.
    pub fn new(seed: u64, time_budget: Duration, memory_budget: usize, metrics: Arc<Metrics>) -> Self {
        let host = Box::new(Host::new(seed, time_budget, memory_budget));
        let mut interpreter = Self {
            state: std::ptr::null_mut(),
            host,
            compiled: HashMap::default(),
            metrics,
            resting_bytes: 0,
            text: RefCell::default(),
            derived: RefCell::default(),
        };
        interpreter.rebuild();
        interpreter
    }

    /// Starts over with a fresh Lua state, keeping the store. The old state is abandoned, not closed: this is for
    /// when a panic has gone through it, and nobody knows what it is in the middle of.
    pub fn rebuild(&mut self) {
        self.host.budget.end();
        self.host.budget.set_lenient(true);
        self.compiled.clear();
        // SAFETY: the host is boxed, and dropped after the state (see `drop`).
        self.state = unsafe { Stack::create(&*self.host) };
        assert!(!self.state.is_null(), "no memory for a Lua state");
        let stack = self.stack();
        sandbox::build(stack);
        stack.set_collector_pace(COLLECTOR_PAUSE, COLLECTOR_STEP);
        debug_assert_eq!(stack.top(), GODRA);
        stack.push_bytes(b"KEYS");
        stack.push_bytes(b"ARGV");
        stack.push_native(native(describe_error), 0);
        stack.push_table(4, 0);
        debug_assert_eq!(stack.top(), DERIVED);
        self.derived.take();
        self.rest();
    }

    /// What the engine shares with the native functions: the store and the outbox.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Compiles what is new in the set, and forgets scripts that are neither in it nor waiting in a call.
    pub fn prepare(&mut self, set: &ScriptSet) {
        for script in set.scripts.values() {
            if let Err(message) = self.compile(script) {
                log::error!("script does not compile script={} error={message:?}", script.name);
            }
        }
        // It would keep a script that is out of the set.
        self.derived.take();
        // SAFETY: the state is live, as in `Interpreter::stack`, which would borrow all of `self`.
        let stack: Stack<'_> = unsafe { Stack::from_raw(self.state) };
        self.compiled.retain(|_, compiled| {
            let is_current =
                set.get(&compiled.script.name).is_some_and(|script| Arc::ptr_eq(script, &compiled.script));
            let is_used = is_current || Arc::strong_count(&compiled.script) > 1;
            if !is_used && let Ok(function) = compiled.function {
                stack.forget(function);
            }
            is_used
        });
        self.rest();
    }

    /// How many scripts are compiled.
    pub fn compiled(&self) -> usize {
        self.compiled.len()
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

    /// Runs one call, and tells when it ended. Its events are in the host's outbox afterwards, also if it failed.
    pub fn run(&mut self, invocation: Invocation<'_>) -> (CallResult, Instant) {
        let script = &invocation.call.script;
        self.compile(script);
        let compiled = &self.compiled[&address(script)];
        let result = match &compiled.function {
            Ok(function) => self.run_function(invocation, *function),
            Err(message) => CallResult::Err(fault("script_error", message)),
        };
        let ended_at = Instant::now();
        let metrics = &compiled.metrics;
        metrics.runs.inc();
        metrics.duration.observe(ended_at.duration_since(invocation.now));
        if let CallResult::Err(error) = &result
            && error.is_fault
        {
            metrics.errors.inc();
            metrics.timeouts.inc_by(u64::from(&*error.code == "script_timeout"));
        }
        (result, ended_at)
    }

    fn run_function(&self, invocation: Invocation<'_>, function: c_int) -> CallResult {
        self.enter(invocation);
        let stack = self.stack();
        let result = match self.push_call(invocation, function) {
            Err(message) => CallResult::Err(fault("script_error", message)),
            Ok(()) => match stack.protected_call(0, 1, HANDLER) {
                Status::Failed => CallResult::Err(self.read_error(invocation)),
                _ => self.read_result(invocation),
            },
        };
        self.leave();
        result
    }

    fn stack(&self) -> Stack<'_> {
        // SAFETY: the state lives as long as `self`, and was made by `Stack::create`.
        unsafe { Stack::from_raw(self.state) }
    }

    fn compile(&mut self, script: &Arc<Script>) -> &Result<c_int, Box<str>> {
        // SAFETY: the state is live, as in `Interpreter::stack`, which would borrow all of `self`.
        let stack: Stack<'_> = unsafe { Stack::from_raw(self.state) };
        let compiled = self.compiled.entry(address(script)).or_insert_with(|| Compiled {
            script: script.clone(),
            function: load(stack, script),
            metrics: self.metrics.script(&script.name),
        });
        &compiled.function
    }

    fn enter(&self, invocation: Invocation<'_>) {
        let host = &self.host;
        {
            let mut caller = host.caller.borrow_mut();
            caller.now_ms = invocation.now_ms;
            if caller.room.as_ref() != invocation.room {
                caller.room = invocation.room.cloned();
            }
            let identity = &invocation.call.caller;
            if !caller.identity.as_ref().is_some_and(|known| Arc::ptr_eq(known, identity)) {
                caller.identity = Some(identity.clone());
            }
        }
        host.outbox.borrow_mut().set_now(invocation.now_ms);
        host.random.set(invocation.seed);
        host.budget.begin(self.stack(), invocation.now, self.resting_bytes);
    }

    /// Sets `KEYS` and `ARGV` and pushes the script's function.
    fn push_call(&self, invocation: Invocation<'_>, function: c_int) -> Result<(), &'static str> {
        let stack = self.stack();
        let call = invocation.call;
        stack.push_value(KEYS);
        self.push_keys(invocation)?;
        stack.raw_set(GLOBALS);
        stack.push_value(ARGV);
        push_arguments(stack, &call.caller.user_id, &call.arguments);
        stack.raw_set(GLOBALS);
        stack.push_stored(function);
        Ok(())
    }

    fn push_keys(&self, invocation: Invocation<'_>) -> Result<(), &'static str> {
        let stack = self.stack();
        let call = invocation.call;
        match &call.keys {
            CallKeys::Resolved(keys) => {
                stack.push_table(keys.len(), 0);
                for (index, key) in (1..).zip(keys) {
                    stack.push_bytes(key.as_bytes());
                    stack.raw_set_index(-2, index);
                }
            }
            CallKeys::FromRoom => {
                self.derive_keys(&call.script, invocation.room)?;
                let count = call.script.header.keys.len() as i32;
                stack.push_table(count as usize, 0);
                for index in 1..=count {
                    stack.raw_get_index(DERIVED, index);
                    stack.raw_set_index(-2, index);
                }
            }
        }
        Ok(())
    }

    /// Fills the table of derived keys, unless it has those of this script and room: calls of a batch mostly share them.
    fn derive_keys(&self, script: &Arc<Script>, room: Option<&RoomId>) -> Result<(), &'static str> {
        let mut derived = self.derived.borrow_mut();
        let is_same =
            |known: &(Arc<Script>, Option<RoomId>)| Arc::ptr_eq(&known.0, script) && known.1.as_ref() == room;
        if derived.as_ref().is_some_and(is_same) {
            return Ok(());
        }
        *derived = None;
        let stack = self.stack();
        let mut text = self.text.borrow_mut();
        for (index, pattern) in (1..).zip(&script.header.keys) {
            text.clear();
            text.extend_from_slice(pattern.prefix.as_bytes());
            if pattern.placeholder.is_some() {
                let room = room.ok_or("the script's keys need a room, and this call is in none")?;
                text.extend_from_slice(room.as_str().as_bytes());
            }
            text.extend_from_slice(pattern.suffix.as_bytes());
            stack.push_bytes(&text);
            stack.raw_set_index(DERIVED, index);
        }
        *derived = Some((script.clone(), room.cloned()));
        Ok(())
    }

    fn read_result(&self, invocation: Invocation<'_>) -> CallResult {
        let stack = self.stack();
        if !invocation.call.wants_result && stack.kind(-1) != Kind::Table {
            return CallResult::Ok(Bytes::from_static(b"null"));
        }
        let mut text = self.text.borrow_mut();
        text.clear();
        match write_result(stack, &mut text) {
            Ok(Returned::Value) if invocation.call.wants_result => {
                CallResult::Ok(Bytes::copy_from_slice(&text))
            }
            Ok(Returned::Value) => CallResult::Ok(Bytes::from_static(b"null")),
            Ok(Returned::Error(message)) => CallResult::Err(CallError {
                code: "script_error".into(),
                message: message.into(),
                details: None,
                is_fault: false,
            }),
            Err(_) => CallResult::Err(self.read_error(invocation)),
        }
    }

    /// Turns the error on top of the stack into what the caller gets.
    fn read_error(&self, invocation: Invocation<'_>) -> CallError {
        let stack = self.stack();
        let message = || String::from_utf8_lossy(stack.bytes(-1).unwrap_or_default());
        match self.host.budget.exceeded() {
            Some(Exceeded::Time) => fault("script_timeout", &message()),
            Some(exceeded @ Exceeded::Memory) => {
                let message = message();
                if message.ends_with("not enough memory") || message.is_empty() {
                    let name = &invocation.call.script.name;
                    let described = self.host.budget.describe(exceeded);
                    return fault("script_error", &format!("{name}.lua: {described}"));
                }
                fault("script_error", &message)
            }
            None if stack.kind(-1) == Kind::Table => read_coded_error(stack),
            None => fault("script_error", &message()),
        }
    }

    fn leave(&self) {
        let stack = self.stack();
        self.host.budget.end();
        self.host.budget.set_lenient(true);
        stack.set_top(DERIVED);
        godra::forget_user(stack, GODRA);
        self.host.json.borrow_mut().reset();
        if self.used_bytes() > self.resting_bytes + COLLECT_AFTER_GROWTH {
            self.host.scratch.take();
            self.host.reply.take();
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

fn load(stack: Stack<'_>, script: &Script) -> Result<c_int, Box<str>> {
    let name = &script.name;
    // Lua would take such a text for compiled code, and does not check that.
    if script.text.starts_with('\u{1b}') {
        return Err(format!("{name}.lua: compiled code is not accepted").into());
    }
    let Ok(chunk) = CString::new(format!("@{name}.lua")) else {
        return Err("a script's name cannot contain a nul byte".into());
    };
    match stack.load(script.text.as_bytes(), &chunk) {
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

fn push_arguments(stack: Stack<'_>, user_id: &str, arguments: &Arguments) {
    let count = match arguments {
        Arguments::Payload(_) => 2,
        Arguments::List(list) => list.len() + 1,
    };
    stack.push_table(count, 0);
    stack.push_bytes(user_id.as_bytes());
    stack.raw_set_index(-2, 1);
    match arguments {
        Arguments::Payload(payload) => {
            stack.push_bytes(payload);
            stack.raw_set_index(-2, 2);
        }
        Arguments::List(list) => {
            for (index, argument) in (2..).zip(list) {
                stack.push_bytes(argument);
                stack.raw_set_index(-2, index);
            }
        }
    }
}

/// The outermost error handler: adds the place to what has none. Tables of `godra.error` stay as they are.
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
    let is_placed = message.strip_prefix(file).is_some_and(|rest| rest.starts_with(':'));
    let text = if place.is_empty() || is_placed { message } else { format!("{place}: {message}") };
    stack.push_bytes(text.as_bytes());
    Ok(1)
}

/// Whether the table on top has a code and a message, as those of `godra.error` have.
fn has_code(stack: Stack<'_>) -> bool {
    [&b"code"[..], b"message"].into_iter().all(|name| {
        stack.raw_get_field(-1, name);
        let is_string = stack.kind(-1) == Kind::String;
        stack.pop(1);
        is_string
    })
}

fn read_coded_error(stack: Stack<'_>) -> CallError {
    let text = |name: &[u8]| {
        stack.raw_get_field(-1, name);
        let text = String::from_utf8_lossy(stack.bytes(-1).unwrap_or_default()).into();
        stack.pop(1);
        text
    };
    let (code, message) = (text(b"code"), text(b"message"));
    stack.raw_get_field(-1, b"details");
    let mut json = Vec::new();
    let has_details = stack.kind(-1) != Kind::Nil && godra::encode_top(stack, &mut json).is_ok();
    let details = has_details.then(|| String::from_utf8_lossy(&json).into());
    CallError { code, message, details, is_fault: false }
}

fn fault(code: &str, message: &str) -> CallError {
    CallError { code: code.into(), message: message.into(), details: None, is_fault: true }
}
