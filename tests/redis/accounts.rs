//! Accounts in one PostgreSQL and rooms in one Redis, shared by nodes that have nothing else in common.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::accounts::{PASSWORD, User, account, user_command};
use crate::common::postgres::Postgres;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

/// How soon what happens on one node must reach the sockets of another.
const NEWS_TAKE: Duration = Duration::from_secs(2);

#[test]
fn what_happens_to_an_account_on_one_node_reaches_the_sockets_of_another() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let (address, dsn) = (redis.address(), postgres.dsn("postgres"));
    let flags = ["--db-type", "postgres", "--db-dsn", &dsn, "--redis-addr", &address];
    let [one, two] = [0; 2].map(|_| Server::start(&flags));

    for node in [&one, &two] {
        wait_until("the store to be there", || node.get("/ready").status == 200);
    }

    let make = ["create", "ann", "--role", "manager", "--db-type", "postgres"];
    user_command(&Folder::new(), &dsn, &make, PASSWORD);
    let ann = User::login(&one, "ann", PASSWORD);
    let ben = account(&two, "ben");
    let ben_at_one = User::login(&one, "BEN", PASSWORD);
    assert_eq!(ben.user_id, ben_at_one.user_id);

    // The same room through both nodes.
    let room = ann.create_lobby();
    let mut anns = ann.join(&room);
    let mut bens = ben.join(&room);
    anns.receive_type("player_joined");

    let banned_at = Instant::now();
    let answer = ann.rpc("ban", json!([ben.user_id, 3600, "be kind"]));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(bens.expect_close().0, 4501);
    assert!(banned_at.elapsed() < NEWS_TAKE, "{:?}", banned_at.elapsed());
    ben.wait_until_refused();
    ben_at_one.wait_until_refused();
    let refused = one.post("/login", &json!({"username": "ben", "password": PASSWORD}));
    assert_eq!((refused.status, refused.error_code().as_str()), (403, "forbidden"));

    // A changed password ends the other sessions, sockets on the other node included.
    let cid = account(&one, "cid");
    let cid_at_two = User::login(&two, "cid", PASSWORD);
    let mut cids = cid_at_two.join(&room);
    let changed = cid.post("/account/password", &json!({"old": PASSWORD, "new": "battery staple"}));
    assert_eq!(changed.status, 204, "{changed:?}");
    assert_eq!(cids.expect_close().0, 4001);
    cid_at_two.wait_until_refused();
    assert_eq!(cid.who_am_i().status, 200);
}

#[test]
fn rooms_hear_of_an_upgrade_once_the_store_is_back() {
    let redis = Redis::start();
    let server = Server::start(&["--redis-addr", &redis.address()]);
    let wait_until_ready = |status| {
        wait_until("the store to come or go", || server.get("/ready").status == status);
    };
    wait_until_ready(200);
    let guests = [0; 2].map(|_| User::guest(&server));
    let rooms = guests.each_ref().map(User::create_lobby);
    let upgrade = |number: usize, name: &str| {
        let body = json!({"username": name, "password": PASSWORD, "rooms": [rooms[number]]});
        let answer = guests[number].post("/account/upgrade", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        User::from_login(&server, &answer.json())
    };

    redis.signal("STOP");
    // The store has this call when it is found to be away, and that one is not sent to it.
    let ann = upgrade(0, "ann");
    wait_until_ready(503);
    let ben = upgrade(1, "ben");
    redis.signal("CONT");
    wait_until_ready(200);

    for (user, (room, guest)) in [ann, ben].iter().zip(rooms.iter().zip(&guests)) {
        let welcome = user.join(room).welcome;
        let state = &welcome["payload"]["state"];
        assert_eq!(state["owner"], json!(user.user_id), "{state}");
        assert!(state["players"].get(&guest.user_id).is_none(), "{state}");
    }
}
