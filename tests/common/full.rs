//! A store that is full, as players see it: the same on every store.

use serde_json::{Value, json};

use super::player::Player;
use super::server::{Folder, Guest, Server};
use super::{numbered, wait_until};

/// Each field takes ten kilobytes.
const HOARD: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:hoard, game:{room}:hoarded
redis.call("HSET", KEYS[1], ARGV[2], string.rep(string.char(97 + #ARGV[2] % 20), 10000))
redis.call("RPUSH", KEYS[2], ARGV[2])
godra.publish("hoarded", {})
return "OK"
"#;

/// The first write is one that is never refused; what comes behind it then needs too much all the same.
const HOARD_LATE: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:hoard, game:{room}:hoarded
local before = redis.call("LLEN", KEYS[2])
local ok = redis.pcall("HSET", KEYS[1], "late", string.rep("x", 10000))
if type(ok) == "table" and ok.err then error(ok) end
redis.call("RPUSH", KEYS[2], "late")
"#;

const DROP: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:hoard, game:{room}:hoarded
redis.call("DEL", KEYS[1], KEYS[2])
return "OK"
"#;

const SUM: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:hoard, game:{room}:hoarded
return { redis.call("HLEN", KEYS[1]), redis.call("LLEN", KEYS[2]) }
"#;

/// Adds the scripts of [`check`].
pub fn write_scripts(folder: &Folder) {
    folder.write_script("hoard", HOARD);
    folder.write_script("hoard_late", HOARD_LATE);
    folder.write_script("drop", DROP);
    folder.write_script("sum", SUM);
    numbered::write_scripts(folder);
}

/// Fills the store; gives how many fields it took.
pub fn fill(player: &mut Player) -> u64 {
    for number in 0..100_000 {
        let answer = player.call("hoard", json!(number), 1);
        if answer["type"] == "error" {
            check_refusal(&answer["payload"]);
            return number;
        }
    }
    panic!("the store is never full");
}

fn check_refusal(error: &Value) {
    assert_eq!(error["code"], "unavailable", "{error}");
    assert!(error["message"].as_str().is_some_and(|text| text.starts_with("the store is full")), "{error}");
}

fn result(player: &mut Player, script: &str) -> Value {
    let answer = player.call(script, json!(null), 2);
    assert_eq!(answer["type"], "reply", "{script}: {answer}");
    answer["result"].clone()
}

/// Players fill the store, and others go on; all works again when there is room.
pub fn check(server: &Server) {
    let guests: Vec<Guest<'_>> = (0..4).map(|_| server.guest()).collect();
    let [greedy_room, other_room] = [0, 1].map(|guest: usize| guests[guest].create_lobby(4));
    let mut greedy = guests[0].join(&greedy_room);
    let mut other = guests[1].join(&other_room);
    let mut leaving = guests[2].join(&other_room);
    other.receive_type("player_joined");
    assert_eq!(result(&mut other, "sum"), json!([0, 0]));
    assert_eq!(other.call("hoard", json!("kept"), 1)["type"], "reply");

    let fields = fill(&mut greedy);
    assert!(fields > 50, "{fields}");
    // A refused call has changed nothing, and nothing was published.
    assert_eq!(result(&mut greedy, "sum"), json!([fields, fields]));
    for script in ["hoard", "hoard_late"] {
        check_refusal(&greedy.call(script, json!("more"), 3)["payload"]);
    }
    assert_eq!(result(&mut greedy, "sum"), json!([fields, fields]));
    let events = greedy.seen().iter().filter(|event| event["type"] == "hoarded").count();
    assert_eq!(events as u64, fields);
    // By RPC and as a numbered input it is refused in the same way; the latter has not run, and so may come again.
    let refused = guests[0].rpc(
        "hoard",
        json!(["more"]),
        &[&format!("game:{greedy_room}:hoard"), &format!("game:{greedy_room}:hoarded")],
    );
    assert_eq!(refused.status, 503);
    check_refusal(&refused.json()["error"]);
    let numbered = json!({"action": "hoard", "payload": "numbered", "n": 1, "id": 4}).to_string();
    greedy.send_text(&numbered);
    check_refusal(&greedy.receive_until(|answer| answer["id"] == 4)["payload"]);

    // Who only reads, deletes or leaves is not held up.
    assert_eq!(result(&mut other, "sum"), json!([1, 1]));
    assert_eq!(result(&mut other, "heartbeat")["n"], json!(0));
    leaving.close();
    assert_eq!(other.receive_type("player_left")["payload"]["user_id"], guests[2].user_id.as_str());
    assert_eq!(result(&mut other, "drop"), "OK");
    assert_eq!(result(&mut other, "sum"), json!([0, 0]));
    assert!(server.metric("godra_store_full_total") >= 4.0);
    assert_eq!(server.get("/ready").status, 200);
    server.output().wait_for_line(&["WARN", "the store is full"]);

    // When there is room, all is as before.
    assert_eq!(result(&mut greedy, "drop"), "OK");
    wait_until("the input to run", || {
        greedy.send_text(&numbered);
        greedy.receive_until(|answer| answer["id"] == 4)["type"] == "reply"
    });
    assert_eq!(result(&mut greedy, "sum"), json!([1, 1]));
    drop(guests[3].join(&other_room));
    server.output().wait_for_line(&["INFO", "the store has room again"]);
    let warnings = server.output().text().lines().filter(|line| line.contains("the store is full")).count();
    assert_eq!(warnings, 1);
}
