//! Identities of an account: linked, listed, unlinked.
//!
//! A link is for good, and a token is for a day: whoever has found a token must not keep the account by it. So both to link and to
//! unlink take a proof besides, the password or an identity that is linked already. A guest has none, and nothing to lose.

use std::net::IpAddr;
use std::sync::Arc;

use super::failure::{Failure, Outcome, refused};
use super::identities::{Found, Shown, check_ban};
use super::notices::unix_ms;
use super::worker::{AccountWorker, Ending, answer, done};
use crate::account::records::{Account, LinkedIdentity, Linking, MAX_IDENTITIES, Unlinking};
use crate::session::account::{AccountAnswer, AccountNews, IdentityClaim, OwnerProof, Upgraded};
use crate::wire::ErrorCode;
use crate::wire::ids::{Identity, Role, RoomId};

impl AccountWorker {
    pub(super) fn link(
        &mut self,
        caller: Arc<Identity>,
        claim: IdentityClaim,
        proof: Option<OwnerProof>,
        rooms: Vec<RoomId>,
        address: IpAddr,
    ) -> Outcome<AccountAnswer> {
        let shown = self.check_claim(claim)?;
        if caller.role == Role::Guest {
            return self.upgrade_by_link(caller, &shown, rooms);
        }
        let account = self.own_account(&caller)?;
        self.check_owner(&account, proof, address)?;
        match self.ask(|store| store.link(account.id, &shown.identity))? {
            Linking::Linked => {
                log::info!("linked an identity user={} issuer={:?}", account.id, shown.identity.issuer);
                self.told_identities(&account)
            }
            Linking::Taken => Err(of_another()),
            Linking::TooMany => {
                let message =
                    format!("an account has at most {MAX_IDENTITIES} identities; unlink one of them first");
                Err(refused(ErrorCode::Conflict, &message))
            }
            Linking::NoAccount => Err(no_account()),
        }
    }

    /// A guest becomes a player by linking, as it does by choosing a name and a password.
    fn upgrade_by_link(
        &mut self,
        caller: Arc<Identity>,
        shown: &Shown,
        rooms: Vec<RoomId>,
    ) -> Outcome<AccountAnswer> {
        let family = self.family_of(&caller)?.to_owned();
        let (account, created) = match self.find_or_create(shown, Some(&caller.user_id))? {
            Found::New(account) => (account, true),
            // Another try of the same guest, whose answer was lost or is on its way.
            Found::Known(account) if account.guest_id.as_deref() == Some(caller.user_id.as_str()) => {
                (account, true)
            }
            Found::Known(_) => return Err(of_another()),
            Found::GuestTaken => {
                return Err(refused(ErrorCode::Conflict, "this guest has become another account"));
            }
        };
        check_ban(&account)?;
        let session = self.begin_session_of(&account, created)?;
        self.ending = Some(Ending { family, user_id: caller.user_id.to_string() });
        let user_id = account.id.to_string();
        let upgraded = Upgraded { guest: caller, user_id, username: account.username, rooms };
        Ok(AccountAnswer { news: Some(AccountNews::Upgraded(Arc::new(upgraded))), ..session })
    }

    pub(super) fn list_identities(&mut self, caller: &Identity) -> Outcome<AccountAnswer> {
        let account = self.own_account(caller)?;
        self.told_identities(&account)
    }

    pub(super) fn unlink(
        &mut self,
        caller: &Identity,
        issuer: &str,
        subject: &str,
        proof: Option<OwnerProof>,
        address: IpAddr,
    ) -> Outcome<AccountAnswer> {
        let account = self.own_account(caller)?;
        self.check_owner(&account, proof, address)?;
        let keep = Some(&*caller.login.family).filter(|family| !family.is_empty());
        match self.ask(|store| store.unlink(account.id, issuer, subject, keep, unix_ms()))? {
            Unlinking::Unlinked => {
                log::info!("unlinked an identity user={} issuer={issuer:?}", account.id);
                self.poke();
                Ok(done())
            }
            Unlinking::Unknown => Err(refused(ErrorCode::NotFound, "your account has no such identity")),
            Unlinking::LastWay => Err(refused(
                ErrorCode::Conflict,
                "this is the last way to log in to your account; link another one first",
            )),
        }
    }

    fn told_identities(&mut self, account: &Account) -> Outcome<AccountAnswer> {
        let identities = self.ask(|store| store.identities(account.id))?;
        let told = |identity: &LinkedIdentity| {
            serde_json::json!({
                "issuer": identity.issuer,
                "subject": identity.subject,
                "linked_at": identity.linked_at_s.saturating_mul(1000),
            })
        };
        let identities: Vec<_> = identities.iter().map(told).collect();
        Ok(answer(
            200,
            &serde_json::json!({"identities": identities, "has_password": account.has_password()}),
        ))
    }

    fn own_account(&mut self, caller: &Identity) -> Outcome<Account> {
        let Ok(id) = caller.user_id.parse() else {
            return Err(refused(
                ErrorCode::Forbidden,
                "a guest has no identities; link one to become a player",
            ));
        };
        self.ask(|store| store.find(id, unix_ms() / 1000))?.ok_or_else(no_account)
    }

    /// The caller's account, if the proof is its own.
    pub(super) fn owned(
        &mut self,
        caller: &Identity,
        proof: OwnerProof,
        address: IpAddr,
    ) -> Outcome<Account> {
        match proof {
            OwnerProof::Password(typed) => self.confirm(caller, &typed, address, "the password is wrong"),
            proof @ OwnerProof::Identity(_) => {
                let account = self.own_account(caller)?;
                self.check_owner(&account, Some(proof), address)?;
                Ok(account)
            }
        }
    }

    /// Whether the caller has shown to be the account's owner. A wrong proof counts as a failed login at the account.
    fn check_owner(&mut self, account: &Account, proof: Option<OwnerProof>, address: IpAddr) -> Outcome<()> {
        let Some(proof) = proof else {
            let message = "a proof is needed that the account is yours: proof, with its password, or a token or \
                           device that is linked to it";
            return Err(refused(ErrorCode::Forbidden, message));
        };
        let guarded = format!("#{}", account.id);
        self.check_defence(&guarded, address)?;
        let is_owner = match proof {
            OwnerProof::Password(typed) => self.authenticate(Some(account.clone()), &typed)?.is_some(),
            OwnerProof::Identity(claim) => match self.check_claim(claim) {
                Ok(shown) => {
                    let found = self.find_identity(&shown)?;
                    found.is_some_and(|(owner, linked)| owner.id == account.id && shown.fits(&linked))
                }
                Err(Failure::Rejection(why)) if why.status == 401 => {
                    self.defence().failed(&guarded, address, self.now_ms());
                    return Err(no_good_proof(&why.message));
                }
                Err(failure) => return Err(failure),
            },
        };
        if is_owner {
            self.defence().succeeded(&guarded, address, self.now_ms());
            return Ok(());
        }
        self.defence().failed(&guarded, address, self.now_ms());
        Err(refused(ErrorCode::Forbidden, "the proof is not this account's"))
    }
}

/// Not a 401, which would say of the caller's own token that it is no good, and log its player out.
fn no_good_proof(why: &str) -> Failure {
    refused(ErrorCode::Forbidden, &format!("the proof is no good: {why}"))
}

fn of_another() -> Failure {
    refused(
        ErrorCode::Conflict,
        "this identity is another account's; log in with it, or unlink it there first",
    )
}

fn no_account() -> Failure {
    refused(ErrorCode::SessionEnded, "the account is gone")
}
