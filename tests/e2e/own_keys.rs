//! Keys of the caller's own: what a script keeps for each user is nobody else's. The same on every store.

use serde_json::{Value, json};

use crate::common::accounts::PASSWORD;
use crate::common::player::Player;
use crate::common::server::{Folder, Guest, Server};
use crate::common::wait_until;

/// Puts its first argument, the payload or a text, on top of what the caller has; returns the keys and what is there.
const KEEP: &str = r#"-- ROLE: guest
-- KEYS: user:{user}:bag, game:{room}:hand:{user}, game:{room}:all
for i = 1, 3 do redis.call("RPUSH", KEYS[i], ARGV[2]) end
return { KEYS, redis.call("LRANGE", KEYS[1], 0, -1), redis.call("LRANGE", KEYS[2], 0, -1), redis.call("LLEN", KEYS[3]) }
"#;

/// Counts the caller's runs, in whatever room.
const COUNT: &str = r#"-- ROLE: guest
-- KEYS: user:{user}:count
return redis.call("INCR", KEYS[1])
"#;

/// Tells at the door how often the caller has come through it, in its own key.
const ON_CONNECT: &str = r#"-- KEYS: game:{room}, game:{room}:players, user:{user}:visits
godra.send(ARGV[1], "visits", { key = KEYS[3], n = redis.call("INCR", KEYS[3]) })
"#;

/// Tells the others whose visit ends.
const ON_DISCONNECT: &str = r#"-- KEYS: game:{room}, game:{room}:players, user:{user}:visits
godra.publish("gone", { key = KEYS[3], n = tonumber(redis.call("GET", KEYS[3])) })
"#;

fn start() -> Server {
    let folder = Folder::new();
    let scripts = [
        ("keep", KEEP),
        ("count", COUNT),
        ("on_connect", ON_CONNECT),
        ("on_disconnect", ON_DISCONNECT),
        ("on_snapshot", "-- KEYS: game:{room}\nreturn '{}'"),
    ];
    for (name, text) in scripts {
        folder.write_script(name, text);
    }
    Server::start_in(folder, &["--threads", "2"])
}

fn keys_of(guest: &Guest<'_>, room: &str) -> [String; 3] {
    let id = &guest.user_id;
    [format!("user:{id}:bag"), format!("game:{room}:hand:{id}"), format!("game:{room}:all")]
}

#[track_caller]
fn check_refused(guest: &Guest<'_>, script: &str, keys: &[&str], part: &str) {
    let response = guest.rpc(script, json!(["stolen"]), keys);
    assert_eq!((response.status, response.error_code().as_str()), (403, "forbidden"), "{response:?}");
    assert!(response.json()["error"]["message"].as_str().unwrap().contains(part), "{response:?}");
}

/// Many inputs of several players run as one batch, in any mixture.
#[test]
fn sockets_work_on_the_callers_own_keys() {
    const EACH: u64 = 50;
    let server = start();
    let guests = [server.guest(), server.guest(), server.guest()];
    let mut players: Vec<Player> = guests.iter().map(|guest| guest.join("hall")).collect();
    for id in 1..=EACH {
        for (player, guest) in players.iter_mut().zip(&guests) {
            let input = json!({"action": "keep", "payload": guest.user_id, "id": id});
            player.send_text(&input.to_string());
        }
    }
    for (player, guest) in players.iter_mut().zip(&guests) {
        for id in 1..=EACH {
            let reply = player.receive_until(|message| message["id"] == id);
            let own = vec![json!(json!(guest.user_id).to_string()); id as usize];
            let [keys, bag, hand] = [0, 1, 2].map(|part| &reply["result"][part]);
            assert_eq!(
                (keys, bag, hand),
                (&json!(keys_of(guest, "hall")), &json!(own), &json!(own)),
                "{reply}"
            );
        }
    }
    let all = players[0].call("keep", json!("last"), EACH + 1)["result"][3].clone();
    assert_eq!(all, 3 * EACH + 1);
}

#[test]
fn rpcs_name_no_others_keys() {
    let server = start();
    let (ann, ben) = (server.guest(), server.guest());
    let own = keys_of(&ann, "hall");
    let own = own.each_ref().map(|key| &**key);
    let kept = |response: crate::common::http::Response| {
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["result"].clone()
    };
    let result = kept(ann.rpc("keep", json!(["mine"]), &own));
    assert_eq!(result, json!([own, ["mine"], ["mine"], 1]));
    check_refused(&ben, "keep", &own, "keys[1] of keep must be user:{user}:bag, with your own user id");
    let bens = keys_of(&ben, "hall");
    check_refused(&ben, "keep", &[&bens[0], own[1]], "keys[2] of keep must be game:{room}:hand:{user}");
    check_refused(&ben, "keep", &["user::bag", own[1]], "keys[1]");
    check_refused(&ben, "keep", &["user:{user}:bag"], "keys[1]");
    check_refused(&ben, "count", &[&format!("user:{}:count", ann.user_id)], "keys[1]");
    assert_eq!(
        kept(ben.rpc("keep", json!(["too"]), &[&bens[0], &bens[1]])),
        json!([bens, ["too"], ["too"], 2])
    );
    // Without a room, and the same from one: who calls is enough.
    let counts = [(&ann, 1), (&ben, 1), (&ann, 2), (&ann, 3), (&ben, 2)];
    for (guest, count) in counts {
        assert_eq!(kept(guest.rpc("count", json!([]), &[])), count);
    }
    assert_eq!(ann.join("elsewhere").call("count", Value::Null, 1)["result"], 4);
}

#[test]
fn hooks_get_the_keys_of_whom_they_are_about() {
    let server = start();
    let (ann, ben) = (server.guest(), server.guest());
    let visits = |guest: &Guest<'_>, n: u64| json!({"key": format!("user:{}:visits", guest.user_id), "n": n});
    let mut listener = ann.join("hall");
    assert_eq!(listener.receive_type("visits")["payload"], visits(&ann, 1));
    for n in 1..=2 {
        let mut player = ben.join("hall");
        assert_eq!(player.receive_type("visits")["payload"], visits(&ben, n));
        player.close();
        assert_eq!(listener.receive_type("gone")["payload"], visits(&ben, n));
    }
}

/// Hands over what a guest has, in all rooms and in this one, and tells the keys.
const ON_UPGRADE: &str = r#"-- KEYS: game:{room}, game:{room}:players, user:{user}:bag, user:{new_user}:bag
-- KEYS: game:{room}:hand:{user}, game:{room}:hand:{new_user}
for i = 3, #KEYS, 2 do
  if redis.call("EXISTS", KEYS[i]) == 1 then redis.call("RENAME", KEYS[i], KEYS[i + 1]) end
end
godra.publish("handed_over", KEYS)
"#;

#[test]
fn a_guest_that_upgrades_takes_its_own_keys_along() {
    let server = start();
    server.folder().write_script("on_upgrade", ON_UPGRADE);
    server.output().wait_for_line(&["script", "on_upgrade"]);
    let (ann, ben) = (server.guest(), server.guest());
    let witness = server.guest();
    let mut listener = witness.join("hall");
    for guest in [&ann, &ben] {
        guest.join("hall").call("keep", json!("mine"), 1);
        guest.join("attic").call("keep", json!("too"), 1);
    }
    let authorization = format!("Bearer {}", ann.token);
    let body = json!({"username": "ann", "password": PASSWORD}).to_string();
    let headers = [("Authorization", authorization.as_str())];
    let upgraded = server.request("POST", "/account/upgrade", &headers, body.as_bytes());
    assert_eq!(upgraded.status, 200, "{upgraded:?}");
    let upgraded = upgraded.json();
    let text = |name: &str| upgraded[name].as_str().unwrap();
    let (old, new) = (&ann.user_id, text("user_id"));
    let expected = json!([
        "game:hall",
        "game:hall:players",
        format!("user:{old}:bag"),
        format!("user:{new}:bag"),
        format!("game:hall:hand:{old}"),
        format!("game:hall:hand:{new}")
    ]);
    assert_eq!(listener.receive_type("handed_over")["payload"], expected);
    let ann = server.known(text("token"), new);
    let kept = |guest: &Guest<'_>, room: &str| {
        let result = guest.join(room).call("keep", json!("now"), 1)["result"].clone();
        json!([result[1], result[2]])
    };
    let [mine, too, now] = ["\"mine\"", "\"too\"", "\"now\""];
    assert_eq!(kept(&ann, "hall"), json!([[mine, too, now], [mine, now]]));
    wait_until("the other room's hook", || {
        let attic = kept(&ann, "attic");
        attic[1][0] == too
    });
    assert_eq!(kept(&ben, "hall"), json!([[mine, too, now], [mine, now]]), "nobody else's");
}

#[test]
fn no_other_script_names_who_somebody_becomes() {
    let server = start();
    server.folder().write_script("thief", "-- KEYS: user:{new_user}:bag\nreturn 1\n");
    server.output().wait_for_line(&["thief.lua", "line=1", "{new_user} is known in on_upgrade alone"]);
    // Before the log's line is true for the shards, there is no such script.
    let guest = server.guest();
    wait_until("the script to be refused", || {
        let refused = guest.rpc("thief", json!([]), &[]);
        assert_ne!(refused.status, 200, "{refused:?}");
        refused.error_code() == "script_error"
    });
}

#[test]
fn where_nobody_calls_the_header_is_refused() {
    let server = start();
    for (name, role) in [("clock", "TICK: 50"), ("ring", "ROLE: server")] {
        server.folder().write_script(name, &format!("-- {role}\n-- KEYS: game:{{room}}, user:{{user}}\n"));
        server
            .output()
            .wait_for_line(&[&format!("scripts/{name}.lua\" line=2"), "there is no user for {user} in KEYS"]);
    }
}
