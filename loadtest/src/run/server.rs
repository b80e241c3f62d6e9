//! The server under test, when the load tester starts it: on a free port, in a folder of its own, stopped at the end.

use crate::options::Host;
use crate::sys::{self, Affinity};
use rcgen::{CertificateParams, KeyPair};
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How to start it.
pub(crate) struct Launch {
    pub program: PathBuf,
    pub flags: Vec<String>,
    /// The core that it runs on.
    pub core: Option<usize>,
    /// Where its output goes; none for a file in its own folder.
    pub log: Option<PathBuf>,
    /// Its game state is in a file, and not in memory only.
    pub keeps_state: bool,
    /// It gets a certificate, to speak TLS.
    pub makes_certificate: bool,
}

/// A server that runs for this test.
pub(crate) struct Server {
    launch: Launch,
    child: Child,
    folder: PathBuf,
    log: PathBuf,
    pub address: SocketAddr,
    /// The certificate that was made for it.
    pub certificate: Option<PathBuf>,
}

const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(35);

impl Server {
    /// Starts it and waits until it takes connections.
    pub(crate) fn start(launch: Launch) -> io::Result<Self> {
        let address = free_address()?;
        let folder = std::env::temp_dir().join(format!("loadtest-{}-{}", std::process::id(), address.port()));
        fs::create_dir_all(&folder)?;
        let log = launch.log.clone().unwrap_or_else(|| folder.join("server.log"));
        let certificate = launch.makes_certificate.then(|| make_certificate(&folder)).transpose()?;
        let child = spawn(&launch, address, &folder, File::create(&log)?)?;
        let mut server = Self { launch, child, folder, log, address, certificate };
        server.wait_until_up()?;
        Ok(server)
    }

    /// Stops it in good order, and starts it again in the same folder and on the same port.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.end()?;
        let log = File::options().append(true).open(&self.log)?;
        self.child = spawn(&self.launch, self.address, &self.folder, log)?;
        self.wait_until_up()
    }

    /// Itself as a URL would name it.
    pub(crate) fn host(&self, is_secure: bool) -> Host {
        Host { address: self.address, authority: self.address.to_string(), is_secure }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and waits; kills it if it takes too long, which is an error.
    pub(crate) fn stop(mut self) -> io::Result<ExitStatus> {
        self.end()
    }

    fn end(&mut self) -> io::Result<ExitStatus> {
        sys::terminate(self.child.id())?;
        let start = Instant::now();
        while start.elapsed() < STOP_TIMEOUT {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(io::Error::other(format!(
            "the server did not stop within {} s of SIGTERM",
            STOP_TIMEOUT.as_secs()
        )))
    }

    fn wait_until_up(&mut self) -> io::Result<()> {
        let start = Instant::now();
        while start.elapsed() < START_TIMEOUT {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "the server ended at once ({status}):\n{}",
                    self.log_end()
                )));
            }
            if TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(io::Error::other(format!("the server does not listen on {}:\n{}", self.address, self.log_end())))
    }

    /// The last lines that it printed.
    pub(crate) fn log_end(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // One that ends in this very moment cannot be killed, and need not be.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Port and files go by environment, which flags outrank.
fn spawn(launch: &Launch, address: SocketAddr, folder: &Path, output: File) -> io::Result<Child> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", launch.program.display()));
    let state_file = if launch.keeps_state { folder.join("state.db") } else { "off".into() };
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.flags)
        .env("PORT", address.port().to_string())
        .env("HOST", "127.0.0.1")
        .env("DB_DSN", folder.join("game.db"))
        .env("STATE_FILE", state_file)
        .envs(launch.makes_certificate.then(|| ("TLS_CERT", folder.join(CERTIFICATE))))
        .envs(launch.makes_certificate.then(|| ("TLS_KEY", folder.join(KEY))))
        .stdin(std::process::Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let Some(core) = launch.core else { return command.spawn().map_err(named) };
    // A process begins where its parent is, so that no thread of it ever runs elsewhere.
    let before = Affinity::current()?;
    Affinity::one(core)?.apply()?;
    let child = command.spawn();
    before.apply()?;
    child.map_err(named)
}

const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";

/// Makes a certificate for a server on this machine, with a P-256 key; where it is.
fn make_certificate(folder: &Path) -> io::Result<PathBuf> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = KeyPair::generate().and_then(|key| {
        let certificate = CertificateParams::new(names)?.self_signed(&key)?;
        Ok((certificate.pem(), key.serialize_pem()))
    });
    let (certificate, key) = made.map_err(io::Error::other)?;
    fs::write(folder.join(KEY), key)?;
    let path = folder.join(CERTIFICATE);
    fs::write(&path, certificate)?;
    Ok(path)
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
