//! The judge at work on two members of one room.

use super::*;
use crate::messages::traffic::{Deed, Traffic};

/// Two members of one room and their judge.
struct Table {
    room: RoomCheck,
    writer: Writer,
    window: Window,
    clients: Vec<Expectations>,
    now_ns: u64,
    may_jump: bool,
}

const USERS: [&str; 2] = ["guest:a", "guest:b"];

impl Table {
    fn new() -> Self {
        let traffic = Traffic {
            action: "set".into(),
            payload: None,
            padding_bytes: 0,
            fail_every: 0,
            origin: (0.0, 0.0),
            document_action: None,
            document_bytes: 0,
        };
        Self {
            room: RoomCheck::new(USERS.into_iter()),
            writer: Writer::new(&traffic),
            window: Window::default(),
            clients: USERS.iter().map(|_| arriving(None)).collect(),
            now_ns: 0,
            may_jump: false,
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
        let may_jump = self.may_jump;
        let mut view = View { name, group: Group::Players, now_ns: self.now_ns, may_jump, writer, window };
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

fn arriving(since: Option<Position>) -> Expectations {
    let mut expected = Expectations::new();
    expected.arrive(since, 0);
    expected
}

fn welcome(user_id: &str, room: &str, seq: u64) -> String {
    format!(
        r#"{{"type":"welcome","payload":{{"user_id":"{user_id}","game_id":"{room}","epoch":"e","seq":{seq},"recovered":false,"sync_interval_ms":50}}}}"#
    )
}

fn snapshot(epoch: &str, seq: u64) -> String {
    format!(r#"{{"type":"snapshot","payload":{{}},"epoch":"{epoch}","seq":{seq}}}"#)
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
    check(&[snapshot("e", 40), tick(41)], &[]);
    check(&[snapshot("e", 8)], &[(Violation::Double, 2)]);
    check(&[snapshot("other", 8), tick(9)], &[]);
    check(&[snapshot("e", 12).replace("epoch", "no")], &[(Violation::NoSeq, 2)]);
    check(&[welcome("guest:a", "room", 10)], &[(Violation::WrongWelcome, 2)]);
}

#[test]
fn numbers_may_jump_where_events_are_for_some() {
    let mut table = Table::welcomed();
    table.may_jump = true;
    let tick = |seq: u64| format!(r#"{{"type":"tick","payload":{{}},"seq":{seq}}}"#);
    table.receive(0, &tick(11));
    table.both(&batch(&[tick(12), tick(14)]));
    table.receive(1, &tick(17));
    assert_eq!(table.violations(), []);
    assert_eq!(table.events(), 6, "a frame that both got counts what is in it");
    table.receive(0, &tick(14));
    assert_eq!(table.violations(), [(Violation::Double, 1)]);
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
    check(&welcome("guest:a", "room", 0).replace("false", "true"), &[(Violation::WrongReturn, 1)]);
    check(&state("guest:b", 1, 5), &[(Violation::NoWelcome, 1)]);
}

/// A table at which the first member has seen everything up to 20, and comes back; the second is up to 25.
fn returning() -> Table {
    let mut table = Table::welcomed();
    let tick = |seq: u64| format!(r#"{{"type":"tick","payload":{{}},"seq":{seq}}}"#);
    (11..=20).for_each(|seq| table.both(&tick(seq)));
    (21..=25).for_each(|seq| table.receive(1, &tick(seq)));
    table.clients[0].sent(7, Deed::Act, 0);
    table.clients[0].leave();
    let position = table.clients[0].position();
    assert_eq!(position, Some(Position { epoch: 0, seq: 20 }));
    table.clients[0].arrive(position, 1_000_000);
    table.now_ns = 3_000_000;
    table.clear();
    table
}

fn recovered(seq: u64) -> String {
    welcome("guest:a", "room", seq).replace("false", "true")
}

#[test]
fn who_comes_back_goes_on_where_it_was() {
    let mut table = returning();
    table.receive(0, &recovered(20));
    let ticks: Vec<String> =
        (21..=24).map(|seq| format!(r#"{{"type":"tick","payload":{{}},"seq":{seq}}}"#)).collect();
    table.receive(0, &batch(&ticks));
    assert_eq!((table.clients[0].missing_seq(), table.clients[0].is_waiting()), (Some(25), true));
    table.receive(0, &state("guest:a", 7, 25));
    table.receive(0, &state("guest:b", 2, 26));
    assert_eq!((table.violations(), table.clients[0].is_waiting()), (vec![], false));
    let counts = table.window.group(Group::Players);
    assert_eq!((counts.recovered, counts.whole, counts.caught_up.summary().unwrap().count), (1, 0, 1));
    table.receive(0, &state("guest:a", 7, 27));
    assert_eq!(table.violations(), [(Violation::StrayAnswer, 1)], "it ran once");
}

#[test]
fn who_gets_the_whole_state_goes_on_there() {
    for epoch in ["e", "other"] {
        let mut table = returning();
        let seq = if epoch == "e" { 25 } else { 3 };
        table.receive(0, &welcome("guest:a", "room", seq).replace(r#""e""#, &format!("{epoch:?}")));
        table.receive(0, &state("guest:b", 1, seq + 1));
        assert_eq!((table.violations(), table.clients[0].missing_seq()), (vec![], None), "{epoch}");
        assert_eq!(table.window.group(Group::Players).whole, 1);
    }
}

#[test]
fn faults_of_a_return_are_named() {
    let check = |messages: &[String], expected: &[(Violation, u64)]| {
        let mut table = returning();
        messages.iter().for_each(|message| table.receive(0, message));
        assert_eq!(table.violations(), expected, "{messages:?}");
    };
    let tick = |seq: u64| format!(r#"{{"type":"tick","payload":{{}},"seq":{seq}}}"#);
    check(&[recovered(20), tick(21), tick(22)], &[]);
    check(&[recovered(20), tick(22)], &[(Violation::Gap, 1)]);
    check(&[recovered(20), batch(&[tick(21), tick(23)])], &[(Violation::Gap, 1)]);
    check(&[recovered(20), tick(21), tick(21)], &[(Violation::Double, 1)]);
    check(&[recovered(20), tick(20)], &[(Violation::Double, 1)]);
    check(&[recovered(22)], &[(Violation::WrongReturn, 1)]);
    check(&[recovered(19)], &[(Violation::WrongReturn, 1)]);
    check(&[recovered(20).replace(r#""e""#, r#""other""#)], &[(Violation::WrongReturn, 1)]);
    check(&[recovered(20).replace(r#""seq""#, r#""state":{},"seq""#)], &[(Violation::WrongReturn, 1)]);
    check(&[recovered(20).replace(r#""seq""#, r#""state":null,"seq""#)], &[]);
    check(&[welcome("guest:a", "room", 19)], &[(Violation::WrongReturn, 1)]);
}

#[test]
fn a_room_that_was_said_to_be_no_more_is_another_one() {
    let check = |epoch: &str, expected: &[(Violation, u64)]| {
        let mut table = returning();
        table.clients[0].room_ended();
        table.receive(0, &welcome("guest:a", "room", 25).replace(r#""e""#, &format!("{epoch:?}")));
        assert_eq!(table.violations(), expected, "{epoch}");
    };
    check("other", &[]);
    check("e", &[(Violation::Disconnected, 1)]);
}

#[test]
fn a_return_that_was_not_asked_for_is_none() {
    let mut table = returning();
    table.clients[0].arrive(None, 0);
    table.receive(0, &recovered(20));
    assert_eq!(table.violations(), [(Violation::WrongReturn, 1)]);
}

#[test]
fn members_get_the_same_events_by_whatever_way() {
    let mut table = returning();
    table.room = RoomCheck::new(USERS.into_iter()).comparing();
    table.receive(0, &recovered(20));
    table.receive(0, &state("guest:b", 1, 21));
    for _ in 0..REMEMBERED_FRAMES {
        let next = table.clients[0].next_seq;
        table.receive(0, &state("guest:b", 2, next));
    }
    table.clients[1] = arriving(None);
    table.receive(1, &welcome("guest:b", "room", 20));
    table.clients[1].sent(1, Deed::Act, 0);
    table.receive(1, &batch(&[state("guest:b", 1, 21)]));
    table.clients[1].sent(3, Deed::Act, 0);
    assert_eq!(table.violations(), []);
    table.receive(1, &state("guest:b", 3, 22));
    assert_eq!(table.violations(), [(Violation::Differs, 1)]);
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
    check(&[snapshot("e", 30)], 0);
}

/// A member whose numbered inputs 1 to 4 are sent, of which each third is to fail.
fn numbered() -> Table {
    let mut table = Table::new();
    let mut inputs = Numbered::new(3);
    (1..=4).for_each(|n| assert_eq!(inputs.add(0), Some(n)));
    table.clients[0].numbered = Some(Box::new(inputs));
    table.receive(0, &welcome_n(0));
    let numbered = table.clients[0].numbered.as_mut().unwrap();
    assert_eq!(numbered.resend(), [1, 2, 3, 4]);
    (1..=4).for_each(|n| numbered.sent(n, Some(0)));
    table.clear();
    table
}

fn welcome_n(n: u32) -> String {
    welcome("guest:a", "room", 10).replace(r#""seq":10"#, &format!(r#""seq":10,"n":{n}"#))
}

fn reply(id: u64, result: &str) -> String {
    format!(r#"{{"type":"reply","id":{id},"result":{result}}}"#)
}

fn error(n: u32, code: &str) -> String {
    format!(r#"{{"type":"error","id":{n},"n":{n},"payload":{{"code":"{code}","message":"…"}}}}"#)
}

#[test]
fn numbered_inputs_are_answered_once_each_and_as_they_ended() {
    let check = |messages: &[String], expected: &[(Violation, u64)], waiting: usize| {
        let mut table = numbered();
        messages.iter().for_each(|message| table.receive(0, message));
        assert_eq!(table.violations(), expected, "{messages:?}");
        assert_eq!(table.clients[0].numbered.as_ref().unwrap().waiting(), waiting, "{messages:?}");
    };
    let ok = |n: u64| reply(n, r#""OK""#);
    let duplicate = |n: u64| reply(n, r#"{"duplicate":true}"#);
    check(&[ok(1), ok(2), error(3, "script_error"), ok(4)], &[], 0);
    check(&[ok(1), ok(1)], &[(Violation::StrayAnswer, 1)], 3);
    check(&[ok(5)], &[(Violation::StrayAnswer, 1)], 4);
    check(&[ok(3)], &[(Violation::WrongAnswer, 1)], 3);
    check(&[duplicate(3), duplicate(2)], &[], 2);
    check(&[error(2, "script_error")], &[(Violation::WrongAnswer, 1)], 3);
    check(&[error(2, "busy"), error(3, "out_of_order")], &[], 4);
    check(&[error(2, "busy"), error(2, "busy")], &[(Violation::StrayAnswer, 1)], 4);
    check(&[state("guest:a", 1, 11), state("guest:a", 2, 12)], &[], 4);
    check(&[state("guest:a", 1, 11), state("guest:a", 1, 12)], &[(Violation::RanTwice, 1)], 4);
    check(&[state("guest:a", 3, 11)], &[(Violation::HalfDone, 1)], 4);
    check(&[state("guest:a", 9, 11)], &[(Violation::StrayAnswer, 1)], 4);
    let heartbeat = |result: &str| reply(heartbeat::FIRST_ID, result);
    check(&[heartbeat(r#"{"n":3,"seq":10}"#)], &[], 1);
    check(&[heartbeat(r#"{"n":0,"seq":11}"#)], &[(Violation::Gap, 1)], 4);
    check(&[heartbeat(r#"{"seq":10}"#)], &[(Violation::WrongAnswer, 1)], 4);
}

#[test]
fn what_has_no_answer_is_sent_again_after_a_refusal_and_a_return() {
    let mut table = numbered();
    table.receive(0, &reply(1, r#""OK""#));
    table.receive(0, &error(2, "unavailable"));
    let resent = |table: &mut Table| {
        let numbered = table.clients[0].numbered.as_mut().unwrap();
        assert!(!numbered.may_send());
        numbered.resend()
    };
    assert_eq!(resent(&mut table), [2, 3, 4]);
    table.clients[0].leave();
    let position = table.clients[0].position();
    table.clients[0].arrive(position, 0);
    table.receive(0, &welcome_n(3).replace("false", "true"));
    assert_eq!((resent(&mut table), table.violations()), (vec![4], vec![]));
    table.clients[0].leave();
    table.clients[0].arrive(position, 0);
    table.receive(0, &welcome_n(2));
    assert_eq!(table.violations(), [(Violation::Forgotten, 1)]);
}

#[test]
fn a_ledger_says_what_must_have_become_of_each_input() {
    let mut table = numbered();
    let numbered = table.clients[0].numbered.as_mut().unwrap();
    assert_eq!(numbered.add(0), Some(5));
    let ledger = |table: &Table, epoch| {
        let numbered = table.clients[0].numbered.as_ref().unwrap();
        numbered.ledger("room", "guest:a", Some(epoch)).dues().collect::<Vec<_>>()
    };
    use crate::measure::ledger::Due::{AtMostOnce, Never, Once};
    assert_eq!(ledger(&table, 0), [Once, Once, Never, Once, AtMostOnce]);
    table.receive(0, &snapshot("other", 2));
    assert_eq!(ledger(&table, 1), [AtMostOnce, AtMostOnce, Never, AtMostOnce, AtMostOnce]);
    table.receive(0, &state("guest:a", 2, 3));
    assert_eq!(ledger(&table, 1), [AtMostOnce, Once, Never, AtMostOnce, AtMostOnce]);
}
