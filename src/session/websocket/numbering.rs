//! The numbered inputs of a connection: which was the last to run, and the order of those that did not.

use crate::wire::message::InputOrder;

/// What a connection knows of its numbered inputs.
#[derive(Debug)]
pub(super) struct Numbering {
    /// 0 if none ran.
    last_run: u64,
    /// As messages come in.
    pub(super) incoming: InputOrder,
    /// As inputs are passed on, which is when all messages of a read have come in.
    pub(super) passed_on: InputOrder,
}

impl Numbering {
    /// The last that ran was this one; 0 for none.
    pub(super) fn from(last_run: u64) -> Self {
        Self { last_run, incoming: InputOrder::default(), passed_on: InputOrder::default() }
    }

    pub(super) fn last_run(&self) -> u64 {
        self.last_run
    }

    /// All up to this one have run.
    pub(super) fn ran(&mut self, n: u64) {
        self.last_run = self.last_run.max(n);
    }
}
