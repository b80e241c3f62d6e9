//! Guests: signs of life of those with a socket or a call, and the end of those without.
//!
//! Each shard tells the store of its own guests, in calls of many at once. The first shard also claims those that have
//! shown no sign of life for too long, one claim at a time for each store, and cleans up after them one by one. Whatever
//! fails on the way is left to the next claim.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use smol_str::SmolStr;

use super::accounts::is_unavailable;
use super::mail::Mail;
use super::purposes::{GuestTask, Purpose};
use super::shard::Shard;
use crate::guests::{self, ALIVE_AT_ONCE, CLAIMED_AT_ONCE, Expired, Written};
use crate::session::Session;
use crate::session::account::{AccountCall, AccountReply, AccountRequest};
use crate::state::{BatchDone, CallResult, ShardId};
use crate::wire::ids::{Identity, Role};

/// Signs of life are told at least so often.
const LONGEST_INTERVAL_MS: u64 = 60_000;
/// In a guest's lifetime they are told so many times.
const TIMES_IN_A_LIFE: u64 = 10;

/// What a shard knows of guests.
pub(super) struct Guests {
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
    claims: Vec<Claiming>,
}

/// How far the cleaning up has got in one store.
struct Claiming {
    due_ms: u64,
    /// Whether an answer is waited for.
    is_busy: bool,
    /// Whether the store may have more that is due now.
    has_more: bool,
    /// Guests to clean up, the one that is being worked on first.
    expired: VecDeque<Expired>,
    known: u64,
}

impl Guests {
    pub(super) fn new(shard: ShardId, ttl: Duration, stores: usize, now_ms: u64) -> Self {
        let interval_ms = (ttl.as_millis() as u64 / TIMES_IN_A_LIFE).clamp(1, LONGEST_INTERVAL_MS);
        let claiming = || Claiming {
            due_ms: now_ms + 2 * interval_ms,
            is_busy: false,
            has_more: false,
            expired: VecDeque::new(),
            known: 0,
        };
        Self {
            ttl,
            interval_ms,
            called: HashSet::new(),
            next_index: 0,
            step_due_ms: now_ms + interval_ms,
            claims: (0..if shard == 0 { stores } else { 0 }).map(|_| claiming()).collect(),
        }
    }

    /// When there is something to do next, in monotonic milliseconds.
    pub(super) fn due_ms(&self) -> u64 {
        let claims = self.claims.iter().filter(|claim| !claim.is_busy).map(|claim| claim.due_ms);
        claims.chain([self.step_due_ms]).min().unwrap_or(u64::MAX)
    }
}

impl Shard {
    /// Does what is due.
    pub(super) fn look_after_guests(&mut self) {
        let now_ms = self.now.monotonic_ms;
        if now_ms < self.guests.due_ms() {
            return;
        }
        if now_ms >= self.guests.step_due_ms {
            self.tell_alive();
        }
        for store in 0..self.guests.claims.len() {
            let claim = &mut self.guests.claims[store];
            if claim.is_busy || now_ms < claim.due_ms {
                continue;
            }
            claim.is_busy = true;
            let batch = guests::claim(self.guests.ttl, self.id);
            if !self.submit_task_to(store, GuestTask::Claim(store), batch) {
                self.give_up(store);
            }
        }
    }

    /// A guest has called: a sign of life, which is told with the next ones.
    pub(super) fn guest_called(&mut self, guest: &Identity) {
        self.guests.called.insert(guest.user_id.clone());
        if self.guests.called.len() >= ALIVE_AT_ONCE {
            self.tell_called();
        }
    }

    /// The database knows a guest from now on, which is to be cleaned up some time.
    pub(super) fn guest_written(&mut self, guest: &SmolStr) {
        // If the store has no time for it now, the guest's next call in a room, or its next refresh, writes it down.
        let _ = self.shared.engine.submit(guests::alive([guest].into_iter(), Written::Now, self.id));
    }

    /// One step: the guests among the next connections.
    fn tell_alive(&mut self) {
        let first = self.guests.next_index;
        let end = first + ALIVE_AT_ONCE;
        let with_sockets: HashSet<SmolStr> = (first..end)
            .filter_map(|index| Some(&self.connections.get(index)?.carried.session))
            .filter_map(|session| match session {
                Session::WebSocket(_) => session.identity(),
                _ => None,
            })
            .filter(|identity| identity.role == Role::Guest)
            .map(|identity| identity.user_id.clone())
            .collect();
        self.tell(&with_sockets);
        self.tell_called();
        let connections = self.connections.capacity();
        self.guests.next_index = if end < connections { end } else { 0 };
        let steps = connections.div_ceil(ALIVE_AT_ONCE).max(1) as u64;
        self.guests.step_due_ms = self.now.monotonic_ms + (self.guests.interval_ms / steps).max(1);
    }

    fn tell_called(&mut self) {
        let called = std::mem::take(&mut self.guests.called);
        self.tell(&called);
    }

    fn tell(&self, ids: &HashSet<SmolStr>) {
        if ids.is_empty() {
            return;
        }
        for store in 0..self.shared.engine.stores() {
            let batch = guests::alive(ids.iter(), Written::Before, self.id);
            // One that has no time for it is told again in a tenth of a guest's lifetime.
            let _ = self.shared.engine.submit_to(store, batch);
        }
    }

    /// A batch of the book has been run.
    pub(super) fn guest_task_done(&mut self, done: BatchDone, task: GuestTask) {
        match task {
            GuestTask::Claim(store) => self.claimed(store, first(done)),
            GuestTask::Take(store) => self.taken(store, done.results),
            GuestTask::Forget(store) => self.forgotten(store, first(done)),
            GuestTask::Rooms(upgrade, store) => self.upgrade_rooms(upgrade, store, &first(done)),
        }
    }

    fn claimed(&mut self, store: usize, result: CallResult) {
        let claim = match result {
            CallResult::Ok(answer) => guests::read_claim(&answer),
            _ => None,
        };
        let Some(claim) = claim else { return self.give_up(store) };
        let claiming = &mut self.guests.claims[store];
        claiming.known = claim.known;
        claiming.has_more = claim.expired.len() == CLAIMED_AT_ONCE;
        claiming.expired = claim.expired.into();
        let known: u64 = self.guests.claims.iter().map(|claim| claim.known).sum();
        self.metrics.guests.set(i64::try_from(known).unwrap_or(i64::MAX));
        self.clean_up(store);
    }

    /// The next step of cleaning up: a room of the first guest, or its end.
    fn clean_up(&mut self, store: usize) {
        let claiming = &mut self.guests.claims[store];
        while let Some(expired) = claiming.expired.front_mut() {
            if let Some(room) = expired.rooms.last() {
                let hook = self.scripts.get("on_disconnect");
                let batch = guests::take(expired, room, hook, self.id);
                if self.submit_for(Purpose::Guests(GuestTask::Take(store)), batch).is_err() {
                    self.give_up(store);
                }
                return;
            }
            if expired.is_whole {
                return self.forget_in_database(store);
            }
            // The rest is for the next claim.
            claiming.expired.pop_front();
        }
        let wait_ms = if claiming.has_more { 0 } else { self.guests.interval_ms };
        claiming.is_busy = false;
        claiming.due_ms = self.now.monotonic_ms + wait_ms;
    }

    fn taken(&mut self, store: usize, results: Vec<CallResult>) {
        let Some(expired) = self.guests.claims[store].expired.front_mut() else { return };
        let Some(room) = expired.rooms.pop() else { return };
        match &results[..] {
            [CallResult::Err(error), ..] if is_unavailable(error) => return self.give_up(store),
            [CallResult::Ok(_), CallResult::Err(error)] if is_unavailable(error) => {
                let again = guests::note_again(expired, &room, self.id);
                if self.shared.engine.submit(again).is_err() {
                    let user = &expired.identity.user_id;
                    log::warn!("a guest that is gone keeps its seat user={user} room={room}");
                }
                return self.give_up(store);
            }
            // Done; or the guest is back, which the end of its cleaning up finds out.
            _ => {}
        }
        self.clean_up(store);
    }

    fn forget_in_database(&mut self, store: usize) {
        let Some(expired) = self.guests.claims[store].expired.front() else { return };
        let guest = expired.identity.user_id.clone();
        if !guests::is_guest(&guest) {
            // A script has put it there; the database knows no such guest.
            return self.guest_forgotten(store, true);
        }
        let Some(post) = self.peers.get(self.id).map(super::letters::Peer::postbox) else { return };
        let reply = AccountReply::new(move |result| {
            // A shard that is gone needs no answer.
            let _ = post.post_blocking(Mail::GuestForgotten(store, result.is_ok()));
        });
        let call = AccountCall::ForgetGuest(guest.to_string());
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        let request = AccountRequest { call, caller: None, address };
        if self.shared.accounts.submit(request, reply).is_err() {
            self.give_up(store);
        }
    }

    /// The database has forgotten the guest that is being worked on, or could not.
    pub(super) fn guest_forgotten(&mut self, store: usize, is_done: bool) {
        let expired = self.guests.claims.get(store).and_then(|claim| claim.expired.front());
        match expired.filter(|_| is_done) {
            Some(expired) => {
                let batch = guests::forget(expired, self.id);
                if !self.submit_task_to(store, GuestTask::Forget(store), batch) {
                    self.give_up(store);
                }
            }
            None => self.give_up(store),
        }
    }

    fn forgotten(&mut self, store: usize, result: CallResult) {
        let CallResult::Ok(answer) = result else { return self.give_up(store) };
        if guests::was_forgotten(&answer) {
            self.metrics.guests_expired.inc();
        }
        self.guests.claims[store].expired.pop_front();
        self.clean_up(store);
    }

    /// The store or the database is away: what is claimed is claimed again later. Before that, each guest's sign of life has
    /// had the time to come through.
    fn give_up(&mut self, store: usize) {
        let wait_ms = 2 * self.guests.interval_ms;
        if let Some(claiming) = self.guests.claims.get_mut(store) {
            claiming.expired.clear();
            claiming.is_busy = false;
            claiming.due_ms = self.now.monotonic_ms + wait_ms;
        }
    }
}

/// The result of a batch of one call.
fn first(done: BatchDone) -> CallResult {
    done.results.into_iter().next().unwrap_or(CallResult::Skipped)
}
