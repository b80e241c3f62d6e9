//! `cjson`, as Redis ships it: lua-cjson 2.1.0.

pub(super) mod arrays;
mod decode;
mod encode;

use std::ffi::{CStr, c_int};

use super::stack::{Entry, Kind, Outcome, Raised, Stack, native};

pub(crate) use encode::encode;

/// The options of one instance of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// Encode tables with too many holes as objects, instead of failing.
    sparse_convert: bool,
    /// A table is sparse if its highest index exceeds its elements times this; 0 allows any.
    sparse_ratio: i32,
    /// Up to this index no table is sparse.
    sparse_safe: i32,
    encode_max_depth: i32,
    decode_max_depth: i32,
    /// Significant digits of numbers.
    precision: u8,
    encode_invalid_numbers: InvalidNumbers,
    /// Accept hexadecimal numbers, NaN and infinities.
    decode_invalid_numbers: bool,
    /// Without effect here: buffers are always kept.
    keep_buffer: bool,
}

/// What to do with NaN and infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InvalidNumbers {
    Refuse,
    Print,
    Null,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            precision: 14,
            encode_invalid_numbers: InvalidNumbers::Refuse,
            decode_invalid_numbers: true,
            keep_buffer: true,
        }
    }
}

/// The options of `cjson` itself, and of what `cjson.new` made during the call.
#[derive(Debug, Default)]
pub(super) struct JsonOptions {
    main: Options,
    others: Vec<Options>,
    is_changed: bool,
}

impl JsonOptions {
    /// Back to the defaults: what one call sets is not seen by the next.
    pub(super) fn reset(&mut self) {
        if self.is_changed {
            *self = Self::default();
        }
    }

    fn get(&self, instance: usize) -> Options {
        match instance.checked_sub(1) {
            None => self.main,
            Some(index) => self.others.get(index).copied().unwrap_or_default(),
        }
    }

    fn set(&mut self, instance: usize, options: Options) {
        self.is_changed = true;
        match instance.checked_sub(1) {
            None => self.main = options,
            Some(index) => {
                if let Some(slot) = self.others.get_mut(index) {
                    *slot = options;
                }
            }
        }
    }
}

/// Pushes the library.
pub(crate) fn push_library(stack: Stack<'_>) {
    push_instance(stack, 0);
}

fn push_instance(stack: Stack<'_>, instance: usize) {
    let functions: [Entry; 10] = [
        (c"encode", native(encode_one)),
        (c"decode", native(decode_one)),
        (c"encode_sparse_array", native(encode_sparse_array)),
        (c"encode_max_depth", native(encode_max_depth)),
        (c"decode_max_depth", native(decode_max_depth)),
        (c"encode_number_precision", native(encode_number_precision)),
        (c"encode_keep_buffer", native(encode_keep_buffer)),
        (c"encode_invalid_numbers", native(encode_invalid_numbers)),
        (c"decode_invalid_numbers", native(decode_invalid_numbers)),
        (c"new", native(new)),
    ];
    stack.push_table(0, functions.len() + 2);
    for (name, function) in functions {
        stack.push_number(instance as f64);
        stack.push_native(function, 1);
        stack.set_field(-2, name);
    }
    stack.push_light_userdata(std::ptr::null_mut());
    stack.set_field(-2, c"null");
    stack.push_bytes(b"cjson");
    stack.set_field(-2, c"_NAME");
    stack.push_bytes(b"2.1.0");
    stack.set_field(-2, c"_VERSION");
}

fn instance(stack: Stack<'_>) -> usize {
    stack.number(Stack::upvalue(1)).unwrap_or(0.0) as usize
}

fn options(stack: Stack<'_>) -> Options {
    stack.host().json.borrow().get(instance(stack))
}

fn encode_one(stack: Stack<'_>) -> Outcome {
    if stack.top() != 1 {
        return Err(stack.argument_error(1, format_args!("expected 1 argument")));
    }
    let options = options(stack);
    let mut out = stack.host().scratch.borrow_mut();
    out.clear();
    encode(stack, options, &mut out)?;
    stack.push_bytes(&out);
    Ok(1)
}

fn decode_one(stack: Stack<'_>) -> Outcome {
    if stack.top() != 1 {
        return Err(stack.argument_error(1, format_args!("expected 1 argument")));
    }
    let text = stack.check_bytes(1)?;
    decode::decode(stack, options(stack), text)
}

/// Pushes the value that a text stands for, read with the options that nobody has changed.
pub(crate) fn decode_plainly(stack: Stack<'_>, text: &[u8]) -> Outcome {
    decode::decode(stack, Options::default(), text)
}

fn new(stack: Stack<'_>) -> Outcome {
    let instance = {
        let mut all = stack.host().json.borrow_mut();
        all.is_changed = true;
        all.others.push(Options::default());
        all.others.len()
    };
    push_instance(stack, instance);
    Ok(1)
}

/// Runs a setter of options that takes up to `count` arguments, with nils for those left out.
fn configure(
    stack: Stack<'_>,
    count: c_int,
    set: impl FnOnce(&mut Options) -> Result<(), Raised>,
) -> Outcome {
    if stack.top() > count {
        return Err(stack.argument_error(count + 1, format_args!("found too many arguments")));
    }
    stack.set_top(count);
    let mut options = options(stack);
    set(&mut options)?;
    stack.host().json.borrow_mut().set(instance(stack), options);
    Ok(count)
}

fn encode_sparse_array(stack: Stack<'_>) -> Outcome {
    configure(stack, 3, |options| {
        switch(stack, 1, &mut options.sparse_convert)?;
        integer(stack, 2, &mut options.sparse_ratio, 0, i32::MAX)?;
        integer(stack, 3, &mut options.sparse_safe, 0, i32::MAX)
    })
}

fn encode_max_depth(stack: Stack<'_>) -> Outcome {
    configure(stack, 1, |options| integer(stack, 1, &mut options.encode_max_depth, 1, i32::MAX))
}

fn decode_max_depth(stack: Stack<'_>) -> Outcome {
    configure(stack, 1, |options| integer(stack, 1, &mut options.decode_max_depth, 1, i32::MAX))
}

fn encode_number_precision(stack: Stack<'_>) -> Outcome {
    configure(stack, 1, |options| {
        let mut precision = i32::from(options.precision);
        integer(stack, 1, &mut precision, 1, 14)?;
        options.precision = precision as u8;
        Ok(())
    })
}

fn encode_keep_buffer(stack: Stack<'_>) -> Outcome {
    configure(stack, 1, |options| switch(stack, 1, &mut options.keep_buffer))
}

fn decode_invalid_numbers(stack: Stack<'_>) -> Outcome {
    configure(stack, 1, |options| switch(stack, 1, &mut options.decode_invalid_numbers))
}

fn encode_invalid_numbers(stack: Stack<'_>) -> Outcome {
    const NAMES: [&CStr; 3] = [c"off", c"on", c"null"];
    configure(stack, 1, |options| {
        let chosen = choice(stack, 1, &NAMES)?;
        options.encode_invalid_numbers = match chosen {
            None => options.encode_invalid_numbers,
            Some(0) => InvalidNumbers::Refuse,
            Some(1) => InvalidNumbers::Print,
            Some(_) => InvalidNumbers::Null,
        };
        match options.encode_invalid_numbers {
            InvalidNumbers::Refuse => stack.push_boolean(false),
            InvalidNumbers::Print => stack.push_boolean(true),
            InvalidNumbers::Null => stack.push_bytes(b"null"),
        }
        stack.replace(1);
        Ok(())
    })
}

/// Sets an integer option from an argument unless that is nil, and puts the option's value in its place.
fn integer(stack: Stack<'_>, argument: c_int, value: &mut i32, min: i32, max: i32) -> Result<(), Raised> {
    if stack.kind(argument) != Kind::Nil {
        let wanted = stack.check_int(argument)?;
        if wanted < min || wanted > max {
            // cjson names the first argument, whichever it is.
            return Err(stack.argument_error(1, format_args!("expected integer between {min} and {max}")));
        }
        *value = wanted;
    }
    stack.push_number(f64::from(*value));
    stack.replace(argument);
    Ok(())
}

/// Sets an on/off option likewise.
fn switch(stack: Stack<'_>, argument: c_int, value: &mut bool) -> Result<(), Raised> {
    if let Some(chosen) = choice(stack, argument, &[c"off", c"on"])? {
        *value = chosen == 1;
    }
    stack.push_boolean(*value);
    stack.replace(argument);
    Ok(())
}

/// Which of the names an argument is; a boolean is the first or second. `None` if it is nil.
fn choice(stack: Stack<'_>, argument: c_int, names: &[&CStr]) -> Result<Option<usize>, Raised> {
    match stack.kind(argument) {
        Kind::Nil => return Ok(None),
        Kind::Boolean => return Ok(Some(usize::from(stack.boolean(argument)))),
        _ => {}
    }
    let name = stack.check_bytes(argument)?;
    match names.iter().position(|known| known.to_bytes() == name) {
        Some(index) => Ok(Some(index)),
        None => {
            let name = String::from_utf8_lossy(name);
            Err(stack.argument_error(argument, format_args!("invalid option '{name}'")))
        }
    }
}
