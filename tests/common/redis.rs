//! A store's server for the time of a test: Redis 7.0, or what `GODRA_TEST_STORE` names.

#[path = "../../src/engine/tests/differential/product.rs"]
mod product;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use product::Product;
use tempfile::TempDir;

use crate::common::PATIENCE;

/// A server on a free port with a folder of its own. Killed on drop.
pub struct Redis {
    process: Option<Child>,
    port: u16,
    tls_port: u16,
    flags: Vec<String>,
    folder: TempDir,
}

impl Redis {
    /// Starts it, and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`Redis::start`], with more settings.
    pub fn start_with(flags: &[&str]) -> Self {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let mut redis = Self {
            process: None,
            port: 0,
            tls_port: 0,
            flags,
            folder: TempDir::with_prefix("godra-redis-").unwrap(),
        };
        // Another test may take a port that was free a moment ago.
        for _ in 0..5 {
            redis.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if redis.launch() {
                return redis;
            }
        }
        panic!("no server came up on five free ports");
    }

    /// As [`Redis::start_with`], where it speaks TLS at [`Redis::tls_port`], too.
    pub fn start_encrypted(flags: &[&str]) -> Self {
        let tls_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut redis = Self::start_with(&[&["--tls-port", &tls_port.to_string()], flags].concat());
        redis.tls_port = tls_port;
        redis
    }

    /// Where it speaks TLS.
    pub fn tls_port(&self) -> u16 {
        self.tls_port
    }

    /// Starts it on the same port after a [`Redis::kill`]; empty, as it keeps nothing on disk unless its flags say so.
    pub fn start_again(&mut self) {
        assert!(self.launch(), "the server does not come up again on port {}", self.port);
    }

    /// Whether it came up.
    fn launch(&mut self) -> bool {
        let port = self.port.to_string();
        let process = Command::new(Product::chosen().program())
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--enable-debug-command", "local", "--dir"])
            .arg(self.folder.path())
            .args(&self.flags)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("this test needs {}, which does not start: {error}", Product::chosen().name())
            });
        let id = process.id();
        self.process = Some(process);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                let told = self.command(&["INFO", "server"]);
                if told.contains(&format!("process_id:{id}\r\n")) {
                    let version = Product::chosen().version_line();
                    assert!(
                        told.contains(version),
                        "this test needs {version}…, and the server says\n{told}"
                    );
                    return true;
                }
                if told.starts_with("-NOAUTH") {
                    return true;
                }
            }
            if self.process.as_mut().and_then(|process| process.try_wait().ok().flatten()).is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "the server does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// As `--redis-addr` wants it.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Processor time that it has used, from `/proc`.
    pub fn cpu_time(&self) -> Duration {
        let id = self.process.as_ref().expect("it runs").id();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        // Behind the name in brackets; utime and stime are the 12th and 13th there, in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("it runs").id();
        let kill = format!("kill -{name} {id}");
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Sends a command on a connection of its own, and gives the answer as it came.
    pub fn command(&self, words: &[&str]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut packed = format!("*{}\r\n", words.len());
        for word in words {
            packed.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        // QUIT behind it ends the connection, so that the answer has an end.
        packed.push_str("*1\r\n$4\r\nQUIT\r\n");
        stream.write_all(packed.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A command that ends the server or the connection has no whole answer.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.strip_suffix("+OK\r\n").unwrap_or(&answer).to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
