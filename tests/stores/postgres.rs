//! The suite and the races on PostgreSQL, and what a server can do to its clients.

use godra::account::store::{PostgresDsn, Stores};
use godra::config::Database;

use crate::common::postgres::Postgres;
use crate::{races, suite};

pub fn open(dsn: &str) -> Result<Stores, String> {
    let dsn = PostgresDsn::parse(dsn).unwrap();
    Stores::open(&Database::Postgres(Box::new(dsn))).map_err(|error| error.to_string())
}

#[test]
fn keeps_the_contract() {
    let server = Postgres::start();
    let stores = open(&server.database("contract")).unwrap();
    suite::suite(&mut || stores.connect().unwrap());
}

#[test]
fn writers_at_once() {
    let server = Postgres::start();
    let stores = open(&server.database("races")).unwrap();
    races::all(&stores);
}
