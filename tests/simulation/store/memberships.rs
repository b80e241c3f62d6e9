//! Who holds a user's membership of a room, as a store keeps it that several nodes share.

use std::collections::BTreeMap;

use super::{NodeName, Recipient};
use crate::room::MembershipId;
use crate::state::{Batch, Call, CallResult, Delivery, Membership, OnError};
use crate::wire::ids::RoomId;

#[derive(Default)]
pub(super) struct Memberships(BTreeMap<(String, String), (NodeName, MembershipId)>);

/// Where calls were that do not run.
pub(super) struct Skipped(Vec<usize>);

impl Memberships {
    pub(super) fn lose(&mut self) {
        self.0.clear();
    }

    /// Takes those calls out that would find another membership than they expect.
    pub(super) fn take_out_skipped(&mut self, sender: NodeName, batch: Batch) -> (Batch, Skipped) {
        let room = batch.room.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut skipped = Vec::new();
        for (place, call) in batch.calls.iter().enumerate() {
            let key = (room.clone(), call.caller.user_id.to_string());
            let current = self.0.get(&key).copied();
            match call.membership {
                Membership::Leave(id) if current == Some((sender, id)) => drop(self.0.remove(&key)),
                Membership::Leave(_) => skipped.push(place),
                Membership::Rejoin { .. } if current.is_none() => skipped.push(place),
                // Who confirms a membership that is not noted (any more) is there all the same.
                Membership::Confirm(id) if current.is_some_and(|current| current != (sender, id)) => {
                    skipped.push(place);
                }
                _ => {}
            }
        }
        // Without anybody who is confirmed, nobody wants the snapshot behind them.
        if batch.on_error == OnError::LastNeedsAnother && skipped.len() + 1 == batch.calls.len() {
            skipped.push(batch.calls.len() - 1);
        }
        let mut place = 0;
        let mut calls = batch.calls;
        calls.retain(|_| {
            place += 1;
            !skipped.contains(&(place - 1))
        });
        // Who is still there is there because the store says so.
        for call in &mut calls {
            if let Membership::Rejoin { is_kept, .. } = &mut call.membership {
                *is_kept = true;
            }
        }
        (Batch { calls, ..batch }, Skipped(skipped))
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
            let is_noted = self.0.contains_key(&(room.to_string(), user.to_string()));
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
            let before = self.0.insert((room.to_string(), user.to_string()), (sender, *id));
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
        self.0.iter().for_each(|place| results.insert(*place, CallResult::Skipped));
    }
}
