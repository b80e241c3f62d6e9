//! How a call to the accounts fails, and what its caller is told.

use crate::account::password::HashFault;
use crate::account::records::StoreFault;
use crate::session::Rejection;
use crate::wire::ErrorCode;

/// Why a call did not succeed.
pub(super) enum Failure {
    Rejection(Rejection),
    Store(StoreFault),
    Hash(HashFault),
}

pub(super) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(super) fn into_refused(self) -> Rejection {
        match self {
            Self::Rejection(refused) => refused,
            Self::Store(fault @ StoreFault::Held(_)) => {
                log::warn!("a guest cannot be upgraded: {fault}");
                let message = "your documents are in use and were not let go in time; try again";
                Rejection::new(ErrorCode::Unavailable, message).retry_after(1)
            }
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
    refused(ErrorCode::Conflict, "this username is taken")
}

pub(super) fn reserved() -> Failure {
    refused(ErrorCode::Conflict, "this username is reserved; choose another one")
}

pub(super) fn look_alike() -> Failure {
    refused(
        ErrorCode::Conflict,
        "this username looks like one that is taken; choose one that nobody confuses with it",
    )
}

pub(super) fn changed() -> Failure {
    refused(ErrorCode::Conflict, "the account has changed meanwhile; look at it, and try again")
}

pub(super) fn unavailable() -> Rejection {
    let message = "the accounts are not available now; try again soon";
    Rejection::new(ErrorCode::Unavailable, message).retry_after(2)
}

pub(super) fn refused(code: ErrorCode, message: &str) -> Failure {
    Failure::Rejection(Rejection::new(code, message))
}

pub(super) fn bad_request(reason: &impl ToString) -> Failure {
    refused(ErrorCode::BadRequest, &reason.to_string())
}
