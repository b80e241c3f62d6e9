//! Lists that are written as `[]` also when they are empty, which in Lua is no different from an empty object. They last as long
//! as the call.

use std::ffi::c_int;

use super::super::stack::{Kind, Outcome, Stack};

/// Marks the table at the index, or a new one if there is nil, and pushes it.
pub(in super::super) fn mark(stack: Stack<'_>, index: c_int) -> Outcome {
    match stack.kind(index) {
        Kind::None | Kind::Nil => stack.push_table(0, 0),
        Kind::Table => stack.push_value(index),
        _ => return Err(stack.type_error(index, Kind::Table.name())),
    }
    let arrays = &stack.host().arrays;
    if arrays.get() == 0 {
        stack.push_table(0, 1);
        arrays.set(stack.store());
    }
    stack.push_stored(arrays.get());
    stack.push_value(-2);
    stack.push_boolean(true);
    stack.raw_set(-3);
    stack.pop(1);
    Ok(1)
}

/// Whether the table on top is marked.
pub(super) fn is_marked(stack: Stack<'_>) -> bool {
    let arrays = stack.host().arrays.get();
    if arrays == 0 {
        return false;
    }
    stack.push_stored(arrays);
    stack.push_value(-2);
    stack.raw_get(-2);
    let is_marked = stack.boolean(-1);
    stack.pop(2);
    is_marked
}

/// The call has ended.
pub(in super::super) fn forget(stack: Stack<'_>) {
    let arrays = stack.host().arrays.take();
    if arrays != 0 {
        stack.forget(arrays);
    }
}
