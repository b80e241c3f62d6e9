//! Both stores side by side.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use godra_engine::keyspace::{Context, Keyspace};
use godra_engine::reply::{ReplyBuffer, Value};

use super::comparison::{self, Comparison};
use super::differences;
use super::generator::{KEYS_PER_KIND, KINDS};
use super::server::{Client, Product, Reply, StoreServer};

/// A command with its arguments, and who calls it.
#[derive(Clone, Debug)]
pub struct Call {
    pub arguments: Vec<Vec<u8>>,
    pub way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Direct,
    /// From a script, with `redis.pcall`.
    Script,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.way == Way::Script { "  (from a script)" } else { "" };
        write!(f, "  {}{way}", shown(&self.arguments))
    }
}

/// Arguments as one may type them into redis-cli.
pub fn shown(arguments: &[Vec<u8>]) -> String {
    let quoted = |argument: &Vec<u8>| format!("\"{}\"", argument.escape_ascii());
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The embedded store and the real one, with the same content.
pub struct Stores {
    ours: Keyspace,
    theirs: Client,
    product: Product,
    buffer: ReplyBuffer,
    /// The names of the differences that came up.
    pub differences: BTreeSet<&'static str>,
}

impl Stores {
    /// Two empty stores.
    pub fn new(server: &StoreServer, seed: u64) -> Self {
        let mut theirs = server.connect();
        theirs.call(&[b"FLUSHALL".to_vec()]);
        Self {
            ours: Keyspace::new(seed),
            theirs,
            product: server.product(),
            buffer: ReplyBuffer::default(),
            differences: BTreeSet::new(),
        }
    }

    /// Makes the call on both and compares the answers.
    pub fn check(&mut self, call: &Call) -> Result<(), String> {
        if self.is_left_out(call) {
            return Ok(());
        }
        let name = call.arguments[0].to_ascii_lowercase();
        let result = match comparison::of(&name, &call.arguments) {
            // To scripts, Redis gives even an unsorted set in alphabetical order.
            _ if call.way == Way::Script && comparison::is_unsorted(&call.arguments) => {
                self.check_as(call, Comparison::Exact)
            }
            Comparison::Scan { cursor_at } => self.check_scan(call, cursor_at),
            Comparison::Pop => self.check_pop(call),
            Comparison::Count => {
                self.take_away_expired();
                self.check_as(call, Comparison::Exact)
            }
            comparison => self.check_as(call, comparison),
        };
        result.map_err(|text| format!("{}: {text}", call.to_string().trim()))
    }

    /// Whether one of the stores does not know the call, or it means nothing.
    fn is_left_out(&mut self, call: &Call) -> bool {
        let difference = differences::unknown_call(self.product, call);
        self.differences.extend(difference);
        difference.is_some() || self.is_unspecified(call)
    }

    /// Ranges by name mean something only where all scores are equal, and a set has no order to cut a range from.
    fn is_unspecified(&mut self, call: &Call) -> bool {
        if comparison::is_faulty_in_stores(&call.arguments) {
            return true;
        }
        if let Some(key) = comparison::offset_below_zero(&call.arguments) {
            let query = [b"object".to_vec(), b"encoding".to_vec(), key.to_vec()];
            return self.theirs.call(&query) == Reply::Bulk(b"skiplist".to_vec());
        }
        if call.way == Way::Direct
            && let Some(key) = comparison::cut_unsorted(&call.arguments)
        {
            return self.theirs.call(&[b"type".to_vec(), key.to_vec()]) == Reply::Status("set".to_owned());
        }
        let Some(key) = comparison::ranged_by_name(&call.arguments) else { return false };
        let query = [b"zrange".to_vec(), key.to_vec(), b"0".into(), b"-1".into(), b"withscores".into()];
        let Reply::Array(members) = self.theirs.call(&query) else { return false };
        let mut scores = members.chunks(2).map(|member| &member[1]);
        let first = scores.next();
        scores.any(|score| Some(score) != first)
    }

    /// Compares all keys with their values and expiry.
    pub fn check_everything(&mut self) -> Result<(), String> {
        self.take_away_expired();
        let keys = KINDS.iter().flat_map(|kind| (1..=KEYS_PER_KIND).map(move |i| format!("{kind}{i}")));
        for key in keys.collect::<Vec<_>>() {
            let kind = self.check(&direct(&["type", &key]));
            kind?;
            let Reply::Status(kind) = self.theirs_direct(&direct(&["type", &key])) else { continue };
            self.check(&direct(&["pexpiretime", &key]))?;
            match kind.as_str() {
                "string" => self.check(&direct(&["get", &key]))?,
                "hash" => self.check(&direct(&["hgetall", &key]))?,
                "set" => self.check(&direct(&["smembers", &key]))?,
                "zset" => self.check(&direct(&["zrange", &key, "0", "-1", "withscores"]))?,
                "list" => self.check(&direct(&["lrange", &key, "0", "-1"]))?,
                _ => (),
            }
        }
        self.check(&direct(&["keys", "*"]))?;
        self.check(&direct(&["dbsize"]))
    }

    fn check_as(&mut self, call: &Call, comparison: Comparison) -> Result<(), String> {
        // The store's side of the picks is asked first, while the members are still those that both have.
        let members = comparison.pool_query(&call.arguments).map(|query| self.theirs.call(&query));
        let Some((ours, theirs)) = self.answers(call) else { return Ok(()) };
        comparison::compare(&comparison, &ours, &theirs, members.as_ref(), &call.arguments)
    }

    /// Both answers, ours in the words of the other store; none if that does not refuse what ours does.
    fn answers(&mut self, call: &Call) -> Option<(Reply, Reply)> {
        let ours = self.ours(call);
        if let Some(difference) = differences::refusal(self.product, call, &ours) {
            self.differences.insert(difference);
            return None;
        }
        let (ours, difference) = differences::reworded(self.product, call, ours);
        self.differences.extend(difference);
        let mut theirs = self.theirs(call);
        if theirs == Reply::Error("ERR One or more scores can't be converted into double".to_owned())
            && self.product != Product::Valkey9
        {
            // Redis takes the range error of any number that it read before for one of SORT's own. Reading a timeout
            // makes it forget the error, and the first try has read the scores of the sorted set already.
            self.theirs.call(&["blpop", "nosuch", "abc"].map(|argument| argument.as_bytes().to_vec()));
            theirs = self.theirs(call);
        }
        Some((ours, theirs))
    }

    /// Random pops take different members: both put them back, and take those away that Redis chose.
    fn check_pop(&mut self, call: &Call) -> Result<(), String> {
        let key = call.arguments.get(1).cloned().unwrap_or_default();
        let pool = self.theirs.call(&[b"smembers".to_vec(), key.clone()]);
        let Some((ours, theirs)) = self.answers(call) else { return Ok(()) };
        comparison::compare(
            &Comparison::Pick { distinct: true },
            &ours,
            &theirs,
            Some(&pool),
            &call.arguments,
        )?;
        for (popped, verb) in [(&ours, "sadd"), (&theirs, "srem")] {
            let members = match popped {
                Reply::Bulk(member) => vec![Reply::Bulk(member.clone())],
                Reply::Array(members) => members.clone(),
                _ => Vec::new(),
            };
            for member in members {
                let Reply::Bulk(member) = member else { return Err(format!("popped {member:?}")) };
                self.ours(&Call { arguments: vec![verb.into(), key.clone(), member], way: Way::Direct });
            }
        }
        Ok(())
    }

    /// Scans to the end in both, and compares what was found.
    fn check_scan(&mut self, call: &Call, cursor_at: usize) -> Result<(), String> {
        let Some((ours, theirs)) = self.answers(call) else { return Ok(()) };
        if matches!(ours, Reply::Error(_)) || matches!(theirs, Reply::Error(_)) {
            return comparison::compare(&Comparison::Exact, &ours, &theirs, None, &call.arguments);
        }
        if call.arguments[cursor_at] != b"0" {
            // Somewhere in the middle, each has its own order.
            return Ok(());
        }
        let is_pairs = matches!(call.arguments[0].to_ascii_lowercase().as_slice(), b"hscan" | b"zscan")
            && !call.arguments.iter().skip(3).any(|argument| argument.eq_ignore_ascii_case(b"novalues"));
        let width = if is_pairs { 2 } else { 1 };
        let with_scores = call.arguments[0].eq_ignore_ascii_case(b"zscan");
        let ours = scan_to_end(call, cursor_at, width, |call| self.ours(call))?;
        let theirs = scan_to_end(call, cursor_at, width, |call| self.theirs(call))?;
        let [ours, theirs] =
            [ours, theirs].map(|found| if with_scores { with_plain_scores(found) } else { found });
        if ours == theirs { Ok(()) } else { Err(format!("found\n   ours {ours:?}\n  Redis {theirs:?}")) }
    }

    fn ours(&mut self, call: &Call) -> Reply {
        let arguments: Vec<&[u8]> = call.arguments.iter().map(Vec::as_slice).collect();
        let context = Context { now_ms: now_ms(), from_script: call.way == Way::Script };
        self.ours.execute(&arguments, &context, &mut self.buffer);
        let mut values = self.buffer.values();
        let reply = read_reply(&mut values);
        assert!(values.next().is_none(), "{call}: more than one reply: {:?}", self.buffer);
        if call.way == Way::Script { through_lua(reply) } else { reply }
    }

    fn theirs(&mut self, call: &Call) -> Reply {
        match call.way {
            Way::Script => {
                let mut eval =
                    vec![b"EVAL".to_vec(), b"return redis.pcall(unpack(ARGV))".to_vec(), b"0".to_vec()];
                eval.extend_from_slice(&call.arguments);
                self.theirs.call(&eval)
            }
            Way::Direct if comparison::would_block(&call.arguments[0]) => self.theirs_in_transaction(call),
            Way::Direct => self.theirs_direct(call),
        }
    }

    fn theirs_direct(&mut self, call: &Call) -> Reply {
        self.theirs.call(&call.arguments)
    }

    /// In a transaction, as in a script, nothing blocks.
    fn theirs_in_transaction(&mut self, call: &Call) -> Reply {
        self.theirs.call(&[b"MULTI".to_vec()]);
        let queued = self.theirs.call(&call.arguments);
        let replies = self.theirs.call(&[b"EXEC".to_vec()]);
        match (queued, replies) {
            (Reply::Error(text), _) => Reply::Error(text),
            (_, Reply::Array(mut replies)) => replies.remove(0),
            other => panic!("{call}: {other:?}"),
        }
    }

    /// Keys past their time still count until somebody looks.
    fn take_away_expired(&mut self) {
        self.ours.expire_step(now_ms(), usize::MAX);
        let keys =
            KINDS.iter().flat_map(|kind| (1..=KEYS_PER_KIND).map(move |i| format!("{kind}{i}").into_bytes()));
        self.theirs.call(&std::iter::once(b"EXISTS".to_vec()).chain(keys).collect::<Vec<_>>());
    }
}

/// A script's numbers are floats on their way.
fn through_lua(reply: Reply) -> Reply {
    match reply {
        // Where the float does not fit back, the conversion in C gives the least number.
        Reply::Integer(number) if number as f64 >= i64::MAX as f64 => Reply::Integer(i64::MIN),
        Reply::Integer(number) => Reply::Integer(number as f64 as i64),
        Reply::Array(elements) => Reply::Array(elements.into_iter().map(through_lua).collect()),
        other => other,
    }
}

fn direct(arguments: &[&str]) -> Call {
    Call {
        arguments: arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect(),
        way: Way::Direct,
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as u64
}

fn scan_to_end(
    call: &Call,
    cursor_at: usize,
    width: usize,
    mut make: impl FnMut(&Call) -> Reply,
) -> Result<Vec<Vec<Reply>>, String> {
    let mut found = Vec::new();
    let mut call = call.clone();
    for _ in 0..10_000 {
        let reply = make(&call);
        let Reply::Array(parts) = &reply else { return Err(format!("a scan gave {reply:?}")) };
        let [Reply::Bulk(cursor), Reply::Array(elements)] = parts.as_slice() else {
            return Err(format!("a scan gave {reply:?}"));
        };
        found.extend(elements.chunks(width).map(<[Reply]>::to_vec));
        if cursor == b"0" {
            found.sort();
            found.dedup();
            return Ok(found);
        }
        call.arguments[cursor_at].clone_from(cursor);
    }
    Err("a scan does not end".to_owned())
}

/// A scan of a small sorted set writes a large whole score with all digits, any other scan and command does not.
fn with_plain_scores(mut found: Vec<Vec<Reply>>) -> Vec<Vec<Reply>> {
    for score in found.iter_mut().map(|entry| &mut entry[1]) {
        let Reply::Bulk(text) = score else { continue };
        let number: f64 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).expect("a score");
        *text = (number + 0.0).to_string().into_bytes();
    }
    found
}

fn read_reply<'a>(values: &mut impl Iterator<Item = Value<'a>>) -> Reply {
    match values.next().expect("every command answers, and every array is complete") {
        Value::Nil => Reply::Nil,
        Value::Integer(number) => Reply::Integer(number),
        Value::Bulk(bytes) => Reply::Bulk(bytes.to_vec()),
        Value::Status(text) => Reply::Status(String::from_utf8_lossy(text).into_owned()),
        Value::Error(text) => Reply::Error(String::from_utf8_lossy(text).into_owned()),
        Value::Array(len) => Reply::Array((0..len).map(|_| read_reply(values)).collect()),
    }
}
