//! The Lua C API as safe Rust: the only module of the sandbox, beside [`super::budget`], that touches it.
//!
//! Lua reports errors with `longjmp`, which must not cross a Rust frame that owns anything. So:
//!
//! - Every Rust function that Lua calls goes through one trampoline, `entry`. While it runs, the allocator is
//!   lenient: it lets the heap pass its limit rather than fail, and the trampoline settles the account afterwards.
//!   Without failing allocations none of the calls used here can raise.
//! - Rust calls back into Lua only protected ([`Stack::call`], [`Stack::resume`]), and gets the error as a value.
//! - An error of ours is pushed and returned as [`Raised`]; the trampoline alone raises it, when the Rust function is
//!   gone.
//!
//! Indices are Lua's: 1 is the first argument, -1 the topmost value.

mod calls;
mod errors;
mod push;
mod setup;
mod tables;

use std::ffi::{CStr, c_int, c_void};

use mlua::ffi;

use super::budget;
use super::host::Host;
pub(crate) use calls::Life;
pub(crate) use errors::LIBRARY_CHUNK;

/// An error value is on top of the stack; whoever gets this passes it on.
#[derive(Debug)]
#[must_use]
pub struct Raised(());

/// What a Rust function tells Lua: how many results it left on top of the stack.
pub(super) type Outcome = Result<c_int, Raised>;

/// Lua's basic types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Beyond the arguments.
    None,
    /// `nil`.
    Nil,
    /// `true` or `false`.
    Boolean,
    /// A bare pointer; `cjson.null` is the null one.
    LightUserdata,
    /// A double.
    Number,
    /// Bytes.
    String,
    /// A table.
    Table,
    /// A Lua or native function.
    Function,
    /// A userdata block.
    Userdata,
    /// A coroutine.
    Thread,
}

impl Kind {
    /// Lua's name of the type, as error messages show it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "no value",
            Self::Nil => "nil",
            Self::Boolean => "boolean",
            Self::LightUserdata | Self::Userdata => "userdata",
            Self::Number => "number",
            Self::String => "string",
            Self::Table => "table",
            Self::Function => "function",
            Self::Thread => "thread",
        }
    }

    fn from_raw(kind: c_int) -> Self {
        match kind {
            ffi::LUA_TNIL => Self::Nil,
            ffi::LUA_TBOOLEAN => Self::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Self::LightUserdata,
            ffi::LUA_TNUMBER => Self::Number,
            ffi::LUA_TSTRING => Self::String,
            ffi::LUA_TTABLE => Self::Table,
            ffi::LUA_TFUNCTION => Self::Function,
            ffi::LUA_TUSERDATA => Self::Userdata,
            ffi::LUA_TTHREAD => Self::Thread,
            _ => Self::None,
        }
    }
}

/// How a protected call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// The results are on the stack.
    Done,
    /// A coroutine yielded; what it yielded is on its stack.
    Yielded,
    /// The error value is on top of the stack.
    Failed,
}

/// A function's name and code, for building a library table.
pub(super) type Entry = (&'static CStr, ffi::lua_CFunction);

/// The stack of one Lua thread, as the native function that Lua called sees it.
#[derive(Clone, Copy)]
pub(super) struct Stack<'h> {
    state: *mut ffi::lua_State,
    host: &'h Host,
}

/// The C function that runs `function`: a plain `fn` item, so that nothing needs to be stored with it.
pub(super) fn native<F>(function: F) -> ffi::lua_CFunction
where
    F: Fn(Stack<'_>) -> Outcome + Copy + 'static,
{
    const { assert!(size_of::<F>() == 0, "only functions without captured state") };
    let _ = function;
    entry::<F>
}

unsafe extern "C-unwind" fn entry<F>(state: *mut ffi::lua_State) -> c_int
where
    F: Fn(Stack<'_>) -> Outcome + Copy + 'static,
{
    // SAFETY: `F` has no size (asserted in `native`), so there is nothing to read, and `native` was given a value of it.
    let function: F = unsafe { std::ptr::NonNull::<F>::dangling().read() };
    // SAFETY: Lua calls with the state that is running, whose allocator was given a `Host` by `Stack::create`.
    let stack = unsafe { Stack::from_raw(state) };
    let budget = &stack.host().budget;
    let was_lenient = budget.set_lenient(true);
    let mut outcome = function(stack);
    if outcome.is_ok() && budget.is_strained() {
        outcome = stack.check().and(outcome);
    }
    budget.set_lenient(was_lenient);
    match outcome {
        Ok(results) => results,
        // SAFETY: `Raised` promises an error value on top; this frame and those above own nothing.
        Err(Raised(())) => unsafe { ffi::lua_error(state) },
    }
}

/// The state's life.
impl Stack<'_> {
    /// Makes a Lua state whose functions find `host`. Null when memory is out.
    ///
    /// # Safety
    /// `host` must outlive the state and stay where it is.
    pub(super) unsafe fn create(host: *const Host) -> *mut ffi::lua_State {
        // SAFETY: the allocator gets the host that it expects.
        let state = unsafe { ffi::lua_newstate(budget::allocate, host.cast_mut().cast()) };
        if !state.is_null() {
            // SAFETY: the state is live.
            unsafe { ffi::lua_atpanic(state, panic_outside_protection) };
        }
        state
    }

    /// The stack of a running state.
    ///
    /// # Safety
    /// `state` must be live and made by [`Stack::create`], or a coroutine of such a state.
    pub(super) unsafe fn from_raw(state: *mut ffi::lua_State) -> Self {
        let mut data: *mut c_void = std::ptr::null_mut();
        // SAFETY: the state is live, and `data` is the host that `create` was given, which outlives it.
        let host = unsafe {
            ffi::lua_getallocf(state, &mut data);
            &*data.cast::<Host>()
        };
        Self { state, host }
    }
}

unsafe extern "C-unwind" fn panic_outside_protection(_: *mut ffi::lua_State) -> c_int {
    panic!("a Lua error outside a protected call");
}

impl<'h> Stack<'h> {
    /// What the engine shares with its native functions.
    #[inline]
    pub(super) fn host(self) -> &'h Host {
        self.host
    }

    /// The raw state, for [`super::budget`].
    pub(super) fn state(self) -> *mut ffi::lua_State {
        self.state
    }

    /// Number of values on the stack; in a native function, at first, the number of its arguments.
    pub(super) fn top(self) -> c_int {
        // SAFETY: the state is live.
        unsafe { ffi::lua_gettop(self.state) }
    }

    /// Cuts the stack or fills it with nils.
    pub(super) fn set_top(self, top: c_int) {
        // SAFETY: only grows within the slots that every C function has, or shrinks.
        unsafe { ffi::lua_settop(self.state, top) }
    }

    /// Drops the topmost values.
    pub(super) fn pop(self, count: c_int) {
        debug_assert!(count <= self.top());
        // SAFETY: as many values are there.
        unsafe { ffi::lua_settop(self.state, -count - 1) }
    }

    /// Makes room for so many more values; false when the stack has reached its limit.
    /// Every native function may push 20 without asking.
    pub(super) fn reserve(self, count: c_int) -> bool {
        // SAFETY: lenient allocation, so it cannot raise.
        unsafe { ffi::lua_checkstack(self.state, count) != 0 }
    }

    /// The type of a value.
    pub(super) fn kind(self, index: c_int) -> Kind {
        // SAFETY: `index` is an acceptable index.
        Kind::from_raw(unsafe { ffi::lua_type(self.state, index) })
    }

    /// Whether a value is anything but nil and false.
    pub(super) fn boolean(self, index: c_int) -> bool {
        // SAFETY: `index` is an acceptable index.
        unsafe { ffi::lua_toboolean(self.state, index) != 0 }
    }

    /// A string's bytes; a number becomes its text, in place. The bytes live while the string is reachable: leave
    /// it where it is for as long as they are used.
    pub(super) fn bytes(self, index: c_int) -> Option<&'h [u8]> {
        let mut len = 0;
        // SAFETY: Lua strings do not move; the caller keeps the value reachable.
        unsafe {
            let data = ffi::lua_tolstring(self.state, index, &mut len);
            (!data.is_null()).then(|| std::slice::from_raw_parts(data.cast(), len))
        }
    }

    /// A number, or a string that reads as one.
    pub(super) fn number(self, index: c_int) -> Option<f64> {
        // SAFETY: `index` is an acceptable index.
        unsafe {
            let value = ffi::lua_tonumber(self.state, index);
            (value != 0.0 || ffi::lua_isnumber(self.state, index) != 0).then_some(value)
        }
    }

    /// As [`Stack::number`], cut to an integer as C does.
    pub(super) fn integer(self, index: c_int) -> Option<i64> {
        // SAFETY: `index` is an acceptable index.
        unsafe {
            let value = ffi::lua_tointeger_(self.state, index);
            (value != 0 || ffi::lua_isnumber(self.state, index) != 0).then_some(value as i64)
        }
    }

    /// A light userdata's address; null for other types.
    pub(super) fn light_userdata(self, index: c_int) -> *mut c_void {
        // SAFETY: `index` is an acceptable index.
        unsafe { ffi::lua_touserdata(self.state, index) }
    }

    /// Whether a function is native.
    pub(super) fn is_native_function(self, index: c_int) -> bool {
        // SAFETY: `index` is an acceptable index.
        unsafe { ffi::lua_iscfunction(self.state, index) != 0 }
    }

    /// Where a table, function or coroutine is; null for other types.
    pub(super) fn address(self, index: c_int) -> *const c_void {
        // SAFETY: `index` is an acceptable index.
        unsafe { ffi::lua_topointer(self.state, index) }
    }

    /// `#value` without metamethods.
    pub(super) fn length(self, index: c_int) -> usize {
        // SAFETY: `index` is an acceptable index; a number would become a string, which is lenient.
        unsafe { ffi::lua_objlen(self.state, index) }
    }
}
