//! What happens to a store, and what the server makes of it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::proxy::{Mode, Proxy};
use crate::common::redis::Redis;
use crate::common::server::Server;
use crate::common::{wait_until, wait_within};
use crate::scene::{BACK_TO_NORMAL, Scene};
use crate::stage::{User, node};
use crate::watch::Watch;

fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// A room with two players, whose store loses its data; then another room.
fn lose_data(lose: impl FnOnce(&mut Redis)) -> Server {
    let mut redis = Redis::start();
    let node = node(&[redis.address()], &[]);
    let users = [User::new(&node), User::new(&node)];
    let room = users[0].create_lobby(&node);
    let mut players = users.each_ref().map(|user| user.join(&node, &room));
    players[0].call("count", json!("before"), 1);
    lose(&mut redis);
    let lost_at = Instant::now();
    for player in &mut players {
        assert_eq!(player.expect_close(), (4503, "the room is no more".to_owned()));
    }
    let noticed = lost_at.elapsed();
    assert!(noticed < BACK_TO_NORMAL, "{noticed:?}");
    wait_within(BACK_TO_NORMAL, "the node to be ready", || node.get("/ready").status == 200);
    let next = users[1].create_lobby(&node);
    let mut player = users[0].join(&node, &next);
    assert_eq!(player.call("count", json!("after"), 1)["type"], "reply");
    node
}

#[test]
fn killed_and_restarted_empty() {
    let node = lose_data(|redis| {
        redis.kill();
        pause(2000);
        redis.start_again();
    });
    node.output().wait_for_line(&["the connection to the store is lost"]);
}

#[test]
fn scripts_flushed() {
    let mut redis = Redis::start();
    let scene = Scene::start(&redis.address());
    let room = scene.room.clone();
    for _ in 0..5 {
        scene.suffer(&mut redis, |redis| drop(redis.command(&["SCRIPT", "FLUSH"])), |_| {});
    }
    let outcome = scene.end();
    outcome.expect_count(&redis, &room);
    assert_eq!((outcome.unknown, outcome.calls.not_run), (0, 0), "nobody notices");
    assert!(outcome.calls.ready.iter().all(|status| *status == 200));
}

#[test]
fn flushed() {
    let node = lose_data(|redis| drop(redis.command(&["FLUSHALL"])));
    node.output().wait_for_line(&["the store has lost its data"]);
}

fn frozen_for(ms: u64) {
    let mut redis = Redis::start();
    let scene = Scene::start(&redis.address());
    let room = scene.room.clone();
    scene.suffer(
        &mut redis,
        |redis| {
            redis.signal("STOP");
            pause(ms);
        },
        |redis| redis.signal("CONT"),
    );
    let outcome = scene.end();
    outcome.expect_count(&redis, &room);
    outcome.expect_all_events();
    assert!(outcome.unknown > 0 && outcome.calls.not_run > 0);
    outcome.expect_unready();
}

#[test]
fn frozen_for_three_seconds() {
    frozen_for(3000);
}

#[test]
fn frozen_for_thirty_seconds() {
    frozen_for(30_000);
}

#[test]
fn slow() {
    let mut redis = Redis::start();
    let proxy = Proxy::start(redis.port(), Mode::Pass);
    let scene = Scene::start(&proxy.address());
    let room = scene.room.clone();
    let delay = |ms| Mode::Delay(Duration::from_millis(ms));
    scene.suffer(
        &mut redis,
        |_| {
            proxy.set(delay(100));
            pause(2000);
        },
        |_| proxy.set(Mode::Pass),
    );
    scene.suffer(
        &mut redis,
        |_| {
            proxy.set(delay(1500));
            pause(3000);
        },
        |_| proxy.set(Mode::Pass),
    );
    let outcome = scene.end();
    outcome.expect_count(&redis, &room);
}

#[test]
fn asleep() {
    let mut redis = Redis::start();
    let scene = Scene::start(&redis.address());
    let room = scene.room.clone();
    scene.suffer(&mut redis, |redis| drop(redis.command(&["DEBUG", "SLEEP", "2"])), |_| {});
    scene.end().expect_count(&redis, &room);
}

#[test]
fn cut_in_the_middle_of_an_answer() {
    let mut redis = Redis::start();
    let proxy = Proxy::start(redis.port(), Mode::Pass);
    let scene = Scene::start(&proxy.address());
    let room = scene.room.clone();
    for length in [1, 7, 20, 33, 60] {
        scene.suffer(
            &mut redis,
            |_| {
                proxy.set(Mode::CutAt(length));
                while proxy.mode() != Mode::Pass {
                    pause(5);
                }
            },
            |_| {},
        );
    }
    let outcome = scene.end();
    outcome.expect_count(&redis, &room);
    outcome.expect_all_events();
    assert!(outcome.unknown > 0);
}

#[test]
fn a_replica_refuses_writes() {
    let mut redis = Redis::start();
    let scene = Scene::start(&redis.address());
    let room = scene.room.clone();
    scene.suffer(
        &mut redis,
        |redis| {
            redis.command(&["REPLICAOF", "127.0.0.1", "1"]);
            pause(2000);
        },
        |redis| drop(redis.command(&["REPLICAOF", "NO", "ONE"])),
    );
    scene.node.output().wait_for_line(&["the store is not available", "replica"]);
    let outcome = scene.end();
    outcome.expect_count(&redis, &room);
    outcome.expect_all_events();
    outcome.expect_unready();
}

#[test]
fn loading() {
    let mut redis = Redis::start();
    let proxy = Proxy::start(redis.port(), Mode::Pass);
    let scene = Scene::start(&proxy.address());
    let room = scene.room.clone();
    scene.suffer(
        &mut redis,
        |_| {
            proxy.set(Mode::Answer("-LOADING Redis is loading the dataset in memory\r\n"));
            pause(2000);
        },
        |_| proxy.set(Mode::Pass),
    );
    scene.node.output().wait_for_line(&["the store is not available", "LOADING"]);
    // A real one reads its data; for the most of that it does not even answer.
    scene.suffer(
        &mut redis,
        |redis| {
            redis.command(&["DEBUG", "POPULATE", "1000000"]);
            redis.command(&["DEBUG", "RELOAD"]);
        },
        |_| {},
    );
    let outcome = scene.end();
    outcome.expect_count(&redis, &room);
    outcome.expect_all_events();
    outcome.expect_unready();
}

#[test]
fn out_of_memory() {
    let mut redis = Redis::start();
    let scene = Scene::start(&redis.address());
    let room = scene.room.clone();
    scene.suffer(
        &mut redis,
        |redis| {
            redis.command(&["CONFIG", "SET", "maxmemory", "100kb"]);
            pause(2000);
        },
        |redis| drop(redis.command(&["CONFIG", "SET", "maxmemory", "0"])),
    );
    // The node goes on with what needs no memory, so it is ready all the time.
    scene.node.output().wait_for_line(&["the store is full"]);
    scene.node.output().wait_for_line(&["the store has room again"]);
    let outcome = scene.end();
    outcome.expect_count(&redis, &room);
    outcome.expect_all_events();
}

#[test]
fn busy_with_a_script_that_loops() {
    let mut redis = Redis::start_with(&["--busy-reply-threshold", "100"]);
    let scene = Scene::start(&redis.address());
    let (room, address, user) = (scene.room.clone(), scene.node.address(), scene.user.clone());
    for _ in 0..3 {
        scene.suffer(
            &mut redis,
            |_| {
                let response = user.rpc_at(address, "spin", json!([]), &[&format!("game:{room}")]);
                assert_eq!((response.status, &*response.error_code()), (500, "script_timeout"));
                assert!(response.text().contains("spin.lua"), "{response:?}");
            },
            |_| {},
        );
    }
    scene.node.output().wait_for_line(&["has been stopped"]);
    assert!(scene.node.metric(r#"godra_script_timeouts_total{script="spin"}"#) >= 3.0);
    let outcome = scene.end();
    outcome.expect_count(&redis, &room);
    assert_eq!((outcome.unknown, outcome.calls.not_run), (0, 0), "the others only waited");
}

#[test]
fn busy_with_a_script_that_cannot_be_stopped() {
    let mut redis = Redis::start_with(&["--busy-reply-threshold", "100"]);
    let scene = Scene::start(&redis.address());
    let (room, address, user) = (scene.room.clone(), scene.node.address(), scene.user.clone());
    scene.suffer(
        &mut redis,
        |_| {
            let response = user.rpc_at(address, "spin_written", json!([]), &[&format!("game:{room}:spun")]);
            assert_eq!((response.status, &*response.error_code()), (503, "unavailable"));
            assert!(response.text().contains("outcome unknown"), "{response:?}");
        },
        |redis| {
            wait_until("the script's end", || redis.command(&["PING"]).starts_with("+PONG"));
        },
    );
    scene.node.output().wait_for_line(&["cannot be stopped", "UNKILLABLE"]);
    let outcome = scene.end();
    outcome.expect_count(&redis, &room);
    outcome.expect_all_events();
    outcome.expect_unready();
}

/// Where there is no RESP3, subscriptions have a connection of their own.
#[test]
fn subscriptions_alone_killed() {
    let mut redis = Redis::start();
    let refusal = Mode::Refuse("HELLO", "-ERR unknown command 'HELLO'\r\n");
    let proxy = Proxy::start(redis.port(), refusal);
    let scene = Scene::start(&proxy.address());
    let room = scene.room.clone();
    scene.node.output().wait_for_line(&["the store is there", "resp3=false"]);
    for _ in 0..3 {
        scene.suffer(&mut redis, |redis| drop(redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"])), |_| {});
    }
    let outcome = scene.end();
    outcome.expect_count(&redis, &room);
    outcome.expect_all_events();
}

#[test]
fn output_buffer_limit_hit() {
    let mut redis = Redis::start();
    let scene = Scene::start(&redis.address());
    let room = scene.room.clone();
    redis.command(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 200kb 0 0"]);
    // Many small messages at once: of a large one Valkey counts only what the socket does not take, and the node is quick.
    let flood = "for _ = 1, 400 do redis.call('PUBLISH', ARGV[1], ARGV[2]) end";
    let (channel, message) = (format!("godra:0:events:{room}"), "x".repeat(10_000));
    scene.suffer(&mut redis, |redis| drop(redis.command(&["EVAL", flood, "0", &channel, &message])), |_| {});
    scene.node.output().wait_for_line(&["the connection to the store is lost"]);
    let outcome = scene.end();
    outcome.expect_count(&redis, &room);
    outcome.expect_all_events();
}

/// One node loses its connection again and again, and its players miss what those of the other do.
#[test]
fn one_of_two_nodes_is_cut_off() {
    let redis = Redis::start();
    let proxy = Proxy::start(redis.port(), Mode::Pass);
    let nodes = [node(&[redis.address()], &[]), node(&[proxy.address()], &[])];
    let users = nodes.each_ref().map(User::new);
    let room = users[0].create_lobby(&nodes[0]);
    let [ann, ben] = [0, 1].map(|index| users[index].join(&nodes[index], &room));
    let watches = [Watch::start("ann", ann), Watch::start("ben", ben)];
    for length in [1, 20, 40, 80] {
        let lost_before = nodes[1].metric("godra_redis_reconnects_total");
        proxy.set(Mode::CutAt(length));
        wait_until("a new connection", || {
            nodes[1].metric("godra_redis_reconnects_total") > lost_before
                && nodes[1].get("/ready").status == 200
        });
        let seen_before = watches[1].seen().counted.len();
        wait_within(Duration::from_secs(5), "both to see each other again", || {
            let seen = watches[1].seen().counted;
            ["ann-", "ben-"].iter().all(|name| seen[seen_before..].iter().any(|tag| tag.starts_with(name)))
        });
    }
    let [ann, ben] = Watch::stop(watches);
    assert_eq!(ann.snapshots, 0, "nothing has happened to this one");
    assert_eq!(ben.snapshots, 0, "all that it missed came later");
}

/// Word of a newer socket is not lost with the connection that it would have come on.
#[test]
fn a_socket_that_was_replaced_while_the_store_was_away_is_closed() {
    let redis = Redis::start();
    let proxy = Proxy::start(redis.port(), Mode::Pass);
    let nodes = [node(&[redis.address()], &[]), node(&[proxy.address()], &[])];
    let user = User::new(&nodes[0]);
    let room = user.create_lobby(&nodes[0]);
    let mut older = user.join(&nodes[1], &room);
    proxy.set(Mode::Answer("-LOADING Redis is loading the dataset in memory\r\n"));
    wait_until("a node that is not ready", || nodes[1].get("/ready").status == 503);
    let mut newer = user.join(&nodes[0], &room);
    proxy.set(Mode::Pass);
    assert_eq!(older.expect_close().0, 4502);
    assert_eq!(newer.call("count", json!("still"), 1)["type"], "reply");
}
