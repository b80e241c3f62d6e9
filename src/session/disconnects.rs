//! Whose sockets are to be closed, and with which words.

use std::collections::{HashMap, HashSet};

use smol_str::SmolStr;

use crate::wire::ids::Identity;
use crate::wire::ws::close_code;

/// Longest reason of a close frame, in bytes (RFC 6455 section 5.5: 125 with the code).
const MAX_REASON_BYTES: usize = 123;

/// Why a socket is closed with 4001: the error code that calls get, and words for people.
pub const SESSION_ENDED: &str = "session_ended: log in again";
/// As [`SESSION_ENDED`], where the user is no more and leaves its rooms: its seats are not kept.
pub const DELETED: &str = "session_ended: this account was deleted";
/// As [`SESSION_ENDED`], where a refresh gives a token that is good.
pub const OUTDATED: &str = "token_expired: your role or account has changed, refresh your token";
/// As [`OUTDATED`], when the token's time is over.
pub const TOKEN_EXPIRED: &str = "token_expired: refresh your token";

/// News about users and their logins that reach sockets already open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disconnects {
    users: HashMap<SmolStr, Vec<EndedSessions>>,
    families: HashSet<SmolStr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct EndedSessions {
    /// Only logins whose token was issued at or before this moment.
    issued_until_ms: u64,
    code: u16,
    reason: Box<str>,
    /// Whether they leave what they have in rooms without a socket.
    leaves_rooms: bool,
}

/// Whether somebody who is no more may still have something in rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StillInRooms {
    /// Its rooms are to be told.
    Yes,
    /// They have been told.
    No,
}

impl Disconnects {
    /// Whether there is no news.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.families.is_empty()
    }

    /// All logins of a family have ended.
    pub fn end_family(&mut self, family: &str) {
        self.families.insert(family.into());
    }

    /// Tokens issued to a user at or before `issued_until_ms` are void, as the role has changed.
    pub fn change_role(&mut self, user_id: &str, issued_until_ms: u64) {
        let code = close_code::TOKEN_EXPIRED;
        let reason = OUTDATED.into();
        self.add(user_id, EndedSessions { issued_until_ms, code, reason, leaves_rooms: false });
    }

    /// A user is no more, and all its logins with it.
    pub fn end_user(&mut self, user_id: &str, still_in_rooms: StillInRooms) {
        let (reason, leaves_rooms) = match still_in_rooms {
            StillInRooms::Yes => (DELETED.into(), true),
            StillInRooms::No => (SESSION_ENDED.into(), false),
        };
        let code = close_code::TOKEN_EXPIRED;
        self.add(user_id, EndedSessions { issued_until_ms: u64::MAX, code, reason, leaves_rooms });
    }

    /// A user is kept out, until a time in seconds since the Unix epoch, or for ever.
    pub fn ban(&mut self, user_id: &str, until_s: Option<u64>, reason: &str) {
        let reason = ban_text(until_s, reason);
        let code = close_code::BANNED;
        self.add(user_id, EndedSessions { issued_until_ms: u64::MAX, code, reason, leaves_rooms: true });
    }

    /// A user's bans are lifted: sockets close only of logins whose token was issued at or before `issued_until_ms`.
    pub fn lift_bans(&mut self, user_id: &str, issued_until_ms: u64) {
        let of_user = self.users.get_mut(user_id).into_iter().flatten();
        for ban in of_user.filter(|ended| ended.code == close_code::BANNED) {
            ban.issued_until_ms = ban.issued_until_ms.min(issued_until_ms);
        }
    }

    /// A user's sockets close, nothing else.
    pub fn kick(&mut self, user_id: &str, reason: &str) {
        let reason = reason_or(reason, "you were sent out");
        let code = close_code::KICKED;
        self.add(user_id, EndedSessions { issued_until_ms: u64::MAX, code, reason, leaves_rooms: true });
    }

    /// The close code and reason for a socket of this identity, if it must close.
    pub fn verdict(&self, identity: &Identity) -> Option<(u16, &str)> {
        let of_user = self.users.get(&identity.user_id).into_iter().flatten();
        let of_user = of_user.filter(|ended| identity.login.issued_at_ms <= ended.issued_until_ms);
        // The hardest one wins: a ban is not to be taken for a token that wants refreshing.
        let of_user = of_user.max_by_key(|ended| (ended.code, &*ended.reason != OUTDATED));
        let of_user = of_user.map(|ended| (ended.code, &*ended.reason));
        of_user.or_else(|| {
            let has_ended = self.families.contains(&identity.login.family);
            has_ended.then_some((close_code::TOKEN_EXPIRED, SESSION_ENDED))
        })
    }

    /// Whether somebody is gone, and leaves its rooms: not if a new token is all that it needs.
    pub fn is_gone(&self, identity: &Identity) -> bool {
        let of_user = self.users.get(&identity.user_id).into_iter().flatten();
        let mut of_user = of_user.filter(|ended| identity.login.issued_at_ms <= ended.issued_until_ms);
        of_user.any(|ended| ended.leaves_rooms) || self.families.contains(&identity.login.family)
    }

    fn add(&mut self, user_id: &str, ended: EndedSessions) {
        self.users.entry(user_id.into()).or_default().push(ended);
    }
}

/// Why a socket is closed with 4501: `banned`, `banned until MS`, and the reason behind `: `.
pub fn ban_text(until_s: Option<u64>, reason: &str) -> Box<str> {
    let until =
        until_s.map_or_else(String::new, |until_s| format!(" until {}", until_s.saturating_mul(1000)));
    let separator = if reason.is_empty() { "" } else { ": " };
    fit_reason(&format!("banned{until}{separator}{reason}")).into()
}

fn reason_or(reason: &str, otherwise: &str) -> Box<str> {
    let reason = if reason.is_empty() { otherwise } else { reason };
    fit_reason(reason).into()
}

/// As much of a reason as a close frame has room for.
pub fn fit_reason(reason: &str) -> &str {
    let longest = reason.len().min(MAX_REASON_BYTES);
    let end = (0..=longest).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
    &reason[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ids::{Login, Role};

    fn identity(user_id: &str, family: &str, issued_at_ms: u64) -> Identity {
        Identity {
            user_id: user_id.into(),
            username: "a".into(),
            role: Role::Player,
            expires_at_s: 0,
            login: Login { family: family.into(), issued_at_ms, network: None },
        }
    }

    #[test]
    fn each_reaches_whom_it_concerns() {
        let mut disconnects = Disconnects::default();
        assert!(disconnects.is_empty());
        disconnects.end_family("f");
        disconnects.change_role("1", 1000);
        disconnects.kick("2", "");
        disconnects.kick("3", "out");
        disconnects.ban("3", Some(20), "cheating");
        disconnects.change_role("4", 1000);
        disconnects.end_user("4", StillInRooms::Yes);
        disconnects.change_role("4", 1000);
        assert!(!disconnects.is_empty());
        let check = |user_id: &str, family: &str, issued_at_ms: u64, expected: Option<(u16, &str)>| {
            let identity = identity(user_id, family, issued_at_ms);
            assert_eq!(disconnects.verdict(&identity), expected, "{user_id}");
            let is_gone = expected.is_some_and(|(_, reason)| reason != OUTDATED);
            assert_eq!(disconnects.is_gone(&identity), is_gone, "{user_id}");
        };
        check("9", "f", 5000, Some((4001, SESSION_ENDED)));
        check("9", "g", 5000, None);
        check("9", "", 0, None);
        check("1", "g", 1000, Some((4001, OUTDATED)));
        check("1", "g", 1001, None);
        check("2", "g", 5000, Some((4500, "you were sent out")));
        check("3", "f", 5000, Some((4501, "banned until 20000: cheating")));
        check("4", "g", 5000, Some((4001, DELETED)));
        check("4", "g", 1000, Some((4001, DELETED)));
    }

    #[test]
    fn a_ban_tells_its_end() {
        assert_eq!(&*ban_text(None, ""), "banned");
        assert_eq!(&*ban_text(None, "cheating"), "banned: cheating");
        assert_eq!(&*ban_text(Some(1_795_913_806), ""), "banned until 1795913806000");
        assert_eq!(ban_text(Some(u64::MAX), &"ä".repeat(100)).len(), MAX_REASON_BYTES);
    }

    #[test]
    fn a_reason_fits_into_a_close_frame() {
        let mut disconnects = Disconnects::default();
        disconnects.kick("1", &"ä".repeat(100));
        let (_, reason) = disconnects.verdict(&identity("1", "", 0)).unwrap();
        assert_eq!(reason, "ä".repeat(61));
    }
}
