//! What the stores ask of a database: statements with values in, rows out, one transaction at a time.
//!
//! Statements are written once, in the SQL that SQLite and PostgreSQL have in common, with `$1`, `$2`, … for values.
//! No table is named here.

use std::vec;

use crate::account::records::{StoreFault, StoreResult};

/// A connection to a database of accounts. It comes back by itself after it was lost.
pub(crate) trait Database: Send {
    /// Runs one statement that changes nothing.
    fn read(&mut self, statement: &'static str, values: &[Value]) -> StoreResult<Vec<Row>>;

    /// Runs statements as one transaction: all of them when `work` succeeds, none when it does not. `work` may run again
    /// after a try that came to nothing.
    fn write<T>(&mut self, work: impl Fn(&mut dyn Transaction) -> StoreResult<T>) -> StoreResult<T>;

    /// Whether a transaction has to lock the rows that it relies on, with `FOR SHARE`. If not, it has the database to itself.
    fn locks_rows(&self) -> bool;
}

pub(crate) trait Transaction {
    fn run(&mut self, statement: &'static str, values: &[Value]) -> StoreResult<Vec<Row>>;

    /// Keeps saves and what changes whose documents are apart until the end of the transaction: one that saves looks who is gone and
    /// who has become somebody else, which must not come about between that and its end. To be called before either of them reads. The
    /// databases that give a transaction all for itself have nothing to do.
    fn guard_owners(&mut self, _guard: OwnerGuard) -> StoreResult<()> {
        Ok(())
    }
}

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnerGuard {
    /// It saves documents. Others may do so, too.
    Saves,
    /// It changes whose documents are: nobody saves meanwhile.
    Changes,
}

/// A value of a row, or for a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<u64> for Value {
    /// Neither database has unsigned numbers. No time and no account's number is ever that high.
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<Option<u64>> for Value {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::Null, Self::from)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::from)
    }
}

impl From<&str> for Value {
    /// PostgreSQL has no place for a zero byte in text; a replacement character stands for it in both databases.
    fn from(text: &str) -> Self {
        Self::Text(text.replace('\0', "\u{FFFD}"))
    }
}

/// A row, read column by column.
pub(crate) struct Row(vec::IntoIter<Value>);

impl Row {
    pub(crate) fn new(columns: Vec<Value>) -> Self {
        Self(columns.into_iter())
    }

    /// The next column: a number that is not negative.
    pub(crate) fn number(&mut self) -> StoreResult<u64> {
        self.optional_number()?.ok_or_else(|| broken("a number is missing"))
    }

    /// The next column: a number that is not negative, or NULL.
    pub(crate) fn optional_number(&mut self) -> StoreResult<Option<u64>> {
        match self.0.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Integer(number)) => {
                u64::try_from(number).map(Some).map_err(|_| broken("a number is negative"))
            }
            other => Err(broken(&format!("expected a number, found {other:?}"))),
        }
    }

    /// The next column: text.
    pub(crate) fn text(&mut self) -> StoreResult<String> {
        self.optional_text()?.ok_or_else(|| broken("a text is missing"))
    }

    /// The next column: text, or NULL.
    pub(crate) fn optional_text(&mut self) -> StoreResult<Option<String>> {
        match self.0.next() {
            Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            other => Err(broken(&format!("expected text, found {other:?}"))),
        }
    }

    /// The next column: bytes.
    pub(crate) fn bytes(&mut self) -> StoreResult<Vec<u8>> {
        match self.0.next() {
            Some(Value::Bytes(bytes)) => Ok(bytes),
            // Not shown, as what holds bytes is the secret.
            _ => Err(broken("expected bytes")),
        }
    }
}

/// What the database holds makes no sense.
pub(crate) fn broken(detail: &str) -> StoreFault {
    StoreFault::Broken(detail.to_owned())
}

/// The only row, if there is one.
pub(crate) fn first(rows: Vec<Row>) -> Option<Row> {
    rows.into_iter().next()
}
