//! Setting a state up.

use std::ffi::{CStr, c_int, c_void};

use mlua::ffi;

use super::{Stack, Status};

impl Stack<'_> {
    /// Opens Lua's own base, coroutine, string, table and math libraries as globals.
    pub(crate) fn open_stock_libraries(self) {
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
    pub(crate) fn push_globals(self) {
        self.push_value(ffi::LUA_GLOBALSINDEX);
    }

    /// Pops a table; chunks compiled from now on have it as their globals.
    pub(crate) fn set_globals(self) {
        self.replace(ffi::LUA_GLOBALSINDEX);
    }

    /// Sets the collector's pace: `pause` percent of the live heap before the next cycle, `step` times the speed of
    /// allocation in percent.
    pub(crate) fn set_collector_pace(self, pause: c_int, step: c_int) {
        // SAFETY: the state is live.
        unsafe {
            ffi::lua_gc(self.state, ffi::LUA_GCSETPAUSE, pause);
            ffi::lua_gc(self.state, ffi::LUA_GCSETSTEPMUL, step);
        }
    }

    /// Compiles a chunk's text and pushes it, or the message of a syntax error.
    pub(crate) fn load(self, text: &[u8], chunk_name: &CStr) -> Status {
        // SAFETY: loading is protected by Lua itself; the name is copied.
        let status = unsafe {
            ffi::luaL_loadbuffer(self.state, text.as_ptr().cast(), text.len(), chunk_name.as_ptr())
        };
        if status == ffi::LUA_OK { Status::Done } else { Status::Failed }
    }

    /// The compiled form of the Lua function on top.
    pub(crate) fn dump(self) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        // SAFETY: a Lua function is on top; the writer gets the vector, which outlives the call.
        unsafe {
            ffi::lua_dump_(self.state, append_dump, (&raw mut out).cast());
        }
        out
    }

    /// Pops a table and makes it the globals of the Lua function at `index`, and of the functions that it makes.
    pub(crate) fn set_environment(self, index: c_int) {
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
