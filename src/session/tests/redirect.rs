//! The port without TLS that sends everybody to HTTPS.

use super::peer::https_redirect;
use super::*;

/// The answer to a request with this head, and its `Location`.
fn redirected(to_port: u16, head: &str) -> (String, Option<String>) {
    let mut peer = Peer::to_redirect(to_port);
    peer.talk(format!("{head}\r\n\r\n").as_bytes());
    let lines = peer.lines();
    assert_eq!(lines.last().unwrap(), "finish", "{head}: {lines:#?}");
    assert_eq!(header(peer.last_response(), "connection"), Some("close"), "{head}");
    (lines[0].clone(), header(peer.last_response(), "location").map(str::to_owned))
}

#[track_caller]
fn leads_to(to_port: u16, head: &str, expected: &str) {
    let (line, location) = redirected(to_port, head);
    assert!(line.contains(" 308 "), "{head}: {line}");
    assert_eq!(location.as_deref(), Some(expected), "{head}");
}

#[track_caller]
fn is_refused(head: &str, part: &str) {
    let (line, location) = redirected(443, head);
    assert!(line.contains(" 400 ") && line.contains(part), "{head}: {line}");
    assert_eq!(location, None, "{head}");
}

#[test]
fn the_same_path_on_the_same_host() {
    leads_to(443, "GET / HTTP/1.1\r\nHost: game.example", "https://game.example/");
    leads_to(443, "GET / HTTP/1.1\r\nHost: game.example:80", "https://game.example/");
    leads_to(8443, "GET / HTTP/1.1\r\nHost: game.example:8080", "https://game.example:8443/");
    leads_to(443, "GET / HTTP/1.1\r\nHost: 192.0.2.7:80", "https://192.0.2.7/");
    leads_to(8443, "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80", "https://[2001:db8::1]:8443/");
    leads_to(443, "HEAD /a%20b?c=%2f&d HTTP/1.1\r\nHost: a", "https://a/a%20b?c=%2f&d");
    leads_to(443, "OPTIONS /api/rpc HTTP/1.1\r\nHost: a", "https://a/api/rpc");
    leads_to(443, "BREW /tea HTTP/1.0\r\nHost: a\r\nConnection: keep-alive", "https://a/tea");
    leads_to(443, "GET //evil.example/ HTTP/1.1\r\nHost: a", "https://a//evil.example/");
    leads_to(
        443,
        r"GET /\evil.example HTTP/1.1
Host: a"
            .replace('\n', "\r\n")
            .as_str(),
        r"https://a/\evil.example",
    );
}

#[test]
fn nobody_is_sent_to_a_host_that_was_not_asked() {
    let needs_host = "needs a Host header";
    is_refused("GET / HTTP/1.0", needs_host);
    is_refused("GET / HTTP/1.1", "the Host header is missing");
    is_refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b", "more than one Host header");
    for host in ["", ":80", "...", "a@evil.example", "a%2eevil", "a;b", "a,b", "a b", "[::1", "[evil]", "é"]
    {
        let (line, location) = redirected(443, &format!("GET / HTTP/1.1\r\nHost: {host}"));
        assert!(line.contains(" 400 ") && line.contains("Host header"), "{host}: {line}");
        assert_eq!(location, None, "{host}");
    }
    is_refused("GET http://evil.example/ HTTP/1.1\r\nHost: a", "needs a path");
    is_refused("OPTIONS * HTTP/1.1\r\nHost: a", "needs a path");
}

#[test]
fn one_answer_is_all() {
    let two = get("/health") + &get("/metrics");
    check_peer(|| Peer::to_redirect(443), two.as_bytes(), &["health 308 … (close)", "finish"]);
    // Nothing of a body is waited for, and the method is kept: a client sends it once more where it is safe.
    let mut peer = Peer::to_redirect(443);
    peer.send("POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 1500\r\nExpect: 100-continue\r\n\r\n{");
    peer.did(&["login 308 … (close)", "finish"]);
    assert_eq!(header(peer.last_response(), "location"), Some("https://a/login"));
    assert_eq!(header(peer.last_response(), "cache-control"), Some("no-store"));
    assert_eq!(header(peer.last_response(), "strict-transport-security"), None, "it counts over TLS alone");
    Peer::to_redirect(443).pass(9_999).did(&[]).pass(1).did(&["finish"]);
    Peer::to_redirect(443).send("GET / HT").pass(10_000).did(&["unknown 408 {…} (close)", "finish"]);
}

#[test]
fn a_websocket_is_told_where_to_go() {
    let mut peer = Peer::to_redirect(8443);
    peer.talk(upgrade("/ws?token=secret&game_id=r").as_bytes());
    let advice = "This port only redirects to HTTPS: use https://a:8443/ws or wss://a:8443/ws";
    peer.did(&[&format!("ws 308 {advice}\n (close)"), "finish"]);
    let mut peer = Peer::to_redirect(8443);
    peer.talk(upgrade("/ws?token=secret&game_id=r&refuse=close").as_bytes());
    let refusal =
        format!(r#"{{"type":"error","payload":{{"code":"bad_request","message":"{advice}","status":400}}}}"#);
    peer.did(&["ws 101 for 400", &refusal, "close 4505 bad_request", "closed 4505"]);
}

#[test]
fn browsers_are_told_over_tls_to_come_that_way_again() {
    let hsts = |answer: &str| header(answer, "strict-transport-security").map(str::to_owned);
    let redirects = |settings: &mut Settings| settings.https_redirect = Some(https_redirect(443));
    for line in ["GET /", "GET /nowhere", "OPTIONS /login"] {
        let answer = response_with(redirects, request(line, &[]));
        assert_eq!(hsts(&answer).as_deref(), Some("max-age=60"), "{line}");
        assert_eq!(hsts(&response(request(line, &[]))), None, "{line}");
    }
}
