//! Documents as the state file has them: hot ones, and entries on their way to the database.

use super::record::Record;
use super::{DocumentStore, entry, entry_key};
use crate::document::Address;
use godra_engine::keyspace::{Context, Keyspace};
use godra_engine::reply::ReplyBuffer;

/// The first byte says what the rest is.
pub(crate) fn check(data: &[u8]) {
    let Some((&kind, bytes)) = data.split_first() else { return };
    match kind {
        b'r' => check_record(bytes),
        b'e' => check_entry(bytes),
        _ => {}
    }
}

fn check_record(bytes: &[u8]) {
    let Some(record) = Record::decode(bytes) else { return };
    assert_eq!(record.encode(), bytes);
    let document = record.to_document(Address::parse("world/config").expect("valid"));
    assert_eq!(Record::of(&document), record);
}

fn check_entry(bytes: &[u8]) {
    let read = entry::decode(bytes);
    if let Some(entry) = &read {
        assert!(!entry.saves.is_empty());
        assert_eq!(entry::decode(&entry::encode(entry)).as_ref(), Some(entry), "what was written is read");
    }
    let mut keyspace = Keyspace::new(1);
    let context = Context { now_ms: 1000, from_script: false };
    keyspace.execute(&[b"SET", &entry_key(7), bytes], &context, &mut ReplyBuffer::default());
    let mut documents = DocumentStore::default();
    let dropped = documents.restore(&keyspace);
    assert_eq!(dropped.len(), usize::from(read.is_none()), "what says nothing is told");
    assert_eq!(documents.outbox_size().0, usize::from(read.is_some()));
}
