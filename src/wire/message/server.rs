//! `{"type": T, "payload": P, "seq": N}` and the other messages that the server sends.
//!
//! Every encoder reserves what its message takes and writes it once. Parameters named `…_json` must be JSON text
//! already; they are put in as they are.

use bytes::Bytes;
use serde::Serialize;

use super::{InputName, MessageType};
use crate::wire::Position;
use crate::wire::ids::{Identity, RoomId};
use crate::wire::ws::{TEXT, frame_header};

const BATCH_EVENTS: &[u8] = br#","events":["#;
const BATCH_START_LEN: usize = MessageType::BATCH.head.len() + BATCH_EVENTS.len();
const BATCH_END: &[u8] = b"]}";

/// The first message on a connection.
#[derive(Clone, Copy, Debug)]
pub struct Welcome<'a> {
    /// Who the token says the player is.
    pub identity: &'a Identity,
    /// The room that the player has joined.
    pub game_id: &'a RoomId,
    /// Which history `seq` counts in.
    pub epoch: u64,
    /// The last event that the player need not wait for.
    pub seq: u64,
    /// The last of the player's numbered inputs that ran; 0 if none did.
    pub n: u64,
    /// Whether the missed events follow; otherwise `state_json` says it all.
    pub recovered: bool,
    /// The room's state at `seq`; `null` without one.
    pub state_json: Option<&'a [u8]>,
    /// The room's interval, within which events gather to go out together.
    pub sync_interval_ms: u64,
    /// The server's clock, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// `{"type":"welcome","payload":{…}}`
pub fn welcome(welcome: &Welcome<'_>) -> Vec<u8> {
    let Identity { user_id, username, role, .. } = welcome.identity;
    let state = welcome.state_json.unwrap_or(b"null");
    let mut out = Vec::with_capacity(320 + user_id.len() + username.len() + state.len());
    out.extend_from_slice(MessageType::WELCOME.head);
    out.extend_from_slice(br#","payload":{"user_id":"#);
    put_json(&mut out, user_id.as_str());
    out.extend_from_slice(br#","username":"#);
    put_json(&mut out, username.as_str());
    out.extend_from_slice(br#","role":"#);
    put_json(&mut out, role.as_str());
    out.extend_from_slice(br#","game_id":"#);
    put_json(&mut out, welcome.game_id.as_str());
    out.extend_from_slice(br#","epoch":"#);
    put_json(&mut out, &epoch_text(welcome.epoch));
    out.extend_from_slice(br#","seq":"#);
    put_json(&mut out, &welcome.seq);
    out.extend_from_slice(br#","n":"#);
    put_json(&mut out, &welcome.n);
    out.extend_from_slice(br#","recovered":"#);
    put_json(&mut out, &welcome.recovered);
    out.extend_from_slice(br#","state":"#);
    out.extend_from_slice(state);
    out.extend_from_slice(br#","sync_interval_ms":"#);
    put_json(&mut out, &welcome.sync_interval_ms);
    out.extend_from_slice(br#","now":"#);
    put_json(&mut out, &welcome.now_ms);
    out.extend_from_slice(b"}}");
    out
}

/// `{"type":"reply","id":N,"result":…}`
pub fn reply(id: u64, result_json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + result_json.len());
    out.extend_from_slice(MessageType::REPLY.head);
    out.extend_from_slice(br#","id":"#);
    put_json(&mut out, &id);
    out.extend_from_slice(br#","result":"#);
    out.extend_from_slice(result_json);
    out.push(b'}');
    out
}

/// `{"type":"reply","id":N,"result":{"n":N,"seq":N,"now":MS}}`: the answer to a heartbeat. All inputs up to `n` have run, and all
/// events up to `seq` have been sent. `now_ms` is the server's clock, in milliseconds since the Unix epoch.
pub fn heartbeat(id: u64, n: u64, seq: u64, now_ms: u64) -> Vec<u8> {
    reply(id, format!(r#"{{"n":{n},"seq":{seq},"now":{now_ms}}}"#).as_bytes())
}

/// `{"type":"error","id"?:N,"n"?:N,"payload":{"code","message","details"?}}`
pub fn error(name: InputName, code: &str, message: &str, details_json: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + code.len() + message.len() + details_json.map_or(0, str::len));
    out.extend_from_slice(MessageType::ERROR.head);
    if let Some(id) = name.id {
        out.extend_from_slice(br#","id":"#);
        put_json(&mut out, &id);
    }
    if let Some(n) = name.n {
        out.extend_from_slice(br#","n":"#);
        put_json(&mut out, &n);
    }
    out.extend_from_slice(br#","payload":{"code":"#);
    put_json(&mut out, code);
    out.extend_from_slice(br#","message":"#);
    put_json(&mut out, message);
    if let Some(details) = details_json {
        out.extend_from_slice(br#","details":"#);
        out.extend_from_slice(details.as_bytes());
    }
    out.extend_from_slice(b"}}");
    out
}

/// Why a client is not let in: [`error`] with `"status":N` and `"retry_after":N` in its payload, as HTTP would say it.
pub fn refusal(
    code: &str,
    message: &str,
    details_json: Option<&str>,
    status: u16,
    retry_after_s: Option<&str>,
) -> Vec<u8> {
    let mut out = error(InputName::default(), code, message, details_json);
    debug_assert!(out.ends_with(b"}}"));
    out.truncate(out.len() - 2);
    out.extend_from_slice(br#","status":"#);
    put_json(&mut out, &status);
    if let Some(seconds) = retry_after_s {
        out.extend_from_slice(br#","retry_after":"#);
        out.extend_from_slice(seconds.as_bytes());
    }
    out.extend_from_slice(b"}}");
    out
}

/// The same reply or error with `"script":"NAME@VERSION"` behind all else.
pub fn with_script(mut message: Vec<u8>, tag: &str) -> Vec<u8> {
    debug_assert_eq!(message.last(), Some(&b'}'));
    message.pop();
    message.extend_from_slice(br#","script":"#);
    put_json(&mut message, tag);
    message.push(b'}');
    message
}

/// `{"type":"snapshot","payload":STATE,"epoch":E,"seq":N}`
pub fn snapshot(position: Position, state_json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(96 + state_json.len());
    out.extend_from_slice(MessageType::SNAPSHOT.head);
    out.extend_from_slice(br#","payload":"#);
    out.extend_from_slice(state_json);
    out.extend_from_slice(br#","epoch":"#);
    put_json(&mut out, &epoch_text(position.epoch));
    out.extend_from_slice(br#","seq":"#);
    put_json(&mut out, &position.seq);
    out.push(b'}');
    out
}

/// A message of `count` events, at least one, whose JSON objects are joined by commas: one goes as it is, several as
/// `{"type":"batch","events":[…]}`.
pub fn batch_text(events_json: &[u8], count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(BATCH_START_LEN + events_json.len() + BATCH_END.len());
    put_batch(&mut out, &[events_json], count);
    out
}

/// As [`batch_text`], of several runs of events (empty ones are skipped) and as a whole WebSocket frame, to be shared
/// by everyone who gets it. `count` is that of all runs together.
pub fn batch_frame(parts_json: &[&[u8]], count: usize) -> Bytes {
    let events_len: usize = parts_json.iter().map(|part| part.len()).sum();
    let commas = parts_json.iter().filter(|part| !part.is_empty()).count().saturating_sub(1);
    let envelope_len = if count > 1 { BATCH_START_LEN + BATCH_END.len() } else { 0 };
    let message_len = envelope_len + events_len + commas;
    let header = frame_header(TEXT, message_len);
    let mut out = Vec::with_capacity(header.len() + message_len);
    out.extend_from_slice(&header);
    put_batch(&mut out, parts_json, count);
    debug_assert_eq!(out.len(), header.len() + message_len);
    out.into()
}

/// An epoch as clients see it: hex digits in a string, as JavaScript's numbers do not hold 64 bits.
pub fn epoch_text(epoch: u64) -> String {
    format!("{epoch:x}")
}

/// The epoch that [`epoch_text`] wrote as this text; none for any other text.
pub fn parse_epoch(text: &str) -> Option<u64> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|_| is_hex)
}

fn put_batch(out: &mut Vec<u8>, parts_json: &[&[u8]], count: usize) {
    debug_assert!(count > 0 && parts_json.iter().any(|part| !part.is_empty()), "a message of no events");
    if count > 1 {
        out.extend_from_slice(MessageType::BATCH.head);
        out.extend_from_slice(BATCH_EVENTS);
    }
    let mut separator: &[u8] = b"";
    for part in parts_json.iter().filter(|part| !part.is_empty()) {
        out.extend_from_slice(separator);
        out.extend_from_slice(part);
        separator = b",";
    }
    if count > 1 {
        out.extend_from_slice(BATCH_END);
    }
}

fn put_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("strings and numbers are always JSON");
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::wire::ids::Role;
    use crate::wire::ws::text_frame;
    use serde_json::{Value, json};

    fn check(encoded: &[u8], expected: &str) {
        assert_eq!(std::str::from_utf8(encoded).unwrap(), expected);
        serde_json::from_slice::<Value>(encoded).unwrap();
    }

    #[test]
    fn replies_errors_and_snapshots() {
        check(&reply(7, br#"{"a":1}"#), r#"{"type":"reply","id":7,"result":{"a":1}}"#);
        check(
            &snapshot(Position { epoch: 0xab, seq: u64::MAX }, b"null"),
            r#"{"type":"snapshot","payload":null,"epoch":"ab","seq":18446744073709551615}"#,
        );
        check(
            &error(InputName::default(), "busy", "later", None),
            r#"{"type":"error","payload":{"code":"busy","message":"later"}}"#,
        );
        check(
            &error(InputName { id: Some(0), n: None }, "a\"b", "c\n\u{1}é", Some("[1]")),
            r#"{"type":"error","id":0,"payload":{"code":"a\"b","message":"c\n\u0001é","details":[1]}}"#,
        );
    }

    #[test]
    fn refusals() {
        check(
            &refusal("busy", "later", Some("[1]"), 503, Some("7")),
            r#"{"type":"error","payload":{"code":"busy","message":"later","details":[1],"status":503,"retry_after":7}}"#,
        );
        check(
            &refusal("forbidden", "no", None, 403, None),
            r#"{"type":"error","payload":{"code":"forbidden","message":"no","status":403}}"#,
        );
    }

    #[test]
    fn answers_that_tell_the_script() {
        let tagged = |text: Vec<u8>| with_script(text, "move@0123abcd");
        check(&tagged(reply(7, b"1")), r#"{"type":"reply","id":7,"result":1,"script":"move@0123abcd"}"#);
        let name = InputName { id: Some(1), n: None };
        check(
            &tagged(error(name, "busy", "later", None)),
            r#"{"type":"error","id":1,"payload":{"code":"busy","message":"later"},"script":"move@0123abcd"}"#,
        );
    }

    #[test]
    fn answers_to_numbered_inputs() {
        let name = InputName { id: Some(3), n: NonZeroU64::new(4) };
        check(
            &error(name, "busy", "later", None),
            r#"{"type":"error","id":3,"n":4,"payload":{"code":"busy","message":"later"}}"#,
        );
        let answer = r#"{"type":"reply","id":7,"result":{"n":4,"seq":9,"now":1700000000123}}"#;
        check(&heartbeat(7, 4, 9, 1_700_000_000_123), answer);
    }

    #[test]
    fn welcomes() {
        let identity = Identity {
            user_id: "guest:1".into(),
            username: "Ann \"é\"".into(),
            role: Role::Guest,
            expires_at_s: 0,
            login: Default::default(),
        };
        let room = RoomId::parse("game:r-1").unwrap();
        let mut fields = Welcome {
            identity: &identity,
            game_id: &room,
            epoch: u64::MAX,
            seq: 5,
            n: 6,
            recovered: false,
            state_json: Some(br#"{"x":1}"#),
            sync_interval_ms: 50,
            now_ms: 1_700_000_000_123,
        };
        let parse = |fields: &Welcome<'_>| serde_json::from_slice::<Value>(&welcome(fields)).unwrap();
        let mut expected = json!({"type": "welcome", "payload": {
            "user_id": "guest:1", "username": "Ann \"é\"", "role": "guest", "game_id": "r-1",
            "epoch": "ffffffffffffffff", "seq": 5, "n": 6, "recovered": false, "state": {"x": 1}, "sync_interval_ms": 50,
            "now": 1_700_000_000_123_u64,
        }});
        assert_eq!(parse(&fields), expected);
        (fields.recovered, fields.state_json) = (true, None);
        expected["payload"]["recovered"] = json!(true);
        expected["payload"]["state"] = json!(null);
        assert_eq!(parse(&fields), expected);
    }

    #[test]
    fn a_message_is_written_into_one_allocation() {
        let capacity_is_kept =
            |message: Vec<u8>| assert!(message.capacity() < message.len() + 400, "{}", message.len());
        let large = vec![b'1'; 10_000];
        capacity_is_kept(reply(u64::MAX, &large));
        capacity_is_kept(snapshot(Position { epoch: u64::MAX, seq: u64::MAX }, &large));
        capacity_is_kept(batch_text(&large, 2));
        capacity_is_kept(error(
            InputName { id: Some(u64::MAX), n: None },
            "code",
            "message",
            Some(&"1".repeat(10_000)),
        ));
    }

    #[test]
    fn batches() {
        check(&batch_text(b"{\"seq\":1}", 1), "{\"seq\":1}");
        check(&batch_text(b"{},{}", 2), r#"{"type":"batch","events":[{},{}]}"#);
        let check_frame = |parts: &[&[u8]], count: usize, expected: &str| {
            assert_eq!(batch_frame(parts, count), text_frame(expected.as_bytes()));
        };
        check_frame(&[b"{}"], 1, "{}");
        check_frame(&[b"", b"{}", b""], 1, "{}");
        check_frame(&[b"{},{}"], 2, r#"{"type":"batch","events":[{},{}]}"#);
        check_frame(&[b"{}", b"", b"{},{}"], 3, r#"{"type":"batch","events":[{},{},{}]}"#);
        for len in [90, 95, 99, 124, 125, 126, 65_500, 65_507, 65_508, 65_535, 65_536] {
            let event = format!("\"{}\"", "x".repeat(len));
            check_frame(&[event.as_bytes()], 1, &event);
            check_frame(&[event.as_bytes(), b"1"], 2, &format!(r#"{{"type":"batch","events":[{event},1]}}"#));
        }
    }

    #[test]
    fn epochs() {
        for epoch in [0, 1, 0xabc, u64::MAX] {
            assert_eq!(parse_epoch(&epoch_text(epoch)), Some(epoch));
        }
        for bad in ["", "+1", "-1", "g", " 1", "1 ", "10000000000000000", "é"] {
            assert_eq!(parse_epoch(bad), None, "{bad:?}");
        }
    }
}
