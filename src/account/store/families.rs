//! Families of refresh tokens, as statements. Each decides by itself who was first, so that neither database has to be
//! asked twice: a row that another transaction is changing is looked at again when that one is over.

use super::sql::{Row, Transaction, Value, first};
use super::{gone, notices};
use crate::account::records::{Family, NoticeKind, REFRESH_GRACE_MS, Rotation, StoreResult};

pub(super) fn start(transaction: &mut dyn Transaction, family: &Family) -> StoreResult<()> {
    const INSERT: &str =
        "INSERT INTO families (id, user_id, generation, expires_at_s) VALUES ($1, $2, $3, $4)";
    let values = [
        family.id.as_str().into(),
        family.user_id.as_str().into(),
        family.generation.into(),
        family.expires_at_s.into(),
    ];
    transaction.run(INSERT, &values).map(drop)
}

/// A refresh token that is presented, and what its family gets for it.
pub(super) struct Presented<'a> {
    pub family: &'a str,
    pub user_id: &'a str,
    pub generation: u64,
    pub expires_at_s: u64,
    pub now_ms: u64,
}

pub(super) fn rotate(transaction: &mut dyn Transaction, token: &Presented) -> StoreResult<Rotation> {
    if is_guest(token.user_id) && gone::has(transaction, token.user_id)? {
        return Ok(Rotation::Unknown);
    }
    if spend(transaction, token)? || (token.is_of_unwritten_login() && begin_to_keep(transaction, token)?) {
        return Ok(Rotation::Rotated(token.next(token.expires_at_s)));
    }
    if let Some(expires_at_s) = find_repeated(transaction, token)? {
        return Ok(Rotation::Repeated(token.next(expires_at_s)));
    }
    if end_for_reuse(transaction, token)? {
        let ended = NoticeKind::FamilyEnded(token.family.to_owned());
        notices::write(transaction, token.user_id, &ended, token.now_ms)?;
        return Ok(Rotation::Reused);
    }
    Ok(Rotation::Unknown)
}

impl Presented<'_> {
    /// A guest's login is not written down; its first refresh is.
    fn is_of_unwritten_login(&self) -> bool {
        self.generation == 0 && is_guest(self.user_id)
    }

    /// The family, once this token is spent.
    fn next(&self, expires_at_s: u64) -> Family {
        Family {
            id: self.family.to_owned(),
            user_id: self.user_id.to_owned(),
            generation: self.generation + 1,
            expires_at_s,
        }
    }

    /// Family, user, generation, now in seconds: the first four values of the statements below.
    fn values(&self) -> [Value; 4] {
        [self.family.into(), self.user_id.into(), self.generation.into(), (self.now_ms / 1000).into()]
    }
}

/// Spends the token, if it is the family's good one.
fn spend(transaction: &mut dyn Transaction, token: &Presented) -> StoreResult<bool> {
    const UPDATE: &str = "UPDATE families SET generation = generation + 1, expires_at_s = $5, spent_at_ms = $6 \
         WHERE id = $1 AND user_id = $2 AND generation = $3 AND expires_at_s > $4 AND NOT ended RETURNING id";
    let [family, user_id, generation, now_s] = token.values();
    let values = [family, user_id, generation, now_s, token.expires_at_s.into(), token.now_ms.into()];
    Ok(!transaction.run(UPDATE, &values)?.is_empty())
}

/// Keeps a guest's family from its first refresh on, if it is not kept yet.
fn begin_to_keep(transaction: &mut dyn Transaction, token: &Presented) -> StoreResult<bool> {
    const INSERT: &str = "INSERT INTO families (id, user_id, generation, expires_at_s, spent_at_ms) \
         VALUES ($1, $2, 1, $3, $4) ON CONFLICT (id) DO NOTHING RETURNING id";
    let values = [token.family.into(), token.user_id.into(), token.expires_at_s.into(), token.now_ms.into()];
    Ok(!transaction.run(INSERT, &values)?.is_empty())
}

/// When the family ends, if the token is the one before the good one and was spent a moment ago.
fn find_repeated(transaction: &mut dyn Transaction, token: &Presented) -> StoreResult<Option<u64>> {
    const SELECT: &str = "SELECT expires_at_s FROM families WHERE id = $1 AND user_id = $2 \
         AND generation = $3 AND expires_at_s > $4 AND NOT ended AND spent_at_ms > $5";
    let [family, user_id, _, now_s] = token.values();
    let current = token.generation.saturating_add(1).into();
    let spent_after_ms = token.now_ms.saturating_sub(REFRESH_GRACE_MS).into();
    let rows = transaction.run(SELECT, &[family, user_id, current, now_s, spent_after_ms])?;
    first(rows).map(|mut row| row.number()).transpose()
}

/// Ends the family, if the token was spent before and the family is not over yet.
fn end_for_reuse(transaction: &mut dyn Transaction, token: &Presented) -> StoreResult<bool> {
    const UPDATE: &str = "UPDATE families SET ended = TRUE \
         WHERE id = $1 AND user_id = $2 AND generation > $3 AND expires_at_s > $4 AND NOT ended RETURNING id";
    Ok(!transaction.run(UPDATE, &token.values())?.is_empty())
}

pub(super) fn end(
    transaction: &mut dyn Transaction,
    family: &str,
    user_id: &str,
    expires_at_s: u64,
    now_ms: u64,
) -> StoreResult<()> {
    const UPSERT: &str = "INSERT INTO families (id, user_id, generation, expires_at_s, ended) \
         VALUES ($1, $2, 0, $3, TRUE) ON CONFLICT (id) DO UPDATE SET ended = TRUE, expires_at_s = \
         CASE WHEN excluded.expires_at_s > families.expires_at_s THEN excluded.expires_at_s \
         ELSE families.expires_at_s END";
    transaction.run(UPSERT, &[family.into(), user_id.into(), expires_at_s.into()])?;
    notices::write(transaction, user_id, &NoticeKind::FamilyEnded(family.to_owned()), now_ms)
}

/// Ends all families of a user but `keep`; which those were.
pub(super) fn end_all(
    transaction: &mut dyn Transaction,
    user_id: &str,
    keep: Option<&str>,
    now_s: u64,
) -> StoreResult<Vec<String>> {
    const UPDATE: &str = "UPDATE families SET ended = TRUE \
         WHERE user_id = $1 AND id <> $2 AND expires_at_s > $3 AND NOT ended RETURNING id";
    // No family has an empty id.
    let values = [user_id.into(), keep.unwrap_or_default().into(), now_s.into()];
    transaction.run(UPDATE, &values)?.into_iter().map(|mut row: Row| row.text()).collect()
}

pub(super) fn purge(transaction: &mut dyn Transaction, now_s: u64) -> StoreResult<()> {
    transaction.run("DELETE FROM families WHERE expires_at_s <= $1", &[now_s.into()]).map(drop)
}

pub(super) fn forget(transaction: &mut dyn Transaction, user_id: &str) -> StoreResult<()> {
    transaction.run("DELETE FROM families WHERE user_id = $1", &[user_id.into()]).map(drop)
}

pub(super) fn is_guest(user_id: &str) -> bool {
    user_id.starts_with("guest:")
}
