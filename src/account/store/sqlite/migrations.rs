//! The schema, as the steps that lead to it. Steps are only ever added: a database goes forward.

use rusqlite::{Connection, TransactionBehavior};

use super::problem::Problem;

/// Marks a file as ours (`PRAGMA application_id`): the letters `Gdra`.
const APPLICATION_ID: i64 = 0x4764_7261;

/// Step `n` leads from schema `n` to `n + 1`; `PRAGMA user_version` holds where a file is.
pub(super) const STEPS: &[&str] = &[
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
    include_str!("accounts.sql"),
    // When the family's last token was spent.
    "ALTER TABLE families ADD COLUMN spent_at_ms INTEGER NOT NULL DEFAULT 0",
    // The guest that became this account: an upgrade whose answer was lost is known again by it.
    "ALTER TABLE accounts ADD COLUMN guest_id TEXT",
    // One account a guest, whoever asks at once. Before, a guest that asked twice could become two: the first stays its own.
    "UPDATE accounts SET guest_id = NULL WHERE guest_id IS NOT NULL \
       AND id > (SELECT min(first.id) FROM accounts first WHERE first.guest_id = accounts.guest_id); \
     CREATE UNIQUE INDEX accounts_by_guest ON accounts (guest_id)",
    // A guest's login is not written down, so its end has to be: until its last refresh token has ended.
    "CREATE TABLE gone_guests (user_id TEXT PRIMARY KEY, until_s INTEGER NOT NULL) STRICT, WITHOUT ROWID; \
     CREATE INDEX gone_guests_by_end ON gone_guests (until_s)",
    // Of accounts that look alike the first alone has the skeleton of its name: `skeletons.rs` fills it.
    "CREATE TABLE name_skeletons (skeleton TEXT PRIMARY KEY, \
       user_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE) STRICT, WITHOUT ROWID; \
     CREATE INDEX name_skeletons_of_user ON name_skeletons (user_id)",
    include_str!("documents.sql"),
    // Other ways to log in than by a password.
    include_str!("identities.sql"),
    // Codes by which an account gets another password once.
    "CREATE TABLE resets (account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE, \
       code_hash TEXT NOT NULL, expires_at_s INTEGER NOT NULL) STRICT",
    include_str!("ledgers.sql"),
    // Who gets a document when its home lets it go.
    "ALTER TABLE document_homes ADD COLUMN heir TEXT",
];

/// Reads whether we may use the file, before anything is written to it.
pub(super) fn check(connection: &Connection) -> Result<(), Problem> {
    let is_empty: bool =
        connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", (), |row| row.get(0))?;
    let application_id = pragma(connection, "application_id")?;
    if !is_empty && application_id != APPLICATION_ID {
        return Err(Problem::Foreign);
    }
    check_version(pragma(connection, "user_version")?).map(|_| ())
}

/// Takes the missing steps, all or none. Processes that start at once wait for each other.
pub(super) fn run(connection: &mut Connection) -> Result<(), Problem> {
    if check_version(pragma(connection, "user_version")?)? == STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    // Again, because another process may have taken them while we waited for the lock.
    let version = check_version(pragma(&transaction, "user_version")?)?;
    for step in &STEPS[version..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", STEPS.len() as i64)?;
    transaction.commit()?;
    Ok(())
}

fn check_version(found: i64) -> Result<usize, Problem> {
    let version = usize::try_from(found).ok().filter(|version| *version <= STEPS.len());
    version.ok_or(Problem::Newer { found, known: STEPS.len() as i64 })
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, Problem> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}
