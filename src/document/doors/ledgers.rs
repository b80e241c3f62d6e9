//! What managers ask of ledgers: an account's entries, and changes, which are made as those of scripts are.

use std::sync::Arc;

use serde::Serialize;

use super::{ShownEntry, changed_meanwhile, json, not_fetched, unavailable};
use crate::account::service::unix_ms;
use crate::document::ledger::{Account, Amounts, Applied, BadChange, Change, LedgerEntry, MayBeNegative};
use crate::document::{
    Address, Document, Documents, Entry, Fetched, HomeId, Lost, MAX_VERSION, Save, Unavailable,
};
use crate::session::Rejection;
use crate::session::account::{AccountAnswer, AccountReply, AccountResult};
use crate::session::ledgers::{AllowNegative, AskedChange};
use crate::wire::ErrorCode;

/// How often a change is tried: a key may turn out to be that of an entry which the account no longer has at hand, and has then.
const TRIES: u32 = 3;

/// A change on its way.
pub(super) struct Changing {
    pub documents: Arc<dyn Documents>,
    pub address: Address,
    pub change: Change,
    pub owner: Option<Box<str>>,
    pub reply: AccountReply,
}

/// What was asked for, as the rules of ledgers have it.
///
/// # Errors
/// It breaks them.
pub(super) fn fit(asked: &AskedChange) -> Result<Change, Rejection> {
    let may_be_negative = match &asked.allow_negative {
        AllowNegative::All(true) => MayBeNegative::Everything,
        AllowNegative::All(false) => MayBeNegative::Nothing,
        AllowNegative::Items(items) => MayBeNegative::Items(items.clone()),
    };
    let change = Change::new(asked.changes.clone(), &asked.reason, asked.key.as_deref(), may_be_negative);
    change.map_err(|bad| Rejection::new(ErrorCode::BadRequest, bad.to_string()))
}

impl Changing {
    /// Makes the change, and answers.
    pub(super) fn begin(self) {
        self.try_again(TRIES);
    }

    /// Takes the account from whoever has it, changes it, and lets it go.
    fn try_again(self, tries: u32) {
        let (documents, address, home) = (self.documents.clone(), self.address.clone(), HomeId::random());
        let holder = home.clone();
        let taken = move |fetched: Fetched| {
            let Some((_, found)) = fetched.into_iter().next() else { return };
            let found = found.map_err(|error| not_fetched(&error));
            match found.and_then(|found| made(&self.change, found, self.owner.as_deref())) {
                Ok(Made::Change(save, answer)) => self.write(*save, answer, holder, tries),
                Ok(Made::Repetition(answer)) => self.end(&holder, Ok(answer)),
                Err(refused) => self.end(&holder, Err(refused)),
            }
        };
        documents.fetch(vec![address], &home, Box::new(taken));
    }

    fn write(self, save: Save, answer: AccountAnswer, holder: HomeId, tries: u32) {
        let (documents, home) = (self.documents.clone(), holder.clone());
        let written = move |lost: Result<Vec<Lost>, Unavailable>| match lost {
            Ok(lost) if lost.is_empty() => self.end(&holder, Ok(answer)),
            Ok(_) if tries > 1 => {
                self.let_go(&holder);
                self.try_again(tries - 1);
            }
            Ok(_) => self.end(&holder, Err(changed_meanwhile())),
            Err(Unavailable) => self.end(&holder, Err(unavailable())),
        };
        documents.write(vec![Entry { saves: vec![save] }], &home, Box::new(written));
    }

    fn end(self, holder: &HomeId, result: AccountResult) {
        self.let_go(holder);
        self.reply.send(result);
    }

    /// Should the database be away, the home's time is over soon.
    fn let_go(&self, holder: &HomeId) {
        self.documents.retire(holder, Box::new(drop));
    }
}

/// What comes of a change.
enum Made {
    /// It is to be written, and then answered so.
    Change(Box<Save>, AccountAnswer),
    /// It was made before.
    Repetition(AccountAnswer),
}

fn made(change: &Change, found: Document, owner: Option<&str>) -> Result<Made, Rejection> {
    let Document { address, version, value, recent_keys, .. } = &found;
    let account = Account { version: *version, value: value.as_deref(), recent_keys: recent_keys.as_deref() };
    match change.apply(address, account, unix_ms()).map_err(|bad| refused(&bad))? {
        Applied::Repeated { version, balances } => Ok(Made::Repetition(answer(version, &balances, true))),
        Applied::Made { entry, .. } if entry.version > MAX_VERSION => {
            Err(Rejection::new(ErrorCode::Conflict, "the account has its highest version"))
        }
        Applied::Made { value, recent_keys, entry } => {
            let (base, answer) = (*version, answer(entry.version, &entry.balances, false));
            let owner = match owner {
                None => found.owner.filter(|_| found.value.is_some()),
                Some(owner) => Some(owner.into()).filter(|owner: &smol_str::SmolStr| !owner.is_empty()),
            };
            let document = Document {
                version: entry.version,
                owner,
                // The form of balances is the server's.
                schema: 1,
                value: Some(value),
                updated_at_ms: entry.at_ms,
                recent_keys: Some(recent_keys),
                ..found
            };
            Ok(Made::Change(Box::new(Save { document, base, entries: vec![entry] }), answer))
        }
    }
}

fn refused(bad: &BadChange) -> Rejection {
    let code = match bad {
        BadChange::NotAnAccount(_)
        | BadChange::OtherChanges(..)
        | BadChange::Insufficient { .. }
        | BadChange::Beyond(..) => ErrorCode::Conflict,
        _ => ErrorCode::BadRequest,
    };
    Rejection::new(code, bad.to_string())
}

fn answer(version: u64, balances: &Amounts, repeated: bool) -> AccountAnswer {
    #[derive(Serialize)]
    struct Shown<'a> {
        version: u64,
        balances: &'a Amounts,
        repeated: bool,
    }
    let mut answer = AccountAnswer::new(200, json(&Shown { version, balances, repeated }));
    answer.version = Some(version);
    answer
}

/// A page of an account's entries, the latest first.
pub(super) fn entries_answer(account: &Address, entries: &[LedgerEntry], limit: usize) -> AccountAnswer {
    #[derive(Serialize)]
    struct ShownPage<'a> {
        entries: Vec<ShownEntry<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
    }
    let next = entries.last().filter(|_| entries.len() >= limit);
    let cursor = next.map(|last| last.version.to_string());
    let entries = entries.iter().map(|entry| ShownEntry::of(account, entry)).collect();
    AccountAnswer::new(200, json(&ShownPage { entries, cursor }))
}
