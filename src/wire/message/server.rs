//! `{"type": T, "payload": P, "seq": N}` and the other messages that the server sends.
//!
//! Every encoder reserves what its message takes and writes it once. Parameters named `…_json` must be JSON text
//! already; they are put in as they are.

use bytes::Bytes;
use serde::Serialize;

use crate::wire::ids::{Identity, RoomId};
use crate::wire::ws::{TEXT, frame_header};

const BATCH_START: &[u8] = br#"{"type":"batch","events":["#;
const BATCH_END: &[u8] = b"]}";

/// The first message on a connection.
#[derive(Clone, Copy, Debug)]
pub struct Welcome<'a> {
    /// Who the token says the player is.
    pub identity: &'a Identity,
    /// The room.
    pub game_id: &'a RoomId,
    /// Which history `seq` counts in.
    pub epoch: u64,
    /// The last event that the player need not wait for.
    pub seq: u64,
    /// Whether the missed events follow; otherwise `state_json` says it all.
    pub recovered: bool,
    /// The room's state at `seq`; `null` without one.
    pub state_json: Option<&'a [u8]>,
    /// The room's rhythm.
    pub sync_interval_ms: u64,
}

/// `{"type":"welcome","payload":{…}}`
pub fn welcome(welcome: &Welcome<'_>) -> Vec<u8> {
    let Identity { user_id, username, role, .. } = welcome.identity;
    let state = welcome.state_json.unwrap_or(b"null");
    let mut out = Vec::with_capacity(320 + user_id.len() + username.len() + state.len());
    out.extend_from_slice(br#"{"type":"welcome","payload":{"user_id":"#);
    put_json(&mut out, user_id);
    out.extend_from_slice(br#","username":"#);
    put_json(&mut out, username);
    out.extend_from_slice(br#","role":"#);
    put_json(&mut out, role.as_str());
    out.extend_from_slice(br#","game_id":"#);
    put_json(&mut out, welcome.game_id.as_str());
    out.extend_from_slice(br#","epoch":"#);
    put_json(&mut out, &epoch_text(welcome.epoch));
    out.extend_from_slice(br#","seq":"#);
    put_json(&mut out, &welcome.seq);
    out.extend_from_slice(br#","recovered":"#);
    put_json(&mut out, &welcome.recovered);
    out.extend_from_slice(br#","state":"#);
    out.extend_from_slice(state);
    out.extend_from_slice(br#","sync_interval_ms":"#);
    put_json(&mut out, &welcome.sync_interval_ms);
    out.extend_from_slice(b"}}");
    out
}

/// `{"type":"reply","id":N,"result":…}`
pub fn reply(id: u64, result_json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + result_json.len());
    out.extend_from_slice(br#"{"type":"reply","id":"#);
    put_json(&mut out, &id);
    out.extend_from_slice(br#","result":"#);
    out.extend_from_slice(result_json);
    out.push(b'}');
    out
}

/// `{"type":"error","id"?:N,"payload":{"code","message","details"?}}`
pub fn error(id: Option<u64>, code: &str, message: &str, details_json: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 + code.len() + message.len() + details_json.map_or(0, str::len));
    out.extend_from_slice(br#"{"type":"error""#);
    if let Some(id) = id {
        out.extend_from_slice(br#","id":"#);
        put_json(&mut out, &id);
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

/// `{"type":"snapshot","payload":STATE,"seq":N}`
pub fn snapshot(seq: u64, state_json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(72 + state_json.len());
    out.extend_from_slice(br#"{"type":"snapshot","payload":"#);
    out.extend_from_slice(state_json);
    out.extend_from_slice(br#","seq":"#);
    put_json(&mut out, &seq);
    out.push(b'}');
    out
}

/// A message of `count` events, at least one, whose JSON objects are joined by commas: one goes as it is, several as
/// `{"type":"batch","events":[…]}`.
pub fn batch_text(events_json: &[u8], count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(BATCH_START.len() + events_json.len() + BATCH_END.len());
    put_batch(&mut out, &[events_json], count);
    out
}

/// As [`batch_text`], of several runs of events (empty ones are skipped) and as a whole WebSocket frame, to be shared
/// by everyone who gets it. `count` is that of all runs together.
pub fn batch_frame(parts_json: &[&[u8]], count: usize) -> Bytes {
    let events_len: usize = parts_json.iter().map(|part| part.len()).sum();
    let commas = parts_json.iter().filter(|part| !part.is_empty()).count().saturating_sub(1);
    let envelope_len = if count > 1 { BATCH_START.len() + BATCH_END.len() } else { 0 };
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

/// Reads [`epoch_text`].
pub fn parse_epoch(text: &str) -> Option<u64> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|_| is_hex)
}

fn put_batch(out: &mut Vec<u8>, parts_json: &[&[u8]], count: usize) {
    debug_assert!(count > 0 && parts_json.iter().any(|part| !part.is_empty()), "a message of no events");
    if count > 1 {
        out.extend_from_slice(BATCH_START);
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
