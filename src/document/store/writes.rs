//! Writing what calls have saved, as statements.
//!
//! A transaction first locks the homes of all its documents, so that none changes hands before its end, then goes through the entries
//! in order, and writes of each document the last version that stands.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::statements::{ADDRESS, ListStatement, MOST_ROWS, address_row};
use super::{StoreResult, rows};
use crate::account::store::sql::{Database, Transaction, Value};
use crate::document::{Address, Document, Entry, HomeId, Lost, Save};

/// The versions of documents whose home is `$1`, which they then have until the end of the transaction.
const LOCK_ROWS: ListStatement = ListStatement { behind: " FOR SHARE OF found", ..LOCK_ALL };

/// As [`LOCK_ROWS`], where a transaction has the database to itself.
const LOCK_ALL: ListStatement = ListStatement {
    before: "SELECT found.collection, found.key, documents.version FROM document_homes AS found LEFT JOIN documents \
         ON documents.collection = found.collection AND documents.key = found.key \
         WHERE found.home = $1 AND (found.collection, found.key) IN ",
    behind: "",
    columns: ADDRESS,
    fixed: 1,
};

/// The condition is for what is written already, by a transaction whose end was not heard of.
const SAVE: ListStatement = ListStatement {
    before: "INSERT INTO documents (collection, key, version, owner, schema_version, value, updated_at_ms) \
         SELECT * FROM ",
    behind: " AS saved WHERE saved.column2 IS NOT NULL ON CONFLICT (collection, key) DO UPDATE SET \
         version = excluded.version, owner = excluded.owner, schema_version = excluded.schema_version, \
         value = excluded.value, updated_at_ms = excluded.updated_at_ms WHERE documents.version < excluded.version",
    columns: rows::DOCUMENT,
    fixed: 0,
};

/// Which of these owners' documents were erased.
pub(super) const ERASED: ListStatement = ListStatement {
    before: "SELECT owner FROM erased_owners WHERE owner IN ",
    behind: "",
    columns: &["TEXT"],
    fixed: 0,
};

/// Writes entries in one transaction; what was refused.
pub(super) fn write(
    database: &mut impl Database,
    home: &HomeId,
    entries: &[Entry],
) -> StoreResult<Vec<Lost>> {
    let lock = if database.locks_rows() { &LOCK_ROWS } else { &LOCK_ALL };
    database.write(|transaction| {
        let mut verdict = Verdict::of(entries, our_versions(transaction, lock, home, entries)?);
        bury_erased(transaction, &mut verdict.stand)?;
        // In one order, so that two transactions do not wait for each other in a circle.
        let mut documents: Vec<&Document> = verdict.stand.values().map(AsRef::as_ref).collect();
        documents.sort_by_key(|document| &document.address);
        for some in documents.chunks(MOST_ROWS) {
            let (text, values) = SAVE.fill(&[], some.iter().map(|document| rows::document_row(document)));
            transaction.run(text, &values)?;
        }
        Ok(verdict.lost)
    })
}

/// The versions that the database has of our documents; 0 where there is no row. Those of others are not among them.
fn our_versions(
    transaction: &mut dyn Transaction,
    lock: &ListStatement,
    home: &HomeId,
    entries: &[Entry],
) -> StoreResult<HashMap<Address, u64>> {
    let addresses: BTreeSet<&Address> =
        entries.iter().flat_map(|entry| &entry.saves).map(|save| &save.document.address).collect();
    let addresses: Vec<&Address> = addresses.into_iter().collect();
    let us = [Value::from(home.as_str())];
    let mut versions = HashMap::with_capacity(addresses.len());
    for some in addresses.chunks(MOST_ROWS) {
        let (text, values) = lock.fill(&us, some.iter().map(|address| address_row(address)));
        for mut row in transaction.run(text, &values)? {
            versions.insert(rows::address(&mut row)?, row.optional_number()?.unwrap_or_default());
        }
    }
    Ok(versions)
}

/// What is to become of entries.
struct Verdict<'a> {
    /// What is to be written: of each document the last version.
    stand: HashMap<&'a Address, Cow<'a, Document>>,
    lost: Vec<Lost>,
}

impl<'a> Verdict<'a> {
    /// `versions` has what the database holds of the writer's own documents.
    fn of(entries: &'a [Entry], mut versions: HashMap<Address, u64>) -> Self {
        let mut verdict = Self { stand: HashMap::new(), lost: Vec::new() };
        for entry in entries {
            let is_refused = entry.saves.iter().any(|save| is_refused(save, &versions));
            for save in &entry.saves {
                let Document { address, version, .. } = &save.document;
                let current = versions.get_mut(address);
                match current {
                    // Written before.
                    Some(current) if *current >= *version => {}
                    Some(current) if !is_refused => {
                        *current = *version;
                        verdict.stand.insert(address, Cow::Borrowed(&save.document));
                    }
                    _ => verdict.lost.push(Lost { address: address.clone(), version: *version }),
                }
            }
        }
        verdict
    }
}

/// Whether a save is of another home's document, or builds on something else than what is there.
fn is_refused(save: &Save, versions: &HashMap<Address, u64>) -> bool {
    match versions.get(&save.document.address) {
        None => true,
        Some(&current) => current < save.document.version && current != save.base,
    }
}

/// A user whose documents are being erased gets no new ones.
fn bury_erased(
    transaction: &mut dyn Transaction,
    documents: &mut HashMap<&Address, Cow<Document>>,
) -> StoreResult<()> {
    let owners: HashSet<&str> = documents.values().filter_map(|document| document.owner.as_deref()).collect();
    let owners: Vec<&str> = owners.into_iter().collect();
    let mut erased = HashSet::new();
    for some in owners.chunks(MOST_ROWS) {
        let (text, values) = ERASED.fill(&[], some.iter().map(|owner| [Value::from(*owner)]));
        for mut row in transaction.run(text, &values)? {
            erased.insert(row.text()?);
        }
    }
    if erased.is_empty() {
        return Ok(());
    }
    for document in documents.values_mut() {
        if document.owner.as_deref().is_some_and(|owner| erased.contains(owner)) {
            let buried = document.to_mut();
            (buried.owner, buried.value) = (None, None);
        }
    }
    Ok(())
}
