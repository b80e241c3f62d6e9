//! Many logins at once, and those who guess.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::accounts::{PASSWORD, User, account};
use crate::common::http::{Connection, Response};
use crate::common::server::Server;
use crate::common::wait_until;

/// A login that a proxy says comes from this address.
fn login_from(server: &Server, address: &str, username: &str, password: &str) -> Response {
    let body = json!({"username": username, "password": password}).to_string();
    server.request("POST", "/login", &[("X-Forwarded-For", address)], body.as_bytes())
}

const BEHIND_A_PROXY: &[&str] = &["--trusted-proxy", "127.0.0.0/8"];

/// One worker hashes some dozens of passwords a second: most of these have to be turned away, and told so.
#[test]
fn five_hundred_logins_at_once_are_all_answered() {
    let server = Server::start(&["--login-workers", "1"]);
    let ann = account(&server, "ann");
    let room = ann.create_lobby();
    let mut player = ann.join(&room);
    let body = json!({"username": "ann", "password": PASSWORD}).to_string();
    let began = Instant::now();
    let mut waiting: Vec<Connection> = (0..500)
        .map(|_| {
            let mut connection = server.connect();
            connection.send(format!(
                "POST /login HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
            connection
        })
        .collect();
    // Somebody who left is not waited for, and disturbs nobody.
    drop(waiting.split_off(490));
    // The event loops do not wait meanwhile.
    for id in 1..=5 {
        let asked = Instant::now();
        assert_eq!(player.call("heartbeat", json!(null), id)["result"]["n"], 0);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
    let answers: Vec<Response> = waiting.iter_mut().map(Connection::read_response).collect();
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    let of_status = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert!(of_status(200) > 0);
    assert_eq!(of_status(200) + of_status(503), answers.len());
    for refused in answers.iter().filter(|answer| answer.status == 503) {
        assert_eq!(refused.error_code(), "busy");
        assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    }
    // The logins of those who left may still wait for the worker.
    wait_until("an empty queue", || server.metric("godra_account_queue_depth") == 0.0);
    assert!(server.metric("godra_account_calls_total{outcome=\"ok\"}") >= of_status(200) as f64);
    assert!(server.metric("godra_password_hash_seconds_count") >= of_status(200) as f64);
}

/// Neither the answer nor the time that it takes tells whether there is such an account.
#[test]
fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    let server = Server::start(BEHIND_A_PROXY);
    for number in 0..3 {
        account(&server, &format!("ann{number}"));
    }
    let kinds: [(&dyn Fn(u32) -> String, &str); 3] = [
        (&|attempt| format!("ann{}", attempt % 3), "not the password"),
        (&|attempt| format!("nobody{attempt}"), "not the password"),
        (&|attempt| format!("no such name {attempt}"), "x"),
    ];
    // By the server's own processor time, in turns, and the shortest of each: what else the machine does counts for little.
    let mut shortest = [Duration::MAX; 3];
    for attempt in 0..9 {
        for (number, (name, password)) in kinds.iter().enumerate() {
            let address = format!("198.51.100.{}", attempt * 3 + number as u32);
            let before = server.cpu_time();
            let answer = login_from(&server, &address, &name(attempt), password);
            shortest[number] = shortest[number].min(server.cpu_time() - before);
            assert_eq!(answer.status, 401, "{answer:?}");
        }
    }
    let [wrong, unknown, impossible] = shortest;
    for time in [unknown, impossible] {
        let ratio = time.as_secs_f64() / wrong.as_secs_f64();
        assert!((0.5..2.0).contains(&ratio), "{wrong:?} {unknown:?} {impossible:?}");
    }
}

#[test]
fn whoever_guesses_waits_and_the_owner_does_not() {
    let server = Server::start(BEHIND_A_PROXY);
    account(&server, "ann");
    let (home, stranger, elsewhere) = ("192.0.2.1", "198.51.100.1", "203.0.113.1");
    assert_eq!(login_from(&server, home, "ann", PASSWORD).status, 200);
    for _ in 0..5 {
        assert_eq!(login_from(&server, stranger, "ANN", "not the password").status, 401);
    }
    let refused = login_from(&server, stranger, "ann", PASSWORD);
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limited"), "{refused:?}");
    let wait_s: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait_s), "{wait_s}");
    assert_eq!(login_from(&server, elsewhere, "ann", PASSWORD).status, 429, "a new address waits, too");
    assert_eq!(login_from(&server, home, "ann", PASSWORD).status, 200);
    // A try that came too early made nothing worse: once the time is over it is looked at.
    thread::sleep(Duration::from_secs(wait_s));
    assert_eq!(login_from(&server, stranger, "ann", PASSWORD).status, 200);
    assert!(server.metric("godra_account_calls_total{outcome=\"limited\"}") >= 2.0);
}

/// Without `--trusted-proxy` the header is what anybody may write.
#[test]
fn a_forwarded_address_is_not_believed_from_anybody() {
    let server = Server::start(&["--login-rate", "2"]);
    for number in 0..2 {
        let address = format!("198.51.100.{number}");
        assert_eq!(login_from(&server, &address, "nobody", "not the password").status, 401);
    }
    let refused = login_from(&server, "198.51.100.9", "nobody", "not the password");
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limited"));
    assert_eq!(server.request("POST", "/guest-login", &[("X-Forwarded-For", "1.2.3.4")], b"").status, 429);
}

#[test]
fn another_signing_key_keeps_sessions_and_a_key_that_is_gone_ends_them() {
    change_key("old-old-old-old-old-old-old-old-");
}

#[test]
fn a_key_can_follow_the_one_that_the_database_keeps() {
    change_key("database");
}

fn change_key(old: &str) {
    let new = "new-new-new-new-new-new-new-new-";
    let both = format!("{new},{old}");
    let folder = crate::common::server::Folder::new();
    let database = folder.path().join("accounts.db").display().to_string();
    let start = |secret: &str| Server::start(&["--jwt-secret", secret, "--db-dsn", &database]);
    let ann = account(&start(old), "ann").detach();
    let rotated = {
        let server = start(&both);
        assert_eq!(ann.on(&server).who_am_i().status, 200);
        User::from_login(&server, &ann.on(&server).refresh().json()).detach()
    };
    let server = start(new);
    assert_eq!(rotated.on(&server).who_am_i().status, 200);
    assert_eq!(ann.on(&server).who_am_i().status, 401);
    assert_eq!(rotated.on(&server).refresh().status, 200);
}
