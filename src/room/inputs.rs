//! How an input waits for its turn, and goes to the engine.

use std::sync::Arc;

use smol_str::SmolStr;

use super::action::{RoomAction, Submission, Why};
use super::submitted::{Purpose, Sent};
use super::waiting::{Fill, QueuedInput, Reply};
use super::{Room, Round};
use crate::script::Script;
use crate::state::{Call, OnError};

impl Room {
    pub(crate) fn input(&mut self, input: QueuedInput, round: Round<'_>, actions: &mut Vec<RoomAction>) {
        if self.is_out_of_order(&input) {
            return self.refuse(input, Why::OutOfOrder, actions);
        }
        let is_full = self.waiting.bytes() >= round.bounds.waiting_bytes;
        if is_full && self.waiting.has_of(&input.call.caller.user_id) {
            return self.refuse(input, Why::Busy, actions);
        }
        self.waiting.push(input);
    }

    /// Gives the engine a batch of what waits, behind the ticks that are due. Returns whether there was one to give.
    pub(super) fn submit_inputs(&mut self, round: Round<'_>, actions: &mut Vec<RoomAction>) -> bool {
        if self.submitted.has_inputs() {
            return false;
        }
        let ticks = self.ticks.take_due(round.now_ms);
        if self.waiting.is_empty() && ticks.is_empty() {
            return false;
        }
        let bounds = round.bounds;
        let calls = bounds.batch_calls.min(self.cost.calls_in(bounds.batch_time_us));
        let fill = Fill { calls, bytes: bounds.batch_bytes };
        let inputs = self.waiting.take(fill, &self.ahead_of_joins());
        // What the batch had no place for follows as soon as it is back.
        self.is_urgent = !self.waiting.is_empty();
        let received_at = inputs.iter().map(|input| input.received_at).min().unwrap_or(round.began);
        let tick = |script: Arc<Script>| (Call::tick(script.clone()), Sent::tick(script, round.began));
        let (calls, sent) = ticks.into_iter().map(tick).chain(inputs.into_iter().map(part)).unzip();
        let number = self.submitted.note(Purpose::Inputs(sent));
        let on_error = OnError::GoOn;
        actions.push(RoomAction::Submit(Submission {
            number,
            calls,
            on_error,
            may_give_back: true,
            resumes: Vec::new(),
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
        round: Round<'_>,
        actions: &mut Vec<RoomAction>,
    ) {
        let mut inputs = Vec::with_capacity(calls.len());
        for (sent, call) in sent.into_iter().zip(calls) {
            match &sent.tick {
                Some(script) => self.tick_done(&script.clone(), None, round, actions),
                None => inputs.push(sent.with(call)),
            }
        }
        self.waiting.put_back(inputs);
        if why == Why::Unavailable {
            self.waiting.take_players().into_iter().for_each(|input| self.refuse(input, why, actions));
        }
        // They wait for what is not taken either.
        Self::turn_away(std::mem::take(&mut self.joins), why, actions);
        self.flush(actions);
    }

    fn refuse(&mut self, input: QueuedInput, why: Why, actions: &mut Vec<RoomAction>) {
        let Some(Reply { connection, name, .. }) = input.reply else { return };
        // What is behind one that did not run is no reason of its own.
        if why != Why::OutOfOrder
            && name.n.is_some()
            && let Some(order) = self.members.order_of(&input.call.caller.user_id, connection)
        {
            order.refused(name.n);
        }
        actions.push(RoomAction::RefuseInput { connection, name, why });
    }

    /// Whether an input comes behind one that did not run; or from a socket that another one of the same user has replaced, which
    /// sends again what did not run.
    fn is_out_of_order(&mut self, input: &QueuedInput) -> bool {
        let Some(Reply { connection, name, .. }) = input.reply.filter(|reply| reply.name.n.is_some()) else {
            return false;
        };
        let user_id = &input.call.caller.user_id;
        match self.members.order_of(user_id, connection) {
            Some(order) => order.holds_back(name.n),
            None => self.has_member(user_id),
        }
    }

    /// Refuses what waits behind inputs that did not run.
    pub(super) fn refuse_held(&mut self, did_not_run: &[(&SmolStr, Reply)], actions: &mut Vec<RoomAction>) {
        let members = &mut self.members;
        let users = did_not_run.iter().map(|(user_id, _)| *user_id).collect();
        let held = self.waiting.take_of(&users, |QueuedInput { call, reply, .. }| {
            let Some(reply) = reply else { return false };
            if call.n.is_none() {
                return false;
            }
            match members.order_of(&call.caller.user_id, reply.connection) {
                Some(order) => order.holds_back(call.n),
                // The connection is over, and what it had sent waits all the same.
                None => {
                    let is_behind = |one: &Reply| one.connection == reply.connection && call.n > one.name.n;
                    did_not_run.iter().any(|(_, one)| is_behind(one))
                }
            }
        });
        for input in held {
            self.refuse(input, Why::OutOfOrder, actions);
        }
    }
}

fn part(input: QueuedInput) -> (Call, Sent) {
    let QueuedInput { call, reply, received_at, charge } = input;
    let again = reply.is_none().then(|| Box::new(call.clone()));
    let caller = call.n.map(|_| call.caller.clone());
    let script = reply.filter(|reply| reply.tells_script).map(|_| call.script.clone());
    (call, Sent { reply, caller, received_at, charge, script, again, tick: None })
}
