//! Errors, with Lua's texts, and arguments that are checked for them.

use std::ffi::{CStr, c_int};
use std::fmt;

use mlua::ffi;

use super::{Kind, Raised, Stack};

/// What places in a library's own Lua begin with.
pub(crate) const LIBRARY_CHUNK: &CStr = c"godra";

impl<'h> Stack<'h> {
    /// Pushes a message with the place of the running Lua function in front.
    pub(crate) fn error(self, message: fmt::Arguments<'_>) -> Raised {
        let place = self.place(1).map_or(String::new(), |place| format!("{place}: "));
        self.error_bytes(format!("{place}{message}").as_bytes())
    }

    /// Pushes a message as it is.
    pub(crate) fn error_bytes(self, message: &[u8]) -> Raised {
        // Whoever fails may have filled the stack to its last place, and does not need what is on top any more.
        if !self.reserve(1) {
            self.pop(1);
        }
        self.push_bytes(message);
        Raised(())
    }

    /// Raises the value on top.
    pub(crate) fn raise_top(self) -> Raised {
        Raised(())
    }

    /// `file:line` of a level of the call stack, if Lua code runs there: 0 is the running function itself, 1 its caller.
    pub(crate) fn place(self, level: c_int) -> Option<String> {
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

    /// The place of the innermost Lua function of a script.
    pub(crate) fn nearest_place(self) -> Option<String> {
        let is_library = |place: &String| place.split(':').next() == LIBRARY_CHUNK.to_str().ok();
        (0..8).filter_map(|level| self.place(level)).find(|place| !is_library(place))
    }

    /// `bad argument #n to 'name' (message)`.
    pub(crate) fn argument_error(self, argument: c_int, message: fmt::Arguments<'_>) -> Raised {
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
    pub(crate) fn type_error(self, argument: c_int, expected: &str) -> Raised {
        let found = self.kind(argument).name();
        self.argument_error(argument, format_args!("{expected} expected, got {found}"))
    }

    /// The argument as bytes (see [`Stack::bytes`]), or a type error.
    pub(crate) fn check_bytes(self, argument: c_int) -> Result<&'h [u8], Raised> {
        self.bytes(argument).ok_or_else(|| self.type_error(argument, "string"))
    }

    /// The argument as a number, or a type error.
    pub(crate) fn check_number(self, argument: c_int) -> Result<f64, Raised> {
        self.number(argument).ok_or_else(|| self.type_error(argument, "number"))
    }

    /// The argument as an integer, or a type error.
    pub(crate) fn check_integer(self, argument: c_int) -> Result<i64, Raised> {
        self.integer(argument).ok_or_else(|| self.type_error(argument, "number"))
    }

    /// The argument as an integer, or `default` if it is nil or left out, or a type error.
    pub(crate) fn optional_integer(self, argument: c_int, default: i64) -> Result<i64, Raised> {
        match self.kind(argument) {
            Kind::None | Kind::Nil => Ok(default),
            _ => self.check_integer(argument),
        }
    }

    /// As [`Stack::check_integer`], cut to 32 bits as C's `int` is.
    pub(crate) fn check_int(self, argument: c_int) -> Result<i32, Raised> {
        Ok(self.check_integer(argument)? as i32)
    }

    /// As [`Stack::optional_integer`], cut to 32 bits as C's `int` is.
    pub(crate) fn optional_int(self, argument: c_int, default: i32) -> Result<i32, Raised> {
        Ok(self.optional_integer(argument, i64::from(default))? as i32)
    }

    /// A type error unless the argument is of that type.
    pub(crate) fn check_kind(self, argument: c_int, kind: Kind) -> Result<(), Raised> {
        if self.kind(argument) == kind { Ok(()) } else { Err(self.type_error(argument, kind.name())) }
    }

    /// An error unless the argument is there, nil or not.
    pub(crate) fn check_any(self, argument: c_int) -> Result<(), Raised> {
        match self.kind(argument) {
            Kind::None => Err(self.argument_error(argument, format_args!("value expected"))),
            _ => Ok(()),
        }
    }
}
