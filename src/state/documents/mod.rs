//! Documents on their way into a store and out of it.
//!
//! ```text
//! shard ──batch──► gate ──all documents are hot──────────────────────► engine: load, save ──entries──► database
//!                   │ some are not: the batch is parked                  ▲        ▲
//!                   └──fetch──► database ──► keeper's thread ──install───┘        └─ notices: missing, needed
//! ```
//!
//! [`Gate`] is an [`Engine`](super::Engine) in front of another one: it settles which documents a call works on (`resolve`), knows
//! which of them the store holds (`table`), and has the others fetched and installed before the call goes on (`keeper`, a thread).
//! Documents that nobody uses are let go, and so are those that another home wants.
//!
//! What a store must do to have documents, as `embedded` does it (`embedded/documents`, `embedded/worker/documents.rs`):
//!
//! - [`Engine::document_home`](super::Engine::document_home): the id of a store, kept as long as the store keeps its data
//! - [`Engine::shares_documents`](super::Engine::shares_documents), if other processes use the store
//! - [`Engine::install_documents`](super::Engine::install_documents): puts fetched documents beside what it has, by the rules there
//! - [`Engine::let_go_documents`](super::Engine::let_go_documents): takes those out of which no save waits for the database
//! - [`Engine::store_of`](super::Engine::store_of), if it has several stores
//! - for each call with [`Call::documents`](super::Call): give it back if they come [`CallDocuments::Later`], refuse it if they are
//!   [`CallDocuments::Refused`], and run it if all that are [`CallDocuments::Declared`] are in the store; else it ends with
//!   [`not_hot`], and a [`Notice::Missing`] goes to the gate; or nothing of its batch runs, which goes back with a [`Notice::Cold`]
//! - `godra.load`, `godra.save` and `godra.delete` by the rules in [`rules`], and an outbox: what a call has saved becomes one entry
//!   in the same atomic step, entries go to [`Documents::write`] in order, a transaction at a
//!   time, and leave the outbox once it has answered; what it names as lost is taken out of the store
//! - with `-- DURABLE: on`, the end of the call's batch and its events wait for the call's entry
//! - messages that the engine begins by itself: [`resolve()`], and a [`Notice::Needed`] for what is not in the store

mod calls;
mod gate;
mod keeper;
mod resolve;
pub mod rules;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crossbeam_channel::Sender;

pub use self::calls::{CallDocuments, Declared, not_hot};
pub use self::gate::Gate;
pub use self::resolve::resolve;
use super::Batch;
use crate::document::{Address, Documents, HomeId};

/// What an engine has for documents: the database that takes what calls save, and the ear of the gate.
#[derive(Clone)]
pub struct DocumentLink {
    /// Where entries go.
    pub database: Arc<dyn Documents>,
    /// To the gate.
    pub notices: Sender<Notice>,
}

impl fmt::Debug for DocumentLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DocumentLink")
    }
}

/// For whom a fetch is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The store's id as a home.
    pub home: HomeId,
    /// A time before the fetch by the store's clock, in milliseconds; 0 where nobody else fetches for the store.
    pub at_ms: u64,
}

/// Why a document leaves a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Another home wants it, or has taken it.
    Wanted,
    /// Nobody uses it here.
    Idle,
}

/// What an engine tells the gate, with the store's index.
#[derive(Debug)]
pub enum Notice {
    /// This batch has not run, as these are not in the store (any more): it goes on when they are.
    Cold(usize, Box<Batch>, Vec<Address>),
    /// These are not in the store (any more), whatever the gate thinks.
    Missing(usize, Vec<Address>),
    /// What the engine runs by itself waits for these, which are not in the store.
    Needed(usize, Vec<Address>),
}

/// What became of a document that was to be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installed {
    /// It is in the store, or a newer one is.
    Done,
    /// What was fetched may be older than what is still on its way to the database: to be fetched again.
    Again,
    /// The store has no room for it.
    Full,
}
