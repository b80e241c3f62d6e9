//! Redis has a bound of its own, `maxmemory`: what happens there is what happens at the embedded store's.

use serde_json::json;

use crate::common::full::{check, fill, write_scripts};
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

fn start(redis: &Redis) -> Server {
    let folder = Folder::new();
    write_scripts(&folder);
    folder.write_script("shout", "-- ROLE: guest\ngodra.publish('shouted', {})\nreturn 'OK'\n");
    let flags = ["--redis-addr", &redis.address(), "--sync-interval", "5"];
    let server = Server::start_in(folder, &flags);
    wait_until("the store to be there", || server.get("/ready").status == 200);
    server
}

/// Leaves the store some megabytes more than it takes with a server at work: what servers run there takes some, too.
fn bound(redis: &Redis) {
    let info = redis.command(&["INFO", "memory"]);
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("it tells");
    let used: u64 = used.trim().parse().expect("a number");
    redis.command(&["CONFIG", "SET", "maxmemory", &(used + (8 << 20)).to_string()]);
}

#[test]
fn players_go_on_while_the_store_is_full() {
    let redis = Redis::start();
    let server = start(&redis);
    bound(&redis);
    check(&server);
    assert_eq!(redis.command(&["KEYS", "*undo*"]).trim(), "*0");
    assert_eq!(server.metric("godra_redis_reconnects_total"), 0.0);
}

/// Rooms' events go on in order; the node keeps its lease, and another one can start.
#[test]
fn a_full_store_loses_no_node_and_no_event() {
    let redis = Redis::start();
    let server = start(&redis);
    bound(&redis);
    let (greedy, other) = (server.guest(), server.guest());
    let room = other.create_lobby(4);
    let mut hoarder = greedy.join(&greedy.create_lobby(4));
    let mut player = other.join(&room);
    assert_eq!(player.call("shout", json!(null), 1)["type"], "reply");
    let before = player.receive_type("shouted")["seq"].as_u64().unwrap();
    fill(&mut hoarder);
    for number in 1..=20 {
        assert_eq!(player.call("shout", json!(null), 1)["type"], "reply");
        assert_eq!(player.receive_type("shouted")["seq"].as_u64(), Some(before + number));
    }
    let second = start(&redis);
    std::thread::sleep(std::time::Duration::from_secs(10));
    assert_eq!(server.get("/ready").status, 200);
    assert_eq!(player.call("shout", json!(null), 1)["type"], "reply");
    assert_eq!(server.metric("godra_redis_reconnects_total"), 0.0);
    assert_eq!(second.metric("godra_redis_orphans_total"), 0.0);
    // Who comes back to a room of which nothing is kept gets its state.
    let dropped = hoarder.call("drop", json!(null), 1);
    assert_eq!(dropped["type"], "reply", "{dropped}");
    // Redis counts buffers of its clients, too, which it gives back in its own time.
    wait_until("the store to have room again", || {
        let answer = hoarder.call("hoard", json!(null), 1);
        answer["type"] == "reply" || answer["payload"]["code"] != "unavailable" && panic!("{answer}")
    });
}
