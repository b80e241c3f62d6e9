//! What the keyspace has of a key.

use super::memory::HeapSize;
use super::value::Value;

#[derive(Debug)]
pub(crate) struct Slot {
    pub value: Value,
    pub expires_at_ms: Option<u64>,
    pub marks: Marks,
}

/// What is known of a slot, in one word: there are millions of slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// Twice the number of the call that made the value; plus one if the key is in the tracker already, which saves a
    /// second table look-up for every write.
    bits: u64,
}

/// The keyspace counts what values take by itself, as they change within their slots.
impl HeapSize for Slot {}

impl Slot {
    /// A key still lives in the millisecond at which it ends, as in Redis.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|end| end < now_ms)
    }
}

impl Marks {
    pub(crate) fn of_call(call: u64) -> Self {
        Self { bits: call << 1 }
    }

    pub(crate) fn is_of_call(self, call: u64) -> bool {
        self.bits >> 1 == call
    }

    pub(crate) fn set_call(&mut self, call: u64) {
        self.bits = call << 1 | self.bits & 1;
    }

    pub(crate) fn is_noted(self) -> bool {
        self.bits & 1 == 1
    }

    pub(crate) fn set_noted(&mut self, is_noted: bool) {
        self.bits = self.bits & !1 | u64::from(is_noted);
    }
}
