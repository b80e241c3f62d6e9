//! SQLite, in one file.
//!
//! Several processes may open the same file at once, also for the first time. A file that is damaged, belongs to
//! another program or was written by a newer version is refused and left as it is.

mod migrations;
mod problem;
mod turns;

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql, TransactionBehavior, params_from_iter};

use self::problem::{Problem, SqliteError};
pub(super) use self::turns::Turns;
use super::sql::{Database, Row, Transaction, Value};
use crate::account::records::{StoreFault, StoreResult};

/// How long to wait for another connection's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// More than there are statements, so that each is compiled once.
const STATEMENT_CACHE: usize = 64;

#[derive(Debug)]
pub(crate) struct Sqlite {
    connection: Connection,
    path: PathBuf,
    turns: Turns,
}

impl Sqlite {
    /// Opens the file, makes it if there is none, and brings its schema up to date. All connections of this process to
    /// the file share `turns`.
    pub(super) fn open(path: &Path, turns: &Turns) -> Result<Self, SqliteError> {
        let connection =
            open_connection(path).map_err(|problem| SqliteError { path: path.to_owned(), problem })?;
        Ok(Self { connection, path: path.to_owned(), turns: turns.clone() })
    }
}

fn open_connection(path: &Path) -> Result<Connection, Problem> {
    create_private_file(path).map_err(Problem::Io)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    migrations::check(&connection)?;
    use_write_ahead_log(&connection)?;
    // With a write-ahead log only FULL keeps what was answered when the power fails.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    migrations::run(&mut connection)?;
    Ok(connection)
}

impl Database for Sqlite {
    fn read(&mut self, statement: &'static str, values: &[Value]) -> StoreResult<Vec<Row>> {
        run(&self.connection, statement, values).map_err(|error| fault(&self.path, error))
    }

    fn write<T>(&mut self, work: impl Fn(&mut dyn Transaction) -> StoreResult<T>) -> StoreResult<T> {
        let locked = || fault_of(&self.path, Problem::Locked);
        let _turn = self.turns.wait(BUSY_TIMEOUT).ok_or_else(locked)?;
        // Taking the lock at once means waiting for it at most here; a lock taken half-way can be refused without a wait.
        let open = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let mut open =
            Open { transaction: open.map_err(|error| fault(&self.path, error))?, path: &self.path };
        // A transaction that is dropped is rolled back.
        let done = work(&mut open)?;
        open.transaction.commit().map_err(|error| fault(&self.path, error))?;
        Ok(done)
    }

    fn locks_rows(&self) -> bool {
        false
    }
}

/// A transaction that holds the file's write lock.
struct Open<'a> {
    transaction: rusqlite::Transaction<'a>,
    path: &'a Path,
}

impl Transaction for Open<'_> {
    fn run(&mut self, statement: &'static str, values: &[Value]) -> StoreResult<Vec<Row>> {
        run(&self.transaction, statement, values).map_err(|error| fault(self.path, error))
    }
}

/// Runs a statement to its end, also one that gives no rows.
fn run(connection: &Connection, statement: &str, values: &[Value]) -> rusqlite::Result<Vec<Row>> {
    // SQLite reads `$1` as a name, and numbers names by where they appear first.
    let mut prepared = connection.prepare_cached(&statement.replace('$', "?"))?;
    let columns = prepared.column_count();
    let mut found = Vec::new();
    let mut rows = prepared.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| row.get_ref(column).map(owned));
        found.push(Row::new(values.collect::<rusqlite::Result<_>>()?));
    }
    Ok(found)
}

fn fault(path: &Path, error: rusqlite::Error) -> StoreFault {
    fault_of(path, error.into())
}

fn fault_of(path: &Path, problem: Problem) -> StoreFault {
    SqliteError { path: path.to_owned(), problem }.into()
}

fn owned(value: ValueRef) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Text(text) => match str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes(text.to_vec()),
        },
        // No column of ours holds such a number.
        ValueRef::Real(number) => Value::Text(number.to_string()),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Makes the file readable for its owner only, as it will hold the secret. SQLite gives its side files the same mode.
fn create_private_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The switch takes a lock that SQLite does not wait for, so another process that starts now can be in the way.
fn use_write_ahead_log(connection: &Connection) -> Result<(), Problem> {
    const RETRY_AFTER: Duration = Duration::from_millis(2);
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
            .map_err(Problem::from)
        {
            Err(Problem::Locked) if Instant::now() < deadline => std::thread::sleep(RETRY_AFTER),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests;
