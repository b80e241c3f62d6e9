//! Names of rooms and players, parsed once into types that the rest can trust.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;
use std::sync::Arc;

use smol_str::SmolStr;

/// The sign behind a game's name, in front of what is that game's: a room, a key, a collection, a script. The default game has no
/// name and no sign, and no name has the sign in it: so it tells whose something is.
pub const GAME_SIGN: char = '~';
/// Longest name of a game, in bytes.
pub const MAX_GAME_LEN: usize = 32;

/// Whether a game may have this name: 1–32 of `a-z0-9_-`, a letter first.
pub fn is_game_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    let begins_well = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    begins_well && text.len() <= MAX_GAME_LEN && text.bytes().all(allowed)
}

/// A room's id: 1–64 of `A-Za-z0-9_-`, with `GAME~` in front in any game but the default one. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(Arc<str>);

impl RoomId {
    /// Longest id within its game, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Parses a room id as it is in all games. A leading `game:` is accepted and dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.strip_prefix("game:").unwrap_or(text);
        let (is_of_game, own) = match id.split_once(GAME_SIGN) {
            Some((game, own)) => (is_game_name(game), own),
            None => (true, id),
        };
        (is_of_game && is_own_id(own)).then(|| Self(id.into()))
    }

    /// Parses a room id as somebody within a game says it (none: the default one): with the game's name in front or without. None
    /// if it is of another game.
    pub fn parse_in(game: Option<&str>, text: &str) -> Option<Self> {
        let id = text.strip_prefix("game:").unwrap_or(text);
        let own = match (game, id.split_once(GAME_SIGN)) {
            (Some(game), Some((named, own))) if named == game => own,
            (_, None) => id,
            _ => return None,
        };
        let full = |game| format!("{game}{GAME_SIGN}{own}").into();
        is_own_id(own).then(|| Self(game.map_or_else(|| own.into(), full)))
    }

    /// The id, with its game in front unless that is the default one.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The game that the room is of; none for the default one.
    pub fn game(&self) -> Option<&str> {
        self.0.split_once(GAME_SIGN).map(|(game, _)| game)
    }
}

/// Whether a room may have this id within its game.
fn is_own_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !text.is_empty() && text.len() <= RoomId::MAX_LEN && text.bytes().all(allowed)
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

/// Which login a caller uses, and where it is: what later news about a login are told apart by, and whose share of the store its
/// calls take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// The id that all tokens of one login share; empty for a token that does not say.
    pub family: SmolStr,
    /// When the token was issued, in milliseconds since the Unix epoch; 0 for a token that does not say.
    pub issued_at_ms: u64,
    /// Where the caller is; None on this machine, and where that is not known.
    pub network: Option<NetworkId>,
}

/// What stands for all addresses that one client may use: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NetworkId(NonZeroU64);

impl NetworkId {
    /// As [`NetworkId::of`]; None for this machine by its usual address, as what comes from there may be for anybody. Its other addresses
    /// are told apart.
    pub fn of_elsewhere(address: IpAddr) -> Option<Self> {
        let usual = [IpAddr::V4(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
        (!usual.contains(&address.to_canonical())).then(|| Self::of(address))
    }

    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        // No IPv6 network that is in use begins with 32 bits of zero.
        let bits = match address.to_canonical() {
            IpAddr::V4(address) => u64::from(u32::from(address)),
            IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
        };
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regression_an_ipv6_network_counts_as_one_address() {
        let of = |address: &str| NetworkId::of(address.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3:4:5"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("203.0.113.9"), of("::ffff:203.0.113.9"));
        assert_ne!(of("203.0.113.9"), of("203.0.113.10"));
        assert_eq!(of("::"), of("0.0.0.0"));
    }

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
        check("chess~a", Some("chess~a"));
        check("game:chess~A-9", Some("chess~A-9"));
        check(
            &format!("{}~{}", "g".repeat(32), "x".repeat(64)),
            Some(&format!("{}~{}", "g".repeat(32), "x".repeat(64))),
        );
        check(&format!("{}~x", "g".repeat(33)), None);
        check("chess~", None);
        check("~a", None);
        check("Chess~a", None);
        check("1chess~a", None);
        check("chess~go~a", None);
    }

    #[test]
    fn rooms_are_of_games() {
        let check = |game: Option<&str>, text: &str, expected: Option<&str>| {
            let room = RoomId::parse_in(game, text);
            assert_eq!(room.as_ref().map(RoomId::as_str), expected, "{game:?} {text:?}");
            assert!(room.is_none_or(|room| room.game() == game), "{game:?} {text:?}");
        };
        check(None, "a", Some("a"));
        check(None, "chess~a", None);
        check(Some("chess"), "a", Some("chess~a"));
        check(Some("chess"), "game:a", Some("chess~a"));
        check(Some("chess"), "chess~a", Some("chess~a"));
        check(Some("chess"), "game:chess~a", Some("chess~a"));
        check(Some("chess"), "go~a", None);
        check(Some("chess"), "chess~chess~a", None);
        check(Some("chess"), "~a", None);
        check(Some("chess"), "", None);
        check(Some("chess"), &"x".repeat(65), None);
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
