//! Accounts and bans, as statements.

use super::sql::{Database, Row, Transaction, Value, broken, first};
use super::{families, notices, skeletons};
use crate::account::look_alikes::ConfusableNames;
use crate::account::records::{Account, Ban, NewAccount, NoticeKind, Renaming, StoreResult};
use crate::wire::ids::Role;

/// Selects accounts with the bans in force at the time `$1`.
macro_rules! select_accounts {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.username, a.role, a.password_hash, a.created_at_s, a.guest_id, b.reason, b.until_s \
             FROM accounts a LEFT JOIN bans b \
             ON b.user_id = CAST(a.id AS TEXT) AND (b.until_s IS NULL OR b.until_s > $1) ",
            $rest
        )
    };
}

pub(super) fn create(
    transaction: &mut dyn Transaction,
    account: &NewAccount,
    confusable_names: ConfusableNames,
    now_s: u64,
) -> StoreResult<Option<Account>> {
    const INSERT: &str = "INSERT INTO accounts (username, folded_name, role, password_hash, created_at_s, guest_id) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id";
    let values = [
        account.username.as_str().into(),
        account.folded_name.as_str().into(),
        account.role.as_str().into(),
        account.password_hash.as_str().into(),
        now_s.into(),
        account.guest_id.as_deref().into(),
    ];
    let Some(mut row) = first(transaction.run(INSERT, &values)?) else { return Ok(None) };
    let id = row.number()?;
    let is_unlike_others = skeletons::take(transaction, id, &account.username)?;
    if !is_unlike_others && confusable_names == ConfusableNames::Refuse {
        transaction.run("DELETE FROM accounts WHERE id = $1", &[id.into()])?;
        return Ok(None);
    }
    Ok(Some(Account {
        id,
        username: account.username.clone(),
        role: account.role,
        password_hash: account.password_hash.clone(),
        created_at_s: now_s,
        guest_id: account.guest_id.clone(),
        ban: None,
    }))
}

pub(super) fn find_by_name(
    database: &mut impl Database,
    folded_name: &str,
    now_s: u64,
) -> StoreResult<Option<Account>> {
    const SELECT: &str = select_accounts!("WHERE a.folded_name = $2");
    first(database.read(SELECT, &[now_s.into(), folded_name.into()])?).map(account).transpose()
}

pub(super) fn find(database: &mut impl Database, id: u64, now_s: u64) -> StoreResult<Option<Account>> {
    const SELECT: &str = select_accounts!("WHERE a.id = $2");
    first(database.read(SELECT, &[now_s.into(), id.into()])?).map(account).transpose()
}

pub(super) fn list(
    database: &mut impl Database,
    after: u64,
    limit: usize,
    now_s: u64,
) -> StoreResult<Vec<Account>> {
    const SELECT: &str = select_accounts!("WHERE a.id > $2 ORDER BY a.id LIMIT $3");
    let rows = database.read(SELECT, &[now_s.into(), after.into(), (limit as u64).into()])?;
    rows.into_iter().map(account).collect()
}

fn account(mut row: Row) -> StoreResult<Account> {
    Ok(Account {
        id: row.number()?,
        username: row.text()?,
        role: role(&row.text()?)?,
        password_hash: row.text()?,
        created_at_s: row.number()?,
        guest_id: row.optional_text()?,
        ban: joined_ban(row)?,
    })
}

/// A ban's last two columns, both NULL where there is none.
fn joined_ban(mut row: Row) -> StoreResult<Option<Ban>> {
    let Some(reason) = row.optional_text()? else { return Ok(None) };
    Ok(Some(Ban { until_s: row.optional_number()?, reason }))
}

fn role(text: &str) -> StoreResult<Role> {
    Role::parse(text).ok_or_else(|| broken(&format!("an account's role is {text:?}")))
}

pub(super) fn set_role(
    transaction: &mut dyn Transaction,
    id: u64,
    role: Role,
    now_ms: u64,
) -> StoreResult<bool> {
    const UPDATE: &str = "UPDATE accounts SET role = $2 WHERE id = $1 RETURNING id";
    if transaction.run(UPDATE, &[id.into(), role.as_str().into()])?.is_empty() {
        return Ok(false);
    }
    notices::write(transaction, &id.to_string(), &NoticeKind::RoleChanged, now_ms)?;
    Ok(true)
}

/// The names of an account, as it is shown and folded.
pub(super) struct Names {
    username: String,
    folded: String,
}

/// Keeps an account as it is until the transaction ends, if it is there, with the hash if one is given. An update that changes
/// nothing, as both databases take the row's lock for one.
pub(super) fn lock(
    transaction: &mut dyn Transaction,
    id: u64,
    password_hash: Option<&str>,
) -> StoreResult<Option<Names>> {
    const LOCK: &str = "UPDATE accounts SET role = role WHERE id = $1 \
         RETURNING username, folded_name, password_hash";
    let Some(mut row) = first(transaction.run(LOCK, &[id.into()])?) else { return Ok(None) };
    let (names, found) = (Names { username: row.text()?, folded: row.text()? }, row.text()?);
    Ok(Some(names).filter(|_| password_hash.is_none_or(|expected| expected == found)))
}

/// A new name, as it is shown and folded.
pub(super) struct NewName<'a> {
    pub username: &'a str,
    pub folded: &'a str,
}

pub(super) fn rename(
    transaction: &mut dyn Transaction,
    id: u64,
    password_hash: Option<&str>,
    name: &NewName,
    confusable_names: ConfusableNames,
    now_ms: u64,
) -> StoreResult<Renaming> {
    const UPDATE: &str = "UPDATE accounts SET username = $2, folded_name = $3 WHERE id = $1";
    let Some(old) = lock(transaction, id, password_hash)? else { return Ok(Renaming::Changed) };
    if old.folded != name.folded && !hold(transaction, name)? {
        return Ok(Renaming::Taken);
    }
    let is_unlike_others = skeletons::change(transaction, id, &old.username, name.username)?;
    if !is_unlike_others && confusable_names == ConfusableNames::Refuse {
        return Ok(Renaming::Taken);
    }
    transaction.run(UPDATE, &[id.into(), name.username.into(), name.folded.into()])?;
    let renamed = NoticeKind::Renamed(name.username.to_owned());
    notices::write(transaction, &id.to_string(), &renamed, now_ms)?;
    Ok(Renaming::Renamed)
}

/// Keeps others from taking a name until the transaction ends; not if one of them has it. An update that finds the name taken
/// would fail as a whole; an insertion can say so: of an account that is gone again at once, and costs a number.
fn hold(transaction: &mut dyn Transaction, name: &NewName) -> StoreResult<bool> {
    const INSERT: &str = "INSERT INTO accounts (username, folded_name, role, password_hash, created_at_s) \
         VALUES ($1, $2, 'player', '', 0) ON CONFLICT DO NOTHING RETURNING id";
    let values = [name.username.into(), name.folded.into()];
    let Some(mut row) = first(transaction.run(INSERT, &values)?) else { return Ok(false) };
    transaction.run("DELETE FROM accounts WHERE id = $1", &[row.number()?.into()])?;
    Ok(true)
}

/// Puts a hash in the place of another. Whether the other was there.
pub(super) fn replace_hash(
    transaction: &mut dyn Transaction,
    id: u64,
    old_hash: &str,
    new_hash: &str,
) -> StoreResult<bool> {
    const UPDATE: &str =
        "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2 RETURNING id";
    Ok(!transaction.run(UPDATE, &[id.into(), old_hash.into(), new_hash.into()])?.is_empty())
}

/// Sets a hash, whatever was there.
pub(super) fn set_hash(transaction: &mut dyn Transaction, id: u64, new_hash: &str) -> StoreResult<()> {
    const UPDATE: &str = "UPDATE accounts SET password_hash = $2 WHERE id = $1";
    transaction.run(UPDATE, &[id.into(), new_hash.into()]).map(drop)
}

pub(super) fn ban(
    transaction: &mut dyn Transaction,
    user_id: &str,
    ban: &Ban,
    now_ms: u64,
) -> StoreResult<()> {
    const UPSERT: &str = "INSERT INTO bans (user_id, until_s, reason) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id) DO UPDATE SET until_s = excluded.until_s, reason = excluded.reason";
    transaction.run(UPSERT, &[user_id.into(), ban.until_s.into(), ban.reason.as_str().into()])?;
    families::end_all(transaction, user_id, None, now_ms / 1000)?;
    notices::write(transaction, user_id, &NoticeKind::Banned(ban.clone()), now_ms)
}

pub(super) fn unban(transaction: &mut dyn Transaction, user_id: &str, now_ms: u64) -> StoreResult<bool> {
    const DELETE: &str =
        "DELETE FROM bans WHERE user_id = $1 AND (until_s IS NULL OR until_s > $2) RETURNING user_id";
    if transaction.run(DELETE, &[user_id.into(), (now_ms / 1000).into()])?.is_empty() {
        return Ok(false);
    }
    notices::write(transaction, user_id, &NoticeKind::Unbanned, now_ms)?;
    Ok(true)
}

pub(super) fn bans(database: &mut impl Database, now_s: u64) -> StoreResult<Vec<(String, Ban)>> {
    const SELECT: &str =
        "SELECT user_id, until_s, reason FROM bans WHERE until_s IS NULL OR until_s > $1 ORDER BY user_id";
    let ban = |mut row: Row| Ok((row.text()?, Ban { until_s: row.optional_number()?, reason: row.text()? }));
    database.read(SELECT, &[now_s.into()])?.into_iter().map(ban).collect()
}

pub(super) fn purge_bans(transaction: &mut dyn Transaction, now_s: u64) -> StoreResult<()> {
    transaction.run("DELETE FROM bans WHERE until_s <= $1", &[now_s.into()]).map(drop)
}

pub(super) fn forget_ban(transaction: &mut dyn Transaction, user_id: &str) -> StoreResult<()> {
    transaction.run("DELETE FROM bans WHERE user_id = $1", &[Value::from(user_id)]).map(drop)
}
