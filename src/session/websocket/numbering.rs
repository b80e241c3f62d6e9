//! The numbered inputs of a connection: which was the last to run, and the order of those that did not.

use crate::wire::message::InputOrder;

/// What a connection knows of its numbered inputs, at the two places where it may refuse some.
#[derive(Debug)]
pub(super) struct Numbering {
    /// As messages come in.
    pub(super) incoming: InputOrder,
    /// As inputs are passed on, which is when all messages of a read have come in.
    pub(super) passed_on: InputOrder,
}

impl Numbering {
    /// The last that ran was this one; 0 for none.
    pub(super) fn after(last_ran: u64) -> Self {
        Self { incoming: InputOrder::after(last_ran), passed_on: InputOrder::after(last_ran) }
    }

    pub(super) fn last_ran(&self) -> u64 {
        self.incoming.last_ran()
    }

    /// All up to this one have run.
    pub(super) fn ran(&mut self, n: u64) {
        self.incoming.ran(n);
        self.passed_on.ran(n);
    }
}
