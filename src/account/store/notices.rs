//! Notices, as statements.

use super::sql::{Database, Row, Transaction, Value, broken, first};
use crate::account::records::{Ban, Notice, NoticeKind, StoreResult};

/// Writes a notice, under the next number.
///
/// Whoever counts keeps the counter locked until the end of its transaction. So numbers are given in the order in which
/// transactions become visible, and a reader never sees a number before all lower ones (a sequence would not do: two
/// writers take 7 and 8, and 8 may be seen first).
pub(super) fn write(
    transaction: &mut dyn Transaction,
    user_id: &str,
    kind: &NoticeKind,
    at_ms: u64,
) -> StoreResult<()> {
    const COUNT: &str = "UPDATE notice_counter SET last = last + 1 RETURNING last";
    const INSERT: &str =
        "INSERT INTO notices (id, at_ms, user_id, kind, detail, until_s) VALUES ($1, $2, $3, $4, $5, $6)";
    let mut row =
        first(transaction.run(COUNT, &[])?).ok_or_else(|| broken("the counter of notices is gone"))?;
    let (name, detail, until_s) = columns(kind);
    let values =
        [row.number()?.into(), at_ms.into(), user_id.into(), name.into(), detail.into(), until_s.into()];
    transaction.run(INSERT, &values).map(drop)
}

pub(super) fn read(database: &mut impl Database, after: u64, limit: usize) -> StoreResult<Vec<Notice>> {
    const SELECT: &str = "SELECT id, at_ms, user_id, kind, detail, until_s FROM notices \
         WHERE id > $1 ORDER BY id LIMIT $2";
    let values = [after.into(), (limit as u64).into()];
    database.read(SELECT, &values)?.into_iter().map(notice).collect()
}

pub(super) fn purge(transaction: &mut dyn Transaction, before_ms: u64) -> StoreResult<()> {
    transaction.run("DELETE FROM notices WHERE at_ms < $1", &[Value::from(before_ms)]).map(drop)
}

fn columns(kind: &NoticeKind) -> (&'static str, &str, Option<u64>) {
    match kind {
        NoticeKind::FamilyEnded(family) => ("family_ended", family, None),
        NoticeKind::RoleChanged => ("role_changed", "", None),
        NoticeKind::Banned(ban) => ("banned", &ban.reason, ban.until_s),
        NoticeKind::Unbanned => ("unbanned", "", None),
        NoticeKind::Kicked(reason) => ("kicked", reason, None),
        NoticeKind::Renamed(username) => ("renamed", username, None),
        NoticeKind::Gone => ("gone", "", None),
        NoticeKind::Expired => ("expired", "", None),
    }
}

fn notice(mut row: Row) -> StoreResult<Notice> {
    let (id, at_ms, user_id) = (row.number()?, row.number()?, row.text()?);
    let (name, detail, until_s) = (row.text()?, row.text()?, row.optional_number()?);
    let kind = match name.as_str() {
        "family_ended" => NoticeKind::FamilyEnded(detail),
        "role_changed" => NoticeKind::RoleChanged,
        "banned" => NoticeKind::Banned(Ban { until_s, reason: detail }),
        "unbanned" => NoticeKind::Unbanned,
        "kicked" => NoticeKind::Kicked(detail),
        "renamed" => NoticeKind::Renamed(detail),
        "gone" => NoticeKind::Gone,
        "expired" => NoticeKind::Expired,
        _ => return Err(broken(&format!("a notice of the kind {name:?}"))),
    };
    Ok(Notice { id, at_ms, user_id, kind })
}
