//! Scripts that run at an interval, in rooms with members on several nodes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::player::Player;
use crate::common::redis::Redis;
use crate::stage::{User, node_with};

const BEAT: &str = "-- TICK: 50\n-- KEYS: game:{room}\n\
    godra.publish('beat', { passed = tonumber(ARGV[1]), n = redis.call('HINCRBY', KEYS[1], 'beats', 1) })";

fn beat(player: &mut Player) -> Value {
    player.receive_type("beat")["payload"].take()
}

/// The beats of some time: they are in a row, and what they say of the time between them adds up.
fn expect_one_an_interval(player: &mut Player, count: usize) {
    beat(player);
    let began = Instant::now();
    let beats: Vec<Value> = (0..count).map(|_| beat(player)).collect();
    let took_ms = began.elapsed().as_millis() as u64;
    let all = |name: &str| beats.iter().map(|beat| beat[name].as_u64().unwrap()).collect::<Vec<_>>();
    let (passed_ms, numbers) = (all("passed").iter().sum::<u64>(), all("n"));
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    // On a busy machine the first and the last are late by much; twice the time would be wrong by all of it.
    assert!(passed_ms.abs_diff(took_ms) <= 800, "{passed_ms} ms in {took_ms} ms");
    assert!(passed_ms >= (count as u64 - 2) * 50, "{count} in {passed_ms} ms");
}

#[test]
fn a_room_on_several_nodes_ticks_once_an_interval_also_when_one_dies() {
    let redis = Redis::start();
    let nodes = [0; 3].map(|_| node_with(("beat", BEAT), &[redis.address()]));
    let users = nodes.each_ref().map(User::new);
    let room = users[0].create_lobby(&nodes[0]);
    let mut players: Vec<Player> =
        nodes.iter().zip(&users).map(|(node, user)| user.join(node, &room)).collect();
    expect_one_an_interval(&mut players[0], 60);
    let ran = |metric: &str| nodes.iter().map(|node| node.metric(metric)).collect::<Vec<_>>();
    let before: f64 = ran("godra_ticks_total").iter().sum();
    // The other two take over, whichever had done the work.
    let busiest =
        (0..3).max_by(|a, b| ran("godra_ticks_total")[*a].total_cmp(&ran("godra_ticks_total")[*b])).unwrap();
    let left = (busiest + 1) % 3;
    nodes[busiest].signal("KILL");
    let began = Instant::now();
    while beat(&mut players[left])["n"].as_f64().unwrap() < before + 5.0 {}
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    expect_one_an_interval(&mut players[left], 40);
}

#[test]
fn the_stores_own_time_counts() {
    let redis = Redis::start();
    let node = node_with(("beat", BEAT), &[redis.address()]);
    let user = User::new(&node);
    let room = user.create_lobby(&node);
    let mut player = user.join(&node, &room);
    beat(&mut player);
    // As if the clock had been set back by an hour since.
    let record = format!("room:{room}");
    let keys = redis.command(&["KEYS", &format!("*{record}")]);
    let key = keys.lines().find(|line| line.ends_with(&record)).unwrap().to_owned();
    let later = "9999999999999 9999999999999 50";
    redis.command(&["HSET", &key, "tick:beat", later]);
    expect_one_an_interval(&mut player, 10);
}
