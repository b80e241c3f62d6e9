//! permessage-deflate (RFC 7692), without context takeover in either direction: each message is compressed for itself.
//!
//! So a frame is compressed once for all who get it, and what compresses and decompresses belongs to a thread, not to a
//! connection: of a connection there is to know no more than its [`DeflateWindow`].

mod deflater;
mod inflater;
mod offer;

use std::num::NonZeroU8;

pub use self::deflater::{CompressionLevel, Deflated, Deflater, SharedFrame};
pub use self::inflater::Inflater;
pub(super) use self::inflater::compressed_limit;
pub use self::offer::Agreement;

/// The name by which it is negotiated.
const EXTENSION: &str = "permessage-deflate";

/// What a message that is compressed without context ends with before its last bytes are left out (section 7.2.1).
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

/// How far back a peer can look in what it decompresses, as the exponent of 2, 8 to 15. A connection has one if compression
/// was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateWindow(NonZeroU8);

impl DeflateWindow {
    /// The largest, of 32 KiB: a peer has it unless it says otherwise.
    pub const LARGEST: Self = Self(NonZeroU8::new(15).expect("not zero"));

    /// A window of 2 to the power of `bits` bytes, 8 to 15.
    fn of_bits(bits: u8) -> Option<Self> {
        NonZeroU8::new(bits).filter(|bits| (8..=15).contains(&bits.get())).map(Self)
    }

    /// Its size as an exponent of 2.
    pub fn bits(self) -> u8 {
        self.0.get()
    }

    /// Whether the peer can decompress a message of so many bytes, whatever its compressed form looks back to.
    fn holds(self, message_len: usize) -> bool {
        self == Self::LARGEST || message_len <= 1 << self.bits()
    }
}

#[cfg(test)]
mod tests;
