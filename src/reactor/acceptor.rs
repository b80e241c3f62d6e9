//! Connections come.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown};

use mio::net::{TcpListener, TcpStream};

use super::admission::{AdmissionControl, TurnedAway};
use crate::metrics::{RefusalReason, ShardMetrics};

pub(super) struct Acceptor {
    listener: Option<TcpListener>,
    /// Set when connections wait to be accepted that no event will tell of.
    again_ms: Option<u64>,
}

/// How long accepting rests when the process is out of files or memory.
const PAUSE_MS: u64 = 100;

impl Acceptor {
    /// Accepts from this listener.
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener: Some(listener), again_ms: None }
    }

    /// The listener has connections.
    pub(super) fn note_readable(&mut self, now_ms: u64) {
        self.again_ms = Some(now_ms);
    }

    /// When connections wait that no event will tell of.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.again_ms
    }

    /// Closes the listener: the kernel refuses what comes after.
    pub(super) fn close(&mut self) {
        self.listener = None;
    }

    /// The connections that have come and were let in, at most so many.
    pub(super) fn accept(
        &mut self,
        most: usize,
        now_ms: u64,
        admission: &AdmissionControl,
        metrics: &ShardMetrics,
    ) -> Vec<(TcpStream, IpAddr)> {
        let mut accepted = Vec::new();
        if self.again_ms.is_none_or(|again_ms| again_ms > now_ms) {
            return accepted;
        }
        for _ in 0..most {
            let Some(listener) = &self.listener else {
                self.again_ms = None;
                break;
            };
            match listener.accept() {
                Ok((stream, peer)) => {
                    accepted.extend(welcome(stream, peer.ip(), admission, metrics));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.again_ms = None;
                    break;
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    // Out of files or memory: connections wait in the kernel's queue meanwhile.
                    log::error!("cannot accept connections; trying again error={error:?}");
                    self.again_ms = Some(now_ms + PAUSE_MS);
                    break;
                }
            }
        }
        accepted
    }
}

fn welcome(
    stream: TcpStream,
    peer: IpAddr,
    admission: &AdmissionControl,
    metrics: &ShardMetrics,
) -> Option<(TcpStream, IpAddr)> {
    metrics.connections_accepted.inc();
    if let Err(turned_away) = admission.enter(peer) {
        let refusal = match turned_away {
            TurnedAway::ServerFull => RefusalReason::ServerFull,
            TurnedAway::AddressFull => RefusalReason::AddressFull,
        };
        metrics.refusals.at(refusal).inc();
        turn_away(stream);
        return None;
    }
    // Frames are small and wait for nobody: Nagle's delay would add to every patch.
    if stream.set_nodelay(true).is_err() {
        admission.leave(peer);
        return None;
    }
    Some((stream, peer))
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
