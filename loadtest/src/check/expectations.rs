//! What one member of a room must receive next, and which of its inputs are still unanswered.

use super::View;
use super::heartbeat::{self, Heartbeat};
use super::numbered::Numbered;
use crate::measure::window::Violation;
use crate::messages::scan::Event;
use crate::messages::traffic::{Answer, Deed};
use std::collections::VecDeque;

/// Inputs of connections that were lost, of which an event may still come. A client has no more than these on their way.
const MAX_UNCERTAIN: usize = 256;

/// One input that has not come back yet.
#[derive(Clone, Copy, Debug)]
struct Input {
    n: u32,
    deed: Deed,
    intended_ns: u64,
}

/// Which of the epochs that a room's members were told of, by its place in the list.
pub(crate) type EpochIndex = u32;

/// How far a client has come in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub epoch: EpochIndex,
    /// The last `seq` seen.
    pub seq: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Away,
    /// Before the welcome; a client that comes back may have said where it was.
    Arriving {
        since: Option<Position>,
        due_ns: u64,
    },
    Playing,
}

/// How an event's `seq` stands to the one expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Next,
    Gap,
    Old,
}

/// What a client that came back must reach, as others of its room have been there already.
#[derive(Clone, Copy, Debug)]
struct CatchUp {
    seq: u64,
    due_ns: u64,
}

/// What one client must receive next, over all its connections.
#[derive(Debug)]
pub(crate) struct Expectations {
    pub(super) stage: Stage,
    epoch: Option<EpochIndex>,
    pub(super) next_seq: u64,
    pending: VecDeque<Input>,
    /// Inputs of lost connections: nobody knows whether they ran.
    uncertain: VecDeque<Input>,
    /// Inputs that a later answer overtook.
    overtaken: u64,
    /// Inputs that need not be answered by an event: refused by an error, or inside a snapshot.
    excused: u64,
    catch_up: Option<CatchUp>,
    /// The epoch of the room that was said to be no more.
    ended: Option<EpochIndex>,
    /// Its inputs, if they are numbered.
    pub numbered: Option<Box<Numbered>>,
    pub heartbeat: Heartbeat,
}

impl Expectations {
    /// Those of a client that was never there.
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Away,
            epoch: None,
            next_seq: 0,
            pending: VecDeque::new(),
            uncertain: VecDeque::new(),
            overtaken: 0,
            excused: 0,
            catch_up: None,
            ended: None,
            numbered: None,
            heartbeat: Heartbeat::default(),
        }
    }

    /// The client connects; `since` is what it says of where it was. The time until it is there counts from `due_ns`.
    pub(crate) fn arrive(&mut self, since: Option<Position>, due_ns: u64) {
        self.stage = Stage::Arriving { since, due_ns };
    }

    /// The connection is over. What was sent by it may have arrived, or not.
    pub(crate) fn leave(&mut self) {
        self.stage = Stage::Away;
        self.uncertain.extend(self.pending.drain(..));
        self.uncertain.drain(..self.uncertain.len().saturating_sub(MAX_UNCERTAIN));
        (self.overtaken, self.excused, self.catch_up) = (0, 0, None);
        self.heartbeat.forget();
        if let Some(numbered) = &mut self.numbered {
            numbered.leave();
        }
    }

    /// The server has said that the room is no more.
    pub(crate) fn room_ended(&mut self) {
        self.ended = self.epoch;
    }

    /// Whether the welcome has come.
    pub(crate) fn is_playing(&self) -> bool {
        self.stage == Stage::Playing
    }

    /// Whether it asks for what it missed, and has no answer yet.
    pub(crate) fn is_returning(&self) -> bool {
        matches!(self.stage, Stage::Arriving { since: Some(_), .. })
    }

    /// How far it has come; none if it was never there.
    pub(crate) fn position(&self) -> Option<Position> {
        self.epoch.map(|epoch| Position { epoch, seq: self.next_seq.saturating_sub(1) })
    }

    /// Notes an input that was due at `intended_ns`.
    pub(crate) fn sent(&mut self, n: u32, deed: Deed, intended_ns: u64) {
        self.pending.push_back(Input { n, deed, intended_ns });
    }

    /// Whether an answer is still missing, or an event that others have.
    pub(crate) fn is_waiting(&self) -> bool {
        let numbered = self.numbered.as_ref().is_some_and(|numbered| numbered.is_waiting());
        numbered || self.lost() > 0 || self.catch_up.is_some()
    }

    /// Inputs for which nothing accounts.
    pub(crate) fn lost(&self) -> u64 {
        (self.pending.len() as u64 + self.overtaken).saturating_sub(self.excused)
    }

    /// The `seq` that it has not reached since it came back, though others of its room have been there before.
    pub(crate) fn missing_seq(&self) -> Option<u64> {
        self.catch_up.map(|goal| goal.seq)
    }

    /// An own event has come.
    pub(super) fn answered(&mut self, answer: Answer, view: &mut View<'_>) {
        if let (Some(numbered), Some(epoch), Some(n)) = (&mut self.numbered, self.epoch, answer.n) {
            return numbered.heard(n, epoch, view);
        }
        let matching = |input: &Input| view.writer.answers(answer, input.deed, input.n);
        let Some(at) = self.pending.iter().position(matching) else {
            if let Some(at) = self.uncertain.iter().position(matching) {
                // What was sent before it can have run only before it.
                self.uncertain.drain(..=at);
                return;
            }
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
    pub(super) fn follow(&mut self, seq: u64, view: &mut View<'_>) -> Step {
        let expected = self.next_seq;
        if seq < expected {
            view.violation(Violation::Double, || format!("seq {seq} where {expected} was next"));
            return Step::Old;
        }
        self.advance(seq, view);
        if seq > expected && !view.may_jump {
            view.violation(Violation::Gap, || format!("seq {seq} where {expected} was next"));
            return Step::Gap;
        }
        Step::Next
    }

    /// The room's events up to `seq` are accounted for.
    pub(super) fn advance(&mut self, seq: u64, view: &mut View<'_>) {
        self.next_seq = seq + 1;
        if let Some(goal) = self.catch_up.filter(|goal| goal.seq <= seq) {
            self.catch_up = None;
            let waited_ns = view.now_ns.saturating_sub(goal.due_ns);
            view.window.group_mut(view.group).caught_up.record_ns(waited_ns);
        }
    }

    /// The welcome, of a room whose members have seen `highest` so far.
    pub(super) fn welcome(
        &mut self,
        event: &Event<'_>,
        epoch: Option<EpochIndex>,
        highest: Option<Position>,
        view: &mut View<'_>,
    ) {
        let payload = &event.payload;
        let Stage::Arriving { since, due_ns } = self.stage else {
            view.violation(Violation::WrongWelcome, || "a second one".into());
            return;
        };
        let before = self.position();
        self.stage = Stage::Playing;
        if payload.user_id.as_deref() != Some(view.name.user_id) {
            let user_id = &payload.user_id;
            view.violation(Violation::WrongWelcome, || format!("for user {user_id:?}"));
        } else if payload.game_id.as_deref() != Some(view.name.room_id) {
            let game_id = &payload.game_id;
            view.violation(Violation::WrongWelcome, || format!("for room {game_id:?}"));
        }
        let (Some(epoch), Some(seq)) = (epoch, payload.seq) else {
            view.violation(Violation::WrongWelcome, || "without an epoch or a seq".into());
            return;
        };
        let told = Position { epoch, seq };
        if let Some(wrong) = wrong_return(payload.recovered, payload.has_state, told, since, before) {
            view.violation(Violation::WrongReturn, || wrong);
        }
        if self.ended.take() == Some(epoch) {
            view.violation(Violation::Disconnected, || {
                "the room was said to be no more, and is there".into()
            });
        }
        let start = since.filter(|_| payload.recovered).unwrap_or(told);
        self.epoch = Some(epoch);
        view.window.sync_interval_ms = payload.sync_interval_ms.or(view.window.sync_interval_ms);
        if before.is_some() {
            // What others have seen may have been for them alone.
            let shared = highest.filter(|highest| highest.epoch == epoch && !view.may_jump);
            let goal = shared.map_or(seq, |highest| highest.seq);
            self.catch_up = Some(CatchUp { seq: goal, due_ns });
        }
        self.advance(start.seq, view);
        if let Some(numbered) = &mut self.numbered {
            numbered.welcome(payload.n, epoch, view);
        }
        let group = view.window.group_mut(view.group);
        group.recovered += u64::from(payload.recovered);
        group.whole += u64::from(since.is_some() && !payload.recovered);
    }

    pub(super) fn snapshot(&mut self, event: &Event<'_>, epoch: Option<EpochIndex>, view: &mut View<'_>) {
        let (Some(seq), Some(epoch)) = (event.seq, epoch) else {
            view.violation(Violation::NoSeq, || "a snapshot".into());
            return;
        };
        if self.epoch == Some(epoch) && seq + 1 < self.next_seq {
            let next = self.next_seq;
            view.violation(Violation::Double, || format!("a snapshot at {seq} where {next} was next"));
            return;
        }
        if self.epoch != Some(epoch) {
            // What was to come is lost together with the store's data.
            self.catch_up = None;
        }
        self.epoch = Some(epoch);
        self.advance(seq, view);
        self.excused += self.pending.len() as u64;
        view.window.group_mut(view.group).snapshots += 1;
    }

    /// False for a reply that nobody asked for.
    pub(super) fn replied(&mut self, event: &Event<'_>, view: &mut View<'_>) -> bool {
        let (Some(id), Some(epoch), Some(numbered)) = (event.id, self.epoch, &mut self.numbered) else {
            return false;
        };
        if id < heartbeat::FIRST_ID {
            numbered.replied(id, event.payload.duplicate, epoch, view);
            return true;
        }
        self.heartbeat.forget();
        let (Some(seq), Some(n)) = (event.payload.seq, event.payload.n) else {
            view.violation(Violation::WrongAnswer, || "a heartbeat without seq or n".into());
            return true;
        };
        numbered.count(n as u32, epoch);
        if seq >= self.next_seq {
            let next = self.next_seq;
            if !view.may_jump {
                view.violation(Violation::Gap, || {
                    format!("the heartbeat says seq {seq}, and {next} was next")
                });
            }
            self.advance(seq, view);
        }
        true
    }

    pub(super) fn refused(&mut self, event: &Event<'_>, view: &mut View<'_>) {
        self.excused += 1;
        let code = event.payload.code.as_deref().unwrap_or("without a code").to_owned();
        if let (Some(numbered), Some(epoch), Some(id)) = (&mut self.numbered, self.epoch, event.id) {
            match id < heartbeat::FIRST_ID {
                true => numbered.refused(id, &code, epoch, view),
                false => self.heartbeat.forget(),
            }
        }
        *view.window.group_mut(view.group).errors.entry(code).or_default() += 1;
    }
}

/// What is wrong with a welcome that says `told`, to a client that was at `before` and has named `since`.
fn wrong_return(
    recovered: bool,
    has_state: bool,
    told: Position,
    since: Option<Position>,
    before: Option<Position>,
) -> Option<String> {
    if !recovered {
        let went_back = before.filter(|before| before.epoch == told.epoch && before.seq > told.seq)?;
        return Some(format!(
            "the room is at seq {} and was at {} in the same epoch",
            told.seq, went_back.seq
        ));
    }
    let Some(since) = since else { return Some("recovered, which was not asked for".into()) };
    if told.epoch != since.epoch {
        return Some("recovered in another epoch than the one that was named".into());
    }
    if told.seq != since.seq {
        return Some(format!("recovered from seq {} and not from {} on", told.seq, since.seq));
    }
    has_state.then(|| "recovered, and with a state".into())
}
