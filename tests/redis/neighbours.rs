//! Several deployments on one Redis, which must not hear of each other.

use serde_json::json;

use crate::common::redis::Redis;
use crate::common::server::Server;
use crate::stage::{User, node};

/// Players of two deployments in a room of the same name: what the first's script tells is not for the second.
fn play_side_by_side(nodes: [&Server; 2]) {
    let users = nodes.map(User::new);
    let mut players = [0, 1].map(|index| {
        let (node, user) = (nodes[index], &users[index]);
        let made = user.rpc(node, "create_lobby", json!([100]), &["game:plaza"]);
        assert!(made.status == 200 || made.text().contains("already exists"), "{made:?}");
        user.join(node, "plaza")
    });
    assert_eq!(players[0].call("count", json!("first"), 1)["type"], "reply");
    // Whatever the first one's call has published would come before this one's reply and event.
    let reply = players[1].call("count", json!("second"), 1);
    assert_eq!(reply["type"], "reply", "{reply}");
    for (player, tag) in players.iter_mut().zip(["first", "second"]) {
        player.call("count", json!(tag), 2);
        let counted = player.seen().iter().filter(|event| event["type"] == "counted");
        let tags: Vec<_> = counted.map(|event| event["payload"]["tag"].as_str().unwrap()).collect();
        assert!(!tags.is_empty() && tags.iter().all(|heard| heard.contains(tag)), "{tags:?}");
    }
}

#[test]
fn databases_tell_deployments_apart() {
    let redis = Redis::start();
    let address = |database: u32| format!("redis://{}/{database}", redis.address());
    let (one, other) = (node(&[address(0)], &[]), node(&[address(1)], &[]));
    play_side_by_side([&one, &other]);
    assert_eq!(redis.command(&["PUBSUB", "NUMSUB", "godra:1:events:plaza"]).lines().last(), Some(":1"));
}

#[test]
fn prefixes_tell_deployments_apart() {
    let redis = Redis::start();
    let start = |prefix: &str| node(&[redis.address()], &["--redis-prefix", prefix]);
    let (one, other) = (start("blue"), start("green.2"));
    play_side_by_side([&one, &other]);
    for prefix in ["blue", "green.2"] {
        assert_eq!(redis.command(&["SCARD", &format!("{prefix}:nodes")]).trim(), ":1", "each is alone");
        assert_eq!(redis.command(&["HLEN", &format!("{prefix}:members:plaza")]).trim(), ":1");
    }
    let own = redis.command(&["KEYS", "godra:*"]);
    assert!(
        own.lines().filter(|line| line.starts_with("godra:")).all(|key| key.starts_with("godra:guest:")),
        "{own}"
    );
}
