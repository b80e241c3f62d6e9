//! Judges what a room's members receive: a welcome first, then every event of this room and of no other, in order,
//! and an answer to every input. No sockets and no clock here: bytes and `now` in, counts out.
//!
//! All members of a room get the same bytes. Whatever was judged once is remembered for a moment by content,
//! so that for the other members one comparison of memory does the same work.

mod expectations;
mod heartbeat;
mod numbered;
#[cfg(test)]
mod tests;

use crate::measure::group::Group;
use crate::measure::window::{Violation, Window};
use crate::messages::scan::{Event, scan};
use crate::messages::traffic::{Answer, Writer};
use expectations::{EpochIndex, Stage, Step};
pub(crate) use expectations::{Expectations, Position};
pub(crate) use numbered::Numbered;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Who receives, for descriptions and for the welcome.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a> {
    pub user_id: &'a str,
    pub room_id: &'a str,
}

impl Name<'_> {
    /// What happened, and to whom.
    pub(crate) fn describe(&self, what: &str) -> String {
        format!("{} in room {}: {what}", self.user_id, self.room_id)
    }
}

/// Where and when one message was received, and where to count it.
pub(crate) struct View<'a> {
    pub name: Name<'a>,
    pub group: Group,
    /// When it was received.
    pub now_ns: u64,
    /// Whether some events are for others alone, so that numbers need only rise.
    pub may_jump: bool,
    /// Knows which event answers which input.
    pub writer: &'a Writer,
    pub window: &'a mut Window,
}

impl View<'_> {
    /// Counts a violation of this receiver.
    pub(crate) fn violation(&mut self, kind: Violation, describe: impl FnOnce() -> String) {
        let name = self.name;
        self.window.violations.add(kind, || name.describe(&describe()));
    }
}

/// How many judged frames a room remembers. Members differ by a frame or two, more only when the tester is late.
const REMEMBERED_FRAMES: usize = 16;

/// A frame that was judged and found good, with what it means to each member.
#[derive(Default)]
struct JudgedFrame {
    bytes: Vec<u8>,
    first_seq: u64,
    last_seq: u64,
    events: u64,
    /// Answers by member, in order for each.
    answers: Vec<(u32, Answer)>,
    first_ns: u64,
    last_ns: u64,
    receivers: u32,
}

/// A room as its members' judge sees it.
pub(crate) struct RoomCheck {
    members: HashMap<Box<str>, u32>,
    recent: VecDeque<JudgedFrame>,
    /// Memory of a frame that is forgotten, for the next one.
    spare: Option<JudgedFrame>,
    /// All that members were told of, in the order in which they were.
    epochs: Vec<Box<str>>,
    /// How far the first of the members has come.
    highest: Option<Position>,
    /// What each event said, where it is compared: several members read a room through several servers.
    contents: Option<HashMap<(EpochIndex, u64), u64>>,
}

impl RoomCheck {
    /// A room with these members, in the order of their indexes.
    pub(crate) fn new<'a>(members: impl Iterator<Item = &'a str>) -> Self {
        let members = members.zip(0..).map(|(user_id, index)| (user_id.into(), index)).collect();
        Self {
            members,
            recent: VecDeque::new(),
            spare: None,
            epochs: Vec::new(),
            highest: None,
            contents: None,
        }
    }

    /// Holds what each member gets against what the others got under the same `seq`, however long ago.
    pub(crate) fn comparing(mut self) -> Self {
        self.contents = Some(HashMap::new());
        self
    }

    /// The text of an epoch that a member was told.
    pub(crate) fn epoch(&self, index: EpochIndex) -> &str {
        &self.epochs[index as usize]
    }

    /// The place of an epoch in the list, where it is put if it is new.
    fn index(&mut self, epoch: &str) -> EpochIndex {
        let known = self.epochs.iter().position(|known| **known == *epoch);
        let index = known.unwrap_or_else(|| {
            self.epochs.push(epoch.into());
            self.epochs.len() - 1
        });
        index as EpochIndex
    }

    /// The epoch of whoever has come farthest.
    pub(crate) fn latest_epoch(&self) -> Option<EpochIndex> {
        self.highest.map(|highest| highest.epoch)
    }

    /// A member has come this far.
    fn reached(&mut self, position: Option<Position>) {
        let rank = |position: Position| (position.epoch, position.seq);
        if position.map(rank) > self.highest.map(rank) {
            self.highest = position;
        }
    }

    /// Judges one text message for one member.
    pub(crate) fn receive(
        &mut self,
        message: &[u8],
        member: u32,
        expected: &mut Expectations,
        view: &mut View<'_>,
    ) {
        view.window.group_mut(view.group).frames += 1;
        if expected.is_playing() && self.receive_known(message, member, expected, view) {
            return;
        }
        let mut judged = self.spare.take().unwrap_or_default();
        judged.clear();
        let mut shared = true;
        let mut events = 0;
        let scanned = scan(message, |event| {
            events += 1;
            shared &= self.receive_event(&event, member, expected, view, &mut judged);
        });
        self.reached(expected.position());
        view.window.group_mut(view.group).events += events;
        match scanned {
            Ok(()) if shared => self.remember(judged, message, view),
            Ok(()) => self.spare = Some(judged),
            Err(malformed) => view.violation(Violation::Malformed, || {
                let text = String::from_utf8_lossy(&message[..message.len().min(200)]);
                format!("{} at byte {} of {text}", malformed.reason, malformed.at)
            }),
        }
    }

    /// Counts the time between the first and the last receiver of all frames still remembered.
    pub(crate) fn flush(&mut self, window: &mut Window) {
        for frame in self.recent.drain(..) {
            count_spread(&frame, window);
        }
    }

    fn receive_known(
        &mut self,
        message: &[u8],
        member: u32,
        expected: &mut Expectations,
        view: &mut View<'_>,
    ) -> bool {
        let next = expected.next_seq;
        let follows = |first_seq: u64| first_seq == next || view.may_jump && first_seq > next;
        let known =
            self.recent.iter_mut().rev().find(|frame| follows(frame.first_seq) && frame.bytes == message);
        let Some(frame) = known else { return false };
        expected.advance(frame.last_seq, view);
        view.window.group_mut(view.group).events += frame.events;
        let first = frame.answers.partition_point(|(other, _)| *other < member);
        for (_, answer) in frame.answers[first..].iter().take_while(|(other, _)| *other == member) {
            expected.answered(*answer, view);
        }
        frame.last_ns = view.now_ns;
        frame.receivers += 1;
        true
    }

    /// Judges one event; true if it is good, and the same for every member of the room.
    fn receive_event(
        &mut self,
        event: &Event<'_>,
        member: u32,
        expected: &mut Expectations,
        view: &mut View<'_>,
        judged: &mut JudgedFrame,
    ) -> bool {
        match &*event.kind {
            "welcome" => {
                let epoch = event.payload.epoch.as_deref().map(|epoch| self.index(epoch));
                expected.welcome(event, epoch, self.highest, view);
                return false;
            }
            "error" => {
                expected.refused(event, view);
                return false;
            }
            "reply" if expected.replied(event, view) => return false,
            "reply" => {
                view.violation(Violation::StrayAnswer, || format!("reply {:?}", event.id));
                return false;
            }
            _ => {}
        }
        if !expected.is_playing() {
            view.violation(Violation::NoWelcome, || format!("{} came first", event.kind));
            expected.stage = Stage::Playing;
            expected.next_seq = event.seq.unwrap_or(1);
        }
        if event.kind == "snapshot" {
            let epoch = event.epoch.as_deref().map(|epoch| self.index(epoch));
            expected.snapshot(event, epoch, view);
            return false;
        }
        self.receive_room_event(event, member, expected, view, judged)
    }

    fn receive_room_event(
        &mut self,
        event: &Event<'_>,
        member: u32,
        expected: &mut Expectations,
        view: &mut View<'_>,
        judged: &mut JudgedFrame,
    ) -> bool {
        let Some(seq) = event.seq else {
            view.violation(Violation::NoSeq, || event.kind.to_string());
            return false;
        };
        let step = expected.follow(seq, view);
        self.compare(event, seq, expected, view);
        let Some(user_id) = &event.payload.user_id else {
            judged.add(seq, None);
            return step == Step::Next;
        };
        let Some(&author) = self.members.get(&**user_id) else {
            view.violation(Violation::Foreign, || format!("{} of {user_id} at seq {seq}", event.kind));
            return false;
        };
        let answer = Answer::of(event);
        judged.add(seq, answer.map(|answer| (author, answer)));
        if let (Some(answer), true) = (answer, author == member && step != Step::Old) {
            expected.answered(answer, view);
        }
        step == Step::Next
    }

    /// One `seq` is one event, whoever gets it, and by whatever way.
    fn compare(&mut self, event: &Event<'_>, seq: u64, expected: &Expectations, view: &mut View<'_>) {
        let Some((contents, position)) = self.contents.as_mut().zip(expected.position()) else { return };
        let mut hasher = DefaultHasher::new();
        (&event.kind, event.content).hash(&mut hasher);
        let content = hasher.finish();
        match contents.entry((position.epoch, seq)) {
            Entry::Vacant(entry) => drop(entry.insert(content)),
            Entry::Occupied(entry) if *entry.get() == content => {}
            Entry::Occupied(_) => view.violation(Violation::Differs, || {
                format!(
                    "{} {} at seq {seq}, where another member got something else",
                    event.kind, event.content
                )
            }),
        }
    }

    fn remember(&mut self, mut frame: JudgedFrame, message: &[u8], view: &mut View<'_>) {
        frame.bytes.extend_from_slice(message);
        frame.answers.sort_by_key(|(author, _)| *author);
        (frame.first_ns, frame.last_ns, frame.receivers) = (view.now_ns, view.now_ns, 1);
        self.recent.push_back(frame);
        if self.recent.len() > REMEMBERED_FRAMES {
            self.spare = self.recent.pop_front();
            self.spare.iter().for_each(|frame| count_spread(frame, view.window));
        }
    }
}

impl JudgedFrame {
    fn clear(&mut self) {
        self.bytes.clear();
        self.answers.clear();
        (self.last_seq, self.events) = (0, 0);
    }

    fn add(&mut self, seq: u64, answer: Option<(u32, Answer)>) {
        if self.last_seq == 0 {
            self.first_seq = seq;
        }
        self.last_seq = seq;
        self.events += 1;
        self.answers.extend(answer);
    }
}

fn count_spread(frame: &JudgedFrame, window: &mut Window) {
    if frame.receivers > 1 {
        window.spread.record_ns(frame.last_ns - frame.first_ns);
    }
}
