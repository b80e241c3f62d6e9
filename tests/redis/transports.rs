//! Ways to a store other than plain TCP.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::common::redis::Redis;
use crate::common::server::Server;
use crate::stage::{User, node};

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// Plays for a while, with messages small and large.
fn play(node: &Server) {
    let ann = User::new(node);
    let room = ann.create_lobby(node);
    let mut player = ann.join(node, &room);
    for id in 1..20 {
        let tag = "x".repeat(if id % 5 == 0 { 60_000 } else { 10 });
        let reply = player.call("count", json!(tag), id);
        assert_eq!(reply["type"], "reply", "{reply:.300}");
    }
}

#[test]
fn a_socket_in_the_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock");
    let shown = path.display().to_string();
    let redis = Redis::start_with(&["--unixsocket", &shown]);
    redis.command(&["ACL", "SETUSER", "ada", "on", ">secret-1", "~*", "&*", "+@all"]);
    for address in [format!("unix:{shown}?db=1"), format!("redis+unix://ada:secret-1@{shown}")] {
        play(&node(&[address], &[]));
    }
    assert_ne!(
        redis.command(&["EVAL", "redis.call('SELECT', 1) return redis.call('DBSIZE')", "0"]).trim(),
        ":0"
    );
    let lost = Server::start(&["--redis-addr", "unix:/nowhere/redis.sock"]);
    lost.output().wait_for_line(&["the store is not available", "/nowhere/redis.sock: No such file"]);
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn make_authority(folder: &Path, name: &str) {
    openssl(
        folder,
        &format!("req -x509 {NEW_KEY} -keyout {name}.key -out {name}.crt -days 2 -subj /CN={name}"),
    );
}

/// A certificate of the authority `ca`, for a host, that begins to be valid now and ends after so many days.
fn make_certificate(folder: &Path, name: &str, host: &str, days: i32) {
    openssl(folder, &format!("req {NEW_KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
    fs::write(folder.join("names"), format!("subjectAltName=DNS:{host}\n")).unwrap();
    let sign = "x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names";
    openssl(folder, &format!("{sign} -in {name}.csr -days {days} -out {name}.crt"));
}

struct Encrypted {
    redis: Redis,
    folder: TempDir,
}

impl Encrypted {
    fn start(host: &str, days: i32, asks_clients: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_authority(folder.path(), "ca");
        make_certificate(folder.path(), "server", host, days);
        let file = |name: &str| folder.path().join(name).display().to_string();
        let clients = if asks_clients { "yes" } else { "no" };
        let flags = [
            ["--tls-cert-file", &file("server.crt")],
            ["--tls-key-file", &file("server.key")],
            ["--tls-ca-cert-file", &file("ca.crt")],
            ["--tls-auth-clients", clients],
        ];
        Self { redis: Redis::start_encrypted(&flags.concat()), folder }
    }

    fn address(&self) -> String {
        format!("rediss://localhost:{}", self.redis.tls_port())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn flags(&self) -> [String; 2] {
        ["--redis-ca".to_owned(), self.file("ca.crt").display().to_string()]
    }
}

fn refused(address: &str, flags: &[&str], expected: &[&str]) {
    let node = Server::start(&[&["--redis-addr", address], flags].concat());
    node.output().wait_for_line(&[&["the store is not available"], expected].concat());
    assert_eq!(node.get("/ready").status, 503);
}

#[test]
fn tls_to_a_server_whose_authority_is_named() {
    let encrypted = Encrypted::start("localhost", 2, false);
    let [flag, authority] = encrypted.flags();
    play(&node(&[encrypted.address()], &[&flag, &authority]));
    play(&node(&[format!("{}/#insecure", encrypted.address())], &[]));
    refused(&encrypted.address(), &[], &["UnknownIssuer", "--redis-ca"]);
    let plain = format!("rediss://localhost:{}", encrypted.redis.port());
    refused(&plain, &[&flag, &authority], &["it may not speak TLS"]);
}

#[test]
fn certificates_of_another_host_or_time_are_refused() {
    let elsewhere = Encrypted::start("other.example", 2, false);
    let [flag, authority] = elsewhere.flags();
    refused(&elsewhere.address(), &[&flag, &authority], &["not valid for name", "localhost"]);
    let expired = Encrypted::start("localhost", -1, false);
    let [flag, authority] = expired.flags();
    refused(&expired.address(), &[&flag, &authority], &["Expired"]);
}

#[test]
fn tls_with_a_certificate_of_the_clients() {
    let encrypted = Encrypted::start("localhost", 2, true);
    make_certificate(encrypted.folder.path(), "client", "client", 2);
    let [flag, authority] = encrypted.flags();
    let own = ["client.crt", "client.key"].map(|name| encrypted.file(name).display().to_string());
    let flags = [&*flag, &authority, "--redis-cert", &own[0], "--redis-key", &own[1]];
    play(&node(&[encrypted.address()], &flags));
    refused(&encrypted.address(), &flags[..2], &["CertificateRequired"]);
}
