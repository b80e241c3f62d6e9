//! Entries of ledgers, as statements. Rows are only added here; `erasing` removes those of users that are gone.

use std::collections::{HashMap, HashSet};

use super::StoreResult;
use super::statements::{ListStatement, MOST_ROWS};
use crate::account::store::sql::{Database, Row, Transaction, Value, broken, first};
use crate::document::ledger::{LedgerEntry, json, remember_again};
use crate::document::{Address, Entry};

/// Most entries of a page.
pub(super) const MOST_ON_PAGE: usize = 200;

/// Keys of entries, by account.
pub(super) type Keys<'a> = HashSet<(&'a Address, &'a str)>;

/// The types of an entry's columns.
const ENTRY: &[&str] = &["TEXT", "TEXT", "BIGINT", "TEXT", "TEXT", "TEXT", "TEXT", "BIGINT"];

macro_rules! select_entries {
    ($rest:literal) => {
        concat!(
            "SELECT ledger.collection, ledger.key, ledger.version, ledger.entry_key, ledger.changes, ledger.balances, \
             ledger.reason, ledger.at_ms FROM ledger_entries ledger ",
            $rest
        )
    };
}

/// Which keys of what is to be written there are already.
pub(super) fn known_keys<'a>(
    transaction: &mut dyn Transaction,
    entries: &'a [Entry],
) -> StoreResult<Keys<'a>> {
    const SELECT: ListStatement = ListStatement {
        before: "SELECT collection, key, entry_key FROM ledger_entries \
             WHERE entry_key IS NOT NULL AND (collection, key, entry_key) IN ",
        behind: "",
        columns: &["TEXT", "TEXT", "TEXT"],
        fixed: 0,
    };
    let mut asked: Vec<(&Address, &str)> = keys(entries).collect();
    asked.sort_unstable();
    asked.dedup();
    let mut known = HashSet::new();
    for some in asked.chunks(MOST_ROWS) {
        let rows = some
            .iter()
            .map(|(address, key)| [Value::from(address.collection()), address.key().into(), (*key).into()]);
        let (text, values) = SELECT.fill(&[], rows);
        for mut row in transaction.run(text, &values)? {
            known.insert((super::rows::address(&mut row)?, row.text()?));
        }
    }
    if known.is_empty() {
        return Ok(Keys::new());
    }
    // A zero byte is another character in the database; keys have none.
    Ok(asked
        .into_iter()
        .filter(|(address, key)| known.contains(&((*address).clone(), (*key).to_owned())))
        .collect())
}

fn keys(entries: &[Entry]) -> impl Iterator<Item = (&Address, &str)> {
    entries.iter().flat_map(|entry| &entry.saves).flat_map(|save| save.keys())
}

/// Adds entries that are not there.
pub(super) fn add(
    transaction: &mut dyn Transaction,
    entries: &[(&Address, &LedgerEntry)],
) -> StoreResult<()> {
    const INSERT: ListStatement = ListStatement {
        before: "INSERT INTO ledger_entries (collection, key, version, entry_key, changes, balances, reason, at_ms) \
             SELECT * FROM ",
        behind: " AS made WHERE made.column2 IS NOT NULL",
        columns: ENTRY,
        fixed: 0,
    };
    for some in entries.chunks(MOST_ROWS) {
        let (text, values) = INSERT.fill(&[], some.iter().map(|(address, entry)| entry_row(address, entry)));
        transaction.run(text, &values)?;
    }
    Ok(())
}

/// Adds those entries of accounts that are there, up to the accounts' versions, which are not there yet. How many those were.
pub(super) fn take_in(
    database: &mut impl Database,
    entries: &[(Address, LedgerEntry)],
) -> StoreResult<usize> {
    const INSERT: ListStatement = ListStatement {
        before: "INSERT INTO ledger_entries (collection, key, version, entry_key, changes, balances, reason, at_ms) \
             SELECT made.* FROM ",
        behind: " AS made JOIN documents ON documents.collection = made.column1 AND documents.key = made.column2 \
             WHERE documents.recent_keys IS NOT NULL AND made.column3 <= documents.version \
             ON CONFLICT DO NOTHING RETURNING version",
        columns: ENTRY,
        fixed: 0,
    };
    let mut taken = 0;
    for some in entries.chunks(MOST_ROWS) {
        let (text, values) = INSERT.fill(&[], some.iter().map(|(address, entry)| entry_row(address, entry)));
        taken += database.write(|transaction| transaction.run(text, &values))?.len();
    }
    Ok(taken)
}

/// Keys that came again, although their entries are so old that their accounts did not have them at hand: now they have, so that
/// the next try is known to be one.
pub(super) fn remember(
    transaction: &mut dyn Transaction,
    repeated: &HashMap<(&Address, &str), u64>,
) -> StoreResult<()> {
    const FIND: &str = select_entries!("WHERE collection = $1 AND key = $2 AND entry_key = $3");
    const AT_HAND: &str =
        "SELECT recent_keys FROM documents WHERE collection = $1 AND key = $2 AND recent_keys IS NOT NULL";
    const REMEMBER: &str = "UPDATE documents SET recent_keys = $3 WHERE collection = $1 AND key = $2";
    for (&(address, key), &now_ms) in repeated {
        let account = [Value::from(address.collection()), address.key().into()];
        let found = first(transaction.run(FIND, &[&account[..], &[key.into()]].concat())?);
        let at_hand = first(transaction.run(AT_HAND, &account)?);
        let (Some(found), Some(mut at_hand)) = (found, at_hand) else { continue };
        let (_, entry) = entry_of(found)?;
        let Some(keys) = remember_again(&at_hand.text()?, &entry, now_ms) else { continue };
        transaction.run(REMEMBER, &[&account[..], &[(&*keys).into()]].concat())?;
    }
    Ok(())
}

/// An account's entries, the latest first.
pub(super) fn of_account(
    database: &mut impl Database,
    address: &Address,
    before: u64,
    limit: usize,
) -> StoreResult<Vec<LedgerEntry>> {
    const SELECT: &str =
        select_entries!("WHERE collection = $1 AND key = $2 AND version < $3 ORDER BY version DESC LIMIT $4");
    let limit = limit.clamp(1, MOST_ON_PAGE) as u64;
    let values = [address.collection().into(), address.key().into(), before.into(), limit.into()];
    database.read(SELECT, &values)?.into_iter().map(|row| Ok(entry_of(row)?.1)).collect()
}

/// Entries of a user's accounts behind one, in the order of accounts and versions.
pub(super) fn owned(
    database: &mut impl Database,
    owner: &str,
    after: Option<(&Address, u64)>,
    limit: usize,
) -> StoreResult<Vec<(Address, LedgerEntry)>> {
    const SELECT: &str = select_entries!(
        "JOIN documents ON documents.collection = ledger.collection AND documents.key = ledger.key \
         WHERE documents.owner = $4 AND (ledger.collection, ledger.key, ledger.version) > ($1, $2, $3) \
         ORDER BY ledger.collection, ledger.key, ledger.version LIMIT $5"
    );
    let limit = limit.clamp(1, MOST_ON_PAGE) as u64;
    let values = [&position(after)[..], &[owner.into(), limit.into()]].concat();
    database.read(SELECT, &values)?.into_iter().map(entry_of).collect()
}

/// All entries behind one, in the order of accounts and versions.
pub(super) fn scan(
    database: &mut impl Database,
    after: Option<(&Address, u64)>,
    limit: usize,
) -> StoreResult<Vec<(Address, LedgerEntry)>> {
    const SELECT: &str = select_entries!(
        "WHERE (collection, key, version) > ($1, $2, $3) ORDER BY collection, key, version LIMIT $4"
    );
    let values = [&position(after)[..], &[(limit as u64).into()]].concat();
    database.read(SELECT, &values)?.into_iter().map(entry_of).collect()
}

fn position(after: Option<(&Address, u64)>) -> [Value; 3] {
    match after {
        Some((address, version)) => [address.collection().into(), address.key().into(), version.into()],
        None => ["".into(), "".into(), 0.into()],
    }
}

fn entry_row(address: &Address, entry: &LedgerEntry) -> [Value; 8] {
    [
        address.collection().into(),
        address.key().into(),
        entry.version.into(),
        entry.key.as_deref().into(),
        (*json(&entry.changes)).into(),
        (*json(&entry.balances)).into(),
        (*entry.reason).into(),
        entry.at_ms.into(),
    ]
}

fn entry_of(mut row: Row) -> StoreResult<(Address, LedgerEntry)> {
    let address = super::rows::address(&mut row)?;
    let (version, key) = (row.number()?, row.optional_text()?.map(Into::into));
    let mut amounts = || {
        let text = row.text()?;
        serde_json::from_str(&text).map_err(|_| broken("an entry of a ledger has no amounts"))
    };
    let (changes, balances) = (amounts()?, amounts()?);
    let reason = row.text()?.into();
    Ok((address, LedgerEntry { version, key, changes, balances, reason, at_ms: row.number()? }))
}
