//! Who has which skeletons ([`look_alikes`]), so that no two accounts have one in common, but those that had before it was asked.

use std::sync::LazyLock;

use super::sql::{Database, Row, Transaction, Value, first};
use crate::account::look_alikes;
use crate::account::records::StoreResult;

/// Accounts that one transaction gives skeletons to.
const PAGE: usize = 100;
/// A name has two at most.
const SKELETONS_OF_A_NAME: usize = 2;

/// Whether a name has a skeleton of another account's.
pub(super) fn are_taken(database: &mut impl Database, username: &str) -> StoreResult<bool> {
    const SELECT: &str = "SELECT user_id FROM name_skeletons WHERE skeleton IN ($1, $2) LIMIT 1";
    Ok(!database.read(SELECT, &padded(&look_alikes::skeletons(username)))?.is_empty())
}

/// Gives an account those of its name that nobody has. Whether these are all.
pub(super) fn take(transaction: &mut dyn Transaction, id: u64, username: &str) -> StoreResult<bool> {
    const INSERT: &str = "INSERT INTO name_skeletons (skeleton, user_id) VALUES ($1, $2) \
         ON CONFLICT DO NOTHING RETURNING skeleton";
    let mut are_all = true;
    // In one order for all, so that no two transactions wait for each other.
    for skeleton in look_alikes::skeletons(username) {
        are_all &= !transaction.run(INSERT, &[skeleton.as_str().into(), id.into()])?.is_empty();
    }
    Ok(are_all)
}

/// Gives an account those of its new name, in the place of the old one's, if nobody has them. Otherwise it keeps the old ones.
/// Whether it has them.
pub(super) fn change(
    transaction: &mut dyn Transaction,
    id: u64,
    old_username: &str,
    username: &str,
) -> StoreResult<bool> {
    give_back(transaction, id)?;
    let are_all = take(transaction, id, username)?;
    if !are_all {
        give_back(transaction, id)?;
        take(transaction, id, old_username)?;
    }
    Ok(are_all)
}

fn give_back(transaction: &mut dyn Transaction, id: u64) -> StoreResult<()> {
    transaction.run("DELETE FROM name_skeletons WHERE user_id = $1", &[id.into()]).map(drop)
}

/// Gives the accounts that were there before them their skeletons: the first of those that look alike gets them. Any number of
/// processes may do so at once, and one that is stopped half-way goes on with the next start.
pub(super) fn fill(database: &mut impl Database) -> StoreResult<()> {
    loop {
        let read = database.read("SELECT value FROM settings WHERE name = 'name_skeletons'", &[])?;
        let before = first(read).map(|mut row| row.bytes()).transpose()?;
        let progress = Progress::of(before.as_deref());
        if progress.are_all
            || !database.write(|transaction| fill_page(transaction, before.as_deref(), &progress))?
        {
            return Ok(());
        }
    }
}

/// How far the table is filled.
struct Progress {
    /// Skeletons of another version are of no use.
    is_new: bool,
    are_all: bool,
    /// Up to the account of this number.
    up_to: u64,
}

impl Progress {
    fn of(value: Option<&[u8]>) -> Self {
        let text = value.and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default();
        let up_to = text.strip_prefix(&look_alikes::version());
        let number = up_to.and_then(|rest| rest.strip_prefix(' ')).and_then(|number| number.parse().ok());
        Self {
            is_new: number.is_none() && up_to != Some(""),
            are_all: up_to == Some(""),
            up_to: number.unwrap_or(0),
        }
    }
}

/// Whether there may be more to do: another page, or a page that another process has done meanwhile.
fn fill_page(
    transaction: &mut dyn Transaction,
    before: Option<&[u8]>,
    progress: &Progress,
) -> StoreResult<bool> {
    const SELECT: &str = "SELECT id, username FROM accounts WHERE id > $1 ORDER BY id LIMIT $2";
    let rows = transaction.run(SELECT, &[progress.up_to.into(), (PAGE as u64).into()])?;
    let account = |mut row: Row| Ok((row.number()?, row.text()?));
    let accounts = rows.into_iter().map(account).collect::<StoreResult<Vec<(u64, String)>>>()?;
    let last = accounts.last().filter(|_| accounts.len() == PAGE).map(|(id, _)| *id);
    if !note(transaction, before, last)? {
        return Ok(true);
    }
    if progress.is_new {
        transaction.run("DELETE FROM name_skeletons", &[])?;
    }
    if !accounts.is_empty() {
        transaction.run(&INSERT_PAGE, &values(&accounts))?;
    }
    Ok(last.is_some())
}

/// Whether nobody else has come this far meanwhile.
fn note(transaction: &mut dyn Transaction, before: Option<&[u8]>, last: Option<u64>) -> StoreResult<bool> {
    const UPSERT: &str = "INSERT INTO settings (name, value) VALUES ('name_skeletons', $1) ON CONFLICT (name) \
         DO UPDATE SET value = excluded.value WHERE settings.value = $2 RETURNING name";
    let after = look_alikes::version() + &last.map_or_else(String::new, |id| format!(" {id}"));
    let after = Value::Bytes(after.into_bytes());
    // Nothing is never equal to anything.
    let before = before.map_or(Value::Null, |bytes| Value::Bytes(bytes.to_vec()));
    Ok(!transaction.run(UPSERT, &[after, before])?.is_empty())
}

/// One statement for a page, as each is a way to the database and back.
static INSERT_PAGE: LazyLock<String> = LazyLock::new(|| {
    let rows: Vec<_> = (0..PAGE * SKELETONS_OF_A_NAME)
        .map(|row| format!("(${}, CAST(${} AS BIGINT))", 2 * row + 1, 2 * row + 2))
        .collect();
    format!(
        "INSERT INTO name_skeletons (skeleton, user_id) VALUES {} ON CONFLICT DO NOTHING RETURNING user_id",
        rows.join(", ")
    )
});

fn values(accounts: &[(u64, String)]) -> Vec<Value> {
    let of_account = |(id, username): &(u64, String)| {
        padded(&look_alikes::skeletons(username)).map(|skeleton| [skeleton, (*id).into()])
    };
    let mut values: Vec<Value> = accounts.iter().flat_map(of_account).flatten().collect();
    // A row that is there is passed over, also one of the same statement.
    let last = values[values.len() - 2..].to_vec();
    values.extend(last.into_iter().cycle().take(2 * SKELETONS_OF_A_NAME * PAGE - values.len()));
    values
}

fn padded(skeletons: &[String]) -> [Value; SKELETONS_OF_A_NAME] {
    let of = |skeleton: Option<&String>| skeleton.map_or(Value::Null, |skeleton| skeleton.as_str().into());
    [of(skeletons.first()), of(skeletons.last())]
}
