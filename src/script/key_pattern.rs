//! How a header declares a key: text with a place for the room's id, and one for the caller's or for who the caller has become.

use std::fmt;

use crate::wire::ids::{GAME_SIGN, RoomId};

/// One declared key: text around at most one `{room}` or `{new}` and at most one `{user}` or `{new_user}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    /// Text before the first placeholder, or the whole key. What is not of a room has its game's name in front.
    prefix: Box<str>,
    fields: Box<[Field]>,
    /// None for the default game.
    game: Option<Box<str>>,
}

/// A placeholder, and the text from it to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    placeholder: Placeholder,
    behind: Box<str>,
}

/// What stands in braces in a key pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placeholder {
    /// `{room}`: the caller's room.
    Room,
    /// `{new}`: as `{room}`, but a fresh random id when the caller sent no keys.
    New,
    /// `{user}`: the caller.
    User,
    /// `{new_user}`: the account that the caller, a guest, has become; in `on_upgrade` alone.
    NewUser,
}

impl KeyPattern {
    /// Longest pattern, in bytes.
    pub const MAX_LEN: usize = 128;
    /// Keys that begin like this are the server's own.
    pub const RESERVED_PREFIX: &str = "godra:";
    /// Which guests are alive: the server goes by this key, so it is one for all games.
    pub const GUESTS: &str = "active_sessions:guests";

    /// Parses one key of a `-- KEYS:` line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        check_characters(text)?;
        let mut pieces = text.split('{');
        let prefix = pieces.next().unwrap_or_default();
        let fields = pieces.map(|piece| Field::parse(text, piece)).collect::<Result<Box<[Field]>, _>>()?;
        let behind = || fields.iter().map(|field| &*field.behind);
        if prefix.contains('}') || behind().any(|text| text.contains('}')) {
            return Err(format!("key {text} has a }} without its {{"));
        }
        for (is_of_kind, what) in
            [(Placeholder::is_room as fn(_) -> _, "room"), (Placeholder::is_user, "user")]
        {
            if fields.iter().filter(|field| is_of_kind(field.placeholder)).count() > 1 {
                return Err(format!("key {text} names the {what} more than once"));
            }
        }
        for (before, field) in [prefix].into_iter().chain(behind()).zip(&fields) {
            // Without a separator, one room's id could spell another declared key.
            let is_apart = field.behind.is_empty() || field.behind.starts_with(is_separator);
            if !before.ends_with(is_separator) || !is_apart {
                let word = field.placeholder.text();
                return Err(format!(
                    "key {text} needs a name of its own before {word}, set apart by a colon: game:{word}"
                ));
            }
        }
        Ok(Self { prefix: prefix.into(), fields, game: None })
    }

    /// The same for a script of that game: rooms are the game's, and any other key has its name in front.
    pub(super) fn in_game(&self, game: &str) -> Self {
        let is_in_room = self.names_room() || &*self.prefix == Self::GUESTS;
        let prefix =
            if is_in_room { self.prefix.clone() } else { format!("{game}{GAME_SIGN}{}", self.prefix).into() };
        Self { prefix, fields: self.fields.clone(), game: Some(game.into()) }
    }

    /// The text before the first placeholder as the header has it.
    fn own_prefix(&self) -> &str {
        self.prefix.rsplit(GAME_SIGN).next().unwrap_or_default()
    }

    /// Whether it has a `{room}` or `{new}`.
    pub fn names_room(&self) -> bool {
        self.has(Placeholder::is_room)
    }

    /// Whether it has a `{new}`.
    pub fn is_new(&self) -> bool {
        self.has(|placeholder| placeholder == Placeholder::New)
    }

    /// Whether it has a `{user}` or `{new_user}`.
    pub fn names_user(&self) -> bool {
        self.has(Placeholder::is_user)
    }

    /// Whether it has a `{new_user}`.
    pub fn names_new_user(&self) -> bool {
        self.has(|placeholder| placeholder == Placeholder::NewUser)
    }

    fn has(&self, is_meant: impl Fn(Placeholder) -> bool) -> bool {
        self.fields.iter().any(|field| is_meant(field.placeholder))
    }

    /// What all its keys begin with, and whether anything else follows.
    pub fn prefix(&self) -> (&str, bool) {
        (&self.prefix, !self.fields.is_empty())
    }

    /// Whether some room's id makes it the key that some user's makes of the other.
    pub fn may_be_of_a_user_of(&self, other: &Self) -> bool {
        let alike = |(a, b): (&Field, &Field)| a.behind == b.behind;
        let mixes = |(a, b): (&Field, &Field)| a.placeholder.is_user() != b.placeholder.is_user();
        let pairs = || self.fields.iter().zip(&other.fields);
        self.prefix == other.prefix
            && self.fields.len() == other.fields.len()
            && pairs().all(alike)
            && pairs().any(mixes)
    }

    /// Appends the key for a room and a user to a buffer.
    pub fn write(&self, room: &str, user_id: &str, out: &mut Vec<u8>) {
        self.texts(room, user_id, user_id).for_each(|text| out.extend_from_slice(text.as_bytes()));
    }

    /// The key for a room and a user.
    pub fn fill(&self, room: &str, user_id: &str) -> Box<str> {
        self.fill_upgraded(room, user_id, user_id)
    }

    /// The key for a room, a guest and the account that it has become.
    pub fn fill_upgraded(&self, room: &str, user_id: &str, new_user_id: &str) -> Box<str> {
        let texts = || self.texts(room, user_id, new_user_id);
        let mut key = String::with_capacity(texts().map(str::len).sum());
        key.extend(texts());
        key.into()
    }

    fn texts<'a>(
        &'a self,
        room: &'a str,
        user_id: &'a str,
        new_user_id: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        let fields = self.fields.iter().flat_map(move |field| {
            let id = match field.placeholder {
                Placeholder::Room | Placeholder::New => room,
                Placeholder::User => user_id,
                Placeholder::NewUser => new_user_id,
            };
            [id, &*field.behind]
        });
        std::iter::once(&*self.prefix).chain(fields)
    }

    /// Whether a key fits and is no other user's: the inner value is its room, none if it has none.
    /// What a key has in front because of the game may be there or not.
    pub(super) fn match_key(&self, key: &str, user_id: &str) -> Option<Option<RoomId>> {
        let mut rest = key.strip_prefix(&*self.prefix).or_else(|| key.strip_prefix(self.own_prefix()))?;
        let mut room = None;
        for Field { placeholder, behind } in &self.fields {
            if placeholder.is_user() {
                rest = rest.strip_prefix(user_id)?;
            } else {
                let (id, after) = rest.split_at(rest.find(is_separator).unwrap_or(rest.len()));
                room = Some(RoomId::parse_in(self.game.as_deref(), id)?);
                rest = after;
            }
            rest = rest.strip_prefix(&**behind)?;
        }
        rest.is_empty().then_some(room)
    }
}

impl Field {
    /// `piece` follows a `{` in the key that `text` is.
    fn parse(text: &str, piece: &str) -> Result<Self, String> {
        let (word, behind) =
            piece.split_once('}').ok_or_else(|| format!("key {text} has a {{ without its }}"))?;
        let placeholder = match word {
            "room" => Placeholder::Room,
            "new" => Placeholder::New,
            "user" => Placeholder::User,
            "new_user" => Placeholder::NewUser,
            _ => {
                return Err(format!(
                    "key {text} has an unknown {{{word}}}: only {{room}}, {{new}} and {{user}} are known"
                ));
            }
        };
        Ok(Self { placeholder, behind: behind.into() })
    }
}

impl Placeholder {
    fn is_room(self) -> bool {
        !self.is_user()
    }

    fn is_user(self) -> bool {
        matches!(self, Self::User | Self::NewUser)
    }

    fn text(self) -> &'static str {
        match self {
            Self::Room => "{room}",
            Self::New => "{new}",
            Self::User => "{user}",
            Self::NewUser => "{new_user}",
        }
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.own_prefix())?;
        self.fields.iter().try_for_each(|field| write!(f, "{}{}", field.placeholder.text(), field.behind))
    }
}

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
    if text.contains(GAME_SIGN) {
        return Err(format!(
            "key {text} has a {GAME_SIGN} in it, which sets a game's name apart: a game's keys get it from the server"
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
pub(super) fn is_separator(c: char) -> bool {
    !c.is_ascii_alphanumeric() && c != '_' && c != '-' && c != GAME_SIGN
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        check("chess~game:{room}", false);
        check("game:{room}~x", false);
        check("lobbies~x", false);
        check("user:{user}", true);
        check("user:{user}:gold", true);
        check("game:{room}:hand:{user}", true);
        check("of:{user}:in:{new}:x", true);
        check("game:{room}:{user}", true);
        check("game:{room}{user}", false);
        check("game:{room}:{room}", false);
        check("game:{room}:{new}", false);
        check("user:{user}:{user}", false);
        check("user:{new_user}", true);
        check("user:{user}:{new_user}", false);
        check("game:{room}{new_user}", false);
        check("user{user}", false);
        check("user:{user}x", false);
        check("{user}", false);
        check("game:{room}:hand{user}", false);
        check("game:{room}:{user", false);
        check("game:{room}:user}", false);
        check("user:{users}", false);
        check(&"x".repeat(128), true);
        check(&"x".repeat(129), false);
    }

    #[test]
    fn rooms_that_spell_users() {
        let check = |a: &str, b: &str, expected: bool| {
            let [a, b] = [a, b].map(|text| KeyPattern::parse(text).expect("valid"));
            assert_eq!(
                (a.may_be_of_a_user_of(&b), b.may_be_of_a_user_of(&a)),
                (expected, expected),
                "{a} {b}"
            );
        };
        check("x:{room}", "x:{user}", true);
        check("x:{new}:a", "x:{user}:a", true);
        check("x:{room}:{user}", "x:{user}:{room}", true);
        check("x:{room}", "x:{new_user}", true);
        check("x:{new_user}", "x:{user}", false);
        check("x:{room}", "y:{user}", false);
        check("x:{room}:a", "x:{user}:b", false);
        check("x:{room}", "x:{user}:b", false);
        check("x:{user}", "x:{user}", false);
    }

    #[test]
    fn guests_and_their_accounts() {
        let check = |text: &str, expected: &str| {
            let pattern = KeyPattern::parse(text).expect("valid");
            assert_eq!(&*pattern.fill_upgraded("hall", "guest:a", "7"), expected);
            assert_eq!((pattern.to_string().as_str(), pattern.names_user()), (text, text.contains("user}")));
        };
        check("user:{user}:bag", "user:guest:a:bag");
        check("user:{new_user}:bag", "user:7:bag");
        check("game:{room}:hand:{new_user}", "game:hall:hand:7");
        check("game:{room}", "game:hall");
    }

    #[test]
    fn keys_of_a_game_are_its_own() {
        let check = |text: &str, expected: &str| {
            let plain = KeyPattern::parse(text).expect("valid");
            let pattern = plain.in_game("chess");
            let filled = pattern.fill("chess~hall", "7");
            assert_eq!((&*filled, pattern.to_string().as_str()), (expected, text));
            let room = pattern.names_room().then(|| RoomId::parse("chess~hall").expect("valid"));
            assert_eq!(pattern.match_key(&filled, "7"), Some(room.clone()), "as the store has it");
            assert_eq!(pattern.match_key(&plain.fill("hall", "7"), "7"), Some(room), "as its players say it");
            for other in ["go~hall", "~hall", "chess~chess~hall"] {
                let of_other = plain.fill(other, "7");
                assert!(!pattern.names_room() || pattern.match_key(&of_other, "7").is_none(), "{of_other}");
                assert!(!pattern.names_room() || plain.match_key(&of_other, "7").is_none(), "{of_other}");
            }
            assert_eq!(
                plain.match_key(&filled, "7").is_some(),
                text == KeyPattern::GUESTS,
                "no other game's: {text}"
            );
        };
        check("lobbies", "chess~lobbies");
        check("user:{user}:gold", "chess~user:7:gold");
        check("game:{room}", "game:chess~hall");
        check("game:{room}:hand:{user}", "game:chess~hall:hand:7");
        check("of:{user}:in:{new}:x", "of:7:in:chess~hall:x");
        check(KeyPattern::GUESTS, KeyPattern::GUESTS);
    }

    proptest! {
        /// Writing into a buffer and filling in give the same key, and it matches its pattern for this user alone.
        #[test]
        fn filled_keys_match(
            room in "[A-Za-z0-9_-]{1,64}",
            user in "[0-9]{1,4}|guest:[A-Za-z0-9_-]{1,16}",
            other in "[0-9]{1,4}|guest:[A-Za-z0-9_-]{1,16}",
        ) {
            for text in ["lobbies", "game:{room}", "game:{new}:x", "user:{user}", "game:{room}:hand:{user}", "of:{user}:in:{room}:x"] {
                let pattern = KeyPattern::parse(text).expect("valid");
                prop_assert_eq!(pattern.to_string(), text);
                let mut written = Vec::new();
                pattern.write(&room, &user, &mut written);
                let filled = pattern.fill(&room, &user);
                prop_assert_eq!(&written[..], filled.as_bytes());
                let expected = pattern.names_room().then(|| RoomId::parse(&room).expect("valid"));
                prop_assert_eq!(pattern.match_key(&filled, &user), Some(expected));
                let is_others = !pattern.names_user() || user == other;
                prop_assert_eq!(pattern.match_key(&filled, &other).is_some(), is_others);
            }
        }
    }
}
