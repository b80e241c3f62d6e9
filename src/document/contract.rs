//! What the rest asks of the database of documents. None of these calls waits: answers come to the replies, on a thread of the
//! service, where they must not wait either.

use std::fmt;

use super::{Address, Document, Entry, HomeId, Lost};

/// What is called with an answer, once.
pub type Reply<T> = Box<dyn FnOnce(T) + Send>;

/// What became of a fetch: every address that was asked for, once each.
pub type Fetched = Vec<(Address, Result<Document, FetchError>)>;

/// The database of documents, as a store's home uses it. Fetches, renewals and letting go are carried out in the order of the
/// calls; so are writes, on their own.
pub trait Documents: Send + Sync {
    /// Makes `home` the home of these documents, and reads them; what is not there comes as version 0, what was deleted without a
    /// value. Takes at most about five seconds, most of which may be the wait for another home to let go.
    fn fetch(&self, addresses: Vec<Address>, home: &HomeId, reply: Reply<Fetched>);

    /// Writes these entries in one transaction, and tells what was refused for good. Saves that are written already are passed
    /// over, so after an error the same entries may be given again. The caller keeps to [`MAX_TRANSACTION_SAVES`] and
    /// [`MAX_TRANSACTION_BYTES`].
    ///
    /// [`MAX_TRANSACTION_SAVES`]: super::MAX_TRANSACTION_SAVES
    /// [`MAX_TRANSACTION_BYTES`]: super::MAX_TRANSACTION_BYTES
    fn write(&self, entries: Vec<Entry>, home: &HomeId, reply: Reply<Result<Vec<Lost>, Unavailable>>);

    /// Says that `home` lives, to be called every second while it has documents: without that for ten, others take them. Answers
    /// which documents it is to let go, because others want them or have taken them, also such that it does not know (any more).
    /// They are named again until they are let go.
    fn renew(&self, home: &HomeId, reply: Reply<Result<Vec<Address>, Unavailable>>);

    /// Ends that `home` is the home of these documents. All saves of them must have been written (or lost) before. What cannot be
    /// carried out now is kept and tried again with the next renewal.
    fn let_go(&self, addresses: Vec<Address>, home: &HomeId);

    /// As [`Documents::let_go`], for who has to know when it is done; what cannot be carried out now is not kept.
    fn release(&self, addresses: Vec<Address>, home: &HomeId, reply: Reply<Result<(), Unavailable>>);

    /// Ends that `home` is the home of any document, as [`Documents::release`] does of some.
    fn retire(&self, home: &HomeId, reply: Reply<Result<(), Unavailable>>);
}

/// Why a document was not fetched. The caller may try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The database is away, or does not keep up.
    Unavailable,
    /// Another home has the document and has not let it go in time.
    Held,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "the database of documents is not available",
            Self::Held => "the document is in use in another store",
        })
    }
}

impl std::error::Error for FetchError {}

/// The database is away, full, or does not keep up: it is worth another try later. The service has logged why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database of documents is not available")
    }
}

impl std::error::Error for Unavailable {}
