//! Who may use how much of a store's time. No clock here: time is passed in.
//!
//! Each user has a leaky bucket: it fills by the time that the user's calls take, over all connections, rooms and RPCs,
//! and drains by a fifth of the time that passes. While others wait, whoever's bucket is over its burst waits until it has
//! drained. The server's own calls are nobody's. Each network that users come from has a bucket as well, which drains by a tenth
//! of the time: who makes itself a hundred guests has no more of the store than that while others play. Of what nobody else uses it may
//! have a part, as one address may be that of many who play.

mod buckets;
mod playing;

use std::time::{Duration, Instant};

use smol_str::SmolStr;

pub(crate) use self::buckets::{Buckets, Terms};
pub(crate) use self::playing::Playing;
use super::guest_book::SCRIPT_PREFIX;
use super::{Call, Membership};
use crate::wire::ids::NetworkId;

const USERS: Terms = Terms { parts: 5, burst: Duration::from_millis(100), full: Duration::from_millis(200) };
/// A burst is what the others' games stand still for.
const NETWORKS: Terms =
    Terms { parts: 10, burst: Duration::from_millis(20), full: Duration::from_millis(70) };
/// What an event loop needs to send a byte to one member, in a large frame, about: it is charged to the network, too, as an event of
/// few bytes in a room of hundreds costs more than the call that made it.
const SENDING_NS: u64 = 2;

/// How much of the store each user has had lately, and each network that users come from.
#[derive(Debug)]
pub(super) struct Shares {
    users: Buckets<SmolStr>,
    networks: Buckets<NetworkId>,
    playing: Playing,
    /// What calls of networks have been charged for what they sent.
    sending: Duration,
}

impl Default for Shares {
    fn default() -> Self {
        let (users, networks) = (Buckets::with_terms(USERS), Buckets::with_terms(NETWORKS));
        Self { users, networks, playing: Playing::default(), sending: Duration::ZERO }
    }
}

impl Shares {
    /// A call has used the store for so long, and has so many bytes sent to all members of a room together.
    pub(super) fn charge(&mut self, call: &Call, took: Duration, sent_bytes: u64, now: Instant) {
        let Some(user_id) = payer(call) else { return };
        self.users.charge(user_id, took, now);
        let network = call.caller.login.network;
        self.playing.note(network, now);
        if let Some(network) = network {
            let sending = Duration::from_nanos(sent_bytes * SENDING_NS);
            self.sending += sending;
            self.networks.charge(&network, took + sending, now);
        }
    }

    /// What networks have been charged for what calls of theirs sent, since this began anew.
    pub(super) fn sending(&self) -> Duration {
        self.sending
    }

    /// Begins it anew.
    pub(super) fn reset_sending(&mut self) {
        self.sending = Duration::ZERO;
    }

    /// Whether somebody plays who is of no network of these.
    pub(super) fn others_play(&self, calls: &[Call], now: Instant) -> bool {
        let mut payers = calls.iter().filter(|call| payer(call).is_some());
        payers.all(|call| self.playing.has_others(call.caller.login.network, now))
    }

    /// Whether the caller has had more than its share.
    pub(super) fn is_over(&mut self, call: &Call, now: Instant) -> bool {
        self.users.is_over(payer(call), now)
    }

    /// Whether all callers have had more than their shares, of those who have one; that of the server's own is without end.
    pub(super) fn are_over(&mut self, calls: &[Call], now: Instant) -> bool {
        if !self.users.has_over() {
            return false;
        }
        let mut payers = calls.iter().filter(|call| payer(call).is_some()).peekable();
        payers.peek().is_some() && payers.all(|call| self.is_over(call, now))
    }

    /// Whether all players' calls of these are of those whose networks have had more than their shares: many users of one address
    /// are one, so that who makes itself a hundred guests has no more of the store than others. What the server adds of its own
    /// waits with them; who comes and goes does not wait.
    pub(super) fn are_of_networks_over(&mut self, calls: &[Call], now: Instant) -> bool {
        if !self.networks.has_over() || calls.iter().any(|call| call.membership != Membership::Unchanged) {
            return false;
        }
        let mut payers = calls.iter().filter(|call| payer(call).is_some()).peekable();
        let mut is_over = |call: &Call| self.networks.is_over(call.caller.login.network.as_ref(), now);
        payers.peek().is_some() && payers.all(&mut is_over)
    }

    /// Forgets those whose buckets have drained.
    pub(super) fn forget_idle(&mut self, now: Instant) {
        self.users.forget_idle(now);
        self.networks.forget_idle(now);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.users.len()
    }
}

/// Whose time a call takes; nobody's if it is the server's own.
pub(super) fn payer(call: &Call) -> Option<&SmolStr> {
    let user_id = &call.caller.user_id;
    (!user_id.is_empty() && !call.script.name.starts_with(SCRIPT_PREFIX)).then_some(user_id)
}

/// Which calls of a batch run now, and which are given back: all after its slice of time is used up, those of callers who
/// have had more than their share, and all later ones of the same callers. Hooks are of the server's making: they wait for
/// their caller's earlier calls, but not for its share.
#[derive(Debug)]
pub(super) struct Slice<'a> {
    /// None for a batch that runs whole.
    length: Option<Duration>,
    is_over: bool,
    given_back: Vec<&'a SmolStr>,
}

impl<'a> Slice<'a> {
    /// For a batch whose calls may be given back after so long.
    pub(super) fn of(length: Duration) -> Self {
        Self { length: Some(length), is_over: false, given_back: Vec::new() }
    }

    /// For a batch that runs whole.
    pub(super) fn whole() -> Self {
        Self { length: None, is_over: false, given_back: Vec::new() }
    }

    /// Nothing more runs, if the batch need not run whole.
    pub(super) fn end(&mut self) {
        self.is_over = self.length.is_some();
    }

    /// Whether the next call runs now, after those before it have taken so long. `others_wait` is asked only if it matters.
    pub(super) fn takes(
        &mut self,
        call: &'a Call,
        spent: Duration,
        shares: &mut Shares,
        now: Instant,
        others_wait: impl Fn() -> bool,
    ) -> bool {
        let Some(length) = self.length else { return true };
        if self.is_over {
            return false;
        }
        if spent >= length && others_wait() {
            self.is_over = true;
            return false;
        }
        let user_id = &call.caller.user_id;
        if self.given_back.contains(&user_id) {
            return false;
        }
        let must_wait =
            call.membership == Membership::Unchanged && shares.is_over(call, now) && others_wait();
        if must_wait {
            self.given_back.push(user_id);
        }
        !must_wait
    }
}

#[cfg(test)]
mod tests;
