//! What managers, players and subcommands read of documents, and what is erased, as statements. Documents that were deleted are not
//! shown.

use std::sync::LazyLock;

use super::rows;
use super::statements::{MOST_ROWS, address_row};
use super::{ListQuery, Page, StoreResult};
use crate::account::store::sql::{Database, Row, Value};
use crate::document::{Address, Document};

/// Rows that one page looks at: one with a condition that few meet ends after these, with fewer documents than it might have.
const MOST_SCANNED: u64 = 20_000;
/// Bytes of values that one page has, unless its first document alone has more.
const PAGE_BYTES: usize = 1024 * 1024;
/// Most documents of a page.
pub(super) const MOST_ON_PAGE: usize = 200;

macro_rules! select_documents {
    ($rest:literal) => {
        concat!(
            "SELECT collection, key, version, owner, schema_version, value, updated_at_ms, recent_keys FROM documents ",
            $rest
        )
    };
}

/// Behind every key: no key is so long.
static LAST: LazyLock<String> =
    LazyLock::new(|| char::MAX.to_string().repeat(Address::MAX_KEY_BYTES / 4 + 1));

/// The first text behind a key that another key can be: keys have no control characters.
fn next_to(key: &str) -> String {
    format!("{key}\u{1}")
}

pub(super) fn list(database: &mut impl Database, query: &ListQuery) -> StoreResult<Page> {
    const BOUND: &str = "SELECT key FROM documents WHERE collection = $1 AND key >= $2 AND key < $3 \
         ORDER BY key LIMIT 1 OFFSET $4";
    const SELECT: &str = select_documents!(
        "WHERE collection = $1 AND key >= $2 AND key < $3 AND ($4 = '' OR owner = $4) \
         AND updated_at_ms >= $5 AND value IS NOT NULL ORDER BY key LIMIT $6"
    );
    let limit = query.limit.clamp(1, MOST_ON_PAGE);
    let start = match query.after.as_str() {
        "" => query.prefix.clone(),
        after => next_to(after).max(query.prefix.clone()),
    };
    let end = behind(&query.prefix).unwrap_or_else(|| LAST.clone());
    let range = [query.collection.as_str().into(), start.as_str().into(), end.as_str().into()];
    let bound = database.read(BOUND, &[&range[..], &[MOST_SCANNED.into()]].concat())?.into_iter().next();
    let bound = bound.map(|mut row| row.text()).transpose()?;
    let [collection, start, end] = range;
    let values = [
        collection,
        start,
        // One condition for the index: databases take the first of several, not the narrowest.
        bound.as_deref().map_or(end, |bound| next_to(bound).as_str().into()),
        query.owner.as_deref().unwrap_or_default().into(),
        query.updated_since_ms.into(),
        (limit as u64).into(),
    ];
    let documents = documents(database.read(SELECT, &values)?)?;
    Ok(page(documents, limit, |document| document.address.key().to_owned(), bound))
}

/// A user's documents behind an address, in the order of their addresses.
pub(super) fn owned(
    database: &mut impl Database,
    owner: &str,
    after: Option<&Address>,
    limit: usize,
) -> StoreResult<Page> {
    const SELECT: &str = select_documents!(
        "WHERE owner = $1 AND (collection, key) > ($2, $3) AND value IS NOT NULL \
         ORDER BY collection, key LIMIT $4"
    );
    let limit = limit.clamp(1, MOST_ON_PAGE);
    let [collection, key] = after.map_or(["".into(), "".into()], address_row);
    let found = database.read(SELECT, &[owner.into(), collection, key, (limit as u64).into()])?;
    Ok(page(documents(found)?, limit, |document| document.address.to_string(), None))
}

/// All documents behind an address, in the order of their addresses.
pub(super) fn scan(
    database: &mut impl Database,
    after: Option<&Address>,
    limit: usize,
) -> StoreResult<Vec<Document>> {
    const SELECT: &str =
        select_documents!("WHERE (collection, key) > ($1, $2) ORDER BY collection, key LIMIT $3");
    let [collection, key] = after.map_or(["".into(), "".into()], address_row);
    documents(database.read(SELECT, &[collection, key, (limit as u64).into()])?)
}

fn documents(rows: Vec<Row>) -> StoreResult<Vec<Document>> {
    let document = |mut row: Row| {
        let address = rows::address(&mut row)?;
        rows::document(address, row)
    };
    rows.into_iter().map(document).collect()
}

/// Cuts a page to its size. `bound` is where the search for more of them goes on if there are fewer than asked for.
fn page(
    mut documents: Vec<Document>,
    limit: usize,
    name: impl Fn(&Document) -> String,
    bound: Option<String>,
) -> Page {
    let mut bytes = 0;
    let fits = |document: &Document| {
        bytes += document.value.as_ref().map_or(0, |value| value.len());
        bytes <= PAGE_BYTES
    };
    let fitting = documents.iter().map(fits).take_while(|&fits| fits).count().max(1);
    let is_cut = fitting < documents.len() || documents.len() == limit;
    documents.truncate(fitting);
    let last = documents.last().filter(|_| is_cut).map(name);
    Page { documents, next: last.or(bound) }
}

/// The first text behind all that begin with `prefix`; none if there is no such.
fn behind(prefix: &str) -> Option<String> {
    let mut start = prefix.to_owned();
    while let Some(last) = start.pop() {
        // The next scalar value; there are none between U+D7FF and U+E000.
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            start.push(next);
            return Some(start);
        }
    }
    None
}

/// Which of these users' documents were erased.
pub(super) fn erased(database: &mut impl Database, owners: &[&str]) -> StoreResult<Vec<String>> {
    let mut erased = Vec::new();
    for some in owners.chunks(MOST_ROWS) {
        let (text, values) = super::writes::ERASED.fill(&[], some.iter().map(|owner| [Value::from(*owner)]));
        for mut row in database.read(text, &values)? {
            erased.push(row.text()?);
        }
    }
    Ok(erased)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_prefix() {
        let check = |prefix: &str, expected: Option<&str>| assert_eq!(behind(prefix).as_deref(), expected);
        check("", None);
        check("a", Some("b"));
        check("guest:", Some("guest;"));
        check("a\u{D7FF}", Some("a\u{E000}"));
        check("a\u{10FFFF}", Some("b"));
        check("\u{10FFFF}\u{10FFFF}", None);
    }

    #[test]
    fn pages_are_cut_by_bytes_and_say_where_they_end() {
        let document = |key: &str, bytes: usize| Document {
            value: Some("x".repeat(bytes).into()),
            ..Document::absent(Address::new("a", key).expect("valid"))
        };
        let check = |sizes: &[usize], bound: Option<&str>, count: usize, next: Option<&str>| {
            let documents = sizes.iter().enumerate().map(|(n, &bytes)| document(&n.to_string(), bytes));
            let page = page(
                documents.collect(),
                3,
                |document| document.address.key().to_owned(),
                bound.map(str::to_owned),
            );
            assert_eq!((page.documents.len(), page.next.as_deref()), (count, next), "{sizes:?}");
        };
        check(&[], None, 0, None);
        check(&[], Some("far"), 0, Some("far"));
        check(&[1, 1], None, 2, None);
        check(&[1, 1], Some("far"), 2, Some("far"));
        check(&[1, 1, 1], Some("far"), 3, Some("2"));
        check(&[PAGE_BYTES + 1, 1], None, 1, Some("0"));
        check(&[PAGE_BYTES, 1], None, 1, Some("0"));
        check(&[PAGE_BYTES - 1, 1], None, 2, None);
    }
}
