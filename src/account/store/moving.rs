//! A guest's documents become those of the account that it becomes, as statements.
//!
//! Before that they are claimed: this connection is their home for a moment, so what stores still had to save of them is in the
//! database, and no store writes them meanwhile. A store that has one lets it go when it hears that it is wanted, and it comes to
//! the claim before anybody else. Then they move in the transaction that makes the account.

use super::sql::{Database, Transaction, Value};
use crate::account::records::{Claiming, StoreFault, StoreResult};
use crate::document::store::claims::Claimant;
use crate::document::store::{address_row, read_address};
use crate::wire::Address;

/// A guest who owns more cannot be upgraded: they move in one transaction, for which others wait.
pub(super) const MAX_MOVED: usize = 1000;
/// So many documents are claimed that name the guest and are not in the database: those that it has just made. Strangers may have
/// stores look for as many as they like.
const MAX_UNSAVED: u64 = 64;

/// What a connection claims documents as.
#[derive(Default)]
pub(super) struct Mover {
    claimant: Claimant,
}

impl Mover {
    /// Claims a guest's documents; to be asked again while some have another home.
    pub(super) fn claim(&mut self, database: &mut impl Database, guest_id: &str) -> StoreResult<Claiming> {
        let places = places_of(database, guest_id)?;
        if places.is_empty() {
            return Ok(Claiming::All);
        }
        if places.len() > MAX_MOVED {
            return Ok(Claiming::TooMany(MAX_MOVED));
        }
        Ok(if self.claimant.claim(database, &places)? { Claiming::All } else { Claiming::Waiting })
    }

    /// Ends all claims.
    pub(super) fn release(&mut self, database: &mut impl Database) -> StoreResult<()> {
        self.claimant.release(database)
    }

    /// Gives a guest's documents to the account, in the transaction that makes it.
    ///
    /// # Errors
    /// [`StoreFault::Held`] if one of them is not claimed (any more).
    pub(super) fn give(
        &self,
        transaction: &mut dyn Transaction,
        guest_id: &str,
        account_id: u64,
        now_ms: u64,
    ) -> StoreResult<()> {
        const OWNED: &str = "SELECT collection, key FROM documents WHERE owner = $1 AND value IS NOT NULL \
             ORDER BY collection, key";
        const HOLD: &str = "UPDATE document_homes SET home = home \
             WHERE collection = $1 AND key = $2 AND home = $3 RETURNING key";
        const LET_GO: &str = "DELETE FROM document_homes WHERE collection = $1 AND key = $2";
        const GIVE: &str =
            "UPDATE documents SET owner = $3, updated_at_ms = $4 WHERE collection = $1 AND key = $2";
        let owner = account_id.to_string();
        for mut row in transaction.run(OWNED, &[guest_id.into()])? {
            let place = read_address(&mut row)?;
            let [collection, key] = address_row(&place);
            let held = [collection.clone(), key.clone(), Value::from(self.claimant.home().as_str())];
            if transaction.run(HOLD, &held)?.is_empty() {
                return Err(StoreFault::Held(place.to_string()));
            }
            if !move_document(transaction, &place, guest_id, &owner, now_ms)? {
                let given = [collection.clone(), key.clone(), owner.as_str().into(), now_ms.into()];
                transaction.run(GIVE, &given)?;
            }
            transaction.run(LET_GO, &[collection, key])?;
        }
        Ok(())
    }
}

/// The key with the account in the guest's place; none if it does not name the guest.
pub(crate) fn key_of_account(key: &str, guest_id: &str, account_id: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let (mut renamed, mut from) = (String::with_capacity(key.len()), 0);
    for (at, _) in key.match_indices(guest_id) {
        let end = at + guest_id.len();
        // Part of a longer id, which is somebody else's.
        if key[..at].ends_with(is_part) || key[end..].starts_with(is_part) {
            continue;
        }
        renamed += &key[from..at];
        renamed += account_id;
        from = end;
    }
    if from == 0 {
        return None;
    }
    renamed += &key[from..];
    Some(renamed)
}

/// What a guest owns, and what stores hold that may be its and is not in the database yet.
fn places_of(database: &mut impl Database, guest_id: &str) -> StoreResult<Vec<Address>> {
    const OWNED: &str = "SELECT collection, key FROM documents WHERE owner = $1 AND value IS NOT NULL ORDER BY collection, key LIMIT $2";
    // The underscore of an id stands for any character here.
    const UNSAVED: &str = "SELECT held.collection, held.key FROM document_homes held \
         WHERE held.key LIKE $1 AND NOT EXISTS (SELECT 1 FROM documents \
         WHERE documents.collection = held.collection AND documents.key = held.key AND documents.value IS NOT NULL) \
         ORDER BY held.collection, held.key LIMIT $2";
    let owned = database.read(OWNED, &[guest_id.into(), (MAX_MOVED as u64 + 1).into()])?;
    let mut places =
        owned.into_iter().map(|mut row| read_address(&mut row)).collect::<StoreResult<Vec<_>>>()?;
    let like = format!("%{guest_id}%");
    for mut row in database.read(UNSAVED, &[like.as_str().into(), MAX_UNSAVED.into()])? {
        let place = read_address(&mut row)?;
        if key_of_account(place.key(), guest_id, "").is_some() {
            places.push(place);
        }
    }
    places.sort();
    places.dedup();
    Ok(places)
}

/// Moves a document whose key names the guest, with its entries if it is an account of a ledger. Where the account has a document
/// of that key already, that one stays, and the guest's gets a name that tells whose it was. Whether it has moved.
fn move_document(
    transaction: &mut dyn Transaction,
    place: &Address,
    guest_id: &str,
    owner: &str,
    now_ms: u64,
) -> StoreResult<bool> {
    const BURY: &str = "UPDATE documents SET version = version + 1, owner = NULL, value = NULL, recent_keys = NULL, \
         updated_at_ms = $3 WHERE collection = $1 AND key = $2";
    let Some(key) = key_of_account(place.key(), guest_id, owner) else { return Ok(false) };
    let beside = format!("{key}/from-{guest_id}");
    for key in [key, beside].iter().filter(|key| Address::new(place.collection(), key).is_ok()) {
        if copy(transaction, place, key, owner, now_ms)? {
            let [collection, key] = address_row(place);
            transaction.run(BURY, &[collection, key, now_ms.into()])?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes a document under another key, unless there is one. Versions go on where there was one.
fn copy(
    transaction: &mut dyn Transaction,
    place: &Address,
    key: &str,
    owner: &str,
    now_ms: u64,
) -> StoreResult<bool> {
    const EVICT: &str = "INSERT INTO document_evictions (home, collection, key) \
         SELECT home, collection, key FROM document_homes WHERE collection = $1 AND key = $2 ON CONFLICT DO NOTHING";
    const RELEASE: &str = "DELETE FROM document_homes WHERE collection = $1 AND key = $2";
    const COPY: &str = "INSERT INTO documents \
         (collection, key, version, owner, schema_version, value, updated_at_ms, recent_keys) \
         SELECT collection, CAST($3 AS TEXT), version, CAST($4 AS TEXT), schema_version, value, CAST($5 AS BIGINT), \
         recent_keys FROM documents WHERE collection = $1 AND key = $2 \
         ON CONFLICT (collection, key) DO UPDATE SET version = CASE WHEN documents.version >= excluded.version \
         THEN documents.version + 1 ELSE excluded.version END, owner = excluded.owner, \
         schema_version = excluded.schema_version, value = excluded.value, updated_at_ms = excluded.updated_at_ms, \
         recent_keys = excluded.recent_keys WHERE documents.value IS NULL RETURNING key";
    const ENTRIES: &str = "UPDATE ledger_entries SET key = $3 WHERE collection = $1 AND key = $2";
    let [collection, old] = address_row(place);
    let new = Value::from(key);
    let values = [collection.clone(), old.clone(), new.clone(), owner.into(), now_ms.into()];
    if transaction.run(COPY, &values)?.is_empty() {
        return Ok(false);
    }
    // A store may have looked for it, and believe that there is none.
    let target = [collection.clone(), new.clone()];
    transaction.run(EVICT, &target)?;
    transaction.run(RELEASE, &target)?;
    transaction.run(ENTRIES, &[collection, old, new])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_the_account_in_the_guests_place() {
        let check = |key: &str, expected: Option<&str>| {
            assert_eq!(key_of_account(key, "guest:A_b", "42").as_deref(), expected, "{key}");
        };
        check("guest:A_b", Some("42"));
        check("guest:A_b/ships/1", Some("42/ships/1"));
        check("eu:guest:A_b", Some("eu:42"));
        check("guest:A_b/guest:A_b", Some("42/42"));
        check("guest:A_b/guest:A_bc", Some("42/guest:A_bc"));
        for other in ["guest:A_bc", "guest:A_b-", "guest:A-b", "xguest:A_b", "guest:A", "42", "guest:Axb"] {
            check(other, None);
        }
    }
}
