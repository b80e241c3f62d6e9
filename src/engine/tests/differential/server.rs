//! A store's server for the time of a test, and a minimal client for it.

#[path = "product.rs"]
mod product;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use product::Product;

/// A server on a free port, stopped when dropped.
pub struct StoreServer {
    product: Product,
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl StoreServer {
    /// Starts the server and waits until it answers.
    pub fn start(product: Product) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let process = Command::new(product.program())
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(folder.path())
            .env("LC_ALL", "C")
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("this test needs {}, which does not start: {error}", product.name())
            });
        let mut server = Self { product, process, port, _folder: folder };
        server.wait_until_ready();
        server
    }

    /// Which it is.
    pub fn product(&self) -> Product {
        self.product
    }

    pub fn connect(&self) -> Client {
        Client::new(TcpStream::connect(("127.0.0.1", self.port)).expect("the server accepts connections"))
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let info = loop {
            if let Some(info) = self.info() {
                break info;
            }
            if let Some(status) = self.process.try_wait().expect("the server's status") {
                panic!("{} ended at once: {status}", self.product.name());
            }
            assert!(Instant::now() < deadline, "{} does not answer", self.product.name());
            std::thread::sleep(Duration::from_millis(5));
        };
        let is_wanted = info.lines().any(|line| line.starts_with(self.product.version_line()));
        assert!(is_wanted, "this test compares with {}, and the server says\n{info}", self.product.name());
    }

    /// What the server says of itself; none while it is not there. One that is starting may take a connection and reset it.
    fn info(&self) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        stream.write_all(b"INFO server\r\nQUIT\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.starts_with('$').then_some(answer)
    }
}

impl Drop for StoreServer {
    fn drop(&mut self) {
        // The test is over either way; a server that is already gone is fine.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A reply of either store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    Nil,
    Integer(i64),
    Bulk(Vec<u8>),
    Status(String),
    Error(String),
    Array(Vec<Reply>),
}

/// A connection that speaks RESP2.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP option");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Self { stream: BufReader::new(stream) }
    }

    /// Sends one command and reads its reply.
    pub fn call(&mut self, arguments: &[Vec<u8>]) -> Reply {
        let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            request.extend_from_slice(argument);
            request.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&request).expect("the server reads");
        self.read()
    }

    fn read(&mut self) -> Reply {
        let line = self.line();
        let (kind, rest) = line.split_at(1);
        let number = || rest.parse::<i64>().expect("a number");
        match kind {
            "+" => Reply::Status(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(number()),
            "$" if number() < 0 => Reply::Nil,
            "$" => {
                let mut bytes = vec![0; number() as usize + 2];
                self.stream.read_exact(&mut bytes).expect("a bulk string");
                bytes.truncate(bytes.len() - 2);
                Reply::Bulk(bytes)
            }
            "*" if number() < 0 => Reply::Nil,
            "*" => Reply::Array((0..number()).map(|_| self.read()).collect()),
            _ => panic!("not RESP2: {line:?}"),
        }
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("a reply in time");
        assert!(line.ends_with(b"\r\n"), "the server went away");
        String::from_utf8_lossy(&line[..line.len() - 2]).into_owned()
    }
}
