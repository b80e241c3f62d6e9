//! Bringing a database's schema up to date: by many at once, and not where it does not belong.

use std::sync::Barrier;

use godra::account::store::{Dsn, Stores};

use crate::common::postgres::Postgres;
use crate::common::server::{Folder, Server, run_to_end};
use crate::postgres::open;

const STARTERS: usize = 10;
/// PostgreSQL's name for the type of bytes.
const BYTES: &str = "BYTEA";

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
        assert_eq!(server.sql(&format!("fresh{round}"), versions), "1|11|11", "the steps were taken once");
    }
}

/// Accounts from before names were compared by their looks, more than one transaction fills; the last two look like the first.
const OLD_ACCOUNTS: usize = 252;

fn insert_old_accounts() -> String {
    let name = |number: usize| match number {
        1 => "Daisy1".to_owned(),
        251 => "DaisyI".to_owned(),
        252 => "Dai\u{455}yl".to_owned(),
        _ => format!("old{number}x"),
    };
    let row = |number| format!("('{0}', '{0}', 'player', '', 0)", name(number));
    let rows: Vec<_> = (1..=OLD_ACCOUNTS).map(row).collect();
    let columns = "username, folded_name, role, password_hash, created_at_s";
    format!("INSERT INTO accounts ({columns}) VALUES {}", rows.join(", "))
}

/// What `sql` gives of the table is text; a start fills it.
fn old_accounts_get_skeletons(start: impl Fn() -> Stores + Sync, sql: impl Fn(&str) -> String) {
    start();
    sql(&insert_old_accounts());
    let rows = || sql("SELECT count(*) FROM name_skeletons");
    let owner = || sql("SELECT user_id FROM name_skeletons WHERE skeleton = 'daisyl'");
    start();
    assert_eq!(rows(), "0", "filled once, which was when there were none");
    sql("DELETE FROM settings WHERE name = 'name_skeletons'");
    // One has nothing that is not the first's, the other its small i.
    let filled = (OLD_ACCOUNTS - 1).to_string();
    open_together(|| Ok(start()));
    assert_eq!((rows(), owner()), (filled.clone(), "1".to_owned()), "the first keeps it");
    let mut store = start().connect().unwrap();
    for number in [2, 100, 101, 250] {
        assert_eq!(store.is_look_alike(&format!("0ld{number}x")), Ok(true), "{number}");
    }
    // A process that was stopped after the second page.
    sql("DELETE FROM name_skeletons WHERE user_id > 200");
    let version = godra::account::look_alikes::version();
    sql(&format!(
        "UPDATE settings SET value = CAST('{version} 200' AS {BYTES}) WHERE name = 'name_skeletons'"
    ));
    start();
    assert_eq!(rows(), filled);
    // Another version's are worth nothing.
    sql("DELETE FROM name_skeletons WHERE user_id > 1");
    sql("INSERT INTO name_skeletons VALUES ('other', 2)");
    sql(&format!("UPDATE settings SET value = CAST('0-1.1.1' AS {BYTES}) WHERE name = 'name_skeletons'"));
    open_together(|| Ok(start()));
    assert_eq!((rows(), owner()), (filled, "1".to_owned()));
    sql("DELETE FROM accounts WHERE id = 1");
    assert_eq!(store.is_look_alike("daisy1"), Ok(false), "they go with the account");
}

#[test]
fn old_accounts_get_skeletons_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("game.db");
    let sql = |text: &str| {
        let database = rusqlite::Connection::open(&path).unwrap();
        let mut statement = database.prepare(&text.replace(BYTES, "BLOB")).unwrap();
        let mut rows = statement.query(()).unwrap();
        let number = rows.next().unwrap().map(|row| row.get::<_, i64>(0).unwrap().to_string());
        number.unwrap_or_default()
    };
    old_accounts_get_skeletons(|| Stores::open(&Dsn::Sqlite(path.clone())).unwrap(), sql);
}

#[test]
fn old_accounts_get_skeletons_on_postgres() {
    let server = Postgres::start();
    let dsn = server.database("old");
    old_accounts_get_skeletons(|| open(&dsn).unwrap(), |text| server.sql("old", text));
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
    check_refused(&server, "newer", &dsn, "newer version of godra (schema 99, this one knows up to 11)");
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
    assert_eq!(server.sql("shared", "SELECT count(*) FROM settings WHERE name = 'jwt_secret'"), "1");
}

#[test]
fn a_server_that_is_away_stops_the_start_with_a_line_that_names_it() {
    let dsn = "host=127.0.0.1 port=1 user=ada password=secret dbname=game";
    let ended = run_to_end(&Folder::new(), &["--port", "0", "--db-type", "postgres", "--db-dsn", dsn], &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("the database ada@127.0.0.1:1/game is not available"), "{ended:?}");
    assert!(!ended.stderr.contains("secret"), "{ended:?}");
}
