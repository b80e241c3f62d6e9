//! What one member of a room must receive next, and which of its inputs are still unanswered.

use super::View;
use crate::measure::window::Violation;
use crate::messages::scan::Event;
use crate::messages::traffic::{Answer, Deed};
use std::collections::VecDeque;

/// One input that has not come back yet.
#[derive(Clone, Copy, Debug)]
struct Input {
    n: u32,
    deed: Deed,
    intended_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the welcome; a client that comes back may have said which `seq` it saw last.
    Arriving {
        since: Option<u64>,
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

/// What one client must receive next.
#[derive(Debug)]
pub(crate) struct Expectations {
    pub(super) stage: Stage,
    pub(super) next_seq: u64,
    pending: VecDeque<Input>,
    /// Inputs that a later answer overtook.
    overtaken: u64,
    /// Inputs that need not be answered by an event: refused by an error, or inside a snapshot.
    excused: u64,
}

impl Expectations {
    /// Those of a client that connects now, having seen everything up to `since` before.
    pub(crate) fn new(since: Option<u64>) -> Self {
        Self {
            stage: Stage::Arriving { since },
            next_seq: 0,
            pending: VecDeque::new(),
            overtaken: 0,
            excused: 0,
        }
    }

    /// Whether the welcome has come.
    pub(crate) fn is_playing(&self) -> bool {
        self.stage == Stage::Playing
    }

    /// The last `seq` seen.
    pub(crate) fn last_seq(&self) -> Option<u64> {
        self.is_playing().then(|| self.next_seq.saturating_sub(1))
    }

    /// Notes an input that was due at `intended_ns`.
    pub(crate) fn sent(&mut self, n: u32, deed: Deed, intended_ns: u64) {
        self.pending.push_back(Input { n, deed, intended_ns });
    }

    /// Whether an answer is still missing.
    pub(crate) fn is_waiting(&self) -> bool {
        self.lost() > 0
    }

    /// Inputs for which nothing accounts.
    pub(crate) fn lost(&self) -> u64 {
        (self.pending.len() as u64 + self.overtaken).saturating_sub(self.excused)
    }

    pub(super) fn answered(&mut self, answer: Answer, view: &mut View<'_>) {
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
    pub(super) fn follow(&mut self, seq: u64, view: &mut View<'_>) -> Step {
        let expected = self.next_seq;
        if seq < expected {
            view.violation(Violation::Double, || format!("seq {seq} where {expected} was next"));
            return Step::Old;
        }
        self.next_seq = seq + 1;
        if seq > expected && !view.may_jump {
            view.violation(Violation::Gap, || format!("seq {seq} where {expected} was next"));
            return Step::Gap;
        }
        Step::Next
    }

    pub(super) fn welcome(&mut self, event: &Event<'_>, view: &mut View<'_>) {
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

    pub(super) fn snapshot(&mut self, event: &Event<'_>, view: &mut View<'_>) {
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

    pub(super) fn refused(&mut self, event: &Event<'_>, view: &mut View<'_>) {
        self.excused += 1;
        let code = event.payload.code.as_deref().unwrap_or("without a code").to_owned();
        *view.window.group_mut(view.group).errors.entry(code).or_default() += 1;
    }
}
