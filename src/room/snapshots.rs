//! How members that missed events are brought up to date.

use std::sync::Arc;

use bytes::Bytes;

use super::action::{RoomAction, Submission};
use super::joining::snapshot_readers;
use super::results::{is_unanswered, state_of};
use super::submitted::Purpose;
use super::{MembershipId, Room, Round, hook};
use crate::script::NO_HOOK;
use crate::state::{BatchDone, Call, CallResult, Membership, OnError};
use crate::wire::ErrorCode;
use crate::wire::ids::Identity;
use crate::wire::ws::close_code;
use crate::wire::{message, ws};

/// Who wants a snapshot.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    wanted: Vec<(Arc<Identity>, MembershipId)>,
    /// Not asked before this time, in milliseconds of the monotonic clock.
    not_before_ms: u64,
}

/// How long to wait before a store that could not give a snapshot is asked again.
const RETRY_MS: u64 = 500;

impl Snapshots {
    /// Whether nobody wants one.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// These have not got theirs.
    pub(super) fn ask_again(
        &mut self,
        members: Vec<(Arc<Identity>, MembershipId)>,
        now_ms: u64,
        actions: &mut Vec<RoomAction>,
    ) {
        if members.is_empty() {
            return;
        }
        self.wanted.extend(members);
        self.not_before_ms = now_ms + RETRY_MS;
        actions.push(RoomAction::WakeAt(self.not_before_ms));
    }
}

impl Room {
    /// A member that misses events has read what it was sent: it wants the room's state in their place.
    pub(crate) fn wants_snapshot(&mut self, identity: Arc<Identity>, membership: MembershipId) {
        let is_wanted = self.snapshots.wanted.iter().any(|(_, wanted)| *wanted == membership);
        if !is_wanted && self.members.get_current(&identity.user_id, membership).is_some() {
            self.snapshots.wanted.push((identity, membership));
        }
    }

    /// Asks the store for the snapshots that are wanted: one for many members, if it can be.
    pub(super) fn request_snapshots(&mut self, round: Round<'_>, actions: &mut Vec<RoomAction>) {
        if self.snapshots.is_empty() || round.now_ms < self.snapshots.not_before_ms {
            return;
        }
        let mut wanted = std::mem::take(&mut self.snapshots.wanted);
        let most = snapshot_readers(round.scripts.get("on_snapshot"));
        while !wanted.is_empty() {
            let rest = wanted.split_off(wanted.len().min(most));
            self.request_snapshot(std::mem::replace(&mut wanted, rest), round, actions);
        }
    }

    fn request_snapshot(
        &mut self,
        members: Vec<(Arc<Identity>, MembershipId)>,
        round: Round<'_>,
        actions: &mut Vec<RoomAction>,
    ) {
        let on_snapshot = hook(round.scripts, "on_snapshot");
        let call = |script, caller: &Arc<Identity>, membership| {
            Call::hook(script, caller.clone(), &self.id, membership).wanting_result()
        };
        // Word of a newer socket on another node may be among what was missed.
        let confirm = |(identity, membership): &(Arc<Identity>, MembershipId)| {
            call(NO_HOOK.clone(), identity, Membership::Confirm(*membership))
        };
        let first = members.first().map(|(identity, _)| identity.clone());
        let snapshot = first.map(|first| call(on_snapshot, &first, Membership::Unchanged));
        let calls = members.iter().map(confirm).chain(snapshot).collect();
        let number = self.submitted.note(Purpose::Snapshots(members));
        let on_error = OnError::LastNeedsAnother;
        let received_at = round.began;
        actions.push(RoomAction::Submit(Submission {
            number,
            calls,
            on_error,
            may_give_back: false,
            received_at,
        }));
    }

    pub(super) fn snapshots_done(
        &mut self,
        members: Vec<(Arc<Identity>, MembershipId)>,
        mut done: BatchDone,
        round: Round<'_>,
        actions: &mut Vec<RoomAction>,
    ) {
        if let Some(events) = done.events.take() {
            self.events(events, actions);
        }
        let mut confirmed = done.results;
        let snapshot = confirmed.split_off(members.len().min(confirmed.len())).into_iter().next();
        let mut frame = Bytes::new();
        if let Some(CallResult::Ok(state)) = &snapshot {
            self.stream.begin_at(done.position);
            frame = ws::text_frame(&message::snapshot(done.position, &state_of(state)));
        }
        let mut again = Vec::new();
        for ((identity, membership), confirmed) in members.into_iter().zip(confirmed) {
            let Some(member) = self.members.get_current(&identity.user_id, membership) else { continue };
            let connection = member.connection;
            let close = |code, reason| RoomAction::Close { connection, code, reason };
            match (&confirmed, &snapshot) {
                (CallResult::Skipped, _) => {
                    actions.push(close(close_code::REPLACED, "the same user joined again"));
                }
                (CallResult::Ok(_), Some(CallResult::Ok(_))) => actions.push(RoomAction::Snapshot {
                    to: connection,
                    seq: done.position.seq,
                    frame: frame.clone(),
                }),
                (one, other) if is_for_later(one) || other.as_ref().is_some_and(is_for_later) => {
                    again.push((identity, membership));
                }
                // The script failed, and was logged: the member cannot be brought up to date.
                _ => actions.push(close(close_code::INTERNAL_ERROR, "the room's snapshot failed")),
            }
        }
        self.snapshots.ask_again(again, round.now_ms, actions);
    }
}

/// Whether the store did not answer, or the engine had no time for members who have used more than their share.
fn is_for_later(result: &CallResult) -> bool {
    is_unanswered(result) || matches!(result, CallResult::Err(error) if error.code == ErrorCode::Busy)
}
