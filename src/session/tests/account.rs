//! `POST /register`, `/login`, `/refresh`, `/logout`, `/account/password`, `/account/upgrade`; `GET /account`; and the
//! calls of managers.

use super::peer::{LOGINS_PER_MINUTE, Peer};
use super::*;
use crate::session::Rejection;
use crate::session::account::AccountAnswer;
use crate::wire::ErrorCode;

const ANN: &str = r#"{"username":"ann","password":"pass word"}"#;

fn authorized(path: &str, body: &str) -> String {
    post(path, &["Authorization: Bearer good"], body)
}

fn manage(body: &str) -> String {
    post("/api/rpc", &["Authorization: Bearer manager"], body)
}

#[test]
fn calls_are_passed_on() {
    let passed_on = |request: String, line: &str, route: &str| {
        check(request, &[line, &format!(r#"{route} 200 {{"result":"done"}}"#)]);
    };
    passed_on(post("/register", &[], ANN), "nobody 192.0.2.1 register ann pass word", "register");
    passed_on(post("/login", &[], ANN), "nobody 192.0.2.1 login ann pass word", "login");
    passed_on(post("/refresh", &[], r#"{"refresh_token":"x"}"#), "nobody 192.0.2.1 refresh x", "refresh");
    passed_on(authorized("/logout", ""), "guest:a 192.0.2.1 logout", "logout");
    let passwords = r#"{"old":"a","new":"b"}"#;
    passed_on(authorized("/account/password", passwords), "guest:a 192.0.2.1 change a b", "account_password");
    let body = r#"{"username":"ann","password":"pass word","code":"ABCD"}"#;
    passed_on(post("/account/reset", &[], body), "nobody 192.0.2.1 reset ann pass word ABCD", "reset");
    passed_on(
        post("/api/users/42/reset", &["Authorization: Bearer manager"], ""),
        "guest:a 192.0.2.1 make reset 42",
        "userreset",
    );
    let own = |method: &str, body: &str| authorized("/account", body).replacen("POST", method, 1);
    passed_on(own("PATCH", ANN), "guest:a 192.0.2.1 rename ann proven=true", "account");
    passed_on(own("DELETE", r#"{"password":"a"}"#), "guest:a 192.0.2.1 delete proven=true", "account");
    passed_on(own("DELETE", ""), "guest:a 192.0.2.1 delete proven=false", "account");
    passed_on(
        authorized("/account/upgrade", ANN),
        "guest:a 192.0.2.1 upgrade ann pass word []",
        "account_upgrade",
    );
    passed_on(
        post("/external-login", &[], r#"{"token":"x"}"#),
        "nobody 192.0.2.1 external x",
        "externallogin",
    );
    let device = r#"{"device_id":"d","secret":"s"}"#;
    passed_on(post("/device-login", &[], device), "nobody 192.0.2.1 device d", "devicelogin");
    let identities = "/account/identities";
    let link = r#"{"token":"x","proof":{"password":"p"},"rooms":["a"]}"#;
    passed_on(
        authorized(identities, link),
        r#"guest:a 192.0.2.1 link a token proven=true [RoomId(a)]"#,
        "identities",
    );
    passed_on(
        authorized(identities, device),
        "guest:a 192.0.2.1 link a device proven=false []",
        "identities",
    );
    let get = |method: &str, path: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n\r\n")
    };
    passed_on(get("GET", identities), "guest:a 192.0.2.1 identities", "identities");
    passed_on(
        get("DELETE", "/account/identities/https%3A%2F%2Fid.example/user%7C7"),
        "guest:a 192.0.2.1 unlink https://id.example user|7 proven=false",
        "identity",
    );
}

#[test]
fn what_makes_no_sense_goes_no_further() {
    let refused = |path: &str, route: &str| {
        let line = format!(r#"{route} 400 {{"error":{{"code":"bad_request","message":"…"}}}}"#);
        check(authorized(path, "{}"), &[&line]);
    };
    refused("/register", "register");
    refused("/login", "login");
    refused("/refresh", "refresh");
    refused("/account/password", "account_password");
    refused("/account/reset", "reset");
    refused("/account/upgrade", "account_upgrade");
    refused("/external-login", "externallogin");
    refused("/device-login", "devicelogin");
    refused("/account/identities", "identities");
    for method in ["PATCH", "DELETE"] {
        let line = r#"account 400 {"error":{"code":"bad_request","message":"…"}}"#;
        check(authorized("/account", "[]").replacen("POST", method, 1), &[line]);
    }
    check(get("/login"), &["login 405 …"]);
    check(post("/account", &[], ""), &["account 405 …"]);
}

#[test]
fn a_token_is_needed_where_somebody_acts() {
    for (path, route) in [
        ("/logout", "logout"),
        ("/account/password", "account_password"),
        ("/account/upgrade", "account_upgrade"),
        ("/account/identities", "identities"),
        ("/api/users/42/reset", "userreset"),
    ] {
        check(post(path, &[], ANN), &[&format!("{route} 401 …")]);
        check(post(path, &["Authorization: Bearer bad"], ANN), &[&format!("{route} 401 …")]);
        let banned = r#"{"error":{"code":"forbidden","message":"you are banned"}}"#;
        check(post(path, &["Authorization: Bearer banned"], ANN), &[&format!("{route} 403 {banned}")]);
    }
    check(get("/account"), &["account 401 …"]);
    for method in ["PATCH", "DELETE"] {
        check(post("/account", &[], ANN).replacen("POST", method, 1), &["account 401 …"]);
    }
}

#[test]
fn who_am_i() {
    check(
        request("GET /account", &["Authorization: Bearer good"]),
        &[r#"account 200 {"expires_in":3600,"role":"guest","user_id":"guest:a","username":"Ann"}"#],
    );
}

#[test]
fn answers_come_as_they_are() {
    let mut peer = Peer::new();
    peer.send(post("/login", &[], ANN));
    peer.lines();
    let body = br#"{"token":"t"}"#.to_vec();
    peer.answer_account(Ok(AccountAnswer::new(200, body))).did(&[r#"login 200 {"token":"t"}"#]);
    assert_eq!(header(peer.last_response(), "cache-control"), Some("no-store"));
    peer.send(authorized("/logout", ""));
    peer.lines();
    peer.answer_account(Ok(AccountAnswer::new(204, Vec::new()))).did(&["logout 204"]);
    peer.send(post("/login", &[], ANN));
    peer.lines();
    let refused = Rejection::new(ErrorCode::RateLimited, "wait").retry_after(31);
    peer.answer_account(Err(refused)).did(&["login 429 …"]);
    assert_eq!(header(peer.last_response(), "retry-after"), Some("31"));
    peer.send(post("/refresh", &[], r#"{"refresh_token":"busy"}"#)).did(&["refresh 503 …"]);
    assert_eq!(header(peer.last_response(), "retry-after"), Some("7"));
}

#[test]
fn the_next_request_waits_for_the_answer() {
    check(
        post("/login", &[], ANN) + &get("/health"),
        &["nobody 192.0.2.1 login ann pass word", r#"login 200 {"result":"done"}"#, "health 200 …"],
    );
}

#[test]
fn logins_and_registrations_of_an_address_are_limited() {
    let mut peer = Peer::new();
    for _ in 0..LOGINS_PER_MINUTE {
        peer.talk(post("/register", &[], ANN).as_bytes());
    }
    peer.lines();
    peer.send(post("/login", &[], ANN)).did(&["login 429 …"]);
    assert_eq!(header(peer.last_response(), "retry-after"), Some("20"));
}

#[test]
fn a_trusted_proxy_tells_whose_request_it_is() {
    let forwarded = post("/login", &["X-Forwarded-For: 1.1.1.1, 198.51.100.7"], ANN);
    let mut peer = Peer::new();
    peer.send(&forwarded);
    assert_eq!(peer.lines(), ["nobody 192.0.2.1 login ann pass word"]);
    let mut peer = Peer::new();
    peer.address = [10, 0, 0, 1].into();
    peer.send(&forwarded);
    assert_eq!(peer.lines(), ["nobody 198.51.100.7 login ann pass word"]);
}

#[test]
fn managers_call_the_server() {
    let passed_on = |body: &str, line: &str| check(manage(body), &[line, r#"rpc 200 {"result":"done"}"#]);
    passed_on(r#"{"script":"kick","args":["7","out"]}"#, r#"guest:a 192.0.2.1 kick 7 "out""#);
    passed_on(r#"{"script":"ban","args":["7",60]}"#, r#"guest:a 192.0.2.1 ban 7 Some(60) """#);
    passed_on(r#"{"script":"unban","args":["7"]}"#, "guest:a 192.0.2.1 unban 7");
    check(manage(r#"{"script":"ban"}"#), &[r#"rpc 400 {"error":{"code":"bad_request","message":"…"}}"#]);
    for script in ["kick", "ban", "unban"] {
        let refused = format!(
            r#"rpc 403 {{"error":{{"code":"forbidden","message":"\"{script}\" needs the role manager; yours is guest"}}}}"#
        );
        check(call(&format!(r#"{{"script":"{script}","args":["7"]}}"#)), &[&refused]);
    }
}

#[test]
fn news_that_came_while_it_joined_end_the_socket() {
    let mut peer = Peer::member();
    peer.services.standing = Err((4501, "cheating".into()));
    peer.check_standing().did(&["close 4501 cheating", "closed 4501"]);
    let mut peer = Peer::member();
    peer.check_standing().did(&[]);
}
