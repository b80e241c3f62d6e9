//! How somebody comes in: `on_connect` decides, `on_snapshot` says what the room is like, and the upgrade is answered.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use smol_str::SmolStr;

use super::action::{Admission, RoomAction, Submission, Why};
use super::join::Join;
use super::members::Member;
use super::missed::MissedEvents;
use super::results::state_of;
use super::submitted::Purpose;
use super::{MembershipId, Room, Round, hook};
use crate::script::{NO_HOOK, Script};
use crate::state::{BatchDone, Call, CallError, CallResult, ConnectionKey, Membership, OnError};
use crate::wire::ids::Identity;
use crate::wire::ws::close_code;
use crate::wire::{Position, Recovered};

/// Most who join with the same snapshot. Each has it in a frame of its own, of up to a megabyte in a large room.
pub(super) const SNAPSHOT_READERS: usize = 64;

/// Where somebody comes in.
struct Place {
    position: Position,
    /// The last of the user's numbered inputs that ran.
    n: u64,
    recovered: Option<Recovered>,
}

impl Room {
    /// Somebody wants to come in; with `since`, it has been here before. The hook that decides gets the `options`.
    pub(crate) fn join(
        &mut self,
        connection: ConnectionKey,
        identity: Arc<Identity>,
        membership: MembershipId,
        since: Option<Position>,
        options: Option<Box<str>>,
    ) {
        self.joins.push(Join { connection, identity, membership, since, options, is_gone: false });
    }

    /// The connection of somebody who wanted to come in has ended.
    pub(crate) fn join_gone(&mut self, connection: ConnectionKey) {
        self.joins.retain(|join| join.connection != connection);
        let mut joins = self.submitted.joins();
        if let Some(join) = joins.find(|join| join.connection == connection) {
            join.is_gone = true;
        }
    }

    /// Sends the hooks of those who have come to the engine, many in one batch: the room's state is the same for all of them,
    /// and in a large room it is what takes time. What waits of the same users goes first (their leaving, say), and so do
    /// calls of the server's own (a guest has become the player who joins); those may be among what is under way.
    pub(super) fn submit_joins(&mut self, round: Round<'_>, actions: &mut Vec<RoomAction>) {
        if self.joins.is_empty() || self.submitted.has_inputs() {
            return;
        }
        if self.waiting.has_own() || self.joins.iter().any(|join| self.waiting.has_of(&join.identity.user_id))
        {
            self.submit_inputs(round, actions);
            return;
        }
        let mut joins = std::mem::take(&mut self.joins);
        let most = snapshot_readers(round.scripts.get("on_snapshot"));
        while !joins.is_empty() {
            let rest = joins.split_off(joins.len().min(most));
            self.submit_some_joins(std::mem::replace(&mut joins, rest), round, actions);
        }
    }

    fn submit_some_joins(&mut self, joins: Vec<Join>, round: Round<'_>, actions: &mut Vec<RoomAction>) {
        let call = |script: &Arc<Script>, caller: &Arc<Identity>, membership| {
            Call::hook(script.clone(), caller.clone(), &self.id, membership).wanting_result()
        };
        let (on_connect, on_resume) = (hook(round.scripts, "on_connect"), hook(round.scripts, "on_resume"));
        let claims: Vec<Option<Claim>> = joins.iter().map(|join| self.claim(join)).collect();
        let with_claims = || joins.iter().zip(&claims);
        let rejoin = |(join, claim): (&Join, &Option<Claim>)| {
            let is_kept = claim.as_ref()?.is_kept;
            let membership = Membership::Rejoin { membership: join.membership, is_kept };
            Some(call(&on_resume, &join.identity, membership).with_options(join.options.as_deref()))
        };
        let enter = |(join, claim): (&Join, &Option<Claim>)| {
            let enter = if claim.is_some() { Membership::EnterUnlessRejoined } else { Membership::Enter };
            call(&on_connect, &join.identity, enter(join.membership)).with_options(join.options.as_deref())
        };
        let on_snapshot = round.scripts.get("on_snapshot");
        let first = joins.first().map(|join| join.identity.clone());
        let snapshot =
            on_snapshot.zip(first).map(|(script, first)| call(script, &first, Membership::Unchanged));
        let on_error = if snapshot.is_some() { OnError::LastNeedsAnother } else { OnError::GoOn };
        let calls =
            with_claims().filter_map(rejoin).chain(with_claims().map(enter)).chain(snapshot).collect();
        let resumes = joins.iter().filter_map(|join| join.since).collect();
        let claims = claims.iter().map(Option::is_some).collect();
        let number = self.submitted.note(Purpose::Joins { joins, claims });
        let received_at = round.began;
        actions.push(RoomAction::Submit(Submission {
            number,
            calls,
            on_error,
            may_give_back: false,
            resumes,
            received_at,
        }));
    }

    /// Whether somebody may take back a seat that is kept: who has been here before, or is away.
    fn claim(&self, join: &Join) -> Option<Claim> {
        let user_id = &join.identity.user_id;
        let is_away = self.members.is_away(user_id);
        let is_kept = is_away || join.since.is_some() && self.has_member(user_id);
        (is_away || join.since.is_some()).then_some(Claim { is_kept })
    }

    pub(super) fn joins_done(
        &mut self,
        joins: Vec<Join>,
        claims: &[bool],
        mut done: BatchDone,
        round: Round<'_>,
        actions: &mut Vec<RoomAction>,
    ) {
        if let Some(events) = done.events.take() {
            self.events(events, actions);
        }
        let mut entered = entries(claims, done.results);
        let mut last_ran = done.last_ran.into_iter();
        let state = shared_state(entered.split_off(joins.len().min(entered.len())).into_iter().next());
        if state.is_ok() && entered.iter().any(|result| matches!(result, CallResult::Ok(_))) {
            self.begin_at(done.position, actions);
        }
        let mut missed = done.missed.as_ref().map(|missed| MissedEvents::new(missed, done.position));
        let users: Vec<SmolStr> = joins.iter().map(|join| join.identity.user_id.clone()).collect();
        for (index, (join, entered)) in joins.into_iter().zip(entered).enumerate() {
            // Those of the batch whose turn is still to come are joining, too.
            let is_joining = users[index + 1..].contains(&users[index]);
            let n = last_ran.next().unwrap_or_default();
            let recovered = missed.as_mut().and_then(|missed| missed.of(&join.identity.user_id, join.since?));
            let place = Place { position: done.position, n, recovered };
            self.join_done(join, entered, &state, place, is_joining, (round, actions));
        }
    }

    fn join_done(
        &mut self,
        join: Join,
        entered: CallResult,
        state: &Result<Option<Bytes>, CallError>,
        place: Place,
        is_joining: bool,
        (round, actions): (Round<'_>, &mut Vec<RoomAction>),
    ) {
        if let CallResult::NotRun(_) = entered {
            // The user is in elsewhere: the store wants to know whether it still waits here.
            self.joins.extend((!join.is_gone).then_some(join));
            return;
        }
        let has_entered = !matches!(entered, CallResult::Err(_));
        let outcome = match &entered {
            CallResult::Err(error) => Err(error),
            _ => state.as_ref(),
        };
        match outcome {
            Ok(state) if !join.is_gone && (state.is_some() || place.recovered.is_some()) => {
                self.admit(join, place, state.clone().unwrap_or_default(), actions);
            }
            outcome => {
                let connection = join.connection;
                if let CallResult::Err(error) = &entered
                    && error.is_lost()
                {
                    self.give_up_join(&join, round);
                }
                match outcome {
                    _ if join.is_gone => {}
                    Ok(_) => actions.push(RoomAction::TurnAway { connection, why: Why::Busy }),
                    Err(error) => actions.push(RoomAction::Refuse { connection, error: error.clone() }),
                }
                if has_entered && !is_joining {
                    self.undo_join(&join, (round, actions));
                }
            }
        }
    }

    fn admit(
        &mut self,
        join: Join,
        Place { position, n, recovered }: Place,
        state: Bytes,
        actions: &mut Vec<RoomAction>,
    ) {
        let Join { connection, identity, membership, .. } = join;
        let replaced = self.members.insert(identity, Member { membership, connection });
        self.members.begin_after(membership, n);
        actions.push(RoomAction::Admit(Admission { connection, membership, position, n, state, recovered }));
        let replaced = replaced.filter(|member| member.connection != ConnectionKey::NOBODY);
        if let Some(Member { connection, .. }) = replaced {
            let reason = "the same user joined again";
            actions.push(RoomAction::Close { connection, code: close_code::REPLACED, reason });
        }
    }

    /// Somebody gets the room's state at this position, or what led to it.
    pub(super) fn begin_at(&mut self, position: Position, actions: &mut Vec<RoomAction>) {
        if self.stream.begin_at(position) {
            self.is_lost(actions);
        }
    }

    /// `on_connect` let somebody in who did not become a member after all. A seat that was kept is kept on, for this membership.
    fn undo_join(&mut self, join: &Join, (round, actions): (Round<'_>, &mut Vec<RoomAction>)) {
        let user_id = &join.identity.user_id;
        if self.members.is_away(user_id) {
            let member = Member { membership: join.membership, connection: ConnectionKey::NOBODY };
            self.members.insert(join.identity.clone(), member);
            return self.lose(join.identity.clone(), join.membership, round, actions);
        }
        if !self.is_here(user_id) {
            self.run_on_disconnect(join.identity.clone(), join.membership, round);
        }
    }

    /// Nobody knows whether the store has let somebody in, who was refused: it shall not, or undo it.
    fn give_up_join(&mut self, join: &Join, round: Round<'_>) {
        let stands = self.members.get(&join.identity.user_id).map(|member| member.membership);
        let script = match stands {
            None => hook(round.scripts, "on_disconnect"),
            Some(_) => NO_HOOK.clone(),
        };
        let membership = Membership::GiveUp { membership: join.membership, stands };
        self.push_own(Call::hook(script, join.identity.clone(), &self.id, membership), round);
    }

    /// The engine has not taken a batch of joins.
    pub(super) fn turn_away(joins: Vec<Join>, why: Why, actions: &mut Vec<RoomAction>) {
        let here = joins.into_iter().filter(|join| !join.is_gone);
        actions.extend(here.map(|join| RoomAction::TurnAway { connection: join.connection, why }));
    }

    /// Whose calls go before those who join.
    pub(super) fn ahead_of_joins(&self) -> HashSet<SmolStr> {
        if self.joins.is_empty() {
            return HashSet::new();
        }
        let joining = self.joins.iter().map(|join| join.identity.user_id.clone());
        joining.chain(self.waiting.own_users()).collect()
    }
}

/// Somebody's claim to a seat.
struct Claim {
    /// Whether the room knows that it is kept.
    is_kept: bool,
}

/// How each came in, and behind that the rest of the results: those with a claim by taking back their seat, if it was kept.
fn entries(claims: &[bool], mut results: Vec<CallResult>) -> Vec<CallResult> {
    let count = claims.iter().filter(|has_claim| **has_claim).count();
    let mut entered = results.split_off(count.min(results.len()));
    let claimed = claims.iter().zip(&mut entered).filter(|(has_claim, _)| **has_claim);
    for (rejoined, (_, entered)) in results.into_iter().zip(claimed) {
        if !matches!(rejoined, CallResult::Skipped) {
            *entered = rejoined;
        }
    }
    entered
}

/// For how many members at once one call of `on_snapshot` does.
pub(super) fn snapshot_readers(on_snapshot: Option<&Arc<Script>>) -> usize {
    match on_snapshot {
        Some(script) if script.reads_call => 1,
        _ => SNAPSHOT_READERS,
    }
}

/// The room's state that a batch of joins gave; null without an `on_snapshot`, and none where nobody needs it.
fn shared_state(result: Option<CallResult>) -> Result<Option<Bytes>, CallError> {
    match result {
        Some(CallResult::Err(error)) => Err(error),
        Some(CallResult::Ok(result)) => Ok(Some(state_of(&result))),
        Some(CallResult::Skipped | CallResult::NotRun(_)) => Ok(None),
        None => Ok(Some(Bytes::from_static(b"null"))),
    }
}
