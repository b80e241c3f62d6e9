//! What managers do to others: kick, ban, unban; and whom they may do it to.

use super::failure::{Outcome, refused};
use super::notices::unix_ms;
use super::worker::AccountWorker;
use crate::account::records::Ban;
use crate::account::token::is_user_id;
use crate::session::account::AccountAnswer;
use crate::wire::ErrorCode;
use crate::wire::ids::{Identity, Role};

impl AccountWorker {
    pub(super) fn kick(&mut self, caller: &Identity, user_id: &str, reason: &str) -> Outcome<AccountAnswer> {
        self.check_target(caller, user_id)?;
        self.ask(|store| store.kick(user_id, reason, unix_ms()))?;
        self.note(caller, "kicked", user_id, reason);
        Ok(ok())
    }

    pub(super) fn ban(
        &mut self,
        caller: &Identity,
        user_id: &str,
        seconds: Option<u64>,
        reason: String,
    ) -> Outcome<AccountAnswer> {
        self.check_target(caller, user_id)?;
        let now_ms = unix_ms();
        let until_s = seconds.map(|seconds| (now_ms / 1000).saturating_add(seconds).min(LATEST_S));
        let ban = Ban { until_s, reason };
        self.ask(|store| store.ban(user_id, &ban, now_ms))?;
        self.note(caller, "banned", user_id, &ban.reason);
        Ok(ok())
    }

    pub(super) fn unban(&mut self, caller: &Identity, user_id: &str) -> Outcome<AccountAnswer> {
        self.check_target(caller, user_id)?;
        if !self.ask(|store| store.unban(user_id, unix_ms()))? {
            return Err(refused(ErrorCode::NotFound, "this user is not banned"));
        }
        self.note(caller, "unbanned", user_id, "");
        Ok(ok())
    }

    /// Guests are not written down, so any guest's id is taken; an account must be there, and be no manager's: two
    /// managers who ban each other are the operator's to sort out.
    pub(super) fn check_target(&mut self, caller: &Identity, user_id: &str) -> Outcome<()> {
        if caller.role < Role::Manager {
            return Err(refused(ErrorCode::Forbidden, "this needs the role manager"));
        }
        if !is_user_id(user_id) {
            let expected = "user_id must be an account's number or a guest's id, such as 42 or guest:AbCd";
            return Err(refused(ErrorCode::BadRequest, expected));
        }
        let Ok(id) = user_id.parse() else { return Ok(()) };
        let account = self.ask(|store| store.find(id, unix_ms() / 1000))?;
        match account.map(|account| account.role) {
            None => Err(refused(ErrorCode::NotFound, "there is no such account")),
            Some(Role::Manager) => {
                Err(refused(ErrorCode::Forbidden, "managers are managed with `godra user` on the server"))
            }
            Some(_) => Ok(()),
        }
    }

    fn note(&self, caller: &Identity, what: &str, user_id: &str, reason: &str) {
        log::info!("{what} user={user_id} by={} reason={reason:?}", caller.user_id);
        self.poke();
    }
}

/// The year 9999: databases hold what is later as well, but nobody can read it.
const LATEST_S: u64 = 253_402_300_799;

fn ok() -> AccountAnswer {
    AccountAnswer::new(200, br#"{"result":"OK"}"#.to_vec())
}
