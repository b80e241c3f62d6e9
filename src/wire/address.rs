//! Names of documents, parsed once into a type that the rest can trust.

use std::fmt;
use std::sync::Arc;

use super::ids::{GAME_SIGN, is_game_name};

/// Where a document is: a collection, and a key in it. As text `COLLECTION/KEY`. Cheap to clone; in the order of databases, by bytes.
#[derive(Clone)]
pub struct Address {
    text: Arc<str>,
    /// Bytes in front of the `/`.
    collection_bytes: u8,
}

impl Address {
    /// Longest name of a collection within its game, in bytes.
    pub const MAX_COLLECTION_BYTES: usize = 64;
    /// Longest key, in bytes.
    pub const MAX_KEY_BYTES: usize = 128;

    /// Parses `COLLECTION/KEY`; the first `/` sets them apart, so a key may have more.
    ///
    /// # Errors
    /// Says what is wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (collection, key) = text.split_once('/').ok_or(AddressError::NoKey)?;
        check(collection, key)?;
        Ok(Self { text: text.into(), collection_bytes: collection.len() as u8 })
    }

    /// The address of a key in a collection.
    ///
    /// # Errors
    /// Says what is wrong, and what would be right.
    pub fn new(collection: &str, key: &str) -> Result<Self, AddressError> {
        check(collection, key)?;
        Ok(Self { text: format!("{collection}/{key}").into(), collection_bytes: collection.len() as u8 })
    }

    /// `COLLECTION/KEY`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The collection: `[a-z][a-z0-9_-]{0,63}`, with `GAME~` in front in any game but the default one.
    pub fn collection(&self) -> &str {
        &self.text[..usize::from(self.collection_bytes)]
    }

    /// The key: 1 to 128 bytes of UTF-8, no control characters.
    pub fn key(&self) -> &str {
        &self.text[usize::from(self.collection_bytes) + 1..]
    }

    /// The game that it is of; none for the default one.
    pub fn game(&self) -> Option<&str> {
        self.collection().split_once(GAME_SIGN).map(|(game, _)| game)
    }

    /// `COLLECTION/KEY` as scripts of its game say it.
    pub fn within_game(&self) -> &str {
        self.game().map_or(&self.text, |game| &self.text[game.len() + GAME_SIGN.len_utf8()..])
    }

    /// Whether a collection may have this name, with its game's in front or not.
    pub fn is_collection(text: &str) -> bool {
        match text.split_once(GAME_SIGN) {
            Some((game, own)) => is_game_name(game) && Self::is_own_collection(own),
            None => Self::is_own_collection(text),
        }
    }

    /// Whether a collection may have this name within its game.
    pub fn is_own_collection(text: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        text.len() <= Self::MAX_COLLECTION_BYTES
            && text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
            && text.bytes().all(allowed)
    }
}

fn check(collection: &str, key: &str) -> Result<(), AddressError> {
    if !Address::is_collection(collection) {
        return Err(AddressError::Collection);
    }
    if key.is_empty() {
        return Err(AddressError::NoKey);
    }
    if key.len() > Address::MAX_KEY_BYTES {
        return Err(AddressError::LongKey);
    }
    if key.chars().any(char::is_control) {
        return Err(AddressError::ControlCharacter);
    }
    Ok(())
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Address {}

impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.collection(), self.key()).cmp(&(other.collection(), other.key()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({:?})", self.text)
    }
}

/// Why a text is no document's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// The collection is empty, too long, or has other characters than it may.
    Collection,
    /// There is no `/`, or nothing behind it.
    NoKey,
    /// The key has too many bytes.
    LongKey,
    /// The key has a control character in it.
    ControlCharacter,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Collection => {
                "a document's collection is 1 to 64 of a-z, 0-9, _ and -, and begins with a letter, as in profile/7"
            }
            Self::NoKey => "a document is named by collection/key, as in profile/7",
            Self::LongKey => "a document's key has at most 128 bytes",
            Self::ControlCharacter => "a document's key has no control characters",
        })
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, expected: Result<(&str, &str), AddressError>| {
            let address = Address::parse(text);
            assert_eq!(
                address.as_ref().map(|found| (found.collection(), found.key())).map_err(|e| *e),
                expected,
                "{text:?}"
            );
            let Ok(address) = address else { return };
            assert_eq!(Address::new(address.collection(), address.key()).as_ref(), Ok(&address));
            assert_eq!(address.to_string(), text);
        };
        check("profile/7", Ok(("profile", "7")));
        check("a/guest:AbC_-", Ok(("a", "guest:AbC_-")));
        check("world/a/b//", Ok(("world", "a/b//")));
        check("w-1_/ö ", Ok(("w-1_", "ö ")));
        check("", Err(AddressError::NoKey));
        check("profile", Err(AddressError::NoKey));
        check("profile/", Err(AddressError::NoKey));
        for collection in ["", "1a", "_a", "-a", "Profile", "prö", "a b", "a.b", "a:b", "a\0"] {
            check(&format!("{collection}/7"), Err(AddressError::Collection));
        }
        for control in ['\0', '\n', '\x1b', '\x7f', '\u{85}'] {
            check(&format!("profile/a{control}"), Err(AddressError::ControlCharacter));
        }
    }

    #[test]
    fn lengths_are_bounded_in_bytes() {
        let (longest, key) = ("c".repeat(64), "ö".repeat(64));
        let address = Address::new(&longest, &key).expect("as long as they may be");
        assert_eq!((address.collection(), address.key()), (&*longest, &*key));
        assert_eq!(Address::new(&"c".repeat(65), "7"), Err(AddressError::Collection));
        assert_eq!(Address::new("c", &format!("{key}x")), Err(AddressError::LongKey));
    }

    #[test]
    fn the_order_is_by_collection_then_key() {
        let mut addresses =
            ["a-b/1", "a/2", "a/10", "a/é", "a/z"].map(|text| Address::parse(text).expect("valid"));
        addresses.sort();
        assert_eq!(addresses.map(|address| address.to_string()), ["a/10", "a/2", "a/z", "a/é", "a-b/1"]);
    }
}
