//! Lua: a script's text, and what its libraries make of bytes. Whatever it is, the call ends in its time, and the interpreter serves
//! the next one as if nothing had been.

use std::rc::Rc;
use std::time::{Duration, Instant};

use godra_engine::keyspace::Filler;
use godra_engine::lua::source::{Compiler, global_uses};
use godra_engine::lua::{Interpreter, Invocation, Keys, Script, ScriptError};

const TIME: Duration = Duration::from_millis(20);
const MEMORY: usize = 4 << 20;
/// What a call may work for: its budget, and as much as one step may take that is not interrupted.
const MOST_WORK: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);

/// Any JSON text comes back, and what was written from it is read as the same.
pub(super) fn check_json(data: &[u8]) {
    check_library(
        &[data],
        "local ok, value = pcall(cjson.decode, ARGV[1])
        if not ok then return 0 end
        local ok, text = pcall(cjson.encode, value)
        if not ok then return 1 end
        local again = cjson.encode(cjson.decode(text))
        assert(#again == #text, 'BROKEN: ' .. text .. ' is ' .. again)",
    );
}

/// As [`check_json`]; values in one text are unpacked one by one, too.
pub(super) fn check_msgpack(data: &[u8]) {
    check_library(
        &[data],
        "local results = {pcall(cmsgpack.unpack, ARGV[1])}
        pcall(cmsgpack.unpack_limit, ARGV[1], 3, 1)
        pcall(cmsgpack.unpack_one, ARGV[1], 2)
        if not results[1] then return 0 end
        local ok, packed = pcall(cmsgpack.pack, results[2])
        if not ok then return 1 end
        -- A list that holds nothing but nil is read as an empty one.
        packed = cmsgpack.pack(cmsgpack.unpack(packed))
        local again = cmsgpack.pack(cmsgpack.unpack(packed))
        assert(#again == #packed, 'BROKEN: other lengths')",
    );
}

/// A format and bytes, with a line's end between them.
pub(super) fn check_struct(data: &[u8]) {
    let (format, bytes) = halves(data);
    check_library(
        &[format, bytes],
        "local ok, size = pcall(struct.size, ARGV[1])
        local results = {pcall(struct.unpack, ARGV[1], ARGV[2])}
        pcall(struct.unpack, ARGV[1], ARGV[2], 3)
        if not results[1] then return 0 end
        local next = results[#results]
        assert(next >= 1 and next <= #ARGV[2] + 1, 'BROKEN: it took more than there is')
        pcall(struct.pack, ARGV[1], unpack(results, 2, #results - 1))",
    );
}

/// A pattern and a text, with a line's end between them.
pub(super) fn check_pattern(data: &[u8]) {
    let (pattern, text) = halves(data);
    check_library(
        &[pattern, text],
        "local ok, first, last = pcall(string.find, ARGV[2], ARGV[1])
        if ok and first then
          assert(first >= 1 and last <= #ARGV[2] and last >= first - 1, 'BROKEN: ' .. first .. ' ' .. last)
        end
        pcall(string.match, ARGV[2], ARGV[1], -3)
        pcall(string.gsub, ARGV[2], ARGV[1], '%1%0%%')
        pcall(string.gsub, ARGV[2], ARGV[1], ARGV[1])
        pcall(function() for a, b in string.gmatch(ARGV[2], ARGV[1]) do end end)
        pcall(string.format, ARGV[1], ARGV[2], 1, 2.5)",
    );
}

/// A text, as a script.
pub(super) fn check_source(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    _ = Compiler::default().check(text);
    _ = global_uses(text);
    let world = World::new();
    let before = worked();
    if let Ok(script) = world.interpreter.compile("any", text) {
        _ = world.run(&script, &[data, b"7"]);
        let work = worked().saturating_sub(before);
        assert!(work < MOST_WORK, "it ran for {work:?}");
        world.interpreter.forget(script);
    }
    world.check();
}

fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    (&data[..at], data.get(at + 1..).unwrap_or_default())
}

fn check_library(arguments: &[&[u8]], script: &str) {
    let world = World::new();
    let before = worked();
    let script = world.interpreter.compile("library", script).expect("it compiles");
    let result = world.run(&script, arguments);
    let work = worked().saturating_sub(before);
    assert!(work < MOST_WORK, "it ran for {work:?}");
    if let Err(error) = result {
        assert!(!error.message().contains("BROKEN"), "{}", error.message());
    }
    world.check();
}

/// How long this thread has had a processor: by the clock, a busy machine may take any time. None where nobody tells.
fn worked() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or_default())
}

struct World {
    interpreter: Interpreter,
    probe: Script,
    resting_bytes: usize,
}

/// What no script can change for those behind it: globals, libraries, what texts can do.
const PROBE: &str = "local names = {}
    for name in pairs(_G) do names[#names + 1] = tostring(name) end
    table.sort(names)
    return {table.concat(names, ' '), ('x'):rep(3), cjson.encode({1, 'a'}), type(redis.call), #KEYS, math.floor(1.5)}";

impl World {
    fn new() -> Self {
        let interpreter = Interpreter::new(7, TIME, MEMORY, Rc::new(()));
        let probe = interpreter.compile("probe", PROBE).expect("it compiles");
        let resting_bytes = interpreter.used_bytes();
        Self { interpreter, probe, resting_bytes }
    }

    fn run(&self, script: &Script, arguments: &[&[u8]]) -> Result<Vec<u8>, ScriptError> {
        let result = self.interpreter.run(Invocation {
            script,
            keys: Keys::Own(&["k1".into(), "k2".into()]),
            arguments,
            wants_result: true,
            now_ms: 1_700_000_000_123,
            now: Instant::now(),
            seed: 1,
            is_atomic: true,
            filler: Filler::Game,
        });
        result.map(|json| json.to_vec())
    }

    /// The next call finds what it finds in a fresh interpreter.
    fn check(mut self) {
        let fresh = Interpreter::new(7, PATIENCE, MEMORY, Rc::new(()));
        let probe = fresh.compile("probe", PROBE).expect("it compiles");
        let fresh = Self { interpreter: fresh, probe, resting_bytes: 0 };
        let expected = fresh.run(&fresh.probe, &[]).expect("a fresh one runs it");
        // The probe itself may be late on a busy machine.
        match self.run(&self.probe, &[]) {
            Err(ScriptError::Timeout(_)) => {}
            found => assert_eq!(
                found.map(|json| String::from_utf8(json).unwrap()),
                Ok(String::from_utf8(expected).unwrap())
            ),
        }
        self.interpreter.rest();
        let kept = self.interpreter.used_bytes().saturating_sub(self.resting_bytes);
        assert!(kept < 64 << 10, "{kept} bytes stay");
    }
}
