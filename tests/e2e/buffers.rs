//! One budget for what connections hold: requests and messages that come in part, and what nobody reads.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::http::Connection;
use crate::common::player::Player;
use crate::common::server::{Folder, Server};
use crate::common::wait_until;

const MIB: usize = 1 << 20;
const BUDGET: &[&str] = &["--buffer-memory", "32m", "--threads", "2"];
/// What a process may take besides its buffers: it has freed memory that the allocator keeps.
const SLACK: usize = 32 * MIB;

/// A request of which most of the body has come.
fn begin_call(server: &Server, token: &str) -> Connection {
    let mut connection = server.connect();
    let head = format!(
        "POST /api/rpc HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nContent-Length: 262144\r\n\r\n"
    );
    connection.send(head + &"x".repeat(250_000));
    connection
}

/// How long a player waits for answers while something goes on, the longest wait last.
fn waits(player: &mut Player, first_id: u64) -> Vec<Duration> {
    let mut waits: Vec<Duration> = (first_id..first_id + 20)
        .map(|id| {
            let began = Instant::now();
            player.call("heartbeat", json!(null), id);
            began.elapsed()
        })
        .collect();
    waits.sort();
    waits
}

fn made_room(server: &Server) -> f64 {
    server.metric(r#"godra_refusals_total{reason="buffer_memory"}"#)
}

#[test]
fn half_sent_bodies_do_not_fill_the_memory() {
    let server = Server::start(BUDGET);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    let before = server.resident_bytes();
    let mut begun = Vec::new();
    for round in 0..10 {
        begun.extend((0..60).map(|_| begin_call(&server, &guest.token)));
        let waits = waits(&mut player, 1 + 20 * round);
        assert!(waits[10] < Duration::from_millis(200), "{waits:?}");
    }
    // 150 MB were sent.
    wait_until("room to be made", || made_room(&server) >= 400.0);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 32 * MIB + SLACK, "{} MiB", grown / MIB);
    wait_until("the count to be within the budget", || {
        server.metric("godra_buffered_bytes") <= (32 * MIB) as f64
    });
    // One that was told to go, and one that was let be.
    let mut answers = begun.into_iter().map(|mut connection| {
        connection.send("x".repeat(262_144 - 250_000));
        connection.read_response()
    });
    let refused = answers.find(|answer| answer.status == 503).expect("some had to go");
    assert_eq!(refused.error_code(), "unavailable");
    assert!(answers.any(|answer| answer.status == 400), "some could stay");
}

#[test]
fn nothing_is_kept_for_strangers() {
    let server = Server::start(BUDGET);
    let mut connection = server.connect();
    let head = "POST /api/rpc HTTP/1.1\r\nHost: test\r\nContent-Length: 262144\r\n\r\n";
    connection.send(head.to_owned() + "x");
    assert_eq!(connection.read_response().status, 401);
    let mut connection = server.connect();
    connection.send(head.replace("/api/rpc", "/login") + "x");
    assert_eq!(connection.read_response().status, 413);
}

#[test]
fn half_sent_messages_make_room_for_others() {
    let server = Server::start(&[BUDGET, &["--max-message-bytes", "4m"]].concat());
    let guests: Vec<_> = (0..12).map(|_| server.guest()).collect();
    let room = guests[0].create_lobby(16);
    let mut players: Vec<Player> = guests.iter().map(|guest| guest.join(&room)).collect();
    let mut player = players.pop().expect("there are players");
    // The header of a masked text frame of 4 MiB, and most of its payload.
    let mut begun = vec![0x81, 0xff];
    begun.extend((4 * MIB as u64).to_be_bytes());
    begun.extend([0; 4]);
    begun.resize(4 * MIB - 1000, b' ');
    let mut sockets: Vec<_> =
        players.iter_mut().map(|player| player.socket().get_ref().try_clone().unwrap()).collect();
    for socket in &mut sockets {
        // One that has been closed meanwhile takes no more.
        _ = socket.write_all(&begun);
    }
    wait_until("room to be made", || made_room(&server) >= 3.0);
    assert!(made_room(&server) <= 6.0, "{} of 11 players with 44 MiB had to go", made_room(&server));
    assert!(server.metric(r#"godra_websocket_closes_total{code="4002"}"#) >= 3.0);
    assert_eq!(player.call("heartbeat", json!(null), 1)["type"], "reply");
}

#[test]
fn what_does_not_come_whole_ends_and_is_counted() {
    let server = Server::start(&["--message-timeout", "1s"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    // The header of a masked text frame of 9 bytes, and a part of its payload.
    player.socket().get_mut().write_all(&[0x81, 0x89, 0, 0, 0, 0, b'{', b'"']).unwrap();
    let mut connection = server.connect();
    connection.send("POST /guest-login HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{");
    assert_eq!(connection.read_response().status, 408);
    let (code, reason) = player.expect_close();
    assert_eq!((code, &*reason), (4002, "a message did not arrive in time"));
    wait_until("both to be counted", || server.metric(r#"godra_refusals_total{reason="unfinished"}"#) == 2.0);
}

#[test]
fn what_is_not_read_makes_room_for_others() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("public")).unwrap();
    // A longer one would be sent from where it is kept, and held by nobody.
    std::fs::write(folder.path().join("public/unread"), [b'x'; 16_000]).unwrap();
    let server = Server::start_in(folder, BUDGET);
    let before = server.resident_bytes();
    // Once the kernel takes no more, each holds 64 KiB of answers and as much of what it asks, and is read no further.
    let ask = |_| {
        let mut connection = server.connect();
        connection.send("GET /unread HTTP/1.1\r\nHost: test\r\n\r\n".repeat(3000));
        connection
    };
    let _unread: Vec<Connection> = (0..400).map(ask).collect();
    wait_until("room to be made", || made_room(&server) >= 3.0);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 32 * MIB + 2 * SLACK, "{} MiB", grown / MIB);
    assert_eq!(server.get("/health").status, 200);
}

/// Keeps the store's engine busy for a second or more.
const SPIN: &str = "-- ROLE: guest
local sum = 0
for n = 1, 1e8 do sum = sum + n end
return sum
";

/// The event loop sleeps until there is an answer.
#[test]
fn regression_a_call_is_not_looked_at_while_it_runs() {
    let folder = Folder::new();
    folder.write_script("spin", SPIN);
    // The embedded store: see below.
    let flags = ["--threads", "1", "--state-file", "off", "--script-time-budget", "10s"];
    let server = Server::start_in(folder, &flags);
    let guest = server.guest();
    let rounds = || server.metric("godra_shard_loop_seconds_count{shard=\"0\"}");
    let before = rounds();
    assert_eq!(guest.rpc("spin", json!([]), &[]).status, 200);
    assert!(rounds() - before < 500.0, "{} rounds", rounds() - before);
}

/// What has come whole and waits to run takes as much memory as what has come in part.
#[test]
fn calls_that_wait_to_run_do_not_fill_the_memory() {
    let folder = Folder::new();
    folder.write_script("spin", SPIN);
    folder.write_script("measure", "-- ROLE: guest\nreturn #ARGV[2]\n");
    // The embedded store: Redis stops a script that holds up the others for so long.
    let budget = ["--state-file", "off", "--script-time-budget", "10s"];
    let flags = [&["--buffer-memory", "16m", "--threads", "2"][..], &budget].concat();
    let server = Server::start_in(folder, &flags);
    let guests: Vec<_> = (0..4).map(|_| server.guest()).collect();
    let call = |number: usize, script: &str, argument: &str| {
        let body = json!({"script": script, "args": [argument]}).to_string();
        let mut connection = server.connect();
        let token = &guests[number % guests.len()].token;
        connection.send(format!(
            "POST /api/rpc HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        connection
    };
    let mut spinning = call(0, "spin", "");
    let large = "x".repeat(250_000);
    let waiting: Vec<Connection> = (0..120).map(|number| call(number, "measure", &large)).collect();
    let (mut ran, mut busy) = (0, 0);
    for mut connection in waiting {
        let answer = connection.read_response();
        match answer.status {
            200 => ran += 1,
            503 => busy += usize::from(answer.error_code() == "busy"),
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!(spinning.read_response().status, 200);
    assert!(ran >= 10 && busy >= 10, "{ran} of 120 ran, {busy} were refused: 67 fit");
    assert!(server.metric(r#"godra_refusals_total{reason="busy"}"#) >= busy as f64);
    let answer = guests[0].rpc("measure", json!([large]), &[]);
    assert_eq!(answer.json()["result"], 250_000, "what has run takes up nothing");
}
