//! The end of an account, as statements.

use super::sql::Transaction;
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
    notices::write(transaction, &user_id, &NoticeKind::Gone, now_ms)?;
    Ok(true)
}

/// Removes what is kept of a user by its id, an account's or a guest's. Whatever else comes to be kept so is to be removed here.
pub(super) fn forget(transaction: &mut dyn Transaction, user_id: &str) -> StoreResult<()> {
    families::forget(transaction, user_id)?;
    accounts::forget_ban(transaction, user_id)
}
