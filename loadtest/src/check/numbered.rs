//! A client's numbered inputs: which are to be sent (again), and what must have become of each in the end.

use super::View;
use super::expectations::EpochIndex;
use crate::measure::ledger::{Due, Ledger};
use crate::measure::window::Violation;
use std::collections::{HashMap, VecDeque};

/// A client that waits for so many answers plays on when some have come.
const MAX_WAITING: usize = 100;

/// With these an input has not run, or nobody knows: it is to be sent again.
const TRY_AGAIN: [&str; 4] = ["busy", "unavailable", "rate_limited", "out_of_order"];

/// What is known of one input.
#[derive(Clone, Copy, Debug)]
struct Input {
    intended_ns: u64,
    /// Where the room was when it was sent first.
    epoch: Option<EpochIndex>,
    /// The epoch in which its event was seen.
    heard: Option<EpochIndex>,
}

/// The numbered inputs of one client, over all its connections.
#[derive(Debug)]
pub(crate) struct Numbered {
    /// Each input whose number this divides fails in the middle of its script, as it asks to; 0 for none.
    fail_every: u32,
    /// All inputs, number 1 first.
    inputs: Vec<Input>,
    /// Numbers of those that have no answer yet, in order.
    waiting: VecDeque<u32>,
    /// Answers that this connection still owes, by number.
    owed: HashMap<u32, u32>,
    /// The highest number that was said to have run, and in which epoch.
    ran: Option<(EpochIndex, u32)>,
    /// Nothing new may be sent before what waits has been sent again.
    must_resend: bool,
}

impl Numbered {
    pub(crate) fn new(fail_every: u32) -> Self {
        Self {
            fail_every,
            inputs: Vec::new(),
            waiting: VecDeque::new(),
            owed: HashMap::new(),
            ran: None,
            must_resend: false,
        }
    }

    /// Takes up a new input; none if too many have no answer.
    pub(crate) fn add(&mut self, intended_ns: u64) -> Option<u32> {
        if self.waiting.len() >= MAX_WAITING {
            return None;
        }
        self.inputs.push(Input { intended_ns, epoch: None, heard: None });
        let n = self.inputs.len() as u32;
        self.waiting.push_back(n);
        Some(n)
    }

    /// Whether a new input goes out at once.
    pub(crate) fn may_send(&self) -> bool {
        !self.must_resend
    }

    /// Notes that an input goes out.
    pub(crate) fn sent(&mut self, n: u32, epoch: Option<EpochIndex>) {
        *self.owed.entry(n).or_default() += 1;
        let input = &mut self.inputs[n as usize - 1];
        input.epoch = input.epoch.or(epoch);
    }

    /// All that has no answer, in order, to be sent now.
    pub(crate) fn resend(&mut self) -> Vec<u32> {
        self.must_resend = false;
        self.waiting.iter().copied().collect()
    }

    /// Inputs without an answer.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Answers that the connection still owes.
    pub(crate) fn owed(&self) -> u32 {
        self.owed.values().sum()
    }

    /// Whether an answer is missing, on this connection or at all.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.owed.is_empty()
    }

    /// The connection is over, and with it the answers that it owes.
    pub(super) fn leave(&mut self) {
        self.owed.clear();
        self.must_resend = true;
    }

    /// The welcome tells the last number that ran.
    pub(super) fn welcome(&mut self, last_n: Option<f64>, epoch: EpochIndex, view: &mut View<'_>) {
        let Some(last_n) = last_n else {
            return view.violation(Violation::WrongWelcome, || "without n".into());
        };
        if let Some((_, ran)) = self.ran.filter(|ran| ran.0 == epoch && f64::from(ran.1) > last_n) {
            view.violation(Violation::Forgotten, || {
                format!("the welcome says that {last_n} was the last, and {ran} ran before")
            });
        }
        self.count(last_n as u32, epoch);
    }

    /// All inputs up to this number have run.
    pub(super) fn count(&mut self, last_n: u32, epoch: EpochIndex) {
        while self.waiting.front().is_some_and(|n| *n <= last_n) {
            self.waiting.pop_front();
        }
        self.note(last_n, epoch);
    }

    fn note(&mut self, n: u32, epoch: EpochIndex) {
        let before = self.ran.filter(|ran| ran.0 == epoch).map_or(0, |ran| ran.1);
        self.ran = Some((epoch, before.max(n)));
    }

    /// The input ran, or had run before.
    pub(super) fn replied(&mut self, n: u64, duplicate: bool, epoch: EpochIndex, view: &mut View<'_>) {
        let Some(n) = self.settle_owed(n, view) else { return };
        if self.fails(n) && !duplicate {
            view.violation(Violation::WrongAnswer, || format!("input {n} should fail, and got a reply"));
        }
        self.settle(n, epoch);
    }

    /// An error came for the input. Whether it has to be sent again shows in [`Self::may_send`].
    pub(super) fn refused(&mut self, n: u64, code: &str, epoch: EpochIndex, view: &mut View<'_>) {
        let Some(n) = self.settle_owed(n, view) else { return };
        if TRY_AGAIN.contains(&code) {
            self.must_resend |= self.waiting.contains(&n);
            return;
        }
        if !self.fails(n) {
            view.violation(Violation::WrongAnswer, || format!("input {n} should work, and failed: {code}"));
        }
        self.settle(n, epoch);
    }

    /// Its event was seen.
    pub(super) fn heard(&mut self, n: f64, epoch: EpochIndex, view: &mut View<'_>) {
        let fails = self.fails(n as u32);
        let Some(input) = self.inputs.get_mut((n as usize).wrapping_sub(1)).filter(|_| n.fract() == 0.0)
        else {
            return view
                .violation(Violation::StrayAnswer, || format!("event of an input {n} that never was"));
        };
        if fails {
            view.violation(Violation::HalfDone, || format!("event of input {n}, which failed"));
        }
        if input.heard == Some(epoch) {
            view.violation(Violation::RanTwice, || format!("a second event of input {n}"));
        }
        input.heard = Some(epoch);
        let latency_ns = view.now_ns.saturating_sub(input.intended_ns);
        let group = view.window.group_mut(view.group);
        group.answers += 1;
        group.latency.record_ns(latency_ns);
    }

    /// What must have become of all inputs, when the room is in this epoch in the end.
    pub(crate) fn ledger(&self, room_id: &str, user_id: &str, epoch: Option<EpochIndex>) -> Ledger {
        let is_of_now = |of: Option<EpochIndex>| of.is_some() && of == epoch;
        let due = |(n, input): (u32, &Input)| match input {
            _ if self.fails(n) => Due::Never,
            input if is_of_now(input.epoch) || is_of_now(input.heard) => Due::Once,
            _ => Due::AtMostOnce,
        };
        Ledger::new(room_id, user_id, (1..).zip(&self.inputs).map(due))
    }

    fn fails(&self, n: u32) -> bool {
        self.fail_every > 0 && n.is_multiple_of(self.fail_every)
    }

    /// Each send gets one answer.
    fn settle_owed(&mut self, n: u64, view: &mut View<'_>) -> Option<u32> {
        let known = u32::try_from(n).ok().filter(|n| self.owed.contains_key(n));
        let Some(n) = known else {
            view.violation(Violation::StrayAnswer, || {
                format!("an answer to input {n}, which has all of its")
            });
            return None;
        };
        let left = self.owed.get_mut(&n).expect("it was just looked up");
        *left -= 1;
        if *left == 0 {
            self.owed.remove(&n);
        }
        Some(n)
    }

    fn settle(&mut self, n: u32, epoch: EpochIndex) {
        if let Some(at) = self.waiting.iter().position(|waiting| *waiting == n) {
            self.waiting.remove(at);
        }
        self.note(n, epoch);
    }
}
