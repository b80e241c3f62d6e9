//! What calls have cost a store lately: how much of a batch to send, and who has to wait. No sockets and no clock here.
//!
//! A node cannot see what other nodes want of the store. So the shares of users hold always, and a room's batch is cut where
//! it would keep the store for longer than [`SLICE`]. What calls will cost is guessed by the bytes of their arguments,
//! from what calls of the same script have cost; the store itself stops a batch that takes longer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decode::Took;
use crate::state::shares::{Shares, Slice};
use crate::state::{Batch, Call};

/// How long a room's batch may keep the store; the prelude has the same bound.
const SLICE: Duration = Duration::from_millis(20);
/// How long the store runs calls before it looks at its clock again, as far as that can be told, and how many calls at most.
const LOOK: Duration = Duration::from_millis(2);
const LONGEST_STEP: u32 = 8;
/// How many bytes of arguments go in a room's batch, unless its first call has more.
const MAX_BYTES: usize = 256 << 10;
/// What each call counts for besides the bytes of its arguments.
const CALL_BYTES: usize = 64;
/// Nanoseconds a byte, of a script of which nothing is known.
const FIRST_GUESS: f64 = 200.0;
/// What is left of what a script has cost with every further batch, and what one batch counts for at most.
const KEPT: f64 = 15.0 / 16.0;
const MOST: Duration = Duration::from_millis(100);
/// Scripts whose costs are kept; as they change while a game is developed, there is a bound.
const MAX_SCRIPTS: usize = 1024;
/// A script has shown that it ends by running so often.
const PROVEN: usize = 32;

/// Users' shares, and scripts' costs.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    shares: Shares,
    /// By the script's name.
    costs: HashMap<Box<str>, CallCost>,
}

/// What a script's calls have cost, with the latest counting most.
#[derive(Debug, Default)]
struct CallCost {
    nanos: f64,
    bytes: f64,
    /// Which version of the script has run last, by its address, and how often since another one did, or it was stopped.
    version: usize,
    runs: usize,
}

/// Calls of a batch that stay here, with their places in it.
pub(super) type Held = Vec<(usize, Call)>;

impl Ledger {
    /// Takes those calls out of a batch that have to wait, if it may give any back.
    pub(super) fn cut(&mut self, batch: &mut Batch, now: Instant) -> Held {
        if !batch.gives_back() {
            return Held::new();
        }
        let numbers = self.not_now(&batch.calls, now);
        if numbers.is_empty() {
            return Held::new();
        }
        let (mut held, mut numbers) = (Held::with_capacity(numbers.len()), numbers.into_iter().peekable());
        let calls = std::mem::take(&mut batch.calls);
        for (number, call) in calls.into_iter().enumerate() {
            match numbers.next_if_eq(&number) {
                Some(_) => held.push((number, call)),
                None => batch.calls.push(call),
            }
        }
        held
    }

    fn not_now(&mut self, calls: &[Call], now: Instant) -> Vec<usize> {
        let mut slice = Slice::of(SLICE);
        let (mut spent, mut bytes, mut number) = (0.0, 0, 0);
        let mut not_now = Vec::new();
        for run in runs(calls) {
            let rate = self.rate(&run[0]);
            for call in run {
                let weight = weight(call);
                if bytes > 0 && bytes + weight > MAX_BYTES {
                    slice.end();
                }
                let so_far = Duration::from_nanos(spent as u64);
                if slice.takes(call, so_far, &mut self.shares, now, || true) {
                    spent += rate * weight as f64;
                    bytes += weight;
                } else {
                    not_now.push(number);
                }
                number += 1;
            }
        }
        not_now
    }

    /// Whether a batch has to wait: one that runs whole while its callers have had more than their shares, and any while the
    /// networks that they come from have, and the store `is_busy`.
    pub(super) fn must_wait(&mut self, batch: &Batch, is_busy: bool, now: Instant) -> bool {
        !batch.gives_back() && self.shares.are_over(&batch.calls, now)
            || is_busy && self.shares.are_of_networks_over(&batch.calls, now)
    }

    /// How long a batch will take.
    pub(super) fn guess_all(&self, calls: &[Call]) -> Duration {
        let of_run = |run: &[Call]| self.rate(&run[0]) * weight_of(run) as f64;
        Duration::from_nanos(runs(calls).map(of_run).sum::<f64>() as u64)
    }

    /// After how many calls of a batch the store looks at its clock: two milliseconds later, if they are as they were.
    pub(super) fn step(calls: usize, guess: Duration) -> u32 {
        let calls = LOOK.as_nanos() * calls as u128 / guess.as_nanos().max(1);
        u32::try_from(calls).unwrap_or(u32::MAX).clamp(1, LONGEST_STEP)
    }

    fn rate(&self, call: &Call) -> f64 {
        self.costs.get(&call.script.full_name).map_or(FIRST_GUESS, |cost| cost.nanos / cost.bytes)
    }

    /// The calls of a batch have taken so long; those of a span have it by the bytes of their arguments.
    pub(super) fn settle(&mut self, calls: &[Call], took: &Took, now: Instant) {
        let mut rest = calls;
        for (count, spent) in &took.0 {
            let (span, later) = rest.split_at((*count).min(rest.len()));
            self.settle_span(span, *spent, now);
            rest = later;
        }
    }

    fn settle_span(&mut self, span: &[Call], spent: Duration, now: Instant) {
        let nanos = spent.as_nanos() as f64 / weight_of(span) as f64;
        let part = |bytes: usize| Duration::from_nanos((nanos * bytes as f64) as u64);
        for call in span {
            self.shares.charge(call, part(weight(call)), 0, now);
        }
        for run in runs(span) {
            self.learn(run, part(weight_of(run)));
        }
    }

    fn learn(&mut self, run: &[Call], spent: Duration) {
        let name = &run[0].script.full_name;
        if !self.costs.contains_key(name) {
            if self.costs.len() >= MAX_SCRIPTS {
                self.costs.clear();
            }
            self.costs.insert(name.clone(), CallCost::default());
        }
        let cost = self.costs.get_mut(name).expect("inserted above");
        cost.nanos = cost.nanos * KEPT + spent.min(MOST).as_nanos() as f64;
        cost.bytes = cost.bytes * KEPT + weight_of(run) as f64;
        let version = version_of(&run[0]);
        if cost.version != version {
            (cost.version, cost.runs) = (version, 0);
        }
        cost.runs = cost.runs.saturating_add(run.len());
    }

    /// Whether all scripts of these calls have run often enough, as they are, to trust that they end.
    pub(super) fn are_proven(&self, calls: &[Call]) -> bool {
        runs(calls).all(|run| {
            let cost = self.costs.get(&run[0].script.full_name);
            cost.is_some_and(|cost| cost.runs >= PROVEN && cost.version == version_of(&run[0]))
        })
    }

    /// One of these calls was stopped.
    pub(super) fn doubt(&mut self, calls: &[Call]) {
        for run in runs(calls) {
            if let Some(cost) = self.costs.get_mut(&run[0].script.full_name) {
                cost.runs = 0;
            }
        }
    }

    /// Forgets users who have been idle.
    pub(super) fn forget_idle(&mut self, now: Instant) {
        self.shares.forget_idle(now);
    }
}

fn version_of(call: &Call) -> usize {
    Arc::as_ptr(&call.script) as usize
}

/// Calls of one script after another.
fn runs(calls: &[Call]) -> impl Iterator<Item = &[Call]> {
    calls.chunk_by(|one, other| Arc::ptr_eq(&one.script, &other.script))
}

fn weight_of(calls: &[Call]) -> usize {
    calls.iter().map(weight).sum()
}

fn weight(call: &Call) -> usize {
    CALL_BYTES + call.arguments.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;
    use crate::wire::ids::{Identity, NetworkId, Role};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A room's inputs of so many bytes each; a caller's name stands for each.
    fn inputs(script: &'static str, callers: &[&str], bytes: usize) -> Batch {
        let script = Script::built_in(script, "return 1");
        let call = |user_id: &&str| {
            let caller = Identity {
                user_id: (*user_id).into(),
                username: (*user_id).into(),
                role: Role::Player,
                expires_at_s: 0,
                login: Default::default(),
            };
            Call::input(script.clone(), Arc::new(caller), (&*vec![b'x'; bytes]).into(), false)
        };
        Batch { may_give_back: true, ..Batch::new(None, callers.iter().map(call).collect(), 0) }
    }

    fn places(held: &Held) -> Vec<usize> {
        held.iter().map(|(place, _)| *place).collect()
    }

    #[test]
    fn scripts_are_trusted_once_they_have_run_often_and_not_after_they_were_stopped() {
        let (now, mut ledger) = (Instant::now(), Ledger::default());
        let ran =
            |ledger: &mut Ledger, batch: &Batch| ledger.settle(&batch.calls, &Took(vec![(1, ms(1))]), now);
        let [batch, other] = ["s", "s"].map(|name| inputs(name, &["a"], 10));
        for _ in 1..PROVEN {
            ran(&mut ledger, &batch);
        }
        assert!(!ledger.are_proven(&batch.calls));
        ran(&mut ledger, &batch);
        assert!(ledger.are_proven(&batch.calls) && !ledger.are_proven(&other.calls), "it is another version");
        assert!(!ledger.are_proven(&[batch.calls.clone(), inputs("t", &["a"], 10).calls].concat()));
        ledger.doubt(&batch.calls);
        assert!(!ledger.are_proven(&batch.calls));
        for _ in 0..PROVEN {
            ran(&mut ledger, &batch);
        }
        ran(&mut ledger, &other);
        assert!(!ledger.are_proven(&batch.calls) && !ledger.are_proven(&other.calls));
    }

    #[test]
    fn a_batch_is_cut_by_bytes() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        ledger.settle(&inputs("cheap", &["x"], 1000).calls, &Took(vec![(1, ms(0))]), now);
        let mut large = inputs("cheap", &["a", "b", "c", "d", "e", "f"], 60_000);
        assert_eq!(places(&ledger.cut(&mut large, now)), [4, 5]);
        assert_eq!(large.calls.len(), 4);
        let mut huge = inputs("cheap", &["a", "b"], 1 << 20);
        assert_eq!(places(&ledger.cut(&mut huge, now)), [1]);
        let mut small = inputs("cheap", &["a"; 1000], 100);
        assert!(ledger.cut(&mut small, now).is_empty());
        let mut whole = Batch { may_give_back: false, ..inputs("cheap", &["a", "b"], 1 << 20) };
        assert!(ledger.cut(&mut whole, now).is_empty());
    }

    #[test]
    fn a_batch_is_cut_by_what_the_like_has_cost() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        for _ in 0..20 {
            ledger.settle(&inputs("heavy", &["x"; 10], 936).calls, &Took(vec![(10, ms(60))]), now);
        }
        let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut batch = inputs("heavy", &names, 936);
        assert_eq!(ledger.cut(&mut batch, now).len(), 16);
        assert!((ms(23)..ms(25)).contains(&ledger.guess_all(&batch.calls)));
        assert!(ledger.cut(&mut inputs("light", &names, 936), now).is_empty());
    }

    #[test]
    fn costs_are_learnt_at_once_and_forgotten_soon() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let calls = inputs("mixed", &["x"; 10], 36).calls;
        let cheap = Took(vec![(10, Duration::from_micros(200))]);
        (0..100).for_each(|_| ledger.settle(&calls, &cheap, now));
        ledger.settle(&calls, &Took(vec![(10, ms(40))]), now);
        assert!(ledger.guess_all(&calls) > ms(2));
        (0..100).for_each(|_| ledger.settle(&calls, &cheap, now));
        assert!(ledger.guess_all(&calls) < ms(1));
    }

    #[test]
    fn whoever_has_had_more_than_its_share_waits() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let sent = inputs("s", &["ann", "ben"], 10);
        ledger.settle(&sent.calls, &Took(vec![(1, ms(300)), (1, ms(10))]), now);
        let mut batch = inputs("other", &["ben", "ann", "ben", "ann", "eve"], 10);
        assert_eq!(places(&ledger.cut(&mut batch, now)), [1, 3]);
        let whole = |callers: &[&str]| Batch { may_give_back: false, ..inputs("s", callers, 10) };
        assert!(ledger.must_wait(&whole(&["ann"]), false, now));
        assert!(!ledger.must_wait(&whole(&["ann", "ben"]), false, now));
        assert!(!ledger.must_wait(&whole(&["ann"]), false, now + ms(500)));
    }

    #[test]
    fn a_network_that_has_had_its_share_waits_while_the_store_is_busy() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let of = |network: [u8; 4], callers: &[&str]| {
            let mut batch = inputs("s", callers, 10);
            for call in &mut batch.calls {
                let network = NetworkId::of(std::net::IpAddr::from(network));
                Arc::make_mut(&mut call.caller).login.network = Some(network);
            }
            batch
        };
        let (crowd, other) = (of([203, 0, 113, 9], &["a", "b", "c"]), of([203, 0, 113, 8], &["d"]));
        ledger.settle(&crowd.calls, &Took(vec![(3, ms(150))]), now);
        assert!(ledger.must_wait(&crowd, true, now));
        assert!(!ledger.must_wait(&crowd, false, now), "nobody else needs the store");
        assert!(!ledger.must_wait(&other, true, now));
        let mut mixed = crowd;
        mixed.calls.extend(other.calls);
        assert!(!ledger.must_wait(&mixed, true, now));
    }

    #[test]
    fn a_span_is_paid_for_by_the_bytes_of_each_call() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let mut calls = inputs("s", &["ann"], 60_000).calls;
        calls.extend(inputs("s", &["ben"; 7], 100).calls);
        ledger.settle(&calls, &Took(vec![(8, ms(300))]), now);
        let whole = |callers: &[&str]| Batch { may_give_back: false, ..inputs("s", callers, 10) };
        assert!(ledger.must_wait(&whole(&["ann"]), false, now));
        assert!(!ledger.must_wait(&whole(&["ben"]), false, now));
    }

    #[test]
    fn the_store_looks_at_its_clock_more_often_where_calls_are_heavy() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        let calls = inputs("s", &["ann"; 10], 10).calls;
        let mut step_after = |took| {
            (0..100).for_each(|_| ledger.settle(&calls, &Took(vec![(10, took)]), now));
            Ledger::step(calls.len(), ledger.guess_all(&calls))
        };
        assert_eq!(step_after(Duration::from_micros(200)), 8);
        assert_eq!(step_after(Duration::from_millis(5)), 4);
        assert_eq!(step_after(Duration::from_millis(80)), 1);
    }
}
