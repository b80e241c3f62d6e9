//! How a header declares documents: an address with places for what differs from call to call, which form its values have, and
//! who may read its collection.

use std::fmt;
use std::num::NonZeroU32;

use super::Header;
use super::key_pattern::is_separator;
use crate::wire::Address;
use crate::wire::ids::{GAME_SIGN, RoomId};

/// One declared document: a collection, and a key with any number of placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentPattern {
    collection: Box<str>,
    /// Text before the first placeholder, or the whole key.
    prefix: Box<str>,
    fields: Box<[Field]>,
    /// Which form its values have; none if the header leaves that to other scripts.
    pub form: Option<Form>,
    /// Which players may read the collection; none if the header leaves that to other scripts.
    pub readers: Option<Readers>,
}

/// Which form the values of a collection have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `vN`: what the scripts make of it.
    Version(NonZeroU32),
    /// `ledger`: balances, which `godra.ledger` alone changes.
    Ledger,
}

impl Form {
    /// As headers name it.
    pub fn name(self) -> String {
        match self {
            Self::Version(version) => format!("v{version}"),
            Self::Ledger => LEDGER.to_owned(),
        }
    }
}

/// The form of ledgers, in headers.
const LEDGER: &str = "ledger";

/// A placeholder, and the text from it to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    placeholder: Placeholder,
    behind: Box<str>,
}

/// What stands in braces in a document's key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Placeholder {
    User,
    Room,
    Argument(ArgumentName),
}

/// Which of a call's arguments is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentName {
    /// `{arg:2}`: `args[2]` of an RPC, or the second element of a payload that is a list.
    Number(usize),
    /// `{arg:guild}`: that field of the payload, or of the object that is an RPC's first argument.
    Field(Box<str>),
}

/// Which players may read a collection's documents over HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readers {
    /// None; managers alone.
    Nobody,
    /// The user whom the document belongs to.
    #[default]
    Owner,
    /// Members of the room that its key names, see [`Readers::room_of`].
    Room,
    /// All who are logged in.
    Everyone,
}

impl Readers {
    /// Each, with its name in headers.
    const ALL: [(Self, &'static str); 4] = [
        (Self::Nobody, "nobody"),
        (Self::Owner, "owner"),
        (Self::Room, "room"),
        (Self::Everyone, "everyone"),
    ];

    /// Its name in headers.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The room that a key of a game's collection (none: the default game's) names: the whole key, or what stands in front of its
    /// first `/`. None if that is no room of this game.
    pub fn room_of(game: Option<&str>, key: &str) -> Option<RoomId> {
        RoomId::parse_in(game, key.split('/').next()?)
    }
}

/// What a placeholder stands for in a call.
pub trait Filling {
    /// Why there is no such thing, or none that fits.
    type Error;

    /// The caller's user id.
    ///
    /// # Errors
    /// Nobody calls.
    fn user(&self) -> Result<&str, Self::Error>;

    /// The call's room.
    ///
    /// # Errors
    /// It has none.
    fn room(&self) -> Result<&str, Self::Error>;

    /// One of its arguments.
    ///
    /// # Errors
    /// It has none of that name, or none that fits.
    fn argument(&self, name: &ArgumentName) -> Result<String, Self::Error>;

    /// What all placeholders have made is no address.
    fn unfit(&self, pattern: &DocumentPattern) -> Self::Error;
}

impl DocumentPattern {
    /// Parses one document of a `-- DATA:` line: an address, perhaps its form (`vN` or `ledger`) and who may read it, in this
    /// order.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LEN {
            return Err(format!("a document of DATA is longer than {MAX_LEN} characters"));
        }
        let mut words = text.split_ascii_whitespace();
        let address = words.next().ok_or("DATA has an empty document: name one as profile/{user}")?;
        let mut pattern = Self::parse_address(address)?;
        let mut word = words.next();
        if let Some(form) = word.and_then(|word| parse_form(address, word)) {
            pattern.form = Some(form?);
            word = words.next();
        }
        if let Some(name) = word {
            let readers = Readers::ALL.iter().find(|(_, known)| *known == name);
            pattern.readers = Some(readers.ok_or_else(|| unknown_word(address, name))?.0);
            word = words.next();
        }
        if pattern.readers == Some(Readers::Room) && !pattern.may_begin_with_room() {
            let collection = &pattern.collection;
            return Err(format!(
                "document {address} is for members of the room that its key names: let the key be the room, or begin with it and a /, as {collection}/{{room}} does"
            ));
        }
        match word {
            Some(word) => Err(unknown_word(address, word)),
            None => Ok(pattern),
        }
    }

    fn parse_address(text: &str) -> Result<Self, String> {
        if let Some(other) = text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '"' | '\'' | '\\')) {
            let text = shown(text);
            return Err(format!(
                "document {text:?} has a {other:?} in it: use letters, digits and : _ - . / #"
            ));
        }
        let Some((collection, key)) = text.split_once('/').filter(|(_, key)| !key.is_empty()) else {
            return Err(format!(
                "document {text} lacks a key: a document is COLLECTION/KEY, as profile/{{user}}"
            ));
        };
        if !Address::is_own_collection(collection) {
            return Err(format!(
                "document {text}: a collection is 1 to 64 of a-z, 0-9, _ and -, begins with a letter, and has no placeholder"
            ));
        }
        let mut pieces = key.split('{');
        let prefix = pieces.next().unwrap_or_default();
        let fields = pieces.map(|piece| Field::parse(text, piece)).collect::<Result<Box<[Field]>, _>>()?;
        let behind = || fields.iter().map(|field| &*field.behind);
        if prefix.contains('}') || behind().any(|text| text.contains('}')) {
            return Err(format!("document {text} has a }} without its {{"));
        }
        for (number, (before, field)) in [prefix].into_iter().chain(behind()).zip(&fields).enumerate() {
            // The first stands behind the collection's `/` if nothing is between them.
            let is_led = before.ends_with(is_separator) || number == 0 && before.is_empty();
            if !is_led || !(field.behind.is_empty() || field.behind.starts_with(is_separator)) {
                let word = &field.placeholder;
                return Err(format!(
                    "document {text}: set {word} apart by a / or a colon, as in {collection}/a:{word}"
                ));
            }
        }
        let text_bytes = prefix.len() + behind().map(str::len).sum::<usize>();
        if text_bytes > Address::MAX_KEY_BYTES {
            return Err(format!("document {text}: a key has at most {} bytes", Address::MAX_KEY_BYTES));
        }
        Ok(Self { collection: collection.into(), prefix: prefix.into(), fields, form: None, readers: None })
    }

    /// The same for a script of that game, whose collections are its own.
    pub(super) fn in_game(&self, game: &str) -> Self {
        Self { collection: format!("{game}{GAME_SIGN}{}", self.collection).into(), ..self.clone() }
    }

    /// The collection that its documents are in.
    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// `vN`, if the header says one.
    pub fn schema(&self) -> Option<NonZeroU32> {
        match self.form {
            Some(Form::Version(schema)) => Some(schema),
            Some(Form::Ledger) | None => None,
        }
    }

    /// Whether it has a `{user}`: then its documents belong to that user when they are made.
    pub fn names_user(&self) -> bool {
        self.fields.iter().any(|field| field.placeholder == Placeholder::User)
    }

    /// Whether it has a `{room}`.
    pub fn names_room(&self) -> bool {
        self.fields.iter().any(|field| field.placeholder == Placeholder::Room)
    }

    /// Whether [`Readers::room_of`] may find a room in its keys, and not what looks like one: a user's id, say.
    fn may_begin_with_room(&self) -> bool {
        match self.fields.first() {
            Some(first) if !self.prefix.contains('/') => {
                self.prefix.is_empty()
                    && first.placeholder != Placeholder::User
                    && (first.behind.is_empty() || first.behind.starts_with('/'))
            }
            _ => Readers::room_of(None, &self.prefix).is_some(),
        }
    }

    /// The first of a call's arguments that it names.
    pub fn argument(&self) -> Option<&ArgumentName> {
        self.fields.iter().find_map(|field| match &field.placeholder {
            Placeholder::Argument(name) => Some(name),
            _ => None,
        })
    }

    /// Whether both are the same documents.
    pub fn has_address_of(&self, other: &Self) -> bool {
        (&self.collection, &self.prefix, &self.fields) == (&other.collection, &other.prefix, &other.fields)
    }

    /// Whether both say something of one collection, and not the same.
    pub fn contradicts(&self, other: &Self) -> bool {
        let differ = self.form.is_some() && other.form.is_some() && self.form != other.form;
        let readers = self.readers.is_some() && other.readers.is_some() && self.readers != other.readers;
        self.collection == other.collection && (differ || readers)
    }

    /// The document of a call.
    ///
    /// # Errors
    /// What the call lacks.
    pub fn fill<F: Filling>(&self, call: &F) -> Result<Address, F::Error> {
        let mut text = format!("{}/{}", self.collection, self.prefix);
        for Field { placeholder, behind } in &self.fields {
            match placeholder {
                Placeholder::User => text += call.user()?,
                Placeholder::Room => text += call.room()?,
                Placeholder::Argument(name) => text += &call.argument(name)?,
            }
            text += behind;
        }
        Address::parse(&text).map_err(|_| call.unfit(self))
    }
}

/// A word that may be meant as a form.
fn parse_form(address: &str, word: &str) -> Option<Result<Form, String>> {
    if word == LEDGER {
        return Some(Ok(Form::Ledger));
    }
    let digits = word.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))?;
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    let schema = digits.parse().ok().filter(|schema: &NonZeroU32| is_plain && schema.get() <= MAX_SCHEMA);
    Some(schema.map(Form::Version).ok_or_else(|| {
        let word = shown(word);
        format!("document {address}: {word:?} is no version of a form: v1 to v{MAX_SCHEMA}")
    }))
}

/// Highest version of a form: what a signed column of the database holds.
const MAX_SCHEMA: u32 = i32::MAX as u32;

/// The longest document of a header, with what stands behind it.
const MAX_LEN: usize = 400;

/// As much of what a header says as a message shows.
fn shown(text: &str) -> &str {
    text.char_indices().nth(50).map_or(text, |(end, _)| &text[..end])
}

fn unknown_word(address: &str, word: &str) -> String {
    let word = shown(word);
    format!(
        "document {address} has a {word:?} behind it: first its form (v2 or ledger), then who may read it (nobody, owner, room or everyone); documents are set apart by a comma"
    )
}

impl Field {
    /// `piece` follows a `{` in the address that `text` is.
    fn parse(text: &str, piece: &str) -> Result<Self, String> {
        let (word, behind) =
            piece.split_once('}').ok_or_else(|| format!("document {text} has a {{ without its }}"))?;
        let placeholder = match (word, word.strip_prefix("arg:")) {
            ("user", _) => Placeholder::User,
            ("room", _) => Placeholder::Room,
            (_, Some(name)) => Placeholder::Argument(ArgumentName::parse(text, name)?),
            ("new", _) => {
                return Err(format!(
                    "document {text}: write {{room}} for {{new}}, it is the room that the call makes"
                ));
            }
            _ => {
                return Err(format!(
                    "document {text} has an unknown {{{word}}}: only {{user}}, {{room}} and {{arg:2}} (or {{arg:name}}) are known"
                ));
            }
        };
        Ok(Self { placeholder, behind: behind.into() })
    }
}

impl ArgumentName {
    fn parse(text: &str, name: &str) -> Result<Self, String> {
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return match name.parse() {
                Ok(number @ 1..=Header::MAX_ROOM_ARGUMENT) => Ok(Self::Number(number)),
                _ => Err(format!(
                    "document {text}: {{arg:{name}}} is the number of an argument, 1 to {}",
                    Header::MAX_ROOM_ARGUMENT
                )),
            };
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(format!(
                "document {text}: {{arg:{name}}} is the number of an argument, or the name of a field, of A-Za-z0-9_"
            ));
        }
        Ok(Self::Field(name.into()))
    }
}

impl fmt::Display for ArgumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Field(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("{user}"),
            Self::Room => f.write_str("{room}"),
            Self::Argument(name) => write!(f, "{{arg:{name}}}"),
        }
    }
}

/// The address alone.
impl fmt::Display for DocumentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.prefix)?;
        self.fields.iter().try_for_each(|field| write!(f, "{}{}", field.placeholder, field.behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Call;

    impl Filling for Call {
        type Error = String;

        fn user(&self) -> Result<&str, String> {
            Ok("guest:u")
        }

        fn room(&self) -> Result<&str, String> {
            Err("no room".into())
        }

        fn argument(&self, name: &ArgumentName) -> Result<String, String> {
            Ok(format!("<{name}>"))
        }

        fn unfit(&self, pattern: &DocumentPattern) -> String {
            format!("unfit {pattern}")
        }
    }

    /// What it is as text, and filled in; or a part of what is wrong.
    fn check(text: &str, expected: Result<&str, &str>) {
        let found = DocumentPattern::parse(text);
        match (&found, expected) {
            (Ok(pattern), Ok(expected)) => {
                let filled = pattern.fill(&Call).map(|address| address.to_string());
                assert_eq!(filled.unwrap_or_else(|error| error), expected, "{text:?}");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{text:?}: {error}"),
            (found, _) => panic!("{text:?}: {found:?}"),
        }
    }

    #[test]
    fn addresses() {
        check("profile/{user}", Ok("profile/guest:u"));
        check("world/config", Ok("world/config"));
        check("guild/{arg:2}", Ok("guild/<2>"));
        check("guild/{arg:guild_id}/log", Ok("guild/<guild_id>/log"));
        check("match/{room}", Ok("no room"));
        check("save/{user}:{arg:1}", Ok("save/guest:u:<1>"));
        check("save/a/b/{user}/c", Ok("save/a/b/guest:u/c"));
        check(
            &format!("x/{}/{{user}}", "y".repeat(124)),
            Ok(&format!("unfit x/{}/{{user}}", "y".repeat(124))),
        );
        check(&format!("profile/{}", "x".repeat(400)), Err("longer than 400 characters"));
        check(&format!("profile/{}", "\u{10}".repeat(300)), Err("has a '\\u{10}' in it"));
        check("profile", Err("lacks a key"));
        check("profile/", Err("lacks a key"));
        check("", Err("empty document"));
        check("Profile/{user}", Err("a collection is 1 to 64"));
        check("{user}/profile", Err("a collection is 1 to 64"));
        check("profile/{user", Err("without its }"));
        check("profile/user}", Err("without its {"));
        check("profile/a{user}", Err("set {user} apart"));
        check("profile/{user}a", Err("set {user} apart"));
        check("profile/{user}{room}", Err("set {room} apart"));
        check("profile/{new}", Err("write {room} for {new}"));
        check("profile/{users}", Err("unknown {users}"));
        check("profile/{arg}", Err("unknown {arg}"));
        check("guild/{arg:0}", Err("1 to 32"));
        check("guild/{arg:33}", Err("1 to 32"));
        check("guild/{arg:}", Err("name of a field"));
        check("guild/{arg:a-b}", Err("name of a field"));
        check("guild/ä", Err("has a 'ä'"));
        check(&format!("x/{}", "y".repeat(129)), Err("at most 128"));
    }

    #[test]
    fn forms_and_readers() {
        let check = |text: &str, schema: Option<u32>, readers: Option<Readers>| {
            let pattern = DocumentPattern::parse(text).expect(text);
            let form = schema.map(|schema| Form::Version(NonZeroU32::new(schema).expect("from 1")));
            assert_eq!((pattern.form, pattern.readers), (form, readers), "{text}");
        };
        check("a/b", None, None);
        check("a/b v2", Some(2), None);
        check("a/b v2 everyone", Some(2), Some(Readers::Everyone));
        let ledger = DocumentPattern::parse("a/b ledger nobody").expect("valid");
        assert_eq!((ledger.form, ledger.readers), (Some(Form::Ledger), Some(Readers::Nobody)));
        for (readers, name) in Readers::ALL {
            check(&format!("a/b {name}"), None, Some(readers));
            assert_eq!(readers.name(), name);
        }
        for wrong in ["a/b v0", "a/b v01", "a/b v2147483648", "a/b v2x"] {
            assert!(DocumentPattern::parse(wrong).unwrap_err().contains("v1 to v2147483647"), "{wrong}");
        }
        for wrong in [
            "a/b all",
            "a/b everyone v2",
            "a/b v2 owner nobody",
            "a/b c/d",
            "a/b v",
            "a/b ledgers",
            "a/b ledger v2",
            "a/b v2 ledger",
        ] {
            assert!(DocumentPattern::parse(wrong).unwrap_err().contains("behind it"), "{wrong}");
        }
    }

    #[test]
    fn what_members_read_names_their_room() {
        for right in ["a/{room}", "a/{room}/{user}", "a/{arg:2}/x", "a/{arg:room}", "a/hall", "a/hall/{user}"]
        {
            let pattern = DocumentPattern::parse(&format!("{right} room")).expect(right);
            assert_eq!(pattern.readers, Some(Readers::Room));
        }
        for wrong in ["a/{user}", "a/{user}/{room}", "a/x:{room}", "a/{room}:x", "a/x:y/{room}"] {
            let refused = DocumentPattern::parse(&format!("{wrong} room")).unwrap_err();
            assert!(refused.contains("let the key be the room"), "{wrong}: {refused}");
        }
    }
}
