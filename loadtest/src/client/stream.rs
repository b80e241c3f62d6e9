//! A socket, encrypted or not: bytes in and out either way, for blocking sockets and for those that do not wait.

use mio::event::Source;
use mio::{Interest, Registry, Token};
use rustls::ClientConnection;
use std::io::{self, ErrorKind, Read, Write};

use super::tls::Tls;

/// A socket, and what encrypts its bytes.
pub(crate) struct Stream<S> {
    pub(crate) socket: S,
    tls: Option<Box<ClientConnection>>,
    /// Bytes that came on the wire and have not been asked for by [`Stream::take_received`].
    received: u64,
}

impl<S: Read + Write> Stream<S> {
    /// Begins; the handshake happens with what is sent and read first.
    pub(crate) fn new(socket: S, tls: Option<&Tls>) -> io::Result<Self> {
        Ok(Self { socket, tls: tls.map(Tls::begin).transpose()?, received: 0 })
    }

    /// Whether a read of less than was asked for leaves nothing behind.
    pub(crate) fn short_read_is_last(&self) -> bool {
        self.tls.is_none()
    }

    /// Whether bytes wait for the socket here.
    pub(crate) fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Bytes that came on the wire since this was asked last.
    pub(crate) fn take_received(&mut self) -> u64 {
        std::mem::take(&mut self.received)
    }
}

impl<S: Read + Write> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            let count = self.socket.read(buffer)?;
            self.received += count as u64;
            return Ok(count);
        };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                other => return other,
            }
            let count = tls.read_tls(&mut self.socket)?;
            self.received += count as u64;
            tls.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            // The rest of a handshake, or an update of the keys.
            write_all(tls, &mut self.socket)?;
        }
    }
}

impl<S: Read + Write> Write for Stream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        // What is taken is sent in order, some of it later; beyond its bound none is taken.
        write_all(tls, &mut self.socket)?;
        let count = tls.writer().write(bytes)?;
        write_all(tls, &mut self.socket)?;
        if count == 0 && !bytes.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    /// Sends what waits here, as far as the socket takes it.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => write_all(tls, &mut self.socket),
            None => Ok(()),
        }
    }
}

/// Writes as much as the socket takes, which may be none before it is connected.
fn write_all<S: Write>(tls: &mut ClientConnection, socket: &mut S) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl<S: Source> Source for Stream<S> {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.socket.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.socket.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.socket.deregister(registry)
    }
}
