//! What the engine and its native functions share. One thread owns it; Lua reaches it through its allocator's data.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::state::embedded::events::Outbox;
use crate::state::embedded::keyspace::Keyspace;
use crate::state::embedded::reply::ReplyBuffer;
use crate::wire::ids::{Identity, RoomId};

use super::budget::Budget;
use super::json::JsonOptions;
use super::pool::Pool;
use super::protect::Protected;

/// `--room-ttl` where nobody says otherwise.
pub const DEFAULT_ROOM_TTL_S: u64 = 3600;

/// The native functions' world. No borrow of its cells may be held across a call into Lua.
pub struct Host {
    /// The running call's time and memory.
    pub budget: Budget,
    /// Where Lua's memory comes from.
    pub pool: Pool,
    /// The store.
    pub keyspace: RefCell<Keyspace>,
    /// The last command's reply.
    pub reply: RefCell<ReplyBuffer>,
    /// Events of the running batch.
    pub outbox: RefCell<Outbox>,
    /// Who calls, where, and when.
    pub caller: RefCell<Caller>,
    /// Bytes under construction: encoded JSON, converted numbers.
    pub scratch: RefCell<Vec<u8>>,
    /// The options of `cjson`, and of what `cjson.new` made during this call.
    pub json: RefCell<JsonOptions>,
    /// The tables that scripts cannot change.
    pub protected: Protected,
    /// State of `math.random`.
    pub random: Cell<u64>,
    /// Whether the running call made a table of `godra.user`.
    pub has_user_table: Cell<bool>,
    /// What `godra.room_ttl` says, in seconds.
    pub room_ttl_s: Cell<u64>,
    /// For `os.clock`.
    pub started_at: Instant,
}

/// The running call's circumstances.
#[derive(Default)]
pub struct Caller {
    /// Who calls.
    pub identity: Option<Arc<Identity>>,
    /// The batch's room.
    pub room: Option<RoomId>,
    /// The store's time, which stands still during a call.
    pub now_ms: u64,
}

impl Host {
    /// A host with an empty store.
    pub fn new(seed: u64, time_budget: Duration, memory_budget: usize) -> Self {
        Self {
            budget: Budget::new(time_budget, memory_budget),
            pool: Pool::default(),
            keyspace: RefCell::new(Keyspace::new(seed)),
            reply: RefCell::default(),
            outbox: RefCell::new(Outbox::new(seed.rotate_left(32) ^ 0x6a09_e667_f3bc_c908)),
            caller: RefCell::default(),
            scratch: RefCell::default(),
            json: RefCell::default(),
            protected: Protected::default(),
            random: Cell::new(seed),
            has_user_table: Cell::new(false),
            room_ttl_s: Cell::new(DEFAULT_ROOM_TTL_S),
            started_at: Instant::now(),
        }
    }
}
