//! What the program around this crate adds to scripts: one library of native functions, and an ear for `PUBLISH`.
//!
//! All of it is safe to use: a function reads its arguments through [`Call`], and what it leaves for the script is what
//! it returns. Nothing here lets it take a value off the stack that somebody still borrows.

use std::any::Any;
use std::cell::{Cell, RefMut};
use std::ffi::{CStr, CString, c_int};
use std::fmt;

use mlua::ffi;

use super::json::{self, Options};
use super::protect::protect;
use super::require;
use super::stack::{Kind, LIBRARY_CHUNK, Outcome, Raised, Stack, Status, native};

/// What scripts have beyond Redis. The interpreter calls it on its own thread, from within scripts.
pub trait Extension: Any {
    /// The library that scripts see; read once, when the interpreter is made.
    fn library(&self) -> Option<Library> {
        None
    }

    /// A field of the library that is none of its functions, when a script reads it.
    ///
    /// # Errors
    /// A budget is spent.
    fn field(&self, name: &[u8], call: &Call<'_>) -> Result<Answer, Raised> {
        let _ = name;
        Ok(call.nil())
    }

    /// `PUBLISH`: how many have received the message, or why it is refused.
    ///
    /// # Errors
    /// The text of an error reply, without its code.
    fn publish(&self, channel: &[u8], message: &[u8]) -> Result<i64, String> {
        let _ = (channel, message);
        Ok(0)
    }

    /// `redis.log`: a line of a script for the log, of 1 KiB at most. `place` is the script's file and line.
    fn log(&self, level: log::Level, place: &str, line: &[u8]) {
        log::log!(target: "godra::script", level, "{place}: {:?}", String::from_utf8_lossy(line));
    }

    /// A script has removed all keys at once.
    fn flushed(&self) {}

    /// Whether [`Extension::refuse_key`] is asked of every key that the running script's commands name.
    fn guards_keys(&self) -> bool {
        false
    }

    /// Why the running script may not work on a key; none if it may. Patterns of keys are asked of, too.
    fn refuse_key(&self, key: &[u8]) -> Option<String> {
        let _ = key;
        None
    }

    /// What the names of keys begin with that scripts' commands cannot touch, if there are such keys.
    fn reserved_prefix(&self) -> Option<&'static [u8]> {
        None
    }
}

/// Nothing: Lua as Redis has it.
impl Extension for () {}

/// A library's name and functions.
pub struct Library {
    /// The global that it is.
    pub name: &'static CStr,
    /// Its functions.
    pub functions: Vec<Function>,
    /// Fields ([`Extension::field`]) whose value, once read, stays the same until the call ends: for tables.
    pub kept_fields: Vec<&'static CStr>,
    /// What of it is written in Lua.
    pub text: Option<LibraryText>,
}

/// Lua that adds functions to a library.
pub struct LibraryText {
    /// Runs once, with the library's table and that of the helpers as its arguments.
    pub text: &'static str,
    /// Native functions that scripts do not see.
    pub helpers: Vec<Function>,
    /// Fields that the text adds and that are tables: scripts can read them and not change them.
    pub tables: Vec<&'static CStr>,
}

/// A native function of a library.
#[derive(Clone, Copy)]
pub struct Function {
    pub(super) name: &'static CStr,
    pub(super) run: ffi::lua_CFunction,
}

impl Function {
    /// A function of the extension `E`, which must be the one that the interpreter has.
    pub fn new<E, F>(name: &'static CStr, function: F) -> Self
    where
        E: Extension,
        F: Fn(&E, &Call<'_>) -> Result<Answer, Raised> + Copy + 'static,
    {
        let run = native(move |stack: Stack<'_>| {
            let extension: &dyn Any = &*stack.host().extension;
            let extension = extension.downcast_ref::<E>().expect("an extension lists its own functions");
            function(extension, &Call::new(stack)).map(|answer| answer.values)
        });
        Self { name, run }
    }
}

/// One call of a native function, or one look at a field.
pub struct Call<'h> {
    stack: Stack<'h>,
    /// What it has pushed since there was room for sure.
    pushed: Cell<u8>,
}

/// What a call gives to the script.
#[must_use]
pub struct Answer {
    values: c_int,
}

impl Answer {
    /// No value at all.
    pub const NOTHING: Self = Self { values: 0 };

    pub(super) const ONE: Self = Self { values: 1 };

    /// This, and behind it another that was made after it.
    pub fn and(self, other: Self) -> Self {
        Self { values: self.values + other.values }
    }
}

/// How many times a call may push a few values before it must ask for room: Lua promises 20 values to every function.
const PUSHES: u8 = 4;

impl<'h> Call<'h> {
    fn new(stack: Stack<'h>) -> Self {
        Self { stack, pushed: Cell::new(0) }
    }

    pub(super) fn stack(&self) -> Stack<'h> {
        self.stack
    }

    /// Makes room for up to four values. A function may make an answer and think better of it, so that it has asked before
    /// does not say that the room is still there.
    pub(super) fn make_room(&self) {
        let pushed = self.pushed.get();
        if pushed < PUSHES {
            return self.pushed.set(pushed + 1);
        }
        assert!(self.stack.reserve(4), "a call of an extension makes a few answers, not thousands");
    }
}

/// Reading arguments, which count from 1.
impl Call<'_> {
    /// The store's time in milliseconds since the Unix epoch, which stands still during a script.
    pub fn now_ms(&self) -> u64 {
        self.stack.host().now_ms.get()
    }

    /// Whether an argument is nil or left out.
    pub fn is_nil(&self, argument: u8) -> bool {
        matches!(self.stack.kind(argument.into()), Kind::None | Kind::Nil)
    }

    /// An argument's text; a number's is its digits.
    ///
    /// # Errors
    /// A type error, if it is neither.
    pub fn bytes(&self, argument: u8) -> Result<&[u8], Raised> {
        self.stack.bytes(argument.into()).ok_or_else(|| {
            self.make_room();
            self.stack.type_error(argument.into(), Kind::String.name())
        })
    }

    /// An argument as `cjson.encode` writes it; `null` if it is left out. There is one buffer: a second one cannot be had
    /// while the first is held.
    ///
    /// # Errors
    /// What cannot be written as JSON.
    pub fn json(&self, argument: u8) -> Result<RefMut<'_, Vec<u8>>, Raised> {
        let mut text = self.stack.host().scratch.borrow_mut();
        self.make_room();
        let is_on_top = self.stack.top() == argument.into();
        if !is_on_top {
            self.push_argument(argument);
        }
        encode_top(self.stack, &mut text)?;
        if !is_on_top {
            self.stack.pop(1);
        }
        Ok(text)
    }

    fn push_argument(&self, argument: u8) {
        match self.is_nil(argument) {
            true => self.stack.push_nil(),
            false => self.stack.push_value(argument.into()),
        }
    }
}

/// Answers.
impl Call<'_> {
    /// Gives nil.
    pub fn nil(&self) -> Answer {
        self.make_room();
        self.stack.push_nil();
        Answer::ONE
    }

    /// Gives true or false.
    pub fn boolean(&self, value: bool) -> Answer {
        self.make_room();
        self.stack.push_boolean(value);
        Answer::ONE
    }

    /// Gives what a JSON text stands for, as `cjson.decode` does before anyone changed its options; none if it is no JSON.
    ///
    /// # Errors
    /// A budget is spent.
    pub fn decoded(&self, json: &[u8]) -> Result<Option<Answer>, Raised> {
        self.make_room();
        let top = self.stack.top();
        match json::decode_plainly(self.stack, json) {
            Ok(_) => Ok(Some(Answer::ONE)),
            Err(raised) => {
                if self.stack.host().budget.exceeded().is_some() {
                    return Err(raised);
                }
                self.stack.set_top(top);
                Ok(None)
            }
        }
    }

    /// Gives an argument that is a table, or a new one in the place of nil; while it is empty it is written as `[]` in JSON,
    /// until the call ends.
    ///
    /// # Errors
    /// It is something else.
    pub fn array(&self, argument: u8) -> Result<Answer, Raised> {
        self.make_room();
        json::arrays::mark(self.stack, argument.into())?;
        Ok(Answer::ONE)
    }

    /// Gives a number.
    pub fn number(&self, value: f64) -> Answer {
        self.make_room();
        self.stack.push_number(value);
        Answer::ONE
    }

    /// Gives a string.
    pub fn text(&self, text: &[u8]) -> Answer {
        self.make_room();
        self.stack.push_bytes(text);
        Answer::ONE
    }

    /// Gives a table of strings.
    pub fn texts(&self, fields: &[(&CStr, &[u8])]) -> Answer {
        self.make_room();
        self.stack.push_table(0, fields.len());
        for (name, text) in fields {
            self.stack.push_bytes(text);
            self.stack.set_field(-2, name);
        }
        Answer::ONE
    }

    /// Raises an error with the script's line in front.
    pub fn error(&self, message: fmt::Arguments<'_>) -> Raised {
        self.make_room();
        self.stack.error(message)
    }

    /// Raises a table with a code and a message, as [`Call::coded_error`] does.
    pub fn refusal(&self, code: &str, message: &str) -> Raised {
        _ = self.texts(&[(c"code", code.as_bytes()), (c"message", message.as_bytes())]);
        self.stack.raise_top()
    }

    /// Raises a table with a code, a message and details from three arguments. Whatever does not catch it is told these
    /// three as [`super::ScriptError::Coded`].
    ///
    /// # Errors
    /// Code and message must be strings, and the details something that JSON can be made of: else this is the error.
    pub fn coded_error(&self, code: u8, message: u8, details: u8) -> Result<Answer, Raised> {
        self.bytes(code)?;
        self.bytes(message)?;
        if !self.is_nil(details) {
            // Here the mistake still has a line.
            self.json(details)?;
        }
        self.make_room();
        self.stack.push_table(0, 3);
        for (argument, name) in [(code, c"code"), (message, c"message"), (details, c"details")] {
            self.push_argument(argument);
            self.stack.set_field(-2, name);
        }
        Err(self.stack.raise_top())
    }
}

/// Libraries.
impl Call<'_> {
    /// Calls the function that a library of the running script is, with values that were made for that, the last ones; gives its
    /// first result. The inner error says what went wrong: it is not there, it is no function, or it broke.
    ///
    /// # Errors
    /// A budget is spent, or it has raised a table, as [`Call::coded_error`] does.
    pub fn call_library(&self, name: &str, arguments: Answer) -> Result<Result<Answer, String>, Raised> {
        let (stack, count) = (self.stack, arguments.values);
        // Copies are called with: whoever has looked at a value finds it where it was.
        if !stack.reserve(count + 4) {
            return Ok(Err("the stack is full".to_owned()));
        }
        let top = stack.top();
        require::push_running(stack);
        if stack.kind(-1) == Kind::Nil {
            return Ok(Err(format!("there is no library {name:?}")));
        }
        stack.push_bytes(name.as_bytes());
        if let Err(raised) = stack.call(1, 1) {
            return self.broken(raised);
        }
        if stack.kind(-1) != Kind::Function {
            return Ok(Err(format!("it gives a {} and not a function", stack.kind(-1).name())));
        }
        for argument in 1..=count {
            stack.push_value(top - count + argument);
        }
        match stack.call(count, 1) {
            Ok(()) => Ok(Ok(Answer::ONE)),
            Err(raised) => self.broken(raised),
        }
    }

    /// What was raised, if that is a text.
    fn broken(&self, raised: Raised) -> Result<Result<Answer, String>, Raised> {
        let stack = self.stack;
        if stack.host().budget.exceeded().is_some() || stack.kind(-1) == Kind::Table {
            return Err(raised);
        }
        let message = stack.bytes(-1).map(|message| String::from_utf8_lossy(message).into_owned());
        Ok(Err(message.unwrap_or_else(|| format!("(error object is a {} value)", stack.kind(-1).name()))))
    }

    /// Whether the last value that was made is nil.
    pub fn is_last_nil(&self) -> bool {
        self.stack.kind(-1) == Kind::Nil
    }
}

/// Encodes the value on top as `cjson` does before anyone changed its options.
pub(super) fn encode_top(stack: Stack<'_>, out: &mut Vec<u8>) -> Result<(), Raised> {
    out.clear();
    json::encode(stack, Options::default(), out)
}

/// Pushes the library of the interpreter's extension, or nil if it has none.
pub(crate) fn push_library(stack: Stack<'_>) {
    let Some(library) = &stack.host().library else { return stack.push_nil() };
    stack.push_table(0, library.functions.len());
    for function in &library.functions {
        stack.push_native(function.run, 0);
        stack.set_field(-2, function.name);
    }
    stack.push_table(0, 1);
    stack.push_native(native(look_up), 0);
    stack.set_field(-2, c"__index");
    stack.set_metatable(-2);
}

/// Has the library's text add to the table on top, which stays there.
pub(crate) fn run_text(stack: Stack<'_>, globals: c_int) {
    let Some(text) = stack.host().library.as_ref().and_then(|library| library.text.as_ref()) else { return };
    let library = stack.top();
    let name = CString::new([b"=", LIBRARY_CHUNK.to_bytes()].concat()).expect("no nul in it");
    let status = stack.load(text.text.as_bytes(), &name);
    assert_eq!(status, Status::Done, "{}", String::from_utf8_lossy(stack.bytes(-1).unwrap_or_default()));
    stack.push_value(globals);
    stack.set_environment(-2);
    stack.push_value(library);
    stack.push_table(0, text.helpers.len());
    for helper in &text.helpers {
        stack.push_native(helper.run, 0);
        stack.set_field(-2, helper.name);
    }
    let status = stack.protected_call(2, 0, 0);
    assert_eq!(status, Status::Done, "{}", String::from_utf8_lossy(stack.bytes(-1).unwrap_or_default()));
    for table in &text.tables {
        stack.raw_get_field(library, table.to_bytes());
        protect(stack);
        stack.set_field(library, table);
    }
}

/// The `__index` of the library's metatable: for fields that are not in its table.
fn look_up(stack: Stack<'_>) -> Outcome {
    let host = stack.host();
    let Some(name) = stack.bytes(2) else {
        stack.push_nil();
        return Ok(1);
    };
    let answer = host.extension.field(name, &Call::new(stack))?;
    if let Some(field) = kept_fields(stack).iter().position(|kept| kept.to_bytes() == name) {
        stack.push_value(2);
        stack.push_value(-2);
        stack.raw_set(1);
        host.kept_fields.set(host.kept_fields.get() | 1 << field);
    }
    Ok(answer.values)
}

/// Takes away the fields that were kept during the call; `library` is the index of the library's real table.
pub(super) fn forget_kept_fields(stack: Stack<'_>, library: c_int) {
    let kept = stack.host().kept_fields.take();
    if kept == 0 {
        return;
    }
    for (index, field) in kept_fields(stack).iter().enumerate() {
        if kept & 1 << index != 0 {
            stack.push_nil();
            stack.set_field(library, field);
        }
    }
}

fn kept_fields(stack: Stack<'_>) -> &[&'static CStr] {
    stack.host().library.as_ref().map_or(&[], |library| &library.kept_fields)
}
