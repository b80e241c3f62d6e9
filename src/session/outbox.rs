//! What a connection still has to send. Frames that many members share are kept by reference, never copied.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

/// A connection's unsent bytes. Empty, it costs a pointer and no more.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: Option<Box<Queue>>,
}

/// What may happen to an entry when the peer reads too slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A room's events, from this `seq` on: a snapshot replaces them, or they come again.
    Events(u64),
    /// A ping: it goes with the events.
    Ping,
    /// The room's whole state, in a welcome or a snapshot. However large, it is not held against its reader: there is
    /// one at a time.
    State,
    /// A page's body: not held against its reader either, and in memory anyway.
    Page,
    /// Anything else: it is sent or the connection ends.
    Kept,
}

impl Kind {
    /// Whether its bytes count towards the bounds of a reader that is too slow.
    fn is_counted(self) -> bool {
        !matches!(self, Self::State | Self::Page)
    }

    fn is_events(self) -> bool {
        matches!(self, Self::Events(_))
    }
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<(Bytes, Kind)>,
    /// How much of the first entry has been sent.
    sent_of_first: usize,
    /// So much behind that cannot be taken back, see [`Outbox::commit`].
    committed: usize,
    /// Bytes of all entries less `sent_of_first`.
    unsent: usize,
    /// Bytes of the entries that are not [`Kind::is_counted`], sent or not.
    uncounted: usize,
    /// How many entries are [`Kind::Page`].
    pages: usize,
    /// How many entries are [`Kind::Events`].
    events: usize,
}

impl Outbox {
    /// Whether everything has been sent.
    pub fn is_empty(&self) -> bool {
        self.queue.is_none()
    }

    /// Bytes not sent yet.
    pub fn unsent_bytes(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.unsent)
    }

    /// Memory that is held for what is not sent, as if nobody shared it; but for pages of which `is_kept` says that they are in
    /// memory anyway.
    pub fn held_bytes(&self, is_kept: impl Fn(&Bytes) -> bool) -> usize {
        /// What an entry takes besides its bytes, which may be few.
        const ENTRY_BYTES: usize = 64;
        self.queue.as_ref().map_or(0, |queue| {
            let kept = if queue.pages == 0 { 0 } else { queue.unsent_of_pages(is_kept) };
            queue.unsent - kept + ENTRY_BYTES * queue.entries.len()
        })
    }

    /// Bytes not sent yet that count towards the bounds: all but the room's state and pages.
    pub fn counted_bytes(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.unsent.saturating_sub(queue.uncounted))
    }

    /// Whether events are among what is not sent yet.
    pub fn has_events(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.events > 0)
    }

    /// Queues bytes behind all that wait; `kind` says whether they count towards the bounds.
    pub fn push(&mut self, bytes: Bytes, kind: Kind) {
        self.push_rest(bytes, kind, 0);
    }

    /// Queues bytes of which the first `sent` have been sent already. The outbox must be empty if `sent` is not 0.
    pub fn push_rest(&mut self, bytes: Bytes, kind: Kind, sent: usize) {
        if sent >= bytes.len() {
            return;
        }
        let queue = self.queue.get_or_insert_default();
        if sent > 0 {
            assert!(queue.entries.is_empty(), "only the first entry can be partly sent");
            queue.sent_of_first = sent;
        }
        queue.unsent += bytes.len() - sent;
        if !kind.is_counted() {
            queue.uncounted += bytes.len();
        }
        queue.pages += usize::from(kind == Kind::Page);
        queue.events += usize::from(kind.is_events());
        queue.entries.push_back((bytes, kind));
    }

    /// Fills `slices` with what comes next; returns how many it filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let Some(queue) = &self.queue else { return 0 };
        let mut filled = 0;
        for (slot, (bytes, _)) in slices.iter_mut().zip(&queue.entries) {
            let start = if filled == 0 { queue.sent_of_first } else { 0 };
            *slot = IoSlice::new(&bytes[start..]);
            filled += 1;
        }
        filled
    }

    /// The next `count` bytes that were not committed yet are on their way: encrypted for the peer, they come in this order and
    /// whole, and [`Outbox::advance`] follows when they are sent.
    pub fn commit(&mut self, count: usize) {
        let Some(queue) = &mut self.queue else { return };
        queue.committed += count;
        debug_assert!(queue.committed <= queue.unsent);
    }

    /// Bytes that are committed and not sent yet.
    pub fn committed_bytes(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.committed)
    }

    /// Notes that `count` bytes were sent; gives memory back when nothing is left.
    pub fn advance(&mut self, mut count: usize) {
        let Some(queue) = &mut self.queue else { return };
        debug_assert!(count <= queue.unsent);
        queue.unsent -= count;
        queue.committed = queue.committed.saturating_sub(count);
        while let Some((first, kind)) = queue.entries.front() {
            let left = first.len() - queue.sent_of_first;
            if count < left {
                queue.sent_of_first += count;
                return;
            }
            count -= left;
            queue.sent_of_first = 0;
            if !kind.is_counted() {
                queue.uncounted -= first.len();
            }
            queue.pages -= usize::from(*kind == Kind::Page);
            queue.events -= usize::from(kind.is_events());
            queue.entries.pop_front();
        }
        self.queue = None;
    }

    /// Drops the events that have not begun to be sent; returns the first one's `seq`, if there are any.
    pub fn drop_events(&mut self) -> Option<u64> {
        let mut first = None;
        self.retain(|kind| {
            if let Kind::Events(seq) = kind {
                first.get_or_insert(seq);
            }
            !kind.is_events() && kind != Kind::Ping
        });
        first
    }

    /// Drops everything but what has begun to be sent (a frame cut in the middle would break the framing).
    pub fn drop_unbegun(&mut self) {
        self.retain(|_| false);
    }

    fn retain(&mut self, mut keep: impl FnMut(Kind) -> bool) {
        let Some(queue) = &mut self.queue else { return };
        // Entries that begin within so many bytes have begun.
        let begun = queue.sent_of_first + queue.committed;
        let mut start = 0;
        queue.entries.retain(|(bytes, kind)| {
            let is_begun = start < begun;
            start += bytes.len();
            is_begun || keep(*kind)
        });
        queue.unsent =
            queue.entries.iter().map(|(bytes, _)| bytes.len()).sum::<usize>() - queue.sent_of_first;
        queue.uncounted =
            queue.entries.iter().filter(|(_, kind)| !kind.is_counted()).map(|(bytes, _)| bytes.len()).sum();
        queue.pages = queue.entries.iter().filter(|(_, kind)| *kind == Kind::Page).count();
        queue.events = queue.entries.iter().filter(|(_, kind)| kind.is_events()).count();
        if queue.entries.is_empty() {
            self.queue = None;
        }
    }
}

impl Queue {
    /// Bytes that are still to be sent of such pages.
    fn unsent_of_pages(&self, is_kept: impl Fn(&Bytes) -> bool) -> usize {
        let unsent = |(index, (bytes, kind)): (usize, &(Bytes, Kind))| {
            let sent = if index == 0 { self.sent_of_first } else { 0 };
            if *kind == Kind::Page && is_kept(bytes) { bytes.len() - sent } else { 0 }
        };
        self.entries.iter().enumerate().map(unsent).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(outbox: &Outbox) -> String {
        let mut slices = [IoSlice::new(&[]); 8];
        let filled = outbox.slices(&mut slices);
        slices[..filled]
            .iter()
            .map(|slice| String::from_utf8_lossy(slice).into_owned())
            .collect::<Vec<_>>()
            .join("|")
    }

    fn filled() -> Outbox {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"abc"), Kind::Events(5));
        outbox.push(Bytes::from_static(b"de"), Kind::Kept);
        outbox.push(Bytes::from_static(b"fgh"), Kind::Events(8));
        outbox
    }

    #[test]
    fn sends_in_order_across_entries() {
        let mut outbox = filled();
        assert_eq!((rest(&outbox).as_str(), outbox.unsent_bytes()), ("abc|de|fgh", 8));
        outbox.advance(1);
        assert_eq!((rest(&outbox).as_str(), outbox.unsent_bytes()), ("bc|de|fgh", 7));
        outbox.advance(4);
        assert_eq!((rest(&outbox).as_str(), outbox.unsent_bytes()), ("fgh", 3));
        outbox.advance(3);
        assert!(outbox.is_empty());
    }

    #[test]
    fn events_go_unless_they_have_begun() {
        let mut outbox = filled();
        assert_eq!(outbox.drop_events(), Some(5));
        assert_eq!((rest(&outbox).as_str(), outbox.unsent_bytes()), ("de", 2));
        assert_eq!(outbox.drop_events(), None);
        let mut outbox = filled();
        outbox.advance(1);
        assert_eq!(outbox.drop_events(), Some(8));
        assert_eq!((rest(&outbox).as_str(), outbox.unsent_bytes()), ("bc|de", 4));
        outbox.drop_unbegun();
        assert_eq!(rest(&outbox), "bc");
        let mut outbox = filled();
        outbox.drop_unbegun();
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_is_committed_is_not_taken_back() {
        let mut outbox = filled();
        outbox.commit(4);
        assert_eq!(outbox.drop_events(), Some(8), "the first entry and part of the second are on their way");
        assert_eq!(
            (rest(&outbox).as_str(), outbox.unsent_bytes(), outbox.committed_bytes()),
            ("abc|de", 5, 4)
        );
        outbox.advance(4);
        assert_eq!((rest(&outbox).as_str(), outbox.committed_bytes()), ("e", 0));
        let mut outbox = filled();
        outbox.advance(1);
        outbox.commit(2);
        outbox.drop_unbegun();
        assert_eq!(rest(&outbox), "bc", "the second entry has not begun");
    }

    #[test]
    fn a_rooms_state_does_not_count_towards_the_bounds() {
        let mut outbox = filled();
        outbox.push(Bytes::from_static(b"a large state"), Kind::State);
        assert_eq!((outbox.counted_bytes(), outbox.unsent_bytes()), (8, 21));
        assert_eq!(outbox.drop_events(), Some(5));
        assert_eq!((rest(&outbox).as_str(), outbox.counted_bytes()), ("de|a large state", 2));
        outbox.advance(2);
        assert_eq!(outbox.counted_bytes(), 0);
        outbox.push(Bytes::from_static(b"ijk"), Kind::Kept);
        outbox.advance(13);
        assert_eq!((rest(&outbox).as_str(), outbox.counted_bytes()), ("ijk", 3));
    }

    #[test]
    fn a_rest_begins_in_the_middle() {
        let mut outbox = Outbox::default();
        outbox.push_rest(Bytes::from_static(b"abc"), Kind::Events(1), 3);
        assert!(outbox.is_empty(), "nothing is left to send");
        outbox.push_rest(Bytes::from_static(b"abc"), Kind::Events(1), 2);
        assert_eq!((rest(&outbox).as_str(), outbox.unsent_bytes()), ("c", 1));
    }

    #[test]
    fn it_knows_whether_events_wait() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"answer"), Kind::Kept);
        assert!(!outbox.has_events());
        outbox.push(Bytes::from_static(b"event"), Kind::Events(1));
        outbox.push(Bytes::from_static(b"answer"), Kind::Kept);
        outbox.advance(10);
        assert!(outbox.has_events(), "it has not been sent whole");
        outbox.advance(1);
        assert!(!outbox.has_events() && !outbox.is_empty());
        outbox.push(Bytes::from_static(b"event"), Kind::Events(1));
        outbox.drop_events();
        assert!(!outbox.has_events());
    }

    /// Whoever is being sent a page holds nothing of it, unless it has been replaced: then nobody else may hold it.
    #[test]
    fn pages_are_held_by_those_alone_who_get_an_old_one() {
        let (page, old) = (Bytes::from(vec![b'n'; 1000]), Bytes::from(vec![b'o'; 5000]));
        let held = |outbox: &Outbox| outbox.held_bytes(|body| body.as_ptr() == page.as_ptr());
        let mut outbox = Outbox::default();
        outbox.push(page.clone(), Kind::Page);
        let of_an_entry = held(&outbox);
        assert!(of_an_entry > 0 && of_an_entry <= 64, "{of_an_entry}");
        outbox.advance(400);
        assert_eq!((held(&outbox), outbox.unsent_bytes(), outbox.counted_bytes()), (of_an_entry, 600, 0));
        outbox.push(old, Kind::Page);
        outbox.push(Bytes::from_static(b"answer"), Kind::Kept);
        assert_eq!(held(&outbox), 3 * of_an_entry + 5006);
        outbox.advance(600 + 4000);
        assert_eq!((held(&outbox), outbox.counted_bytes()), (2 * of_an_entry + 1006, 0));
        outbox.drop_unbegun();
        assert_eq!(held(&outbox), of_an_entry + 1000);
        outbox.advance(1000);
        assert_eq!((held(&outbox), outbox.is_empty()), (0, true));
    }
}
