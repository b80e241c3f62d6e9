//! A hot document as the value of its key.
//!
//! Version 1: a byte for the version, one for what holds ([`HAS_VALUE`], [`HAS_OWNER`], [`IS_ACCOUNT`]); the document's version (8 bytes,
//! little-endian, as all numbers), its schema (4), when it was saved last (8); the owner, if there is one, behind a byte for its
//! length; of an account of a ledger the keys at hand, behind four bytes for their length; the value, if there is one.

use smol_str::SmolStr;

use crate::document::{Address, Document};
use crate::state::documents::rules::Present;

const VERSION: u8 = 1;
const HAS_VALUE: u8 = 1;
const HAS_OWNER: u8 = 2;
const IS_ACCOUNT: u8 = 4;

/// What is said of a document beside its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub version: u64,
    pub schema: u32,
    pub updated_at_ms: u64,
    /// 1 to 128 bytes.
    pub owner: Option<&'a str>,
    /// Of an account of a ledger: the keys of its latest entries, as JSON.
    pub recent_keys: Option<&'a str>,
    /// JSON.
    pub value: Option<&'a str>,
}

impl<'a> Record<'a> {
    pub(super) fn of(document: &'a Document) -> Self {
        let Document { version, schema, updated_at_ms, .. } = *document;
        Self {
            version,
            schema,
            updated_at_ms,
            owner: document.owner.as_deref(),
            recent_keys: document.recent_keys.as_deref(),
            value: document.value.as_deref(),
        }
    }

    pub(super) fn to_document(self, address: Address) -> Document {
        let Self { version, schema, updated_at_ms, owner, recent_keys, value } = self;
        let owner = owner.map(SmolStr::from);
        let (value, recent_keys) = (value.map(Into::into), recent_keys.map(Into::into));
        Document { address, version, owner, schema, value, updated_at_ms, recent_keys }
    }

    pub(super) fn present(&self) -> Present<'a> {
        Present { version: self.version, is_there: self.value.is_some(), owner: self.owner }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let (owner, value) = (self.owner.unwrap_or_default(), self.value.unwrap_or_default());
        let keys = self.recent_keys.unwrap_or_default();
        let mut out = Vec::with_capacity(28 + owner.len() + keys.len() + value.len());
        out.push(VERSION);
        let flag = |holds: bool, flag: u8| if holds { flag } else { 0 };
        out.push(
            flag(self.value.is_some(), HAS_VALUE)
                | flag(self.owner.is_some(), HAS_OWNER)
                | flag(self.recent_keys.is_some(), IS_ACCOUNT),
        );
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.schema.to_le_bytes());
        out.extend_from_slice(&self.updated_at_ms.to_le_bytes());
        if self.owner.is_some() {
            // No owner is longer, see `rules`.
            out.push(owner.len().min(usize::from(u8::MAX)) as u8);
            out.extend_from_slice(owner.as_bytes());
        }
        if self.recent_keys.is_some() {
            // A few KiB, see `ledger`.
            out.extend_from_slice(&(keys.len() as u32).to_le_bytes());
            out.extend_from_slice(keys.as_bytes());
        }
        out.extend_from_slice(value.as_bytes());
        out
    }

    /// What [`Record::encode`] wrote; nothing if these bytes are something else.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&[layout, flags], rest) = bytes.split_first_chunk()?;
        if layout != VERSION || flags & !(HAS_VALUE | HAS_OWNER | IS_ACCOUNT) != 0 {
            return None;
        }
        let (version, rest) = rest.split_first_chunk()?;
        let (schema, rest) = rest.split_first_chunk()?;
        let (updated_at, rest) = rest.split_first_chunk()?;
        let (owner, rest) = match flags & HAS_OWNER {
            0 => (None, rest),
            _ => {
                let (&length, rest) = rest.split_first()?;
                let (owner, rest) = rest.split_at_checked(length.into())?;
                (Some(std::str::from_utf8(owner).ok()?), rest)
            }
        };
        let (recent_keys, rest) = match flags & IS_ACCOUNT {
            0 => (None, rest),
            _ => {
                let (length, rest) = rest.split_first_chunk()?;
                let (keys, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                (Some(std::str::from_utf8(keys).ok()?), rest)
            }
        };
        let value = match flags & HAS_VALUE {
            0 if rest.is_empty() => None,
            0 => return None,
            _ => Some(std::str::from_utf8(rest).ok()?),
        };
        Some(Self {
            version: u64::from_le_bytes(*version),
            schema: u32::from_le_bytes(*schema),
            updated_at_ms: u64::from_le_bytes(*updated_at),
            owner,
            recent_keys,
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            version in any::<u64>(), schema in any::<u32>(), updated_at_ms in any::<u64>(),
            owner in proptest::option::of("[a-zä:]{1,9}"),
            keys in proptest::option::of("[{}a-zü\"]{0,9}"), value in proptest::option::of("[{}a-zü\"]{0,9}"),
        ) {
            let record = Record {
                version, schema, updated_at_ms, owner: owner.as_deref(), recent_keys: keys.as_deref(), value: value.as_deref(),
            };
            let bytes = record.encode();
            prop_assert_eq!(Record::decode(&bytes), Some(record));
        }

        #[test]
        fn anything_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(record) = Record::decode(&bytes) {
                prop_assert_eq!(record.encode(), bytes);
            }
        }
    }
}
