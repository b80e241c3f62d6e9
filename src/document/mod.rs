//! Long-term data: documents, which the database keeps for years and the store of rooms holds while they are in use. Begin with
//! `contract`: what the rest asks of the database, and how it answers.
//!
//! A document is hot in at most one store at a time, its *home*: the database says which one, takes writes from that alone, and lets
//! another have the document when the first has let it go or is gone. No script is known here, and no store of rooms.

mod contract;
pub mod doors;
mod home;
pub mod ledger;
mod record;
mod service;
pub mod store;

pub use self::contract::{Documents, FetchError, Fetched, Reply, Unavailable};
pub use self::home::HomeId;
pub use self::record::{
    Document, Entry, Lost, MAX_DEPTH, MAX_TRANSACTION_BYTES, MAX_TRANSACTION_SAVES, MAX_VALUE_BYTES,
    MAX_VERSION, Save, UnfitValue, check_value,
};
pub use self::service::DocumentService;
pub use crate::wire::{Address, AddressError};
