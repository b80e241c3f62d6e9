//! Guests: signs of life of those with a socket or a call, and the end of those without.
//!
//! Each shard tells the store of its own guests, in calls of many at once. The first shard also claims those that have
//! shown no sign of life for too long, one claim at a time for each store, and cleans up after them one by one. Whatever
//! fails on the way is left to the next claim.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use smol_str::SmolStr;

use super::connections::Connections;
use super::submissions::{GuestTask, Purpose, Submissions};
use crate::guests::{self, ALIVE_AT_ONCE, CLAIMED_AT_ONCE, Expired, Written};
use crate::metrics::ShardMetrics;
use crate::script::ScriptSet;
use crate::session::Session;
use crate::state::{CallResult, ShardId};
use crate::wire::ids::{Identity, Role};

/// Signs of life are told at least so often.
const LONGEST_INTERVAL_MS: u64 = 60_000;
/// In a guest's lifetime they are told so many times.
const TIMES_IN_A_LIFE: u64 = 10;

/// What a shard knows of guests.
pub(super) struct Guests {
    shard: ShardId,
    metrics: Rc<ShardMetrics>,
    /// How long one lasts without a sign of life.
    ttl: Duration,
    /// From one sign of life to the next of the same guest, in milliseconds.
    interval_ms: u64,
    /// Called since the last time that signs of life were told.
    called: HashSet<SmolStr>,
    /// The first connection of the next step, by its index in the slab.
    next_index: usize,
    step_due_ms: u64,
    /// One for each store; on the first shard only.
    claims: Vec<Claim>,
}

/// How far the cleaning up has got in one store.
struct Claim {
    due_ms: u64,
    /// Whether an answer is waited for.
    is_busy: bool,
    /// Whether the store may have more that is due now.
    has_more: bool,
    /// Guests to clean up, the one that is being worked on first.
    expired: VecDeque<Expired>,
    known: u64,
}

/// What the cleaning up works with.
pub(super) struct Tools<'a> {
    /// The way to the engine.
    pub(super) submissions: &'a mut Submissions,
    /// Those that serve, of all games.
    pub(super) scripts: &'a ScriptSet,
    /// The time, in monotonic milliseconds.
    pub(super) now_ms: u64,
}

/// What the database is to do next: forget the guest of this id, in whose cleaning up for the store of this index it is the
/// next step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub(super) struct ForgetInDatabase {
    pub(super) store: usize,
    pub(super) user_id: SmolStr,
    /// For how long the guest has shown no sign of life, at the least.
    pub(super) silent: Duration,
}

impl Guests {
    /// Nothing is known yet. `stores` is how many there are.
    pub(super) fn new(
        shard: ShardId,
        ttl: Duration,
        stores: usize,
        metrics: Rc<ShardMetrics>,
        now_ms: u64,
    ) -> Self {
        let interval_ms = (ttl.as_millis() as u64 / TIMES_IN_A_LIFE).clamp(1, LONGEST_INTERVAL_MS);
        let claim = || Claim {
            due_ms: now_ms + 2 * interval_ms,
            is_busy: false,
            has_more: false,
            expired: VecDeque::new(),
            known: 0,
        };
        Self {
            shard,
            metrics,
            ttl,
            interval_ms,
            called: HashSet::new(),
            next_index: 0,
            step_due_ms: now_ms + interval_ms,
            claims: (0..if shard == 0 { stores } else { 0 }).map(|_| claim()).collect(),
        }
    }

    /// When there is something to do next, in monotonic milliseconds.
    pub(super) fn due_ms(&self) -> u64 {
        let claims = self.claims.iter().filter(|claim| !claim.is_busy).map(|claim| claim.due_ms);
        claims.chain([self.step_due_ms]).min().unwrap_or(u64::MAX)
    }

    /// Does what is due.
    pub(super) fn tend(&mut self, connections: &Connections, tools: &mut Tools<'_>) {
        if tools.now_ms < self.due_ms() {
            return;
        }
        if tools.now_ms >= self.step_due_ms {
            self.tell_alive(connections, tools);
        }
        for store in 0..self.claims.len() {
            let claim = &mut self.claims[store];
            if claim.is_busy || tools.now_ms < claim.due_ms {
                continue;
            }
            claim.is_busy = true;
            let batch = guests::claim(self.ttl, self.shard);
            if !tools.submissions.submit_task(store, GuestTask::Claim(store), batch) {
                self.give_up(store, tools.now_ms);
            }
        }
    }

    /// A guest has called: a sign of life, which is told with the next ones.
    pub(super) fn called(&mut self, guest: &Identity, submissions: &Submissions) {
        self.called.insert(guest.user_id.clone());
        if self.called.len() >= ALIVE_AT_ONCE {
            self.tell_called(submissions);
        }
    }

    /// The database knows a guest from now on, which is to be cleaned up some time.
    pub(super) fn written(&self, guest: &SmolStr, submissions: &Submissions) {
        // If the store has no time for it now, the guest's next call in a room, or its next refresh, writes it down.
        let batch = guests::alive([guest].into_iter(), Written::Now, self.shard);
        let _ = submissions.engine.submit(batch);
    }

    /// One step: the guests among the next connections.
    fn tell_alive(&mut self, connections: &Connections, tools: &Tools<'_>) {
        let first = self.next_index;
        let end = first + ALIVE_AT_ONCE;
        let with_sockets: HashSet<SmolStr> = (first..end)
            .filter_map(|index| connections.get(index))
            .filter_map(|connection| match &connection.carried.session {
                session @ Session::WebSocket(_) => session.identity(),
                Session::Http(_) => None,
            })
            .filter(|identity| identity.role == Role::Guest)
            .map(|identity| identity.user_id.clone())
            .collect();
        self.tell(&with_sockets, tools.submissions);
        self.tell_called(tools.submissions);
        let capacity = connections.capacity();
        self.next_index = if end < capacity { end } else { 0 };
        let steps = capacity.div_ceil(ALIVE_AT_ONCE).max(1) as u64;
        self.step_due_ms = tools.now_ms + (self.interval_ms / steps).max(1);
    }

    fn tell_called(&mut self, submissions: &Submissions) {
        let called = std::mem::take(&mut self.called);
        self.tell(&called, submissions);
    }

    fn tell(&self, ids: &HashSet<SmolStr>, submissions: &Submissions) {
        if ids.is_empty() {
            return;
        }
        for store in 0..submissions.engine.stores() {
            let batch = guests::alive(ids.iter(), Written::Before, self.shard);
            // One that has no time for it is told again in a tenth of a guest's lifetime.
            let _ = submissions.engine.submit_to(store, batch);
        }
    }

    /// A claim has come back: cleans up after the first guest in it.
    pub(super) fn claimed(
        &mut self,
        store: usize,
        result: &CallResult,
        tools: &mut Tools<'_>,
    ) -> Option<ForgetInDatabase> {
        let claimed = match result {
            CallResult::Ok(answer) => guests::read_claim(answer),
            _ => None,
        };
        let Some(claimed) = claimed else {
            self.give_up(store, tools.now_ms);
            return None;
        };
        let claim = &mut self.claims[store];
        claim.known = claimed.known;
        claim.has_more = claimed.expired.len() == CLAIMED_AT_ONCE;
        claim.expired = claimed.expired.into();
        let known: u64 = self.claims.iter().map(|claim| claim.known).sum();
        self.metrics.guests.set(i64::try_from(known).unwrap_or(i64::MAX));
        self.clean_up(store, tools)
    }

    /// The next step of cleaning up: a room of the first guest, or its end.
    fn clean_up(&mut self, store: usize, tools: &mut Tools<'_>) -> Option<ForgetInDatabase> {
        let claim = &mut self.claims[store];
        while let Some(expired) = claim.expired.front_mut() {
            if let Some(room) = expired.rooms.last() {
                let on_disconnect = tools.scripts.of(room.game()).get("on_disconnect");
                let batch = guests::take(expired, room, on_disconnect, self.shard);
                let purpose = Purpose::Guests(GuestTask::Take(store));
                if tools.submissions.submit(purpose, batch).is_err() {
                    self.give_up(store, tools.now_ms);
                }
                return None;
            }
            if expired.is_whole {
                return self.forget_in_database(store, tools);
            }
            // The rest is for the next claim.
            claim.expired.pop_front();
        }
        let wait_ms = if claim.has_more { 0 } else { self.interval_ms };
        claim.is_busy = false;
        claim.due_ms = tools.now_ms + wait_ms;
        None
    }

    /// A guest was taken out of its last room.
    pub(super) fn taken(
        &mut self,
        store: usize,
        results: &[CallResult],
        tools: &mut Tools<'_>,
    ) -> Option<ForgetInDatabase> {
        let expired = self.claims[store].expired.front_mut()?;
        let room = expired.rooms.pop()?;
        match results {
            [CallResult::Err(error), ..] if error.is_unavailable() => {
                self.give_up(store, tools.now_ms);
                return None;
            }
            [CallResult::Ok(_), CallResult::Err(error)] if error.is_unavailable() => {
                let again = guests::note_again(expired, &room, self.shard);
                if tools.submissions.engine.submit(again).is_err() {
                    let user = &expired.identity.user_id;
                    log::warn!("a guest that is gone keeps its seat user={user} room={room}");
                }
                self.give_up(store, tools.now_ms);
                return None;
            }
            // Done; or the guest is back, which the end of its cleaning up finds out.
            _ => {}
        }
        self.clean_up(store, tools)
    }

    fn forget_in_database(&mut self, store: usize, tools: &mut Tools<'_>) -> Option<ForgetInDatabase> {
        let user_id = self.claims[store].expired.front()?.identity.user_id.clone();
        if guests::is_guest(&user_id) {
            return Some(ForgetInDatabase { store, user_id, silent: self.ttl });
        }
        // A script has put it there; the database knows no such guest.
        self.forgotten_in_database(store, true, tools);
        None
    }

    /// The database has forgotten the guest that is being worked on, or could not.
    pub(super) fn forgotten_in_database(&mut self, store: usize, is_done: bool, tools: &mut Tools<'_>) {
        let expired = self.claims.get(store).and_then(|claim| claim.expired.front());
        let batch = expired.filter(|_| is_done).map(|expired| guests::forget(expired, self.shard));
        let is_asked =
            batch.is_some_and(|batch| tools.submissions.submit_task(store, GuestTask::Forget(store), batch));
        if !is_asked {
            self.give_up(store, tools.now_ms);
        }
    }

    /// The store has forgotten the guest that is being worked on.
    pub(super) fn forgotten(
        &mut self,
        store: usize,
        result: &CallResult,
        tools: &mut Tools<'_>,
    ) -> Option<ForgetInDatabase> {
        let CallResult::Ok(answer) = result else {
            self.give_up(store, tools.now_ms);
            return None;
        };
        if guests::was_forgotten(answer) {
            self.metrics.guests_expired.inc();
        }
        self.claims[store].expired.pop_front();
        self.clean_up(store, tools)
    }

    /// The store or the database is away: what is claimed is claimed again later. Before that, each guest's sign of life has
    /// had the time to come through.
    pub(super) fn give_up(&mut self, store: usize, now_ms: u64) {
        let wait_ms = 2 * self.interval_ms;
        if let Some(claim) = self.claims.get_mut(store) {
            claim.expired.clear();
            claim.is_busy = false;
            claim.due_ms = now_ms + wait_ms;
        }
    }
}
