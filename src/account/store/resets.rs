//! Codes that set another password once, as statements. An account has one at most.

use super::accounts;
use super::sql::Transaction;
use crate::account::records::StoreResult;

/// Keeps the hash of a code, in the place of an earlier one's. Whether there is such an account.
pub(super) fn put(
    transaction: &mut dyn Transaction,
    id: u64,
    code_hash: &str,
    expires_at_s: u64,
) -> StoreResult<bool> {
    const UPSERT: &str = "INSERT INTO resets (account_id, code_hash, expires_at_s) VALUES ($1, $2, $3) \
         ON CONFLICT (account_id) DO UPDATE SET \
         code_hash = excluded.code_hash, expires_at_s = excluded.expires_at_s";
    if accounts::lock(transaction, id, None)?.is_none() {
        return Ok(false);
    }
    transaction.run(UPSERT, &[id.into(), code_hash.into(), expires_at_s.into()])?;
    Ok(true)
}

/// Uses a code up. Whether it was good.
pub(super) fn take(
    transaction: &mut dyn Transaction,
    id: u64,
    code_hash: &str,
    now_s: u64,
) -> StoreResult<bool> {
    const DELETE: &str = "DELETE FROM resets \
         WHERE account_id = $1 AND code_hash = $2 AND expires_at_s > $3 RETURNING account_id";
    Ok(!transaction.run(DELETE, &[id.into(), code_hash.into(), now_s.into()])?.is_empty())
}

/// Removes an account's code, used or not.
pub(super) fn void(transaction: &mut dyn Transaction, id: u64) -> StoreResult<()> {
    transaction.run("DELETE FROM resets WHERE account_id = $1", &[id.into()]).map(drop)
}

pub(super) fn purge(transaction: &mut dyn Transaction, now_s: u64) -> StoreResult<()> {
    transaction.run("DELETE FROM resets WHERE expires_at_s <= $1", &[now_s.into()]).map(drop)
}
