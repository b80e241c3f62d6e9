//! Documents that somebody wants for a moment, to change whose they are: they are claimed, and their homes let them go to the
//! claim before anybody else.
//!
//! A claim is asked for again and again while documents are elsewhere. So as long as it can only wait it locks nothing: the homes
//! have their last saves to write meanwhile, and the same rows to lock for them.

use super::homes::{self, Standing};
use super::statements::{ADDRESS, ListStatement, address_row};
use super::{LEASE_MS, StoreResult, rows};
use crate::account::store::sql::{Database, Value};
use crate::document::{Address, HomeId};

/// Who claims: a home without a store.
#[derive(Debug)]
pub(crate) struct Claimant {
    home: HomeId,
    renewed_at: Option<std::time::Instant>,
}

impl Default for Claimant {
    fn default() -> Self {
        Self { home: HomeId::random(), renewed_at: None }
    }
}

impl Claimant {
    pub(crate) fn home(&self) -> &HomeId {
        &self.home
    }

    /// Takes those of these documents that are free, and asks the homes of the others to let them go. Whether all are taken. A claim
    /// lasts for [`LEASE_MS`] after the last one.
    pub(crate) fn claim(&mut self, database: &mut impl Database, addresses: &[Address]) -> StoreResult<bool> {
        const FRESH: std::time::Duration = std::time::Duration::from_millis(LEASE_MS / 4);
        // Whoever takes a document must live, or the next one takes it away at once.
        if self.renewed_at.is_none_or(|at| at.elapsed() >= FRESH) {
            homes::renew(database, &self.home)?;
            self.renewed_at = Some(std::time::Instant::now());
        }
        let mut are_all_ours = true;
        for some in addresses.chunks(homes::MOST_AT_ONCE) {
            let standings = homes::take_free(database, &self.home, some)?;
            let is_held = |address: &&Address| standings[*address] == Standing::Held;
            let held: Vec<Address> = some.iter().filter(is_held).cloned().collect();
            if !held.is_empty() {
                want(database, &self.home, &held)?;
                are_all_ours = false;
            }
        }
        Ok(are_all_ours)
    }

    /// Ends all claims.
    pub(crate) fn release(&mut self, database: &mut impl Database) -> StoreResult<()> {
        const STATEMENTS: [&str; 4] = [
            "DELETE FROM document_homes WHERE home = $1",
            "UPDATE document_homes SET heir = NULL WHERE heir = $1",
            "DELETE FROM document_evictions WHERE home = $1",
            "DELETE FROM homes WHERE home = $1",
        ];
        if self.renewed_at.is_none() {
            return Ok(());
        }
        let us = [Value::from(self.home.as_str())];
        database.write(|transaction| {
            STATEMENTS.iter().try_for_each(|statement| transaction.run(statement, &us).map(drop))
        })?;
        self.renewed_at = None;
        Ok(())
    }
}

/// Asks homes to let documents go to `home`, unless another one is to have them that lives.
fn want(database: &mut impl Database, home: &HomeId, addresses: &[Address]) -> StoreResult<()> {
    const UNASKED: ListStatement = ListStatement {
        before: "SELECT collection, key FROM document_homes WHERE (heir IS NULL OR NOT wanted OR heir <> $1) AND (collection, key) IN ",
        behind: "",
        columns: ADDRESS,
        fixed: 1,
    };
    const ASK: &str = "UPDATE document_homes SET wanted = TRUE, heir = $1 WHERE collection = $2 AND key = $3 \
         AND (heir IS NULL OR heir = $1 OR NOT EXISTS (SELECT 1 FROM homes CROSS JOIN database_clock \
         WHERE homes.home = document_homes.heir AND homes.alive_until_ms > database_clock.now_ms))";
    let us = Value::from(home.as_str());
    let (text, values) = UNASKED.fill(std::slice::from_ref(&us), addresses.iter().map(address_row));
    let unasked = database.read(text, &values)?.into_iter().map(|mut row| rows::address(&mut row));
    let mut unasked = unasked.collect::<StoreResult<Vec<_>>>()?;
    if unasked.is_empty() {
        return Ok(());
    }
    // As those lock them who write them.
    unasked.sort_by(|a, b| (a.collection(), a.key()).cmp(&(b.collection(), b.key())));
    database.write(|transaction| {
        unasked.iter().try_for_each(|address| {
            let [collection, key] = address_row(address);
            transaction.run(ASK, &[us.clone(), collection, key]).map(drop)
        })
    })
}
