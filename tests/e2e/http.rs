//! The HTTP side: requests good and bad, as bytes on a socket.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::json;

use crate::common::http::Response;
use crate::common::server::Server;

/// Sends bytes, and expects an answer of this status and then the end of the connection.
#[track_caller]
fn check_refused(server: &Server, request: &[u8], expected_status: u16) -> Response {
    let mut connection = server.connect();
    connection.send(request);
    connection.finish_sending();
    let response = connection.read_response();
    let shown = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
    assert_eq!(response.status, expected_status, "{shown:?} got {response:?}");
    assert_eq!(response.header("connection"), Some("close"), "{shown:?}");
    let code = response.error_code();
    let expected_code = if matches!(expected_status, 413 | 414 | 431) { "too_large" } else { "bad_request" };
    assert_eq!(code, expected_code, "{shown:?}");
    connection.expect_end();
    response
}

/// Whatever is ambiguous in the framing of a request gets 400 and a close (RFC 9112), and nobody else notices.
#[test]
fn ambiguous_requests_are_refused() {
    let server = Server::start(&[]);
    let mut bystander = server.connect();
    assert_eq!(bystander.request("GET", "/health", &[], b"").status, 200);

    let requests: &[&[u8]] = &[
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /health HTTP/1.1\nHost: a\n\n",
        b"GET /health HTTP/1.1\r\nHost: a\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
        b"GET /health HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: nul\0\r\n\r\n",
        b"GET  /health HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /health\r\nHost: a\r\n\r\n",
        b"GET /health HTTP/1.1 more\r\nHost: a\r\n\r\n",
        b"GET /he alth HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET health HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"G@T /health HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\n{}",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n{}",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        b"POST /guest-login HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\ng\r\n{}\r\n0\r\n\r\n",
        b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111112\r\n",
    ];
    for request in requests {
        check_refused(&server, request, 400);
    }
    assert_eq!(bystander.request("GET", "/health", &[], b"").status, 200);
    let counted = server.metric(r#"godra_http_requests_total{route="other",status="400"}"#);
    assert_eq!(counted as usize, requests.len());
}

#[test]
fn requests_over_a_limit_are_refused() {
    let server = Server::start(&[]);
    let long = "x".repeat(17 * 1024);
    let get =
        |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").into_bytes();
    check_refused(&server, &get(&format!("/{long}"), ""), 414);
    check_refused(&server, &get("/", &format!("X: {long}\r\n")), 431);
    check_refused(&server, &get("/", &"X: y\r\n".repeat(100)), 431);
    let post = |headers: &str, body: &str| {
        format!("POST /guest-login HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}").into_bytes()
    };
    check_refused(&server, &post("Content-Length: 262145", ""), 413);
    check_refused(&server, &post("Content-Length: 999999999999999999", ""), 413);
    check_refused(&server, &post("Transfer-Encoding: chunked", "40001\r\n"), 413);

    let inside = get("/health", &"X: y\r\n".repeat(99));
    let mut connection = server.connect();
    connection.send(inside);
    assert_eq!(connection.read_response().status, 200);
}

#[test]
fn other_versions_and_expectations_are_named() {
    let server = Server::start(&[]);
    check_refused(&server, b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
    check_refused(&server, b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417);
}

#[test]
fn a_slow_head_times_out() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    connection.send("GET /health HTTP/1.1\r\nHost:");
    let response = connection.read_response();
    assert_eq!((response.status, response.error_code().as_str()), (408, "bad_request"));
    connection.expect_end();
}

#[test]
fn a_connection_serves_many_requests() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for _ in 0..3 {
        let response = connection.request("GET", "/health", &[], b"");
        assert_eq!((response.status, response.text().as_str()), (200, r#"{"status":"ok"}"#));
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert!(response.header("date").is_some_and(|date| date.ends_with(" GMT")), "{response:?}");
    }
    let last = connection.request("GET", "/health", &[("Connection", "close")], b"");
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    connection.expect_end();
}

#[test]
fn http_1_0_closes_unless_asked_not_to() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    connection.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(connection.read_response().status, 200);
    connection.send("GET /health HTTP/1.0\r\n\r\n");
    assert_eq!(connection.read_response().status, 200);
    connection.expect_end();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let body = json!({"script": "join_lobby", "args": [], "keys": [format!("game:{room}")]}).to_string();
    let rpc = format!(
        "POST /api/rpc HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
        guest.token,
        body.len()
    );
    let mut connection = server.connect();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    connection.send([get("/health"), rpc.clone(), get("/nowhere"), rpc, get("/ready")].concat());
    let statuses: Vec<u16> = (0..5).map(|_| connection.read_response().status).collect();
    assert_eq!(statuses, [200, 200, 404, 200, 200]);
}

#[test]
fn requests_behind_a_call_that_is_refused_are_answered() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let body = json!({"script": "nothing"}).to_string();
    let refused = format!(
        "POST /api/rpc HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
        guest.token,
        body.len()
    );
    let health = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut connection = server.connect();
    connection.send([&refused, health, &refused, &refused, health].concat());
    let statuses: Vec<u16> = (0..5).map(|_| connection.read_response().status).collect();
    assert_eq!(statuses, [404, 200, 404, 404, 200]);
}

/// A request may come in pieces of any size.
#[test]
fn a_request_may_come_byte_by_byte() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for byte in b"POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n{\r\n1\r\n}\r\n0\r\nT: r\r\n\r\n" {
        connection.send([*byte]);
    }
    assert_eq!(connection.read_response().status, 200);
    assert_eq!(connection.request("GET", "/health", &[], b"").status, 200);
}

#[test]
fn a_body_is_asked_for_when_the_client_waits() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    connection
        .send("POST /guest-login HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(connection.read_response().status, 100);
    connection.send("{}");
    assert_eq!(connection.read_response().status, 200);
}

#[test]
fn head_is_get_without_the_body() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let get = connection.request("GET", "/health", &[], b"");
    let head = connection.request("HEAD", "/health", &[], b"");
    assert_eq!((head.status, head.header("content-length")), (200, get.header("content-length")));
    assert_eq!(connection.request("GET", "/health", &[], b"").status, 200);
}

#[test]
fn wrong_paths_and_methods() {
    let server = Server::start(&[]);
    let check = |method: &str, path: &str, status: u16, allow: Option<&str>| {
        let response = server.request(method, path, &[], b"");
        assert_eq!((response.status, response.header("allow")), (status, allow), "{method} {path}");
    };
    check("GET", "/nowhere", 404, None);
    check("GET", "/../etc/passwd", 404, None);
    check("GET", "/echo", 404, None);
    check("GET", "/health?verbose=1", 200, None);
    check("DELETE", "/health", 405, Some("GET, HEAD, OPTIONS"));
    check("GET", "/api/rpc", 405, Some("POST, OPTIONS"));
    check("GET", "/guest-login", 405, Some("POST, OPTIONS"));
    check("BREW", "/health", 405, Some("GET, HEAD, OPTIONS"));
}

#[test]
fn other_origins_may_call() {
    let server = Server::start(&[]);
    let origin = [("Origin", "https://game.example")];
    let preflight =
        server.request("OPTIONS", "/api/rpc", &[origin[0], ("Access-Control-Request-Method", "POST")], b"");
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    for (name, expected) in
        [("access-control-allow-methods", "POST"), ("access-control-allow-headers", "Authorization")]
    {
        let value = preflight.header(name).unwrap_or_default();
        assert!(value.to_ascii_lowercase().contains(&expected.to_ascii_lowercase()), "{name}: {value}");
    }
    let refused = server.request("POST", "/api/rpc", &origin, b"{}");
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some("*")));
}

#[test]
fn only_listed_origins_may_call() {
    let server = Server::start(&["--allow-origin", "https://a.example,https://b.example"]);
    let check = |origin: &str, expected: Option<&str>| {
        let response = server.request("GET", "/health", &[("Origin", origin)], b"");
        assert_eq!(response.header("access-control-allow-origin"), expected, "{origin}");
    };
    check("https://b.example", Some("https://b.example"));
    check("https://evil.example", None);
}

#[test]
fn a_guest_login_gives_a_token() {
    let server = Server::start(&["--token-ttl", "90s"]);
    for body in ["", "{}", " {\"role\":\"manager\"} "] {
        let response = server.request("POST", "/guest-login", &[], body.as_bytes());
        assert_eq!((response.status, response.header("cache-control")), (200, Some("no-store")), "{body:?}");
        let login = response.json();
        assert_eq!((&login["role"], &login["expires_in"]), (&json!("guest"), &json!(90)), "{login}");
        assert!(login["user_id"].as_str().unwrap().starts_with("guest:"), "{login}");
    }
    for body in ["[]", "null", "{", "x"] {
        let response = server.request("POST", "/guest-login", &[], body.as_bytes());
        assert_eq!((response.status, response.error_code().as_str()), (400, "bad_request"), "{body:?}");
    }
}

#[test]
fn the_demo_page_is_served() {
    let server = Server::start(&[]);
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
    assert!(page.text().contains("<script"), "{}", page.text());
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"), "{page:?}");
    for path in ["/", "/godra.js", "/demo/demo.css"] {
        let plain = server.get(path);
        let packed = server.request("GET", path, &[("Accept-Encoding", "gzip, deflate")], b"");
        assert_eq!(
            (plain.header("content-encoding"), packed.header("content-encoding")),
            (None, Some("gzip"))
        );
        assert_eq!(
            (plain.header("vary"), packed.header("vary")),
            (Some("Accept-Encoding"), Some("Accept-Encoding"))
        );
        let mut unpacked = Vec::new();
        GzDecoder::new(packed.body.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain.body && packed.body.len() < plain.body.len(), "{path}");
    }
}

#[test]
fn without_the_demo_the_sdk_is_still_served() {
    let server = Server::start(&["--demo", "off"]);
    assert_eq!((server.get("/").status, server.get("/demo/main.js").status), (404, 404));
    assert_eq!(server.get("/godra.js").status, 200);
    assert!(!server.output().text().contains("to play the demo"));
}

/// CORS does not hold for WebSockets: the server itself looks at whose page opens one.
#[test]
fn a_strangers_page_opens_no_websocket() {
    let server = Server::start(&["--allow-origin", "https://*.game.example"]);
    let guest = server.guest();
    let path = format!("/ws?game_id=r&token={}", guest.token);
    let knock = |origin: &str| {
        let headers = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Origin", origin),
        ];
        let answer = server.request("GET", &path, &headers, b"");
        (answer.status, answer.error_code(), answer.json()["error"]["message"].as_str().unwrap().to_owned())
    };
    let (status, code, message) = knock("https://evil.example");
    assert_eq!((status, code.as_str()), (403, "forbidden"));
    assert!(message.contains("--allow-origin"), "{message}");
    // The one that may is told by the room's own script that there is none.
    for origin in ["https://play.game.example", "http://test"] {
        let (status, _, message) = knock(origin);
        assert!(status == 403 && message.contains("does not exist"), "{origin}: {status} {message}");
    }
}

#[test]
fn metrics_are_prometheus_text() {
    let server = Server::start(&[]);
    let guest = server.guest();
    let room = guest.create_lobby(4);
    let mut player = guest.join(&room);
    player.call("heartbeat", json!(null), 1);
    player.call("set", json!({"a": 1}), 2);

    let page = server.get("/metrics");
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(server.metric(r#"godra_connections{kind="websocket"}"#), 1.0);
    assert_eq!(server.metric("godra_rooms"), 1.0);
    assert_eq!(server.metric("godra_members"), 1.0);
    assert!(server.metric(r#"godra_inputs_total{outcome="ok"}"#) >= 1.0);
    assert!(server.metric("godra_events_total") >= 1.0);
    assert!(server.metric(r#"godra_script_runs_total{script="update_state"}"#) >= 1.0);
    assert!(server.metric("godra_input_to_patch_seconds_count") >= 1.0);
    assert_eq!(server.metric("godra_script_problems"), 0.0);
    assert_eq!(server.metric("godra_script_generation"), 1.0);
}
