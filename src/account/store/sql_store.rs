//! The contract of the stores, kept on any database that speaks the statements of this module.

use std::sync::Arc;

use super::accounts::NewName;
use super::families::{self, Presented};
use super::moving::Mover;
use super::sql::{Database, Transaction, Value, broken, first};
use super::{accounts, erasing, gone, identities, notices, resets, skeletons};
use crate::account::erasure_log::ErasureLog;
use crate::account::look_alikes::ConfusableNames;
use crate::account::random;
use crate::account::records::{
    Account, AccountStore, Ban, Claiming, CreatedLinked, Family, LinkedIdentity, Linking, NewAccount, Notice,
    NoticeKind, Renaming, Rotation, StoreResult, Unlinking,
};
use crate::account::secret::Secret;
use crate::wire::ids::Role;

/// Length of the secret that is made on the first start, in bytes.
const SECRET_BYTES: usize = 48;

/// A store of accounts on an SQL database.
pub(super) struct SqlStore<D> {
    pub(super) database: D,
    /// Whether its names may look alike.
    confusable_names: ConfusableNames,
    /// Where erasures are written down.
    erasure_log: Option<Arc<ErasureLog>>,
    /// Claims documents of guests.
    mover: Mover,
}

impl<D> SqlStore<D> {
    pub(super) fn new(
        database: D,
        confusable_names: ConfusableNames,
        erasure_log: Option<Arc<ErasureLog>>,
    ) -> Self {
        Self { database, confusable_names, erasure_log, mover: Mover::default() }
    }
}

impl<D: Database> AccountStore for SqlStore<D> {
    fn jwt_secret(&mut self) -> StoreResult<Vec<u8>> {
        const SELECT: &str = "SELECT value FROM settings WHERE name = 'jwt_secret'";
        let mut found = first(self.database.read(SELECT, &[])?);
        if found.is_none() {
            self.database.write(make_secret)?;
            found = first(self.database.read(SELECT, &[])?);
        }
        let bytes = found.ok_or_else(|| broken("the jwt_secret is gone"))?.bytes()?;
        if bytes.len() < Secret::MIN_BYTES {
            return Err(broken("the stored jwt_secret is too short"));
        }
        Ok(bytes)
    }

    fn claim_documents(&mut self, guest_id: &str) -> StoreResult<Claiming> {
        self.mover.claim(&mut self.database, guest_id)
    }

    fn release_documents(&mut self) -> StoreResult<()> {
        self.mover.release(&mut self.database)
    }

    fn create(&mut self, account: &NewAccount, now_s: u64) -> StoreResult<Option<Account>> {
        let confusable_names = self.confusable_names;
        let mover = &self.mover;
        self.database.write(|transaction| {
            let made = accounts::create(transaction, account, confusable_names, now_s)?;
            give_documents(transaction, mover, made.as_ref())?;
            Ok(made)
        })
    }

    fn is_look_alike(&mut self, username: &str) -> StoreResult<bool> {
        Ok(self.confusable_names == ConfusableNames::Refuse
            && skeletons::are_taken(&mut self.database, username)?)
    }

    fn find_by_name(&mut self, folded_name: &str, now_s: u64) -> StoreResult<Option<Account>> {
        accounts::find_by_name(&mut self.database, folded_name, now_s)
    }

    fn find(&mut self, id: u64, now_s: u64) -> StoreResult<Option<Account>> {
        accounts::find(&mut self.database, id, now_s)
    }

    fn list(&mut self, after: u64, limit: usize, now_s: u64) -> StoreResult<Vec<Account>> {
        accounts::list(&mut self.database, after, limit, now_s)
    }

    fn set_role(&mut self, id: u64, role: Role, now_ms: u64) -> StoreResult<bool> {
        self.database.write(|transaction| accounts::set_role(transaction, id, role, now_ms))
    }

    fn rehash(&mut self, id: u64, old_hash: &str, new_hash: &str) -> StoreResult<()> {
        self.database
            .write(|transaction| accounts::replace_hash(transaction, id, old_hash, new_hash).map(drop))
    }

    fn change_password(
        &mut self,
        id: u64,
        old_hash: &str,
        new_hash: &str,
        keep: Option<&str>,
        now_ms: u64,
    ) -> StoreResult<bool> {
        self.database.write(|transaction| {
            if !accounts::replace_hash(transaction, id, old_hash, new_hash)? {
                return Ok(false);
            }
            resets::void(transaction, id)?;
            end_other_families(transaction, id, keep, now_ms)?;
            Ok(true)
        })
    }

    fn find_by_identity(
        &mut self,
        issuer: &str,
        subject: &str,
        now_s: u64,
    ) -> StoreResult<Option<(Account, LinkedIdentity)>> {
        let Some((id, identity)) = identities::find(&mut self.database, issuer, subject)? else {
            return Ok(None);
        };
        // None if the account has gone meanwhile, its identities with it.
        Ok(accounts::find(&mut self.database, id, now_s)?.map(|account| (account, identity)))
    }

    fn create_linked(
        &mut self,
        account: &NewAccount,
        identity: &LinkedIdentity,
        now_s: u64,
    ) -> StoreResult<CreatedLinked> {
        let confusable_names = self.confusable_names;
        let mover = &self.mover;
        self.database.write(|transaction| {
            let created = identities::create(transaction, account, identity, confusable_names, now_s)?;
            if let CreatedLinked::Created(account) = &created {
                give_documents(transaction, mover, Some(account))?;
            }
            Ok(created)
        })
    }

    fn link(&mut self, id: u64, identity: &LinkedIdentity) -> StoreResult<Linking> {
        self.database.write(|transaction| identities::link(transaction, id, identity))
    }

    fn unlink(
        &mut self,
        id: u64,
        issuer: &str,
        subject: &str,
        keep: Option<&str>,
        now_ms: u64,
    ) -> StoreResult<Unlinking> {
        self.database.write(|transaction| {
            let unlinking = identities::unlink(transaction, id, issuer, subject)?;
            if unlinking == Unlinking::Unlinked {
                end_other_families(transaction, id, keep, now_ms)?;
            }
            Ok(unlinking)
        })
    }

    fn identities(&mut self, id: u64) -> StoreResult<Vec<LinkedIdentity>> {
        identities::list(&mut self.database, id)
    }

    fn put_reset(&mut self, id: u64, code_hash: &str, expires_at_s: u64) -> StoreResult<bool> {
        self.database.write(|transaction| resets::put(transaction, id, code_hash, expires_at_s))
    }

    fn reset_password(&mut self, id: u64, code_hash: &str, new_hash: &str, now_ms: u64) -> StoreResult<bool> {
        self.database.write(|transaction| {
            let is_good = accounts::lock(transaction, id, None)?.is_some()
                && resets::take(transaction, id, code_hash, now_ms / 1000)?;
            if is_good {
                accounts::set_hash(transaction, id, new_hash)?;
                end_other_families(transaction, id, None, now_ms)?;
            }
            Ok(is_good)
        })
    }

    fn rename(
        &mut self,
        id: u64,
        password_hash: Option<&str>,
        username: &str,
        folded_name: &str,
        now_ms: u64,
    ) -> StoreResult<Renaming> {
        let name = NewName { username, folded: folded_name };
        let confusable_names = self.confusable_names;
        self.database.write(|transaction| {
            accounts::rename(transaction, id, password_hash, &name, confusable_names, now_ms)
        })
    }

    fn delete_account(&mut self, id: u64, password_hash: Option<&str>, now_ms: u64) -> StoreResult<bool> {
        let log = self.erasure_log.as_deref();
        self.database.write(|transaction| erasing::erase(transaction, id, password_hash, log, now_ms))
    }

    fn ban(&mut self, user_id: &str, ban: &Ban, now_ms: u64) -> StoreResult<()> {
        self.database.write(|transaction| accounts::ban(transaction, user_id, ban, now_ms))
    }

    fn unban(&mut self, user_id: &str, now_ms: u64) -> StoreResult<bool> {
        self.database.write(|transaction| accounts::unban(transaction, user_id, now_ms))
    }

    fn bans(&mut self, now_s: u64) -> StoreResult<Vec<(String, Ban)>> {
        accounts::bans(&mut self.database, now_s)
    }

    fn kick(&mut self, user_id: &str, reason: &str, now_ms: u64) -> StoreResult<()> {
        let kicked = NoticeKind::Kicked(reason.to_owned());
        self.database.write(|transaction| notices::write(transaction, user_id, &kicked, now_ms))
    }

    fn start_family(&mut self, family: &Family, password_hash: &str) -> StoreResult<bool> {
        let id = family.user_id.parse().map_err(|_| broken("a family is kept of accounts only"))?;
        self.database.write(|transaction| {
            let is_there = accounts::lock(transaction, id, Some(password_hash))?.is_some();
            if is_there {
                families::start(transaction, family)?;
            }
            Ok(is_there)
        })
    }

    fn rotate(
        &mut self,
        family: &str,
        user_id: &str,
        generation: u64,
        expires_at_s: u64,
        now_ms: u64,
    ) -> StoreResult<Rotation> {
        let token = Presented { family, user_id, generation, expires_at_s, now_ms };
        self.database.write(|transaction| families::rotate(transaction, &token))
    }

    fn end_family(&mut self, family: &str, user_id: &str, expires_at_s: u64, now_ms: u64) -> StoreResult<()> {
        self.database.write(|transaction| families::end(transaction, family, user_id, expires_at_s, now_ms))
    }

    fn notices(&mut self, after: u64, limit: usize) -> StoreResult<Vec<Notice>> {
        notices::read(&mut self.database, after, limit)
    }

    fn purge(&mut self, notices_before_ms: u64, now_s: u64) -> StoreResult<()> {
        self.database.write(|transaction| {
            families::purge(transaction, now_s)?;
            accounts::purge_bans(transaction, now_s)?;
            gone::purge(transaction, now_s)?;
            resets::purge(transaction, now_s)?;
            notices::purge(transaction, notices_before_ms)
        })
    }

    fn forget_guest(
        &mut self,
        user_id: &str,
        until_s: u64,
        notice: Option<NoticeKind>,
        now_ms: u64,
    ) -> StoreResult<()> {
        if !families::is_guest(user_id) {
            return Err(broken(&format!("{user_id:?} is no guest's id")));
        }
        let log = self.erasure_log.as_deref();
        // Whoever goes by its own will takes its documents along; those of a guest that is only silent may have been handed over.
        let is_erased = matches!(notice, Some(NoticeKind::Gone));
        self.database.write(|transaction| {
            gone::note(transaction, user_id, until_s)?;
            erasing::forget(transaction, user_id)?;
            if is_erased {
                erasing::erase_documents(transaction, user_id, now_ms)?;
            }
            if let Some(kind) = &notice {
                notices::write(transaction, user_id, kind, now_ms)?;
            }
            if is_erased { erasing::write_down(log, &[user_id], now_ms) } else { Ok(()) }
        })
    }
}

/// What an account owned when it was a guest is the account's from now on.
fn give_documents(
    transaction: &mut dyn Transaction,
    mover: &Mover,
    account: Option<&Account>,
) -> StoreResult<()> {
    let Some(account) = account else { return Ok(()) };
    let Some(guest_id) = &account.guest_id else { return Ok(()) };
    mover.give(transaction, guest_id, account.id, account.created_at_s.saturating_mul(1000))
}

/// Ends an account's families but `keep`, and tells whoever has their tokens.
fn end_other_families(
    transaction: &mut dyn Transaction,
    id: u64,
    keep: Option<&str>,
    now_ms: u64,
) -> StoreResult<()> {
    let user_id = id.to_string();
    for family in families::end_all(transaction, &user_id, keep, now_ms / 1000)? {
        notices::write(transaction, &user_id, &NoticeKind::FamilyEnded(family), now_ms)?;
    }
    Ok(())
}

/// Another process may be making one now: the first to write wins, and both read that one.
fn make_secret(transaction: &mut dyn Transaction) -> StoreResult<()> {
    const INSERT: &str =
        "INSERT INTO settings (name, value) VALUES ('jwt_secret', $1) ON CONFLICT (name) DO NOTHING";
    let secret = Value::Bytes(random::bytes::<SECRET_BYTES>().to_vec());
    transaction.run(INSERT, &[secret]).map(drop)
}
