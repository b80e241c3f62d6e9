use godra::account::store::Stores;
use godra::config::Database;
use tempfile::TempDir;

use crate::{races, suite};

fn open() -> (TempDir, Stores) {
    let folder = tempfile::tempdir().unwrap();
    let stores = Stores::open(&Database::Sqlite(folder.path().join("game.db"))).unwrap();
    (folder, stores)
}

#[test]
fn keeps_the_contract() {
    let (_folder, stores) = open();
    suite::suite(&mut || stores.connect().unwrap());
}

#[test]
fn writers_at_once() {
    let (_folder, stores) = open();
    races::all(&stores);
}
