//! One attacker's connection: sends what its attack says as far as the server takes it, and tells what it is answered.

use super::Seat;
use super::kinds::{Entry, Kind, Pace};
use super::outcome::Tally;
use crate::client::codec::Opcode;
use crate::client::connection::{Connection, Dial, Ended, Incoming};
use crate::client::handshake::{self, Refused, Request};
use crate::client::http;
use crate::client::stream::Stream;
use crate::messages::scan;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// How long a connection that has ended stays away.
const PAUSE: Duration = Duration::from_millis(100);

/// A place of an attack, with a connection or without.
pub(super) struct Line {
    pub(super) kind: &'static Kind,
    seat: Seat,
    link: Link,
    /// How often the attack went on.
    rounds: u32,
    /// When it does so next, or connects again.
    due: Instant,
    /// Whether the socket may take more.
    is_free: bool,
    seed: u64,
}

enum Link {
    Away,
    Member(Box<Connection>),
    Plain(Plain),
}

/// A connection on which bytes are sent as they are.
struct Plain {
    stream: Stream<TcpStream>,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
    /// Whether there may be more to read.
    is_unread: bool,
}

/// Reads of a connection before others have their turn: a server may answer as fast as it is read.
const READS: usize = 4;

impl Line {
    pub(super) fn new(kind: &'static Kind, seat: Seat, seed: u64, now: Instant) -> Self {
        Self { kind, seat, link: Link::Away, rounds: 0, due: now, is_free: false, seed }
    }

    /// Whether it has something to send at once.
    pub(super) fn is_eager(&self) -> bool {
        self.is_free && matches!(self.kind.pace, Pace::Flood(_)) && !matches!(self.link, Link::Away)
    }

    /// Whether there may be more to read, of which the poll does not tell.
    pub(super) fn is_unread(&self) -> bool {
        matches!(&self.link, Link::Plain(plain) if plain.is_unread)
    }

    /// Goes on, if it is time: connects, or sends the next bytes.
    pub(super) fn act(
        &mut self,
        dial: &Dial,
        registry: &Registry,
        token: Token,
        now: Instant,
        tally: &mut Tally,
    ) {
        match self.link {
            Link::Away if now >= self.due => self.connect(dial, registry, token, tally),
            Link::Away => {}
            _ => {
                let outcome = self.go_on(now, tally);
                self.settle(outcome, now, tally);
            }
        }
    }

    /// The poll tells of the socket.
    pub(super) fn event(&mut self, writable: bool, buffer: &mut [u8], now: Instant, tally: &mut Tally) {
        self.is_free |= writable;
        let outcome = self.write_waiting(tally).and_then(|()| self.read(buffer, tally));
        self.settle(outcome, now, tally);
    }

    fn connect(&mut self, dial: &Dial, registry: &Registry, token: Token, tally: &mut Tally) {
        self.rounds = 0;
        self.is_free = false;
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let made = match self.kind.entry {
            Entry::Member => {
                open_member(&self.seat, dial, self.seed).map(|made| Link::Member(Box::new(made)))
            }
            Entry::Bytes(first) => open_plain(first(&self.seat), dial).map(Link::Plain),
        };
        let registered = made.and_then(|mut link| {
            let stream = match &mut link {
                Link::Member(connection) => &mut connection.stream,
                Link::Plain(plain) => &mut plain.stream,
                Link::Away => return Ok(link),
            };
            registry.register(stream, token, Interest::READABLE | Interest::WRITABLE)?;
            Ok(link)
        });
        match registered {
            Ok(link) => {
                tally.opened += 1;
                self.link = link;
            }
            Err(error) => {
                tally.count(format!("not connected ({:?})", error.kind()));
                self.due += PAUSE;
            }
        }
    }

    fn go_on(&mut self, now: Instant, tally: &mut Tally) -> Result<(), Ended> {
        if !self.is_free || self.is_waiting() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        match self.kind.pace {
            Pace::Flood(more) => more(&self.seat, self.rounds, &mut bytes),
            Pace::Drip(every, more) if now >= self.due => {
                self.due = now + every;
                more(&self.seat, self.rounds, &mut bytes);
            }
            Pace::Drip(..) | Pace::Hold => return Ok(()),
            Pace::Leave => return Err(self.leave(tally)),
        }
        self.rounds += 1;
        self.send(&bytes, tally)
    }

    /// A member says that it goes.
    fn leave(&mut self, tally: &mut Tally) -> Ended {
        if let Link::Member(connection) = &mut self.link {
            let mut close = Vec::new();
            connection.frame(Opcode::Close, &1000_u16.to_be_bytes(), &mut close);
            tally.bytes_sent += connection.send(&close).unwrap_or(0) as u64;
        }
        Ended::Closed(None)
    }

    /// Whether bytes wait for the socket, or the upgrade is not done.
    fn is_waiting(&self) -> bool {
        match &self.link {
            Link::Away => true,
            Link::Member(connection) => !connection.is_open() || connection.has_unsent(),
            Link::Plain(plain) => !plain.outbound.is_empty() || plain.stream.has_unsent(),
        }
    }

    fn send(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<(), Ended> {
        let sent = match &mut self.link {
            Link::Away => 0,
            Link::Member(connection) => connection.send(bytes)?,
            Link::Plain(plain) => plain.send(bytes)?,
        };
        tally.bytes_sent += sent as u64;
        self.is_free = sent == bytes.len();
        Ok(())
    }

    fn write_waiting(&mut self, tally: &mut Tally) -> Result<(), Ended> {
        if !self.is_free {
            return Ok(());
        }
        let sent = match &mut self.link {
            Link::Away => 0,
            Link::Member(connection) => connection.writable()?,
            Link::Plain(plain) => {
                plain.stream.flush()?;
                let waiting = std::mem::take(&mut plain.outbound);
                plain.send(&waiting)?
            }
        };
        tally.bytes_sent += sent as u64;
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8], tally: &mut Tally) -> Result<(), Ended> {
        let reads = self.kind.reads;
        match &mut self.link {
            Link::Away => Ok(()),
            Link::Member(connection) if reads || !connection.is_open() => {
                let mut count = 0;
                connection.read(buffer, |incoming| tell(&incoming, tally), &mut count)
            }
            Link::Member(_) => Ok(()),
            Link::Plain(plain) => plain.read(buffer, tally),
        }
    }

    /// A connection that has ended is counted, and made again in a moment.
    fn settle(&mut self, outcome: Result<(), Ended>, now: Instant, tally: &mut Tally) {
        let Err(ended) = outcome else { return };
        let answer = match ended {
            Ended::Closed(Some(code)) => Some(format!("close {code}")),
            Ended::Closed(None) => None,
            Ended::Gone(_) => Some("ended".into()),
            Ended::Refused(Refused::Status(status, _)) => Some(status.to_string()),
            Ended::Refused(Refused::Invalid(_)) | Ended::BadFrame(_) => Some("malformed".into()),
        };
        answer.into_iter().for_each(|answer| tally.count(answer));
        self.link = Link::Away;
        self.due = now + PAUSE;
    }
}

fn open_member(seat: &Seat, dial: &Dial, seed: u64) -> io::Result<Connection> {
    let key = handshake::key(seed);
    let mut request = Vec::new();
    let Seat { host, token, game_id } = seat;
    Request { host, token, game_id, since: None, key: &key, compress: false }.write(&mut request);
    Connection::open(dial, request, key, seed)
}

fn open_plain(first: Vec<u8>, dial: &Dial) -> io::Result<Plain> {
    let stream = Connection::open(dial, Vec::new(), String::new(), 0)?.stream;
    Ok(Plain { stream, inbound: Vec::new(), outbound: first, is_unread: false })
}

/// Counts errors among what a member is told.
fn tell(incoming: &Incoming<'_>, tally: &mut Tally) {
    let Incoming::Message(message) = incoming else { return };
    let scanned = scan::scan(message, |event| {
        if event.kind == "error"
            && let Some(code) = event.payload.code
        {
            tally.count(code.into_owned());
        }
    });
    if scanned.is_err() {
        tally.count("malformed".into());
    }
}

impl Plain {
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    self.outbound = bytes[sent..].to_vec();
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    fn read(&mut self, buffer: &mut [u8], tally: &mut Tally) -> Result<(), Ended> {
        self.is_unread = true;
        let mut outcome = Ok(());
        for _ in 0..READS {
            match self.stream.read(buffer) {
                Ok(0) => outcome = Err(Ended::Gone(ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    self.inbound.extend_from_slice(&buffer[..count]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    self.is_unread = false;
                }
                Err(error) => outcome = Err(error.into()),
            }
            break;
        }
        // Also what came before the end.
        self.take_answers(tally);
        outcome
    }

    /// Counts the answers that are there in full.
    fn take_answers(&mut self, tally: &mut Tally) {
        let mut used = 0;
        loop {
            match http::read_answer(&self.inbound[used..]) {
                Ok(Some((answer, length))) => {
                    tally.count(answer.status.to_string());
                    used += length;
                }
                Ok(None) => break,
                Err(_) => {
                    tally.count("malformed".into());
                    used = self.inbound.len();
                }
            }
        }
        self.inbound.drain(..used);
    }
}
