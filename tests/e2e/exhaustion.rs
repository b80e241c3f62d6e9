//! Descriptors, the disk and memory run out: players go on, the log says what is missing, and nothing that was promised is lost.
//!
//! System calls are made to fail by strace, for as long as an [`Injection`] lives.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::accounts::User;
use crate::common::http::Connection;
use crate::common::output::Output;
use crate::common::server::{Folder, Server, command};
use crate::common::{wait_until, wait_within};

/// Of a second's processor time: what a server that waits may use on a busy machine, and one that spins does not.
const LAZY: f64 = 0.3;
const RETRIED: Duration = Duration::from_secs(30);

/// As long as it lives, a server's system calls fail.
struct Injection(Child);

impl Injection {
    /// `calls` as `fsync,fdatasync`, `fault` as `error=EIO`; only those on a path, if there is one.
    fn start(server: &Server, calls: &str, fault: &str, path: Option<&str>) -> Self {
        // Where a process may trace none but its own children, root may.
        for strace in [&["strace"][..], &["sudo", "-n", "strace"]] {
            let mut command = Command::new(strace[0]);
            command.args(&strace[1..]).args(["-f", "-qq", "-o", "/dev/null"]);
            command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{fault}")]);
            command.args(path.iter().flat_map(|path| ["-P", path]));
            command.args(["-p", &server.pid().to_string()]).stderr(Stdio::null());
            let mut strace = command.spawn().expect("strace is installed: tests/run does that");
            let deadline = Instant::now() + RETRIED;
            while strace.try_wait().unwrap().is_none() && Instant::now() < deadline {
                if is_traced(server) {
                    return Self(strace);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        panic!("strace cannot attach to the server: run the tests as root, or see kernel.yama.ptrace_scope");
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        // It lets go of the server first, as it does not when it is killed.
        let interrupt = format!("kill -INT {}", self.0.id());
        _ = Command::new("sh").args(["-c", &interrupt]).status();
        _ = self.0.wait();
    }
}

/// Whether all of its threads are.
fn is_traced(server: &Server) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    tasks.flatten().all(|task| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|pid| pid.trim() != "0"))
    })
}

/// The processor time that it uses in a second.
fn cpu_of_a_second(server: &Server) -> f64 {
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let (before, began) = (ticks(), Instant::now());
    std::thread::sleep(Duration::from_secs(1));
    // A tick is a hundredth of a second wherever Linux runs.
    (ticks() - before) as f64 / 100.0 / began.elapsed().as_secs_f64()
}

fn lines_with(server: &Server, words: &str) -> usize {
    server.output().text().lines().filter(|line| line.contains(words)).count()
}

/// Players that are there play on, and those who come wait until somebody goes; nothing spins meanwhile.
#[test]
fn without_descriptors_players_go_on_and_newcomers_wait() {
    let server = Server::start(&["--threads", "2"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    let metrics = server.get("/metrics");
    assert_eq!(metrics.status, 200);
    server.limit_open_files(Some(server.usage().descriptors + 3));
    let waiting: Vec<Connection> = (0..12).map(|_| server.connect()).collect();
    let line = server.output().wait_for_line(&["ERROR", "new connections cannot be accepted"]);
    assert!(line.contains("ulimit -n"), "{line}");
    let cpu = cpu_of_a_second(&server);
    assert!(cpu < LAZY, "it uses {cpu} of a processor while it waits");
    assert_eq!(player.call("set", json!({"x": 1}), 1)["type"], "reply");
    // One of each thread, and not one for each try.
    assert!(lines_with(&server, "new connections cannot be accepted") <= 2);
    drop(waiting);
    server.output().wait_for_line(&["INFO", "new connections are accepted again"]);
    assert_eq!(server.get("/health").status, 200);
    assert!(server.metric("godra_accept_errors_total") >= 1.0);
    assert_eq!(player.call("set", json!({"x": 2}), 2)["type"], "reply");
}

/// The scripts that serve go on serving, and a new text that could not be read is read once that can be done.
#[test]
fn without_descriptors_scripts_are_read_later() {
    let server = Server::start(&[]);
    server.folder().write_script("told", "-- ROLE: guest\nreturn 1\n");
    let guest = server.guest();
    let told = || guest.rpc("told", json!([]), &[]).json()["result"].clone();
    wait_until("the script to be there", || told() == json!(1));
    let injection = Injection::start(&server, "openat", "error=EMFILE", Some("scripts/told.lua"));
    server.folder().write_script("told", "-- ROLE: guest\nreturn 2\n");
    server.output().wait_for_line(&["told.lua", "cannot be read"]);
    assert_eq!(told(), json!(1));
    drop(injection);
    wait_until("the script to be read after all", || told() == json!(2));
}

/// What it was told to remember, it says.
const REMEMBER: &str = "-- ROLE: guest
-- KEYS: t:mark
if ARGV[2] then redis.call('SET', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
";

/// A server of whose store the file is there.
fn start_with_file(files: &Folder) -> Server {
    let folder = Folder::new();
    folder.write_script("remember", REMEMBER);
    Server::start_in(folder, &["--state-file", files.path().join("state.db").to_str().unwrap()])
}

/// What is written while the disk fails is in the file once it works again.
#[track_caller]
fn check_state_file(calls: &str, fault: &str) {
    let files = Folder::empty();
    let mut server = start_with_file(&files);
    let guest = server.guest();
    let remember = |mark: &str| assert_eq!(guest.rpc("remember", json!([mark]), &[]).json()["result"], mark);
    remember("before");
    let injection = Injection::start(&server, calls, fault, None);
    remember("during");
    server.output().wait_for_line(&["ERROR", "the state file cannot be written"]);
    assert!(server.metric("godra_state_file_errors_total") >= 1.0);
    remember("newest");
    drop(injection);
    server.output().wait_for_line(&["INFO", "the state file is written again"]);
    server.signal("KILL");
    server.wait();
    let server = start_with_file(&files);
    assert_eq!(server.guest().rpc("remember", json!([]), &[]).json()["result"], "newest");
}

#[test]
fn a_sync_that_fails_is_done_again() {
    check_state_file("fsync,fdatasync", "error=EIO");
}

#[test]
fn a_full_disk_is_written_once_it_has_room() {
    check_state_file("pwrite64", "error=ENOSPC");
}

/// What could not be written until the end is lost, and the exit code says so.
#[test]
fn a_stop_that_cannot_write_has_failed() {
    let files = Folder::empty();
    let mut server = start_with_file(&files);
    let injection = Injection::start(&server, "pwrite64", "error=ENOSPC", None);
    assert_eq!(server.guest().rpc("remember", json!(["lost"]), &[]).status, 200);
    server.terminate();
    assert_eq!(server.wait_at_most(RETRIED).code(), Some(1));
    drop(injection);
    server.output().wait_for_line(&["ERROR", "the last changes are lost"]);
    start_with_file(&files);
}

/// Who registers is told to come again, and nobody who plays notices.
#[test]
fn accounts_are_unavailable_while_the_disk_is_full() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    let register =
        |name: &str| server.post("/register", &json!({"username": name, "password": "a long word"}));
    assert_eq!(register("before").status, 201);
    let injection = Injection::start(&server, "pwrite64", "error=ENOSPC", None);
    let refused = register("during");
    assert_eq!((refused.status, refused.error_code().as_str()), (503, "unavailable"), "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    server.output().wait_for_line(&["ERROR", "game.db", "full"]);
    assert_eq!(player.call("set", json!({"x": 1}), 1)["type"], "reply");
    drop(injection);
    wait_until("accounts to be made again", || register("during").status == 201);
    User::login(&server, "before", "a long word");
}

/// Nobody is told of an account that a power failure could still take away.
#[test]
fn an_account_that_cannot_be_synced_is_no_success() {
    let server = Server::start(&[]);
    let register =
        |name: &str| server.post("/register", &json!({"username": name, "password": "a long word"}));
    assert_eq!(register("before").status, 201);
    let injection = Injection::start(&server, "fsync,fdatasync", "error=EIO", None);
    for _ in 0..3 {
        let refused = register("during");
        assert_eq!((refused.status, refused.error_code().as_str()), (503, "unavailable"), "{refused:?}");
    }
    server.output().wait_for_line(&["ERROR", "game.db"]);
    drop(injection);
    wait_until("accounts to be made again", || register("after").status == 201);
    // It may be there or not, but not in part.
    let again = register("during").status;
    assert!(matches!(again, 201 | 409), "{again}");
    for name in ["before", "during", "after"] {
        User::login(&server, name, "a long word");
    }
}

/// The kernel may have no place for another connection in a poll: it is closed, and its place is free again.
#[test]
fn a_connection_that_cannot_be_watched_is_closed() {
    let server = Server::start(&["--threads", "1", "--max-connections", "6"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    let injection = Injection::start(&server, "epoll_ctl", "error=ENOSPC", None);
    for _ in 0..10 {
        server.connect().expect_end();
    }
    server.output().wait_for_line(&["cannot watch a connection; it is closed"]);
    assert_eq!(player.call("set", json!({"x": 1}), 1)["type"], "reply");
    drop(injection);
    assert_eq!(server.get("/health").status, 200);
}

/// Whatever accepting comes to, the server is there afterwards.
#[test]
fn accepting_may_fail_in_any_way() {
    let server = Server::start(&["--threads", "1"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    for error in ["ENFILE", "ENOBUFS", "ENOMEM", "EPERM", "ECONNABORTED", "EPROTO"] {
        let injection = Injection::start(&server, "accept4", &format!("error={error}"), None);
        let mut waiting = server.connect();
        assert_eq!(player.call("set", json!({"x": error}), 1)["type"], "reply", "{error}");
        drop(injection);
        assert_eq!(waiting.request("GET", "/health", &[], b"").status, 200, "{error}");
    }
}

/// The process ends, and says why: it neither hangs nor goes on without some of its threads.
#[test]
fn without_memory_the_process_ends() {
    let words = ["memory allocation", "Resource temporarily unavailable", "Cannot allocate memory"];
    for megabytes in [40, 120, 200, 300] {
        let folder = Folder::new();
        let mut godra = command(&folder);
        godra.args(["--port", "0", "--host", "127.0.0.1", "--threads", "2"]);
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--as={}", megabytes << 20)).arg(godra.get_program()).args(godra.get_args());
        limited
            .env("RUST_BACKTRACE", "0")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = limited.spawn().unwrap();
        let printed = Output::default();
        printed.follow(process.stdout.take().unwrap());
        printed.follow(process.stderr.take().unwrap());
        wait_within(RETRIED, "the process to end or to serve", || {
            process.try_wait().unwrap().is_some() || printed.text().contains("listening on")
        });
        let Some(status) = process.try_wait().unwrap() else {
            process.kill().unwrap();
            process.wait().unwrap();
            continue;
        };
        wait_until("its last line", || words.iter().any(|word| printed.text().contains(word)));
        assert!(!status.success(), "{megabytes} MB: {}", printed.text());
    }
}
