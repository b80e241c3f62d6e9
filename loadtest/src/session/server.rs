//! The server under test, when the load tester starts it: on a free port, in a folder of its own, stopped at the end.

use crate::sys::{self, Affinity};
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How to start it.
pub(super) struct Launch<'a> {
    pub program: &'a Path,
    pub flags: &'a [String],
    /// The core that it runs on.
    pub core: Option<usize>,
    /// Where its output goes; none for a file in its own folder.
    pub log: Option<&'a Path>,
}

/// A server that runs for this test.
pub(super) struct Server {
    child: Child,
    folder: PathBuf,
    log: PathBuf,
    pub address: SocketAddr,
}

const START_TIMEOUT: Duration = Duration::from_secs(30);
const STOP_TIMEOUT: Duration = Duration::from_secs(35);

impl Server {
    /// Starts it and waits until it takes connections.
    pub(crate) fn start(launch: &Launch<'_>) -> io::Result<Self> {
        let address = free_address()?;
        let folder = std::env::temp_dir().join(format!("loadtest-{}-{}", std::process::id(), address.port()));
        fs::create_dir_all(&folder)?;
        let log = launch.log.map_or_else(|| folder.join("server.log"), Path::to_owned);
        let child = Self::spawn(launch, address, &folder, &log).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", launch.program.display()))
        })?;
        let mut server = Self { child, folder, log, address };
        server.wait_until_up()?;
        Ok(server)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and waits; kills it if it takes too long, which is an error.
    pub(super) fn stop(mut self) -> io::Result<ExitStatus> {
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

    /// Port and files go by environment, which flags outrank; without a flag the game state is kept in memory only.
    fn spawn(launch: &Launch<'_>, address: SocketAddr, folder: &Path, log: &Path) -> io::Result<Child> {
        let output = File::create(log)?;
        let mut command = Command::new(launch.program);
        command
            .args(launch.flags)
            .env("PORT", address.port().to_string())
            .env("HOST", "127.0.0.1")
            .env("DB_DSN", folder.join("game.db"))
            .env("STATE_FILE", "off")
            .stdin(std::process::Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let Some(core) = launch.core else { return command.spawn() };
        // A process begins where its parent is, so that no thread of it ever runs elsewhere.
        let before = Affinity::current()?;
        Affinity::one(core)?.apply()?;
        let child = command.spawn();
        before.apply()?;
        child
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
    pub(super) fn log_end(&self) -> String {
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

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
