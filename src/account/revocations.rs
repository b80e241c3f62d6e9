//! Revocations: bans, ended logins and changed roles, which void tokens that are good otherwise.
//!
//! Every process keeps them in memory, as checking a token must not ask the database. No clock and no store here:
//! times are passed in, and whoever reads the database's notices tells them.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use smol_str::SmolStr;

use super::records::{Ban, Notice, NoticeKind};
use crate::session::Rejection;
use crate::session::disconnects::{Disconnects, OUTDATED, SESSION_ENDED, StillInRooms, ban_text};
use crate::wire::ErrorCode;
use crate::wire::http::http_date;
use crate::wire::ids::Identity;
use crate::wire::ws::close_code;

/// The revocations that this process knows. Locks are held for a look-up or an insertion.
#[derive(Debug)]
pub struct Revocations {
    known: RwLock<Known>,
    /// For how long an issued token is taken, leeway included: older ones need not be kept.
    keep_ms: u64,
}

#[derive(Debug, Default)]
struct Known {
    /// Ended families, and when that was.
    families: HashMap<SmolStr, u64>,
    users: HashMap<SmolStr, VoidTokens>,
    /// Users who have another name than older tokens say.
    names: HashMap<SmolStr, NewName>,
    bans: HashMap<SmolStr, Ban>,
}

/// Which tokens of a user are void.
#[derive(Clone, Copy, Debug, Default)]
struct VoidTokens {
    /// Those that were issued at or before this moment, at which the last change was told.
    until_ms: u64,
    /// All of them: the user is no more.
    is_gone: bool,
}

/// The name that counts in the place of the one in a token that was issued at or before this moment.
#[derive(Clone, Debug)]
struct NewName {
    at_ms: u64,
    username: SmolStr,
}

/// Why somebody is kept out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The login has ended, or the user is no more.
    Ended,
    /// The token was issued before the account changed, such as its role; the login goes on.
    Outdated,
    /// By a manager, until the ban ends or is lifted.
    Banned(Ban),
}

impl Revocations {
    /// No known. Tokens are taken for `token_s` seconds after they were issued.
    pub fn new(token_s: u64) -> Self {
        Self { known: RwLock::default(), keep_ms: token_s.saturating_mul(1000) }
    }

    /// Starts with the bans that are in force.
    pub fn set_bans(&self, bans: Vec<(String, Ban)>) {
        self.write().bans = bans.into_iter().map(|(user_id, ban)| (user_id.into(), ban)).collect();
    }

    /// Takes in notices, in their order; returns what they mean for open sockets.
    pub fn apply(&self, notices: &[Notice]) -> Disconnects {
        let mut disconnects = Disconnects::default();
        let mut known = self.write();
        for Notice { at_ms, user_id, kind, .. } in notices {
            let user = SmolStr::from(user_id.as_str());
            match kind {
                NoticeKind::FamilyEnded(family) => {
                    known.families.insert(family.into(), *at_ms);
                    disconnects.end_family(family);
                }
                NoticeKind::RoleChanged => {
                    known.make_void(user, *at_ms);
                    disconnects.change_role(user_id, *at_ms);
                }
                NoticeKind::Banned(ban) => {
                    known.make_void(user.clone(), *at_ms);
                    known.bans.insert(user, ban.clone());
                    disconnects.ban(user_id, ban.until_s, &ban.reason);
                }
                NoticeKind::Unbanned => {
                    known.bans.remove(&user);
                    // Whoever has logged in since is not meant by a ban that is read late.
                    let void = known.users.get(&user).copied().unwrap_or_default();
                    disconnects.lift_bans(user_id, void.until_ms);
                }
                NoticeKind::Kicked(reason) => disconnects.kick(user_id, reason),
                NoticeKind::Renamed(username) => {
                    known.names.insert(user, NewName { at_ms: *at_ms, username: username.into() });
                }
                NoticeKind::Gone => {
                    known.make_void(user, *at_ms).is_gone = true;
                    disconnects.end_user(user_id, StillInRooms::Yes);
                }
                NoticeKind::Expired => {
                    known.make_void(user, *at_ms).is_gone = true;
                    disconnects.end_user(user_id, StillInRooms::No);
                }
            }
        }
        disconnects
    }

    /// Forgets what concerns no token any more.
    pub fn forget_old(&self, now_ms: u64) {
        let mut known = self.write();
        let keep_ms = self.keep_ms;
        let is_recent = |at_ms: u64| at_ms.saturating_add(keep_ms) >= now_ms;
        known.families.retain(|_, at_ms| is_recent(*at_ms));
        known.users.retain(|_, void| is_recent(void.until_ms));
        known.names.retain(|_, name| is_recent(name.at_ms));
        known.bans.retain(|_, ban| is_in_force(ban, now_ms / 1000));
    }

    /// Whether somebody with a good token is let in at `now_s`.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, identity: &Identity, now_s: u64) -> Result<(), Revoked> {
        self.read().check(identity, now_s)
    }

    /// As [`Self::check`]: who it is that comes in, under the name that it has now.
    ///
    /// # Errors
    /// Why it is kept out.
    pub fn admit(&self, identity: Identity, now_s: u64) -> Result<Identity, Revoked> {
        let known = self.read();
        known.check(&identity, now_s)?;
        match known.names.get(&identity.user_id) {
            Some(name) if identity.login.issued_at_ms <= name.at_ms => {
                Ok(Identity { username: name.username.clone(), ..identity })
            }
            _ => Ok(identity),
        }
    }

    /// The ban of a user, if there is one in force.
    pub fn ban(&self, user_id: &str, now_s: u64) -> Option<Ban> {
        self.read().bans.get(user_id).filter(|ban| is_in_force(ban, now_s)).cloned()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        // A panic elsewhere leaves whole entries behind.
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn check(&self, identity: &Identity, now_s: u64) -> Result<(), Revoked> {
        if let Some(ban) = self.bans.get(&identity.user_id).filter(|ban| is_in_force(ban, now_s)) {
            return Err(Revoked::Banned(ban.clone()));
        }
        if self.families.contains_key(&identity.login.family) {
            return Err(Revoked::Ended);
        }
        match self.users.get(&identity.user_id) {
            Some(void) if void.is_gone => Err(Revoked::Ended),
            Some(void) if identity.login.issued_at_ms <= void.until_ms => Err(Revoked::Outdated),
            _ => Ok(()),
        }
    }

    fn make_void(&mut self, user_id: SmolStr, at_ms: u64) -> &mut VoidTokens {
        let void = self.users.entry(user_id).or_default();
        void.until_ms = at_ms.max(void.until_ms);
        void
    }
}

impl Revoked {
    /// As an answer to a request.
    pub fn refused(&self) -> Rejection {
        match self {
            Self::Ended => Rejection::new(ErrorCode::SessionEnded, "the session has ended; log in again"),
            Self::Outdated => Rejection::new(
                ErrorCode::TokenExpired,
                "the token is void since your account has changed; refresh it or log in again",
            ),
            Self::Banned(ban) => refused_ban(ban),
        }
    }

    /// As the end of a socket: code and reason.
    pub fn close(&self) -> (u16, Box<str>) {
        match self {
            Self::Ended => (close_code::TOKEN_EXPIRED, SESSION_ENDED.into()),
            Self::Outdated => (close_code::TOKEN_EXPIRED, OUTDATED.into()),
            Self::Banned(ban) => (close_code::BANNED, ban_text(ban.until_s, &ban.reason)),
        }
    }
}

/// What somebody who is banned is told.
pub fn refused_ban(ban: &Ban) -> Rejection {
    let until = ban.until_s.map_or_else(String::new, |until_s| format!(" until {}", http_date(until_s)));
    let reason = if ban.reason.is_empty() { String::new() } else { format!(": {}", ban.reason) };
    let details = serde_json::json!({
        "until": ban.until_s.map(|until_s| until_s.saturating_mul(1000)),
        "reason": ban.reason,
    });
    Rejection {
        details: Some(details.to_string().into()),
        ..Rejection::new(ErrorCode::Forbidden, format!("you are banned{until}{reason}"))
    }
}

/// Whether a ban has not ended.
pub fn is_in_force(ban: &Ban, now_s: u64) -> bool {
    ban.until_s.is_none_or(|until_s| until_s > now_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::token::TokenAuthority;
    use crate::session::disconnects::DELETED;
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

    fn notice(user_id: &str, at_ms: u64, kind: NoticeKind) -> Notice {
        Notice { id: 1, at_ms, user_id: user_id.into(), kind }
    }

    fn ban(until_s: Option<u64>) -> Ban {
        Ban { until_s, reason: "cheating".into() }
    }

    fn is_let_in(revocations: &Revocations, identity: &Identity, now_s: u64) -> bool {
        revocations.check(identity, now_s).is_ok()
    }

    #[test]
    fn an_ended_family_is_kept_out_and_no_other() {
        let revocations = Revocations::new(60);
        let disconnects = revocations.apply(&[notice("1", 5000, NoticeKind::FamilyEnded("f".into()))]);
        assert_eq!(disconnects.verdict(&identity("1", "f", 9000)).map(|(code, _)| code), Some(4001));
        assert!(!is_let_in(&revocations, &identity("1", "f", 9000), 10));
        assert!(is_let_in(&revocations, &identity("1", "g", 0), 10));
        assert!(is_let_in(&revocations, &identity("1", "", 0), 10));
        revocations.forget_old(65_000);
        assert!(!is_let_in(&revocations, &identity("1", "f", 9000), 65));
        revocations.forget_old(65_001);
        assert!(is_let_in(&revocations, &identity("1", "f", 9000), 65));
    }

    #[test]
    fn a_new_role_voids_older_tokens() {
        let revocations = Revocations::new(60);
        revocations
            .apply(&[notice("1", 5000, NoticeKind::RoleChanged), notice("1", 4000, NoticeKind::RoleChanged)]);
        assert!(!is_let_in(&revocations, &identity("1", "f", 5000), 10));
        assert!(is_let_in(&revocations, &identity("1", "f", 5001), 10));
        assert!(is_let_in(&revocations, &identity("2", "f", 5000), 10));
    }

    #[test]
    fn who_is_gone_has_no_good_token() {
        let revocations = Revocations::new(60);
        let disconnects = revocations
            .apply(&[notice("1", 5000, NoticeKind::Gone), notice("1", 5001, NoticeKind::RoleChanged)]);
        let expired = revocations.apply(&[notice("guest:a", 5000, NoticeKind::Expired)]);
        let guest = identity("guest:a", "g", 9000);
        assert_eq!(revocations.check(&guest, 10), Err(Revoked::Ended));
        assert_eq!(expired.verdict(&guest), Some((4001, SESSION_ENDED)));
        assert!(!expired.is_gone(&guest), "its rooms have been told");
        for issued_at_ms in [0, 5000, 5001, 90_000] {
            let identity = identity("1", "f", issued_at_ms);
            assert_eq!(revocations.check(&identity, 10), Err(Revoked::Ended));
            assert_eq!(disconnects.verdict(&identity), Some((4001, DELETED)));
            assert!(disconnects.is_gone(&identity));
        }
        assert!(is_let_in(&revocations, &identity("2", "f", 5000), 10));
        revocations.forget_old(65_001);
        assert!(!is_let_in(&revocations, &identity("1", "f", 5000), 65));
        revocations.forget_old(65_002);
        assert!(is_let_in(&revocations, &identity("1", "f", 5000), 65), "its last token has ended");
    }

    #[test]
    fn a_ban_lasts_until_its_end_and_older_tokens_stay_void() {
        let revocations = Revocations::new(3600);
        revocations.apply(&[notice("1", 5000, NoticeKind::Banned(ban(Some(20))))]);
        let later = identity("1", "f", 6000);
        assert_eq!(revocations.check(&later, 19), Err(Revoked::Banned(ban(Some(20)))));
        assert!(is_let_in(&revocations, &later, 20));
        assert!(!is_let_in(&revocations, &identity("1", "f", 5000), 20));
        assert_eq!((revocations.ban("1", 19).is_some(), revocations.ban("1", 20)), (true, None));
    }

    #[test]
    fn a_new_name_counts_for_older_tokens() {
        let revocations = Revocations::new(60);
        let renamed = |at_ms, name: &str| notice("1", at_ms, NoticeKind::Renamed(name.to_owned()));
        assert!(revocations.apply(&[renamed(5000, "ben"), renamed(6000, "cid")]).is_empty());
        let name_of = |user_id: &str, issued_at_ms| {
            let admitted = revocations.admit(identity(user_id, "f", issued_at_ms), 10);
            admitted.map(|identity| identity.username.to_string())
        };
        assert_eq!(name_of("1", 5000).unwrap(), "cid");
        assert_eq!(name_of("1", 6000).unwrap(), "cid");
        assert_eq!(name_of("1", 6001).unwrap(), "a", "a newer token says it itself");
        assert_eq!(name_of("2", 0).unwrap(), "a");
        revocations.apply(&[notice("1", 7000, NoticeKind::Gone)]);
        assert_eq!(name_of("1", 9000), Err(Revoked::Ended));
    }

    #[test]
    fn an_unban_lets_in_again() {
        let revocations = Revocations::new(60);
        revocations.set_bans(vec![("guest:x".into(), ban(None)), ("2".into(), ban(None))]);
        assert!(!is_let_in(&revocations, &identity("guest:x", "f", 9000), 10));
        assert!(revocations.apply(&[notice("guest:x", 8000, NoticeKind::Unbanned)]).is_empty());
        assert!(is_let_in(&revocations, &identity("guest:x", "f", 9000), 10));
        assert!(!is_let_in(&revocations, &identity("2", "f", 9000), 10));
    }

    /// The notices of both came in one page, and the ban threw out whoever had come in since.
    #[test]
    fn regression_a_lifted_ban_closes_no_newer_socket() {
        let revocations = Revocations::new(60);
        let banned = notice("1", 5000, NoticeKind::Banned(ban(None)));
        let disconnects = revocations.apply(&[banned.clone(), notice("1", 6000, NoticeKind::Unbanned)]);
        assert_eq!(disconnects.verdict(&identity("1", "f", 5000)).map(|(code, _)| code), Some(4501));
        assert_eq!(disconnects.verdict(&identity("1", "g", 6001)), None);
        assert!(is_let_in(&revocations, &identity("1", "g", 6001), 10));
        let again = notice("1", 7000, NoticeKind::Banned(ban(None)));
        let disconnects = revocations.apply(&[banned, notice("1", 6000, NoticeKind::Unbanned), again]);
        assert_eq!(disconnects.verdict(&identity("1", "g", 6001)).map(|(code, _)| code), Some(4501));
    }

    /// The revocation was forgotten while its token was still taken.
    #[test]
    fn regression_a_token_that_was_logged_out_is_not_good_again_at_its_end() {
        let tokens = TokenAuthority::new(vec![vec![1; 32]], 60);
        let revocations = Revocations::new(tokens.longest_s());
        let family = crate::account::token::new_family();
        let token = tokens.issue("1", "a", Role::Player, &family, 5999);
        revocations.apply(&[notice("1", 6000, NoticeKind::FamilyEnded(family))]);
        for now_s in 6..200 {
            revocations.forget_old(now_s * 1000);
            let is_good =
                tokens.verify(&token, now_s).is_ok_and(|identity| is_let_in(&revocations, &identity, now_s));
            assert!(!is_good, "after {now_s} s");
        }
    }

    #[test]
    fn what_is_told() {
        let banned = Revoked::Banned(ban(Some(20)));
        let until = "Thu, 01 Jan 1970 00:00:20 GMT";
        assert_eq!(*banned.refused().message, *format!("you are banned until {until}: cheating"));
        assert_eq!(banned.refused().details.as_deref(), Some(r#"{"reason":"cheating","until":20000}"#));
        let for_ever = Revoked::Banned(Ban { until_s: None, reason: String::new() });
        assert_eq!(&*for_ever.refused().message, "you are banned");
        assert_eq!(for_ever.refused().details.as_deref(), Some(r#"{"reason":"","until":null}"#));
        assert_eq!(banned.refused().status, 403);
        assert_eq!(banned.close(), (4501, "banned until 20000: cheating".into()));
        assert_eq!(Revoked::Ended.refused().code.as_str(), "session_ended");
        assert_eq!(Revoked::Outdated.refused().code.as_str(), "token_expired");
        assert_eq!([Revoked::Ended, Revoked::Outdated].map(|revoked| revoked.refused().status), [401, 401]);
        assert_eq!(Revoked::Ended.close(), (4001, "session_ended: log in again".into()));
        let disconnects = Revocations::new(60).apply(&[notice("1", 1, NoticeKind::Kicked("out".into()))]);
        assert_eq!(disconnects.verdict(&identity("1", "f", 9)), Some((4500, "out")));
    }
}
