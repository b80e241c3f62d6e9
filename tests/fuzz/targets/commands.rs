//! Commands of Redis with any arguments, one after another in one store. A call that fails leaves the store as it was.

use std::rc::Rc;
use std::time::{Duration, Instant};

use godra_engine::keyspace::{Entry, Filler, SmallBytes, Value};
use godra_engine::lua::{Interpreter, Invocation, Keys};

const BUDGET: Duration = Duration::from_secs(5);
const MEMORY: usize = 16 << 20;
/// Of a text that a command may make, such as by SETRANGE: more is the tests' own memory.
const LONGEST_NUMBER: usize = 6;

/// Lines: the command and its arguments, with tabs between them. The second half of them belongs to a call that fails.
pub(super) fn check(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').filter(|line| !makes_much(line)).collect();
    let (kept, undone) = lines.split_at(lines.len() / 2);
    let interpreter = Interpreter::new(7, BUDGET, MEMORY, Rc::new(()));
    let text = "for i, line in ipairs(ARGV) do
            local words = {}
            for word in (line .. '\\t'):gmatch('(.-)\\t') do words[#words + 1] = word end
            redis.pcall(unpack(words))
        end
        if #KEYS == 0 then error('undo') end";
    let script = interpreter.compile("commands", text).expect("it compiles");
    let run = |keys: &[Box<str>], arguments: &[&[u8]]| {
        let result = interpreter.run(Invocation {
            script: &script,
            keys: Keys::Own(keys),
            arguments,
            wants_result: true,
            now_ms: 1_700_000_000_123,
            now: Instant::now(),
            seed: 1,
            is_atomic: true,
            filler: Filler::Game,
        });
        result.map(drop)
    };
    _ = run(&["kept".into()], kept);
    let before = contents(&interpreter);
    assert!(run(&[], undone).is_err(), "it fails in the end");
    assert_eq!(contents(&interpreter), before, "a call that failed has left something");
}

fn makes_much(line: &[u8]) -> bool {
    line.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() > LONGEST_NUMBER)
}

/// All keys with their values, in an order that does not depend on how they got there.
fn contents(interpreter: &Interpreter) -> Vec<String> {
    let keyspace = interpreter.keyspace().borrow();
    let entry = |(key, value, end): (&[u8], &Value, Option<u64>)| {
        let mut parts: Vec<String> = match value {
            Value::String(text) => vec![text.escape_ascii().to_string()],
            Value::Hash(hash) => {
                let field = |entry: &Entry<SmallBytes>| format!("{:?}={:?}", &*entry.key, &*entry.value);
                hash.entries().iter().map(field).collect()
            }
            Value::Set(set) => set.entries().iter().map(|entry| format!("{:?}", &*entry.key)).collect(),
            Value::SortedSet(set) => {
                let member = |entry: &Entry<f64>| format!("{:?}={}", &*entry.key, entry.value);
                set.members().entries().iter().map(member).collect()
            }
            Value::List(list) => list.iter().map(|element| format!("{:?}", &**element)).collect(),
        };
        if !matches!(value, Value::List(_)) {
            parts.sort();
        }
        format!("{} {} {end:?} {parts:?}", key.escape_ascii(), value.type_name())
    };
    let mut all: Vec<String> = keyspace.iterate().map(entry).collect();
    all.sort();
    all
}
