//! Connections come: accepted here, or handed over by another shard.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown};

use mio::Interest;
use mio::net::TcpStream;

use super::admission::TurnedAway;
use super::connection::{Carried, Connection, Stage};
use super::mail::Handover;
use super::shard::{Shard, kind_of, token_of};
use super::wheel::Wheel;
use crate::metrics::Refusal;
use crate::session::outbox::Outbox;
use crate::session::{Moment, Session};

/// How long accepting rests when the process is out of files or memory.
const ACCEPT_PAUSE_MS: u64 = 100;

impl Shard {
    pub(super) fn accept(&mut self) {
        if self.accept_again_ms.is_none_or(|again_ms| again_ms > self.now.monotonic_ms) {
            return;
        }
        for _ in 0..self.shared.limits.accept_budget {
            let Some(listener) = &self.listener else { return self.accept_again_ms = None };
            match listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer.ip()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.accept_again_ms = None,
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    // Out of files or memory: connections wait in the kernel's queue meanwhile.
                    log::error!("cannot accept connections; trying again error={error:?}");
                    return self.accept_again_ms = Some(self.now.monotonic_ms + ACCEPT_PAUSE_MS);
                }
            }
        }
    }

    pub(super) fn welcome(&mut self, stream: TcpStream, peer: IpAddr) {
        self.metrics.connections_accepted.inc();
        if let Err(turned_away) = self.shared.admission.enter(peer) {
            let refusal = match turned_away {
                TurnedAway::ServerFull => Refusal::ServerFull,
                TurnedAway::AddressFull => Refusal::AddressFull,
            };
            self.metrics.refusals.at(refusal).inc();
            return turn_away(stream);
        }
        // Frames are small and wait for nobody: Nagle's delay would add to every patch.
        if stream.set_nodelay(true).is_err() {
            return self.shared.admission.leave(peer);
        }
        let carried = Carried {
            session: Session::new(self.now),
            outbox: Outbox::default(),
            parked: None,
            peer,
            stage: Stage::Open,
            progress: Moment::at(self.now.monotonic_ms),
        };
        self.insert(Handover { stream, carried });
    }

    pub(super) fn adopt(&mut self, handover: Handover) -> Option<usize> {
        let index = self.insert(handover)?;
        self.mark_dirty(index);
        Some(index)
    }

    pub(super) fn adopt_to_join(&mut self, handover: Handover) {
        let Some(index) = self.adopt(handover) else { return };
        let joining = self.connections[index].carried.session.joining();
        let joining = joining.map(|(identity, room)| (identity.clone(), room.clone()));
        if let Some((identity, room)) = joining {
            self.start_join(index, identity, &room);
        }
    }

    pub(super) fn insert(&mut self, Handover { mut stream, carried }: Handover) -> Option<usize> {
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let index = self.connections.vacant_key();
        let token = token_of(index, generation);
        if let Err(error) = self.poll.registry().register(&mut stream, token, Interest::READABLE) {
            log::error!("cannot watch a connection; it is closed error={error}");
            self.shared.admission.leave(carried.peer);
            return None;
        }
        self.metrics.connections.at(kind_of(&carried.session)).inc();
        self.connections.insert(Connection {
            stream,
            carried,
            generation,
            wheel_slot: Wheel::NOWHERE,
            wants_writable: false,
            dirty: false,
            unread: false,
            seat: None,
        });
        self.schedule(index);
        Some(index)
    }

    /// Takes a connection out of this shard, to hand it over.
    pub(super) fn take_out(&mut self, index: usize) -> Option<Handover> {
        let mut connection = self.connections.try_remove(index)?;
        self.metrics.connections.at(kind_of(&connection.carried.session)).dec();
        if let Err(error) = self.poll.registry().deregister(&mut connection.stream) {
            log::error!("cannot hand a connection over; it is closed error={error}");
            self.shared.admission.leave(connection.carried.peer);
            return None;
        }
        Some(Handover { stream: connection.stream, carried: connection.carried })
    }
}

/// Whether an error of `accept` concerns one connection only (accept(2)).
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::TimedOut
    )
}

/// Tells a peer that there is no place for it. Best effort: it has not been counted, and is not waited for.
fn turn_away(mut stream: TcpStream) {
    const FULL: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 74\r\n\
        Retry-After: 5\r\nConnection: close\r\n\r\n\
        {\"error\":{\"code\":\"unavailable\",\"message\":\"the server is full; try later\"}}";
    let _ = stream.write(FULL);
    let _ = stream.shutdown(Shutdown::Write);
    let mut request = [0; 4096];
    let _ = stream.read(&mut request);
}
