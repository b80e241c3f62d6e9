//! How a call to the accounts fails, and what its caller is told.

use crate::account::password::HashFault;
use crate::account::records::StoreFault;
use crate::session::Refused;

/// Why a call did not succeed.
pub(super) enum Failure {
    Refused(Refused),
    Store(StoreFault),
    Hash(HashFault),
}

pub(super) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(super) fn into_refused(self) -> Refused {
        match self {
            Self::Refused(refused) => refused,
            Self::Store(fault) => {
                log::error!("{fault}");
                unavailable()
            }
            Self::Hash(fault) => {
                log::error!("{fault}");
                unavailable()
            }
        }
    }
}

impl From<StoreFault> for Failure {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault)
    }
}

impl From<HashFault> for Failure {
    fn from(fault: HashFault) -> Self {
        Self::Hash(fault)
    }
}

pub(super) fn taken() -> Failure {
    refused(409, "conflict", "this username is taken")
}

pub(super) fn unavailable() -> Refused {
    let message = "the accounts are not available now; try again soon";
    Refused::new(503, "unavailable", message).retry_after(2)
}

pub(super) fn refused(status: u16, code: &str, message: &str) -> Failure {
    Failure::Refused(Refused::new(status, code, message))
}

pub(super) fn bad_request(reason: &impl ToString) -> Failure {
    refused(400, "bad_request", &reason.to_string())
}
