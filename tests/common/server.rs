//! The server under test.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::PATIENCE;
use crate::common::http::{Connection, Response};
use crate::common::output::Output;
use crate::common::player::{Knock, Player};
use crate::common::redis::Redis;

const BINARY: &str = env!("CARGO_BIN_EXE_godra");
const STOCK_SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");

/// A running server on a free port, with a folder of its own that holds a copy of the stock scripts. Killed on drop;
/// prints what it printed if the test fails.
pub struct Server {
    process: Child,
    output: Output,
    port: u16,
    folder: Folder,
    /// The store, if the tests run on Redis and this one does not bring its own.
    _redis: Option<Redis>,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub fn start(flags: &[&str]) -> Self {
        Self::start_in(Folder::new(), flags)
    }

    /// Starts it in a folder that is already there.
    pub fn start_in(folder: Folder, flags: &[&str]) -> Self {
        Self::start_with(folder, flags, &[])
    }

    /// Starts one of whose threads this happens to: `panic NAME`, `end NAME` or `stall NAME`, when it begins.
    #[cfg(debug_assertions)]
    pub fn start_faulty(fault: &str, flags: &[&str]) -> Self {
        Self::start_with(Folder::new(), flags, &[("GODRA_TEST_FAULT", fault)])
    }

    /// As [`Server::start_in`], with extra variables in its environment.
    pub fn start_with(folder: Folder, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let chooses_store =
            ["--redis-addr", "--state-file", "--store-memory"].iter().any(|flag| flags.contains(flag));
        let wants_redis = std::env::var_os("GODRA_TEST_REDIS").is_some() && !chooses_store;
        // A script that loops is given up as soon as on the embedded store.
        let redis = wants_redis.then(|| Redis::start_with(&["--busy-reply-threshold", "100"]));
        let store = redis.as_ref().map(|redis| ["--redis-addr".to_owned(), redis.address()]);
        // Tests of other things do not wait for somebody to come back.
        let grace = if flags.contains(&"--rejoin-grace") { &[][..] } else { &["--rejoin-grace", "0s"] };
        // Nor do they judge how fast an unoptimised server is, on a machine that is busy with other tests.
        let budget = if flags.contains(&"--script-time-budget") {
            &[][..]
        } else {
            &["--script-time-budget", "500ms"]
        };
        let port = if flags.contains(&"--port") { &[][..] } else { &["--port", "0"] };
        let mut process = command(&folder)
            .args(store.iter().flatten())
            .args(grace)
            .args(budget)
            .args(["--host", "127.0.0.1"])
            .args(port)
            .args(flags)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Output::default();
        output.follow(process.stdout.take().unwrap());
        output.follow(process.stderr.take().unwrap());
        let port = output.wait_for("port that it listens on", |text| {
            let (_, rest) = text.split_once("listening on 127.0.0.1:")?;
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            rest[..end].parse().ok()
        });
        if store.is_some() {
            output.wait_for_line(&["the store is there"]);
        }
        Self { process, output, port, folder, _redis: redis }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// What it printed.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Its folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// A connection without a request.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address())
    }

    /// Sends bytes as they are, and reads everything until the server closes the connection.
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let mut connection = self.connect();
        connection.send(bytes);
        connection.read_to_end()
    }

    /// One request on a connection of its own.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.connect().request(method, path, headers, body)
    }

    /// `GET path`
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[], b"")
    }

    /// `POST path` with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.request("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// The value of a metric, by its name and labels as they stand in the exposition.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.get("/metrics").text();
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in:\n{page}"))
    }

    /// A guest that has logged in before, maybe at another server with the same accounts.
    pub fn known(&self, token: &str, user_id: &str) -> Guest<'_> {
        Guest { server: self, token: token.to_owned(), user_id: user_id.to_owned() }
    }

    /// A new guest.
    pub fn guest(&self) -> Guest<'_> {
        let response = self.post("/guest-login", &json!({}));
        assert_eq!(response.status, 200, "{response:?}");
        let body = response.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Guest { server: self, token: text("token"), user_id: text("user_id") }
    }

    /// Bounds the size of the files that it writes, as a full disk does; none lifts the bound.
    pub fn limit_file_size(&self, bytes: Option<u64>) {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let pid = self.process.id().to_string();
        let prlimit =
            Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={limit}:unlimited")]).status();
        assert!(prlimit.unwrap().success());
    }

    /// Bounds how many files it may have open; none lifts the bound as far as it goes.
    pub fn limit_open_files(&self, count: Option<usize>) {
        let pid = self.process.id().to_string();
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let hard = line.split_whitespace().nth(4).unwrap().to_owned();
        let limit = count.map_or(hard, |count| count.to_string());
        let prlimit = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={limit}:")]).status();
        assert!(prlimit.unwrap().success());
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Processor time that its threads have used, from `/proc`: to the nanosecond, and whatever else the machine does.
    pub fn cpu_time(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let used = |task: std::io::Result<fs::DirEntry>| -> u64 {
            // A thread may have ended by now.
            let stat = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default();
            stat.split_whitespace().next().map_or(0, |nanoseconds| nanoseconds.parse().unwrap())
        };
        Duration::from_nanos(tasks.map(used).sum())
    }

    /// What it holds.
    pub fn usage(&self) -> Usage {
        let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", self.process.id())).unwrap().count();
        Usage { resident_bytes: self.resident_bytes(), descriptors: count("fd"), threads: count("task") }
    }

    /// Asks it to stop in good order.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_at_most(PATIENCE)
    }

    /// Waits for its end.
    pub fn wait_at_most(&mut self, limit: Duration) -> ExitStatus {
        wait_for_end(&mut self.process, limit)
    }

    /// Memory that it has from the kernel.
    pub fn resident_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

/// What a server holds of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pub resident_bytes: usize,
    pub descriptors: usize,
    pub threads: usize,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the server printed:\n{}", self.output);
        }
    }
}

/// Runs the binary to its end in a folder, with extra variables in its environment.
pub fn run_to_end(folder: &Folder, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut process = command(folder)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (out, err) = (Output::default(), Output::default());
    let pipes = [out.follow(process.stdout.take().unwrap()), err.follow(process.stderr.take().unwrap())];
    let status = wait_for_end(&mut process, PATIENCE);
    // Their last bytes may come after the end of the process.
    pipes.into_iter().for_each(|pipe| pipe.join().unwrap());
    Ended { code: status.code(), stdout: out.text(), stderr: err.text() }
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Nothing of the test's own environment gets through but what a program needs.
pub fn command(folder: &Folder) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder.path()).env_clear();
    command.envs(
        ["PATH", "HOME", "RUST_BACKTRACE"]
            .into_iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?))),
    );
    command
}

fn wait_for_end(process: &mut Child, limit: Duration) -> ExitStatus {
    const POLL_EVERY: Duration = Duration::from_millis(5);
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= deadline {
            let _ = process.kill();
            panic!("the process did not end within {limit:?}");
        }
        std::thread::sleep(POLL_EVERY);
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A temporary folder with a copy of the stock scripts in `scripts`, and of their libraries.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = Self::empty();
        copy_files(Path::new(STOCK_SCRIPTS), &folder.scripts());
        copy_files(&Path::new(STOCK_SCRIPTS).join("lib"), &folder.scripts().join("lib"));
        folder
    }

    /// Without scripts.
    pub fn empty() -> Self {
        Self(TempDir::with_prefix("godra-test-").unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn scripts(&self) -> PathBuf {
        self.path().join("scripts")
    }

    /// The path of a script.
    pub fn script(&self, name: &str) -> PathBuf {
        self.scripts().join(format!("{name}.lua"))
    }

    /// Writes a script in place.
    pub fn write_script(&self, name: &str, text: &str) {
        fs::write(self.script(name), text).unwrap();
    }

    /// Writes a script as most editors do: into another file, which then takes its place.
    pub fn replace_script(&self, name: &str, text: &str) {
        let draft = self.scripts().join(format!(".{name}.lua.swp"));
        fs::write(&draft, text).unwrap();
        fs::rename(draft, self.script(name)).unwrap();
    }
}

/// A logged-in guest.
pub struct Guest<'a> {
    server: &'a Server,
    pub token: String,
    pub user_id: String,
}

impl Guest<'_> {
    /// `POST /api/rpc`; `keys` may be empty.
    pub fn rpc(&self, script: &str, args: Value, keys: &[&str]) -> Response {
        let mut body = json!({"script": script, "args": args});
        if !keys.is_empty() {
            body["keys"] = json!(keys);
        }
        self.rpc_body(body.to_string().as_bytes())
    }

    /// `POST /api/rpc` with any body.
    pub fn rpc_body(&self, body: &[u8]) -> Response {
        let authorization = format!("Bearer {}", self.token);
        self.server.request("POST", "/api/rpc", &[("Authorization", &authorization)], body)
    }

    /// Makes a lobby; returns its room id, without `game:`.
    pub fn create_lobby(&self, capacity: u32) -> String {
        let response = self.rpc("create_lobby", json!([capacity]), &[]);
        assert_eq!(response.status, 200, "{response:?}");
        let id = response.json()["result"].as_str().unwrap().to_owned();
        id.strip_prefix("game:").unwrap().to_owned()
    }

    /// Connects to a room, and reads the welcome.
    pub fn join(&self, room: &str) -> Player {
        self.try_join(room).unwrap_or_else(|response| panic!("the join was refused: {response:?}"))
    }

    /// Asks to be let into a room. The server must be one that does not answer yet.
    pub fn knock(&self, room: &str) -> Knock {
        Knock::send(self.server.address(), &format!("/ws?token={}&game_id={room}", self.token))
    }

    /// Connects to a room, with more in the query, which begins with `&`.
    pub fn join_with(&self, room: &str, query: &str) -> Player {
        let path = format!("/ws?token={}&game_id={room}{query}", self.token);
        Player::connect(self.server.address(), &path).unwrap()
    }

    /// Connects to a room; the error is the server's answer instead of the upgrade.
    pub fn try_join(&self, room: &str) -> Result<Player, Response> {
        self.try_join_with(room, "")
    }

    /// As [`Guest::try_join`]; `query` is appended to the path's, with its `&`.
    pub fn try_join_with(&self, room: &str, query: &str) -> Result<Player, Response> {
        Player::connect(self.server.address(), &format!("/ws?token={}&game_id={room}{query}", self.token))
    }
}
