//! Reading and writing where there is TLS between a connection's socket and its session.
//!
//! What is encrypted cannot be taken back, and stays in the outbox until the socket has all of it: so the outbox's bounds, and
//! the time that its reader has, are the same as without TLS.

use std::io::{ErrorKind, IoSlice, Write};

use bytes::Bytes;

use super::connection::{Carried, Connection, ReadOutcome, SLICES, Stage, WriteOutcome, read, retry};
use crate::session::Moment;
use crate::session::outbox::{Kind, Outbox};
use crate::tls::{Channel, Failure, RECORD_BYTES};

/// For what one read at a join takes in, and for its plaintext: a whole record each, and more.
const JOIN_BUFFER_BYTES: usize = 2 * 32 * 1024;

impl Carried {
    /// Whether nothing is left to send.
    pub(super) fn is_sent(&self) -> bool {
        self.outbox.is_empty() && self.tls.as_ref().is_none_or(|tls| tls.unsent().is_empty())
    }
}

impl Connection {
    /// Whether the next bytes from the peer may cost what a TLS handshake costs.
    pub(super) fn is_handshaking(&self) -> bool {
        self.carried.stage == Stage::Open && self.carried.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether a record has not come whole, or waits for the socket.
    pub(super) fn holds_ciphertext(&self) -> bool {
        self.carried.tls.as_ref().is_some_and(|tls| tls.buffered_bytes() > 0)
    }

    /// As [`Connection::read`]: the first half of `buffer` is read to, and the plaintext comes to its front.
    pub(super) fn read_secure(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        let Some(tls) = self.carried.tls.as_deref_mut().filter(|tls| !tls.has_ended()) else {
            return self.read_after_end(buffer);
        };
        let half = buffer.len() / 2;
        let (input, plain) = buffer.split_at_mut(half);
        let held = tls.held_bytes();
        let (received, drained) = match read(&mut self.stream, &mut input[held..]) {
            ReadOutcome::Bytes { received, drained, .. } => (received, drained),
            other => return other,
        };
        match tls.receive(&mut input[..held + received], plain) {
            Ok(count) => {
                buffer.copy_within(half..half + count, 0);
                // That the peer says no more was said by what was read; no event tells of it.
                ReadOutcome::Bytes { count, received, drained: drained && !tls.has_ended() }
            }
            Err(failure) => ReadOutcome::Refused(failure),
        }
    }

    /// The peer has said that it says no more: what it sends nevertheless is not read, and that its socket ends is no news.
    fn read_after_end(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        if self.carried.stage == Stage::Open {
            return ReadOutcome::End;
        }
        match read(&mut self.stream, buffer) {
            ReadOutcome::Bytes { received, drained, .. } => {
                ReadOutcome::Bytes { count: 0, received, drained }
            }
            ReadOutcome::End => ReadOutcome::Empty,
            other => other,
        }
    }

    /// As [`Connection::is_given_up`]: whether the peer has closed is in what has not been read. What was before that is parked.
    pub(super) fn is_given_up_secure(&mut self) -> bool {
        let mut buffer = vec![0; JOIN_BUFFER_BYTES];
        let outcome = self.read_secure(&mut buffer);
        self.is_unread = true;
        match outcome {
            ReadOutcome::Bytes { count, .. } if count > 0 => {
                self.carried.parked.get_or_insert_default().extend_from_slice(&buffer[..count]);
                false
            }
            ReadOutcome::Bytes { .. } => self.carried.tls.as_ref().is_some_and(|tls| tls.has_ended()),
            ReadOutcome::Empty => false,
            ReadOutcome::End | ReadOutcome::Broken | ReadOutcome::Refused(_) => true,
        }
    }

    /// As [`Connection::flush`]; the last that is sent is that no more comes.
    pub(super) fn flush_secure(&mut self, now_ms: u64, bytes_out: &mut u64) -> WriteOutcome {
        loop {
            match self.write_ciphertext(now_ms, bytes_out) {
                WriteOutcome::Done => {}
                other => return other,
            }
            let Carried { tls: Some(tls), outbox, session, stage, .. } = &mut self.carried else {
                return WriteOutcome::Done;
            };
            if outbox.is_empty() {
                let is_last = match stage {
                    Stage::Finishing { .. } => true,
                    Stage::PeerClosed => !session.is_calling(),
                    Stage::Open | Stage::Lingering | Stage::Over => false,
                };
                if is_last && tls.close() {
                    continue;
                }
                return WriteOutcome::Done;
            }
            if !tls.is_open() {
                // There was no handshake, or the peer broke the rules: nobody can read it.
                outbox.drop_unbegun();
                continue;
            }
            if let Err(failure) = seal_next(tls, outbox) {
                log::debug!("a connection cannot go on reason={failure}");
                return WriteOutcome::Broken;
            }
        }
    }

    /// As [`Connection::send_shared`], when nothing waits.
    pub(super) fn send_secure(
        &mut self,
        (frame, kind): (&Bytes, Kind),
        now_ms: u64,
        bytes_out: &mut u64,
    ) -> WriteOutcome {
        let Some(tls) =
            self.carried.tls.as_deref_mut().filter(|tls| tls.is_open() && frame.len() <= RECORD_BYTES)
        else {
            self.carried.outbox.push(frame.clone(), kind);
            return WriteOutcome::Full;
        };
        if let Err(failure) = tls.seal(frame) {
            log::debug!("a connection cannot go on reason={failure}");
            return WriteOutcome::Broken;
        }
        let outcome = self.write_ciphertext(now_ms, bytes_out);
        if outcome == WriteOutcome::Full {
            self.carried.progress = Moment::at(now_ms);
            self.carried.outbox.push(frame.clone(), kind);
            self.carried.outbox.commit(frame.len());
        }
        outcome
    }

    /// Tells the peer that no more comes, as far as the socket has room: for a connection that ends at once.
    pub(super) fn say_end(&mut self) {
        if let Some(tls) = &mut self.carried.tls
            && tls.close()
        {
            // Whether the peer hears it changes nothing.
            let _ = (&self.stream).write(tls.unsent());
        }
    }

    /// Writes what is encrypted.
    fn write_ciphertext(&mut self, now_ms: u64, bytes_out: &mut u64) -> WriteOutcome {
        let Carried { tls: Some(tls), outbox, progress, .. } = &mut self.carried else {
            return WriteOutcome::Done;
        };
        while !tls.unsent().is_empty() {
            match retry(|| (&self.stream).write(tls.unsent())) {
                Ok(0) => return WriteOutcome::Broken,
                Ok(count) => {
                    *bytes_out += count as u64;
                    *progress = Moment::at(now_ms);
                    tls.advance(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return WriteOutcome::Full,
                Err(_) => return WriteOutcome::Broken,
            }
        }
        outbox.advance(outbox.committed_bytes());
        WriteOutcome::Done
    }
}

/// Encrypts what comes next in the outbox: a record, as full as it gets.
fn seal_next(tls: &mut Channel, outbox: &mut Outbox) -> Result<(), Failure> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let filled = outbox.slices(&mut slices);
    let first = &slices[0];
    let count = if filled == 1 || first.len() >= RECORD_BYTES {
        let piece = &first[..first.len().min(RECORD_BYTES)];
        tls.seal(piece)?;
        piece.len()
    } else {
        let mut plain = Vec::with_capacity(RECORD_BYTES);
        for slice in &slices[..filled] {
            let room = RECORD_BYTES - plain.len();
            plain.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        tls.seal(&plain)?;
        plain.len()
    };
    outbox.commit(count);
    Ok(())
}
