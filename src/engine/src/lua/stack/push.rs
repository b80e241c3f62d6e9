//! Pushing and moving values.

use std::ffi::{c_int, c_void};

use mlua::ffi;

use super::{Entry, Stack};

impl<'h> Stack<'h> {
    /// Pushes nil.
    pub(crate) fn push_nil(self) {
        // SAFETY: there is a free slot.
        unsafe { ffi::lua_pushnil(self.state) }
    }

    /// Pushes a boolean.
    pub(crate) fn push_boolean(self, value: bool) {
        // SAFETY: there is a free slot.
        unsafe { ffi::lua_pushboolean(self.state, c_int::from(value)) }
    }

    /// Pushes a number.
    pub(crate) fn push_number(self, value: f64) {
        // SAFETY: there is a free slot.
        unsafe { ffi::lua_pushnumber(self.state, value) }
    }

    /// Pushes an integer; it becomes a double.
    pub(crate) fn push_integer(self, value: i64) {
        self.push_number(value as f64);
    }

    /// Pushes a copy of some bytes.
    pub(crate) fn push_bytes(self, bytes: &[u8]) {
        // SAFETY: there is a free slot; allocation is lenient.
        unsafe { ffi::lua_pushlstring_(self.state, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes a light userdata.
    pub(crate) fn push_light_userdata(self, address: *mut c_void) {
        // SAFETY: there is a free slot.
        unsafe { ffi::lua_pushlightuserdata(self.state, address) }
    }

    /// Pushes a copy of a value.
    pub(crate) fn push_value(self, index: c_int) {
        // SAFETY: `index` holds a value and there is a free slot.
        unsafe { ffi::lua_pushvalue(self.state, index) }
    }

    /// Pushes a native function that takes the topmost `upvalues` values with it.
    pub(crate) fn push_native(self, function: ffi::lua_CFunction, upvalues: c_int) {
        // SAFETY: the upvalues are there; allocation is lenient.
        unsafe { ffi::lua_pushcclosure(self.state, function, upvalues) }
    }

    /// Pushes an empty table with room for so many elements and fields.
    pub(crate) fn push_table(self, elements: usize, fields: usize) {
        let limit = |count: usize| c_int::try_from(count).unwrap_or(c_int::MAX / 2);
        // SAFETY: there is a free slot; allocation is lenient.
        unsafe { ffi::lua_createtable(self.state, limit(elements), limit(fields)) }
    }

    /// Pushes a table of native functions.
    pub(crate) fn push_library(self, entries: &[Entry]) {
        self.push_table(0, entries.len());
        for (name, function) in entries {
            self.push_native(*function, 0);
            self.set_field(-2, name);
        }
    }

    /// Moves the topmost value to `index`, shifting those above up.
    pub(crate) fn insert(self, index: c_int) {
        // SAFETY: `index` holds a value.
        unsafe { ffi::lua_insert(self.state, index) }
    }

    /// Moves the topmost value to `index`, over the one there.
    pub(crate) fn replace(self, index: c_int) {
        // SAFETY: `index` holds a value.
        unsafe { ffi::lua_replace(self.state, index) }
    }

    /// Takes a value out, shifting those above down.
    pub(crate) fn remove(self, index: c_int) {
        // SAFETY: `index` holds a value.
        unsafe { ffi::lua_remove(self.state, index) }
    }

    /// Index of the running function's upvalue, from 1.
    pub(crate) fn upvalue(upvalue: c_int) -> c_int {
        ffi::lua_upvalueindex(upvalue)
    }
}
