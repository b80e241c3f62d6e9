//! What one flush of a room sends: one frame, encoded once and shared by every member.

use bytes::Bytes;

use crate::state::RoomEvents;
use crate::wire::message;

/// A room's gathered events, ready to go out.
#[derive(Debug)]
pub(crate) struct Flush {
    /// The first event's `seq`.
    pub first_seq: u64,
    /// The whole WebSocket frame with all of the events.
    pub frame: Bytes,
    /// Kept for members whose snapshot was taken in the middle of them.
    runs: Vec<RoomEvents>,
}

impl Flush {
    /// Encodes the frame. `runs` follow each other without gaps. Nothing is returned when they hold no event.
    pub(crate) fn new(mut runs: Vec<RoomEvents>) -> Option<Self> {
        runs.retain(|run| run.count() > 0);
        let first_seq = runs.first()?.first_seq;
        debug_assert!(runs.windows(2).all(|pair| pair[0].last_seq() + 1 == pair[1].first_seq));
        let frame = encode(&runs, 0)?;
        Some(Self { first_seq, frame, runs })
    }

    /// The last event's `seq`.
    #[cfg(test)]
    pub(crate) fn last_seq(&self) -> u64 {
        self.runs.last().map_or(0, RoomEvents::last_seq)
    }

    /// The frame for a member that knows everything up to `seq`; nothing if there is nothing new for it.
    pub(crate) fn frame_after(&self, seq: u64) -> Option<Bytes> {
        if seq < self.first_seq {
            return Some(self.frame.clone());
        }
        encode(&self.runs, seq)
    }
}

fn encode(runs: &[RoomEvents], seq: u64) -> Option<Bytes> {
    let parts: Vec<(&[u8], u64)> =
        runs.iter().map(|run| run.text_after(seq)).filter(|(_, count)| *count > 0).collect();
    let count: u64 = parts.iter().map(|(_, count)| count).sum();
    let texts: Vec<&[u8]> = parts.iter().map(|(text, _)| *text).collect();
    (count > 0).then(|| message::batch_frame(&texts, count as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ids::RoomId;
    use crate::wire::ws::text_frame;

    /// Events with these numbers; the text of event 7 is `{7}`.
    fn run(seqs: std::ops::RangeInclusive<u64>) -> RoomEvents {
        let first_seq = *seqs.start();
        let events: Vec<String> = seqs.map(|seq| format!("{{{seq}}}")).collect();
        let ends = events.iter().scan(0, |end, event| {
            let this = *end + event.len() as u32;
            *end = this + 1;
            Some(this)
        });
        let ends = ends.collect();
        let (room, text) = (RoomId::parse("r").unwrap(), events.join(",").into());
        RoomEvents { room, epoch: 1, first_seq, text, ends, direct: Vec::new() }
    }

    /// A run in which nothing is counted, before the event `seq`.
    fn direct_only(seq: u64) -> RoomEvents {
        let direct = vec![("1".into(), Bytes::from_static(b"{}"))];
        RoomEvents { text: Bytes::new(), ends: Vec::new(), direct, ..run(seq..=seq) }
    }

    fn batch(events: &str) -> Option<Bytes> {
        Some(text_frame(format!(r#"{{"type":"batch","events":[{events}]}}"#).as_bytes()))
    }

    #[track_caller]
    fn check(runs: Vec<RoomEvents>, seqs: (u64, u64), expected: Option<Bytes>) {
        let flush = Flush::new(runs).unwrap();
        assert_eq!((flush.first_seq, flush.last_seq()), seqs);
        assert_eq!(Some(flush.frame), expected);
    }

    #[test]
    fn runs_become_one_frame() {
        check(vec![run(5..=5)], (5, 5), Some(text_frame(b"{5}")));
        check(vec![run(9..=11)], (9, 11), batch("{9},{10},{11}"));
        check(vec![run(1..=1), run(2..=3), run(4..=4)], (1, 4), batch("{1},{2},{3},{4}"));
        check(vec![direct_only(1), run(1..=1), direct_only(2)], (1, 1), Some(text_frame(b"{1}")));
    }

    #[test]
    fn without_events_there_is_no_frame() {
        assert!(Flush::new(Vec::new()).is_none());
        assert!(Flush::new(vec![direct_only(1), direct_only(1)]).is_none());
    }

    #[test]
    fn a_member_gets_what_its_snapshot_does_not_hold() {
        let flush = Flush::new(vec![run(8..=9), run(10..=12)]).unwrap();
        let check = |seq: u64, expected: Option<Bytes>| assert_eq!(flush.frame_after(seq), expected, "{seq}");
        check(0, batch("{8},{9},{10},{11},{12}"));
        check(7, batch("{8},{9},{10},{11},{12}"));
        check(8, batch("{9},{10},{11},{12}"));
        check(9, batch("{10},{11},{12}"));
        check(10, batch("{11},{12}"));
        check(11, Some(text_frame(b"{12}")));
        check(12, None);
        check(1000, None);
    }

    #[test]
    fn members_share_the_frame() {
        let flush = Flush::new(vec![run(1..=2)]).unwrap();
        let shared = flush.frame_after(0).unwrap();
        assert_eq!(shared.as_ptr(), flush.frame.as_ptr(), "it is encoded once");
    }
}
