//! The other end of the floor's measurement: a child process that connects, drains, sends and asks for upgrades when told to.

use crate::sys::Affinity;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Arc;

/// The argument that makes this program the other end.
pub(crate) const PEER_ARGUMENT: &str = "__peer";
/// Length of an upgrade request, about that of a real one with its token.
pub(super) const UPGRADE_REQUEST_BYTES: usize = 500;

/// What the other end is told to do; it answers each with a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Connect so many times and read whatever comes, from now on.
    Connect { address: SocketAddr, count: usize },
    /// Send so many bytes over every connection.
    Send { bytes: usize },
    /// Connect so many times more and send a request over each.
    Upgrade { address: SocketAddr, count: usize },
}

/// The other end, as seen from here.
pub(super) struct Peer {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// Where it connects to.
    pub listener: TcpListener,
}

impl Peer {
    /// Starts it on a core.
    pub(crate) fn start(core: Option<usize>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut child = std::process::Command::new(std::env::current_exe()?)
            .arg(PEER_ARGUMENT)
            .args(core.map(|core| core.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or_else(|| io::Error::other("a child without pipes"))?;
        Ok(Self { child, stdin, stdout: BufReader::new(stdout), listener })
    }

    /// Where it connects to.
    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound listener has an address")
    }

    /// Gives an order and waits until it is carried out.
    pub(crate) fn tell(&mut self, order: &Order) -> io::Result<()> {
        self.order(order)?;
        self.wait()
    }

    fn order(&mut self, order: &Order) -> io::Result<()> {
        writeln!(self.stdin, "{}", serde_json::to_string(order)?)
    }

    fn wait(&mut self) -> io::Result<()> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the other end of the floor's measurement has ended"));
        }
        Ok(())
    }

    /// Lets it connect so many times; the ends here do not block.
    pub(crate) fn connect(&mut self, count: usize) -> io::Result<Vec<TcpStream>> {
        self.order(&Order::Connect { address: self.address(), count })?;
        let mut sockets = Vec::with_capacity(count);
        for _ in 0..count {
            let (socket, _) = self.listener.accept()?;
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            sockets.push(socket);
        }
        self.wait()?;
        Ok(sockets)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It holds nothing worth an orderly end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The life of the other end.
pub(crate) fn run_peer(core: Option<usize>) -> io::Result<()> {
    crate::sys::raise_open_file_limit()?;
    if let Some(core) = core {
        Affinity::one(core)?.apply()?;
    }
    let mut drained = Arc::new(Vec::new());
    let mut upgrading: Vec<TcpStream> = Vec::new();
    for line in io::stdin().lock().lines() {
        match serde_json::from_str(&line?)? {
            Order::Connect { address, count } => drained = connect_and_drain(address, count)?,
            Order::Send { bytes } => {
                let message = vec![b'x'; bytes];
                drained.iter().try_for_each(|mut stream| stream.write_all(&message))?;
            }
            Order::Upgrade { address, count } => {
                upgrading.clear();
                for _ in 0..count {
                    let mut stream = TcpStream::connect(address)?;
                    stream.write_all(&[b'x'; UPGRADE_REQUEST_BYTES])?;
                    upgrading.push(stream);
                }
            }
        }
        println!("done");
    }
    Ok(())
}

fn connect_and_drain(address: SocketAddr, count: usize) -> io::Result<Arc<Vec<mio::net::TcpStream>>> {
    let poll = mio::Poll::new()?;
    let mut streams = Vec::with_capacity(count);
    for token in 0..count {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut stream, mio::Token(token), mio::Interest::READABLE)?;
        streams.push(stream);
    }
    let streams = Arc::new(streams);
    let drained = streams.clone();
    std::thread::spawn(move || drain(poll, &drained));
    Ok(streams)
}

/// Reads and forgets until a connection ends.
fn drain(mut poll: mio::Poll, streams: &[mio::net::TcpStream]) -> io::Result<()> {
    let mut events = mio::Events::with_capacity(1024);
    let mut buffer = vec![0; 256 << 10];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let mut stream = &streams[event.token().0];
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(length) if length == buffer.len() => {}
                    Ok(_) => break,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
