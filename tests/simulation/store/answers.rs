//! Holds what the engine delivers to what the model expects.

use std::sync::Arc;

use crate::script::ScriptSet;
use crate::state::{self, Batch, BatchDone, Call, CallResult, Delivery, Membership, RoomEvents};
use crate::wire::ids::{Identity, Role, RoomId};

use super::super::model::{Audience, Expected, Heard, Model, Outcome};
use super::super::violation::{Checked, Sentence, Violation, hold};

/// Holds a batch's results, its events and its place in the room's history to what is expected.
pub(super) fn check(room: &str, expected: &Expected, deliveries: &[Delivery], model: &mut Model) -> Checked {
    let Some(Delivery::Done(done)) = deliveries.last() else {
        return Err(Violation::new(Sentence::Once, "a batch is not answered"));
    };
    check_results(room, expected, done)?;
    // A call that failed explains what is too much.
    let sentence = if expected.has_failed { Sentence::AllOrNothing } else { Sentence::Order };
    if expected.epoch.is_none() && expected.has_worked {
        model.learn(room, done.position.epoch)?;
    }
    let seqs = (expected.history, expected.seqs.clone());
    check_events(room, seqs, &events_of(deliveries), model, sentence)?;
    let is_known = expected.has_worked || expected.epoch.is_some();
    let at = if is_known { expected.seq } else { 0 };
    hold(sentence, done.position.seq == at, || {
        format!("{room} is said to be at {}, and is at {at}", done.position.seq)
    })?;
    let removed: Vec<String> = events_of(deliveries)
        .iter()
        .flat_map(|events| events.removals.iter().map(|removal| removal.user_id.to_string()))
        .collect();
    hold(sentence, removed == expected.removed, || {
        format!("{removed:?} are put out of {room} instead of {:?}", expected.removed)
    })?;
    hold(Sentence::Once, done.last_ran == expected.last_ran, || {
        format!("{:?} are said to have run in {room} instead of {:?}", done.last_ran, expected.last_ran)
    })
}

fn check_results(room: &str, expected: &Expected, done: &BatchDone) -> Checked {
    let results: Vec<Outcome> = done.results.iter().map(Outcome::of).collect();
    let ticks = &expected.ticks;
    for (place, (expected_result, result)) in expected.results.iter().zip(&results).enumerate() {
        let is_last = place + 1 == results.len();
        // Where all missed events are there, nobody needs the state.
        if is_last && expected.may_skip_last && *result == Outcome::Skipped {
            continue;
        }
        let expected = expected_result;
        let sentence = match (expected, result) {
            _ if ticks.contains(&place) => Sentence::Ticks,
            (Outcome::Ok(_), Outcome::Ok(_)) => Sentence::Once,
            _ => Sentence::AllOrNothing,
        };
        hold(sentence, expected == result, || {
            format!("a call in {room} gives {result:?} instead of {expected:?}")
        })?;
    }
    hold(Sentence::Once, results.len() == expected.results.len(), || {
        format!("{} calls in {room} have {} results", expected.results.len(), results.len())
    })
}

fn events_of(deliveries: &[Delivery]) -> Vec<&RoomEvents> {
    fn events(delivery: &Delivery) -> Option<&RoomEvents> {
        match delivery {
            Delivery::Events(events) => Some(events),
            Delivery::Done(done) => done.events.as_deref(),
            _ => None,
        }
    }
    deliveries.iter().filter_map(events).collect()
}

/// Holds what messages of one receiver have caused to what is expected; and how many of them have worked, and failed.
pub(super) fn check_messages(
    room: &str,
    heard: &Heard,
    counts: (u64, u64),
    deliveries: &[Delivery],
    model: &mut Model,
) -> Checked {
    let events = events_of(deliveries);
    if let Some((epoch, history, seqs)) = &heard.events {
        if let (None, Some(events)) = (epoch, events.first()) {
            model.learn(room, events.epoch)?;
        }
        check_events(room, (*history, seqs.clone()), &events, model, Sentence::Messages)?;
    }
    let failed = heard.results.iter().filter(|result| matches!(result, Outcome::Err(_))).count();
    let expected = ((heard.results.len() - failed) as u64, failed as u64);
    hold(Sentence::Messages, counts == expected, || {
        format!("of messages to {room:?} {counts:?} have worked and failed instead of {expected:?}")
    })
}

fn check_events(
    room: &str,
    (history, mut seqs): (usize, std::ops::Range<u64>),
    runs: &[&RoomEvents],
    model: &Model,
    sentence: Sentence,
) -> Checked {
    let history = model.history_at(history);
    for run in runs {
        for seq in run.first_seq..=run.last_seq() {
            let text = String::from_utf8_lossy(run.event(seq));
            let event = seqs.next().and_then(|seq| history.event(seq));
            let Some(event) = event else {
                return Err(Violation::new(sentence, format!("{room} has one event too many: {text}")));
            };
            let audience = audience_of(run, seq);
            let sentence = if is_of_tick(&text) { Sentence::Ticks } else { sentence };
            hold(sentence, event.text == text && event.audience == audience, || {
                format!(
                    "{room} has {text} for {audience:?} instead of {} for {:?}",
                    event.text, event.audience
                )
            })?;
        }
    }
    let missing = seqs.next().and_then(|seq| history.event(seq));
    let is_of_tick = missing.is_some_and(|event| is_of_tick(&event.text));
    hold(if is_of_tick { Sentence::Ticks } else { sentence }, missing.is_none(), || {
        format!("{room} has fewer events than it should")
    })
}

fn is_of_tick(event: &str) -> bool {
    event.starts_with(r#"{"type":"beat""#)
}

fn audience_of(run: &RoomEvents, seq: u64) -> Audience {
    let addressed = run.audiences().find(|(of, _)| *of == seq).map(|(_, audience)| audience);
    let names = |users: &state::Users| users.iter().map(ToString::to_string).collect();
    match addressed {
        None => Audience::All,
        Some(state::Audience::Users(users)) => Audience::Users(names(users)),
        Some(state::Audience::AllBut(users)) => Audience::AllBut(names(users)),
    }
}

/// A batch that asks what a room is like.
pub(super) fn question(room: &str, scripts: &Arc<ScriptSet>) -> Batch {
    let room = RoomId::parse(room).expect("the simulation's rooms have right names");
    let nobody = Identity {
        user_id: "".into(),
        username: "".into(),
        role: Role::Manager,
        expires_at_s: 0,
        login: Default::default(),
    };
    let script = scripts.get("on_snapshot").expect("the game has one").clone();
    let call = Call::hook(script, Arc::new(nobody), &room, Membership::Unchanged).wanting_result();
    Batch::new(Some(room), vec![call], 0)
}

/// Holds the answer to a [`question`] to what a room is to be like, after a call in it has failed or messages have run.
pub(super) fn check_state(
    room: &str,
    expected: &str,
    deliveries: &[Delivery],
    sentence: Sentence,
) -> Checked {
    let Some(Delivery::Done(done)) = deliveries.last() else {
        return Err(Violation::new(sentence, "the store does not say what a room is like"));
    };
    let found = done.results.first().map(Outcome::of);
    hold(sentence, found == Some(Outcome::Ok(expected.to_owned())), || {
        format!("{room} is {found:?} instead of {expected}")
    })
}

impl Outcome {
    pub(in super::super) fn of(result: &CallResult) -> Self {
        match result {
            CallResult::Ok(json) => Self::Ok(String::from_utf8_lossy(json).into_owned()),
            CallResult::Err(error) => Self::Err(error.code.as_str().to_owned()),
            CallResult::Skipped | CallResult::NotRun(_) => Self::Skipped,
        }
    }
}
