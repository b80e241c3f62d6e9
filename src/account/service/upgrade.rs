//! A guest becomes a player.
//!
//! The account, its session and the end of the guest's are three transactions, as the guest's sockets may only close after the
//! answer. Whatever fails between them, the same guest may try again.

use std::net::IpAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::failure::{Failure, Outcome, refused, taken};
use super::notices::unix_ms;
use super::worker::{AccountWorker, Ending};
use crate::account::name::Username;
use crate::account::records::{Account, Claiming, StoreFault};
use crate::account::revocations::refused_ban;
use crate::session::account::{AccountAnswer, AccountNews, Credentials, Upgraded};
use crate::wire::ErrorCode;
use crate::wire::ids::{Identity, Role, RoomId};

/// How long an upgrade waits for the guest's documents, and how often it looks.
const LONGEST_CLAIM: Duration = Duration::from_secs(5);
const CLAIM_AGAIN: Duration = Duration::from_millis(50);

impl AccountWorker {
    /// The guest's sockets close after the answer: what it has in rooms is handed over before they are told that it left.
    pub(super) fn upgrade(
        &mut self,
        caller: Arc<Identity>,
        who: &Credentials,
        rooms: Vec<RoomId>,
        address: IpAddr,
    ) -> Outcome<AccountAnswer> {
        if caller.role != Role::Guest {
            return Err(refused(ErrorCode::Forbidden, "only a guest can be upgraded; you have an account"));
        }
        let family = self.family_of(&caller)?.to_owned();
        let account = match self.create(who, Some(&caller.user_id))? {
            Some(account) => account,
            None => self.find_upgraded(&caller, who, address)?,
        };
        let session = self.begin_session(&account)?;
        self.ending = Some(Ending { family, user_id: caller.user_id.to_string() });
        let user_id = account.id.to_string();
        let upgraded = Upgraded { guest: caller, user_id, username: account.username, rooms };
        Ok(AccountAnswer { news: Some(AccountNews::Upgraded(Arc::new(upgraded))), ..session })
    }

    /// Sees to it that a guest's documents can move with it. Stores that have them hear within a second that they are to let them go,
    /// and what they have to save of them is saved before.
    pub(super) fn claim_documents(&mut self, guest_id: &str) -> Outcome<()> {
        let deadline = Instant::now() + LONGEST_CLAIM;
        self.has_claims = true;
        loop {
            match self.ask(|store| store.claim_documents(guest_id))? {
                Claiming::All => return Ok(()),
                Claiming::Waiting if Instant::now() < deadline => thread::sleep(CLAIM_AGAIN),
                Claiming::Waiting => return Err(Failure::Store(StoreFault::Held(format!("of {guest_id}")))),
                Claiming::TooMany(most) => {
                    let message = format!("a guest who owns more than {most} documents cannot be upgraded");
                    return Err(refused(ErrorCode::Conflict, &message));
                }
            }
        }
    }

    /// What was claimed in vain goes back to the game at once.
    pub(super) fn release_documents(&mut self) {
        if std::mem::take(&mut self.has_claims)
            && let Err(failure) = self.ask(|store| store.release_documents())
        {
            let reason = failure.into_refused().message;
            log::warn!("claimed documents are free again when the claim runs out: {reason}");
        }
    }

    /// The account that another try has made of this guest: one that ran at the same time, or an earlier one whose answer is lost,
    /// as the database failed after the account was there, or did not say that it was.
    pub(super) fn find_upgraded(
        &mut self,
        guest: &Identity,
        who: &Credentials,
        address: IpAddr,
    ) -> Outcome<Account> {
        let name = Username::lookup(&who.username).ok_or_else(taken)?;
        let account = self.ask(|store| store.find_by_name(&name, unix_ms() / 1000))?;
        if account.is_none() {
            return Err(refused(ErrorCode::Conflict, "this guest has become another account"));
        }
        let is_own = |account: &Account| account.guest_id.as_deref() == Some(guest.user_id.as_str());
        let account = account.filter(is_own).ok_or_else(taken)?;
        // Whoever has found a guest's token must not guess the password with it.
        self.check_defence(&name, address)?;
        let account = self.authenticate(Some(account), &who.password)?;
        if account.is_none() {
            self.defence().failed(&name, address, self.now_ms());
        }
        let account = account.ok_or_else(taken)?;
        match &account.ban {
            Some(ban) => Err(Failure::Rejection(refused_ban(ban))),
            None => Ok(account),
        }
    }

    /// Ends the login of a guest that was upgraded, once the answer is on its way.
    pub(super) fn end_guest(&mut self) {
        let Some(Ending { family, user_id }) = self.ending.take() else { return };
        let now_ms = unix_ms();
        let expires_at_s = now_ms / 1000 + self.shared.refresh_ttl_s;
        match self.ask(|store| store.end_family(&family, &user_id, expires_at_s, now_ms)) {
            Ok(()) => self.poke(),
            Err(failure) => {
                let reason = failure.into_refused().message;
                log::error!("the session of an upgraded guest goes on user={user_id}: {reason}");
            }
        }
    }
}
