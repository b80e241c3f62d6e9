use godra::account::look_alikes::ConfusableNames;
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
    suite::names_may_look_alike(&mut stores.with(ConfusableNames::Allow).connect().unwrap());
}

#[test]
fn writers_at_once() {
    let (_folder, stores) = open();
    races::all(&stores);
}
