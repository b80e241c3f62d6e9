//! Names of rooms and players, parsed once into types that the rest can trust.

use std::fmt;
use std::sync::Arc;

use smol_str::SmolStr;

/// A room's id: 1–64 of `A-Za-z0-9_-`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(Arc<str>);

impl RoomId {
    /// Longest id, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Parses a room id. A leading `game:` is accepted and dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.strip_prefix("game:").unwrap_or(text);
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let valid = !id.is_empty() && id.len() <= Self::MAX_LEN && id.bytes().all(allowed);
        valid.then(|| Self(id.into()))
    }

    /// The id without any prefix.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomId({})", self.0)
    }
}

/// What a caller may do, in ascending order: guest < player < manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Anyone who asked for a guest token.
    Guest,
    /// Holder of an account.
    Player,
    /// May use the manager scripts.
    Manager,
}

impl Role {
    /// Parses the lower-case name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "guest" => Some(Self::Guest),
            "player" => Some(Self::Player),
            "manager" => Some(Self::Manager),
            _ => None,
        }
    }

    /// The lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Player => "player",
            Self::Manager => "manager",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who is calling: the trusted content of a verified token. A guest's id and name are kept inline, so that an identity is
/// one allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A decimal number, or `guest:` and random text.
    pub user_id: SmolStr,
    /// Shown to other players.
    pub username: SmolStr,
    /// What the caller may do.
    pub role: Role,
    /// When the token ends, in seconds since the Unix epoch; a later end than 32 bits hold (2106) counts as that.
    pub expires_at_s: u32,
    /// Which login the token comes from.
    pub login: Login,
}

/// What later news about a login are told apart by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// The id that all tokens of one login share; empty for a token that does not say.
    pub family: SmolStr,
    /// When the token was issued, in milliseconds since the Unix epoch; 0 for a token that does not say.
    pub issued_at_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_ids() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(RoomId::parse(text).as_ref().map(RoomId::as_str), expected, "{text:?}");
        };
        check("abc", Some("abc"));
        check("game:A-z_9", Some("A-z_9"));
        check(&"x".repeat(64), Some(&"x".repeat(64)));
        check(&"x".repeat(65), None);
        check("", None);
        check("game:", None);
        check("game:game:a", None);
        check("a b", None);
        check("ä", None);
        check("a{b}", None);
    }

    #[test]
    fn roles_ascend() {
        assert!(Role::Guest < Role::Player && Role::Player < Role::Manager);
        for role in [Role::Guest, Role::Player, Role::Manager] {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("Manager"), None);
    }
}
