//! What the database of accounts holds, and what may be asked of it: the contract of its stores.
//!
//! No clock and no hashing here. Times are passed in, as seconds since the Unix epoch unless a name says otherwise.

use std::fmt;

use crate::wire::ids::Role;

/// Somebody with a name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Counts up from 1. As text, it is the `user_id`.
    pub id: u64,
    /// As it was typed at registration, in NFKC.
    pub username: String,
    /// What the account may do; never [`Role::Guest`].
    pub role: Role,
    /// An argon2id hash in PHC form, its parameters included. Empty if the account has no password: it logs in by identities.
    pub password_hash: String,
    /// When it was made.
    pub created_at_s: u64,
    /// The id of the guest that became this account, if one did.
    pub guest_id: Option<String>,
    /// Whether it is kept out. One that has ended is none.
    pub ban: Option<Ban>,
}

impl Account {
    /// Whether a password logs in.
    pub fn has_password(&self) -> bool {
        !self.password_hash.is_empty()
    }
}

/// Most identities of one account.
pub const MAX_IDENTITIES: u64 = 16;

/// Another way to log in than by a password: a user of another issuer, or a device. It is one account's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// Who vouches for it; for a device [`super::device::DEVICE_ISSUER`].
    pub issuer: String,
    /// The issuer's name for it, or the device's id.
    pub subject: String,
    /// See [`super::device::Device::proof`]; none where the issuer's signature is the proof.
    pub proof: Option<String>,
    /// When it was linked.
    pub linked_at_s: u64,
}

/// What making an account with an identity came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreatedLinked {
    /// It is there, and the identity is its own.
    Created(Account),
    /// The name is taken, or the guest has an account. The identity is free.
    Taken,
    /// Another account has the identity, maybe since a moment ago.
    Linked,
}

/// What linking an identity came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linking {
    /// It is the account's, from now on or already.
    Linked,
    /// It is another account's, or a device's with another secret.
    Taken,
    /// The account has [`MAX_IDENTITIES`].
    TooMany,
    /// There is no such account (any more).
    NoAccount,
}

/// What unlinking an identity came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinking {
    /// It is nobody's from now on.
    Unlinked,
    /// The account has no such identity.
    Unknown,
    /// Without it nobody could log in to the account.
    LastWay,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// See [`Account::username`]. Its skeletons are the account's where nobody else has them.
    pub username: String,
    /// `username` with its case folded: no two accounts have the same.
    pub folded_name: String,
    /// See [`Account::role`].
    pub role: Role,
    /// See [`Account::password_hash`].
    pub password_hash: String,
    /// See [`Account::guest_id`].
    pub guest_id: Option<String>,
}

/// Keeps an account or a guest out until it ends or is lifted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// When it ends; none for never.
    pub until_s: Option<u64>,
    /// Shown to who is banned. May be empty.
    pub reason: String,
}

/// What giving an account another name came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renaming {
    /// It has the name.
    Renamed,
    /// Another account has the name, or one that looks like it where that is refused.
    Taken,
    /// The account is no more, or has another password meanwhile.
    Changed,
}

/// One login and all refreshes that follow from it. At most one refresh token of a family is good at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Random text of `A-Za-z0-9_-`, 22 characters.
    pub id: String,
    /// Whose: an account's number, or a guest's id.
    pub user_id: String,
    /// Counts refreshes, from 0. The refresh token that is good now has this number.
    pub generation: u64,
    /// When its last refresh token ends.
    pub expires_at_s: u64,
}

/// For how long, in milliseconds, the refresh token that was spent last may be presented again: its answer may have been lost, or
/// two of a client's tabs may have refreshed at once. Longer than clients wait for an answer.
///
/// Whoever stole a token and presents it within this time gets what its owner got. That is no more than one who steals the token
/// that is good gets, and comes out as soon: the two then hold the same token, and whichever uses it later than this after the
/// other ends the session.
pub const REFRESH_GRACE_MS: u64 = 30_000;

/// What presenting a refresh token came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The token was good and is spent; the family is now at this generation.
    Rotated(Family),
    /// The token had been spent a moment ago ([`REFRESH_GRACE_MS`]): the family as it has been since then. Nothing changed.
    Repeated(Family),
    /// The token had been spent before: the family has been ended, by this call.
    Reused,
    /// There is no such family (any more), or its time is up.
    Unknown,
}

/// Something that must reach tokens already given out and sockets already open, in every process on this database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Counts up; a later notice has a higher number.
    pub id: u64,
    /// When it was written, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Whom it concerns: an account's number as text, or a guest's id.
    pub user_id: String,
    /// What the readers of notices are to do about it.
    pub kind: NoticeKind,
}

/// What a [`Notice`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// A family has ended (logout, a spent token presented again): its tokens are void.
    FamilyEnded(String),
    /// The role has changed: tokens issued before are void (a refresh gives one that holds the new role).
    RoleChanged,
    /// Kept out from now on.
    Banned(Ban),
    /// A ban was lifted: the user may log in again.
    Unbanned,
    /// Sockets are to be closed, nothing else.
    Kicked(String),
    /// The account has this name from now on: it counts in the place of the one in tokens that were issued before.
    Renamed(String),
    /// The user is no more: all its tokens are void, whenever they were issued, and it has left its rooms. No other user ever gets
    /// its id.
    Gone,
    /// A guest is no more, as it had shown no sign of life. As [`NoticeKind::Gone`], but it has been taken out of its rooms before.
    Expired,
}

/// Why a store did not do it. Nothing was changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// It cannot be reached, is full, or failed to write: worth another try later. In words for the log.
    Unavailable(String),
    /// What it holds makes no sense, or it refused a statement: no other try will help. In words for the log.
    Broken(String),
    /// The erasure could not be written down beside it. In words for the log.
    Unlogged(String),
    /// This document of a guest is in use elsewhere, and has not been let go: worth another try.
    Held(String),
}

/// Whether a guest's documents can go over to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claiming {
    /// All are claimed.
    All,
    /// Some have another home, which was asked to let them go.
    Waiting,
    /// There are more than so many.
    TooMany(usize),
}

impl StoreFault {
    /// Why, in words for the log.
    pub fn words(&self) -> &str {
        match self {
            Self::Unavailable(words) | Self::Broken(words) | Self::Unlogged(words) | Self::Held(words) => {
                words
            }
        }
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) => write!(f, "the database of accounts is not available: {reason}"),
            Self::Broken(reason) => write!(f, "the database of accounts does not work: {reason}"),
            Self::Unlogged(reason) => write!(f, "nobody was erased: {reason}"),
            Self::Held(document) => write!(f, "the document is in use: {document}"),
        }
    }
}

impl std::error::Error for StoreFault {}

/// What a call on a store gives.
pub type StoreResult<T> = Result<T, StoreFault>;

/// A database of accounts. Calls block, so only account workers and subcommands make them; each is one transaction.
///
/// An implementation reconnects by itself: a call after a lost connection may fail once, the next one works again.
pub trait AccountStore: Send {
    /// The key that signs tokens when no other is given, made at random by whoever asks first.
    fn jwt_secret(&mut self) -> StoreResult<Vec<u8>>;

    /// Claims the documents of a guest, which move with it when it becomes an account; to be asked again while some are held
    /// elsewhere, which are handed over soon.
    fn claim_documents(&mut self, guest_id: &str) -> StoreResult<Claiming>;

    /// Ends all claims of documents.
    fn release_documents(&mut self) -> StoreResult<()>;

    /// Makes an account; none if the folded name is taken, or another one looks like it where that is refused. A guest's documents,
    /// which must be claimed, become the account's.
    fn create(&mut self, account: &NewAccount, now_s: u64) -> StoreResult<Option<Account>>;

    /// Whether a name looks like another account's, where that is refused.
    fn is_look_alike(&mut self, username: &str) -> StoreResult<bool>;

    /// The account of that folded name.
    fn find_by_name(&mut self, folded_name: &str, now_s: u64) -> StoreResult<Option<Account>>;

    /// The account of that number.
    fn find(&mut self, id: u64, now_s: u64) -> StoreResult<Option<Account>>;

    /// Up to `limit` accounts with numbers above `after`, in ascending order.
    fn list(&mut self, after: u64, limit: usize, now_s: u64) -> StoreResult<Vec<Account>>;

    /// Gives an account another role, with a [`NoticeKind::RoleChanged`]. Whether there is such an account.
    fn set_role(&mut self, id: u64, role: Role, now_ms: u64) -> StoreResult<bool>;

    /// Puts a hash in the place of another, if it is still there (the same password under newer parameters).
    fn rehash(&mut self, id: u64, old_hash: &str, new_hash: &str) -> StoreResult<()>;

    /// Changes the password if `old_hash` is still there, makes a code for a reset void, and ends all families but `keep`, each with a
    /// [`NoticeKind::FamilyEnded`]. Whether it was changed.
    fn change_password(
        &mut self,
        id: u64,
        old_hash: &str,
        new_hash: &str,
        keep: Option<&str>,
        now_ms: u64,
    ) -> StoreResult<bool>;

    /// The account that an identity is linked to, and how.
    fn find_by_identity(
        &mut self,
        issuer: &str,
        subject: &str,
        now_s: u64,
    ) -> StoreResult<Option<(Account, LinkedIdentity)>>;

    /// Makes an account that the identity logs in to. However many ask at once, there is one account.
    fn create_linked(
        &mut self,
        account: &NewAccount,
        identity: &LinkedIdentity,
        now_s: u64,
    ) -> StoreResult<CreatedLinked>;

    /// Links one more identity to an account.
    fn link(&mut self, id: u64, identity: &LinkedIdentity) -> StoreResult<Linking>;

    /// Takes an identity from an account, and ends all families but `keep`, each with a [`NoticeKind::FamilyEnded`]: which of them
    /// it began nobody knows.
    fn unlink(
        &mut self,
        id: u64,
        issuer: &str,
        subject: &str,
        keep: Option<&str>,
        now_ms: u64,
    ) -> StoreResult<Unlinking>;

    /// An account's identities, in the order in which they were linked.
    fn identities(&mut self, id: u64) -> StoreResult<Vec<LinkedIdentity>>;
    /// Keeps the hash of a code by which the account gets another password once, until `expires_at_s`. It takes the place of an
    /// earlier one. Whether there is such an account.
    fn put_reset(&mut self, id: u64, code_hash: &str, expires_at_s: u64) -> StoreResult<bool>;

    /// Uses a code up: sets the password, and ends all families, each with a [`NoticeKind::FamilyEnded`]. Whether the code was good.
    fn reset_password(&mut self, id: u64, code_hash: &str, new_hash: &str, now_ms: u64) -> StoreResult<bool>;

    /// Gives an account another name, with a [`NoticeKind::Renamed`]. With a hash, only if the account has that one. However many
    /// take a name at once, one gets it.
    fn rename(
        &mut self,
        id: u64,
        password_hash: Option<&str>,
        username: &str,
        folded_name: &str,
        now_ms: u64,
    ) -> StoreResult<Renaming>;

    /// Removes an account for good, and whatever hangs on it, with a [`NoticeKind::Gone`]. With a hash, only if the account has that
    /// one. Its name is free; its number is never given again. Whether it was removed.
    fn delete_account(&mut self, id: u64, password_hash: Option<&str>, now_ms: u64) -> StoreResult<bool>;

    /// Bans an account or a guest, with a [`NoticeKind::Banned`], and ends its families. A second ban takes the place of
    /// the first.
    fn ban(&mut self, user_id: &str, ban: &Ban, now_ms: u64) -> StoreResult<()>;

    /// Ends a ban, with a [`NoticeKind::Unbanned`]. Whether there was one.
    fn unban(&mut self, user_id: &str, now_ms: u64) -> StoreResult<bool>;

    /// Every ban in force: who, and how.
    fn bans(&mut self, now_s: u64) -> StoreResult<Vec<(String, Ban)>>;

    /// Writes a [`NoticeKind::Kicked`].
    fn kick(&mut self, user_id: &str, reason: &str, now_ms: u64) -> StoreResult<()>;

    /// Keeps a new family of an account, if the account is still there with this hash: who was let in before it was deleted or got
    /// another password stays out. Whether it is kept.
    fn start_family(&mut self, family: &Family, password_hash: &str) -> StoreResult<bool>;

    /// Spends the refresh token `generation` of a family and gives the family `expires_at_s` as its new end. A family
    /// that the store does not hold counts as `Unknown`, unless it is a guest's at generation 0 (their logins are not
    /// written down): that one begins to be kept, at generation 1; not if the guest is gone. The token spent last may come again for
    /// [`REFRESH_GRACE_MS`]; any other that was spent before ends the family, with a [`NoticeKind::FamilyEnded`]; it stays known as ended until its time is up, so that a guest's token 0 is not good
    /// a second time.
    fn rotate(
        &mut self,
        family: &str,
        user_id: &str,
        generation: u64,
        expires_at_s: u64,
        now_ms: u64,
    ) -> StoreResult<Rotation>;

    /// Ends a family (known or not) with a [`NoticeKind::FamilyEnded`]; it stays known as ended until `expires_at_s`.
    fn end_family(&mut self, family: &str, user_id: &str, expires_at_s: u64, now_ms: u64) -> StoreResult<()>;

    /// Up to `limit` notices with numbers above `after`, in ascending order. A notice is seen only when all with lower
    /// numbers are: a reader that goes on from the last number it saw misses none, however many processes write.
    fn notices(&mut self, after: u64, limit: usize) -> StoreResult<Vec<Notice>>;

    /// Removes notices written before `notices_before_ms`, and what else is over: families, bans, guests kept as gone.
    fn purge(&mut self, notices_before_ms: u64, now_s: u64) -> StoreResult<()>;

    /// Forgets a guest that is gone for good: its families and its ban. Until `until_s`, by when its last refresh token has ended,
    /// it is known as gone: none of them is good, not even that of a login which is not written down. Access tokens that may still be
    /// good are void by the notice, if there is one.
    fn forget_guest(
        &mut self,
        user_id: &str,
        until_s: u64,
        notice: Option<NoticeKind>,
        now_ms: u64,
    ) -> StoreResult<()>;
}
