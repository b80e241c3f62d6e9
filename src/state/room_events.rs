//! A room's events as the store numbered them.

use bytes::Bytes;
use smol_str::SmolStr;

use super::Audience;
use crate::wire::ids::RoomId;

/// A run of a room's events without gaps.
#[derive(Clone, Debug)]
pub struct RoomEvents {
    /// The room that all of them are of.
    pub room: RoomId,
    /// Which history `first_seq` counts in.
    pub epoch: u64,
    /// The first event's `seq`.
    pub first_seq: u64,
    /// The events' JSON objects `{"type":…,"payload":…,"seq":…}`, joined by commas.
    pub text: Bytes,
    /// Where each event ends in `text` (exclusive, without the comma): event i is at `first_seq + i`.
    pub ends: Vec<u32>,
    /// Which events are not for everybody, by their index in `ends`, which rises.
    pub addressed: Vec<(u32, Audience)>,
    /// Who is to leave the room when these events have gone out.
    pub removals: Vec<Removal>,
}

/// A script has put somebody out of the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Whom.
    pub user_id: SmolStr,
    /// For the close frame.
    pub reason: SmolStr,
}

impl RoomEvents {
    /// How many events there are.
    pub fn count(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The last event's `seq`; one less than `first_seq` when there is none.
    pub fn last_seq(&self) -> u64 {
        self.first_seq + self.count() - 1
    }

    /// The JSON text of the event with that `seq`, which must be one of these.
    pub fn event(&self, seq: u64) -> &[u8] {
        let index = (seq - self.first_seq) as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize + 1 };
        &self.text[start..self.ends[index] as usize]
    }

    /// The audiences of the events that have one, by their `seq`.
    pub fn audiences(&self) -> impl Iterator<Item = (u64, &Audience)> {
        self.addressed.iter().map(|(index, audience)| (self.first_seq + u64::from(*index), audience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_by_their_number() {
        let events = RoomEvents {
            room: RoomId::parse("r").unwrap(),
            epoch: 1,
            first_seq: 5,
            text: Bytes::from_static(b"{5},{66},{7}"),
            ends: vec![3, 8, 12],
            addressed: vec![(1, Audience::user("ann"))],
            removals: Vec::new(),
        };
        assert_eq!((events.count(), events.last_seq()), (3, 7));
        let texts: Vec<&[u8]> = (5..=7).map(|seq| events.event(seq)).collect();
        assert_eq!(texts, [&b"{5}"[..], b"{66}", b"{7}"]);
        assert!(events.audiences().eq([(6, &Audience::user("ann"))]));
    }
}
