//! Compressed messages of the server's (RFC 7692), each for itself.

use crate::client::codec::BadFrame;
use flate2::{Decompress, FlushDecompress};
use std::cell::RefCell;

/// What the client offers.
pub(super) const OFFER: &str = "permessage-deflate; client_max_window_bits";
/// What a server without context takeover answers to that.
pub(super) const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// What is left out of each message's end.
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];
const MOST_BYTES: usize = 64 << 20;

thread_local! {
    static INFLATER: RefCell<(Decompress, Vec<u8>)> =
        RefCell::new((Decompress::new(false), Vec::with_capacity(64 << 10)));
}

/// Tells `each` the message that a compressed payload is.
pub(super) fn inflated(payload: &[u8], each: impl FnOnce(&[u8])) -> Result<(), BadFrame> {
    INFLATER.with_borrow_mut(|(state, message)| {
        state.reset(false);
        message.clear();
        for part in [payload, TAIL] {
            let mut rest = part;
            loop {
                let before = state.total_in();
                state
                    .decompress_vec(rest, message, FlushDecompress::Sync)
                    .map_err(|_| BadFrame("a message that cannot be decompressed"))?;
                rest = &rest[(state.total_in() - before) as usize..];
                if message.len() < message.capacity() {
                    break;
                }
                if message.len() >= MOST_BYTES {
                    return Err(BadFrame("a compressed message above 64 MiB"));
                }
                message.reserve(message.len());
            }
            if !rest.is_empty() {
                return Err(BadFrame("a message that goes on behind its end"));
            }
        }
        each(message);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    #[test]
    fn messages_come_out_as_they_were() {
        for length in [0, 5, 60_000, 300_000] {
            let message: Vec<u8> = (0..length).map(|n: u32| (n / 7) as u8).collect();
            let mut compressed = Vec::with_capacity(400_000);
            let mut state = Compress::new(Compression::fast(), false);
            state.compress_vec(&message, &mut compressed, FlushCompress::Sync).unwrap();
            let payload = compressed.strip_suffix(TAIL).unwrap();
            let mut seen = None;
            inflated(payload, |message| seen = Some(message.to_vec())).unwrap();
            assert_eq!(seen, Some(message));
        }
        assert!(inflated(b"not deflate", |_| panic!("a message")).is_err());
        assert!(inflated(&[3, 0, 1, 2], |_| panic!("a message")).is_err());
    }
}
