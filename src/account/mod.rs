//! Who a player is: tokens, guests and the database of accounts.

pub mod guest;
pub mod name;
pub mod password;
mod random;
pub mod records;
pub mod refresh;
pub mod revocations;
pub mod secret;
pub mod service;
pub mod store;
pub mod token;
