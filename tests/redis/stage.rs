//! What the tests of this binary share: nodes on a store, and users that any of them knows.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::common::http::{Connection, Response};
use crate::common::player::Player;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

/// All nodes sign with the same key, so that a user of one is a user of all.
const SECRET: &str = "the-same-key-for-all-nodes-of-a-test";

/// Counts its calls in the room, and tells the members; the answer repeats what the caller sent.
const COUNT: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:count
local n = redis.call("INCR", KEYS[1])
local tag = ARGV[2]
godra.publish("counted", { n = n, tag = tag })
return tag
"#;

/// Runs until it is stopped.
const SPIN: &str = "-- ROLE: guest\n-- KEYS: game:{room}\nwhile true do end\n";

/// Has written, so that it cannot be stopped, and runs for some seconds.
const SPIN_WRITTEN: &str = r#"-- ROLE: guest
-- KEYS: game:{room}:spun
redis.call("SET", KEYS[1], 1)
for _ = 1, 4e8 do end
"#;

/// Notes who is taken out of the room, and how often.
const ON_DISCONNECT: &str = r#"-- KEYS: game:{room}, game:{room}:players, game:{room}:left
redis.call("HINCRBY", KEYS[3], ARGV[1], 1)
godra.publish("gone", { user_id = ARGV[1] })
"#;

/// A node on the stores at these addresses, with the script `count`; waits until it works with them.
pub fn node(addresses: &[String], flags: &[&str]) -> Server {
    node_in(Folder::new(), addresses, flags)
}

/// As [`node`]; its rooms keep count of who has left them.
pub fn counting_node(addresses: &[String], flags: &[&str]) -> Server {
    let folder = Folder::new();
    folder.write_script("on_disconnect", ON_DISCONNECT);
    node_in(folder, addresses, flags)
}

/// As [`node`], with a script more.
pub fn node_with(script: (&str, &str), addresses: &[String]) -> Server {
    let folder = Folder::new();
    folder.write_script(script.0, script.1);
    node_in(folder, addresses, &[])
}

/// As [`node`], for a game that has no hooks.
pub fn hookless_node(addresses: &[String], flags: &[&str]) -> Server {
    let folder = Folder::new();
    for hook in ["on_connect", "on_disconnect", "on_drop", "on_resume", "on_snapshot", "on_upgrade"] {
        std::fs::remove_file(folder.script(hook)).unwrap();
    }
    node_in(folder, addresses, flags)
}

/// As [`node`], in a folder that is already there.
pub fn node_in(folder: Folder, addresses: &[String], flags: &[&str]) -> Server {
    for (name, text) in [("count", COUNT), ("spin", SPIN), ("spin_written", SPIN_WRITTEN)] {
        folder.write_script(name, text);
    }
    let list = addresses.join(",");
    let own = ["--redis-addr", &list, "--jwt-secret", SECRET, "--threads", "1"];
    let server = Server::start_in(folder, &[&own, flags].concat());
    wait_until("the stores to be there", || server.get("/ready").status == 200);
    server
}

/// Somebody who is logged in, at every node.
#[derive(Clone)]
pub struct User {
    pub token: String,
    pub id: String,
}

impl User {
    pub fn new(server: &Server) -> Self {
        let guest = server.guest();
        Self { token: guest.token.clone(), id: guest.user_id.clone() }
    }

    pub fn join(&self, server: &Server, room: &str) -> Player {
        self.come_back(server, room, "")
    }

    /// As [`User::join`]; `place` is appended to the path's query, with its `&`.
    pub fn come_back(&self, server: &Server, room: &str, place: &str) -> Player {
        let path = format!("/ws?token={}&game_id={room}{place}", self.token);
        Player::connect(server.address(), &path)
            .unwrap_or_else(|response| panic!("the join was refused: {response:?}"))
    }

    /// `POST /api/rpc`; `keys` may be empty.
    pub fn rpc(&self, server: &Server, script: &str, args: Value, keys: &[&str]) -> Response {
        self.rpc_at(server.address(), script, args, keys)
    }

    /// As [`User::rpc`], for whoever cannot hold the server.
    pub fn rpc_at(&self, address: SocketAddr, script: &str, args: Value, keys: &[&str]) -> Response {
        let mut body = json!({"script": script, "args": args});
        if !keys.is_empty() {
            body["keys"] = json!(keys);
        }
        let authorization = format!("Bearer {}", self.token);
        let headers = [("Authorization", authorization.as_str())];
        Connection::open(address).request("POST", "/api/rpc", &headers, body.to_string().as_bytes())
    }

    /// Makes a lobby; returns its room id.
    pub fn create_lobby(&self, server: &Server) -> String {
        let response = self.rpc(server, "create_lobby", json!([100]), &[]);
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["result"].as_str().unwrap().strip_prefix("game:").unwrap().to_owned()
    }
}
