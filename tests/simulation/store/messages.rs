//! Messages, which the store runs by itself: who has its turn when, by a clock in which each message takes a while.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::faults::{Fault, Faults};
use super::super::model::{Model, Outcome};
use super::super::trace::Trace;
use super::super::violation::{Checked, Sentence, hold};
use super::{EPOCH_MS, Store, answers};
use crate::metrics::MessageOutcome;
use crate::state::Delivery;

/// What a message takes.
const TIME: Duration = Duration::from_micros(100);
/// While batches wait, none of a receiver's messages may begin that long after the first.
const LONGEST_TURN: Duration = Duration::from_millis(2);

/// Rounded up.
fn whole_ms(time: Duration) -> u64 {
    time.as_micros().div_ceil(1000) as u64
}

/// Between messages and batches.
#[derive(Default)]
pub(super) struct Turns {
    /// Before this, no messages may run while batches wait.
    others_until: Duration,
    /// When what has run has taken its time.
    ended: Duration,
    /// How many messages have worked, and failed.
    counted: (u64, u64),
}

impl Turns {
    /// With another engine.
    pub(super) fn begin_anew(&mut self) {
        *self = Self { counted: self.counted, ..Self::default() };
    }
}

impl Store {
    /// When the store has time again, in milliseconds.
    pub(in super::super) fn free_at_ms(&self) -> u64 {
        whole_ms(self.messages.ended)
    }

    /// How long it is until a message is due; none without any.
    pub(in super::super) fn messages_wait_ms(&self, now_ms: u64) -> Option<u64> {
        self.clock.store(EPOCH_MS + now_ms, Ordering::Relaxed);
        let engine = self.engine.as_ref().expect("it runs");
        let wait = engine.messages_wait(self.messages.ended.max(Duration::from_millis(now_ms)))?;
        Some(whole_ms(wait))
    }

    /// Messages have their turn, if it is theirs; gives what is to be delivered to all nodes.
    pub(in super::super) fn serve_messages(
        &mut self,
        now_ms: u64,
        model: &mut Model,
        faults: &mut Faults,
        trace: &mut Trace,
    ) -> Checked<Vec<Delivery>> {
        let began = Duration::from_millis(now_ms).max(self.messages.ended);
        let others_wait = !self.queue.is_empty();
        let seems_to_wait = others_wait && !faults.is_planted(Fault::PlayersWait);
        self.clock.store(EPOCH_MS + now_ms, Ordering::Relaxed);
        let engine = self.engine.as_mut().expect("it runs");
        let Some(mut turn) = engine.begin_messages(began, seems_to_wait) else { return Ok(Vec::new()) };
        let mut gathered = Vec::new();
        loop {
            let engine = self.engine.as_mut().expect("it runs");
            faults.before_messages(engine);
            let took = turn.took;
            let ahead_ms = if faults.strikes(Fault::MessageEarly) { 40 } else { 0 };
            self.clock.store(EPOCH_MS + now_ms + ahead_ms, Ordering::Relaxed);
            let Some((to, count)) = engine.run_messages(&turn, seems_to_wait) else { break };
            turn.took += TIME * count.max(1) as u32;
            let is_fair = !others_wait || took < LONGEST_TURN && began >= self.messages.others_until;
            hold(Sentence::Turns, count == 0 || is_fair, || {
                format!("players wait while messages run for {took:?} from {began:?} on")
            })?;
            faults.behind_messages(engine);
            trace.line(now_ms, || format!("the store runs {count} messages to {to:?}"));
            gathered.extend(self.check_messages((&to, count), now_ms, model)?);
        }
        self.clock.store(EPOCH_MS + now_ms, Ordering::Relaxed);
        self.engine.as_mut().expect("it runs").end_messages(&turn);
        self.messages.ended = began + turn.took;
        self.messages.others_until = self.messages.ended + turn.took;
        for delivery in &mut gathered {
            faults.behind_the_store(std::slice::from_mut(delivery));
        }
        Ok(gathered)
    }

    /// Holds what messages of one receiver have done to the model.
    fn check_messages(
        &mut self,
        (to, count): (&str, usize),
        now_ms: u64,
        model: &mut Model,
    ) -> Checked<Vec<Delivery>> {
        let deliveries = self.outlet.take();
        let heard = model.apply_messages(to, count, now_ms, EPOCH_MS + now_ms)?;
        let count_of = |outcome| self.metrics.messages.at(outcome).get();
        let counts = (count_of(MessageOutcome::Run), count_of(MessageOutcome::Failed));
        let since = std::mem::replace(&mut self.messages.counted, counts);
        answers::check_messages(to, &heard, (counts.0 - since.0, counts.1 - since.1), &deliveries, model)?;
        self.count_messages(model, Sentence::Messages)?;
        let has_failed = heard.results.iter().any(|result| matches!(result, Outcome::Err(_)));
        if !to.is_empty() && (has_failed || count > 1) {
            self.audit(to, (self.outlet.origin.load(Ordering::Relaxed), Sentence::Messages), now_ms, model)?;
        }
        Ok(deliveries)
    }

    /// As many messages are pending as should be.
    pub(super) fn count_messages(&self, model: &Model, sentence: Sentence) -> Checked {
        let pending = self.engine.as_ref().expect("it runs").pending();
        hold(sentence, pending == model.pending_messages(), || {
            format!("{pending} messages are pending instead of {}", model.pending_messages())
        })
    }
}
