//! A pending message as a key and its value.
//!
//! The key is `godra:mail:ROOM:ID`, with nothing for `ROOM` where there is none. Version 1 of the value: a byte for the version,
//! one for what holds ([`AT_ONCE`], [`NAMED`]), when it is due (8 bytes, little-endian); sender, receiver and script, each behind a
//! byte for its length; the name, if there is one, behind two bytes for its length (little-endian); the payload.

const VERSION: u8 = 1;
const AT_ONCE: u8 = 1;
const NAMED: u8 = 2;

/// What the keys begin with.
pub(in crate::state::embedded) const KEY_PREFIX: &[u8] = b"godra:mail:";

/// What a message says, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body<'a> {
    /// In milliseconds of the store's clock.
    pub due_ms: u64,
    /// Whether it is due whatever the clock says.
    pub is_at_once: bool,
    /// The sending room; if there is none, `GAME~`, or nothing for the default game.
    pub from: &'a str,
    /// The receiving room; empty if there is none.
    pub to: &'a str,
    /// The script's full name.
    pub script: &'a str,
    pub name: Option<&'a [u8]>,
    /// JSON text.
    pub payload: &'a [u8],
}

/// The key of a message.
pub(crate) fn key(to: &str, id: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(KEY_PREFIX.len() + to.len() + 21);
    key.extend_from_slice(KEY_PREFIX);
    key.extend_from_slice(to.as_bytes());
    key.push(b':');
    key.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
    key
}

/// The number of the message that a key is of.
pub(super) fn id_of(key: &[u8]) -> Option<u64> {
    let (_, id) = std::str::from_utf8(key).ok()?.rsplit_once(':')?;
    id.parse().ok()
}

impl<'a> Body<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let texts = self.from.len() + self.to.len() + self.script.len() + self.name.map_or(0, <[u8]>::len);
        let mut out = Vec::with_capacity(16 + texts + self.payload.len());
        let flag = |holds: bool, flag: u8| if holds { flag } else { 0 };
        out.push(VERSION);
        out.push(flag(self.is_at_once, AT_ONCE) | flag(self.name.is_some(), NAMED));
        out.extend_from_slice(&self.due_ms.to_le_bytes());
        for text in [self.from, self.to, self.script] {
            // Ids of rooms and names of scripts have 64 bytes at most, behind 33 for their game.
            out.push(text.len() as u8);
            out.extend_from_slice(text.as_bytes());
        }
        if let Some(name) = self.name {
            out.extend_from_slice(&(name.len() as u16).to_le_bytes());
            out.extend_from_slice(name);
        }
        out.extend_from_slice(self.payload);
        out
    }

    /// What [`Body::encode`] wrote; nothing if these bytes are something else.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&[version, flags], rest) = bytes.split_first_chunk()?;
        if version != VERSION || flags & !(AT_ONCE | NAMED) != 0 {
            return None;
        }
        let (due_ms, mut rest) = rest.split_first_chunk()?;
        let mut text = || {
            let (&length, behind) = rest.split_first()?;
            let (text, behind) = behind.split_at_checked(length.into())?;
            rest = behind;
            std::str::from_utf8(text).ok()
        };
        let (from, to, script) = (text()?, text()?, text()?);
        let (name, payload) = match flags & NAMED {
            0 => (None, rest),
            _ => {
                let (length, behind) = rest.split_first_chunk()?;
                let (name, payload) = behind.split_at_checked(u16::from_le_bytes(*length).into())?;
                (Some(name), payload)
            }
        };
        Some(Self {
            due_ms: u64::from_le_bytes(*due_ms),
            is_at_once: flags & AT_ONCE != 0,
            from,
            to,
            script,
            name,
            payload,
        })
    }
}
