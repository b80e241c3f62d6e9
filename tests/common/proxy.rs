//! A TCP proxy that stands between two programs, and does to their traffic what a test wants.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What happens to what passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Pass,
    /// Answers come so much later.
    Delay(Duration),
    /// The next answer that is longer than this is cut there, and its connection ends; then as `Pass`.
    CutAt(usize),
    /// Every request is answered with this text, and does not arrive.
    Answer(&'static str),
    /// A request that has this word in it is answered with this text, and does not arrive.
    Refuse(&'static str, &'static str),
}

/// A proxy on a port of its own, until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What waits on its way to the server.
#[derive(Default)]
struct Held {
    /// How many connections have been made.
    made: usize,
    /// What comes on the first so many of them waits.
    until: usize,
    /// The port from which the first goes on to the server.
    first_port: Option<u16>,
}

struct Shared {
    mode: Mutex<Mode>,
    /// Both ends of what is open.
    open: Mutex<Vec<TcpStream>>,
    held: Mutex<Held>,
    /// [`Held`] has changed.
    released: Condvar,
    is_over: Mutex<bool>,
}

impl Proxy {
    /// Stands in front of a port of this machine.
    pub fn start(target_port: u16, mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mode: Mutex::new(mode),
            open: Mutex::default(),
            held: Mutex::default(),
            released: Condvar::new(),
            is_over: Mutex::new(false),
        });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if *accepting.is_over.lock().unwrap() {
                    return;
                }
                // A server that is away is, for the client, a connection that ends.
                if let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", target_port))) {
                    accepting.join(client, server);
                }
            }
        });
        Self { address, shared }
    }

    /// As `--redis-addr` wants it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Changes what happens to what passes.
    pub fn set(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// From now on what is sent on the connections that are open now waits on its way, even if the sender closes them.
    pub fn hold(&self) {
        let mut held = self.shared.held.lock().unwrap();
        held.until = held.made;
    }

    /// As [`Proxy::hold`], also on connections that are made later.
    pub fn hold_all(&self) {
        self.shared.held.lock().unwrap().until = usize::MAX;
    }

    /// What waited goes on. Gives the port from which the first connection comes to the server, if there was one.
    pub fn release(&self) -> Option<u16> {
        let mut held = self.shared.held.lock().unwrap();
        held.until = 0;
        self.shared.released.notify_all();
        held.first_port
    }

    /// What happens to what passes now.
    pub fn mode(&self) -> Mode {
        self.shared.mode()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        *self.shared.is_over.lock().unwrap() = true;
        self.release();
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn mode(&self) -> Mode {
        self.mode.lock().unwrap().clone()
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
            self.open.lock().unwrap().push(stream.try_clone().unwrap());
        }
        let mut held = self.held.lock().unwrap();
        held.made += 1;
        held.first_port.get_or_insert(server.local_addr().unwrap().port());
        let number = held.made;
        drop(held);
        let (shared, mut from, mut to) =
            (self.clone(), client.try_clone().unwrap(), server.try_clone().unwrap());
        let (sender, waiting) = std::sync::mpsc::channel::<Vec<u8>>();
        // Read at once, as a client that closes takes back what nobody has read.
        let mut reader = client.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        std::thread::spawn(move || {
            while let Ok(mut bytes) = waiting.recv() {
                let held = shared.held.lock().unwrap();
                drop(shared.released.wait_while(held, |held| number <= held.until).unwrap());
                // In one piece: an answer to its beginning that finds the client gone ends the connection.
                waiting.try_iter().for_each(|more| bytes.extend(more));
                if !shared.on_request(&bytes, &mut from, &mut to).unwrap_or(false) {
                    break;
                }
            }
            let held = shared.held.lock().unwrap();
            drop(shared.released.wait_while(held, |held| number <= held.until).unwrap());
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
        let shared = self.clone();
        std::thread::spawn(move || shared.pump(server, client, Self::on_answer));
    }

    /// Passes bytes on until one end closes, or `pass` says that it is over.
    fn pump(
        &self,
        mut from: TcpStream,
        mut to: TcpStream,
        pass: impl Fn(&Self, &[u8], &mut TcpStream, &mut TcpStream) -> std::io::Result<bool>,
    ) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if !pass(self, &buffer[..length], &mut from, &mut to).unwrap_or(false) {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    fn on_request(
        &self,
        bytes: &[u8],
        client: &mut TcpStream,
        server: &mut TcpStream,
    ) -> std::io::Result<bool> {
        let refusal = match self.mode() {
            Mode::Answer(text) => Some(text),
            Mode::Refuse(word, text) if String::from_utf8_lossy(bytes).contains(word) => Some(text),
            _ => None,
        };
        match refusal {
            Some(text) => client.write_all(text.as_bytes())?,
            None => server.write_all(bytes)?,
        }
        Ok(true)
    }

    fn on_answer(
        &self,
        bytes: &[u8],
        _server: &mut TcpStream,
        client: &mut TcpStream,
    ) -> std::io::Result<bool> {
        match self.mode() {
            Mode::Delay(delay) => std::thread::sleep(delay),
            Mode::CutAt(length) if bytes.len() > length => {
                *self.mode.lock().unwrap() = Mode::Pass;
                client.write_all(&bytes[..length])?;
                return Ok(false);
            }
            _ => {}
        }
        client.write_all(bytes)?;
        Ok(true)
    }
}
