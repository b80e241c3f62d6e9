//! The process ends when one of its threads does, and when it is told to although one does not listen.

use std::time::{Duration, Instant};

use crate::common::server::Server;

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
    for thread in ["shard-1", "state", "state-file", "account-0", "notices", "script-watch", "signals"] {
        check_panic(thread, &["--threads", "2", "--state-file", "state.db"]);
    }
}

#[test]
fn a_panic_of_a_thread_to_redis_ends_the_process() {
    // Nobody listens there: the thread would try again and again.
    check_panic("redis-write", &["--redis-addr", "127.0.0.1:1"]);
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
