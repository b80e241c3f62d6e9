use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Barrier};

use tempfile::TempDir;

use super::super::sql_store::SqlStore;
use super::*;
use crate::account::look_alikes::ConfusableNames;
use crate::account::records::{AccountStore, StoreFault};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("game.db");
    (folder, path)
}

fn sql_store(path: &Path) -> SqlStore<Sqlite> {
    SqlStore::new(Sqlite::open(path, &Turns::new()).unwrap(), ConfusableNames::Refuse, None)
}

fn secret_of(path: &Path) -> Vec<u8> {
    sql_store(path).jwt_secret().unwrap()
}

/// Expects the file to be refused with these words, and to stay as it is, without side files.
#[track_caller]
fn check_refused(folder: &TempDir, path: &Path, expected: &str) {
    let before = fs::read(path).unwrap();
    let error = Sqlite::open(path, &Turns::new()).unwrap_err().to_string();
    assert!(error.contains(expected) && error.contains("game.db"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert_eq!(fs::read(path).unwrap(), before, "the file is untouched");
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["game.db"]);
}

#[test]
fn the_secret_is_made_once_and_kept() {
    let (_folder, path) = folder();
    let first = secret_of(&path);
    assert_eq!(first.len(), 48);
    assert_eq!(secret_of(&path), first);
    let (_other_folder, other_path) = folder();
    assert_ne!(secret_of(&other_path), first);
}

fn pragma_text(store: &Sqlite, name: &str) -> String {
    store
        .connection
        .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
        .map(|value| match value {
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Integer(number) => number.to_string(),
            other => format!("{other:?}"),
        })
        .unwrap()
}

#[test]
fn what_was_answered_survives_a_power_failure() {
    let (_folder, path) = folder();
    let store = Sqlite::open(&path, &Turns::new()).unwrap();
    assert_eq!(pragma_text(&store, "journal_mode"), "wal");
    assert_eq!(pragma_text(&store, "synchronous"), "2");
    assert_eq!(pragma_text(&store, "foreign_keys"), "1");
    assert_eq!(pragma_text(&store, "user_version"), "12");
}

#[test]
fn only_the_owner_may_read_the_files() {
    let (folder, path) = folder();
    let mut store = sql_store(&path);
    store.jwt_secret().unwrap();
    let mut files = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        files += 1;
    }
    assert!(files >= 2, "the write-ahead log is there");
}

#[test]
fn many_may_start_at_once() {
    const STARTERS: usize = 12;
    for _ in 0..5 {
        let (_folder, path) = folder();
        let together = Arc::new(Barrier::new(STARTERS));
        let start = || {
            let (path, together) = (path.clone(), Arc::clone(&together));
            std::thread::spawn(move || {
                together.wait();
                secret_of(&path)
            })
        };
        let starters: Vec<_> = (0..STARTERS).map(|_| start()).collect();
        let secrets: Vec<Vec<u8>> = starters.into_iter().map(|starter| starter.join().unwrap()).collect();
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }
}

#[test]
fn a_guest_that_had_become_two_accounts_is_the_first() {
    let (_folder, path) = folder();
    let database = Connection::open(&path).unwrap();
    migrations::STEPS[..4].iter().for_each(|step| database.execute_batch(step).unwrap());
    database
        .execute_batch(
            "PRAGMA application_id = 0x47647261; PRAGMA user_version = 4;
             INSERT INTO accounts (username, folded_name, role, password_hash, created_at_s, guest_id) VALUES
               ('a', 'a', 'player', '', 0, 'guest:one'), ('b', 'b', 'player', '', 0, 'guest:one'),
               ('c', 'c', 'player', '', 0, NULL), ('d', 'd', 'player', '', 0, NULL),
               ('e', 'e', 'player', '', 0, 'guest:two')",
        )
        .unwrap();
    let mut store = sql_store(&path);
    let accounts = store.list(0, 9, 0).unwrap();
    let guests: Vec<_> = accounts.iter().map(|account| account.guest_id.as_deref()).collect();
    assert_eq!(guests, [Some("guest:one"), None, None, None, Some("guest:two")]);
}

#[test]
fn a_newer_schema_is_refused() {
    let (folder, path) = folder();
    drop(Sqlite::open(&path, &Turns::new()).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    check_refused(&folder, &path, "newer version of godra (schema 99, this one knows up to 12)");
}

#[test]
fn the_database_of_another_program_is_refused() {
    let (folder, path) = folder();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE invoices (id)").unwrap();
    check_refused(&folder, &path, "another program");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let (folder, path) = folder();
    fs::write(&path, "my diary\n".repeat(1000)).unwrap();
    check_refused(&folder, &path, "is damaged or not an SQLite file");
}

#[test]
fn a_database_cut_short_is_refused() {
    let (folder, path) = folder();
    secret_of(&path);
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length / 2).unwrap();
    check_refused(&folder, &path, "is damaged");
}

#[test]
fn a_database_with_overwritten_pages_is_refused() {
    let (folder, path) = folder();
    secret_of(&path);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..1000].fill(0xAA);
    fs::write(&path, bytes).unwrap();
    check_refused(&folder, &path, "is damaged");
}

#[test]
fn a_place_where_no_file_can_be_made_is_named() {
    let (_folder, path) = folder();
    let error = Sqlite::open(&path.join("below"), &Turns::new()).unwrap_err().to_string();
    assert!(error.contains("game.db/below") && error.contains("cannot be made"), "{error}");
}

#[test]
fn a_step_that_fails_leaves_no_trace() {
    let (_folder, path) = folder();
    // The table's name is taken in a file that says it is ours and has no schema yet.
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE settings (other); PRAGMA application_id = 0x47647261").unwrap();
    drop(connection);
    assert!(Sqlite::open(&path, &Turns::new()).is_err());
    let version: i64 =
        Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 0);
}

fn kick(store: &mut SqlStore<Sqlite>, reason: &str) -> StoreResult<()> {
    store.kick("guest:1", reason, 0)
}

fn check_integrity(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let verdict: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

#[test]
fn a_full_disk_is_unavailable_and_leaves_no_half_rows() {
    let (_folder, path) = folder();
    let mut store = sql_store(&path);
    kick(&mut store, "before").unwrap();
    let pages: i64 =
        store.database.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.database.connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
    let fault = kick(&mut store, &"x".repeat(100_000)).unwrap_err();
    assert!(matches!(&fault, StoreFault::Unavailable(words) if words.contains("full")), "{fault}");
    // The counter was raised in the transaction that failed.
    assert_eq!(store.notices(0, 10).unwrap().len(), 1);
    kick(&mut store, "what fits").unwrap();
    store.database.connection.pragma_update(None, "max_page_count", i64::from(u32::MAX - 1)).unwrap();
    kick(&mut store, &"x".repeat(100_000)).unwrap();
    let numbers: Vec<u64> = store.notices(0, 10).unwrap().iter().map(|notice| notice.id).collect();
    assert_eq!(numbers, [1, 2, 3]);
    check_integrity(&path);
}

#[test]
fn a_file_of_the_first_schema_goes_forward_with_its_secret() {
    let (_folder, path) = folder();
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
             INSERT INTO settings VALUES ('jwt_secret', x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
             PRAGMA application_id = 0x47647261; PRAGMA user_version = 1",
        )
        .unwrap();
    drop(connection);
    assert_eq!(secret_of(&path), (0..32).collect::<Vec<u8>>());
    kick(&mut sql_store(&path), "").unwrap();
}

#[test]
fn a_writer_that_holds_the_file_is_waited_for() {
    let (_folder, path) = folder();
    let mut store = sql_store(&path);
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| kick(&mut store, ""));
        // Nothing shows that it waits. If it has not come this far by now, the test is merely too kind.
        std::thread::sleep(Duration::from_millis(100));
        assert!(!writing.is_finished());
        other.execute_batch("COMMIT").unwrap();
        writing.join().unwrap().unwrap();
    });
}
