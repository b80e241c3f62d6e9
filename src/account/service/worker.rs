//! One worker's work: what each call does, and in which order.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossbeam_channel::Sender;

use super::breaker::{Breaker, Pass, Verdict};
use super::defence::Defence;
use super::notices::unix_ms;
use crate::account::name::Username;
use crate::account::password::{self, HashFault, Password};
use crate::account::records::{Account, AccountStore, Family, NewAccount, Rotation, StoreFault, StoreResult};
use crate::account::refresh::RefreshToken;
use crate::account::revocations::{Revocations, refused_ban};
use crate::account::token::{TokenAuthority, new_family};
use crate::metrics::AccountMetrics;
use crate::session::Refused;
use crate::session::account::{
    AccountAnswer, AccountCall, AccountNews, AccountRequest, AccountResult, Credentials, Upgraded,
};
use crate::wire::ids::{Identity, Role, RoomId};

/// What all workers share. Locks are held for a few look-ups.
pub(super) struct Shared {
    pub tokens: Arc<TokenAuthority>,
    pub revocations: Arc<Revocations>,
    pub defence: Mutex<Defence>,
    pub breaker: Breaker,
    /// Checked in the place of the hash that an unknown user does not have.
    pub dummy_hash: String,
    pub refresh_ttl_s: u64,
    /// The zero of the defence's milliseconds.
    pub started: Instant,
    pub metrics: AccountMetrics,
    /// Wakes the reader of notices: one was written.
    pub poke: Sender<()>,
}

/// A worker's connection and what it shares with the others.
pub(super) struct AccountWorker {
    store: Box<dyn AccountStore>,
    pub(super) shared: Arc<Shared>,
    /// The current call's, from its first question on.
    attempt: Option<Attempt>,
    /// A guest's login that is over once the answer to its upgrade is on its way.
    ending: Option<Ending>,
}

/// A family, and whose it is.
struct Ending {
    family: String,
    user_id: String,
}

/// A call that the breaker has let through to the database. It hears of the end, also if that is a panic.
struct Attempt {
    shared: Arc<Shared>,
    pass: Pass,
    verdict: Verdict,
}

impl Attempt {
    /// One question has been answered, or not. What failed decides, whatever was answered before.
    fn heard<T>(&mut self, asked_at: Instant, result: &StoreResult<T>) {
        match result {
            Err(StoreFault::Unavailable(_)) => {
                self.verdict = Verdict::Unavailable { waited: asked_at.elapsed() };
            }
            Ok(_) | Err(StoreFault::Broken(_)) if self.verdict == Verdict::Unknown => {
                self.verdict = Verdict::Answered;
            }
            Ok(_) | Err(StoreFault::Broken(_)) => {}
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.shared.breaker.end(self.pass, Instant::now(), self.verdict);
    }
}

/// Why a call did not succeed.
pub(super) enum Failure {
    Refused(Refused),
    Store(StoreFault),
    Hash(HashFault),
}

pub(super) type Outcome<T> = Result<T, Failure>;

impl AccountWorker {
    pub(super) fn new(store: Box<dyn AccountStore>, shared: Arc<Shared>) -> Self {
        Self { store, shared, attempt: None, ending: None }
    }

    /// What is left to do once the answer is on its way, or the call has panicked.
    pub(super) fn finish(&mut self) {
        self.attempt = None;
        self.end_guest();
        self.attempt = None;
    }

    fn end_guest(&mut self) {
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

    /// Does what is asked.
    pub(super) fn serve(&mut self, request: AccountRequest) -> AccountResult {
        self.dispatch(request).map_err(Failure::into_refused)
    }

    /// Asks the database, unless others wait for it in vain. Every call to the store goes through here.
    pub(super) fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut dyn AccountStore) -> StoreResult<T>,
    ) -> Outcome<T> {
        let asked_at = Instant::now();
        if self.attempt.is_none() {
            let pass = self.shared.breaker.begin(asked_at).ok_or_else(|| Failure::Refused(unavailable()))?;
            self.attempt = Some(Attempt { shared: self.shared.clone(), pass, verdict: Verdict::Unknown });
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
            (AccountCall::Register(who), _) => self.register(&who),
            (AccountCall::Login(who), _) => self.login(&who, address),
            (AccountCall::Refresh(token), _) => self.refresh(&token),
            (AccountCall::ForgetGuest(user_id), _) => {
                self.ask(|store| store.forget_guest(&user_id))?;
                Ok(done())
            }
            (AccountCall::Logout, Some(caller)) => self.logout(&caller),
            (AccountCall::ChangePassword { old, new }, Some(caller)) => {
                self.change_password(&caller, &old, &new, address)
            }
            (AccountCall::Upgrade { who, rooms }, Some(caller)) => self.upgrade(caller, &who, rooms, address),
            (AccountCall::Kick { user_id, reason }, Some(caller)) => self.kick(&caller, &user_id, &reason),
            (AccountCall::Ban { user_id, seconds, reason }, Some(caller)) => {
                self.ban(&caller, &user_id, seconds, reason)
            }
            (AccountCall::Unban { user_id }, Some(caller)) => self.unban(&caller, &user_id),
            (_, None) => Err(refused(401, "unauthorized", "a token is needed: Authorization: Bearer TOKEN")),
        }
    }

    fn register(&mut self, who: &Credentials) -> Outcome<AccountAnswer> {
        let account = self.create(who, None)?.ok_or_else(taken)?;
        Ok(answer(
            201,
            &serde_json::json!({
                "user_id": account.id.to_string(),
                "username": account.username,
                "role": account.role.as_str(),
            }),
        ))
    }

    /// Makes an account of a player; none if its name is taken.
    fn create(&mut self, who: &Credentials, guest_id: Option<&str>) -> Outcome<Option<Account>> {
        let name = Username::parse(&who.username).map_err(|error| bad_request(&error))?;
        let password = Password::parse(&who.password).map_err(|error| bad_request(&error))?;
        // Most names that are taken need no hash to find that out.
        if self.ask(|store| store.find_by_name(&name.folded, unix_ms() / 1000))?.is_some() {
            return Ok(None);
        }
        let account = NewAccount {
            username: name.shown,
            folded_name: name.folded,
            role: Role::Player,
            password_hash: self.hash(&password)?,
            guest_id: guest_id.map(str::to_owned),
        };
        self.ask(|store| store.create(&account, unix_ms() / 1000))
    }

    fn login(&mut self, who: &Credentials, address: IpAddr) -> Outcome<AccountAnswer> {
        let name = Username::lookup(&who.username);
        // A name that nobody can have is treated as one that nobody has.
        let folded = name.clone().unwrap_or_else(|| who.username.chars().take(64).collect());
        self.check_defence(&folded, address)?;
        let account = match name {
            Some(name) => self.ask(|store| store.find_by_name(&name, unix_ms() / 1000))?,
            None => None,
        };
        let Some(account) = self.authenticate(account, &who.password)? else {
            self.defence().failed(&folded, address, self.now_ms());
            return Err(refused(401, "unauthorized", "the username or the password is wrong"));
        };
        self.defence().succeeded(&folded, address, self.now_ms());
        if let Some(ban) = &account.ban {
            return Err(Failure::Refused(refused_ban(ban)));
        }
        self.rehash(&account, &who.password)?;
        self.begin_session(&account)
    }

    /// The account, if the password is its own. Takes one hash whether there is an account or not, and whether the
    /// password could be one or not.
    fn authenticate(&self, account: Option<Account>, typed: &str) -> Outcome<Option<Account>> {
        let hash = account.as_ref().map_or(&self.shared.dummy_hash, |account| &account.password_hash);
        let password = Password::parse(typed);
        let is_possible = password.is_ok();
        let began = Instant::now();
        let matches = password.unwrap_or_else(|_| Password::stand_in()).matches(hash)? && is_possible;
        self.shared.metrics.hash_time.observe(began.elapsed());
        Ok(account.filter(|_| matches))
    }

    /// A hash with the parameters of an earlier time is made anew while the password is known.
    fn rehash(&mut self, account: &Account, typed: &str) -> Outcome<()> {
        if password::needs_rehash(&account.password_hash)
            && let Ok(password) = Password::parse(typed)
        {
            let hash = self.hash(&password)?;
            self.ask(|store| store.rehash(account.id, &account.password_hash, &hash))?;
        }
        Ok(())
    }

    pub(super) fn begin_session(&mut self, account: &Account) -> Outcome<AccountAnswer> {
        let now_ms = unix_ms();
        let family = Family {
            id: new_family(),
            user_id: account.id.to_string(),
            generation: 0,
            expires_at_s: now_ms / 1000 + self.shared.refresh_ttl_s,
        };
        self.ask(|store| store.start_family(&family))?;
        Ok(self.pair(&family, &account.username, account.role, now_ms))
    }

    /// The answer with an access token and the refresh token that follows it.
    fn pair(&self, family: &Family, username: &str, role: Role, now_ms: u64) -> AccountAnswer {
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

    fn refresh(&mut self, text: &str) -> Outcome<AccountAnswer> {
        let ended =
            || refused(401, "unauthorized", "the refresh token is not valid (any more); log in again");
        let now_ms = unix_ms();
        let token = RefreshToken::open(text, &self.shared.tokens, now_ms / 1000).ok_or_else(ended)?;
        if let Some(ban) = self.shared.revocations.ban(&token.user_id, now_ms / 1000) {
            return Err(Failure::Refused(refused_ban(&ban)));
        }
        // Asked first: if the database fails here, the token is not spent.
        let (username, role) = match token.user_id.parse() {
            Ok(id) => {
                let account: Account = self.ask(|store| store.find(id, now_ms / 1000))?.ok_or_else(ended)?;
                if let Some(ban) = &account.ban {
                    return Err(Failure::Refused(refused_ban(ban)));
                }
                (account.username, account.role)
            }
            Err(_) => (token.guest_name, Role::Guest),
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
                Err(refused(401, "unauthorized", "the refresh token was used before; the session has ended"))
            }
            Rotation::Unknown => Err(ended()),
        }
    }

    fn logout(&mut self, caller: &Identity) -> Outcome<AccountAnswer> {
        let now_ms = unix_ms();
        let expires_at_s = now_ms / 1000 + self.shared.refresh_ttl_s;
        let family = self.family_of(caller)?;
        self.ask(|store| store.end_family(family, &caller.user_id, expires_at_s, now_ms))?;
        self.poke();
        Ok(done())
    }

    fn change_password(
        &mut self,
        caller: &Identity,
        old: &str,
        new: &str,
        address: IpAddr,
    ) -> Outcome<AccountAnswer> {
        let Ok(id) = caller.user_id.parse() else {
            return Err(refused(403, "forbidden", "a guest has no password; see /account/upgrade"));
        };
        let new = Password::parse(new).map_err(|error| bad_request(&format!("new: {error}")))?;
        // Whoever has found a token must not guess the password with it.
        let guarded = format!("#{id}");
        self.check_defence(&guarded, address)?;
        let account = self.ask(|store| store.find(id, unix_ms() / 1000))?;
        let Some(account) = self.authenticate(account, old)? else {
            self.defence().failed(&guarded, address, self.now_ms());
            return Err(refused(403, "forbidden", "the old password is wrong"));
        };
        self.defence().succeeded(&guarded, address, self.now_ms());
        let hash = self.hash(&new)?;
        let keep = Some(&*caller.login.family).filter(|family| !family.is_empty());
        let change = |store: &mut dyn AccountStore| {
            store.change_password(id, &account.password_hash, &hash, keep, unix_ms())
        };
        if !self.ask(change)? {
            return Err(refused(409, "conflict", "the password has been changed meanwhile"));
        }
        self.poke();
        Ok(done())
    }

    /// The guest's sockets close after the answer: what it has in rooms is handed over before they are told that it left.
    fn upgrade(
        &mut self,
        caller: Arc<Identity>,
        who: &Credentials,
        rooms: Vec<RoomId>,
        address: IpAddr,
    ) -> Outcome<AccountAnswer> {
        if caller.role != Role::Guest {
            return Err(refused(403, "forbidden", "only a guest can be upgraded; you have an account"));
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

    /// The account that an earlier try has made of this guest, which ended before its answer: the database failed after
    /// the account was there, or did not say that it was.
    fn find_upgraded(&mut self, guest: &Identity, who: &Credentials, address: IpAddr) -> Outcome<Account> {
        let name = Username::lookup(&who.username).ok_or_else(taken)?;
        let account = self.ask(|store| store.find_by_name(&name, unix_ms() / 1000))?;
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
            Some(ban) => Err(Failure::Refused(refused_ban(ban))),
            None => Ok(account),
        }
    }

    fn family_of<'c>(&self, caller: &'c Identity) -> Outcome<&'c str> {
        match caller.login.family.as_str() {
            "" => Err(refused(400, "bad_request", "this token belongs to no session of this server")),
            family => Ok(family),
        }
    }

    fn hash(&self, password: &Password) -> Outcome<String> {
        let began = Instant::now();
        let hash = password.hash()?;
        self.shared.metrics.hash_time.observe(began.elapsed());
        Ok(hash)
    }

    fn check_defence(&self, account: &str, address: IpAddr) -> Outcome<()> {
        self.defence().check(account, address, self.now_ms()).map_err(|seconds| {
            let message = "too many failed logins; wait before the next try";
            Failure::Refused(Refused::new(429, "rate_limited", message).retry_after(seconds))
        })
    }

    fn defence(&self) -> MutexGuard<'_, Defence> {
        // A panic while it was held left a count off by one at worst.
        self.shared.defence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What was just written reaches this process's own sockets at once.
    pub(super) fn poke(&self) {
        // Full means that it is awake already; gone, that the process ends.
        let _ = self.shared.poke.try_send(());
    }
}

impl Failure {
    fn into_refused(self) -> Refused {
        match self {
            Self::Refused(refused) => refused,
            Self::Store(fault) => {
                log::error!("{fault}");
                unavailable()
            }
            Self::Hash(fault) => {
                log::error!("{fault}");
                unavailable()
            }
        }
    }
}

impl From<StoreFault> for Failure {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault)
    }
}

impl From<HashFault> for Failure {
    fn from(fault: HashFault) -> Self {
        Self::Hash(fault)
    }
}

fn taken() -> Failure {
    refused(409, "conflict", "this username is taken")
}

fn unavailable() -> Refused {
    let message = "the accounts are not available now; try again soon";
    Refused::new(503, "unavailable", message).retry_after(2)
}

pub(super) fn refused(status: u16, code: &str, message: &str) -> Failure {
    Failure::Refused(Refused::new(status, code, message))
}

fn bad_request(reason: &impl ToString) -> Failure {
    refused(400, "bad_request", &reason.to_string())
}

fn answer(status: u16, body: &serde_json::Value) -> AccountAnswer {
    AccountAnswer::new(status, body.to_string().into_bytes())
}

fn done() -> AccountAnswer {
    AccountAnswer::new(204, Vec::new())
}
