//! Packing, ahead of time.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// How much time may be spent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effort {
    /// For large files that change while somebody waits for them.
    Usual,
    /// For small ones that never change.
    Most,
}

/// A body gzipped; empty where that does not pay.
pub(super) fn gzip(body: &[u8], effort: Effort) -> Bytes {
    let level = match effort {
        Effort::Usual => Compression::default(),
        Effort::Most => Compression::best(),
    };
    // Writing to memory does not fail; without a packed body the plain one is sent.
    let packed = pack(body, level).unwrap_or_default();
    if packed.len() < body.len() { packed.into_boxed_slice().into() } else { Bytes::new() }
}

fn pack(body: &[u8], level: Compression) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(body)?;
    encoder.finish()
}
