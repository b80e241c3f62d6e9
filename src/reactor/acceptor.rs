//! Connections come.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown};

use bytes::Bytes;
use mio::net::{TcpListener, TcpStream};

use super::admission::{AdmissionControl, Entry, TurnedAway};
use crate::metrics::{RefusalReason, ShardMetrics};
use crate::session::cors::AllowedOrigins;
use crate::session::{Port, SERVER_FULL};
use crate::wire::ErrorCode;
use crate::wire::http::error_body;

pub(super) struct Acceptor {
    /// What its connections may ask for.
    pub(super) port: Port,
    listener: Option<TcpListener>,
    /// Set when connections wait to be accepted that no event will tell of.
    again_ms: Option<u64>,
    /// Since when connections wait that cannot be accepted, if that was logged.
    failing_since_ms: Option<u64>,
    /// When that was logged last.
    reported_ms: Option<u64>,
    /// What somebody gets for whom there is no place; nothing where it would have to be encrypted.
    full: Bytes,
}

/// How long accepting rests when the process is out of files or memory.
const PAUSE_MS: u64 = 100;
/// How often a failure that lasts is logged.
const REPORT_EVERY_MS: u64 = 60_000;

impl Acceptor {
    /// Accepts from this listener.
    pub(super) fn new(port: Port, listener: TcpListener, speaks_tls: bool) -> Self {
        Self {
            port,
            listener: Some(listener),
            again_ms: None,
            failing_since_ms: None,
            reported_ms: None,
            full: if speaks_tls { Bytes::new() } else { full().into() },
        }
    }

    /// The listener has connections.
    pub(super) fn note_readable(&mut self, now_ms: u64) {
        self.again_ms = Some(now_ms);
    }

    /// When connections wait that no event will tell of.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.again_ms
    }

    /// What somebody gets for whom there is no place; empty where it would have to be encrypted.
    pub(super) fn full(&self) -> Bytes {
        self.full.clone()
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
    ) -> Vec<(TcpStream, IpAddr, Entry)> {
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
                    accepted.extend(self.welcome(stream, peer.ip(), admission, metrics));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.report_recovery(now_ms);
                    self.again_ms = None;
                    break;
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    // Out of files or memory: connections wait in the kernel's queue meanwhile.
                    metrics.accept_errors.inc();
                    self.report_failure(&error, now_ms);
                    self.again_ms = Some(now_ms + PAUSE_MS);
                    break;
                }
            }
        }
        accepted
    }

    fn report_failure(&mut self, error: &io::Error, now_ms: u64) {
        // With every connection that ends, one that waits may come in, and the next not.
        if self.reported_ms.is_some_and(|reported_ms| now_ms - reported_ms < REPORT_EVERY_MS) {
            return;
        }
        self.reported_ms = Some(now_ms);
        self.failing_since_ms.get_or_insert(now_ms);
        let advice = match error.raw_os_error() {
            Some(libc::EMFILE) => {
                "; the process has as many files open as it may: raise `ulimit -n`, or lower --max-connections"
            }
            Some(libc::ENFILE) => "; the whole machine has as many files open as it may: see fs.file-max",
            _ => "",
        };
        log::error!(
            "new connections cannot be accepted, and wait; those that are open go on error={error}{advice}"
        );
    }

    /// None waits any more.
    fn report_recovery(&mut self, now_ms: u64) {
        if let Some(since_ms) = self.failing_since_ms.take() {
            log::info!("new connections are accepted again failed_for_ms={}", now_ms - since_ms);
        }
    }

    fn welcome(
        &self,
        stream: TcpStream,
        peer: IpAddr,
        admission: &AdmissionControl,
        metrics: &ShardMetrics,
    ) -> Option<(TcpStream, IpAddr, Entry)> {
        metrics.connections_accepted.inc();
        let entry = match admission.enter(peer) {
            Ok(entry) => entry,
            Err(turned_away) => {
                let refusal = match turned_away {
                    TurnedAway::ServerFull => RefusalReason::ServerFull,
                    TurnedAway::AddressFull => RefusalReason::AddressFull,
                };
                metrics.refusals.at(refusal).inc();
                turn_away(stream, &self.full);
                return None;
            }
        };
        // Frames are small and wait for nobody: Nagle's delay would add to every patch.
        if stream.set_nodelay(true).is_err() {
            admission.leave(peer, entry);
            return None;
        }
        Some((stream, peer, entry))
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
fn turn_away(mut stream: TcpStream, full: &[u8]) {
    if full.is_empty() {
        return;
    }
    let _ = stream.write(full);
    let _ = stream.shutdown(Shutdown::Write);
    let mut request = [0; 4096];
    let _ = stream.read(&mut request);
}

/// The answer of a full server to a request that it has not read. Whose page asks is not known: every one may read it, as it is the
/// same for all.
fn full() -> Vec<u8> {
    let body = error_body(ErrorCode::Unavailable.name(), SERVER_FULL.message);
    let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let mut answer =
        format!("{head}Content-Length: {}\r\nRetry-After: {}\r\n", body.len(), SERVER_FULL.retry_after_s);
    for (name, value) in AllowedOrigins::Any.headers(Some("*")) {
        answer.extend([name, ": ", value, "\r\n"]);
    }
    [answer.as_bytes(), b"\r\n", &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_read_that_the_server_is_full() {
        let answer = String::from_utf8(full()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), "{head}");
        assert!(head.contains("\r\nRetry-After: 5\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    }
}
