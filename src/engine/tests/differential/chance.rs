//! What chance decides: with the same seed a call draws the same numbers and picks the same members in both stores.

use std::rc::Rc;
use std::time::{Duration, Instant};

use godra_engine::SplitMix;
use godra_engine::commands::MAX_ORDERED;
use godra_engine::keyspace::{Context, Filler, Keyspace};
use godra_engine::lua::{Interpreter, Invocation, Keys};
use godra_engine::reply::{ReplyBuffer, Value};

use super::server::{Client, Product, Reply, StoreServer};
use super::undo::program;

const NOW_MS: u64 = 1_700_000_000_000;

type Command = Vec<Vec<u8>>;

fn command(text: &str) -> Command {
    text.split(' ').map(|part| part.as_bytes().to_vec()).collect()
}

/// Names of any bytes, some of which begin alike.
fn name(random: &mut SplitMix) -> Vec<u8> {
    const BYTES: [u8; 8] = [0, b'a', b'B', b'b', 0x7f, 0x80, 0xc3, 0xff];
    (0..random.below(6)).map(|_| BYTES[random.below(BYTES.len())]).collect()
}

/// Sets that are not too large: of those Redis picks by a chance of its own.
fn fill(random: &mut SplitMix) -> Vec<Command> {
    let many = [3, 40, MAX_ORDERED][random.below(3)];
    let mut commands = Vec::new();
    for _ in 0..random.below(many) + 1 {
        let (name, score) = (name(random), random.below(5).to_string().into_bytes());
        commands.push(vec![b"sadd".to_vec(), b"s".to_vec(), name.clone()]);
        commands.push(vec![b"hset".to_vec(), b"h".to_vec(), name.clone(), score.clone()]);
        commands.push(vec![b"zadd".to_vec(), b"z".to_vec(), score, name]);
    }
    commands
}

fn pick(random: &mut SplitMix) -> Command {
    let count = ["", " 1", " 3", " -3", " 0", " 512", " -512", " 01", " x", " 1.5", "  1"][random.below(11)];
    let (name, option) = [
        ("srandmember s", ""),
        ("spop s", ""),
        ("hrandfield h", " withvalues"),
        ("zrandmember z", " WITHSCORES"),
    ][random.below(4)];
    let name = if random.below(12) == 0 { name.replace(['s', 'h', 'z'], "n") } else { name.to_owned() };
    let option = if count.is_empty() || random.below(2) == 0 { "" } else { option };
    command(&format!("{name}{count}{option}"))
}

/// Runs the commands as one call of that seed in Redis.
fn theirs(client: &mut Client, program: &str, seed: u64, commands: &[Command]) -> Vec<Reply> {
    let mut eval = command("EVAL");
    eval.extend(["".to_owned() + program, "0".into(), "show".into()].map(String::into_bytes));
    eval.extend(["".to_owned(), "".into(), "".into(), seed.to_string()].map(String::into_bytes));
    for command in commands {
        eval.push(command.len().to_string().into());
        eval.extend_from_slice(command);
    }
    match client.call(&eval) {
        Reply::Array(replies) => replies,
        other => panic!("{other:?}"),
    }
}

fn ours(keyspace: &mut Keyspace, seed: u64, commands: &[Command]) -> Vec<Reply> {
    keyspace.seed_call(seed);
    let context = Context { now_ms: NOW_MS, from_script: true };
    let mut run = |command: &Command| {
        let arguments: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        let mut buffer = ReplyBuffer::default();
        keyspace.execute(&arguments, &context, &mut buffer);
        let mut values = buffer.values();
        let first = values.next().expect("a reply");
        read(first, &mut values)
    };
    commands.iter().map(&mut run).collect()
}

fn read<'a>(value: Value<'a>, rest: &mut impl Iterator<Item = Value<'a>>) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Integer(number) => Reply::Integer(number),
        Value::Bulk(bytes) => Reply::Bulk(bytes.to_vec()),
        Value::Status(text) => Reply::Status(String::from_utf8_lossy(text).into_owned()),
        Value::Error(_) => Reply::Error(String::new()),
        Value::Array(len) => {
            Reply::Array((0..len).map(|_| read(rest.next().expect("an element"), rest)).collect())
        }
    }
}

/// Errors have other words from store to store; it is enough that both refuse.
fn without_words(reply: &Reply) -> Reply {
    match reply {
        Reply::Error(_) => Reply::Error(String::new()),
        other => other.clone(),
    }
}

fn check_picks(product: Product, program: &str) {
    let server = StoreServer::start(product);
    let mut client = server.connect();
    for seed in 0..150 {
        let mut random = SplitMix(seed);
        let (filling, picks) = (fill(&mut random), (0..12).map(|_| pick(&mut random)).collect::<Vec<_>>());
        client.call(&command("FLUSHALL"));
        let mut keyspace = Keyspace::new(seed);
        ours(&mut keyspace, 0, &filling);
        theirs(&mut client, program, 0, &filling);
        let (ours, theirs) = (ours(&mut keyspace, seed, &picks), theirs(&mut client, program, seed, &picks));
        for ((pick, ours), theirs) in picks.iter().zip(&ours).zip(&theirs) {
            let shown = super::shown(pick);
            assert_eq!(ours, &without_words(theirs), "{}, seed {seed}: {shown}", product.name());
        }
    }
}

#[test]
fn picks_are_the_same_in_valkey_9() {
    check_picks(Product::Valkey9, &program());
}

#[test]
fn picks_are_the_same_in_redis_7() {
    check_picks(Product::Redis7, &program());
}

#[test]
fn picks_are_the_same_where_the_server_compares_as_a_language_does() {
    let plain = r#"local bytewise = "a" < "B" and is_before or nil"#;
    let program = program();
    assert!(program.contains(plain));
    check_picks(Product::Redis7, &program.replace(plain, "local bytewise = is_before"));
}

/// Numbers and complaints of `math.random`.
const DRAWS: &str = r##"
local shown = {}
local function show(...)
  for index = 1, select("#", ...) do
    local value = select(index, ...)
    shown[#shown + 1] = type(value) == "number" and string.format("%.17g", value) or tostring(value)
  end
end
for index = 1, 50 do show(math.random(), math.random(6), math.random(-3, 3), math.random(2147483647)) end
for _, seed in ipairs({ 0, 1, -1, 1.5, "7", 1e300, -1/0, 0/0, 2^53 }) do
  math.randomseed(seed)
  show(math.random())
end
for _, given in ipairs({ {0}, {2, 1}, {1, 2, 3}, {{}}, {1, "x"}, {"3"}, {1.9}, {2^32 + 5}, {1e300}, {0/0, 1}, {-1, 2^31 - 1} }) do
  local ok, result = pcall(function() local drawn = math.random(unpack(given)) return drawn end)
  show(ok, result)
end
show(pcall(function() local drawn = math.randomseed() return drawn end))
show(pcall(function() local drawn = math.randomseed({}) return drawn end))
return table.concat(shown, "\n")
"##;

fn draws_of(interpreter: &Interpreter, seed: u64) -> String {
    let script = interpreter.compile("user_script", DRAWS).expect("it compiles");
    let result = interpreter.run(Invocation {
        script: &script,
        keys: Keys::Own(&[]),
        arguments: &[],
        wants_result: true,
        now_ms: NOW_MS,
        now: Instant::now(),
        seed,
        is_atomic: true,
        filler: Filler::Game,
    });
    let json = result.unwrap_or_else(|error| panic!("{error:?}"));
    serde_json::from_slice(&json).expect("a text")
}

/// The lines that an error names are those of the program, in which the script stands behind others.
fn without_lines(text: &str) -> String {
    let without_line = |line: &str| match line.split_once(": ") {
        Some((place, rest)) if place.starts_with("user_script") => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(without_line).collect::<Vec<_>>().join("\n")
}

#[test]
fn numbers_are_the_same() {
    let random = include_str!("../../../state/redis/random.lua");
    let own = "number = 1 local own = get_random()
        local math = setmetatable({ random = own.random, randomseed = own.randomseed }, { __index = math })";
    let program = format!("{random}\n{own}\n{DRAWS}");
    let interpreter = Interpreter::new(1, Duration::from_secs(5), 16 << 20, Rc::new(()));
    for product in [Product::Valkey9, Product::Redis7] {
        let server = StoreServer::start(product);
        for seed in [0, 1, 4_294_967_296, (1 << 53) - 1] {
            let mut eval = command("EVAL");
            eval.extend([program.clone(), "0".into()].map(String::into_bytes));
            eval.extend(["", "", "", ""].map(Into::into));
            eval.push(seed.to_string().into());
            let Reply::Bulk(theirs) = server.connect().call(&eval) else { panic!("no text") };
            let theirs = without_lines(&String::from_utf8_lossy(&theirs));
            assert_eq!(theirs, without_lines(&draws_of(&interpreter, seed)), "{}, {seed}", product.name());
        }
    }
}
