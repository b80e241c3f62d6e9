//! Pages of other origins.

use super::*;

const ORIGIN: &str = "Origin: https://play.example";

fn listed(settings: &mut Settings) {
    settings.allow_origins = vec!["https://other.example".into(), "https://play.example".into()];
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
        assert!(methods.contains("POST") && methods.contains("GET"), "{methods}");
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
fn regression_a_page_may_read_why_its_request_was_malformed() {
    let too_large = post("/api/rpc", &[ORIGIN], &" ".repeat(2001));
    assert_eq!(allowed(&response(&too_large)), Some("*"));
    assert_eq!(allowed(&response_with(listed, &too_large)), None, "its headers are not looked at");
}
