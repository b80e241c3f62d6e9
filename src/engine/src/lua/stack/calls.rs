//! Calls, coroutines, budgets.

use std::ffi::c_int;

use mlua::ffi;

use super::{Raised, Stack, Status};
use crate::lua::budget::Exceeded;

impl<'h> Stack<'h> {
    /// Calls the function below its topmost `arguments`; they are replaced by its results. All of them with -1.
    pub(crate) fn call(self, arguments: c_int, results: c_int) -> Result<(), Raised> {
        match self.protected_call(arguments, results, 0) {
            Status::Failed => Err(Raised(())),
            _ => Ok(()),
        }
    }

    /// As [`Stack::call`], telling how it ended; `handler` is the index of an error handler, or 0.
    pub(crate) fn protected_call(self, arguments: c_int, results: c_int, handler: c_int) -> Status {
        let budget = &self.host().budget;
        let was_lenient = budget.set_lenient(false);
        // SAFETY: a function and its arguments are on top; a raise ends at this call.
        let status = unsafe { ffi::lua_pcall(self.state, arguments, results, handler) };
        budget.set_lenient(was_lenient);
        if status == ffi::LUA_OK { Status::Done } else { Status::Failed }
    }

    /// The coroutine at `index`.
    pub(crate) fn thread(self, index: c_int) -> Option<Self> {
        // SAFETY: `index` is an acceptable index; a coroutine's state is live while it is reachable.
        unsafe {
            let state = ffi::lua_tothread(self.state, index);
            (!state.is_null()).then_some(Self { state, host: self.host })
        }
    }

    /// Pushes a new coroutine.
    pub(crate) fn push_thread(self) -> Self {
        // SAFETY: allocation is lenient.
        let state = unsafe { ffi::lua_newthread(self.state) };
        Self { state, host: self.host }
    }

    /// Moves the topmost values to another coroutine of the same state.
    pub(crate) fn move_to(self, other: Self, count: c_int) {
        // SAFETY: as many values are here, and the caller reserved as many slots there.
        unsafe { ffi::lua_xmove(self.state, other.state, count) }
    }

    /// Whether both are the same coroutine.
    pub(super) fn is(self, other: Self) -> bool {
        self.state == other.state
    }

    /// Whether it can be resumed, and if not, what it is doing instead.
    pub(crate) fn life(self, coroutine: Self) -> Life {
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
    pub(crate) fn resume(self, coroutine: Self, arguments: c_int) -> Status {
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
    pub(crate) fn check(self) -> Result<(), Raised> {
        match self.host().budget.check(self.state) {
            None => Ok(()),
            Some(exceeded) => Err(self.exceeded(exceeded)),
        }
    }

    /// Charges work to the call's budget: one unit is about a nanosecond. Looks at the clock now and then.
    #[inline]
    pub(crate) fn spend(self, units: usize) -> Result<(), Raised> {
        if self.host().budget.spend(units) { Ok(()) } else { self.check() }
    }

    /// Fails if a native buffer of that size would break the call's memory budget.
    pub(crate) fn check_room(self, bytes: usize) -> Result<(), Raised> {
        match self.host().budget.check_room(bytes) {
            None => Ok(()),
            Some(exceeded) => Err(self.exceeded(exceeded)),
        }
    }

    /// The error of a spent budget.
    pub(crate) fn exceeded(self, exceeded: Exceeded) -> Raised {
        let budget = &self.host().budget;
        self.error(format_args!("{}", budget.describe(exceeded)))
    }

    /// Collects all garbage. Lua halves its own buffers with each collection, so a big one takes a few.
    pub(crate) fn collect_garbage(self) {
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
pub(crate) enum Life {
    /// It is the one that asks.
    Running,
    /// It can be resumed.
    Suspended,
    /// It resumed another one.
    Normal,
    /// It ended.
    Dead,
}
