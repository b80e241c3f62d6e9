//! Who sends too much is slowed: to refuse it costs nobody else anything, and it can go on afterwards.

use std::time::{Duration, Instant};

use serde_json::json;
use tungstenite::Message;

use crate::common::server::Server;

#[test]
fn a_flood_is_read_at_its_rate_and_the_connection_works_on() {
    let server = Server::start(&["--input-rate", "20"]);
    let (flooder_guest, other_guest) = (server.guest(), server.guest());
    let mut flooder = flooder_guest.join(&flooder_guest.create_lobby(4));
    let mut other = other_guest.join(&other_guest.create_lobby(4));
    for number in 0..200 {
        let input = json!({"action": "set", "payload": {"number": number}});
        flooder.socket().write(Message::text(input.to_string())).unwrap();
    }
    let began = Instant::now();
    flooder.send_text(&json!({"action": "heartbeat", "id": 7}).to_string());
    assert_eq!(other.call("heartbeat", json!(null), 1)["type"], "reply");
    let answer = flooder.receive_until(|message| message["id"] == 7);
    // In each tenth of a second two pass and five are refused, behind the forty of the burst.
    assert!(began.elapsed() > Duration::from_secs(1), "all were read within {:?}", began.elapsed());
    let limited = server.metric(r#"godra_inputs_total{outcome="limited"}"#);
    assert!((20.0..160.0).contains(&limited), "{limited} were refused, {answer}");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(flooder.call("heartbeat", json!(null), 8)["type"], "reply");
}

#[test]
fn after_429_the_next_request_waits_for_a_second_and_others_do_not() {
    let server = Server::start(&["--login-rate", "1"]);
    let mut flooder = server.connect();
    let login = "POST /guest-login HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    flooder.send(login.repeat(2));
    assert_eq!(flooder.read_response().status, 200);
    let refused = flooder.read_response();
    let at = Instant::now();
    assert_eq!(refused.status, 429, "{refused:?}");
    flooder.send(login.repeat(50) + "GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(server.post("/guest-login", &json!({})).status, 429);
    assert_eq!(server.get("/health").status, 200);
    assert_eq!(server.metric(r#"godra_http_requests_total{route="/guest-login",status="429"}"#), 2.0);
    for _ in 0..2 {
        assert_eq!(flooder.read_response().status, 429);
    }
    assert!(at.elapsed() > Duration::from_millis(1800), "{:?}", at.elapsed());
}

/// What its proxy has to say for others comes by the same connection.
#[test]
fn a_trusted_proxys_connection_is_read_on() {
    let server = Server::start(&["--login-rate", "1", "--trusted-proxy", "127.0.0.1"]);
    let mut proxy = server.connect();
    let login = |address: &str| {
        format!(
            "POST /guest-login HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\nContent-Length: 2\r\n\r\n{{}}"
        )
    };
    let began = Instant::now();
    proxy.send(login("203.0.113.1").repeat(11) + &login("203.0.113.2"));
    let statuses: Vec<u16> = (0..12).map(|_| proxy.read_response().status).collect();
    assert_eq!((statuses[0], statuses[11]), (200, 200));
    assert_eq!(statuses[1..11], [429; 10]);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_long_input_counts_as_several() {
    let server = Server::start(&["--input-rate", "2"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    // Four pieces are all that may come at once.
    let long = json!({"action": "update_state", "payload": {"text": "x".repeat(3 * 4096 + 1)}, "id": 1});
    player.send_text(&long.to_string());
    assert_eq!(player.receive_until(|message| message["id"] == 1)["type"], "reply");
    player.send_text(&long.to_string());
    let refused = player.receive_until(|message| message["id"] == 1);
    assert_eq!(refused["payload"]["code"], "rate_limited", "{refused}");
    let seconds = refused["payload"]["details"]["retry_after"].as_u64().unwrap();
    assert!((1..=2).contains(&seconds), "{refused}");
    std::thread::sleep(Duration::from_secs(seconds));
    player.send_text(&long.to_string());
    assert_eq!(player.receive_until(|message| message["id"] == 1)["type"], "reply");
}
