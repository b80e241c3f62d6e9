//! An entry of the outbox as the value of its key: for each save the address behind two bytes for its length, the version that
//! it builds on (8 bytes), and the document's record behind four bytes for its length; all numbers are little-endian. What a ledger
//! gets of the save follows it as JSON, behind [`LEDGER`] in the place of an address's length and four bytes for its own.

use super::record::Record;
use crate::document::{Address, Entry, Save};

/// No address is so long.
const LEDGER: u16 = u16::MAX;

pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(entry.bytes() + 64 * entry.saves.len());
    for Save { document, base, entries } in &entry.saves {
        let address = document.address.as_str().as_bytes();
        let record = Record::of(document).encode();
        // Addresses have 193 bytes at most, and records 256 KiB and a little.
        out.extend_from_slice(&(address.len() as u16).to_le_bytes());
        out.extend_from_slice(address);
        out.extend_from_slice(&base.to_le_bytes());
        out.extend_from_slice(&(record.len() as u32).to_le_bytes());
        out.extend_from_slice(&record);
        if !entries.is_empty() {
            let entries = serde_json::to_vec(entries).expect("texts and numbers can be written as JSON");
            // A call makes no more of them than its budget allows.
            out.extend_from_slice(&LEDGER.to_le_bytes());
            out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
            out.extend_from_slice(&entries);
        }
    }
    out
}

/// What [`encode`] wrote; nothing if these bytes are something else.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Entry> {
    let mut saves: Vec<Save> = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        if u16::from_le_bytes(*length) == LEDGER {
            let (length, rest) = rest.split_first_chunk()?;
            let (entries, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            saves.last_mut()?.entries = serde_json::from_slice(entries).ok()?;
            bytes = rest;
            continue;
        }
        let (address, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let address = Address::parse(std::str::from_utf8(address).ok()?).ok()?;
        let (base, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let document = Record::decode(record)?.to_document(address);
        saves.push(Save::of(document, u64::from_le_bytes(*base)));
        bytes = rest;
    }
    (!saves.is_empty()).then_some(Entry { saves })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::document::ledger::LedgerEntry;

    #[test]
    fn what_is_written_is_read() {
        let address = |text| Address::parse(text).expect("valid");
        let absent = Document::absent(address("world/config"));
        let saved = Document {
            version: 7,
            owner: Some("guest:u".into()),
            schema: 2,
            value: Some(r#"{"gold":1}"#.into()),
            updated_at_ms: 1_700_000_000_000,
            ..Document::absent(address("profile/guest:u"))
        };
        let account = Document { recent_keys: Some("[]".into()), ..saved.clone() };
        let made = LedgerEntry {
            version: 7,
            key: Some("order 1".into()),
            changes: [("gold".into(), -5)].into(),
            balances: [("gold".into(), 1)].into(),
            reason: "a sword".into(),
            at_ms: 1_700_000_000_000,
        };
        let spent = Save { document: account, base: 4, entries: vec![made.clone(), made] };
        let entry = Entry { saves: vec![Save::of(saved, 4), spent, Save::of(absent, 0)] };
        let bytes = encode(&entry);
        assert_eq!(decode(&bytes), Some(entry));
        for end in 1..bytes.len() {
            let part = decode(&bytes[..end]);
            assert!(part.is_none_or(|part| part.saves.len() < 3), "{end}");
        }
        assert_eq!(decode(b""), None);
        assert_eq!(decode(&LEDGER.to_le_bytes()), None);
        assert_eq!(decode(&[255, 255, 2, 0, 0, 0, b'[', b']']), None, "of no save");
    }
}
