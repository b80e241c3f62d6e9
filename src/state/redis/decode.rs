//! What Redis answers, and what other nodes publish, as results and events. No sockets here.

use std::time::Duration;

use bytes::Bytes;
use godra_engine::{mend_utf8, write_json_string};
use redis::Value;
use smol_str::SmolStr;

use super::program::Program;
use crate::state::call::DUPLICATE;
use crate::state::event_text::{write_ready, write_seq};
use crate::state::{Audience, CallError, CallResult, Position, Removal, RoomEvents, Users};
use crate::wire::Code;
use crate::wire::ids::RoomId;

/// What a batch came to.
#[derive(Debug)]
pub(super) struct Answer {
    /// The room's place after the batch.
    pub position: Position,
    /// For each call that lets its caller in: the caller's last numbered input that ran.
    pub last_ran: Vec<u64>,
    /// What the batch published in its own room.
    pub events: Option<RoomEvents>,
    /// One a call.
    pub results: Vec<CallResult>,
    /// Which calls the store had no time for; they are skipped in `results`.
    pub not_run: Vec<usize>,
    /// How long the store has worked on it.
    pub took: Took,
}

/// How long a store has worked on calls, by its own clock: spans of so many calls each, one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Took(pub Vec<(usize, Duration)>);

impl Took {
    fn read(value: &Value, calls: usize) -> Option<Self> {
        let Value::Array(spans) = value else { return Some(Self(vec![(calls, micros(value)?)])) };
        let span = |pair: &[Value]| match pair {
            [Value::Int(calls), took] => Some((usize::try_from(*calls).ok()?, micros(took)?)),
            _ => None,
        };
        spans.chunks(2).map(span).collect::<Option<_>>().map(Self)
    }
}

/// A clock that was set back has worked for less than nothing.
fn micros(value: &Value) -> Option<Duration> {
    match value {
        Value::Int(micros) => Some(Duration::from_micros(u64::try_from(*micros).unwrap_or_default())),
        _ => None,
    }
}

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
}

/// Reads what the program of a batch of `calls` returned; none if it is nothing of ours.
pub(super) fn read_answer(
    value: Value,
    room: Option<&RoomId>,
    calls: usize,
    program: &Program,
) -> Option<Answer> {
    let mut parts = list(value)?;
    let last_ran = if parts.len() > 5 { numbers(parts.pop()?)? } else { Vec::new() };
    let [epoch, seq, message, results, took] = <[Value; 5]>::try_from(parts).ok()?;
    let epoch = text(&epoch)?.parse().unwrap_or_default();
    let position = Position { epoch, seq: number(&seq)? };
    let message = bytes(message)?;
    let events = match room {
        Some(room) if !message.is_empty() => match read_notice(&message, room)?.1 {
            Notice::Events(events) => Some(events),
            Notice::Replaced { .. } => None,
        },
        _ => None,
    };
    let results = match results {
        Value::Int(0) => vec![Value::Int(0); calls],
        results => list(results)?,
    };
    let is_not_run = |(number, result): (usize, &Value)| (*result == Value::Int(2)).then_some(number);
    let not_run = results.iter().enumerate().filter_map(is_not_run).collect();
    let took = Took::read(&took, calls)?;
    let results: Vec<CallResult> =
        results.into_iter().map(|result| read_result(result, program)).collect::<Option<_>>()?;
    (results.len() == calls).then_some(Answer { position, last_ran, events, results, not_run, took })
}

fn read_result(value: Value, program: &Program) -> Option<CallResult> {
    let parts = match value {
        Value::Int(0) => return Some(CallResult::Ok(Bytes::from_static(b"null"))),
        Value::Int(1 | 2) => return Some(CallResult::Skipped),
        value => list(value)?,
    };
    let mut parts = parts.into_iter();
    match text(&parts.next()?)?.as_ref() {
        "V" => {
            let mut json = Vec::new();
            write_value(&parts.next().unwrap_or(Value::Nil), &mut json);
            mend_utf8(&mut json, 0);
            Some(CallResult::Ok(json.into()))
        }
        "D" => Some(CallResult::Ok(Bytes::from_static(DUPLICATE.as_bytes()))),
        "E" => {
            let [code, message, details, fault] = <[Value; 4]>::try_from(parts.collect::<Vec<_>>()).ok()?;
            let details = text(&details)?;
            Some(CallResult::Err(CallError {
                code: Code::from(text(&code)?),
                message: program.mend_lines(&text(&message)?).into(),
                details: (!details.is_empty()).then(|| details.into()),
                is_fault: number(&fault)? == 1,
            }))
        }
        _ => None,
    }
}

/// A reply as JSON, as RESP2 would have it: maps and sets are flat, true is 1, false is null, doubles are texts.
fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::BulkString(bytes) => write_json_string(bytes, out),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => {
            write_json_string(text.as_bytes(), out)
        }
        Value::Okay => out.extend_from_slice(b"\"OK\""),
        Value::Boolean(true) => out.push(b'1'),
        Value::Double(number) => write_json_string(number.to_string().as_bytes(), out),
        Value::Array(values) | Value::Set(values) => write_list(values.iter(), out),
        Value::Map(pairs) => write_list(pairs.iter().flat_map(|(name, value)| [name, value]), out),
        Value::Attribute { data, .. } => write_value(data, out),
        Value::ServerError(error) => {
            let text = error
                .details()
                .map_or_else(|| error.code().to_owned(), |details| format!("{} {details}", error.code()));
            write_json_string(text.as_bytes(), out);
        }
        _ => out.extend_from_slice(b"null"),
    }
}

fn write_list<'a>(values: impl Iterator<Item = &'a Value>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_value(value, out);
    }
    out.push(b']');
}

/// Reads what was published on a room's channel: the node that did, and what; none if it is nothing of ours. The prelude says
/// how a message looks.
pub(super) fn read_notice<'a>(message: &'a [u8], room: &RoomId) -> Option<(&'a str, Notice)> {
    let mut lines = message.split(|byte| *byte == b'\n');
    let head = std::str::from_utf8(lines.next()?).ok()?;
    let (node, rest) = head.split_once(' ')?;
    let (kind, rest) = rest.split_once(' ')?;
    if kind == "r" {
        let (user_id, membership) = rest.split_once(' ')?;
        return Some((node, Notice::Replaced { user_id: user_id.into(), membership: membership.into() }));
    }
    let [epoch, first_seq, count] = <[&str; 3]>::try_from(rest.split(' ').collect::<Vec<_>>()).ok()?;
    let (epoch, first_seq, count) =
        (epoch.parse().ok()?, first_seq.parse().ok()?, count.parse::<u32>().ok()?);
    if kind != "e" || count as usize > message.len() || u64::checked_add(first_seq, count.into()).is_none() {
        return None;
    }
    // Room for the numbers.
    let capacity = message.len() + 20 * count as usize;
    let mut events = Run { text: Vec::with_capacity(capacity), ends: Vec::with_capacity(count as usize) };
    let mut audiences = Vec::new();
    let mut addressed = Vec::new();
    let mut removals = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(removal) = line.strip_prefix(b"@!") {
            removals.push(read_removal(removal)?);
            continue;
        }
        let index = events.ends.len() as u32;
        let event = match line.strip_prefix(b"@") {
            Some(audience) => {
                addressed.push((index, read_audience(audience, &mut audiences)?));
                lines.next()?
            }
            None => line,
        };
        events.push(event, first_seq + u64::from(index))?;
    }
    if events.ends.len() != count as usize {
        return None;
    }
    let Run { text, ends } = events;
    let events =
        RoomEvents { room: room.clone(), epoch, first_seq, text: text.into(), ends, addressed, removals };
    Some((node, Notice::Events(events)))
}

/// Whom a script has put out of the room, and why.
fn read_removal(line: &[u8]) -> Option<Removal> {
    let line = String::from_utf8_lossy(line);
    let (user_id, reason) = line.split_once('\t')?;
    Some(Removal { user_id: user_id.into(), reason: reason.into() })
}

/// An audience, or which of those read before it is.
fn read_audience(audience: &[u8], known: &mut Vec<Audience>) -> Option<Audience> {
    let (kind, rest) = audience.split_first()?;
    let rest = std::str::from_utf8(rest).ok();
    if *kind == b'=' {
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

/// Events one after another.
struct Run {
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl Run {
    fn push(&mut self, event: &[u8], seq: u64) -> Option<()> {
        if !self.ends.is_empty() {
            self.text.push(b',');
        }
        let start = self.text.len();
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
}

fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

fn numbers(value: Value) -> Option<Vec<u64>> {
    list(value)?.iter().map(number).collect()
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

fn text(value: &Value) -> Option<std::borrow::Cow<'_, str>> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes)),
        Value::SimpleString(text) => Some(text.into()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
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
            @+ann\tbob\n{\"type\":\"c\"\n@=1\n{\"type\":\"d\"\n@!ann\tgo home";
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
        assert_eq!(events.removals, [Removal { user_id: "ann".into(), reason: "go home".into() }]);
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
    fn what_is_not_ours_is_nothing() {
        let foreign: [&[u8]; 13] = [
            b"",
            b"hello",
            b"{\"type\":\"x\"}",
            b"node e 1 1",
            b"node e 1 1 1",
            b"node e x 1 0",
            b"node e 1 1 4000000000\n{}",
            b"node z 1 1 0",
            b"node e 1 18446744073709551615 1\n{}",
            b"node e 1 1 0\nann",
            b"node e 1 1 1\n@+ann",
            b"node e 1 1 1\n@=1\n{",
            b"node e 1 1 1\n@=0\n{",
        ];
        for message in foreign {
            assert!(read_notice(message, &room()).is_none(), "{}", String::from_utf8_lossy(message));
        }
    }

    #[test]
    fn calls_that_the_store_gives_back_are_told_apart() {
        let script = crate::script::Script::built_in("s", "return 1");
        let program = super::super::program::Programs::default().for_scripts([&script].into_iter());
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer = |took: Value| {
            let results = Value::Array(vec![Value::Int(0), Value::Int(1), Value::Int(2)]);
            let parts = vec![text("7"), Value::Int(3), text(""), results, took];
            read_answer(Value::Array(parts), Some(&room()), 3, &program)
        };
        let spans = Value::Array([2, 1500, 1, -4].map(Value::Int).into());
        let found = answer(spans).expect("an answer");
        assert_eq!(found.not_run, [2]);
        assert!(matches!(found.results[..], [CallResult::Ok(_), CallResult::Skipped, CallResult::Skipped]));
        let micros = Duration::from_micros;
        assert_eq!(found.took, Took(vec![(2, micros(1500)), (1, micros(0))]));
        assert_eq!(answer(Value::Int(900)).expect("an answer").took, Took(vec![(3, micros(900))]));
        assert!(answer(Value::Nil).is_none());
        assert!(answer(Value::Array(vec![Value::Int(1)])).is_none());
    }

    #[test]
    fn replies_as_json() {
        let check = |value: Value, expected: &str| {
            let mut json = Vec::new();
            write_value(&value, &mut json);
            assert_eq!(String::from_utf8_lossy(&json), expected);
        };
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        check(Value::Nil, "null");
        check(Value::Int(-3), "-3");
        check(text("a\"b"), r#""a\"b""#);
        check(Value::Boolean(true), "1");
        check(Value::Boolean(false), "null");
        check(Value::Okay, r#""OK""#);
        check(Value::Array(vec![text("a"), Value::Int(1), Value::Nil]), r#"["a",1,null]"#);
        check(Value::Map(vec![(text("k"), text("v"))]), r#"["k","v"]"#);
    }
}
