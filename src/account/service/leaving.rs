//! Users who are gone for good: what is kept of them goes, and their tokens with them.

use std::net::IpAddr;
use std::time::Duration;

use super::failure::{Outcome, bad_request, changed};
use super::notices::unix_ms;
use super::worker::{AccountWorker, done};
use crate::account::records::NoticeKind;
use crate::metrics::AccountEvent;
use crate::session::account::{AccountAnswer, OwnerProof};
use crate::wire::ids::Identity;

impl AccountWorker {
    /// Deletes the caller's account; of a guest, what there is. Whoever has found a token has no password: a guest has none either.
    pub(super) fn delete(
        &mut self,
        caller: &Identity,
        proof: Option<OwnerProof>,
        address: IpAddr,
    ) -> Outcome<AccountAnswer> {
        if caller.user_id.parse::<u64>().is_err() {
            return self.delete_guest(caller);
        }
        const EXPECTED: &str =
            r#"expected {"password": PASSWORD} or a proof, as the account is deleted for good"#;
        let proof = proof.ok_or_else(|| bad_request(&EXPECTED))?;
        let account = self.owned(caller, proof, address)?;
        let hash = Some(&*account.password_hash);
        if !self.ask(|store| store.delete_account(account.id, hash, unix_ms()))? {
            return Err(changed());
        }
        self.erased(&caller.user_id);
        Ok(done())
    }

    fn delete_guest(&mut self, caller: &Identity) -> Outcome<AccountAnswer> {
        let (now_ms, until_s) = self.gone_until();
        let notice = Some(NoticeKind::Gone);
        self.ask(|store| store.forget_guest(&caller.user_id, until_s, notice, now_ms))?;
        self.erased(&caller.user_id);
        Ok(done())
    }

    /// A user is no more, by its own will. What is kept of it elsewhere than in the tables of accounts is to be removed from here;
    /// what is kept there, in `store/erasing.rs`.
    fn erased(&self, user_id: &str) {
        log::info!("deleted accounts user={user_id}");
        self.shared.metrics.events.at(AccountEvent::Deleted).inc();
        self.poke();
    }

    /// A guest has shown no sign of life for so long that it is gone.
    pub(super) fn forget_guest(&mut self, user_id: &str, silent: Duration) -> Outcome<AccountAnswer> {
        let (now_ms, until_s) = self.gone_until();
        // Its last access token was there before its last sign of life. Most have ended on the way, and need nobody to be told.
        let may_have_token = silent.as_secs() < self.shared.tokens.ttl_s();
        let notice = may_have_token.then_some(NoticeKind::Expired);
        self.ask(|store| store.forget_guest(user_id, until_s, notice, now_ms))?;
        if may_have_token {
            self.poke();
        }
        Ok(done())
    }

    /// Now, in milliseconds, and when the last refresh token ends of a guest that is gone now, in seconds.
    fn gone_until(&self) -> (u64, u64) {
        let now_ms = unix_ms();
        (now_ms, now_ms / 1000 + self.shared.refresh_ttl_s)
    }
}
