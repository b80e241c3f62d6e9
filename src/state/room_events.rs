//! A room's events as the store numbered them.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use smol_str::SmolStr;

use super::Audience;
use super::sizes::{block, shared_text};
use crate::wire::ids::RoomId;

/// A run of a room's events without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Which events take the place of earlier ones of the same audience and key, by their index in `ends`, which rises.
    pub replacing: Vec<(u32, SmolStr)>,
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

    /// About how much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        let audiences: usize = self.addressed.iter().map(|(_, audience)| audience.bytes()).sum();
        let keys: usize = self.replacing.iter().map(|(_, key)| key.len()).sum();
        let lists = [
            size_of::<u32>() * self.ends.capacity(),
            size_of::<(u32, Audience)>() * self.addressed.capacity(),
            size_of::<(u32, SmolStr)>() * self.replacing.capacity(),
        ];
        let lists: usize = lists.into_iter().map(block).sum();
        // Behind a pointer with its counts, and so is the text.
        shared_text(size_of::<Self>()) + shared_text(0) + block(self.text.len()) + lists + audiences + keys
    }

    /// The audiences of the events that have one, by their `seq`.
    pub fn audiences(&self) -> impl Iterator<Item = (u64, &Audience)> {
        self.addressed.iter().map(|(index, audience)| (self.first_seq + u64::from(*index), audience))
    }
}

impl RoomEvents {
    fn audience(&self, index: u32) -> Option<&Audience> {
        let found = self.addressed.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(&self.addressed[found].1)
    }

    /// What is left without these events, whose `seq`s rise: runs without gaps.
    pub(super) fn without(&self, superseded: &[u64]) -> Vec<Self> {
        let mut left = Vec::new();
        let mut first = self.first_seq;
        let end = self.last_seq() + 1;
        for gap in superseded.iter().copied().filter(|seq| (self.first_seq..end).contains(seq)).chain([end]) {
            if first < gap {
                left.push(self.part(first..gap));
            }
            first = gap + 1;
        }
        left
    }

    /// A copy of these events, of which there is one at least, and which holds no more memory than they take.
    fn part(&self, seqs: Range<u64>) -> Self {
        let indexes = (seqs.start - self.first_seq) as u32..(seqs.end - self.first_seq) as u32;
        let start = if indexes.start == 0 { 0 } else { self.ends[indexes.start as usize - 1] + 1 };
        let ends = &self.ends[indexes.start as usize..indexes.end as usize];
        let end = ends.last().copied().unwrap_or(start);
        Self {
            room: self.room.clone(),
            epoch: self.epoch,
            first_seq: seqs.start,
            text: Bytes::copy_from_slice(&self.text[start as usize..end as usize]),
            ends: ends.iter().map(|end| end - start).collect(),
            addressed: within(&self.addressed, &indexes),
            replacing: within(&self.replacing, &indexes),
            removals: Vec::new(),
        }
    }
}

fn within<T: Clone>(entries: &[(u32, T)], indexes: &Range<u32>) -> Vec<(u32, T)> {
    let inside = entries.iter().filter(|(index, _)| indexes.contains(index));
    inside.map(|(index, entry)| (index - indexes.start, entry.clone())).collect()
}

/// The events of these runs whose place a newer one has taken, by their `seq`, which rises.
pub fn superseded(runs: &[Arc<RoomEvents>]) -> Vec<u64> {
    let mut newer: HashSet<(&SmolStr, Option<&Audience>)> = HashSet::new();
    let mut superseded = Vec::new();
    for run in runs.iter().rev() {
        for (index, key) in run.replacing.iter().rev() {
            if !newer.insert((key, run.audience(*index))) {
                superseded.push(run.first_seq + u64::from(*index));
            }
        }
    }
    superseded.reverse();
    superseded
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
            replacing: Vec::new(),
            removals: Vec::new(),
        };
        assert_eq!((events.count(), events.last_seq()), (3, 7));
        let texts: Vec<&[u8]> = (5..=7).map(|seq| events.event(seq)).collect();
        assert_eq!(texts, [&b"{5}"[..], b"{66}", b"{7}"]);
        assert!(events.audiences().eq([(6, &Audience::user("ann"))]));
    }

    fn run(first_seq: u64, events: &[(&str, Option<&str>, Option<&str>)]) -> Arc<RoomEvents> {
        let texts: Vec<&str> = events.iter().map(|(text, ..)| *text).collect();
        let ends = texts.iter().scan(0, |end, text| {
            let this = *end + text.len() as u32;
            *end = this + 1;
            Some(this)
        });
        let ends = ends.collect();
        let with_index = || (0u32..).zip(events);
        let addressed = with_index().filter_map(|(index, (_, to, _))| Some((index, Audience::user((*to)?))));
        let replacing = with_index().filter_map(|(index, (.., key))| Some((index, SmolStr::new((*key)?))));
        Arc::new(RoomEvents {
            room: RoomId::parse("r").unwrap(),
            epoch: 1,
            first_seq,
            text: Bytes::from(texts.join(",")),
            ends,
            addressed: addressed.collect(),
            replacing: replacing.collect(),
            removals: Vec::new(),
        })
    }

    #[test]
    fn a_newer_event_takes_the_place_of_an_older_one_for_the_same_users() {
        let older = run(5, &[("a", None, Some("x")), ("b", None, None), ("c", Some("ann"), Some("x"))]);
        let newer = run(8, &[("d", None, Some("y")), ("e", None, Some("x")), ("f", None, Some("x"))]);
        assert_eq!(superseded(&[older.clone(), newer]), [5, 9]);
        assert_eq!(superseded(&[older, run(8, &[("d", Some("ann"), Some("x"))])]), [7]);
    }

    #[test]
    fn what_is_left_keeps_its_numbers_audiences_and_keys() {
        let events =
            [("a", None, None), ("bb", Some("ann"), None), ("c", None, None), ("dd", None, Some("x"))];
        let run = run(5, &events);
        let parts = run.without(&[1, 5, 7, 9]);
        let shown = |part: &RoomEvents| {
            let texts =
                (part.first_seq..=part.last_seq()).map(|seq| String::from_utf8_lossy(part.event(seq)));
            (
                part.first_seq,
                texts.collect::<Vec<_>>().join("+"),
                part.addressed.len(),
                part.replacing.clone(),
            )
        };
        let expected = [(6, "bb".to_owned(), 1, vec![]), (8, "dd".to_owned(), 0, vec![(0, "x".into())])];
        assert_eq!(parts.iter().map(shown).collect::<Vec<_>>(), expected);
        assert_eq!(shown(&run.without(&[])[0]), (5, "a+bb+c+dd".to_owned(), 1, vec![(3, "x".into())]));
        assert!(run.without(&[5, 6, 7, 8]).is_empty());
    }
}
