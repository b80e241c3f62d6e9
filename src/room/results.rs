//! What a batch's end brings.

use std::sync::Arc;

use bytes::Bytes;

use super::action::{BatchNumber, RoomAction, Why};
use super::submitted::{Purpose, Sent};
use super::{Room, Round};
use crate::script::Script;
use crate::state::{BatchDone, Call, CallResult, ConnectionKey};
use crate::wire::ids::Identity;
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
            Some(Purpose::Joins { joins, claims }) => self.joins_done(joins, &claims, done, round, actions),
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
            Some(Purpose::Inputs(sent)) => self.inputs_not_taken(sent, calls, why, round, actions),
            Some(Purpose::Joins { joins, .. }) => Self::turn_away(joins, why, actions),
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
        let mut numbered = Vec::new();
        let runs = std::mem::take(&mut done.runs);
        let ticks = std::mem::take(&mut done.ticks);
        let has_run = runs.iter().map(Option::is_some).chain(std::iter::repeat(false));
        for (place, ((sent, result), has_run)) in sent.into_iter().zip(done.results).zip(has_run).enumerate()
        {
            if let Some(script) = &sent.tick {
                let tick = ticks.iter().find(|(of, _)| *of == place).map(|(_, tick)| *tick);
                counts.own += u64::from(has_run);
                self.tick_done(script, tick, round, actions);
                continue;
            }
            numbered.extend(Numbered::of(&sent, &result));
            match (result, sent.again) {
                (CallResult::NotRun(call), _) => given_back.push(Sent { again: None, ..sent }.with(*call)),
                (result, Some(call)) if is_unanswered(&result) => {
                    given_back.push(Sent { again: None, ..sent }.with(*call));
                }
                (result, _) => {
                    let script = sent.script.as_deref().filter(|_| has_run);
                    counts.answer(sent.reply, script, &result, actions);
                }
            }
        }
        let waits_on = given_back.len() as u64;
        let ran = counts.ok + counts.failed + counts.own;
        self.cost.note(ran as usize, done.took);
        if !given_back.is_empty() {
            self.wait_again(given_back, ran > 0, round, actions);
        }
        self.numbered_done(&numbered, actions);
        self.flush(actions);
        let Counts { ok, failed, .. } = counts;
        let received_at = done.received_at;
        actions.push(RoomAction::Ran { ok, failed, given_back: waits_on, received_at });
    }

    /// Tells how far each member's numbered inputs have run, and holds those back that wait behind one that did not.
    fn numbered_done(&mut self, numbered: &[Numbered], actions: &mut Vec<RoomAction>) {
        for Numbered { caller, reply, has_run } in numbered {
            let order = self.members.order_of(&caller.user_id, reply.connection);
            match (order, reply.name.n) {
                (Some(order), Some(n)) if *has_run => order.ran(n.get()),
                (Some(order), n) => order.refused(n),
                (None, _) => {}
            }
        }
        actions.extend(farthest(numbered));
        let did_not_run = numbered.iter().filter(|input| !input.has_run);
        let did_not_run: Vec<_> = did_not_run.map(|input| (&input.caller.user_id, input.reply)).collect();
        if !did_not_run.is_empty() {
            self.refuse_held(&did_not_run, actions);
        }
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

/// How a numbered input ended.
struct Numbered {
    caller: Arc<Identity>,
    reply: super::Reply,
    /// Whether it has, now or before; else it may come again.
    has_run: bool,
}

impl Numbered {
    fn of(sent: &Sent, result: &CallResult) -> Option<Self> {
        let (caller, reply) = (sent.caller.clone()?, sent.reply?);
        let has_run = match result {
            CallResult::Ok(_) => true,
            CallResult::Err(error) => !error.code.asks_again(),
            CallResult::Skipped | CallResult::NotRun(_) => return None,
        };
        Some(Self { caller, reply, has_run })
    }
}

/// Of each connection the last input that ran.
fn farthest(numbered: &[Numbered]) -> Vec<RoomAction> {
    let ran = numbered.iter().filter(|input| input.has_run);
    let mut ran: Vec<_> =
        ran.filter_map(|input| Some((input.reply.connection, input.reply.name.n?.get()))).collect();
    ran.sort_by_key(|(connection, n)| (connection.shard, connection.index, connection.generation, *n));
    let last = |of_one: &[(ConnectionKey, u64)]| of_one.last().copied();
    let last = ran.chunk_by(|one, other| one.0 == other.0).filter_map(last);
    last.map(|(connection, n)| RoomAction::InputsRan { connection, n }).collect()
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
    fn answer(
        &mut self,
        reply: Option<super::Reply>,
        script: Option<&Script>,
        result: &CallResult,
        actions: &mut Vec<RoomAction>,
    ) {
        let Some(reply) = reply else { return self.own += 1 };
        match result {
            CallResult::Ok(_) => self.ok += 1,
            _ => self.failed += 1,
        }
        let text = match (result, reply.name.id) {
            (CallResult::Ok(result), Some(id)) => message::reply(id, result),
            (CallResult::Err(error), _) => {
                message::error(reply.name, error.code.as_str(), &error.message, error.details.as_deref())
            }
            _ => return,
        };
        let text = match script.filter(|_| reply.name.id.is_some()) {
            Some(script) => message::with_script(text, &script.tag()),
            None => text,
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
