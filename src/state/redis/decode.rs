//! What Redis answers, as results and events. No sockets here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use godra_engine::{mend_utf8, write_json_string};
use redis::Value;

use super::documents::Waits;
use super::in_flight::SentBatch;
use super::notice::{Notice, read_notice, read_runs};
use super::program::Program;
use crate::state::call::DUPLICATE;
use crate::state::ticks::Tick;
use crate::state::{CallError, CallResult, CallRun, ErrorSource, Missed, Position, RoomEvents};
use crate::wire::ErrorCode;
use crate::wire::ids::RoomId;

/// What a batch came to.
#[derive(Debug)]
pub(super) struct Answer {
    /// The room's place after the batch.
    pub position: Position,
    /// For each call that lets its caller in: the caller's last numbered input that ran.
    pub last_ran: Vec<u64>,
    /// What the batch published in its own room.
    pub events: Option<Arc<RoomEvents>>,
    /// The room's events up to `position`, if somebody has asked for what was missed and it is still there.
    pub missed: Option<Missed>,
    /// One a call.
    pub results: Vec<CallResult>,
    /// For each what decided it; none if the call has not run.
    pub runs: Vec<Option<CallRun>>,
    /// What came of each tick, by the call's place.
    pub ticks: Vec<(usize, Tick)>,
    /// Which calls the store had no time for; they are skipped in `results`.
    pub not_run: Vec<usize>,
    /// How long the store has worked on it.
    pub took: Took,
    /// How long it is until something is due of what its calls have told, or of what they have left; none if that is nothing.
    pub due_in: Option<Duration>,
    /// What scripts have printed: places and texts.
    pub prints: Vec<(String, Vec<u8>)>,
    /// Entries of the outbox that the batch waits for.
    pub waits: Option<Waits>,
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

/// The batch that an answer is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub room: Option<&'a RoomId>,
    /// How many.
    pub calls: usize,
    pub first_seed: u64,
}

impl<'a> Asked<'a> {
    pub(super) fn of(sent: &'a SentBatch) -> Self {
        Self { room: sent.batch.room.as_ref(), calls: sent.batch.calls.len(), first_seed: sent.first_seed }
    }
}

/// Reads what the program of a bundle returned: how long it is until something is due of what its calls have told or left, and the
/// answers of its rooms, in order, as far as it came; none if it is nothing of ours.
pub(super) fn read_bundle(value: Value) -> Option<(Option<Duration>, Vec<Value>)> {
    let mut answers = list(value)?;
    let Some(Value::Int(due_in)) = answers.first() else { return None };
    let due_in = u64::try_from(*due_in).ok().map(Duration::from_millis);
    answers.remove(0);
    Some((due_in, answers))
}

/// Reads what the program of a batch returned; none if it is nothing of ours.
pub(super) fn read_answer(value: Value, asked: Asked<'_>, program: &Program) -> Option<Answer> {
    let Asked { room, calls, first_seed } = asked;
    let mut parts = list(value)?;
    let history = if parts.len() > 7 { Some(list(parts.pop()?)?) } else { None };
    let last_ran = if parts.len() > 6 { numbers(parts.pop()?)? } else { Vec::new() };
    let [epoch, seq, message, results, took, now_ms] = <[Value; 6]>::try_from(parts).ok()?;
    let epoch = text(&epoch)?.parse().unwrap_or_default();
    let position = Position { epoch, seq: number(&seq)? };
    let message = bytes(message)?;
    let events = match room {
        Some(room) if !message.is_empty() => match read_notice(&message, room)?.1 {
            Notice::Events(events) => Some(Arc::new(events)),
            Notice::Replaced { .. } | Notice::Waits { .. } => None,
        },
        _ => None,
    };
    let missed = match (history, room) {
        (Some(history), Some(room)) => read_missed(history, room, position, events.as_ref())?,
        _ => None,
    };
    let mut results = match results {
        Value::Int(0) => vec![Value::Int(0); calls],
        results => list(results)?,
    };
    let (now_ms, due_in, prints, waits) = match now_ms {
        Value::Array(mut parts) => {
            let waits = if parts.len() > 3 { Some(Waits::read(&list(parts.pop()?)?)?) } else { None };
            let [now_ms, due_in, prints] = <[Value; 3]>::try_from(parts).ok()?;
            (now_ms, number(&due_in).map(Duration::from_millis), read_prints(list(prints)?, program)?, waits)
        }
        now_ms => (now_ms, None, Vec::new(), None),
    };
    let now_ms = number(&now_ms)?;
    let ticks = take_ticks(&mut results)?;
    let is_not_run = |(number, result): (usize, &Value)| (*result == Value::Int(2)).then_some(number);
    let not_run = results.iter().enumerate().filter_map(is_not_run).collect();
    let took = Took::read(&took, calls)?;
    // The events of the batch are numbered in one go when it ends.
    let after_seq = events.as_ref().map_or(position.seq, |events| events.first_seq.saturating_sub(1));
    let first = CallRun { seed: first_seed, now_ms, after_seq, place: 0 };
    let runs = (0..).zip(&results).map(|(place, result)| run(place, result, first)).collect();
    let results: Vec<CallResult> =
        results.into_iter().map(|result| read_result(result, program)).collect::<Option<_>>()?;
    (results.len() == calls).then_some(Answer {
        position,
        last_ran,
        events,
        missed,
        results,
        runs,
        ticks,
        not_run,
        took,
        due_in,
        prints,
        waits,
    })
}

fn read_prints(parts: Vec<Value>, program: &Program) -> Option<Vec<(String, Vec<u8>)>> {
    let mut parts = parts.into_iter();
    let mut prints = Vec::new();
    while let Some(place) = parts.next() {
        let place = program.mend_lines(&text(&place)?);
        prints.push((place.trim_end_matches(": ").to_owned(), bytes(parts.next()?)?));
    }
    Some(prints)
}

/// Puts in the place of each tick's entry the one of its script.
fn take_ticks(results: &mut [Value]) -> Option<Vec<(usize, Tick)>> {
    let mut ticks = Vec::new();
    for (place, result) in results.iter_mut().enumerate() {
        let Value::Array(parts) = result else { continue };
        if parts.first().and_then(text).is_none_or(|mark| mark != "T") {
            continue;
        }
        let [_, passed_ms, left_out, wait_ms, entry] = <[Value; 5]>::try_from(std::mem::take(parts)).ok()?;
        let passed_ms = number(&passed_ms);
        ticks.push((place, Tick { passed_ms, left_out: number(&left_out)?, wait_ms: number(&wait_ms)? }));
        *result = entry;
    }
    Some(ticks)
}

/// What decided a call, if it has run: calls that did not, and known answers, are marked.
fn run(place: u32, result: &Value, first: CallRun) -> Option<CallRun> {
    let has_run = match result {
        Value::Int(entry) => *entry == 0,
        Value::Array(parts) => parts.first().and_then(text).is_some_and(|mark| mark != "K" && mark != "D"),
        _ => false,
    };
    has_run.then_some(CallRun { seed: first.seed + u64::from(place), place, ..first })
}

/// What the room's history held before the batch, and what the batch has added but for what is not to be part of anybody's past.
fn read_missed(
    history: Vec<Value>,
    room: &RoomId,
    position: Position,
    events: Option<&Arc<RoomEvents>>,
) -> Option<Option<Missed>> {
    let mut parts = history.into_iter();
    let Some(after) = parts.next() else { return Some(None) };
    let after = number(&after)?;
    let mut runs = Vec::new();
    for message in parts {
        let message = bytes(message)?;
        runs.extend(read_runs(&message, room)?.into_iter().map(Arc::new));
    }
    runs.extend(events.filter(|events| events.count() > 0 && events.first_seq <= position.seq).cloned());
    Some(Some(Missed { after, runs }))
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
        "K" => read_result(parts.next()?, program),
        "D" => Some(CallResult::Ok(Bytes::from_static(DUPLICATE.as_bytes()))),
        "E" => {
            let [code, message, details, source] = <[Value; 4]>::try_from(parts.collect::<Vec<_>>()).ok()?;
            if code == Value::BulkString(ErrorCode::Unavailable.name().into())
                && text(&message)?.starts_with("OOM ")
            {
                return Some(CallResult::Err(CallError::store_full()));
            }
            let details = text(&details)?;
            let source = match number(&source)? {
                0 => ErrorSource::Script,
                1 => ErrorSource::Fault,
                _ => ErrorSource::Server,
            };
            let message = program.mend_lines(&text(&message)?);
            let details = (!details.is_empty()).then(|| details.into());
            Some(CallResult::Err(CallError::of_script(&text(&code)?, &message, details, source)))
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

    #[test]
    fn calls_that_the_store_gives_back_are_told_apart() {
        let script = crate::script::Script::built_in("s", "return 1");
        let program = super::super::program::Programs::default().for_scripts([&script].into_iter());
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let now_ms = 1_700_000_000_000;
        let answer_at = |took: Value, now: Value| {
            let results = Value::Array(vec![Value::Int(0), Value::Int(1), Value::Int(2)]);
            let parts = vec![text("7"), Value::Int(3), text(""), results, took, now];
            let asked = Asked { room: Some(&room()), calls: 3, first_seed: 40 };
            read_answer(Value::Array(parts), asked, &program)
        };
        let answer = |took: Value| answer_at(took, Value::Int(now_ms as i64));
        let spans = Value::Array([2, 1500, 1, -4].map(Value::Int).into());
        let found = answer(spans).expect("an answer");
        assert_eq!(found.not_run, [2]);
        let run = CallRun { seed: 40, now_ms, after_seq: 3, place: 0 };
        assert_eq!(found.runs, [Some(run), None, None]);
        assert!(matches!(found.results[..], [CallResult::Ok(_), CallResult::Skipped, CallResult::Skipped]));
        let micros = Duration::from_micros;
        assert_eq!(found.took, Took(vec![(2, micros(1500)), (1, micros(0))]));
        assert_eq!(answer(Value::Int(900)).expect("an answer").took, Took(vec![(3, micros(900))]));
        assert_eq!(found.due_in, None);
        let told = Value::Array(vec![Value::Int(now_ms as i64), Value::Int(250), Value::Array(Vec::new())]);
        let found = answer_at(Value::Int(900), told).expect("an answer");
        assert_eq!((found.due_in, found.runs[0]), (Some(Duration::from_millis(250)), Some(run)));
        assert!(answer_at(Value::Int(900), Value::Array(vec![Value::Int(1)])).is_none());
        assert_eq!((found.waits.is_none(), found.prints.is_empty()), (true, true));
        let waiting = |waits: Vec<Value>| {
            let none = Value::Array(Vec::new());
            let told = vec![Value::Int(now_ms as i64), Value::Int(-1), none, Value::Array(waits)];
            answer_at(Value::Int(900), Value::Array(told))
        };
        let found = waiting(vec![text("t"), Value::Int(9), Value::Int(2), Value::Int(9)]).expect("an answer");
        assert_eq!(found.due_in, None);
        assert_eq!(found.waits, Some(Waits { tag: "t".into(), last: 9, calls: vec![(2, 9)] }));
        assert!(waiting(Vec::new()).is_none());
        assert!(answer(Value::Nil).is_none());
        assert!(answer(Value::Array(vec![Value::Int(1)])).is_none());
    }

    #[test]
    fn a_bundles_answer_has_one_for_each_room_that_was_served() {
        let read = |parts: &[Value]| read_bundle(Value::Array(parts.to_vec()));
        let (one, other) = (Value::Array(vec![Value::Int(7)]), Value::Nil);
        let expected = Some((Some(Duration::from_millis(250)), vec![one.clone(), other.clone()]));
        assert_eq!(read(&[Value::Int(250), one.clone(), other]), expected);
        assert_eq!(read(&[Value::Int(-1)]), Some((None, Vec::new())), "nothing is due");
        assert!(read(&[]).is_none() && read(&[one]).is_none() && read_bundle(Value::Int(1)).is_none());
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
