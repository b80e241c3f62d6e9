//! `POST /guest-login`

use super::peer::{LOGINS_PER_MINUTE, Peer};
use super::*;

const LOGGED_IN: &str = "guest_login 200 …";

fn login(body: &str) -> String {
    post("/guest-login", &[], body)
}

#[test]
fn a_guest_gets_a_token() {
    let response = response(login(""));
    let body = response.split_once("\r\n\r\n").unwrap().1;
    let expected = serde_json::json!({
        "token": "fresh", "refresh_token": "again", "expires_in": 86400, "user_id": "guest:b", "username": "Ben \"B\"", "role": "guest",
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), expected);
    assert_eq!(header(&response, "cache-control"), Some("no-store"));
}

#[test]
fn bodies() {
    check(login(""), &[LOGGED_IN]);
    check(login("{}"), &[LOGGED_IN]);
    check(login(" \r\n"), &[LOGGED_IN]);
    check(login(r#" {"role":"manager","x":[1]} "#), &[LOGGED_IN]);
    let refused = &[
        r#"guest_login 400 {"error":{"code":"bad_request","message":"…expected an empty body or {\"nickname\"?: NAME}"}}"#,
    ];
    check(login("[]"), refused);
    check(login("null"), refused);
    check(login("{"), refused);
    check(login("{}{}"), refused);
    check(login("username=a"), refused);
    check(post("/guest-login", &["Content-Type: text/plain"], "{}"), &[LOGGED_IN]);
}

#[test]
fn a_guest_with_a_nickname_waits_for_the_accounts() {
    let done = r#"guest_login 200 {"result":"done"}"#;
    check(login(r#"{"nickname":"Ann"}"#), &["nobody 192.0.2.1 guest Ann", done]);
    check(login(r#"{"username":"Ann"}"#), &["nobody 192.0.2.1 guest Ann", done]);
    let mut peer = Peer::new();
    for _ in 0..LOGINS_PER_MINUTE {
        peer.talk(login(r#"{"nickname":"Ann"}"#).as_bytes());
        peer.did(&["nobody 192.0.2.1 guest Ann", done]);
    }
    peer.send(login(r#"{"nickname":"Ann"}"#)).did(&["guest_login 429 …"]);
}

#[test]
fn logins_of_an_address_are_limited() {
    let mut peer = Peer::new();
    for _ in 0..LOGINS_PER_MINUTE {
        peer.send(login("")).did(&[LOGGED_IN]);
    }
    let refused =
        r#"guest_login 429 {"error":{"code":"rate_limited","message":"too many logins from this address"}}"#;
    peer.send(login("")).did(&[refused]);
    assert_eq!(header(peer.last_response(), "retry-after"), Some("20"));
    peer.pass(19_000).send(login("")).did(&[refused]);
    assert_eq!(header(peer.last_response(), "retry-after"), Some("1"));
    peer.pass(1000).send(login("")).did(&[LOGGED_IN]);
    peer.send(login("")).did(&[refused]);
    peer.address = [192, 0, 2, 2].into();
    peer.pass(1000).send(login("")).did(&[LOGGED_IN]);
}

#[test]
fn a_refused_body_is_no_login() {
    let mut peer = Peer::new();
    for _ in 0..10 {
        peer.send(login("[]")).did(&["guest_login 400 …"]);
    }
    peer.send(login("")).did(&[LOGGED_IN]);
}
