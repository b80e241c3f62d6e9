//! Who holds a user's membership of a room, as a store keeps it that several nodes share.

use std::collections::{BTreeMap, BTreeSet};

use super::{NodeName, Recipient};
use crate::room::MembershipId;
use crate::state::{Batch, Call, CallResult, Delivery, Membership, OnError};
use crate::wire::ids::RoomId;

/// A membership, by the process that has given it.
type Token = (NodeName, MembershipId);

#[derive(Default)]
pub(super) struct Memberships {
    /// By room and user.
    held: BTreeMap<(String, String), Token>,
    /// Of joins that were told to ask again: what they found.
    found: BTreeMap<Token, Token>,
    given_up: BTreeSet<Token>,
}

/// Where calls were that do not run; with those that are given back.
pub(super) struct Skipped(Vec<(usize, Option<Call>)>);

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Run,
    Skip,
    GiveBack,
}

impl Memberships {
    pub(super) fn lose(&mut self) {
        *self = Self::default();
    }

    /// Takes those calls out that would find another membership than they expect.
    pub(super) fn take_out_skipped(&mut self, sender: NodeName, batch: Batch) -> (Batch, Skipped) {
        let room = batch.room.as_ref().map(ToString::to_string).unwrap_or_default();
        let (mut skipped, mut asked) = (Vec::new(), BTreeSet::new());
        let mut calls = batch.calls;
        for (place, call) in calls.iter_mut().enumerate() {
            let key = (room.clone(), call.caller.user_id.to_string());
            match self.verdict(sender, &key, call, &mut asked) {
                Verdict::Run => {}
                Verdict::Skip => skipped.push((place, None)),
                Verdict::GiveBack => skipped.push((place, Some(call.clone()))),
            }
        }
        // Without anybody who is confirmed, nobody wants the snapshot behind them.
        if batch.on_error == OnError::LastNeedsAnother && skipped.len() + 1 == calls.len() {
            skipped.push((calls.len() - 1, None));
        }
        let mut place = 0;
        calls.retain(|_| {
            place += 1;
            !skipped.iter().any(|(of, _)| *of == place - 1)
        });
        // Who is still there is there because the store says so.
        for call in &mut calls {
            if let Membership::Rejoin { is_kept, .. } = &mut call.membership {
                *is_kept = true;
            }
        }
        (Batch { calls, ..batch }, Skipped(skipped))
    }

    fn verdict(
        &mut self,
        sender: NodeName,
        key: &(String, String),
        call: &mut Call,
        asked: &mut BTreeSet<MembershipId>,
    ) -> Verdict {
        let current = self.held.get(key).copied();
        let skip_if = |is_skipped| if is_skipped { Verdict::Skip } else { Verdict::Run };
        match call.membership {
            Membership::Leave(id) => {
                let is_held = current == Some((sender, id));
                self.held.retain(|of, _| !is_held || of != key);
                skip_if(!is_held)
            }
            Membership::GiveUp { membership, stands } => {
                let join = (sender, membership);
                self.given_up.insert(join);
                if current != Some(join) {
                    return Verdict::Skip;
                }
                if let Some(older) = stands {
                    self.held.insert(key.clone(), (sender, older));
                    return Verdict::Skip;
                }
                self.held.remove(key);
                call.membership = Membership::Leave(membership);
                Verdict::Run
            }
            Membership::Rejoin { .. } if current.is_none() => Verdict::Skip,
            Membership::Enter(id)
            | Membership::Rejoin { membership: id, .. }
            | Membership::EnterUnlessRejoined(id) => self.arrival((sender, id), current, asked),
            // Who confirms a membership that is not noted (any more) is there all the same.
            Membership::Confirm(_) => skip_if(current.is_some_and(|(holder, _)| holder != sender)),
            _ => Verdict::Run,
        }
    }

    /// Of somebody who comes in.
    fn arrival(
        &mut self,
        join: Token,
        current: Option<Token>,
        asked: &mut BTreeSet<MembershipId>,
    ) -> Verdict {
        match current {
            _ if self.given_up.contains(&join) => Verdict::Skip,
            Some((holder, id)) if holder == join.0 => {
                if id >= join.1 {
                    Verdict::Skip
                } else {
                    Verdict::Run
                }
            }
            Some(held) if asked.contains(&join.1) || self.found.get(&join) != Some(&held) => {
                asked.insert(join.1);
                self.found.insert(join, held);
                Verdict::GiveBack
            }
            _ => Verdict::Run,
        }
    }

    /// Notes who has come in; says whom that replaces elsewhere.
    pub(super) fn note(
        &mut self,
        sender: NodeName,
        room: &RoomId,
        calls: &[Call],
        results: &[CallResult],
    ) -> Vec<(Recipient, Delivery)> {
        let mut replaced = Vec::new();
        for (call, result) in calls.iter().zip(results) {
            let user = &call.caller.user_id;
            let is_noted = self.held.contains_key(&(room.to_string(), user.to_string()));
            let id = match (&call.membership, result) {
                (
                    Membership::Enter(id)
                    | Membership::Rejoin { membership: id, .. }
                    | Membership::EnterUnlessRejoined(id),
                    CallResult::Ok(_),
                ) => id,
                (Membership::Confirm(id), CallResult::Ok(_)) if !is_noted => id,
                _ => continue,
            };
            let before = self.held.insert((room.to_string(), user.to_string()), (sender, *id));
            if let Some((node, membership)) = before.filter(|(node, _)| *node != sender) {
                let user_id = user.as_str().into();
                let delivery = Delivery::Replaced { room: room.clone(), user_id, membership };
                replaced.push((Recipient::One(node), delivery));
            }
        }
        replaced
    }
}

impl Skipped {
    /// Puts their results in the places where they were.
    pub(super) fn put_back(&self, results: &mut Vec<CallResult>) {
        for (place, call) in &self.0 {
            let call = call.clone().map(Box::new);
            results.insert(*place, call.map_or(CallResult::Skipped, CallResult::NotRun));
        }
    }
}
