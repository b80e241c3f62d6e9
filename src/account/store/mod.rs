//! The database of accounts: SQLite in one file, or PostgreSQL.
//!
//! What the contract asks for is written once, as statements that both understand (`sql_store` and below). The two
//! differ in how they are reached, how they fail, and in their schemas.

mod accounts;
mod connection;
mod dsn;
pub(crate) mod erasing;
mod families;
mod gone;
mod identities;
pub(crate) mod moving;
mod notices;
mod postgres;
mod resets;
mod skeletons;
pub(crate) mod sql;
mod sql_store;
mod sqlite;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use self::connection::Connection;
pub use self::dsn::{Dsn, parse_sqlite_path};
pub use self::erasing::ErasedAgain;
use self::postgres::Postgres;
pub use self::postgres::PostgresDsn;
use self::sql_store::SqlStore;
use self::sqlite::{Sqlite, Turns};
use super::erasure_log::{Erasure, ErasureLog};
use super::look_alikes::ConfusableNames;
use super::records::{AccountStore, StoreFault, StoreResult};

/// A database of accounts that is open for use: gives each thread a connection of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stores(Arc<Place>, ConfusableNames, Option<Arc<ErasureLog>>);

/// Where connections lead to.
#[derive(Debug)]
enum Place {
    Sqlite(PathBuf, Turns),
    Postgres(Arc<PostgresDsn>),
}

impl Stores {
    /// Reaches the database and brings its schema up to date. Any number of processes may do so at once. No two accounts will look
    /// alike, unless [`Self::with`] says otherwise.
    ///
    /// # Errors
    /// When it cannot be used: it cannot be reached, belongs to another program or was written by a newer version. It is
    /// unchanged then.
    pub fn open(dsn: &Dsn) -> Result<Self, StoreError> {
        match dsn {
            Dsn::Sqlite(path) => {
                let turns = Turns::new();
                let mut sqlite = Sqlite::open(path, &turns).map_err(|error| StoreError(error.to_string()))?;
                skeletons::fill(&mut sqlite)?;
                Ok(Self(Arc::new(Place::Sqlite(path.clone(), turns)), ConfusableNames::default(), None))
            }
            Dsn::Postgres(dsn) => {
                let dsn = Arc::new(PostgresDsn::clone(dsn));
                postgres::migrate(&dsn).map_err(StoreError)?;
                skeletons::fill(&mut Postgres::connect(&dsn)?)?;
                Ok(Self(Arc::new(Place::Postgres(dsn)), ConfusableNames::default(), None))
            }
        }
    }

    /// The same database with another rule about names that look alike.
    #[must_use]
    pub fn with(self, confusable_names: ConfusableNames) -> Self {
        Self(self.0, confusable_names, self.2)
    }

    /// The same database, and erasures are written down in this log.
    #[must_use]
    pub fn logging_erasures(self, log: ErasureLog) -> Self {
        Self(self.0, self.1, Some(Arc::new(log)))
    }

    /// Erases again who is in a log and, as the database is older, is not known there to be erased; what there was to do. The
    /// numbers of accounts in the log are never given again. `until_s` is when the last refresh token of a guest ends.
    ///
    /// # Errors
    /// The database cannot be reached now. What is done is done; the next try does the rest.
    pub fn erase_again(
        &self,
        erasures: &[Erasure],
        until_s: u64,
        now_ms: u64,
    ) -> StoreResult<Vec<ErasedAgain>> {
        erasing::again(&mut self.connection()?, erasures, until_s, now_ms)
    }

    /// Another connection. One that is lost later comes back by itself.
    ///
    /// # Errors
    /// When the database cannot be reached now.
    pub fn connect(&self) -> StoreResult<Box<dyn AccountStore>> {
        Ok(Box::new(SqlStore::new(self.connection()?, self.1, self.2.clone())))
    }

    /// As [`Stores::connect`], for what else is kept beside the accounts.
    pub(crate) fn connection(&self) -> StoreResult<Connection> {
        match &*self.0 {
            Place::Sqlite(path, turns) => Ok(Connection::Sqlite(Sqlite::open(path, turns)?)),
            Place::Postgres(dsn) => Ok(Connection::Postgres(Postgres::connect(dsn)?)),
        }
    }

    /// Whether the database has one writer at a time, whoever asks.
    pub(crate) fn has_one_writer(&self) -> bool {
        matches!(&*self.0, Place::Sqlite(..))
    }
}

/// Why a database cannot be used. One line that names it.
#[derive(Debug)]
pub struct StoreError(String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

impl From<StoreFault> for StoreError {
    fn from(fault: StoreFault) -> Self {
        Self(fault.to_string())
    }
}
