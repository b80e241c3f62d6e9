//! Sessions: what begins them, goes on with them and ends them.

use super::failure::{Failure, Outcome, changed, refused};
use super::notices::unix_ms;
use super::worker::{AccountWorker, answer, done};
use crate::account::records::{Account, Family, Rotation};
use crate::account::refresh::RefreshToken;
use crate::account::revocations::refused_ban;
use crate::account::token::new_family;
use crate::session::account::{AccountAnswer, AccountNews};
use crate::wire::ErrorCode;
use crate::wire::ids::{Identity, Role};

impl AccountWorker {
    pub(super) fn begin_session(&mut self, account: &Account) -> Outcome<AccountAnswer> {
        self.try_session(account)?.ok_or_else(changed)
    }

    /// Begins a session, unless the account has been deleted or got another password since it was read.
    pub(super) fn try_session(&mut self, account: &Account) -> Outcome<Option<AccountAnswer>> {
        let now_ms = unix_ms();
        let family = Family {
            id: new_family(),
            user_id: account.id.to_string(),
            generation: 0,
            expires_at_s: now_ms / 1000 + self.shared.refresh_ttl_s,
        };
        let is_kept = self.ask(|store| store.start_family(&family, &account.password_hash))?;
        Ok(is_kept.then(|| self.pair(&family, &account.username, account.role, now_ms)))
    }

    /// The answer with an access token and the refresh token that follows it.
    pub(super) fn pair(&self, family: &Family, username: &str, role: Role, now_ms: u64) -> AccountAnswer {
        let tokens = &self.shared.tokens;
        let refresh_token = RefreshToken {
            family: family.id.clone(),
            generation: family.generation,
            expires_at_s: family.expires_at_s,
            user_id: family.user_id.clone(),
            guest_name: if role == Role::Guest { username.to_owned() } else { String::new() },
        };
        answer(
            200,
            &serde_json::json!({
                "token": tokens.issue(&family.user_id, username, role, &family.id, now_ms),
                "refresh_token": refresh_token.seal(tokens),
                "expires_in": tokens.ttl_s(),
                "user_id": family.user_id,
                "username": username,
                "role": role.as_str(),
            }),
        )
    }

    pub(super) fn refresh(&mut self, text: &str) -> Outcome<AccountAnswer> {
        let no_token = "the refresh token is not valid (any more); log in again";
        let ended = || refused(ErrorCode::SessionEnded, no_token);
        let now_ms = unix_ms();
        let token = RefreshToken::open(text, &self.shared.tokens, now_ms / 1000)
            .ok_or_else(|| refused(ErrorCode::Unauthorized, no_token))?;
        if let Some(ban) = self.shared.revocations.ban(&token.user_id, now_ms / 1000) {
            return Err(Failure::Rejection(refused_ban(&ban)));
        }
        // Asked first: if the database fails here, the token is not spent.
        let (username, role) = match token.user_id.parse() {
            Ok(id) => {
                let account: Account = self.ask(|store| store.find(id, now_ms / 1000))?.ok_or_else(ended)?;
                if let Some(ban) = &account.ban {
                    return Err(Failure::Rejection(refused_ban(ban)));
                }
                (account.username, account.role)
            }
            Err(_) => (self.still_free(token.guest_name)?, Role::Guest),
        };
        let expires_at_s = now_ms / 1000 + self.shared.refresh_ttl_s;
        let rotation = self.ask(|store| {
            store.rotate(&token.family, &token.user_id, token.generation, expires_at_s, now_ms)
        })?;
        match rotation {
            Rotation::Rotated(family) | Rotation::Repeated(family) => {
                let news = (role == Role::Guest).then(|| AccountNews::GuestWritten(token.user_id.into()));
                Ok(AccountAnswer { news, ..self.pair(&family, &username, role, now_ms) })
            }
            Rotation::Reused => {
                log::warn!(
                    "an old refresh token was used again; its session has ended user={} family={}",
                    token.user_id,
                    token.family
                );
                self.poke();
                Err(refused(
                    ErrorCode::SessionEnded,
                    "the refresh token was used before; the session has ended",
                ))
            }
            Rotation::Unknown => Err(ended()),
        }
    }

    pub(super) fn logout(&mut self, caller: &Identity) -> Outcome<AccountAnswer> {
        let now_ms = unix_ms();
        let expires_at_s = now_ms / 1000 + self.shared.refresh_ttl_s;
        let family = self.family_of(caller)?;
        self.ask(|store| store.end_family(family, &caller.user_id, expires_at_s, now_ms))?;
        self.poke();
        Ok(done())
    }

    pub(super) fn family_of<'c>(&self, caller: &'c Identity) -> Outcome<&'c str> {
        match caller.login.family.as_str() {
            "" => Err(refused(ErrorCode::BadRequest, "this token belongs to no session of this server")),
            family => Ok(family),
        }
    }
}
