//! What a batch's end brings.

use bytes::Bytes;

use super::action::{BatchNumber, RoomAction, Why};
use super::submitted::{Purpose, Sent};
use super::{Room, Round};
use crate::state::{BatchDone, Call, CallResult};
use crate::wire::{message, ws};

impl Room {
    /// A batch has come back from the engine.
    pub(crate) fn batch_done(
        &mut self,
        number: BatchNumber,
        done: BatchDone,
        round: Round<'_>,
        actions: &mut Vec<RoomAction>,
    ) {
        match self.submitted.take(number) {
            Some(Purpose::Inputs(sent)) => self.inputs_done(sent, done, round, actions),
            Some(Purpose::Joins(joins)) => self.joins_done(joins, done, round, actions),
            Some(Purpose::Snapshots(members)) => self.snapshots_done(members, done, round, actions),
            None => {}
        }
    }

    /// The engine has not taken a batch; its calls come back.
    pub(crate) fn batch_not_taken(
        &mut self,
        number: BatchNumber,
        calls: Vec<Call>,
        why: Why,
        round: Round<'_>,
        actions: &mut Vec<RoomAction>,
    ) {
        match self.submitted.take(number) {
            Some(Purpose::Inputs(sent)) => self.inputs_not_taken(sent, calls, why, actions),
            Some(Purpose::Joins(joins)) => Self::turn_away(joins, why, actions),
            Some(Purpose::Snapshots(members)) => self.snapshots.ask_again(members, round.now_ms, actions),
            None => {}
        }
    }

    /// Inputs are answered, what the engine gave back waits in front of all else, and what has gathered goes out.
    fn inputs_done(
        &mut self,
        sent: Vec<Sent>,
        mut done: BatchDone,
        round: Round<'_>,
        actions: &mut Vec<RoomAction>,
    ) {
        if let Some(events) = done.events.take() {
            self.events(events, actions);
        }
        let mut counts = Counts::default();
        let mut given_back = Vec::new();
        for (sent, result) in sent.into_iter().zip(done.results) {
            match (result, sent.again) {
                (CallResult::NotRun(call), _) => given_back.push(Sent { again: None, ..sent }.with(*call)),
                (result, Some(call)) if is_unanswered(&result) => {
                    given_back.push(Sent { again: None, ..sent }.with(*call));
                }
                (result, _) => counts.answer(sent.reply, &result, actions),
            }
        }
        let waits_on = given_back.len() as u64;
        let ran = counts.ok + counts.failed + counts.own;
        self.cost.note(ran as usize, done.took);
        if !given_back.is_empty() {
            self.wait_again(given_back, ran > 0, round, actions);
        }
        self.flush(actions);
        let Counts { ok, failed, .. } = counts;
        let received_at = done.received_at;
        actions.push(RoomAction::Ran { ok, failed, given_back: waits_on, received_at });
    }

    /// The engine had no time for some calls. If it ran others, these were too many at once, and the rest follows at once; if
    /// it ran none, they wait for the next tick.
    fn wait_again(
        &mut self,
        inputs: Vec<super::QueuedInput>,
        has_run_some: bool,
        round: Round<'_>,
        actions: &mut Vec<RoomAction>,
    ) {
        self.waiting.put_back(inputs);
        if has_run_some {
            self.is_urgent = true;
        } else {
            self.arm(round, actions);
        }
    }
}

/// How the calls of a batch ended.
#[derive(Default)]
struct Counts {
    ok: u64,
    failed: u64,
    /// The server's own, however they ended.
    own: u64,
}

impl Counts {
    fn answer(&mut self, reply: Option<super::Reply>, result: &CallResult, actions: &mut Vec<RoomAction>) {
        let Some(reply) = reply else { return self.own += 1 };
        match result {
            CallResult::Ok(_) => self.ok += 1,
            _ => self.failed += 1,
        }
        let text = match (result, reply.id) {
            (CallResult::Ok(result), Some(id)) => message::reply(id, result),
            (CallResult::Err(error), id) => {
                message::error(id, error.code.as_str(), &error.message, error.details.as_deref())
            }
            _ => return,
        };
        actions.push(RoomAction::Send { to: reply.connection, frame: ws::text_frame(&text) });
    }
}

/// Whether the store did not answer, or could not work.
pub(super) fn is_unanswered(result: &CallResult) -> bool {
    matches!(result, CallResult::Err(error) if error.is_unavailable())
}

/// What `on_snapshot` returned as JSON: a string in which a script put JSON text is that text.
pub(super) fn state_of(result: &Bytes) -> Bytes {
    if !result.starts_with(b"\"") {
        return result.clone();
    }
    match serde_json::from_slice::<String>(result) {
        Ok(text) if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() => text.into_bytes().into(),
        _ => result.clone(),
    }
}
