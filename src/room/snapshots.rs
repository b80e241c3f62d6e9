//! How members that missed events are brought up to date.

use std::sync::Arc;

use super::action::{CaughtUp, RoomAction, Submission};
use super::joining::snapshot_readers;
use super::missed::MissedEvents;
use super::results::state_of;
use super::submitted::Purpose;
use super::{MembershipId, Room, Round, hook};
use crate::script::NO_HOOK;
use crate::state::{BatchDone, Call, CallError, CallResult, ConnectionKey, Membership, OnError};
use crate::wire::ErrorCode;
use crate::wire::Position;
use crate::wire::ids::Identity;
use crate::wire::ws::close_code;
use crate::wire::ws::deflate::SharedFrame;
use crate::wire::{message, ws};

/// Who is to be brought up to date.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    wanted: Vec<Laggard>,
    /// Not asked before this time, in milliseconds of the monotonic clock.
    not_before_ms: u64,
    /// For when the room is to be woken for that.
    woken_ms: u64,
}

/// A member that misses events.
#[derive(Clone, Debug)]
pub(super) struct Laggard {
    identity: Arc<Identity>,
    membership: MembershipId,
    /// Up to where it has them.
    since: Position,
}

/// How long to wait before a store that could not give a snapshot is asked again.
const RETRY_MS: u64 = 500;

impl Snapshots {
    /// Whether nobody wants one.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// These have not got theirs.
    pub(super) fn ask_again(&mut self, members: Vec<Laggard>, now_ms: u64, actions: &mut Vec<RoomAction>) {
        if members.is_empty() {
            return;
        }
        self.wanted.extend(members);
        self.not_before_ms = now_ms + RETRY_MS;
        self.wake(actions);
    }

    fn wake(&mut self, actions: &mut Vec<RoomAction>) {
        if self.woken_ms != self.not_before_ms {
            self.woken_ms = self.not_before_ms;
            actions.push(RoomAction::WakeAt(self.woken_ms));
        }
    }
}

impl Room {
    /// A member that misses events has read what it was sent: it wants those behind `since`, or the room's state in their place.
    pub(crate) fn is_behind(&mut self, identity: Arc<Identity>, membership: MembershipId, since: Position) {
        let is_its = |wanted: &&mut Laggard| wanted.membership == membership;
        if let Some(wanted) = self.snapshots.wanted.iter_mut().find(is_its) {
            wanted.since = since;
        } else if self.members.get_current(&identity.user_id, membership).is_some() {
            self.snapshots.wanted.push(Laggard { identity, membership, since });
        }
    }

    /// Asks the store for what is wanted: once an interval, and one snapshot for many members, if it can be.
    pub(super) fn request_snapshots(&mut self, round: Round<'_>, actions: &mut Vec<RoomAction>) {
        if self.snapshots.is_empty() {
            return;
        }
        if round.now_ms < self.snapshots.not_before_ms {
            return self.snapshots.wake(actions);
        }
        self.snapshots.not_before_ms = round.now_ms + self.rhythm.interval_ms();
        let mut wanted = std::mem::take(&mut self.snapshots.wanted);
        let most = snapshot_readers(round.scripts.get("on_snapshot"));
        while !wanted.is_empty() {
            let rest = wanted.split_off(wanted.len().min(most));
            self.request_snapshot(std::mem::replace(&mut wanted, rest), round, actions);
        }
    }

    fn request_snapshot(&mut self, members: Vec<Laggard>, round: Round<'_>, actions: &mut Vec<RoomAction>) {
        let on_snapshot = hook(round.scripts, "on_snapshot");
        let call = |script, caller: &Arc<Identity>, membership| {
            Call::hook(script, caller.clone(), &self.id, membership).wanting_result()
        };
        // Word of a newer socket on another node may be among what was missed.
        let confirm = |member: &Laggard| {
            call(NO_HOOK.clone(), &member.identity, Membership::Confirm(member.membership))
        };
        let first = members.first().map(|member| member.identity.clone());
        let snapshot = first.map(|first| call(on_snapshot, &first, Membership::Unchanged));
        let calls = members.iter().map(confirm).chain(snapshot).collect();
        let resumes = members.iter().map(|member| member.since).collect();
        let number = self.submitted.note(Purpose::Snapshots(members));
        let on_error = OnError::LastNeedsAnother;
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

    pub(super) fn snapshots_done(
        &mut self,
        members: Vec<Laggard>,
        mut done: BatchDone,
        round: Round<'_>,
        actions: &mut Vec<RoomAction>,
    ) {
        if let Some(events) = done.events.take() {
            self.events(events, actions);
        }
        let mut confirmed = done.results;
        let snapshot = confirmed.split_off(members.len().min(confirmed.len())).into_iter().next();
        if confirmed.iter().any(|result| matches!(result, CallResult::Ok(_))) {
            self.begin_at(done.position, actions);
        }
        let mut found = Found {
            missed: done.missed.as_ref().map(|missed| MissedEvents::new(missed, done.position)),
            frame: match &snapshot {
                Some(CallResult::Ok(state)) => {
                    let snapshot = message::snapshot(done.position, &state_of(state));
                    Some(Arc::new(SharedFrame::new(ws::text_frame(&snapshot))))
                }
                _ => None,
            },
            snapshot,
            seq: done.position.seq,
        };
        let mut again = Vec::new();
        for (member, confirmed) in members.into_iter().zip(confirmed) {
            let current = self.members.get_current(&member.identity.user_id, member.membership);
            let Some(connection) = current.map(|member| member.connection) else { continue };
            match found.answer(&member, &confirmed, connection) {
                Some(action) => actions.push(action),
                None => again.push(member),
            }
        }
        self.snapshots.ask_again(again, round.now_ms, actions);
    }
}

/// What the store has told for members that are behind.
struct Found<'a> {
    missed: Option<MissedEvents<'a>>,
    snapshot: Option<CallResult>,
    /// With the snapshot, if there is one.
    frame: Option<Arc<SharedFrame>>,
    seq: u64,
}

impl Found<'_> {
    /// What becomes of a member; nothing if it is to be asked for again.
    fn answer(
        &mut self,
        member: &Laggard,
        confirmed: &CallResult,
        connection: ConnectionKey,
    ) -> Option<RoomAction> {
        let close = |code, reason| Some(RoomAction::Close { connection, code, reason });
        let catch_up = |frame, is_state| {
            let caught_up = CaughtUp { seq: self.seq, frame, is_state };
            Some(RoomAction::CatchUp { to: connection, caught_up })
        };
        match confirmed {
            CallResult::Skipped => return close(close_code::REPLACED, "the same user joined again"),
            CallResult::Err(error) if is_for_later(error) => return None,
            CallResult::Ok(_) => {}
            _ => return close(close_code::INTERNAL_ERROR, SNAPSHOT_FAILED),
        }
        let missed = self.missed.as_mut();
        if let Some(recovered) = missed.and_then(|missed| missed.of(&member.identity.user_id, member.since)) {
            return catch_up(
                recovered.missed.map(|missed| Arc::new(SharedFrame::always_plain(missed))),
                false,
            );
        }
        match &self.snapshot {
            Some(CallResult::Ok(_)) => catch_up(self.frame.clone(), true),
            Some(CallResult::Err(error)) if !is_for_later(error) => {
                // The script failed, and was logged: the member cannot be brought up to date.
                close(close_code::INTERNAL_ERROR, SNAPSHOT_FAILED)
            }
            _ => None,
        }
    }
}

const SNAPSHOT_FAILED: &str = "the room's snapshot failed";

/// Whether the store did not answer, or the engine had no time for members who have used more than their share.
fn is_for_later(error: &CallError) -> bool {
    error.is_unavailable() || error.code == ErrorCode::Busy
}
