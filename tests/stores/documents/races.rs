//! Many homes at once, which take documents from each other.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use godra::account::records::{Claiming, StoreFault};

use super::*;
use crate::common::{PATIENCE, wait_until};

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
                    let entries = [entry(saves)];
                    assert_eq!(in_time(|| store.write(&home, &entries)), vec![]);
                    in_time(|| store.let_go(&home, &addresses));
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

/// A save that has begun while its owner is erased, or becomes another: it waits for a row that somebody else is about to make.
fn while_a_save_waits(database: &Database, save: Entry, change: impl FnOnce()) {
    let (mut store, home) = (database.connect(), HomeId::random());
    let at = save.saves[0].document.address.clone();
    take(&mut store, &home, &[at.as_str()]);
    let rival = format!(
        "BEGIN; INSERT INTO documents (collection, key, version, schema_version, updated_at_ms) VALUES ('{}', '{}', 1, 1, 1); \
         SELECT pg_sleep(2); ROLLBACK",
        at.collection(),
        at.key()
    );
    let are = |condition: &str| {
        database.sql(&format!("SELECT count(*) > 0 FROM pg_stat_activity WHERE {condition}")) == "t"
    };
    std::thread::scope(|scope| {
        scope.spawn(|| database.sql(&rival));
        wait_until("the rival is there", || are("wait_event = 'PgSleep'"));
        let saved = scope.spawn(move || store.write(&home, &[save]));
        wait_until("the save waits", || {
            are("wait_event_type = 'Lock' AND query LIKE 'INSERT INTO documents%'")
        });
        change();
        assert_eq!(saved.join().unwrap(), Ok(vec![]));
    });
}

#[test]
fn what_is_being_saved_is_erased_with_its_owner() {
    let database = Database::postgres();
    let mut other = database.connect();
    while_a_save_waits(&database, one("a/first", 0, "1"), || {
        assert_eq!(other.erase_owner("7", 1_800_000_000_000), Ok(1));
    });
    assert_eq!(database.connect().read(&[address("a/first")]).unwrap()[0].value, None);
}

/// The upgrade is to be tried again, and takes it along then.
#[test]
fn what_is_being_saved_does_not_stay_with_a_guest() {
    let database = Database::postgres();
    let guest = "guest:Late_1";
    let mut late = one("a/late", 0, "1");
    late.saves[0].document.owner = Some(guest.into());
    let mut accounts = moving::accounts(&database);
    while_a_save_waits(&database, late, || {
        assert_eq!(accounts.claim_documents(guest), Ok(Claiming::All));
        let made = moving::become_account(&mut *accounts, guest);
        assert!(matches!(made, Err(StoreFault::Held(_))), "{made:?}");
    });
    // Its home has ended meanwhile.
    database.sql("UPDATE homes SET alive_until_ms = 0");
    assert_eq!(accounts.claim_documents(guest), Ok(Claiming::All));
    let account = moving::become_account(&mut *accounts, guest).unwrap();
    let found = database.connect().read(&[address("a/late")]).unwrap().remove(0);
    assert_eq!(found.owner.as_deref(), Some(&*account.id.to_string()));
}

/// Until it has all: what another home has is let go a moment later. Two that have a part each would wait for ever, so a part is
/// let go again.
fn take_in_time(store: &mut Store, home: &HomeId, addresses: &[Address]) -> Vec<Document> {
    let deadline = Instant::now() + 4 * PATIENCE;
    loop {
        let found = in_time(|| store.fetch(home, addresses));
        if found.iter().all(|(_, document)| document.is_some()) {
            return found.into_iter().filter_map(|(_, document)| document).collect();
        }
        in_time(|| store.let_go(home, addresses));
        assert!(Instant::now() < deadline, "another home does not let go");
        std::thread::sleep(Duration::from_millis(u64::from(home.as_str().as_bytes()[0] % 16)));
    }
}

/// The store tries a few times to end a transaction; with so many in its way it may take more.
fn in_time<T>(mut attempt: impl FnMut() -> Result<T, StoreFault>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(fault) => {
                let is_conflict = format!("{fault:?}").contains("could not serialize");
                assert!(is_conflict && Instant::now() < deadline, "{fault:?}");
            }
        }
    }
}

fn plus_one(document: Document) -> Save {
    let count: u64 = document.value.as_ref().map_or(0, |value| value.parse().unwrap());
    save(document.address.as_str(), document.version, Some(&(count + 1).to_string()))
}
