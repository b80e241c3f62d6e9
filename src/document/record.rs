//! What a document is, and what a call has done to some.

use std::fmt;

use smol_str::SmolStr;

use super::Address;
use super::ledger::LedgerEntry;
use crate::wire::message::{self, is_too_deep};

/// Longest value, in bytes of JSON.
pub const MAX_VALUE_BYTES: usize = 256 * 1024;
/// Most levels of arrays and objects in a value.
pub const MAX_DEPTH: usize = message::MAX_DEPTH;
/// Highest version: as high as Lua counts without gaps.
pub const MAX_VERSION: u64 = 1 << 53;
/// Most saves of one transaction; an entry with more goes alone.
pub const MAX_TRANSACTION_SAVES: usize = 500;
/// Most bytes of one transaction's values; an entry with more goes alone.
pub const MAX_TRANSACTION_BYTES: usize = 4 * 1024 * 1024;

/// A document, or what is known of one that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its name.
    pub address: Address,
    /// Each save and each delete adds one; 0 if there never was such a document.
    pub version: u64,
    /// The user that it belongs to, if any.
    pub owner: Option<SmolStr>,
    /// Which form the value has; scripts count it up when they change the form.
    pub schema: u32,
    /// JSON, within the limits of [`check_value`]; none if there is no such document (any more).
    pub value: Option<Box<str>>,
    /// When it was saved or deleted last, in milliseconds since the Unix epoch, by the clock of the store that did so.
    pub updated_at_ms: u64,
    /// Of an account of a ledger: the keys of its latest entries, as JSON. Nothing else has them, so that an account is known by it.
    pub recent_keys: Option<Box<str>>,
}

impl Document {
    /// A document that never was.
    pub fn absent(address: Address) -> Self {
        Self { address, version: 0, owner: None, schema: 1, value: None, updated_at_ms: 0, recent_keys: None }
    }
}

/// What one call has made of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    /// The document as the call has left it; without a value if the call has deleted it.
    pub document: Document,
    /// The version that the call found, below the document's. The database takes the save only on top of that one.
    pub base: u64,
    /// What a ledger keeps of it, in order; of an account alone.
    pub entries: Vec<LedgerEntry>,
}

impl Save {
    /// What a call has made of a document that is no account of a ledger.
    pub fn of(document: Document, base: u64) -> Self {
        Self { document, base, entries: Vec::new() }
    }

    /// The keys of its entries, with the account.
    pub fn keys(&self) -> impl Iterator<Item = (&Address, &str)> {
        self.entries.iter().filter_map(|entry| Some((&self.document.address, entry.key.as_deref()?)))
    }
}

/// All that one call has saved and deleted, each document once: written as a whole, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// In any order.
    pub saves: Vec<Save>,
}

impl Entry {
    /// Bytes of its values and names, as [`MAX_TRANSACTION_BYTES`] counts them.
    pub fn bytes(&self) -> usize {
        let bytes_of = |save: &Save| {
            let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
            let Document { address, value, recent_keys, .. } = &save.document;
            let entries = save.entries.iter().map(LedgerEntry::bytes).sum::<usize>();
            address.as_str().len() + text(value) + text(recent_keys) + entries
        };
        self.saves.iter().map(bytes_of).sum()
    }
}

/// A save that the database has refused for good: the writer is not the document's home (any more), or what the save builds on
/// was refused. The hot copy is not to be trusted: let the document go and fetch it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which document.
    pub address: Address,
    /// The version that was refused.
    pub version: u64,
}

/// Why a text cannot be a document's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnfitValue {
    /// More than [`MAX_VALUE_BYTES`].
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
    /// More than [`MAX_DEPTH`] levels.
    TooDeep,
}

impl fmt::Display for UnfitValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(
                    f,
                    "a document's value has at most {MAX_VALUE_BYTES} bytes of JSON, this one has {bytes}"
                )
            }
            Self::TooDeep => {
                write!(f, "a document's value has at most {MAX_DEPTH} levels of arrays and objects")
            }
        }
    }
}

impl std::error::Error for UnfitValue {}

/// Checks a well-formed JSON text against the limits of values.
///
/// # Errors
/// It is too large or too deep.
pub fn check_value(json: &str) -> Result<(), UnfitValue> {
    if json.len() > MAX_VALUE_BYTES {
        return Err(UnfitValue::TooLarge { bytes: json.len() });
    }
    if is_too_deep(json.as_bytes(), MAX_DEPTH) { Err(UnfitValue::TooDeep) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let long = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        assert_eq!(check_value(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check_value(&nested(MAX_DEPTH + 1)), Err(UnfitValue::TooDeep));
        assert_eq!(check_value(&long(MAX_VALUE_BYTES)), Ok(()));
        let refused = check_value(&long(MAX_VALUE_BYTES + 1)).unwrap_err();
        let words = "a document's value has at most 262144 bytes of JSON, this one has 262145";
        assert_eq!(refused.to_string(), words);
    }
}
