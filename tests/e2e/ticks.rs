//! Scripts that run at an interval.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::player::Player;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

/// Tells how long it is since the last time, and counts in the room.
const BEAT: &str = "-- TICK: 50\n-- KEYS: game:{room}\n\
    godra.publish('beat', { passed = tonumber(ARGV[1]), n = redis.call('HINCRBY', KEYS[1], 'beats', 1), \
    arguments = #ARGV, user = tostring(godra.user) })";

fn start(scripts: &[(&str, &str)]) -> Server {
    let folder = Folder::new();
    for (name, text) in scripts {
        folder.write_script(name, text);
    }
    Server::start_in(folder, &[])
}

fn beats(player: &mut Player, count: usize) -> Vec<Value> {
    (0..count).map(|_| player.receive_type("beat")["payload"].take()).collect()
}

#[test]
fn a_room_with_members_ticks_at_its_interval() {
    let server = start(&[("beat", BEAT)]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    beats(&mut player, 2);
    let began = Instant::now();
    let seen = beats(&mut player, 20);
    let took = began.elapsed();
    let passed: u64 = seen.iter().map(|beat| beat["passed"].as_u64().unwrap()).sum();
    assert!(passed.abs_diff(took.as_millis() as u64) <= 150, "{passed} ms in {took:?}: {seen:?}");
    assert!(
        passed >= 900 && seen.iter().all(|beat| beat["arguments"] == 1 && beat["user"] == "nil"),
        "{seen:?}"
    );
    let counts: Vec<u64> = seen.iter().map(|beat| beat["n"].as_u64().unwrap()).collect();
    assert!(counts.windows(2).all(|pair| pair[1] == pair[0] + 1), "{counts:?}");
    assert!(server.metric("godra_ticks_total") >= 20.0);
    // Nobody is there: the room stands still.
    player.close();
    let ran = || server.metric("godra_ticks_total");
    wait_until("the ticks to end", || {
        let before = ran();
        std::thread::sleep(Duration::from_millis(150));
        before == ran()
    });
    let before = ran();
    let mut player = guest.join(&room);
    let beat = &beats(&mut player, 1)[0];
    assert_eq!(beat["n"].as_f64().unwrap(), before + 1.0, "it goes on where it was");
}

#[test]
fn nobody_else_runs_it() {
    let server = start(&[("beat", BEAT)]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let refused = guest.rpc("beat", json!([1]), &[&format!("game:{room}")]);
    assert_eq!(refused.status, 403, "{refused:?}");
}

#[test]
fn one_that_breaks_is_told_of_and_goes_on_at_its_pace() {
    let broken = "-- TICK: 20\n-- KEYS: game:{room}\n\
        local n = redis.call('HINCRBY', KEYS[1], 'tries', 1)\nerror('it broke')";
    let server = start(&[("broken", broken), ("beat", BEAT)]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    let ran = || server.metric(r#"godra_script_errors_total{script="broken"}"#);
    beats(&mut player, 2);
    let (began, before) = (Instant::now(), ran());
    let seen = beats(&mut player, 10);
    let (tries, took) = (ran() - before, began.elapsed());
    assert!(tries <= took.as_millis() as f64 / 20.0 + 2.0, "{tries} in {took:?}");
    assert!(tries >= 5.0 && seen.len() == 10, "{tries}");
    let lines =
        server.output().text().lines().filter(|line| line.contains("script failed script=broken")).count();
    assert_eq!(lines, 1, "once a minute");
}

#[test]
fn a_changed_interval_counts_from_then() {
    let server = start(&[("beat", &BEAT.replace("TICK: 50", "TICK: 60000"))]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    server.folder().replace_script("beat", BEAT);
    let seen = beats(&mut player, 5);
    assert!(seen[1..].iter().all(|beat| beat["passed"].as_u64().unwrap() < 1000), "{seen:?}");
}

#[test]
fn inputs_go_with_ticks() {
    let server = start(&[("beat", BEAT)]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    for n in 0..20 {
        let answer = player.call("move_player", json!({"x": 1, "y": 1}), n);
        assert_eq!(answer["type"], "reply", "{answer}");
    }
    beats(&mut player, 2);
}
