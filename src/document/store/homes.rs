//! Whose documents are, as statements.
//!
//! The row of a document's home is its lock: who writes the document holds it shared, who gives the document another home changes it.
//! A home that is gone for longer than its lease is not asked; it hears of what was taken when it comes back.

use std::collections::{HashMap, HashSet};

use super::rows;
use super::statements::{ADDRESS, ListStatement, MOST_ROWS, address_row};
use super::{LEASE_MS, StoreResult};
use crate::account::store::sql::{Database, Row, Value, broken};
use crate::document::{Address, Document, HomeId};

/// Most documents of one answer: each may have 256 KiB.
pub(super) const MOST_AT_ONCE: usize = 64;
/// Most documents that a home is told of at once; the rest follows.
const MOST_UNWELCOME: u64 = 10_000;

/// Whose a document is, as a home sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Ours,
    Free,
    /// Of a home that no longer lives.
    Orphaned,
    /// Of another home.
    Held,
}

/// Makes `home` the home of what nobody else has, and reads that. At most [`MOST_AT_ONCE`].
pub(super) fn fetch(
    database: &mut impl Database,
    home: &HomeId,
    addresses: &[Address],
) -> StoreResult<Vec<(Address, Option<Document>)>> {
    let mut standings = standings(database, home, addresses)?;
    let of = |standings: &HashMap<Address, Standing>, wanted: &[Standing]| -> Vec<Address> {
        // In one order, so that homes that take the same documents at once do not wait for each other in a circle.
        let mut of: Vec<Address> =
            addresses.iter().filter(|address| wanted.contains(&standings[*address])).cloned().collect();
        of.sort();
        of
    };
    let to_take = of(&standings, &[Standing::Free, Standing::Orphaned]);
    if !to_take.is_empty() {
        let orphaned = of(&standings, &[Standing::Orphaned]);
        let taken = take(database, home, &to_take, &orphaned)?;
        for address in to_take {
            let standing = if taken.contains(&address) { Standing::Ours } else { Standing::Held };
            standings.insert(address, standing);
        }
    }
    let held = of(&standings, &[Standing::Held]);
    if !held.is_empty() {
        want(database, &held)?;
    }
    let ours = of(&standings, &[Standing::Ours]);
    let mut documents = read(database, &ours)?;
    let found = |address: &Address| {
        let document = match standings[address] {
            Standing::Ours => {
                Some(documents.remove(address).ok_or_else(|| broken("a document was asked for twice"))?)
            }
            _ => None,
        };
        Ok((address.clone(), document))
    };
    addresses.iter().map(found).collect()
}

fn standings(
    database: &mut impl Database,
    home: &HomeId,
    addresses: &[Address],
) -> StoreResult<HashMap<Address, Standing>> {
    const SELECT: ListStatement = ListStatement {
        before: "WITH asked (collection, key) AS ",
        behind: " SELECT asked.collection, asked.key, held.home, \
             CASE WHEN living.alive_until_ms > database_clock.now_ms THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END \
             FROM asked CROSS JOIN database_clock \
             LEFT JOIN document_homes held ON held.collection = asked.collection AND held.key = asked.key \
             LEFT JOIN homes living ON living.home = held.home WHERE asked.key IS NOT NULL",
        columns: ADDRESS,
        fixed: 0,
    };
    let (text, values) = SELECT.fill(&[], addresses.iter().map(address_row));
    let standing = |mut row: Row| {
        let (address, holder, lives) = (rows::address(&mut row)?, row.optional_text()?, row.number()? == 1);
        let standing = match holder {
            None => Standing::Free,
            Some(holder) if holder == home.as_str() => Standing::Ours,
            Some(_) if lives => Standing::Held,
            Some(_) => Standing::Orphaned,
        };
        Ok((address, standing))
    };
    database.read(text, &values)?.into_iter().map(standing).collect()
}

/// Takes documents that are free, or whose home is gone; which were taken. Another home may have been faster.
fn take(
    database: &mut impl Database,
    home: &HomeId,
    addresses: &[Address],
    orphaned: &[Address],
) -> StoreResult<HashSet<Address>> {
    const EVICT: ListStatement = ListStatement {
        before: "INSERT INTO document_evictions (home, collection, key) \
             SELECT held.home, held.collection, held.key FROM document_homes held \
             WHERE held.home <> $1 AND (held.collection, held.key) IN ",
        behind: " AND NOT EXISTS (SELECT 1 FROM homes CROSS JOIN database_clock \
             WHERE homes.home = held.home AND homes.alive_until_ms > database_clock.now_ms) \
             ON CONFLICT DO NOTHING",
        columns: ADDRESS,
        fixed: 1,
    };
    const TAKE: ListStatement = ListStatement {
        before: "INSERT INTO document_homes (collection, key, home) SELECT asked.column1, asked.column2, CAST($1 AS TEXT) FROM ",
        behind: " AS asked WHERE asked.column2 IS NOT NULL ON CONFLICT (collection, key) \
             DO UPDATE SET home = excluded.home, wanted = FALSE, heir = NULL WHERE document_homes.home = excluded.home \
             OR NOT EXISTS (SELECT 1 FROM homes CROSS JOIN database_clock \
             WHERE homes.home = document_homes.home AND homes.alive_until_ms > database_clock.now_ms) \
             RETURNING collection, key",
        columns: ADDRESS,
        fixed: 1,
    };
    let us = [Value::from(home.as_str())];
    database.write(|transaction| {
        if !orphaned.is_empty() {
            let (text, values) = EVICT.fill(&us, orphaned.iter().map(address_row));
            transaction.run(text, &values)?;
        }
        let (text, values) = TAKE.fill(&us, addresses.iter().map(address_row));
        transaction.run(text, &values)?.into_iter().map(|mut row| rows::address(&mut row)).collect()
    })
}

/// Asks the homes of these documents to let them go.
fn want(database: &mut impl Database, addresses: &[Address]) -> StoreResult<()> {
    const ASK: ListStatement = ListStatement {
        before: "UPDATE document_homes SET wanted = TRUE WHERE NOT wanted AND (collection, key) IN ",
        behind: "",
        columns: ADDRESS,
        fixed: 0,
    };
    let (text, values) = ASK.fill(&[], addresses.iter().map(address_row));
    database.write(|transaction| transaction.run(text, &values).map(drop))
}

/// The documents at these addresses, absent ones included.
pub(super) fn read(
    database: &mut impl Database,
    addresses: &[Address],
) -> StoreResult<HashMap<Address, Document>> {
    const SELECT: ListStatement = ListStatement {
        before: "WITH asked (collection, key) AS ",
        behind: " SELECT asked.collection, asked.key, found.version, found.owner, found.schema_version, found.value, \
             found.updated_at_ms, found.recent_keys FROM asked LEFT JOIN documents found \
             ON found.collection = asked.collection AND found.key = asked.key WHERE asked.key IS NOT NULL",
        columns: ADDRESS,
        fixed: 0,
    };
    if addresses.is_empty() {
        return Ok(HashMap::new());
    }
    let (text, values) = SELECT.fill(&[], addresses.iter().map(address_row));
    let document = |mut row: Row| {
        let address = rows::address(&mut row)?;
        Ok((address.clone(), rows::document(address, row)?))
    };
    database.read(text, &values)?.into_iter().map(document).collect()
}

pub(super) fn renew(database: &mut impl Database, home: &HomeId) -> StoreResult<()> {
    const RENEW: &str = "INSERT INTO homes (home, alive_until_ms) SELECT CAST($1 AS TEXT), now_ms + $2 \
         FROM database_clock WHERE TRUE ON CONFLICT (home) DO UPDATE SET alive_until_ms = excluded.alive_until_ms";
    let values = [home.as_str().into(), LEASE_MS.into()];
    database.write(|transaction| transaction.run(RENEW, &values).map(drop))
}

/// What others want of `home`, or have taken.
pub(super) fn unwelcome(database: &mut impl Database, home: &HomeId) -> StoreResult<Vec<Address>> {
    const SELECT: &str = "SELECT collection, key FROM document_homes WHERE home = $1 AND wanted \
         UNION ALL SELECT collection, key FROM document_evictions WHERE home = $1 LIMIT $2";
    let found = database.read(SELECT, &[home.as_str().into(), MOST_UNWELCOME.into()])?;
    found.into_iter().map(|mut row| rows::address(&mut row)).collect()
}

/// Ends that `home` has these documents. One that is claimed goes over to whoever claims it, before anybody else can take it.
pub(super) fn let_go(database: &mut impl Database, home: &HomeId, addresses: &[Address]) -> StoreResult<()> {
    const HAND_OVER: ListStatement = ListStatement {
        before: "UPDATE document_homes SET home = heir, heir = NULL, wanted = FALSE \
             WHERE home = $1 AND EXISTS (SELECT 1 FROM homes CROSS JOIN database_clock \
             WHERE homes.home = document_homes.heir AND homes.alive_until_ms > database_clock.now_ms) \
             AND (collection, key) IN ",
        behind: "",
        columns: ADDRESS,
        fixed: 1,
    };
    const RELEASE: ListStatement = ListStatement {
        before: "DELETE FROM document_homes WHERE home = $1 AND (collection, key) IN ",
        behind: "",
        columns: ADDRESS,
        fixed: 1,
    };
    const HEARD: ListStatement = ListStatement {
        before: "DELETE FROM document_evictions WHERE home = $1 AND (collection, key) IN ",
        behind: "",
        columns: ADDRESS,
        fixed: 1,
    };
    let us = [Value::from(home.as_str())];
    for some in addresses.chunks(MOST_ROWS) {
        let statements =
            [&HAND_OVER, &RELEASE, &HEARD].map(|statement| statement.fill(&us, some.iter().map(address_row)));
        database.write(|transaction| {
            statements.iter().try_for_each(|(text, values)| transaction.run(text, values).map(drop))
        })?;
    }
    Ok(())
}

pub(super) fn retire(database: &mut impl Database, home: &HomeId) -> StoreResult<()> {
    let us = [Value::from(home.as_str())];
    database.write(|transaction| {
        transaction.run("DELETE FROM document_homes WHERE home = $1", &us)?;
        transaction.run("DELETE FROM document_evictions WHERE home = $1", &us)?;
        transaction.run("DELETE FROM homes WHERE home = $1", &us).map(drop)
    })
}

pub(super) fn purge(database: &mut impl Database, before_ms: u64) -> StoreResult<()> {
    const DELETED: &str = "DELETE FROM documents WHERE value IS NULL AND updated_at_ms < $1 AND NOT EXISTS \
         (SELECT 1 FROM document_homes held WHERE held.collection = documents.collection AND held.key = documents.key)";
    const HELD_BY_DEAD: &str = "DELETE FROM document_homes WHERE home IN \
         (SELECT home FROM homes WHERE alive_until_ms < $1)";
    const TOLD_TO_DEAD: &str = "DELETE FROM document_evictions WHERE home IN \
         (SELECT home FROM homes WHERE alive_until_ms < $1)";
    const DEAD: &str = "DELETE FROM homes WHERE alive_until_ms < $1";
    let before = [Value::from(before_ms)];
    database.write(|transaction| {
        let all = [DELETED, HELD_BY_DEAD, TOLD_TO_DEAD, DEAD];
        all.iter().try_for_each(|statement| transaction.run(statement, &before).map(drop))
    })
}
