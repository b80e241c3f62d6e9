//! Registration, login and other passwords.

use std::net::IpAddr;
use std::time::Instant;

use super::failure::{Failure, Outcome, bad_request, changed, look_alike, refused, reserved, taken};
use super::notices::unix_ms;
use super::worker::{AccountWorker, answer, done};
use crate::account::name::Username;
use crate::account::password::{self, Password};
use crate::account::records::{Account, AccountStore, NewAccount};
use crate::account::revocations::refused_ban;
use crate::session::account::{AccountAnswer, Credentials};
use crate::wire::ErrorCode;
use crate::wire::ids::{Identity, Role};

/// A login whose account changes while it is under way (it is deleted, or gets another password) begins anew so often.
const LOGIN_TRIES: usize = 2;

impl AccountWorker {
    pub(super) fn register(&mut self, who: &Credentials) -> Outcome<AccountAnswer> {
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

    /// Makes an account of a player; none if its name is taken, or the guest has one.
    pub(super) fn create(&mut self, who: &Credentials, guest_id: Option<&str>) -> Outcome<Option<Account>> {
        let name = Username::parse(&who.username).map_err(|error| bad_request(&error))?;
        let password = Password::parse(&who.password).map_err(|error| bad_request(&error))?;
        // Most names that are taken need no hash to find that out.
        if !self.is_free(&name)? {
            return Ok(None);
        }
        let account = NewAccount {
            username: name.shown.clone(),
            folded_name: name.folded.clone(),
            role: Role::Player,
            password_hash: self.hash(&password)?,
            guest_id: guest_id.map(str::to_owned),
        };
        if let Some(guest_id) = guest_id {
            self.claim_documents(guest_id)?;
        }
        let made = self.ask(|store| store.create(&account, unix_ms() / 1000))?;
        if made.is_none() {
            // What was free a moment ago may be taken, or look like what is.
            self.is_free(&name)?;
        }
        Ok(made)
    }

    /// Whether nobody has a name.
    ///
    /// # Errors
    /// When nobody has it, and nobody can choose it.
    pub(super) fn is_free(&mut self, name: &Username) -> Outcome<bool> {
        if self.ask(|store| store.find_by_name(&name.folded, unix_ms() / 1000))?.is_some() {
            return Ok(false);
        }
        if self.shared.reserved_names.contains(name) {
            return Err(reserved());
        }
        match self.ask(|store| store.is_look_alike(&name.shown))? {
            true => Err(look_alike()),
            false => Ok(true),
        }
    }

    pub(super) fn login(&mut self, who: &Credentials, address: IpAddr) -> Outcome<AccountAnswer> {
        let name = Username::lookup(&who.username);
        // A name that nobody can have is treated as one that nobody has.
        let folded = name.clone().unwrap_or_else(|| who.username.chars().take(64).collect());
        self.check_defence(&folded, address)?;
        for _ in 0..LOGIN_TRIES {
            let account = match &name {
                Some(name) => self.ask(|store| store.find_by_name(name, unix_ms() / 1000))?,
                None => None,
            };
            let Some(account) = self.authenticate(account, &who.password)? else {
                self.defence().failed(&folded, address, self.now_ms());
                return Err(refused(ErrorCode::Unauthorized, "the username or the password is wrong"));
            };
            self.defence().succeeded(&folded, address, self.now_ms());
            if let Some(ban) = &account.ban {
                return Err(Failure::Rejection(refused_ban(ban)));
            }
            let account = self.rehash(account, &who.password)?;
            if let Some(session) = self.try_session(&account)? {
                return Ok(session);
            }
        }
        Err(changed())
    }

    /// The account, if the password is its own. Takes one hash whether there is an account or not, and whether the
    /// password could be one or not.
    pub(super) fn authenticate(&self, account: Option<Account>, typed: &str) -> Outcome<Option<Account>> {
        let account = account.filter(Account::has_password);
        let hash = account.as_ref().map_or(&self.shared.dummy_hash, |account| &account.password_hash);
        let password = Password::parse(typed);
        let is_possible = password.is_ok();
        let began = Instant::now();
        let matches = password.unwrap_or_else(|_| Password::stand_in()).matches(hash)? && is_possible;
        self.shared.metrics.hash_time.observe(began.elapsed());
        Ok(account.filter(|_| matches))
    }

    /// A hash with the parameters of an earlier time is made anew while the password is known.
    fn rehash(&mut self, account: Account, typed: &str) -> Outcome<Account> {
        if password::needs_rehash(&account.password_hash)
            && let Ok(password) = Password::parse(typed)
        {
            let password_hash = self.hash(&password)?;
            self.ask(|store| store.rehash(account.id, &account.password_hash, &password_hash))?;
            return Ok(Account { password_hash, ..account });
        }
        Ok(account)
    }

    /// The caller's account, if the password is its own.
    pub(super) fn confirm(
        &mut self,
        caller: &Identity,
        typed: &str,
        address: IpAddr,
        wrong: &str,
    ) -> Outcome<Account> {
        let Ok(id) = caller.user_id.parse() else {
            return Err(refused(ErrorCode::Forbidden, "a guest has no password; see /account/upgrade"));
        };
        // Whoever has found a token must not guess the password with it.
        let guarded = format!("#{id}");
        self.check_defence(&guarded, address)?;
        let account = self.ask(|store| store.find(id, unix_ms() / 1000))?;
        if account.as_ref().is_some_and(|account| !account.has_password()) {
            let message = "this account has no password; see /account/identities";
            return Err(refused(ErrorCode::Forbidden, message));
        }
        let Some(account) = self.authenticate(account, typed)? else {
            self.defence().failed(&guarded, address, self.now_ms());
            return Err(refused(ErrorCode::Forbidden, wrong));
        };
        self.defence().succeeded(&guarded, address, self.now_ms());
        Ok(account)
    }

    pub(super) fn change_password(
        &mut self,
        caller: &Identity,
        old: &str,
        new: &str,
        address: IpAddr,
    ) -> Outcome<AccountAnswer> {
        let new = Password::parse(new).map_err(|error| bad_request(&format!("new: {error}")))?;
        let account = self.confirm(caller, old, address, "the old password is wrong")?;
        let hash = self.hash(&new)?;
        let keep = Some(&*caller.login.family).filter(|family| !family.is_empty());
        let change = |store: &mut dyn AccountStore| {
            store.change_password(account.id, &account.password_hash, &hash, keep, unix_ms())
        };
        if !self.ask(change)? {
            return Err(changed());
        }
        self.poke();
        Ok(done())
    }

    pub(super) fn hash(&self, password: &Password) -> Outcome<String> {
        let began = Instant::now();
        let hash = password.hash()?;
        self.shared.metrics.hash_time.observe(began.elapsed());
        Ok(hash)
    }
}
