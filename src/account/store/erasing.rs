//! The end of an account, and of what a user owns, as statements.

use std::collections::HashSet;

use super::connection::Connection;
use super::sql::{Database, OwnerGuard, Transaction, Value, first};
use super::{accounts, families, gone, notices};
use crate::account::erasure_log::{Erasure, ErasureLog};
use crate::account::records::{NoticeKind, StoreFault, StoreResult};

/// Removes an account. Whether it was there, with the hash if one is given. As its last step it is written down in `log`: what is
/// there is carried out, at the latest by the next start.
pub(super) fn erase(
    transaction: &mut dyn Transaction,
    id: u64,
    password_hash: Option<&str>,
    log: Option<&ErasureLog>,
    now_ms: u64,
) -> StoreResult<bool> {
    const DELETE: &str = "DELETE FROM accounts WHERE id = $1 RETURNING guest_id";
    let Some(_) = accounts::lock(transaction, id, password_hash)? else { return Ok(false) };
    let guest_id = match first(transaction.run(DELETE, &[id.into()])?) {
        Some(mut row) => row.optional_text()?,
        None => None,
    };
    let user_id = id.to_string();
    forget(transaction, &user_id)?;
    erase_documents(transaction, &user_id, now_ms)?;
    notices::write(transaction, &user_id, &NoticeKind::Gone, now_ms)?;
    // A copy of the database may be of a time when the player was a guest.
    if let Some(guest_id) = &guest_id {
        erase_documents(transaction, guest_id, now_ms)?;
    }
    let erased: Vec<&str> = [Some(&*user_id), guest_id.as_deref()].into_iter().flatten().collect();
    write_down(log, &erased, now_ms)?;
    Ok(true)
}

/// Writes down who is erased, where there is a log.
pub(super) fn write_down(log: Option<&ErasureLog>, user_ids: &[&str], now_ms: u64) -> StoreResult<()> {
    let written = log.map_or(Ok(()), |log| log.append(now_ms, user_ids));
    written.map_err(|error| StoreFault::Unlogged(error.to_string()))
}

/// What a log of erasures found to be done in a database.
#[derive(Debug, PartialEq, Eq)]
pub enum ErasedAgain {
    /// The user was there again, with so many documents.
    Gone {
        /// Who.
        user_id: String,
        /// How many documents of theirs.
        documents: u64,
    },
    /// Another account has the number by now, so nothing is done.
    Reused {
        /// The number.
        user_id: String,
    },
}

/// Erases again whom the database does not know to be erased, as it is older than that. `until_s` is when the last refresh token of
/// a guest ends. Numbers of accounts in the log are not given to anybody again.
pub(super) fn again(
    database: &mut Connection,
    erasures: &[Erasure],
    until_s: u64,
    now_ms: u64,
) -> StoreResult<Vec<ErasedAgain>> {
    let known = known_erasures(database)?;
    let mut done = Vec::new();
    for erasure in erasures.iter().filter(|erasure| !known.contains(&erasure.user_id)) {
        let found = database.write(|transaction| one_again(transaction, erasure, until_s, now_ms))?;
        done.extend(found);
    }
    let numbers = erasures.iter().filter_map(|erasure| erasure.user_id.parse::<u64>().ok());
    if let Some(highest) = numbers.max() {
        database.skip_account_numbers(highest)?;
    }
    Ok(done)
}

fn known_erasures(database: &mut Connection) -> StoreResult<HashSet<String>> {
    const SELECT: &str = "SELECT owner FROM erased_owners WHERE owner > $1 ORDER BY owner LIMIT 10000";
    let (mut known, mut after) = (HashSet::new(), String::new());
    loop {
        let rows = database.read(SELECT, &[after.as_str().into()])?;
        if rows.is_empty() {
            return Ok(known);
        }
        for mut row in rows {
            after = row.text()?;
            known.insert(after.clone());
        }
    }
}

fn one_again(
    transaction: &mut dyn Transaction,
    erasure: &Erasure,
    until_s: u64,
    now_ms: u64,
) -> StoreResult<Option<ErasedAgain>> {
    const MADE: &str = "SELECT created_at_s FROM accounts WHERE id = $1";
    const DELETE: &str = "DELETE FROM accounts WHERE id = $1 RETURNING id";
    let user_id = erasure.user_id.clone();
    let mut was_there = false;
    if let Ok(id) = user_id.parse::<u64>() {
        if let Some(mut row) = first(transaction.run(MADE, &[id.into()])?)
            && row.number()? > erasure.at_ms / 1000
        {
            return Ok(Some(ErasedAgain::Reused { user_id }));
        }
        was_there = !transaction.run(DELETE, &[id.into()])?.is_empty();
    } else {
        gone::note(transaction, &user_id, until_s)?;
    }
    forget(transaction, &user_id)?;
    let documents = erase_documents(transaction, &user_id, now_ms)?;
    if !was_there && documents == 0 {
        return Ok(None);
    }
    notices::write(transaction, &user_id, &NoticeKind::Gone, now_ms)?;
    Ok(Some(ErasedAgain::Gone { user_id, documents }))
}

/// Removes what is kept of a user by its id, an account's or a guest's. Whatever else comes to be kept so is to be removed here.
pub(super) fn forget(transaction: &mut dyn Transaction, user_id: &str) -> StoreResult<()> {
    families::forget(transaction, user_id)?;
    accounts::forget_ban(transaction, user_id)
}

/// Deletes all documents that a user owns, with the entries of accounts of ledgers, and takes them from the stores that hold them. How many those were. In this order: once
/// its home is gone, nobody writes a document any more; and who is noted here gets no new ones.
pub(crate) fn erase_documents(
    transaction: &mut dyn Transaction,
    owner: &str,
    now_ms: u64,
) -> StoreResult<u64> {
    const NOTE: &str = "INSERT INTO erased_owners (owner, erased_at_ms) VALUES ($1, $2) \
         ON CONFLICT (owner) DO UPDATE SET erased_at_ms = excluded.erased_at_ms";
    const EVICT: &str = "INSERT INTO document_evictions (home, collection, key) \
         SELECT home, collection, key FROM document_homes \
         WHERE (collection, key) IN (SELECT collection, key FROM documents WHERE owner = $1) \
         ON CONFLICT DO NOTHING";
    const RELEASE: &str = "DELETE FROM document_homes \
         WHERE (collection, key) IN (SELECT collection, key FROM documents WHERE owner = $1)";
    const ENTRIES: &str = "DELETE FROM ledger_entries \
         WHERE (collection, key) IN (SELECT collection, key FROM documents WHERE owner = $1)";
    const COUNT: &str = "SELECT COUNT(*) FROM documents WHERE owner = $1";
    const ERASE: &str = "UPDATE documents SET version = version + 1, owner = NULL, value = NULL, recent_keys = NULL, \
         updated_at_ms = $1 WHERE owner = $2";
    let owner = [Value::from(owner)];
    transaction.guard_owners(OwnerGuard::Changes)?;
    transaction.run(NOTE, &[owner[0].clone(), now_ms.into()])?;
    transaction.run(EVICT, &owner)?;
    transaction.run(RELEASE, &owner)?;
    transaction.run(ENTRIES, &owner)?;
    let counted = transaction.run(COUNT, &owner)?;
    let count = first(counted).map_or(Ok(0), |mut row| row.number())?;
    transaction.run(ERASE, &[now_ms.into(), owner[0].clone()])?;
    Ok(count)
}
