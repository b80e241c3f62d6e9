//! Inputs that run exactly once, as players see it: the same on every store.

use std::time::Duration;

use serde_json::{Value, json};

use super::player::Player;
use super::server::{Folder, Server};

/// Notes that it ran, and then ends as it is told.
const TALLY: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:order
local payload = cjson.decode(ARGV[2])
if payload.fail == "coded" then godra.error("nope", "as asked", { n = payload.n }) end
if payload.fail == "broken" then error("broken") end
if payload.fail == "later" then godra.error("busy", "not now") end
local length = redis.call("RPUSH", KEYS[1], payload.n)
godra.publish("tallied", { n = payload.n })
if payload.to then godra.send(payload.to, "whisper", {}) end
if payload.large then return string.rep("x", payload.large) end
return { length, "n " .. payload.n }
"#;

const ORDER: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:order
return redis.call("LRANGE", KEYS[1], 0, -1)
"#;

/// Adds the scripts of these tests.
pub fn write_scripts(folder: &Folder) {
    folder.write_script("tally", TALLY);
    folder.write_script("order", ORDER);
}

/// An input that counts, as its text.
pub fn input(n: u64, id: u64, payload: Value) -> String {
    let mut payload = payload;
    payload["n"] = json!(n);
    json!({"action": "tally", "payload": payload, "n": n, "id": id}).to_string()
}

/// Sends it, and waits for its answer: the result, or the error's payload.
pub fn call(player: &mut Player, n: u64, id: u64, payload: Value) -> Value {
    player.send_text(&input(n, id, payload));
    let answer = player.receive_until(|message| message["id"] == id);
    if answer["type"] == "reply" {
        answer["result"].clone()
    } else {
        assert_eq!(answer["n"], n, "{answer}");
        answer["payload"].clone()
    }
}

/// What the server says that has run.
pub fn last_ran(player: &mut Player) -> u64 {
    player.call("heartbeat", json!(null), 999_999)["result"]["n"].as_u64().unwrap()
}

/// The result of `order`: what has run, in order.
pub fn numbers(order: &Value) -> Vec<u64> {
    order.as_array().unwrap().iter().map(|n| n.as_str().unwrap().parse().unwrap()).collect()
}

/// Each input is answered as at first, and runs once.
pub fn check_answers(server: &Server) {
    let (guest, other) = (server.guest(), server.guest());
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    assert_eq!(player.welcome["payload"]["n"], 0);
    let first = call(&mut player, 3, 1, json!({}));
    assert_eq!(first, json!([1, "n 3"]));
    assert_eq!(call(&mut player, 3, 2, json!({})), first);
    let duplicate = json!({"duplicate": true});
    assert_eq!(call(&mut player, 2, 3, json!({})), duplicate);
    for (n, fail) in [(4, "coded"), (5, "broken")] {
        let failed = call(&mut player, n, 4, json!({"fail": fail}));
        assert_eq!(call(&mut player, n, 5, json!({})), failed, "it has run, and changed nothing");
    }
    assert_eq!(call(&mut player, 4, 6, json!({}))["details"], json!({"n": 4}));
    assert_eq!(last_ran(&mut player), 5);
    call(&mut player, 6, 7, json!({"large": 1000}));
    assert_eq!(call(&mut player, 6, 8, json!({})), duplicate, "it is too large to keep");
    // Without an id, and in another spelling.
    player.send_text(r#"{"action":"tally","payload":{"n":7},"n":7.0}"#);
    assert_eq!(call(&mut player, 7, 9, json!({})), json!([3, "n 7"]));
    for n in 8..=24 {
        call(&mut player, n, n, json!({}));
    }
    assert_eq!(call(&mut player, 8, 10, json!({})), duplicate, "sixteen are kept");
    assert_eq!(call(&mut player, 9, 10, json!({})), json!([5, "n 9"]));
    // A newer socket of the same user goes on; others begin for themselves.
    let mut player = guest.join(&room);
    assert_eq!(player.welcome["payload"]["n"], 24);
    assert_eq!(last_ran(&mut player), 24);
    assert_eq!(call(&mut player, 9, 11, json!({})), json!([5, "n 9"]));
    let mut others = [other.join(&room), guest.join(&guest.create_lobby(4))];
    for other in &mut others {
        assert_eq!(other.welcome["payload"]["n"], 0);
        assert_eq!(last_ran(other), 0);
    }
    call(&mut others[0], 1, 12, json!({}));
    assert_eq!((last_ran(&mut others[0]), last_ran(&mut player)), (1, 24));
    let order = guest.rpc("order", json!([]), &[&format!("game:{room}:order")]).json();
    let expected = [3].into_iter().chain(6..=24).chain([1]);
    assert_eq!(numbers(&order["result"]), expected.collect::<Vec<u64>>());
}

/// What the script puts off does not count, and holds back what comes behind it.
pub fn check_order(server: &Server) {
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    let fails = |n: u64| if n == 2 { json!({"fail": "later"}) } else { json!({}) };
    (1..=5).for_each(|n| player.send_text(&input(n, n, fails(n))));
    let mut codes = Vec::new();
    for n in 1..=5 {
        let answer = player.receive_until(|message| message["id"] == n);
        codes.push(answer["payload"]["code"].as_str().map(str::to_owned));
    }
    let [busy, behind] = ["busy", "out_of_order"].map(|code| Some(code.to_owned()));
    assert_eq!(codes, [None, busy, behind.clone(), behind.clone(), behind]);
    assert_eq!(last_ran(&mut player), 1);
    assert_eq!(call(&mut player, 6, 6, json!({}))["code"], "out_of_order");
    (2..=6).for_each(|n| player.send_text(&input(n, n, json!({}))));
    (2..=6)
        .for_each(|n| drop(player.receive_until(|message| message["id"] == n && message["type"] == "reply")));
    let order = guest.rpc("order", json!([]), &[&format!("game:{room}:order")]).json();
    assert_eq!(numbers(&order["result"]), [1, 2, 3, 4, 5, 6]);
}

/// Sends `1..=inputs` over connections that are cut again and again, each time in the middle: what has not run, or everything.
pub fn play_through_cuts(mut join: impl FnMut(u64) -> Player, inputs: u64) {
    for attempt in 1.. {
        let mut player = join(attempt);
        let ran = player.welcome["payload"]["n"].as_u64().unwrap();
        if ran == inputs {
            assert!(attempt > 5, "there were too few cuts");
            return;
        }
        assert!(attempt < 10 * inputs, "it does not come to an end");
        let first = if attempt % 3 == 0 { 1 } else { ran + 1 };
        let last = (ran + 1 + attempt * 7 % 23).min(inputs);
        (first..=last).for_each(|n| player.send_text(&input(n, n, json!({}))));
        (0..attempt % 4)
            .take_while(|_| player.receive_within(Duration::from_millis(200)).is_some())
            .for_each(drop);
    }
}
