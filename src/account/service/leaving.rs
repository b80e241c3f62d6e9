//! Users who are gone for good: what is kept of them goes, and their tokens with them.

use std::time::Duration;

use super::failure::Outcome;
use super::notices::unix_ms;
use super::worker::{AccountWorker, done};
use crate::account::records::NoticeKind;
use crate::session::account::AccountAnswer;

impl AccountWorker {
    /// A guest has shown no sign of life for so long that it is gone.
    pub(super) fn forget_guest(&mut self, user_id: &str, silent: Duration) -> Outcome<AccountAnswer> {
        let now_ms = unix_ms();
        let refresh_until_s = now_ms / 1000 + self.shared.refresh_ttl_s;
        // Its last access token was there before its last sign of life. Most have ended on the way, and need nobody to be told.
        let may_have_token = silent.as_secs() < self.shared.tokens.ttl_s();
        let notice = may_have_token.then_some(NoticeKind::Expired);
        self.ask(|store| store.forget_guest(user_id, refresh_until_s, notice, now_ms))?;
        if may_have_token {
            self.poke();
        }
        Ok(done())
    }
}
