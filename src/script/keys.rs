//! Which keys a call works on. They follow from the script's declaration, one room and the caller: nobody can name any
//! other key.

use std::fmt;

use super::{KeyPattern, Script};
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;

/// What an RPC works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcTarget {
    /// The room, if the script works in one.
    pub room: Option<RoomId>,
    /// `KEYS`: as many as the script declares, in its order.
    pub keys: Vec<Box<str>>,
}

/// An RPC whose keys cannot be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError {
    /// That the keys are not the caller's to name, or make no sense.
    pub code: ErrorCode,
    /// For the caller: what is wrong, and what to send. Never repeats what the caller sent.
    pub message: String,
}

impl Script {
    /// Its keys for a caller in a room, in declared order.
    pub fn keys_for(&self, room: &RoomId, user_id: &str) -> Vec<Box<str>> {
        self.keys_of(room.as_str(), user_id)
    }

    fn keys_of(&self, room: &str, user_id: &str) -> Vec<Box<str>> {
        self.header.keys.iter().map(|pattern| pattern.fill(room, user_id)).collect()
    }

    /// Its keys in a room for a guest that has become an account: those of `on_upgrade`.
    pub fn keys_for_upgraded(&self, room: &RoomId, guest_id: &str, new_user_id: &str) -> Vec<Box<str>> {
        let fill = |pattern: &KeyPattern| pattern.fill_upgraded(room.as_str(), guest_id, new_user_id);
        self.header.keys.iter().map(fill).collect()
    }

    /// Whether any of its keys belongs to a room.
    pub fn has_room_keys(&self) -> bool {
        self.header.keys.iter().any(KeyPattern::names_room)
    }

    /// Whether any of its keys belongs to the caller, so that other callers have others.
    pub fn has_user_keys(&self) -> bool {
        self.header.keys.iter().any(KeyPattern::names_user)
    }

    /// Settles the room and keys of this user's RPC from the keys that the caller sent, else from the argument that `-- ROOM:`
    /// names, else (with `{new}`) from a fresh id. Keys that were not sent are derived.
    ///
    /// # Errors
    /// `forbidden` for keys that the script does not declare, or that are of several rooms or of another user;
    /// `bad_request` when a room is needed and none or no valid one is named.
    pub fn resolve_rpc(
        &self,
        user_id: &str,
        sent: Option<&[String]>,
        args: &[impl AsRef<[u8]>],
        fresh_room: impl FnOnce() -> RoomId,
    ) -> Result<RpcTarget, KeyError> {
        let room = match self.room_of_sent(user_id, sent.unwrap_or_default())? {
            Some(room) => Some(room),
            None => self.room_of_argument(args)?,
        };
        let room = match room {
            Some(room) => Some(room),
            None if self.makes_rooms() => Some(fresh_room()),
            None if self.needs_room() || self.header.room_argument.is_some() => {
                return Err(self.room_missing());
            }
            None => None,
        };
        let keys = self.keys_of(room.as_ref().map_or("", RoomId::as_str), user_id);
        Ok(RpcTarget { room, keys })
    }

    fn makes_rooms(&self) -> bool {
        self.header.keys.iter().any(KeyPattern::is_new)
    }

    fn room_of_sent(&self, user_id: &str, sent: &[String]) -> Result<Option<RoomId>, KeyError> {
        let declared = &self.header.keys;
        if sent.len() > declared.len() {
            return Err(forbidden(format!(
                "{} takes {} keys, {} were sent",
                self.name,
                declared.len(),
                sent.len()
            )));
        }
        let mut room: Option<RoomId> = None;
        for (number, (pattern, key)) in (1..).zip(declared.iter().zip(sent)) {
            let matched = pattern.match_key(key, user_id).ok_or_else(|| {
                let whose = if pattern.names_user() { ", with your own user id for {user}" } else { "" };
                forbidden(format!("keys[{number}] of {} must be {pattern}{whose}", self.name))
            })?;
            match (matched, &room) {
                (Some(matched), Some(room)) if matched != *room => {
                    return Err(forbidden(format!(
                        "keys[{number}] is of another room than the keys before it"
                    )));
                }
                (Some(matched), None) => room = Some(matched),
                _ => {}
            }
        }
        Ok(room)
    }

    fn room_of_argument(&self, args: &[impl AsRef<[u8]>]) -> Result<Option<RoomId>, KeyError> {
        let Some(number) = self.header.room_argument else {
            return Ok(None);
        };
        let Some(argument) = args.get(number - 1) else {
            return Ok(None);
        };
        let room = std::str::from_utf8(argument.as_ref()).ok();
        let room = room.and_then(|text| RoomId::parse_in(self.game.as_deref(), text));
        let message = || format!("args[{number}] of {} must be a room id: 1 to 64 of A-Za-z0-9_-", self.name);
        room.map(Some).ok_or_else(|| bad_request(message()))
    }

    fn room_missing(&self) -> KeyError {
        let key = self.header.keys.iter().find(|pattern| pattern.names_room());
        let way = match (key, self.header.room_argument) {
            (Some(key), Some(number)) => format!("keys [\"{key}\"], or the room's id as args[{number}]"),
            (Some(key), None) if key.names_user() => {
                format!("keys [\"{key}\"] with the room's id in place of {{room}}, and your own for {{user}}")
            }
            (Some(key), None) => format!("keys [\"{key}\"] with the room's id in place of {{room}}"),
            (None, Some(number)) => format!("the room's id as args[{number}]"),
            (None, None) => "it as an input over a socket, which is in a room".to_owned(),
        };
        bad_request(format!("{} needs a room: send {way}", self.name))
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for KeyError {}

fn forbidden(message: String) -> KeyError {
    KeyError { code: ErrorCode::Forbidden, message }
}

fn bad_request(message: String) -> KeyError {
    KeyError { code: ErrorCode::BadRequest, message }
}

#[cfg(test)]
mod tests {
    use super::super::Header;
    use super::*;
    use proptest::prelude::*;

    fn script(header: &str) -> Script {
        let header = Header::parse("test", header).expect("valid header");
        Script::new("test", "test.lua", "", header)
    }

    fn room(id: &str) -> RoomId {
        RoomId::parse(id).expect("valid id")
    }

    /// `expected`: the room and the keys joined by spaces, or the error's code and a part of its message.
    fn check(header: &str, sent: &[&str], args: &[&str], expected: Result<(&str, &str), (&str, &str)>) {
        let sent: Vec<String> = sent.iter().map(|key| (*key).to_owned()).collect();
        let found = script(header).resolve_rpc("guest:u", Some(&sent), args, || room("fresh"));
        let context = format!("{header:?} {sent:?} {args:?}: {found:?}");
        match (&found, expected) {
            (Ok(target), Ok((room, keys))) => {
                assert_eq!(target.room.as_ref().map_or("", RoomId::as_str), room, "{context}");
                assert_eq!(target.keys.join(" "), keys, "{context}");
            }
            (Err(error), Err((code, part))) => {
                assert_eq!(error.code.name(), code, "{context}");
                assert!(error.message.contains(part), "{context}");
            }
            _ => panic!("{context}"),
        }
    }

    const TWO: &str = "-- KEYS: game:{room}, game:{room}:players";
    const NEW: &str = "-- KEYS: game:{new}, game:{new}:players, lobbies";
    const CHAT: &str = "-- KEYS: game:{room}:players\n-- ROOM: 2";
    const LITERAL: &str = "-- KEYS: lobbies, index";

    #[test]
    fn keys_that_match() {
        check(TWO, &["game:a", "game:a:players"], &[], Ok(("a", "game:a game:a:players")));
        check(TWO, &["game:a"], &[], Ok(("a", "game:a game:a:players")));
        check(NEW, &["game:a"], &[], Ok(("a", "game:a game:a:players lobbies")));
        check(NEW, &["game:a", "game:a:players", "lobbies"], &[], Ok(("a", "game:a game:a:players lobbies")));
        check(LITERAL, &["lobbies"], &[], Ok(("", "lobbies index")));
        check(LITERAL, &[], &[], Ok(("", "lobbies index")));
        check("", &[], &["x"], Ok(("", "")));
        let longest = "x".repeat(64);
        check(
            "-- KEYS: game:{room}",
            &[&format!("game:{longest}")],
            &[],
            Ok((&longest, &format!("game:{longest}"))),
        );
    }

    #[test]
    fn hostile_keys() {
        let forbidden = |sent: &[&str]| check(TWO, sent, &[], Err(("forbidden", "")));
        forbidden(&["game:a:players"]);
        forbidden(&["game:game:a"]);
        forbidden(&["game:"]);
        forbidden(&["a"]);
        forbidden(&[""]);
        forbidden(&["GAME:a"]);
        forbidden(&[" game:a"]);
        forbidden(&["game:a "]);
        forbidden(&["game:a:b"]);
        forbidden(&["game:{room}"]);
        forbidden(&["game:{new}"]);
        forbidden(&["game:a{b}"]);
        forbidden(&["game:a\0"]);
        forbidden(&["game:\0"]);
        forbidden(&["game:a\n"]);
        forbidden(&["game:*"]);
        forbidden(&["game:ä"]);
        forbidden(&["game:а"]);
        forbidden(&["lobbies"]);
        forbidden(&[&format!("game:{}", "x".repeat(65))]);
        forbidden(&["game:a", "game:b:players"]);
        forbidden(&["game:a", "game:a"]);
        forbidden(&["game:a:players", "game:a"]);
        forbidden(&["game:a", "game:a:players", "game:a:secret"]);
        check(NEW, &["game:a", "game:b:players"], &[], Err(("forbidden", "another room")));
        check(LITERAL, &["index"], &[], Err(("forbidden", "keys[1]")));
        check("", &["game:a"], &[], Err(("forbidden", "takes 0 keys")));
    }

    #[test]
    fn rooms_from_arguments() {
        check(CHAT, &[], &["hi", "a"], Ok(("a", "game:a:players")));
        check(CHAT, &[], &["hi", "game:a"], Ok(("a", "game:a:players")));
        check(CHAT, &["game:b:players"], &["hi", "a"], Ok(("b", "game:b:players")));
        check(CHAT, &["game:b:players"], &["hi", "not a room"], Ok(("b", "game:b:players")));
        check(CHAT, &[], &["hi", "a:b"], Err(("bad_request", "args[2]")));
        check(CHAT, &[], &["hi", ""], Err(("bad_request", "args[2]")));
        check(CHAT, &[], &["hi", "{}"], Err(("bad_request", "args[2]")));
        check(CHAT, &[], &["hi"], Err(("bad_request", "args[2]")));
        check(CHAT, &[], &[], Err(("bad_request", "game:{room}:players")));
        check("-- ROOM: 1", &[], &["a"], Ok(("a", "")));
        check("-- ROOM: 1", &[], &[], Err(("bad_request", "args[1]")));
        check("-- KEYS: lobbies, game:{room}\n-- ROOM: 1", &["lobbies"], &["a"], Ok(("a", "lobbies game:a")));
        check("-- KEYS: lobbies, game:{room}", &["lobbies"], &[], Err(("bad_request", "send keys")));
        check(TWO, &[], &["a"], Err(("bad_request", "send keys [\"game:{room}\"]")));
        let not_text: [&[u8]; 1] = [b"\xff\xfe"];
        let found =
            script("-- KEYS: game:{room}\n-- ROOM: 1").resolve_rpc("7", None, &not_text, || room("fresh"));
        assert_eq!(found.expect_err("not UTF-8").code, ErrorCode::BadRequest);
    }

    #[test]
    fn fresh_rooms() {
        check(NEW, &[], &[], Ok(("fresh", "game:fresh game:fresh:players lobbies")));
        check("-- KEYS: game:{new}\n-- ROOM: 1", &[], &[], Ok(("fresh", "game:fresh")));
        check("-- KEYS: game:{new}\n-- ROOM: 1", &[], &["a"], Ok(("a", "game:a")));
        check("-- KEYS: lobbies, game:{new}", &["lobbies"], &[], Ok(("fresh", "lobbies game:fresh")));
    }

    const HAND: &str = "-- KEYS: user:{user}, game:{room}:hand:{user}";

    #[test]
    fn keys_of_users() {
        let both = "user:guest:u game:a:hand:guest:u";
        check(HAND, &["user:guest:u", "game:a:hand:guest:u"], &[], Ok(("a", both)));
        check("-- KEYS: user:{user}", &[], &[], Ok(("", "user:guest:u")));
        check("-- KEYS: user:{user}", &["user:guest:u"], &[], Ok(("", "user:guest:u")));
        check(&format!("{HAND}\n-- ROOM: 1"), &[], &["a"], Ok(("a", both)));
        check(
            "-- KEYS: game:{new}, of:{user}:in:{new}",
            &[],
            &[],
            Ok(("fresh", "game:fresh of:guest:u:in:fresh")),
        );
        check(HAND, &[], &[], Err(("bad_request", "and your own for {user}")));
        let forbidden = |sent: &[&str]| check(HAND, sent, &[], Err(("forbidden", "your own user id")));
        forbidden(&["user:guest:v"]);
        forbidden(&["user:guest:u:x"]);
        forbidden(&["user:guest:"]);
        forbidden(&["user:guest"]);
        forbidden(&["user:u"]);
        forbidden(&["user:"]);
        forbidden(&["user:{user}"]);
        forbidden(&["user:guest:u", "game:a:hand:guest:v"]);
        forbidden(&["user:guest:u", "game:a:hand:guest:uu"]);
        forbidden(&["user:guest:u", "game:a:hand:"]);
        forbidden(&["user:guest:u", "game::hand:guest:u"]);
        forbidden(&["user:guest:u", "game:a:hand:b:hand:guest:u"]);
        forbidden(&["user:guest:u", "game:a"]);
    }

    proptest! {
        /// Whatever is sent, an accepted call works on exactly the declared keys of one room.
        #[test]
        fn only_declared_keys(sent in proptest::collection::vec("(game:)?[ab:{}é]{0,3}(:players)?", 0..4)) {
            if let Ok(target) = script(TWO).resolve_rpc("7", Some(&sent), &["x"], || room("fresh")) {
                let room = target.room.expect("the keys have a room");
                prop_assert_eq!(&target.keys, &script(TWO).keys_for(&room, "7"));
                prop_assert!(target.keys.iter().zip(&sent).all(|(key, sent)| **key == **sent));
            }
        }

        /// Whoever calls, an accepted call works on no other user's keys.
        #[test]
        fn only_own_keys(
            user in "[0-9]{1,2}|guest:[ab_-]{1,3}",
            sent in proptest::collection::vec("(user:|game:[ab]{1,2}:hand:)([0-9]{1,2}|guest:[ab_-]{1,3})", 1..3),
        ) {
            if let Ok(target) = script(HAND).resolve_rpc(&user, Some(&sent), &["x"], || room("fresh")) {
                let room = target.room.expect("the keys have a room");
                prop_assert_eq!(&target.keys, &script(HAND).keys_for(&room, &user));
                prop_assert!(target.keys.iter().zip(&sent).all(|(key, sent)| **key == **sent));
            }
        }
    }
}
