//! The bytes to and from a store: over TCP, a socket in the file system, or TLS. One thread writes and another reads.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ClientConnection;

/// A connection, for the thread that writes.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(TlsStream),
}

impl Stream {
    /// The same connection, for the thread that reads.
    ///
    /// # Errors
    /// As [`TcpStream::try_clone`].
    pub(super) fn reader(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Tcp(stream) => Box::new(stream.try_clone()?),
            Self::Unix(stream) => Box::new(stream.try_clone()?),
            Self::Tls(stream) => Box::new(stream.reader()?),
        })
    }

    /// How long reads and writes may block.
    pub(super) fn set_timeouts(&self, read: Option<Duration>, write: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) | Self::Tls(TlsStream { socket: stream, .. }) => {
                stream.set_read_timeout(read)?;
                stream.set_write_timeout(write)
            }
            Self::Unix(stream) => {
                stream.set_read_timeout(read)?;
                stream.set_write_timeout(write)
            }
        }
    }

    /// Ends it for both threads. It may have ended already.
    pub(super) fn shut_down(&self) {
        let _ = match self {
            Self::Tcp(stream) | Self::Tls(TlsStream { socket: stream, .. }) => {
                stream.shutdown(Shutdown::Both)
            }
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    /// What was taken may not have left yet.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// TLS for two threads. Only the one that writes writes to the socket, so that records leave in order: what the other one has to
/// answer (a key update) goes ahead of the next that is written. The lock is never held while a socket blocks.
pub(super) struct TlsStream {
    socket: TcpStream,
    session: Arc<Mutex<ClientConnection>>,
    /// Records that the socket has not taken yet.
    unsent: Vec<u8>,
}

impl TlsStream {
    /// Shakes hands, within the socket's timeouts.
    ///
    /// # Errors
    /// What is wrong with the server's certificate, among others.
    pub(super) fn connect(mut socket: TcpStream, mut session: ClientConnection) -> io::Result<Self> {
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self { socket, session: Arc::new(Mutex::new(session)), unsent: Vec::new() })
    }

    fn reader(&self) -> io::Result<TlsReader> {
        let (socket, session) = (self.socket.try_clone()?, self.session.clone());
        Ok(TlsReader { socket, session, records: vec![0; RECORDS].into(), unread: 0..0 })
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let mut session = lock(&self.session);
        let written = session.writer().write(bytes)?;
        while session.wants_write() {
            session.write_tls(&mut self.unsent)?;
        }
        drop(session);
        match self.flush() {
            Err(error) if !is_patience_over(&error) => Err(error),
            // The rest leaves with the next write or flush.
            _ => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent)? {
                0 => return Err(ErrorKind::WriteZero.into()),
                sent => drop(self.unsent.drain(..sent)),
            }
        }
        Ok(())
    }
}

/// Bytes that are read from the socket at once.
const RECORDS: usize = 16 * 1024;

struct TlsReader {
    socket: TcpStream,
    session: Arc<Mutex<ClientConnection>>,
    records: Box<[u8]>,
    /// What of `records` the session has not taken yet.
    unread: std::ops::Range<usize>,
}

impl Read for TlsReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut session = lock(&self.session);
            match session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
            if self.unread.is_empty() {
                drop(session);
                self.unread = 0..self.socket.read(&mut self.records)?;
                if self.unread.is_empty() {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            } else {
                let mut rest = &self.records[self.unread.clone()];
                session.read_tls(&mut rest)?;
                self.unread.start = self.unread.end - rest.len();
                session
                    .process_new_packets()
                    .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            }
        }
    }
}

fn lock(session: &Mutex<ClientConnection>) -> MutexGuard<'_, ClientConnection> {
    // A thread that panics ends the connection.
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a socket has only taken too long.
pub(super) fn is_patience_over(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
