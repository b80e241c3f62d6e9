//! What the engine and its native functions share. One thread owns it; Lua reaches it through its allocator's data.

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::rc::Rc;
use std::time::Duration;

use crate::keyspace::Keyspace;
use crate::reply::ReplyBuffer;

use super::budget::Budget;
use super::extension::{Extension, Library};
use super::json::JsonOptions;
use super::pool::Pool;
use super::protect::Protected;

/// What a single command may take, as it is guessed before it begins, is so many times what a call may.
const WORK_FACTOR: u32 = 2;

/// The native functions' world. No borrow of its cells may be held across a call into Lua.
pub(super) struct Host {
    /// The running call's time and memory.
    pub budget: Budget,
    /// Where Lua's memory comes from.
    pub pool: Pool,
    /// The store.
    pub keyspace: RefCell<Keyspace>,
    /// The last command's reply.
    pub reply: RefCell<ReplyBuffer>,
    /// What scripts have beyond Redis.
    pub extension: Rc<dyn Extension>,
    /// The extension's.
    pub library: Option<Library>,
    /// The extension's, see [`Extension::reserved_prefix`].
    pub reserved_prefix: Option<&'static [u8]>,
    /// Which of the library's kept fields were made during this call, one bit each.
    pub kept_fields: Cell<u64>,
    /// The store's time, which stands still during a call.
    pub now_ms: Cell<u64>,
    /// Bytes under construction: encoded JSON, converted numbers.
    pub scratch: RefCell<Vec<u8>>,
    /// The registry's place for the table of lists that are written as `[]` when they are empty; 0 while the call has none.
    pub arrays: Cell<c_int>,
    /// The registry's place for the running call's `require`; 0 if it has none.
    pub require: Cell<c_int>,
    /// The options of `cjson`, and of what `cjson.new` made during this call.
    pub json: RefCell<JsonOptions>,
    /// The tables that scripts cannot change.
    pub protected: Protected,
}

impl Host {
    /// A host with an empty store.
    pub(crate) fn new(
        seed: u64,
        time_budget: Duration,
        memory_budget: usize,
        extension: Rc<dyn Extension>,
    ) -> Self {
        let library = extension.library();
        let kept_fields = library.as_ref().map_or(0, |library| library.kept_fields.len());
        assert!(kept_fields <= 64, "one bit for each");
        let mut keyspace = Keyspace::new(seed);
        keyspace.set_max_work(time_budget * WORK_FACTOR);
        Self {
            budget: Budget::new(time_budget, memory_budget),
            pool: Pool::default(),
            keyspace: RefCell::new(keyspace),
            reply: RefCell::new(ReplyBuffer::of_at_most(memory_budget)),
            library,
            reserved_prefix: extension.reserved_prefix(),
            extension,
            kept_fields: Cell::new(0),
            now_ms: Cell::new(0),
            scratch: RefCell::default(),
            arrays: Cell::new(0),
            require: Cell::new(0),
            json: RefCell::default(),
            protected: Protected::default(),
        }
    }
}
