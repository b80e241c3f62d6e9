//! How an input waits for its turn, and goes to the engine.

use super::action::{RoomAction, Submission, Why};
use super::submitted::{Purpose, Sent};
use super::waiting::{Fill, QueuedInput};
use super::{Room, Round};
use crate::state::{Call, OnError};

impl Room {
    pub(crate) fn input(&mut self, input: QueuedInput, round: Round<'_>, actions: &mut Vec<RoomAction>) {
        let is_full = self.waiting.bytes() >= round.bounds.waiting_bytes;
        if is_full && self.waiting.has_of(&input.call.caller.user_id) {
            return refuse(input, Why::Busy, actions);
        }
        self.waiting.push(input);
    }

    /// Gives the engine a batch of what waits. Returns whether there was one to give.
    pub(super) fn submit_inputs(&mut self, round: Round<'_>, actions: &mut Vec<RoomAction>) -> bool {
        if self.waiting.is_empty() || self.submitted.has_inputs() {
            return false;
        }
        let bounds = round.bounds;
        let calls = bounds.batch_calls.min(self.cost.calls_in(bounds.batch_time_us));
        let fill = Fill { calls, bytes: bounds.batch_bytes };
        let inputs = self.waiting.take(fill, &self.ahead_of_joins());
        // What the batch had no place for follows as soon as it is back.
        self.is_urgent = !self.waiting.is_empty();
        let received_at = inputs.iter().map(|input| input.received_at).min().unwrap_or(round.began);
        let (calls, sent) = inputs.into_iter().map(part).unzip();
        let number = self.submitted.note(Purpose::Inputs(sent));
        let on_error = OnError::GoOn;
        actions.push(RoomAction::Submit(Submission {
            number,
            calls,
            on_error,
            may_give_back: true,
            received_at,
        }));
        true
    }

    /// The engine has not taken a batch of inputs: they wait on. But while the store is away, players are told at once.
    pub(super) fn inputs_not_taken(
        &mut self,
        sent: Vec<Sent>,
        calls: Vec<Call>,
        why: Why,
        actions: &mut Vec<RoomAction>,
    ) {
        let inputs = sent.into_iter().zip(calls).map(|(sent, call)| sent.with(call));
        self.waiting.put_back(inputs.collect());
        if why == Why::Unavailable {
            self.waiting.take_players().into_iter().for_each(|input| refuse(input, why, actions));
        }
        // They wait for what is not taken either.
        Self::turn_away(std::mem::take(&mut self.joins), why, actions);
        self.flush(actions);
    }
}

fn part(input: QueuedInput) -> (Call, Sent) {
    let QueuedInput { call, reply, received_at, charge } = input;
    let again = reply.is_none().then(|| Box::new(call.clone()));
    (call, Sent { reply, received_at, charge, again })
}

fn refuse(input: QueuedInput, why: Why, actions: &mut Vec<RoomAction>) {
    if let Some(reply) = input.reply {
        actions.push(RoomAction::RefuseInput { connection: reply.connection, id: reply.id, why });
    }
}
