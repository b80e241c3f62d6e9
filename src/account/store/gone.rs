//! Guests that are gone, as statements: as a guest's login is not written down, the end of one has to be.

use super::sql::Transaction;
use crate::account::records::StoreResult;

pub(super) fn note(transaction: &mut dyn Transaction, user_id: &str, until_s: u64) -> StoreResult<()> {
    const UPSERT: &str = "INSERT INTO gone_guests (user_id, until_s) VALUES ($1, $2) \
         ON CONFLICT (user_id) DO UPDATE SET until_s = excluded.until_s";
    transaction.run(UPSERT, &[user_id.into(), until_s.into()]).map(drop)
}

pub(super) fn has(transaction: &mut dyn Transaction, user_id: &str) -> StoreResult<bool> {
    const SELECT: &str = "SELECT user_id FROM gone_guests WHERE user_id = $1";
    Ok(!transaction.run(SELECT, &[user_id.into()])?.is_empty())
}

pub(super) fn purge(transaction: &mut dyn Transaction, now_s: u64) -> StoreResult<()> {
    transaction.run("DELETE FROM gone_guests WHERE until_s <= $1", &[now_s.into()]).map(drop)
}
