//! `require`: shared code that a script takes in. It is a local of the script and of its libraries, not a global.

use std::ffi::c_int;

use super::interpreter::load;
use super::stack::{Kind, Outcome, Stack, native};

/// In the table of what a call has loaded, where `require` itself is: libraries' names are texts.
const ITSELF: i32 = 1;
/// What the names of libraries' files begin with.
const FOLDER: &str = "lib/";

/// Compiles libraries, names and texts, into a table by their names; the answer finds it again.
pub(super) fn load_all(stack: Stack<'_>, libraries: &[(&str, &str)]) -> Result<c_int, Box<str>> {
    stack.push_table(0, libraries.len());
    for (name, text) in libraries {
        let function =
            load(stack, &format!("{FOLDER}{name}"), &with_require(text)).inspect_err(|_| stack.pop(1))?;
        stack.push_bytes(name.as_bytes());
        stack.push_stored(function);
        stack.forget(function);
        stack.raw_set(-3);
    }
    Ok(stack.store())
}

/// A text that has its first argument as its local `require`, on the lines that it had.
pub(super) fn with_require(text: &str) -> String {
    format!("local require = ... {text}")
}

/// Pushes the `require` of a call, and says how many values that is.
pub(super) fn push(stack: Stack<'_>, libraries: c_int) -> c_int {
    stack.push_table(1, 1);
    stack.push_value(-1);
    stack.push_stored(libraries);
    stack.push_native(native(require), 2);
    stack.push_value(-1);
    stack.insert(-3);
    // Now there are: require, the table, require.
    stack.raw_set_index(-2, ITSELF);
    stack.pop(1);
    stack.push_value(-1);
    stack.host().require.set(stack.store());
    1
}

/// Pushes the `require` of the running call, or nil if it has none.
pub(super) fn push_running(stack: Stack<'_>) {
    match stack.host().require.get() {
        0 => stack.push_nil(),
        place => stack.push_stored(place),
    }
}

/// The call has ended.
pub(super) fn forget_running(stack: Stack<'_>) {
    let place = stack.host().require.take();
    if place != 0 {
        stack.forget(place);
    }
}

/// Runs a library unless the call has, and gives what it returned; true if that is nothing.
fn require(stack: Stack<'_>) -> Outcome {
    let (loaded, libraries) = (Stack::upvalue(1), Stack::upvalue(2));
    let name = String::from_utf8_lossy(stack.check_bytes(1)?).into_owned();
    stack.set_top(1);
    stack.push_value(1);
    stack.raw_get(loaded);
    if stack.kind(-1) != Kind::Nil {
        return Ok(1);
    }
    stack.pop(1);
    stack.push_value(1);
    stack.raw_get(libraries);
    if stack.kind(-1) == Kind::Nil {
        return Err(
            stack.error(format_args!("there is no library {name:?} among those that this script requires"))
        );
    }
    stack.raw_get_index(loaded, ITSELF);
    stack.call(1, 1)?;
    if stack.kind(-1) == Kind::Nil {
        stack.pop(1);
        stack.push_boolean(true);
    }
    stack.push_value(1);
    stack.push_value(-2);
    stack.raw_set(loaded);
    Ok(1)
}

/// Whether a message begins with a place in a library.
pub(super) fn is_place(message: &str) -> bool {
    let line = message.strip_prefix(FOLDER).and_then(|rest| rest.split_once(".lua:")).map(|(_, line)| line);
    line.is_some_and(|line| line.starts_with(|first: char| first.is_ascii_digit()))
}
