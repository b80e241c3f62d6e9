//! Who has a seat in which room, as far as the engine keeps track of it: for guests, and for a restart.

use std::time::{Duration, Instant};

use super::{Progress, Worker};
use crate::state::guest_book::{GUESTS, is_guest, rooms_key};
use crate::state::{Call, CallResult, Delivery, Membership};
use crate::wire::ids::RoomId;

/// How soon it is looked again whether documents are there that a hook works on.
const DOCUMENTS_WAIT: Duration = Duration::from_millis(50);

impl Worker {
    /// Ends the memberships of those who were connected when the last process ended, and have not come back in time.
    pub(super) fn take_out_absent(&mut self, now: Instant) {
        let overdue = self.absent.take_overdue(now);
        if overdue.is_empty() {
            return;
        }
        let mut put_off = Vec::new();
        for member in overdue {
            let on_disconnect = self.scripts.of(member.room.game()).get("on_disconnect").cloned();
            if let Some(script) = &on_disconnect {
                let mut batch = member.leave(script);
                if !batch.calls.iter_mut().all(|call| self.settle_documents(call, Some(&member.room))) {
                    put_off.push(member);
                    continue;
                }
                self.run_calls(&batch, Instant::now());
                for events in self.runner.event_log().take() {
                    self.deliver.deliver(self.deliver.home(&events.room), Delivery::Events(events));
                }
            } else if let Some(checkpointer) = &mut self.checkpointer {
                checkpointer.left(&member.room, &member.identity);
            }
            self.deliver.end_batch();
        }
        if !put_off.is_empty() {
            self.absent.put_off(put_off, now + DOCUMENTS_WAIT);
        }
    }

    /// Whether somebody claims a seat that is not kept, or has taken it already and need not be let in.
    pub(super) fn is_void(&self, call: &Call, room: Option<&RoomId>, progress: &mut Progress) -> bool {
        match call.membership {
            Membership::Rejoin { membership, is_kept } => {
                let is_kept = is_kept || room.is_some_and(|room| self.absent.has(room, &call.caller.user_id));
                if is_kept {
                    progress.rejoined.push(membership);
                }
                !is_kept
            }
            Membership::EnterUnlessRejoined(membership) => progress.rejoined.contains(&membership),
            // What this store has run, its room knows.
            Membership::GiveUp { .. } => true,
            Membership::Absent => room.is_some_and(|room| self.absent.has(room, &call.caller.user_id)),
            _ => false,
        }
    }

    pub(super) fn note_membership(
        &mut self,
        call: &Call,
        room: Option<&RoomId>,
        now_ms: u64,
        result: &CallResult,
    ) {
        let Some(room) = room else { return };
        if call.membership != Membership::Unchanged && is_guest(&call.caller.user_id) {
            self.book_guest(call, room, now_ms, result);
        }
        self.note_for_restart(call, room, result);
    }

    /// The book of guests: this one has come or left. One that is in a room needs no entry, as its membership ends with its
    /// socket; but if it has one, that is renewed.
    fn book_guest(&mut self, call: &Call, room: &RoomId, now_ms: u64, result: &CallResult) {
        let id = call.caller.user_id.as_bytes();
        let now = now_ms.to_string();
        match call.membership {
            _ if call.membership.enters() && matches!(result, CallResult::Ok(_)) => {
                self.execute(&[b"ZADD", GUESTS.as_bytes(), b"XX", now.as_bytes(), id], now_ms);
            }
            Membership::Leave(_) | Membership::LeaveOf(_) | Membership::Absent => {
                let (key, name) = (rooms_key(&call.caller.user_id), call.caller.username.as_bytes());
                self.execute(
                    &[b"HSET", key.as_bytes(), b"", name, room.as_str().as_bytes(), b"left"],
                    now_ms,
                );
                self.execute(&[b"ZADD", GUESTS.as_bytes(), now.as_bytes(), id], now_ms);
            }
            _ => {}
        }
    }

    /// A command of the server's own. A script may have put something else at the key: then there is no book.
    fn execute(&mut self, arguments: &[&[u8]], now_ms: u64) {
        self.runner.execute(arguments, now_ms);
    }

    /// Who has to be taken out of a room if the process ends without a word. Without the hook for that it costs nothing.
    fn note_for_restart(&mut self, call: &Call, room: &RoomId, result: &CallResult) {
        if call.membership.enters() && matches!(result, CallResult::Ok(_)) {
            self.absent.has_come(room, &call.caller.user_id);
        }
        let Some(checkpointer) = &mut self.checkpointer else { return };
        match call.membership {
            // Who confirms a membership is in already, and who is absent was never noted.
            Membership::Unchanged
            | Membership::Confirm(_)
            | Membership::Absent
            | Membership::GiveUp { .. } => {}
            Membership::Enter(_) | Membership::Rejoin { .. } | Membership::EnterUnlessRejoined(_) => {
                if matches!(result, CallResult::Ok(_))
                    && self.scripts.of(room.game()).get("on_disconnect").is_some()
                {
                    checkpointer.entered(room, &call.caller);
                }
            }
            Membership::Leave(_) | Membership::LeaveOf(_) => checkpointer.left(room, &call.caller),
        }
    }
}
