//! Identities, as statements: users of other issuers and devices, each one account's.

use super::accounts;
use super::sql::{Database, Row, Transaction, Value, first};
use crate::account::look_alikes::ConfusableNames;
use crate::account::records::{
    CreatedLinked, LinkedIdentity, Linking, MAX_IDENTITIES, NewAccount, StoreResult, Unlinking,
};

/// Stands for the account until it is made. No account has this number.
const NOBODY_YET: u64 = 0;

pub(super) fn find(
    database: &mut impl Database,
    issuer: &str,
    subject: &str,
) -> StoreResult<Option<(u64, LinkedIdentity)>> {
    const SELECT: &str = "SELECT user_id, issuer, subject, proof, linked_at_s FROM identities \
         WHERE issuer = $1 AND subject = $2";
    let found = first(database.read(SELECT, &[issuer.into(), subject.into()])?);
    found.map(|mut row| Ok((row.number()?, identity(row)?))).transpose()
}

pub(super) fn list(database: &mut impl Database, id: u64) -> StoreResult<Vec<LinkedIdentity>> {
    const SELECT: &str = "SELECT issuer, subject, proof, linked_at_s FROM identities \
         WHERE user_id = $1 ORDER BY linked_at_s, issuer, subject";
    database.read(SELECT, &[Value::from(id)])?.into_iter().map(identity).collect()
}

fn identity(mut row: Row) -> StoreResult<LinkedIdentity> {
    Ok(LinkedIdentity {
        issuer: row.text()?,
        subject: row.text()?,
        proof: row.optional_text()?,
        linked_at_s: row.number()?,
    })
}

/// Makes an account with an identity. The identity is taken first: of those who ask at once all but one wait here, and find it
/// taken.
pub(super) fn create(
    transaction: &mut dyn Transaction,
    account: &NewAccount,
    identity: &LinkedIdentity,
    confusable_names: ConfusableNames,
    now_s: u64,
) -> StoreResult<CreatedLinked> {
    const GIVE: &str = "UPDATE identities SET user_id = $3 WHERE issuer = $1 AND subject = $2";
    if !take(transaction, identity, NOBODY_YET)? {
        return Ok(CreatedLinked::Linked);
    }
    let Some(account) = accounts::create(transaction, account, confusable_names, now_s)? else {
        remove(transaction, NOBODY_YET, &identity.issuer, &identity.subject)?;
        return Ok(CreatedLinked::Taken);
    };
    transaction
        .run(GIVE, &[identity.issuer.as_str().into(), identity.subject.as_str().into(), account.id.into()])?;
    Ok(CreatedLinked::Created(account))
}

pub(super) fn link(
    transaction: &mut dyn Transaction,
    id: u64,
    identity: &LinkedIdentity,
) -> StoreResult<Linking> {
    let Some(state) = lock(transaction, id)? else { return Ok(Linking::NoAccount) };
    if is_own(transaction, id, identity)? {
        return Ok(Linking::Linked);
    }
    if state.identities >= MAX_IDENTITIES {
        return Ok(Linking::TooMany);
    }
    Ok(if take(transaction, identity, id)? { Linking::Linked } else { Linking::Taken })
}

pub(super) fn unlink(
    transaction: &mut dyn Transaction,
    id: u64,
    issuer: &str,
    subject: &str,
) -> StoreResult<Unlinking> {
    let Some(state) = lock(transaction, id)? else { return Ok(Unlinking::Unknown) };
    if !exists(transaction, id, issuer, subject)? {
        return Ok(Unlinking::Unknown);
    }
    if !state.has_password && state.identities == 1 {
        return Ok(Unlinking::LastWay);
    }
    remove(transaction, id, issuer, subject)?;
    Ok(Unlinking::Unlinked)
}

/// How an account can be logged in to.
struct Ways {
    has_password: bool,
    identities: u64,
}

/// Reads an account's ways to log in, which nobody else changes until the transaction ends: the update, which changes nothing,
/// holds its row.
fn lock(transaction: &mut dyn Transaction, id: u64) -> StoreResult<Option<Ways>> {
    const LOCK: &str = "UPDATE accounts SET role = role WHERE id = $1 RETURNING password_hash";
    const COUNT: &str = "SELECT CAST(count(*) AS BIGINT) FROM identities WHERE user_id = $1";
    let Some(mut row) = first(transaction.run(LOCK, &[id.into()])?) else { return Ok(None) };
    let has_password = !row.text()?.is_empty();
    let count = first(transaction.run(COUNT, &[id.into()])?).map(|mut row| row.number()).transpose()?;
    Ok(Some(Ways { has_password, identities: count.unwrap_or(0) }))
}

/// Writes an identity; false if there is one.
fn take(transaction: &mut dyn Transaction, identity: &LinkedIdentity, id: u64) -> StoreResult<bool> {
    const INSERT: &str = "INSERT INTO identities (issuer, subject, user_id, proof, linked_at_s) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (issuer, subject) DO NOTHING RETURNING subject";
    let values = [
        identity.issuer.as_str().into(),
        identity.subject.as_str().into(),
        id.into(),
        identity.proof.as_deref().into(),
        identity.linked_at_s.into(),
    ];
    Ok(!transaction.run(INSERT, &values)?.is_empty())
}

/// Whether the account has the identity, with the same proof.
fn is_own(transaction: &mut dyn Transaction, id: u64, identity: &LinkedIdentity) -> StoreResult<bool> {
    const SELECT: &str = "SELECT subject FROM identities WHERE issuer = $1 AND subject = $2 AND user_id = $3 \
         AND (proof = $4 OR (proof IS NULL AND $4 IS NULL))";
    let values = [
        identity.issuer.as_str().into(),
        identity.subject.as_str().into(),
        id.into(),
        identity.proof.as_deref().into(),
    ];
    Ok(!transaction.run(SELECT, &values)?.is_empty())
}

fn exists(transaction: &mut dyn Transaction, id: u64, issuer: &str, subject: &str) -> StoreResult<bool> {
    const SELECT: &str = "SELECT subject FROM identities WHERE user_id = $1 AND issuer = $2 AND subject = $3";
    Ok(!transaction.run(SELECT, &[id.into(), issuer.into(), subject.into()])?.is_empty())
}

fn remove(transaction: &mut dyn Transaction, id: u64, issuer: &str, subject: &str) -> StoreResult<()> {
    const DELETE: &str = "DELETE FROM identities WHERE user_id = $1 AND issuer = $2 AND subject = $3";
    transaction.run(DELETE, &[id.into(), issuer.into(), subject.into()]).map(drop)
}
