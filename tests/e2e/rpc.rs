//! Scripts called over HTTP.

use std::time::{Duration, Instant};

use godra::account::token::TokenAuthority;
use godra::wire::ids::Role;
use serde_json::{Value, json};

use crate::common::PATIENCE;
use crate::common::http::Response;
use crate::common::server::{Folder, Server};

#[track_caller]
fn check_error(response: &Response, status: u16, code: &str) -> String {
    assert_eq!((response.status, response.error_code().as_str()), (status, code), "{response:?}");
    response.json()["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_lobby_is_made_joined_listed_and_left() {
    let server = Server::start(&[]);
    let (ann, ben) = (server.guest(), server.guest());
    let room = ann.create_lobby(2);
    let key = format!("game:{room}");
    let result = |response: Response| {
        assert_eq!(response.status, 200, "{response:?}");
        response.json()["result"].clone()
    };
    assert_eq!(result(ben.rpc("join_lobby", json!([]), &[&key])), "OK");
    assert_eq!(result(ben.rpc("join_lobby", json!([]), &[&key])), "OK");
    check_error(&server.guest().rpc("join_lobby", json!([]), &[&key]), 409, "conflict");
    assert_eq!(result(ben.rpc("send_chat", json!(["hello", room]), &[])), "OK");
    assert!(result(ben.rpc("list_lobbies", json!([]), &[])).to_string().contains(&room));
    assert_eq!(result(ben.rpc("leave_lobby", json!([]), &[&key])), "OK");
    check_error(&ben.rpc("send_chat", json!(["hello", room]), &[]), 403, "forbidden");
    check_error(&ann.rpc("create_lobby", json!([4]), &[&key, &format!("{key}:players")]), 409, "conflict");
}

/// Who has left a lobby by an RPC, or was put out, goes on listening to nothing.
#[test]
fn regression_who_has_left_hears_no_more() {
    let server = Server::start(&[]);
    let guests = [server.guest(), server.guest(), server.guest()];
    let room = guests[0].create_lobby(4);
    let mut players = [guests[0].join(&room), guests[1].join(&room), guests[2].join(&room)];
    let key = format!("game:{room}");
    assert_eq!(guests[1].rpc("leave_lobby", json!([]), &[&key]).json()["result"], "OK");
    assert_eq!(players[1].expect_close(), (4500, "left the lobby".to_owned()));
    let reply = players[0].call("kick_player", json!({"user_id": guests[2].user_id}), 1);
    assert_eq!(reply["result"], "OK", "{reply}");
    assert_eq!(players[2].expect_close(), (4500, "put out by the lobby's owner".to_owned()));
    let reply = guests[1].rpc("kick_player", json!([guests[0].user_id, room]), &[]);
    check_error(&reply, 403, "forbidden");
    // There is room for as many again.
    let _back = [guests[1].join(&room), guests[2].join(&room)];
}

#[test]
fn bad_tokens() {
    let server = Server::start(&[]);
    let good = server.guest().token;
    let check = |authorization: Option<&str>| {
        let headers: Vec<(&str, &str)> =
            authorization.map(|value| ("Authorization", value)).into_iter().collect();
        let response = server.request("POST", "/api/rpc", &headers, br#"{"script":"heartbeat"}"#);
        check_error(&response, 401, "unauthorized");
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    };
    check(None);
    check(Some(""));
    check(Some("Bearer"));
    check(Some("Bearer "));
    check(Some("Bearer x"));
    check(Some(&format!("Basic {good}")));
    check(Some(&format!("Bearer {good}x")));
    check(Some(&format!("Bearer {}", good.rsplit_once('.').unwrap().0)));
    // {"alg":"none"}
    let payload = good.split('.').nth(1).unwrap();
    check(Some(&format!("Bearer eyJhbGciOiJub25lIn0.{payload}.")));
    let other = Server::start(&[]).guest().token;
    check(Some(&format!("Bearer {other}")));
}

#[test]
fn a_token_whose_time_is_over_says_so() {
    let secret = "0123456789abcdef0123456789abcdef";
    let server = Server::start(&["--jwt-secret", secret]);
    let tokens = TokenAuthority::new(vec![secret.into()], 60);
    let expired = tokens.issue("guest:a", "Ann", Role::Guest, "", 1_700_000_000_000);
    let guest = server.known(&expired, "guest:a");
    check_error(&guest.rpc("heartbeat", json!([]), &[]), 401, "token_expired");
    assert_eq!(guest.try_join("r").err().unwrap().error_code(), "token_expired");
}

#[test]
fn what_a_script_says_is_not_taken_for_the_servers_word() {
    let folder = Folder::new();
    folder.write_script("say", "-- ROLE: guest\ngodra.error(ARGV[2], 'no')");
    let server = Server::start_in(folder, &[]);
    let guest = server.guest();
    let check = |code: &str, status: u16| {
        let response = guest.rpc("say", json!([code]), &[]);
        check_error(&response, status, code);
        let headers = ["www-authenticate", "retry-after"].map(|name| response.header(name));
        assert_eq!(headers, [None, None], "{response:?}");
        assert!(response.header("godra-script").is_some(), "{response:?}");
    };
    check("unauthorized", 400);
    check("token_expired", 400);
    check("session_ended", 400);
    check("busy", 503);
    check("unavailable", 503);
    check("rate_limited", 429);
    check("conflict", 409);
}

#[test]
fn bad_bodies() {
    let server = Server::start(&[]);
    let guest = server.guest();
    for body in [
        "",
        "x",
        "[]",
        "{}",
        r#"{"script":1}"#,
        r#"{"script":"heartbeat","args":{}}"#,
        r#"{"script":"heartbeat","args":"a"}"#,
        r#"{"script":"heartbeat","keys":"game:a"}"#,
        r#"{"script":"heartbeat","keys":[1]}"#,
        r#"{"script":"heartbeat"} x"#,
        "{\"script\":\"heart\u{0}beat\"}",
    ] {
        check_error(&guest.rpc_body(body.as_bytes()), 400, "bad_request");
    }
    check_error(&guest.rpc_body(b"{\"script\":\"\xff\"}"), 400, "bad_request");
    assert_eq!(guest.rpc("heartbeat", json!([]), &[]).status, 200);
}

#[test]
fn bad_script_names() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let check = |name: &str, status: u16, code: &str| {
        check_error(&guest.rpc(name, json!([]), &[]), status, code);
    };
    check("nowhere", 404, "not_found");
    check("", 404, "not_found");
    check("../scripts/heartbeat", 404, "not_found");
    check("heartbeat.lua", 404, "not_found");
    check("HEARTBEAT", 404, "not_found");
    check("on_connect", 403, "forbidden");
    check("on_snapshot", 403, "forbidden");
}

#[test]
fn nobody_can_name_any_other_key() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let check = |keys: &[&str]| {
        check_error(&guest.rpc("join_lobby", json!([]), keys), 403, "forbidden");
    };
    check(&["lobbies"]);
    check(&["active_sessions:guests"]);
    check(&["game:"]);
    check(&["game:a b"]);
    check(&[&format!("game:{room}:secret")]);
    check(&[&format!("game:{room}"), "game:other:players"]);
    check(&[&format!("xgame:{room}")]);
}

/// A script that fails tells its caller, and the log, which file and line.
#[test]
fn a_broken_script_names_file_and_line() {
    let folder = Folder::new();
    folder.write_script("trip", "-- ROLE: guest\nlocal t = nil\nreturn t.x\n");
    folder.write_script(
        "refuse",
        "-- ROLE: guest\ngodra.error('too_late', 'the shop is closed', {opens = 9})\n",
    );
    folder.write_script("spin", "-- ROLE: guest\nwhile true do end\n");
    folder.write_script(
        "hoard",
        "-- ROLE: guest\nlocal t = {} while true do t[#t + 1] = string.rep('x', 100000) end\n",
    );
    let server = Server::start_in(folder, &[]);
    let guest = server.guest();

    let message = check_error(&guest.rpc("trip", json!([]), &[]), 500, "script_error");
    assert!(message.contains("trip.lua:3"), "{message}");
    server.output().wait_for_line(&["trip.lua:3"]);

    let refused = guest.rpc("refuse", json!([]), &[]);
    assert_eq!(refused.error_code(), "too_late");
    assert_eq!(refused.json()["error"]["details"], json!({"opens": 9}));

    check_error(&guest.rpc("spin", json!([]), &[]), 500, "script_timeout");
    // Redis knows no bound for a script's memory: this one would take all there is.
    if std::env::var_os("GODRA_TEST_REDIS").is_none() {
        let response = guest.rpc("hoard", json!([]), &[]);
        assert!(["script_error", "script_timeout"].contains(&response.error_code().as_str()), "{response:?}");
    }
    assert_eq!(guest.rpc("heartbeat", json!([]), &[]).status, 200);
    assert!(server.metric(r#"godra_script_timeouts_total{script="spin"}"#) >= 1.0);
    assert!(server.metric(r#"godra_script_errors_total{script="trip"}"#) >= 1.0);
}

/// `--room-ttl` reaches the scripts, and an empty lobby ends after it.
#[test]
fn a_lobby_lasts_as_long_as_the_flag_says() {
    let folder = Folder::new();
    folder.write_script("ttl", "-- ROLE: guest\nreturn godra.room_ttl\n");
    let server = Server::start_in(folder, &["--room-ttl", "1s"]);
    let guest = server.guest();
    assert_eq!(guest.rpc("ttl", json!([]), &[]).json()["result"], json!(1));
    let room = guest.create_lobby(4);
    let deadline = Instant::now() + PATIENCE;
    while guest.rpc("join_lobby", json!([]), &[&format!("game:{room}")]).status == 200 {
        // Each try would make it last longer, so the next one comes when that is over.
        assert!(Instant::now() < deadline, "the lobby does not end");
        std::thread::sleep(Duration::from_millis(1100));
    }
}

/// What a script gets as arguments and gives as a result.
#[test]
fn arguments_and_results() {
    let folder = Folder::new();
    folder.write_script("args", "-- ROLE: guest\nreturn {ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]}\n");
    folder.write_script("number", "-- ROLE: guest\nreturn 3.99\n");
    folder.write_script("nothing", "-- ROLE: guest\nreturn nil\n");
    folder.write_script("status", "-- ROLE: guest\nreturn redis.status_reply('FINE')\n");
    let server = Server::start_in(folder, &[]);
    let guest = server.guest();
    let check = |script: &str, args: Value, expected: Value| {
        let response = guest.rpc(script, args, &[]);
        assert_eq!(response.json()["result"], expected, "{script}: {response:?}");
    };
    check(
        "args",
        json!(["a \"b\"", 1.5, true, {"x": [1]}]),
        json!([guest.user_id, "a \"b\"", "1.5", "true", r#"{"x":[1]}"#]),
    );
    check("number", json!([]), json!(3));
    check("nothing", json!([]), Value::Null);
    check("status", json!([]), json!("FINE"));
}
