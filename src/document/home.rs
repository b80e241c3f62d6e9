//! Who holds documents hot.

use std::fmt;
use std::sync::Arc;

/// A store's id as a home of documents: 1–64 of `A-Za-z0-9_-`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HomeId(Arc<str>);

impl HomeId {
    /// Longest id, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// An id that no other store has: 128 random bits.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the kernel's random numbers are always there");
        Self(format!("{:032x}", u128::from_be_bytes(bytes)).into())
    }

    /// Parses an id that was kept.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let is_valid = (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(allowed);
        is_valid.then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HomeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HomeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HomeId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let made = HomeId::random();
        assert_eq!(HomeId::parse(made.as_str()), Some(made.clone()));
        assert_ne!(HomeId::random(), made);
        for wrong in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert_eq!(HomeId::parse(wrong), None, "{wrong:?}");
        }
    }
}
