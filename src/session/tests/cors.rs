//! Pages of other origins.

use super::*;
use crate::session::cors::AllowedOrigins;

const ORIGIN: &str = "Origin: https://play.example";

fn listed(settings: &mut Settings) {
    settings.allow_origins =
        AllowedOrigins::parse("https://other.example,https://play.example,https://*.wild.example").unwrap();
}

fn allowed(response: &str) -> Option<&str> {
    header(response, "access-control-allow-origin")
}

#[test]
fn any_origin() {
    for headers in [&[][..], &[ORIGIN]] {
        for line in ["GET /health", "GET /nowhere", "PUT /health", "OPTIONS /api/rpc"] {
            let response = response(request(line, headers));
            assert_eq!((allowed(&response), header(&response, "vary")), (Some("*"), None), "{line}");
        }
    }
}

#[test]
fn listed_origins() {
    let check = |headers: &[&str], expected: Option<&str>| {
        for line in ["GET /health", "GET /nowhere", "POST /guest-login", "OPTIONS /api/rpc"] {
            let response = response_with(listed, request(line, headers));
            assert_eq!(allowed(&response), expected, "{line} {headers:?}");
        }
    };
    check(&[ORIGIN], Some("https://play.example"));
    check(&["Origin: https://other.example"], Some("https://other.example"));
    check(&["Origin: https://a.wild.example"], Some("https://a.wild.example"));
    check(&[], None);
    check(&["Origin: null"], None);
    check(&["Origin: http://play.example"], None);
    check(&["Origin: https://play.example:8443"], None);
    check(&["Origin: https://play.example.evil"], None);
}

#[test]
fn preflights() {
    for path in ["/guest-login", "/api/rpc", "/health", "/nowhere"] {
        let asking = [ORIGIN, "Access-Control-Request-Method: POST"];
        let response = response_with(listed, request(&format!("OPTIONS {path}"), &asking));
        assert!(response.starts_with("HTTP/1.1 204 No Content\r\n"), "{response}");
        assert_eq!(allowed(&response), Some("https://play.example"));
        let methods = header(&response, "access-control-allow-methods").unwrap();
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            assert!(methods.contains(method), "{methods}");
        }
        let headers = header(&response, "access-control-allow-headers").unwrap();
        assert!(headers.contains("Authorization") && headers.contains("Content-Type"), "{headers}");
        assert!(header(&response, "access-control-max-age").is_some());
    }
    check(request("OPTIONS /api/rpc", &[]) + &get("/health"), &["rpc 204", "health 200 …"]);
    check(request("OPTIONS *", &[]), &["unknown 204"]);
}

#[test]
fn options_name_the_methods() {
    let allow = |line: &str| header(&response(request(line, &[])), "allow").map(str::to_owned);
    assert_eq!(allow("OPTIONS /api/rpc").as_deref(), Some("POST, OPTIONS"));
    assert_eq!(allow("OPTIONS /health").as_deref(), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn a_preflight_of_an_origin_that_is_not_listed_grants_nothing() {
    let response = response_with(listed, request("OPTIONS /api/rpc", &["Origin: https://evil.example"]));
    assert!(response.starts_with("HTTP/1.1 204"));
    assert_eq!(allowed(&response), None);
}

/// A cache must not give the answer to one origin to another.
#[test]
fn regression_answers_vary_with_the_origin_wherever_origins_are_listed() {
    for headers in [&[][..], &[ORIGIN], &["Origin: https://evil.example"]] {
        let response = response_with(listed, request("GET /health", headers));
        assert_eq!(header(&response, "vary"), Some("Origin"), "{headers:?}");
    }
}

#[test]
fn regression_a_page_may_read_when_to_come_back() {
    let exposed = |response: &str| header(response, "access-control-expose-headers").map(str::to_owned);
    assert_eq!(
        exposed(&response(call(r#"{"script":"busy"}"#))).as_deref(),
        Some("Retry-After, Godra-Script")
    );
    assert_eq!(exposed(&response_with(listed, get("/health"))), None, "nothing is allowed without an origin");
}

#[test]
fn a_preflight_is_granted_the_headers_that_it_asks_for() {
    let allowed = |asked: &[&str]| {
        let response = response(request("OPTIONS /api/rpc", asked));
        header(&response, "access-control-allow-headers").unwrap().to_owned()
    };
    let always = "Authorization, Content-Type";
    assert_eq!(allowed(&[]), always);
    let asked = "Access-Control-Request-Headers: authorization,traceparent, sentry-trace,TRACEPARENT";
    assert_eq!(allowed(&[asked]), format!("{always}, traceparent, sentry-trace"));
    assert_eq!(allowed(&["Access-Control-Request-Headers: a b, c:d, \"e\", ,f"]), format!("{always}, f"));
    let names: Vec<String> = (0..200).map(|n| format!("x-{n:03}")).collect();
    let most = allowed(&[&format!("Access-Control-Request-Headers: {}", names.join(","))]);
    assert!(most.starts_with(&format!("{always}, x-000, x-001")) && most.len() <= 1100, "{most}");
}

/// What is answered before a request has come whole, a page of the other origin shall be able to read.
#[test]
fn regression_a_page_may_read_why_its_request_was_malformed() {
    let line_of = |origin: &str| format!("Origin: {origin}");
    let check = |request: &dyn Fn(&str) -> String, status: &str| {
        for (origin, expected) in [
            ("https://play.example", Some("https://play.example")),
            ("https://x.wild.example", Some("https://x.wild.example")),
            ("https://evil.example", None),
        ] {
            for pieces in cuttings(request(&line_of(origin)).as_bytes()) {
                let mut peer = Peer::with(listed);
                pieces.iter().for_each(|piece| peer.talk(piece));
                peer.pass(30_000);
                let response = peer.last_response();
                assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
                assert_eq!(allowed(response), expected, "{response}");
                assert_eq!(header(response, "vary"), Some("Origin"));
            }
        }
    };
    let head = |more: &'static str| {
        move |origin: &str| format!("POST /api/rpc HTTP/1.1\r\nHost: a\r\n{origin}\r\n{more}")
    };
    check(&head("x"), "408");
    check(&head("Content-Length: 7\r\n\r\nabc"), "408");
    check(&head("Content-Length: x\r\n\r\n"), "400");
    check(&head("Content-Length: 2001\r\n\r\n"), "413");
    check(&head("Transfer-Encoding: chunked\r\n\r\nx\r\n"), "400");
    check(&head("Expect: a miracle\r\n\r\n"), "417");
    check(&head("no header\r\n\r\n"), "400");
    check(&head("bad: \u{1}"), "400");
    let long = "y".repeat(2000);
    check(&|origin| format!("GET / HTTP/1.1\r\n{origin}\r\nx: {long}"), "431");
    check(&|origin| format!("GET / HTTP/1.1\r\n{}{origin}\r\n\r\n", "a: b\r\n".repeat(20)), "431");
    check(&|origin| format!("GET / HTTP/3.0\r\nHost: a\r\n{origin}\r\n\r\n"), "505");
}

#[test]
fn a_websocket_of_a_page_whose_origin_is_not_listed_is_refused() {
    let check = |headers: &[&str], expected: &[&str]| {
        check_with(listed, upgrade_with("/ws?token=good&game_id=r", headers), expected);
    };
    let forbidden = [
        r#"ws 403 {"error":{"code":"forbidden","message":"pages of … may not connect here; --allow-origin lists those that may"}} (close)"#,
        "finish",
    ];
    let joins = ["join guest:a r", "ws 101", "…"];
    check(&["Origin: https://evil.example"], &forbidden);
    check(&["Origin: null"], &forbidden);
    check(&["Origin: https://play.example", "Origin: https://evil.example"], &forbidden);
    check(&["Origin: \u{e9}"], &forbidden);
    check(&["Origin: "], &forbidden);
    check(&[ORIGIN], &joins);
    check(&["Origin: https://a.wild.example"], &joins);
    // A program is no page, and the server's own page no stranger: the requests of these tests go to the host `a`.
    check(&[], &joins);
    check(&["Origin: http://a"], &joins);
    check(&["Origin: https://A:443"], &joins);
    check(&["Origin: https://a:8443"], &forbidden);
    check(&["Origin: https://a.evil"], &forbidden);
}

#[test]
fn a_page_that_asks_for_it_reads_that_it_may_not_connect() {
    let request = upgrade_with("/ws?refuse=close&game_id=r", &["Origin: https://evil.example"]);
    let message = r#"{"type":"error","payload":{"code":"forbidden","message":"pages of …","status":403}}"#;
    let lines = ["ws 101 for 403", message, "close 4505 forbidden", "closed 4505"];
    check_with(listed, request, &lines);
}
