//! What scripts may do with documents, and what they are told of the rest: the same in every store.

use std::cmp::Ordering;
use std::fmt;

use smol_str::SmolStr;

use super::calls::Declared;
use crate::document::{Address, MAX_VALUE_BYTES, UnfitValue, check_value};
use crate::script::migration;

/// What a store holds in its outbox at most: beyond it saves are refused.
pub const MAX_OUTBOX_BYTES: usize = 64 << 20;
/// The same, in entries.
pub const MAX_OUTBOX_ENTRIES: usize = 100_000;
/// What a call is told that would save more.
pub const OUTBOX_FULL: &str =
    "too much waits for the database of documents; nothing was saved, and this can be tried again";
/// The longest id of an owner, in bytes.
pub const MAX_OWNER_BYTES: usize = 128;

/// Why `godra.load`, `godra.save` or `godra.delete` refuses what a script asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadDocument {
    /// The call has no such document.
    NotDeclared {
        /// What was asked for.
        address: String,
        /// What there is.
        declared: Vec<Address>,
    },
    /// The value is nil or null.
    NoValue,
    /// A text in the value is no UTF-8.
    NotText,
    /// The value is too large, or too deep.
    Unfit(UnfitValue),
    /// The option `version` is no whole number.
    Version,
    /// An option for an owner is no user's id.
    Owner(&'static str),
    /// It belongs to somebody else, and the call does not say so.
    Owned(Address, SmolStr),
    /// Its form is above the one that the script knows.
    Newer {
        /// Which document.
        address: Address,
        /// Its form.
        found: u32,
        /// The script's.
        known: u32,
    },
    /// Its value could not be brought up to the script's form.
    Unmigrated {
        /// Which document.
        address: Address,
        /// Its form.
        found: u32,
        /// The script's.
        known: u32,
        /// What went wrong.
        reason: String,
    },
    /// The option `owner` is not whom it belongs to: this is.
    OtherOwner(Address, Option<SmolStr>),
    /// It is an account of a ledger, which is written by `godra.ledger` alone.
    Account(Address),
    /// It is none.
    NoLedger(Address),
}

impl fmt::Display for BadDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDeclared { address, declared } if declared.is_empty() => {
                write!(
                    f,
                    "this call has no document {address}: the header needs a line -- DATA: that names it"
                )
            }
            Self::NotDeclared { address, declared } => {
                let declared: Vec<&str> = declared.iter().map(Address::as_str).collect();
                write!(f, "this call has no document {address}: -- DATA: has {}", declared.join(", "))
            }
            Self::NoValue => write!(f, "a document's value is not nil: godra.delete removes a document"),
            Self::NotText => write!(f, "a document's texts are UTF-8"),
            Self::Unfit(unfit) => write!(f, "{unfit}"),
            Self::Version => write!(f, "bad option version: a whole number from 0, as godra.load gives it"),
            Self::Owner(option) => {
                write!(f, "bad option {option}: a user's id, of 1 to {MAX_OWNER_BYTES} bytes")
            }
            Self::Owned(address, owner) => {
                write!(f, "{address} is owned by {owner}: say owner = '{owner}' to write it")
            }
            Self::Newer { address, found, known } => write!(
                f,
                "{address} is of form {found}, and this script knows form {known}: it is left as it is"
            ),
            Self::Unmigrated { address, found, known, reason } => {
                let library = migration::library_of(address.collection());
                write!(
                    f,
                    "{address} is of form {found}, and lib/{library}.lua does not bring it up to {known}: {reason}"
                )
            }
            Self::OtherOwner(address, Some(owner)) => write!(
                f,
                "{address} is owned by {owner}: owner = says whose it is, new_owner = whose it shall be"
            ),
            Self::OtherOwner(address, None) => write!(
                f,
                "{address} is owned by nobody: owner = says whose it is, new_owner = whose it shall be"
            ),
            Self::Account(address) => {
                write!(f, "{address} is an account of a ledger: only godra.ledger changes it")
            }
            Self::NoLedger(address) => write!(
                f,
                "{address} is no account of a ledger: the header says so behind its name, as in -- DATA: {}/{{user}} ledger",
                address.collection()
            ),
        }
    }
}

/// What the options of `godra.save` and `godra.delete` say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Which version the document must have; 0 if there must be none.
    pub version: Option<u64>,
    /// Whose it is.
    pub owner: Option<SmolStr>,
    /// Whose it shall be.
    pub new_owner: Option<SmolStr>,
}

/// A document as the store has it, without its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present<'a> {
    /// Its version, which a deleted one has, too.
    pub version: u64,
    /// Whether it has a value.
    pub is_there: bool,
    /// Whose it is.
    pub owner: Option<&'a str>,
}

impl Present<'_> {
    /// Its version as scripts see it.
    pub fn seen_version(&self) -> u64 {
        if self.is_there { self.version } else { 0 }
    }
}

/// Finds the document of that name among a call's; the name of its game may be left out.
///
/// # Errors
/// The call has no such document.
pub fn find<'a>(declared: &'a [Declared], name: &[u8]) -> Result<&'a Declared, BadDocument> {
    /// How much is shown of a name that may be anything.
    const SHOWN: usize = 200;
    let is_meant =
        |address: &Address| [address.as_str(), address.within_game()].map(str::as_bytes).contains(&name);
    declared.iter().find(|known| is_meant(&known.address)).ok_or_else(|| {
        let address: String = String::from_utf8_lossy(name).chars().take(SHOWN).collect();
        BadDocument::NotDeclared {
            address,
            declared: declared.iter().map(|one| one.address.clone()).collect(),
        }
    })
}

/// How a document's form compares to the one that a script knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Its value is what the script expects.
    Known,
    /// The value has to be brought up first: `migrate(value, form, name)` of the collection's library gives what the script loads.
    /// The document stays as it is until it is saved.
    Older,
}

/// Compares a document's form to the one that a script knows. No document of a form that it does not know is loaded, saved or
/// deleted.
///
/// # Errors
/// It is a newer one.
pub fn form(address: &Address, found: u32, known: u32) -> Result<Form, BadDocument> {
    match found.cmp(&known) {
        Ordering::Less => Ok(Form::Older),
        Ordering::Equal => Ok(Form::Known),
        Ordering::Greater => Err(BadDocument::Newer { address: address.clone(), found, known }),
    }
}

/// Whose a document is after it was written, if the caller may write it like that.
///
/// # Errors
/// It is somebody else's.
pub fn owner_after(
    declared: &Declared,
    present: Present<'_>,
    caller: &str,
    options: &Options,
) -> Result<Option<SmolStr>, BadDocument> {
    let Options { owner, new_owner, .. } = options;
    if !present.is_there {
        let made = new_owner.as_ref().or(owner.as_ref()).or(declared.user.as_ref());
        return Ok(made.cloned());
    }
    match (present.owner, owner) {
        (Some(present), None) if present != caller => {
            Err(BadDocument::Owned(declared.address.clone(), present.into()))
        }
        (present, Some(said)) if present != Some(said.as_str()) => {
            Err(BadDocument::OtherOwner(declared.address.clone(), present.map(SmolStr::from)))
        }
        (present, _) => Ok(new_owner.clone().or_else(|| present.map(SmolStr::from))),
    }
}

/// Whether `godra.save` and `godra.delete` may write a document: of a collection that is a `ledger` they may not, nor what was
/// made by one, whatever headers say by now.
///
/// # Errors
/// They may not.
pub fn is_plain(address: &Address, is_ledger: bool, is_account: bool) -> Result<(), BadDocument> {
    if is_ledger || is_account { Err(BadDocument::Account(address.clone())) } else { Ok(()) }
}

/// A value's JSON as a document has it.
///
/// # Errors
/// What is wrong with it.
pub fn check(json: &[u8]) -> Result<&str, BadDocument> {
    if json == b"null" {
        return Err(BadDocument::NoValue);
    }
    if json.len() > MAX_VALUE_BYTES {
        return Err(BadDocument::Unfit(UnfitValue::TooLarge { bytes: json.len() }));
    }
    let text = std::str::from_utf8(json).map_err(|_| BadDocument::NotText)?;
    check_value(text).map_err(BadDocument::Unfit)?;
    Ok(text)
}

/// A version that a script gives as a number.
pub fn version(number: f64) -> Option<u64> {
    const HIGHEST: f64 = crate::document::MAX_VERSION as f64;
    ((0.0..=HIGHEST).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// A user's id that a script gives.
pub fn owner(text: &[u8]) -> Option<SmolStr> {
    let text = std::str::from_utf8(text).ok()?;
    let fits = (1..=MAX_OWNER_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.into())
}

/// What a call is told whose version is not the present one.
pub fn conflict(address: &Address, expected: u64, present: Present<'_>) -> String {
    match present.seen_version() {
        0 => format!("there is no {address}, which was to have version {expected}"),
        version => format!("{address} has version {version}, and not {expected}: load it again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(address: &str, user: Option<&str>) -> Declared {
        Declared { address: Address::parse(address).expect("valid"), user: user.map(SmolStr::from) }
    }

    #[track_caller]
    fn check_owner(
        present: Option<Option<&str>>,
        owner: Option<&str>,
        new: Option<&str>,
        expected: Result<Option<&str>, &str>,
    ) {
        let is_there = present.is_some();
        let present = Present { version: 3, is_there, owner: present.flatten() };
        let options =
            Options { version: None, owner: owner.map(SmolStr::from), new_owner: new.map(SmolStr::from) };
        let found = owner_after(&declared("profile/7", Some("7")), present, "7", &options);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, _) => panic!("{found:?}"),
        }
    }

    #[test]
    fn owners() {
        check_owner(None, None, None, Ok(Some("7")));
        check_owner(None, Some("8"), None, Ok(Some("8")));
        check_owner(None, Some("8"), Some("9"), Ok(Some("9")));
        check_owner(Some(Some("7")), None, None, Ok(Some("7")));
        check_owner(Some(None), None, None, Ok(None));
        check_owner(Some(None), None, Some("7"), Ok(Some("7")));
        check_owner(Some(Some("8")), None, None, Err("profile/7 is owned by 8: say owner = '8' to write it"));
        check_owner(Some(Some("8")), Some("8"), None, Ok(Some("8")));
        check_owner(Some(Some("8")), Some("8"), Some("7"), Ok(Some("7")));
        check_owner(Some(Some("8")), None, Some("7"), Err("owned by 8"));
        check_owner(Some(Some("7")), Some("8"), None, Err("owned by 7: owner = says"));
        check_owner(Some(None), Some("8"), None, Err("owned by nobody"));
    }

    #[test]
    fn names_and_values() {
        let own = [declared("profile/7", None), declared("world/config", None)];
        assert_eq!(find(&own, b"world/config").unwrap().address.as_str(), "world/config");
        let told = find(&own, b"profile/8").unwrap_err().to_string();
        assert_eq!(told, "this call has no document profile/8: -- DATA: has profile/7, world/config");
        assert!(find(&[], &[b'x'; 5000]).unwrap_err().to_string().len() < 400);
        assert_eq!(check(b"null"), Err(BadDocument::NoValue));
        assert_eq!(check(b"\"\xff\""), Err(BadDocument::NotText));
        assert_eq!(check(b"[1]"), Ok("[1]"));
        assert!(matches!(check("[".repeat(100).as_bytes()), Err(BadDocument::Unfit(_))));
        assert_eq!((version(0.0), version(7.0), version(-1.0), version(0.5)), (Some(0), Some(7), None, None));
        assert_eq!((version(f64::NAN), version(1e300)), (None, None));
        assert_eq!(owner(b"guest:x").as_deref(), Some("guest:x"));
        assert_eq!((owner(b""), owner(b"a\n"), owner(&[b'x'; 129])), (None, None, None));
    }
}
