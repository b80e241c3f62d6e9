//! What a database can do to its clients.

use std::time::{Duration, Instant};

use godra::account::records::StoreFault;

use super::*;
use crate::common::disk::Disk;
use crate::common::wait_until;
use crate::failing_sync::fail_syncs;

/// A call may take five seconds; the rest is for a busy machine.
const LONGEST_CALL: Duration = Duration::from_secs(8);

#[track_caller]
fn is_unavailable<T: std::fmt::Debug>(result: Result<T, StoreFault>) {
    assert!(matches!(result, Err(StoreFault::Unavailable(_))), "{result:?}");
}

fn server_of(database: &Database) -> &Postgres {
    match database {
        Database::Postgres(server, _) => server,
        Database::Sqlite(..) => panic!("it has no server"),
    }
}

#[test]
fn a_restart_of_the_server_loses_nothing() {
    let database = Database::postgres();
    let (mut store, home) = (database.connect(), HomeId::random());
    take(&mut store, &home, &["a/1"]);
    for round in 0..3 {
        assert_eq!(store.write(&home, &[one("a/1", 2 * round, "before")]), Ok(vec![]));
        server_of(&database).restart();
        assert_eq!(store.write(&home, &[one("a/1", 2 * round + 1, "after")]), Ok(vec![]));
        assert_eq!(read(&mut store, &home, "a/1"), there(2 * round + 2, "after"));
    }
}

#[test]
fn a_server_that_is_away_is_unavailable_until_it_is_back() {
    let database = Database::postgres();
    let (mut store, home) = (database.connect(), HomeId::random());
    take(&mut store, &home, &["a/1"]);
    server_of(&database).stop();
    is_unavailable(store.write(&home, &[one("a/1", 0, "1")]));
    is_unavailable(store.fetch(&home, &[address("a/2")]));
    is_unavailable(store.renew(&home));
    is_unavailable(store.let_go(&home, &[address("a/1")]));
    server_of(&database).start_again();
    assert_eq!(store.write(&home, &[one("a/1", 0, "1"), one("a/1", 1, "2")]), Ok(vec![]));
    assert_eq!(read(&mut store, &home, "a/1"), there(2, "2"));
}

#[test]
fn a_frozen_server_is_not_waited_for_and_what_it_did_after_all_is_not_done_twice() {
    let database = Database::postgres();
    let (mut store, home) = (database.connect(), HomeId::random());
    take(&mut store, &home, &["a/1", "a/2"]);
    server_of(&database).signal("STOP");
    for _ in 0..2 {
        let began = Instant::now();
        is_unavailable(store.write(&home, &[one("a/1", 0, "1")]));
        assert!(began.elapsed() < LONGEST_CALL, "{:?}", began.elapsed());
    }
    server_of(&database).signal("CONT");
    let entries = [one("a/1", 0, "1"), entry([save("a/1", 1, Some("2")), save("a/2", 0, Some("1"))])];
    wait_until("the server answers again", || store.write(&home, &entries) == Ok(vec![]));
    assert_eq!(read(&mut store, &home, "a/1"), there(2, "2"));
    assert_eq!(read(&mut store, &home, "a/2"), there(1, "1"));
}

#[test]
fn a_lock_that_somebody_holds_is_not_waited_for_without_end() {
    let database = Database::postgres();
    let (mut store, home) = (database.connect(), HomeId::random());
    take(&mut store, &home, &["a/1", "a/2"]);
    std::thread::scope(|scope| {
        scope.spawn(|| database.sql("BEGIN; LOCK TABLE documents; SELECT pg_sleep(7); COMMIT"));
        let is_locked = "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
             AND relation = 'documents'::regclass";
        wait_until("the lock is held", || database.sql(is_locked) == "t");
        let began = Instant::now();
        is_unavailable(store.write(&home, &[one("a/1", 0, "1")]));
        assert!(began.elapsed() < LONGEST_CALL, "{:?}", began.elapsed());
    });
    assert_eq!(store.write(&home, &[one("a/1", 0, "1")]), Ok(vec![]));
}

#[test]
fn a_full_disk_leaves_no_half_entries() {
    let disk = Disk::mount();
    let stores = Stores::open(&Dsn::Sqlite(disk.file("game.db"))).unwrap();
    let (mut store, home) = (connect(&stores).unwrap(), HomeId::random());
    take(&mut store, &home, &["a/1", "a/2"]);
    let value = format!("\"{}\"", "x".repeat(100_000));
    disk.fill();
    let entries = [entry([save("a/1", 0, Some("1")), save("a/2", 0, Some(&value))])];
    for _ in 0..3 {
        is_unavailable(store.write(&home, &entries));
    }
    assert_eq!(read(&mut store, &home, "a/1"), (0, None), "what is ours is read on");
    disk.make_room();
    assert_eq!(store.write(&home, &entries), Ok(vec![]));
    assert_eq!(read(&mut store, &home, "a/1"), there(1, "1"));
    assert_eq!(read(&mut store, &home, "a/2"), there(1, &value));
}

#[test]
fn a_failed_sync_leaves_no_half_entries() {
    let database = Database::sqlite();
    let (mut store, home) = (database.connect(), HomeId::random());
    take(&mut store, &home, &["a/1", "a/2"]);
    let entries = [entry([save("a/1", 0, Some("1")), save("a/2", 0, Some("1"))])];
    // The filter stays on its thread until that ends; the connection goes back to this one.
    let (mut store, results) = std::thread::scope(|scope| {
        let failing = scope.spawn(|| {
            fail_syncs();
            let results: Vec<_> = (0..3).map(|_| store.write(&home, &entries)).collect();
            (store, results)
        });
        failing.join().unwrap()
    });
    results.into_iter().for_each(is_unavailable);
    assert_eq!(read(&mut store, &home, "a/1"), (0, None));
    assert_eq!(store.write(&home, &entries), Ok(vec![]));
    assert_eq!(read(&mut store, &home, "a/2"), there(1, "1"));
    assert_eq!(database.sql("PRAGMA integrity_check"), "ok");
}
