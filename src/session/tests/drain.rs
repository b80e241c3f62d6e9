//! The server stops.

use super::frames::*;
use super::peer::Peer;
use super::*;

#[test]
fn a_connection_without_a_request_ends_at_once() {
    Peer::new().drain().did(&["finish"]);
    Peer::new().send(get("/health")).drain().did(&["health 200 …", "finish"]);
}

#[test]
fn the_port_that_redirects_ends_likewise() {
    Peer::to_redirect(443).drain().did(&["finish"]);
    let mut peer = Peer::to_redirect(443);
    peer.send("GET / HTTP/1.1\r\nHo").drain().did(&[]);
    peer.send("st: a\r\n\r\n").did(&["page 308 … (close)", "finish"]);
}

#[test]
fn a_call_in_flight_ends_after_its_answer() {
    let mut peer = Peer::new();
    peer.send(call(r#"{"script":"slow"}"#)).send(get("/health")).drain();
    peer.did(&["rpc guest:a slow []"]);
    peer.answer_call();
    peer.did(&[r#"rpc 200 {"result":[]} (close)"#, "finish"]);
}

#[test]
fn a_request_on_its_way_is_answered() {
    let request = post("/guest-login", &[], "{}");
    for at in 1..request.len() {
        let mut peer = Peer::new();
        peer.send(&request[..at]).drain().did(&[]);
        peer.send(&request[at..]).did(&["guest_login 200 … (close)", "finish"]);
    }
}

#[test]
fn a_request_that_never_comes_whole_times_out() {
    Peer::new().send("GET /").drain().pass(10_000).did(&["unknown 408 … (close)", "finish"]);
}

#[test]
fn a_join_in_flight_ends_after_its_refusal() {
    let mut peer = Peer::new();
    peer.send(upgrade("/ws?token=good&game_id=closed")).drain().answer_join();
    peer.did(&["join guest:a closed", "ws 403 … (close)", "finish"]);
}

#[test]
fn a_websocket_closes_and_says_come_back() {
    let mut peer = Peer::member();
    peer.drain().did(&["close 1001 the server is shutting down", "closed 1001"]);
    peer.drain().did(&[]);
    peer.send(close(1001, "")).did(&["finish"]);
    Peer::echo().drain().did(&["close 1001 …", "closed 1001"]);
}

#[test]
fn a_websocket_that_closes_already_goes_on_doing_so() {
    let mut peer = Peer::member();
    peer.close(4500, "kicked");
    peer.drain().did(&["close 4500 kicked", "closed 4500"]);
    peer.pass(5_000).drain().did(&["finish"]);
}

#[test]
fn a_probe_is_told() {
    let mut peer = Peer::new();
    peer.services.readiness = Err(crate::session::SHUTTING_DOWN);
    let stopping = r#"{"error":{"code":"unavailable","message":"the server is shutting down"}}"#;
    peer.send(get("/ready")).did(&[&format!("ready 503 {stopping} (close)"), "finish"]);
    let mut peer = Peer::new();
    peer.services.readiness = Err(crate::session::SHUTTING_DOWN);
    peer.send(get("/health")).did(&[r#"health 200 {"status":"ok"} (close)"#, "finish"]);
    let mut peer = Peer::new();
    peer.services.readiness = Err("the state engine is not available");
    peer.send(get("/ready"));
    peer.did(&[
        r#"ready 503 {"error":{"code":"unavailable","message":"the state engine is not available"}}"#,
    ]);
}
