//! `POST /api/rpc`

use super::peer::Peer;
use super::*;
use crate::session::limits::Buckets;

/// The answer to a call with this `Authorization`.
fn authorized(authorization: &str) -> String {
    response(post("/api/rpc", &[authorization], r#"{"script":"s"}"#))
}

fn answers(body: &str, expected: &str) {
    check(call(body), &[expected]);
}

#[test]
fn a_call_is_passed_on_and_its_result_comes_back() {
    let passed_on = |body: &str, line: &str, answer: &str| check(call(body), &[line, answer]);
    passed_on(r#"{"script":"s"}"#, "rpc guest:a s []", r#"rpc 200 {"result":[]}"#);
    passed_on(
        r#"{"script":"s","args":["a\nb",1.50,true,null,{"x": [1]}],"keys":["game:r"]}"#,
        r#"rpc guest:a s ["a\nb", "1.50", "true", "null", "{\"x\": [1]}"] keys ["game:r"]"#,
        r#"rpc 200 {"result":["a\nb","1.50","true","null","{\"x\": [1]}"]}"#,
    );
}

#[test]
fn an_answer_tells_which_version_of_the_script_ran() {
    let script = |name: &str| {
        let response = response(call(&format!(r#"{{"script":"{name}"}}"#)));
        header(&response, "godra-script").map(str::to_owned)
    };
    assert_eq!(script("told").as_deref(), Some("told@0123abcd"));
    assert_eq!(script("s"), None, "nothing has run");
}

#[test]
fn calls_and_joins_of_a_user_are_limited() {
    let limited = |settings: Limit| {
        let mut peer = Peer::new();
        peer.services.calls = Buckets::per_second(settings);
        peer
    };
    let refused =
        r#"rpc 429 {"error":{"code":"rate_limited","message":"too many calls; this one did not run"}}"#;
    let mut peer = limited(Limit::set(1));
    for _ in 0..2 {
        peer.talk(&call(r#"{"script":"s"}"#).into_bytes());
        peer.did(&["rpc guest:a s []", r#"rpc 200 {"result":[]}"#]);
    }
    peer.send(call(r#"{"script":"s"}"#)).did(&[refused]);
    assert_eq!(header(peer.last_response(), "retry-after"), Some("1"));
    peer.send(call(r#"{"script":"s"}"#)).did(&[]);
    peer.pass(1000).did(&["rpc guest:a s []"]).answer_call();
    peer.did(&[r#"rpc 200 {"result":[]}"#]);
    peer.send(get("/account").replace("\r\n\r\n", "\r\nAuthorization: Bearer good\r\n\r\n"));
    peer.did(&[r#"account 429 {"error":{"code":"rate_limited",…}}"#]);
    peer.send(call(r#"{"script":"s"}"#).replace("good", "manager")).pass(1000).did(&["rpc guest:a s []"]);
    peer.answer_call();
    peer.did(&[r#"rpc 200 {"result":[]}"#]);
    peer.send(call(r#"{"script":"s"}"#)).did(&["rpc guest:a s []"]).answer_call();
    peer.did(&[r#"rpc 200 {"result":[]}"#]);
    peer.send(upgrade("/ws?token=good&game_id=r"))
        .did(&[r#"ws 429 {"error":{"code":"rate_limited",…}} (close)"#, "finish"]);
    let mut peer = limited(Limit { most: 1, holds_for_local: false });
    peer.address = [127, 0, 0, 1].into();
    for _ in 0..10 {
        peer.talk(&call(r#"{"script":"s"}"#).into_bytes());
    }
    assert_eq!(peer.lines().len(), 20);
}

#[test]
fn a_token_is_needed() {
    let unauthorized = |response: &str, message: &str| {
        assert!(response.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{response}");
        assert_eq!(header(response, "www-authenticate"), Some("Bearer"));
        let body = format!(r#"{{"error":{{"code":"unauthorized","message":"{message}"}}}}"#);
        assert!(response.ends_with(&body), "{response}");
    };
    let missing = "a token is needed: Authorization: Bearer TOKEN";
    unauthorized(&response(post("/api/rpc", &[], r#"{"script":"s"}"#)), missing);
    unauthorized(&authorized("Authorization: Basic good"), missing);
    unauthorized(&authorized("Authorization: good"), missing);
    unauthorized(&authorized("Authorization: Bearer"), missing);
    unauthorized(&authorized("Authorization: Bearer bad"), "the token is malformed");
    unauthorized(&authorized("Authorization: Bearer good good"), "the token is malformed");
    unauthorized(&response(post("/api/rpc?token=good", &[], r#"{"script":"s"}"#)), missing);
    assert!(authorized("authorization: bEARER  good").starts_with("HTTP/1.1 200"));
    check(post("/api/rpc", &[], "x") + &get("/health"), &["rpc 401 …", "health 200 …"]);
}

#[test]
fn bodies_that_are_no_call() {
    let refused = "rpc 400 {\"error\":{\"code\":\"bad_request\",\"message\":\"…\"}}";
    answers("", refused);
    answers("{}", refused);
    answers("[]", refused);
    answers("nonsense", refused);
    answers(r#"{"script":"s"}{"#, refused);
    answers(r#"{"script":7}"#, refused);
    answers(r#"{"script":"s","script":"t"}"#, refused);
    answers(r#"{"script":"s","args":"a"}"#, refused);
    answers(r#"{"script":"s","keys":["a",1]}"#, refused);
}

#[test]
fn calls_that_are_refused_before_they_begin() {
    answers(r#"{"script":"busy"}"#, r#"rpc 503 {"error":{"code":"busy","message":"try again"}}"#);
    answers(r#"{"script":"forbidden"}"#, r#"rpc 403 {"error":{"code":"forbidden","message":"not yours"}}"#);
    answers(
        r#"{"script":"missing"}"#,
        r#"rpc 404 {"error":{"code":"not_found","message":"no such script"}}"#,
    );
    assert_eq!(header(&response(call(r#"{"script":"busy"}"#)), "retry-after"), Some("1"));
    assert_eq!(header(&response(call(r#"{"script":"forbidden"}"#)), "retry-after"), None);
    check(call(r#"{"script":"busy"}"#) + &get("/health"), &["rpc 503 …", "health 200 …"]);
}

#[test]
fn a_script_that_fails_gives_its_code_message_and_details() {
    let body = r#"{"error":{"code":"too_fast","message":"slow \"down\"","details":{"at":[1]}}}"#;
    check(call(r#"{"script":"fail"}"#), &["rpc guest:a fail []", &format!("rpc 400 {body}")]);
}

#[test]
fn a_call_of_a_connection_that_is_to_close() {
    let body = r#"{"script":"s"}"#;
    let request = post("/api/rpc", &["Authorization: Bearer good", "Connection: close"], body);
    check(request + &get("/health"), &["rpc guest:a s []", r#"rpc 200 {"result":[]} (close)"#, "finish"]);
}

#[test]
fn a_page_of_another_origin_may_read_the_answer_that_comes_later() {
    let response = response(call(r#"{"script":"s"}"#));
    assert_eq!(header(&response, "access-control-allow-origin"), Some("*"));
}

#[test]
fn a_call_may_take_its_time() {
    let mut peer = Peer::new();
    peer.send(call(r#"{"script":"slow"}"#)).pass(10_000_000).did(&["rpc guest:a slow []"]);
    peer.answer_call();
    peer.did(&[r#"rpc 200 {"result":[]}"#]);
    peer.pass(74_999).did(&[]).pass(1).did(&["finish"]);
}

#[test]
fn regression_a_call_is_an_object() {
    answers(r#"["s"]"#, r#"rpc 400 {"error":{"code":"bad_request",…}}"#);
    answers(r#"["s",["a"],["game:r"]]"#, r#"rpc 400 {"error":{"code":"bad_request",…}}"#);
}

#[test]
fn regression_an_error_does_not_quote_the_whole_body() {
    let refused = response(call(&format!(r#"{{"script":"s","args":"{}"}}"#, "\u{200b}".repeat(600))));
    assert!(refused.starts_with("HTTP/1.1 400 ") && refused.len() < 1000, "{} bytes", refused.len());
}

/// A refusal comes back before the request behind it is looked at.
#[test]
fn requests_behind_a_call_that_is_refused_are_answered_in_order() {
    let missing = r#"rpc 404 {"error":{"code":"not_found","message":"no such script"}}"#;
    let health = r#"health 200 {"status":"ok"}"#;
    let input = call(r#"{"script":"missing"}"#) + &get("/health");
    check(input.repeat(2), &[missing, health, missing, health]);
}
