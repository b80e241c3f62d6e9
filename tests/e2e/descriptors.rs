//! A store comes back while the process has no descriptor left for a connection to it.

use serde_json::json;

use crate::common::accounts::{PASSWORD, account};
use crate::common::postgres::Postgres;
use crate::common::redis::Redis;
use crate::common::server::Server;
use crate::common::wait_until;

/// Those that are open stay open, and no other can be opened.
const NO_MORE: Option<usize> = Some(3);

#[test]
fn redis_is_worked_with_once_a_descriptor_is_there() {
    let mut redis = Redis::start();
    let server = Server::start(&["--redis-addr", &redis.address()]);
    wait_until("the store to be there", || server.get("/ready").status == 200);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    assert_eq!(player.call("set", json!({"x": 1}), 1)["type"], "reply");
    server.limit_open_files(NO_MORE);
    redis.kill();
    redis.start_again();
    server.output().wait_for_line(&["Too many open files"]);
    let refused = player.call("set", json!({"x": 2}), 2);
    assert_eq!((&refused["type"], &refused["payload"]["code"]), (&json!("error"), &json!("unavailable")));
    server.limit_open_files(None);
    wait_until("the store to be worked with", || server.get("/ready").status == 200);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    assert_eq!(player.call("set", json!({"x": 3}), 1)["type"], "reply");
}

#[test]
fn postgres_is_worked_with_once_a_descriptor_is_there() {
    let postgres = Postgres::start();
    let server = Server::start(&["--db-type", "postgres", "--db-dsn", &postgres.database("game")]);
    account(&server, "ann");
    let mut connection = server.connect();
    let body = json!({"username": "ann", "password": PASSWORD}).to_string();
    let mut login = || connection.request("POST", "/login", &[], body.as_bytes());
    assert_eq!(login().status, 200);
    server.limit_open_files(NO_MORE);
    postgres.restart();
    for _ in 0..3 {
        let refused = login();
        assert_eq!((refused.status, refused.error_code().as_str()), (503, "unavailable"), "{refused:?}");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
    }
    server.limit_open_files(None);
    wait_until("accounts to be there", || login().status == 200);
    assert_eq!(server.post("/login", &json!({"username": "ann", "password": PASSWORD})).status, 200);
}
