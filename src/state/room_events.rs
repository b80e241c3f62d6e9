//! A room's events as the store numbered them.

use bytes::Bytes;

use crate::wire::ids::RoomId;

/// A run of a room's events without gaps.
#[derive(Clone, Debug)]
pub struct RoomEvents {
    /// The room that all of them are of.
    pub room: RoomId,
    /// Which history `first_seq` counts in.
    pub epoch: u64,
    /// The first event's `seq`. Only the events of `ends` are counted, not `direct`.
    pub first_seq: u64,
    /// The events' JSON objects `{"type":…,"payload":…,"seq":…}`, joined by commas.
    pub text: Bytes,
    /// Where each event ends in `text` (exclusive, without the comma): event i is at `first_seq + i`.
    pub ends: Vec<u32>,
    /// Events for one user of the room each (`godra.send`): user_id, and the JSON object, which has no `seq`.
    pub direct: Vec<(Box<str>, Bytes)>,
}

impl RoomEvents {
    /// How many events are counted in the room's `seq`.
    pub fn count(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The last event's `seq`; one less than `first_seq` when there is none.
    pub fn last_seq(&self) -> u64 {
        self.first_seq + self.count() - 1
    }

    /// The text of the events with a `seq` above `seq`, and how many they are.
    pub fn text_after(&self, seq: u64) -> (&[u8], u64) {
        let skipped = (seq + 1).saturating_sub(self.first_seq).min(self.count());
        let start = match skipped {
            0 => 0,
            skipped if skipped == self.count() => self.text.len(),
            skipped => self.ends[skipped as usize - 1] as usize + 1,
        };
        (&self.text[start..], self.count() - skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_gets_the_events_after_its_snapshot() {
        let text: &[u8] = b"{5},{66},{7}";
        let room = RoomId::parse("r").unwrap();
        let events = RoomEvents {
            room,
            epoch: 1,
            first_seq: 5,
            text: Bytes::from_static(text),
            ends: vec![3, 8, 12],
            direct: Vec::new(),
        };
        let check = |seq: u64, expected: &str, count: u64| {
            assert_eq!(events.text_after(seq), (expected.as_bytes(), count), "after {seq}");
        };
        assert_eq!(events.last_seq(), 7);
        check(0, "{5},{66},{7}", 3);
        check(4, "{5},{66},{7}", 3);
        check(5, "{66},{7}", 2);
        check(6, "{7}", 1);
        check(7, "", 0);
        check(100, "", 0);
    }
}
