//! What can go wrong with PostgreSQL, and what is to be done about it.

use std::error::Error as _;

use postgres::Error;
use postgres::error::SqlState;

use crate::account::records::StoreFault;

/// Why a statement was not carried out. In words for the log.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The connection is gone, or must be made again: nothing was changed unless this is the answer to a COMMIT.
    Lost(String),
    /// Two transactions stood in each other's way, and this one was given up.
    Conflict(String),
    /// There was no answer in time; it may still be carried out.
    Silent(String),
    /// The server cannot do it now.
    Unavailable(String),
    /// The server refuses it.
    Broken(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let words = describe(&error);
        match error.code() {
            Some(state) => from_state(state, words),
            None if is_of_connection(&error) => Self::Lost(words),
            // A value that cannot be written or read, or settings that make no sense.
            None => Self::Broken(words),
        }
    }
}

fn from_state(state: &SqlState, words: String) -> Fault {
    // Codes: PostgreSQL's documentation, appendix A.
    const ADMIN_SHUTDOWN: &str = "57P01";
    const CRASH_SHUTDOWN: &str = "57P02";
    const IDLE_IN_TRANSACTION: &str = "25P03";
    const UNKNOWN_STATEMENT: &str = "26000";
    const PLAN_IS_STALE: &str = "0A000";
    const READ_ONLY: &str = "25006";
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    match state.code() {
        ADMIN_SHUTDOWN | CRASH_SHUTDOWN | IDLE_IN_TRANSACTION | UNKNOWN_STATEMENT | PLAN_IS_STALE => {
            Fault::Lost(words)
        }
        READ_ONLY | LOCK_NOT_AVAILABLE => Fault::Unavailable(words),
        // Serialisation failure, deadlock.
        code if code.starts_with("40") => Fault::Conflict(words),
        code if code.starts_with("08") => Fault::Lost(words),
        // Out of connections, memory or disk; an operator's act or a timeout; a failed read or write.
        code if ["53", "57", "58"].iter().any(|class| code.starts_with(class)) => Fault::Unavailable(words),
        _ => Fault::Broken(words),
    }
}

fn is_of_connection(error: &Error) -> bool {
    error.is_closed() || error.source().is_some_and(|source| source.is::<std::io::Error>())
}

/// The error and its causes, on one line. The driver's own words leave out what the server said.
fn describe(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let detail = error.to_string();
        if !words.contains(&detail) {
            words = format!("{words}: {detail}");
        }
        cause = error.source();
    }
    words.replace('\n', " ")
}

impl From<Fault> for StoreFault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Lost(words)
            | Fault::Conflict(words)
            | Fault::Silent(words)
            | Fault::Unavailable(words) => Self::Unavailable(words),
            Fault::Broken(words) => Self::Broken(words),
        }
    }
}
