//! The command table, and the look-up by name.

use super::flags::{DENY_OOM, RANDOM as CHANCE, WRITE as CHANGE};
use super::{
    Command, Keys, Run, bitfield, bits, expiry, hashes, keys, lcs, list_pops, lists, pick, scan, server,
    sets, sort, sorted_set_algebra, sorted_set_ranges, sorted_sets, strings,
};

const READ: u8 = 0;
const RANDOM: u8 = CHANCE;
const WRITE: u8 = CHANGE;
const WRITE_RANDOM: u8 = CHANGE | CHANCE;
/// Writes that can make the store larger.
const GROW: u8 = CHANGE | DENY_OOM;

const NONE: Keys = Keys::None;
const FIRST: Keys = Keys::Range { first: 1, last: 1, step: 1 };
const FIRST_TWO: Keys = Keys::Range { first: 1, last: 2, step: 1 };
const ALL: Keys = Keys::Range { first: 1, last: -1, step: 1 };
const ALL_BUT_LAST: Keys = Keys::Range { first: 1, last: -2, step: 1 };
const EVERY_OTHER: Keys = Keys::Range { first: 1, last: -1, step: 2 };
const FROM_SECOND: Keys = Keys::Range { first: 2, last: -1, step: 1 };
const COUNTED_AT_1: Keys = Keys::Counted { count: 1, step: 1, destination: false };
const COUNTED_PAIRS_AT_1: Keys = Keys::Counted { count: 1, step: 2, destination: false };
const COUNTED_AT_2: Keys = Keys::Counted { count: 2, step: 1, destination: false };
const STORE_AND_COUNTED: Keys = Keys::Counted { count: 2, step: 1, destination: true };
const SORT: Keys = Keys::Sort;

/// Every command: its name, its arity (a negative one is a minimum), what it does, where its keys are, its function.
static TABLE: [Command; 151] = [
    // Keys.
    line("copy", -3, GROW, FIRST_TWO, keys::copy),
    line("del", -2, WRITE, ALL, keys::del),
    line("exists", -2, READ, ALL, keys::exists),
    line("expire", -3, WRITE, FIRST, expiry::expire),
    line("expireat", -3, WRITE, FIRST, expiry::expireat),
    line("expiretime", 2, READ, FIRST, expiry::expiretime),
    line("keys", 2, READ, NONE, keys::keys),
    line("persist", 2, WRITE, FIRST, expiry::persist),
    line("pexpire", -3, WRITE, FIRST, expiry::pexpire),
    line("pexpireat", -3, WRITE, FIRST, expiry::pexpireat),
    line("pexpiretime", 2, READ, FIRST, expiry::pexpiretime),
    line("pttl", 2, RANDOM, FIRST, expiry::pttl),
    line("randomkey", 1, RANDOM, NONE, keys::randomkey),
    line("rename", 3, WRITE, FIRST_TWO, keys::rename),
    line("renamenx", 3, WRITE, FIRST_TWO, keys::renamenx),
    line("scan", -2, READ, NONE, scan::scan),
    line("sort", -2, GROW, SORT, sort::sort),
    line("sort_ro", -2, READ, FIRST, sort::sort_ro),
    line("touch", -2, READ, ALL, keys::exists),
    line("ttl", 2, RANDOM, FIRST, expiry::ttl),
    line("type", 2, READ, FIRST, keys::type_of),
    line("unlink", -2, WRITE, ALL, keys::del),
    // Strings.
    line("append", 3, GROW, FIRST, strings::append),
    line("decr", 2, GROW, FIRST, strings::decr),
    line("decrby", 3, GROW, FIRST, strings::decrby),
    line("delifeq", 3, WRITE, FIRST, strings::delifeq),
    line("get", 2, READ, FIRST, strings::get),
    line("getdel", 2, WRITE, FIRST, strings::getdel),
    line("getex", -2, WRITE, FIRST, strings::getex),
    line("getrange", 4, READ, FIRST, strings::getrange),
    line("getset", 3, GROW, FIRST, strings::getset),
    line("incr", 2, GROW, FIRST, strings::incr),
    line("incrby", 3, GROW, FIRST, strings::incrby),
    line("incrbyfloat", 3, GROW, FIRST, strings::incrbyfloat),
    line("lcs", -3, READ, FIRST_TWO, lcs::lcs),
    line("mget", -2, READ, ALL, strings::mget),
    line("mset", -3, GROW, EVERY_OTHER, strings::mset),
    line("msetex", -4, GROW, COUNTED_PAIRS_AT_1, strings::msetex),
    line("msetnx", -3, GROW, EVERY_OTHER, strings::msetnx),
    line("psetex", 4, GROW, FIRST, strings::psetex),
    line("set", -3, GROW, FIRST, strings::set),
    line("setex", 4, GROW, FIRST, strings::setex),
    line("setnx", 3, GROW, FIRST, strings::setnx),
    line("setrange", 4, GROW, FIRST, strings::setrange),
    line("strlen", 2, READ, FIRST, strings::strlen),
    line("substr", 4, READ, FIRST, strings::getrange),
    // Bits.
    line("bitcount", -2, READ, FIRST, bits::bitcount),
    line("bitfield", -2, GROW, FIRST, bitfield::bitfield),
    line("bitfield_ro", -2, READ, FIRST, bitfield::bitfield_ro),
    line("bitop", -4, GROW, FROM_SECOND, bits::bitop),
    line("bitpos", -3, READ, FIRST, bits::bitpos),
    line("getbit", 3, READ, FIRST, bits::getbit),
    line("setbit", 4, GROW, FIRST, bits::setbit),
    // Hashes.
    line("hdel", -3, WRITE, FIRST, hashes::hdel),
    line("hexists", 3, READ, FIRST, hashes::hexists),
    line("hget", 3, READ, FIRST, hashes::hget),
    line("hgetall", 2, READ, FIRST, hashes::hgetall),
    line("hgetdel", -5, WRITE, FIRST, hashes::hgetdel),
    line("hincrby", 4, GROW, FIRST, hashes::hincrby),
    line("hincrbyfloat", 4, GROW, FIRST, hashes::hincrbyfloat),
    line("hkeys", 2, READ, FIRST, hashes::hkeys),
    line("hlen", 2, READ, FIRST, hashes::hlen),
    line("hmget", -3, READ, FIRST, hashes::hmget),
    line("hmset", -4, GROW, FIRST, hashes::hmset),
    line("hrandfield", -2, RANDOM, FIRST, pick::hrandfield),
    line("hscan", -3, READ, FIRST, scan::hscan),
    line("hset", -4, GROW, FIRST, hashes::hset),
    line("hsetnx", 4, GROW, FIRST, hashes::hsetnx),
    line("hstrlen", 3, READ, FIRST, hashes::hstrlen),
    line("hvals", 2, READ, FIRST, hashes::hvals),
    // Sets.
    line("sadd", -3, GROW, FIRST, sets::sadd),
    line("scard", 2, READ, FIRST, sets::scard),
    line("sdiff", -2, READ, ALL, sets::sdiff),
    line("sdiffstore", -3, GROW, ALL, sets::sdiffstore),
    line("sinter", -2, READ, ALL, sets::sinter),
    line("sintercard", -3, READ, COUNTED_AT_1, sets::sintercard),
    line("sinterstore", -3, GROW, ALL, sets::sinterstore),
    line("sismember", 3, READ, FIRST, sets::sismember),
    line("smembers", 2, READ, FIRST, sets::smembers),
    line("smismember", -3, READ, FIRST, sets::smismember),
    line("smove", 4, WRITE, FIRST_TWO, sets::smove),
    line("spop", -2, WRITE_RANDOM, FIRST, pick::spop),
    line("srandmember", -2, RANDOM, FIRST, pick::srandmember),
    line("srem", -3, WRITE, FIRST, sets::srem),
    line("sscan", -3, READ, FIRST, scan::sscan),
    line("sunion", -2, READ, ALL, sets::sunion),
    line("sunionstore", -3, GROW, ALL, sets::sunionstore),
    // Sorted sets.
    line("bzmpop", -5, WRITE, COUNTED_AT_2, sorted_sets::bzmpop),
    line("bzpopmax", -3, WRITE, ALL_BUT_LAST, sorted_sets::bzpopmax),
    line("bzpopmin", -3, WRITE, ALL_BUT_LAST, sorted_sets::bzpopmin),
    line("zadd", -4, GROW, FIRST, sorted_sets::zadd),
    line("zcard", 2, READ, FIRST, sorted_sets::zcard),
    line("zcount", 4, READ, FIRST, sorted_set_ranges::zcount),
    line("zdiff", -3, READ, COUNTED_AT_1, sorted_set_algebra::zdiff),
    line("zdiffstore", -4, GROW, STORE_AND_COUNTED, sorted_set_algebra::zdiffstore),
    line("zincrby", 4, GROW, FIRST, sorted_sets::zincrby),
    line("zinter", -3, READ, COUNTED_AT_1, sorted_set_algebra::zinter),
    line("zintercard", -3, READ, COUNTED_AT_1, sorted_set_algebra::zintercard),
    line("zinterstore", -4, GROW, STORE_AND_COUNTED, sorted_set_algebra::zinterstore),
    line("zlexcount", 4, READ, FIRST, sorted_set_ranges::zlexcount),
    line("zmpop", -4, WRITE, COUNTED_AT_1, sorted_sets::zmpop),
    line("zmscore", -3, READ, FIRST, sorted_sets::zmscore),
    line("zpopmax", -2, WRITE, FIRST, sorted_sets::zpopmax),
    line("zpopmin", -2, WRITE, FIRST, sorted_sets::zpopmin),
    line("zrandmember", -2, RANDOM, FIRST, pick::zrandmember),
    line("zrange", -4, READ, FIRST, sorted_set_ranges::zrange),
    line("zrangebylex", -4, READ, FIRST, sorted_set_ranges::zrangebylex),
    line("zrangebyscore", -4, READ, FIRST, sorted_set_ranges::zrangebyscore),
    line("zrangestore", -5, GROW, FIRST_TWO, sorted_set_ranges::zrangestore),
    line("zrank", -3, READ, FIRST, sorted_sets::zrank),
    line("zrem", -3, WRITE, FIRST, sorted_sets::zrem),
    line("zremrangebylex", 4, WRITE, FIRST, sorted_set_ranges::zremrangebylex),
    line("zremrangebyrank", 4, WRITE, FIRST, sorted_set_ranges::zremrangebyrank),
    line("zremrangebyscore", 4, WRITE, FIRST, sorted_set_ranges::zremrangebyscore),
    line("zrevrange", -4, READ, FIRST, sorted_set_ranges::zrevrange),
    line("zrevrangebylex", -4, READ, FIRST, sorted_set_ranges::zrevrangebylex),
    line("zrevrangebyscore", -4, READ, FIRST, sorted_set_ranges::zrevrangebyscore),
    line("zrevrank", -3, READ, FIRST, sorted_sets::zrevrank),
    line("zscan", -3, READ, FIRST, scan::zscan),
    line("zscore", 3, READ, FIRST, sorted_sets::zscore),
    line("zunion", -3, READ, COUNTED_AT_1, sorted_set_algebra::zunion),
    line("zunionstore", -4, GROW, STORE_AND_COUNTED, sorted_set_algebra::zunionstore),
    // Lists.
    line("blmove", 6, GROW, FIRST_TWO, list_pops::blmove),
    line("blmpop", -5, WRITE, COUNTED_AT_2, list_pops::blmpop),
    line("blpop", -3, WRITE, ALL_BUT_LAST, list_pops::blpop),
    line("brpop", -3, WRITE, ALL_BUT_LAST, list_pops::brpop),
    line("brpoplpush", 4, GROW, FIRST_TWO, list_pops::brpoplpush),
    line("lindex", 3, READ, FIRST, lists::lindex),
    line("linsert", 5, GROW, FIRST, lists::linsert),
    line("llen", 2, READ, FIRST, lists::llen),
    line("lmove", 5, GROW, FIRST_TWO, list_pops::lmove),
    line("lmpop", -4, WRITE, COUNTED_AT_1, list_pops::lmpop),
    line("lpop", -2, WRITE, FIRST, list_pops::lpop),
    line("lpos", -3, READ, FIRST, lists::lpos),
    line("lpush", -3, GROW, FIRST, lists::lpush),
    line("lpushx", -3, GROW, FIRST, lists::lpushx),
    line("lrange", 4, READ, FIRST, lists::lrange),
    line("lrem", 4, WRITE, FIRST, lists::lrem),
    line("lset", 4, GROW, FIRST, lists::lset),
    line("ltrim", 4, WRITE, FIRST, lists::ltrim),
    line("rpop", -2, WRITE, FIRST, list_pops::rpop),
    line("rpoplpush", 3, GROW, FIRST_TWO, list_pops::rpoplpush),
    line("rpush", -3, GROW, FIRST, lists::rpush),
    line("rpushx", -3, GROW, FIRST, lists::rpushx),
    // The store as a whole.
    line("dbsize", 1, READ, NONE, server::dbsize),
    line("echo", 2, READ, NONE, server::echo),
    line("flushall", -1, WRITE, NONE, server::flush),
    line("flushdb", -1, WRITE, NONE, server::flush),
    line("ping", -1, READ, NONE, server::ping),
    line("select", 2, READ, NONE, server::select),
    line("time", 1, RANDOM, NONE, server::time),
];

const fn line(name: &'static str, arity: i16, flags: u8, keys: Keys, run: Run) -> Command {
    Command { name, arity, flags, keys, run }
}

/// Indices into the table plus one, by hash of the name; 0 is free. Built when the program is compiled.
static SLOTS: [u8; SLOT_COUNT] = build_slots();
const SLOT_COUNT: usize = 1024;
const _: () = assert!(TABLE.len() < u8::MAX as usize && TABLE.len() * 4 < SLOT_COUNT);

/// Finds a command by its name in any case, in about the time of one comparison.
pub(super) fn find(name: &[u8]) -> Option<&'static Command> {
    if name.is_empty() {
        return None;
    }
    let mut at = hash(name);
    loop {
        let index = usize::from(SLOTS[at]).checked_sub(1)?;
        let command = &TABLE[index];
        if name.eq_ignore_ascii_case(command.name.as_bytes()) {
            return Some(command);
        }
        at = (at + 1) % SLOT_COUNT;
    }
}

pub(crate) fn all() -> &'static [Command] {
    &TABLE
}

const fn build_slots() -> [u8; SLOT_COUNT] {
    let mut slots = [0; SLOT_COUNT];
    let mut index = 0;
    while index < TABLE.len() {
        let mut at = hash(TABLE[index].name.as_bytes());
        while slots[at] != 0 {
            at = (at + 1) % SLOT_COUNT;
        }
        slots[at] = index as u8 + 1;
        index += 1;
    }
    slots
}

/// Mixes the length and the letters that tell commands apart best, whatever their case.
const fn hash(name: &[u8]) -> usize {
    let len = name.len();
    let mut mixed = len as u32;
    let places = [0, len / 4, len / 2, len - 1 - len / 4, len - 1];
    let mut i = 0;
    while i < places.len() {
        mixed = mixed.wrapping_mul(31).wrapping_add((name[places[i]] | 0x20) as u32);
        i += 1;
    }
    (mixed.wrapping_mul(0x9e37_79b1) >> 22) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case() {
        for command in &TABLE {
            assert_eq!(command.name, command.name.to_ascii_lowercase());
            for name in [command.name.to_owned(), command.name.to_uppercase()] {
                assert!(find(name.as_bytes()).is_some_and(|found| found.name == command.name), "{name}");
            }
        }
    }

    #[test]
    fn nothing_else_is_found() {
        for name in ["", "g", "gett", "ge", "publish", "object", "\0", "GET ", "zzzzzzzzzzzzzzzzzzzzzzzzzzz"]
        {
            assert!(find(name.as_bytes()).is_none(), "{name:?}");
        }
    }

    #[test]
    fn names_are_found_at_once() {
        let steps = |command: &Command| {
            let index = TABLE.iter().position(|other| other.name == command.name).unwrap();
            let at = SLOTS.iter().position(|slot| usize::from(*slot) == index + 1).unwrap();
            (at + SLOT_COUNT - hash(command.name.as_bytes())) % SLOT_COUNT
        };
        let all: Vec<usize> = TABLE.iter().map(steps).collect();
        assert!(all.iter().max() < Some(&4), "{all:?}");
        assert!(all.iter().sum::<usize>() < TABLE.len() / 4, "{all:?}");
    }

    #[test]
    fn keys_of_a_call() {
        let check = |call: &str, expected: &str| {
            let arguments: Vec<&[u8]> = call.split(' ').map(str::as_bytes).collect();
            let keys = find(arguments[0]).unwrap().keys_of(&arguments);
            let expected: Vec<&[u8]> = expected.split_terminator(' ').map(str::as_bytes).collect();
            assert_eq!(keys, expected, "{call}");
        };
        check("get a", "a");
        check("mset a 1 b 2", "a b");
        check("del a b c", "a b c");
        check("bitop and d a b", "d a b");
        check("blpop a b 0", "a b");
        check("zunionstore d 2 a b weights 1 2", "d a b");
        check("zunion 2 a b", "a b");
        check("msetex 2 a 1 b 2 nx", "a b");
        check("lmpop 99 a left", "a left");
        check("lmpop x a left", "");
        check("blmpop 0 1 a left", "a");
        check("sort a by w_* get # store d", "a d");
        check("ping", "");
        check("keys *", "");
    }
}
