//! A PostgreSQL cluster for the time of a test.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A cluster on a free port with a folder of its own and the superuser `postgres`. Ended on drop.
pub struct Postgres {
    folder: TempDir,
    port: u16,
    flags: Vec<String>,
}

impl Postgres {
    /// Makes it and starts it.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`Postgres::start`], with more settings, as `name=value`.
    pub fn start_with(flags: &[&str]) -> Self {
        let folder = TempDir::with_prefix("godra-postgres-").unwrap();
        // The server may run as another user than the test.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let postgres = Self { folder, port, flags };
        let data = postgres.data();
        let data = data.to_str().unwrap();
        postgres.expect(
            "initdb",
            &[
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "-D",
                data,
            ],
        );
        postgres.start_again();
        postgres
    }

    /// Starts it after a [`Postgres::stop`].
    pub fn start_again(&self) {
        let mut options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off",
            self.port
        );
        for flag in &self.flags {
            options.push_str(&format!(" -c {flag}"));
        }
        self.control(&["start", "-w", "-o", &options]);
    }

    /// Ends all connections without a word and starts it again, as after a crash.
    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }

    /// Ends it without a word.
    pub fn stop(&self) {
        self.control(&["stop", "-m", "immediate"]);
    }

    /// A DSN without TLS, for a database of a name of its own that this makes.
    pub fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("{} sslmode=disable", self.dsn(name))
    }

    /// A DSN without a word about TLS.
    pub fn dsn(&self, database: &str) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname={database}", self.port)
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `psql` prints for a statement, bare.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let port = self.port.to_string();
        let output = self.expect(
            "psql",
            &["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database, "-XAtqc", statement],
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Sends a signal, by its name without `SIG`, to the server and all its processes.
    pub fn signal(&self, name: &str) {
        let id = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let id = id.lines().next().unwrap().to_owned();
        // The server first, so that it starts no more processes. One of those that it has may end meanwhile.
        let kill = format!(
            "kill -{name} {id} && for child in $(pgrep -P {id}); do kill -{name} $child || true; done"
        );
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// The cluster's files.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Gives a file to the user that the server runs as.
    pub fn give(&self, file: &Path) {
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(file).status().unwrap().success());
        }
    }

    fn control(&self, arguments: &[&str]) {
        let (data, log) = (self.data(), self.folder.path().join("log"));
        let mut all = vec!["-D", data.to_str().unwrap(), "-l", log.to_str().unwrap()];
        all.extend(arguments);
        self.expect("pg_ctl", &all);
    }

    fn expect(&self, program: &str, arguments: &[&str]) -> Output {
        let output = self.command(program).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
        );
        output
    }

    /// PostgreSQL refuses to run as root; Debian's packages make a user for it.
    fn command(&self, program: &str) -> Command {
        let program = find(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // One that a failed test left frozen would not hear the end.
        let process = fs::read_to_string(self.data().join("postmaster.pid"));
        if process.is_ok() && !std::thread::panicking() {
            self.stop();
        } else if process.is_ok() {
            self.signal("CONT");
            let _ = self.command("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.data()).output();
        }
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

/// On the path, or where Debian puts each version; the newest there.
fn find(program: &str) -> PathBuf {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&on_path).collect();
    match fs::read_dir("/usr/lib/postgresql") {
        Ok(versions) => {
            let mut versions: Vec<PathBuf> = versions.map(|version| version.unwrap().path()).collect();
            versions.sort();
            folders.extend(versions.into_iter().rev().map(|version| version.join("bin")));
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
    }
    let found = folders.into_iter().map(|folder| folder.join(program)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("this test needs {program}, of PostgreSQL"))
}
