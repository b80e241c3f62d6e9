//! Pending messages as the state file has them: what is read can be written, and is found under its key.

use super::body::id_of;
use super::{Body, Mail, key};
use godra_engine::keyspace::Context;
use godra_engine::keyspace::Keyspace;
use godra_engine::reply::ReplyBuffer;

/// The bytes are the value of a message's key, and the last eight its number.
pub(crate) fn check(data: &[u8]) {
    let Some((value, number)) = data.split_last_chunk() else { return };
    let id = u64::from_le_bytes(*number);
    let Some(body) = Body::decode(value) else {
        check_restored(b"godra:mail:r:7", value, 0);
        return;
    };
    let written = body.encode();
    assert_eq!(Body::decode(&written), Some(body), "what was written is read");
    assert_eq!(written, value);
    let key = key(body.to, id);
    assert_eq!(id_of(&key), Some(id));
    check_restored(&key, value, 1);
    check_restored(b"godra:mail:another:7", value, usize::from(body.to == "another"));
}

/// What a store finds that begins with this key: so many messages, or one key that says nothing.
fn check_restored(key: &[u8], value: &[u8], expected: usize) {
    let mut keyspace = Keyspace::new(1);
    let context = Context { now_ms: 1000, from_script: false };
    keyspace.execute(&[b"SET", key, value], &context, &mut ReplyBuffer::default());
    let mut mail = Mail::new(1 << 20);
    let unread = mail.restore(&keyspace);
    assert_eq!((mail.len(), unread.len()), (expected, 1 - expected));
    let now = std::time::Instant::now();
    while let Some(to) = mail.next_receiver(now, u64::MAX) {
        let due: Vec<_> = mail.due(&to, u64::MAX).collect();
        due.iter().for_each(|place| assert!(mail.take(&to, *place)));
        mail.ran(to, due.len(), now);
    }
    assert_eq!((mail.len(), mail.bytes() < 1024), (0, true), "what has run takes nothing");
}
