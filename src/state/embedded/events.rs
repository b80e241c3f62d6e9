//! Numbers the events of rooms and gathers those of the running batch. No Lua here, no delivery.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::state::{Position, RoomEvents};
use crate::wire::ids::RoomId;

use super::lua::number::write_integer;

/// What a batch's events may take together: beyond it nobody could be sent them, and their ends must fit 32 bits.
const MAX_PENDING_BYTES: usize = 64 << 20;
/// A counter is forgotten after so long without use, if its room is gone.
const FORGET_AFTER_MS: u64 = 3_600_000;

/// The events of the running batch, and every room's counter.
pub struct Outbox {
    counters: HashMap<RoomId, Counter>,
    /// The batch's events so far, one entry a room and epoch, in the order of their first events.
    pending: Vec<Pending>,
    /// How many of `pending` (from the front) are closed: their room's counter was reset since.
    closed: usize,
    /// Bytes in `pending`.
    pending_bytes: usize,
    random: SplitMix,
    now_ms: u64,
}

struct Counter {
    /// Without the events of the running batch, which are counted in their own place until they are taken.
    position: Position,
    used_at_ms: u64,
}

/// A room's place in its history, for the one who keeps it over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomPosition {
    /// The room.
    pub room: RoomId,
    /// Its place.
    pub position: Position,
    /// When the room was last used, in milliseconds since the Unix epoch.
    pub used_at_ms: u64,
}

struct Pending {
    room: RoomId,
    epoch: u64,
    first_seq: u64,
    next_seq: u64,
    text: Vec<u8>,
    ends: Vec<u32>,
    direct: Vec<(Box<str>, Bytes)>,
}

/// Why an event was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadEvent {
    /// It is not a JSON object.
    NotAnObject,
    /// It has no string `type`.
    NoType,
    /// Its `type` is one of the server's own messages, which clients would take it for.
    ReservedType,
    /// The batch has published too much already.
    TooMuch,
}

/// The types of the server's own messages.
const RESERVED_TYPES: [&[u8]; 5] = [b"welcome", b"reply", b"error", b"batch", b"snapshot"];

fn check_type(kind: &[u8]) -> Result<(), BadEvent> {
    if RESERVED_TYPES.contains(&kind) { Err(BadEvent::ReservedType) } else { Ok(()) }
}

impl BadEvent {
    /// For the script's author.
    pub fn message(self) -> &'static str {
        match self {
            Self::NotAnObject => "an event must be a JSON object",
            Self::NoType => "an event needs a string as its type",
            Self::ReservedType => "welcome, reply, error, batch and snapshot are the server's own types",
            Self::TooMuch => "too many events at once",
        }
    }
}

impl Outbox {
    /// An outbox whose epochs come from the seed.
    pub fn new(seed: u64) -> Self {
        Self {
            counters: HashMap::new(),
            pending: Vec::new(),
            closed: 0,
            pending_bytes: 0,
            random: SplitMix(seed),
            now_ms: 0,
        }
    }

    /// Starts a call: from now on events happen at this time.
    pub fn set_now(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// The room's place, with all its events taken. A room that nothing is known of begins its history now.
    pub fn position(&mut self, room: &RoomId) -> Position {
        self.counter(room).position
    }

    /// As [`Outbox::position`], or nothing if nothing is known of the room.
    pub fn known_position(&self, room: &RoomId) -> Option<Position> {
        self.counters.get(room).map(|counter| counter.position)
    }

    /// Appends an event; `payload` is JSON text.
    ///
    /// # Errors
    /// [`BadEvent::ReservedType`], [`BadEvent::TooMuch`].
    pub fn publish(&mut self, room: &RoomId, kind: &[u8], payload: &[u8]) -> Result<(), BadEvent> {
        check_type(kind)?;
        self.append(room, kind.len() + payload.len(), |text, seq| {
            write_head(kind, payload, text);
            write_seq(seq, text);
        })
    }

    /// Appends a ready event: a JSON object with a string `type`. A `seq` in it is replaced, a missing `payload`
    /// becomes null.
    pub fn publish_ready(&mut self, room: &RoomId, event: &[u8]) -> Result<(), BadEvent> {
        let event = std::str::from_utf8(event).map_err(|_| BadEvent::NotAnObject)?;
        let members = Members::read(event)?;
        self.append(room, event.len(), |text, seq| members.write(seq, text))
    }

    /// Sends an event to one user of the room; it has no `seq`.
    ///
    /// # Errors
    /// [`BadEvent::ReservedType`], [`BadEvent::TooMuch`].
    pub fn send(
        &mut self,
        room: &RoomId,
        user_id: &[u8],
        kind: &[u8],
        payload: &[u8],
    ) -> Result<(), BadEvent> {
        check_type(kind)?;
        self.charge(kind.len() + payload.len() + user_id.len())?;
        let mut text = Vec::with_capacity(kind.len() + payload.len() + 24);
        write_head(kind, payload, &mut text);
        text.push(b'}');
        let text = into_utf8(text);
        let user_id = String::from_utf8_lossy(user_id).into_owned().into_boxed_str();
        self.pending(room).direct.push((user_id, text));
        Ok(())
    }

    /// Forgets every room's history, as the store has forgotten its data: they all get new epochs.
    pub fn reset(&mut self) {
        self.counters.clear();
        self.closed = self.pending.len();
    }

    /// The batch's events, in the order of the rooms' first events.
    pub fn take(&mut self) -> impl Iterator<Item = RoomEvents> {
        for pending in &self.pending[self.closed..] {
            if let Some(counter) = self.counters.get_mut(&pending.room) {
                counter.position.seq = pending.next_seq - 1;
            }
        }
        self.closed = 0;
        self.pending_bytes = 0;
        self.pending.drain(..).map(|pending| RoomEvents {
            room: pending.room,
            epoch: pending.epoch,
            first_seq: pending.first_seq,
            text: Bytes::from(pending.text),
            ends: pending.ends,
            direct: pending.direct,
        })
    }

    /// Forgets counters unused for an hour whose room `is_gone`.
    pub fn forget_unused(&mut self, now_ms: u64, mut is_gone: impl FnMut(&RoomId) -> bool) {
        let is_old = |counter: &Counter| now_ms.saturating_sub(counter.used_at_ms) >= FORGET_AFTER_MS;
        self.counters.retain(|room, counter| !is_old(counter) || !is_gone(room));
    }

    /// Every room's place, with all its events taken.
    pub fn positions(&self) -> Vec<RoomPosition> {
        let place = |(room, counter): (&RoomId, &Counter)| RoomPosition {
            room: room.clone(),
            position: counter.position,
            used_at_ms: counter.used_at_ms,
        };
        self.counters.iter().map(place).collect()
    }

    /// Goes on where a room's history was.
    pub fn restore(&mut self, place: RoomPosition) {
        let counter = Counter { position: place.position, used_at_ms: place.used_at_ms };
        self.counters.insert(place.room, counter);
    }

    /// How many rooms have a counter.
    pub fn counters(&self) -> usize {
        self.counters.len()
    }

    fn counter(&mut self, room: &RoomId) -> &mut Counter {
        let now_ms = self.now_ms;
        // Looked up twice, so that a room that is there costs no clone of its id.
        if !self.counters.contains_key(room) {
            let position = Position { epoch: self.random.next(), seq: 0 };
            self.counters.insert(room.clone(), Counter { position, used_at_ms: now_ms });
        }
        let counter = self.counters.get_mut(room).expect("inserted above");
        counter.used_at_ms = now_ms;
        counter
    }

    fn pending(&mut self, room: &RoomId) -> &mut Pending {
        let open = self.pending[self.closed..].iter().position(|pending| pending.room == *room);
        let index = match open {
            Some(index) => self.closed + index,
            None => {
                let position = self.counter(room).position;
                self.pending.push(Pending {
                    room: room.clone(),
                    epoch: position.epoch,
                    first_seq: position.seq + 1,
                    next_seq: position.seq + 1,
                    text: Vec::with_capacity(1024),
                    ends: Vec::with_capacity(16),
                    direct: Vec::new(),
                });
                self.pending.len() - 1
            }
        };
        &mut self.pending[index]
    }

    fn charge(&mut self, bytes: usize) -> Result<(), BadEvent> {
        const OVERHEAD: usize = 64;
        self.pending_bytes = self.pending_bytes.saturating_add(bytes).saturating_add(OVERHEAD);
        if self.pending_bytes > MAX_PENDING_BYTES { Err(BadEvent::TooMuch) } else { Ok(()) }
    }

    fn append(
        &mut self,
        room: &RoomId,
        bytes: usize,
        write: impl FnOnce(&mut Vec<u8>, u64),
    ) -> Result<(), BadEvent> {
        self.charge(bytes)?;
        let pending = self.pending(room);
        if !pending.ends.is_empty() {
            pending.text.push(b',');
        }
        let start = pending.text.len();
        let seq = pending.next_seq;
        write(&mut pending.text, seq);
        mend_utf8(&mut pending.text, start);
        // Escapes make a byte six at most, and replacement characters three, so this is far below 4 GiB.
        let end = u32::try_from(pending.text.len()).expect("a batch's events stay below 4 GiB");
        pending.ends.push(end);
        pending.next_seq += 1;
        Ok(())
    }
}

/// Appends a JSON string.
pub fn write_json_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut copied = 0;
    for (index, &byte) in text.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[copied..index]);
        copied = index + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let hex = |digit: u8| char::from_digit(u32::from(digit), 16).unwrap_or('0') as u8;
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&text[copied..]);
    out.push(b'"');
}

/// Replaces what is not UTF-8 from `start` on, as text frames must be.
pub fn mend_utf8(text: &mut Vec<u8>, start: usize) {
    if std::str::from_utf8(&text[start..]).is_err() {
        let mended = String::from_utf8_lossy(&text[start..]).into_owned();
        text.truncate(start);
        text.extend_from_slice(mended.as_bytes());
    }
}

fn into_utf8(mut text: Vec<u8>) -> Bytes {
    mend_utf8(&mut text, 0);
    Bytes::from(text)
}

fn write_head(kind: &[u8], payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    write_json_string(kind, out);
    out.extend_from_slice(b",\"payload\":");
    out.extend_from_slice(payload);
}

/// Appends `,"seq":SEQ}`, which ends an event.
pub fn write_seq(seq: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"seq\":");
    write_integer(seq as i64, out);
    out.push(b'}');
}

/// The top-level members of an event, as they stand in its text.
struct Members<'a> {
    kept: Vec<(&'a RawValue, &'a RawValue)>,
    has_type: bool,
    /// One of its types, should it have several, is the server's.
    has_reserved_type: bool,
    has_payload: bool,
}

impl<'a> Members<'a> {
    fn read(event: &'a str) -> Result<Self, BadEvent> {
        let members: Self = serde_json::from_str(event).map_err(|_| BadEvent::NotAnObject)?;
        if !members.has_type {
            return Err(BadEvent::NoType);
        }
        if members.has_reserved_type {
            return Err(BadEvent::ReservedType);
        }
        Ok(members)
    }

    fn write(&self, seq: u64, text: &mut Vec<u8>) {
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

/// Appends a ready event with the `seq` that it gets, as [`Outbox::publish_ready`] does.
///
/// # Errors
/// All of [`BadEvent`] but [`BadEvent::TooMuch`].
pub fn write_ready(event: &str, seq: u64, out: &mut Vec<u8>) -> Result<(), BadEvent> {
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

/// A small generator for epochs and for the seeds of `math.random`: SplitMix64.
#[derive(Debug)]
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next 64 bits.
    #[expect(
        clippy::should_implement_trait,
        reason = "it is endless, and an iterator would only wrap it in Some"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(id: &str) -> RoomId {
        RoomId::parse(id).unwrap()
    }

    fn text(events: &RoomEvents) -> &str {
        std::str::from_utf8(&events.text).unwrap()
    }

    #[test]
    fn counts_each_room_and_keeps_the_epoch() {
        let mut outbox = Outbox::new(1);
        let (a, b) = (room("a"), room("b"));
        let before = outbox.position(&a);
        outbox.publish(&a, b"x", b"1").unwrap();
        outbox.publish(&b, b"y", b"{}").unwrap();
        outbox.publish(&a, b"z\"", b"null").unwrap();
        let events: Vec<_> = outbox.take().collect();
        assert_eq!(events.len(), 2);
        assert_eq!(
            text(&events[0]),
            r#"{"type":"x","payload":1,"seq":1},{"type":"z\"","payload":null,"seq":2}"#
        );
        assert_eq!(text(&events[1]), r#"{"type":"y","payload":{},"seq":1}"#);
        assert_eq!((events[0].first_seq, events[0].epoch), (1, before.epoch));
        assert_eq!(events[0].ends, [32, events[0].text.len() as u32]);
        outbox.publish(&a, b"x", b"1").unwrap();
        assert_eq!(outbox.take().next().unwrap().first_seq, 3);
        assert_eq!(outbox.position(&a), Position { epoch: before.epoch, seq: 3 });
    }

    #[test]
    fn ready_events() {
        let check = |event: &str, expected: Result<&str, BadEvent>| {
            let mut outbox = Outbox::new(1);
            let result = outbox.publish_ready(&room("a"), event.as_bytes());
            let events = outbox.take().next();
            assert_eq!(result.map(|()| text(events.as_ref().unwrap())), expected, "{event}");
        };
        check(r#"{"type":"t","payload":[1]}"#, Ok(r#"{"type":"t","payload":[1],"seq":1}"#));
        check(r#" { "type" : "t" } "#, Ok(r#"{"type":"t","payload":null,"seq":1}"#));
        check(r#"{"seq":9,"type":"t","x":1.50}"#, Ok(r#"{"type":"t","x":1.50,"payload":null,"seq":1}"#));
        check(r#"{"type":1}"#, Err(BadEvent::NoType));
        check(r#"{"type":"welcome"}"#, Err(BadEvent::ReservedType));
        check(r#"{"type":"\u0072eply"}"#, Err(BadEvent::ReservedType));
        check(r#"{"type":"t","\u0074ype":"reply"}"#, Err(BadEvent::ReservedType));
        check(r#"{"type":"reply","type":"t"}"#, Err(BadEvent::ReservedType));
        check(r#"{"\u0074ype":"t","s\u0065q":7}"#, Ok(r#"{"\u0074ype":"t","payload":null,"seq":1}"#));
        check(r#"{}"#, Err(BadEvent::NoType));
        check(r#"[1]"#, Err(BadEvent::NotAnObject));
        check(r#"{"type":"t"}x"#, Err(BadEvent::NotAnObject));
        check("hello", Err(BadEvent::NotAnObject));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        let mut outbox = Outbox::new(1);
        outbox.publish(&room("a"), b"t\xff", b"\"\xfe\"").unwrap();
        let events = outbox.take().next().unwrap();
        assert_eq!(text(&events), "{\"type\":\"t\u{fffd}\",\"payload\":\"\u{fffd}\",\"seq\":1}");
        assert_eq!(events.ends, [events.text.len() as u32]);
    }

    #[test]
    fn a_reset_gives_new_epochs_and_keeps_what_was_published() {
        let mut outbox = Outbox::new(1);
        let a = room("a");
        outbox.publish(&a, b"x", b"1").unwrap();
        outbox.reset();
        outbox.publish(&a, b"y", b"2").unwrap();
        let events: Vec<_> = outbox.take().collect();
        assert_eq!(events.len(), 2);
        assert_ne!(events[0].epoch, events[1].epoch);
        assert_eq!((events[0].first_seq, events[1].first_seq), (1, 1));
    }

    #[test]
    fn unused_counters_of_gone_rooms_are_forgotten() {
        let mut outbox = Outbox::new(1);
        outbox.set_now(1000);
        outbox.publish(&room("gone"), b"x", b"1").unwrap();
        outbox.publish(&room("there"), b"x", b"1").unwrap();
        outbox.take().count();
        let is_gone = |room: &RoomId| room.as_str() == "gone";
        outbox.forget_unused(1000 + FORGET_AFTER_MS - 1, is_gone);
        assert_eq!(outbox.counters(), 2);
        outbox.forget_unused(1000 + FORGET_AFTER_MS, is_gone);
        assert_eq!(outbox.counters(), 1);
    }

    #[test]
    fn json_strings() {
        let check = |text: &[u8], expected: &str| {
            let mut out = Vec::new();
            write_json_string(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(b"abc", r#""abc""#);
        check(b"a\"b\\c\n\r\t\x01\x1f", r#""a\"b\\c\n\r\t\u0001\u001f""#);
    }

    #[test]
    fn a_batch_cannot_publish_without_end() {
        let mut outbox = Outbox::new(1);
        let payload = format!("\"{}\"", "x".repeat(1 << 20)).into_bytes();
        let published = (0..100).take_while(|_| outbox.publish(&room("a"), b"x", &payload).is_ok()).count();
        assert_eq!(published, 63);
        assert_eq!(outbox.send(&room("a"), b"7", b"x", &payload), Err(BadEvent::TooMuch));
        assert_eq!(outbox.take().next().unwrap().ends.len(), 63);
        assert_eq!(outbox.publish(&room("a"), b"x", &payload), Ok(()));
    }
}
