//! The end of an account, and of what a user owns, as statements.

use super::sql::{Transaction, Value, first};
use super::{accounts, families, notices};
use crate::account::records::{NoticeKind, StoreResult};

/// Removes an account. Whether it was there, with the hash if one is given.
pub(super) fn erase(
    transaction: &mut dyn Transaction,
    id: u64,
    password_hash: Option<&str>,
    now_ms: u64,
) -> StoreResult<bool> {
    let Some(_) = accounts::lock(transaction, id, password_hash)? else { return Ok(false) };
    transaction.run("DELETE FROM accounts WHERE id = $1", &[id.into()])?;
    let user_id = id.to_string();
    forget(transaction, &user_id)?;
    erase_documents(transaction, &user_id, now_ms)?;
    notices::write(transaction, &user_id, &NoticeKind::Gone, now_ms)?;
    Ok(true)
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
    transaction.run(NOTE, &[owner[0].clone(), now_ms.into()])?;
    transaction.run(EVICT, &owner)?;
    transaction.run(RELEASE, &owner)?;
    transaction.run(ENTRIES, &owner)?;
    let counted = transaction.run(COUNT, &owner)?;
    let count = first(counted).map_or(Ok(0), |mut row| row.number())?;
    transaction.run(ERASE, &[now_ms.into(), owner[0].clone()])?;
    Ok(count)
}
