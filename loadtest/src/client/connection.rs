//! One WebSocket connection as a client has it: the socket, the upgrade, frames put together and taken apart.
//! It knows nothing of rooms and events.

use crate::client::codec::{self, BadFrame, Opcode};
use crate::client::handshake::{self, Refused};
use crate::client::inflate;
use crate::client::stream::Stream;
use crate::client::tls::Tls;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;

/// A connection from its first packet on.
pub(crate) struct Connection {
    /// The socket, for registration with a poll.
    pub stream: Stream<TcpStream>,
    phase: Phase,
    /// The part of a frame or of an HTTP answer that has arrived so far.
    inbound: Vec<u8>,
    /// What the socket did not take yet.
    outbound: Vec<u8>,
    /// The beginning of a message in fragments.
    fragments: Option<Vec<u8>>,
    /// Whether messages may be compressed: while the upgrade is under way, whether that is on offer.
    compress: bool,
    mask: u32,
}

enum Phase {
    /// The connection is being made; the request is sent as soon as it is there.
    Connecting {
        request: Vec<u8>,
        key: String,
    },
    /// The request was sent.
    Upgrading {
        key: String,
    },
    Open,
}

/// What a connection has to tell.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming<'a> {
    /// The upgrade is done.
    Upgraded,
    /// A whole text or binary message.
    Message(&'a [u8]),
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum Ended {
    /// A close frame, with its code.
    Closed(Option<u16>),
    /// The socket ended without one.
    Gone(io::Error),
    /// The upgrade was refused.
    Refused(Refused),
    /// A frame that must not be.
    BadFrame(BadFrame),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

pub(crate) struct Dial {
    pub target: SocketAddr,
    /// From which address, if not the system's choice.
    pub source: Option<Ipv4Addr>,
    /// Size of the receive buffer, if not the system's choice.
    pub receive_buffer_bytes: Option<usize>,
    /// Whether the request offers compression.
    pub compress: bool,
    /// How it is encrypted, if it is.
    pub tls: Option<Tls>,
}

impl Connection {
    /// Begins to connect; `request` is the upgrade's, with `key` in it.
    pub(crate) fn open(dial: &Dial, request: Vec<u8>, key: String, random: u64) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(dial.target), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = dial.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(source) = dial.source {
            crate::sys::bind_address_without_port(socket.as_raw_fd())?;
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        match socket.connect(&dial.target.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        Ok(Self {
            stream: Stream::new(TcpStream::from_std(socket.into()), dial.tls.as_ref())?,
            phase: Phase::Connecting { request, key },
            inbound: Vec::new(),
            outbound: Vec::new(),
            fragments: None,
            compress: dial.compress,
            mask: random as u32,
        })
    }

    /// Whether frames can be sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Whether bytes wait for the socket.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.outbound.is_empty() || self.stream.has_unsent()
    }

    /// The socket may take bytes: sends what waits. Returns how many it took.
    pub(crate) fn writable(&mut self) -> io::Result<usize> {
        if let Phase::Connecting { request, key } = &mut self.phase {
            if let Some(error) = self.stream.socket.take_error()? {
                return Err(error);
            }
            match self.stream.socket.peer_addr() {
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(0),
                other => other?,
            };
            let (request, key) = (std::mem::take(request), std::mem::take(key));
            self.phase = Phase::Upgrading { key };
            return self.send(&request);
        }
        self.stream.flush()?;
        if self.outbound.is_empty() {
            return Ok(0);
        }
        let waiting = std::mem::take(&mut self.outbound);
        self.send(&waiting)
    }

    /// Appends a frame to `out`, to be given to [`Self::send`].
    pub(crate) fn frame(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        self.mask = self.mask.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        codec::encode(out, opcode, payload, self.mask);
    }

    /// Sends bytes, or keeps those that the socket does not take now. Returns how many it took.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.outbound.is_empty() {
            self.outbound.extend_from_slice(bytes);
            return Ok(0);
        }
        let mut sent = 0;
        while sent < bytes.len() {
            match self.stream.write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.outbound = bytes[sent..].to_vec();
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Closes so that the peer sees a reset, and nothing of the connection stays behind in the kernel.
    pub(crate) fn cut(self) {
        // A socket that is already gone cannot linger, and that is as good.
        let _ = SockRef::from(&self.stream.socket).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Reads until the socket is empty and tells `each` what came. `buffer` is only lent. Adds to `count` how many bytes came on the
    /// wire.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        mut each: impl FnMut(Incoming<'_>),
        count: &mut u64,
    ) -> Result<(), Ended> {
        loop {
            let read = self.stream.read(buffer);
            *count += self.stream.take_received();
            let length = match read {
                Ok(0) => return Err(Ended::Gone(ErrorKind::UnexpectedEof.into())),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.take(&buffer[..length], &mut each)?;
            // A socket with less than was asked for is empty; if more comes, the poll says so.
            if length < buffer.len() && self.stream.short_read_is_last() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(Incoming<'_>)) -> Result<(), Ended> {
        if self.inbound.is_empty() {
            let used = self.parse(bytes, each)?;
            self.inbound.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut inbound = std::mem::take(&mut self.inbound);
        inbound.extend_from_slice(bytes);
        let used = self.parse(&inbound, each)?;
        if used < inbound.len() {
            inbound.drain(..used);
            self.inbound = inbound;
        }
        Ok(())
    }

    /// Takes whole pieces from the front of `bytes` and returns their length.
    fn parse(&mut self, bytes: &[u8], each: &mut impl FnMut(Incoming<'_>)) -> Result<usize, Ended> {
        let mut used = 0;
        if let Phase::Connecting { key, .. } | Phase::Upgrading { key } = &self.phase {
            match handshake::read_answer(bytes, key, self.compress).map_err(Ended::Refused)? {
                None => return Ok(0),
                Some(answer) => (used, self.compress) = answer,
            }
            self.phase = Phase::Open;
            each(Incoming::Upgraded);
        }
        while let Some((frame, length)) = codec::decode(&bytes[used..]).map_err(Ended::BadFrame)? {
            used += length;
            self.take_frame(frame, each)?;
        }
        Ok(used)
    }

    fn take_frame(
        &mut self,
        frame: codec::Frame<'_>,
        each: &mut impl FnMut(Incoming<'_>),
    ) -> Result<(), Ended> {
        let refuse = |reason| Err(Ended::BadFrame(BadFrame(reason)));
        match frame.opcode {
            Opcode::Text | Opcode::Binary if self.fragments.is_some() => {
                return refuse("a message inside a message");
            }
            Opcode::Text | Opcode::Binary if frame.compressed && !self.compress => {
                return refuse("a compressed message, which was not agreed on");
            }
            Opcode::Text | Opcode::Binary if frame.compressed && !frame.fin => {
                return refuse("a compressed message in fragments");
            }
            Opcode::Text | Opcode::Binary if frame.compressed => {
                let tell = |message: &[u8]| each(Incoming::Message(message));
                inflate::inflated(frame.payload, tell).map_err(Ended::BadFrame)?;
            }
            Opcode::Text | Opcode::Binary if frame.fin => each(Incoming::Message(frame.payload)),
            Opcode::Text | Opcode::Binary => self.fragments = Some(frame.payload.to_vec()),
            Opcode::Continuation => {
                let Some(mut message) = self.fragments.take() else {
                    return refuse("a continuation of nothing");
                };
                message.extend_from_slice(frame.payload);
                if frame.fin {
                    each(Incoming::Message(&message));
                } else {
                    self.fragments = Some(message);
                }
            }
            Opcode::Ping => {
                let mut pong = Vec::new();
                self.frame(Opcode::Pong, frame.payload, &mut pong);
                self.send(&pong)?;
            }
            Opcode::Pong => {}
            Opcode::Close => {
                return Err(match codec::close_code(frame.payload) {
                    Ok(code) => Ended::Closed(code),
                    Err(bad) => Ended::BadFrame(bad),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ANSWER: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn pair() -> (Connection, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dial = Dial {
            target: listener.local_addr().unwrap(),
            source: None,
            receive_buffer_bytes: None,
            compress: false,
            tls: None,
        };
        let connection = Connection::open(&dial, b"request".to_vec(), KEY.into(), 1).unwrap();
        (connection, listener.accept().unwrap().0)
    }

    /// Everything that `bytes` tell, given in pieces of `step` bytes.
    fn taken(bytes: &[u8], step: usize) -> (Vec<String>, Option<String>) {
        let (mut connection, _peer) = pair();
        let mut told = Vec::new();
        for piece in bytes.chunks(step) {
            let result = connection.take(piece, &mut |incoming| told.push(format!("{incoming:?}")));
            if let Err(ended) = result {
                return (told, Some(format!("{ended:?}")));
            }
        }
        (told, None)
    }

    fn check(frames: &[u8], messages: &[&str], ended: Option<&str>) {
        let bytes = [ANSWER, frames].concat();
        let mut expected = vec![format!("{:?}", Incoming::Upgraded)];
        expected.extend(messages.iter().map(|text| format!("{:?}", Incoming::Message(text.as_bytes()))));
        for step in [1, 2, 3, 7, bytes.len()] {
            let found = taken(&bytes, step);
            assert_eq!(found, (expected.clone(), ended.map(Into::into)), "in pieces of {step}");
        }
    }

    #[test]
    fn messages_whole_and_in_fragments_however_they_arrive() {
        check(b"\x81\x02hi", &["hi"], None);
        check(b"\x81\x02hi\x81\x00", &["hi", ""], None);
        check(b"\x01\x01a\x89\x01p\x00\x01b\x80\x01c", &["abc"], None);
        check(b"\x82\x02{}", &["{}"], None);
    }

    #[test]
    fn ends_are_told_apart() {
        check(b"\x81\x02hi\x88\x02\x0f\xa2", &["hi"], Some("Closed(Some(4002))"));
        check(b"\x88\x00", &[], Some("Closed(None)"));
        check(b"\x80\x00", &[], Some(r#"BadFrame(BadFrame("a continuation of nothing"))"#));
        check(b"\x01\x01a\x81\x01b", &[], Some(r#"BadFrame(BadFrame("a message inside a message"))"#));
    }

    #[test]
    fn a_refused_upgrade_is_told_with_its_status() {
        let (told, ended) = taken(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 5);
        assert_eq!((told, ended.as_deref()), (vec![], Some("Refused(Status(503, None))")));
    }

    #[test]
    fn the_request_goes_out_once_connected_and_a_ping_is_answered() {
        let (mut connection, mut peer) = pair();
        while connection.writable().unwrap() == 0 {}
        let mut request = [0; 7];
        peer.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"request");
        connection.take(&[ANSWER, b"\x89\x01p"].concat(), &mut |_| ()).unwrap();
        let mut pong = [0; 7];
        peer.read_exact(&mut pong).unwrap();
        assert_eq!((pong[0], pong[1], pong[6] ^ pong[2]), (0x8a, 0x81, b'p'));
    }
}
