//! Why a state file cannot be used, in words.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why a state file was refused. One line that names the file and what can be done; the file is as it was.
#[derive(Debug)]
pub struct StateFileError {
    pub(super) path: PathBuf,
    pub(super) problem: Problem,
}

impl StateFileError {
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self { path: path.to_owned(), problem: Problem::Io(error) }
    }
}

/// What can be wrong with a state file.
#[derive(Debug)]
pub(super) enum Problem {
    /// It cannot be made or read.
    Io(io::Error),
    /// It is ours, or was, and does not make sense any more.
    Damaged(String),
    /// It is something else.
    Foreign,
    /// Written by a newer version.
    Newer { found: i64, known: i64 },
    /// Another process has it.
    Locked,
    /// Anything else, in SQLite's words.
    Sqlite(rusqlite::Error),
}

impl fmt::Display for StateFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state file {} ", self.path.display())?;
        match &self.problem {
            Problem::Io(error) => write!(f, "cannot be used: {error}"),
            Problem::Damaged(detail) => write!(
                f,
                "is damaged ({detail}); restore it from a backup, or move it away to begin with an empty store"
            ),
            Problem::Foreign => f.write_str(
                "is not a state file of godra; name another with --state-file, or off to keep none",
            ),
            Problem::Newer { found, known } => write!(
                f,
                "was written by a newer version of godra (schema {found}, this one knows up to {known}); use that version"
            ),
            Problem::Locked => {
                f.write_str("is in use by another process; each server needs a file of its own")
            }
            Problem::Sqlite(error) => write!(f, "cannot be used: {}", in_one_line(error)),
        }
    }
}

impl std::error::Error for StateFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Io(error) => Some(error),
            Problem::Sqlite(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(in_one_line(&error)),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            _ => Self::Sqlite(error),
        }
    }
}

/// SQLite quotes what it does not understand, with the ends of its lines.
fn in_one_line(error: &rusqlite::Error) -> String {
    error.to_string().replace('\n', " ")
}
