//! One connection's TLS: ciphertext in and plaintext out, and back.
//!
//! rustls is used without buffers of its own. Records are decrypted where they were read to, and what is encrypted waits for the
//! socket in one buffer, which is given back when it is empty: an idle channel holds keys and no buffer.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{Error, HandshakeKind, ServerConfig};

/// The most plaintext that a record holds (RFC 8446, section 5.1).
pub(crate) const RECORD_BYTES: usize = 16 * 1024;
/// The most that is kept of what cannot be decrypted yet: a record as long as one may be (RFC 5246, section 6.2.3). A handshake
/// message in several records, which no client sends, has to be as short.
const MOST_PARTIAL: usize = 5 + RECORD_BYTES + 2048;
/// What a record adds to its plaintext, at most: its head, a nonce, its type and a tag; and once, an update of the keys.
const RECORD_OVERHEAD: usize = 64;
/// What a client is told that speaks HTTP where TLS is spoken. Any page may read it, so that its SDK can say why there is no answer.
const SPEAKS_TLS: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 80\r\n\
    Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n\
    This port speaks HTTPS: begin the address with https:// or wss://, not http://.\n";

/// A connection's TLS.
pub(crate) struct Channel {
    rustls: UnbufferedServerConnection,
    state: State,
    /// Ciphertext of which the rest has not come.
    partial: Vec<u8>,
    /// Ciphertext for the socket, of which the first `sent` bytes are sent.
    unsent: Vec<u8>,
    sent: usize,
}

/// From new to over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has come.
    New,
    /// Nothing can be said yet.
    Handshaking,
    Open,
    /// The peer has said that it will say no more; we may.
    PeerClosed,
    /// We have said that we will say no more: what is unsent is the last.
    Closed,
    /// The peer is told why, with what is unsent; nothing that comes is read.
    Failed,
}

/// Why a channel cannot go on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It speaks HTTP without TLS.
    PlainHttp,
    /// A record, or a handshake message, is longer than it may be.
    TooLong,
    Tls(Error),
    /// The keys have been used as often as they may be.
    Exhausted,
}

impl Channel {
    /// Of a connection from which nothing has come.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        let rustls = UnbufferedServerConnection::new(config)?;
        Ok(Self { rustls, state: State::New, partial: Vec::new(), unsent: Vec::new(), sent: 0 })
    }

    /// Whether the next bytes may cost what a handshake costs.
    pub(crate) fn is_handshaking(&self) -> bool {
        matches!(self.state, State::New | State::Handshaking)
    }

    /// Which handshake there was, or is.
    pub(crate) fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.rustls.handshake_kind()
    }

    /// Whether plaintext can be sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::PeerClosed)
    }

    /// Whether the peer has said that it will say no more, or nothing that comes is read any more.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, State::PeerClosed | State::Closed | State::Failed)
    }

    /// Bytes that have come and are kept until more do: so much room [`Channel::receive`] needs in front.
    pub(crate) fn held_bytes(&self) -> usize {
        self.partial.len()
    }

    /// Memory of what has come and of what is to be sent.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.partial.capacity() + self.unsent.capacity()
    }

    /// Takes ciphertext, for which `input` has [`Channel::held_bytes`] of room in front, and writes what it says to `plain`, which
    /// must be as long as `input`. Returns how many bytes that are. There may be something to send afterwards.
    ///
    /// # Errors
    /// The peer does not speak TLS, or has broken it: what is to be sent tells it so.
    pub(crate) fn receive(&mut self, input: &mut [u8], plain: &mut [u8]) -> Result<usize, Failure> {
        debug_assert!(plain.len() >= input.len());
        input[..self.partial.len()].copy_from_slice(&self.partial);
        self.partial = Vec::new();
        let result = self.process(input, plain);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    fn process(&mut self, input: &mut [u8], plain: &mut [u8]) -> Result<usize, Failure> {
        if self.state == State::New {
            self.begin(input)?;
        }
        let (mut used, mut count) = (0, 0);
        loop {
            let UnbufferedStatus { mut discard, state } = self.rustls.process_tls_records(&mut input[used..]);
            let goes_on = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(Failure::Tls)?;
                        plain[count..count + record.payload.len()].copy_from_slice(record.payload);
                        count += record.payload.len();
                        discard += record.discard;
                    }
                    true
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, &mut self.unsent);
                    true
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    true
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.state = if self.rustls.is_handshaking() { State::Failed } else { State::PeerClosed };
                    false
                }
                Ok(_) => false,
                Err(error) => {
                    let rest = &mut input[used + discard..];
                    self.tell_why(rest);
                    return Err(Failure::Tls(error));
                }
            };
            used += discard;
            if !goes_on {
                break;
            }
        }
        if self.state == State::Handshaking && !self.rustls.is_handshaking() {
            self.state = State::Open;
        }
        if !self.has_ended() {
            self.keep(&input[used..])?;
        }
        Ok(count)
    }

    /// The first bytes tell whom we talk to (RFC 8446, section 5.1; RFC 9110, section 9.1).
    fn begin(&mut self, input: &[u8]) -> Result<(), Failure> {
        if input.first().is_some_and(u8::is_ascii_uppercase) {
            self.unsent.extend_from_slice(SPEAKS_TLS.as_bytes());
            return Err(Failure::PlainHttp);
        }
        self.state = State::Handshaking;
        Ok(())
    }

    fn keep(&mut self, rest: &[u8]) -> Result<(), Failure> {
        if rest.len() > MOST_PARTIAL {
            return Err(Failure::TooLong);
        }
        self.partial = rest.to_vec();
        Ok(())
    }

    /// The alert that says what is wrong. rustls must not be asked for anything else after an error.
    fn tell_why(&mut self, rest: &mut [u8]) {
        while self.rustls.wants_write() {
            match self.rustls.process_tls_records(rest).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, &mut self.unsent),
                _ => return,
            }
        }
    }

    /// Encrypts plaintext, behind what is to be sent already.
    ///
    /// # Errors
    /// It cannot be sent.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> Result<(), Failure> {
        let records = plain.len().div_ceil(RECORD_BYTES);
        let room = plain.len() + (records + 1) * RECORD_OVERHEAD;
        self.write(room, |traffic, out| traffic.encrypt(plain, out))
    }

    /// Says that we will say no more, unless that was said or cannot be. Whether there is something new to send.
    pub(crate) fn close(&mut self) -> bool {
        if !self.is_open() {
            return false;
        }
        let closed = self.write(2 * RECORD_OVERHEAD, |traffic, out| traffic.queue_close_notify(out));
        self.state = if closed.is_ok() { State::Closed } else { State::Failed };
        closed.is_ok()
    }

    fn write(
        &mut self,
        room: usize,
        write: impl Fn(&mut WriteTraffic<'_, ServerConnectionData>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<(), Failure> {
        if !self.is_open() {
            return Err(Failure::Tls(Error::HandshakeNotComplete));
        }
        loop {
            // It wants to see again what it could not take.
            let UnbufferedStatus { discard, state } = self.rustls.process_tls_records(&mut self.partial);
            let is_written = match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    append(&mut self.unsent, room, |out| write(&mut traffic, out))?;
                    true
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode(&mut data, &mut self.unsent);
                    false
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    false
                }
                Ok(_) => return Err(Failure::Tls(Error::HandshakeNotComplete)),
                Err(error) => return Err(Failure::Tls(error)),
            };
            self.partial.drain(..discard);
            if is_written {
                return Ok(());
            }
        }
    }

    /// What the socket is to be given next.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.unsent[self.sent..]
    }

    /// The socket has taken so much of it.
    pub(crate) fn advance(&mut self, count: usize) {
        self.sent += count;
        debug_assert!(self.sent <= self.unsent.len());
        if self.sent == self.unsent.len() {
            (self.unsent, self.sent) = (Vec::new(), 0);
        }
    }
}

/// Appends what `write` writes into as much room as it needs.
fn append(
    out: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), Failure> {
    let start = out.len();
    loop {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(count) => {
                out.truncate(start + count);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size }))
                if required_size > room =>
            {
                room = required_size;
            }
            Err(_) => {
                out.truncate(start);
                return Err(Failure::Exhausted);
            }
        }
    }
}

/// Appends a message of the handshake, or an alert.
fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, out: &mut Vec<u8>) {
    let start = out.len();
    let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = data.encode(&mut [])
    else {
        return;
    };
    out.resize(start + required_size, 0);
    data.encode(&mut out[start..]).expect("it has the room that it asked for");
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlainHttp => f.write_str("it speaks HTTP without TLS"),
            Self::TooLong => f.write_str("it sent a message that is longer than it may be"),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Exhausted => f.write_str("its keys have been used as often as they may be"),
        }
    }
}
