//! What is known of the documents of a call.

use smol_str::SmolStr;

use crate::document::Address;
use crate::state::CallError;
use crate::wire::ErrorCode;

/// The documents of a call whose script declares some, as the gate has settled them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallDocuments {
    /// It works on these, which the gate takes to be in the store.
    Declared(Box<[Declared]>),
    /// Some are not there yet: the call is given back. Only in a batch that may be given back.
    Later,
    /// The call does not run.
    Refused(CallError),
}

/// A document that a call may load, save and delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub address: Address,
    /// The user that `{user}` stood for: whom the document belongs to when it is made.
    pub user: Option<SmolStr>,
}

impl CallDocuments {
    /// Those that the call may work on.
    pub fn declared(&self) -> &[Declared] {
        match self {
            Self::Declared(declared) => declared,
            Self::Later | Self::Refused(_) => &[],
        }
    }
}

/// Why a call did not run whose documents the store has lost, or has let go meanwhile.
pub fn not_hot() -> CallError {
    CallError::refusal(
        ErrorCode::Unavailable,
        "the documents of this call were not in the store; this did not run, and can be tried again",
    )
}
