//! Messages out of their compressed form (RFC 7692, section 7.2.2), within bounds.

use flate2::{Decompress, FlushDecompress, Status};

use super::TAIL;
use crate::wire::ws::close_code::{INVALID_PAYLOAD, MESSAGE_TOO_BIG};
use crate::wire::ws::event::Violation;

const CORRUPT: Violation = (INVALID_PAYLOAD, "the message is not compressed as permessage-deflate has it");
const TOO_LONG: Violation = (MESSAGE_TOO_BIG, "the message is too long once it is decompressed");

/// A last empty block: only behind a whole message is it read as one.
const END: &[u8] = &[1, 0, 0, 0xff, 0xff];

/// Memory that is taken at first, and kept from one message to the next at most.
const FIRST_BYTES: usize = 4 * 1024;
const KEPT_BYTES: usize = 64 * 1024 + 1;

/// What even an empty message counts as, and beginning anew in the middle of one.
const LEAST_COST: usize = 512;
const COST_OF_RESET: usize = 64;

/// Decompresses a thread's messages, one at a time. Takes no memory before the first.
#[derive(Debug, Default)]
pub struct Inflater {
    state: Option<Decompress>,
    message: Vec<u8>,
    /// Bytes decompressed in a connection's turn.
    cost: usize,
}

/// How long a message's compressed form may be. What cannot be compressed grows a little by the attempt.
pub(in crate::wire::ws) const fn compressed_limit(message_limit: usize) -> usize {
    message_limit.saturating_add(message_limit / 16).saturating_add(64)
}

impl Inflater {
    /// One message, of at most `limit` bytes.
    pub(in crate::wire::ws) fn inflate(
        &mut self,
        compressed: &[u8],
        limit: usize,
    ) -> Result<&[u8], Violation> {
        self.trim();
        self.message.clear();
        let outcome = self.inflate_whole(compressed, limit);
        self.cost += self.message.len() + LEAST_COST;
        outcome.map(|()| &self.message[..])
    }

    /// It is a connection's turn.
    pub fn begin_turn(&mut self) {
        self.cost = 0;
    }

    /// Bytes decompressed in this turn: what a few bytes become costs as if they had been sent.
    pub fn cost(&self) -> usize {
        self.cost
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.message.capacity()
    }

    /// Gives back what a long message took.
    pub fn trim(&mut self) {
        if self.message.capacity() > KEPT_BYTES {
            self.message = Vec::new();
        }
    }

    fn inflate_whole(&mut self, compressed: &[u8], limit: usize) -> Result<(), Violation> {
        let Self { state, message, cost } = self;
        let state = state.get_or_insert_with(|| Decompress::new(false));
        state.reset(false);
        let mut is_at_end = false;
        for part in [compressed, TAIL, END] {
            let mut rest = part;
            loop {
                if is_at_end && rest.is_empty() {
                    break;
                }
                if is_at_end {
                    // Blocks may be marked as last in the middle of a message (section 7.2.3.4).
                    state.reset(false);
                    *cost += COST_OF_RESET;
                }
                make_room(message, limit)?;
                let consumed = state.total_in();
                let status =
                    state.decompress_vec(rest, message, FlushDecompress::None).map_err(|_| CORRUPT)?;
                rest = &rest[(state.total_in() - consumed) as usize..];
                is_at_end = status == Status::StreamEnd;
                let is_full = message.len() == message.capacity();
                if !is_at_end && !is_full {
                    break;
                }
            }
            if !rest.is_empty() {
                return Err(CORRUPT);
            }
        }
        match is_at_end {
            true if message.len() > limit => Err(TOO_LONG),
            true => Ok(()),
            false => Err(CORRUPT),
        }
    }
}

/// Room for at least one more byte, of which one above the limit tells that the message is too long.
fn make_room(message: &mut Vec<u8>, limit: usize) -> Result<(), Violation> {
    if message.len() > limit {
        return Err(TOO_LONG);
    }
    if message.len() == message.capacity() {
        let wanted = (message.capacity() * 2).max(FIRST_BYTES).min(limit.saturating_add(1));
        message.reserve_exact(wanted - message.len());
    }
    Ok(())
}
