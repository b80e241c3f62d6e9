//! Logins without a password: users of another issuer, and devices.
//!
//! The first login makes an account. However many come at once, the database gives the identity to one of them, and the others
//! find its account.

use std::net::IpAddr;

use super::failure::{Failure, Outcome, bad_request, refused};
use super::notices::unix_ms;
use super::worker::AccountWorker;
use crate::account::device::{DEVICE_ISSUER, Device, DeviceLogins};
use crate::account::guest::new_player_name;
use crate::account::name::Username;
use crate::account::records::{Account, CreatedLinked, LinkedIdentity, NewAccount};
use crate::account::revocations::refused_ban;
use crate::session::account::{AccountAnswer, DeviceClaim, IdentityClaim};
use crate::wire::ErrorCode;
use crate::wire::ids::Role;

/// Names that are made up before it counts as a fault that all are taken.
const MADE_NAMES: usize = 5;

/// An identity that is the caller's: its token was good, or its form is a device's.
pub(super) struct Shown {
    pub(super) identity: LinkedIdentity,
    /// What a new account may be called, the best name first.
    names: Vec<String>,
    /// What has to fit the proof of a device that is known.
    device: Option<Device>,
}

/// How an account came to a caller.
pub(super) enum Found {
    Known(Account),
    New(Account),
    /// The guest has become another account.
    GuestTaken,
}

impl AccountWorker {
    pub(super) fn external_login(&mut self, token: String) -> Outcome<AccountAnswer> {
        let shown = self.check_claim(IdentityClaim::Token(token))?;
        self.login_with(&shown)
    }

    pub(super) fn device_login(&mut self, claim: &DeviceClaim, address: IpAddr) -> Outcome<AccountAnswer> {
        let shown = self.check_claim(IdentityClaim::Device(claim.clone()))?;
        let guarded = format!("device {}", shown.identity.subject);
        self.check_defence(&guarded, address)?;
        let known = self.find_identity(&shown)?;
        let makes_accounts = self.shared.identities.devices == DeviceLogins::On;
        let is_refused = match &known {
            Some((_, linked)) => !shown.fits(linked),
            None => !makes_accounts,
        };
        if is_refused {
            self.defence().failed(&guarded, address, self.now_ms());
            return Err(refused(ErrorCode::Unauthorized, "the device is not known, or its secret is wrong"));
        }
        self.defence().succeeded(&guarded, address, self.now_ms());
        self.login_with(&shown)
    }

    fn login_with(&mut self, shown: &Shown) -> Outcome<AccountAnswer> {
        match self.find_or_create(shown, None)? {
            Found::Known(account) => {
                check_ban(&account)?;
                self.begin_session_of(&account, false)
            }
            Found::New(account) => self.begin_session_of(&account, true),
            Found::GuestTaken => unreachable!("no guest asks"),
        }
    }

    pub(super) fn begin_session_of(&mut self, account: &Account, created: bool) -> Outcome<AccountAnswer> {
        let login = self.begin_session(account)?;
        let mut body: serde_json::Value = serde_json::from_slice(&login.body).expect("a login is JSON");
        body["created"] = created.into();
        Ok(AccountAnswer { body: body.to_string().into_bytes(), ..login })
    }

    /// Whether what a client says of an identity can be true.
    pub(super) fn check_claim(&self, claim: IdentityClaim) -> Outcome<Shown> {
        match claim {
            IdentityClaim::Token(token) => self.check_external(&token),
            IdentityClaim::Device(claim) => self.check_device(&claim),
        }
    }

    fn check_external(&self, token: &str) -> Outcome<Shown> {
        let Some(tokens) = &self.shared.identities.external else {
            let message = "this server takes no tokens of other issuers; see --auth-jwks and --auth-secret";
            return Err(refused(ErrorCode::NotFound, message));
        };
        let user = tokens
            .verify(token, unix_ms() / 1000)
            .map_err(|error| refused(ErrorCode::Unauthorized, &error.to_string()))?;
        let identity = LinkedIdentity {
            issuer: user.issuer,
            subject: user.subject,
            proof: None,
            linked_at_s: unix_ms() / 1000,
        };
        Ok(Shown { identity, names: user.names, device: None })
    }

    fn check_device(&self, claim: &DeviceClaim) -> Outcome<Shown> {
        if self.shared.identities.devices == DeviceLogins::Off {
            return Err(refused(
                ErrorCode::NotFound,
                "this server takes no logins of devices; see --device-login",
            ));
        }
        let device = Device::parse(&claim.device_id, &claim.secret).map_err(|error| bad_request(&error))?;
        let identity = LinkedIdentity {
            issuer: DEVICE_ISSUER.to_owned(),
            subject: device.id().to_owned(),
            proof: Some(device.proof()),
            linked_at_s: unix_ms() / 1000,
        };
        Ok(Shown { identity, names: Vec::new(), device: Some(device) })
    }

    pub(super) fn find_identity(&mut self, shown: &Shown) -> Outcome<Option<(Account, LinkedIdentity)>> {
        let LinkedIdentity { issuer, subject, .. } = &shown.identity;
        self.ask(|store| store.find_by_identity(issuer, subject, unix_ms() / 1000))
    }

    /// The account of an identity, which is made if there is none.
    pub(super) fn find_or_create(&mut self, shown: &Shown, guest_id: Option<&str>) -> Outcome<Found> {
        if let Some(account) = self.find_account(shown)? {
            return Ok(Found::Known(account));
        }
        if let Some(guest_id) = guest_id {
            self.claim_documents(guest_id)?;
        }
        let made = (0..MADE_NAMES).map(|_| new_player_name());
        for name in shown.names.iter().cloned().chain(made) {
            let name = Username::parse(&name).ok();
            let Some(name) = name.filter(|name| !self.shared.reserved_names.contains(name)) else { continue };
            let account = NewAccount {
                username: name.shown,
                folded_name: name.folded,
                role: Role::Player,
                password_hash: String::new(),
                guest_id: guest_id.map(str::to_owned),
            };
            match self.ask(|store| store.create_linked(&account, &shown.identity, unix_ms() / 1000))? {
                CreatedLinked::Created(account) => return Ok(Found::New(account)),
                CreatedLinked::Linked => {
                    // It may be gone again, but not over and over.
                    let account = self.find_account(shown)?.ok_or_else(changed_meanwhile)?;
                    return Ok(Found::Known(account));
                }
                CreatedLinked::Taken => {}
            }
        }
        if guest_id.is_some() { Ok(Found::GuestTaken) } else { Err(changed_meanwhile()) }
    }

    /// The account that an identity logs in to, if the device's secret is right: two devices may have come with one id at once.
    fn find_account(&mut self, shown: &Shown) -> Outcome<Option<Account>> {
        match self.find_identity(shown)? {
            Some((account, linked)) if shown.fits(&linked) => Ok(Some(account)),
            Some(_) => {
                Err(refused(ErrorCode::Unauthorized, "the device is not known, or its secret is wrong"))
            }
            None => Ok(None),
        }
    }
}

impl Shown {
    /// Whether it is this identity: a device must have the secret that it had when it was linked.
    pub(super) fn fits(&self, linked: &LinkedIdentity) -> bool {
        match (&self.device, &linked.proof) {
            (None, None) => true,
            (Some(device), Some(proof)) => device.matches(proof),
            _ => false,
        }
    }
}

pub(super) fn check_ban(account: &Account) -> Outcome<()> {
    match &account.ban {
        Some(ban) => Err(Failure::Rejection(refused_ban(ban))),
        None => Ok(()),
    }
}

fn changed_meanwhile() -> Failure {
    refused(ErrorCode::Conflict, "the accounts have been changed meanwhile; try again")
}
