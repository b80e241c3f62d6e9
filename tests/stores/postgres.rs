//! The suite and the races on PostgreSQL, and what a server can do to its clients.

use std::time::{Duration, Instant};

use godra::account::look_alikes::ConfusableNames;
use godra::account::records::StoreFault;
use godra::account::store::{Dsn, Stores};

use crate::common::postgres::Postgres;
use crate::common::wait_until;
use crate::suite::{NOW_MS, NOW_S, new_account};
use crate::{races, suite};

pub fn open(dsn: &str) -> Result<Stores, String> {
    Stores::open(&Dsn::postgres(dsn).unwrap()).map_err(|error| error.to_string())
}

#[test]
fn keeps_the_contract() {
    let server = Postgres::start();
    let stores = open(&server.database("contract")).unwrap();
    suite::suite(&mut || stores.connect().unwrap());
    suite::names_may_look_alike(&mut stores.with(ConfusableNames::Allow).connect().unwrap());
}

#[test]
fn writers_at_once() {
    let server = Postgres::start();
    let stores = open(&server.database("races")).unwrap();
    races::all(&stores);
}

/// A call may take five seconds; the rest is for a busy machine.
const LONGEST_CALL: Duration = Duration::from_secs(8);

fn is_unavailable<T: std::fmt::Debug>(result: Result<T, StoreFault>) -> bool {
    match result {
        Ok(_) => false,
        Err(StoreFault::Unavailable(_)) => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_restart_costs_each_connection_one_error_at_most() {
    let server = Postgres::start();
    let stores = open(&server.database("restarted")).unwrap();
    let mut connections: Vec<_> = (0..4).map(|_| stores.connect().unwrap()).collect();
    for round in 0..3 {
        // Statements are prepared before and must be again, afterwards.
        for (number, store) in connections.iter_mut().enumerate() {
            store.kick(&format!("guest:{round}-{number}"), "before", NOW_MS).unwrap();
            store.bans(NOW_S).unwrap();
        }
        server.restart();
        let mut errors = 0;
        for (number, store) in connections.iter_mut().enumerate() {
            let user_id = format!("guest:{round}-{number}");
            if number % 2 == 0 {
                errors += usize::from(is_unavailable(store.kick(&user_id, "after", NOW_MS)));
            } else {
                errors += usize::from(is_unavailable(store.bans(NOW_S)));
            }
            store.kick(&user_id, "at last", NOW_MS).unwrap();
        }
        assert_eq!(errors, 0, "what cannot have been carried out is tried again");
    }
    let notices = stores.connect().unwrap().notices(0, 1000).unwrap();
    let numbers: Vec<u64> = notices.iter().map(|notice| notice.id).collect();
    assert_eq!(numbers, (1..=3 * 10).collect::<Vec<_>>(), "each was written once");
}

#[test]
fn a_server_that_is_away_is_unavailable_until_it_is_back() {
    let server = Postgres::start();
    let stores = open(&server.database("away")).unwrap();
    let mut store = stores.connect().unwrap();
    server.stop();
    for _ in 0..3 {
        assert!(is_unavailable(store.create(&new_account("ada"), NOW_S)));
        assert!(is_unavailable(store.find(1, NOW_S)));
    }
    assert!(is_unavailable(stores.connect().map(drop)));
    server.start_again();
    assert!(store.create(&new_account("ada"), NOW_S).unwrap().is_some());
}

#[test]
fn a_frozen_server_is_not_waited_for() {
    let server = Postgres::start();
    let stores = open(&server.database("frozen")).unwrap();
    let mut store = stores.connect().unwrap();
    store.kick("guest:1", "", NOW_MS).unwrap();
    server.signal("STOP");
    let started = Instant::now();
    assert!(is_unavailable(store.kick("guest:2", "", NOW_MS)));
    assert!(started.elapsed() < LONGEST_CALL, "{:?}", started.elapsed());
    // A new connection is taken by the kernel, and not served either.
    let started = Instant::now();
    assert!(is_unavailable(store.find(1, NOW_S)));
    assert!(started.elapsed() < LONGEST_CALL, "{:?}", started.elapsed());
    server.signal("CONT");
    wait_until("the server answers again", || store.find(1, NOW_S).is_ok());
    store.kick("guest:3", "", NOW_MS).unwrap();
    let notices = store.notices(0, 10).unwrap();
    let users: Vec<&str> = notices.iter().map(|notice| notice.user_id.as_str()).collect();
    assert_eq!(users, ["guest:1", "guest:3"], "what was given up in the middle is rolled back");
}

#[test]
fn a_lock_that_somebody_holds_is_not_waited_for_without_end() {
    let server = Postgres::start();
    let stores = open(&server.database("locked")).unwrap();
    let mut store = stores.connect().unwrap();
    store.kick("guest:1", "", NOW_MS).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| server.sql("locked", "BEGIN; LOCK TABLE notice_counter; SELECT pg_sleep(7); COMMIT"));
        let is_locked = "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
             AND relation = 'notice_counter'::regclass";
        wait_until("the lock is held", || server.sql("locked", is_locked) == "t");
        let started = Instant::now();
        assert!(is_unavailable(store.kick("guest:2", "", NOW_MS)));
        assert!(started.elapsed() < LONGEST_CALL, "{:?}", started.elapsed());
        assert_eq!(store.find(1, NOW_S), Ok(None), "the connection works on");
    });
    store.kick("guest:3", "", NOW_MS).unwrap();
    assert_eq!(store.notices(0, 10).unwrap().len(), 2);
}

#[test]
fn a_server_that_is_out_of_connections_is_unavailable() {
    let server = Postgres::start_with(&["max_connections=6", "superuser_reserved_connections=0"]);
    let stores = open(&server.database("crowded")).unwrap();
    let mut connections = Vec::new();
    let refusal = loop {
        match stores.connect() {
            Ok(store) => connections.push(store),
            Err(fault) => break fault,
        }
        assert!(connections.len() <= 6);
    };
    assert!(matches!(&refusal, StoreFault::Unavailable(words) if words.contains("too many")), "{refusal:?}");
    connections[0].kick("guest:1", "", NOW_MS).unwrap();
    connections.pop();
    wait_until("the place is free", || stores.connect().is_ok());
}
