//! What a proxy says at a connection's beginning: bytes that have been understood mean the same whatever follows, and a header is
//! taken whole or not at all.

use crate::wire::proxy_header::{MAX_BYTES, ProxyHeader};

pub(super) fn check(data: &[u8]) {
    let mut known = None;
    // Longer than the longest header of version 1, so that all of one is tried at every byte.
    let ends = (0..data.len().min(256)).chain([data.len()]);
    for end in ends {
        let found = ProxyHeader::parse(&data[..end]);
        match known {
            Some(known) => assert_eq!(found, known, "other bytes have changed it"),
            None if found == ProxyHeader::Incomplete => {
                assert!(end < MAX_BYTES, "{end} bytes do not tell");
            }
            None => known = Some(found),
        }
        if let ProxyHeader::Complete { length, client } = found {
            assert!((1..=end.min(MAX_BYTES)).contains(&length), "{length} of {end}");
            assert_eq!(client, client.map(|address| address.to_canonical()));
            assert_eq!(ProxyHeader::parse(&data[..length]), found);
            assert_eq!(ProxyHeader::parse(&data[..length - 1]), ProxyHeader::Incomplete);
        }
    }
}
