//! A value as bytes, for the state file, and back. No SQLite here, no clock.
//!
//! Version 1: a byte for the version, one for the kind (its highest bit tells that the key ends at some time), then that
//! time if there is one (milliseconds since the Unix epoch, 8 bytes), the content, and the CRC-32 of the key and all before
//! it. Numbers are little-endian; a length is a base-128 varint. Contents:
//! - string (1): the bytes, up to the checksum
//! - hash (2): number of fields, then field and value of each, every one with its length before it
//! - set (3), list (5): number of elements, then each with its length before it
//! - sorted set (4): number of members, then each with its length before it and its score (8 bytes) after it

use std::fmt;

use godra_engine::keyspace::{Hash, Kind, List, Set, SmallBytes, SortedSet, Value};

const VERSION: u8 = 1;
const HAS_END: u8 = 0x80;
const CHECKSUM_BYTES: usize = 4;

const STRING: u8 = 1;
const HASH: u8 = 2;
const SET: u8 = 3;
const SORTED_SET: u8 = 4;
const LIST: u8 = 5;

/// Appends a key's value and end. What is appended is never empty.
pub(crate) fn encode(key: &[u8], value: &Value, expires_at_ms: Option<u64>, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(VERSION);
    out.push(kind(value) | if expires_at_ms.is_some() { HAS_END } else { 0 });
    out.extend(expires_at_ms.iter().flat_map(|end| end.to_le_bytes()));
    match value {
        Value::String(bytes) => out.extend_from_slice(bytes),
        Value::Hash(hash) => {
            write_length(hash.len(), out);
            hash.entries().iter().for_each(|entry| {
                write_bytes(&entry.key, out);
                write_bytes(&entry.value, out);
            });
        }
        Value::Set(set) => {
            write_length(set.len(), out);
            set.entries().iter().for_each(|entry| write_bytes(&entry.key, out));
        }
        Value::SortedSet(set) => {
            write_length(set.len(), out);
            set.members().entries().iter().for_each(|entry| {
                write_bytes(&entry.key, out);
                out.extend_from_slice(&entry.value.to_le_bytes());
            });
        }
        Value::List(list) => {
            write_length(list.len(), out);
            list.iter().for_each(|element| write_bytes(element, out));
        }
    }
    let checksum = checksum(key, &out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// What [`encode`] wrote for this key: its value, whose tables hash under `seed`, and its end.
///
/// # Errors
/// When these are not the bytes that were written for the key.
pub(crate) fn decode(key: &[u8], bytes: &[u8], seed: u64) -> Result<(Value, Option<u64>), Damage> {
    let (body, stored) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Damage("it is too short"))?;
    if checksum(key, body) != u32::from_le_bytes(*stored) {
        return Err(Damage("its checksum is wrong"));
    }
    let mut rest = Rest(body);
    if rest.byte()? != VERSION {
        return Err(Damage("its form is unknown"));
    }
    let kind = rest.byte()?;
    let expires_at_ms = match kind & HAS_END {
        0 => None,
        _ => Some(u64::from_le_bytes(rest.array()?)),
    };
    let value = match kind & !HAS_END {
        STRING => Value::String(std::mem::take(&mut rest.0).to_vec()),
        HASH => rest.hash(seed)?.into_value(),
        SET => rest.set(seed)?.into_value(),
        SORTED_SET => rest.sorted_set(seed)?.into_value(),
        LIST => rest.list()?.into_value(),
        _ => return Err(Damage("its kind is unknown")),
    };
    if !rest.0.is_empty() {
        return Err(Damage("something follows it"));
    }
    Ok((value, expires_at_ms))
}

/// Why bytes are no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage(&'static str);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::String(_) => STRING,
        Value::Hash(_) => HASH,
        Value::Set(_) => SET,
        Value::SortedSet(_) => SORTED_SET,
        Value::List(_) => LIST,
    }
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(body);
    hasher.finalize()
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn write_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Result<u8, Damage> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Damage("it ends too early"))?;
        self.0 = rest;
        Ok(*array)
    }

    fn length(&mut self) -> Result<usize, Damage> {
        let mut length = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            length |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(length).map_err(|_| Damage("a length is too large"));
            }
        }
        Err(Damage("a length is too large"))
    }

    /// How many elements follow: one takes a byte at least, and an empty collection has no key.
    fn count(&mut self) -> Result<usize, Damage> {
        let count = self.length()?;
        if count == 0 || count > self.0.len() {
            Err(Damage("it cannot have so many elements"))
        } else {
            Ok(count)
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.length()?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damage("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn hash(&mut self, seed: u64) -> Result<Hash, Damage> {
        let mut hash = Hash::empty(seed);
        for _ in 0..self.count()? {
            let (field, value) = (self.bytes()?, SmallBytes::new(self.bytes()?));
            only_once(hash.insert(field, value))?;
        }
        Ok(hash)
    }

    fn set(&mut self, seed: u64) -> Result<Set, Damage> {
        let mut set = Set::empty(seed);
        for _ in 0..self.count()? {
            only_once(set.insert(self.bytes()?, ()))?;
        }
        Ok(set)
    }

    fn sorted_set(&mut self, seed: u64) -> Result<SortedSet, Damage> {
        let mut set = SortedSet::empty(seed);
        for _ in 0..self.count()? {
            let (member, score) = (self.bytes()?, f64::from_le_bytes(self.array()?));
            if score.is_nan() {
                return Err(Damage("a score is not a number"));
            }
            only_once(set.insert(member, score))?;
        }
        Ok(set)
    }

    fn list(&mut self) -> Result<List, Damage> {
        (0..self.count()?).map(|_| self.bytes().map(SmallBytes::new)).collect()
    }
}

fn only_once<T>(before: Option<T>) -> Result<(), Damage> {
    if before.is_some() { Err(Damage("an element is there twice")) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
