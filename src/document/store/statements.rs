//! Statements about many rows at once. Both databases keep what they have prepared by its text, so each statement exists in a few
//! sizes, and rows of NULL fill up the one that is taken.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::account::store::sql::Value;
use crate::document::Address;

/// How many rows a statement may be about. SQLite binds 32,766 values at most, PostgreSQL twice as many.
const SIZES: [usize; 5] = [1, 8, 64, 256, 512];

/// The most rows of one statement.
pub(super) const MOST_ROWS: usize = SIZES[SIZES.len() - 1];

/// A statement with a list of rows in it.
pub(super) struct ListStatement {
    /// In front of the list.
    pub before: &'static str,
    /// Behind it.
    pub behind: &'static str,
    /// The types of a row's columns.
    pub columns: &'static [&'static str],
    /// How many values the statement has besides the list's; they come first.
    pub fixed: usize,
}

/// Text of statements by their parts and size. They are few, so each is kept for good.
static TEXTS: LazyLock<Mutex<Texts>> = LazyLock::new(Mutex::default);

type Texts = HashMap<(&'static str, &'static str, usize), &'static str>;

impl ListStatement {
    /// The text, and the values of `fixed` and `rows` for it. At most [`MOST_ROWS`].
    pub(super) fn fill(
        &self,
        fixed: &[Value],
        rows: impl ExactSizeIterator<Item: IntoIterator<Item = Value>>,
    ) -> (&'static str, Vec<Value>) {
        debug_assert_eq!(fixed.len(), self.fixed);
        let size = SIZES.into_iter().find(|&size| size >= rows.len()).unwrap_or(MOST_ROWS);
        let mut values = Vec::with_capacity(self.fixed + size * self.columns.len());
        values.extend_from_slice(fixed);
        values.extend(rows.flatten());
        values.resize(self.fixed + size * self.columns.len(), Value::Null);
        (self.text(size), values)
    }

    fn text(&self, size: usize) -> &'static str {
        let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
        texts.entry((self.before, self.behind, size)).or_insert_with(|| Box::leak(self.build(size).into()))
    }

    /// The first row tells PostgreSQL of which types the list is.
    fn build(&self, size: usize) -> String {
        let mut number = self.fixed;
        let mut row = |is_first: bool| {
            let values = self.columns.iter().map(|column| {
                number += 1;
                if is_first { format!("CAST(${number} AS {column})") } else { format!("${number}") }
            });
            format!("({})", values.collect::<Vec<_>>().join(","))
        };
        let rows: Vec<String> = (0..size).map(|at| row(at == 0)).collect();
        format!("{}(VALUES {}){}", self.before, rows.join(","), self.behind)
    }
}

/// A list of addresses.
pub(super) const ADDRESS: &[&str] = &["TEXT", "TEXT"];

/// An address as a row of a list.
pub(super) fn address_row(address: &Address) -> [Value; 2] {
    [address.collection().into(), address.key().into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_filled_up_to_the_next_size() {
        const FIND: ListStatement =
            ListStatement { before: "FIND $1 IN ", behind: " NOW", columns: ADDRESS, fixed: 1 };
        let addresses: Vec<Address> =
            (0..2).map(|n| Address::new("a", &n.to_string()).expect("valid")).collect();
        let (one, values) = FIND.fill(&["h".into()], addresses[..1].iter().map(address_row));
        assert_eq!(one, "FIND $1 IN (VALUES (CAST($2 AS TEXT),CAST($3 AS TEXT))) NOW");
        assert_eq!(values, ["h".into(), "a".into(), "0".into()]);
        let (two, values) = FIND.fill(&["h".into()], addresses.iter().map(address_row));
        assert!(two.ends_with(",($16,$17)) NOW"), "{two}");
        assert_eq!((values.len(), &values[5]), (17, &Value::Null));
        let (again, _) = FIND.fill(&["x".into()], addresses.iter().map(address_row));
        assert!(std::ptr::eq(two, again), "a text is made once");
    }
}
