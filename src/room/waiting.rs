//! Inputs that wait for the engine: in the order in which they came, until there are more than a batch takes. Then each user
//! has a turn: as many go of one as of another.

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
    inputs: VecDeque<QueuedInput>,
    bytes: usize,
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
        self.inputs.is_empty()
    }

    /// Bytes of the arguments of all that waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a call of this user waits.
    pub(super) fn has_of(&self, user_id: &str) -> bool {
        self.inputs.iter().any(|input| input.user() == user_id)
    }

    /// Whether a call of the server's own waits.
    pub(super) fn has_own(&self) -> bool {
        self.inputs.iter().any(QueuedInput::is_own)
    }

    /// Those of whom a call of the server's own waits.
    pub(super) fn own_users(&self) -> impl Iterator<Item = SmolStr> {
        self.inputs.iter().filter(|input| input.is_own()).map(|input| input.user().clone())
    }

    /// Adds a call behind the others.
    pub(super) fn push(&mut self, input: QueuedInput) {
        self.bytes += input.bytes();
        self.inputs.push_back(input);
    }

    /// Puts calls back in front, in their order.
    pub(super) fn put_back(&mut self, inputs: Vec<QueuedInput>) {
        for input in inputs.into_iter().rev() {
            self.bytes += input.bytes();
            self.inputs.push_front(input);
        }
    }

    /// Takes the next batch. The calls of `first` come before their turn, all of them; a user's calls stay in order.
    pub(super) fn take(&mut self, fill: Fill, first: &HashSet<SmolStr>) -> Vec<QueuedInput> {
        if self.inputs.len() <= fill.calls && self.bytes <= fill.bytes {
            self.bytes = 0;
            return std::mem::take(&mut self.inputs).into();
        }
        let mut chosen = self.choose(fill, first).into_iter();
        self.take_if(|_| chosen.next().unwrap_or_default())
    }

    /// Takes out the players' calls: the store is away.
    pub(super) fn take_players(&mut self) -> Vec<QueuedInput> {
        self.take_if(|input| !input.is_own())
    }

    /// Takes out some.
    pub(super) fn take_if(&mut self, mut is_taken: impl FnMut(&QueuedInput) -> bool) -> Vec<QueuedInput> {
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        for input in std::mem::take(&mut self.inputs) {
            if is_taken(&input) { taken.push(input) } else { left.push_back(input) }
        }
        self.bytes = left.iter().map(QueuedInput::bytes).sum();
        self.inputs = left;
        taken
    }

    /// Which go: everybody's first call, then everybody's second, and so on until the batch is full.
    fn choose(&self, fill: Fill, first: &HashSet<SmolStr>) -> Vec<bool> {
        let mut chosen = vec![false; self.inputs.len()];
        let mut full: HashSet<&SmolStr> = HashSet::new();
        let (mut calls, mut bytes) = (0, 0);
        for (_, index) in self.turns(first) {
            let input = &self.inputs[index];
            let is_first = first.contains(input.user());
            let fits = calls == 0 || calls < fill.calls && bytes + input.bytes() <= fill.bytes;
            if (is_first || fits) && !full.contains(input.user()) {
                calls += 1;
                bytes += input.bytes();
                chosen[index] = true;
            } else {
                // What comes behind it would overtake it.
                full.insert(input.user());
            }
        }
        chosen
    }

    /// The indexes of all calls by their users' turns.
    fn turns(&self, first: &HashSet<SmolStr>) -> Vec<(usize, usize)> {
        let mut next_turns: HashMap<&SmolStr, usize> = HashMap::new();
        let mut turns = Vec::with_capacity(self.inputs.len());
        for (index, input) in self.inputs.iter().enumerate() {
            let next = next_turns.entry(input.user()).or_default();
            turns.push((if first.contains(input.user()) { 0 } else { *next }, index));
            *next += 1;
        }
        turns.sort_unstable();
        turns
    }
}
