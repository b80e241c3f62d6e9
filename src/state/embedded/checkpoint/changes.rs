//! A checkpoint: what changed since the last one, as it was between two calls of scripts. The file goes from checkpoint to checkpoint.

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::SmolStr;

use super::format;
use crate::script::Script;
use crate::state::embedded::events::RoomPosition;
use crate::state::embedded::numbered::LastRun;
use crate::state::{Batch, Call, Membership};
use crate::wire::ids::{Identity, RoomId};
use godra_engine::keyspace::{Changes, Keyspace};

/// Who came to which room and who left it, as it was at last: none for somebody who left.
pub(super) type MemberChanges = HashMap<(RoomId, SmolStr), Option<Arc<Identity>>>;

/// Whose numbered inputs have run in which room, and up to which: none for somebody who is forgotten.
#[derive(Debug, Default)]
pub(crate) struct InputChanges {
    /// Whether all that was there before is forgotten.
    pub cleared: bool,
    pub last: HashMap<(RoomId, SmolStr), Option<LastRun>>,
}

impl InputChanges {
    pub(super) fn is_empty(&self) -> bool {
        !self.cleared && self.last.is_empty()
    }

    /// Takes earlier changes up again that could not be written.
    pub(super) fn put_under(&mut self, earlier: Self) {
        if self.cleared {
            return;
        }
        self.cleared = earlier.cleared;
        for (who, last) in earlier.last {
            self.last.entry(who).or_insert(last);
        }
    }
}

/// Somebody who was connected to a room.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub room: RoomId,
    pub identity: Arc<Identity>,
}

impl Member {
    /// The call that takes it out of its room.
    pub(crate) fn leave(&self, on_disconnect: &Arc<Script>) -> Batch {
        let membership = Membership::Leave(0);
        let call = Call::hook(on_disconnect.clone(), self.identity.clone(), &self.room, membership);
        Batch::new(Some(self.room.clone()), vec![call], 0)
    }
}

/// What one transaction writes.
#[derive(Debug, Default)]
pub(crate) struct Checkpoint {
    pub changes: Changes,
    pub members: MemberChanges,
    pub inputs: InputChanges,
    /// The rooms' places; only in the last checkpoint of all.
    pub positions: Vec<RoomPosition>,
    /// The values of the changed keys, one after the other.
    values: Vec<u8>,
    /// Where each key's value ends in `values`; a key that is gone has an empty one.
    ends: Vec<usize>,
}

impl Checkpoint {
    /// The store's changes, with their values as they are now. `buffer` is used for them.
    pub(crate) fn take(
        keyspace: &mut Keyspace,
        members: MemberChanges,
        inputs: InputChanges,
        mut buffer: Vec<u8>,
    ) -> Self {
        buffer.clear();
        let changes = keyspace.take_changes();
        let mut ends = Vec::with_capacity(changes.keys.len());
        for key in &changes.keys {
            if let Some((value, expires_at_ms)) = keyspace.get(key) {
                format::encode(key, value, expires_at_ms, &mut buffer);
            }
            ends.push(buffer.len());
        }
        Self { changes, members, inputs, positions: Vec::new(), values: buffer, ends }
    }

    /// Each changed key with its value, or without one if it is gone.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut start = 0;
        self.changes.keys.iter().zip(&self.ends).map(move |(key, &end)| {
            let value = &self.values[start..end];
            start = end;
            (&**key, (!value.is_empty()).then_some(value))
        })
    }

    /// How many keys it writes.
    pub(crate) fn len(&self) -> usize {
        self.changes.keys.len()
    }

    /// The memory of its values, to be used again unless it is large.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        const MOST_KEPT: usize = 4 << 20;
        if self.values.capacity() > MOST_KEPT { Vec::new() } else { self.values }
    }

    /// Without the values, which will have changed again when it is tried once more: what has to be written.
    pub(crate) fn into_changes(self) -> (Changes, MemberChanges, InputChanges) {
        (self.changes, self.members, self.inputs)
    }
}
