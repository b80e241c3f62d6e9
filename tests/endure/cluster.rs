//! Two nodes on one store, and what can happen to them.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

/// Both nodes sign with the same key, so that a player of one is a player of the other.
const SECRET: &str = "the-same-key-for-both-nodes-of-a-test";

/// For a game whose rooms are there without being made: in place of the stock hooks.
const HOOKS: [(&str, &str); 5] = [
    (
        "on_connect",
        "-- KEYS: game:{room}, game:{room}:players\ngodra.publish('player_joined', { user_id = ARGV[1] })",
    ),
    (
        "on_disconnect",
        "-- KEYS: game:{room}, game:{room}:players\ngodra.publish('player_left', { user_id = ARGV[1] })",
    ),
    ("on_drop", "-- KEYS: game:{room}, game:{room}:players\nreturn 'OK'"),
    ("on_resume", "-- KEYS: game:{room}, game:{room}:players\nreturn 'OK'"),
    ("on_snapshot", "-- KEYS: game:{room}, game:{room}:ran\nreturn tostring(redis.call('LLEN', KEYS[2]))"),
];

/// The nodes and their store.
pub struct Cluster {
    store: Redis,
    /// None for a moment while a node is replaced.
    nodes: [Option<Server>; 2],
    ports: [u16; 2],
    is_forgiving: bool,
}

impl Cluster {
    /// Starts all of it; the store with these settings.
    pub fn start(store_flags: &[&str]) -> Self {
        Self::start_with(store_flags, false)
    }

    /// As [`Cluster::start`]; who comes back is let in also if nobody has made the room.
    pub fn start_forgiving(store_flags: &[&str]) -> Self {
        Self::start_with(store_flags, true)
    }

    fn start_with(store_flags: &[&str], is_forgiving: bool) -> Self {
        let store = Redis::start_with(store_flags);
        let ports = [free_port(), free_port()];
        let nodes = ports.map(|port| Some(node(&store, port, is_forgiving)));
        let cluster = Self { store, nodes, ports, is_forgiving };
        for node in cluster.nodes.iter().flatten() {
            wait_until("the store to be there", || node.get("/ready").status == 200);
        }
        cluster
    }

    /// Where the nodes listen.
    pub fn urls(&self) -> [String; 2] {
        self.ports.map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// The store does nothing for a while.
    pub fn freeze_store(&self, time: Duration) {
        self.store.signal("STOP");
        std::thread::sleep(time);
        self.store.signal("CONT");
    }

    /// The store ends the nodes' connections, one kind after the other.
    pub fn cut_connections_to_store(&self) {
        for kind in ["pubsub", "normal"] {
            self.store.command(&["CLIENT", "KILL", "TYPE", kind]);
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    pub fn kill_store(&mut self) {
        self.store.kill();
    }

    /// Starts it after a [`Cluster::kill_store`], with whatever it has kept.
    pub fn start_store(&mut self) {
        self.store.start_again();
    }

    pub fn empty_store(&self) {
        self.store.command(&["FLUSHALL"]);
    }

    /// A node does nothing for a while.
    pub fn freeze_node(&self, index: usize, time: Duration) {
        let node = self.nodes[index].as_ref().expect("it runs");
        node.signal("STOP");
        std::thread::sleep(time);
        node.signal("CONT");
    }

    /// Kills a node without a word, and after a while starts another one in its place.
    pub fn replace_node(&mut self, index: usize, time: Duration) {
        self.nodes[index] = None;
        std::thread::sleep(time);
        self.nodes[index] = Some(node(&self.store, self.ports[index], self.is_forgiving));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn node(store: &Redis, port: u16, is_forgiving: bool) -> Server {
    let folder = Folder::new();
    for name in ["endure", "endure_ran"] {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("loadtest/scripts").join(format!("{name}.lua"));
        fs::copy(script, folder.script(name)).unwrap();
    }
    for (name, text) in HOOKS.iter().filter(|_| is_forgiving) {
        folder.write_script(name, text);
    }
    let (store, port) = (store.address(), port.to_string());
    let flags = ["--redis-addr", &store, "--port", &port, "--jwt-secret", SECRET, "--threads", "1"];
    Server::start_in(folder, &[&flags[..], &["--rejoin-grace", "10s"]].concat())
}
