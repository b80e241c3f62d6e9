//! How large the result of a command may become while it is put together.

use super::super::keyspace::Keyspace;
use super::super::reply::ReplyBuffer;
use super::failure::{Failure, Outcome};

/// What a result may take, and what its command fails with beyond that.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    bytes: usize,
    failure: Failure,
}

impl Limit {
    /// Of a result that is to be stored.
    pub(super) fn of_store(keyspace: &Keyspace) -> Self {
        Self { bytes: keyspace.room(), failure: Failure::FULL }
    }

    /// Of a result that is the answer: in a table its elements take up to four times as much as in an answer.
    pub(super) fn of_answer(reply: &ReplyBuffer) -> Self {
        Self { bytes: reply.max_bytes().saturating_mul(4), failure: Failure::TOO_LARGE }
    }

    /// Whether there is room for so many bytes.
    pub(super) fn check(&self, bytes: usize) -> Outcome {
        if bytes <= self.bytes { Ok(()) } else { Err(self.failure.clone()) }
    }
}
