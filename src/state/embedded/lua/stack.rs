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

use std::ffi::{CStr, c_int, c_void};
use std::fmt;

use mlua::ffi;

use super::budget::{self, Exceeded};
use super::host::Host;

/// An error value is on top of the stack; whoever gets this passes it on.
#[derive(Debug)]
#[must_use]
pub struct Raised(());

/// What a Rust function tells Lua: how many results it left on top of the stack.
pub type Outcome = Result<c_int, Raised>;

/// Lua's basic types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
    pub fn name(self) -> &'static str {
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
pub enum Status {
    /// The results are on the stack.
    Done,
    /// A coroutine yielded; what it yielded is on its stack.
    Yielded,
    /// The error value is on top of the stack.
    Failed,
}

/// A function's name and code, for building a library table.
pub type Entry = (&'static CStr, ffi::lua_CFunction);

/// The stack of one Lua thread, as the native function that Lua called sees it.
#[derive(Clone, Copy)]
pub struct Stack<'h> {
    state: *mut ffi::lua_State,
    host: &'h Host,
}

/// The C function that runs `function`: a plain `fn` item, so that nothing needs to be stored with it.
pub fn native<F>(function: F) -> ffi::lua_CFunction
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
    pub unsafe fn create(host: *const Host) -> *mut ffi::lua_State {
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
    pub unsafe fn from_raw(state: *mut ffi::lua_State) -> Self {
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
    pub fn host(self) -> &'h Host {
        self.host
    }

    /// The raw state, for [`super::budget`].
    pub fn state(self) -> *mut ffi::lua_State {
        self.state
    }

    /// Number of values on the stack; in a native function, at first, the number of its arguments.
    pub fn top(self) -> c_int {
        // SAFETY: the state is live.
        unsafe { ffi::lua_gettop(self.state) }
    }

    /// Cuts the stack or fills it with nils.
    pub fn set_top(self, top: c_int) {
        // SAFETY: only grows within the slots that every C function has, or shrinks.
        unsafe { ffi::lua_settop(self.state, top) }
    }

    /// Drops the topmost values.
    pub fn pop(self, count: c_int) {
        debug_assert!(count <= self.top());
        // SAFETY: as many values are there.
        unsafe { ffi::lua_settop(self.state, -count - 1) }
    }

    /// Makes room for so many more values; false when the stack has reached its limit.
    /// Every native function may push 20 without asking.
    pub fn reserve(self, count: c_int) -> bool {
        // SAFETY: lenient allocation, so it cannot raise.
        unsafe { ffi::lua_checkstack(self.state, count) != 0 }
    }

    /// The type of a value.
    pub fn kind(self, index: c_int) -> Kind {
        // SAFETY: `index` is an acceptable index.
        Kind::from_raw(unsafe { ffi::lua_type(self.state, index) })
    }

    /// Whether a value is anything but nil and false.
    pub fn boolean(self, index: c_int) -> bool {
        // SAFETY: `index` is an acceptable index.
        unsafe { ffi::lua_toboolean(self.state, index) != 0 }
    }

    /// A string's bytes; a number becomes its text, in place. The bytes live while the string is reachable: leave
    /// it where it is for as long as they are used.
    pub fn bytes(self, index: c_int) -> Option<&'h [u8]> {
        let mut len = 0;
        // SAFETY: Lua strings do not move; the caller keeps the value reachable.
        unsafe {
            let data = ffi::lua_tolstring(self.state, index, &mut len);
            (!data.is_null()).then(|| std::slice::from_raw_parts(data.cast(), len))
        }
    }

    /// A number, or a string that reads as one.
    pub fn number(self, index: c_int) -> Option<f64> {
        // SAFETY: `index` is an acceptable index.
        unsafe {
            let value = ffi::lua_tonumber(self.state, index);
            (value != 0.0 || ffi::lua_isnumber(self.state, index) != 0).then_some(value)
        }
    }

    /// As [`Stack::number`], cut to an integer as C does.
    pub fn integer(self, index: c_int) -> Option<i64> {
        // SAFETY: `index` is an acceptable index.
        unsafe {
            let value = ffi::lua_tointeger_(self.state, index);
            (value != 0 || ffi::lua_isnumber(self.state, index) != 0).then_some(value as i64)
        }
    }

    /// A light userdata's address; null for other types.
    pub fn light_userdata(self, index: c_int) -> *mut c_void {
        // SAFETY: `index` is an acceptable index.
        unsafe { ffi::lua_touserdata(self.state, index) }
    }

    /// Whether a function is native.
    pub fn is_native_function(self, index: c_int) -> bool {
        // SAFETY: `index` is an acceptable index.
        unsafe { ffi::lua_iscfunction(self.state, index) != 0 }
    }

    /// Where a table, function or coroutine is; null for other types.
    pub fn address(self, index: c_int) -> *const c_void {
        // SAFETY: `index` is an acceptable index.
        unsafe { ffi::lua_topointer(self.state, index) }
    }

    /// `#value` without metamethods.
    pub fn length(self, index: c_int) -> usize {
        // SAFETY: `index` is an acceptable index; a number would become a string, which is lenient.
        unsafe { ffi::lua_objlen(self.state, index) }
    }

    /// Whether two values are the same without metamethods.
    pub fn raw_equal(self, left: c_int, right: c_int) -> bool {
        // SAFETY: both are acceptable indices.
        unsafe { ffi::lua_rawequal(self.state, left, right) != 0 }
    }
}

/// Pushing and moving values.
impl<'h> Stack<'h> {
    /// Pushes nil.
    pub fn push_nil(self) {
        // SAFETY: there is a free slot.
        unsafe { ffi::lua_pushnil(self.state) }
    }

    /// Pushes a boolean.
    pub fn push_boolean(self, value: bool) {
        // SAFETY: there is a free slot.
        unsafe { ffi::lua_pushboolean(self.state, c_int::from(value)) }
    }

    /// Pushes a number.
    pub fn push_number(self, value: f64) {
        // SAFETY: there is a free slot.
        unsafe { ffi::lua_pushnumber(self.state, value) }
    }

    /// Pushes an integer; it becomes a double.
    pub fn push_integer(self, value: i64) {
        self.push_number(value as f64);
    }

    /// Pushes a copy of some bytes.
    pub fn push_bytes(self, bytes: &[u8]) {
        // SAFETY: there is a free slot; allocation is lenient.
        unsafe { ffi::lua_pushlstring_(self.state, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes a light userdata.
    pub fn push_light_userdata(self, address: *mut c_void) {
        // SAFETY: there is a free slot.
        unsafe { ffi::lua_pushlightuserdata(self.state, address) }
    }

    /// Pushes a copy of a value.
    pub fn push_value(self, index: c_int) {
        // SAFETY: `index` holds a value and there is a free slot.
        unsafe { ffi::lua_pushvalue(self.state, index) }
    }

    /// Pushes a native function that takes the topmost `upvalues` values with it.
    pub fn push_native(self, function: ffi::lua_CFunction, upvalues: c_int) {
        // SAFETY: the upvalues are there; allocation is lenient.
        unsafe { ffi::lua_pushcclosure(self.state, function, upvalues) }
    }

    /// Pushes an empty table with room for so many elements and fields.
    pub fn push_table(self, elements: usize, fields: usize) {
        let limit = |count: usize| c_int::try_from(count).unwrap_or(c_int::MAX / 2);
        // SAFETY: there is a free slot; allocation is lenient.
        unsafe { ffi::lua_createtable(self.state, limit(elements), limit(fields)) }
    }

    /// Pushes a table of native functions.
    pub fn push_library(self, entries: &[Entry]) {
        self.push_table(0, entries.len());
        for (name, function) in entries {
            self.push_native(*function, 0);
            self.set_field(-2, name);
        }
    }

    /// Moves the topmost value to `index`, shifting those above up.
    pub fn insert(self, index: c_int) {
        // SAFETY: `index` holds a value.
        unsafe { ffi::lua_insert(self.state, index) }
    }

    /// Moves the topmost value to `index`, over the one there.
    pub fn replace(self, index: c_int) {
        // SAFETY: `index` holds a value.
        unsafe { ffi::lua_replace(self.state, index) }
    }

    /// Takes a value out, shifting those above down.
    pub fn remove(self, index: c_int) {
        // SAFETY: `index` holds a value.
        unsafe { ffi::lua_remove(self.state, index) }
    }

    /// Index of the running function's upvalue, from 1.
    pub fn upvalue(upvalue: c_int) -> c_int {
        ffi::lua_upvalueindex(upvalue)
    }
}

/// Tables, without metamethods unless said.
impl<'h> Stack<'h> {
    /// Pushes `table[position]`.
    pub fn raw_get_index(self, table: c_int, position: i32) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table is there, and a free slot.
        unsafe { ffi::lua_rawgeti_(self.state, table, position) }
    }

    /// Pops a value into `table[position]`.
    pub fn raw_set_index(self, table: c_int, position: i32) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table is there; allocation is lenient.
        unsafe { ffi::lua_rawseti_(self.state, table, position) }
    }

    /// Pops a key and pushes `table[key]`.
    pub fn raw_get(self, table: c_int) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table and a key are there.
        unsafe { ffi::lua_rawget_(self.state, table) }
    }

    /// Pops a value and a key into the table. The key must not be nil or NaN.
    pub fn raw_set(self, table: c_int) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        debug_assert_ne!(self.kind(-2), Kind::Nil);
        // SAFETY: a table, a usable key and a value are there; allocation is lenient.
        unsafe { ffi::lua_rawset(self.state, table) }
    }

    /// Pops a value into a field. Takes the table's metamethods if it has any, which tables of ours have not yet.
    pub fn set_field(self, table: c_int, name: &CStr) {
        // SAFETY: a table of ours is there; allocation is lenient.
        unsafe { ffi::lua_setfield(self.state, table, name.as_ptr()) }
    }

    /// Pushes a field without metamethods.
    pub fn raw_get_field(self, table: c_int, name: &[u8]) {
        let table = self.absolute(table);
        self.push_bytes(name);
        self.raw_get(table);
    }

    /// Pops a key and pushes the next key and its value; pushes nothing at the end. The key must be one of the
    /// table's, as when it came from here.
    pub fn next(self, table: c_int) -> bool {
        // SAFETY: a table and one of its keys are there, so it cannot raise.
        unsafe { ffi::lua_next(self.state, table) != 0 }
    }

    /// As [`Stack::next`], for a key that may not be the table's: Lua raises over this frame and its caller's, which
    /// must own nothing. What catches the raise restores the budget's leniency.
    pub fn next_checked(self, table: c_int) -> Result<bool, Raised> {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table and a key are there; the frames that a raise skips own nothing.
        Ok(unsafe { ffi::lua_next(self.state, table) != 0 })
    }

    /// Pushes a value's metatable, if it has one.
    pub fn push_metatable(self, index: c_int) -> bool {
        // SAFETY: `index` is an acceptable index, and there is a free slot.
        unsafe { ffi::lua_getmetatable(self.state, index) != 0 }
    }

    /// Pops a table or nil and makes it the metatable.
    pub fn set_metatable(self, index: c_int) {
        // SAFETY: a table or nil is on top.
        unsafe {
            ffi::lua_setmetatable(self.state, index);
        }
    }

    /// Pushes a field of the value's metatable, if it is there.
    pub fn push_metafield(self, index: c_int, name: &[u8]) -> bool {
        if !self.push_metatable(index) {
            return false;
        }
        self.raw_get_field(-1, name);
        if self.kind(-1) == Kind::Nil {
            self.pop(2);
            return false;
        }
        self.remove(-2);
        true
    }

    /// Pops a key and pushes `table[key]`, with metamethods.
    pub fn get(self, table: c_int) -> Result<(), Raised> {
        let table = self.absolute(table);
        self.push_native(native_get, 0);
        self.insert(-2);
        self.push_value(table);
        self.insert(-2);
        self.call(2, 1)
    }

    /// `left < right`, with metamethods.
    pub fn less_than(self, left: c_int, right: c_int) -> Result<bool, Raised> {
        match (self.kind(left), self.kind(right)) {
            (Kind::Number, Kind::Number) => Ok(self.number(left) < self.number(right)),
            (Kind::String, Kind::String) => Ok(self.bytes(left) < self.bytes(right)),
            _ => {
                let (left, right) = (self.absolute(left), self.absolute(right));
                self.push_native(native_less_than, 0);
                self.push_value(left);
                self.push_value(right);
                self.call(2, 1)?;
                let result = self.boolean(-1);
                self.pop(1);
                Ok(result)
            }
        }
    }

    /// The same index counted from the bottom.
    pub fn absolute(self, index: c_int) -> c_int {
        if index > 0 || index <= ffi::LUA_REGISTRYINDEX { index } else { self.top() + index + 1 }
    }

    /// Pops a value and keeps it in the registry; the answer finds it again.
    pub fn store(self) -> c_int {
        // SAFETY: a value is on top; allocation is lenient.
        unsafe { ffi::luaL_ref(self.state, ffi::LUA_REGISTRYINDEX) }
    }

    /// Pushes a stored value.
    pub fn push_stored(self, reference: c_int) {
        // SAFETY: the registry is a table; a wrong reference gives nil.
        unsafe { ffi::lua_rawgeti_(self.state, ffi::LUA_REGISTRYINDEX, reference) }
    }

    /// Forgets a stored value.
    pub fn forget(self, reference: c_int) {
        // SAFETY: the registry is a table.
        unsafe { ffi::luaL_unref(self.state, ffi::LUA_REGISTRYINDEX, reference) }
    }
}

unsafe extern "C-unwind" fn native_get(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by `Stack::get` with a value and a key; a raise passes no Rust frame but this one.
    unsafe { ffi::lua_gettable_(state, 1) };
    1
}

unsafe extern "C-unwind" fn native_less_than(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: called by `Stack::less_than` with two values; a raise passes no Rust frame but this one.
    unsafe { ffi::lua_pushboolean(state, ffi::lua_lessthan(state, 1, 2)) };
    1
}

/// Calls, coroutines, budgets.
impl<'h> Stack<'h> {
    /// Calls the function below its topmost `arguments`; they are replaced by its results. All of them with -1.
    pub fn call(self, arguments: c_int, results: c_int) -> Result<(), Raised> {
        match self.protected_call(arguments, results, 0) {
            Status::Failed => Err(Raised(())),
            _ => Ok(()),
        }
    }

    /// As [`Stack::call`], telling how it ended; `handler` is the index of an error handler, or 0.
    pub fn protected_call(self, arguments: c_int, results: c_int, handler: c_int) -> Status {
        let budget = &self.host().budget;
        let was_lenient = budget.set_lenient(false);
        // SAFETY: a function and its arguments are on top; a raise ends at this call.
        let status = unsafe { ffi::lua_pcall(self.state, arguments, results, handler) };
        budget.set_lenient(was_lenient);
        if status == ffi::LUA_OK { Status::Done } else { Status::Failed }
    }

    /// The coroutine at `index`.
    pub fn thread(self, index: c_int) -> Option<Self> {
        // SAFETY: `index` is an acceptable index; a coroutine's state is live while it is reachable.
        unsafe {
            let state = ffi::lua_tothread(self.state, index);
            (!state.is_null()).then_some(Self { state, host: self.host })
        }
    }

    /// Pushes a new coroutine.
    pub fn push_thread(self) -> Self {
        // SAFETY: allocation is lenient.
        let state = unsafe { ffi::lua_newthread(self.state) };
        Self { state, host: self.host }
    }

    /// Moves the topmost values to another coroutine of the same state.
    pub fn move_to(self, other: Self, count: c_int) {
        // SAFETY: as many values are here, and the caller reserved as many slots there.
        unsafe { ffi::lua_xmove(self.state, other.state, count) }
    }

    /// Whether both are the same coroutine.
    pub fn is(self, other: Self) -> bool {
        self.state == other.state
    }

    /// Whether it can be resumed, and if not, what it is doing instead.
    pub fn life(self, coroutine: Self) -> Life {
        if self.is(coroutine) {
            return Life::Running;
        }
        // SAFETY: the coroutine is live; the record is only filled in.
        unsafe {
            match ffi::lua_status(coroutine.state) {
                ffi::LUA_YIELD => Life::Suspended,
                ffi::LUA_OK => {
                    let mut record = std::mem::zeroed();
                    if ffi::lua_getstack(coroutine.state, 0, &mut record) > 0 {
                        Life::Normal
                    } else if coroutine.top() == 0 {
                        Life::Dead
                    } else {
                        Life::Suspended
                    }
                }
                _ => Life::Dead,
            }
        }
    }

    /// Runs a suspended coroutine until it yields, returns or fails. It counts on from this one's depth of calls,
    /// so that coroutines inside coroutines cannot overflow the native stack.
    pub fn resume(self, coroutine: Self, arguments: c_int) -> Status {
        let budget = &self.host().budget;
        let was_lenient = budget.set_lenient(false);
        budget.set_current(coroutine.state);
        // SAFETY: the coroutine is suspended with its arguments on top; a raise in it ends at this call.
        let status = unsafe {
            lua_setlevel(self.state, coroutine.state);
            ffi::lua_resume_(coroutine.state, arguments)
        };
        budget.set_current(self.state);
        budget.set_lenient(was_lenient);
        match status {
            ffi::LUA_OK => Status::Done,
            ffi::LUA_YIELD => Status::Yielded,
            _ => Status::Failed,
        }
    }

    /// Fails once the call's budget is spent. Anything that may take long asks this now and then.
    pub fn check(self) -> Result<(), Raised> {
        match self.host().budget.check(self.state) {
            None => Ok(()),
            Some(exceeded) => Err(self.exceeded(exceeded)),
        }
    }

    /// Charges work to the call's budget: one unit is about a nanosecond. Looks at the clock now and then.
    #[inline]
    pub fn spend(self, units: usize) -> Result<(), Raised> {
        if self.host().budget.spend(units) { Ok(()) } else { self.check() }
    }

    /// Fails if a native buffer of that size would break the call's memory budget.
    pub fn check_room(self, bytes: usize) -> Result<(), Raised> {
        match self.host().budget.check_room(bytes) {
            None => Ok(()),
            Some(exceeded) => Err(self.exceeded(exceeded)),
        }
    }

    /// The error of a spent budget.
    pub fn exceeded(self, exceeded: Exceeded) -> Raised {
        let budget = &self.host().budget;
        self.error(format_args!("{}", budget.describe(exceeded)))
    }

    /// Collects all garbage. Lua halves its own buffers with each collection, so a big one takes a few.
    pub fn collect_garbage(self) {
        let budget = &self.host().budget;
        loop {
            let before = budget.used();
            // SAFETY: the state is live; allocation is lenient.
            unsafe {
                ffi::lua_gc(self.state, ffi::LUA_GCCOLLECT, 0);
            }
            if budget.used() + 1024 > before {
                break;
            }
        }
    }
}

unsafe extern "C-unwind" {
    /// Part of Lua's library, though not of its header: the coroutine library uses it.
    fn lua_setlevel(from: *mut ffi::lua_State, to: *mut ffi::lua_State);
}

/// What a coroutine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It is the one that asks.
    Running,
    /// It can be resumed.
    Suspended,
    /// It resumed another one.
    Normal,
    /// It ended.
    Dead,
}

/// Errors, with Lua's texts.
impl<'h> Stack<'h> {
    /// Pushes a message with the place of the running Lua function in front.
    pub fn error(self, message: fmt::Arguments<'_>) -> Raised {
        let place = self.place(1).map_or(String::new(), |place| format!("{place}: "));
        self.push_bytes(format!("{place}{message}").as_bytes());
        Raised(())
    }

    /// Pushes a message as it is.
    pub fn error_bytes(self, message: &[u8]) -> Raised {
        self.push_bytes(message);
        Raised(())
    }

    /// Raises the value on top.
    pub fn raise_top(self) -> Raised {
        Raised(())
    }

    /// `file:line` of a level of the call stack, if Lua code runs there: 0 is the running function itself, 1 its caller.
    pub fn place(self, level: c_int) -> Option<String> {
        // SAFETY: the record is filled in for a level that exists; its strings live as long as the function.
        unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.state, level, &mut record) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.state, c"Sl".as_ptr(), &mut record);
            if record.currentline <= 0 {
                return None;
            }
            let source = CStr::from_ptr(record.short_src.as_ptr()).to_string_lossy();
            Some(format!("{source}:{}", record.currentline))
        }
    }

    /// The place of the innermost Lua function.
    pub fn nearest_place(self) -> Option<String> {
        (0..8).find_map(|level| self.place(level))
    }

    /// `bad argument #n to 'name' (message)`.
    pub fn argument_error(self, argument: c_int, message: fmt::Arguments<'_>) -> Raised {
        // SAFETY: level 0 is the running native function; the record's strings live as long as it does.
        let (name, is_method) = unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.state, 0, &mut record) == 0 {
                return self.error(format_args!("bad argument #{argument} ({message})"));
            }
            ffi::lua_getinfo(self.state, c"n".as_ptr(), &mut record);
            let text = |pointer: *const std::ffi::c_char| {
                (!pointer.is_null()).then(|| CStr::from_ptr(pointer).to_string_lossy().into_owned())
            };
            (text(record.name), text(record.namewhat).as_deref() == Some("method"))
        };
        let name = name.as_deref().unwrap_or("?");
        // A method's caller does not count the `self` that the colon passes.
        let argument = if is_method { argument - 1 } else { argument };
        if is_method && argument == 0 {
            return self.error(format_args!("calling '{name}' on bad self ({message})"));
        }
        self.error(format_args!("bad argument #{argument} to '{name}' ({message})"))
    }

    /// `bad argument #n to 'name' (expected expected, got type)`.
    pub fn type_error(self, argument: c_int, expected: &str) -> Raised {
        let found = self.kind(argument).name();
        self.argument_error(argument, format_args!("{expected} expected, got {found}"))
    }

    /// The argument as bytes (see [`Stack::bytes`]), or a type error.
    pub fn check_bytes(self, argument: c_int) -> Result<&'h [u8], Raised> {
        self.bytes(argument).ok_or_else(|| self.type_error(argument, "string"))
    }

    /// The argument as a number, or a type error.
    pub fn check_number(self, argument: c_int) -> Result<f64, Raised> {
        self.number(argument).ok_or_else(|| self.type_error(argument, "number"))
    }

    /// The argument as an integer, or a type error.
    pub fn check_integer(self, argument: c_int) -> Result<i64, Raised> {
        self.integer(argument).ok_or_else(|| self.type_error(argument, "number"))
    }

    /// The argument as an integer, or `default` if it is nil or left out, or a type error.
    pub fn optional_integer(self, argument: c_int, default: i64) -> Result<i64, Raised> {
        match self.kind(argument) {
            Kind::None | Kind::Nil => Ok(default),
            _ => self.check_integer(argument),
        }
    }

    /// As [`Stack::check_integer`], cut to 32 bits as C's `int` is.
    pub fn check_int(self, argument: c_int) -> Result<i32, Raised> {
        Ok(self.check_integer(argument)? as i32)
    }

    /// As [`Stack::optional_integer`], cut to 32 bits as C's `int` is.
    pub fn optional_int(self, argument: c_int, default: i32) -> Result<i32, Raised> {
        Ok(self.optional_integer(argument, i64::from(default))? as i32)
    }

    /// A type error unless the argument is of that type.
    pub fn check_kind(self, argument: c_int, kind: Kind) -> Result<(), Raised> {
        if self.kind(argument) == kind { Ok(()) } else { Err(self.type_error(argument, kind.name())) }
    }

    /// An error unless the argument is there, nil or not.
    pub fn check_any(self, argument: c_int) -> Result<(), Raised> {
        match self.kind(argument) {
            Kind::None => Err(self.argument_error(argument, format_args!("value expected"))),
            _ => Ok(()),
        }
    }
}

/// Setting a state up.
impl Stack<'_> {
    /// Opens Lua's own base, coroutine, string, table and math libraries as globals.
    pub fn open_stock_libraries(self) {
        let libraries: [(&CStr, ffi::lua_CFunction); 4] = [
            (c"", ffi::luaopen_base),
            (c"table", ffi::luaopen_table),
            (c"string", ffi::luaopen_string),
            (c"math", ffi::luaopen_math),
        ];
        for (name, open) in libraries {
            // SAFETY: this is how Lua's own linit.c opens its libraries; allocation is lenient.
            unsafe {
                ffi::lua_pushcclosure(self.state, open, 0);
                ffi::lua_pushstring_(self.state, name.as_ptr());
                ffi::lua_call(self.state, 1, 0);
            }
        }
    }

    /// Pushes the table of globals.
    pub fn push_globals(self) {
        self.push_value(ffi::LUA_GLOBALSINDEX);
    }

    /// Pops a table; chunks compiled from now on have it as their globals.
    pub fn set_globals(self) {
        self.replace(ffi::LUA_GLOBALSINDEX);
    }

    /// Sets the collector's pace: `pause` percent of the live heap before the next cycle, `step` times the speed of
    /// allocation in percent.
    pub fn set_collector_pace(self, pause: c_int, step: c_int) {
        // SAFETY: the state is live.
        unsafe {
            ffi::lua_gc(self.state, ffi::LUA_GCSETPAUSE, pause);
            ffi::lua_gc(self.state, ffi::LUA_GCSETSTEPMUL, step);
        }
    }

    /// Compiles a chunk's text and pushes it, or the message of a syntax error.
    pub fn load(self, text: &[u8], chunk_name: &CStr) -> Status {
        // SAFETY: loading is protected by Lua itself; the name is copied.
        let status = unsafe {
            ffi::luaL_loadbuffer(self.state, text.as_ptr().cast(), text.len(), chunk_name.as_ptr())
        };
        if status == ffi::LUA_OK { Status::Done } else { Status::Failed }
    }

    /// The compiled form of the Lua function on top.
    pub fn dump(self) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        // SAFETY: a Lua function is on top; the writer gets the vector, which outlives the call.
        unsafe {
            ffi::lua_dump_(self.state, append_dump, (&raw mut out).cast());
        }
        out
    }

    /// Pops a table and makes it the globals of the Lua function at `index`, and of the functions that it makes.
    pub fn set_environment(self, index: c_int) {
        // SAFETY: a function is at `index` and a table on top.
        unsafe {
            ffi::lua_setfenv(self.state, index);
        }
    }
}

unsafe extern "C-unwind" fn append_dump(
    _: *mut ffi::lua_State,
    data: *const c_void,
    len: usize,
    out: *mut c_void,
) -> c_int {
    // SAFETY: `out` is the vector of `Stack::dump`, and `data` has `len` bytes.
    unsafe { (*out.cast::<Vec<u8>>()).extend_from_slice(std::slice::from_raw_parts(data.cast(), len)) };
    0
}
