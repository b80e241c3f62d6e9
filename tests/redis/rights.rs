//! A user of the store who may not do all that is needed: the log says which right is missing, at once and in one line.

use serde_json::json;

use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;
use crate::stage::{User, node_in};

/// As `src/OPERATING.md` has it.
const KEYS: &str =
    "~godra:* ~active_sessions:guests ~lobbies* ~game:* ~match:* ~rankings* ~seasons* ~presence ~channels:*";
const CHANNELS: &str = "&godra:*";
const COMMANDS: &str = "+@all -@admin -@dangerous +restore +info";

fn allow(redis: &Redis, rules: &str) {
    let words: Vec<&str> = ["ACL", "SETUSER", "game"].into_iter().chain(rules.split(' ')).collect();
    assert_eq!(redis.command(&words).trim(), "+OK", "{rules}");
}

fn user(redis: &Redis, rules: &str) -> String {
    allow(redis, &format!("reset on >secret-1 {rules}"));
    format!("redis://game:secret-1@{}", redis.address())
}

fn start(redis: &Redis, rules: &str) -> Server {
    let address = user(redis, rules);
    Server::start(&["--redis-addr", &address, "--threads", "1"])
}

fn wait_for_ready(node: &Server, status: u16) {
    wait_until("what /ready says to change", || node.get("/ready").status == status);
}

#[test]
fn the_rights_of_the_handbook_are_enough() {
    let handbook = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/OPERATING.md")).unwrap();
    let rules = format!("{KEYS} {CHANNELS} {COMMANDS}");
    assert!(handbook.contains(&format!("ACL SETUSER game on >PASSWORD {rules}")), "{rules}");
    let redis = Redis::start();
    let node = node_in(Folder::new(), &[user(&redis, &rules)], &[]);
    let ann = User::new(&node);
    let room = ann.create_lobby(&node);
    let mut player = ann.join(&node, &room);
    assert_eq!(player.call("count", json!(1), 1)["type"], "reply");
    assert!(!redis.command(&["ACL", "LOG"]).contains("reason"), "{}", redis.command(&["ACL", "LOG"]));
}

#[test]
fn what_is_lacking_is_told_before_anybody_plays() {
    let redis = Redis::start();
    let check = |rules: &str, expected: &[&str]| {
        let node = start(&redis, rules);
        let told = ["the store is not available", "NOPERM", "ACL SETUSER game "];
        node.output().wait_for_line(&[&told, expected].concat());
        assert_eq!(node.get("/ready").status, 503);
        assert!(!node.output().text().contains("secret-1"));
        // Once they are given it goes on.
        allow(&redis, &format!("{KEYS} {CHANNELS} {COMMANDS}"));
        wait_for_ready(&node, 200);
    };
    check(&format!("{KEYS} resetchannels {COMMANDS}"), &[" &godra:0:events:* "]);
    check(&format!("{KEYS} resetchannels &other:* {COMMANDS}"), &[" &godra:0:events:* "]);
    check(&format!("{} {CHANNELS} {COMMANDS}", KEYS.replace(" ~game:*", "")), &["~game:* "]);
    check(&format!("{CHANNELS} {COMMANDS}"), &["~godra:* "]);
    check(&format!("{KEYS} {CHANNELS} {COMMANDS} -script|load -hset"), &[" +hset +script|load "]);
    check(&format!("{KEYS} {CHANNELS} +@all -eval"), &["'eval' command", "+@all"]);
    check(&format!("{KEYS} {CHANNELS} +eval"), &["+@all -@admin -@dangerous"]);
}

#[test]
fn rights_that_are_lost_are_told_and_can_be_given_back() {
    let redis = Redis::start();
    let all = format!("{KEYS} {CHANNELS} {COMMANDS}");
    let node = node_in(Folder::new(), &[user(&redis, &all)], &[]);
    let ann = User::new(&node);
    let room = ann.create_lobby(&node);
    let mut player = ann.join(&node, &room);
    let mut id = 0;
    for (taken, told) in [
        ("resetchannels", "&godra:0:events:*"),
        ("resetkeys", "~godra:*"),
        ("-publish", " game +publish would"),
        ("-evalsha", " game +evalsha would"),
    ] {
        allow(&redis, taken);
        wait_until("a refused call", || {
            id += 1;
            player.call("count", json!(id), id)["type"] == "error"
        });
        node.output().wait_for_line(&["the store is not available", "NOPERM", told]);
        assert_eq!(node.get("/ready").status, 503);
        allow(&redis, &all);
        wait_for_ready(&node, 200);
        wait_until("an answer", || {
            id += 1;
            player.call("count", json!(id), id)["type"] == "reply"
        });
    }
}

/// What a script needs that was added while people play, and the user lacks, is that script's trouble alone.
#[test]
fn a_new_scripts_keys_stop_nobody_else() {
    let redis = Redis::start();
    let node = node_in(Folder::new(), &[user(&redis, &format!("{KEYS} {CHANNELS} {COMMANDS}"))], &[]);
    let ann = User::new(&node);
    let room = ann.create_lobby(&node);
    let mut player = ann.join(&node, &room);
    let script = "-- KEYS: shop:{room}\n-- ROLE: guest\nreturn redis.call('GET', KEYS[1])\n";
    node.folder().write_script("shop", script);
    // Until it is there, nothing takes the input.
    let mut id = 1;
    wait_until("the script's refusal", || {
        id += 1;
        player.call("shop", json!({}), id)["payload"]["code"] == "unavailable"
    });
    node.output().wait_for_line(&["some scripts cannot run", "ACL SETUSER game ~shop:* "]);
    assert_eq!(player.call("count", json!(1), 1)["type"], "reply");
    assert_eq!((node.get("/ready").status, node.metric("godra_redis_reconnects_total")), (200, 0.0));
}
