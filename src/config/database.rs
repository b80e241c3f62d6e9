//! Which database holds the accounts, from `--db-type` and `--db-dsn`.

use std::fmt;
use std::path::PathBuf;

use super::settings::Values;
use super::{ConfigError, path};
use crate::account::store::PostgresDsn;

/// Where accounts are kept.
#[derive(Clone, Debug)]
pub enum Database {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(Box<PostgresDsn>),
}

#[derive(Clone, Copy)]
enum Kind {
    Sqlite,
    Postgres,
}

impl Database {
    pub(super) fn resolve(values: &Values, warnings: &mut Vec<String>) -> Result<Self, ConfigError> {
        match values.parse("db-type", kind)? {
            Kind::Sqlite => Ok(Self::Sqlite(values.parse("db-dsn", sqlite_file)?)),
            Kind::Postgres if values.is_default("db-dsn") => Err(ConfigError(
                "--db-dsn is missing, which --db-type postgres needs: host=… user=… password=… dbname=…, or \
                 postgres://user:password@host:port/dbname"
                    .to_owned(),
            )),
            Kind::Postgres => {
                let dsn = values.parse("db-dsn", PostgresDsn::parse)?;
                if dsn.may_be_plain() {
                    warnings.push(
                        "what is sent to PostgreSQL may go unencrypted; sslmode=require or verify-full in --db-dsn \
                         forbids that"
                            .to_owned(),
                    );
                }
                Ok(Self::Postgres(Box::new(dsn)))
            }
        }
    }
}

/// For the log: no passwords.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite {}", path.display()),
            Self::Postgres(dsn) => write!(f, "postgres {dsn}"),
        }
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    match text {
        "sqlite" => Ok(Kind::Sqlite),
        "postgres" | "postgresql" => Ok(Kind::Postgres),
        _ => Err("allowed are sqlite and postgres".to_owned()),
    }
}

pub(super) fn sqlite_file(text: &str) -> Result<PathBuf, String> {
    let is_connection_text = text.contains("://") || text.contains("host=") || text.contains("dbname=");
    if is_connection_text {
        return Err("expected the path of an SQLite file; for PostgreSQL say --db-type postgres".to_owned());
    }
    // SQLite takes all of these for a database in memory, or elsewhere than it looks.
    if text.is_empty() || text == ":memory:" || text.starts_with("file:") {
        return Err("expected the path of an SQLite file".to_owned());
    }
    path(text)
}
