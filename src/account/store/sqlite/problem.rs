//! What can be wrong with an SQLite file, and whether another try can help.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::account::records::StoreFault;

/// Why a file cannot be used. One line that names it.
#[derive(Debug)]
pub(in crate::account::store) struct SqliteError {
    pub(super) path: PathBuf,
    pub(super) problem: Problem,
}

/// What can be wrong with a database.
#[derive(Debug)]
pub(super) enum Problem {
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
    /// The disk is full, or failed to read or write.
    Disk(rusqlite::Error),
    /// Anything else, in SQLite's words.
    Sqlite(rusqlite::Error),
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database {} ", self.path.display())?;
        match &self.problem {
            Problem::Io(error) => write!(f, "cannot be made: {error}"),
            Problem::Damaged(detail) => write!(
                f,
                "is damaged or not an SQLite file ({detail}); restore it from a backup or name another with --db-dsn"
            ),
            Problem::Foreign => f.write_str("belongs to another program; name another file with --db-dsn"),
            Problem::Newer { found, known } => write!(
                f,
                "was written by a newer version of godra (schema {found}, this one knows up to {known}); use that version"
            ),
            Problem::Locked => f.write_str("is locked by another process"),
            Problem::Disk(error) => write!(f, "cannot be read or written: {}", in_one_line(error)),
            Problem::Sqlite(error) => write!(f, "cannot be used: {}", in_one_line(error)),
        }
    }
}

impl From<SqliteError> for StoreFault {
    fn from(error: SqliteError) -> Self {
        match error.problem {
            Problem::Io(_) | Problem::Locked | Problem::Disk(_) => Self::Unavailable(error.to_string()),
            Problem::Damaged(_) | Problem::Foreign | Problem::Newer { .. } | Problem::Sqlite(_) => {
                Self::Broken(error.to_string())
            }
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(in_one_line(&error)),
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Locked,
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied,
            ) => Self::Disk(error),
            _ => Self::Sqlite(error),
        }
    }
}

/// SQLite quotes what it does not understand, with the ends of its lines.
fn in_one_line(error: &rusqlite::Error) -> String {
    error.to_string().replace('\n', " ")
}
