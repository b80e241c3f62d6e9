//! What the flags bound, and what happens at the bound.

use serde_json::json;

use crate::common::player::Player;
use crate::common::server::Server;
use crate::common::wait_until;

#[test]
fn a_full_server_answers_503() {
    let server = Server::start(&["--max-connections", "3"]);
    let mut kept: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for connection in &mut kept {
        assert_eq!(connection.request("GET", "/health", &[], b"").status, 200);
    }
    let mut refused = server.connect();
    let response = refused.request("POST", "/guest-login", &[("Origin", "https://game.example")], b"");
    assert_eq!((response.status, response.error_code().as_str()), (503, "unavailable"));
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert_eq!(response.header("retry-after"), Some("5"));
    refused.expect_end();
    // It lives all the same.
    for _ in 0..3 {
        assert_eq!(server.get("/health").status, 200);
    }
    assert_eq!(server.get("/ready").status, 503);
    assert_eq!(server.metric(r#"godra_refusals_total{reason="server_full"}"#), 2.0);
    let path = "/ws?refuse=close&game_id=r";
    let mut refused = Player::connect_without_welcome(server.address(), path, &[]).unwrap();
    assert_eq!(refused.receive()["payload"]["retry_after"], 5);
    assert_eq!(refused.expect_close(), (4005, "unavailable".to_owned()));
    // Whoever takes up what is kept for that, and says nothing, does not for long.
    let silent: Vec<_> = (0..40).map(|_| server.connect()).collect();
    wait_until("an answer", || server.get("/health").status == 200);
    drop(silent);
    drop(kept.pop());
    // The place is free when the server has noticed the end of the connection.
    let is_free = || server.get("/ready").status == 200;
    assert!((0..1000).any(|_| is_free()), "the place of a closed connection stays taken");
}

#[test]
fn connections_are_counted_by_address() {
    let server = Server::start(&["--max-connections-per-ip", "2"]);
    let mut kept: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for connection in &mut kept {
        assert_eq!(connection.request("GET", "/health", &[], b"").status, 200);
    }
    let response = server.get("/health");
    assert!([429, 503].contains(&response.status), "{response:?}");
}

/// All that come through a proxy are not one player.
#[test]
fn players_behind_a_proxy_are_counted_by_their_own_addresses() {
    let server = Server::start(&["--max-connections-per-ip", "2", "--trusted-proxy", "127.0.0.1"]);
    let guests: Vec<_> = (0..6).map(|_| server.guest()).collect();
    let room = guests[0].create_lobby(8);
    let join = |guest: usize, address: &str| {
        let path = format!("/ws?token={}&game_id={room}", guests[guest].token);
        Player::connect_without_welcome(server.address(), &path, &[("x-forwarded-for", address)])
    };
    let mut kept: Vec<Player> = ["203.0.113.1", "203.0.113.1", "203.0.113.2", "203.0.113.3"]
        .into_iter()
        .enumerate()
        .map(|(guest, address)| join(guest, address).expect("it is let in"))
        .collect();
    let Err(refused) = join(4, "203.0.113.1") else { panic!("a third of one address is let in") };
    assert_eq!((refused.status, refused.error_code().as_str()), (503, "unavailable"));
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert_eq!(server.metric(r#"godra_refusals_total{reason="address_full"}"#), 1.0);
    // What proxies do not say whose it is counts for nobody.
    kept.push(join(5, "unknown").expect("it is let in"));
    drop(kept.swap_remove(0));
    wait_until("the place to be free", || join(4, "203.0.113.1").is_ok());
}

#[test]
fn logins_are_counted_by_address() {
    let server = Server::start(&["--login-rate", "2"]);
    let login = || server.post("/guest-login", &json!({}));
    assert_eq!((login().status, login().status), (200, 200));
    let refused = login();
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limited"));
    let retry_after: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&retry_after), "{retry_after}");
}

#[test]
fn inputs_are_counted_by_connection() {
    let server = Server::start(&["--input-rate", "10"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    for number in 0..60 {
        player.send("set", json!({"number": number}));
    }
    assert_eq!(player.receive_type("error")["payload"]["code"], "rate_limited");
    // The first refusal comes before the last input does.
    wait_until("all refusals to be counted", || {
        server.metric(r#"godra_inputs_total{outcome="limited"}"#) >= 10.0
    });
}

#[test]
fn a_flood_ends_the_connection() {
    let server = Server::start(&["--input-rate", "5"]);
    let guest = server.guest();
    let mut player = guest.join(&guest.create_lobby(4));
    for number in 0..60 {
        player.send("set", json!({"number": number}));
    }
    assert_eq!(player.expect_close().0, 4003);
}

#[test]
fn the_longest_message_passes_and_a_longer_one_does_not() {
    let server = Server::start(&["--max-message-bytes", "500"]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let message = |bytes: usize| {
        let text = r#"{"action":"update_state","id":1,"payload":""}"#;
        text.replace("\"\"}", &format!("\"{}\"}}", "x".repeat(bytes - text.len())))
    };
    let mut player = guest.join(&room);
    player.send_text(&message(500));
    assert_eq!(player.receive_until(|answer| answer["id"] == 1)["type"], "reply");
    player.send_text(&message(501));
    assert_eq!(player.expect_close().0, 1009);
}

#[test]
fn lobbies_above_an_owners_limit_are_refused_and_counted() {
    let server = Server::start(&["--lobbies-per-owner", "2"]);
    let (ann, ben) = (server.guest(), server.guest());
    let rooms = [ann.create_lobby(4), ann.create_lobby(4)];
    let sockets = rooms.each_ref().map(|room| ann.join(room));
    let refused = || server.metric(r#"godra_refusals_total{reason="lobbies_per_owner"}"#);
    assert_eq!(refused(), 0.0);
    let key = format!("game:{}", rooms[0]);
    assert_eq!(ben.rpc("create_lobby", json!([4]), &[&key]).status, 409, "that one is taken");
    assert_eq!(refused(), 0.0, "which is another refusal");
    for count in [1.0, 2.0] {
        let answer = ann.rpc("create_lobby", json!([4]), &[]);
        assert_eq!((answer.status, answer.error_code().as_str()), (409, "conflict"), "{answer:?}");
        assert_eq!(refused(), count);
    }
    ben.create_lobby(4);
    assert_eq!(refused(), 2.0);
    // Closed sockets are enough to make others, any number of times.
    drop(sockets);
    for _ in 0..50 {
        let mut made = None;
        wait_until("a lobby to be empty", || {
            let answer = ann.rpc("create_lobby", json!([4]), &[]);
            made = answer.json()["result"].as_str().map(|key| key.trim_start_matches("game:").to_owned());
            made.is_some()
        });
        ann.join(&made.expect("it was waited for")).close();
    }
    wait_until("the others to end", || {
        let page = ann.rpc("list_lobbies", json!([100]), &[]).json()["result"].to_string();
        page.matches("game:").count() <= 3 + 1
    });
}
