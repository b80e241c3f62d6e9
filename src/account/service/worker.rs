//! One worker: who does which call, how it asks the database, and what all workers share.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossbeam_channel::Sender;

use super::IdentityOptions;
use super::breaker::{Breaker, BreakerVerdict, Pass};
use super::defence::Defence;
use super::failure::{Failure, Outcome, refused, unavailable};
use crate::account::records::{AccountStore, StoreFault, StoreResult};
use crate::account::reserved::ReservedNames;
use crate::account::revocations::Revocations;
use crate::account::token::TokenAuthority;
use crate::metrics::AccountMetrics;
use crate::session::Rejection;
use crate::session::account::{AccountAnswer, AccountCall, AccountRequest, AccountResult};
use crate::wire::ErrorCode;

/// What all workers share. Locks are held for a few look-ups.
pub(super) struct WorkerState {
    pub tokens: Arc<TokenAuthority>,
    pub revocations: Arc<Revocations>,
    pub defence: Mutex<Defence>,
    pub breaker: Breaker,
    /// Checked in the place of the hash that an unknown user does not have.
    pub dummy_hash: String,
    pub refresh_ttl_s: u64,
    pub reserved_names: ReservedNames,
    pub identities: IdentityOptions,
    pub reset_ttl_s: u64,
    /// The zero of the defence's milliseconds.
    pub started: Instant,
    pub metrics: AccountMetrics,
    /// Wakes the reader of notices: one was written.
    pub poke: Sender<()>,
}

/// A worker's connection and what it shares with the others.
pub(super) struct AccountWorker {
    store: Box<dyn AccountStore>,
    pub(super) shared: Arc<WorkerState>,
    /// The current call's, from its first question on.
    attempt: Option<Attempt>,
    /// A guest's login that is over once the answer to its upgrade is on its way.
    pub(super) ending: Option<Ending>,
    /// Whether documents of a guest may be claimed.
    pub(super) has_claims: bool,
}

/// A call that the breaker has let through to the database. It hears of the end, also if that is a panic.
struct Attempt {
    shared: Arc<WorkerState>,
    pass: Pass,
    verdict: BreakerVerdict,
}

impl Attempt {
    /// One question has been answered, or not. What failed decides, whatever was answered before.
    fn heard<T>(&mut self, asked_at: Instant, result: &StoreResult<T>) {
        match result {
            Err(StoreFault::Unavailable(_)) => {
                self.verdict = BreakerVerdict::Unavailable { waited: asked_at.elapsed() };
            }
            Ok(_) | Err(StoreFault::Broken(_) | StoreFault::Unlogged(_) | StoreFault::Held(_))
                if self.verdict == BreakerVerdict::Unknown =>
            {
                self.verdict = BreakerVerdict::Answered;
            }
            Ok(_) | Err(StoreFault::Broken(_) | StoreFault::Unlogged(_) | StoreFault::Held(_)) => {}
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.shared.breaker.end(self.pass, Instant::now(), self.verdict);
    }
}

/// A guest's login that has to end, and whose it is.
pub(super) struct Ending {
    pub(super) family: String,
    pub(super) user_id: String,
}

impl AccountWorker {
    pub(super) fn new(store: Box<dyn AccountStore>, shared: Arc<WorkerState>) -> Self {
        Self { store, shared, attempt: None, ending: None, has_claims: false }
    }

    /// What is left to do once the answer is on its way.
    pub(super) fn finish(&mut self) {
        self.attempt = None;
        self.end_guest();
        self.attempt = None;
    }

    /// Does what is asked.
    pub(super) fn serve(&mut self, request: AccountRequest) -> AccountResult {
        let result = self.dispatch(request);
        self.release_documents();
        // Before the answer: who hears of it may call again at once.
        self.attempt = None;
        result.map_err(Failure::into_refused)
    }

    /// Asks the database, unless others wait for it in vain. Every call to the store goes through here.
    pub(super) fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut dyn AccountStore) -> StoreResult<T>,
    ) -> Outcome<T> {
        let asked_at = Instant::now();
        if self.attempt.is_none() {
            let pass =
                self.shared.breaker.begin(asked_at).ok_or_else(|| Failure::Rejection(unavailable()))?;
            self.attempt =
                Some(Attempt { shared: self.shared.clone(), pass, verdict: BreakerVerdict::Unknown });
        }
        let result = question(&mut *self.store);
        if let Some(attempt) = &mut self.attempt {
            attempt.heard(asked_at, &result);
        }
        Ok(result?)
    }

    fn dispatch(&mut self, request: AccountRequest) -> Outcome<AccountAnswer> {
        let AccountRequest { call, caller, address } = request;
        match (call, caller) {
            (AccountCall::GuestLogin { nickname }, _) => self.guest_login(&nickname),
            (AccountCall::Register(who), _) => self.register(&who),
            (AccountCall::Login(who), _) => self.login(&who, address),
            (AccountCall::Refresh(token), _) => self.refresh(&token),
            (AccountCall::Documents(_), _) => {
                unreachable!("the documents have threads of their own")
            }
            (AccountCall::ForgetGuest { user_id, silent }, _) => self.forget_guest(&user_id, silent),
            (AccountCall::Logout, Some(caller)) => self.logout(&caller),
            (AccountCall::ChangePassword { old, new }, Some(caller)) => {
                self.change_password(&caller, &old, &new, address)
            }
            (AccountCall::Reset { who, code }, _) => self.reset_password(&who, &code, address),
            (AccountCall::MakeReset { user_id }, Some(caller)) => self.make_reset(&caller, &user_id),
            (AccountCall::Rename { username, proof }, Some(caller)) => {
                self.rename(&caller, &username, proof, address)
            }
            (AccountCall::Delete { proof }, Some(caller)) => self.delete(&caller, proof, address),
            (AccountCall::Upgrade { who, rooms }, Some(caller)) => self.upgrade(caller, &who, rooms, address),
            (AccountCall::ExternalLogin(token), _) => self.external_login(token),
            (AccountCall::DeviceLogin(device), _) => self.device_login(&device, address),
            (AccountCall::Link { claim, proof, rooms }, Some(caller)) => {
                self.link(caller, claim, proof, rooms, address)
            }
            (AccountCall::Identities, Some(caller)) => self.list_identities(&caller),
            (AccountCall::Unlink { issuer, subject, proof }, Some(caller)) => {
                self.unlink(&caller, &issuer, &subject, proof, address)
            }
            (AccountCall::Kick { user_id, reason }, Some(caller)) => self.kick(&caller, &user_id, &reason),
            (AccountCall::Ban { user_id, seconds, reason }, Some(caller)) => {
                self.ban(&caller, &user_id, seconds, reason)
            }
            (AccountCall::Unban { user_id }, Some(caller)) => self.unban(&caller, &user_id),
            (_, None) => {
                Err(refused(ErrorCode::Unauthorized, "a token is needed: Authorization: Bearer TOKEN"))
            }
        }
    }

    pub(super) fn check_defence(&self, account: &str, address: IpAddr) -> Outcome<()> {
        self.defence().check(account, address, self.now_ms()).map_err(|seconds| {
            let message = "too many failed logins; wait before the next try";
            Failure::Rejection(Rejection::new(ErrorCode::RateLimited, message).retry_after(seconds))
        })
    }

    pub(super) fn defence(&self) -> MutexGuard<'_, Defence> {
        // A panic while it was held left a count off by one at worst.
        self.shared.defence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What was just written reaches this process's own sockets at once.
    pub(super) fn poke(&self) {
        // Full means that it is awake already; gone, that the process ends.
        let _ = self.shared.poke.try_send(());
    }
}

pub(super) fn answer(status: u16, body: &serde_json::Value) -> AccountAnswer {
    AccountAnswer::new(status, body.to_string().into_bytes())
}

pub(super) fn done() -> AccountAnswer {
    AccountAnswer::new(204, Vec::new())
}
