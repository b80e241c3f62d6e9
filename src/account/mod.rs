//! Who a player is: tokens, guests and the database of accounts. The only place that touches SQL, but for the embedded store's
//! file, and the only one that hashes passwords. Begin with `service`, whose workers do what sessions ask for.
//!
//! To add a call: a variant of [`crate::session::account::AccountCall`], an arm in `service/worker.rs`, and what it needs of both
//! databases in `store/sql_store.rs`, whose suite runs on SQLite and on PostgreSQL.

pub mod device;
pub mod erasure_log;
pub mod external;
pub mod guest;
pub mod look_alikes;
pub mod name;
pub mod password;
mod random;
pub mod records;
pub mod refresh;
pub mod reserved;
pub mod reset_code;
pub mod revocations;
pub mod secret;
pub mod service;
pub mod store;
pub mod token;
