//! Guests who choose how they want to be called.
//!
//! A nickname is shown and nothing else: several guests may have the same. It is never an account's, so that nobody is taken for
//! somebody with a password, nor what looks like an account's, or is reserved.

use super::failure::{Failure, Outcome, bad_request, refused};
use super::notices::unix_ms;
use super::worker::AccountWorker;
use crate::account::guest::{new_guest, new_guest_name};
use crate::account::name::Username;
use crate::account::records::Family;
use crate::account::token::new_family;
use crate::session::account::AccountAnswer;
use crate::wire::ErrorCode;
use crate::wire::ids::Role;

impl AccountWorker {
    pub(super) fn guest_login(&mut self, nickname: &str) -> Outcome<AccountAnswer> {
        let name = Username::parse(nickname).map_err(|error| bad_request(&error))?;
        if !self.is_free(&name)? {
            return Err(refused(ErrorCode::Conflict, "the name is an account's; choose another, or log in"));
        }
        let now_ms = unix_ms();
        let (user_id, _) = new_guest();
        // Nothing of it is written down until it is refreshed.
        let family = Family {
            id: new_family(),
            user_id,
            generation: 0,
            expires_at_s: now_ms / 1000 + self.shared.refresh_ttl_s,
        };
        Ok(self.pair(&family, &name.shown, Role::Guest, now_ms))
    }

    /// The name of a guest who goes on: another one if nobody may choose it any more, as somebody has registered it.
    pub(super) fn still_free(&mut self, nickname: String) -> Outcome<String> {
        // An earlier version may have allowed what this one does not.
        let Ok(name) = Username::parse(&nickname) else { return Ok(new_guest_name()) };
        match self.is_free(&name) {
            Ok(true) => Ok(nickname),
            Ok(false) => Ok(new_guest_name()),
            Err(Failure::Rejection(refused)) if refused.status == 409 => Ok(new_guest_name()),
            Err(failure) => Err(failure),
        }
    }
}
