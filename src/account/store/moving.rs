//! A guest's documents become those of the account that it becomes, as statements.
//!
//! Before that they are claimed: this connection is their home for a moment, so what stores still had to save of them is in the
//! database, and no store writes them meanwhile. A store that has one lets it go when it hears that it is wanted, and it comes to
//! the claim before anybody else. Then they move in the transaction that makes the account.
//!
//! A claim is asked for again and again while documents are elsewhere. As long as it can only wait it locks nothing: stores have
//! their last saves to write meanwhile, and the same rows to lock for them.

use std::time::{Duration, Instant};

use super::sql::{Database, OwnerGuard, Row, Transaction, Value};
use crate::account::random;
use crate::account::records::{Claiming, StoreFault, StoreResult};
use crate::wire::Address;

/// A guest who owns more cannot be upgraded: they move in one transaction, for which others wait.
pub(super) const MAX_MOVED: usize = 1000;
/// So many documents are claimed that name the guest and are not in the database: those that it has just made. Strangers may have
/// stores look for as many as they like.
const MAX_UNSAVED: u64 = 64;
/// How long a claim lasts without another one, in milliseconds of the database's clock, and after which time it is renewed.
const CLAIM_MS: u64 = 10_000;
const RENEWAL: Duration = Duration::from_millis(CLAIM_MS / 4);

/// The home that a connection is for documents that it claims.
pub(super) struct Mover {
    home: String,
    /// When its claims were last renewed; none if it has none.
    renewed_at: Option<Instant>,
}

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    collection: String,
    key: String,
}

impl Place {
    fn read(row: &mut Row) -> StoreResult<Self> {
        Ok(Self { collection: row.text()?, key: row.text()? })
    }

    fn values(&self) -> [Value; 2] {
        [self.collection.as_str().into(), self.key.as_str().into()]
    }
}

/// Where a document stands with who claims it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It is claimed.
    Ours,
    /// Nobody has it, or a home that is gone.
    Free,
    /// Its home has been asked for it.
    Asked,
    /// It has another home.
    Held,
}

/// The column of a [`Standing`] with the home `$1`: of `held` and `living`, the document's home, and `database_clock`.
macro_rules! standing {
    () => {
        "CASE WHEN held.home = $1 THEN CAST(0 AS BIGINT) \
         WHEN living.home IS NULL OR living.alive_until_ms <= database_clock.now_ms THEN CAST(1 AS BIGINT) \
         WHEN held.heir = $1 AND held.wanted THEN CAST(2 AS BIGINT) ELSE CAST(3 AS BIGINT) END"
    };
}

impl Standing {
    /// Of the column that `standing` gives.
    fn read(row: &mut Row) -> StoreResult<Self> {
        match row.number()? {
            0 => Ok(Self::Ours),
            1 => Ok(Self::Free),
            2 => Ok(Self::Asked),
            _ => Ok(Self::Held),
        }
    }
}

impl Default for Mover {
    fn default() -> Self {
        let home = random::bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { home, renewed_at: None }
    }
}

impl Mover {
    /// Claims a guest's documents; to be asked again while some have another home.
    pub(super) fn claim(&mut self, database: &mut impl Database, guest_id: &str) -> StoreResult<Claiming> {
        let mut has_taken = false;
        loop {
            let places = places_of(database, &self.home, guest_id)?;
            if places.len() > MAX_MOVED {
                return Ok(Claiming::TooMany(MAX_MOVED));
            }
            if !places.is_empty() {
                self.ask(database, &places)?;
            }
            if places.iter().all(|(_, standing)| *standing == Standing::Ours) {
                return Ok(Claiming::All);
            }
            // What was free may have gone to somebody faster.
            let is_free = places.iter().any(|(_, standing)| *standing == Standing::Free);
            if !is_free || std::mem::replace(&mut has_taken, true) {
                return Ok(Claiming::Waiting);
            }
        }
    }

    /// Takes what is free, and asks the homes of the rest that have not been asked.
    fn ask(&mut self, database: &mut impl Database, places: &[(Place, Standing)]) -> StoreResult<()> {
        let home = &*self.home;
        let is_fresh = self.renewed_at.is_some_and(|at| at.elapsed() < RENEWAL);
        let of = |wanted: Standing| places.iter().filter(move |(_, standing)| *standing == wanted);
        if is_fresh && of(Standing::Free).chain(of(Standing::Held)).next().is_none() {
            return Ok(());
        }
        database.write(|transaction| {
            renew(transaction, home)?;
            of(Standing::Free).try_for_each(|(place, _)| take(transaction, home, place))?;
            of(Standing::Held).try_for_each(|(place, _)| want(transaction, home, place))
        })?;
        self.renewed_at = Some(Instant::now());
        Ok(())
    }

    /// Ends all claims.
    pub(super) fn release(&mut self, database: &mut impl Database) -> StoreResult<()> {
        const STATEMENTS: [&str; 4] = [
            "DELETE FROM document_homes WHERE home = $1",
            "UPDATE document_homes SET heir = NULL WHERE heir = $1",
            "DELETE FROM document_evictions WHERE home = $1",
            "DELETE FROM homes WHERE home = $1",
        ];
        if self.renewed_at.is_none() {
            return Ok(());
        }
        let home = [Value::from(&*self.home)];
        database.write(|transaction| {
            STATEMENTS.iter().try_for_each(|statement| transaction.run(statement, &home).map(drop))
        })?;
        self.renewed_at = None;
        Ok(())
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
        transaction.guard_owners(OwnerGuard::Changes)?;
        for mut row in transaction.run(OWNED, &[guest_id.into()])? {
            let place = Place::read(&mut row)?;
            let [collection, key] = place.values();
            let held = [collection.clone(), key.clone(), Value::from(&*self.home)];
            if transaction.run(HOLD, &held)?.is_empty() {
                return Err(StoreFault::Held(format!("{}/{}", place.collection, place.key)));
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

/// What a guest owns, and what stores hold that may be its and is not in the database yet, with how it stands with a home; in one
/// order, as those lock them who write them.
fn places_of(
    database: &mut impl Database,
    home: &str,
    guest_id: &str,
) -> StoreResult<Vec<(Place, Standing)>> {
    const OWNED: &str = concat!(
        "SELECT owned.collection, owned.key, ",
        standing!(),
        " FROM documents owned CROSS JOIN database_clock LEFT JOIN document_homes held \
         ON held.collection = owned.collection AND held.key = owned.key LEFT JOIN homes living ON living.home = held.home \
         WHERE owned.owner = $2 AND owned.value IS NOT NULL ORDER BY owned.collection, owned.key LIMIT $3"
    );
    // The underscore of an id stands for any character here.
    const UNSAVED: &str = concat!(
        "SELECT held.collection, held.key, ",
        standing!(),
        " FROM document_homes held CROSS JOIN database_clock LEFT JOIN homes living ON living.home = held.home \
         WHERE held.key LIKE $2 AND NOT EXISTS (SELECT 1 FROM documents \
         WHERE documents.collection = held.collection AND documents.key = held.key AND documents.value IS NOT NULL) \
         ORDER BY held.collection, held.key LIMIT $3"
    );
    let read = |mut row: Row| Ok((Place::read(&mut row)?, Standing::read(&mut row)?));
    let owned = [home.into(), guest_id.into(), (MAX_MOVED as u64 + 1).into()];
    let owned = database.read(OWNED, &owned)?.into_iter().map(read);
    let mut places = owned.collect::<StoreResult<Vec<_>>>()?;
    let like = format!("%{guest_id}%");
    for row in database.read(UNSAVED, &[home.into(), like.as_str().into(), MAX_UNSAVED.into()])? {
        let (place, standing) = read(row)?;
        if key_of_account(&place.key, guest_id, "").is_some() {
            places.push((place, standing));
        }
    }
    places.sort();
    places.dedup_by(|a, b| a.0 == b.0);
    Ok(places)
}

fn renew(transaction: &mut dyn Transaction, home: &str) -> StoreResult<()> {
    const RENEW: &str = "INSERT INTO homes (home, alive_until_ms) SELECT CAST($1 AS TEXT), now_ms + $2 \
         FROM database_clock WHERE TRUE ON CONFLICT (home) DO UPDATE SET alive_until_ms = excluded.alive_until_ms";
    transaction.run(RENEW, &[home.into(), CLAIM_MS.into()]).map(drop)
}

/// Takes a document that nobody has, or a home that is gone, unless somebody else was faster.
fn take(transaction: &mut dyn Transaction, home: &str, place: &Place) -> StoreResult<()> {
    const EVICT: &str = "INSERT INTO document_evictions (home, collection, key) \
         SELECT held.home, held.collection, held.key FROM document_homes held \
         WHERE held.home <> $1 AND held.collection = $2 AND held.key = $3 \
         AND NOT EXISTS (SELECT 1 FROM homes CROSS JOIN database_clock \
         WHERE homes.home = held.home AND homes.alive_until_ms > database_clock.now_ms) ON CONFLICT DO NOTHING";
    const TAKE: &str = "INSERT INTO document_homes (collection, key, home) VALUES ($2, $3, $1) \
         ON CONFLICT (collection, key) DO UPDATE SET home = excluded.home, wanted = FALSE, heir = NULL \
         WHERE document_homes.home = excluded.home OR NOT EXISTS (SELECT 1 FROM homes CROSS JOIN database_clock \
         WHERE homes.home = document_homes.home AND homes.alive_until_ms > database_clock.now_ms)";
    let [collection, key] = place.values();
    let values = [home.into(), collection, key];
    transaction.run(EVICT, &values)?;
    transaction.run(TAKE, &values).map(drop)
}

/// Asks a document's home to let it go to this one, unless another one is to have it that lives.
fn want(transaction: &mut dyn Transaction, home: &str, place: &Place) -> StoreResult<()> {
    const WANT: &str = "UPDATE document_homes SET wanted = TRUE, heir = $1 WHERE collection = $2 AND key = $3 \
         AND (heir IS NULL OR heir = $1 OR NOT EXISTS (SELECT 1 FROM homes CROSS JOIN database_clock \
         WHERE homes.home = document_homes.heir AND homes.alive_until_ms > database_clock.now_ms))";
    let [collection, key] = place.values();
    transaction.run(WANT, &[home.into(), collection, key]).map(drop)
}

/// Moves a document whose key names the guest, with its entries if it is an account of a ledger. Where the account has a document
/// of that key already, that one stays, and the guest's gets a name that tells whose it was. Whether it has moved.
fn move_document(
    transaction: &mut dyn Transaction,
    place: &Place,
    guest_id: &str,
    owner: &str,
    now_ms: u64,
) -> StoreResult<bool> {
    const BURY: &str = "UPDATE documents SET version = version + 1, owner = NULL, value = NULL, recent_keys = NULL, \
         updated_at_ms = $3 WHERE collection = $1 AND key = $2";
    let Some(key) = key_of_account(&place.key, guest_id, owner) else { return Ok(false) };
    let beside = format!("{key}/from-{guest_id}");
    for key in [key, beside].iter().filter(|key| Address::new(&place.collection, key).is_ok()) {
        if copy(transaction, place, key, owner, now_ms)? {
            let [collection, key] = place.values();
            transaction.run(BURY, &[collection, key, now_ms.into()])?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes a document under another key, unless there is one. Versions go on where there was one.
fn copy(
    transaction: &mut dyn Transaction,
    place: &Place,
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
    let [collection, old] = place.values();
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
