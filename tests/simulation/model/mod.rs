//! What must come of calls, as plainly as it can be said: maps, lists, and a copy of the room to undo a call.
//!
//! It is told each batch as the rooms gave it to the store, and says what is to come out; it keeps what did, so that clients can
//! be held to it.

mod game;
mod history;
mod mail;
mod messages;
mod ticks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) use self::game::RoomState;
pub(super) use self::history::{Audience, History};
use self::mail::Mail;
pub(super) use self::messages::Heard;
use self::ticks::Beat;
use super::game::Step;
use super::violation::{Checked, Sentence, hold};
use crate::state::{Arguments, Batch, Call, Membership, OnError};

/// How many first answers the store keeps of a user, as the protocol says.
const KEPT_ANSWERS: usize = 16;

#[derive(Default)]
pub(super) struct Model {
    /// All inputs that clients have thought of.
    inputs: BTreeMap<String, Input>,
    rooms: BTreeMap<String, Room>,
    histories: Vec<History>,
    by_epoch: BTreeMap<(String, u64), usize>,
    mail: Mail,
    /// When the store was last started.
    up_since_ms: u64,
    /// Counts the times that the store has lost data.
    losses: u32,
    kept: Kept,
}

/// What a state file holds.
#[derive(Clone, Default)]
struct Kept {
    rooms: BTreeMap<String, Room>,
    mail: Mail,
}

/// An input of a client.
pub(super) struct Input {
    /// 0 for one without a number.
    pub(super) n: u64,
    pub(super) steps: Vec<Step>,
    /// Between which losses it has run.
    pub(super) runs: Vec<u32>,
    /// What its calls gave.
    pub(super) given: Vec<Outcome>,
}

/// How a call ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok(String),
    Err(String),
    Skipped,
}

pub(super) const DUPLICATE: &str = r#"{"duplicate":true}"#;

/// A room as it is now.
#[derive(Clone)]
struct Room {
    history: usize,
    /// None until something has worked in it.
    epoch: Option<u64>,
    state: RoomState,
    numbers: BTreeMap<String, Numbers>,
    /// Who is in.
    seated: BTreeSet<String>,
    /// Who was in when the store was started again, and has not come back.
    absent: BTreeSet<String>,
    /// Where its tick script is; none before the store was first asked for it.
    beat: Option<Beat>,
}

/// A user's inputs with numbers.
#[derive(Clone, Default)]
struct Numbers {
    last: u64,
    answers: VecDeque<(u64, Outcome)>,
}

/// What must come out of a batch.
pub(super) struct Expected {
    pub(super) history: usize,
    pub(super) results: Vec<Outcome>,
    /// The numbers of its events.
    pub(super) seqs: std::ops::Range<u64>,
    pub(super) removed: Vec<String>,
    /// The last event that a snapshot in the batch has in it.
    pub(super) seq: u64,
    pub(super) last_ran: Vec<u64>,
    pub(super) epoch: Option<u64>,
    pub(super) has_failed: bool,
    pub(super) has_worked: bool,
    /// Which of the calls are ticks.
    pub(super) ticks: Vec<usize>,
    /// Whether all who are told of the room may have been here before.
    pub(super) may_skip_last: bool,
}

impl Model {
    pub(super) fn think_of(&mut self, id: String, n: u64, steps: Vec<Step>) {
        self.inputs.insert(id, Input { n, steps, runs: Vec::new(), given: Vec::new() });
    }

    pub(super) fn input(&self, id: &str) -> &Input {
        &self.inputs[id]
    }

    /// The history of a room of that epoch, if it is one.
    pub(super) fn history(&self, room: &str, epoch: u64) -> Option<&History> {
        self.by_epoch.get(&(room.to_owned(), epoch)).map(|index| &self.histories[*index])
    }

    pub(super) fn history_at(&self, index: usize) -> &History {
        &self.histories[index]
    }

    /// The history that a room has now.
    pub(super) fn now(&self, room: &str) -> Option<(u64, &History)> {
        let room = self.rooms.get(room)?;
        Some((room.epoch?, &self.histories[room.history]))
    }

    /// Whether a user is let in no more.
    pub(super) fn is_barred(&self, room: &str, user: &str) -> bool {
        self.rooms.get(room).is_some_and(|room| room.state.is_barred(user))
    }

    /// The last numbered input of a user that ran.
    fn last_ran(&self, room: &str, user: &str) -> u64 {
        self.rooms.get(room).and_then(|room| room.numbers.get(user)).map_or(0, |numbers| numbers.last)
    }

    /// What `on_snapshot` gives now.
    pub(super) fn snapshot(&mut self, room: &str, unix_ms: u64) -> String {
        self.room(room).state.snapshot(unix_ms)
    }

    pub(super) fn rooms(&self) -> Vec<String> {
        self.rooms.keys().cloned().collect()
    }

    /// The store has lost all it had.
    pub(super) fn lose(&mut self) {
        self.rooms.clear();
        self.mail = Mail::default();
        self.kept = Kept::default();
        self.losses += 1;
    }

    /// The state file has all that the store has now.
    pub(super) fn keep(&mut self) {
        self.kept = Kept { rooms: self.rooms.clone(), mail: self.mail.clone() };
    }

    /// The store has died, and goes on with what its state file holds: as it was then, but rooms begin new histories.
    pub(super) fn fall_back(&mut self) {
        Kept { rooms: self.rooms, mail: self.mail } = self.kept.clone();
        self.losses += 1;
        for room in self.rooms.values_mut() {
            self.histories.push(History::default());
            (room.history, room.epoch) = (self.histories.len() - 1, None);
        }
        self.start_again();
    }

    /// The store has been started again, with all it had but the answers.
    pub(super) fn start_again(&mut self) {
        for room in self.rooms.values_mut() {
            room.numbers.values_mut().for_each(|numbers| numbers.answers.clear());
            room.absent = room.seated.clone();
            room.beat = None;
        }
    }

    /// A room has that epoch, as the store says.
    pub(super) fn learn(&mut self, name: &str, epoch: u64) -> Checked {
        let key = (name.to_owned(), epoch);
        hold(Sentence::Return, !self.by_epoch.contains_key(&key), || {
            format!("the epoch of {name} is the one that it had before the store lost its data")
        })?;
        let room = self.room(name);
        room.epoch = Some(epoch);
        let history = room.history;
        self.by_epoch.insert(key, history);
        Ok(())
    }

    /// A batch is about to run.
    pub(super) fn apply(&mut self, batch: &Batch, now_ms: u64, unix_ms: u64) -> Checked<Expected> {
        let name = batch.room.as_ref().map_or("", |room| room.as_str());
        let room = self.room(name);
        let (history, epoch) = (room.history, room.epoch);
        let first_seq = self.histories[history].last_seq() + 1;
        let mut applying = Applying::new(self, name, now_ms, unix_ms);
        let mut results = Vec::new();
        for (place, call) in batch.calls.iter().enumerate() {
            let has_worked = results.iter().any(|result| matches!(result, Outcome::Ok(_)));
            let is_last = place + 1 == batch.calls.len();
            let is_skipped = batch.on_error == OnError::LastNeedsAnother && is_last && !has_worked;
            results.push(if is_skipped { Outcome::Skipped } else { applying.call(call)? });
        }
        let (held, removed) = (applying.held, applying.removed);
        let seq = self.histories[history].last_seq();
        let is_let_in = |call: &&Call| {
            matches!(call.membership, Membership::Enter(_) | Membership::EnterUnlessRejoined(_))
        };
        let entering = batch.calls.iter().filter(is_let_in);
        let is_told = |call: &&Call| is_let_in(call) || matches!(call.membership, Membership::Confirm(_));
        let told = batch.calls.iter().filter(is_told).count();
        let last_ran: Vec<(String, u64)> = entering
            .map(|call| call.caller.user_id.to_string())
            .map(|user| (user.clone(), self.last_ran(name, &user)))
            .collect();
        let history_now = &mut self.histories[history];
        history_now.note_snapshots(batch, &results, seq);
        history_now.note_entries(&last_ran, seq);
        held.into_iter().for_each(|(head, audience)| history_now.publish(&head, audience, now_ms));
        history_now.note_removals(&removed);
        Ok(Expected {
            history,
            seqs: first_seq..history_now.last_seq() + 1,
            removed,
            seq,
            last_ran: last_ran.into_iter().map(|(_, n)| n).collect(),
            epoch,
            ticks: ticks::places(batch),
            may_skip_last: told > 0 && told == batch.resumes.len(),
            has_failed: results.iter().any(|result| matches!(result, Outcome::Err(_))),
            has_worked: results.iter().any(|result| matches!(result, Outcome::Ok(_))),
            results,
        })
    }

    fn room(&mut self, name: &str) -> &mut Room {
        if !self.rooms.contains_key(name) {
            self.histories.push(History::default());
            let room = Room {
                history: self.histories.len() - 1,
                epoch: None,
                state: RoomState::default(),
                numbers: BTreeMap::new(),
                seated: BTreeSet::new(),
                absent: BTreeSet::new(),
                beat: None,
            };
            self.rooms.insert(name.to_owned(), room);
        }
        self.rooms.get_mut(name).expect("made above")
    }
}

/// A batch that is being applied.
struct Applying<'a> {
    model: &'a mut Model,
    name: &'a str,
    now_ms: u64,
    unix_ms: u64,
    /// Events for those who are let in, which come behind their state.
    held: Vec<(String, Audience)>,
    removed: Vec<String>,
    /// Memberships of seats that were kept.
    rejoined: Vec<u32>,
}

impl<'a> Applying<'a> {
    fn new(model: &'a mut Model, name: &'a str, now_ms: u64, unix_ms: u64) -> Self {
        let (held, removed, rejoined) = (Vec::new(), Vec::new(), Vec::new());
        Self { model, name, now_ms, unix_ms, held, removed, rejoined }
    }

    fn call(&mut self, call: &Call) -> Checked<Outcome> {
        let user = call.caller.user_id.as_str();
        let n = call.n.map_or(0, |n| n.get());
        let input = match &call.arguments {
            Arguments::Payload(payload) => Some(input_id(payload)),
            Arguments::List(_) | Arguments::Tick | Arguments::Message(_) => None,
        };
        let outcome = match self.known_answer(user, n) {
            _ if self.is_void(call) => Outcome::Skipped,
            Some(known) => known,
            None if matches!(call.arguments, Arguments::Tick) => self.tick(call),
            None => self.run(call, input.as_deref(), n)?,
        };
        self.note_seat(call, &outcome);
        if let Some(input) = input.and_then(|id| self.model.inputs.get_mut(&id)) {
            input.given.push(outcome.clone());
        }
        Ok(outcome)
    }

    /// Whether a call claims a seat that is not kept, or would let somebody in who has one.
    fn is_void(&mut self, call: &Call) -> bool {
        match call.membership {
            Membership::Rejoin { membership, is_kept } => {
                let room = self.model.room(self.name);
                let is_kept = is_kept || room.absent.contains(call.caller.user_id.as_str());
                self.rejoined.extend(is_kept.then_some(membership));
                !is_kept
            }
            Membership::EnterUnlessRejoined(membership) => self.rejoined.contains(&membership),
            _ => false,
        }
    }

    fn note_seat(&mut self, call: &Call, outcome: &Outcome) {
        let (room, user) = (self.model.room(self.name), call.caller.user_id.as_str());
        match (&call.membership, outcome) {
            (Membership::Leave(_), _) => {
                room.seated.remove(user);
            }
            (Membership::Unchanged | Membership::Confirm(_) | Membership::LeaveOf(_), _) => {}
            (_, Outcome::Ok(_)) => {
                room.seated.insert(user.to_owned());
                room.absent.remove(user);
            }
            _ => {}
        }
    }

    fn known_answer(&mut self, user: &str, n: u64) -> Option<Outcome> {
        let numbers = self.model.room(self.name).numbers.get(user)?;
        if n == 0 || n > numbers.last {
            return None;
        }
        let known = numbers.answers.iter().find(|(of, _)| *of == n);
        Some(known.map_or(Outcome::Ok(DUPLICATE.to_owned()), |(_, answer)| answer.clone()))
    }

    fn run(&mut self, call: &Call, input: Option<&str>, n: u64) -> Checked<Outcome> {
        if let Some(id) = input {
            self.note_run(id)?;
        }
        let outcome = self.run_script(call, input, 0);
        if n > 0 {
            let room = self.model.room(self.name);
            let numbers = room.numbers.entry(call.caller.user_id.to_string()).or_default();
            numbers.last = n;
            numbers.answers.push_back((n, outcome.clone()));
            if numbers.answers.len() > KEPT_ANSWERS {
                numbers.answers.pop_front();
            }
        }
        Ok(outcome)
    }

    fn note_run(&mut self, id: &str) -> Checked {
        let losses = self.model.losses;
        let input = self.model.inputs.get_mut(id).expect("clients send what they have thought of");
        let may_run = if input.n == 0 { input.runs.is_empty() } else { !input.runs.contains(&losses) };
        input.runs.push(losses);
        hold(Sentence::Once, may_run, || format!("the input {id} is run again"))
    }
}

/// The id in an input's payload, which begins with it.
fn input_id(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    text.split('"').nth(3).unwrap_or_default().to_owned()
}
