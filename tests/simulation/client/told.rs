//! What a client is told, held to the model.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::model::{DUPLICATE, History, Model, Outcome};
use super::super::network::Network;
use super::super::violation::{Checked, Sentence, Violation, hold};
use super::frames::{Said, masked};
use super::{AGAIN_MS, Asked, Client, Link, Place};
use crate::wire::message::parse_epoch;
use crate::wire::ws::close_code;

/// An event that was run so long ago comes late, to a client that nothing has disturbed.
const LATE_MS: u64 = 700;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    events: Option<Vec<&'a RawValue>>,
    epoch: Option<&'a str>,
    seq: Option<u64>,
    id: Option<u64>,
    n: Option<u64>,
}

#[derive(Deserialize)]
struct Welcome<'a> {
    epoch: &'a str,
    seq: u64,
    n: u64,
    recovered: bool,
    #[serde(borrow)]
    state: &'a RawValue,
}

#[derive(Deserialize)]
struct Position {
    n: u64,
    seq: u64,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    code: &'a str,
}

impl Client {
    /// Bytes have come.
    pub(in super::super) fn receive(
        &mut self,
        bytes: &[u8],
        now_ms: u64,
        model: &Model,
        network: &mut Network,
    ) -> Checked {
        self.frames.push(bytes);
        while let Some(said) = self.frames.next() {
            match said {
                Said::Refused => {
                    self.end_link(network);
                    self.lost(now_ms + 300);
                    return Ok(());
                }
                Said::Upgraded => {}
                Said::Text(text) => {
                    self.told(&text, now_ms, model).map_err(|violation| self.name(violation))?
                }
                Said::Ping(payload) => {
                    if let Some(link) = self.link_id() {
                        network.send(link, &masked(10, &payload));
                    }
                }
                Said::Close(code) => {
                    if let Link::In(link) = self.link {
                        network.send(link, &masked(8, &code.to_be_bytes()));
                        self.link = Link::Closing(link);
                        let is_replaced = code == close_code::REPLACED && !self.may_be_replaced;
                        hold(Sentence::Return, !is_replaced, || {
                            format!("{} in {} is replaced by nobody", self.user, self.room)
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    fn end_link(&self, network: &mut Network) {
        if let Some(link) = self.link_id() {
            network.end_by_client(link);
        }
    }

    fn name(&self, violation: Violation) -> Violation {
        violation.of(&format!("{} in {}", self.user, self.room))
    }

    fn told(&mut self, text: &[u8], now_ms: u64, model: &Model) -> Checked {
        let text = std::str::from_utf8(text).expect("the server sends UTF-8");
        let message: Message<'_> = serde_json::from_str(text).expect("the server sends JSON");
        match message.kind {
            "welcome" => {
                let payload = message.payload.expect("a welcome has a payload");
                self.welcomed(
                    serde_json::from_str(payload.get()).expect("a welcome says this"),
                    now_ms,
                    model,
                )
            }
            "batch" => {
                let mut events = message.events.into_iter().flatten();
                events.try_for_each(|event| self.event(event.get(), now_ms, model))
            }
            "snapshot" => self.snapshot(&message, model),
            "reply" => self.replied(&message, model),
            "error" => self.refused(&message, now_ms, model),
            _ => self.event(text, now_ms, model),
        }
    }

    fn welcomed(&mut self, welcome: Welcome<'_>, now_ms: u64, model: &Model) -> Checked {
        let Link::Asking(link) = self.link else {
            return Err(Violation::new(Sentence::Order, "a second welcome"));
        };
        let sentence = if self.has_been_in { Sentence::Return } else { Sentence::Order };
        let epoch = parse_epoch(welcome.epoch).expect("an epoch is hex digits");
        let place = Place { epoch, seq: welcome.seq };
        let history = self.history(place, model, sentence)?;
        let entered = if welcome.recovered {
            hold(Sentence::Return, self.last == Some(place), || {
                format!("it goes on at {place:?} instead of {:?}", self.last)
            })?;
            history.last_let_in(place.seq, &self.user, welcome.n)
        } else {
            let state = welcome.state.get();
            hold(sentence, history.was(place.seq, state), || {
                format!("{state} was never the state at {place:?}")
            })?;
            history.let_in(place.seq, &self.user, welcome.n).then_some(place.seq)
        };
        hold(Sentence::Once, entered.is_some(), || {
            format!("let in at {place:?} it is told that its inputs have run up to {}", welcome.n)
        })?;
        self.link = Link::In(link);
        self.entered = entered.map(|seq| Place { seq, ..place });
        (self.position, self.has_been_in) = (Some(place), true);
        self.disturbed(now_ms);
        for input in self.forget_up_to(welcome.n) {
            self.must_have_run(&input, model)?;
        }
        self.again_at_ms = if self.unanswered.is_empty() { u64::MAX } else { now_ms };
        Ok(())
    }

    fn history<'a>(&self, place: Place, model: &'a Model, sentence: Sentence) -> Checked<&'a History> {
        let history = model.history(&self.room, place.epoch);
        history.ok_or_else(|| Violation::new(sentence, format!("the room never had the epoch of {place:?}")))
    }

    fn place(&self) -> Checked<Place> {
        self.position.ok_or_else(|| Violation::new(Sentence::Order, "something comes before the welcome"))
    }

    fn event(&mut self, text: &str, now_ms: u64, model: &Model) -> Checked {
        #[derive(Deserialize)]
        struct Numbered {
            seq: u64,
        }
        let Numbered { seq } = serde_json::from_str(text).expect("an event has a seq");
        let place = self.place()?;
        let history = self.history(place, model, Sentence::Order)?;
        hold(Sentence::Order, seq > place.seq, || format!("{text} comes at {place:?}"))?;
        let event = history.event(seq).filter(|event| event.text == text);
        let Some(event) = event else {
            let known = history.event(seq).map(|event| event.text.clone());
            return Err(Violation::new(Sentence::Order, format!("{text} comes instead of {known:?}")));
        };
        let first = history.first_for(&self.user, place.seq, seq);
        hold(Sentence::Order, first == Some(seq), || match first {
            None => format!("{text} is not for it"),
            Some(missing) => format!("{text} comes at {place:?}, and {missing} is missing"),
        })?;
        let since =
            self.entered.filter(|entered| entered.epoch == place.epoch).map_or(0, |entered| entered.seq);
        let removal = history.removal_of(&self.user, since);
        let may_hear = self.may_miss_removal || removal.is_none_or(|removal| seq <= removal);
        hold(Sentence::Order, may_hear, || {
            format!("{text} comes though it was put out of the room at {removal:?}")
        })?;
        let late_ms = now_ms - event.ran_at_ms;
        let is_calm = event.ran_at_ms >= self.calm_from_ms && !self.reads_slowly;
        hold(Sentence::Pace, !is_calm || late_ms <= LATE_MS, || format!("{text} comes {late_ms} ms late"))?;
        self.position = Some(Place { seq, ..place });
        Ok(())
    }

    fn snapshot(&mut self, message: &Message<'_>, model: &Model) -> Checked {
        let before = self.place()?;
        let epoch = message.epoch.and_then(parse_epoch).expect("an epoch is hex digits");
        let place = Place { epoch, seq: message.seq.expect("a snapshot has a seq") };
        let history = self.history(place, model, Sentence::Order)?;
        let state = message.payload.expect("a snapshot has a state").get();
        // Of a room that the store has lost, the socket closes.
        hold(Sentence::Order, before.epoch == place.epoch && place.seq >= before.seq, || {
            format!("a snapshot at {place:?} comes at {before:?}")
        })?;
        hold(Sentence::Order, history.was(place.seq, state), || {
            format!("{state} was never the state at {place:?}")
        })?;
        self.position = Some(place);
        Ok(())
    }

    fn replied(&mut self, message: &Message<'_>, model: &Model) -> Checked {
        let asked = message.id.and_then(|id| self.asked.remove(&id));
        let result = message.result.expect("a reply has a result").get();
        match asked {
            Some(Asked::Heartbeat) => {
                self.heartbeat(&serde_json::from_str(result).expect("a heartbeat's answer"), model)
            }
            Some(Asked::Input(input)) => self.answered(&input, Outcome::Ok(result.to_owned()), model),
            None => Err(Violation::new(Sentence::Once, "an answer to nothing")),
        }
    }

    fn heartbeat(&mut self, said: &Position, model: &Model) -> Checked {
        let place = self.place()?;
        let history = self.history(place, model, Sentence::Order)?;
        let missing = history.first_for(&self.user, place.seq, said.seq);
        hold(Sentence::Order, missing.is_none() && said.seq <= history.last_seq(), || {
            format!("a heartbeat says {} at {place:?}, and {missing:?} is missing", said.seq)
        })?;
        self.position = Some(Place { seq: place.seq.max(said.seq), ..place });
        for input in self.forget_up_to(said.n) {
            self.must_have_run(&input, model)?;
        }
        Ok(())
    }

    fn must_have_run(&self, input: &str, model: &Model) -> Checked {
        hold(Sentence::Once, !model.input(input).runs.is_empty(), || format!("{input} is said to have run"))
    }

    /// An input has run, and this is what it gave.
    fn answered(&mut self, input: &str, answer: Outcome, model: &Model) -> Checked {
        let known = model.input(input);
        hold(Sentence::Once, known.given.contains(&answer), || {
            let hint = if answer == Outcome::Ok(DUPLICATE.to_owned()) { " (though it is known)" } else { "" };
            format!("{input} is answered {answer:?}{hint} instead of {:?}", known.given)
        })?;
        self.must_have_run(input, model)?;
        self.unanswered.retain(|sent| sent.input != input);
        Ok(())
    }

    fn refused(&mut self, message: &Message<'_>, now_ms: u64, model: &Model) -> Checked {
        let payload = message.payload.expect("an error has a payload").get();
        let Refusal { code } = serde_json::from_str(payload).expect("an error has a code");
        let asked = message.id.and_then(|id| self.asked.remove(&id));
        if ["busy", "unavailable", "out_of_order", "rate_limited"].contains(&code) {
            if message.n.is_some() {
                self.again_at_ms = self.again_at_ms.min(now_ms + AGAIN_MS);
            }
            return Ok(());
        }
        match asked {
            Some(Asked::Input(input)) => self.answered(&input, Outcome::Err(code.to_owned()), model),
            // Garbage has no id.
            _ => Ok(()),
        }
    }
}
