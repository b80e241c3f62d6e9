//! Tables, without metamethods unless said, and what else the state keeps for later.

use std::ffi::{CStr, c_int};

use mlua::ffi;

use super::{Kind, Raised, Stack};

impl<'h> Stack<'h> {
    /// Pushes `table[position]`.
    pub(crate) fn raw_get_index(self, table: c_int, position: i32) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table is there, and a free slot.
        unsafe { ffi::lua_rawgeti_(self.state, table, position) }
    }

    /// Pops a value into `table[position]`.
    pub(crate) fn raw_set_index(self, table: c_int, position: i32) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table is there; allocation is lenient.
        unsafe { ffi::lua_rawseti_(self.state, table, position) }
    }

    /// Pops a key and pushes `table[key]`.
    pub(crate) fn raw_get(self, table: c_int) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table and a key are there.
        unsafe { ffi::lua_rawget_(self.state, table) }
    }

    /// Pops a value and a key into the table. The key must not be nil or NaN.
    pub(crate) fn raw_set(self, table: c_int) {
        debug_assert_eq!(self.kind(table), Kind::Table);
        debug_assert_ne!(self.kind(-2), Kind::Nil);
        // SAFETY: a table, a usable key and a value are there; allocation is lenient.
        unsafe { ffi::lua_rawset(self.state, table) }
    }

    /// Pops a value into a field. Takes the table's metamethods if it has any, which tables of ours have not yet.
    pub(crate) fn set_field(self, table: c_int, name: &CStr) {
        // SAFETY: a table of ours is there; allocation is lenient.
        unsafe { ffi::lua_setfield(self.state, table, name.as_ptr()) }
    }

    /// Pushes a field without metamethods.
    pub(crate) fn raw_get_field(self, table: c_int, name: &[u8]) {
        let table = self.absolute(table);
        self.push_bytes(name);
        self.raw_get(table);
    }

    /// Pops a key and pushes the next key and its value; pushes nothing at the end. The key must be one of the
    /// table's, as when it came from here.
    pub(crate) fn next(self, table: c_int) -> bool {
        // SAFETY: a table and one of its keys are there, so it cannot raise.
        unsafe { ffi::lua_next(self.state, table) != 0 }
    }

    /// As [`Stack::next`], for a key that may not be the table's: Lua raises over this frame and its caller's, which
    /// must own nothing. What catches the raise restores the budget's leniency.
    pub(crate) fn next_checked(self, table: c_int) -> Result<bool, Raised> {
        debug_assert_eq!(self.kind(table), Kind::Table);
        // SAFETY: a table and a key are there; the frames that a raise skips own nothing.
        Ok(unsafe { ffi::lua_next(self.state, table) != 0 })
    }

    /// Pushes a value's metatable, if it has one.
    pub(crate) fn push_metatable(self, index: c_int) -> bool {
        // SAFETY: `index` is an acceptable index, and there is a free slot.
        unsafe { ffi::lua_getmetatable(self.state, index) != 0 }
    }

    /// Pops a table or nil and makes it the metatable.
    pub(crate) fn set_metatable(self, index: c_int) {
        // SAFETY: a table or nil is on top.
        unsafe {
            ffi::lua_setmetatable(self.state, index);
        }
    }

    /// Pushes a field of the value's metatable, if it is there.
    pub(crate) fn push_metafield(self, index: c_int, name: &[u8]) -> bool {
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
    pub(crate) fn get(self, table: c_int) -> Result<(), Raised> {
        let table = self.absolute(table);
        self.push_native(native_get, 0);
        self.insert(-2);
        self.push_value(table);
        self.insert(-2);
        self.call(2, 1)
    }

    /// `left < right`, with metamethods.
    pub(crate) fn less_than(self, left: c_int, right: c_int) -> Result<bool, Raised> {
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
    pub(super) fn absolute(self, index: c_int) -> c_int {
        if index > 0 || index <= ffi::LUA_REGISTRYINDEX { index } else { self.top() + index + 1 }
    }

    /// Pops a value and keeps it in the registry; the answer finds it again.
    pub(crate) fn store(self) -> c_int {
        // SAFETY: a value is on top; allocation is lenient.
        unsafe { ffi::luaL_ref(self.state, ffi::LUA_REGISTRYINDEX) }
    }

    /// Pushes a stored value.
    pub(crate) fn push_stored(self, reference: c_int) {
        // SAFETY: the registry is a table; a wrong reference gives nil.
        unsafe { ffi::lua_rawgeti_(self.state, ffi::LUA_REGISTRYINDEX, reference) }
    }

    /// Forgets a stored value.
    pub(crate) fn forget(self, reference: c_int) {
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
