//! What a room has under keys of its own ends with it.
//!
//! A room lasts as long as its head, `game:ROOM`. When that is to end, what has no end gets the same, and loses it when somebody
//! comes back; what a script has given an end of its own keeps that. The same on Redis: `state/redis/lifetimes.lua`.

use godra_engine::keyspace::{Keyspace, Value};

use super::Worker;
use crate::state::{Batch, Call, CallKeys, Membership};
use crate::wire::ids::RoomId;

/// Ends that are no further apart than this are the same, in milliseconds: the clock may go on while a batch runs.
const SAME_MS: u64 = 1000;

/// When a key ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Missing,
    Never,
    At(u64),
}

impl Worker {
    /// After a batch: looks at the room's keys if somebody came or went, or somebody outside may have written some.
    pub(super) fn settle_lifetimes(&mut self, batch: &Batch, now_ms: u64) {
        let Some(room) = &batch.room else { return };
        let moves = |call: &Call| call.membership != Membership::Unchanged;
        let is_from_outside =
            |call: &Call| matches!(call.keys, CallKeys::Resolved(_)) || call.message_id().is_some();
        let somebody_moves = batch.calls.iter().any(moves);
        if !somebody_moves && !batch.calls.iter().any(is_from_outside) {
            return;
        }
        let head = self.end_of(format!("game:{room}").as_bytes(), now_ms);
        if head == End::Never && !somebody_moves {
            return;
        }
        let before = self.noted_end(room, now_ms);
        if !matches!(head, End::At(_)) && before.is_none() {
            return;
        }
        let room_ttl_ms = 1000 * self.room_ttl_s;
        let end = match head {
            End::Never => None,
            End::At(at_ms) => Some(at_ms),
            // What comes after a room's end does not last longer than a room that nobody is in, however often somebody asks.
            End::Missing => before.filter(|at_ms| *at_ms > now_ms).or(Some(now_ms + room_ttl_ms)),
        };
        self.give_end(room, end, before, now_ms);
        let note = note_key(room);
        match end {
            Some(at_ms) => {
                // Known for a while longer than the room, for what comes late.
                let known_ms = (at_ms.saturating_sub(now_ms) + room_ttl_ms).to_string();
                let at_ms = at_ms.to_string();
                let set: [&[u8]; 5] = [b"SET", note.as_bytes(), at_ms.as_bytes(), b"PX", known_ms.as_bytes()];
                self.runner.execute(&set, now_ms);
            }
            None => self.runner.execute(&[b"DEL", note.as_bytes()], now_ms),
        }
    }

    fn give_end(&self, room: &RoomId, end: Option<u64>, before: Option<u64>, now_ms: u64) {
        for key in self.scripts.of(room.game()).room_keys().iter().map(|key| key.fill(room.as_str(), "")) {
            let key = key.as_bytes();
            let is_same = |at_ms: u64| before.is_some_and(|before| before.abs_diff(at_ms) <= SAME_MS);
            match (self.end_of(key, now_ms), end) {
                (End::Never, Some(at_ms)) => self.expire(key, at_ms, now_ms),
                (End::At(own), Some(at_ms)) if is_same(own) && own != at_ms => {
                    self.expire(key, at_ms, now_ms)
                }
                (End::At(own), None) if is_same(own) => self.runner.execute(&[b"PERSIST", key], now_ms),
                _ => {}
            }
        }
    }

    fn expire(&self, key: &[u8], at_ms: u64, now_ms: u64) {
        self.runner.execute(&[b"PEXPIREAT", key, at_ms.to_string().as_bytes()], now_ms);
    }

    fn end_of(&self, key: &[u8], now_ms: u64) -> End {
        end_in(&self.runner.keyspace().borrow(), key, now_ms)
    }

    /// When the room's keys are to end, as it was last decided.
    fn noted_end(&self, room: &RoomId, now_ms: u64) -> Option<u64> {
        let keyspace = self.runner.keyspace().borrow();
        let note = note_key(room);
        if end_in(&keyspace, note.as_bytes(), now_ms) == End::Missing {
            return None;
        }
        let (value, _) = keyspace.get(note.as_bytes())?;
        let Value::String(text) = value else { return None };
        str::from_utf8(text).ok()?.parse().ok()
    }
}

fn end_in(keyspace: &Keyspace, key: &[u8], now_ms: u64) -> End {
    match keyspace.get(key) {
        None => End::Missing,
        Some((_, None)) => End::Never,
        Some((_, Some(at_ms))) if at_ms <= now_ms => End::Missing,
        Some((_, Some(at_ms))) => End::At(at_ms),
    }
}

/// No script can name it.
fn note_key(room: &RoomId) -> String {
    format!("godra:ends:{room}")
}
