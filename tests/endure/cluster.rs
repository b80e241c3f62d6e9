//! Two nodes on one store, and what can happen to them.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::common::redis::Redis;
use crate::common::server::{Folder, Server, Usage};
use crate::common::tls::make_certificate;
use crate::common::wait_within;

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
    kind: Kind,
}

/// What nodes are.
#[derive(Default)]
struct Kind {
    /// Who comes back is let in also if nobody has made the room.
    is_forgiving: bool,
    /// A folder with the certificate and the key of all, if they speak TLS.
    certificate: Option<TempDir>,
}

impl Cluster {
    /// Starts all of it; the store with these settings.
    pub fn start(store_flags: &[&str]) -> Self {
        Self::start_with(store_flags, Kind::default())
    }

    /// As [`Cluster::start`]; the nodes speak TLS.
    pub fn start_secure(store_flags: &[&str]) -> Self {
        let folder = TempDir::with_prefix("godra-endure-").unwrap();
        make_certificate(folder.path());
        Self::start_with(store_flags, Kind { certificate: Some(folder), ..Kind::default() })
    }

    /// As [`Cluster::start`]; who comes back is let in also if nobody has made the room.
    pub fn start_forgiving(store_flags: &[&str]) -> Self {
        Self::start_with(store_flags, Kind { is_forgiving: true, ..Kind::default() })
    }

    fn start_with(store_flags: &[&str], kind: Kind) -> Self {
        let store = Redis::start_with(store_flags);
        let ports = [free_port(), free_port()];
        let nodes = ports.map(|port| Some(node(&store, port, &kind)));
        let cluster = Self { store, nodes, ports, kind };
        for node in cluster.nodes.iter().flatten() {
            node.output().wait_for_line(&["the store is there"]);
        }
        cluster
    }

    /// Where the nodes listen.
    pub fn urls(&self) -> [String; 2] {
        let scheme = if self.kind.certificate.is_some() { "https" } else { "http" };
        self.ports.map(|port| format!("{scheme}://127.0.0.1:{port}"))
    }

    /// The file with the nodes' certificate, if they speak TLS.
    pub fn certificate(&self) -> Option<PathBuf> {
        self.kind.certificate.as_ref().map(|folder| folder.path().join("cert.pem"))
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
        let node = self.node(index);
        node.signal("STOP");
        std::thread::sleep(time);
        node.signal("CONT");
    }

    /// A script of a node is broken for a while; the last good version serves on.
    pub fn break_script(&self, index: usize, time: Duration) {
        let folder = self.node(index).folder();
        let text = fs::read_to_string(folder.script("endure")).unwrap();
        folder.replace_script("endure", "this is no Lua");
        std::thread::sleep(time);
        folder.replace_script("endure", &text);
    }

    /// A node has no file descriptor left for a while, and more want to come in.
    pub fn exhaust_descriptors(&self, index: usize, time: Duration) {
        let node = self.node(index);
        let spare = 4;
        node.limit_open_files(Some(node.usage().descriptors + spare));
        let knocking: Vec<_> = (0..4 * spare).map(|_| TcpStream::connect(node.address()).unwrap()).collect();
        std::thread::sleep(time);
        drop(knocking);
        node.limit_open_files(None);
    }

    /// What a node holds when nobody plays: once that has not changed for some seconds.
    pub fn usage_at_rest(&self, index: usize) -> Usage {
        let mut last = self.node(index).usage();
        wait_within(Duration::from_secs(60), "a node to come to rest", || {
            std::thread::sleep(Duration::from_secs(3));
            let now = self.node(index).usage();
            let is_at_rest = (now.descriptors, now.threads) == (last.descriptors, last.threads)
                && now.resident_bytes.abs_diff(last.resident_bytes) < 1 << 20;
            last = now;
            is_at_rest
        });
        last
    }

    /// A minute later a node holds no more than before, but for a tenth.
    pub fn expect_usage(&self, index: usize, before: Usage) {
        let most = |before: usize| before + before / 10;
        let is_back = |now: Usage| {
            now.resident_bytes <= most(before.resident_bytes)
                && now.descriptors <= most(before.descriptors)
                && now.threads <= most(before.threads)
        };
        wait_within(
            Duration::from_secs(60),
            &format!("node {index} to hold no more than {before:?}"),
            || is_back(self.node(index).usage()),
        );
    }

    fn node(&self, index: usize) -> &Server {
        self.nodes[index].as_ref().expect("it runs")
    }

    /// Kills a node without a word, and after a while starts another one in its place.
    pub fn replace_node(&mut self, index: usize, time: Duration) {
        self.nodes[index] = None;
        std::thread::sleep(time);
        self.nodes[index] = Some(node(&self.store, self.ports[index], &self.kind));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn node(store: &Redis, port: u16, kind: &Kind) -> Server {
    let folder = Folder::new();
    for name in ["endure", "endure_ran"] {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("loadtest/scripts").join(format!("{name}.lua"));
        fs::copy(script, folder.script(name)).unwrap();
    }
    for (name, text) in HOOKS.iter().filter(|_| kind.is_forgiving) {
        folder.write_script(name, text);
    }
    let (store, port) = (store.address(), port.to_string());
    let flags = ["--redis-addr", &store, "--port", &port, "--jwt-secret", SECRET, "--threads", "1"];
    let files =
        kind.certificate.as_ref().map(|folder| ["cert.pem", "key.pem"].map(|name| folder.path().join(name)));
    let files = files.iter().flatten().map(|path| path.to_str().unwrap());
    let tls: Vec<&str> =
        ["--tls-cert", "--tls-key"].into_iter().zip(files).flat_map(<[&str; 2]>::from).collect();
    Server::start_in(folder, &[&flags[..], &["--rejoin-grace", "10s"], &tls].concat())
}
