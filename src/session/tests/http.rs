//! Requests, answers and how a connection goes on after them.

use super::peer::Peer;
use super::*;

const HEALTHY: &str = r#"health 200 {"status":"ok"}"#;

#[test]
fn routes() {
    check(get("/health"), &[HEALTHY]);
    check(get("/ready"), &[r#"ready 200 {"status":"ready"}"#]);
    check(get("/metrics"), &["metrics 200 up 1\n"]);
    check(get("/"), &["page 200 <p>hello"]);
    check(get("/?a=b"), &["page 200 <p>hello"]);
    check(get("/%68ealth"), &[HEALTHY]);
    check(get("http://a/health"), &[HEALTHY]);
}

#[test]
fn paths_that_lead_nowhere() {
    let nowhere = r#"unknown 404 {"error":{"code":"not_found","message":"there is nothing at this path"}}"#;
    check(get("/nowhere"), &[nowhere]);
    check(get("/health/"), &[nowhere]);
    check(get("/Health"), &[nowhere]);
    check(get("/../health"), &[nowhere]);
    check(post("/nowhere", &[], "body"), &[nowhere]);
    check(request("DELETE /nowhere", &[]), &[nowhere]);
    check(upgrade("/echo"), &[nowhere]);
}

#[test]
fn content_types() {
    let check = |path: &str, expected: &str| {
        assert_eq!(header(&response(get(path)), "content-type"), Some(expected), "{path}");
    };
    check("/health", "application/json");
    check("/nowhere", "application/json");
    check("/metrics", "text/plain; version=0.0.4");
    check("/", "text/html");
}

#[test]
fn pages_are_asked_for_again_and_nothing_else_is_kept() {
    let check = |request: String, expected: &str| {
        let response = response(&request);
        assert_eq!(header(&response, "cache-control"), Some(expected), "{request}");
        assert_eq!(header(&response, "x-content-type-options"), Some("nosniff"), "{request}");
    };
    check(get("/"), "no-cache");
    check(request("HEAD /", &[]), "no-cache");
    check(request("PUT /", &[]), "no-store");
    for path in ["/health", "/ready", "/metrics", "/nowhere", "/ws"] {
        check(get(path), "no-store");
    }
    check(post("/guest-login", &[], ""), "no-store");
    check(call(r#"{"script":"a"}"#), "no-store");
    check("GET / HTTP/1.1\r\nno header\r\n\r\n".into(), "no-store");
}

#[test]
fn methods_that_a_route_does_not_take() {
    let check = |line: &str, allow: &str| {
        let response = response(request(line, &[]));
        assert!(response.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{line}: {response}");
        assert_eq!(header(&response, "allow"), Some(allow), "{line}");
        assert!(line.starts_with("HEAD") || response.contains(r#"{"error":{"code":"bad_request""#));
    };
    check("POST /health", "GET, HEAD, OPTIONS");
    check("POST /ready", "GET, HEAD, OPTIONS");
    check("POST /metrics", "GET, HEAD, OPTIONS");
    check("PUT /", "GET, HEAD, OPTIONS");
    check("get /", "GET, HEAD, OPTIONS");
    check("GET /guest-login", "POST, OPTIONS");
    check("HEAD /guest-login", "POST, OPTIONS");
    check("GET /api/rpc", "POST, OPTIONS");
    check("DELETE /api/rpc", "POST, OPTIONS");
    check("POST /account", "GET, HEAD, PATCH, DELETE, OPTIONS");
}

#[test]
fn a_head_request_gets_the_length_without_the_body() {
    check(request("HEAD /health", &[]), &["health 200 [15]"]);
    check(request("HEAD /metrics", &[]), &["metrics 200 [5]"]);
    check(request("HEAD /", &[]), &["page 200 [8]"]);
    check(request("HEAD /nowhere", &[]) + &get("/health"), &["unknown 404 [72]", HEALTHY]);
}

#[test]
fn persistence() {
    let closing = &[r#"health 200 {"status":"ok"} (close)"#, "finish"];
    let two = get("/health") + &get("/health");
    check(&two, &[HEALTHY, HEALTHY]);
    check(request("GET /health", &["Connection: close"]) + &two, closing);
    check(request("GET /health", &["Connection: keep-alive, Close"]) + &two, closing);
    check("GET /health HTTP/1.0\r\n\r\n".to_owned() + &two, closing);
    check("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned() + &two, &[HEALTHY; 3]);
    check(request("GET /nowhere", &["Connection: close"]), &["unknown 404 … (close)", "finish"]);
}

#[test]
fn requests_are_answered_in_order() {
    let input = [get("/health"), post("/guest-login", &[], "{}"), call(r#"{"script":"s"}"#), get("/nowhere")];
    let answers =
        [HEALTHY, r#"guest_login 200 {…}"#, "rpc guest:a s []", r#"rpc 200 {"result":[]}"#, "unknown 404 …"];
    check(input.concat(), &answers);
    check("\r\n".to_owned() + &input.join("\r\n"), &answers);
}

#[test]
fn chunked_bodies() {
    let head = "POST /guest-login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(
        format!("{head}1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n") + &get("/health"),
        &["guest_login 200 …", HEALTHY],
    );
    check(format!("{head}1\r\n[\r\n1\r\n]\r\n0\r\n\r\n") + &get("/health"), &["guest_login 400 …", HEALTHY]);
    check(format!("{head}1\r\n{{\r\nx\r\n") + &get("/health"), &["unknown 400 … (close)", "finish"]);
}

#[test]
fn a_body_that_waits_for_a_continue() {
    let expecting = |body: &str| post("/guest-login", &["Expect: 100-continue"], body);
    check(expecting("{}") + &get("/health"), &["100", "guest_login 200 …", HEALTHY]);
    check(expecting(""), &["guest_login 200 …"]);
    check(expecting(&" ".repeat(2001)), &[r#"unknown 413 {"error":{"code":"too_large",… (close)"#, "finish"]);
    check(post("/guest-login", &["Expect: rain"], "{}"), &["unknown 417 … (close)", "finish"]);
    let mut peer = Peer::new();
    let request = expecting("{}");
    peer.send(&request[..request.len() - 2]).did(&["100"]);
    peer.send("{}").did(&["guest_login 200 …"]);
}

/// Whoever sends much of a body has shown a token by then, and the route has a use for it.
#[test]
fn a_long_body_is_waited_for_only_if_it_will_be_looked_at() {
    let begin = |route: &str, header: &str, length: usize, expected: &[&str]| {
        let mut peer = Peer::with(|settings| settings.http.body_bytes = 256 << 10);
        let head = format!("POST {route} HTTP/1.1\r\nHost: a\r\n{header}Content-Length: {length}\r\n\r\n");
        peer.send(head + "x").did(expected);
    };
    begin("/login", "", 16 << 10, &[]);
    begin("/login", "", 16_385, &["login 413 … (close)", "finish"]);
    begin("/nowhere", "", 16_385, &["unknown 413 … (close)", "finish"]);
    begin("/api/rpc", "", 16 << 10, &[]);
    begin("/api/rpc", "", 16_385, &["rpc 401 … (close)", "finish"]);
    begin("/api/rpc", "Expect: 100-continue\r\n", 16_385, &["rpc 401 … (close)", "finish"]);
    begin("/api/rpc", "Authorization: Bearer bad\r\n", 16_385, &["rpc 401 … (close)", "finish"]);
    begin("/api/rpc", "Authorization: Bearer good\r\n", 256 << 10, &[]);
    let mut peer = Peer::with(|settings| settings.http.body_bytes = 256 << 10);
    peer.send("POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").did(&[]);
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    peer.send(chunk.repeat(4)).did(&[]);
    peer.send(chunk).did(&["login 413 … (close)", "finish"]);
    let mut peer = Peer::with(|settings| settings.http.body_bytes = 256 << 10);
    peer.send(post("/login", &[], &" ".repeat(20_000))).did(&["login 413 …"]);
}

#[test]
fn an_unfinished_request_makes_room() {
    let (path, head) = (
        ["head", "body"],
        ["POST /login HTTP/1.1\r\n", "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"],
    );
    for (part, sent) in path.into_iter().zip(head) {
        let mut peer = Peer::new();
        peer.send(sent);
        assert!(peer.session.is_unfinished() && peer.session.held_bytes() > 0, "{part}");
        let refused = r#"unknown 503 {"error":{"code":"unavailable","message":"the server has too many unfinished requests; try again"}} (close)"#;
        peer.make_room().did(&[refused, "finish"]);
        assert_eq!(header(peer.last_response(), "retry-after"), Some("1"));
        peer.send("12345678").did(&[]);
    }
}

#[test]
fn what_cannot_be_a_request_ends_the_connection() {
    let refused = |input: &str, status: u16| {
        let expected = format!("unknown {status} {{\"error\":{{\"code\":…}}}} (close)");
        check(input.to_owned() + &get("/health"), &[&expected, "finish"]);
        check(get("/health") + input + &get("/health"), &[HEALTHY, &expected, "finish"]);
    };
    refused("GET /\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: a\nx: y\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: a\r\n x: y\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400);
    refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", 400);
    refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nx", 400);
    refused("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2001\r\n\r\n", 413);
    refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
    refused("\x16\x03\x01\x02", 400);
    refused(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(2000)), 414);
    refused(&request("GET /", &["a: b"; 20]), 431);
}

#[test]
fn a_refusal_says_why() {
    let two_hosts = request("GET /", &["Host: b"]);
    let why = r#"unknown 400 {"error":{"code":"bad_request","message":"more than one Host header"}} (close)"#;
    check(two_hosts, &[why, "finish"]);
}

#[test]
fn requests_behind_a_call_wait_for_its_answer() {
    let mut peer = Peer::new();
    peer.send(call(r#"{"script":"slow"}"#)).did(&["rpc guest:a slow []"]);
    assert!(!peer.session.wants_input());
    let next = get("/health") + &get("/nowhere");
    peer.send(&next).did(&[]);
    assert_eq!(peer.waiting(), next.len(), "nothing is taken before it can be handled");
    peer.answer_call();
    peer.did(&[r#"rpc 200 {"result":[]}"#, HEALTHY, "unknown 404 …"]);
    assert_eq!(peer.waiting(), 0);
}

#[test]
fn of_requests_in_one_piece_those_behind_a_call_are_given_back() {
    let mut peer = Peer::new();
    let next = get("/health");
    peer.send(get("/health") + &call(r#"{"script":"slow"}"#) + &next);
    assert_eq!(peer.waiting(), next.len());
    peer.did(&[HEALTHY, "rpc guest:a slow []"]);
}

#[test]
fn the_last_answer_is_not_followed_by_another() {
    let mut peer = Peer::new();
    peer.send(request("GET /health", &["Connection: close"])).lines();
    assert!(peer.session.wants_input(), "what comes is thrown away");
    peer.send(get("/health")).did(&[]);
    assert_eq!(peer.waiting(), 0);
    peer.pass(1_000_000).drain().did(&[]);
}

/// A client of HTTP/1.0 waits for the end of the connection unless it is told that there will be none.
#[test]
fn regression_a_client_of_http_1_0_is_told_that_the_connection_stays_open() {
    let connection = |request: &str| header(&response(request), "connection").map(str::to_owned);
    let old = "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(connection(old).as_deref(), Some("keep-alive"));
    assert_eq!(connection("GET /health HTTP/1.0\r\n\r\n").as_deref(), Some("close"));
    assert_eq!(connection(&get("/health")), None);
}

/// One read may hold thousands of requests, and each may ask for a large page.
#[test]
fn regression_answers_to_one_read_are_bounded() {
    let mut peer = Peer::with(|settings| settings.max_pipelined = 3);
    let (request, requests) = (get("/"), get("/").repeat(8));
    assert_eq!(peer.receive_once(&requests), 3 * request.len());
    peer.did(&["page 200 <p>hello"; 3]);
    assert!(peer.session.wants_input());
    peer.send(&requests[3 * request.len()..]).did(&["page 200 <p>hello"; 5]);
}

#[test]
fn a_full_server_gives_one_answer() {
    let check = |request: String, expected: &[&str]| {
        let mut peer = Peer::of_full_server();
        peer.send(request + &get("/health")).did(expected);
    };
    let full = r#"{"error":{"code":"unavailable","message":"the server is full; try later"}}"#;
    check(get("/health"), &[r#"health 200 {"status":"ok"} (close)"#, "finish"]);
    check(get("/metrics"), &["metrics 200 up 1\n (close)", "finish"]);
    check(get("/ready"), &[&format!("ready 503 {full} (close)"), "finish"]);
    check(call(r#"{"script":"s"}"#), &[&format!("rpc 503 {full} (close)"), "finish"]);
    check(upgrade("/ws?token=good&game_id=r"), &[&format!("ws 503 {full} (close)"), "finish"]);
    check(request("OPTIONS /guest-login", &[]), &["guest_login 204 (close)", "finish"]);
    let mut peer = Peer::of_full_server();
    peer.send(post("/guest-login", &["Origin: https://game.example"], ""));
    assert_eq!(header(peer.last_response(), "retry-after"), Some("5"));
    assert_eq!(header(peer.last_response(), "access-control-allow-origin"), Some("*"));
    let mut peer = Peer::of_full_server();
    peer.send(upgrade("/ws?refuse=close&game_id=r"));
    let refusal = r#"{"type":"error","payload":{"code":"unavailable","message":"the server is full; try later","status":503,"retry_after":5}}"#;
    peer.did(&["ws 101 for 503", refusal, "close 4005 unavailable", "closed 4005"]);
}

#[test]
fn a_full_server_waits_for_nobody_for_long() {
    let mut peer = Peer::of_full_server();
    peer.pass(1_999).did(&[]).pass(1).did(&["finish"]);
    let mut peer = Peer::of_full_server();
    peer.send("GET /health HTT").pass(2_000).did(&["unknown 408 {…} (close)", "finish"]);
}
