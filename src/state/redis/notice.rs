//! What nodes publish on a room's channel, and what the store keeps of it: as events. No sockets here. The prelude says how a
//! message looks.

use godra_engine::mend_utf8;
use smol_str::SmolStr;

use crate::state::event_text::{write_ready, write_seq};
use crate::state::{Audience, Removal, RoomEvents, Users};
use crate::wire::ids::RoomId;

/// Something published on a room's channel.
#[derive(Debug)]
pub(super) enum Notice {
    Events(RoomEvents),
    /// The user has joined through another node, which replaces this membership.
    Replaced {
        user_id: Box<str>,
        /// As the store has it.
        membership: Box<str>,
    },
    /// What comes of the room waits until an entry of the outbox of documents is written.
    Waits {
        /// Of the data that the entry is in.
        tag: Box<str>,
        /// The entry's number.
        number: u64,
    },
}

/// Reads what was published on a room's channel: the node that did, and what; none if it is nothing of ours.
pub(super) fn read_notice<'a>(message: &'a [u8], room: &RoomId) -> Option<(&'a str, Notice)> {
    let (node, kind, rest) = read_head(message)?;
    if kind == "r" {
        let (user_id, membership) = rest.split_once(' ')?;
        return Some((node, Notice::Replaced { user_id: user_id.into(), membership: membership.into() }));
    }
    if kind == "w" {
        let (tag, number) = rest.split_once(' ')?;
        return Some((node, Notice::Waits { tag: tag.into(), number: number.parse().ok()? }));
    }
    let mut runs = read_runs(message, room)?;
    let events = runs.pop()?;
    runs.is_empty().then_some((node, Notice::Events(events)))
}

fn read_head(message: &[u8]) -> Option<(&str, &str, &str)> {
    let line = message.split(|byte| *byte == b'\n').next()?;
    let (node, rest) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    Some((node, kind, rest))
}

/// The runs of events of a message; one without events if it has none. Those of a room's history may have many.
pub(super) fn read_runs(message: &[u8], room: &RoomId) -> Option<Vec<RoomEvents>> {
    let (_, kind, rest) = read_head(message)?;
    let [epoch, first_seq, count] = <[&str; 3]>::try_from(rest.split(' ').collect::<Vec<_>>()).ok()?;
    let (epoch, first_seq, count) =
        (epoch.parse().ok()?, first_seq.parse().ok()?, count.parse::<u32>().ok()?);
    // A room's events are numbered from 1.
    let are_numbers = first_seq > 0 && u64::checked_add(first_seq, count.into()).is_some();
    if kind != "e" || !are_numbers || count as usize > message.len() {
        return None;
    }
    let mut reading = Reading {
        runs: Vec::new(),
        run: Run::new(first_seq, message.len() + 20 * count as usize),
        audiences: Vec::new(),
        place: (room, epoch),
    };
    let lines = message.split(|byte| *byte == b'\n').skip(1);
    let mut read = 0;
    for line in lines {
        match line.strip_prefix(b"@") {
            Some(mark) => reading.mark(mark)?,
            None => {
                reading.run.push(line)?;
                read += 1;
            }
        }
    }
    (read == count).then(|| reading.end()).flatten()
}

/// How far a message is read.
struct Reading<'a> {
    runs: Vec<RoomEvents>,
    run: Run,
    audiences: Vec<Audience>,
    place: (&'a RoomId, u64),
}

impl Reading<'_> {
    /// A line that is about the next event, or about somebody who is put out.
    fn mark(&mut self, mark: &[u8]) -> Option<()> {
        let (kind, rest) = mark.split_first()?;
        match kind {
            b'!' => self.run.removals.push(read_removal(rest)?),
            b'~' => self.run.key = Some(SmolStr::new(String::from_utf8_lossy(rest))),
            b'#' => self.jump(std::str::from_utf8(rest).ok()?.split(' ').next()?.parse().ok()?)?,
            _ => self.run.audience = Some(read_audience(*kind, rest, &mut self.audiences)?),
        }
        Some(())
    }

    /// The next event has this number.
    fn jump(&mut self, seq: u64) -> Option<()> {
        let next = self.run.first_seq.checked_add(self.run.ends.len() as u64)?;
        if seq < next || !self.run.is_between_events() {
            return None;
        }
        if seq > next {
            let run = std::mem::replace(&mut self.run, Run::new(seq, 0));
            if !run.ends.is_empty() {
                self.runs.push(run.into_events(self.place));
            }
        }
        Some(())
    }

    fn end(mut self) -> Option<Vec<RoomEvents>> {
        if !self.run.is_between_events() {
            return None;
        }
        self.runs.push(self.run.into_events(self.place));
        Some(self.runs)
    }
}

/// Whom a script has put out of the room, and why.
fn read_removal(line: &[u8]) -> Option<Removal> {
    let line = String::from_utf8_lossy(line);
    let (user_id, reason) = line.split_once('\t')?;
    Some(Removal { user_id: user_id.into(), reason: reason.into() })
}

/// An audience, or which of those read before it is.
fn read_audience(kind: u8, rest: &[u8], known: &mut Vec<Audience>) -> Option<Audience> {
    let rest = std::str::from_utf8(rest).ok();
    if kind == b'=' {
        let number: usize = rest?.parse().ok()?;
        return known.get(number.checked_sub(1)?).cloned();
    }
    // Nobody has an id that is not UTF-8.
    let users: Users = rest.unwrap_or_default().split('\t').map(SmolStr::new).collect();
    let audience = match kind {
        b'+' => Audience::Users(users),
        b'-' => Audience::AllBut(users),
        _ => return None,
    };
    known.push(audience.clone());
    Some(audience)
}

/// Events one after another, and what is known of the next one.
struct Run {
    first_seq: u64,
    text: Vec<u8>,
    ends: Vec<u32>,
    addressed: Vec<(u32, Audience)>,
    replacing: Vec<(u32, SmolStr)>,
    removals: Vec<Removal>,
    audience: Option<Audience>,
    key: Option<SmolStr>,
}

impl Run {
    fn new(first_seq: u64, capacity: usize) -> Self {
        Self {
            first_seq,
            text: Vec::with_capacity(capacity),
            ends: Vec::new(),
            addressed: Vec::new(),
            replacing: Vec::new(),
            removals: Vec::new(),
            audience: None,
            key: None,
        }
    }

    /// Whether nothing is known of the next event.
    fn is_between_events(&self) -> bool {
        self.audience.is_none() && self.key.is_none()
    }

    fn push(&mut self, event: &[u8]) -> Option<()> {
        let index = self.ends.len() as u32;
        self.addressed.extend(self.audience.take().map(|audience| (index, audience)));
        self.replacing.extend(self.key.take().map(|key| (index, key)));
        if index > 0 {
            self.text.push(b',');
        }
        // There is a number behind each event's.
        let (seq, start) = (self.first_seq.checked_add(u64::from(index) + 1)? - 1, self.text.len());
        match event.strip_prefix(b"!") {
            // The store checked it less strictly than we: what we cannot read keeps its place in the sequence.
            Some(ready) => {
                let is_written = std::str::from_utf8(ready)
                    .is_ok_and(|ready| write_ready(ready, seq, &mut self.text).is_ok());
                if !is_written {
                    self.text.truncate(start);
                    let stand_in = format!(r#"{{"type":"malformed","payload":null,"seq":{seq}}}"#);
                    self.text.extend_from_slice(stand_in.as_bytes());
                }
            }
            None => {
                self.text.extend_from_slice(event);
                write_seq(seq, &mut self.text);
            }
        }
        mend_utf8(&mut self.text, start);
        self.ends.push(u32::try_from(self.text.len()).ok()?);
        Some(())
    }

    fn into_events(self, (room, epoch): (&RoomId, u64)) -> RoomEvents {
        let Self { first_seq, text, ends, addressed, replacing, removals, .. } = self;
        RoomEvents {
            room: room.clone(),
            epoch,
            first_seq,
            text: text.into(),
            ends,
            addressed,
            replacing,
            removals,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> RoomId {
        RoomId::parse("r").expect("a valid id")
    }

    fn events(message: &[u8]) -> (String, RoomEvents) {
        match read_notice(message, &room()) {
            Some((node, Notice::Events(events))) => (node.to_owned(), events),
            other => panic!("no events: {other:?}"),
        }
    }

    #[test]
    fn events_get_their_numbers_here() {
        let message = b"node1 e 77 5 4\n{\"type\":\"a\",\"payload\":1\n!{\"type\":\"b\",\"seq\":9}\n\
            @+ann\tbob\n{\"type\":\"c\"\n@~pos\n@=1\n{\"type\":\"d\"\n@!ann\tgo home";
        let (node, events) = events(message);
        assert_eq!((node.as_str(), events.epoch, events.first_seq), ("node1", 77, 5));
        let text = std::str::from_utf8(&events.text).expect("UTF-8");
        let (first, second) = text.split_at(events.ends[0] as usize);
        assert_eq!(first, r#"{"type":"a","payload":1,"seq":5}"#);
        assert!(
            second.starts_with(',') && second.contains(r#""type":"b","payload":null,"seq":6"#),
            "{second}"
        );
        assert_eq!(events.ends.len(), 4);
        assert_eq!(events.event(7), br#"{"type":"c","seq":7}"#);
        let team = Audience::Users(["ann", "bob"].into_iter().map(SmolStr::new).collect());
        assert_eq!(events.addressed, [(2, team.clone()), (3, team)]);
        assert_eq!(events.replacing, [(3, "pos".into())]);
        assert_eq!(events.removals, [Removal { user_id: "ann".into(), reason: "go home".into() }]);
    }

    #[test]
    fn a_history_skips_what_was_superseded() {
        let message =
            b"- e 7 3 4\n@#3 1\n{\"a\":1\n@#4 1\n@~k\n{\"b\":1\n@#9 1\n@+ann\n{\"c\":1\n@#12 1\n{\"d\":1";
        let runs = read_runs(message, &room()).expect("a history");
        let places: Vec<_> = runs.iter().map(|run| (run.first_seq, run.last_seq())).collect();
        assert_eq!(places, [(3, 4), (9, 9), (12, 12)]);
        assert_eq!(runs[0].replacing, [(1, "k".into())]);
        assert_eq!(runs[1].addressed, [(0, Audience::user("ann"))]);
        assert_eq!(runs[2].event(12), br#"{"d":1,"seq":12}"#);
        let later = b"- e 7 3 1\n@#8 1\n{\"a\":1";
        assert_eq!(read_runs(later, &room()).expect("a history")[0].first_seq, 8);
        let backwards = b"- e 7 3 2\n@#8 1\n{\"a\":1\n@#8 1\n{\"a\":1";
        assert!(read_runs(backwards, &room()).is_none());
        assert!(read_notice(message, &room()).is_none(), "what is published has no gaps");
    }

    #[test]
    fn a_ready_event_that_cannot_be_read_keeps_its_place() {
        let (_, events) = events(b"- e 1 1 2\n!nonsense\n{\"type\":\"a\",\"payload\":\"\xff\"");
        let text = std::str::from_utf8(&events.text).expect("UTF-8, whatever came");
        assert!(text.starts_with(r#"{"type":"malformed","payload":null,"seq":1},"#), "{text}");
        assert!(text.ends_with(r#","seq":2}"#), "{text}");
    }

    #[test]
    fn a_replaced_member() {
        let message = b"node2 r ann node1 7 player Ann of Cleves";
        match read_notice(message, &room()) {
            Some(("node2", Notice::Replaced { user_id, membership })) => {
                assert_eq!((&*user_id, &*membership), ("ann", "node1 7 player Ann of Cleves"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_room_that_waits() {
        match read_notice(b"node1 w 0123abcd 77", &room()) {
            Some(("node1", Notice::Waits { tag, number: 77 })) => assert_eq!(&*tag, "0123abcd"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_ours_is_nothing() {
        let foreign: [&[u8]; 18] = [
            b"node w tag",
            b"node w tag x",
            b"",
            b"hello",
            b"{\"type\":\"x\"}",
            b"node e 1 1",
            b"node e 1 1 1",
            b"node e x 1 0",
            b"node e 1 1 4000000000\n{}",
            b"node z 1 1 0",
            b"node e 1 18446744073709551615 1\n{}",
            b"node e 1 0 0",
            b"node e 1 1 0\nann",
            b"node e 1 1 1\n@#18446744073709551615 1\n{\"type\":\"x\"",
            b"node e 1 1 1\n@+ann",
            b"node e 1 1 0\n@~key",
            b"node e 1 1 1\n@=1\n{",
            b"node e 1 1 1\n@=0\n{",
        ];
        for message in foreign {
            assert!(read_notice(message, &room()).is_none(), "{}", String::from_utf8_lossy(message));
        }
    }
}
