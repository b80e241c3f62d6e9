//! Numbered inputs run exactly once, through whichever node they come.

use serde_json::json;

use crate::common::numbered::{
    call, check_answers, check_order, last_ran, numbers, play_through_cuts, write_scripts,
};
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::stage::{User, node_in};

fn node(redis: &Redis) -> Server {
    let folder = Folder::new();
    write_scripts(&folder);
    node_in(folder, &[redis.address()], &["--sync-interval", "5"])
}

fn order(user: &User, node: &Server, room: &str) -> Vec<u64> {
    let answer = user.rpc(node, "order", json!([]), &[&format!("game:{room}:order")]);
    numbers(&answer.json()["result"])
}

#[test]
fn each_runs_once_and_is_answered_as_at_first() {
    let redis = Redis::start();
    check_answers(&node(&redis));
    let kept = redis.command(&["KEYS", "godra:answers:*"]);
    let key = kept.lines().find(|line| line.starts_with("godra:")).unwrap();
    let ttl = redis.command(&["TTL", key]);
    assert!((1..=7200).contains(&ttl.trim().trim_start_matches(':').parse::<i64>().unwrap()), "{ttl}");
}

#[test]
fn what_did_not_run_holds_back_what_comes_behind_it() {
    check_order(&node(&Redis::start()));
}

#[test]
fn a_client_that_changes_nodes_counts_exactly_once() {
    let redis = Redis::start();
    let nodes = [0; 2].map(|_| node(&redis));
    let user = User::new(&nodes[0]);
    let room = user.create_lobby(&nodes[0]);
    play_through_cuts(|attempt| user.join(&nodes[attempt as usize % 2], &room), 100);
    assert_eq!(order(&user, &nodes[0], &room), (1..=100).collect::<Vec<u64>>());
}

#[test]
fn the_first_answer_is_known_at_another_node_and_after_ones_death() {
    let redis = Redis::start();
    let (mut first, second) = (node(&redis), node(&redis));
    let user = User::new(&first);
    let room = user.create_lobby(&first);
    let mut player = user.join(&first, &room);
    let answer = call(&mut player, 5, 1, json!({}));
    first.signal("KILL");
    first.wait();
    let mut player = user.join(&second, &room);
    assert_eq!(player.welcome["payload"]["n"], 5);
    assert_eq!((call(&mut player, 5, 2, json!({})), last_ran(&mut player)), (answer, 5));
    assert_eq!(order(&user, &second, &room), [5]);
}

/// What is known of yesterday and of the last hour counts, and nothing older.
#[test]
fn a_day_later_the_number_is_known_and_not_another_day_later() {
    let redis = Redis::start();
    let node = node(&redis);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    call(&mut user.join(&node, &room), 5, 1, json!({}));
    let age = |kind: &str| {
        let keys = redis.command(&["KEYS", &format!("godra:{kind}:{room}:*")]);
        let key = keys.lines().find(|line| line.starts_with("godra:")).unwrap();
        let (name, period) = key.rsplit_once(':').unwrap();
        let older = format!("{name}:{}", period.parse::<u64>().unwrap() - 1);
        redis.command(&["RENAME", key, &older]);
    };
    age("inputs");
    age("answers");
    let mut player = user.join(&node, &room);
    assert_eq!(player.welcome["payload"]["n"], 5);
    assert_eq!(call(&mut player, 5, 2, json!({})), json!([1, "n 5"]));
    age("answers");
    assert_eq!(call(&mut player, 5, 3, json!({})), json!({"duplicate": true}));
    assert_eq!(call(&mut player, 6, 4, json!({})), json!([2, "n 6"]));
    // Their time is over.
    let end = "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end";
    for kind in ["inputs", "answers"] {
        redis.command(&["EVAL", end, "0", &format!("godra:{kind}:{room}:*")]);
    }
    assert_eq!(call(&mut player, 6, 5, json!({})), json!([3, "n 6"]));
}

/// A store that may not take more memory runs nothing, and so counts nothing.
#[test]
fn what_the_store_has_no_memory_for_did_not_run() {
    let redis = Redis::start();
    let node = node(&redis);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    let mut player = user.join(&node, &room);
    call(&mut player, 1, 1, json!({}));
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(call(&mut player, 2, 2, json!({}))["code"], "unavailable");
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(call(&mut player, 3, 3, json!({}))["code"], "out_of_order");
    assert_eq!(call(&mut player, 2, 4, json!({})), json!([2, "n 2"]));
    assert_eq!(call(&mut player, 3, 5, json!({})), json!([3, "n 3"]));
    // One that fails by itself has run, also while the store is full, and that is known.
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(call(&mut player, 4, 6, json!({"fail": "coded"}))["code"], "nope");
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(call(&mut player, 4, 7, json!({}))["code"], "nope");
    assert_eq!(order(&user, &node, &room), [1, 2, 3]);
}
