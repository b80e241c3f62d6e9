//! Many homes at once, which take documents from each other.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::*;
use crate::common::PATIENCE;

const HOMES: usize = 6;
const ROUNDS: usize = 25;

#[test]
fn homes_count_together_on_sqlite() {
    homes_count_together(&Database::sqlite());
}

#[test]
fn homes_count_together_on_postgres() {
    homes_count_together(&Database::postgres());
}

/// As strict as PostgreSQL can be made: transactions that stand in each other's way are given up, and tried again.
#[test]
fn homes_count_together_on_postgres_where_transactions_fail() {
    let server = Postgres::start_with(&["default_transaction_isolation=serializable"]);
    let stores = open(&server.database("documents")).unwrap();
    homes_count_together(&Database::Postgres(server, stores));
}

/// Each home adds one to all documents in one entry, letting them go in between: no count is lost, and all are the same.
fn homes_count_together(database: &Database) {
    let addresses: Vec<Address> = (0..5).map(|n| address(&format!("count/{n}"))).collect();
    let start = Barrier::new(HOMES);
    std::thread::scope(|scope| {
        for number in 0..HOMES {
            let (mut store, start, mut addresses) = (database.connect(), &start, addresses.clone());
            // Each asks in an order of its own.
            addresses.rotate_left(number % 5);
            scope.spawn(move || {
                let home = HomeId::random();
                start.wait();
                for _ in 0..ROUNDS {
                    let documents = take_in_time(&mut store, &home, &addresses);
                    let saves = documents.into_iter().map(plus_one);
                    assert_eq!(store.write(&home, &[entry(saves)]), Ok(vec![]));
                    store.let_go(&home, &addresses).unwrap();
                }
            });
        }
    });
    let mut store = database.connect();
    for (_, document) in store.fetch(&HomeId::random(), &addresses).unwrap() {
        let document = document.unwrap();
        assert_eq!((document.version, document.value.as_deref()), (150, Some("150")));
    }
}

/// Until it has all: what another home has is let go a moment later. Two that have a part each would wait for ever, so a part is
/// let go again.
fn take_in_time(store: &mut Store, home: &HomeId, addresses: &[Address]) -> Vec<Document> {
    let deadline = Instant::now() + 4 * PATIENCE;
    loop {
        let found = store.fetch(home, addresses).unwrap();
        if found.iter().all(|(_, document)| document.is_some()) {
            return found.into_iter().filter_map(|(_, document)| document).collect();
        }
        store.let_go(home, addresses).unwrap();
        assert!(Instant::now() < deadline, "another home does not let go");
        std::thread::sleep(Duration::from_millis(u64::from(home.as_str().as_bytes()[0] % 16)));
    }
}

fn plus_one(document: Document) -> Save {
    let count: u64 = document.value.as_ref().map_or(0, |value| value.parse().unwrap());
    save(document.address.as_str(), document.version, Some(&(count + 1).to_string()))
}
