//! Another password by a code that the operator has sent.

use std::net::IpAddr;

use super::failure::{Outcome, bad_request, refused};
use super::notices::unix_ms;
use super::worker::{AccountWorker, answer, done};
use crate::account::name::Username;
use crate::account::password::Password;
use crate::account::reset_code::ResetCode;
use crate::metrics::AccountEvent;
use crate::session::account::{AccountAnswer, Credentials};
use crate::wire::ErrorCode;
use crate::wire::ids::Identity;

/// No account has it.
const NOBODY: u64 = 0;

impl AccountWorker {
    /// A code for somebody who has lost the password. What a manager is given here it has to pass on.
    pub(super) fn make_reset(&mut self, caller: &Identity, user_id: &str) -> Outcome<AccountAnswer> {
        self.check_target(caller, user_id)?;
        let Ok(id) = user_id.parse() else {
            return Err(refused(ErrorCode::BadRequest, "a guest has no password"));
        };
        let (code, ttl_s) = (ResetCode::new(), self.shared.reset_ttl_s);
        let expires_at_s = unix_ms() / 1000 + ttl_s;
        if !self.ask(|store| store.put_reset(id, &code.hash(id), expires_at_s))? {
            return Err(refused(ErrorCode::NotFound, "there is no such account"));
        }
        log::info!("made a reset code user={id} by={}", caller.user_id);
        let code = code.reveal();
        Ok(answer(200, &serde_json::json!({"user_id": user_id, "code": code, "expires_in": ttl_s})))
    }

    /// Whether the name exists nobody learns: each try costs one hash and the same statements, and fails with the same words.
    pub(super) fn reset_password(
        &mut self,
        who: &Credentials,
        code: &str,
        address: IpAddr,
    ) -> Outcome<AccountAnswer> {
        let password = Password::parse(&who.password).map_err(|error| bad_request(&error))?;
        let name = Username::lookup(&who.username);
        // A name that nobody can have is treated as one that nobody has.
        let folded = name.unwrap_or_else(|| who.username.chars().take(64).collect());
        self.check_defence(&folded, address)?;
        let account = self.ask(|store| store.find_by_name(&folded, unix_ms() / 1000))?;
        let id = account.map_or(NOBODY, |account| account.id);
        let new_hash = self.hash(&password)?;
        let code_hash = ResetCode::parse(code).map(|code| code.hash(id)).unwrap_or_default();
        if !self.ask(|store| store.reset_password(id, &code_hash, &new_hash, unix_ms()))? {
            self.defence().failed(&folded, address, self.now_ms());
            let message = "the username or the code is wrong, or the code is not good any more";
            return Err(refused(ErrorCode::Unauthorized, message));
        }
        self.defence().succeeded(&folded, address, self.now_ms());
        log::info!("reset a password user={id}");
        self.shared.metrics.events.at(AccountEvent::Reset).inc();
        self.poke();
        Ok(done())
    }
}
