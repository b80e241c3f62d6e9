//! What must come of messages when they run.

use super::super::violation::{Checked, Sentence, Violation, hold};
use super::{Applying, Model, Outcome};

/// A message may run so long after it was due, or after the store was started.
const LATE_MS: u64 = 150;

/// What must come of the messages of one receiver that run one after the other.
pub(in super::super) struct Heard {
    pub(in super::super) results: Vec<Outcome>,
    /// The room's epoch and history, and the numbers of its events; none without a room.
    pub(in super::super) events: Option<(Option<u64>, usize, std::ops::Range<u64>)>,
}

impl Model {
    pub(in super::super) fn pending_messages(&self) -> usize {
        self.mail.len()
    }

    /// The store runs by now, with what it had.
    pub(in super::super) fn store_is_up(&mut self, unix_ms: u64) {
        self.up_since_ms = unix_ms;
    }

    /// So many messages of a receiver run, as the store says.
    pub(in super::super) fn apply_messages(
        &mut self,
        to: &str,
        count: usize,
        now_ms: u64,
        unix_ms: u64,
    ) -> Checked<Heard> {
        let mut results = Vec::new();
        let before = (!to.is_empty()).then(|| self.room(to).history);
        let first_seq = before.map_or(0, |history| self.histories[history].last_seq() + 1);
        for _ in 0..count {
            let Some((message, due_ms)) = self.mail.take_next(to, unix_ms) else {
                return Err(Violation::new(
                    Sentence::Messages,
                    format!("{to:?} has nothing due, and something runs"),
                ));
            };
            let late_ms = unix_ms - due_ms.max(self.up_since_ms);
            hold(Sentence::Messages, late_ms <= LATE_MS, || {
                format!("{} runs in {to:?} {late_ms} ms late", message.id)
            })?;
            results.push(if to.is_empty() {
                self.mail.pass_on(&message, unix_ms);
                Outcome::Ok("null".to_owned())
            } else {
                Applying::new(self, to, now_ms, unix_ms).hear(&message)
            });
        }
        let events = before
            .map(|history| (self.room(to).epoch, history, first_seq..self.histories[history].last_seq() + 1));
        Ok(Heard { results, events })
    }

    /// To whom a message should have run by now.
    pub(in super::super) fn overdue(&self, unix_ms: u64) -> Option<&str> {
        self.mail.overdue(unix_ms.saturating_sub(LATE_MS))
    }
}
