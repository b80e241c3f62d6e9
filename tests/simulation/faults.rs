//! Faults to plant: mistakes that the server might make, each at the boundary where it would show.
//!
//! They prove that the simulation sees what it is there to see.

use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::Bytes;

use super::game::EMPTY_ROOM;
use super::model::DUPLICATE;
use super::random::Random;
use super::violation::Sentence;
use crate::script::{Header, NO_HOOK, Script};
use crate::state::embedded::stepped::SteppedEngine;
use crate::state::{Arguments, Audience, Batch, BatchDone, CallResult, Delivery, RoomEvents};
use crate::wire::Position;
use crate::wire::ids::RoomId;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A member is not sent a frame.
    EventForgotten,
    EventTwice,
    EventsSwapped,
    /// What is for a group, or for named users, goes to all.
    GroupIsAll,
    ExceptIgnored,
    RemovalForgotten,
    /// A state is said to be of an event later than it is.
    SnapshotEarly,
    /// A state is said to be of an event earlier than it is.
    SnapshotLate,
    /// What `on_connect` sends to whom it lets in is taken for part of the state.
    HeldTooSoon,
    /// A lost notice is not noticed.
    GapUnnoticed,
    /// A reader's full queue is emptied, and no snapshot follows.
    QueueDropsEvents,
    HeartbeatAhead,
    /// An event of an epoch that is over goes out.
    EventOfOldEpoch,
    /// Who comes back is sent all but the first of what it missed.
    ResumeForgets,
    /// Who comes back is taken to know one event more than it does.
    ResumeLate,
    /// Who comes back is taken to know one event less than it does.
    ResumeEarly,
    /// A store that has lost its data goes on with the epoch that it had.
    EpochKept,
    /// A room gives the store an input twice.
    InputTwice,
    /// The store does not look at numbers.
    NumberForgotten,
    /// An input is answered and has not run.
    InputForgotten,
    /// A repeated input does not get its first answer.
    AnswerForgotten,
    /// A welcome tells of an input that has not run.
    WelcomeAhead,
    UndoForgetsLease,
    UndoForgetsField,
    FailedCallPublishes,
    /// While one member reads nothing, others wait.
    ReaderStopsOthers,
    /// The store runs a tick script that is not due.
    TickTooOften,
    /// The store takes a tick for run.
    TickLeftOut,
    /// Nobody asks for ticks any more.
    TickGivenUp,
    /// A tick script is told another time than has passed.
    TickTimeWrong,
    MessageTwice,
    MessageLost,
    /// Two messages to a room change places.
    MessagesSwapped,
    MessageEarly,
    /// Nobody looks when a message is due.
    MessageLate,
    /// A message stays pending when another one takes its place.
    NameForgotten,
    CancelForgotten,
    FailedCallTells,
    /// What is told to a room without members is dropped.
    EmptyRoomUnheard,
    RestartForgetsMessages,
    /// Messages run as if no players waited.
    PlayersWait,
    /// A state file is said to have been written.
    SyncLeftOut,
    /// A store that died has lost a key that its state file held.
    DeathKeepsHalf,
    /// A store that died has lost the messages that its state file held.
    DeathForgetsMessages,
}

/// The fault that is planted, if one is.
pub(super) struct Faults {
    planted: Option<Fault>,
    random: Random,
    /// Messages that were pending.
    messages: Vec<Message>,
}

/// A pending message, as a key and its value.
type Message = (Vec<u8>, Vec<u8>);

impl Fault {
    /// What it breaks.
    pub(super) fn breaks(self) -> &'static [Sentence] {
        use Sentence::{AllOrNothing, Kept, Messages, Once, Order, Pace, Return, Ticks, Turns};
        match self {
            Self::SnapshotEarly | Self::SnapshotLate | Self::HeldTooSoon => &[Order, Return],
            Self::EpochKept => &[Return],
            Self::ResumeForgets | Self::ResumeLate | Self::ResumeEarly => &[Order, Return],
            Self::InputTwice | Self::NumberForgotten | Self::InputForgotten | Self::AnswerForgotten => {
                &[Once]
            }
            Self::WelcomeAhead => &[Once],
            Self::UndoForgetsLease | Self::UndoForgetsField | Self::FailedCallPublishes => &[AllOrNothing],
            Self::ReaderStopsOthers => &[Pace],
            Self::TickTooOften | Self::TickLeftOut | Self::TickGivenUp | Self::TickTimeWrong => &[Ticks],
            Self::FailedCallTells => &[AllOrNothing],
            Self::MessageTwice
            | Self::MessageLost
            | Self::MessagesSwapped
            | Self::MessageEarly
            | Self::MessageLate
            | Self::NameForgotten
            | Self::CancelForgotten
            | Self::EmptyRoomUnheard
            | Self::RestartForgetsMessages => &[Messages],
            Self::PlayersWait => &[Turns],
            Self::SyncLeftOut | Self::DeathKeepsHalf | Self::DeathForgetsMessages => &[Kept],
            _ => &[Order],
        }
    }
}

impl Faults {
    pub(super) fn new(planted: Option<Fault>, random: Random) -> Self {
        Self { planted, random, messages: Vec::new() }
    }

    pub(super) fn is_planted(&self, fault: Fault) -> bool {
        self.planted == Some(fault)
    }

    /// Whether the fault is planted and shows now.
    pub(super) fn strikes(&mut self, fault: Fault) -> bool {
        self.planted == Some(fault) && self.random.one_in(4)
    }

    /// Where somebody is taken to be who comes back.
    pub(super) fn since(&mut self, since: Option<Position>) -> Option<Position> {
        let late = u64::from(self.strikes(Fault::ResumeLate));
        let early = u64::from(self.strikes(Fault::ResumeEarly));
        since.map(|since| Position { seq: (since.seq + late).saturating_sub(early), ..since })
    }

    /// A room gives a batch to the store.
    pub(super) fn behind_the_room(&mut self, mut batch: Batch) -> Batch {
        let input = batch.calls.iter().find(|call| &*call.script.name == "play").cloned();
        if let Some(input) = input.filter(|_| self.strikes(Fault::InputTwice)) {
            batch.calls.push(input.numbered(None));
        }
        batch
    }

    /// The store begins with a batch of which the model knows already.
    pub(super) fn before_the_store(&mut self, mut batch: Batch) -> Batch {
        for call in batch.calls.iter_mut().filter(|call| &*call.script.name == "play") {
            if self.strikes(Fault::NumberForgotten) {
                call.n = None;
            }
            if self.strikes(Fault::InputForgotten) {
                call.script = NO_HOOK.clone();
            }
        }
        for call in batch.calls.iter_mut().filter(|call| matches!(call.arguments, Arguments::Tick)) {
            if self.strikes(Fault::TickTooOften) {
                let (name, text) = (&call.script.name, &call.script.text);
                let header = Header { tick_ms: NonZeroU32::new(1), ..call.script.header.clone() };
                call.script = Arc::new(Script::new(name, "beat.lua", text, header));
            }
            if self.strikes(Fault::TickLeftOut) {
                call.script = NO_HOOK.clone();
            }
        }
        batch
    }

    /// The store has run a batch; nobody has looked at what came of it.
    pub(super) fn in_the_store(
        &mut self,
        engine: &SteppedEngine,
        room: &Option<RoomId>,
        has_failed: bool,
        unix_ms: u64,
        deliveries: &mut [Delivery],
    ) {
        if self.planted == Some(Fault::TickTimeWrong) {
            deliveries.iter_mut().for_each(change_times);
        }
        let Some(room) = room.as_ref().filter(|_| has_failed) else { return };
        let (game, lease) = (format!("game:{room}"), format!("game:{room}:lease"));
        if self.strikes(Fault::UndoForgetsLease) {
            engine.runner().execute(&[b"PERSIST", lease.as_bytes()], unix_ms);
        }
        if self.strikes(Fault::UndoForgetsField) {
            engine.runner().execute(&[b"HINCRBY", game.as_bytes(), b"a", b"1"], unix_ms);
        }
        if let (true, Some(Delivery::Done(done))) =
            (self.strikes(Fault::FailedCallPublishes), deliveries.last_mut())
        {
            publish_more(room, done);
        }
    }

    /// The store is about to run a batch, or messages; all that are pending are noted, if that is of use.
    pub(super) fn before_messages(&mut self, engine: &mut SteppedEngine) {
        let is_of_use = matches!(
            self.planted,
            Some(
                Fault::MessageTwice
                    | Fault::MessagesSwapped
                    | Fault::NameForgotten
                    | Fault::CancelForgotten
                    | Fault::FailedCallTells
            )
        );
        if is_of_use {
            self.messages = engine.messages();
        }
        if let Some((one, other)) =
            neighbours(&self.messages).filter(|_| self.strikes(Fault::MessagesSwapped))
        {
            let mut messages = self.messages.clone();
            (messages[one].1, messages[other].1) = (messages[other].1.clone(), messages[one].1.clone());
            engine.replace_messages(&messages);
        }
    }

    /// The store has run a batch.
    pub(super) fn behind_a_batch(&mut self, engine: &mut SteppedEngine, has_failed: bool) {
        let Some((key, value)) = self.messages.first().cloned() else { return };
        let now = engine.messages();
        if has_failed && self.strikes(Fault::FailedCallTells) {
            let ghost = [&key, &b"0"[..]].concat();
            engine.replace_messages(&[now.clone(), vec![(ghost, value)]].concat());
        }
        let gone = self.messages.iter().filter(|known| !now.contains(known));
        let is_new = |message: &&Message| !self.messages.contains(message);
        let has_replaced = now.iter().any(|message| is_new(&message));
        let fault = if has_replaced { Fault::NameForgotten } else { Fault::CancelForgotten };
        let gone: Vec<Message> = gone.cloned().collect();
        if !gone.is_empty() && self.strikes(fault) {
            engine.replace_messages(&[now, gone].concat());
        }
    }

    /// The store has run messages.
    pub(super) fn behind_messages(&mut self, engine: &mut SteppedEngine) {
        if self.strikes(Fault::MessageTwice) {
            let before = std::mem::take(&mut self.messages);
            engine.replace_messages(&[engine.messages(), before].concat());
        }
        if self.strikes(Fault::MessageLost) {
            engine.replace_messages(engine.messages().get(1..).unwrap_or_default());
        }
        if self.strikes(Fault::EmptyRoomUnheard) {
            let mut messages = engine.messages();
            messages
                .retain(|(key, _)| !key.windows(EMPTY_ROOM.len()).any(|part| part == EMPTY_ROOM.as_bytes()));
            engine.replace_messages(&messages);
        }
    }

    /// What came of a batch leaves the store.
    pub(super) fn behind_the_store(&mut self, deliveries: &mut [Delivery]) {
        for delivery in deliveries {
            match delivery {
                Delivery::Events(events) => self.change_events(Arc::make_mut(events)),
                Delivery::Done(done) => {
                    self.change_done(done);
                    done.events.iter_mut().for_each(|events| self.change_events(Arc::make_mut(events)));
                }
                _ => {}
            }
        }
    }

    fn change_events(&mut self, events: &mut RoomEvents) {
        if self.strikes(Fault::GroupIsAll) {
            events.addressed.retain(|(_, audience)| !matches!(audience, Audience::Users(_)));
        }
        if self.strikes(Fault::ExceptIgnored) {
            events.addressed.retain(|(_, audience)| !matches!(audience, Audience::AllBut(_)));
        }
        if self.strikes(Fault::RemovalForgotten) {
            events.removals.clear();
        }
        if events.count() >= 2 && self.strikes(Fault::EventsSwapped) {
            swap_first(events);
        }
    }

    fn change_done(&mut self, done: &mut BatchDone) {
        let first_held = done.events.as_ref().map(|events| events.first_seq);
        if self.strikes(Fault::SnapshotEarly) {
            done.position.seq += 1;
        }
        if self.strikes(Fault::SnapshotLate) {
            done.position.seq = done.position.seq.saturating_sub(1);
        }
        if first_held == Some(done.position.seq + 1) && self.strikes(Fault::HeldTooSoon) {
            done.position.seq = done.events.as_ref().map_or(0, |events| events.last_seq());
        }
        if let Some(missed) = done.missed.as_mut().filter(|missed| !missed.runs.is_empty())
            && self.strikes(Fault::ResumeForgets)
        {
            missed.runs.remove(0);
        }
        if self.planted == Some(Fault::TickGivenUp) {
            done.ticks.iter_mut().for_each(|(_, tick)| tick.wait_ms = 60_000);
        }
        if self.planted == Some(Fault::WelcomeAhead) {
            done.last_ran.iter_mut().for_each(|n| *n += 1);
        }
        if self.planted == Some(Fault::AnswerForgotten) {
            // Inputs give numbers.
            let is_number = |json: &Bytes| json[0].is_ascii_digit();
            let results = done.results.iter_mut();
            for result in results.filter(|result| matches!(result, CallResult::Ok(json) if is_number(json))) {
                *result = CallResult::Ok(Bytes::from_static(DUPLICATE.as_bytes()));
            }
        }
    }
}

/// Two messages to the same room.
fn neighbours(messages: &[Message]) -> Option<(usize, usize)> {
    let room = |place: usize| messages[place].0.rsplit(|byte| *byte == b':').nth(1);
    (1..messages.len()).map(|place| (place - 1, place)).find(|(one, other)| room(*one) == room(*other))
}

/// What tick scripts were told is one millisecond more or less.
fn change_times(delivery: &mut Delivery) {
    let events = match delivery {
        Delivery::Events(events) => Some(events),
        Delivery::Done(done) => done.events.as_mut(),
        _ => None,
    };
    let Some(events) = events.map(Arc::make_mut) else { return };
    let head = br#""beat","payload":["#;
    let mut text = events.text.to_vec();
    for place in head.len()..text.len() {
        if text[place - head.len()..].starts_with(head) {
            text[place] ^= 1;
        }
    }
    events.text = text.into();
}

fn publish_more(room: &RoomId, done: &mut BatchDone) {
    let seq = done.events.as_ref().map_or(done.position.seq, |events| events.last_seq()) + 1;
    let text = format!(r#"{{"type":"said","payload":["ghost",1],"seq":{seq}}}"#);
    done.events = Some(Arc::new(RoomEvents {
        room: room.clone(),
        epoch: done.position.epoch,
        first_seq: seq,
        ends: vec![text.len() as u32],
        text: text.into(),
        addressed: Vec::new(),
        replacing: Vec::new(),
        removals: Vec::new(),
    }));
}

/// The first two events change places.
fn swap_first(events: &mut RoomEvents) {
    let (first, second) = (events.first_seq, events.first_seq + 1);
    let mut texts = vec![events.event(second), events.event(first)];
    texts.extend((second + 1..=events.last_seq()).map(|seq| events.event(seq)));
    let text = texts.join(&b","[..]);
    let first_end = events.event(second).len() as u32;
    events.text = text.into();
    events.ends[0] = first_end;
}
