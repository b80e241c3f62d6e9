//! A store's server of its own, and scripts run on it with a small `godra` in front of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use godra::script::{Library, Script};
use godra::wire::ids::RoomId;
use serde_json::{Value, json};

use super::documents::LIBRARY as DOCUMENTS;
use super::product::Product;
use super::{Caller, Failure, Outcome, START_MS, Store, TELL};

/// In front of a script's first line. Its last argument is what the server knows: who calls, where and when.
const PRELUDE: &str = "local known, events, json = cjson.decode(table.remove(ARGV)), {}, cjson \
    local function ready(text) events[#events + 1] = text return 0 end \
    local godra = { user = known.user, room = known.room, now = known.now, room_ttl = 3600, lobbies_per_owner = 16, \
    publish = function(type, payload) ready(json.encode({ type = type, payload = payload })) end, remove = function() end, \
    join = function() end, leave = function() end, \
    error = function(code, message, details) error({ code = code, message = message, details = details }, 0) end } \
    godra.payload = read_payload('[', 2, #ARGV - 1) \
    for name, value in pairs(make_library({ room = function() return known.room end, caller = function() return known.user.id end, \
    run = redis.pcall, encode = json.encode, decode = json.decode, is_too_deep = function() return false end, max_depth = 32, \
    protect = function(own) return own end, log = function() end })) do godra[name] = value end \
    local plain = redis \
    local redis = setmetatable({ call = function(command, ...) \
    if command == 'PUBLISH' then assert((...) == 'game_updates:game:' .. known.room) return ready(select(2, ...)) end \
    return plain.call(command, ...) end }, { __index = redis }) \
    local arrays = {} \
    function godra.array(list) list = list or {} arrays[list] = true return list end \
    local function marked(value) if type(value) ~= 'table' then return value end \
    if arrays[value] and not next(value) then return '[empty]' end \
    local copy = {} for field, inner in pairs(value) do copy[field] = marked(inner) end return copy end \
    local cjson = setmetatable({ encode = function(value) \
    return (string.gsub(json.encode(marked(value)), '\"%[empty%]\"', '[]')) end }, { __index = json }) \
    local function script() ";
/// What the server's own programs have of it.
const LIBRARY: &str = include_str!("../../src/state/library.lua");
const PAYLOAD: &str = include_str!("../../src/state/redis/payload.lua");
/// Behind a script's last line.
const CODA: &str = "\nend \
    local ok, result = pcall(script) \
    if result == nil then result = json.null end \
    if not ok and type(result) ~= 'table' then result = { code = 'script_error', message = result } end \
    return { ok and 1 or 0, json.encode({ result }), unpack(events) }";

/// Stopped when dropped.
pub struct RedisStore {
    server: Child,
    connection: BufReader<UnixStream>,
    now_ms: u64,
    _dir: tempfile::TempDir,
}

impl RedisStore {
    pub fn start(product: Product) -> Self {
        let dir = tempfile::tempdir().expect("temp folder");
        let socket = dir.path().join("redis.sock");
        let server = Command::new(product.program())
            .args(["--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly", "no"])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("this test needs {}, which does not start: {error}", product.name())
            });
        let end = Instant::now() + Duration::from_secs(20);
        let connection = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break BufReader::new(stream),
                Err(error) => assert!(Instant::now() < end, "{} does not answer: {error}", product.name()),
            }
            thread::sleep(Duration::from_millis(10));
        };
        Self { server, connection, now_ms: START_MS, _dir: dir }
    }

    fn send(&mut self, parts: &[&[u8]]) -> Value {
        let mut packed = format!("*{}\r\n", parts.len()).into_bytes();
        for part in parts {
            packed.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            packed.extend_from_slice(part);
            packed.extend_from_slice(b"\r\n");
        }
        self.connection.get_mut().write_all(&packed).expect("write to redis");
        self.reply()
    }

    fn reply(&mut self) -> Value {
        let mut line = String::new();
        self.connection.read_line(&mut line).expect("read from redis");
        let (kind, rest) = line.trim_end().split_at(1);
        match kind {
            ":" => json!(rest.parse::<i64>().expect("integer")),
            "+" => json!(rest),
            "-" => panic!("redis says {rest}"),
            "$" | "*" if rest == "-1" => Value::Null,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().expect("length") + 2];
                self.connection.read_exact(&mut bytes).expect("read from redis");
                json!(String::from_utf8_lossy(&bytes[..bytes.len() - 2]))
            }
            "*" => (0..rest.parse().expect("length")).map(|_| self.reply()).collect(),
            _ => panic!("redis says {line:?}"),
        }
    }
}

/// What a script requires, each run once.
fn require(script: &Script) -> String {
    let library =
        |library: &Arc<Library>| format!("['{}'] = function() {}\nend,", library.name, library.text);
    let libraries: String = script.libraries.iter().map(library).collect();
    format!(
        "local loaded, libraries, require = {{}} \
        function require(name) \
        if not loaded[name] then loaded[name] = libraries[name]() end \
        return loaded[name] \
        end \
        libraries = {{ {libraries} }} "
    )
}

/// Without its comments.
fn one_line(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join(" ")
}

impl Store for RedisStore {
    fn run(&mut self, script: &Arc<Script>, room: Option<&str>, caller: &Caller, args: &[String]) -> Outcome {
        let keys = room
            .map(|room| script.keys_for(&RoomId::parse(room).expect("room id"), &caller.id))
            .unwrap_or_default();
        let user = json!({ "id": caller.id, "name": caller.name, "role": caller.role });
        let known = json!({ "user": user, "room": room, "now": self.now_ms }).to_string();
        let (library, payload) = (one_line(LIBRARY), one_line(PAYLOAD));
        let script =
            format!("{library} {payload} {PRELUDE}{DOCUMENTS}{TELL}{}{}{CODA}", require(script), script.text);
        let count = keys.len().to_string();
        let mut parts: Vec<&[u8]> = vec![b"EVAL", script.as_bytes(), count.as_bytes()];
        parts.extend(keys.iter().map(|key| key.as_bytes()));
        parts.push(caller.id.as_bytes());
        parts.extend(args.iter().map(|arg| arg.as_bytes()));
        parts.push(known.as_bytes());

        let reply = self.send(&parts);
        let texts: Vec<&str> =
            reply.as_array().expect("array")[1..].iter().filter_map(Value::as_str).collect();
        let mut values: Vec<Value> = texts
            .iter()
            .map(|text| serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}")))
            .collect();
        let result = values.remove(0)[0].take();
        let field = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        let result = match reply[0] == 1 {
            true => Ok(result.clone()),
            false => {
                let (code, message) = (field("code"), field("message"));
                Err(Failure { code, message, details: result["details"].clone() })
            }
        };
        Outcome { result, events: values }
    }

    fn command(&mut self, parts: &[&str]) -> Value {
        let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
        self.send(&parts)
    }

    fn eval(&mut self, text: &str, keys: &[&str], args: &[&str]) {
        let count = keys.len().to_string();
        let parts: Vec<&str> = ["EVAL", text, &count]
            .into_iter()
            .chain(keys.iter().copied())
            .chain(args.iter().copied())
            .collect();
        self.command(&parts);
    }

    fn advance(&mut self, ms: u64) {
        self.now_ms += ms;
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
