//! One socket and what belongs to it.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::IpAddr;

use bytes::Bytes;
use mio::Interest;
use mio::net::TcpStream;

use super::ShardLimits;
use super::admission::Entry;
use super::standing::Standing;
use crate::room::MembershipId;
use crate::room::allowance::Allowance;
use crate::session::outbox::{Kind, Outbox};
use crate::session::pages::PageSet;
use crate::session::{Moment, Session, Settings};
use crate::tls::{Channel, Failure};
use crate::wire::ws::deflate::DeflateWindow;

/// A slab entry. Idle, it holds no buffer.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// What moves with it to another shard.
    pub(super) carried: Carried,
    /// Tells this entry from an earlier one at the same index.
    pub(super) generation: u32,
    /// The wheel's slot in which this connection is looked at next; [`super::wheel::Wheel::NOWHERE`] if it is in none.
    pub(super) wheel_slot: u32,
    /// Whether the poll tells us of room in the socket's send buffer.
    pub(super) wants_writable: bool,
    /// Whether it is in the round's list of outboxes to flush.
    pub(super) is_dirty: bool,
    /// Whether the socket may hold bytes that no event will tell of.
    pub(super) is_unread: bool,
    /// Whether it is in the list of those that may hold bytes, see [`super::buffers`].
    pub(super) may_hold: bool,
    /// Whether it is in the list of those to be read from once more.
    pub(super) is_again: bool,
    /// Whether it waits for its turn to be read from, see [`super::turns`].
    pub(super) waits_for_turn: bool,
    /// Whether the peer was seen meanwhile to have closed its half, or to be gone.
    pub(super) has_left: bool,
    /// Whether its proxy has not said yet whose it is.
    pub(super) awaits_proxy_header: bool,
    /// What it is to a room.
    pub(super) place: Place,
}

/// The part of a connection that moves between shards.
pub(super) struct Carried {
    pub(super) session: Session,
    /// What is between the socket and the session, if the port speaks TLS.
    pub(super) tls: Option<Box<Channel>>,
    /// What is still to be sent.
    pub(super) outbox: Outbox,
    /// Bytes that came in and cannot be handled yet, in the order in which they came.
    #[expect(
        clippy::box_collection,
        reason = "rare, and so behind a pointer: an idle connection holds 8 bytes for it"
    )]
    pub(super) parked: Option<Box<Vec<u8>>>,
    /// Where the connection comes from.
    pub(super) peer: IpAddr,
    /// What it was let in for.
    pub(super) entry: Entry,
    /// How the peer takes compressed frames, if it does.
    pub(super) deflate: Option<DeflateWindow>,
    /// How far it is on its way to its end.
    pub(super) stage: Stage,
    /// When the outbox last began to wait, or moved.
    pub(super) progress: Moment,
}

/// From open to gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    /// The peer has closed its half; ours is open.
    PeerClosed,
    /// Everything that is to be sent is in the outbox; once it is empty our half is shut.
    Finishing {
        /// Whether the peer has closed its half.
        peer_closed: bool,
    },
    /// Our half is shut since `progress`; what comes in is discarded until the peer closes or the time is up. Closing
    /// at once could reset the connection before the peer has read our last bytes (RFC 9112, section 9.6).
    Lingering,
    /// It is over: it is in the list of those that the shard removes before the round ends, and takes part in nothing.
    Over,
}

/// What a connection is to a room of its shard, by the room's index.
#[derive(Debug)]
pub(super) enum Place {
    Outside,
    /// The room decides whether it may come in.
    Joining(u32),
    Member(Seat),
}

/// A member's place in its room.
#[derive(Debug)]
pub(super) struct Seat {
    /// The room's index in the shard.
    pub(super) room: u32,
    /// The index in the room's list of local members.
    pub(super) position: u32,
    pub(super) membership: MembershipId,
    /// How it stands to the room's events.
    pub(super) standing: Standing,
    /// Its inputs that have not been answered.
    pub(super) allowance: Allowance,
}

/// What a read came to.
pub(super) enum ReadOutcome {
    /// So many bytes for the session, out of so many from the socket.
    Bytes {
        count: usize,
        received: usize,
        /// Whether the socket is empty.
        drained: bool,
    },
    /// Nothing to read now.
    Empty,
    /// The peer has closed its half.
    End,
    /// The connection is broken.
    Broken,
    /// The peer does not speak TLS, or has broken it. It is to be told so, and nothing else.
    Refused(Failure),
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteOutcome {
    /// Nothing is left to send.
    Done,
    /// The socket is full.
    Full,
    /// The connection is broken.
    Broken,
}

/// Entries sent by one system call.
pub(super) const SLICES: usize = 32;

impl Connection {
    /// When the connection is to be looked at, in monotonic milliseconds.
    pub(super) fn deadline_ms(&self, settings: &Settings, limits: &ShardLimits) -> u64 {
        let session_ms = match self.carried.stage {
            Stage::Lingering => return self.carried.progress.ms() + limits.linger_ms,
            Stage::Finishing { .. } | Stage::Over => u64::MAX,
            Stage::Open | Stage::PeerClosed => self.carried.session.deadline_ms(settings).unwrap_or(u64::MAX),
        };
        session_ms.min(self.stall_ms(limits))
    }

    /// When the peer has left its outbox unread for too long.
    pub(super) fn stall_ms(&self, limits: &ShardLimits) -> u64 {
        if self.carried.is_sent() {
            return u64::MAX;
        }
        self.carried.progress.ms() + limits.stall_timeout_ms
    }

    /// Whether bytes from the peer can be handled now. A peer that does not read its answers gives no more work.
    pub(super) fn wants_input(&self, outbox_limit_bytes: usize) -> bool {
        self.carried.session.wants_input()
            && (self.seat().is_some() || self.carried.outbox.unsent_bytes() < outbox_limit_bytes)
    }

    /// Bytes that it holds, but for pages that are kept for all.
    pub(super) fn held_bytes(&self, pages: &PageSet) -> usize {
        let Carried { session, tls, outbox, parked, .. } = &self.carried;
        session.held_bytes()
            + tls.as_ref().map_or(0, |tls| tls.buffered_bytes())
            + outbox.held_bytes(|body| pages.has_body(body))
            + parked.as_ref().map_or(0, |parked| parked.capacity())
    }

    /// Its user's id; empty before a token was checked.
    pub(super) fn user_id(&self) -> &str {
        self.carried.session.identity().map_or("", |identity| &identity.user_id)
    }

    /// Its place in a room, if it is a member.
    pub(super) fn seat(&self) -> Option<&Seat> {
        match &self.place {
            Place::Member(seat) => Some(seat),
            _ => None,
        }
    }

    pub(super) fn seat_mut(&mut self) -> Option<&mut Seat> {
        match &mut self.place {
            Place::Member(seat) => Some(seat),
            _ => None,
        }
    }

    /// Reads to the front of `buffer`, once. What comes after all that is to be sent is thrown away, whatever it is.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        if self.carried.tls.is_some() && matches!(self.carried.stage, Stage::Open | Stage::PeerClosed) {
            return self.read_secure(buffer);
        }
        read(&mut self.stream, buffer)
    }

    /// Whether the peer has closed or reset the connection, and nothing came before that which has not been read.
    pub(super) fn is_given_up(&mut self) -> bool {
        if self.carried.tls.is_some() {
            return self.is_given_up_secure();
        }
        match retry(|| self.stream.peek(&mut [0])) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Writes what the outbox holds; adds to `bytes_out`.
    pub(super) fn flush(&mut self, now_ms: u64, bytes_out: &mut u64) -> WriteOutcome {
        if self.carried.tls.is_some() {
            return self.flush_secure(now_ms, bytes_out);
        }
        while !self.carried.outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.carried.outbox.slices(&mut slices);
            match retry(|| (&self.stream).write_vectored(&slices[..filled])) {
                Ok(0) => return WriteOutcome::Broken,
                Ok(count) => {
                    *bytes_out += count as u64;
                    self.carried.progress = Moment::at(now_ms);
                    self.carried.outbox.advance(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return WriteOutcome::Full,
                Err(_) => return WriteOutcome::Broken,
            }
        }
        WriteOutcome::Done
    }

    /// Sends a frame that others share, or a ping: straight to the socket if nothing waits, else by the outbox.
    pub(super) fn send_shared(
        &mut self,
        (frame, kind): (&Bytes, Kind),
        now_ms: u64,
        bytes_out: &mut u64,
    ) -> WriteOutcome {
        if !self.carried.is_sent() {
            self.carried.outbox.push(frame.clone(), kind);
            // Not written at once: it goes out with what it waits behind.
            return WriteOutcome::Full;
        }
        if self.carried.tls.is_some() {
            return self.send_secure((frame, kind), now_ms, bytes_out);
        }
        let sent = match retry(|| (&self.stream).write(frame)) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return WriteOutcome::Broken,
        };
        *bytes_out += sent as u64;
        if sent == frame.len() {
            return WriteOutcome::Done;
        }
        self.carried.progress = Moment::at(now_ms);
        self.carried.outbox.push_rest(frame.clone(), kind, sent);
        WriteOutcome::Full
    }

    /// What the poll should tell of: bytes always, room to write while bytes wait.
    pub(super) fn interest(&self) -> Interest {
        if self.carried.is_sent() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE }
    }
}

pub(super) fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> ReadOutcome {
    match retry(|| stream.read(buffer)) {
        Ok(0) => ReadOutcome::End,
        // Fewer bytes than asked for: the socket is empty, and an edge will tell of more (epoll(7)).
        Ok(count) => ReadOutcome::Bytes { count, received: count, drained: count < buffer.len() },
        Err(error) if error.kind() == ErrorKind::WouldBlock => ReadOutcome::Empty,
        Err(_) => ReadOutcome::Broken,
    }
}

pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
