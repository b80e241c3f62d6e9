//! Builds the world that scripts see.

use std::ffi::CStr;

use super::protect::protect;
use super::stack::{Entry, Outcome, Stack, native};
use super::{base, bit, coroutine, extension, json, math, msgpack, redis, structs, table, text};

/// Globals of Lua's own that scripts do not get: they compile code, reach files, see other scripts' environments,
/// or disturb the collector.
const REMOVED: [&CStr; 12] = [
    c"collectgarbage",
    c"dofile",
    c"gcinfo",
    c"getfenv",
    c"load",
    c"loadfile",
    c"loadstring",
    c"module",
    c"newproxy",
    c"print",
    c"require",
    c"setfenv",
];

/// Names that a script may expect from plain Lua; reading them says more than that they are missing.
const FORBIDDEN: [&str; 15] = [
    "collectgarbage",
    "debug",
    "dofile",
    "gcinfo",
    "getfenv",
    "io",
    "load",
    "loadfile",
    "loadstring",
    "module",
    "newproxy",
    "package",
    "print",
    "require",
    "setfenv",
];

/// Fills an empty state, and leaves on its stack the table of real globals and, above it, that of the extension's
/// library (nil if there is none).
pub(super) fn build(stack: Stack<'_>) {
    stack.open_stock_libraries();
    stack.push_globals();
    let globals = stack.top();
    for name in REMOVED {
        stack.push_nil();
        stack.set_field(globals, name);
    }
    set_functions(stack, globals, &base::functions());
    base::push_pairs(stack);
    stack.set_field(globals, c"pairs");
    base::push_type(stack);
    stack.set_field(globals, c"type");

    extend(stack, globals, c"coroutine", &coroutine::functions());
    extend(stack, globals, c"table", &table::functions());
    extend(stack, globals, c"math", &math::functions());
    extend(stack, globals, c"string", &text::functions());
    lock_strings(stack, globals);
    for (name, functions) in
        [(c"os", &math::os_functions()[..]), (c"bit", &bit::functions()), (c"struct", &structs::functions())]
    {
        stack.push_library(functions);
        stack.set_field(globals, name);
    }
    json::push_library(stack);
    stack.set_field(globals, c"cjson");
    msgpack::push_library(stack);
    stack.set_field(globals, c"cmsgpack");
    redis::push_library(stack);
    stack.push_value(-1);
    stack.set_field(globals, c"server");
    stack.set_field(globals, c"redis");
    extension::push_library(stack);
    extension::run_text(stack, globals);
    let added = stack.host().library.as_ref().map(|library| library.name);
    if let Some(name) = added {
        stack.push_value(-1);
        stack.set_field(globals, name);
    }

    protect_all(stack, globals, added);
}

fn set_functions(stack: Stack<'_>, table: i32, functions: &[Entry]) {
    for (name, function) in functions {
        stack.push_native(*function, 0);
        stack.set_field(table, name);
    }
}

fn extend(stack: Stack<'_>, globals: i32, library: &CStr, functions: &[Entry]) {
    stack.raw_get_field(globals, library.to_bytes());
    set_functions(stack, stack.top(), functions);
    stack.pop(1);
}

/// `("x"):len()` keeps working, but the table behind it cannot be reached.
fn lock_strings(stack: Stack<'_>, globals: i32) {
    stack.raw_get_field(globals, b"string");
    stack.push_nil();
    stack.set_field(-2, c"dump");
    stack.push_bytes(b"");
    if stack.push_metatable(-1) {
        stack.push_boolean(false);
        stack.set_field(-2, c"__metatable");
        stack.pop(1);
    }
    stack.pop(2);
}

/// Puts read-only stand-ins in the place of the libraries and of the globals themselves.
fn protect_all(stack: Stack<'_>, globals: i32, added: Option<&'static CStr>) {
    let stock = [
        c"bit",
        c"cjson",
        c"cmsgpack",
        c"coroutine",
        c"math",
        c"os",
        c"redis",
        c"server",
        c"string",
        c"struct",
        c"table",
    ];
    for library in stock.into_iter().chain(added) {
        stack.raw_get_field(globals, library.to_bytes());
        protect(stack);
        stack.set_field(globals, library);
    }
    stack.push_value(globals);
    protect(stack);
    stack.push_value(-1);
    stack.set_field(globals, c"_G");
    stack.set_globals();

    stack.push_table(0, 1);
    stack.push_native(native(missing_global), 0);
    stack.set_field(-2, c"__index");
    stack.set_metatable(globals);
}

fn missing_global(stack: Stack<'_>) -> Outcome {
    let name = String::from_utf8_lossy(stack.bytes(2).unwrap_or_default());
    if FORBIDDEN.contains(&&*name) {
        return Err(stack.error(format_args!(
            "Script attempted to access nonexistent global variable '{name}' (not available to game scripts)"
        )));
    }
    Err(stack.error(format_args!("Script attempted to access nonexistent global variable '{name}'")))
}
