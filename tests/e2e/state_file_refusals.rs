//! A state file that cannot be used stops the start, and stays as it is.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::common::server::{Folder, Server, run_to_end};

/// A folder with a state file that a server made and left in good order.
fn folder_with_state_file() -> (Folder, PathBuf) {
    let folder = Folder::new();
    let path = folder.path().join("rooms.db");
    let mut server = Server::start(&["--state-file", path.to_str().unwrap()]);
    for _ in 0..20 {
        server.guest().create_lobby(4);
    }
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    (folder, path)
}

/// All files in a folder with their contents.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rooms.db")))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[track_caller]
fn refused(folder: &Folder, expected: &str) {
    let before = files(folder.path());
    let flags = ["--host", "127.0.0.1", "--port", "0", "--state-file", "rooms.db"];
    let ended = run_to_end(folder, &flags, &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let last = ended.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("the state file rooms.db ") && last.contains(expected), "{}", ended.stderr);
    assert!(files(folder.path()) == before, "the file was touched");
}

#[test]
fn other_files_are_refused() {
    let folder = Folder::new();
    let path = folder.path().join("rooms.db");
    for text in ["my diary\n".repeat(1000), "x".to_owned(), "SQLite format 3\0".to_owned()] {
        fs::write(&path, text).unwrap();
        refused(&folder, "is not a state file of godra");
    }
    fs::write(&path, "").unwrap();
    refused(&folder, "is damaged (it is empty)");
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
    refused(&folder, "is not a state file of godra");
    fs::remove_file(&path).unwrap();
    fs::create_dir(folder.path().join("rooms.db.d")).unwrap();
    let flags = ["--host", "127.0.0.1", "--port", "0", "--state-file", "rooms.db.d"];
    assert_eq!(run_to_end(&folder, &flags, &[]).code, Some(1));
}

#[test]
fn the_database_of_accounts_is_refused() {
    let folder = Folder::new();
    let flags = ["--host", "127.0.0.1", "--port", "0", "--state-file", "same.db", "--db-dsn", "same.db"];
    let ended = run_to_end(&folder, &flags, &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("the state file same.db is not a state file"), "{}", ended.stderr);
}

#[test]
fn a_newer_file_is_refused() {
    let (folder, path) = folder_with_state_file();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 4).unwrap();
    refused(&folder, "was written by a newer version of godra (schema 4, this one knows up to 3)");
}

/// The newer version ended without a word, so its mark is in the log alone, which has to stay as it is, too.
#[test]
fn a_newer_log_is_refused() {
    let (folder, path) = folder_with_state_file();
    let connection = Connection::open(&path).unwrap();
    connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    let _ = fs::remove_file(folder.path().join("rooms.db-shm"));
    assert!(fs::metadata(folder.path().join("rooms.db-wal")).unwrap().len() > 0);
    refused(&folder, "was written by a newer version of godra (schema 7");
}

#[test]
fn damage_is_noticed() {
    let (folder, path) = folder_with_state_file();
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    refused(&folder, "is damaged");
    // Values in the middle of the file, which make sense to SQLite. There may be older copies of a value in free space.
    let mut bad = good.clone();
    let places: Vec<usize> = (0..good.len() - 4).filter(|&at| &good[at..at + 4] == b"open").collect();
    assert!(!places.is_empty(), "lobbies are open");
    places.into_iter().for_each(|at| bad[at] = b'O');
    fs::write(&path, &bad).unwrap();
    refused(&folder, "its checksum is wrong");
    // A page without sense.
    let mut bad = good.clone();
    let page = bad.len() / 4096 / 2 * 4096;
    bad[page..page + 64].fill(0xff);
    fs::write(&path, &bad).unwrap();
    refused(&folder, "is damaged");
    // And back: nothing of this has a memory.
    fs::write(&path, &good).unwrap();
    Server::start(&["--state-file", path.to_str().unwrap()]);
}

#[test]
fn a_file_in_use_is_refused_and_its_owner_goes_on() {
    let folder = Folder::new();
    let path = folder.path().join("rooms.db");
    let mut owner = Server::start(&["--state-file", path.to_str().unwrap()]);
    let flags = ["--host", "127.0.0.1", "--port", "0", "--state-file", "rooms.db"];
    let ended = run_to_end(&folder, &flags, &[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("the state file rooms.db is in use by another process"),
        "{}",
        ended.stderr
    );
    owner.guest().create_lobby(4);
    owner.terminate();
    assert_eq!(owner.wait().code(), Some(0));
    let again = Server::start(&["--state-file", path.to_str().unwrap()]);
    again.output().wait_for_line(&["state file", "rooms=1"]);
}
