//! Which keys a call works on. They follow from the script's declaration and one room: nobody can name any other key.

use std::fmt;

use super::Script;
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;

/// One declared key: literal text around at most one `{room}` or `{new}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    /// Text before the placeholder, or the whole key.
    pub prefix: Box<str>,
    /// The placeholder, if there is one.
    pub placeholder: Option<Placeholder>,
    /// Text after the placeholder.
    pub suffix: Box<str>,
}

/// What stands in braces in a key pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// `{room}`: the caller's room.
    Room,
    /// `{new}`: as `{room}`, but a fresh random id when the caller sent no keys.
    New,
}

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
    /// Its keys in a room, in declared order.
    pub fn keys_for(&self, room: &RoomId) -> Vec<Box<str>> {
        self.header.keys.iter().map(|pattern| pattern.fill(room.as_str())).collect()
    }

    /// Whether any of its keys belongs to a room.
    pub fn has_room_keys(&self) -> bool {
        self.header.keys.iter().any(|pattern| pattern.placeholder.is_some())
    }

    /// Settles the room and keys of an RPC from the keys that the caller sent, else from the argument that `-- ROOM:`
    /// names, else (with `{new}`) from a fresh id. Keys that were not sent are derived.
    ///
    /// # Errors
    /// `forbidden` for keys that the script does not declare or that are of several rooms; `bad_request` when a room
    /// is needed and none or no valid one is named.
    pub fn resolve_rpc(
        &self,
        sent: Option<&[String]>,
        args: &[impl AsRef<[u8]>],
        fresh_room: impl FnOnce() -> RoomId,
    ) -> Result<RpcTarget, KeyError> {
        let room = match self.room_of_sent(sent.unwrap_or_default())? {
            Some(room) => Some(room),
            None => self.room_of_argument(args)?,
        };
        let room = match room {
            Some(room) => Some(room),
            None if self.makes_rooms() => Some(fresh_room()),
            None if self.has_room_keys() || self.header.room_argument.is_some() => {
                return Err(self.room_missing());
            }
            None => None,
        };
        let keys = match &room {
            Some(room) => self.keys_for(room),
            None => self.header.keys.iter().map(|pattern| pattern.prefix.clone()).collect(),
        };
        Ok(RpcTarget { room, keys })
    }

    fn makes_rooms(&self) -> bool {
        self.header.keys.iter().any(|pattern| pattern.placeholder == Some(Placeholder::New))
    }

    fn room_of_sent(&self, sent: &[String]) -> Result<Option<RoomId>, KeyError> {
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
            let matched = pattern
                .match_key(key)
                .ok_or_else(|| forbidden(format!("keys[{number}] of {} must be {pattern}", self.name)))?;
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
        let room = std::str::from_utf8(argument.as_ref()).ok().and_then(RoomId::parse);
        let message = || format!("args[{number}] of {} must be a room id: 1 to 64 of A-Za-z0-9_-", self.name);
        room.map(Some).ok_or_else(|| bad_request(message()))
    }

    fn room_missing(&self) -> KeyError {
        let key = self.header.keys.iter().find(|pattern| pattern.placeholder.is_some());
        let way = match (key, self.header.room_argument) {
            (Some(key), Some(number)) => format!("keys [\"{key}\"], or the room's id as args[{number}]"),
            (Some(key), None) => format!("keys [\"{key}\"] with the room's id in place of {{room}}"),
            (None, Some(number)) => format!("the room's id as args[{number}]"),
            (None, None) => "a room".to_owned(),
        };
        bad_request(format!("{} needs a room: send {way}", self.name))
    }
}

impl KeyPattern {
    /// Longest pattern, in bytes.
    pub const MAX_LEN: usize = 128;
    /// Keys that begin like this are the server's own.
    pub const RESERVED_PREFIX: &str = "godra:";

    /// Parses one key of a `-- KEYS:` line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        check_characters(text)?;
        let Some((prefix, rest)) = text.split_once('{') else {
            let literal = Self { prefix: text.into(), placeholder: None, suffix: "".into() };
            return if text.contains('}') {
                Err(format!("key {text} has a }} without its {{"))
            } else {
                Ok(literal)
            };
        };
        let (word, suffix) =
            rest.split_once('}').ok_or_else(|| format!("key {text} has a {{ without its }}"))?;
        let placeholder = match word {
            "room" => Placeholder::Room,
            "new" => Placeholder::New,
            _ => {
                return Err(format!(
                    "key {text} has an unknown {{{word}}}: only {{room}} and {{new}} are known"
                ));
            }
        };
        if suffix.contains('{') {
            return Err(format!("key {text} has more than one placeholder"));
        }
        if prefix.contains('}') || suffix.contains('}') {
            return Err(format!("key {text} has a }} without its {{"));
        }
        // Without a separator, one room's id could spell another declared key.
        if !prefix.ends_with(is_separator) || !(suffix.is_empty() || suffix.starts_with(is_separator)) {
            return Err(format!(
                "key {text} needs a name of its own before {{{word}}}, set apart by a colon: game:{{{word}}}"
            ));
        }
        Ok(Self { prefix: prefix.into(), placeholder: Some(placeholder), suffix: suffix.into() })
    }

    /// Appends the key for a room (or the literal key) to a buffer.
    pub fn write(&self, room: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix.as_bytes());
        if self.placeholder.is_some() {
            out.extend_from_slice(room.as_bytes());
            out.extend_from_slice(self.suffix.as_bytes());
        }
    }

    /// Whether a key fits: the inner value is its room, none for a literal.
    fn match_key(&self, key: &str) -> Option<Option<RoomId>> {
        if self.placeholder.is_none() {
            return (key == &*self.prefix).then_some(None);
        }
        let id = key.strip_prefix(&*self.prefix)?.strip_suffix(&*self.suffix)?;
        let room = RoomId::parse(id)?;
        // `RoomId::parse` drops a leading `game:`, which a key must not have twice.
        (room.as_str() == id).then_some(Some(room))
    }

    fn fill(&self, room: &str) -> Box<str> {
        match self.placeholder {
            Some(_) => [&*self.prefix, room, &*self.suffix].concat().into(),
            None => self.prefix.clone(),
        }
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let placeholder = match self.placeholder {
            Some(Placeholder::Room) => "{room}",
            Some(Placeholder::New) => "{new}",
            None => "",
        };
        write!(f, "{}{placeholder}{}", self.prefix, self.suffix)
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for KeyError {}

fn check_characters(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("KEYS has an empty key".into());
    }
    if text.len() > KeyPattern::MAX_LEN {
        return Err(format!("a key of KEYS is longer than {} characters", KeyPattern::MAX_LEN));
    }
    if text.contains(char::is_whitespace) {
        return Err(format!("key {text:?} has a space in it: keys are set apart by a comma"));
    }
    if text.starts_with(KeyPattern::RESERVED_PREFIX) {
        return Err(format!(
            "key {text}: keys that begin with {} are the server's",
            KeyPattern::RESERVED_PREFIX
        ));
    }
    if let Some(other) = text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '"' | '\'' | '\\')) {
        return Err(format!(
            "key {text:?} has a {other:?} in it: use letters, digits and the signs : _ - . / #"
        ));
    }
    Ok(())
}

/// A character that no room id has.
fn is_separator(c: char) -> bool {
    !c.is_ascii_alphanumeric() && c != '_' && c != '-'
}

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
        let found = script(header).resolve_rpc(Some(&sent), args, || room("fresh"));
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
        let found = script("-- KEYS: game:{room}\n-- ROOM: 1").resolve_rpc(None, &not_text, || room("fresh"));
        assert_eq!(found.expect_err("not UTF-8").code, ErrorCode::BadRequest);
    }

    #[test]
    fn fresh_rooms() {
        check(NEW, &[], &[], Ok(("fresh", "game:fresh game:fresh:players lobbies")));
        check("-- KEYS: game:{new}\n-- ROOM: 1", &[], &[], Ok(("fresh", "game:fresh")));
        check("-- KEYS: game:{new}\n-- ROOM: 1", &[], &["a"], Ok(("a", "game:a")));
        check("-- KEYS: lobbies, game:{new}", &["lobbies"], &[], Ok(("fresh", "lobbies game:fresh")));
    }

    #[test]
    fn patterns() {
        let check = |text: &str, valid: bool| assert_eq!(KeyPattern::parse(text).is_ok(), valid, "{text:?}");
        check("game:{room}", true);
        check("game/{room}/x", true);
        check("lobbies", true);
        check("active_sessions:guests", true);
        check("{room}", false);
        check("game{room}", false);
        check("game-{room}", false);
        check("game:{room}x", false);
        check("{room}:players", false);
        check("game:{room", false);
        check("game:room}", false);
        check("game:}{room}", false);
        check("godra:{room}", false);
        check("godra:seq", false);
        check("godrah", true);
        check("game:{room}}", false);
        check("game:{}", false);
        check("game:{ROOM}", false);
        check("ga\"me", false);
        check("gäme", false);
        check(&"x".repeat(128), true);
        check(&"x".repeat(129), false);
    }

    proptest! {
        /// Whatever is sent, an accepted call works on exactly the declared keys of one room.
        #[test]
        fn only_declared_keys(sent in proptest::collection::vec("(game:)?[ab:{}é]{0,3}(:players)?", 0..4)) {
            if let Ok(target) = script(TWO).resolve_rpc(Some(&sent), &["x"], || room("fresh")) {
                let room = target.room.expect("the keys have a room");
                prop_assert_eq!(&target.keys, &script(TWO).keys_for(&room));
                prop_assert!(target.keys.iter().zip(&sent).all(|(key, sent)| **key == **sent));
            }
        }

        /// Writing into a buffer and filling in give the same key, and it matches its pattern.
        #[test]
        fn filled_keys_match(id in "[A-Za-z0-9_-]{1,64}") {
            for pattern in &script(NEW).header.keys {
                let mut written = Vec::new();
                pattern.write(&id, &mut written);
                let filled = pattern.fill(&id);
                prop_assert_eq!(&written[..], filled.as_bytes());
                prop_assert_eq!(pattern.match_key(&filled).flatten().is_some(), pattern.placeholder.is_some());
            }
        }
    }
}
