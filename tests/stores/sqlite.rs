use godra::account::store::{Dsn, Stores};
use tempfile::TempDir;

use crate::{races, suite};

fn open() -> (TempDir, Stores) {
    let folder = tempfile::tempdir().unwrap();
    let stores = Stores::open(&Dsn::Sqlite(folder.path().join("game.db"))).unwrap();
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
