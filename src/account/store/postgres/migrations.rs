//! The schema in PostgreSQL, as the steps that lead to it. Steps are only ever added: a database goes forward.

use std::time::{Duration, Instant};

use super::connection::ConnectionThread;
use super::fault::Fault;
use crate::account::records::StoreFault;
use crate::account::store::sql::{Value, first};

/// Step `n` leads from schema `n` to `n + 1`. The table `godra_schema` holds where a database is.
const STEPS: &[&str] = &[
    include_str!("schema.sql"),
    // When the family's last token was spent.
    "ALTER TABLE families ADD COLUMN spent_at_ms BIGINT NOT NULL DEFAULT 0",
    // The guest that became this account: an upgrade whose answer was lost is known again by it.
    "ALTER TABLE accounts ADD COLUMN guest_id TEXT",
    // One account a guest, whoever asks at once. Before, a guest that asked twice could become two: the first stays its own.
    "UPDATE accounts SET guest_id = NULL WHERE guest_id IS NOT NULL \
       AND id > (SELECT min(first.id) FROM accounts first WHERE first.guest_id = accounts.guest_id); \
     CREATE UNIQUE INDEX accounts_by_guest ON accounts (guest_id)",
    // A guest's login is not written down, so its end has to be: until its last refresh token has ended.
    "CREATE TABLE gone_guests (user_id TEXT PRIMARY KEY, until_s BIGINT NOT NULL); \
     CREATE INDEX gone_guests_by_end ON gone_guests (until_s)",
    // Of accounts that look alike the first alone has the skeleton of its name: `skeletons.rs` fills it.
    "CREATE TABLE name_skeletons (skeleton TEXT PRIMARY KEY, \
       user_id BIGINT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE); \
     CREATE INDEX name_skeletons_of_user ON name_skeletons (user_id)",
    include_str!("documents.sql"),
    // Other ways to log in than by a password.
    include_str!("identities.sql"),
    // Codes by which an account gets another password once.
    "CREATE TABLE resets (account_id BIGINT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE, \
       code_hash TEXT NOT NULL, expires_at_s BIGINT NOT NULL)",
    include_str!("ledgers.sql"),
    // Who gets a document when its home lets it go.
    "ALTER TABLE document_homes ADD COLUMN heir TEXT COLLATE \"C\"",
];

/// How long the steps may take, and the wait for another process that takes them.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Processes that start at once queue up here, until the transaction ends. The number is an arbitrary one: "Gdra".
const LOCK: &str = "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(1197764193)";
const EXISTS: &str = "SELECT CAST(count(*) AS BIGINT) FROM pg_class \
     WHERE relname = 'godra_schema' AND relnamespace = current_schema()::regnamespace";
/// How many tables there are that a step would make.
const FOREIGN: &str = "SELECT CAST(count(*) AS BIGINT) FROM pg_class \
     WHERE relname IN ('settings', 'accounts', 'bans', 'families', 'notices', 'notice_counter', \
     'name_skeletons', 'gone_guests', 'identities', 'resets', 'documents', 'document_homes', \
     'document_evictions', 'homes', 'erased_owners', 'ledger_entries') \
     AND relnamespace = current_schema()::regnamespace";

/// Why the database cannot be used.
pub(super) enum Problem {
    /// The user may not make tables anywhere.
    NoSchema,
    /// It has tables of the same names that are not ours.
    Foreign,
    /// Written by a newer version.
    Newer {
        found: u64,
    },
    Fault(Fault),
    Store(StoreFault),
}

impl Problem {
    pub(super) fn describe(self) -> String {
        match self {
            Self::NoSchema => {
                "has no schema that this user may use; see PostgreSQL's search_path and GRANT".to_owned()
            }
            Self::Foreign => {
                "belongs to another program (it has tables of the same names); name another with --db-dsn"
                    .to_owned()
            }
            Self::Newer { found } => format!(
                "was written by a newer version of godra (schema {found}, this one knows up to {}); use that version",
                STEPS.len()
            ),
            Self::Fault(Fault::Broken(words)) => format!("cannot be used: {words}"),
            Self::Fault(fault) => format!("is not available: {}", words_of(fault)),
            Self::Store(fault) => format!("cannot be used: {fault}"),
        }
    }
}

fn words_of(fault: Fault) -> String {
    StoreFault::from(fault).words().to_owned()
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreFault> for Problem {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault)
    }
}

/// Takes the missing steps, all or none.
pub(super) fn run(connection: &ConnectionThread) -> Result<(), Problem> {
    let deadline = Instant::now() + PATIENCE;
    connection.batch("BEGIN", deadline)?;
    connection.batch(LOCK, deadline)?;
    if count(connection, "SELECT CAST(count(current_schema()) AS BIGINT)", deadline)? == 0 {
        return Err(Problem::NoSchema);
    }
    let version = match count(connection, EXISTS, deadline)? {
        0 if count(connection, FOREIGN, deadline)? > 0 => return Err(Problem::Foreign),
        0 => {
            connection.batch("CREATE TABLE godra_schema (version BIGINT NOT NULL)", deadline)?;
            connection.batch("INSERT INTO godra_schema VALUES (0)", deadline)?;
            0
        }
        _ => count(connection, "SELECT version FROM godra_schema", deadline)?,
    };
    let taken = usize::try_from(version).ok().filter(|taken| *taken <= STEPS.len());
    let Some(taken) = taken else { return Err(Problem::Newer { found: version }) };
    for step in &STEPS[taken..] {
        connection.batch(step, deadline)?;
    }
    if taken < STEPS.len() {
        let version = Value::from(STEPS.len() as u64);
        connection.run("UPDATE godra_schema SET version = $1", &[version], deadline)?;
    }
    Ok(connection.batch("COMMIT", deadline)?)
}

fn count(connection: &ConnectionThread, statement: &'static str, deadline: Instant) -> Result<u64, Problem> {
    let rows = connection.run(statement, &[], deadline)?;
    Ok(first(rows).ok_or(Problem::Store(StoreFault::Broken("a count has no row".to_owned())))?.number()?)
}
