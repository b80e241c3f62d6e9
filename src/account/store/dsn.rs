//! Which database holds the accounts, and where it is.

use std::fmt;
use std::path::PathBuf;

use super::PostgresDsn;
use crate::sys::given_path;

/// Where accounts are kept. `Display` leaves passwords out.
#[derive(Clone, Debug)]
pub enum Dsn {
    /// The path of an SQLite file, which is made if it is missing.
    Sqlite(PathBuf),
    /// A PostgreSQL server and a database on it.
    Postgres(Box<PostgresDsn>),
}

impl Dsn {
    /// The path of an SQLite file.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn sqlite(text: &str) -> Result<Self, String> {
        let hint = |reason| match reason {
            reason if text.contains('=') || text.contains("://") => {
                format!("{reason}; for PostgreSQL say --db-type postgres")
            }
            reason => reason,
        };
        parse_sqlite_path(text).map(Self::Sqlite).map_err(hint)
    }

    /// `key=value` pairs or a URL, as libpq takes them.
    ///
    /// # Errors
    /// Says what is expected; never repeats a password.
    pub fn postgres(text: &str) -> Result<Self, String> {
        PostgresDsn::parse(text).map(|dsn| Self::Postgres(Box::new(dsn)))
    }

    /// Whether what is sent there may go unencrypted.
    pub fn may_be_plain(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(dsn) => dsn.may_be_plain(),
        }
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite {}", path.display()),
            Self::Postgres(dsn) => write!(f, "postgres {dsn}"),
        }
    }
}

/// The path of an SQLite file: nothing that SQLite, or a user, would take for a place elsewhere.
///
/// # Errors
/// Says what is expected.
pub fn parse_sqlite_path(text: &str) -> Result<PathBuf, String> {
    // SQLite takes all of these for a database in memory, or elsewhere than it looks.
    if text.is_empty() || text == ":memory:" || text.starts_with("file:") {
        return Err("expected the path of an SQLite file".to_owned());
    }
    given_path::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_refused() {
        let check = |text: &str, expected: &str| {
            let refusal = Dsn::sqlite(text).unwrap_err();
            assert!(refusal.contains(expected) && !refusal.contains("hunter2"), "{refusal}");
        };
        let file = "expected the path of an SQLite file";
        let postgres = "; for PostgreSQL say --db-type postgres";
        for text in ["", ":memory:", "file:game.db?mode=memory"] {
            check(text, file);
        }
        for text in [
            "postgres://ada@db/game",
            "host=db user=ada",
            "dbname=game",
            "Server=db;User Id=a;Pwd=hunter2",
            "user=a password=hunter2 hostaddr=::1",
            "game.db;Password=hunter2",
        ] {
            check(text, postgres);
        }
        assert_eq!(parse_sqlite_path("data/game.db"), Ok(PathBuf::from("data/game.db")));
    }

    #[test]
    fn what_is_shown_is_no_secret() {
        let shown = |dsn: Result<Dsn, String>| dsn.unwrap().to_string();
        assert_eq!(shown(Dsn::sqlite("game.db")), "sqlite game.db");
        let dsn = shown(Dsn::postgres("host=db user=ada password=secret dbname=game"));
        assert!(dsn.starts_with("postgres ada@db") && !dsn.contains("secret"), "{dsn}");
    }
}
