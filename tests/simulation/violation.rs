//! What must hold, and how it is said that it does not.

use std::fmt;

/// The nine sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sentence {
    /// A room's events arrive in one order and never with a silent gap, each at those whom it is for.
    Order,
    /// Who comes back gets exactly what was missed, or the whole state, and is replaced only by itself.
    Return,
    /// An input runs at most once; with a number, and sent until it is answered, exactly once.
    Once,
    /// A call that fails has changed nothing and published nothing.
    AllOrNothing,
    /// A slow client slows nobody.
    Pace,
    /// While a room has members its tick script runs once an interval, and is told how long it was.
    Ticks,
    /// A message runs exactly once, when it is due and in its order, whether its room has members or not; what was cancelled, or set
    /// anew, does not.
    Messages,
    /// Chains of messages leave players their turns.
    Turns,
    /// A store that dies goes on with what its state file was last given: all of it, and of what came later all or nothing.
    Kept,
}

/// A sentence that did not hold.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) sentence: Sentence,
    what: String,
}

pub(super) type Checked<T = ()> = Result<T, Violation>;

impl Violation {
    /// The same, with whose it is.
    pub(super) fn of(self, whose: &str) -> Self {
        Self { what: format!("{whose}: {}", self.what), ..self }
    }

    pub(super) fn new(sentence: Sentence, what: impl Into<String>) -> Self {
        Self { sentence, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} does not hold: {}", self.sentence, self.what)
    }
}

/// Holds a sentence to a condition.
pub(super) fn hold(sentence: Sentence, condition: bool, what: impl FnOnce() -> String) -> Checked {
    if condition { Ok(()) } else { Err(Violation::new(sentence, what())) }
}
