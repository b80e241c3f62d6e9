//! PostgreSQL.
//!
//! A call takes five seconds at most, whatever the server does, and a lost connection is made again by the next
//! statement. What the server cannot have carried out is tried again at once.

mod connection;
mod dsn;
mod fault;
mod migrations;
mod options;
mod tls;
mod values;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use self::connection::{ConnectionThread, PATIENCE};
pub use self::dsn::PostgresDsn;
use self::fault::Fault;
use super::sql::{Database, OwnerGuard, Row, Transaction, Value};
use crate::account::records::{StoreFault, StoreResult};

/// Threads that may wait for answers nobody waits for any more. Then calls fail at once, until one of them ends.
const MAX_LEFT: usize = 4;
/// The advisory lock of [`OwnerGuard`]: "godra_ow".
const OWNER_GUARD: u64 = u64::from_be_bytes(*b"godra_ow");
/// How often a transaction is tried that stands in another's way.
const MAX_TRIES: usize = 10;

/// A connection that comes back.
pub(crate) struct Postgres {
    dsn: Arc<PostgresDsn>,
    connection: Option<ConnectionThread>,
    left: Vec<JoinHandle<()>>,
}

/// Reaches the server and brings the schema up to date. Any number of processes may do so at once.
///
/// # Errors
/// In words that name the database; it is unchanged then.
pub(super) fn migrate(dsn: &Arc<PostgresDsn>) -> Result<(), String> {
    let explain = |problem: migrations::Problem| format!("the database {dsn} {}", problem.describe());
    let connection =
        ConnectionThread::open(dsn, Instant::now() + PATIENCE).map_err(|(fault, _)| explain(fault.into()))?;
    // A connection that is dropped takes its transaction back.
    migrations::run(&connection).map_err(explain)
}

impl Postgres {
    pub(super) fn connect(dsn: &Arc<PostgresDsn>) -> StoreResult<Self> {
        let mut postgres = Self { dsn: dsn.clone(), connection: None, left: Vec::new() };
        match postgres.connection(Instant::now() + PATIENCE) {
            Ok(_) => Ok(postgres),
            Err(fault) => Err(fault.into()),
        }
    }

    /// The open connection, or a new one.
    fn connection(&mut self, deadline: Instant) -> Result<&ConnectionThread, Fault> {
        if self.connection.is_none() {
            self.left.retain(|thread| !thread.is_finished());
            if self.left.len() >= MAX_LEFT {
                let words = "PostgreSQL does not answer on earlier connections".to_owned();
                return Err(Fault::Unavailable(words));
            }
            match ConnectionThread::open(&self.dsn, deadline) {
                Ok(connection) => self.connection = Some(connection),
                Err((fault, thread)) => {
                    self.left.extend(thread);
                    return Err(fault);
                }
            }
        }
        Ok(self.connection.as_ref().expect("it was just made"))
    }

    /// After a fault only a connection that still answers is kept.
    fn settle(&mut self, fault: &Fault) {
        if matches!(fault, Fault::Lost(_) | Fault::Silent(_)) {
            self.left.extend(self.connection.take().map(ConnectionThread::leave));
        }
    }

    fn try_write<T>(
        &mut self,
        work: &impl Fn(&mut dyn Transaction) -> StoreResult<T>,
        deadline: Instant,
    ) -> Result<T, Failure> {
        let connection = self.connection(deadline)?;
        connection.batch("BEGIN", deadline)?;
        let mut open = Open { connection, deadline, fault: None };
        match work(&mut open) {
            Ok(done) => match connection.batch("COMMIT", deadline) {
                Ok(()) => Ok(done),
                // Nobody knows whether it was carried out, so it is not tried again.
                Err(Fault::Lost(words)) => Err(Failure::Commit(Fault::Lost(words))),
                Err(fault) => Err(Failure::Fault(fault)),
            },
            Err(refusal) => Err(match open.fault.take() {
                // A connection that is lost has rolled back by itself.
                Some(fault @ (Fault::Lost(_) | Fault::Silent(_))) => Failure::Fault(fault),
                fault => match connection.batch("ROLLBACK", deadline) {
                    Ok(()) => fault.map_or(Failure::Work(refusal), Failure::Fault),
                    Err(lost) => Failure::Fault(lost),
                },
            }),
        }
    }
}

/// Why a transaction was not carried out.
enum Failure {
    /// The database did not do it.
    Fault(Fault),
    /// The connection was lost while the end of the transaction was on its way.
    Commit(Fault),
    /// The work itself gave up.
    Work(StoreFault),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Database for Postgres {
    fn read(&mut self, statement: &'static str, values: &[Value]) -> StoreResult<Vec<Row>> {
        let deadline = Instant::now() + PATIENCE;
        let mut is_first_try = true;
        loop {
            let rows =
                self.connection(deadline).and_then(|connection| connection.run(statement, values, deadline));
            let fault = match rows {
                Ok(rows) => return Ok(rows),
                Err(fault) => fault,
            };
            self.settle(&fault);
            if !(is_first_try && matches!(fault, Fault::Lost(_))) {
                return Err(fault.into());
            }
            is_first_try = false;
        }
    }

    fn write<T>(&mut self, work: impl Fn(&mut dyn Transaction) -> StoreResult<T>) -> StoreResult<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut losses = 0;
        let mut tries = 0;
        loop {
            tries += 1;
            let fault = match self.try_write(&work, deadline) {
                Ok(done) => return Ok(done),
                Err(Failure::Work(refusal)) => return Err(refusal),
                Err(Failure::Commit(fault)) => {
                    self.settle(&fault);
                    return Err(fault.into());
                }
                Err(Failure::Fault(fault)) => fault,
            };
            self.settle(&fault);
            match fault {
                Fault::Lost(_) if losses == 0 => losses += 1,
                Fault::Conflict(_) if tries < MAX_TRIES && Instant::now() < deadline => {}
                fault => return Err(fault.into()),
            }
        }
    }

    fn locks_rows(&self) -> bool {
        true
    }
}

struct Open<'a> {
    connection: &'a ConnectionThread,
    deadline: Instant,
    /// What the server said, to tell a conflict from a refusal when the work has ended.
    fault: Option<Fault>,
}

impl Transaction for Open<'_> {
    fn run(&mut self, statement: &'static str, values: &[Value]) -> StoreResult<Vec<Row>> {
        self.connection.run(statement, values, self.deadline).map_err(|fault| {
            let shown = StoreFault::from(fault.clone());
            self.fault = Some(fault);
            shown
        })
    }

    fn guard_owners(&mut self, guard: OwnerGuard) -> StoreResult<()> {
        // The functions give nothing that the driver reads, so what they gave is counted.
        const SAVES: &str =
            "WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared($1)) SELECT COUNT(*) FROM held";
        const CHANGES: &str =
            "WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock($1)) SELECT COUNT(*) FROM held";
        let statement = match guard {
            OwnerGuard::Saves => SAVES,
            OwnerGuard::Changes => CHANGES,
        };
        self.run(statement, &[OWNER_GUARD.into()]).map(drop)
    }
}
