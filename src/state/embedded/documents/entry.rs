//! An entry of the outbox as the value of its key: for each save the address behind two bytes for its length, the version that
//! it builds on (8 bytes), and the document's record behind four bytes for its length; all numbers are little-endian.

use super::record::Record;
use crate::document::{Address, Entry, Save};

pub(super) fn encode(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(entry.bytes() + 64 * entry.saves.len());
    for Save { document, base } in &entry.saves {
        let address = document.address.as_str().as_bytes();
        let record = Record::of(document).encode();
        // Addresses have 193 bytes at most, and records 256 KiB and a little.
        out.extend_from_slice(&(address.len() as u16).to_le_bytes());
        out.extend_from_slice(address);
        out.extend_from_slice(&base.to_le_bytes());
        out.extend_from_slice(&(record.len() as u32).to_le_bytes());
        out.extend_from_slice(&record);
    }
    out
}

/// What [`encode`] wrote; nothing if these bytes are something else.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Entry> {
    let mut saves = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (address, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let address = Address::parse(std::str::from_utf8(address).ok()?).ok()?;
        let (base, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let document = Record::decode(record)?.to_document(address);
        saves.push(Save { document, base: u64::from_le_bytes(*base) });
        bytes = rest;
    }
    (!saves.is_empty()).then_some(Entry { saves })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

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
        let entry =
            Entry { saves: vec![Save { document: saved, base: 4 }, Save { document: absent, base: 0 }] };
        let bytes = encode(&entry);
        assert_eq!(decode(&bytes), Some(entry));
        for end in 1..bytes.len() {
            let part = decode(&bytes[..end]);
            assert!(part.is_none_or(|part| part.saves.len() == 1), "{end}");
        }
        assert_eq!(decode(b""), None);
    }
}
