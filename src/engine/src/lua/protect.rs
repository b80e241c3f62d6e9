//! Tables that scripts can read and not change: the globals and the libraries.
//!
//! A script sees an empty table whose metatable reads from the real one and refuses writes. The functions that go
//! past metatables (`rawset`, `next`, `table.insert` …) ask here.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};

use super::stack::{Kind, Outcome, Raised, Stack, native};

const READ_ONLY: &str = "Attempt to modify a readonly table";

/// Which tables are stand-ins, and for what.
#[derive(Default)]
pub(super) struct Protected {
    /// Address of the stand-in, and the real table's place in the registry.
    tables: RefCell<Vec<(usize, c_int)>>,
    /// Lowest and highest address in `tables`: one comparison tells most tables apart.
    bounds: Cell<(usize, usize)>,
}

impl Protected {
    fn add(&self, address: usize, reference: c_int) {
        let mut tables = self.tables.borrow_mut();
        let (low, high) = if tables.is_empty() { (address, address) } else { self.bounds.get() };
        self.bounds.set((low.min(address), high.max(address)));
        tables.push((address, reference));
    }

    #[inline]
    fn find(&self, address: *const c_void) -> Option<c_int> {
        let address = address as usize;
        let (low, high) = self.bounds.get();
        if address < low || address > high {
            return None;
        }
        self.tables.borrow().iter().find(|entry| entry.0 == address).map(|entry| entry.1)
    }
}

/// Replaces the table on top of the stack by its stand-in.
pub(super) fn protect(stack: Stack<'_>) {
    stack.push_table(0, 0);
    stack.push_table(0, 3);
    stack.push_value(-3);
    stack.set_field(-2, c"__index");
    stack.push_native(native(refuse_write), 0);
    stack.set_field(-2, c"__newindex");
    stack.push_boolean(false);
    stack.set_field(-2, c"__metatable");
    stack.set_metatable(-2);
    stack.insert(-2);
    let reference = stack.store();
    stack.host().protected.add(stack.address(-1) as usize, reference);
}

/// An error if the table at `index` is protected.
pub(super) fn check_writable(stack: Stack<'_>, index: c_int) -> Result<(), Raised> {
    match stack.host().protected.find(stack.address(index)) {
        None => Ok(()),
        Some(_) => Err(stack.error(format_args!("{READ_ONLY}"))),
    }
}

/// Puts the real table in the place of a stand-in, for native code that only reads.
pub(super) fn unveil(stack: Stack<'_>, index: c_int) {
    if let Some(reference) = stack.host().protected.find(stack.address(index)) {
        stack.push_stored(reference);
        stack.replace(index);
    }
}

/// Whether the value is a protected table.
pub(super) fn is_protected(stack: Stack<'_>, index: c_int) -> bool {
    stack.kind(index) == Kind::Table && stack.host().protected.find(stack.address(index)).is_some()
}

fn refuse_write(stack: Stack<'_>) -> Outcome {
    Err(stack.error(format_args!("{READ_ONLY}")))
}
