//! Bringing a database's schema up to date: by many at once, and not where it does not belong.

use std::sync::Barrier;

use godra::account::store::{Dsn, Stores};

use crate::common::postgres::Postgres;
use crate::common::server::{Folder, Server, run_to_end};
use crate::postgres::open;

const STARTERS: usize = 10;

/// Lets ten open a database at the same moment; all must find the same secret in it.
fn open_together(open: impl Fn() -> Result<Stores, String> + Sync) {
    let start = Barrier::new(STARTERS);
    let secrets: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let run = || {
            start.wait();
            open().unwrap().connect().unwrap().jwt_secret().unwrap()
        };
        let starters: Vec<_> = (0..STARTERS).map(|_| scope.spawn(run)).collect();
        starters.into_iter().map(|starter| starter.join().unwrap()).collect()
    });
    assert!(secrets.iter().all(|secret| *secret == secrets[0]));
}

#[test]
fn ten_start_at_once_on_sqlite() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let database = Dsn::Sqlite(folder.path().join("game.db"));
        open_together(|| Stores::open(&database).map_err(|error| error.to_string()));
    }
}

#[test]
fn ten_start_at_once_on_postgres() {
    let server = Postgres::start();
    for round in 0..3 {
        let dsn = server.database(&format!("fresh{round}"));
        open_together(|| open(&dsn));
        let versions = "SELECT count(*), min(version), max(version) FROM godra_schema";
        assert_eq!(server.sql(&format!("fresh{round}"), versions), "1|5|5", "the steps were taken once");
    }
}

/// Expects a database to be refused with these words, and to stay as it is.
#[track_caller]
fn check_refused(server: &Postgres, name: &str, dsn: &str, expected: &str) {
    const TABLES: &str = "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class \
         WHERE relnamespace = 'public'::regnamespace";
    let before = server.sql(name, TABLES);
    let refusal = open(dsn).unwrap_err();
    assert!(refusal.contains(expected) && refusal.contains(name), "{refusal}");
    assert_eq!(refusal.lines().count(), 1, "{refusal}");
    assert_eq!(server.sql(name, TABLES), before);
}

#[test]
fn what_is_not_ours_is_refused_on_postgres() {
    let server = Postgres::start();
    let dsn = server.database("newer");
    open(&dsn).unwrap();
    server.sql("newer", "UPDATE godra_schema SET version = 99");
    check_refused(&server, "newer", &dsn, "newer version of godra (schema 99, this one knows up to 5)");
    assert_eq!(server.sql("newer", "SELECT version FROM godra_schema"), "99");

    let dsn = server.database("invoices");
    server.sql("invoices", "CREATE TABLE accounts (invoice INT)");
    check_refused(&server, "invoices", &dsn, "belongs to another program");
    assert_eq!(server.sql("invoices", "SELECT count(*) FROM accounts"), "0");

    let dsn = server.database("forbidden");
    server.sql("forbidden", "CREATE USER mallory");
    check_refused(&server, "forbidden", &format!("{dsn} user=mallory"), "permission denied");

    let missing = format!("{} sslmode=disable", server.dsn("missing"));
    let refusal = open(&missing).unwrap_err();
    assert!(refusal.contains("missing") && refusal.contains("does not exist"), "{refusal}");
}

/// Starts ten servers at the same moment on one database. A token of each must be good on the next: they share a secret.
fn start_servers(flags: &[&str]) {
    let start = Barrier::new(STARTERS);
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let run = || {
            let folder = Folder::new();
            start.wait();
            Server::start_in(folder, &[&["--threads", "1", "--state-file", "off"], flags].concat())
        };
        let starters: Vec<_> = (0..STARTERS).map(|_| scope.spawn(run)).collect();
        starters.into_iter().map(|starter| starter.join().unwrap()).collect()
    });
    let guests: Vec<_> = servers.iter().map(Server::guest).collect();
    for (number, guest) in guests.iter().enumerate() {
        let authorization = format!("Bearer {}", guest.token);
        let headers = [("Authorization", authorization.as_str())];
        let other = &servers[(number + 1) % STARTERS];
        let answer = other.request("POST", "/api/rpc", &headers, br#"{"script":"create_lobby"}"#);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[test]
fn ten_servers_start_at_once_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    start_servers(&["--db-dsn", folder.path().join("game.db").to_str().unwrap()]);
}

#[test]
fn ten_servers_start_at_once_on_postgres() {
    let server = Postgres::start();
    let dsn = server.database("shared");
    start_servers(&["--db-type", "postgres", "--db-dsn", &dsn]);
    assert_eq!(server.sql("shared", "SELECT count(*) FROM settings"), "1");
}

#[test]
fn a_server_that_is_away_stops_the_start_with_a_line_that_names_it() {
    let dsn = "host=127.0.0.1 port=1 user=ada password=secret dbname=game";
    let ended = run_to_end(&Folder::new(), &["--port", "0", "--db-type", "postgres", "--db-dsn", dsn], &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("the database ada@127.0.0.1:1/game is not available"), "{ended:?}");
    assert!(!ended.stderr.contains("secret"), "{ended:?}");
}
