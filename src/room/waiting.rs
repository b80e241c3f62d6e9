//! Inputs that wait for the engine: in the order in which they came, until there are more than a batch takes. Then each user
//! has a turn: as many go of one as of another. What a batch costs does not depend on how much waits, as whoever sends inputs
//! faster than they run would keep the event loop busy with looking through them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use smol_str::SmolStr;

use super::allowance::Charge;
use crate::state::{Call, ConnectionKey};
use crate::wire::message::InputName;

/// A call that waits.
#[derive(Debug)]
pub(crate) struct QueuedInput {
    pub call: Call,
    /// Who gets the answer; nobody of the server's own calls, which are made again if the store did not answer.
    pub reply: Option<Reply>,
    /// When it came in.
    pub received_at: Instant,
    /// The place that it takes up, of a player's.
    pub charge: Option<Charge>,
}

/// Where the answer of one input goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The connection that sent it.
    pub connection: ConnectionKey,
    /// What the client knows it by.
    pub name: InputName,
    /// With an `id`, whether the answer tells which version of which script ran.
    pub tells_script: bool,
}

/// How much one batch takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    pub calls: usize,
    /// Bytes of their arguments, but for a single call.
    pub bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// In the order in which they came; none while there is a crowd.
    inputs: VecDeque<QueuedInput>,
    /// From when there is more than a batch takes, until nothing waits.
    crowd: Crowd,
    bytes: usize,
    /// How many of the server's own calls wait, of whom any does.
    own: HashMap<SmolStr, usize>,
}

/// What waits by users, each call with its place in the order of all.
#[derive(Debug, Default)]
struct Crowd {
    users: HashMap<SmolStr, VecDeque<(i64, QueuedInput)>>,
    /// Whose turn is next; each user of whom something waits is in it once.
    turns: VecDeque<SmolStr>,
    len: usize,
    /// The places before the first and behind the last.
    front: i64,
    back: i64,
}

impl QueuedInput {
    /// Whether it is the server's own.
    pub(crate) fn is_own(&self) -> bool {
        self.reply.is_none()
    }

    fn bytes(&self) -> usize {
        self.call.arguments.bytes()
    }

    fn user(&self) -> &SmolStr {
        &self.call.caller.user_id
    }
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.crowd.len == 0
    }

    /// Bytes of the arguments of all that waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a call of this user waits.
    pub(super) fn has_of(&self, user_id: &str) -> bool {
        self.crowd.users.contains_key(user_id) || self.inputs.iter().any(|input| input.user() == user_id)
    }

    /// Whether a call of the server's own waits.
    pub(super) fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// Those of whom a call of the server's own waits.
    pub(super) fn own_users(&self) -> impl Iterator<Item = SmolStr> {
        self.own.keys().cloned()
    }

    /// Adds a call behind the others.
    pub(super) fn push(&mut self, input: QueuedInput) {
        self.count(&input);
        if self.crowd.len == 0 { self.inputs.push_back(input) } else { self.crowd.push_back(input) }
    }

    /// Puts calls back in front, in their order.
    pub(super) fn put_back(&mut self, inputs: Vec<QueuedInput>) {
        inputs.iter().for_each(|input| self.count(input));
        if self.crowd.len > 0 {
            return self.crowd.put_back(inputs);
        }
        for input in inputs.into_iter().rev() {
            self.inputs.push_front(input);
        }
    }

    /// Takes the next batch, in the order in which they came. The calls of `first` come before their turn, all of them; a user's calls
    /// stay in order.
    pub(super) fn take(&mut self, fill: Fill, first: &HashSet<SmolStr>) -> Vec<QueuedInput> {
        let is_all = self.inputs.len() + self.crowd.len <= fill.calls && self.bytes <= fill.bytes;
        if is_all {
            return self.take_if(|_| true);
        }
        self.inputs.drain(..).for_each(|input| self.crowd.push_back(input));
        let taken = self.crowd.take(fill, first);
        taken.iter().for_each(|input| self.discount(input));
        taken
    }

    /// Takes out the players' calls: the store is away.
    pub(super) fn take_players(&mut self) -> Vec<QueuedInput> {
        self.take_if(|input| !input.is_own())
    }

    /// Takes out some, in the order in which they came.
    fn take_if(&mut self, is_taken: impl FnMut(&QueuedInput) -> bool) -> Vec<QueuedInput> {
        let all = if self.crowd.len == 0 {
            std::mem::take(&mut self.inputs).into()
        } else {
            std::mem::take(&mut self.crowd).into_all()
        };
        self.bytes = 0;
        self.own.clear();
        let (taken, left) = all.into_iter().partition(is_taken);
        self.put_back(left);
        taken
    }

    /// Takes out some of these users' calls.
    pub(super) fn take_of(
        &mut self,
        users: &HashSet<&SmolStr>,
        mut is_taken: impl FnMut(&QueuedInput) -> bool,
    ) -> Vec<QueuedInput> {
        if self.crowd.len == 0 {
            let concerns = self.inputs.iter().any(|input| users.contains(input.user()));
            return if concerns {
                self.take_if(|input| users.contains(input.user()) && is_taken(input))
            } else {
                Vec::new()
            };
        }
        let taken = self.crowd.take_of(users, is_taken);
        taken.iter().for_each(|input| self.discount(input));
        taken
    }

    fn count(&mut self, input: &QueuedInput) {
        self.bytes += input.bytes();
        if input.is_own() {
            *self.own.entry(input.user().clone()).or_default() += 1;
        }
    }

    fn discount(&mut self, input: &QueuedInput) {
        self.bytes -= input.bytes();
        if input.is_own()
            && let Some(count) = self.own.get_mut(input.user())
        {
            *count -= 1;
            if *count == 0 {
                self.own.remove(input.user());
            }
        }
    }
}

impl Crowd {
    fn push_back(&mut self, input: QueuedInput) {
        let calls = self.users.entry(input.user().clone()).or_default();
        if calls.is_empty() {
            self.turns.push_back(input.user().clone());
        }
        calls.push_back((self.back, input));
        self.back += 1;
        self.len += 1;
    }

    /// Puts calls back in front. The next turns are their users'.
    fn put_back(&mut self, inputs: Vec<QueuedInput>) {
        let mut users = HashSet::new();
        let turns = inputs.iter().map(|input| input.user().clone());
        let turns: Vec<_> = turns.filter(|user| users.insert(user.clone())).collect();
        self.turns.retain(|user| !users.contains(user));
        turns.into_iter().rev().for_each(|user| self.turns.push_front(user));
        self.len += inputs.len();
        for input in inputs.into_iter().rev() {
            self.front -= 1;
            self.users.entry(input.user().clone()).or_default().push_front((self.front, input));
        }
    }

    /// All of `first`, then a call of each user in turn until the batch is full. The next batch goes on with the next user.
    fn take(&mut self, fill: Fill, first: &HashSet<SmolStr>) -> Vec<QueuedInput> {
        let mut taken: Vec<(i64, QueuedInput)> = Vec::new();
        for user in first {
            taken.extend(self.users.remove(user).into_iter().flatten());
        }
        if !taken.is_empty() {
            self.forget_gone();
        }
        let mut bytes: usize = taken.iter().map(|(_, input)| input.bytes()).sum();
        while taken.is_empty() || taken.len() < fill.calls {
            let Some(user) = self.turns.pop_front() else { break };
            let Some(calls) = self.users.get_mut(&user) else { continue };
            let Some((place, input)) = calls.pop_front() else { continue };
            if !taken.is_empty() && bytes + input.bytes() > fill.bytes {
                // It begins the next batch: somebody else's smaller call would overtake it again and again.
                calls.push_front((place, input));
                self.turns.push_front(user);
                break;
            }
            bytes += input.bytes();
            taken.push((place, input));
            if calls.is_empty() {
                self.users.remove(&user);
            } else {
                self.turns.push_back(user);
            }
        }
        self.took(taken)
    }

    fn take_of(
        &mut self,
        users: &HashSet<&SmolStr>,
        mut is_taken: impl FnMut(&QueuedInput) -> bool,
    ) -> Vec<QueuedInput> {
        let mut taken = Vec::new();
        for user in users {
            let Some(calls) = self.users.get_mut(*user) else { continue };
            let (out, left) = calls.drain(..).partition(|(_, input)| is_taken(input));
            *calls = left;
            if calls.is_empty() {
                self.users.remove(*user);
            }
            let out: VecDeque<_> = out;
            taken.extend(out);
        }
        if !taken.is_empty() {
            self.forget_gone();
        }
        self.took(taken)
    }

    /// Who has nothing left that waits has no turn.
    fn forget_gone(&mut self) {
        self.turns.retain(|user| self.users.contains_key(user));
    }

    fn into_all(mut self) -> Vec<QueuedInput> {
        let all = self.users.drain().flat_map(|(_, calls)| calls).collect();
        self.took(all)
    }

    /// Those that were taken, in the order of all.
    fn took(&mut self, mut taken: Vec<(i64, QueuedInput)>) -> Vec<QueuedInput> {
        self.len -= taken.len();
        if self.len == 0 {
            *self = Self::default();
        }
        taken.sort_unstable_by_key(|(place, _)| *place);
        taken.into_iter().map(|(_, input)| input).collect()
    }
}

#[cfg(test)]
mod tests;
