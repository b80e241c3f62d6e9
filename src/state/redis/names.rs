//! What a deployment's own keys and channels are called, so that others may use the same Redis.

use super::address::Address;
use crate::wire::ids::RoomId;

/// What the names of the server's own keys and of all channels begin with, as `--redis-prefix` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(Box<str>);

impl Prefix {
    /// Its longest, in bytes.
    pub const MAX_BYTES: usize = 32;
    /// Without a flag.
    pub const DEFAULT: &str = "godra";

    /// Parses a prefix, without the `:` that follows it in names.
    ///
    /// # Errors
    /// Says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.chars().all(is_allowed) {
            return Err(format!(
                "expected 1 to {} letters, digits, _, - or .; a : follows it in names",
                Self::MAX_BYTES
            ));
        }
        if text == "game" {
            return Err("expected another word than game, with which the keys of rooms begin".to_owned());
        }
        Ok(Self(text.into()))
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

/// The names in one store.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// What the server's own keys begin with. A database has keys of its own, so its number is not in them.
    pub keys: Box<str>,
    /// What a room's channel begins with; the room's id follows. Channels are common to all databases of a Redis.
    pub channels: Box<str>,
}

impl Names {
    /// Those at an address.
    pub(super) fn new(prefix: &Prefix, address: &Address) -> Self {
        let Prefix(prefix) = prefix;
        Self {
            keys: format!("{prefix}:").into(),
            channels: format!("{prefix}:{}:events:", address.database).into(),
        }
    }

    /// The channel of a room's events.
    pub(super) fn channel(&self, room: &RoomId) -> String {
        format!("{}{room}", self.channels)
    }

    /// Whose events come on a channel, if it is one of these.
    pub(super) fn room_of(&self, channel: &[u8]) -> Option<RoomId> {
        let id = channel.strip_prefix(self.channels.as_bytes())?;
        RoomId::parse(std::str::from_utf8(id).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for good in ["godra", "a", "My_game-2.x", &"x".repeat(32)] {
            assert!(Prefix::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a:b", "a b", "ä", "a*", "game", &"x".repeat(33)] {
            assert!(Prefix::parse(bad).unwrap_err().contains("expected"), "{bad}");
        }
    }

    #[test]
    fn channels_tell_databases_and_prefixes_apart() {
        let room = RoomId::parse("plaza").unwrap();
        let names = |prefix: &str, address: &str| {
            let address = Address::parse_list(address).unwrap().remove(0);
            Names::new(&Prefix::parse(prefix).unwrap(), &address)
        };
        let (first, second) = (names("godra", "redis://a"), names("godra", "redis://a/1"));
        assert_eq!(first.channel(&room), "godra:0:events:plaza");
        assert_eq!(first.room_of(b"godra:0:events:plaza"), Some(room.clone()));
        assert_eq!(second.room_of(first.channel(&room).as_bytes()), None);
        assert_eq!(names("other", "redis://a").room_of(first.channel(&room).as_bytes()), None);
        assert_eq!(first.room_of(b"godra:0:events:no room"), None);
    }
}
