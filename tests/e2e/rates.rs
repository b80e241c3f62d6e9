//! How often a client may ask, by default and by flags. All here are on the server's own machine; a proxy that is trusted makes
//! strangers of them.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::http::Response;
use crate::common::player::Player;
use crate::common::server::{Guest, Server};
use crate::common::wait_until;

const BEHIND_A_PROXY: &[&str] = &["--trusted-proxy", "127.0.0.1"];
const STRANGER: (&str, &str) = ("x-forwarded-for", "203.0.113.9");

fn guest_login(server: &Server, headers: &[(&str, &str)]) -> Response {
    server.request("POST", "/guest-login", headers, b"{}")
}

fn join_from(guest: &Guest<'_>, server: &Server, room: &str, address: &str) -> Player {
    let path = format!("/ws?token={}&game_id={room}", guest.token);
    Player::connect_without_welcome(server.address(), &path, &[("x-forwarded-for", address)]).unwrap()
}

#[track_caller]
fn is_limited(refused: &Response) {
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limited"), "{refused:?}");
    let seconds: u32 = refused.header("retry-after").expect("it says when").parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[test]
fn who_is_on_this_machine_meets_no_default() {
    let server = Server::start(&[]);
    assert!((0..100).all(|_| guest_login(&server, &[]).status == 200));
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    assert!((0..200).all(|_| guest.rpc("heartbeat", json!([]), &[]).status == 200));
    (0..300).for_each(|number| player.send("set", json!({"number": number})));
    assert_eq!(player.call("heartbeat", json!(null), 1)["type"], "reply");
    assert_eq!(server.metric(r#"godra_inputs_total{outcome="limited"}"#), 0.0);
}

#[test]
fn strangers_log_in_sixty_times_a_minute() {
    let server = Server::start(BEHIND_A_PROXY);
    let refused = (0..80).map(|_| guest_login(&server, &[STRANGER])).find(|answer| answer.status != 200);
    is_limited(&refused.expect("there is a limit"));
    assert_eq!(guest_login(&server, &[("x-forwarded-for", "203.0.113.10")]).status, 200);
    // What a client writes before its proxy does frees it from nothing.
    for forged in ["127.0.0.1, 203.0.113.9", "x, 203.0.113.9"] {
        is_limited(&guest_login(&server, &[("x-forwarded-for", forged)]));
    }
    assert!(server.metric(r#"godra_refusals_total{reason="login_rate"}"#) >= 3.0);
}

#[test]
fn strangers_have_a_rate_of_inputs_by_default() {
    let server = Server::start(BEHIND_A_PROXY);
    let guest = server.guest();
    let mut player = join_from(&guest, &server, &guest.create_lobby(4), "203.0.113.9");
    (0..200).for_each(|number| player.send("set", json!({"number": number})));
    let refused = player.receive_type("error");
    assert_eq!(refused["payload"]["code"], "rate_limited");
    assert_eq!(refused["payload"]["details"], json!({"retry_after": 1}));
    wait_until("refusals", || server.metric(r#"godra_refusals_total{reason="input_rate"}"#) >= 1.0);
}

#[test]
fn calls_are_counted_by_user() {
    let server = Server::start(&["--rpc-rate", "2", "--threads", "2"]);
    let (guest, other) = (server.guest(), server.guest());
    let refused = (0..50).map(|_| guest.rpc("heartbeat", json!([]), &[])).find(|answer| answer.status != 200);
    is_limited(&refused.expect("there is a limit"));
    assert_eq!(other.rpc("heartbeat", json!([]), &[]).status, 200);
    assert!(server.metric(r#"godra_refusals_total{reason="rpc_rate"}"#) >= 1.0);
    wait_until("a call to be let through again", || guest.rpc("heartbeat", json!([]), &[]).status == 200);
}

#[test]
fn a_flood_of_pings_ends_the_connection() {
    let server = Server::start(&["--input-rate", "5"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    player.socket().get_mut().write_all(&PING.repeat(100)).unwrap();
    assert_eq!(player.expect_close().0, 4003);
}

/// A masked ping without a payload.
const PING: [u8; 6] = [0x89, 0x80, 1, 2, 3, 4];

/// While others flood: in the middle of forty calls.
#[track_caller]
fn is_answered_in_time(player: &mut Player) {
    let wait = |id| {
        let began = Instant::now();
        player.call("heartbeat", json!(null), id);
        began.elapsed()
    };
    let mut waits: Vec<Duration> = (1..=40).map(wait).collect();
    waits.sort();
    assert!(waits[20] < Duration::from_millis(100), "{waits:?}");
}

/// On this machine there is no rate: fair shares are all that keeps the others playing.
#[test]
fn nobody_waits_for_somebody_elses_pings() {
    let server = Server::start(&["--threads", "1"]);
    let guests = [server.guest(), server.guest()];
    let mut flooder = guests[0].join(&guests[0].create_lobby(4));
    let mut player = guests[1].join(&guests[1].create_lobby(4));
    let flood = PING.repeat(10_000);
    let (mut sender, mut reader) =
        (flooder.socket().get_ref().try_clone().unwrap(), flooder.socket().get_ref().try_clone().unwrap());
    let flooding = thread::spawn(move || while sender.write_all(&flood).is_ok() {});
    let reading = thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    is_answered_in_time(&mut player);
    flooder.socket().get_ref().shutdown(std::net::Shutdown::Both).unwrap();
    flooding.join().unwrap();
    _ = reading.join().unwrap();
}

/// Requests need no login, and each may ask for much with few bytes.
#[test]
fn nobody_waits_for_somebody_elses_requests() {
    for path in ["/metrics", "/"] {
        let server = Server::start(&["--threads", "1", "--trusted-proxy", "127.0.0.1"]);
        let guest = server.guest();
        let mut player = guest.join(&guest.create_lobby(4));
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{}: {}\r\n\r\n", STRANGER.0, STRANGER.1);
        let flood = request.repeat(1000);
        let floods: Vec<_> = (0..16)
            .map(|_| {
                let socket = TcpStream::connect(server.address()).unwrap();
                let (mut sender, mut reader) = (socket.try_clone().unwrap(), socket.try_clone().unwrap());
                let flood = flood.clone();
                let sending = thread::spawn(move || while sender.write_all(flood.as_bytes()).is_ok() {});
                let reading = thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
                (socket, sending, reading)
            })
            .collect();
        is_answered_in_time(&mut player);
        for (socket, sending, reading) in floods {
            socket.shutdown(std::net::Shutdown::Both).unwrap();
            sending.join().unwrap();
            _ = reading.join().unwrap();
        }
    }
}

/// Connects from another address of this machine, which is told apart from the usual one.
fn connect_from_elsewhere(server: &Server) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let source: std::net::SocketAddr = "127.0.0.2:0".parse().unwrap();
    socket.bind(&source.into()).unwrap();
    socket.connect(&server.address().into()).unwrap();
    socket.into()
}

/// Alone it has all that an event loop can do, and beside somebody who plays a tenth.
#[test]
fn an_address_has_a_part_of_the_loop_while_others_play() {
    let server = Server::start(&["--threads", "1"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    let flood = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    let floods: Vec<_> = (0..8)
        .map(|_| {
            let socket = connect_from_elsewhere(&server);
            let (mut sender, mut reader) = (socket.try_clone().unwrap(), socket.try_clone().unwrap());
            let flood = flood.clone();
            let sending = thread::spawn(move || while sender.write_all(flood.as_bytes()).is_ok() {});
            let reading = thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
            (socket, sending, reading)
        })
        .collect();
    let answered = || server.metric(r#"godra_http_requests_total{route="/health",status="200"}"#);
    let a_second = |meanwhile: &mut dyn FnMut()| {
        let (before, began) = (answered(), Instant::now());
        while began.elapsed() < Duration::from_secs(1) {
            meanwhile();
        }
        (answered() - before) / began.elapsed().as_secs_f64()
    };
    wait_until("the flood to be answered", || answered() > 1000.0);
    let alone = a_second(&mut || thread::sleep(Duration::from_millis(50)));
    let mut id = 0;
    let mut play = || {
        id += 1;
        assert_eq!(player.call("heartbeat", json!(null), id)["type"], "reply");
    };
    a_second(&mut play);
    let beside_a_player = a_second(&mut play);
    for (socket, sending, reading) in floods {
        socket.shutdown(std::net::Shutdown::Both).unwrap();
        sending.join().unwrap();
        _ = reading.join().unwrap();
    }
    assert!(beside_a_player > 0.0 && beside_a_player < alone / 2.0, "{beside_a_player}/s, alone {alone}/s");
}

#[test]
fn a_proxy_that_is_not_trusted_is_warned_of_once() {
    let server = Server::start(&[]);
    for _ in 0..3 {
        assert_eq!(guest_login(&server, &[STRANGER]).status, 200);
    }
    server.output().wait_for_line(&["WARN", "--trusted-proxy"]);
    assert_eq!(server.output().text().matches("--trusted-proxy").count(), 1);
}
