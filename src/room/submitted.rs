//! What a room has with the engine, and what is to be done with it when it comes back.

use std::sync::Arc;
use std::time::Instant;

use super::action::BatchNumber;
use super::allowance::Charge;
use super::join::Join;
use super::snapshots::Laggard;
use super::waiting::{QueuedInput, Reply};
use crate::script::Script;
use crate::state::Call;
use crate::wire::ids::Identity;

/// The room's batches that have not come back.
#[derive(Debug, Default)]
pub(super) struct Submitted {
    batches: Vec<(BatchNumber, Purpose)>,
    last: BatchNumber,
}

/// What a batch is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// Inputs, and calls of the server's own: what is left of each without its call.
    Inputs(Vec<Sent>),
    /// These join: `on_resume` for each that may have a seat, then `on_connect` for each, and `on_snapshot` for all, if there is
    /// one.
    Joins {
        joins: Vec<Join>,
        /// Which of them may have a seat.
        claims: Vec<bool>,
    },
    /// These members missed events: for each a call that confirms its membership, then `on_snapshot`.
    Snapshots(Vec<Laggard>),
}

/// An input whose call is with the engine.
#[derive(Debug)]
pub(super) struct Sent {
    /// Who gets the answer.
    pub reply: Option<Reply>,
    /// Whose it is, if it has a number.
    pub caller: Option<Arc<Identity>>,
    /// When it came in.
    pub received_at: Instant,
    /// Given back with the answer.
    pub charge: Option<Charge>,
    /// What it runs, if the answer tells it.
    pub script: Option<Arc<Script>>,
    /// A call of the server's own, to be made again if the store does not answer.
    pub again: Option<Box<Call>>,
    /// Of a tick: its script.
    pub tick: Option<Arc<Script>>,
}

impl Sent {
    /// A tick of a script, for nobody in particular.
    pub(super) fn tick(script: Arc<Script>, received_at: Instant) -> Self {
        Self {
            reply: None,
            caller: None,
            received_at,
            charge: None,
            script: None,
            again: None,
            tick: Some(script),
        }
    }

    /// The input with its call, to wait once more.
    pub(super) fn with(self, call: Call) -> QueuedInput {
        QueuedInput { call, reply: self.reply, received_at: self.received_at, charge: self.charge }
    }
}

impl Submitted {
    /// Whether nothing is with the engine.
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) fn has_inputs(&self) -> bool {
        self.batches.iter().any(|(_, purpose)| matches!(purpose, Purpose::Inputs(_)))
    }

    /// Notes a batch; it goes by this number.
    pub(super) fn note(&mut self, purpose: Purpose) -> BatchNumber {
        self.last = self.last.wrapping_add(1);
        self.batches.push((self.last, purpose));
        self.last
    }

    /// What a batch that has come back was for.
    pub(super) fn take(&mut self, number: BatchNumber) -> Option<Purpose> {
        let index = self.batches.iter().position(|(of, _)| *of == number)?;
        let (_, purpose) = self.batches.swap_remove(index);
        if self.batches.is_empty() {
            // A room is joined by many at once and then by nobody for long.
            self.batches = Vec::new();
        }
        Some(purpose)
    }

    /// Those who are being let in.
    pub(super) fn joins(&mut self) -> impl Iterator<Item = &mut Join> {
        self.batches.iter_mut().flat_map(|(_, purpose)| match purpose {
            Purpose::Joins { joins, .. } => joins.as_mut_slice(),
            _ => &mut [],
        })
    }
}
