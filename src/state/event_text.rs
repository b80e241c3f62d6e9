//! The JSON text of events: what scripts give, and what members get.

use std::borrow::Cow;

use godra_engine::write_json_string;
use serde_json::value::RawValue;

use crate::wire::message::{MAX_DEPTH, MessageType, RESERVED_TYPE, TOO_DEEP, is_too_deep};

/// What one call's events may take together. Redis ends a node's connection when it has more than 32 MiB for it that are not read yet
/// (its `client-output-buffer-limit` for `pubsub`), and a batch's own node gets its events twice.
pub(super) const MAX_CALL_BYTES: usize = 4 << 20;
/// When the events of all calls take so much, no further call runs before they are out.
pub(super) const FULL_BYTES: usize = 2 << 20;

/// Why an event was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadEvent {
    /// Some text in it is not UTF-8, so that no client could read it.
    NotUtf8,
    /// It is not a JSON object.
    NotAnObject,
    /// It has no string `type`.
    NoType,
    /// Its `type` is one of the server's own messages, which clients would take it for.
    ReservedType,
    /// Its payload is nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// The call has published too much already: see [`MAX_CALL_BYTES`].
    TooMuch,
}

/// Whether scripts may give an event this type.
///
/// # Errors
/// [`BadEvent::ReservedType`], [`BadEvent::NotUtf8`].
pub(super) fn check_type(kind: &[u8]) -> Result<(), BadEvent> {
    if MessageType::is_reserved(kind) { Err(BadEvent::ReservedType) } else { check_text(kind).map(drop) }
}

/// A text that clients can read.
///
/// # Errors
/// [`BadEvent::NotUtf8`].
pub(super) fn check_text(text: &[u8]) -> Result<&str, BadEvent> {
    std::str::from_utf8(text).map_err(|_| BadEvent::NotUtf8)
}

/// Whether scripts may give an event this payload.
///
/// # Errors
/// [`BadEvent::NotUtf8`], [`BadEvent::TooDeep`].
pub(super) fn check_payload(json: &[u8]) -> Result<(), BadEvent> {
    check_text(json)?;
    if is_too_deep(json, MAX_DEPTH) { Err(BadEvent::TooDeep) } else { Ok(()) }
}

/// The same of a ready event, which has one level more.
pub(super) fn check_ready(json: &[u8]) -> Result<(), BadEvent> {
    if is_too_deep(json, MAX_DEPTH + 1) { Err(BadEvent::TooDeep) } else { Ok(()) }
}

impl BadEvent {
    /// For the script's author.
    pub fn message(self) -> &'static str {
        match self {
            Self::NotUtf8 => {
                "an event's text must be UTF-8: string.sub, which counts bytes, may have cut it within a character"
            }
            Self::NotAnObject => "an event must be a JSON object",
            Self::NoType => "an event needs a string as its type",
            Self::ReservedType => RESERVED_TYPE,
            Self::TooDeep => TOO_DEEP,
            Self::TooMuch => "too many events at once: those of one call take at most 4 MiB",
        }
    }
}

/// Appends `{"type":KIND,"payload":PAYLOAD`, which begins an event. The payload is JSON text.
pub(super) fn write_head(kind: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    write_json_string(kind, out);
    out.extend_from_slice(b",\"payload\":");
    out.extend_from_slice(payload);
}

/// Appends `,"seq":SEQ}`, which ends an event.
pub(super) fn write_seq(seq: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"seq\":");
    out.extend_from_slice(itoa::Buffer::new().format(seq).as_bytes());
    out.push(b'}');
}

/// The top-level members of an event, as they stand in its text.
pub(super) struct Members<'a> {
    kept: Vec<(&'a RawValue, &'a RawValue)>,
    has_type: bool,
    /// One of its types, should it have several, is the server's.
    has_reserved_type: bool,
    has_payload: bool,
}

impl<'a> Members<'a> {
    /// Reads an event's text.
    ///
    /// # Errors
    /// [`BadEvent::NotAnObject`], [`BadEvent::NoType`], [`BadEvent::ReservedType`].
    pub(super) fn read(event: &'a str) -> Result<Self, BadEvent> {
        let members: Self = serde_json::from_str(event).map_err(|_| BadEvent::NotAnObject)?;
        if !members.has_type {
            return Err(BadEvent::NoType);
        }
        if members.has_reserved_type {
            return Err(BadEvent::ReservedType);
        }
        Ok(members)
    }

    /// Appends the event with that `seq`.
    pub(super) fn write(&self, seq: u64, text: &mut Vec<u8>) {
        text.push(b'{');
        for (name, value) in &self.kept {
            text.extend_from_slice(name.get().as_bytes());
            text.push(b':');
            text.extend_from_slice(value.get().as_bytes());
            text.push(b',');
        }
        if !self.has_payload {
            text.extend_from_slice(b"\"payload\":null,");
        }
        text.pop();
        write_seq(seq, text);
    }
}

/// Appends a ready event with the `seq` that it gets, as a script has published it by `PUBLISH`.
///
/// # Errors
/// As [`Members::read`].
pub(super) fn write_ready(event: &str, seq: u64, out: &mut Vec<u8>) -> Result<(), BadEvent> {
    Members::read(event).map(|members| members.write(seq, out))
}

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> serde::de::Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members {
            kept: Vec::with_capacity(4),
            has_type: false,
            has_reserved_type: false,
            has_payload: false,
        };
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            match &*unescaped(name) {
                "seq" => continue,
                "type" => {
                    members.has_type = value.get().starts_with('"');
                    members.has_reserved_type |= check_type(unescaped(value).as_bytes()).is_err();
                }
                "payload" => members.has_payload = true,
                _ => {}
            }
            members.kept.push((name, value));
        }
        Ok(members)
    }
}

/// The text of a JSON string; nothing for other values.
fn unescaped(value: &RawValue) -> Cow<'_, str> {
    let text = value.get();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Cow::Borrowed(plain),
        _ => Cow::Owned(serde_json::from_str(text).unwrap_or_default()),
    }
}
