//! Writing what calls have saved, as statements.
//!
//! A transaction sees to it that nobody whom it saves for goes meanwhile, locks the homes of all its documents, so that none changes
//! hands before its end, then goes through the entries
//! in order, and writes of each document the last version that stands, and of each ledger all entries that do.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::ledgers::{self, Keys};
use super::statements::{ADDRESS, ListStatement, MOST_ROWS, address_row};
use super::{StoreResult, rows};
use crate::account::store::moving::key_of_account;
use crate::account::store::sql::{Database, OwnerGuard, Transaction, Value};
use crate::document::ledger::LedgerEntry;
use crate::document::{Address, Document, Entry, HomeId, Lost, Save};

/// The versions of documents whose home is `$1`, and whether they are accounts of ledgers, which they then have until the end of the
/// transaction. All lock them in one order.
const LOCK_ROWS: ListStatement = ListStatement {
    behind: r#" ORDER BY found.collection COLLATE "C", found.key COLLATE "C" FOR SHARE OF found"#,
    ..LOCK_ALL
};

/// As [`LOCK_ROWS`], where a transaction has the database to itself.
const LOCK_ALL: ListStatement = ListStatement {
    before: "SELECT found.collection, found.key, documents.version, \
         CASE WHEN documents.recent_keys IS NULL THEN CAST(0 AS BIGINT) ELSE CAST(1 AS BIGINT) END FROM document_homes AS found LEFT JOIN documents \
         ON documents.collection = found.collection AND documents.key = found.key \
         WHERE found.home = $1 AND (found.collection, found.key) IN ",
    behind: "",
    columns: ADDRESS,
    fixed: 1,
};

/// The condition is for what is written already, by a transaction whose end was not heard of.
const SAVE: ListStatement = ListStatement {
    before: "INSERT INTO documents (collection, key, version, owner, schema_version, value, updated_at_ms, recent_keys) \
         SELECT * FROM ",
    behind: " AS saved WHERE saved.column2 IS NOT NULL ON CONFLICT (collection, key) DO UPDATE SET \
         version = excluded.version, owner = excluded.owner, schema_version = excluded.schema_version, \
         value = excluded.value, updated_at_ms = excluded.updated_at_ms, \
         recent_keys = excluded.recent_keys WHERE documents.version < excluded.version",
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

/// Which of these guests have become accounts, and which.
const UPGRADED: ListStatement = ListStatement {
    before: "SELECT guest_id, id FROM accounts WHERE guest_id IN ",
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
        transaction.guard_owners(OwnerGuard::Saves)?;
        let versions = our_versions(transaction, lock, home, entries)?;
        let mut verdict = Verdict::of(entries, versions, ledgers::known_keys(transaction, entries)?);
        bury_erased(transaction, &mut verdict.stand)?;
        give_to_accounts(transaction, &mut verdict.stand)?;
        // In one order, so that two transactions do not wait for each other in a circle.
        let mut documents: Vec<&Document> = verdict.stand.values().map(AsRef::as_ref).collect();
        documents.sort_by_key(|document| &document.address);
        for some in documents.chunks(MOST_ROWS) {
            let (text, values) = SAVE.fill(&[], some.iter().map(|document| rows::document_row(document)));
            transaction.run(text, &values)?;
        }
        verdict.entries.retain(|(address, _)| verdict.stand[address].value.is_some());
        ledgers::add(transaction, &verdict.entries)?;
        ledgers::remember(transaction, &verdict.repeated)?;
        Ok(verdict.lost)
    })
}

/// What the database has of one of our documents.
#[derive(Clone, Copy)]
struct Known {
    /// 0 where there is no row.
    version: u64,
    /// An account of a ledger, which no plain save replaces, wherever it comes from.
    is_account: bool,
}

/// Our documents as the database has them. Those of others are not among them.
fn our_versions(
    transaction: &mut dyn Transaction,
    lock: &ListStatement,
    home: &HomeId,
    entries: &[Entry],
) -> StoreResult<HashMap<Address, Known>> {
    let addresses: BTreeSet<&Address> =
        entries.iter().flat_map(|entry| &entry.saves).map(|save| &save.document.address).collect();
    let addresses: Vec<&Address> = addresses.into_iter().collect();
    let us = [Value::from(home.as_str())];
    let mut versions = HashMap::with_capacity(addresses.len());
    for some in addresses.chunks(MOST_ROWS) {
        let (text, values) = lock.fill(&us, some.iter().map(|address| address_row(address)));
        for mut row in transaction.run(text, &values)? {
            let address = rows::address(&mut row)?;
            let version = row.optional_number()?.unwrap_or_default();
            versions.insert(address, Known { version, is_account: row.number()? == 1 });
        }
    }
    Ok(versions)
}

/// What is to become of entries.
struct Verdict<'a> {
    /// What is to be written: of each document the last version.
    stand: HashMap<&'a Address, Cow<'a, Document>>,
    /// What the ledgers get.
    entries: Vec<(&'a Address, &'a LedgerEntry)>,
    lost: Vec<Lost>,
    /// Keys of entries that there are, which were to be made again, and when.
    repeated: HashMap<(&'a Address, &'a str), u64>,
}

impl<'a> Verdict<'a> {
    /// `versions` has what the database holds of the writer's own documents, `known` the keys that ledgers have.
    fn of(entries: &'a [Entry], mut versions: HashMap<Address, Known>, mut known: Keys<'a>) -> Self {
        let mut verdict =
            Self { stand: HashMap::new(), entries: Vec::new(), lost: Vec::new(), repeated: HashMap::new() };
        for entry in entries {
            let repeated: Vec<_> =
                new_keys(entry, &versions).filter(|(key, _)| known.contains(key)).collect();
            let is_refused =
                !repeated.is_empty() || entry.saves.iter().any(|save| is_refused(save, &versions));
            verdict.repeated.extend(repeated);
            for save in &entry.saves {
                let Document { address, version, .. } = &save.document;
                let current = versions.get_mut(address);
                match current {
                    // Written before.
                    Some(current) if current.version >= *version => {}
                    Some(current) if !is_refused => {
                        current.version = *version;
                        verdict.stand.insert(address, Cow::Borrowed(&save.document));
                        known.extend(save.keys());
                        verdict.entries.extend(save.entries.iter().map(|entry| (address, entry)));
                    }
                    _ => verdict.lost.push(Lost { address: address.clone(), version: *version }),
                }
            }
        }
        verdict
    }
}

/// The keys of an entry that is not written yet, of the writer's own documents, and when they were used.
fn new_keys<'a>(
    entry: &'a Entry,
    versions: &HashMap<Address, Known>,
) -> impl Iterator<Item = ((&'a Address, &'a str), u64)> {
    let is_new = |save: &&Save| {
        versions.get(&save.document.address).is_some_and(|current| current.version < save.document.version)
    };
    entry
        .saves
        .iter()
        .filter(is_new)
        .flat_map(|save| save.keys().map(|key| (key, save.document.updated_at_ms)))
}

/// Whether a save is of another home's document, builds on something else than what is there, or would make an account of a ledger
/// a plain document.
fn is_refused(save: &Save, versions: &HashMap<Address, Known>) -> bool {
    match versions.get(&save.document.address) {
        None => true,
        Some(&Known { version, is_account }) => {
            let breaks_account = is_account && save.document.recent_keys.is_none();
            version < save.document.version && (version != save.base || breaks_account)
        }
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
            (buried.owner, buried.value, buried.recent_keys) = (None, None, None);
        }
    }
    Ok(())
}

/// What a guest owns who has become an account is the account's. What is saved late under a key that names the guest is buried: the
/// document has moved to a key that names the account.
fn give_to_accounts(
    transaction: &mut dyn Transaction,
    documents: &mut HashMap<&Address, Cow<Document>>,
) -> StoreResult<()> {
    let owners = documents.values().filter_map(|document| document.owner.as_deref());
    let guests: HashSet<&str> = owners.filter(|owner| owner.starts_with("guest:")).collect();
    let guests: Vec<&str> = guests.into_iter().collect();
    let mut upgraded = HashMap::new();
    for some in guests.chunks(MOST_ROWS) {
        let (text, values) = UPGRADED.fill(&[], some.iter().map(|guest| [Value::from(*guest)]));
        for mut row in transaction.run(text, &values)? {
            upgraded.insert(row.text()?, row.number()?.to_string());
        }
    }
    if upgraded.is_empty() {
        return Ok(());
    }
    for document in documents.values_mut() {
        let Some((guest, account)) =
            document.owner.as_deref().and_then(|owner| upgraded.get_key_value(owner))
        else {
            continue;
        };
        let names_guest = key_of_account(document.address.key(), guest, account).is_some();
        let given = document.to_mut();
        given.owner = Some(account.as_str().into()).filter(|_| !names_guest);
        if names_guest {
            (given.value, given.recent_keys) = (None, None);
        }
    }
    Ok(())
}
