//! Sessions as bytes in, actions out. A new test is a line: what the peer sends, and what comes of it, written as
//! [`recorder::Recorder`] says. What is checked here is checked whole and cut at every byte.

mod account;
mod cors;
mod deadlines;
mod drain;
mod frames;
mod http;
mod login;
mod pacing;
mod pages;
mod peer;
mod properties;
mod recorder;
mod redirect;
mod rpc;
mod upgrade;
mod websocket;

use self::peer::Peer;
use crate::session::limits::Limit;
use crate::session::{Session, Settings};
use crate::wire::testing::cuttings;

/// A fresh connection that sends `input` comes to this, however the input is cut.
#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &[&str]) {
    check_with(|_| {}, input, expected);
}

/// As [`check`], with some settings changed.
#[track_caller]
fn check_with(change: impl Fn(&mut Settings), input: impl AsRef<[u8]>, expected: &[&str]) {
    check_peer(|| Peer::with(&change), input.as_ref(), expected);
}

/// A member of a room that sends these frames comes to this, however they are cut.
#[track_caller]
fn check_member(frames: impl AsRef<[u8]>, expected: &[&str]) {
    check_peer(Peer::member, frames.as_ref(), expected);
}

/// As [`check`], from where `peer` is.
#[track_caller]
fn check_peer(peer: impl Fn() -> Peer, input: &[u8], expected: &[&str]) {
    for pieces in cuttings(input) {
        let mut peer = peer();
        for piece in &pieces {
            peer.talk(piece);
        }
        let lengths: Vec<usize> = pieces.iter().map(|piece| piece.len()).collect();
        let said = format!("{} in pieces of {lengths:?}", input.escape_ascii());
        assert_lines(&peer.lines(), expected, &said);
    }
}

/// Compares line by line; a `…` in an expected line stands for any text.
#[track_caller]
fn assert_lines(lines: &[String], expected: &[&str], said: &str) {
    let matches = lines.len() == expected.len()
        && lines.iter().zip(expected).all(|(line, expected)| line_matches(line, expected));
    assert!(matches, "to {said}\n     got {lines:#?}\nexpected {expected:#?}");
}

fn line_matches(line: &str, expected: &str) -> bool {
    let Some((start, end)) = expected.split_once('…') else { return line == expected };
    line.strip_prefix(start).is_some_and(|rest| rest.ends_with(end))
}

/// A request without a body, and with these further header lines.
fn request(line: &str, headers: &[&str]) -> String {
    let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

/// `GET` of a path.
fn get(path: &str) -> String {
    request(&format!("GET {path}"), &[])
}

/// A `POST` with a body.
fn post(path: &str, headers: &[&str], body: &str) -> String {
    let length = format!("Content-Length: {}", body.len());
    request(&format!("POST {path}"), &[headers, &[&length]].concat()) + body
}

/// An authorised call of `/api/rpc`.
fn call(body: &str) -> String {
    post("/api/rpc", &["Authorization: Bearer good"], body)
}

fn upgrade(target: &str) -> String {
    upgrade_with(target, &[])
}

/// An upgrade request with further headers.
fn upgrade_with(target: &str, headers: &[&str]) -> String {
    let usual = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    request(&format!("GET {target}"), &[&usual, headers].concat())
}

/// The answer to a request on a fresh connection, as it was sent.
fn response(request: impl AsRef<[u8]>) -> String {
    response_with(|_| {}, request)
}

/// As [`response`], with some settings changed.
fn response_with(change: impl FnOnce(&mut Settings), request: impl AsRef<[u8]>) -> String {
    let mut peer = Peer::with(change);
    peer.talk(request.as_ref());
    peer.last_response().to_owned()
}

/// The value of a header in a response; of the last one if there are several.
fn header<'r>(response: &'r str, name: &str) -> Option<&'r str> {
    let head = response.split("\r\n\r\n").next()?;
    let named = |line: &'r str| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name));
    head.lines().filter_map(named).next_back().map(|(_, value)| value)
}
