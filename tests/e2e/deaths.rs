//! The process ends when one of its threads does, and when it is told to although one does not listen.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::accounts::{PASSWORD, User, account, user_command};
use crate::common::issuer::{Signer, key_set};
use crate::common::postgres::Postgres;
use crate::common::redis::Redis;
use crate::common::server::{Folder, Server};
use crate::common::tls::make_certificate;

/// An end that waits for nothing; the rest is for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(4);

/// Expects the process to have failed, with these words in its last line.
#[track_caller]
fn check_end(server: &mut Server, limit: Duration, words: &[&str]) {
    assert_eq!(server.wait_at_most(limit).code(), Some(1));
    server.output().wait_for_line(words);
    let text = server.output().text();
    let last = text.lines().last().unwrap_or_default();
    assert!(last.contains("ERROR") && words.iter().all(|word| last.contains(word)), "{text}");
}

#[track_caller]
fn check_panic(thread: &str, flags: &[&str]) {
    let mut server = Server::start_faulty(&format!("panic {thread}"), flags);
    check_end(&mut server, AT_ONCE, &[&format!("the thread {thread} panicked: a test wants it")]);
    server.output().wait_for_line(&["panic: a test wants it", &format!("thread={thread}")]);
}

#[test]
fn a_panic_of_any_thread_ends_the_process() {
    let documents = ["documents", "document-reader", "document-keeper"];
    let threads = ["shard-1", "state", "state-file", "account-0", "notices", "script-watch", "signals"];
    for thread in threads.iter().chain(&documents) {
        check_panic(thread, &["--threads", "2", "--state-file", "state.db"]);
    }
}

#[test]
fn a_panic_of_a_thread_that_a_flag_starts_ends_the_process() {
    let folder = Folder::empty();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    make_certificate(folder.path());
    std::fs::write(file("keys.json"), key_set(&[&Signer::p256()])).unwrap();
    std::fs::create_dir(file("site")).unwrap();
    std::fs::write(file("site/index.html"), "hello").unwrap();
    check_panic("metrics", &["--metrics-addr", "127.0.0.1:0"]);
    check_panic("tls-watch", &["--tls-cert", &file("cert.pem"), "--tls-key", &file("key.pem")]);
    check_panic("page-watch", &["--public-dir", &file("site")]);
    let issuer = ["--auth-issuer", "https://accounts.example", "--auth-audience", "game"];
    check_panic("key-watch", &[&["--auth-jwks", &file("keys.json")], &issuer[..]].concat());
}

#[test]
fn a_panic_of_the_writer_of_documents_ends_the_process() {
    let postgres = Postgres::start();
    check_panic("document-writer", &["--db-type", "postgres", "--db-dsn", &postgres.dsn("postgres")]);
}

#[test]
fn a_panic_over_a_survey_ends_the_process() {
    let (folder, files) = (Folder::new(), Folder::empty());
    let database = files.path().join("accounts.db");
    let database = database.to_str().unwrap();
    user_command(&files, database, &["create", "ann", "--role", "manager"], PASSWORD);
    let flags = ["--db-dsn", database, "--state-file", "off"];
    let mut server = Server::start_with(folder, &flags, &[("GODRA_TEST_FAULT", "panic survey")]);
    User::login(&server, "ann", PASSWORD).request("GET", "/rooms/largest", &json!(null));
    check_end(&mut server, AT_ONCE, &["the thread survey panicked: a test wants it"]);
}

/// It was answered with 500, and the worker went on with whatever the panic had left behind.
#[test]
fn regression_a_panic_over_an_accounts_call_ends_the_process() {
    let mut server = Server::start_faulty("panic account-call", &["--state-file", "off"]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let body = json!({"username": "ann", "password": PASSWORD}).to_string();
    let head = format!("POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    let request = head + &body;
    stream.write_all(request.as_bytes()).unwrap();
    check_end(&mut server, AT_ONCE, &["the thread account-", "panicked: a test wants it"]);
}

/// A script's call is taken back as a whole, so that who finds a way to break it ends nobody's game.
#[test]
fn a_panic_within_a_script_is_taken_back() {
    let folder = Folder::new();
    folder.write_script("look", "-- KEYS: n\nreturn redis.call('GET', KEYS[1]) or 'nothing'");
    let breaks = "-- KEYS: n\nredis.call('SET', KEYS[1], 1) godra.tell(nil, 'ring', 1, {name = 'a'})";
    folder.write_script("breaks", breaks);
    folder.write_script("cancels", "return tostring(godra.cancel('a'))");
    folder.write_script("ring", "-- ROLE: server\nreturn 1");
    let server = Server::start_with(folder, &["--state-file", "off"], &[("GODRA_TEST_FAULT", "panic tell")]);
    let ann = account(&server, "ann");
    for _ in 0..3 {
        let broken = ann.rpc("breaks", json!([]));
        assert_eq!((broken.status, broken.error_code().as_str()), (500, "script_error"));
        assert_eq!(ann.rpc("look", json!([])).json()["result"], "nothing");
        assert_eq!(ann.rpc("cancels", json!([])).json()["result"], "false");
    }
    server.output().wait_for_line(&["the engine broke, and Lua starts over", "script=breaks"]);
}

#[test]
fn a_panic_of_a_thread_to_redis_ends_the_process() {
    // Nobody listens there: the thread would try again and again.
    check_panic("redis-write", &["--redis-addr", "127.0.0.1:1"]);
    let redis = Redis::start();
    check_panic("redis-read", &["--redis-addr", &redis.address()]);
}

#[test]
fn an_end_that_nobody_asked_for_ends_the_process() {
    for thread in ["shard-0", "state", "account-0", "notices", "script-watch"] {
        let mut server = Server::start_faulty(&format!("end {thread}"), &["--state-file", "state.db"]);
        let words = format!("the thread {thread} has ended before it was told to");
        check_end(&mut server, AT_ONCE, &[&words]);
    }
}

/// Signals a server of which a thread is stuck, and again once it is stopping.
#[track_caller]
fn check_second_signal(thread: &str) {
    let flags = ["--threads", "2", "--state-file", "state.db"];
    let mut server = Server::start_faulty(&format!("stall {thread}"), &flags);
    server.terminate();
    server.output().wait_for_line(&["stopping signal=15"]);
    std::thread::sleep(Duration::from_millis(200));
    assert!(server.is_running(), "it waits for {thread}");
    let asked = Instant::now();
    server.terminate();
    check_end(&mut server, AT_ONCE, &["stopped at once by a second signal"]);
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
}

#[test]
fn a_second_signal_ends_a_process_that_is_stuck() {
    for thread in ["shard-0", "state", "script-watch"] {
        check_second_signal(thread);
    }
}

/// A supervisor that waits for 30 s would kill it after that.
#[test]
fn a_process_that_is_stuck_ends_within_its_time() {
    let mut stuck = ["shard-0", "state"].map(|thread| {
        let flags = ["--threads", "2", "--state-file", "state.db"];
        let server = Server::start_faulty(&format!("stall {thread}"), &flags);
        server.terminate();
        (server, Instant::now())
    });
    for (server, asked) in &mut stuck {
        check_end(server, Duration::from_secs(32), &["stopped although not all is done", "limit_s=30"]);
        assert!(asked.elapsed() < Duration::from_secs(32), "{:?}", asked.elapsed());
    }
}
