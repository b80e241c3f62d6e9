//! The stores of documents: one suite, run on each database, and the threads in front of them.

mod contract;
mod faults;
mod ledgers;
mod moving;
mod races;
mod service;

use std::collections::HashMap;
use std::path::PathBuf;

use godra::account::store::{Dsn, Stores};
use godra::document::store::{DocumentStore, connect};
use godra::document::{Address, Document, Entry, HomeId, Lost, Save};
use tempfile::TempDir;

use crate::common::postgres::Postgres;
use crate::postgres::open;

/// A connection to the database under test.
type Store = Box<dyn DocumentStore>;

/// A database with documents, and what a test may do to it behind the stores' back.
enum Database {
    Sqlite(TempDir, Stores),
    Postgres(Postgres, Stores),
}

impl Database {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::open(&Dsn::Sqlite(folder.path().join("game.db"))).unwrap();
        Self::Sqlite(folder, stores)
    }

    fn postgres() -> Self {
        let server = Postgres::start();
        let stores = open(&server.database("documents")).unwrap();
        Self::Postgres(server, stores)
    }

    fn stores(&self) -> &Stores {
        match self {
            Self::Sqlite(_, stores) | Self::Postgres(_, stores) => stores,
        }
    }

    fn connect(&self) -> Store {
        connect(self.stores()).unwrap()
    }

    fn file(folder: &TempDir) -> PathBuf {
        folder.path().join("game.db")
    }

    /// Runs a statement; the first column of the first row, if there is one.
    fn sql(&self, statement: &str) -> String {
        match self {
            Self::Postgres(server, _) => server.sql("documents", statement),
            Self::Sqlite(folder, _) => {
                let connection = rusqlite::Connection::open(Self::file(folder)).unwrap();
                let mut statement = connection.prepare(statement).unwrap();
                let mut rows = statement.query(()).unwrap();
                let Some(row) = rows.next().unwrap() else { return String::new() };
                match row.get::<_, rusqlite::types::Value>(0).unwrap() {
                    rusqlite::types::Value::Text(text) => text,
                    rusqlite::types::Value::Integer(number) => number.to_string(),
                    other => format!("{other:?}"),
                }
            }
        }
    }

    /// Lets a home's lease be over.
    fn kill_home(&self, home: &HomeId) {
        self.sql(&format!("UPDATE homes SET alive_until_ms = 0 WHERE home = '{home}'"));
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A save that makes version `base + 1`; without a value a delete.
fn save(at: &str, base: u64, value: Option<&str>) -> Save {
    let document = Document {
        address: address(at),
        version: base + 1,
        owner: Some("7".into()),
        schema: 3,
        value: value.map(Into::into),
        updated_at_ms: 1_800_000_000_000 + base,
        recent_keys: None,
    };
    Save::of(document, base)
}

fn entry(saves: impl IntoIterator<Item = Save>) -> Entry {
    Entry { saves: saves.into_iter().collect() }
}

/// One entry with one save.
fn one(at: &str, base: u64, value: &str) -> Entry {
    entry([save(at, base, Some(value))])
}

fn lost(at: &str, version: u64) -> Lost {
    Lost { address: address(at), version }
}

/// Makes a home of documents that are free or its own.
fn take(store: &mut Store, home: &HomeId, at: &[&str]) -> HashMap<String, Document> {
    let addresses: Vec<Address> = at.iter().map(|text| address(text)).collect();
    let found = store.fetch(home, &addresses).unwrap();
    assert_eq!(found.iter().map(|(address, _)| address.as_str()).collect::<Vec<_>>(), at);
    found
        .into_iter()
        .map(|(address, document)| (address.to_string(), document.expect("it is free")))
        .collect()
}

/// Version and value of a document, for a home that has or gets it.
fn read(store: &mut Store, home: &HomeId, at: &str) -> (u64, Option<String>) {
    let document = take(store, home, &[at]).remove(at).unwrap();
    (document.version, document.value.map(String::from))
}

fn there(version: u64, value: &str) -> (u64, Option<String>) {
    (version, Some(value.to_owned()))
}
