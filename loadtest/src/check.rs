//! Judges what a room's members receive: a welcome first, then every event of this room and of no other, in order,
//! and an answer to every input. No sockets and no clock here: bytes and `now` in, counts out.
//!
//! All members of a room get the same bytes. Whatever was judged once is remembered for a moment by content,
//! so that for the other members one comparison of memory does the same work.

use crate::plan::Group;
use crate::scan::{Event, scan};
use crate::traffic::{Answer, Deed, Writer};
use crate::window::{Violation, Window};
use std::collections::{HashMap, VecDeque};

/// One input that has not come back yet.
#[derive(Clone, Copy, Debug)]
struct Input {
    n: u32,
    deed: Deed,
    intended_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Before the welcome; a client that comes back may have said which `seq` it saw last.
    Arriving { since: Option<u64> },
    /// After it.
    Playing,
}

/// How an event's `seq` stands to the one expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Next,
    Gap,
    Old,
}

/// What one client must receive next.
#[derive(Debug)]
pub struct Expectations {
    stage: Stage,
    next_seq: u64,
    pending: VecDeque<Input>,
    /// Inputs that a later answer overtook.
    overtaken: u64,
    /// Inputs that need not be answered by an event: refused by an error, or inside a snapshot.
    excused: u64,
}

impl Expectations {
    /// Those of a client that connects now, having seen everything up to `since` before.
    pub fn new(since: Option<u64>) -> Self {
        Self {
            stage: Stage::Arriving { since },
            next_seq: 0,
            pending: VecDeque::new(),
            overtaken: 0,
            excused: 0,
        }
    }

    /// Whether the welcome has come.
    pub fn is_playing(&self) -> bool {
        self.stage == Stage::Playing
    }

    /// The last `seq` seen.
    pub fn last_seq(&self) -> Option<u64> {
        self.is_playing().then(|| self.next_seq.saturating_sub(1))
    }

    /// Notes an input that was due at `intended_ns`.
    pub fn sent(&mut self, n: u32, deed: Deed, intended_ns: u64) {
        self.pending.push_back(Input { n, deed, intended_ns });
    }

    /// Whether an answer is still missing.
    pub fn is_waiting(&self) -> bool {
        self.lost() > 0
    }

    /// Inputs for which nothing accounts.
    pub fn lost(&self) -> u64 {
        (self.pending.len() as u64 + self.overtaken).saturating_sub(self.excused)
    }

    fn answered(&mut self, answer: Answer, view: &mut View<'_>) {
        let matching = |input: &Input| view.writer.answers(answer, input.deed, input.n);
        let Some(at) = self.pending.iter().position(matching) else {
            let waiting = self.pending.len();
            view.violation(Violation::StrayAnswer, || format!("{answer:?} with {waiting} inputs unanswered"));
            return;
        };
        let input = self.pending.remove(at).expect("the position was just found");
        if at > 0 {
            let before = self.pending.len();
            let mut index = 0;
            self.pending.retain(|other| {
                index += 1;
                index > at || other.deed != input.deed
            });
            self.overtaken += (before - self.pending.len()) as u64;
        }
        let group = view.window.group_mut(view.group);
        group.answers += 1;
        group.latency.record_ns(view.now_ns.saturating_sub(input.intended_ns));
    }

    /// Moves on by one event.
    fn follow(&mut self, seq: u64, view: &mut View<'_>) -> Step {
        let expected = self.next_seq;
        if seq < expected {
            view.violation(Violation::Double, || format!("seq {seq} where {expected} was next"));
            return Step::Old;
        }
        self.next_seq = seq + 1;
        if seq > expected {
            view.violation(Violation::Gap, || format!("seq {seq} where {expected} was next"));
            return Step::Gap;
        }
        Step::Next
    }

    fn welcome(&mut self, event: &Event<'_>, view: &mut View<'_>) {
        let payload = &event.payload;
        let Stage::Arriving { since } = self.stage else {
            view.violation(Violation::WrongWelcome, || "a second one".into());
            return;
        };
        self.stage = Stage::Playing;
        let mut complain =
            |what: &str| view.window.violations.add(Violation::WrongWelcome, || view.name.describe(what));
        if payload.user_id.as_deref() != Some(view.name.user_id) {
            complain(&format!("for user {:?}", payload.user_id));
        } else if payload.game_id.as_deref() != Some(view.name.room_id) {
            complain(&format!("for room {:?}", payload.game_id));
        } else if payload.epoch.is_none() {
            complain("without an epoch");
        } else if payload.recovered && since.is_none() {
            complain("recovered, which was not asked for");
        }
        self.next_seq = match (payload.seq, since) {
            (_, Some(since)) if payload.recovered => since + 1,
            (Some(seq), _) => seq + 1,
            (None, _) => {
                view.violation(Violation::WrongWelcome, || "without a seq".into());
                1
            }
        };
        view.window.sync_interval_ms = payload.sync_interval_ms.or(view.window.sync_interval_ms);
        view.window.group_mut(view.group).recovered += u64::from(payload.recovered);
    }

    fn snapshot(&mut self, event: &Event<'_>, view: &mut View<'_>) {
        let Some(seq) = event.seq else {
            view.violation(Violation::NoSeq, || "a snapshot".into());
            return;
        };
        if seq + 1 < self.next_seq {
            let next = self.next_seq;
            view.violation(Violation::Double, || format!("a snapshot at {seq} where {next} was next"));
            return;
        }
        self.next_seq = seq + 1;
        self.excused += self.pending.len() as u64;
        view.window.group_mut(view.group).snapshots += 1;
    }

    fn refused(&mut self, event: &Event<'_>, view: &mut View<'_>) {
        self.excused += 1;
        let code = event.payload.code.as_deref().unwrap_or("without a code").to_owned();
        *view.window.group_mut(view.group).errors.entry(code).or_default() += 1;
    }
}

/// Who receives, for descriptions and for the welcome.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    /// The player.
    pub user_id: &'a str,
    /// The room.
    pub room_id: &'a str,
}

impl Name<'_> {
    /// What happened, and to whom.
    pub fn describe(&self, what: &str) -> String {
        format!("{} in room {}: {what}", self.user_id, self.room_id)
    }
}

/// Where and when one message was received, and where to count it.
pub struct View<'a> {
    /// Who receives it.
    pub name: Name<'a>,
    /// The receiver's group.
    pub group: Group,
    /// When it was received.
    pub now_ns: u64,
    /// Knows which event answers which input.
    pub writer: &'a Writer,
    /// Where it counts.
    pub window: &'a mut Window,
}

impl View<'_> {
    /// Counts a violation of this receiver.
    pub fn violation(&mut self, kind: Violation, describe: impl FnOnce() -> String) {
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
    /// Answers by member, in order for each.
    answers: Vec<(u32, Answer)>,
    first_ns: u64,
    last_ns: u64,
    receivers: u32,
}

/// A room as its members' judge sees it.
pub struct RoomCheck {
    members: HashMap<Box<str>, u32>,
    recent: VecDeque<JudgedFrame>,
    /// Memory of a frame that is forgotten, for the next one.
    spare: Option<JudgedFrame>,
    epoch: Option<Box<str>>,
}

impl RoomCheck {
    /// A room with these members, in the order of their indexes.
    pub fn new<'a>(members: impl Iterator<Item = &'a str>) -> Self {
        let members = members.zip(0..).map(|(user_id, index)| (user_id.into(), index)).collect();
        Self { members, recent: VecDeque::new(), spare: None, epoch: None }
    }

    /// The epoch that the last welcome named.
    pub fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }

    /// Judges one text message for one member.
    pub fn receive(&mut self, message: &[u8], member: u32, expected: &mut Expectations, view: &mut View<'_>) {
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
    pub fn flush(&mut self, window: &mut Window) {
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
        let known =
            self.recent.iter_mut().rev().find(|frame| frame.first_seq == next && frame.bytes == message);
        let Some(frame) = known else { return false };
        expected.next_seq = frame.last_seq + 1;
        view.window.group_mut(view.group).events += frame.last_seq - frame.first_seq + 1;
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
                self.epoch = event.payload.epoch.as_deref().map(Into::into);
                expected.welcome(event, view);
                return false;
            }
            "error" => {
                expected.refused(event, view);
                return false;
            }
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
            expected.snapshot(event, view);
            return false;
        }
        self.receive_room_event(event, member, expected, view, judged)
    }

    fn receive_room_event(
        &self,
        event: &Event<'_>,
        member: u32,
        expected: &mut Expectations,
        view: &mut View<'_>,
        judged: &mut JudgedFrame,
    ) -> bool {
        let Some(seq) = event.seq else {
            // An event for one player alone has no place in the room's order, but the stock events are all the room's.
            if matches!(&*event.kind, "player_moved" | "player_joined" | "player_left" | "state" | "chat") {
                view.violation(Violation::NoSeq, || event.kind.to_string());
            }
            return false;
        };
        let step = expected.follow(seq, view);
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
        self.last_seq = 0;
    }

    fn add(&mut self, seq: u64, answer: Option<(u32, Answer)>) {
        if self.last_seq == 0 {
            self.first_seq = seq;
        }
        self.last_seq = seq;
        self.answers.extend(answer);
    }
}

fn count_spread(frame: &JudgedFrame, window: &mut Window) {
    if frame.receivers > 1 {
        window.spread.record_ns(frame.last_ns - frame.first_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::Traffic;

    /// Two members of one room and their judge.
    struct Table {
        room: RoomCheck,
        writer: Writer,
        window: Window,
        clients: Vec<Expectations>,
        now_ns: u64,
    }

    const USERS: [&str; 2] = ["guest:a", "guest:b"];

    impl Table {
        fn new() -> Self {
            let traffic =
                Traffic { action: "set".into(), payload: None, padding_bytes: 0, origin: (0.0, 0.0) };
            Self {
                room: RoomCheck::new(USERS.into_iter()),
                writer: Writer::new(&traffic),
                window: Window::default(),
                clients: USERS.iter().map(|_| Expectations::new(None)).collect(),
                now_ns: 0,
            }
        }

        fn welcomed() -> Self {
            let mut table = Self::new();
            table.receive(0, &welcome("guest:a", "room", 10));
            table.receive(1, &welcome("guest:b", "room", 10));
            table.clear();
            table
        }

        fn clear(&mut self) {
            assert_eq!(self.violations(), []);
            self.window = Window::default();
        }

        fn receive(&mut self, member: usize, message: &str) {
            let name = Name { user_id: USERS[member], room_id: "room" };
            let (window, writer) = (&mut self.window, &self.writer);
            let mut view = View { name, group: Group::Players, now_ns: self.now_ns, writer, window };
            self.room.receive(message.as_bytes(), member as u32, &mut self.clients[member], &mut view);
        }

        fn both(&mut self, message: &str) {
            self.receive(0, message);
            self.receive(1, message);
        }

        fn violations(&self) -> Vec<(Violation, u64)> {
            self.window.violations.counts.iter().map(|(kind, count)| (*kind, *count)).collect()
        }

        fn events(&self) -> u64 {
            self.window.group(Group::Players).events
        }
    }

    fn welcome(user_id: &str, room: &str, seq: u64) -> String {
        format!(
            r#"{{"type":"welcome","payload":{{"user_id":"{user_id}","game_id":"{room}","epoch":"e","seq":{seq},"recovered":false,"sync_interval_ms":50}}}}"#
        )
    }

    fn state(user_id: &str, n: u32, seq: u64) -> String {
        format!(r#"{{"type":"state","payload":{{"user_id":"{user_id}","payload":{{"n":{n}}}}},"seq":{seq}}}"#)
    }

    fn batch(events: &[String]) -> String {
        format!(r#"{{"type":"batch","events":[{}]}}"#, events.join(","))
    }

    #[test]
    fn events_in_order_are_good_for_everyone_and_judged_once() {
        let mut table = Table::welcomed();
        table.clients[1].sent(1, Deed::Act, 1_000_000);
        table.now_ns = 3_000_000;
        table.both(&batch(&[state("guest:b", 1, 11), r#"{"type":"tick","payload":{},"seq":12}"#.into()]));
        table.both(&state("guest:x", 0, 13).replace("guest:x", "guest:a").replace("state", "player_left"));
        assert_eq!((table.violations(), table.events()), (vec![], 6));
        let latency = table.window.group(Group::Players).latency.summary().unwrap();
        assert_eq!((latency.count, latency.p50_ms.round()), (1, 2.0));
        assert_eq!(table.room.recent.iter().map(|frame| frame.receivers).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(table.clients[1].lost(), 0);
    }

    #[test]
    fn faults_are_named() {
        let check = |messages: &[String], expected: &[(Violation, u64)]| {
            let mut table = Table::welcomed();
            messages.iter().for_each(|message| table.both(message));
            assert_eq!(table.violations(), expected, "{messages:?}");
        };
        let tick = |seq: u64| format!(r#"{{"type":"tick","payload":{{}},"seq":{seq}}}"#);
        check(&[tick(11), tick(12)], &[]);
        check(&[tick(12)], &[(Violation::Gap, 2)]);
        check(&[tick(11), tick(11)], &[(Violation::Double, 2)]);
        check(&[tick(12), tick(11)], &[(Violation::Gap, 2), (Violation::Double, 2)]);
        check(&[batch(&[tick(11), tick(13)])], &[(Violation::Gap, 2)]);
        check(&[batch(&[tick(11), tick(11)])], &[(Violation::Double, 2)]);
        check(&[state("guest:x", 1, 11)], &[(Violation::Foreign, 2)]);
        check(&[state("guest:a", 1, 11)], &[(Violation::StrayAnswer, 1)]);
        check(&[r#"{"type":"chat","payload":{}}"#.into()], &[(Violation::NoSeq, 2)]);
        check(&["[]".into()], &[(Violation::Malformed, 2)]);
        check(&[r#"{"type":"reply","id":3,"result":1}"#.into()], &[(Violation::StrayAnswer, 2)]);
        check(&[r#"{"type":"snapshot","payload":{},"seq":40}"#.into(), tick(41)], &[]);
        check(&[r#"{"type":"snapshot","payload":{},"seq":8}"#.into()], &[(Violation::Double, 2)]);
        check(&[welcome("guest:a", "room", 10)], &[(Violation::WrongWelcome, 2)]);
    }

    #[test]
    fn a_welcome_comes_first_and_is_for_the_receiver() {
        let check = |message: &str, expected: &[(Violation, u64)]| {
            let mut table = Table::new();
            table.receive(0, message);
            assert_eq!(table.violations(), expected, "{message}");
        };
        check(&welcome("guest:a", "room", 0), &[]);
        check(&welcome("guest:b", "room", 0), &[(Violation::WrongWelcome, 1)]);
        check(&welcome("guest:a", "other", 0), &[(Violation::WrongWelcome, 1)]);
        check(&welcome("guest:a", "room", 0).replace(r#""seq":0,"#, ""), &[(Violation::WrongWelcome, 1)]);
        check(&welcome("guest:a", "room", 0).replace("epoch", "other"), &[(Violation::WrongWelcome, 1)]);
        check(&welcome("guest:a", "room", 0).replace("false", "true"), &[(Violation::WrongWelcome, 1)]);
        check(&state("guest:b", 1, 5), &[(Violation::NoWelcome, 1)]);
    }

    #[test]
    fn who_comes_back_goes_on_where_it_was() {
        let mut table = Table::new();
        table.clients[0] = Expectations::new(Some(7));
        table.receive(0, &welcome("guest:a", "room", 9).replace("false", "true"));
        table.receive(0, &state("guest:b", 1, 8));
        table.receive(0, &state("guest:b", 2, 9));
        assert_eq!(table.violations(), []);
    }

    #[test]
    fn a_frame_known_from_another_member_does_not_hide_a_fault() {
        let mut table = Table::welcomed();
        let (first, second) = (state("guest:a", 1, 11), state("guest:a", 2, 12));
        table.clients[0].sent(1, Deed::Act, 0);
        table.clients[0].sent(2, Deed::Act, 0);
        table.receive(0, &first);
        table.receive(0, &second);
        table.receive(1, &second);
        table.receive(1, &first);
        assert_eq!(table.violations(), [(Violation::Gap, 1), (Violation::Double, 1)]);
    }

    #[test]
    fn an_input_is_lost_unless_an_event_an_error_or_a_snapshot_accounts_for_it() {
        let check = |messages: &[String], lost: u64| {
            let mut table = Table::welcomed();
            (1..=3).for_each(|n| table.clients[0].sent(n, Deed::Act, 0));
            messages.iter().for_each(|message| table.receive(0, message));
            assert_eq!((table.clients[0].lost(), table.violations()), (lost, vec![]), "{messages:?}");
        };
        let error = || r#"{"type":"error","payload":{"code":"busy","message":"…"}}"#.to_owned();
        check(&[], 3);
        check(&[state("guest:a", 1, 11), state("guest:a", 2, 12), state("guest:a", 3, 13)], 0);
        check(&[state("guest:a", 1, 11), state("guest:a", 3, 12)], 1);
        check(&[state("guest:a", 1, 11), error(), state("guest:a", 3, 12)], 0);
        check(&[state("guest:a", 1, 11), state("guest:a", 3, 12), error()], 0);
        check(&[error(), error(), error()], 0);
        check(&[r#"{"type":"snapshot","payload":{},"seq":30}"#.into()], 0);
    }
}
