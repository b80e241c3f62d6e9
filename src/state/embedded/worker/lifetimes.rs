//! What a room has under keys of its own ends with it.
//!
//! A room lasts as long as its head, `game:ROOM`. When that is to end, what has no end gets the same, and loses it when somebody
//! comes back; what a script has given an end of its own keeps that. The same on Redis: `state/redis/lifetimes.lua`.

use std::fmt;

use godra_engine::keyspace::{Keyspace, Set, Value};

use super::Worker;
use crate::state::{Batch, Call, CallKeys, Membership};
use crate::wire::ids::RoomId;

/// Ends that are no further apart than this are the same, in milliseconds: the clock may go on while a batch runs.
const SAME_MS: u64 = 1000;

/// Users' keys last for this much longer than the room, so that not all of them are to be looked at whenever its end is put off.
const SLACK_MS: u64 = 5000;
/// Of how many users of a room the keys are known.
const MAX_USERS: usize = 10_000;

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
        let keys = self.scripts.of(room.game()).room_keys();
        let callers = batch.calls.iter().filter(|call| moves(call) || is_from_outside(call));
        let callers = callers.map(|call| &*call.caller.user_id);
        let head = self.end_of(format!("game:{room}").as_bytes(), now_ms);
        if head == End::Never && !somebody_moves {
            // What they have is to be found when the room ends.
            if !keys.of_users.is_empty() {
                self.note_users(room, callers, now_ms);
            }
            return;
        }
        let noted = self.noted_ends(room, now_ms);
        let before = noted.map(|noted| noted.room);
        if head == End::Missing && before.is_none() {
            return;
        }
        let room_ttl_ms = 1000 * self.room_ttl_s;
        let end = match head {
            End::Never => None,
            End::At(at_ms) => Some(at_ms),
            // What comes after a room's end does not last longer than a room that nobody is in, however often somebody asks.
            End::Missing => before.filter(|at_ms| *at_ms > now_ms).or(Some(now_ms + room_ttl_ms)),
        };
        for key in &keys.shared {
            self.give_end(key.fill(room.as_str(), "").as_bytes(), end, before, now_ms);
        }
        let users_end = match keys.of_users.is_empty() {
            true => None,
            false => {
                let users_before = noted.and_then(|noted| noted.users);
                self.settle_users(room, callers, end, users_before, now_ms)
            }
        };
        let note = note_key(room);
        match end {
            Some(at_ms) => {
                // Known for a while longer than the room, for what comes late.
                let known_ms = (at_ms.saturating_sub(now_ms) + room_ttl_ms).to_string();
                let text = Ends { room: at_ms, users: users_end }.to_string();
                let set: [&[u8]; 5] = [b"SET", note.as_bytes(), text.as_bytes(), b"PX", known_ms.as_bytes()];
                self.runner.execute(&set, now_ms);
            }
            None => self.runner.execute(&[b"DEL", note.as_bytes()], now_ms),
        }
    }

    /// Users' keys in the room end when it has ended. Notes those of the callers who have any, and gives when they end.
    fn settle_users<'a>(
        &self,
        room: &RoomId,
        callers: impl Iterator<Item = &'a str>,
        end: Option<u64>,
        before: Option<u64>,
        now_ms: u64,
    ) -> Option<u64> {
        let mut whose = self.note_users(room, callers, now_ms);
        let key = users_key(room);
        let Some(at_ms) = end else {
            if before.is_some() {
                self.give_users_end(room, &self.noted_users(room, now_ms), None, before, now_ms);
                self.runner.execute(&[b"PERSIST", key.as_bytes()], now_ms);
            }
            return None;
        };
        let is_over = self.end_of(format!("game:{room}").as_bytes(), now_ms) == End::Missing;
        let ends_ms = match before {
            // Nor does what users have last longer because somebody asks.
            Some(before) if is_over && before > now_ms => before,
            Some(before) if (at_ms..=at_ms + 2 * SLACK_MS).contains(&before) => before,
            _ => {
                whose = self.noted_users(room, now_ms);
                at_ms + SLACK_MS
            }
        };
        self.give_users_end(room, &whose, Some(ends_ms), before, now_ms);
        // Known for a while longer than the room, for what comes late.
        self.expire(key.as_bytes(), ends_ms + 1000 * self.room_ttl_s, now_ms);
        Some(ends_ms)
    }

    fn give_users_end(
        &self,
        room: &RoomId,
        users: &[Vec<u8>],
        end: Option<u64>,
        before: Option<u64>,
        now_ms: u64,
    ) {
        for user in users.iter().filter_map(|user| str::from_utf8(user).ok()) {
            for key in self.users_keys(room, user) {
                self.give_end(key.as_bytes(), end, before, now_ms);
            }
        }
    }

    fn users_keys(&self, room: &RoomId, user: &str) -> impl Iterator<Item = Box<str>> {
        let patterns = &self.scripts.of(room.game()).room_keys().of_users;
        patterns.iter().map(move |key| key.fill(room.as_str(), user))
    }

    /// Notes those of the callers who have keys of their own in the room, and gives them.
    fn note_users<'a>(
        &self,
        room: &RoomId,
        callers: impl Iterator<Item = &'a str>,
        now_ms: u64,
    ) -> Vec<Vec<u8>> {
        let note = users_key(room);
        let mut found = Vec::new();
        for user in callers {
            let is_there = |key: Box<str>| self.end_of(key.as_bytes(), now_ms) != End::Missing;
            let has_any = self.users_keys(room, user).any(is_there);
            let (is_noted, count) = self.with_noted_users(room, now_ms, |users| {
                users.map_or((false, 0), |users| (users.contains(user.as_bytes()), users.len()))
            });
            if has_any && !is_noted && count < MAX_USERS {
                self.runner.execute(&[b"SADD", note.as_bytes(), user.as_bytes()], now_ms);
            } else if !has_any && is_noted {
                self.runner.execute(&[b"SREM", note.as_bytes(), user.as_bytes()], now_ms);
            }
            if has_any {
                found.push(user.into());
            }
        }
        found
    }

    fn noted_users(&self, room: &RoomId, now_ms: u64) -> Vec<Vec<u8>> {
        let list = |users: &Set| users.entries().iter().map(|entry| entry.key.to_vec()).collect();
        self.with_noted_users(room, now_ms, |users| users.map(list).unwrap_or_default())
    }

    fn with_noted_users<T>(&self, room: &RoomId, now_ms: u64, read: impl FnOnce(Option<&Set>) -> T) -> T {
        let keyspace = self.runner.keyspace().borrow();
        let key = users_key(room);
        match keyspace.get(key.as_bytes()) {
            Some((Value::Set(users), _)) if end_in(&keyspace, key.as_bytes(), now_ms) != End::Missing => {
                read(Some(users))
            }
            _ => read(None),
        }
    }

    /// Gives a key this end, but for one to which a script has given an end of its own.
    fn give_end(&self, key: &[u8], end: Option<u64>, before: Option<u64>, now_ms: u64) {
        let is_same = |at_ms: u64| before.is_some_and(|before| before.abs_diff(at_ms) <= SAME_MS);
        match (self.end_of(key, now_ms), end) {
            (End::Never, Some(at_ms)) => self.expire(key, at_ms, now_ms),
            (End::At(own), Some(at_ms)) if is_same(own) && own != at_ms => self.expire(key, at_ms, now_ms),
            (End::At(own), None) if is_same(own) => self.runner.execute(&[b"PERSIST", key], now_ms),
            _ => {}
        }
    }

    fn expire(&self, key: &[u8], at_ms: u64, now_ms: u64) {
        self.runner.execute(&[b"PEXPIREAT", key, at_ms.to_string().as_bytes()], now_ms);
    }

    fn end_of(&self, key: &[u8], now_ms: u64) -> End {
        end_in(&self.runner.keyspace().borrow(), key, now_ms)
    }

    /// When the room's keys are to end, as it was last decided.
    fn noted_ends(&self, room: &RoomId, now_ms: u64) -> Option<Ends> {
        let keyspace = self.runner.keyspace().borrow();
        let note = note_key(room);
        if end_in(&keyspace, note.as_bytes(), now_ms) == End::Missing {
            return None;
        }
        let (value, _) = keyspace.get(note.as_bytes())?;
        let Value::String(text) = value else { return None };
        Ends::parse(str::from_utf8(text).ok()?)
    }
}

/// When the keys of a room end, and those of users in it, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    room: u64,
    users: Option<u64>,
}

impl Ends {
    fn parse(text: &str) -> Option<Self> {
        let (room, users) = text.split_once(' ').map_or((text, None), |(room, users)| (room, Some(users)));
        let users = users.map(str::parse).transpose().ok()?;
        Some(Self { room: room.parse().ok()?, users })
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.room)?;
        self.users.map_or(Ok(()), |users| write!(formatter, " {users}"))
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

/// Who has keys in the room that are one user's, as those who went or called from outside had. No script can name it.
fn users_key(room: &RoomId) -> String {
    format!("godra:users:{room}")
}
