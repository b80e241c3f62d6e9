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

impl Connection {
    /// No account that is made from now on gets this number or a lower one, as the database gives them in order.
    pub(super) fn skip_account_numbers(&mut self, highest: u64) -> StoreResult<()> {
        const SQLITE: [&str; 2] = [
            "UPDATE sqlite_sequence SET seq = $1 WHERE name = 'accounts' AND seq < $1",
            "INSERT INTO sqlite_sequence (name, seq) SELECT 'accounts', $1 \
             WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'accounts')",
        ];
        const POSTGRES: [&str; 1] = ["SELECT setval(sequence, $1) FROM \
             (SELECT CAST(pg_get_serial_sequence('accounts', 'id') AS regclass) AS sequence) AS of_accounts \
             WHERE $1 > COALESCE(pg_sequence_last_value(sequence), 0)"];
        let statements: &[&str] = if self.locks_rows() { &POSTGRES } else { &SQLITE };
        self.write(|transaction| {
            statements
                .iter()
                .try_for_each(|statement| transaction.run(statement, &[highest.into()]).map(drop))
        })
    }
}
