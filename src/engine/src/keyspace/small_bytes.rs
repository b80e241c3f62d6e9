//! Byte strings that need no allocation while they are short.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use super::memory::{HeapSize, block};

/// An immutable byte string in 24 bytes; up to [`SmallBytes::INLINE_LEN`] bytes cost nothing more.
///
/// Player ids, field names and numbers are mostly this short, so a member of a set is one entry of a flat array.
#[derive(Clone)]
pub struct SmallBytes(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, data: [u8; SmallBytes::INLINE_LEN] },
    Heap(Box<[u8]>),
}

impl SmallBytes {
    /// Longest content that is kept inline.
    pub const INLINE_LEN: usize = 22;

    /// Copies `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        if bytes.len() > Self::INLINE_LEN {
            return Self(Repr::Heap(bytes.into()));
        }
        let mut data = [0; Self::INLINE_LEN];
        data[..bytes.len()].copy_from_slice(bytes);
        Self(Repr::Inline { len: bytes.len() as u8, data })
    }

    /// The content.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, data } => &data[..usize::from(*len)],
            Repr::Heap(bytes) => bytes,
        }
    }

    /// Bytes of content that are not in the value itself.
    pub fn heap_len(&self) -> usize {
        match &self.0 {
            Repr::Inline { .. } => 0,
            Repr::Heap(bytes) => bytes.len(),
        }
    }
}

impl HeapSize for SmallBytes {
    fn heap_bytes(&self) -> usize {
        block(self.heap_len())
    }
}

impl Default for SmallBytes {
    fn default() -> Self {
        Self::new(b"")
    }
}

impl Deref for SmallBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Borrow<[u8]> for SmallBytes {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl AsRef<[u8]> for SmallBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for SmallBytes {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl From<Vec<u8>> for SmallBytes {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() > Self::INLINE_LEN {
            Self(Repr::Heap(bytes.into_boxed_slice()))
        } else {
            Self::new(&bytes)
        }
    }
}

impl PartialEq for SmallBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for SmallBytes {}

impl PartialOrd for SmallBytes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SmallBytes {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for SmallBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for SmallBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_three_words() {
        assert_eq!(size_of::<SmallBytes>(), 24);
        assert_eq!(size_of::<Option<SmallBytes>>(), 24);
    }

    #[test]
    fn keeps_any_length() {
        for len in [0, 1, 21, 22, 23, 24, 1000] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            assert_eq!(SmallBytes::new(&bytes).as_slice(), bytes);
            assert_eq!(SmallBytes::from(bytes.clone()).as_slice(), bytes);
            assert_eq!(SmallBytes::new(&bytes).heap_len() > 0, len > SmallBytes::INLINE_LEN);
        }
    }
}
