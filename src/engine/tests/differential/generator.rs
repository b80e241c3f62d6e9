//! Random calls: mostly sensible, now and then with a wrong type, a bad number or an argument too many.

use std::collections::HashSet;

use godra_engine::SplitMix;

use super::grammar::{self, Node};
use super::stores::{Call, Way};

/// The calls. Slots: `{s}` `{h}` `{t}` `{z}` `{e}` `{l}` a key that mostly holds a string, hash, set, sorted set, sorted set of equal scores or list,
/// `{k}` any key; `{ns}` … numkeys and as many keys, `{pairs}` and `{nf}` a number and as many keys with values or fields, `{w}` as many weights; `{f}` a field, member or element, `{v}` a
/// value, `{i}` an integer, `{p}` a position, `{x}` a float, `{ms}` and `{sec}` a fixed time, `{ttl}` a long time to live, `{g}` a glob,
/// `{sb}` and `{nb}` bounds by score and by name.
const TEMPLATES: &[&str] = &[
    // Keys.
    "copy {k} {k} (|replace|db 0|db 99 replace|db abc)",
    "del {k}+",
    "unlink {k}+",
    "exists {k}+",
    "touch {k}+",
    "expire {k} {ttl} (|nx|xx|nx xx|foo)",
    "pexpire {k} ({ttl}|-1) (|nx|xx)",
    "expireat {k} {sec} (|nx|xx|gt|lt|xx gt|xx lt|nx gt|gt lt)",
    "pexpireat {k} {ms} (|nx|xx|gt|lt|xx gt|xx lt|nx lt|gt lt)",
    "expire {k} (-1|0|9223372036854775|9223372036854776|-9223372036854776|abc)",
    "expireat {k} ({i}|9223372036854775|9223372036854776|-9223372036854776)",
    "pexpireat {k} {i}",
    "pexpireat {s} 4000000001001 (|gt|lt|xx|nx)",
    "pexpireat {s} (4000000001001|4000000002002) (gt|lt|xx gt|xx lt)",
    "pexpireat {t} 4000000001001",
    "expiretime {k}",
    "pexpiretime {k}",
    "ttl {k}",
    "pttl {k}",
    "persist {k}",
    "persist {k}",
    "keys {g}",
    "randomkey",
    "rename {k} {k}",
    "renamenx {k} {k}",
    "scan 0 (|match {g}|count {i}|type (string|hash|set|zset|list|nope)|count 3 match {g} type hash)",
    "type {k}",
    "sort ({l}|{t}|{z}|{k}) (|limit {p} {p}) (|asc|desc) (|alpha) (|store {k})",
    "sort ({l}|{t}|{z}) by (s*|h*->f1|l*) (|limit {p} {p}) (|asc|desc) (|get (s*|h*->f2|#|s|h*->)+) (|store {k})",
    "sort ({l}|{z}) by nosort (|limit {p} {p}) (|desc) (|get (s*|h*->f2|#)+) (|store {k})",
    "sort {t} by nosort (limit {p} {p}|) (|desc) store {k}",
    "sort ({l}|{t}|{z}) by (s*|h*->f1) alpha (|desc) (|get (s*|h*->f2|#)+)",
    "sort {t} by nosort",
    "sort {t} by nosort limit {p} {p}",
    "sort_ro ({l}|{t}|{z}) (|limit {p} {p}) (|asc|desc) (|alpha) (|get (s*|#)+) (|store {k})",
    // Strings.
    "append {s} {v}",
    "decr {s}",
    "decrby {s} {i}",
    "incr {s}",
    "incrby {s} {i}",
    "incrbyfloat {s} {x}",
    "get {s}",
    "getdel {s}",
    "getex {s} (|ex {ttl}|px {ttl}|exat {sec}|pxat {ms}|persist|exat {i}|pxat {i}|ex -1|persist ex {ttl})",
    "getrange {s} {p} {p}",
    "substr {s} {p} {p}",
    "getset {s} {v}",
    "lcs {s} {s} (|len|idx|idx len|idx withmatchlen|idx minmatchlen {p} withmatchlen)",
    "mget {s}+ (|{k})",
    "mset ({s} {v})+",
    "msetnx ({s} {v})+",
    "psetex {s} ({ttl}|-5|0|9223372036854775807|abc) {v}",
    "setex {s} ({ttl}|-5|0|9223372036854775807|abc) {v}",
    "set {s} {v}",
    "set {s} {v} (nx|xx|) (get|) (keepttl|ex {ttl}|px {ttl}|exat {sec}|pxat {ms}|)",
    "set {s} {v} (nx xx|keepttl ex {ttl}|ex {ttl} px {ttl}|ex|ex 0|px -1|exat 9223372036854775807|ex abc|persist)",
    "set {s} {v} (ifeq {v}|get ifeq {v}|ifeq {v} get|ifeq {v} ex {ttl}) (|keepttl|nx|ifeq a|px 5)",
    "set {s} (a|1) ifeq (a|1)",
    "delifeq {s} {v}",
    "set {s} a",
    "delifeq {s} a",
    "delifeq {s} a",
    "msetex {pairs} (|nx|xx|nx xx|get) (|ex {ttl}|px {ttl}|exat {sec}|pxat {ms}|keepttl|ex 0|keepttl ex {ttl}|persist)",
    "setnx {s} {v}",
    "setrange {s} ({p}|0|7|{i}) {v}",
    "strlen {s}",
    // Bits.
    "bitcount {s} (|{p} {p}|{p} {p} byte|{p} {p} bit|{p}|{p} {p} foo)",
    "bitfield {s} (get {bt} {bo}|set {bt} {bo} {i}|incrby {bt} {bo} {i}|overflow (wrap|sat|fail) incrby {bt} {bo} {i}|overflow (wrap|sat|fail) set {bt} {bo} {i})+",
    "bitfield {s} (get {bt} {bo}|overflow foo)+",
    "bitfield_ro {s} (get {bt} {bo}|set u8 0 1|)+",
    "bitop (and|or|xor) {s} {s}+",
    "bitop (not|foo) {s} {s} (|{s})",
    "bitpos {s} (0|1|2|{i}) (|{p}|{p} {p}|{p} {p} byte|{p} {p} bit|{p} {p} foo)",
    "bitpos {s} 0 (|0|1|0 -1|0 0|0 2 bit|2 -1 bit)",
    "set {s} {ones}",
    "bitfield {s} (overflow (sat|fail) set (u4|u8) (0|8) (-1|-7|300|15))+",
    "getbit {s} (0|3|70|{i})",
    "setbit {s} (0|3|70|{p}) (0|1|1|2)",
    // Hashes.
    "hdel {h} {f}+",
    "hexists {h} {f}",
    "hget {h} {f}",
    "hgetall {h}",
    "hgetdel {h} (fields|fields|FOO) {nf}",
    "hincrby {h} {f} {i}",
    "hincrbyfloat {h} {f} {x}",
    "hkeys {h}",
    "hlen {h}",
    "hmget {h} {f}+",
    "hmset {h} ({f} {v})+",
    "hrandfield {h} (|{p}|{p} withvalues|-3 withvalues|{i})",
    "hscan {h} 0 (|match {g}|count {i}|count 3 match {g}|type hash) (|novalues)",
    "hset {h} ({f} {v})+",
    "hset {h} ({f} {v})+",
    "hsetnx {h} {f} {v}",
    "hstrlen {h} {f}",
    "hvals {h}",
    // Sets.
    "sadd {t} {f}+",
    "sadd {t} {f}+",
    "sadd {t} {many}",
    "scard {t}",
    "sdiff {t}+",
    "sdiffstore {t} {t}+",
    "sinter {t}+",
    "sintercard {nt} (|limit {i}|limit 1|foo)",
    "sinterstore {t} {t}+",
    "sismember {t} {f}",
    "smembers {t}",
    "smismember {t} {f}+",
    "smove {t} {t} {f}",
    "smove {t} {t} {f}",
    "spop {t} (|{p}|{i})",
    "srandmember {t} (|{p}|{i})",
    "srem {t} {f}+",
    "sscan {t} 0 (|match {g}|count {i}|count 3 match {g})",
    "sunion {t}+",
    "sunionstore {t} {t}+",
    // Sorted sets.
    "bzmpop ({to}|0) {nz} (min|max|foo) (|count {i})",
    "bzpopmax {z}+ ({to}|0)",
    "bzpopmin {z}+ ({to}|0)",
    "zadd {z} ({x} {f})+",
    "zadd {z} ({x} {f})+",
    "zadd {z} ({x} {f})+",
    "zadd {z} (1 {f}|1 {f}|2 {f})+",
    "zadd {z} {manyscores}",
    "zadd {z} (|nx|xx|gt|lt) ch (1 {f}|2 {f})+",
    "zadd {z} (inf|-inf) {f}",
    "zunionstore {z} 2 {z} {z} weights (0|inf|-inf|1) (0|inf|-inf|1)",
    "zinter 2 {z} {z} weights (0|inf|-inf|1) (0|inf|-inf|1) aggregate (sum|min|max) withscores",
    "zadd {e} (0 {f}|0 {f})+",
    "zadd {e} (0 {f}|0 {f}|0 {f})+",
    "zadd {e} {manyequal}",
    "del {e}",
    "zrangestore {z} {z} ({p} {p}|{sb} {sb} byscore) (|rev) (|limit {p} {p}) (|withscores)",
    "zadd {z} (nx|xx|) (gt|lt|) (ch|) (incr|) ({x} {f})+",
    "zadd {z} (xx|gt|lt|nx|gt xx) incr {x} {f}",
    "zcard {z}",
    "zcount {z} {sb} {sb}",
    "zdiff {nz} (|withscores|weights 1)",
    "zdiffstore {z} {nz} (|withscores)",
    "zincrby {z} {x} {f}",
    "zinter {nz} (|weights {w}) (|aggregate (sum|min|max|foo)) (|withscores)",
    "zinter 2 {z} {t} (|weights 2 3) withscores",
    "zintercard {nz} (|limit {i}|limit 1|foo)",
    "zinterstore {z} {nz} (|weights {w}) (|aggregate (sum|min|max|foo)) (|withscores)",
    "zlexcount {e} {nb} {nb}",
    "zmpop {nz} (min|max|foo) (|count {i}|count 2)",
    "zmscore {z} {f}+",
    "zpopmax {z} (|{i}|2)",
    "zpopmin {z} (|{i}|2)",
    "zrandmember {z} (|{p}|{p} withscores|-3 withscores|{i})",
    "zrange {z} {p} {p} (|rev) (|withscores) (|limit {p} {p})",
    "zrange {z} {sb} {sb} byscore (|rev) (|limit {p} {p}) (|withscores)",
    "zrange {e} {nb} {nb} bylex (|rev) (|limit {p} {p}) (|withscores)",
    "zrangebylex {e} {nb} {nb} (|limit {p} {p})",
    "zrangebyscore {z} {sb} {sb} (|withscores) (|limit {p} {p})",
    "zrangestore {e} {e} {nb} {nb} bylex (|rev) (|limit {p} {p}) (|withscores)",
    "zrank {z} {f} (|withscore|withscore foo|withscores)",
    "zrem {z} {f}+",
    "zrem {z} {f}+",
    "zremrangebylex {e} {nb} {nb}",
    "zremrangebyrank {z} {p} {p}",
    "zremrangebyscore {z} {sb} {sb}",
    "zrevrange {z} {p} {p} (|withscores) (|rev)",
    "zrevrangebylex {e} {nb} {nb} (|limit {p} {p})",
    "zrevrangebyscore {z} {sb} {sb} (|withscores) (|limit {p} {p})",
    "zrevrank {z} {f} (|withscore)",
    "zscan {z} 0 (|match {g}|count {i}|count 3 match {g})",
    "zscore {z} {f}",
    "zunion {nz} (|weights {w}) (|aggregate (sum|min|max|foo)) (|withscores)",
    "zunionstore {z} {nz} (|weights {w}) (|aggregate (sum|min|max|foo))",
    "zunionstore {z} 2 {z} {t} (|weights 2 0.5)",
    // Lists.
    "blmove {l} {l} (left|right) (left|right|foo) ({to}|0)",
    "blmpop ({to}|0) {nl} (left|right|foo) (|count {i}|count 2)",
    "blpop {l}+ ({to}|0)",
    "brpop {l}+ ({to}|0)",
    "brpoplpush {l} {l} ({to}|0)",
    "lindex {l} ({p}|{i})",
    "linsert {l} (before|after|foo) {f} {f}",
    "llen {l}",
    "lmove {l} {l} (left|right) (left|right|foo)",
    "lmpop {nl} (left|right|foo) (|count {i}|count 2|count 2 count 2)",
    "lpop {l} (|{i}|2|1 1)",
    "lpos {l} {f} (|rank {p}) (|count {p}) (|maxlen {p})",
    "lpos {l} {f} (rank|count|maxlen) {i}",
    "lpos {l} {f} rank (-9223372036854775808|-9223372036854775807|9223372036854775807)",
    "lpush {l} {f}+",
    "rpush {l} {f}+",
    "rpush {l} {many}",
    "rpush {l} {repeats}",
    "lpush {l} {repeats}",
    "lpushx {l} {f}+",
    "rpushx {l} {f}+",
    "lrange {l} {p} {p}",
    "lrem {l} {p} {f}",
    "lrem {l} {p} (1|2|3)",
    "lpos {l} (1|2|3) (|rank {p}) (|count {p}) (|maxlen {p})",
    "lset {l} ({p}|{i}) {f}",
    "ltrim {l} {p} {p}",
    "rpop {l} (|{i}|2)",
    "rpoplpush {l} {l}",
    // The store as a whole.
    "dbsize",
    "flushall (|async|sync|foo)",
    "flushdb (foo|sync foo)",
    "ping (|{v}|a b)",
    "select (0|-1|16|99999999999|abc)",
    "nosuch {v}+",
];

/// Keys of a kind: few, so that calls meet.
pub const KEYS_PER_KIND: usize = 4;
pub const KINDS: [&str; 6] = ["s", "h", "t", "z", "e", "l"];

const ODD_INTEGERS: &[&str] = &[
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775809",
    "99999999999999999999999",
    "4294967296",
    "abc",
    "",
    " 1",
    "1 ",
    "01",
    "-0",
    "+1",
    "1.0",
    "0x10",
    "1e2",
    "77\0",
];

const FLOATS: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "3",
    "10",
    "1.5",
    "-2.25",
    "0.1",
    "0.2",
    "0.3",
    "3.0e3",
    "1e5",
    "100",
    "-0",
    "3.14159",
    "1e-7",
    "1e15",
    "1e16",
    "1e17",
    "123456789012345678",
    "-9007199254740993",
    "1125899906842625.25",
    "1e300",
    "0.00001234",
    "17179869184.75",
    "0.000003814697265625",
    "0.000011444091796875",
    "5e-324",
    "2.2250738585072014e-308",
    "4503599627370496.5",
];

const ODD_FLOATS: &[&str] = &[
    "inf",
    "-inf",
    "+inf",
    "Infinity",
    "nan",
    "-nan",
    "1e308",
    "-1.7976931348623157e308",
    "1e400",
    "-1e400",
    "1e-400",
    "1e-4940",
    "1e4932",
    "1e5000",
    "0x1p3",
    "0xA.8",
    "-0x1p-2",
    " 1",
    "1 ",
    "",
    "abc",
    "1e",
    ".5",
    "5.",
    ".",
    "+3",
    "1_0",
    "1,5",
    "77\0",
    "infx",
    "0x",
];

/// Makes the calls of one seed.
pub struct Generator {
    random: SplitMix,
    templates: Vec<Vec<Node>>,
    /// How many keys the last numkeys slot gave.
    operands: usize,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        let templates = TEMPLATES.iter().map(|template| grammar::parse(template)).collect();
        Self { random: SplitMix(seed), templates, operands: 0 }
    }

    pub fn call(&mut self) -> Call {
        let templates = std::mem::take(&mut self.templates);
        let template = &templates[self.random.below(templates.len())];
        let mut arguments = Vec::new();
        template.iter().for_each(|node| self.expand(node, &mut arguments));
        self.templates = templates;
        // Flushes are rare, and a wrong database must never become a valid one: there is only one to compare.
        match arguments[0].as_slice() {
            b"flushall" if self.random.below(4) != 0 => return self.call(),
            b"select" | b"copy" => (),
            _ if self.random.below(15) == 0 => self.spoil(&mut arguments),
            _ => (),
        }
        if self.random.below(10) == 0 {
            arguments[0].make_ascii_uppercase();
        }
        let way = if self.random.below(6) == 0 { Way::Script } else { Way::Direct };
        Call { arguments, way }
    }

    fn spoil(&mut self, arguments: &mut Vec<Vec<u8>>) {
        let at = 1 + self.random.below(arguments.len());
        match self.random.below(4) {
            0 if at < arguments.len() => {
                arguments.remove(at);
            }
            1 if at < arguments.len() => arguments.truncate(at),
            2 if at < arguments.len() => arguments[at] = self.one_of(ODD_INTEGERS),
            _ => {
                let extra = self.one_of(&["limit", "0", "get", "", "withscores", "s1", "count", "1"]);
                arguments.insert(at, extra);
            }
        }
    }

    fn expand(&mut self, node: &Node, out: &mut Vec<Vec<u8>>) {
        match node {
            Node::Word(word) if self.random.below(20) == 0 && !out.is_empty() => {
                out.push(word.to_uppercase().into_bytes());
            }
            Node::Word(word) => out.push(word.as_bytes().to_vec()),
            Node::Slot(slot) => self.fill(slot, out),
            Node::Choice(branches) => {
                let branch = &branches[self.random.below(branches.len())];
                branch.iter().for_each(|node| self.expand(node, out));
            }
            Node::Repeat(node) => (0..=self.random.below(3)).for_each(|_| self.expand(node, out)),
        }
    }

    fn fill(&mut self, slot: &str, out: &mut Vec<Vec<u8>>) {
        let value = match slot {
            "k" => self.any_key(),
            "s" | "h" | "t" | "z" | "e" | "l" => self.key(slot),
            "ns" | "nt" | "nz" | "nl" => return self.counted_keys(&slot[1..], out),
            "pairs" | "nf" => return self.counted(slot, out),
            "w" => return (0..self.operands).for_each(|_| out.push(self.float(20))),
            "many" => {
                return (0..self.random.below(300))
                    .for_each(|i| out.push(format!("m{}", i * 7).into_bytes()));
            }
            "manyscores" => {
                return (0..1 + self.random.below(250)).for_each(|i| {
                    out.push(self.random.below(40).to_string().into_bytes());
                    out.push(format!("m{}", i * 7).into_bytes());
                });
            }
            "manyequal" => {
                return (0..1 + self.random.below(250)).for_each(|i| {
                    out.extend([b"0".to_vec(), format!("m{}", i * 7).into_bytes()]);
                });
            }
            "ones" => vec![0xff; 1 + self.random.below(4)],
            "repeats" => {
                return (0..self.random.below(30)).for_each(|_| {
                    out.push((1 + self.random.below(3)).to_string().into_bytes());
                });
            }
            "f" => self.member(),
            "v" => self.value(),
            "i" => self.integer(),
            "p" => (self.random.below(14) as i64 - 5).to_string().into_bytes(),
            "x" => self.float(6),
            "to" => self.one_of(&[
                "0.001",
                "-1",
                "-0.0001",
                "inf",
                "1e20",
                "abc",
                "9223372036854775",
                "1e-30",
                "-1e-9",
            ]),
            "ms" => (4_000_000_000_000 + self.random.below(6) as u64 * 1_001).to_string().into_bytes(),
            "sec" => (4_000_000_000 + self.random.below(6) as u64 * 3).to_string().into_bytes(),
            "ttl" => (1_000_000 + self.random.below(3) as u64 * 500_000).to_string().into_bytes(),
            "g" => self.one_of(&[
                "*", "s*", "?1", "[sh]*", "[^sh]?", "m1*", "f*", "*3", "a[b-d]c", "?[4-1]", "[t-h]*", "",
                "\\s1", "[s", "*[1-2]",
            ]),
            "sb" => self.score_bound(),
            "nb" => self.name_bound(),
            "bt" => self.one_of(&[
                "u8", "i8", "u1", "i1", "u4", "i5", "u16", "i64", "u63", "i33", "u64", "i65", "u0", "x8",
                "u", "i08",
            ]),
            "bo" => self.one_of(&[
                "0", "1", "3", "7", "8", "13", "100", "#0", "#1", "#3", "-1", "#", "abc", "#-1", "0",
            ]),
            other => panic!("no such slot: {other}"),
        };
        out.push(value);
    }

    fn key(&mut self, kind: &str) -> Vec<u8> {
        if self.random.below(25) == 0 {
            return self.any_key();
        }
        format!("{kind}{}", 1 + self.random.below(KEYS_PER_KIND)).into_bytes()
    }

    fn any_key(&mut self) -> Vec<u8> {
        let kind = KINDS[self.random.below(KINDS.len())];
        format!("{kind}{}", 1 + self.random.below(KEYS_PER_KIND)).into_bytes()
    }

    fn counted_keys(&mut self, kind: &str, out: &mut Vec<Vec<u8>>) {
        self.operands = 1 + self.random.below(3);
        let count = match self.random.below(20) {
            0 => self.integer(),
            1 => b"0".to_vec(),
            _ => self.operands.to_string().into_bytes(),
        };
        out.push(count);
        (0..self.operands).for_each(|_| out.push(self.key(kind)));
    }

    /// A number, and as many pairs of key and value, or fields.
    fn counted(&mut self, slot: &str, out: &mut Vec<Vec<u8>>) {
        let len = 1 + self.random.below(3);
        let count = match self.random.below(12) {
            0 => self.integer(),
            _ => len.to_string().into_bytes(),
        };
        out.push(count);
        for _ in 0..len {
            if slot == "pairs" {
                out.extend([self.key("s"), self.value()]);
            } else {
                out.push(self.member());
            }
        }
    }

    fn member(&mut self) -> Vec<u8> {
        match self.random.below(10) {
            0..4 => (1 + self.random.below(5)).to_string().into_bytes(),
            4..7 => format!("f{}", 1 + self.random.below(4)).into_bytes(),
            7 => self.float(30),
            8 => format!("m{}", self.random.below(30) * 7).into_bytes(),
            _ => self.one_of(&[
                "",
                "a",
                "abc",
                "abd",
                "b\0b",
                "\u{ff}",
                "a member longer than what is kept inline",
            ]),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        match self.random.below(12) {
            0..3 => (self.random.below(30) as i64 - 10).to_string().into_bytes(),
            3..5 => self.float(10),
            5 => self.integer(),
            6 => vec![b'x'; self.random.below(200)],
            7 => (0..self.random.below(12)).map(|_| self.random.next_u64() as u8).collect(),
            8 => vec![0xff; self.random.below(5)],
            _ => self.one_of(&[
                "",
                "a",
                "ohmytext",
                "mynewtext",
                "abcabc",
                "\0\0\u{1}",
                "v with spaces",
                "foobar",
            ]),
        }
    }

    fn integer(&mut self) -> Vec<u8> {
        match self.random.below(8) {
            0 => self.one_of(ODD_INTEGERS),
            _ => (self.random.below(40) as i64 - 10).to_string().into_bytes(),
        }
    }

    fn float(&mut self, odd_one_in: usize) -> Vec<u8> {
        match self.random.below(odd_one_in) {
            0 => self.one_of(ODD_FLOATS),
            1 => format!("{}", f64::from(self.random.next_u64() as i32) / 1000.0).into_bytes(),
            2 => format!("{:e}", f64::from_bits(self.random.next_u64() >> 2)).into_bytes(),
            _ => self.one_of(FLOATS),
        }
    }

    fn score_bound(&mut self) -> Vec<u8> {
        let open = if self.random.below(3) == 0 { b"(".to_vec() } else { Vec::new() };
        let number = match self.random.below(6) {
            0 => b"-inf".to_vec(),
            1 => b"+inf".to_vec(),
            2 => (self.random.below(40) as i64 - 3).to_string().into_bytes(),
            _ => self.float(8),
        };
        [open, number].concat()
    }

    fn name_bound(&mut self) -> Vec<u8> {
        match self.random.below(8) {
            0 | 1 => b"-".to_vec(),
            2 | 3 => b"+".to_vec(),
            4 => self.member(),
            5 => [b"(".to_vec(), self.member()].concat(),
            _ => [b"[".to_vec(), self.member()].concat(),
        }
    }

    fn one_of(&mut self, texts: &[&str]) -> Vec<u8> {
        texts[self.random.below(texts.len())].as_bytes().to_vec()
    }
}

/// The commands that templates begin with.
pub fn command_names() -> HashSet<&'static str> {
    TEMPLATES.iter().filter_map(|template| template.split(' ').next()).collect()
}
