//! Which database holds the accounts, from `--db-type` and `--db-dsn`.

use std::fmt;
use std::path::PathBuf;

use super::settings::Values;
use super::{ConfigError, path};

/// Where accounts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// An SQLite file.
    Sqlite(PathBuf),
}

impl Database {
    pub(super) fn resolve(values: &Values) -> Result<Self, ConfigError> {
        values.parse("db-type", sqlite_only)?;
        Ok(Self::Sqlite(values.parse("db-dsn", sqlite_file)?))
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite {}", path.display()),
        }
    }
}

fn sqlite_only(text: &str) -> Result<(), String> {
    match text {
        "sqlite" => Ok(()),
        "postgres" | "postgresql" => Err("PostgreSQL is not supported yet; allowed is sqlite".to_owned()),
        _ => Err("allowed is sqlite".to_owned()),
    }
}

fn sqlite_file(text: &str) -> Result<PathBuf, String> {
    let is_connection_text = text.contains("://") || text.contains("host=") || text.contains("dbname=");
    // SQLite takes both for a database in memory, which would forget every account.
    let is_in_memory = text.is_empty() || text == ":memory:";
    if is_connection_text || is_in_memory || text.starts_with("file:") {
        return Err("expected the path of an SQLite file".to_owned());
    }
    path(text)
}
