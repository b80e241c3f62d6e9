//! All or nothing, as players see it: the same on every store.

use serde_json::{Value, json};

use super::server::{Folder, Guest, Server};

/// Writes in many ways, publishes, and then ends as it is told.
const RISKY: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:text, game:{room}:hash, game:{room}:set, game:{room}:ranks, game:{room}:list
local how = string.gsub(ARGV[2], '"', '')
redis.call("SET", KEYS[1], how)
redis.call("HSET", KEYS[2], "a", how, how, 1)
redis.call("SADD", KEYS[3], how)
redis.call("ZADD", KEYS[4], 5, "first", 6, how)
redis.call("RPUSH", KEYS[5], how)
redis.call("DEL", KEYS[3])
redis.pcall("INCR", KEYS[2])
godra.publish("risky", { how = how })
redis.call("PUBLISH", "game_updates:" .. string.gsub(KEYS[1], ":text$", ""), cjson.encode({ type = "risky", payload = { how = how } }))
godra.send(ARGV[1], "risky", { how = how })
if how == "error" then error("no") end
if how == "command" then redis.call("INCR", KEYS[2]) end
if how == "coded" then godra.error("conflict", "no") end
if how == "reply" then return redis.error_reply("no") end
if how == "loop" then while true do end end
return "OK"
"#;

const LOOK: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:text, game:{room}:hash, game:{room}:set, game:{room}:ranks, game:{room}:list
return { redis.call("GET", KEYS[1]), redis.call("PTTL", KEYS[1]) > 0, redis.call("HMGET", KEYS[2], "a", "b", "error"), redis.call("HLEN", KEYS[2]),
  redis.call("SISMEMBER", KEYS[3], "s"), redis.call("SCARD", KEYS[3]), redis.call("ZRANGE", KEYS[4], 0, -1, "WITHSCORES"),
  redis.call("LRANGE", KEYS[5], 0, -1) }
"#;

const SET_UP: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:text, game:{room}:hash, game:{room}:set, game:{room}:ranks, game:{room}:list
redis.call("SET", KEYS[1], "before", "EX", 600)
redis.call("HSET", KEYS[2], "a", 1, "b", 2)
redis.call("SADD", KEYS[3], "s")
redis.call("ZADD", KEYS[4], 1, "first")
redis.call("RPUSH", KEYS[5], "x", "y")
"#;

/// Adds the scripts of [`check`].
pub fn write_scripts(folder: &Folder) {
    folder.write_script("risky", RISKY);
    folder.write_script("look", LOOK);
    folder.write_script("set_up", SET_UP);
    folder.write_script("careless", &format!("-- ATOMIC: off\n{RISKY}"));
}

/// Calls that fail change nothing and publish nothing; one that works, and one that is careless, do.
pub fn check(server: &Server, endings: &[&str]) {
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    let keys: Vec<String> =
        ["text", "hash", "set", "ranks", "list"].iter().map(|name| format!("game:{room}:{name}")).collect();
    let call = |script: &str, how: &str| rpc(&guest, script, how, &keys);
    assert_eq!(call("set_up", "").0, 200);
    let before = call("look", "").1;
    for how in endings {
        let (status, body) = call("risky", how);
        assert_ne!(status, 200, "{how}: {body}");
        assert_eq!(call("look", "").1, before, "{how}");
        let answer = player.call("risky", json!(how), 7);
        assert_eq!(answer["type"], "error", "{how}: {answer}");
        assert_eq!(call("look", "").1, before, "{how}");
    }
    assert_eq!(call("risky", "well").0, 200);
    let after = call("look", "").1;
    assert_ne!(after, before);
    for direct_or_not in 0..3 {
        let event = player.receive_type("risky");
        assert_eq!(event["payload"]["how"], "well", "event {direct_or_not}: {event}");
    }
    assert_ne!(call("careless", "error").0, 200);
    assert_ne!(call("look", "").1, after);
    assert_eq!(player.receive_type("risky")["payload"]["how"], "error");
}

fn rpc(guest: &Guest<'_>, script: &str, how: &str, keys: &[String]) -> (u16, Value) {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let response = guest.rpc(script, json!([how]), &keys);
    (response.status, response.json())
}
