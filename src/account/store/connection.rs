//! A connection to either database.

use super::postgres::Postgres;
use super::sql::{Database, Row, Transaction, Value};
use super::sqlite::Sqlite;
use crate::account::records::StoreResult;

/// An open connection, which comes back after it was lost.
pub(crate) enum Connection {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Database for Connection {
    fn read(&mut self, statement: &'static str, values: &[Value]) -> StoreResult<Vec<Row>> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read(statement, values),
            Self::Postgres(postgres) => postgres.read(statement, values),
        }
    }

    fn write<T>(&mut self, work: impl Fn(&mut dyn Transaction) -> StoreResult<T>) -> StoreResult<T> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(work),
            Self::Postgres(postgres) => postgres.write(work),
        }
    }

    fn locks_rows(&self) -> bool {
        match self {
            Self::Sqlite(sqlite) => sqlite.locks_rows(),
            Self::Postgres(postgres) => postgres.locks_rows(),
        }
    }
}
