//! The database of accounts: SQLite, in one file.
//!
//! Several processes may open the same file at once, also for the first time. A file that is damaged, belongs to
//! another program or was written by a newer version is refused and left as it is.

mod migrations;

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::random;
use crate::config::Secret;

/// How long to wait for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Length of the secret that is made on the first start, in bytes.
const SECRET_BYTES: usize = 48;

/// An open database.
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens the file, makes it if there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be used; it is unchanged then.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_connection(path).map_err(|problem| StoreError { path: path.to_owned(), problem })
    }

    fn open_connection(path: &Path) -> Result<Self, Problem> {
        create_private_file(path).map_err(Problem::Io)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        migrations::check(&connection)?;
        use_write_ahead_log(&connection)?;
        // With a write-ahead log only FULL keeps what was answered when the power fails.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrations::run(&mut connection)?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// The key that signs tokens, made at random when it is first asked for.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub fn jwt_secret(&mut self) -> Result<Secret, StoreError> {
        let secret = self.read_or_make_secret();
        secret.map_err(|problem| StoreError { path: self.path.clone(), problem })
    }

    fn read_or_make_secret(&mut self) -> Result<Secret, Problem> {
        const SELECT: &str = "SELECT value FROM settings WHERE name = 'jwt_secret'";
        let found = self.connection.query_row(SELECT, (), |row| row.get(0)).optional()?;
        let bytes: Vec<u8> = match found {
            Some(bytes) => bytes,
            None => {
                // Another process may be making one now: the first to write wins, and both read that one.
                let transaction =
                    self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                transaction.execute(
                    "INSERT INTO settings (name, value) VALUES ('jwt_secret', ?1) ON CONFLICT DO NOTHING",
                    [random::bytes::<SECRET_BYTES>()],
                )?;
                let bytes = transaction.query_row(SELECT, (), |row| row.get(0))?;
                transaction.commit()?;
                bytes
            }
        };
        Secret::new(bytes).ok_or(Problem::Damaged("the stored jwt_secret is too short".to_owned()))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

/// Why a database cannot be used. One line that names the file.
#[derive(Debug)]
pub struct StoreError {
    path: PathBuf,
    problem: Problem,
}

/// What can be wrong with a database.
#[derive(Debug)]
enum Problem {
    /// The file cannot be made.
    Io(io::Error),
    /// Not an SQLite file, or one with pages that make no sense.
    Damaged(String),
    /// An SQLite file with tables that are not ours.
    Foreign,
    /// Written by a newer version.
    Newer { found: i64, known: i64 },
    /// Another process kept it locked.
    Locked,
    /// Anything else, in SQLite's words.
    Sqlite(rusqlite::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database {} ", self.path.display())?;
        match &self.problem {
            Problem::Io(error) => write!(f, "cannot be made: {error}"),
            Problem::Damaged(detail) => {
                write!(
                    f,
                    "is damaged or not an SQLite file ({detail}); restore it from a backup or name another with --db-dsn"
                )
            }
            Problem::Foreign => f.write_str("belongs to another program; name another file with --db-dsn"),
            Problem::Newer { found, known } => write!(
                f,
                "was written by a newer version of godra (schema {found}, this one knows up to {known}); use that version"
            ),
            Problem::Locked => f.write_str("is locked by another process"),
            Problem::Sqlite(error) => write!(f, "cannot be used: {error}"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io(error) => Some(error),
            Problem::Sqlite(error) => Some(error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            _ => Self::Sqlite(error),
        }
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
